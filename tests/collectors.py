"""kill -9 of a collector while it takes in, forwards, exports and imports loses nothing and counts nothing twice; a full
disk is told and survived; openssl alone checks who signed a bundle."""

import base64
import io
import os
import random
import re
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error

from lab import Lab, done

if os.geteuid() != 0 and "RUMLINE_INNER" not in os.environ:
    # A small file system needs a mount; a user may have one in a namespace of their own.
    os.environ["RUMLINE_INNER"] = "1"
    os.execvp("unshare", ["unshare", "--map-root-user", "--mount", sys.executable, *sys.argv])

DEVICES = "127.77.0.3:8182"
ACCOUNT = {"smart_account": "Example", "virtual_account": "Default"}


class Cslu:
    def __init__(self, lab):
        self.lab = lab
        self.url, self.device_url, self.password = lab.start_collector("cslu", "--device-listen", DEVICES)
        self.process = lab.processes[-1]
        self.api = lab.collector("cslu", self.url, self.password)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def again(self):
        """The same server after its end; its admin is known from the first start."""
        lab = self.lab
        self.process, line = lab.start(
            " listens on ", "cslu", "--dir", lab.dir / "cslu", "--listen", "127.0.0.1:0", "--cssm", lab.url, "--root",
            lab.dir / "cssm/root.pem", "--label", "lab", "--device-listen", DEVICES)
        self.url = line.split()[-1]
        self.api = lab.collector("cslu", self.url, self.password)


def settled(switch):
    return not re.search(r"OPEN|CLOSED|UNACK", switch.run("show license rum id all"))


def compare(lab, switch):
    """What the switch has used is what CSSM has counted, and none of it is missing or there twice."""
    used = re.findall(r"Use: (\d+) license seconds", switch.run("show license rum id all detail"))
    instance = lab.call("GET", "/smart-accounts/1/product-instances")[0]
    rows = lab.call("GET", f"/smart-accounts/1/product-instances/{instance['id']}/reports?limit=10000")
    counted = sum(row["count_seconds"] for row in rows)
    assert counted == sum(map(int, used)) and instance["reports_missing"] == 0, (counted, used, instance)


def change(switch, round):
    verb = "" if round % 2 else "no "
    switch.run("configure terminal", f"{verb}feature itd", "end", "copy running-config startup-config",
               "license smart sync all")


with Lab() as lab:
    cslu = Cslu(lab)
    lab.connect("cslu", cslu.url, cslu.password, ACCOUNT)
    switch = lab.start_switch()
    switch.run("configure terminal", f"license smart url cslu {cslu.device_url}", "feature bgp", "end",
               "copy running-config startup-config", "license smart sync all")
    random.seed(11)
    # While it takes in and forwards.
    for round in range(8):
        change(switch, round)
        time.sleep(random.random() * 0.3)
        if round % 4 == 3:
            lab.cssm.kill()
            lab.cssm.wait()
            lab.start_cssm(lab.url.removeprefix("https://"))
        cslu.kill()
        cslu.again()
    switch.run("configure terminal", "no feature itd", "no feature bgp", "end", "copy running-config startup-config")
    end = time.monotonic() + 60
    while not settled(switch):
        assert time.monotonic() < end, switch.run("show license rum id all")
        switch.run("license smart sync all")
        time.sleep(0.5)
    compare(lab, switch)

    # While it exports and imports. Cisco is not called any more, whoever is logged in there (CSLU-018).
    cisco = {"login": "admin", "password": (lab.dir / "admin.password").read_text().strip()}
    cslu.api("POST", "/tenants/1/cisco-login", cisco)
    assert cslu.api("GET", "/tenants/1/cisco-accounts")
    cslu.api("PUT", "/tenants/1/settings", {**ACCOUNT, "connected": False, "sync_minutes": 0})
    try:
        cslu.api("GET", "/tenants/1/cisco-accounts")
        raise AssertionError("accounts are listed while Cisco Is Not Available")
    except urllib.error.HTTPError as error:
        assert error.code == 409, error
    switch.run("configure terminal", "feature bgp", "end", "copy running-config startup-config")
    time.sleep(1)
    switch.run("license smart sync all")
    switch.run("configure terminal", "no feature bgp", "end", "copy running-config startup-config")
    time.sleep(1)
    switch.run("license smart sync all")
    end = time.monotonic() + 20
    while cslu.api("GET", "/tenants/1/product-instances")[0]["waiting"] < 2:
        assert time.monotonic() < end, cslu.api("GET", "/tenants/1/product-instances")
        time.sleep(0.1)

    def cut(work):
        def ignore():
            try:
                work()
            except (OSError, urllib.error.URLError):
                pass
        thread = threading.Thread(target=ignore)
        thread.start()
        time.sleep(random.random() * 0.02)
        cslu.kill()
        thread.join()
        cslu.again()

    export = lambda: cslu.api("POST", "/tenants/1/export")
    for _ in range(4):
        cut(export)
    bundle = export()
    upload = "/smart-accounts/1/virtual-accounts/1/usage-files?name=UD_SA.tar.gz"
    file = lab.call("POST", upload, raw=bundle)
    assert file["status"] == "No Errors" and file["reports_new"] >= 2, file
    answer = lab.call("GET", f"/smart-accounts/1/usage-files/{file['id']}/acknowledgement")
    bring = lambda: cslu.api("POST", "/tenants/1/import?name=ACK.tar.gz", raw=answer)
    for _ in range(4):
        cut(bring)
    end = time.monotonic() + 20
    while bring()["status"] != "Done":
        assert time.monotonic() < end, cslu.api("GET", "/tenants/1/transfers")
        time.sleep(0.2)
    end = time.monotonic() + 30
    while not settled(switch):
        assert time.monotonic() < end, switch.run("show license rum id all")
        switch.run("license smart sync all")
        time.sleep(0.3)
    compare(lab, switch)

    # openssl alone: who signed the manifest, and that the part is what it says.
    with tarfile.open(fileobj=io.BytesIO(bundle)) as outer:
        members = {member.name: outer.extractfile(member).read() for member in outer}
    manifest = members.pop("manifest.mf").decode()
    signed, signature = manifest.rsplit("Signature:", 1)
    fields = dict(line.split(": ", 1) for line in signed.splitlines() if ": " in line)
    work = lab.dir / "openssl"
    work.mkdir()
    (work / "text").write_text(signed)
    (work / "signature").write_bytes(base64.b64decode(signature))
    (work / "key").write_bytes(base64.b64decode(fields["Public-Key"].split(":", 1)[1]))
    check = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", work / "key", "-signature",
             work / "signature", work / "text"]
    assert "Verified OK" in subprocess.run(check, check=True, capture_output=True, text=True).stdout
    (name, part), = members.items()
    (work / "part").write_bytes(part)
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary", work / "part"], check=True, capture_output=True)
    assert base64.b64encode(digest.stdout).decode() == fields["SHA-256-Digest"], name
    verify = [os.environ["RUMLINE"], "verify", "--root", lab.dir / "cssm/root.pem", work / "bundle"]
    damaged = bundle[:-40] + b"x" + bundle[-39:]
    for content, said in [(bundle, "Whoever wrote it says so"), (answer, "CSSM vouches for all"), (damaged, "FAIL")]:
        (work / "bundle").write_bytes(content)
        told = subprocess.run(verify, capture_output=True, text=True)
        assert said in told.stdout and (told.returncode == 0) == (content == answer), told.stdout
    cslu.kill()

    # A disk without room: the device is told to come again, and nothing it was told is taken is lost.
    small = lab.dir / "cslu"
    subprocess.run(["cp", "-a", small, lab.dir / "kept"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], check=True)
    try:
        subprocess.run(f"cp -a {lab.dir}/kept/. {small}/", shell=True, check=True)
        cslu.again()
        with open(small / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        for round in range(6):
            change(switch, round + 1)
        switch.wait("show logging", "COMM_FAILED.*HTTP status 503")
        (small / "filler").unlink()
        cslu.api("PUT", "/tenants/1/settings", {**ACCOUNT, "connected": True, "sync_minutes": 0})
        switch.run("configure terminal", "no feature itd", "end", "copy running-config startup-config")
        end = time.monotonic() + 40
        while not settled(switch):
            assert time.monotonic() < end, switch.run("show license rum id all")
            switch.run("license smart sync all")
            time.sleep(0.5)
        compare(lab, switch)
        cslu.process.terminate()
        cslu.process.wait()
    finally:
        subprocess.run(["umount", small], check=True)
done("collectors")
