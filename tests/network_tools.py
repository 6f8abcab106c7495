#!/usr/bin/env python3
"""Copies, ping and traceroute by the way of a VRF: over loopback with an address of its own, and out of a network name space over a
router. The servers are tftpd, OpenSSH and nginx, and some that do not do as they should (PI-CLI-023, PI-CLI-031, PI-CLI-032)."""

import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import paramiko
from lab import RUMLINE, Switch, done

FILE_MB_MAX = 8
OVER_MB_MAX = 4
SPACE, ROUTER = f"rl{os.getpid()}a", f"rl{os.getpid()}b"
# The name space has the first, the router the next two, this machine the last.
INSIDE, NEAR, FAR, HERE = "10.213.7.2", "10.213.7.1", "10.213.8.1", "10.213.8.2"
USER, PASSWORD = "carol", "S3cret-of-carol"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def build_network():
    """SPACE - ROUTER - here."""
    for name in (SPACE, ROUTER):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", SPACE, "link", "add", "up0", "type", "veth", "peer", "name", "down0", "netns", ROUTER)
    ip("-n", ROUTER, "link", "add", "up1", "type", "veth", "peer", "name", f"{SPACE}0", "netns", str(os.getpid()))
    for name, link, address in ((SPACE, "up0", INSIDE), (ROUTER, "down0", NEAR), (ROUTER, "up1", FAR)):
        ip("-n", name, "address", "add", f"{address}/24", "dev", link)
        ip("-n", name, "link", "set", link, "up")
    ip("address", "add", f"{HERE}/24", "dev", f"{SPACE}0")
    ip("link", "set", f"{SPACE}0", "up")
    ip("route", "add", "10.213.7.0/24", "via", FAR)
    ip("-n", SPACE, "route", "add", "default", "via", NEAR)
    subprocess.run(["ip", "netns", "exec", ROUTER, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], check=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end, f"nobody listens on {port}"
            time.sleep(0.1)


class Servers:
    """tftpd, sshd with a user of its own, nginx: all serve the same folder."""

    def __init__(self, directory):
        self.dir, self.processes = directory, []
        self.files = directory / "files"
        self.files.mkdir()
        for folder in (directory, self.files):
            folder.chmod(0o777)
        self.tftp, self.ssh, self.http, self.https = (free_port() for _ in range(4))
        self.run(["in.tftpd", "-L", "--address", f"0.0.0.0:{self.tftp}", "--create", "--permissive", "--secure", "--user", "root",
                  str(self.files)])
        self.start_sshd()
        self.start_nginx()

    def run(self, command):
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def start_sshd(self):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / "hostkey"], check=True)
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True).stdout.strip()
        # Only the server sees this user.
        passwd, shadow = self.dir / "passwd", self.dir / "shadow"
        uid, gid = os.getuid(), os.getgid()
        passwd.write_text(pathlib.Path("/etc/passwd").read_text() + f"{USER}:x:{uid}:{gid}::{self.dir}:/bin/sh\n")
        shadow.write_text(pathlib.Path("/etc/shadow").read_text() + f"{USER}:{hashed}:19000:0:99999:7:::\n")
        config = self.dir / "sshd_config"
        config.write_text(f"Port {self.ssh}\nHostKey {self.dir}/hostkey\nPidFile none\nUsePAM no\nPermitRootLogin yes\n"
                          "PasswordAuthentication yes\nStrictModes no\nSubsystem sftp internal-sftp\n")
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        script = (f"mount --bind {passwd} /etc/passwd && mount --bind {shadow} /etc/shadow && "
                  f"exec /usr/sbin/sshd -D -f {config}")
        self.run(["unshare", "-m", "sh", "-c", script])
        wait_for(self.ssh)

    def start_nginx(self):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        root = ["-x509", "-subj", "/CN=root", "-keyout", self.dir / "root.key", "-out", self.dir / "root.pem"]
        leaf = ["-CA", self.dir / "root.pem", "-CAkey", self.dir / "root.key", "-subj", "/CN=files", "-addext",
                "basicConstraints=CA:FALSE", "-addext", "subjectAltName=DNS:files", "-keyout", self.dir / "web.key", "-out",
                self.dir / "web.pem"]
        for certificate in (root, leaf):
            subprocess.run(["openssl", "req", *key, *certificate], check=True, capture_output=True)
        config = self.dir / "nginx.conf"
        config.write_text(f"""
daemon off; user root; pid {self.dir}/nginx.pid; error_log {self.dir}/nginx.log;
events {{}}
http {{
  access_log {self.dir}/access.log; client_body_temp_path {self.dir}/body; proxy_temp_path {self.dir}/proxy;
  fastcgi_temp_path {self.dir}/fastcgi; uwsgi_temp_path {self.dir}/uwsgi; scgi_temp_path {self.dir}/scgi;
  server {{
    listen {self.http}; listen {self.https} ssl;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {self.dir}/web.pem; ssl_certificate_key {self.dir}/web.key;
    root {self.files}; dav_methods PUT; client_max_body_size 64m;
  }}
}}
""")
        self.run(["nginx", "-c", str(config)])
        wait_for(self.http)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)


class Bench:
    def __init__(self, directory):
        self.dir = directory

    def start_switch(self, name, *options, within=()):
        password = self.dir / f"{name}.password"
        command = [*within, RUMLINE, "switch", "--dir", self.dir / name, "--ssh", "127.0.0.1:0", "--admin-password-file", password,
                   *options]
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        line = next(line for line in process.stdout if "ssh admin@" in line)
        return Switch(self, name, process, int(line.split()[-1]), password.read_text().strip())


class Shell:
    """A person at a terminal."""

    def __init__(self, switch):
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self.client.connect("127.0.0.1", switch.port, "admin", switch.password, allow_agent=False, look_for_keys=False)
        self.channel = self.client.invoke_shell(width=200, height=1_000)
        self.until(r"# $")

    def until(self, pattern, seconds=120):
        self.channel.settimeout(seconds)
        shown = ""
        while not re.search(pattern, shown):
            piece = self.channel.recv(4096)
            assert piece, shown
            shown += piece.decode("ascii")
        return shown

    def copy(self, source, target):
        """A copy over SSH: whoever asks has an answer."""
        self.channel.send(f"copy {source} {target}\r")
        shown = self.until(r"\(yes/no\)\? $|Password: $|# $")
        if "(yes/no)" in shown:
            self.channel.send("yes\r")
            shown = self.until(r"Password: $|# $")
        if shown.endswith("Password: "):
            self.channel.send(PASSWORD + "\r")
            shown += self.until(r"# $")
        return shown


def rss_mb(switch):
    status = pathlib.Path(f"/proc/{switch.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def grown_mb(switch, work):
    """By how much the switch grew at most while something was done."""
    before, peak, ended = rss_mb(switch), [0.0], threading.Event()

    def watch():
        while not ended.wait(0.005):
            peak[0] = max(peak[0], rss_mb(switch))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        told = work()
    finally:
        ended.set()
        watcher.join()
    return peak[0] - before, told


def tftp_server(says):
    """A server that says what it is told to each packet; its port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve():
        while True:
            packet, peer = server.recvfrom(600)
            code, number = struct.unpack("!HH", packet[:4])
            for said in says(number + 1 if code == 4 else 1):
                server.sendto(said, peer)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def web_server(head, piece):
    """A server that answers with a head and then with a piece, again and again if it is to; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(head)
                try:
                    while piece:
                        peer.sendall(piece)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def real_servers(switch, servers, vrf, host):
    """Each kind there and back, byte by byte."""
    content = os.urandom(300_000)
    (switch.flash / "file.bin").write_bytes(content)
    behind = f"vrf {vrf}" if vrf else ""
    # A name of the switch: the certificate is for it, and no other resolver knows it.
    switch.run("configure terminal", "no ip host files", f"ip host files {host}", "end")
    ssh_host = f"{USER}@files:{servers.ssh}{servers.files}"
    shell = Shell(switch)
    for kind, url in (("tftp", f"tftp://files:{servers.tftp}/"), ("http", f"http://files:{servers.http}/"),
                      ("https", f"https://files:{servers.https}/"), ("scp", f"scp://{ssh_host}/"), ("sftp", f"sftp://{ssh_host}/")):
        name = f"{kind}-{vrf}.bin"
        put = shell.copy("bootflash:file.bin", f"{url}{name} {behind}")
        assert "Copy complete." in put, (kind, put)
        assert (servers.files / name).read_bytes() == content, kind
        got = shell.copy(f"{url}{name}", f"bootflash:{name} {behind}")
        assert "Copy complete." in got, (kind, got)
        assert (switch.flash / name).read_bytes() == content, kind
        missing = shell.copy(f"{url}none.bin", f"bootflash:none.bin {behind}")
        assert "% Copy failed: " in missing and not (switch.flash / "none.bin").exists(), (kind, missing)
        print(f"{kind}, vrf {vrf or '-'}: {missing.split('Copy failed: ')[1].splitlines()[0]}")
    wrong = switch.run(f"copy tftp://files:{servers.tftp}/x bootflash:x vrf nowhere")
    assert wrong == "% Copy failed: VRF nowhere does not exist\n", wrong


def bad_servers(switch, servers):
    """What stops half-way leaves nothing, what does not end is ended, and nothing reaches a terminal as it came."""
    def block(number):
        return struct.pack("!HH", 3, number & 0xFFFF) + b"x" * 512

    half = tftp_server(lambda number: [block(number)] if number < 4 else [])
    told = switch.run(f"copy tftp://127.0.0.1:{half}/x bootflash:half")
    assert told == "% Copy failed: Connection timed out\n", told
    short = web_server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort", b"")
    told = switch.run(f"copy http://127.0.0.1:{short}/x bootflash:half")
    assert told.startswith("% Copy failed: "), told
    codes = tftp_server(lambda _: [struct.pack("!HH", 5, 1) + b"\x1b[2J\x1b]0;evil\x07no \xff\r\nreload" + b"x" * 300 + b"\0"])
    shell = Shell(switch)
    told = shell.copy(f"tftp://127.0.0.1:{codes}/x", "bootflash:half")
    last = told.split("% Copy failed: ")[1]
    assert "\x1b" not in last and "\x07" not in last and len(last.splitlines()[0]) <= 200, told
    assert not (switch.flash / "half").exists()
    # One that takes its time shows how far it is, and then what any other shows.
    def slowly(number):
        time.sleep(0.3)
        return [struct.pack("!HH", 3, number) + b"x" * (512 if number < 8 else 3)]

    told = shell.copy(f"tftp://127.0.0.1:{tftp_server(slowly)}/x", "bootflash:slow")
    assert re.search(r"\r\[#\s+\] +\d+\.\d\dKB\r", told) and "\r\nTrying to connect to tftp server......\r\n" in told, told
    assert (switch.flash / "slow").stat().st_size == 7 * 512 + 3
    # The first of each has made what stays.
    endless = tftp_server(lambda number: [block(number)])
    chunked = web_server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
    told_large = web_server(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", b"x" * 0x8000)
    sources = [f"tftp://127.0.0.1:{endless}/x", f"http://127.0.0.1:{chunked}/x", f"http://127.0.0.1:{told_large}/x",
               f"sftp://{USER}@127.0.0.1:{servers.ssh}/dev/zero"]
    shell.copy(f"sftp://{USER}@127.0.0.1:{servers.ssh}{servers.files}/tftp-.bin", "bootflash:again")
    for source in sources:
        grown, told = grown_mb(switch, lambda source=source: shell.copy(source, "bootflash:endless"))
        assert f"The file is larger than {FILE_MB_MAX} MB" in told, (source, told)
        assert grown < FILE_MB_MAX + OVER_MB_MAX, f"{source}: the switch grew by {grown:.1f} MB"
        print(f"endless {source.split(':')[0]}: the switch grew by {grown:.1f} MB")
    assert not (switch.flash / "endless").exists()


def probes(switch):
    """ping and traceroute in the name space and on loopback."""
    told = switch.run(f"ping {HERE} vrf blue")
    lines = told.splitlines()
    assert lines[0] == f"PING {HERE} ({HERE}): 56 data bytes", told
    for number in range(5):
        assert re.fullmatch(rf"64 bytes from {HERE}: icmp_seq={number} ttl=63 time=[\d.]+ ms", lines[1 + number]), told
    assert lines[6:9] == ["", f"--- {HERE} ping statistics ---", "5 packets transmitted, 5 packets received, 0.00% packet loss"], told
    assert re.fullmatch(r"round-trip min/avg/max = [\d.]+/[\d.]+/[\d.]+ ms", lines[9]), told
    # Nobody is there, and there is no way to there.
    told = switch.run("ping 10.213.7.77 vrf blue count 1 timeout 1")
    assert "Request 0 timed out" in told and "1 packets transmitted, 0 packets received, 100.00% packet loss" in told, told
    subprocess.run(["ip", "-n", SPACE, "route", "del", "default"], check=True)
    told = switch.run(f"ping {HERE} vrf blue count 1")
    assert f"ping: sendto {HERE} 64 chars, No route to host\nRequest 0 timed out\n" in told, told
    ip("-n", SPACE, "route", "add", "default", "via", NEAR)
    told = switch.run("ping 127.0.0.1 count 2 packet-size 1000 source 127.0.0.9")
    assert told.startswith("PING 127.0.0.1 (127.0.0.1) from 127.0.0.9: 1000 data bytes\n1008 bytes from"), told
    assert switch.run("ping no.such.host.invalid") == "% Invalid host/interface no.such.host.invalid\n"
    told = switch.run("ping6 ::1 count 1")
    assert re.search(r"PING6 ::1 \(::1\): 56 data bytes\n64 bytes from ::1: icmp_seq=0 time=", told), told
    told = switch.run(f"traceroute {HERE} vrf blue")
    lines = told.splitlines()
    assert lines[0] == f"traceroute to {HERE} ({HERE}), 30 hops max, 40 byte packets", told
    for number, hop in ((1, NEAR), (2, HERE)):
        assert re.fullmatch(rf" {number}  {hop} \({hop}\)(  [\d.]+ ms){{3}}", lines[number]), told
    assert len(lines) == 3, told
    assert re.search(r"\n 1  ::1 \(::1\)  [\d.]+ ms", told := switch.run("traceroute6 ::1")), told
    print("probes: passed")


def without_rights(switch):
    """Whoever has no right to ICMP is told so, and sees what can be seen."""
    told = switch.run("ping 127.0.0.1 count 2")
    assert told.startswith("ICMP is not permitted to this process: a closed UDP port is asked instead\nPING 127.0.0.1 "), told
    assert re.search(r"\n64 bytes from 127\.0\.0\.1: icmp_seq=1 time=[\d.]+ ms\n", told), told
    told = switch.run("traceroute 127.0.0.1")
    assert told.startswith("ICMP is not permitted") and re.search(r"\n 1  127\.0\.0\.1 \(127\.0\.0\.1\)  ", told), told
    # Where the machine lets everybody send echoes, they are sent.
    allow = "echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range"
    subprocess.run(["ip", "netns", "exec", SPACE, "sh", "-c", allow], check=True)
    told = switch.run(f"ping {HERE} vrf blue count 1")
    assert re.match(rf"PING {HERE} .*\n64 bytes from {HERE}: icmp_seq=0 time=[\d.]+ ms\n", told), told
    print("without rights: passed")


def main():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="rumline-test-"))
    build_network()
    servers, switches = None, []
    try:
        servers = Servers(directory)
        bench = Bench(directory)
        switches.append(switch := bench.start_switch(
            "sw", "--vrf", "management=addr:127.0.0.1", "--vrf", f"blue=netns:{SPACE}", "--tls-root", servers.dir / "root.pem"))
        switch.run("configure terminal", "vrf context blue", "end")
        probes(switch)
        # Root keeps what it needs to enter the name space.
        within = ["setpriv", "--bounding-set", "-net_raw"]
        switches.append(lesser := bench.start_switch("lesser", "--vrf", f"blue=netns:{SPACE}", within=within))
        lesser.run("configure terminal", "vrf context blue", "end")
        without_rights(lesser)
        real_servers(switch, servers, "", "127.0.0.1")
        real_servers(switch, servers, "blue", HERE)
        came_from = (directory / "access.log").read_text()
        assert came_from.count(INSIDE) >= 4 and "127.0.0.1" in came_from, came_from
        bad_servers(switch, servers)
    finally:
        for switch in switches:
            switch.process.terminate()
            switch.process.wait(20)
        if servers:
            servers.stop()
        for name in (SPACE, ROUTER):
            subprocess.run(["ip", "netns", "del", name], check=False)
        shutil.rmtree(directory, ignore_errors=True)
    done("network_tools")


if __name__ == "__main__":
    main()
