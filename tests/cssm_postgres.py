"""CSSM over PostgreSQL: the same loop, and what was acknowledged is there after a restart; a database that only lets read is told
of within five seconds, and again when it takes its work."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

from lab import Lab, done

DATABASE = os.environ["RUMLINE_POSTGRES_URL"]


def becomes(lab, why):
    """Waits until it tells this, `None` for ready."""
    end = time.monotonic() + 5
    while True:
        try:
            with urllib.request.urlopen(f"{lab.url}/readyz", context=lab.ssl, timeout=20):
                found = None
        except urllib.error.HTTPError as error:
            found = json.load(error)["code"]
        if found == why:
            return
        assert time.monotonic() < end, (why, found)
        time.sleep(0.1)


def set_to(*how):
    subprocess.run(["psql", DATABASE, "--quiet", "--command", f"ALTER SYSTEM {' '.join(how)}",
                    "--command", "SELECT pg_reload_conf()"], check=True, stdout=subprocess.DEVNULL)


with Lab("--db", DATABASE) as lab:
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
    becomes(lab, None)
    set_to("SET", "default_transaction_read_only", "=", "on")
    try:
        becomes(lab, "database_read_only")
    finally:
        set_to("RESET", "default_transaction_read_only")
    becomes(lab, None)
done("cssm_postgres")
