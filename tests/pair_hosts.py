"""Two supervisors on two hosts with a witness: who is cut off stops to speak before the other begins, one that misses what was
answered for never takes over by itself, and forced it says what is missing. Bad peers are told and turned away."""

import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

from lab import RUMLINE, Lab, done
from pair import SERIALS, Chassis, free_port


class Wire:
    """A wire that can be cut, between a port of its own and another one."""

    def __init__(self):
        self.port, self.target, self.is_cut, self.ends = free_port(), None, False, []
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.server.accept()
            if self.is_cut or self.target is None:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), 2)
            except OSError:
                near.close()
                continue
            self.ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    def carry(self, source, sink):
        try:
            while data := source.recv(65_536):
                if self.is_cut:
                    # As on a wire: nothing arrives, and nobody is told.
                    continue
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def cut(self):
        self.is_cut = True

    def mend(self):
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.ends, self.is_cut = [], False


class Hosts(Chassis):
    """Each supervisor has a folder, a wire to the witness and one to the other of its own."""

    def __init__(self, lab):
        super().__init__(lab)
        self.folders = {slot: lab.dir / f"host-{slot}" for slot in SERIALS}
        self.to_witness = {slot: Wire() for slot in SERIALS}
        self.links = {slot: free_port() for slot in SERIALS}
        self.dir = lab.dir / "witness"
        self.https = {slot: free_port() for slot in SERIALS}

    def witness(self, port=0):
        self.witness_process, line = self.lab.start(
            "the witness listens on ", "witness", "--chassis", self.dir, "--listen", f"127.0.0.1:{port}")
        for wire in self.to_witness.values():
            wire.target = int(line.rsplit(":", 1)[1])
        for folder in self.folders.values():
            folder.mkdir(exist_ok=True)
            for name in ("link.der", "link.key"):
                shutil.copy(self.dir / name, folder / name)

    def start(self, slot, *options):
        self.logs[slot] = open(self.lab.dir / f"supervisor-{slot}.log", "a")
        self.processes[slot] = subprocess.Popen(
            [RUMLINE, "switch", "--pid", "N9K-C9504", "--serial", SERIALS[slot], "--chassis", self.folders[slot], "--slot",
             str(slot), "--ssh", f"127.0.0.1:{self.consoles[slot]}", "--management", f"127.0.0.1:{self.management}",
             "--nxapi-http", f"127.0.0.1:{self.http}", "--nxapi-https", f"127.0.0.1:{self.https[slot]}", "--startup-config",
             self.config, "--root", self.lab.dir / "cssm/root.pem", "--admin-password-file", self.password_file, "--link",
             f"127.0.0.1:{self.links[slot]}", "--witness", f"127.0.0.1:{self.to_witness[slot].port}", *options],
            stdout=self.logs[slot], stderr=self.logs[slot])
        self.lab.processes.append(self.processes[slot])


def answers(chassis, seconds=20):
    end = time.monotonic() + seconds
    while not chassis.command("show clock"):
        assert time.monotonic() < end, chassis.log()
        time.sleep(0.05)


def speaks(port):
    """Whether a supervisor lets anybody in at its own address."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def bad_peers(chassis, active):
    """What is no supervisor of this chassis is told, costs little and changes nothing."""
    port = chassis.links[active]
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.settimeout(5)
        plain.recv(100)
    # Another chassis has another key.
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as tcp:
        try:
            with stranger.wrap_socket(tcp) as tls:
                tls.sendall(b"\0" * 64)
                assert tls.recv(100) == b"", "it was let in without the key of the chassis"
        except (ssl.SSLError, OSError):
            pass
    # One with the key that speaks nonsense, a length that no message has, and another version.
    own = ssl.create_default_context(cadata=(chassis.dir / "link.der").read_bytes())
    own.check_hostname = False
    own.verify_flags &= ~ssl.VERIFY_X509_STRICT
    pem = chassis.lab.dir / "link.pem"
    key = subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", chassis.dir / "link.key"], capture_output=True, check=True)
    pem.write_bytes(ssl.DER_cert_to_PEM_cert((chassis.dir / "link.der").read_bytes()).encode() + key.stdout)
    own.load_cert_chain(pem)
    udi = '{"udi_pid":"N9K-C9504","udi_serial_number":"X"}'
    old = f'{{"word":"here","version":0,"slot":2,"udi":{udi},"release":"10.4(3)F"}}'.encode()
    for said, told in ((b"\xff" * 64, ""), (b"\0\0\0\5\0\0\0\0hello", ""),
                       (len(old).to_bytes(4) + b"\0\0\0\0" + old, "speaks version 0")):
        with socket.create_connection(("127.0.0.1", port), 5) as tcp, own.wrap_socket(tcp, server_hostname="chassis") as tls:
            tls.settimeout(5)
            tls.sendall(said)
            heard = b""
            try:
                while data := tls.recv(4_096):
                    heard += data
            except (ssl.SSLError, OSError):
                pass
            assert told in heard.decode(errors="replace"), (said, heard)
    assert chassis.standing()["whole"] == [1, 2], chassis.standing()


with Lab("--requests-per-hour", "0") as lab:
    chassis = Hosts(lab)
    chassis.witness()
    chassis.start(1)
    chassis.until(lambda standing: standing["active"] == 1, "nobody is active")
    chassis.start(2)
    chassis.until_whole()
    answers(chassis)
    bad_peers(chassis, 1)
    assert chassis.command("configure terminal", "feature bgp")
    # A witness that is away for a moment is no reason to stop.
    port = chassis.to_witness[1].target
    chassis.witness_process.kill()
    chassis.witness_process.wait()
    chassis.witness(port)
    assert chassis.command("configure terminal", "feature itd")
    chassis.until_whole()
    # The active one is cut off from witness and mate: it stops to speak before the other begins.
    for wire in (chassis.to_witness[1],):
        wire.cut()
    chassis.processes[1].send_signal(19)
    chassis.until(lambda standing: standing["active"] == 2, "the other did not take over", 30)
    chassis.processes[1].send_signal(18)
    chassis.to_witness[1].mend()
    end = time.monotonic() + 15
    while "does not let this supervisor speak any more" not in chassis.log():
        assert time.monotonic() < end, chassis.log()
        time.sleep(0.05)
    answers(chassis)
    shown = chassis.switch().run("show running-config")
    assert "feature bgp" in shown and "feature itd" in shown, shown
    chassis.until_whole()
    # Cut off from the witness alone: it stops by itself, and the other one goes on.
    chassis.to_witness[2].cut()
    chassis.until(lambda standing: standing["active"] == 1, "the other did not take over", 30)
    chassis.to_witness[2].mend()
    answers(chassis)
    chassis.until_whole()
    # One that misses what was answered for does not take over, however long nobody speaks.
    chassis.kill(2)
    chassis.until(lambda standing: standing["whole"] == [1], "it was not noticed")
    assert chassis.command("configure terminal", "feature ospf")
    chassis.kill(1)
    chassis.start(2)
    time.sleep(8)
    assert chassis.standing()["active"] == 1 and not speaks(chassis.http), chassis.log()
    # A person says so: what is missing is gone, and it says that.
    chassis.processes[2].terminate()
    chassis.processes[2].wait()
    chassis.start(2, "--force-active")
    chassis.until(lambda standing: standing["active"] == 2, "it was told to")
    answers(chassis)
    shown = chassis.switch().run("show running-config")
    assert "feature ospf" not in shown, shown
    chassis.start(1)
    chassis.until_whole()
done("pair_hosts")
