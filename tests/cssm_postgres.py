"""CSSM over PostgreSQL: the same loop, and what was acknowledged is there after a restart."""

import os

from lab import Lab, done

with Lab("--postgres", os.environ["RUMLINE_POSTGRES_URL"]) as lab:
    switch = lab.start_switch()
    switch.run("configure terminal", "feature bgp")
    switch.connect_to_cssm()
    switch.run("license smart sync all")
    switch.wait("show license status", r"Last ACK received: \w")
    instance = lab.call("GET", "/smart-accounts/1/product-instances")[0]
    assert instance["licenses"][0]["license"] == "LAN_ENTERPRISE_SERVICES_PKG", instance
    lab.cssm.kill()
    lab.cssm.wait()
    lab.start_cssm(lab.url.removeprefix("https://"))
    again = lab.call("GET", "/smart-accounts/1/product-instances")[0]
    assert again["reports"] == instance["reports"] >= 1, again
done("cssm_postgres")
