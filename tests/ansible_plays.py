#!/usr/bin/env python3
"""The playbook of examples/ansible on switches over network_cli (paramiko and libssh) and httpapi: it does what it says, and a second
run of it changes nothing."""

import json
import os
import pathlib
import subprocess
import sys
import threading

from lab import Lab, listening

PLAYBOOK = pathlib.Path(__file__).parent.parent / "examples/ansible/licensing.yml"


def play(lab, hosts, name):
    inventory = lab.dir / f"inventory-{name}.json"
    inventory.write_text(json.dumps({"all": {"children": {"switches": {"hosts": hosts}}}}))
    environment = {
        **os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_STDOUT_CALLBACK": "json", "ANSIBLE_HOME": str(lab.dir / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_DEPRECATION_WARNINGS": "False", "ANSIBLE_PERSISTENT_CONNECT_TIMEOUT": "60",
        "ANSIBLE_LIBSSH_HOST_KEY_AUTO_ADD": "True"}
    command = [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", inventory, PLAYBOOK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, f"{name}: {done.stdout[-6000:]} {done.stderr[-2000:]}"
    start = done.stdout.index("{")
    return json.loads(done.stdout[start:])["stats"]


def main():
    with Lab() as lab:
        for name in ("paramiko", "libssh", "httpapi"):
            options = ("--nxapi-https", "127.0.0.1:0") if name == "httpapi" else ()
            switch = lab.start_switch(name, *options)
            host = {"ansible_host": "127.0.0.1", "ansible_user": "admin", "ansible_password": switch.password,
                    "ansible_network_os": "cisco.nxos.nxos"}
            if name == "httpapi":
                switch.run("configure terminal", "feature nxapi", "end")
                port = listening(switch.process, 1)["https"]
                host |= {"ansible_connection": "ansible.netcommon.httpapi", "ansible_httpapi_port": port, "ansible_httpapi_use_ssl": True,
                         "ansible_httpapi_validate_certs": False}
            else:
                host |= {"ansible_connection": "ansible.netcommon.network_cli", "ansible_port": switch.port,
                         "ansible_network_cli_ssh_type": name}
            threading.Thread(target=switch.process.stdout.read, daemon=True).start()
            first = play(lab, {name: host}, name)[name]
            assert first["changed"] >= 2 and first["failures"] == 0, (name, first)
            running = switch.run("show running-config")
            for line in ("feature bgp", "feature lacp", "license smart url cslu http://192.0.2.7:8182/cslu/v1/pi",
                         "license smart usage interval 40"):
                assert f"\n{line}\n" in running, (name, line)
            assert "license smart usage interval 40" in switch.run("show startup-config"), name
            second = play(lab, {name: host}, name)[name]
            assert second["changed"] == 0 and second["failures"] == 0, (name, second)
            print(f"{name}: {first['changed']} changes, then none")
    print("ansible_plays: passed")


if __name__ == "__main__":
    main()
