#!/usr/bin/env python3
"""The text of show commands as public parsers read it: ntc-templates knows these commands of NX-OS, and errs at a line it does
not know. Each has to give records, and these what the switch was told. With --all genie and napalm read it too."""

import importlib
import re
import sys
from unittest.mock import Mock

from lab import Lab, box

CONFIG = [
    "hostname leaf-parsed", "feature bgp", "feature ospf", "feature tap-aggregation", "vlan 10", "name ten", "exit",
    "vrf context red", "exit",
    "interface Ethernet1/1", "description to rack 4", "switchport access vlan 10", "mtu 9216", "exit",
    "interface Ethernet1/2", "no switchport", "ip address 10.1.0.1/31", "shutdown", "exit",
    "interface mgmt0", "ip address 192.0.2.5/24", "exit", "interface loopback7", "ip address 10.9.9.9/32", "exit",
    "ip access-list TAP", "10 permit ip any any redirect Ethernet1/5", "20 remark the rest",
]


# Modules and classes of genie's parsers, the command, and whether an answer without entries is one that they call empty.
GENIE = [
    ("show_feature", "ShowFeature", "show feature"), ("show_platform", "ShowVersion", "show version"),
    ("show_platform", "ShowInventory", "show inventory"), ("show_platform", "ShowModule", "show module"),
    ("show_platform", "ShowBoot", "show boot"), ("show_logging", "ShowLoggingLogfile", "show logging logfile"),
    ("show_interface", "ShowInterfaceBrief", "show interface brief"),
    ("show_interface", "ShowInterfaceStatus", "show interface status"),
    ("show_interface", "ShowInterfaceDescription", "show interface description"),
    ("show_interface", "ShowIpInterfaceBrief", "show ip interface brief"), ("show_vrf", "ShowVrf", "show vrf"),
    ("show_vlan", "ShowVlan", "show vlan"), ("show_system", "ShowSystemResources", "show system resources"),
    ("show_users", "ShowUsers", "show users"), ("show_acl", "ShowAccessLists", "show ip access-lists"),
    ("show_checkpoint", "ShowCheckpointSummary", "show checkpoint summary"),
    ("show_platform", "ShowProcessesCpu", "show processes cpu"),
    ("show_platform", "ShowProcessesMemory", "show processes memory"),
    ("show_environment", "ShowEnvironment", "show environment"),
]


def genie(switch):
    """What genie's parsers make of the commands."""
    read = {}
    for module, name, command in GENIE:
        parser = getattr(importlib.import_module(f"genie.libs.parser.nxos.{module}"), name)
        read[command] = parser(device=Mock()).parse(output=switch.run(command))
        assert read[command], command
    from genie.libs.parser.nxos.show_interface import ShowInterface

    interfaces = ShowInterface(device=Mock()).cli(command="show interface", output=switch.run("show interface"))
    assert interfaces["Ethernet1/1"]["mtu"] == 9216, interfaces["Ethernet1/1"]
    assert read["show checkpoint summary"]["checkpoint"]["one"]["created_by"] == "admin"
    assert read["show processes cpu"]["index"][1]["process"] == "rumline"
    assert read["show feature"]["feature"]["bgp"]["instance"]["1"]["state"].startswith("enabled")
    assert read["show interface description"]["interfaces"]["Ethernet1/1"]["description"] == "to rack 4"
    assert read["show interface brief"]["interface"]["ethernet"]["Ethernet1/1"]["vlan"] == "10"
    assert read["show vlan"]["vlans"]["10"]["name"] == "ten"
    assert set(read["show vrf"]["vrfs"]) == {"default", "management", "red"}
    assert "admin" in str(read["show users"])
    features(switch, read["show feature"]["feature"])
    version(switch, read["show version"]["platform"])
    inventory(switch, read["show inventory"])
    summary(switch)
    for line in switch.run("show logging logfile").splitlines():
        assert re.fullmatch(r"\d{4} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (leaf-parsed|switch) %\w+-[0-7]-\w+: .+", line), line
    print(f"genie: {len(GENIE) + 2} parsers")


def features(switch, read):
    lines = switch.run("show feature").splitlines()
    assert re.fullmatch(r"Feature Name +Instance +State", lines[0]) and re.fullmatch(r"[- ]+", lines[1]), lines[:2]
    for line in lines[2:]:
        name, instance, state = re.fullmatch(r"([\w-]+) +(\d+) +(\w+(?:\(not-running\))?)", line).groups()
        there = read[name]["instance"].pop(instance)
        assert there == {"state": state.split("(")[0], **({"running": "no"} if "(" in state else {})}, (line, there)
    assert not any(feature["instance"] for feature in read.values()), read
    assert re.search(r"^ospf +2 +enabled\(not-running\)$", "\n".join(lines), re.M), lines
    box("1.1")


def version(switch, read):
    text = switch.run("show version")
    assert text.splitlines()[0] == "Cisco Nexus Operating System (NX-OS) Software", text
    for alone in ("Software", "Hardware"):
        assert text.splitlines().count(alone) == 1, text
    pid, serial = udi(switch)
    software, hardware = read["software"], read["hardware"]
    assert (read["name"], read["os"]) == ("Nexus", "NX-OS"), read
    assert re.fullmatch(r"[\d.]+", software["bios_version"]) and software["system_version"] == "10.4(3)", software
    assert software["system_image_file"].startswith("bootflash:///nxos") and software["system_compile_time"], software
    assert re.search(r"^  NXOS: version 10\.4\(3\)", text, re.M), text
    assert hardware["model"] == f"Nexus9000 {pid.removeprefix('N9K-')}" and hardware["chassis"] == hardware["model"], hardware
    assert hardware["cpu"] and re.fullmatch(r"\d+ kB", hardware["memory"]), hardware
    assert hardware["processor_board_id"] == serial and hardware["device_name"] == "leaf-parsed", hardware
    assert re.fullmatch(r"\d+ kB", hardware["bootflash"]), hardware
    assert set(read["kernel_uptime"]) == {"days", "hours", "minutes", "seconds"}, read
    assert read["reason"] and read["system_version"] == "10.4(3)", read
    assert re.search(r"^Last reset", text, re.M), text
    box("1.2")


def udi(switch):
    return re.fullmatch(r"UDI: PID:(\S+), ?SN:(\S+)\s*", switch.run("show license udi")).groups()


def inventory(switch, read):
    pid, serial = udi(switch)
    lines = switch.run("show inventory").splitlines()
    place = next(number for number, line in enumerate(lines) if re.fullmatch(r'NAME: "Chassis",  DESCR: ".+"', line))
    assert lines[place + 1] == f"PID: {pid} ,  VID: V01 ,  SN: {serial}", lines
    chassis = read["name"]["Chassis"]
    assert (chassis["pid"], chassis["vid"], chassis["serial_number"]) == (pid, "V01", serial), chassis
    box("1.3")


def summary(switch):
    from genie.libs.parser.iosxe.show_license import ShowLicenseSummary

    read = ShowLicenseSummary(device=Mock()).parse(output=switch.run("show license summary"))["license_usage"]
    used = dict(re.findall(r"^\((\w+)\):\n.*\n  Count: (\d+)$", switch.run("show license usage"), re.M))
    assert len(used) == 2 and {tag: one["count"] for tag, one in read.items()} == used, (read, used)
    assert all(one["license"] and one["status"] == "IN USE" for one in read.values()), read
    box("1.4")


def napalm(switch):
    """What napalm's driver over SSH makes of the switch."""
    driver = importlib.import_module("napalm").get_network_driver("nxos_ssh")
    device = driver("127.0.0.1", "admin", switch.password, optional_args={"port": switch.port})
    device.open()
    try:
        facts = device.get_facts()
        assert (facts["hostname"], facts["os_version"], facts["vendor"]) == ("leaf-parsed", "10.4(3)", "Cisco"), facts
        interfaces = device.get_interfaces()
        assert interfaces["Ethernet1/1"]["mtu"] == 9216 and interfaces["Ethernet1/1"]["is_enabled"], interfaces["Ethernet1/1"]
        assert not interfaces["Ethernet1/2"]["is_enabled"]
        assert device.get_vlans()["10"]["name"] == "ten"
        assert device.get_users()["admin"]["level"] == 15
        assert "feature bgp" in device.get_config()["running"]
        assert device.get_lldp_neighbors() == {}
        assert device.get_environment()["memory"]["available_ram"] > 0
    finally:
        device.close()
    print("napalm: read")


def one(records, **wanted):
    """The record that has these values."""
    found = [record for record in records if all(record.get(name) == value for name, value in wanted.items())]
    assert len(found) == 1, f"{wanted} in {records[:4]}"
    return found[0]


def used(switch, read):
    """Every line of `show license usage`, and what the template makes of it: with licences, and with none."""
    from ntc_templates.parse import parse_output

    first, *records = switch.run("show license usage").strip("\n").split("\n\n")
    assert first == "License Authorization:\n  Status: Not Applicable", first
    assert len(records) == len(read) == 2, read
    for record, there in zip(records, read):
        fields = re.fullmatch(
            r"\((\w+)\):\n  Description: (\S.*)\n  Count: (\d+)\n  Version: (\S+)\n  Status: (IN USE)\n  Enforcement Type: \S.*\n"
            r"  License Type: \S.*", record)
        assert fields, record
        assert (there["feature"], there["comments"], there["license_count"], there["status"]) == fields.group(1, 2, 3, 5), there
    # Every licence that the switch knows has a description.
    switch.run("configure terminal", "feature nv overlay", "feature mvpn", "feature netflow", "feature ngmvpn", "feature itd", "end")
    text = switch.run("show license usage")
    more = parse_output(platform="cisco_nxos", command="show license usage", data=text)
    assert len(more) > 2 and all(record["comments"] and record["status"] == "IN USE" for record in more), more
    box("2.1")
    idle = switch.lab.start_switch("idle")
    text = idle.run("show license usage")
    assert text.split() == ["License", "Authorization:", "Status:", "Not", "Applicable"], text
    read = parse_output(platform="cisco_nxos", command="show license usage", data=text)
    assert len(read) == 1 and read[0]["feature"] == "" and read[0]["status"] == "Not Applicable", read
    box("2.2")


def main():
    with Lab() as lab:
        switch = lab.start_switch("parsed", "--pid", "N9K-C93180YC-FX3H")
        switch.run("configure terminal", *CONFIG, "end")

        if "--all" in sys.argv:
            switch.run("checkpoint one")
            genie(switch)
            napalm(switch)
            print("parsers: passed")
            return

        from ntc_templates.parse import parse_output

        def parsed(command):
            text = switch.run(command)
            records = parse_output(platform="cisco_nxos", command=command, data=text)
            assert records, f"{command}: nothing was read from\n{text}"
            return records

        version = parsed("show version")[0]
        assert version["hostname"] == "leaf-parsed" and version["platform"].startswith("C93180YC"), version
        assert version["os"] == "10.4(3)", version
        serial = version["serial"]
        inventory = parsed("show inventory")
        assert one(inventory, name="Chassis")["sn"] == serial, inventory
        assert parsed("show hostname")[0]["hostname"] == "leaf-parsed"
        assert parsed("show clock")[0]["timezone"] == "UTC"
        features = parsed("show feature")
        assert one(features, name="bgp", instance="1")["state"].startswith("enabled"), features[:3]
        usage = parsed("show license usage")
        assert {record["feature"] for record in usage} == {"DCN_NDB", "LAN_ENTERPRISE_SERVICES_PKG"}, usage
        used(switch, usage)
        assert len(parsed("show module")) == 1
        brief = parsed("show interface brief")
        assert one(brief, interface="Eth1/1")["vlan_id"] == "10", brief[:3]
        status = parsed("show interface status")
        first = one(status, port="Eth1/1")
        assert (first["name"], first["vlan_id"]) == ("to rack 4", "10"), first
        assert one(parsed("show interface description"), port="Eth1/1")["description"] == "to rack 4"
        interfaces = parsed("show interface")
        first = one(interfaces, interface="Ethernet1/1")
        assert (first["description"], first["mtu"], first["admin_state"]) == ("to rack 4", "9216", "up"), first
        assert first["link_status"] == "down (Link not connected)", first
        assert one(interfaces, interface="Ethernet1/2")["ip_address"] == "10.1.0.1"
        addresses = parsed("show ip interface brief")
        assert one(addresses, interface="Lo7")["ip_address"] == "10.9.9.9", addresses
        vlans = parsed("show vlan")
        assert one(vlans, vlan_id="10")["vlan_name"] == "ten", vlans
        assert one(vlans, vlan_id="10")["interfaces"] == ["Eth1/1"], vlans
        assert parsed("show processes cpu")[0]["cpu_5_sec"].isdigit()
        for command in ("show cdp neighbors", "show lldp neighbors", "show environment"):
            assert parse_output(platform="cisco_nxos", command=command, data=switch.run(command)) == [], command
        assert {record["name"] for record in parsed("show vrf")} == {"default", "management", "red"}
    print("parsers: passed")


if __name__ == "__main__":
    main()
