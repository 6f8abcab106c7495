#!/usr/bin/env python3
"""The text of show commands as public parsers read it: ntc-templates knows these commands of NX-OS, and errs at a line it does
not know. Each has to give records, and these what the switch was told. With --all genie and napalm read it too."""

import importlib
import sys
from unittest.mock import Mock

from lab import Lab

CONFIG = [
    "hostname leaf-parsed", "feature bgp", "feature tap-aggregation", "vlan 10", "name ten", "exit", "vrf context red", "exit",
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
    print(f"genie: {len(GENIE) + 1} parsers")


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


def main():
    with Lab() as lab:
        switch = lab.start_switch("parsed")
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
