#!/usr/bin/env python3
"""The playbook of examples/ansible for a fleet on twenty switches of one process: all have CSSM's trust, and a second run changes
nothing."""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

from lab import RUMLINE, Lab, Switch

PLAYBOOK = pathlib.Path(__file__).parent.parent / "examples/ansible/fleet.yml"
COUNT = 20


def start_fleet(lab, count):
    """Switches of one process, by their serial numbers."""
    folder = lab.dir / "fleet"
    process = subprocess.Popen(
        [RUMLINE, "switch", "--dir", folder, "--count", str(count), "--ssh", "127.0.0.1:0", "--root", lab.dir / "cssm/root.pem",
         "--admin-password-file", lab.dir / "fleet.password"], stdout=subprocess.PIPE, text=True)
    lab.processes.append(process)
    switches = {}
    for line in process.stdout:
        serial, port = re.fullmatch(r"switch \(PID:\S+,SN:(\S+)\): ssh admin@127\.0\.0\.1 -p (\d+)\n", line).groups()
        number = len(switches) + 1
        password = (lab.dir / f"fleet.password.{number}").read_text().strip()
        switches[serial] = Switch(lab, f"fleet/{number}", process, int(port), password)
        if len(switches) == count:
            break
    assert len(switches) == count, f"{len(switches)} of {count} switches"
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return switches


def play(lab, switches):
    """What a run of the playbook says of each switch, and how long it took."""
    hosts = {serial: {"ansible_port": switch.port, "ansible_password": switch.password} for serial, switch in switches.items()}
    common = {"ansible_host": "127.0.0.1", "ansible_user": "admin", "ansible_network_os": "cisco.nxos.nxos",
              "ansible_connection": "ansible.netcommon.network_cli", "ansible_network_cli_ssh_type": "libssh"}
    inventory = lab.dir / "fleet.json"
    inventory.write_text(json.dumps({"all": {"children": {"switches": {"hosts": hosts, "vars": common}}}}))
    given = lab.dir / "token.json"
    given.write_text(json.dumps({"smart_url": f"{lab.url}/licservice/license", "trust_token": lab.new_token()}))
    environment = {
        **os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_STDOUT_CALLBACK": "json",
        "ANSIBLE_HOME": str(lab.dir / "ansible"), "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_PERSISTENT_CONNECT_TIMEOUT": "60", "ANSIBLE_LIBSSH_HOST_KEY_AUTO_ADD": "True", "ANSIBLE_FORKS": str(COUNT)}
    command = [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", inventory, "-e", f"@{given}", PLAYBOOK]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    took = time.monotonic() - began
    assert done.returncode == 0, f"{done.stdout[-6000:]} {done.stderr[-2000:]}"
    stats = json.loads(done.stdout[done.stdout.index("{"):])["stats"]
    assert set(stats) == set(switches), stats
    assert not any(one["failures"] or one["unreachable"] for one in stats.values()), stats
    return stats, took


def main():
    with Lab() as lab:
        switches = start_fleet(lab, COUNT)
        assert lab.call("GET", "/smart-accounts/1/product-instances?limit=1000") == []
        first, first_took = play(lab, switches)
        # The lines, and the trust.
        assert all(one["changed"] == 2 for one in first.values()), first
        instances = lab.call("GET", "/smart-accounts/1/product-instances?limit=1000")
        assert {instance["serial"] for instance in instances} == set(switches) and len(instances) == COUNT, instances
        assert all(instance["trusted"] for instance in instances), instances
        startup = next(iter(switches.values())).run("show startup-config")
        assert f"\nlicense smart url smart {lab.url}/licservice/license\n" in startup, startup
        second, second_took = play(lab, switches)
        assert not any(one["changed"] for one in second.values()), second
        assert lab.call("GET", "/smart-accounts/1/product-instances?limit=1000") == instances
        print(f"{COUNT} switches: {first_took:.0f} s for the first run, {second_took:.0f} s for the second")
    print("ansible_fleet: passed")


if __name__ == "__main__":
    main()
