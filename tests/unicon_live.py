#!/usr/bin/env python3
"""pyATS drives the switch as it drives a Nexus: unicon logs in with the system's `ssh`, sets terminal and lines up as it always
does, and genie parses over the connection."""

import os
import pathlib

from pyats.topology import loader
from unicon.core.errors import ConnectionError as UniconConnectionError
from unicon.core.errors import CredentialsExhaustedError, SubCommandFailure

from lab import Lab, box

SSH_OPTIONS = (
    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o PreferredAuthentications=password")
# What unicon sends on its own to a Nexus after the login, in this order.
ON_CONNECT = [
    "term length 0", "term width 511", "terminal session-timeout 0", "config term", "no logging console", "line console",
    "exec-timeout 0", "line vty", "exec-timeout 0", "terminal width 511", "end",
]


def testbed(name, switch, password=None):
    """A device of a testbed file, as pyATS reads it."""
    described = {
        "testbed": {"name": "lab"},
        "devices": {name: {
            "os": "nxos", "type": "switch",
            "credentials": {"default": {"username": "admin", "password": password or switch.password}},
            "connections": {"defaults": {"class": "unicon.Unicon"}, "cli": {
                "protocol": "ssh", "ip": "127.0.0.1", "port": switch.port, "ssh_options": SSH_OPTIONS,
                "settings": {"GRACEFUL_DISCONNECT_WAIT_SEC": 0, "POST_DISCONNECT_WAIT_SEC": 0}}}}}}
    return loader.load(described).devices[name]


def connect(device, folder):
    """Connects with a log of the session, and gives what came of it."""
    log = pathlib.Path(folder) / "unicon.log"
    log.unlink(missing_ok=True)
    device.connect(logfile=str(log), log_stdout=False, connection_timeout=30)
    return log


def refused(call, *given):
    """The text of the error that unicon raises at an answer it takes for one."""
    try:
        call(*given)
    except SubCommandFailure as error:
        return str(error)
    raise AssertionError(f"{given}: no error")


def session(device, folder):
    """The login with what it sets up, shows, configuration, errors."""
    log = connect(device, folder).read_text()
    at = 0
    for command in ON_CONNECT:
        assert command in log[at:], f"{command!r} after\n{log[:at]}"
        at = log.index(command, at) + len(command)
    for prompt in ("leaf-9# ", "leaf-9(config)# ", "leaf-9(config-console)# ", "leaf-9(config-line)# "):
        assert prompt in log, f"{prompt!r}:\n{log}"
    assert "% " not in log, log
    box("1.5", "1.6")

    running = device.execute("show running-config")
    assert "hostname leaf-9" in running.splitlines(), running
    assert device.execute("show hostname").strip() == "leaf-9"
    long = device.execute("show feature")
    assert len(long.splitlines()) > 90 and "--More--" not in long, long
    many = device.execute(["show clock", "show license usage"])
    assert "License Authorization" in many["show license usage"], many

    device.configure(["feature bgp", "interface Ethernet1/7", "description by unicon", "license smart transport off"])
    running = device.execute("show running-config").splitlines()
    for line in ("feature bgp", "  description by unicon", "license smart transport off"):
        assert line in running, f"{line!r}: {running}"
    assert "Status: IN USE" in device.execute("show license usage")
    device.configure("hostname leaf-9")
    assert device.state_machine.current_state == "enable"

    for command in ("show nonsense", "nonsense", "show hostname nonsense"):
        text = refused(device.execute, command)
        assert "% Invalid command" in text, text
    assert "% Incomplete command" in refused(device.execute, "show")
    assert "% Ambiguous command" in refused(device.execute, "c")
    for line in ("feature nonsense", "license smart nonsense", "nonsense"):
        assert "% Invalid" in refused(device.configure, line), line
    assert "% Incomplete command" in refused(device.configure, "hostname")
    # After each of them the session is where it was.
    assert device.execute("show hostname").strip() == "leaf-9"
    box("1.7")
    print("session: passed")


def parsed(device):
    """genie's parsers take the text over the connection."""
    version = device.parse("show version")["platform"]
    assert version["name"] == "Nexus" and version["software"]["system_version"] == "10.4(3)", version
    assert version["hardware"]["device_name"] == "leaf-9", version
    features = device.parse("show feature")["feature"]
    assert features["bgp"]["instance"]["1"]["state"].startswith("enabled"), features["bgp"]
    serial = version["hardware"]["processor_board_id"]
    assert serial in device.execute("show license udi"), version
    chassis = device.parse("show inventory")["name"]["Chassis"]
    assert chassis["serial_number"] == serial, chassis
    print("parsed: passed")


def modes(device):
    """Where the lines' own modes lead, by hand: unicon knows each prompt as that of a configuration."""
    device.execute("configure terminal", allow_state_change=True)
    for line, mode in (("line console", "config-console"), ("line vty", "config-line"), ("interface Ethernet1/7", "config-if")):
        device.sendline(line)
        device.expect(rf"leaf-9\({mode}\)# $", timeout=10)
    device.sendline("end")
    device.expect(r"leaf-9# $", timeout=10)
    print("modes: passed")


def more_errors(device):
    """Errors of an argument, and of a line that three commands of the configuration begin with."""
    text = refused(device.execute, "show interface Ethernet1/7 nonsense")
    assert "% Invalid command" in text, text
    # As `license`, `line` and `logging` do.
    text = refused(device.configure, "l")
    assert "% Ambiguous command" in text, text
    print("more_errors: passed")


def main():
    # unicon takes the first `ssh` of the path, and its password prompt as it is in English.
    os.environ["LC_ALL"] = "C.UTF-8"
    with Lab() as lab:
        switch = lab.start_switch("leaf")
        try:
            testbed("switch", switch, "wrong").connect(log_stdout=False, connection_timeout=30)
            raise AssertionError("a wrong password was accepted")
        except CredentialsExhaustedError:
            pass
        except UniconConnectionError as error:
            # It depends on how the terminal cuts what `ssh` prints whether unicon sees its refusal or its next question first.
            told = str(error.__cause__.__cause__)
            assert told.startswith("Permission denied for device"), told
        # The names that unicon knows without being told.
        fresh = testbed("leaf-9", switch)
        connect(fresh, lab.dir)
        fresh.disconnect()
        switch.run("configure terminal", "hostname leaf-9", "end")

        device = testbed("leaf-9", switch)
        session(device, lab.dir)
        parsed(device)
        device.disconnect()
        assert not device.is_connected()
        connect(device, lab.dir)
        assert "  description by unicon" in device.execute("show running-config").splitlines()
        modes(device)
        assert "complete" in device.execute("copy running-config startup-config").lower()
        more_errors(device)
        device.disconnect()
    print("unicon_live: passed")


if __name__ == "__main__":
    main()
