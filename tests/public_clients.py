"""A client program for Cisco's CSSM that PyPI carries, as it is: it has the hosts' names built in, and finds this CSSM where the name
service and the roots it trusts say so. Requests that others saved with their answers, where they are there, are sent again, and what
comes back has their shapes (CSSM-033)."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

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


# Beside the project, in some places.
SAVED = pathlib.Path(__file__).parents[2] / "shared/spec/samples/CSSM_API_SLP_offline_postman_requests_responses.txt"
ASSUMED = {"authrequest"}


def saved():
    """Each request: method, URL, headers, body with its variables, and the JSON that it was answered with."""
    for part in SAVED.read_text().split("\n===  ")[1:]:
        request, answers = part.split("\n--- example", 1)
        method, url = re.search(r"^(GET|POST) (\S+)$", request, re.M).groups()
        headers = dict(re.findall(r"^  H ([^:]+): (.*)$", request, re.M))
        body = request[request.index("\n{") + 1:] if "\n{" in request else ""
        reader, found = json.JSONDecoder(), []
        answer = answers.split("\n  resp:", 1)[1]
        while (at := answer.find("{")) >= 0:
            value, end = reader.raw_decode(answer[at:])
            found.append(value)
            answer = answer[at + end:]
        yield method, url, headers, body, re.search(r" (\d{3}) ", answers.split("\n")[0])[1], found


def shape(value):
    """What of an answer does not depend on whose it is: names, and whether they hold rows or more names."""
    if isinstance(value, dict):
        return {name: shape(own) for name, own in value.items() if name != "udi_vid"}
    return [shape(value[0])] if isinstance(value, list) and value else "..."


def fits(ours, theirs):
    """The same names, and where both have rows, rows of the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(fits(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return fits(ours[0], theirs[0])
    return True


def replay(lab, session, secret):
    """The saved calls, in their order, with a switch of this lab in the place of theirs."""
    switch = lab.start_switch()
    switch.run("configure terminal", "feature bgp", "end")
    switch.connect_to_cssm()
    # A report that CSSM has not seen comes with a call.
    switch.run("configure terminal", "license smart transport off", "feature vrrp", "end",
               "license smart save usage all bootflash:usage.txt")
    text = (switch.flash / "usage.txt").read_text()
    report = re.findall(r"<RUMReport>\s*<!\[CDATA\[(.*?)\]\]>\s*</RUMReport>", text, re.S)[-1]
    # What is signed is the text as it stands there.
    payload = re.search(r'"payload":(\{.*\}),\s*"header"', report, re.S)[1]
    signature = json.loads(report)["signature"]
    instance = lab.call("GET", "/smart-accounts/1/product-instances")[0]
    variables = {
        "client_id": "inventory", "client_secret": secret, "smart_account": "example.net",
        "smart_account_id": "1", "virtual_account": "Default", "virtual_account_id": "1",
        "device_pid": instance["pid"], "device_serial": instance["serial"],
        "timestamp": str(int(time.time() * 1000)), "poll_type": "acknowledgements",
        "usage_payload": json.dumps(payload),
        "usage_signature_key": signature["key"],
        "usage_signature_value": signature["value"],
    }
    sent = 0
    # A poll asks what became of a report, though it was saved before one.
    for method, url, headers, body, status, answers in sorted(saved(), key=lambda call: call[1].endswith("/poll")):
        for name, value in variables.items():
            body, url = body.replace("{{%s}}" % name, value), url.replace("{{%s}}" % name, value)
            headers = {key: own.replace("{{%s}}" % name, value) for key, own in headers.items()}
        # What it was signed with is the device's, as the signature is.
        body = body.replace('"signing_type":"builtin"', '"signing_type":"%s"' % signature["signing_type"])
        if url.endswith("/poll") and not any("acknowledgements" in own["data"] for own in answers):
            # Of an authorization code, as above.
            continue
        if body.startswith("{'"):
            body = {key: value for key, value in re.findall(r"'(\w+)': '([^']*)'", body)}
        end = time.monotonic() + 20
        while True:
            answer = session.request(method, url, headers=headers, data=body or None)
            told = answer.json()
            if told.get("status") != "OK_POLL" or not url.endswith("/poll"):
                break
            assert time.monotonic() < end, told
            time.sleep(0.2)
        if url.rsplit("/", 1)[1] in ASSUMED:
            # Nexus has no authorization codes (PI-LIC-004).
            assert (answer.status_code, told["status"]) == (404, "ERROR"), (url, told)
            continue
        assert answer.status_code == int(status), (method, url, answer.status_code, told)
        theirs = [shape(own) for own in answers]
        assert any(fits(shape(told), own) for own in theirs), (method, url, shape(told), theirs)
        for name in ("access_token", "poll_id"):
            if name in told:
                variables[name] = str(told[name])
        sent += 1
    return sent


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
    if SAVED.exists():
        import requests

        print(f"public_clients: {replay(lab, requests.Session(), secret)} saved calls were sent again")
    else:
        print("public_clients: no saved calls lie beside this project")
done("public_clients")
