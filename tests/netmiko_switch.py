"""A network engineer's script: netmiko drives the switch as it drives a Nexus (PI-CLI-001 to 006). What goes over its channel is
kept byte by byte: section 3 of docs/clients.md."""

import re
import time

import paramiko
from netmiko import ConnectHandler, file_transfer
from netmiko.exceptions import NetmikoAuthenticationException

from lab import Lab, box, done

# What netmiko's channels got and gave, and the terminals that it asked for.
received, sent, terminals = bytearray(), bytearray(), []


def recording(name, keep):
    method = getattr(paramiko.Channel, name)

    def recorded(self, *arguments, **named):
        result = method(self, *arguments, **named)
        keep(result, arguments, named)
        return result

    setattr(paramiko.Channel, name, recorded)


recording("recv", lambda result, *_: received.extend(result))
recording("sendall", lambda _, arguments, __: sent.extend(arguments[0].encode() if isinstance(arguments[0], str) else arguments[0]))
recording("get_pty", lambda _, arguments, named: terminals.append((*arguments, *named.values())))


def connect(switch, password=None):
    for record in (received, sent, terminals):
        record.clear()
    return ConnectHandler(
        device_type="cisco_nxos", host="127.0.0.1", port=switch.port, username="admin",
        password=password or switch.password, conn_timeout=20)


def raw(device, text, end):
    """The bytes that come for what is typed."""
    before = len(received)
    device.write_channel(text)
    limit = time.monotonic() + 10
    while not received[before:].endswith(end):
        device.read_channel()
        assert time.monotonic() < limit, bytes(received[before:])
    return bytes(received[before:])


def login(switch):
    try:
        connect(switch, "wrong")
        raise AssertionError("a wrong password was accepted")
    except NetmikoAuthenticationException:
        # SSH refused it: there was no channel.
        assert not terminals and not sent
    switch.run("configure terminal", "banner motd ?\n>> Keep out # of here > now\n?", "end")
    began = time.monotonic()
    with connect(switch) as device:
        assert time.monotonic() - began < 10
        assert [terminal[1:3] for terminal in terminals] == [(511, 1000)], terminals
        assert device.find_prompt() == "switch#", device.find_prompt()
        # Neither a banner nor a question comes before the first prompt.
        assert received.startswith(b"\r\nswitch# "), bytes(received[:80])
        box("3.1")
        begin = received.index(b"terminal width 511"), received.index(b"terminal length 0")
        assert begin[0] < begin[1]
        for command in (b"terminal width 511", b"terminal length 0"):
            assert command + b"\r\nswitch# " in received, bytes(received)
        long = device.send_command("show feature")
        assert len(long.splitlines()) > 90 and b"--More--" not in received, long
        box("3.3")
    switch.run("configure terminal", "no banner motd", "end")


def echo(switch):
    with connect(switch) as device:
        for character in "show clock":
            assert raw(device, character, character.encode()) == character.encode()
        assert raw(device, "\n", b"switch# ").startswith(b"\r\n")
        # The longest line beside its prompt that the terminal has room for.
        pattern = "x" * (511 - len("switch# show running-config | include "))
        line = f"show running-config | include {pattern}"
        assert raw(device, f"{line}\n", b"switch# ") == f"{line}\r\nswitch# ".encode()
        assert device.send_command(line) == ""
        box("3.2")
        assert raw(device, "\n", b"# ") == b"\r\nswitch# "
        assert device.base_prompt == "switch" and not device.check_config_mode()
        device.config_mode()
        for mode in ("", "interface Ethernet1/1", "vlan 10", "line console", "line vty", "callhome", "vrf context red",
                     "ip access-list A", "router bgp 1"):
            shown = raw(device, f"{mode}\n", b"# ").decode()
            assert re.fullmatch(re.escape(mode) + r"\r\nswitch\(config[\w-]*\)# ", shown), shown
            assert device.check_config_mode() and device.base_prompt in device.find_prompt()
        device.exit_config_mode()
        assert device.find_prompt() == "switch#"
        name = "a-name_as.long-as-names-may-be-" + "x" * 32
        device.send_config_set([f"hostname {name}"], cmd_verify=False)
        device.set_base_prompt()
        assert device.find_prompt() == f"{name}#" and not device.check_config_mode()
        device.config_mode()
        assert device.check_config_mode() and device.base_prompt in device.find_prompt()
        device.send_config_set(["hostname switch"], cmd_verify=False)
        device.set_base_prompt()
        box("3.4")


def configuration(switch):
    with connect(switch) as device:
        device.config_mode()
        assert device.check_config_mode() and b"configure terminal\r\n" in received
        assert device.find_prompt().endswith(")#")
        device.exit_config_mode()
        assert not device.check_config_mode() and b"\r\nswitch(config)# end\r\nswitch# " in received
        lines = [f"vlan {number}" for number in range(100, 120)] + ["interface Ethernet1/2", "description two"]
        output = device.send_config_set(lines)
        assert "%" not in output, output
        for line in lines:
            assert re.search(rb"\)# " + line.encode() + rb"\r\nswitch\(config[\w-]*\)# ", received), line
        assert "description two" in switch.run("show running-config interface e1/2")
        box("3.5")
        began = time.monotonic()
        output = device.save_config()
        assert "Copy complete." in output and "?" not in output and time.monotonic() - began < 10, output
        device.config_mode()
        sent.clear()
        device.disconnect()
        assert bytes(sent).split() == [b"end", b"exit"], bytes(sent)
        limit = time.monotonic() + 10
        while switch.run("show users | json").count("pts/") != 1:
            assert time.monotonic() < limit
            time.sleep(0.1)
        box("3.6")


def lines(switch):
    with connect(switch) as device:
        for command in ("show version", "show license all", "show nonsense", "copy running-config startup-config",
                        "license smart save usage all bootflash:usage.txt", "show running-config"):
            output = device.send_command(command)
            assert "\r" not in output and "\n\n\n\n" not in output, output
        assert "[########################################] 100%\n" in device.save_config()
    without = bytes(received).replace(b"\r\n", b"")
    assert not re.search(rb"[\r\n\x1b\b\x00\a]", without), without
    box("3.7")


def engineer(switch):
    with connect(switch) as device:
        output = device.send_config_set(["hostname leaf-7", "feature bgp", "license smart transport off"])
        assert "%" not in output, output
        device.set_base_prompt()
        assert device.find_prompt() == "leaf-7#"
        usage = device.send_command("show license usage")
        assert "(LAN_ENTERPRISE_SERVICES_PKG):" in usage and "Status: IN USE" in usage, usage
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


def files(lab, switch):
    """netmiko's file transfer: it looks whether the file and room are there, copies by scp, and compares sums."""
    source, back = lab.dir / "image.bin", lab.dir / "back.bin"
    source.write_bytes(bytes(range(256)) * 300)
    with connect(switch) as device:
        def transfer(**options):
            return file_transfer(device, str(source), "image.bin", file_system="bootflash:", **options)

        assert "No such file or directory" in device.send_command("dir bootflash:/image.bin")
        assert transfer() == {"file_exists": True, "file_transferred": True, "file_verified": True}
        assert (switch.flash / "image.bin").read_bytes() == source.read_bytes()
        listed = device.send_command("dir bootflash:/image.bin")
        assert re.search(r"^ +76800 .*image\.bin$", listed, re.M) and "Usage for bootflash://" in listed, listed
        assert transfer() == {"file_exists": True, "file_transferred": False, "file_verified": True}
        source.write_bytes(b"another")
        try:
            transfer()
            raise AssertionError("it wrote over a file")
        except ValueError as error:
            assert "already exists" in str(error), error
        assert transfer(overwrite_file=True)["file_transferred"]
        assert (switch.flash / "image.bin").read_bytes() == b"another"
        got = file_transfer(device, "image.bin", str(back), file_system="bootflash:", direction="get")
        assert got["file_transferred"] and got["file_verified"] and back.read_bytes() == b"another", got
        box("3.8")


def main():
    with Lab() as lab:
        switch = lab.start_switch()
        login(switch)
        echo(switch)
        configuration(switch)
        lines(switch)
        engineer(switch)
        files(lab, switch)
    done("netmiko_switch")


if __name__ == "__main__":
    main()
