"""Two CSSM and two CSLU processes over one PostgreSQL: what one takes in, the other goes on with, and once whoever does the work is
killed, the other one does it. A process without the keys of its database does not start, and says how it gets them."""

import os
import subprocess
import time

from lab import RUMLINE, Lab, call, done

DATABASE = os.environ["RUMLINE_POSTGRES_URL"]
ACCOUNT = {"smart_account": "Example", "virtual_account": "Default", "connected": False, "sync_minutes": 0}


def database(name):
    subprocess.run(["psql", DATABASE, "--quiet", "--command", f"CREATE SCHEMA {name}"], check=True)
    return f"{DATABASE}?options=-csearch_path%3D{name}"


def wait(look, what, seconds=60):
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, what
        time.sleep(0.2)
    return found


def take_keys(lab, kind, to, at):
    """The keys of the first process for a second one, which does not start without."""
    start = [RUMLINE, kind, "--dir", lab.dir / to, "--listen", "127.0.0.1:0", "--db", at]
    start += ["--device-listen", "127.0.0.1:0"] if kind == "cslu" else []
    refused = subprocess.run(start, capture_output=True, text=True, timeout=30)
    assert refused.returncode != 0 and "take-keys" in refused.stderr, refused
    assert not (lab.dir / to / "root.pem").exists(), "it made keys of its own"
    take = lambda to, of: subprocess.run([RUMLINE, kind, "--dir", lab.dir / to, "take-keys", lab.dir / of], capture_output=True, text=True,
                                         timeout=30)
    # Once more does no harm: a key that was renewed is taken so.
    assert take(to, kind).returncode == take(to, kind).returncode == 0
    if kind != "cssm":
        assert take("third", "cssm").returncode == 0
        assert "has other keys" in take("third", kind).stderr


cssm_at, cslu_at = database("several_cssm"), database("several_cslu")
with Lab("--db", cssm_at) as lab:
    take_keys(lab, "cssm", "cssm-2", cssm_at)
    _, line = lab.start("CSSM listens on ", "cssm", "--dir", lab.dir / "cssm-2", "--listen", "127.0.0.1:0", "--ack-delay-seconds", "1",
                        "--db", cssm_at)
    # A login at one holds at the other: both have certificates under one root.
    other_cssm = lambda *words, **more: call(line.split()[-1], lab.ssl, lab.token, *words, **more)
    assert other_cssm("GET", "/smart-accounts")[0]["name"] == "Example"

    url, devices, password = lab.start_collector("cslu", "--device-listen", "127.0.0.1:0", "--db", cslu_at)
    cslu = lab.processes[-1]
    api = lab.collector("cslu", url, password)
    api("PUT", "/tenants/1/settings", ACCOUNT)
    take_keys(lab, "cslu", "cslu-2", cslu_at)
    _, line_of_cslu = lab.start(" listens on ", "cslu", "--dir", lab.dir / "cslu-2", "--listen", "127.0.0.1:0", "--device-listen",
                                "127.0.0.1:0", "--root", lab.dir / "cssm/root.pem", "--label", "lab", "--db", cslu_at)
    other_cslu = lab.collector("cslu", line_of_cslu.split()[-1], password)

    switch = lab.start_switch()
    switch.run("configure terminal", "feature bgp", "license smart transport cslu", f"license smart url cslu {devices}", "end",
               "license smart sync all")
    instance = wait(lambda: (other_cslu("GET", "/tenants/1/product-instances") or [None])[0], "the device is at the other CSLU")
    wait(lambda: other_cslu("GET", "/tenants/1/product-instances")[0]["waiting"], "its report is at the other CSLU")

    def carry(number):
        """Reports go from the second CSLU to the second CSSM by file, and their answers back."""
        bundle = other_cslu("POST", "/tenants/1/export")
        path = f"/smart-accounts/1/virtual-accounts/1/usage-files?name=UD_SA_{number}.tar.gz"
        file = other_cssm("POST", path, raw=bundle)
        look = lambda: other_cssm("GET", f"/smart-accounts/1/usage-files/{file['id']}")
        file = wait(lambda: (found := look())["status"] != "Processing" and found, f"file {number} is worked on")
        assert file["status"] == "No Errors" and file["reports_new"] >= 1, file
        answer = other_cssm("GET", f"/smart-accounts/1/usage-files/{file['id']}/acknowledgement")
        brought = other_cslu("POST", "/tenants/1/import?name=ACK.tar.gz", raw=answer)
        look = lambda: next(row for row in other_cslu("GET", "/tenants/1/transfers") if row["id"] == brought["id"])
        brought = wait(lambda: (found := look())["status"] != "Processing" and found, f"answer {number} is worked on")
        assert brought["status"] == "Done", brought

    carry(1)
    switch.run("license smart sync all")
    switch.wait("show license status", r"Last ACK received: \w")
    switch.run("configure terminal", "no feature bgp", "end", "license smart sync all")
    wait(lambda: other_cslu("GET", "/tenants/1/product-instances")[0]["waiting"], "the second report is there")
    # Whoever did the work is gone; what is brought meanwhile waits until that is known, and is then done by the other.
    for process in [lab.cssm, cslu]:
        process.kill()
        process.wait()
    carry(2)
    there = other_cssm("GET", "/smart-accounts/1/product-instances")[0]
    assert there["reports"] >= 2 and there["licenses"] == [], there
done("several_processes")
