"""openssl alone verifies what a switch saved and what CSSM answered, by the commands of docs/protocol.md
(PI-RUM-009, FILE-001 to 009); CSSM takes a file once (CSSM-017, CSSM-020)."""

import pathlib
import re
import subprocess
import urllib.error

from lab import RUMLINE, Lab, done

TEXT = (pathlib.Path(__file__).parent.parent / "docs/protocol.md").read_text()
BLOCKS = dict(re.findall(r"```sh\n# verify: (\w+)\n(.*?)```", TEXT, re.S))


def openssl(block, file, lab):
    work = lab.dir / f"verify-{block}"
    work.mkdir(exist_ok=True)
    environment = {"PATH": "/usr/bin:/bin", "FILE": str(file), "DIR": str(work),
                   "ROOT": str(lab.dir / "cssm/root.pem")}
    return subprocess.run(["sh", "-e", "-c", BLOCKS[block]], env=environment, capture_output=True).returncode


with Lab() as lab:
    switch = lab.start_switch()
    nothing = switch.run("license smart save usage all bootflash:all_rum.txt")
    assert nothing == "Failure: save status: The requested item was not found\n", nothing
    switch.run("configure terminal", "feature ospf", "license smart transport off")
    assert switch.run("license smart save usage all bootflash:all_rum.txt").startswith("Saved license usage")
    file = switch.flash / "all_rum.txt"
    assert openssl("report", file, lab) == 0
    text = file.read_bytes()
    damaged = lab.dir / "damaged.txt"
    damaged.write_bytes(text.replace(b'"value":"1"', b'"value":"2"', 1))
    assert damaged.read_bytes() != text
    assert openssl("report", damaged, lab) != 0
    # A switch that CSSM did not answer yet speaks for itself: nobody vouches for it, and it says so.
    verify = [RUMLINE, "verify", "--root", lab.dir / "cssm/root.pem"]
    for path, said in [(file, "Whoever wrote it says so; CSSM does not"), (damaged, "FAIL")]:
        told = subprocess.run([*verify, path], capture_output=True, text=True)
        assert told.returncode == 1 and said in told.stdout, told.stdout
    upload = f"{lab.va}/usage-files?name=all_rum.txt"
    try:
        lab.call("POST", upload, raw=damaged.read_bytes())
        raise AssertionError("CSSM took a damaged file")
    except urllib.error.HTTPError as error:
        assert error.code == 422, error
    first = lab.call("POST", upload, raw=text)
    assert (first["status"], first["reports_new"]) == ("No Errors", 1), first
    second = lab.call("POST", upload, raw=text)
    assert second["reports_new"] == 0 and "received before" in second["message"], second
    ack = lab.call("GET", f"/smart-accounts/1/usage-files/{first['id']}/acknowledgement")
    (switch.flash / "ack.txt").write_bytes(ack)
    assert openssl("ack", switch.flash / "ack.txt", lab) == 0
    assert subprocess.run([*verify, switch.flash / "ack.txt"], capture_output=True).returncode == 0
    flipped = ack.replace(b"accepted", b"Accepted", 1)
    (switch.flash / "bad.txt").write_bytes(flipped)
    assert openssl("ack", switch.flash / "bad.txt", lab) != 0
    refused = switch.run("license smart import bootflash:bad.txt")
    assert "RUM ACK: signature mismatch" in refused, refused
    taken = switch.run("license smart import bootflash:ack.txt")
    assert taken.startswith("Import Data Successful\n"), taken
    assert "Last ACK received: <none>" not in switch.run("show license status")
done("openssl_verify")
