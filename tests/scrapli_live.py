#!/usr/bin/env python3
"""scrapli drives the switch as it drives a Nexus: its driver of old, over each transport that is installed, and the rewrite with
its own library and description of the platform. Whichever is installed is run."""

import asyncio
import importlib.util

import scrapli

from lab import Lab, box

REWRITTEN = hasattr(scrapli, "Cli")
CONFIG = ["hostname leaf-8", "feature bgp", "interface Ethernet1/8", "description by scrapli", "license smart transport off"]
REFUSED = [
    ("show nonsense", "% Invalid command at"), ("show hostname nonsense", "% Invalid command at"),
    ("show l", "% Ambiguous command"), ("show", "% Incomplete command"),
]


def configured(running):
    """The lines of the configuration stand in what runs, each on a line of its own."""
    for line in ("hostname leaf-8", "feature bgp", "  description by scrapli", "license smart transport off"):
        assert line in running.splitlines(), f"{line!r}:\n{running}"


def read(parse):
    """What the templates make of shows, whatever calls them."""
    version = parse("show version")[0]
    assert (version["hostname"], version["os"]) == ("leaf-8", "10.4(3)"), version
    features = {record["name"]: record["state"] for record in parse("show feature")}
    assert features["bgp"].startswith("enabled") and len(features) > 90, features
    usage = parse("show license usage")
    assert [record["feature"] for record in usage] == ["LAN_ENTERPRISE_SERVICES_PKG"], usage


def driver(switch, kind="NXOSDriver", transport="system", password=None):
    """A driver of old that is not yet open."""
    from scrapli.driver import core

    return getattr(core, kind)(
        host="127.0.0.1", port=switch.port, auth_username="admin", auth_password=password or switch.password, auth_strict_key=False,
        auth_secondary=switch.password, transport=transport, timeout_socket=10, timeout_transport=20, timeout_ops=20)


def old(switch, transport):
    """The driver of 2025 over a transport of its own, or another's."""
    from scrapli.exceptions import ScrapliAuthenticationFailed

    try:
        driver(switch, transport=transport, password="wrong").open()
        raise AssertionError("a wrong password was accepted")
    except ScrapliAuthenticationFailed:
        pass
    with driver(switch, transport=transport) as device:
        assert device.get_prompt() in ("switch#", "leaf-8#"), device.get_prompt()
        assert device._current_priv_level.name == "privilege_exec"
        box("6.1")
        lines = device.send_command("show feature")
        assert not lines.failed and len(lines.result.splitlines()) > 90 and "--More--" not in lines.result, lines.result
        done = device.send_configs(CONFIG)
        assert not done.failed, done.result
        configured(device.send_command("show running-config").result)
        for level, prompt in (
                ("configuration", "leaf-8(config)#"), ("privilege_exec", "leaf-8#"), ("configuration", "leaf-8(config)#")):
            device.acquire_priv(level)
            assert device.get_prompt() == prompt, device.get_prompt()
        done = device.send_configs(["interface Ethernet1/8", "no description"], privilege_level="configuration")
        assert not done.failed and device.get_prompt() == "leaf-8(config-if)#", device.get_prompt()
        device.acquire_priv("privilege_exec")
        box("6.2")
        for command, text in REFUSED:
            answer = device.send_command(command)
            assert answer.failed and text in answer.result, (command, answer.result)
        done = device.send_configs(["feature nonsense", "vlan 88"], stop_on_failed=True)
        assert done.failed and len(done) == 1 and "% Invalid command at" in done[0].result, done.result
        assert "vlan 88" not in device.send_command("show running-config").result
        assert not device.send_command("show license status").failed
        box("6.3")
        read(lambda command: device.send_command(command).textfsm_parse_output())
    print(f"{transport}: passed")


def session(switch):
    """A configuration session, which a driver knows as a level of its own."""
    with driver(switch) as device:
        device.register_configuration_session("one")
        done = device.send_configs(["vlan 77", "name by-session"], privilege_level="one")
        assert not done.failed, done.result
        assert "vlan 77" not in device.send_command("show running-config").result
        done = device.send_configs(["vlan 77", "commit"], privilege_level="one")
        assert not done.failed, done.result
        assert "vlan 77" in device.send_command("show running-config").result
    print("session: passed")


async def at_once(switch, transport):
    """Several sessions of one loop."""
    async def one(number):
        async with driver(switch, "AsyncNXOSDriver", transport) as device:
            answer = await device.send_configs([f"interface loopback{number}", f"description of {number}"])
            assert not answer.failed, answer.result
            shown = await device.send_command(f"show running-config interface loopback{number}")
            assert f"  description of {number}" in shown.result.splitlines(), shown.result

    await asyncio.gather(*(one(number) for number in range(20, 28)))
    print(f"{transport}: passed")


def rewritten(switch, name, transport):
    """The rewrite, whose library drives the session."""
    from scrapli.exceptions import ScrapliException

    def cli(password):
        return scrapli.Cli(
            "127.0.0.1", port=switch.port, definition_file_or_name="cisco_nxos",
            auth_options=scrapli.AuthOptions(username="admin", password=password), transport_options=transport,
            session_options=scrapli.SessionOptions(operation_timeout_s=20))

    try:
        cli("wrong").open()
        raise AssertionError("a wrong password was accepted")
    except ScrapliException:
        pass
    with cli(switch.password) as device:
        assert device.get_prompt().result in ("switch#", "leaf-8#"), device.get_prompt().result
        box("6.1")
        answer = device.send_input("show feature")
        assert not answer.failed and len(answer.result.splitlines()) > 90 and "--More--" not in answer.result, answer.result
        done = device.send_inputs(CONFIG, requested_mode="configuration")
        assert not done.failed, done.result
        configured(device.send_input("show running-config").result)
        for mode, prompt in (
                ("configuration", "leaf-8(config)#"), ("privileged_exec", "leaf-8#"), ("configuration", "leaf-8(config)#")):
            device.enter_mode(mode)
            assert device.get_prompt().result == prompt, device.get_prompt().result
        box("6.2")
        for command, text in REFUSED:
            answer = device.send_input(command)
            assert answer.failed and text in answer.result, (command, answer.result)
        done = device.send_inputs(["feature nonsense", "vlan 88"], requested_mode="configuration", stop_on_indicated_failure=True)
        assert done.failed, done.result
        assert "vlan 88" not in device.send_input("show running-config").result
        assert not device.send_input("show license status").failed
        box("6.3")
        read(lambda command: device.send_input(command).textfsm_parse())
    print(f"{name}: passed")


async def rewritten_at_once(switch, transport):
    """Several sessions of one loop."""
    async def one(number):
        device = scrapli.Cli(
            "127.0.0.1", port=switch.port, definition_file_or_name="cisco_nxos", transport_options=transport(),
            auth_options=scrapli.AuthOptions(username="admin", password=switch.password))
        async with device:
            lines = [f"interface loopback{number}", f"description of {number}"]
            answer = await device.send_inputs_async(lines, requested_mode="configuration")
            assert not answer.failed, answer.result
            shown = await device.send_input_async(f"show running-config interface loopback{number}")
            assert f"  description of {number}" in shown.result.splitlines(), shown.result

    await asyncio.gather(*(one(number) for number in range(20, 28)))
    print("at once: passed")


def main():
    with Lab() as lab:
        switch = lab.start_switch("leaf")
        if REWRITTEN:
            rewritten(switch, "ssh2", scrapli.TransportSsh2Options())
            rewritten(switch, "ssh", scrapli.TransportBinOptions(enable_strict_key=False))
            asyncio.run(rewritten_at_once(switch, scrapli.TransportSsh2Options))
        else:
            transports = [("system", None), ("paramiko", "paramiko"), ("ssh2", "ssh2")]
            for transport, needed in transports:
                if needed is None or importlib.util.find_spec(needed):
                    old(switch, transport)
            session(switch)
            if importlib.util.find_spec("asyncssh"):
                asyncio.run(at_once(switch, "asyncssh"))
    print(f"scrapli_live: passed with {scrapli.__version__}")


if __name__ == "__main__":
    main()
