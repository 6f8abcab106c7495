"""Whether a server can do its work is told within five seconds of when it cannot, with the reason, and again when it can:
for CSSM, CSLU and SSM On-Prem."""

import json
import sqlite3
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from lab import Lab, done

SECONDS = 5


class Server:
    """One of the three on a disk of its own, which is small."""

    def __init__(self, lab, kind):
        self.lab, self.kind, self.dir = lab, kind, lab.dir / f"small-{kind}"
        self.dir.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", self.dir], check=True)
        self.start()
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


def filled(server):
    with open(server.dir / "filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


with Lab(account=None) as lab:
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
        finally:
            server.stop()
            subprocess.run(["umount", "-l", server.dir], check=True)
done("operations")
