"""Two supervisors in two processes: kill -9 of either, switchovers, both at once, while the configuration changes. At CSSM
every second counts once, under whichever was active, and nothing that was answered for is lost (PI-HA, CSSM-014)."""

import base64
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

from lab import RUMLINE, Lab, Switch, done

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 50
SERIALS = {1: "FOX2308SUP1", 2: "FOX2308SUP2"}
CONFIG = "hostname chassis\nfeature nxapi\nnxapi http port 8080\nlicense smart transport smart\n" \
         "license smart url smart {url}/licservice/license\n"


# Below those that the system gives out: a supervisor listens on its ports again and again.
PORTS = iter(range(24_000, 26_000))


def free_port():
    for port in PORTS:
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("no port is free")


class Chassis:
    def __init__(self, lab):
        self.lab, self.dir = lab, lab.dir / "chassis"
        self.config = lab.dir / "chassis.cfg"
        self.config.write_text(CONFIG.format(url=lab.url))
        self.management, self.http = free_port(), free_port()
        self.consoles = {slot: free_port() for slot in SERIALS}
        self.processes, self.logs, self.outages = {}, {}, []
        self.password_file = lab.dir / "chassis.password"

    def start(self, slot, *options):
        self.logs[slot] = open(self.lab.dir / f"supervisor-{slot}.log", "a")
        self.processes[slot] = subprocess.Popen(
            [RUMLINE, "switch", "--pid", "N9K-C9504", "--serial", SERIALS[slot], "--chassis", self.dir, "--slot", str(slot),
             "--ssh", f"127.0.0.1:{self.consoles[slot]}", "--management", f"127.0.0.1:{self.management}",
             "--nxapi-http", f"127.0.0.1:{self.http}", "--startup-config", self.config, "--root",
             self.lab.dir / "cssm/root.pem", "--admin-password-file", self.password_file, *options],
            stdout=self.logs[slot], stderr=self.logs[slot])
        self.lab.processes.append(self.processes[slot])

    def kill(self, slot):
        self.processes[slot].kill()
        self.processes[slot].wait()

    def standing(self):
        try:
            return json.loads((self.dir / "standing").read_text())
        except (OSError, ValueError):
            return {"active": None, "whole": []}

    def active(self):
        return self.standing()["active"]

    def until(self, is_right, why, seconds=20):
        end = time.monotonic() + seconds
        while not is_right(self.standing()):
            assert time.monotonic() < end, (why, self.standing(), self.log())
            time.sleep(0.02)

    def until_whole(self):
        self.until(lambda standing: standing["whole"] == [1, 2], "the other supervisor has not all")

    def log(self):
        return "\n".join((self.lab.dir / f"supervisor-{slot}.log").read_text()[-1_500:] for slot in self.logs)

    def kill_both(self):
        for slot in SERIALS:
            self.processes[slot].kill()
        for slot in SERIALS:
            self.processes[slot].wait()

    def refuses(self, slot, why):
        """One that is started alone, and does not become active by itself."""
        told = (self.lab.dir / f"supervisor-{slot}.log").stat().st_size
        self.start(slot)
        end = time.monotonic() + 20
        while why not in (self.lab.dir / f"supervisor-{slot}.log").read_text()[told:]:
            assert time.monotonic() < end, (slot, why, self.standing(), self.log())
            time.sleep(0.02)

    def switch(self, port=None):
        return Switch(self.lab, "chassis", None, port or self.management, self.password_file.read_text().strip())

    def command(self, *lines):
        """Gives lines by NX-API to whoever is active; whether all were answered for."""
        credentials = base64.b64encode(f"admin:{self.password_file.read_text().strip()}".encode()).decode()
        calls = [{"jsonrpc": "2.0", "method": "cli_ascii", "params": {"cmd": line, "version": 1}, "id": number}
                 for number, line in enumerate(lines)]
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
        try:
            connection.request("POST", "/ins", json.dumps(calls), {
                "content-type": "application/json-rpc", "authorization": f"Basic {credentials}"})
            answer = connection.getresponse()
            body = answer.read()
            return answer.status == 200 and "error" not in body.decode()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def insist(chassis, *lines):
    """Whoever has just become active may not listen yet."""
    end = time.monotonic() + 20
    while not chassis.command(*lines):
        assert time.monotonic() < end, (lines, chassis.log())
        time.sleep(0.02)


class Driver(threading.Thread):
    """Changes what is in use every 200 ms, and writes down when each change was sent and when it was answered for."""

    def __init__(self, chassis):
        super().__init__(daemon=True)
        self.chassis, self.over, self.changes, self.pause = chassis, threading.Event(), [], threading.Lock()

    def run(self):
        is_on = False
        while not self.over.wait(0.2):
            is_on = not is_on
            with self.pause:
                sent_at = time.time()
                line = "feature itd" if is_on else "no feature itd"
                while not self.chassis.command("configure terminal", line):
                    if self.over.is_set():
                        return
                    time.sleep(0.05)
                self.changes.append((is_on, sent_at, time.time()))


def spans(rows):
    """What reports tell of the use of one licence: from, to, count."""
    told = [(m["start_time"], m["end_time"], m["count"]) for row in rows for m in row["measurements"]]
    return sorted((start, end, count) for start, end, count in told if end > start and count > 0)


def reports_at_cssm(lab):
    found = {}
    for instance in lab.call("GET", "/smart-accounts/1/product-instances"):
        rows = lab.call("GET", f"/smart-accounts/1/product-instances/{instance['id']}/reports?limit=10000")
        for row in rows:
            report = lab.call("GET", f"{lab.va}/product-instances/{instance['id']}/reports/{row['report_id']}")
            row["measurements"] = measurements(report)
        found[instance["serial"]] = (instance, rows)
    return found


def measurements(report):
    payload = json.loads(re.search(r"<!\[CDATA\[(.*)\]\]>", report["document"], re.S)[1])["payload"]
    return [{"start_time": int(m["start_time"]), "end_time": int(m["end_time"]), "count": int(m["value"]["value"])}
            for m in payload["measurements"]]


def the_one_that_waits_shows(chassis):
    """Its own console shows the chassis and changes nothing."""
    standby = chassis.switch(chassis.consoles[2])
    shown = standby.run("show system redundancy status", "show license udi", "show module")
    assert "This supervisor (sup-28)" in shown and "Internal state:   HA standby" in shown, shown
    assert all(serial in shown for serial in SERIALS.values()), shown
    for line in ("configure terminal", "reload", "license smart sync all", "system switchover"):
        refused = standby.run(line)
        assert "not permitted on standby" in refused, (line, refused)


def put_back(chassis, slot, copy):
    """The folder of one is emptied, or put back from a copy, and that one is started first: it waits for the one that has all."""
    folder = chassis.dir / f"slot-{slot}"
    is_known = chassis.standing()["names"][str(slot)] in (copy / "mark").read_text()
    shutil.rmtree(folder)
    if not is_known and random.random() < 0.7:
        shutil.copytree(copy, folder)
    chassis.refuses(slot, "its folder is not the one that had all")


def what_is_lost_is_not_made_up(chassis):
    """What is written down of the two goes: a person says who was active last."""
    insist(chassis, "copy running-config startup-config")
    active = chassis.active()
    off_at = time.time()
    chassis.kill_both()
    (chassis.dir / "standing").unlink()
    for slot in SERIALS:
        chassis.refuses(slot, "is lost, or older than what lies in their folders")
    chassis.kill(active)
    chassis.start(active, "--force-active")
    chassis.until(lambda standing: standing["active"] == active, "it was told to, and is not active")
    insist(chassis, "show clock")
    chassis.outages.append((off_at, time.time()))
    chassis.until_whole()


def main():
    random.seed(11)
    with Lab("--requests-per-hour", "0") as lab:
        chassis = Chassis(lab)
        chassis.start(1)
        chassis.until(lambda standing: standing["active"] == 1, "nobody is active")
        chassis.start(2)
        chassis.until_whole()
        switch = chassis.switch()
        switch.run(f"license smart trust idtoken {lab.new_token()} all")
        log = switch.wait("show logging", "TRUST_CODE_INSTALL_SUCCESS.*SUP2")
        assert log.count("TRUST_CODE_INSTALL_SUCCESS") == 2, log
        the_one_that_waits_shows(chassis)
        copies = {slot: lab.dir / f"copy-{slot}" for slot in SERIALS}
        for slot, copy in copies.items():
            shutil.copytree(chassis.dir / f"slot-{slot}", copy)
        met = set()
        began = time.time()
        assert chassis.command("configure terminal", "feature bgp")
        began = (began, time.time())
        driver = Driver(chassis)
        driver.start()
        took = []
        for number in range(ROUNDS):
            chassis.until_whole()
            if number == ROUNDS // 2:
                with driver.pause:
                    what_is_lost_is_not_made_up(chassis)
            time.sleep(random.random() * 0.3)
            active = chassis.active()
            what = random.choice(["kill", "kill", "kill", "switchover", "standby", "both", "put back"])
            before = time.monotonic()
            if what == "kill":
                chassis.kill(active)
                if chassis.standing()["whole"] == [active]:
                    # The other one was too slow meanwhile, and is left out: nobody takes over without all.
                    chassis.start(active)
                    continue
                chassis.until(lambda standing: standing["active"] == 3 - active, "nobody took over")
                insist(chassis, "show clock")
                took.append(time.monotonic() - before)
                chassis.start(active)
            elif what == "switchover":
                # Whoever has just become active may not listen yet.
                while not chassis.command("system switchover") and chassis.active() == active:
                    assert time.monotonic() - before < 20, chassis.log()
                chassis.until(lambda standing: standing["active"] == 3 - active, "the other did not take over")
            elif what == "standby":
                chassis.kill(3 - active)
                chassis.until(lambda standing: standing["whole"] == [active], "it was not noticed")
                chassis.start(3 - active)
            else:
                with driver.pause:
                    # As after any loss of power, what was saved is what it comes up with.
                    insist(chassis, "copy running-config startup-config")
                    off_at = time.time()
                    chassis.kill_both()
                    first = random.choice((1, 2))
                    if what == "put back" and chassis.standing()["whole"] == [1, 2]:
                        put_back(chassis, first, copies[first])
                        met.add(what)
                    else:
                        chassis.start(first)
                    chassis.start(3 - first)
                    insist(chassis, "show clock")
                    chassis.outages.append((off_at, time.time()))
            if number % 10 == 3:
                insist(chassis, "license smart sync")
        driver.over.set()
        driver.join()
        chassis.until_whole()
        assert "put back" in met, "no folder was put back"
        insist(chassis, "show clock")
        ended = time.time()
        insist(chassis, "configure terminal", "no feature bgp", "no feature itd")
        ended = (ended, time.time())
        switch = chassis.switch()
        for _ in range(60):
            switch.run("license smart sync all")
            reports = switch.run("show license rum id all")
            if not re.search(r"OPEN|CLOSED|UNACK", reports):
                break
            time.sleep(0.5)
        assert not re.search(r"OPEN|CLOSED|UNACK", reports), reports
        at_cssm = reports_at_cssm(lab)
        assert set(at_cssm) == set(SERIALS.values()), at_cssm.keys()
        of_tag = {}
        for instance, rows in at_cssm.values():
            assert instance["reports_missing"] == 0 and instance["licenses"] == [], instance
            for row in rows:
                of_tag.setdefault(row["tag"], []).append(row)
        # What was in use all along: its seconds lie one behind the other, whoever reported them.
        changed = {row["tag"]: spans(rows) for row_tag, rows in of_tag.items() for row in rows[:1]}
        for tag, told in changed.items():
            for (start, end, _), (next_start, _, _) in zip(told, told[1:]):
                assert end <= next_start, f"{tag}: seconds are told twice around {next_start}"
        always, other = (next(told for tag, told in changed.items() if name in tag) for name in ("LAN_", "NETWORK_SERVICES_"))
        def was_off(since, until):
            """While neither had power nothing was in use."""
            return any(start - 1 <= since and until <= end + 1 for start, end in chassis.outages)

        for before, after in zip(always, always[1:]):
            assert before[1] == after[0] or was_off(before[1], after[0]), f"seconds are missing between {before} and {after}"
            assert before[2] == after[2] == 1, (before, after)
        start, end = always[0][0], always[-1][1]
        assert int(began[0]) <= start <= int(began[1]), (began, start)
        assert int(ended[0]) <= end <= int(ended[1]) or was_off(end, ended[0]), (end, ended, chassis.outages)
        # What was changed: as long as the driver wrote down, by its own clock.
        low = high = 0
        on = None
        for is_on, sent_at, answered_at in [*driver.changes, (False, *ended)]:
            if is_on:
                on = on or (sent_at, answered_at)
            elif on:
                off = sum(min(end, sent_at) - max(start, on[1]) + 1 for start, end in chassis.outages
                          if start < sent_at and end > on[1])
                low += max(0, int(sent_at) - int(on[1]) - int(off))
                high += int(answered_at) - int(on[0])
                on = None
        counted = sum((end - start) * count for start, end, count in other)
        assert low <= counted <= high, (low, counted, high)
        worst = max(took, default=0)
        print(f"pair: {ROUNDS} rounds, {len(driver.changes)} changes; kill to first answer: at most {worst:.2f} s; "
              f"{end - start} s of use, 0 lost, 0 twice")
    done("pair")


if __name__ == "__main__":
    main()
