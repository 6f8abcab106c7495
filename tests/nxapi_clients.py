#!/usr/bin/env python3
"""NX-API over HTTP and HTTPS as its clients want it: pynxos, nxapi-plumbing (which napalm uses), plain requests with cookies; the
objects of licensing; and what is wrong: logins, bodies, half a handshake."""

import json
import socket
import ssl
import threading

import requests
import urllib3
from nxapi_plumbing import Device as PlumbingDevice
from nxapi_plumbing.errors import NXAPICommandError
from pynxos.device import Device as PynxosDevice
from pynxos.errors import CLIError

from lab import Lab, listening

urllib3.disable_warnings()
SMART = "/api/mo/sys/licensemanager/inst/smartlicensing.json"


def clients(switch, ports):
    """Clients that exist, as they are used."""
    device = PynxosDevice("127.0.0.1", "admin", switch.password, transport="http", port=ports["http"], timeout=30)
    assert device.show("show hostname") == {"hostname": "programs"}
    assert device.show("show hostname", raw_text=True) == "programs\n"
    assert device.show_list(["show hostname", "show vlan brief"])[0] == {"hostname": "programs"}
    device.config_list(["interface Ethernet1/3", "description by pynxos"])
    assert "description by pynxos" in device.show("show running-config interface e1/3", raw_text=True)
    device.save()
    assert device.facts["hostname"] == "programs" and device.facts["serial_number"], device.facts
    for wrong in ("show nonsense",):
        try:
            device.show(wrong)
            raise AssertionError("no error")
        except CLIError as error:
            assert "Invalid command" in str(error), error
    for api_format in ("jsonrpc", "xml"):
        device = PlumbingDevice(
            api_format=api_format, host="127.0.0.1", username="admin", password=switch.password, transport="https",
            port=ports["https"], timeout=30, verify=False)
        shown = device.show("show hostname")
        told = shown["hostname"] if api_format == "jsonrpc" else shown.find(".//hostname").text
        assert told == "programs", told
        device.config_list(["interface Ethernet1/4", f"description by {api_format}"])
        text = device.show("show running-config interface e1/4", raw_text=True)
        assert f"description by {api_format}" in (text if isinstance(text, str) else "".join(text.itertext())), text
        try:
            device.show("show nonsense")
            raise AssertionError("no error")
        except NXAPICommandError as error:
            assert "Invalid command" in str(error) or "nonsense" in str(error), error
    print("clients: passed")


def cookies(switch, ports):
    """A cookie that was given stands for the login; so does one that comes back with its attributes."""
    url = f"http://127.0.0.1:{ports['http']}/ins"
    body = {"ins_api": {"version": "1.0", "type": "cli_show", "chunk": "0", "sid": None, "input": "show hostname",
                        "output_format": "json"}}
    first = requests.post(url, json=body, auth=("admin", switch.password), timeout=20)
    cookie = first.headers["set-cookie"]
    for value in (cookie, cookie.split(";")[0]):
        again = requests.post(url, json=body, headers={"cookie": value}, timeout=20)
        assert again.status_code == 200 and again.json() == first.json(), again.text
    assert requests.post(url, json=body, headers={"cookie": "nxapi_auth=0"}, timeout=20).status_code == 401
    refused = requests.post(url, json=body, auth=("admin", "wrong"), timeout=20)
    assert refused.status_code == 401 and "basic" in refused.headers["www-authenticate"].lower()
    assert requests.post(url, json=body, timeout=20).status_code == 401
    # It ends with the login, and with its password.
    switch.run("configure terminal", "username temp password F1rst-one role network-admin", "end")
    answer = requests.post(url, json=body, auth=("temp", "F1rst-one"), timeout=20)
    headers = {"cookie": answer.headers["set-cookie"].split(";")[0]}
    assert requests.post(url, json=body, headers=headers, timeout=20).status_code == 200
    switch.run("configure terminal", "username temp password Sec0nd-one role network-admin", "end")
    assert requests.post(url, json=body, headers=headers, timeout=20).status_code == 401
    assert "Authentication failed for user admin" in switch.run("show logging logfile")
    print("cookies: passed")


def objects(switch, ports):
    """The calls of a provider that keeps licensing as objects."""
    base = f"https://127.0.0.1:{ports['https']}"
    session = requests.Session()
    session.verify, session.trust_env = False, False
    wrong = {"aaaUser": {"attributes": {"name": "admin", "pwd": "wrong"}}}
    assert session.post(f"{base}/api/aaaLogin.json", json=wrong, timeout=20).status_code == 401
    assert session.get(base + SMART, timeout=20).status_code == 403
    right = {"aaaUser": {"attributes": {"name": "admin", "pwd": switch.password}}}
    told = session.post(f"{base}/api/aaaLogin.json", json=right, timeout=20).json()
    assert told["imdata"][0]["aaaLogin"]["attributes"]["token"], told
    url = "http://192.0.2.7:8182/cslu/v1/pi"
    wanted = {"licensemanagerSmartLicensing": {
        "attributes": {"transportMode": "transportCslu"},
        "children": [{"licensemanagerTransportCsluUrl": {"attributes": {"url": url}}}]}}
    assert session.post(base + SMART, json=wanted, timeout=20).status_code == 200
    assert f"license smart url cslu {url}" in switch.run("show running-config license")
    there = session.get(f"{base}{SMART}?rsp-subtree=full", timeout=20).json()["imdata"][0]["licensemanagerSmartLicensing"]
    assert there["children"][0]["licensemanagerTransportCsluUrl"]["attributes"]["url"] == url, there
    switch.run("configure terminal", "license smart transport off", "end")
    mode = session.get(base + SMART, timeout=20).json()["imdata"][0]["licensemanagerSmartLicensing"]["attributes"]
    assert mode["transportMode"] == "transportOff", mode
    assert session.delete(base + SMART.replace(".json", "/transportcsluurl.json"), timeout=20).status_code == 200
    assert url not in switch.run("show running-config license")
    unknown = session.get(f"{base}/api/mo/sys/nonsense.json", timeout=20)
    assert unknown.status_code == 400 and unknown.json()["imdata"][0]["error"]["attributes"]["text"], unknown.text
    assert session.post(f"{base}/api/aaaLogout.json", timeout=20).status_code == 200
    assert session.get(base + SMART, timeout=20).status_code == 403
    print("objects: passed")


def hostile(switch, ports):
    """Too large, too deep, malformed, of another role, half a handshake: an answer or the end, and the switch lives."""
    url = f"http://127.0.0.1:{ports['http']}/ins"
    auth = ("admin", switch.password)
    kind = {"content-type": "application/json-rpc"}
    assert requests.post(url, data=b"x" * (5 << 20), auth=auth, headers=kind, timeout=30).status_code == 413
    for body in (b"[" * 100_000, b"{}", b"\xff\xfe", b"<ins_api" * 1_000, b"null", b'{"jsonrpc":"2.0"}'):
        answer = requests.post(url, data=body, auth=auth, headers=kind, timeout=30)
        assert answer.status_code in (200, 400, 500), (body[:20], answer.status_code)
        if not body.startswith(b"<"):
            assert "error" in answer.json() or answer.json(), body[:20]
    assert requests.get(url, auth=auth, timeout=20).status_code == 405
    assert requests.get(url.replace("/ins", "/nothing"), auth=auth, timeout=20).status_code == 404
    switch.run("configure terminal", "username eve password Look-0nly role network-operator", "end")
    call = {"jsonrpc": "2.0", "method": "cli", "params": {"cmd": "hostname eve", "version": 1}, "id": 1}
    refused = requests.post(url, data=json.dumps(call), auth=("eve", "Look-0nly"), headers=kind, timeout=20)
    assert "Permission denied" in refused.text, refused.text
    halves = []
    for port in ports.values():
        for number in range(50):
            half = socket.create_connection(("127.0.0.1", port))
            half.sendall(b"\x16\x03\x01\x02\x00\x01" if number % 2 else b"POST /ins HTTP/1.1\r\ncontent-le")
            halves.append(half)
    assert switch.run("show hostname") == "programs\n"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", ports["https"]))) as stream:
        assert stream.version() == "TLSv1.3"
    answer = requests.post(url, data=json.dumps(call | {"params": {"cmd": "show hostname"}}), auth=auth, headers=kind, timeout=20)
    assert answer.json()["result"]["body"] == {"hostname": "programs"}, answer.text
    for half in halves:
        half.close()
    print("hostile: passed")


def main():
    with Lab() as lab:
        switch = lab.start_switch("programs", "--nxapi-http", "127.0.0.1:0", "--nxapi-https", "127.0.0.1:0")
        switch.run("configure terminal", "hostname programs", "feature nxapi", "nxapi http port 80", "end")
        ports = listening(switch.process, 2)
        # Whoever reads no more of it must not hold the switch.
        threading.Thread(target=switch.process.stdout.read, daemon=True).start()
        clients(switch, ports)
        cookies(switch, ports)
        objects(switch, ports)
        hostile(switch, ports)
        switch.run("configure terminal", "no feature nxapi", "end")
        try:
            requests.get(f"http://127.0.0.1:{ports['http']}/ins", timeout=5)
            raise AssertionError("it still listens")
        except requests.ConnectionError:
            pass
    print("nxapi_clients: passed")


if __name__ == "__main__":
    main()
