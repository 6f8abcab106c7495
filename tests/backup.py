"""Backups that are made while servers work and put back elsewhere (CSSM-033): equal by digest, nothing that was acknowledged before is
lost and nothing counts twice, for CSSM, CSLU and SSM On-Prem. With PostgreSQL a point in time, from a base backup and archived WAL."""

import json
import os
import pathlib
import random
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error

from lab import RUMLINE, Lab, call, done

if os.geteuid() != 0 and "RUMLINE_INNER" not in os.environ:
    # A small file system needs a mount; a user may have one in a namespace of their own.
    os.environ["RUMLINE_INNER"] = "1"
    os.execvp("unshare", ["unshare", "--map-root-user", "--mount", sys.executable, *sys.argv])

SECRETS = "This holds secrets"


def rumline(*arguments, fails=None):
    """What a command says; or that it refuses, in these words."""
    ran = subprocess.run([RUMLINE, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    if fails is None:
        assert ran.returncode == 0, (arguments, ran)
        return ran.stdout
    assert ran.returncode == 2 and fails in ran.stderr, (arguments, ran)
    assert "panicked" not in ran.stderr, ran.stderr
    return ran.stderr


def digest_in(text):
    return re.search(r"([0-9a-f]{64}), \d+ rows", text)[1]


class Load:
    """People who make registration tokens as fast as they are answered."""

    def __init__(self, lab):
        self.lab, self.acknowledged, self.stop = lab, [], threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(3)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.stop.is_set():
            made = self.lab.new_token()
            self.acknowledged.append(made)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def tokens(lab):
    return {token["value"] for token in lab.call("GET", f"{lab.va}/tokens?limit=100000")}


def settled(switch):
    end = time.monotonic() + 40
    while True:
        switch.run("license smart sync all")
        reports = switch.run("show license rum id all")
        if not re.search(r"CLOSED|UNACK", reports):
            return
        assert time.monotonic() < end, reports
        time.sleep(0.3)


def private(folder):
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))


def under_load():
    with Lab("--requests-per-hour", "0", seed=1500) as lab:
        lab.va = "/smart-accounts/2/virtual-accounts/2"
        accounts = lab.call("GET", "/smart-accounts")
        mine = next(account for account in accounts if account["name"] != "Seed Lab")
        part = lab.call("GET", f"/smart-accounts/{mine['id']}/virtual-accounts")[0]
        lab.va = f"/smart-accounts/{mine['id']}/virtual-accounts/{part['id']}"
        switch = lab.start_switch()
        switch.connect_to_cssm()
        random.seed(11)
        for feature in ["bgp", "ospf"]:
            switch.run("configure terminal", f"feature {feature}", "end",
                       "copy running-config startup-config", "license smart sync all")
        settled(switch)
        path = f"/smart-accounts/{mine['id']}/product-instances"
        reports = lambda: lab.call("GET", f"{path}/{lab.call('GET', path)[0]['id']}/reports?limit=10000")
        load = Load(lab)
        while len(load.acknowledged) < 200:
            time.sleep(0.01)
        before, reported = list(load.acknowledged), {(row["tag"], row["report_id"]) for row in reports()}
        backup = lab.dir / "backup"
        began = time.monotonic()
        told = rumline("cssm", "--dir", lab.dir / "cssm", "backup", backup)
        took, meanwhile = time.monotonic() - began, len(load.acknowledged) - len(before)
        # Whoever writes is not held up.
        assert meanwhile > 10 and SECRETS in told, (meanwhile, told)
        private(backup)
        digest = digest_in(told)
        rumline("cssm", "--dir", lab.dir / "cssm", "backup", backup, fails="is there already")
        assert digest_in(rumline("check", backup)) == digest
        # What comes after it is lost to the copy, and comes back where devices have it.
        load.end()
        switch.run("configure terminal", "no feature bgp", "feature itd", "end",
                   "copy running-config startup-config", "license smart sync all")
        settled(switch)
        last_token = lab.call("POST", f"{lab.va}/tokens", {"description": "late", "expires_after_days": 1, "uses_max": None})
        lab.cssm.kill()
        lab.cssm.wait()
        (lab.dir / "cssm").rename(lab.dir / "lost")

        # The exact copy is what was backed up; the one that goes on is told so.
        copy = lab.dir / "copy"
        assert digest_in(rumline("cssm", "--dir", copy, "restore", backup, "--moved")) == digest
        assert digest_in(rumline("cssm", "--dir", copy, "digest")) == digest
        told = rumline("cssm", "--dir", lab.dir / "cssm", "restore", backup)
        assert digest_in(told) == digest and "After a restore" in told, told
        private(lab.dir / "cssm")
        assert digest_in(rumline("cssm", "--dir", lab.dir / "cssm", "digest")) != digest
        lab.start_cssm(lab.url.removeprefix("https://"))
        # Logins ended; whoever may, logs in again.
        try:
            tokens(lab)
            raise AssertionError("a login went on")
        except urllib.error.HTTPError as error:
            assert error.code == 401, error
        password = (lab.dir / "admin.password").read_text().strip()
        lab.token = call(lab.url, lab.ssl, None, "POST", "/login", {"login": "admin", "password": password})["token"]
        there = tokens(lab)
        assert set(before) <= there, "what was acknowledged before the backup is there"
        assert last_token["value"] not in there
        assert reported <= {(row["tag"], row["report_id"]) for row in reports()}
        # Nothing is numbered again.
        again = lab.call("POST", f"{lab.va}/tokens", {"description": "new", "expires_after_days": 1, "uses_max": None})
        assert again["id"] > last_token["id"], (again, last_token)
        # The switch goes on: what came after the backup is asked for and counts once.
        switch.run("configure terminal", "no feature ospf", "no feature itd", "end",
                   "copy running-config startup-config", "license smart sync all")
        end = time.monotonic() + 40
        while True:
            settled(switch)
            used = sum(map(int, re.findall(
                r"Use: (\d+) license seconds", switch.run("show license rum id all detail"))))
            counted = sum(row["count_seconds"] for row in reports())
            instance = lab.call("GET", path)[0]
            if counted == used and instance["reports_missing"] == 0 and instance["licenses"] == []:
                break
            assert time.monotonic() < end, (counted, used, instance)
            time.sleep(0.3)
        print(f"backup under load: {took:.2f} s, {meanwhile} writes acknowledged meanwhile")
        refused(lab, backup)
        repaired(lab)


def left(folder):
    return set(os.listdir(folder)) - {".lock"} if folder.exists() else set()


def refused(lab, backup):
    """What cannot be put back is told in words, and leaves nothing behind."""
    fresh = lambda name: ["cssm", "--dir", lab.dir / name, "restore"]
    rumline("cssm", "--dir", lab.dir / "cssm", "restore", backup, fails="is in use by another process")
    rumline("cssm", "--dir", lab.dir / "copy", "restore", backup, fails="is not empty")
    rumline(*fresh("f1"), lab.dir / "lost", fails="is no backup")
    rumline("cslu", "--dir", lab.dir / "f2", "restore", backup, fails="is a backup of another server: put it back with `rumline cssm restore`")
    rumline("cssm", "--dir", lab.dir / "nobody", "backup", lab.dir / "b2", fails="there is no CSSM in")
    # One of a later release.
    later = lab.dir / "later"
    shutil.copytree(backup, later)
    manifest = json.loads((later / "backup.json").read_text())
    manifest["database"]["schema_version"] += 1
    (later / "backup.json").write_text(json.dumps(manifest))
    rumline(*fresh("f3"), later, fails="backup.json is damaged")
    sums = (later / "backup.sha256").read_text()
    new = subprocess.run(["sha256sum", "backup.json"], cwd=later, capture_output=True, text=True, check=True).stdout
    (later / "backup.sha256").write_text(re.sub(r".*  backup.json\n", new, sums))
    rumline(*fresh("f3"), later, fails="is of a later release")
    # Other people's tools can tell too.
    subprocess.run(["sha256sum", "--check", "--quiet", "backup.sha256"], cwd=backup, check=True)
    # Any byte of any file, and any file.
    random.seed(5)
    flipped = lab.dir / "flipped"
    for path in sorted(path for path in backup.rglob("*") if path.is_file()):
        for _ in range(2):
            shutil.copytree(backup, flipped)
            name = path.relative_to(backup)
            content = bytearray(path.read_bytes())
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
            (flipped / name).write_bytes(content)
            ran = subprocess.run([RUMLINE, "check", flipped], capture_output=True, text=True)
            assert ran.returncode in (1, 2) and "damaged" in (ran.stdout + ran.stderr).lower(), ran
            rumline(*fresh("f4"), flipped, fails="damaged")
            assert left(lab.dir / "f4") == set(), left(lab.dir / "f4")
            shutil.rmtree(flipped)
        shutil.copytree(backup, flipped)
        (flipped / name).unlink()
        rumline(*fresh("f4"), flipped, fails="backup.json" if path.name == "backup.json" else path.name)
        shutil.rmtree(flipped)
    # A disk without room: told, and what was begun is gone.
    small = lab.dir / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small], check=True)
    try:
        rumline("cssm", "--dir", lab.dir / "cssm", "backup", small / "b", fails="full")
        assert os.listdir(small) == [], os.listdir(small)
        rumline("cssm", "--dir", small / "d", "restore", backup, fails="No space left")
        assert left(small / "d") == set(), left(small / "d")
    finally:
        subprocess.run(["umount", small], check=True)
    # One that is cut short is no backup, and says so.
    for _ in range(3):
        cut = subprocess.Popen([RUMLINE, "cssm", "--dir", lab.dir / "cssm", "backup", lab.dir / "cut"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * 0.1)
        cut.kill()
        cut.wait()
        if (lab.dir / "cut").exists():
            rumline("cssm", "--dir", lab.dir / "whole", "restore", lab.dir / "cut")
            shutil.rmtree(lab.dir / "whole")
            shutil.rmtree(lab.dir / "cut")
        elif (lab.dir / "cut.partial").exists():
            rumline(*fresh("f5"), lab.dir / "cut.partial", fails="is no backup")
            rumline("cssm", "--dir", lab.dir / "cssm", "backup", lab.dir / "cut", fails="was cut short")
            shutil.rmtree(lab.dir / "cut.partial")


def repaired(lab):
    """Indexes, totals and what stands beside reports are made anew; what was accepted is not touched."""
    folder, database = lab.dir / "cssm", lab.dir / "cssm/cssm.db"
    lab.cssm.terminate()
    assert lab.cssm.wait(20) == 0
    check = lambda: subprocess.run([RUMLINE, "check", folder], capture_output=True, text=True)
    repair = lambda: subprocess.run([RUMLINE, "repair", folder], capture_output=True, text=True)
    assert check().returncode == 0, check()
    digest = lambda: digest_in(rumline("cssm", "--dir", folder, "digest"))
    before = digest()
    for kind, name in [("index", "product_instance_name"), ("table", "product_instance")]:
        connection = sqlite3.connect(f"file:{database}?immutable=1", uri=True)
        root = "SELECT rootpage FROM sqlite_schema WHERE type = ? AND name = ?"
        page = connection.execute(root, (kind, name)).fetchone()[0]
        connection.close()
        whole = {path: path.read_bytes() for path in folder.glob("cssm.db*") if path.is_file()}
        content = bytearray(whole[database])
        content[(page - 1) * 4096 + 2048] ^= 4
        database.write_bytes(content)
        told = check()
        assert told.returncode == 1 and "rumline repair" in told.stdout, told
        told = repair()
        if kind == "index":
            assert told.returncode == 0 and "indexes were made anew" in told.stdout, told
            assert (folder / "cssm.db.damaged-1/cssm.db").read_bytes() == content
            assert digest() == before
            told = check()
            assert told.returncode == 0, told
        else:
            # Nobody knows what stood there.
            assert told.returncode == 1 and "nothing was changed" in told.stdout, told
            assert database.read_bytes() == content
            for path, content in whole.items():
                path.write_bytes(content)
    # What does not follow any more from what it follows from.
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE use_total SET count = count + 5 WHERE rowid = (SELECT MIN(rowid) FROM use_total)")
        connection.execute("UPDATE rum_report SET last_count = 77 WHERE rowid = (SELECT MAX(rowid) FROM rum_report)")
    connection.close()
    subprocess.run([RUMLINE, "check", "--accept", folder], capture_output=True)
    told = check()
    assert told.returncode == 1 and "in use of" in told.stdout and "last_count beside it" in told.stdout, told
    told = repair()
    assert told.returncode == 0 and "that is kept now" in told.stdout, told
    told = check()
    assert told.returncode == 0, told
    lab.start_cssm(lab.url.removeprefix("https://"))
    rumline("repair", folder, fails="stop the server first")


def collectors():
    with Lab("--requests-per-hour", "0", account="Example") as lab:
        for kind in ["cslu", "onprem"]:
            url, _, password = lab.start_collector(kind, *(["--device-listen", "127.0.0.1:0"] if kind == "cslu" else []))
            process = lab.processes[-1]
            lab.connect(kind, url, password, {"smart_account": "Example", "virtual_account": "Default", **({"name": "t"} if kind == "onprem" else {})})
            backup, folder = lab.dir / f"{kind}-backup", lab.dir / f"{kind}-elsewhere"
            told = rumline(kind, "--dir", lab.dir / kind, "backup", backup)
            private(backup)
            process.terminate()
            process.wait(20)
            # A server that has ended is moved, and goes on as it was.
            moved = lab.dir / f"{kind}-moved"
            told = rumline(kind, "--dir", lab.dir / kind, "backup", moved)
            digest = digest_in(rumline(kind, "--dir", lab.dir / kind, "digest"))
            assert digest_in(told) == digest
            assert digest_in(rumline(kind, "--dir", folder, "restore", moved, "--moved")) == digest
            process, line = lab.start(
                " listens on ", kind, "--dir", folder, "--listen", url.removeprefix("https://"), "--cssm", lab.url,
                "--root", lab.dir / "cssm/root.pem", "--label", "lab", *(["--device-listen", "127.0.0.1:0"] if kind == "cslu" else []))
            # CSSM knows it by its key.
            api = lab.collector(kind, url, password)
            assert api("POST", "/tenants/1/sync") is not None
            process.terminate()
            process.wait(20)
            other = "onprem" if kind == "cslu" else "cslu"
            rumline(other, "--dir", lab.dir / "other", "restore", backup, fails=f"rumline {kind} restore")


class Postgres:
    """One of its own, whose log is archived."""

    def __init__(self, dir):
        self.dir = dir
        versions = sorted(pathlib.Path("/usr/lib/postgresql").iterdir())
        self.bin = versions[-1] / "bin"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self.server = None

    def run(self, name, *arguments):
        command = [self.bin / name, *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        return command

    def start(self, data, **settings):
        settings |= {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.dir, "max_connections": 40}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.server = subprocess.Popen(self.run("postgres", "-D", data, *options), stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while self.ask("SELECT pg_is_in_recovery()", check=False) != "f":
            assert time.monotonic() < end and self.server.poll() is None, "PostgreSQL does not come up"
            time.sleep(0.05)

    def ask(self, sql, check=True):
        ran = subprocess.run([self.bin / "psql", "-XAtc", sql, self.url], capture_output=True, text=True)
        assert not check or ran.returncode == 0, ran
        return ran.stdout.strip()

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(20)


def point_in_time():
    dir = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/rumline-pitr-XXXXXX"], capture_output=True, text=True).stdout.strip())
    postgres = Postgres(dir)
    try:
        for name in ["archive", "base"]:
            (dir / name).mkdir(mode=0o700)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres", dir], check=True)
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(postgres.run("initdb", "-D", dir / "data", "-U", "postgres", "-A", "trust", "-N"), **quiet)
        postgres.start(dir / "data", archive_mode="on", archive_command=f"test ! -f {dir}/archive/%f && cp %p {dir}/archive/%f")
        with Lab("--db", postgres.url) as lab:
            keys = lab.dir / "keys"
            told = rumline("cssm", "--dir", lab.dir / "cssm", "--db", postgres.url, "backup", keys)
            assert "The database is not in it" in told and SECRETS in told, told
            subprocess.run(postgres.run("pg_basebackup", "-d", postgres.url, "-D", dir / "base", "-X", "none", "-c", "fast"), **quiet)
            load = Load(lab)
            while len(load.acknowledged) < 50:
                time.sleep(0.01)
            load.end()
            wanted = set(load.acknowledged)
            digest = digest_in(rumline("cssm", "--db", postgres.url, "digest"))
            moment = postgres.ask("SELECT clock_timestamp()")
            mistake = lab.new_token()
            assert digest_in(rumline("cssm", "--db", postgres.url, "digest")) != digest
            postgres.ask("SELECT pg_switch_wal()")
            lab.cssm.terminate()
            lab.cssm.wait(20)
            postgres.stop()
            # Elsewhere, at the moment before the mistake.
            (dir / "base/recovery.signal").touch()
            postgres.start(dir / "base", restore_command=f"cp {dir}/archive/%f %p", recovery_target_time=f"'{moment}'",
                           recovery_target_action="promote", archive_mode="off")
            assert digest_in(rumline("cssm", "--db", postgres.url, "digest")) == digest
            (lab.dir / "cssm").rename(lab.dir / "lost")
            rumline("cssm", "--dir", lab.dir / "cssm", "restore", keys, fails="name it with --db")
            # Keys are not put beside a database that is another one's, or nobody's.
            before = digest_in(rumline("cssm", "--db", postgres.url, "digest"))
            with Lab() as other:
                rumline("cssm", "--dir", other.dir / "cssm", "--db", postgres.url, "backup", other.dir / "keys")
                rumline("cssm", "--dir", lab.dir / "cssm", "--db", postgres.url, "restore", other.dir / "keys", fails="name the one that was beside them")
            postgres.ask("CREATE DATABASE nobodys")
            nobodys = postgres.url.rsplit("/", 1)[0] + "/nobodys"
            rumline("cssm", "--dir", lab.dir / "cssm", "--db", nobodys, "restore", keys, fails="the database of --db is empty")
            assert digest_in(rumline("cssm", "--db", postgres.url, "digest")) == before and not (lab.dir / "cssm").exists()
            rumline("cssm", "--dir", lab.dir / "cssm", "--db", postgres.url, "restore", keys)
            lab.start_cssm()
            password = (lab.dir / "admin.password").read_text().strip()
            lab.token = call(lab.url, lab.ssl, None, "POST", "/login", {"login": "admin", "password": password})["token"]
            there = tokens(lab)
            assert wanted <= there and mistake not in there
    finally:
        postgres.stop()
        shutil.rmtree(dir, ignore_errors=True)


under_load()
collectors()
point_in_time()
done("backup")
