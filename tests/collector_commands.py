"""CSLU and SSM On-Prem by their commands alone: from an empty server to reports acknowledged by wire and by file."""

import json
import re
import subprocess
import time

from lab import RUMLINE, Lab, done


class Commands:
    """The commands of a server, as somebody types them in a folder of their own."""

    def __init__(self, lab, command, url):
        self.command, self.url, self.folder = command, url, lab.dir / command
        self.files = ["--ca-file", self.folder / "root.pem", "--api-token-file", lab.dir / f"{command}.token"]

    def __call__(self, *words, status=0, **options):
        answer = subprocess.run(
            [RUMLINE, self.command, "--server", self.url, *self.files, *map(str, words)],
            capture_output=True, text=True, **options)
        assert answer.returncode == status, (words, answer)
        return answer.stdout + answer.stderr

    def rows(self, *words):
        return json.loads(self(*words, "-o", "json"))

    def wait(self, wanted, *words, seconds=30):
        end = time.monotonic() + seconds
        while not wanted(rows := self.rows(*words)):
            assert time.monotonic() < end, rows
            time.sleep(0.2)
        return rows


def log_in(lab, kind, url):
    commands = Commands(lab, kind, url)
    assert "401" in commands("tenants", status=2)
    commands("login", "--password-file", lab.dir / f"{kind}.password")
    return commands


def with_account(lab, commands, *account):
    """A tenant of the account at Cisco, logged in there."""
    if commands.command == "onprem":
        assert "no tenant yet" in commands("instances", status=2)
        commands("create-tenant", "TENANT-1", *account, "--connected", "true", "--sync-minutes", 0)
    else:
        commands("settings", "--smart-account", account[0], "--virtual-account", account[1], "--connected",
                 "true", "--sync-minutes", 0)
    cssm_password = lab.dir / "admin.password"
    assert "Example" in commands("cisco-login", "admin", "--password-file", cssm_password)
    (tenant,) = commands.rows("tenants")
    assert tenant["registered"] and tenant["connected"] and tenant["sync_minutes"] == 0, tenant
    assert "Example" in commands("cisco-accounts")


def reported(lab, switch, commands, device_url, way):
    """A switch reports, and its report is acknowledged by wire."""
    switch.run("configure terminal", "feature bgp", f"license smart transport {way}",
               f"license smart url cslu {device_url}", "end", "license smart sync all")
    commands.wait(lambda rows: rows and rows[0]["last_ack_at"], "instances")
    (row,) = commands.rows("instances", "--search", "N9K")
    assert commands.rows("instances", "--search", "nothing-such") == []
    assert commands.rows("instance", row["id"])["serial"] == row["serial"]
    assert "LAN_ENTERPRISE_SERVICES_PKG" in commands("licenses")
    commands("sync")
    commands("sync-instances", row["id"])
    return row


def by_file(lab, switch, commands, row):
    """What is reported while Cisco is not available goes by file."""
    assert "Cisco Is Not Available" in commands("settings", "--connected", "false")
    (tenant,) = commands.rows("tenants")
    assert tenant["smart_account"] == "Example" and tenant["sync_minutes"] == 0, tenant
    switch.run("configure terminal", "no feature bgp", "end", "license smart sync all")
    commands.wait(lambda row: row["waiting"] > 0, "instance", row["id"])
    bundle, answer = lab.dir / f"{commands.command}.tar.gz", lab.dir / f"ACK_{commands.command}.tar.gz"
    assert "Upload Usage Data" in commands("export", bundle)
    commands("export", lab.dir / "one.tar.gz", row["id"])
    file = lab.call("POST", f"{lab.va}/usage-files?name=b.tar.gz", raw=bundle.read_bytes())
    path = f"/smart-accounts/1/usage-files/{file['id']}"
    end = time.monotonic() + 30
    while lab.call("GET", path)["status"] == "Processing":
        assert time.monotonic() < end
        time.sleep(0.1)
    answer.write_bytes(lab.call("GET", f"{path}/acknowledgement"))
    assert "Import" in commands("import", answer)
    assert commands.rows("instance", row["id"])["waiting"] == 0
    assert len(commands.rows("transfers")) == 3
    (lab.dir / "none.txt").write_text("nothing")
    commands("import", lab.dir / "none.txt", status=2)


def people(lab, commands):
    password = lab.dir / "eve.password"
    password.write_text("correct horse battery\n")
    commands("add-person", "eve", "viewer", "--password-file", password)
    secret = commands("add-person", "robot", "user").strip()
    assert re.fullmatch("[0-9a-f]{48}", secret), secret
    assert commands("renew-secret", "robot").strip() != secret
    commands("grant", "eve", "user")
    assert [person["login"] for person in commands.rows("people")] == ["admin", "eve", "robot"]
    commands("disable-person", "eve")
    commands("enable-person", "eve")
    commands("take-back", "eve", status=0)
    commands("remove-person", "robot")
    assert "there is no such person" in commands("remove-person", "robot", status=2)


def lists(lab, commands):
    csv = lab.dir / "instances.csv"
    commands("add-instance", "N9K-C9504", "FOX0000AAAA", "--hostname", "spine-1")
    commands("export-csv", csv)
    (added,) = commands.rows("instances", "--search", "spine-1")
    commands("remove-instance", added["id"])
    assert "1 added" in commands("import-csv", csv)
    csv.write_text("PID,Serial Number\nN9K-C9504,FOX 0000\n")
    assert "not taken" in commands("import-csv", csv, status=2)
    assert commands.rows("claims") == []
    assert "no such" in commands("accept-claim", 7, status=2)
    assert "no such" in commands("dismiss-claim", 7, status=2)
    assert commands.rows("events") and commands.rows("audit")
    assert "10.4(3)F" in commands("compatibility")
    commands("logs", lab.dir / "logs.zip")
    assert (lab.dir / "logs.zip").read_bytes().startswith(b"PK")
    assert (lab.dir / "logs.zip").stat().st_mode & 0o077 == 0
    assert "client_secret" in commands("add-api-client", "ansible")
    assert "there is no" in commands("events", "--tenant", "NOBODY", status=2)


for kind in ["cslu", "onprem"]:
    with Lab() as lab:
        url, device_url, _ = lab.start_collector(kind, "--host", "localhost") if kind == "onprem" \
            else lab.start_collector(kind)
        commands = log_in(lab, kind, url)
        with_account(lab, commands, "Example", "Default")
        switch = lab.start_switch("sw", *(["--tls-root", lab.dir / kind / "root.pem"] if kind == "onprem" else []))
        (tenant,) = commands.rows("tenants")
        row = reported(lab, switch, commands, tenant["device_url"], "cslu")
        by_file(lab, switch, commands, row)
        people(lab, commands)
        lists(lab, commands)
        if kind == "onprem":
            commands("create-tenant", "TENANT-2", "Example", "Other")
            assert "several tenants" in commands("instances", status=2)
            assert commands.rows("instances", "--tenant", "TENANT-2") == []
            commands("add-person", "ann", "viewer", "--tenant", "TENANT-2")
            assert [one["login"] for one in commands.rows("people", "--tenant", "TENANT-2")] == ["ann"]
            commands("remove-tenant", "TENANT-2")
            commands("cisco-logout")
        commands("logout")
        assert "401" in commands("tenants", status=2)
        # Whoever owns the machine gets in again, once the server does not run.
        own = ["--dir", str(lab.dir / kind), "reset-password"]
        assert "stop this" in subprocess.run([RUMLINE, kind, *own], capture_output=True, text=True).stderr
        lab.processes[1].terminate()
        lab.processes[1].wait()
        told = subprocess.run([RUMLINE, kind, *own], capture_output=True, text=True)
        assert "The password of admin (shown once)" in told.stdout, told
done("collector_commands")
