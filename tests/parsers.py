#!/usr/bin/env python3
"""The text of show commands as public templates read it: ntc-templates knows these commands of NX-OS, and errs at a line it does
not know. Each has to give records, and these what the switch was told."""

from ntc_templates.parse import parse_output

from lab import Lab

CONFIG = [
    "hostname leaf-parsed", "feature bgp", "feature tap-aggregation", "vlan 10", "name ten", "exit", "vrf context red", "exit",
    "interface Ethernet1/1", "description to rack 4", "switchport access vlan 10", "mtu 9216", "exit",
    "interface Ethernet1/2", "no switchport", "ip address 10.1.0.1/31", "shutdown", "exit",
    "interface mgmt0", "ip address 192.0.2.5/24", "exit", "interface loopback7", "ip address 10.9.9.9/32", "exit",
    "ip access-list TAP", "10 permit ip any any redirect Ethernet1/5", "20 remark the rest",
]


def one(records, **wanted):
    """The record that has these values."""
    found = [record for record in records if all(record.get(name) == value for name, value in wanted.items())]
    assert len(found) == 1, f"{wanted} in {records[:4]}"
    return found[0]


def main():
    with Lab() as lab:
        switch = lab.start_switch("parsed")
        switch.run("configure terminal", *CONFIG, "end")

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
        assert {record["name"] for record in parsed("show vrf")} == {"default", "management", "red"}
    print("parsers: passed")


if __name__ == "__main__":
    main()
