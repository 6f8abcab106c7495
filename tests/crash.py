"""kill -9 of either process at any time loses nothing and counts nothing twice; a full disk is told and survived."""

import os
import random
import re
import subprocess
import sys
import time

from lab import Lab, done

if os.geteuid() != 0 and "RUMLINE_INNER" not in os.environ:
    # A small file system needs a mount; a user may have one in a namespace of their own.
    os.environ["RUMLINE_INNER"] = "1"
    os.execvp("unshare", ["unshare", "--map-root-user", "--mount", sys.executable, *sys.argv])

with Lab("--requests-per-hour", "0") as lab:
    switch = lab.start_switch()
    switch.connect_to_cssm()
    random.seed(7)
    features = ["bgp", "itd", "ospf", "ngmvpn"]
    for round in range(8):
        verb = "" if round % 3 else "no "
        switch.run("configure terminal", f"{verb}feature {features[round % 4]}", "end",
                   "copy running-config startup-config", "license smart sync all")
        time.sleep(random.random() * 0.4)
        if round % 2:
            lab.cssm.kill()
            lab.cssm.wait()
            lab.start_cssm(lab.url.removeprefix("https://"))
        else:
            switch.process.kill()
            switch.process.wait()
            # A switch killed while it wrote comes up with all it had said was done.
            switch = lab.start_switch()
            status = switch.run("show license status")
            assert "Trust Code installed: <none>" not in status, status
    switch.run("configure terminal", *(f"no feature {name}" for name in features))
    for _ in range(60):
        switch.run("license smart sync all")
        reports = switch.run("show license rum id all")
        if not re.search(r"OPEN|CLOSED|UNACK", reports):
            break
        time.sleep(0.5)
    assert not re.search(r"OPEN|CLOSED|UNACK", reports), reports
    used = re.findall(r"Use: (\d+) license seconds", switch.run("show license rum id all detail"))
    instance = lab.call("GET", "/smart-accounts/1/product-instances")[0]
    rows = lab.call("GET", f"/smart-accounts/1/product-instances/{instance['id']}/reports?limit=10000")
    counted = sum(row["count_seconds"] for row in rows)
    assert counted == sum(map(int, used)), (counted, used)
    assert instance["reports_missing"] == 0 and instance["licenses"] == [], instance
    # The reports of one licence abut: no second is missing between them, none is there twice.
    for tag in {row["tag"] for row in rows}:
        mine = [row for row in rows if row["tag"] == tag]
        for before, after in zip(mine, mine[1:]):
            assert before["end_at"] == after["start_at"] or before["last_count"] == 0, (before, after)

    # A disk without room: the switch says so, goes on, and records everything once there is room.
    small = lab.dir / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
    try:
        full = lab.start_switch("small")
        filler = small / "filler"
        filler.write_bytes(b"")
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        full.run("configure terminal", "feature bgp")
        assert "IN USE" in full.run("show license usage")
        assert "No space left on device" in full.run("license smart save usage all bootflash:a.txt")
        filler.unlink()
        time.sleep(1)
        assert full.run("license smart save usage all bootflash:a.txt").startswith("Saved license usage")
        full.process.terminate()
        full.process.wait()
    finally:
        subprocess.run(["umount", small], check=True)
done("crash")
