#!/usr/bin/env python3
"""Ansible's modules for NX-OS on a switch, over network_cli and over httpapi, and what the terminal plugin takes for a prompt or for an
error, asked of the plugin itself: section 4 of docs/clients.md, and what section 5 says of httpapi."""

import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from ansible.plugins.loader import init_plugin_loader

from lab import Lab, box, listening
from raw_login import MODES, NAMES, screens
from relay import Relay

init_plugin_loader([])
from ansible_collections.cisco.nxos.plugins.terminal.nxos import TerminalModule  # noqa: E402

# How a feature is called in the configuration, and what `show feature` calls it.
FEATURES = {
    "nv overlay": "nve", "vn-segment-vlan-based": "vnseg_vlan", "hsrp": "hsrp_engine", "fabric multicast": "fabric_mcast",
    "telnet": "telnetServer", "scp-server": "scpServer", "sftp-server": "sftpServer", "sla responder": "sla_responder",
    "sla sender": "sla_sender", "tacacs+": "tacacs", "ethernet-link-oam": "elo", "port-security": "eth-port-sec",
}

SHOWS = [
    "show accounting log", "show banner exec", "show banner motd", "show boot", "show callhome", "show callhome transport",
    "show callhome status", "show callhome destination-profile", "show call-home profile all", "show ip http client",
    "show cdp neighbors", "show checkpoint", "show checkpoint summary", "show cli alias", "show clock", "show configuration session",
    "show environment", "show feature", "show file bootflash:usage.txt", "show file bootflash:usage.txt sha256sum", "show history",
    "show hostname", "show interface", "show interface brief", "show interface description", "show interface status",
    "show interface trunk", "show interface mgmt0", "show inventory", "show ip access-lists", "show ip interface brief",
    "show ip interface brief vrf management", "show license all", "show license data conversion",
    "show license eventlog", "show license history message", "show license host-id", "show license rum id all",
    "show license rum id all detail", "show license status", "show license summary", "show license tech support", "show license udi",
    "show license usage", "show lldp neighbors", "show logging", "show logging last 50", "show logging logfile", "show module",
    "show nxapi", "show privilege", "show processes cpu", "show processes memory", "show role", "show running-config",
    "show running-config all", "show running-config diff", "show running-config license", "show startup-config",
    "show system resources", "show system uptime", "show tech-support license", "show user-account", "show users", "show version",
    "show vlan", "show vlan brief", "show vrf", "dir", "dir bootflash:", "dir bootflash:/usage.txt", "copy running-config startup-config",
    "license smart save usage all bootflash:usage.txt", "terminal width 511", "pwd",
]

ERRORS = [
    "show nonsense", "nonsense", "show", "c", "show vlan id 99999", "license smart import bootflash:none.txt", "copy",
    "show interface Ethernet9/99", "terminal width 99999", "license smart sync nonsense",
    "rollback running-config checkpoint none", "show license brief",
]
CONFIG_ERRORS = [
    "feature nonsense", "hostname", "license smart usage interval 0", "hostname a:b", "nonsense",
    "license smart transport nonsense", "license smart usage interval 9999",
]


def play(lab, name, host, tasks):
    """What each task came to, by its number; those that fail do not end the play."""
    inventory, playbook = lab.dir / f"inventory-{name}.json", lab.dir / f"{name}.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {name: host}}}))
    numbered = [{"name": str(number), "ignore_errors": True, **task} for number, task in enumerate(tasks)]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": numbered}]))
    environment = {
        **os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_STDOUT_CALLBACK": "json",
        "ANSIBLE_HOME": str(lab.dir / f"ansible-{name}"), "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False", "ANSIBLE_LIBSSH_HOST_KEY_AUTO_ADD": "True"}
    command = [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", inventory, playbook]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment,
                           stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, f"{name}: {ended.stdout[-6000:]} {ended.stderr[-2000:]}"
    told = json.loads(ended.stdout[ended.stdout.index("{"):])
    return [task["hosts"][name] for task in told["plays"][0]["tasks"]]


def network_cli(switch, kind):
    return {"ansible_host": "127.0.0.1", "ansible_user": "admin", "ansible_password": switch.password,
            "ansible_network_os": "cisco.nxos.nxos", "ansible_connection": "ansible.netcommon.network_cli",
            "ansible_port": switch.port, "ansible_network_cli_ssh_type": kind}


def command(*commands, **options):
    return {"cisco.nxos.nxos_command": {"commands": list(commands)}, **options}


def well(result):
    assert not result.get("failed"), result
    return result


def prompts(switch):
    """The plugin's patterns, and the bytes of logins and of configuration modes."""
    def found(screen):
        return any(pattern.search(screen) for pattern in TerminalModule.terminal_stdout_re)

    def configuring(screen):
        # As the plugin's connection does: the prompt it has found, stripped.
        prompt = next(match.group() for pattern in TerminalModule.terminal_stdout_re if (match := pattern.search(screen)))
        return bool(TerminalModule.terminal_config_prompt.match(prompt.decode().strip()))

    for name in NAMES:
        switch.run("configure terminal", f"hostname {name}", "end")
        first, *others = screens(switch, "", "terminal length 0", *MODES, "end")
        for screen in (first, others[0], others[1], others[-1]):
            assert found(screen) and not configuring(screen), screen
        for mode, screen in zip(MODES, others[2:]):
            assert found(screen) and configuring(screen), screen
            assert screen.decode().endswith(f"\r\n{name}{MODES[mode]}") and " (" not in MODES[mode], screen
    # A name that has no prompt for Ansible is not taken.
    for name in ("-leaf", ".leaf", "le@f", "leaf+1", "leaf/1", "leaf:1", "leaf~", "le\u00e4f", "_"):
        told = switch.run("configure terminal", f"hostname {name}")
        assert "% Invalid" in told, f"hostname {name}: {told!r}"
        screen, = screens(switch)
        assert found(screen) and b"\r\n" + NAMES[-1].encode() + b"# " in screen, screen
    box("4.1")
    print("prompts: passed")


def failures(lab, switch):
    """Fills logs with all that goes wrong: whoever is asked does not listen, is not there, is busy, says nothing, is unknown to the
    switch, does not like what it gets. What the guide itself words as an error to Ansible comes in `words_of_the_guide`."""
    class Busy(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_error(503)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    switch.connect_to_cssm()
    switch.run("configure terminal", "feature bgp", "ip access-list A", "10 permit ip any any", "end", "checkpoint one",
               "license smart save usage all bootflash:usage.txt", "license smart trust idtoken AAAABBBBCCCC all force")
    for number, url in enumerate((
            f"http://127.0.0.1:{port}/x", "http://no-such-host.invalid/x", f"https://127.0.0.1:{server.server_port}/x",
            f"http://127.0.0.1:{server.server_port}/x"), 1):
        switch.run("configure terminal", f"license smart url smart {url}", "end")
        limit = time.monotonic() + 20
        while switch.run("license smart sync", "show license eventlog").count("SAEVT_COMM_FAIL") < number:
            assert time.monotonic() < limit, switch.run("show license eventlog")
            time.sleep(0.2)
    switch.run("license smart trust idtoken AAAABBBBCCCC all force", "show nonsense", "license smart import bootflash:none.txt",
               "license smart import bootflash:usage.txt", "copy bootflash:none.txt bootflash:x")
    server.shutdown()


def words_of_the_guide(lab, switch):
    """The guide's own reason for an address that is not there (p. 78), `404 host not found`, is an error to Ansible: it alone is."""
    switch.run("configure terminal", f"license smart url smart {lab.url}/licservice/nothing", "end")
    limit = time.monotonic() + 20
    while "404 host not found" not in switch.run("license smart sync", "show license eventlog"):
        assert time.monotonic() < limit, switch.run("show license eventlog")
        time.sleep(0.2)
    shown = b"".join(screens(switch, "terminal width 511", "terminal length 0", *SHOWS)[3:])
    assert b"404 host not found" in shown
    without = shown.replace(b"404 host not found", b"")
    assert not any(pattern.search(without) for pattern in TerminalModule.terminal_stderr_re)


def outputs(lab, switch):
    """Every error looks like one, and no answer of a command that went well does."""
    failures(lab, switch)
    shown = screens(switch, "terminal width 511", "terminal length 0", *SHOWS)[3:]
    refused = screens(switch, *ERRORS)[1:]
    refused += screens(switch, "configure terminal", *CONFIG_ERRORS)[2:]
    shows, errors, lines = play(lab, "outputs", network_cli(switch, "libssh"), [
        command(*SHOWS), {"cisco.nxos.nxos_command": {"commands": "{{ item }}"}, "loop": ERRORS[:6]},
        {"cisco.nxos.nxos_config": {"lines": "{{ item }}", "match": "none"}, "loop": CONFIG_ERRORS[:3]}])
    for given, screen in zip(ERRORS + CONFIG_ERRORS, refused):
        assert any(pattern.search(screen) for pattern in TerminalModule.terminal_stderr_re), f"{given}: {screen}"
        assert "nonsense" not in given or b"% Invalid command at '^' marker." in screen, screen
    for result in errors["results"] + lines["results"]:
        assert result.get("failed"), result
        assert "nonsense" not in result["item"] or "% Invalid command at '^' marker." in result["msg"], result
    box("4.9")
    wrong = []
    for given, screen in zip(SHOWS, shown):
        for pattern in TerminalModule.terminal_stderr_re:
            wrong += [f"{given}: {line.decode()!r} is an error by {pattern.pattern}" for line in screen.splitlines(keepends=True)
                      if pattern.search(line)]
            assert wrong or not pattern.search(screen), f"{given}: {screen.decode()}"
    assert not wrong, "\n".join(wrong)
    log = b"".join(shown).lower()
    assert log.count(b"fail") > 5, log.decode()
    assert len(well(shows)["stdout"]) == len(SHOWS), shows
    words_of_the_guide(lab, switch)
    box("4.8")
    print(f"outputs: {len(shown)} answers, {len(refused)} errors")


class Came:
    """What the tasks of a play came to, by the names that they have here."""

    def __init__(self, lab, name, host, tasks):
        self.results = dict(zip(tasks, play(lab, name, host, list(tasks.values()))))

    def __getitem__(self, name):
        return self.results[name]

    def history(self, name):
        return [line.strip() for line in well(self[name])["stdout"][0].splitlines()]

    def order(self, name, *wanted):
        """These lines are in the history that was looked at, in this order."""
        lines, at = self.history(name), 0
        for line in wanted:
            assert line in lines[at:], f"{name}: {line!r} in {lines[at:]}"
            at = lines.index(line, at) + 1


LOOK = command("show history")


def features(lab, switch):
    """Features whose names differ, on, on again, and off."""
    one = {"cisco.nxos.nxos_feature": {"feature": "{{ item }}"}}
    off = {"cisco.nxos.nxos_feature": {"feature": "{{ item }}", "state": "disabled"}}
    came = Came(lab, "features", network_cli(switch, "libssh"), {
        "enable": {**one, "loop": list(FEATURES)}, "enabled": LOOK, "again": {**one, "loop": [*FEATURES, "ssh"]},
        "disable": {**off, "loop": list(FEATURES)[:4]}, "ssh": {**off, "loop": ["ssh"], "check_mode": True}})
    for name in ("enable", "again", "disable", "ssh"):
        for result in came[name]["results"]:
            assert not result.get("failed"), (name, result)
            line = f"{'' if name == 'enable' else 'no '}feature {result['item']}"
            expected = [] if name == "again" else ["terminal dont-ask", line]
            assert result["commands"] == expected and result["changed"] == bool(expected), (name, result)
    for feature in FEATURES:
        came.order("enabled", "show feature", "show running-config | include ^feature", "configure terminal", "terminal dont-ask",
                   f"feature {feature}", "end")
    log = switch.run("show accounting log")
    shown = dict(re.findall(r"^(\S+) +1 +(\w+)", switch.run("show feature"), re.M))
    assert shown["sshServer"] == "enabled"
    for number, (feature, name) in enumerate(FEATURES.items()):
        assert shown[name] == ("disabled" if number < 4 else "enabled"), feature
        assert f"configure terminal ; feature {feature} (SUCCESS)" in log, log
    box("4.5")
    print("features: passed")


def modules(lab, switch):
    """The modules over network_cli, one session of the switch for all of them."""
    serial = re.search(r"SN:(\w+)", switch.run("show license udi"))[1]
    mine = {"lines": ["license smart transport off", "license smart usage interval 40"]}
    port = {"parents": "interface Ethernet1/3", "lines": ["description by ansible", "mtu 9216"]}
    deep = {"parents": ["router bgp 1", "vrf red"], "lines": ["router-id 10.0.0.1"]}
    config = "cisco.nxos.nxos_config"
    came = Came(lab, "modules", network_cli(switch, "libssh"), {
        "opened": LOOK,
        "facts": {"cisco.nxos.nxos_facts": {"gather_subset": ["default", "hardware", "interfaces", "features"]}}, "asked": LOOK,
        "json": command(*({"command": f"show {what}", "output": "json"} for what in ("interface", "system resources", "license usage"))),
        "mine": {config: mine}, "configured": LOOK, "same mine": {config: mine}, "port": {config: port}, "same port": {config: port},
        "deep": {config: deep}, "same deep": {config: deep}, "save": {config: {"save_when": "always"}}, "saved": LOOK,
        "wrong": {config: {"lines": ["feature nonsense"]}}, "left": LOOK,
        "deep wrong": {config: {"parents": "interface Ethernet1/3", "lines": ["mtu 99999999"]}}, "deep left": LOOK})
    facts = well(came["facts"])["ansible_facts"]
    wanted = {"version": "10.4(3)", "model": "Nexus9000 C93180YC-FX3 Chassis", "hostname": "leaf-1", "platform": "N9K-C93180YC-FX3"}
    for name, value in wanted.items():
        assert facts[f"ansible_net_{name}"] == value, (name, facts)
    assert facts["ansible_net_image"].startswith("bootflash:///nxos"), facts
    came.order("asked", "show version", "show inventory")
    box("4.3")
    assert facts["ansible_net_license_hostid"] == facts["ansible_net_serialnum"] == serial, facts
    assert "bgp" in facts["ansible_net_features_enabled"], facts
    assert "\nfeature bgp\n" in switch.run("show running-config")
    assert facts["ansible_net_filesystems"] == ["bootflash:"] and facts["ansible_net_memtotal_mb"] > 0, facts
    assert facts["ansible_net_cpu_utilization"]["core"], facts
    ports = facts["ansible_net_interfaces"]
    assert ports["Ethernet1/1"]["mtu"] == 1500 and ports["mgmt0"]["state"] == "up", ports
    assert ports["mgmt0"]["ipv4"] == {"address": "192.0.2.5", "masklen": 24}, ports["mgmt0"]
    assert facts["ansible_net_all_ipv4_addresses"] == ["192.0.2.5"], facts
    for line in ("show license host-id", "show running-config", "show interface | json-pretty", "show system resources | json-pretty"):
        assert line in came.history("asked"), (line, came.history("asked"))
    interfaces, resources, usage = well(came["json"])["stdout"]
    assert interfaces["TABLE_interface"]["ROW_interface"][1]["interface"] and resources["memory_usage_total"], interfaces
    assert usage["TABLE_show_smart_lic_usage"], usage
    assert facts["ansible_net_neighbors"] == {} and facts["ansible_net_all_ipv6_addresses"] == [], facts
    for what in ("interface", "system resources", "processes cpu", "lldp neighbors"):
        for form in ("json-pretty", "json"):
            told = switch.run(f"show {what} | {form}")
            assert isinstance(json.loads(told), dict), f"show {what} | {form}: {told}"
    box("4.4")

    for name, lines in (("mine", ["license smart transport off", "license smart usage interval 40"]),
                        ("port", ["interface Ethernet1/3", "description by ansible", "mtu 9216"]),
                        ("deep", ["router bgp 1", "vrf red", "router-id 10.0.0.1"])):
        assert well(came[name])["changed"] and came[name]["commands"] == lines, came[name]
        assert not well(came[f"same {name}"])["changed"], came[name]
    running = switch.run("show running-config")
    for text in ("license smart transport off\n", "license smart usage interval 40\n", "router bgp 1\n  vrf red\n    router-id 10.0.0.1\n"):
        assert f"\n{text}" in running, (text, running)
    came.order("configured", "show running-config", "configure terminal", "license smart transport off", "end")
    assert well(came["save"])["changed"] and "copy running-config startup-config" in came.history("saved")[-3:], came.history("saved")
    assert "license smart usage interval 40" in switch.run("show startup-config")
    box("4.6")

    assert came["wrong"]["failed"] and "Invalid command" in came["wrong"]["msg"], came["wrong"]
    came.order("left", "configure terminal", "feature nonsense", "exit")
    assert came["deep wrong"]["failed"] and "Invalid number" in came["deep wrong"]["msg"], came["deep wrong"]
    came.order("deep left", "interface Ethernet1/3", "mtu 99999999", "exit", "exit")
    box("4.7")
    assert came.history("opened")[:2] == ["terminal length 0", "terminal width 511"], came.history("opened")
    box("4.2")
    print("modules: passed")


def httpapi(lab, switch, relay):
    """The same over NX-API; the relay has what the plugin sends and what it gets."""
    host = {"ansible_host": "127.0.0.1", "ansible_user": "admin", "ansible_password": switch.password,
            "ansible_network_os": "cisco.nxos.nxos", "ansible_connection": "ansible.netcommon.httpapi", "ansible_httpapi_port": relay.port,
            "ansible_httpapi_use_ssl": False}
    text, data, feature, config, wrong, wrong_line = play(lab, "httpapi", host, [
        command("show hostname", "show privilege"),
        command(*({"command": f"show {what}", "output": "json"} for what in ("hostname", "license usage"))),
        {"cisco.nxos.nxos_feature": {"feature": "hsrp"}},
        {"cisco.nxos.nxos_config": {"lines": ["license smart usage interval 40"]}},
        command("show nonsense"),
        {"cisco.nxos.nxos_config": {"lines": ["feature nonsense"]}},
    ])
    assert well(text)["stdout"][0] == "over-http", text
    assert well(data)["stdout"][0] == {"hostname": "over-http"} and "authorization_status" in data["stdout"][1], data
    assert well(feature)["changed"] and well(config)["changed"], (feature, config)
    running = switch.run("show running-config")
    assert "\nfeature hsrp\n" in running and "\nlicense smart usage interval 40\n" in running, running

    pairs = []
    assert len(relay.requests) == len(relay.answers)
    for request, answer in zip(relay.requests, relay.answers):
        assert request.first == "POST /ins HTTP/1.1" and request.headers["content-type"] == "application/json", request.first
        call, told = json.loads(request.body)["ins_api"], json.loads(answer.body)["ins_api"]
        assert set(call) == {"version", "type", "chunk", "sid", "input", "output_format"}, call
        assert (call["version"], call["chunk"], call["sid"], call["output_format"]) == ("1.0", "0", None, "json"), call
        inputs, outputs = call["input"].split(" ;"), told["outputs"]["output"]
        assert isinstance(outputs, list) == (len(inputs) > 1), (call, told)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        assert [output["input"] for output in outputs] == inputs, (call, told)
        pairs.append((call["type"], call["input"], outputs))
    assert {kind for kind, _, _ in pairs} == {"cli_show_ascii", "cli_show", "cli_conf"}, pairs
    assert any(given == "show hostname ;show license usage" for _, given, _ in pairs), pairs
    box("5.8")
    for kind, given, outputs in pairs:
        for output in outputs:
            if "nonsense" in given:
                assert output["code"] == "400" and output["msg"] and "% Invalid command" in output["clierror"], output
            else:
                assert output["code"] == "200" and output["msg"] == "Success", output
                assert isinstance(output["body"], str if kind == "cli_show_ascii" else dict), output
                assert kind != "cli_conf" or output["body"] == {}, output
    for result in (wrong, wrong_line):
        assert result["failed"] and "Input CLI command error" in result["msg"] and "% Invalid command" in result["msg"], result
    box("5.9")
    # Only the first request of a session logs in; then the cookie does, and comes as it was given, with its attributes.
    with_login = [request for request in relay.requests if request.headers["authorization"]]
    with_cookie = [request for request in relay.requests if request.headers["cookie"]]
    assert relay.requests[0] in with_login and not relay.requests[0].headers["cookie"] and len(with_cookie) > 3, relay.requests
    given = {answer.headers["set-cookie"] for answer in relay.answers}
    for request in with_cookie:
        assert not request.headers["authorization"] and request.headers["cookie"] in given, request.headers
        assert re.match(r"nxapi_auth=\w+; Path=/; HttpOnly", request.headers["cookie"]), request.headers
    assert all(answer.first.startswith("HTTP/1.1 200") for answer in relay.answers)
    box("5.10")
    assert ("cli_conf", "terminal dont-ask ;feature hsrp") in [(kind, given) for kind, given, _ in pairs], pairs
    box("5.11")
    print("httpapi: passed")


def copies(lab, switch, other):
    """Copies that ask: over a file that is there, and from a server that wants a password."""
    file = {"command": "copy running-config bootflash:backup", "prompt": "file existing with this name", "answer": "y"}
    pull = {"cisco.nxos.nxos_file_copy": {
        "file_pull": True, "file_pull_timeout": 30, "local_file": "pulled.txt", "remote_file": "/bootflash/kept.txt",
        "remote_scp_server": f"127.0.0.1:{other.port}", "remote_scp_server_user": "admin",
        "remote_scp_server_password": other.password}, "vars": {"ansible_command_timeout": 15}}
    other.run("copy running-config bootflash:kept.txt")
    first, *over, pulled, again = play(lab, "paramiko", network_cli(switch, "paramiko"), [
        command("copy running-config bootflash:backup"), command(file), command({**file, "answer": "n"}), pull, pull])
    assert "Copy complete" in well(first)["stdout"][0], first
    assert "Copy complete" in well(over[0])["stdout"][0] and "Copy complete" not in well(over[1])["stdout"][0], over
    for result in (pulled, again):
        assert "Received" in well(result)["transfer_status"], result
        assert (switch.flash / "pulled.txt").read_bytes() == (other.flash / "kept.txt").read_bytes()
    box("4.10")
    print("copies: passed")


def main():
    with Lab() as lab:
        switch, faulty, named = (lab.start_switch(name) for name in ("leaf", "faulty", "named"))
        web = lab.start_switch("web", "--nxapi-http", "127.0.0.1:0", "--nxapi-https", "127.0.0.1:0")
        switch.run("configure terminal", "hostname leaf-1", "feature bgp", "interface mgmt0", "ip address 192.0.2.5/24", "end")
        web.run("configure terminal", "hostname over-http", "feature nxapi", "nxapi http port 80", "end")
        ports = listening(web.process, 2)
        for process in lab.processes[1:]:
            threading.Thread(target=process.stdout.read, daemon=True).start()
        relay = Relay(ports["http"])
        steps = {prompts: (named,), outputs: (lab, faulty), features: (lab, switch), modules: (lab, switch), httpapi: (lab, web, relay),
                 copies: (lab, web, switch)}
        with ThreadPoolExecutor() as pool:
            running = {step.__name__: pool.submit(step, *given) for step, given in steps.items()}
        wrong = {name: future.exception() for name, future in running.items() if future.exception()}
        for name, error in wrong.items():
            print(f"{name}: failed")
            traceback.print_exception(error)
        assert not wrong, list(wrong)
    print("ansible_boxes: passed")


if __name__ == "__main__":
    main()
