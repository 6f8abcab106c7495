#!/usr/bin/env python3
"""NX-API over HTTP and HTTPS as its clients want it: pynxos, nxapi-plumbing (which napalm uses), plain requests with cookies; the
objects of licensing; and what is wrong: logins, bodies, half a handshake."""

import json
import socket
import ssl
import threading
import time

import paramiko
import requests
import urllib3
from lxml import etree
from nxapi_plumbing import Device as PlumbingDevice
from nxapi_plumbing.errors import NXAPIAuthError, NXAPICommandError
from pynxos.device import Device as PynxosDevice
from pynxos.errors import CLIError

from lab import Lab, box, listening
from relay import Relay

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


def json_rpc(switch, relay):
    """pynxos and nxapi-plumbing speak JSON-RPC; the relay has what they send and what they get."""
    pynxos = PynxosDevice("127.0.0.1", "admin", switch.password, transport="http", port=relay.port, timeout=30)
    plumbing = PlumbingDevice(api_format="jsonrpc", host="127.0.0.1", username="admin", password=switch.password, transport="http",
                              port=relay.port, timeout=30)

    def last():
        request, answer = relay.requests[-1], relay.answers[-1]
        assert request.first == "POST /ins HTTP/1.1" and request.headers["content-type"] == "application/json-rpc", request.first
        assert request.headers["authorization"].startswith("Basic ")
        sent = json.loads(request.body)
        assert isinstance(sent, list) and [call["id"] for call in sent] == list(range(1, len(sent) + 1)), sent
        for call in sent:
            assert set(call) == {"jsonrpc", "method", "params", "id"} and set(call["params"]) == {"cmd", "version"}, call
        assert answer.first.startswith("HTTP/1.1 200"), answer.first
        return sent, json.loads(answer.body)

    # One command, one object; more, a list in their order.
    many = ["show clock", "show hostname", "show version", "show hostname"]
    for device, version in ((pynxos, "1"), (plumbing, "1.0")):
        device.show("show hostname")
        sent, answer = last()
        assert len(sent) == 1 and json.dumps(sent[0]["params"]["version"]) == version and sent[0]["method"] == "cli", sent
        assert answer == {"jsonrpc": "2.0", "result": {"body": {"hostname": "programs"}}, "id": 1}, answer
        device.show_list(many)
        sent, answer = last()
        assert [call["params"]["cmd"] for call in sent] == many and [one["id"] for one in answer] == [1, 2, 3, 4], answer
        bodies = [one["result"]["body"] for one in answer]
        assert "simple_time" in bodies[0] and bodies[1] == bodies[3] == {"hostname": "programs"}, bodies
        assert bodies[2]["host_name"] == "programs", bodies[2]
    box("5.1")
    for device in (pynxos, plumbing):
        device.show("show hostname", raw_text=True)
        sent, answer = last()
        assert sent[0]["method"] == "cli_ascii" and answer["result"] == {"msg": "programs\n"}, answer
        device.config_list(["interface Ethernet1/7", "description seven"])
        sent, answer = last()
        assert sent[0]["method"] == "cli" and [one["result"] for one in answer] == [None, None], answer
    box("5.2")
    for device, kind in ((pynxos, CLIError), (plumbing, NXAPICommandError)):
        for call in (device.show, device.config):
            try:
                call("feature nonsense")
                raise AssertionError("no error")
            except kind as error:
                assert "% Invalid command at '^' marker." in error.message, error
            _, answer = last()
            error = answer["error"]
            assert (error["code"], error["message"]) == (-32602, "Invalid params") and error["data"]["msg"], answer
    wrong = PynxosDevice("127.0.0.1", "admin", "wrong", transport="http", port=relay.port, timeout=30)
    try:
        wrong.show("show hostname")
        raise AssertionError("a wrong password was accepted")
    except CLIError:
        # It has read the error out of a body that is JSON.
        assert relay.answers[-1].first.startswith("HTTP/1.1 401") and json.loads(relay.answers[-1].body)["error"]
    wrong = PlumbingDevice(api_format="jsonrpc", host="127.0.0.1", username="admin", password="wrong", transport="http",
                           port=relay.port, timeout=30)
    try:
        wrong.show("show hostname")
        raise AssertionError("a wrong password was accepted")
    except NXAPIAuthError:
        pass
    url, auth, kind = f"http://127.0.0.1:{relay.port}/ins", ("admin", switch.password), {"content-type": "application/json-rpc"}
    for status, body in ((413, b"x" * (5 << 20)), (None, b"{"), (None, b"[]"), (None, b"[1]")):
        answer = requests.post(url, data=body, auth=auth, headers=kind, timeout=30)
        assert status in (None, answer.status_code) and answer.json()["error"], (body[:9], answer.status_code, answer.text)
    box("5.3")
    # Lines of one request are one session of configuration: where one leaves it, the next goes on; the next request begins anew.
    for device in (pynxos, plumbing):
        device.config_list(["interface Ethernet1/8", "description eight", "vlan 88", "name eighty-eight"])
        running = switch.run("show running-config")
        assert "\ninterface Ethernet1/8\n  description eight\n" in running, running
        assert "\nvlan 88\n  name eighty-eight\n" in running, running
        try:
            device.config("description nowhere")
            raise AssertionError("no error")
        except (CLIError, NXAPICommandError):
            pass
        switch.run("configure terminal", "hostname changed", "end")
        assert "hostname changed" not in switch.run("show startup-config")
        device.save()
        sent, answer = last()
        assert (sent[0]["method"], sent[0]["params"]["cmd"]) == ("cli_ascii", "copy run startup-config"), sent
        assert "Copy complete" in answer["result"]["msg"], answer
        assert "hostname changed" in switch.run("show startup-config")
        switch.run("configure terminal", "no vlan 88", "interface Ethernet1/8", "no description", "exit", "hostname programs", "end",
                   "copy running-config startup-config")
    box("5.4")
    print("json_rpc: passed")


def xml(switch, relay):
    """nxapi-plumbing speaks the other format, as napalm has it do."""
    device = PlumbingDevice(api_format="xml", host="127.0.0.1", username="admin", password=switch.password, transport="http",
                            port=relay.port, timeout=30)

    def last():
        request, answer = relay.requests[-1], relay.answers[-1]
        assert request.headers["content-type"] == "application/xml", request.headers
        sent = etree.fromstring(request.body)
        assert [child.tag for child in sent] == ["version", "type", "chunk", "sid", "input", "output_format"], request.body
        assert [sent.findtext(name) for name in ("version", "chunk", "sid", "output_format")] == ["1.0", "0", "sid", "xml"]
        assert answer.first.startswith("HTTP/1.1 200"), answer.first
        told = etree.fromstring(answer.body)
        assert told.tag == "ins_api" and len(told.findall("outputs")) == 1, answer.body
        return sent.findtext("type"), sent.findtext("input"), told.findall("outputs/output")

    device.show_list(["show hostname", "show clock"])
    kind, given, outputs = last()
    assert (kind, given) == ("cli_show", "show hostname ;show clock")
    assert outputs[0].findtext("body/hostname") == "programs" and outputs[1].findtext("body/simple_time"), outputs
    device.show_list(["show hostname", "show privilege"], raw_text=True)
    assert last()[0] == "cli_show_ascii" and last()[2][0].findtext("body") == "programs\n"
    device.config_list(["interface Ethernet1/9", "description nine"])
    kind, given, _ = last()
    assert (kind, given) == ("cli_conf", "interface Ethernet1/9 ;description nine")
    assert "description nine" in switch.run("show running-config interface e1/9")
    box("5.6")
    for call, commands, inputs in (
            (device.show_list, ["show hostname"], ["show hostname"]), (device.show_list, ["show clock"] * 3, ["show clock"] * 3),
            (device.config_list, ["vlan 9", "name nine"], ["vlan 9", "name nine"])):
        told = call(commands)
        outputs = last()[2]
        assert len(told) == len(outputs) == len(commands)
        for output, given in zip(outputs, inputs):
            assert (output.findtext("input"), output.findtext("msg"), output.findtext("code")) == (given, "Success", "200")
            assert output.find("body") is not None and output.find("clierror") is None
    for call, given in ((device.show, "show nonsense"), (device.config, "feature nonsense")):
        try:
            call(given)
            raise AssertionError("no error")
        except NXAPICommandError as error:
            assert error.command == given and "% Invalid command at" in error.message, error
        output, = last()[2]
        assert "% Invalid command at '^' marker." in output.findtext("clierror") and output.findtext("code") != "200"
    box("5.7")
    print("xml: passed")


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


def turns(switch, ports):
    """A long request takes its turns with everybody else."""
    url, kind = f"http://127.0.0.1:{ports['http']}/ins", {"content-type": "application/json-rpc"}
    call = {"jsonrpc": "2.0", "method": "cli_ascii", "params": {"cmd": "copy run start", "version": 1}, "id": 1}
    began, ended = [], []

    def long():
        while not ended or time.monotonic() < limit and not between():
            began.append(time.monotonic())
            answer = requests.post(url, json=[call] * 1_000, auth=("admin", switch.password), headers=kind, timeout=120)
            assert len(answer.json()) == 1_000
            ended.append(time.monotonic())

    def between():
        """Commands that began and ended while one request went on."""
        return [one for one in commands if any(start < one[0] and one[1] < end for start, end in zip(began, ended))]

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", switch.port, "admin", switch.password, allow_agent=False, look_for_keys=False)
    commands, limit = [], time.monotonic() + 30
    thread = threading.Thread(target=long)
    thread.start()
    while thread.is_alive():
        start = time.monotonic()
        assert client.exec_command("show hostname")[1].read() == b"programs\n"
        commands.append((start, time.monotonic()))
    thread.join()
    client.close()
    assert between(), (began, ended, commands)
    print(f"turns: passed ({len(between())} of {len(commands)} commands between)")


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
        relay = Relay(ports["http"])
        json_rpc(switch, relay)
        xml(switch, relay)
        cookies(switch, ports)
        objects(switch, ports)
        turns(switch, ports)
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
