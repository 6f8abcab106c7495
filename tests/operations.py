"""Whether a server can do its work is told within five seconds of when it cannot, with the reason, and again when it can:
for CSSM, CSLU and SSM On-Prem. A Prometheus takes what they measure, and the rules and the dashboard that are given with it."""

import json
import pathlib
import socket
import sqlite3
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from lab import Lab, call as lab_call, done

SECONDS = 5
RULES = pathlib.Path(__file__).parent.parent / "docs/prometheus"


class Server:
    """One of the three on a disk of its own, which is small."""

    def __init__(self, lab, kind):
        self.lab, self.kind, self.dir = lab, kind, lab.dir / f"small-{kind}"
        self.dir.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", self.dir], check=True)
        self.start()
        password = (lab.dir / f"{kind}-small.password").read_text().strip()
        call = lambda token, path, body: lab_call(self.url, self.context, token, "POST", path, body)
        login = call(None, "/login", {"login": "admin", "password": password})["token"]
        # What watches may look, and do nothing.
        new = {"name": "prometheus", "role": "viewer", "expires_after_days": 1, "password": password}
        (lab.dir / f"{kind}.token").write_text(call(login, "/me/tokens", new)["token"])
        self.database = self.dir / ("cssm.db" if kind == "cssm" else "collector.db")

    def start(self):
        options = [] if self.kind == "cssm" else ["--cssm", self.lab.url, "--root", self.lab.dir / "cssm/root.pem"]
        if self.kind == "cslu":
            options += ["--device-listen", "127.0.0.1:0"]
        self.process, line = self.lab.start(
            " listens on ", self.kind, "--dir", self.dir, "--listen", "127.0.0.1:0", "--admin-password-file",
            self.lab.dir / f"{self.kind}-small.password", *options)
        self.url = line.split()[-1]
        self.context = ssl.create_default_context(cafile=str(self.dir / "root.pem"))

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"{self.url}{path}", context=self.context, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def becomes(self, why):
        """Waits until it tells this, `None` for ready; nothing else may be told for longer than the limit."""
        began = time.monotonic()
        while True:
            status, body = self.get("/readyz")
            told = json.loads(body)
            assert (status == 200) == (told["status"] == "ready") == ("code" not in told), (status, told)
            if told.get("code") == why:
                took = time.monotonic() - began
                assert took < SECONDS, (self.kind, why, took)
                return
            assert time.monotonic() - began < SECONDS, (self.kind, why, told)
            time.sleep(0.2)

    def probes(self):
        connection = sqlite3.connect(self.database)
        count = connection.execute("SELECT value FROM counter WHERE name = 'probe'").fetchone()[0]
        connection.close()
        return count

    def change(self, *statements):
        connection = sqlite3.connect(self.database, timeout=10)
        with connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()


class Prometheus:
    """A real one, which scrapes the servers each second."""

    def __init__(self, lab, servers):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api/v1"
        jobs = [{
            "job_name": server.kind, "scheme": "https", "tls_config": {"ca_file": str(server.dir / "root.pem")},
            "authorization": {"credentials_file": str(lab.dir / f"{server.kind}.token")},
            "static_configs": [{"targets": [server.url.removeprefix("https://")], "labels": {"server": server.kind}}],
        } for server in servers]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "scrape_configs": jobs,
                  "rule_files": [str(RULES / "alerts.yml")]}
        (lab.dir / "prometheus.yml").write_text(json.dumps(config))
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={lab.dir}/prometheus.yml", f"--storage.tsdb.path={lab.dir}/prometheus",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
        lab.processes.append(self.process)

    def get(self, path, **parameters):
        address = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def values(self, query):
        """By server."""
        found = self.get("/query", query=query)["result"]
        return {row["metric"].get("server"): float(row["value"][1]) for row in found}

    def wait(self, query, expected):
        end = time.monotonic() + 30
        while True:
            try:
                found = self.values(query)
            except OSError as error:
                found = error
            if found == expected:
                return
            assert time.monotonic() < end, (query, found, expected)
            time.sleep(0.2)


def filled(server):
    with open(server.dir / "filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


def watched(lab, servers):
    subprocess.run(["promtool", "test", "rules", RULES / "alerts_test.yml"], check=True, stdout=subprocess.DEVNULL)
    prometheus = Prometheus(lab, servers)
    all_three = {"cssm": 1.0, "cslu": 1.0, "onprem": 1.0}
    prometheus.wait("up", all_three)
    prometheus.wait("rumline_ready", all_three)
    rules = prometheus.get("/rules")["groups"][0]["rules"]
    assert len(rules) == 7, rules
    for panel in json.loads((RULES / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            prometheus.values(target["expr"])
    # What is measured is so: one that is full says it.
    filled(servers[0])
    prometheus.wait("rumline_ready", all_three | {"cssm": 0.0})
    (servers[0].dir / "filler").unlink()
    prometheus.wait("rumline_ready", all_three)
    before = prometheus.values('rumline_http_requests_total{route="/healthz",status="200"}').get("cssm", 0.0)
    for _ in range(7):
        assert servers[0].get("/healthz")[0] == 200
    prometheus.wait('rumline_http_requests_total{route="/healthz",server="cssm"}', {"cssm": before + 7})
    # What nobody has is one address, however many are tried.
    for number in range(20):
        assert servers[0].get(f"/made-up-{number}")[0] == 404
    prometheus.wait('rumline_http_requests_total{route="none",server="cssm",status="404"}', {"cssm": 20.0})
    # Nobody without a login is told, and no viewer of one account.
    assert servers[0].get("/metrics")[0] == 401


with Lab(account=None) as lab:
    servers = []
    for kind in ["cssm", "cslu", "onprem"]:
        server = Server(lab, kind)
        try:
            server.becomes(None)
            for why, break_it, mend_it in [
                ("database_full", lambda: filled(server), lambda: (server.dir / "filler").unlink()),
                ("signing_key_missing", lambda: (server.dir / "signing.key").rename(server.dir / "away"),
                 lambda: (server.dir / "away").rename(server.dir / "signing.key")),
                ("other_identity", lambda: server.change("UPDATE identity SET name = 'x' || name"),
                 lambda: server.change("UPDATE identity SET name = substr(name, 2)")),
                ("migration_pending", lambda: server.change("UPDATE schema_version SET version = version + 100"),
                 lambda: server.change("UPDATE schema_version SET version = version - 100")),
            ]:
                break_it()
                server.becomes(why)
                mend_it()
                server.becomes(None)
            # A file that is gone is not believed again before a start.
            server.database.rename(server.dir / "away")
            server.becomes("database_gone")
            server.stop()
            (server.dir / "away").rename(server.database)
            server.start()
            server.becomes(None)
            # Many that ask cost a write a second.
            probes = server.probes()
            before = time.monotonic()
            while time.monotonic() - before < 3:
                assert server.get("/readyz")[0] == 200
            assert 2 <= server.probes() - probes <= 4, server.probes() - probes
            servers.append(server)
        finally:
            if server not in servers:
                server.stop()
                subprocess.run(["umount", "-l", server.dir], check=True)
    try:
        watched(lab, servers)
    finally:
        for server in servers:
            server.stop()
            subprocess.run(["umount", "-l", server.dir], check=True)
done("operations")
