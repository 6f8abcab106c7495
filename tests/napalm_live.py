#!/usr/bin/env python3
"""napalm drives the switch as it drives a Nexus, over NX-API (`nxos`) and over SSH (`nxos_ssh`): facts, interfaces, a merged and a
replaced configuration with its difference and the way back, logins, errors."""

import threading

import napalm
from napalm.base.exceptions import ConnectionException, MergeConfigException
from napalm.nxapi_plumbing import Device as PlumbingDevice
from napalm.nxapi_plumbing import NXAPIAuthError, NXAPICommandError
from netmiko.exceptions import NetmikoAuthenticationException

from lab import Lab, box, listening

START = [
    "hostname leaf-5", "feature nxapi", "nxapi http port 80", "feature scp-server", "feature bgp", "vlan 10", "name ten", "exit",
    "username eve password Look-0nly role network-operator",
    "interface Ethernet1/1", "description to rack 4", "mtu 9216", "exit", "interface Ethernet1/2", "no switchport",
    "ip address 10.1.0.1/31", "shutdown", "exit",
]
MERGED = "interface Ethernet1/3\n  description merged\nvlan 20\n  name twenty\n"


def driver(kind, password, port, **optional):
    """A driver that is not yet open."""
    optional_args = {"port": port, **optional}
    return napalm.get_network_driver(kind)("127.0.0.1", "admin", password, timeout=30, optional_args=optional_args)


def over(switch, ports):
    """Each way to the switch: its name, its driver, and the error at a wrong password."""
    for transport in ("http", "https"):
        yield transport, "nxos", {"port": ports[transport], "transport": transport}, ConnectionException
    yield "ssh", "nxos_ssh", {"port": switch.port}, NetmikoAuthenticationException


def reading(device):
    """What the getters make of the switch."""
    facts = device.get_facts()
    assert (facts["hostname"], facts["os_version"], facts["vendor"]) == ("leaf-5", "10.4(3)", "Cisco"), facts
    assert facts["serial_number"] and facts["uptime"] >= 0 and "C93180YC" in facts["model"], facts
    assert {"Ethernet1/1", "Ethernet1/54"} <= set(facts["interface_list"]), facts
    serial = device.cli(["show license udi"])["show license udi"]
    assert facts["serial_number"] in serial, serial
    if device.platform == "nxos":
        box("5.5")
    interfaces = device.get_interfaces()
    first, second = interfaces["Ethernet1/1"], interfaces["Ethernet1/2"]
    assert (first["description"], first["mtu"], first["is_enabled"], first["is_up"]) == ("to rack 4", 9216, True, False), first
    assert not second["is_enabled"] and first["speed"] > 0, second
    running = device.get_config()["running"]
    assert "feature bgp" in running.splitlines() and "!Time" not in running, running
    assert device.get_config(retrieve="startup")["running"] == ""
    users = device.get_users()
    assert users["admin"]["level"] == 15 and users["eve"]["level"] == 5 and users["admin"]["password"].startswith("$5$"), users
    shown = device.cli(["show hostname", "show feature"])
    assert shown["show hostname"].strip() == "leaf-5" and len(shown["show feature"].splitlines()) > 90, shown
    assert device.is_alive() == {"is_alive": True}
    # Their numbers are text, as napalm's models have them.
    vlans = device.get_vlans()
    assert vlans["10"]["name"] == "ten" and "Ethernet1/1" in vlans["1"]["interfaces"], vlans


def merging(device, switch):
    """A merge: its difference, its commit, which is saved, the way back; and one that fails changes nothing."""
    device.load_merge_candidate(config=MERGED)
    difference = device.compare_config()
    assert "description merged" in difference and "name twenty" in difference, difference
    device.discard_config()
    assert device.compare_config() == ""
    device.load_merge_candidate(config=MERGED)
    device.commit_config()
    assert not device.loaded
    for command in ("show running-config", "show startup-config"):
        text = switch.run(command)
        assert "  description merged" in text and "  name twenty" in text, text
    device.load_merge_candidate(config=MERGED)
    assert device.compare_config() == ""
    device.discard_config()
    device.rollback()
    for command in ("show running-config", "show startup-config"):
        text = switch.run(command)
        assert "description merged" not in text and "vlan 20" not in text and "description to rack 4" in text, text
    # Over SSH napalm finds `Invalid command` in what came, over NX-API the error itself.
    device.load_merge_candidate(config="vlan 30\nfeature nonsense\n")
    try:
        device.commit_config()
        raise AssertionError("a wrong line was committed")
    except MergeConfigException as error:
        assert "rollback attempted" in str(error), error
    assert "vlan 30" not in switch.run("show running-config")
    device.discard_config()


def replacing(device, switch):
    """A whole configuration, by a file of a checkpoint: its difference, its commit, the way back."""
    before = device._get_checkpoint_file()
    assert "hostname leaf-5" in before and "description to rack 4" in before, before
    # A driver over NX-API takes the file over SSH, for which it would have port 22.
    if getattr(device, "_netmiko_device", None) is None:
        device._netmiko_open("cisco_nxos", {"port": switch.port})
    device.load_replace_candidate(config=before)
    assert device.compare_config() == ""
    device.discard_config()
    wanted = before.replace("description to rack 4", "description replaced").replace("feature bgp\n", "")
    device.load_replace_candidate(config=wanted)
    difference = device.compare_config()
    assert "description replaced" in difference and "no feature bgp" in difference, difference
    device.commit_config()
    for command in ("show running-config", "show startup-config"):
        text = switch.run(command)
        assert "  description replaced" in text and "feature bgp" not in text and "hostname leaf-5" in text, text
    device.rollback()
    for command in ("show running-config", "show startup-config"):
        text = switch.run(command)
        assert "  description to rack 4" in text and "feature bgp" in text, text
    assert "rollback_config.txt" in switch.run("dir")
    if device.platform == "nxos":
        device._netmiko_device.disconnect()


def plumbing(switch, ports):
    """napalm's own clients of NX-API, of both formats: what they show and configure, and a command that is none."""
    for api_format in ("jsonrpc", "xml"):
        for transport in ("http", "https"):
            device = PlumbingDevice(
                host="127.0.0.1", username="admin", password=switch.password, transport=transport, port=ports[transport],
                api_format=api_format, verify=False)
            shown = device.show("show hostname")
            assert (shown["hostname"] if api_format == "jsonrpc" else shown.find(".//hostname").text) == "leaf-5", shown
            assert len(device.show_list(["show hostname", "show clock", "show version"])) == 3
            text = device.show("show hostname", raw_text=True)
            assert "leaf-5" in (text if isinstance(text, str) else "".join(text.itertext())), text
            device.config_list(["interface Ethernet1/4", f"description by {api_format}"])
            assert f"description by {api_format}" in switch.run("show running-config interface Ethernet1/4")
            # Lines come without `configure terminal`, and a request does not begin where the last one ended.
            for call, lines in (
                    (device.show, "show nonsense"), (device.config_list, ["vlan 10", "feature nonsense"]),
                    (device.config_list, ["name nonsense"])):
                try:
                    call(lines)
                    raise AssertionError(f"{lines}: no error")
                except NXAPICommandError as error:
                    assert "Invalid command" in str(error), error
            assert device.save()
            device.password = device.api.password = "wrong"
            try:
                device.show("show hostname")
                raise AssertionError("a wrong password was accepted")
            except NXAPIAuthError:
                pass
        box(*(("5.1", "5.2", "5.3", "5.4") if api_format == "jsonrpc" else ("5.6", "5.7")))
    print("plumbing: passed")


def main():
    with Lab() as lab:
        switch = lab.start_switch("leaf", "--nxapi-http", "127.0.0.1:0", "--nxapi-https", "127.0.0.1:0")
        switch.run("configure terminal", *START, "end", "copy running-config startup-config")
        ports = listening(switch.process, 2)
        # Whoever reads no more of it must not hold the switch.
        threading.Thread(target=switch.process.stdout.read, daemon=True).start()
        plumbing(switch, ports)
        for name, kind, optional, wrong in over(switch, ports):
            try:
                driver(kind, "wrong", **optional).open()
                raise AssertionError("a wrong password was accepted")
            except wrong:
                pass
            with driver(kind, switch.password, **optional) as device:
                reading(device)
            assert device.is_alive() == {"is_alive": False}
            print(f"{name}: read")
        for step in (merging, replacing):
            for name, kind, optional, _ in over(switch, ports):
                with driver(kind, switch.password, **optional) as device:
                    step(device, switch)
                print(f"{name}: {step.__name__} passed")
    print("napalm_live: passed")


if __name__ == "__main__":
    main()
