"""A client program for Cisco's CSSM that PyPI carries, as it is: it has the hosts' names built in, and finds this CSSM where the name
service and the roots it trusts say so (CSSM-033)."""

import os
import subprocess
import sys

if "RUMLINE_INNER" not in os.environ:
    # The names are given in a file of this process alone, and port 443 is that of a network of its own.
    os.environ["RUMLINE_INNER"] = "1"
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execvp("unshare", ["unshare", *own, "--mount", "--net", sys.executable, *sys.argv])

from lab import Lab, done

HOSTS = ["swapi.cisco.com", "cloudsso.cisco.com"]


def names_lead_here(lab):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    hosts = lab / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(HOSTS)}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


class OnCiscosNames(Lab):
    def start_cssm(self, listen=None):
        names_lead_here(self.dir)
        super().start_cssm("127.0.0.1:443")


names = [word for host in HOSTS for word in ("--name", host)]
with OnCiscosNames(*names, "--purchase-delay-hours", "0") as lab:
    secret = lab.call("POST", "/people", {
        "login": "inventory", "role": "user", "smart_account_id": 1})["secret"]
    lab.call("POST", "/smart-accounts/1/virtual-accounts/1/purchases", {
        "license": "LAN_ENTERPRISE_SERVICES_PKG", "quantity": 5, "kind": "PERPETUAL"})
    os.environ["REQUESTS_CA_BUNDLE"] = str(lab.dir / "cssm/root.pem")
    from mcssmapi import Licensing

    wrong = Licensing("inventory", "not the secret")
    refused = wrong.bearer_update()
    assert (refused["success"], refused["error"]) == (False, 401), refused
    assert refused["response"]["error"] == "invalid_client", refused
    program = Licensing("inventory", secret)
    # Without a token it is told so, as JSON.
    early = program.smart_license_usage("example.net", 50, 0, "Default")
    assert (early["success"], early["error"]) == (False, 401), early
    assert program.bearer_update()["success"]
    found = program.smart_license_usage("example.net", 50, 0, "Default")
    assert found["success"], found
    [row] = found["response"]["licenses"]
    assert (row["virtualAccount"], row["quantity"], row["inUse"]) == ("Default", 5, 0), row
    nowhere = program.smart_license_usage("example.org", 50, 0, "Default")
    assert (nowhere["success"], nowhere["error"]) == (False, 404), nowhere
    # What Nexus has not, licenses that are reserved, is refused as an address that is not there.
    reserved = program.reserve_license("example.net", "Default", "CE-ZN9K-C93180YC-FX3:FDO1-A-B", [
        {"quantity": 1, "entitlementTag": "regid.2018-05.com.cisco.C9200L-NW-E-48,1.0_52d2a0bd"}])
    assert (reserved["success"], reserved["error"], reserved["response"]["status"]) == (False, 404, "ERROR"), reserved
done("public_clients")
