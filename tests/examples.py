#!/usr/bin/env python3
"""The scripts of examples/ do what they say: a compliance report names three planted faults and nothing else."""

import json
import pathlib
import subprocess
import sys
import threading
import time

from lab import Lab, listening

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
REPORT = EXAMPLES / "compliance_report.py"


def air_gap(lab, fleet, switches):
    """Usage out, its ACK in: afterwards CSSM has it and the switch knows."""
    folder = lab.dir / "carried"
    folder.mkdir()
    file = lab.dir / "fleet.json"
    file.write_text(json.dumps(fleet))

    def run(what):
        command = [sys.executable, EXAMPLES / "air_gap.py", what, file, folder]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()

    names = [switch["name"] for switch in fleet["switches"]]
    assert [line.split(":")[0] for line in run("collect")] == names
    assert run("import")[0] == f"{names[0]}: {names[0]}.ack.txt is not there"
    for name in names:
        usage = (folder / f"{name}.usage.txt").read_bytes()
        uploaded = lab.call("POST", f"{lab.va}/usage-files?name={name}.txt", raw=usage)
        ack = f"/smart-accounts/1/usage-files/{uploaded['id']}"
        for _ in range(100):
            if lab.call("GET", ack)["status"] != "Processing":
                break
            time.sleep(0.1)
        (folder / f"{name}.ack.txt").write_bytes(lab.call("GET", f"{ack}/acknowledgement"))
    told = run("import")
    assert all("RUM" in line or "ACK" in line.upper() for line in told), told
    for name in names:
        status = switches[name].run("show license status | include 'Last ACK received'")
        assert "<none>" not in status, (name, status)
    print("air_gap: passed")


def main():
    with Lab() as lab:
        fleet = {"transport": "Smart", "url": f"{lab.url}/licservice/license", "switches": []}
        switches = {}
        for name in ("leaf-1", "leaf-2", "leaf-3", "leaf-4", "leaf-5"):
            switch = lab.start_switch(name, "--nxapi-https", "127.0.0.1:0", "--tls-root", lab.dir / "cssm/root.pem")
            switch.run("configure terminal", f"hostname {name}", "feature nxapi", "feature bgp", "end")
            port = listening(switch.process, 1)["https"]
            threading.Thread(target=switch.process.stdout.read, daemon=True).start()
            if name != "leaf-3":
                switch.connect_to_cssm()
            else:
                switch.run("configure terminal", "license smart transport smart", f"license smart url smart {fleet['url']}", "end")
            switches[name] = switch
            fleet["switches"].append(
                {"name": name, "url": f"https://127.0.0.1:{port}", "login": "admin", "password": switch.password})
        switches["leaf-2"].run("configure terminal", "license smart transport off", "end")
        switches["leaf-5"].run("configure terminal", "license smart url smart https://192.0.2.9/licservice/license", "end")
        file = lab.dir / "fleet.json"
        file.write_text(json.dumps(fleet))
        done = subprocess.run([sys.executable, REPORT, file], capture_output=True, text=True, timeout=120)
        assert done.returncode == 1, done
        assert done.stdout.splitlines() == [
            "leaf-2: transport is Transport Off, not Smart", "leaf-3: has no trust code",
            f"leaf-5: sends to https://192.0.2.9/licservice/license, not to {fleet['url']}", "5 switches, 3 faults"], done.stdout
        fleet["switches"] = [switch for switch in fleet["switches"] if switch["name"] in ("leaf-1", "leaf-4")]
        file.write_text(json.dumps(fleet))
        done = subprocess.run([sys.executable, REPORT, file], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and done.stdout == "2 switches, 0 faults\n", done
        air_gap(lab, fleet, switches)
    print("examples: passed")


if __name__ == "__main__":
    main()
