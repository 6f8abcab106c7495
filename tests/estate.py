"""Three CSSM processes behind HAProxy, over Patroni with three PostgreSQL, etcd and a synchronous standby. Under load whoever
asks is answered again within 2 s of the kill of a process, of the proxy or of a standby, and within 35 s of that of the primary
with its Patroni; of what was acknowledged, reports and calls of the API alike, nothing is lost and nothing is there twice.
A machine that does something else meanwhile holds everybody up: one kill in ten may be answered later, and is told.

    estate.py [ROUNDS [FAILOVERS [PROCESSES [SEED]]]]
"""

import base64
import collections
import http.client
import json
import math
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid

from lab import RUMLINE, Lab, done
from pair import free_port

ROUNDS, FAILOVERS, PROCESSES, SEED = (
    int(sys.argv[place]) if len(sys.argv) > place else other
    for place, other in enumerate([20, 2, 3, random.randrange(10_000)], 1))
SECONDS = {"process": 2, "proxy": 2, "standby": 2, "primary": 35}
SWITCHES, PASSWORD = 12, "Estate-1234"
CONFIG = "username admin password 0 {password} role network-admin\nfeature nxapi\nno nxapi https\nnxapi http port 8080\n" \
         "license smart transport smart\nlicense smart url smart {url}/licservice/license\n"
PROXY = """
global
  stats socket {dir}/haproxy.sock
defaults
  mode tcp
  timeout connect 1s
  timeout client 1m
  timeout server 1m
  # CSSM itself tells within three seconds that its database is silent.
  timeout check 4s
  retries 3
  option redispatch 1
frontend estate
  bind 127.0.0.1:{port}
  default_backend cssm
backend cssm
  balance leastconn
  option httpchk GET /readyz
  default-server check check-ssl verify none inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


def wait(is_so, what, seconds=60):
    """Until it is, and what it was then."""
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def as_postgres(*command):
    """PostgreSQL refuses to be run by root."""
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return [*user, *map(str, command)]


class Part:
    """A process whose supervisor is this script."""

    def __init__(self, estate, name, *command):
        self.name, self.command, self.log, self.process = name, list(map(str, command)), estate.dir / f"{name}.log", None
        estate.parts.append(self)

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Member(Part):
    """A Patroni and its PostgreSQL."""

    def __init__(self, estate, number):
        self.port, self.rest = free_port(), free_port()
        self.data = estate.database / f"data-{number}"
        name, file = f"postgres-{number}", estate.database / f"patroni-{number}.json"
        super().__init__(estate, name, *as_postgres("patroni", file))
        trust = "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"
        file.write_text(json.dumps({
            "scope": "estate", "name": name,
            "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}"},
            "etcd3": {"host": f"127.0.0.1:{estate.etcd_port}"},
            "bootstrap": {
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "trust"}, "no-sync"],
                # A standby that is gone is waited for until the next turn of the loop. No ttl is shorter than 20 s.
                "dcs": {"ttl": 20, "loop_wait": 1, "retry_timeout": 3, "synchronous_mode": True, "postgresql": {
                    "use_pg_rewind": True, "parameters": {
                        "max_connections": 200, "shared_buffers": "32MB", "max_wal_size": "128MB", "wal_keep_size": "32MB"}}}},
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}", "connect_address": f"127.0.0.1:{self.port}", "data_dir": str(self.data),
                "bin_dir": str(estate.bin), "pgpass": str(estate.database / f"pgpass-{number}"), "pg_hba": trust,
                "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "postgres"}},
                "basebackup": ["no-sync", {"checkpoint": "fast"}],
                # What a killed process wrote is with the system, which goes on.
                "parameters": {"unix_socket_directories": str(estate.database), "fsync": "off"}}}))

    def kill(self):
        self.process.kill()
        # What a postmaster that is killed leaves behind ends by itself, only later.
        wait(lambda: not [os.kill(process, signal.SIGKILL) for process in self.servers()], f"the end of {self.name}")
        self.process.wait()

    def servers(self):
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "cwd").readlink() == self.data:
                    yield int(folder.name)
            except OSError:
                # It has ended.
                pass

    def get(self, path):
        return get(f"http://127.0.0.1:{self.rest}{path}")

    def ask(self, sql):
        ran = subprocess.run(["psql", "-XAt", f"postgres://postgres@127.0.0.1:{self.port}/postgres", "-c", sql],
                             capture_output=True, text=True, timeout=20)
        return ran.stdout.strip()


class Estate(Lab):
    """All of it; the first process is the lab's CSSM, and the proxy its address."""

    def __init__(self):
        self.parts = []
        try:
            super().__init__()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def start_cssm(self):
        self.dir.chmod(0o711)
        self.database = self.dir / "database"
        self.bin = max(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda folder: int(folder.name)) / "bin"
        self.start_database()
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        self.db = f"postgres://postgres@{hosts}/postgres?target_session_attrs=read-write"
        self.start_processes()
        self.start_proxy()

    def __exit__(self, kind, *_):
        for part in self.parts:
            if part.process:
                part.kill()
            if kind:
                print(f"--- {part.log}\n{part.log.read_text()[-3000:]}")
        if os.path.ismount(self.database):
            subprocess.run(["umount", "-l", self.database], check=True)
        super().__exit__()

    def start_database(self):
        self.database.mkdir(mode=0o700)
        if os.geteuid() == 0:
            # Disks others work on make all of it slow, above all what puts a former primary right. Where nothing may be mounted it has to do.
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", self.database], check=False)
        self.etcd_port, peers = free_port(), free_port()
        self.members = [Member(self, number) for number in (1, 2, 3)]
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres:", self.database], check=True)
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{peers}"
        Part(self, "etcd", *as_postgres(
            "etcd", "--name=etcd", f"--data-dir={self.database}/etcd", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=etcd={peer}", "--log-level=error")).start()
        wait(lambda: get(f"{client}/health"), "etcd")
        for member in self.members:
            member.start()
        wait(self.database_is_whole, "a primary with two standbys")

    def start_processes(self):
        self.ports = [free_port() for _ in range(PROCESSES)]
        self.processes_of_cssm = []
        for number, port in enumerate(self.ports, 1):
            folder = self.dir / ("cssm" if number == 1 else f"cssm-{number}")
            options = ["--admin-password-file", self.dir / "admin.password"] if number == 1 else []
            if number > 1:
                take_keys = [RUMLINE, "cssm", "--dir", folder, "take-keys", self.dir / "cssm"]
                subprocess.run(take_keys, check=True, stdout=subprocess.DEVNULL)
            part = Part(self, f"cssm-{number}", RUMLINE, "cssm", "--dir", folder, "--listen", f"127.0.0.1:{port}", "--name",
                        "localhost", "--requests-per-hour", "0", "--ack-delay-seconds", "0", "--db", self.db, *options)
            self.processes_of_cssm.append(part)
            part.start()
            wait(lambda: (self.dir / "cssm/root.pem").exists() and answers(port), f"{part.name} listens")

    def start_proxy(self):
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        servers = "\n".join(f"  server cssm-{number} 127.0.0.1:{port}" for number, port in enumerate(self.ports, 1))
        file = self.dir / "haproxy.cfg"
        file.write_text(PROXY.format(dir=self.dir, port=port, servers=servers))
        self.proxy = Part(self, "haproxy", "haproxy", "-db", "-f", file)
        self.proxy.start()
        wait(self.processes_are_up, "the proxy finds all processes ready")

    def processes_are_up(self):
        """Whether the proxy has found each ready."""
        return [row["status"] for row in self.proxy_says("cssm-")] == ["UP"] * PROCESSES

    def proxy_says(self, prefix):
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(5)
                control.connect(str(self.dir / "haproxy.sock"))
                control.sendall(b"show stat\n")
                lines = control.makefile().read().removeprefix("# ").split("\n")
        except OSError:
            return []
        names = lines[0].split(",")
        rows = [dict(zip(names, line.split(","))) for line in lines[1:] if line]
        # Before the first check it is said to be up without having been asked.
        return [row for row in rows if row["svname"].startswith(prefix) and row["check_status"].endswith("L7OK")]

    def by_role(self):
        """The members as etcd knows them: `leader`, `sync_standby`, and any other one is a `replica`."""
        named = {member.name: member for member in self.members}
        told = next((member.get("/cluster") for member in self.members if member.get("/primary")), None) or {}
        return {one["role"]: named[one["name"]] for one in told.get("members", [])}

    def database_is_whole(self):
        """Whether both standbys follow, and primary and etcd agree on which of them is the synchronous one."""
        roles = self.by_role()
        if sorted(roles) != ["leader", "replica", "sync_standby"]:
            return False
        sql = "SELECT application_name, sync_state FROM pg_stat_replication WHERE state = 'streaming' ORDER BY sync_state DESC"
        follow = roles["leader"].ask(sql)
        return follow == f"{roles['sync_standby'].name}|sync\n{roles['replica'].name}|async"

    def is_whole(self):
        return self.database_is_whole() and self.processes_are_up()


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Prober(threading.Thread):
    """Asks again and again, as a program does: with a connection that serves for some calls, and at once again where it was not
    answered. Writes down when it was answered well, and how it was answered otherwise."""

    def __init__(self, estate):
        super().__init__(daemon=True)
        self.estate, self.over, self.good, self.refused = estate, threading.Event(), [], collections.Counter()
        self.connection, self.calls = None, 0

    def run(self):
        while not self.over.wait(0.05):
            began = time.monotonic()
            try:
                why = self.once()
            except (OSError, http.client.HTTPException) as error:
                why = type(error).__name__
                self.connection = None
            if why is None:
                self.good.append((began, time.monotonic()))
            else:
                self.refused[why] += 1

    def call(self, method, path, body=None, **headers):
        if self.connection is None or self.calls % 10 == 0:
            if self.connection:
                self.connection.close()
            host = self.estate.url.removeprefix("https://")
            self.connection = http.client.HTTPSConnection(host, context=self.estate.ssl, timeout=10)
        self.calls += 1
        headers |= {"authorization": f"Bearer {self.estate.token}", "content-type": "application/json"}
        self.connection.request(method, f"/api/v1{path}", body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        found = json.loads(answer.read())
        return answer.status, found

    def answered_since(self, moment):
        return self.good and self.good[-1][0] > moment

    def longest(self, since):
        """The longest time without a good answer that goes on after this moment."""
        ends = [ended for _, ended in self.good]
        return max((after - before for before, after in zip(ends, ends[1:]) if after > since), default=math.inf)


class Reader(Prober):
    def once(self):
        status, found = self.call("GET", "/smart-accounts/1/product-instances?limit=20")
        if status == 200:
            return None if len(found) == SWITCHES else f"{len(found)} product instances"
        return f"{status} {found.get('code') or found.get('detail')}"


class Writer(Prober):
    """Makes registration tokens; sends what was not answered again under the same key, until it is told what became of it."""

    def __init__(self, estate):
        super().__init__(estate)
        self.made, self.key = {}, None

    def once(self):
        self.key = self.key or str(uuid.uuid4())
        new = {"description": self.key, "expires_after_days": 1, "uses_max": None}
        status, found = self.call("POST", f"{self.estate.va}/tokens", new, **{"idempotency-key": self.key})
        if status == 200:
            self.made[self.key] = found["id"]
        if status in (200, 409):
            # Done; or nobody knows whether it was, and it must not be there twice.
            self.key = None
        return None if status == 200 else f"{status} {found.get('code') or found.get('detail')}"


class Fleet(threading.Thread):
    """Switches of one process, each of which uses one licence all along and another one now and then, and reports each change."""

    def __init__(self, estate):
        super().__init__(daemon=True)
        self.estate, self.over, self.acknowledged_at = estate, threading.Event(), collections.defaultdict(dict)
        config = estate.dir / "switch.cfg"
        config.write_text(CONFIG.format(url=estate.url, password=PASSWORD))
        process = subprocess.Popen(
            [RUMLINE, "switch", "--dir", estate.dir / "fleet", "--count", str(SWITCHES), "--no-ssh", "--nxapi-http",
             "127.0.0.1:0", "--startup-config", config, "--root", estate.dir / "cssm/root.pem"],
            stdout=subprocess.PIPE, text=True)
        estate.processes.append(process)
        self.addresses = []
        while len(self.addresses) < SWITCHES:
            line = process.stdout.readline()
            assert line, "the switches ended"
            self.addresses += re.findall(r"NX-API: http://(\S+)", line)
        token = estate.new_token()
        self.serials, self.began = {}, {}
        for address in self.addresses:
            self.serials[address] = re.search(r"SN:(\w+)", self.ask(address, "show license udi"))[1]
            before = time.time()
            self.ask(address, "configure terminal", "feature bgp")
            self.began[address] = before, time.time()
            self.ask(address, f"license smart trust idtoken {token} all")
        wait(lambda: sum(one["trusted"] for one in self.instances()) == SWITCHES, "all switches are trusted")

    def ask(self, address, *lines):
        """What the last line says, by NX-API."""
        calls = [{"jsonrpc": "2.0", "method": "cli_ascii", "params": {"cmd": line, "version": 1}, "id": number}
                 for number, line in enumerate(lines, 1)]
        credentials = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        connection = http.client.HTTPConnection(address, timeout=20)
        try:
            connection.request("POST", "/ins", json.dumps(calls), {
                "content-type": "application/json-rpc", "authorization": f"Basic {credentials}"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
            last = told[-1] if isinstance(told, list) else told
            assert answer.status == 200 and "error" not in last, (lines, last)
            return (last["result"] or {}).get("msg", "")
        finally:
            connection.close()

    def instances(self):
        return self.estate.call("GET", "/smart-accounts/1/product-instances?limit=1000")

    def run(self):
        is_on = False
        while not self.over.is_set():
            is_on = not is_on
            for address in self.addresses:
                if not self.over.wait(1 / SWITCHES):
                    line = "feature itd" if is_on else "no feature itd"
                    self.ask(address, "configure terminal", line, "end", "license smart sync all")

    def reports(self, address):
        """The state of each report by its number."""
        return {int(number): state for number, state in
                re.findall(r"^(\d+) +([A-Z]+)", self.ask(address, "show license rum id all"), re.M)}

    def note_acknowledged(self):
        """Writes down by when each switch was told that its reports are in safety; the number of the newest of each."""
        for address in self.addresses:
            reports = self.reports(address)
            now = time.time()
            for number, state in reports.items():
                if state == "ACK":
                    self.acknowledged_at[address].setdefault(number, now)
        return [max(self.acknowledged_at[address], default=0) for address in self.addresses]

    def goes_on(self, newest):
        """Whether each switch was acknowledged a newer report than this one."""
        return all(now > before for now, before in zip(self.note_acknowledged(), newest))

    def end(self):
        """All of it is acknowledged in the end."""
        self.over.set()
        self.join()
        self.ended = {}
        for address in self.addresses:
            before = time.time()
            self.ask(address, "configure terminal", "no feature bgp", "no feature itd")
            self.ended[address] = before, time.time()

        def is_settled(address):
            self.ask(address, "license smart sync all")
            return set(self.reports(address).values()) == {"ACK"}

        for address in self.addresses:
            wait(lambda: is_settled(address), f"all reports of {self.serials[address]} are acknowledged")
        self.note_acknowledged()

    def check(self):
        """What CSSM has is what the switches reported, once, since it was acknowledged; how many reports."""
        instances, reports = {one["serial"]: one for one in self.instances()}, 0
        assert sorted(instances) == sorted(self.serials.values())
        for address, serial in self.serials.items():
            instance = instances[serial]
            rows = self.estate.call("GET", f"/smart-accounts/1/product-instances/{instance['id']}/reports?limit=10000")
            numbers = [row["report_id"] for row in rows]
            mine = self.reports(address)
            assert sorted(numbers) == sorted(mine), f"{serial}: lost {set(mine) - set(numbers)}, {len(numbers)} of {len(mine)}"
            assert instance["reports_missing"] == instance["overlap_seconds"] == 0, instance
            assert instance["licenses"] == instance["gaps"] == [], instance
            # One that was lost and came again came later than it was acknowledged first.
            for row in rows:
                told_at = self.acknowledged_at[address][row["report_id"]]
                assert row["received_at"] <= told_at, f"{serial}: acknowledged until {told_at}, and lost: {row}"
            used = re.findall(r"Use: (\d+) license seconds", self.ask(address, "show license rum id all detail"))
            assert sum(row["count_seconds"] for row in rows) == sum(map(int, used)), (serial, used)
            self.check_spans(address, rows)
            reports += len(rows)
        return reports

    def check_spans(self, address, rows):
        """The seconds of each licence lie one behind the other; what was in use all along counts as long as it was."""
        of_tag = collections.defaultdict(list)
        for row in rows:
            of_tag[row["tag"]].append(row)
        for mine in of_tag.values():
            for before, after in zip(mine, mine[1:]):
                assert before["end_at"] == after["start_at"] or before["last_count"] == 0, (before, after)
        always = next(mine for tag, mine in of_tag.items() if ".LAN_" in tag)
        start, end = always[0]["start_at"], always[-1]["end_at"]
        (began, begun), (ending, ended) = self.began[address], self.ended[address]
        assert int(began) <= always[0]["start_at"] <= math.ceil(begun), (began, always[0])
        counted = sum(row["count_seconds"] for row in always)
        assert int(ending) - math.ceil(begun) <= counted <= math.ceil(ended) - int(began), (began, ended, counted)


class Rounds:
    """One kill after the other."""

    def __init__(self, estate, fleet, probers):
        self.estate, self.fleet, self.probers = estate, fleet, probers
        self.longest, self.late = collections.defaultdict(list), []

    def victim(self, kind, chance):
        if kind == "process":
            return chance.choice(self.estate.processes_of_cssm)
        if kind == "proxy":
            return self.estate.proxy
        return self.estate.by_role()["leader" if kind == "primary" else chance.choice(["sync_standby", "replica"])]

    def kill(self, kind, chance):
        victim, newest, before = self.victim(kind, chance), self.fleet.note_acknowledged(), self.refusals()
        # Any moment of the load is as likely as another.
        time.sleep(chance.random() / 2)
        ended = [part.name for part in self.estate.parts if part.process.poll() is not None]
        assert not ended, f"{ended} ended by themselves"
        killed_at = time.monotonic()
        victim.kill()
        # What nobody else can do is done by the supervisor.
        is_alone = kind == "proxy" or kind == "process" and PROCESSES == 1
        if is_alone:
            victim.start()
        self.fleet.note_acknowledged()
        wait(lambda: all(prober.answered_since(killed_at) for prober in self.probers), f"answers after the kill of {victim.name}")
        answered_at = time.monotonic()
        if not is_alone:
            victim.start()
        wait(self.estate.is_whole, f"all is whole after the kill of {victim.name}", 120)
        wait(lambda: self.fleet.goes_on(newest), f"all switches report after the kill of {victim.name}")
        longest = max(prober.longest(killed_at) for prober in self.probers)
        self.longest[kind].append(longest)
        if longest > SECONDS[kind]:
            self.late.append(f"{victim.name} as {kind}: {longest:.2f} s")
        refused = ", ".join(f"{count} x {why}" for why, count in (self.refusals() - before).items())
        print(f"  {kind}, {victim.name}: {longest:.2f} s without an answer, whole {time.monotonic() - answered_at:.1f} s later; "
              f"{refused or 'all answered'}", flush=True)

    def refusals(self):
        return sum((prober.refused for prober in self.probers), collections.Counter())


def check_tokens(estate, writers):
    """Each call that was answered did its work once, and none did it twice; how many there were."""
    there = estate.call("GET", f"{estate.va}/tokens")
    times = collections.Counter(token["description"] for token in there)
    numbers = {token["description"]: token["id"] for token in there}
    made = {key: number for writer in writers for key, number in writer.made.items()}
    lost = [key for key, number in made.items() if numbers.get(key) != number]
    twice = [key for key, count in times.items() if count > 1]
    assert not lost and not twice, f"lost {lost}, twice {twice}"
    return len(made)


def main():
    chance = random.Random(SEED)
    kinds = [["process", "proxy", "standby"][number % 3] for number in range(ROUNDS)] + ["primary"] * FAILOVERS
    chance.shuffle(kinds)
    print(f"estate: {ROUNDS} + {FAILOVERS} rounds, {PROCESSES} processes, seed {SEED}", flush=True)
    began = time.monotonic()
    with Estate() as estate:
        fleet = Fleet(estate)
        writers = [Writer(estate) for _ in range(3)]
        probers = writers + [Reader(estate) for _ in range(3)]
        for thread in [fleet, *probers]:
            thread.start()
        wait(lambda: fleet.goes_on([0] * SWITCHES), "all switches report")
        print(f"  up in {time.monotonic() - began:.1f} s", flush=True)
        rounds = Rounds(estate, fleet, probers)
        for kind in kinds:
            rounds.kill(kind, chance)
        for prober in probers:
            prober.over.set()
            prober.join()
        fleet.end()
        reports, tokens = fleet.check(), check_tokens(estate, writers)
        answered = [row["svname"] for row in estate.proxy_says("cssm-") if int(row["stot"])]
        assert len(answered) == PROCESSES, answered
        for part in estate.processes_of_cssm:
            part.kill()
        ran = subprocess.run([RUMLINE, "cssm", "--dir", estate.dir / "cssm", "--db", estate.db, "rebuild", "--verify"],
                             capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran
        panicked = [part.name for part in estate.processes_of_cssm if "panicked" in part.log.read_text()]
        assert not panicked, panicked
        worst = ", ".join(f"{kind} {max(took):.2f} s" for kind, took in rounds.longest.items())
        print(f"estate: {reports} reports of {SWITCHES} switches, {tokens} tokens, 0 lost, 0 twice; longest without an answer: "
              f"{worst}; {time.monotonic() - began:.0f} s in all")
        if rounds.late:
            print(f"  later than that: {', '.join(rounds.late)}")
        assert len(rounds.late) <= len(kinds) // 10, rounds.late
    done("estate")


if __name__ == "__main__":
    main()
