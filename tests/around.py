"""Servers around a switch: a real rsyslogd hears its messages in both forms, a real chronyd sets its clock right; those that are
gone, silent, or talk nonsense change nothing (PI-MSG-002, PI-MSG-005, PI-CLI-026, PI-NET-032)."""

import datetime
import re
import socket
import struct
import subprocess
import threading
import time

from lab import Lab, done

SOURCE, CHRONY, SILENT, JUNK, FUTURE = (f"127.77.1.{number}" for number in (9, 1, 2, 3, 4))
FIELDS = "%fromhost-ip%|%protocol-version%|%syslogfacility-text%|%syslogseverity-text%|%hostname%|%app-name%|%msgid%|%rawmsg%"


def free_port(address="127.0.0.1"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def until(what, holds, seconds=20):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


def start_rsyslog(lab, port):
    config, log = lab.dir / "rsyslog.conf", lab.dir / "heard.log"
    config.write_text(
        f'global(workDirectory="{lab.dir}")\nmodule(load="imudp")\n'
        f'template(name="fields" type="string" string="{FIELDS}\\n")\n'
        f'ruleset(name="heard") {{ action(type="omfile" file="{log}" template="fields") }}\n'
        f'input(type="imudp" address="127.0.0.1" port="{port}" ruleset="heard")\n')
    process = subprocess.Popen(["rsyslogd", "-n", "-f", config, "-i", lab.dir / "rsyslog.pid"])
    lab.processes.append(process)

    def is_up():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return False
            except OSError:
                return True
    until("rsyslogd did not come up", is_up)
    return process, log


def start_chrony(lab, port):
    """A server of this machine's time that leaves its clock alone."""
    config = lab.dir / "chrony.conf"
    config.write_text(
        f"port {port}\nbindaddress {CHRONY}\nallow 127.0.0.0/8\nlocal stratum 8\ncmdport 0\nbindcmdaddress /\n"
        f"pidfile {lab.dir}/chrony.pid\n")
    process = subprocess.Popen(["chronyd", "-x", "-d", "-u", "root", "-f", config], stderr=subprocess.DEVNULL)
    lab.processes.append(process)
    question = b"\x23" + bytes(39) + b"question"

    def answers():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.5)
            probe.connect((CHRONY, port))
            try:
                probe.send(question)
                answer = probe.recv(100)
            except OSError:
                return False
            return 0 < answer[1] < 16
    until("chronyd did not come up", answers)


def start_liar(address, port, answers_of):
    """A server that says whatever it is told to."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, port))
    asked = []

    def serve():
        while True:
            question, peer = server.recvfrom(100)
            asked.append(question)
            for answer in answers_of(question):
                server.sendto(answer, peer)
    threading.Thread(target=serve, daemon=True).start()
    return asked


def answer(question, ahead_seconds, origin=None):
    now = struct.pack("!II", int(time.time() + ahead_seconds + 2_208_988_800) & 0xFFFF_FFFF, 0)
    return bytes([0x24, 2]) + bytes(22) + (origin or question[40:48]) + now + now


def seconds_off(switch):
    """How far the clock of a switch is before that of this machine."""
    shown = re.search(r"(\d\d:\d\d:\d\d)\.\d{3} UTC \w{3} (\w{3} \d\d \d{4})", switch.run("show clock"))
    at = datetime.datetime.strptime(f"{shown[1]} {shown[2]}", "%H:%M:%S %b %d %Y").replace(tzinfo=datetime.UTC)
    return at.timestamp() - time.time()


def logging(lab):
    port, closed = free_port(), free_port()
    rsyslog, log = start_rsyslog(lab, port)
    switch = lab.start_switch("logs", "--syslog-port", port, "--interface", f"loopback9={SOURCE}")

    def heard(pattern):
        return until(f"no {pattern!r} in {log}", lambda: log.exists() and re.search(pattern, log.read_text(), re.M))

    switch.run("configure terminal", "hostname leaf", "interface loopback9", f"ip address {SOURCE}/32", "exit",
               "logging source-interface loopback9", "logging server 127.0.0.1 6 use-vrf default facility local3",
               f"logging server 127.77.1.8 6 use-vrf default port {closed}", "license smart transport smart", "end")
    # In the form of NX-OS, from the address of the source interface.
    heard(rf"^{SOURCE}\|0\|local3\|notice\|.*\|<157>leaf: \d{{4}} \w{{3}} [ \d]\d [\d:]{{8}} UTC: %VSHD-5-VSHD_SYSLOG_CONFIG_I: ")
    switch.run("license smart sync all")
    heard(r"\|err\|.*\|<155>leaf: .*: %LICMGR-3-LOG_SMART_LIC_COMM_FAILED: ")
    # In that of RFC 5424, taken apart by rsyslogd.
    switch.run("configure terminal", "logging rfc-strict 5424", "end")
    heard(rf"^{SOURCE}\|1\|local3\|notice\|leaf\|VSHD\|VSHD_SYSLOG_CONFIG_I\|<157>1 \d{{4}}-\d\d-\d\dT[\d:]{{8}}Z leaf VSHD - ")
    # One that nobody listens at is told, and holds up nothing.
    shown = switch.wait("show logging server", r"\{127.77.1.8\}\n +This server is temporarily unreachable\n +.*refused")
    assert "unreachable" not in shown.split("{127.77.1.8}")[0], shown
    # One that ends and comes again gets what is said from then on.
    rsyslog.terminate()
    rsyslog.wait()
    for _ in range(3):
        switch.run("configure terminal", "end")
    switch.wait("show logging server", r"\{127.0.0.1\}\n +This server is temporarily unreachable")
    start_rsyslog(lab, port)
    switch.run("configure terminal", "hostname again", "end", "configure terminal", "end")
    heard(r"\|again\|VSHD\|")
    # A source interface that is down lets nothing out, which is shown.
    switch.run("configure terminal", "interface loopback9", "shutdown", "end")
    switch.run("configure terminal", "hostname unheard", "end", "configure terminal", "end")
    switch.wait("show logging server", "Source interface loopback9 is down")
    assert "Configured from vty" in switch.run("show logging last 5")
    assert "unheard" not in log.read_text()


def clock(lab):
    port = free_port(CHRONY)
    start_chrony(lab, port)
    silent = start_liar(SILENT, port, lambda _: [])
    junk = start_liar(JUNK, port, lambda question: [
        b"", b"junk", bytes(48), bytes(1000), answer(question, 7_200, origin=b"elsewise"), question])
    future = start_liar(FUTURE, port, lambda question: [answer(question, 10 * 365 * 86_400)])
    switch = lab.start_switch("time", "--ntp-port", port)
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=3)
    switch.run(at.strftime("clock set %H:%M:%S %d %b %Y"))
    assert seconds_off(switch) > 10_000
    # Alone they are waited for, and change nothing.
    switch.run("configure terminal", f"ntp server {SILENT}", f"ntp server {JUNK}", "end")
    shown = switch.wait("show ntp status", rf"{JUNK}: Timeout[^$]*{SILENT}: Timeout|{SILENT}: Timeout[^$]*{JUNK}: Timeout")
    assert "Clock state : unsynchronized\n" in shown, shown
    assert silent and junk and seconds_off(switch) > 10_000
    # A real one sets the clock, whatever the two say.
    switch.run("configure terminal", f"ntp server {CHRONY} prefer", "end")
    switch.wait("show logging", r"%NTP-6-NTP_SYSLOG_LOGGING: System clock has been updated, offset= -1\d{4}\.\d{6} sec")
    assert abs(seconds_off(switch)) < 2, seconds_off(switch)
    shown = switch.wait("show ntp peer-status", rf"\*{CHRONY} +0\.0\.0\.0 +8 +64 +[1-7]\d* +0\.\d{{5}} default")
    assert f"\n={SILENT} " in shown and "Total peers : 3\n" in shown, shown
    offset = re.search(r"Offset : (-?\d+\.\d+) sec", switch.wait("show ntp status", "Offset : "))
    assert abs(float(offset[1])) < 0.128, offset
    assert "Time source is NTP" in switch.run("show clock")
    # One that is ten years off is not followed, preferred or not.
    switch.run("configure terminal", f"ntp server {FUTURE} prefer", "end")
    switch.wait("show ntp status", f"Not followed : {FUTURE}: it is more than 1000 sec off")
    assert future and abs(seconds_off(switch)) < 2
    # What the clock was set by is kept over a restart.
    switch.process.terminate()
    switch.process.wait(20)
    assert abs(seconds_off(lab.start_switch("time", "--ntp-port", port))) < 2


with Lab() as lab:
    logging(lab)
    clock(lab)
done("around")
