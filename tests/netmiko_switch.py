"""A network engineer's script: netmiko drives the switch as it drives a Nexus (PI-CLI-001 to 006)."""

import time

from netmiko import ConnectHandler
from netmiko.exceptions import NetmikoAuthenticationException

from lab import Lab, done


def connect(switch, password=None):
    return ConnectHandler(
        device_type="cisco_nxos", host="127.0.0.1", port=switch.port, username="admin",
        password=password or switch.password, conn_timeout=20)


with Lab() as lab:
    switch = lab.start_switch()
    try:
        connect(switch, "wrong")
        raise AssertionError("a wrong password was accepted")
    except NetmikoAuthenticationException:
        pass
    with connect(switch) as device:
        assert device.find_prompt() == "switch#", device.find_prompt()
        output = device.send_config_set(["hostname leaf-7", "feature bgp", "license smart transport off"])
        assert "%" not in output, output
        device.set_base_prompt()
        assert device.find_prompt() == "leaf-7#"
        usage = device.send_command("show license usage")
        assert "(LAN_ENTERPRISE_SERVICES_PKG):" in usage and "Status: IN USE" in usage, usage
        long = device.send_command("show feature")
        assert len(long.splitlines()) > 90 and "--More--" not in long, long
        assert "Type: Transport Off" in device.send_command("show license status")
        refused = device.send_command("show nonsense")
        assert "% Invalid command at '^' marker." in refused, refused
        assert "complete" in device.save_config().lower()
        device.write_channel("reload\n")
        device.read_until_pattern(r"\(y/n\)\?\s+\[n\]")
        device.write_channel("y\n")
    time.sleep(0.5)
    with connect(switch) as device:
        assert device.find_prompt() == "leaf-7#"
        running = device.send_command("show running-config")
        for line in ["feature bgp", "license smart transport off", "hostname leaf-7"]:
            assert line in running.splitlines(), running
        assert "Status: IN USE" in device.send_command("show license usage")
        assert "command reload" in device.send_command("show version")
done("netmiko_switch")
