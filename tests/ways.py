"""Licensing messages leave where the configuration says: by which VRF, from which address, through which proxy, with which
TLS. VRFs are name spaces with a wire of their own to a network in which servers and a squid listen."""

import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import time

from documents import alone
from lab import Lab, done

NETWORK = "rumline-net"
# Each VRF: its name space (none: the machine's own), and the number of its network.
VRFS = {"management": ("rumline-mgmt", 1), "other": ("rumline-other", 2), "default": (None, 3)}
RELEASES = ("10.2(1)F", "10.3(2)F", "10.3(3)F", "10.4(3)F")
BACK = ["no license smart transport", "no license smart url smart", "no license smart url cslu",
        "no license smart vrf", "no license smart source-interface", "no license smart proxy address",
        "no license smart proxy port"]

# What listens in the network: each connection is told, with its TLS and what it begins with.
SERVER = r"""
import json, os, socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])

def hear(stream, peer, port):
    tls, line = None, ""
    try:
        stream.settimeout(10)
        if port == 8443:
            stream = context.wrap_socket(stream, server_side=True)
            tls = stream.version()
        line = stream.recv(65536).split(b"\r\n")[0].decode()
        stream.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        stream.close()
    except OSError as error:
        line = str(error)
    tell(json.dumps({"peer": peer[0].removeprefix("::ffff:"), "port": port, "tls": tls, "line": line}))

# In one piece: two that print at a time mix their lines.
def tell(line):
    os.write(1, f"{line}\n".encode())

def listen(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    tell("up")
    while True:
        stream, peer = listener.accept()
        threading.Thread(target=hear, args=(stream, peer, port)).start()

for port in (8182, 8443):
    threading.Thread(target=listen, args=(port,)).start()
"""

SQUID = """
http_port 0.0.0.0:3128
http_port [::]:3129
acl to_servers port 8443 8182
http_access allow to_servers
cache deny all
logformat rumline %>a %rm %ru %>Hs
access_log stdio:{log} rumline
pid_filename {folder}/squid.pid
cache_log /dev/null
coredump_dir {folder}
shutdown_lifetime 1 seconds
pinger_enable off
"""


def ip(*words, space=None):
    inside = ["-n", space] if space else []
    subprocess.run(["ip", *inside, *words], check=True)


def wire():
    """The name spaces and the wires between them."""
    ip("netns", "add", NETWORK)
    ip("link", "set", "lo", "up", space=NETWORK)
    for space, number in VRFS.values():
        near, far = f"rml{number}", f"rmlnet{number}"
        if space:
            ip("netns", "add", space)
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", NETWORK)
        if space:
            ip("link", "set", near, "netns", space)
            ip("link", "set", "lo", "up", space=space)
        for host in (1, 11):
            ip("address", "add", f"10.99.{number}.{host}/24", "dev", near, space=space)
            # The second one is there to be asked for: nothing comes from it by itself.
            unasked = ["preferred_lft", "0"] if host == 11 else []
            ip("address", "add", f"fd99:{number}::{host}/64", "dev", near, "nodad", *unasked, space=space)
        ip("address", "add", f"10.99.{number}.9/24", "dev", far, space=NETWORK)
        ip("address", "add", f"fd99:{number}::9/64", "dev", far, "nodad", space=NETWORK)
        ip("link", "set", near, "up", space=space)
        ip("link", "set", far, "up", space=NETWORK)


def unwire():
    for space in (NETWORK, *(space for space, _ in VRFS.values() if space)):
        subprocess.run(["ip", "netns", "delete", space], stderr=subprocess.DEVNULL, check=False)


def certificate(folder):
    names = ",".join(f"IP:10.99.{number}.9,IP:fd99:{number}::9" for _, number in VRFS.values())
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
         folder / "server.pem", "-days", "2", "-subj", "/CN=server", "-addext", f"subjectAltName={names}",
         "-addext", "basicConstraints=CA:FALSE"], check=True, stderr=subprocess.DEVNULL)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "server.pem").read_bytes())
    return folder / "server.pem", both


def in_network(lab, *command):
    process = subprocess.Popen(["ip", "netns", "exec", NETWORK, *map(str, command)], stdout=subprocess.PIPE, text=True)
    lab.processes.append(process)
    return process


def cells(release):
    """What is permitted on the wire, a cell for each class."""
    for transport in ("smart", "cslu", "callhome"):
        for through in ("direct", "proxy") if transport != "cslu" else ("direct",):
            for family in ("ipv4", "ipv6") if transport == "callhome" else ("ipv4",):
                for vrf in VRFS:
                    if vrf != "management" and transport != "callhome" and release < "10.3(2)":
                        continue
                    for source in (False, True):
                        since = "10.3(2)" if transport == "callhome" else "10.3(3)"
                        if source and (release < since or (transport, through) == ("callhome", "proxy")):
                            continue
                        yield transport, through, family, vrf, source


def lines(cell):
    transport, through, family, vrf, source = cell
    number = VRFS[vrf][1]
    host = f"10.99.{number}.9" if family == "ipv4" else f"[fd99:{number}::9]"
    interface = f"Ethernet1/{number}"
    typed = [f"license smart transport {transport}"]
    if transport == "callhome":
        typed += ["callhome", "email-contact lab@example.net", "enable",
                  f"destination-profile xml index 1 http https://{host}:8443/its"]
        if vrf != "management":
            typed.append(f"transport http use-vrf {vrf}")
        if source:
            typed.append(f"source-interface {interface}")
        if through == "proxy":
            proxy = f"10.99.{number}.9 port 3128" if family == "ipv4" else f"fd99:{number}::9 port 3129"
            typed += [f"transport http proxy server {proxy}", "transport http proxy enable"]
        return [*typed, "exit"]
    typed.append(f"license smart url smart https://{host}:8443/licservice/license" if transport == "smart"
                 else f"license smart url cslu http://{host}:8182/cslu/v1/pi")
    if vrf != "management":
        typed.append(f"license smart vrf {vrf}")
    if source:
        typed.append(f"license smart source-interface {interface}")
    if through == "proxy":
        typed += [f"license smart proxy address 10.99.{number}.9", "license smart proxy port 3128"]
    return typed


def look(lab, switch, release, heard, squid_log):
    token = lab.new_token()
    count, before = 0, None
    for cell in cells(release):
        transport, through, family, vrf, source = cell
        number = VRFS[vrf][1]
        trigger = "license smart sync all" if transport == "cslu" else f"license smart trust idtoken {token} all force"
        while not heard.empty():
            heard.get()
        proxied = len(squid_log.read_text().splitlines()) if squid_log.exists() else 0
        back = [*BACK, "no callhome"] if before == "callhome" else BACK
        output = switch.run("configure terminal", *back, *lines(cell), "end", trigger)
        before = transport
        assert "%" not in output and "nvalid" not in output, (cell, output)
        try:
            found = heard.get(timeout=20)
        except queue.Empty:
            raise AssertionError(f"{release} {cell}: nobody came\n{switch.run('show logging')}") from None
        own = f"10.99.{number}.{11 if source else 1}" if family == "ipv4" else f"fd99:{number}::{11 if source else 1}"
        net = f"10.99.{number}.9" if family == "ipv4" else f"fd99:{number}::9"
        tls = None if transport == "cslu" else "TLSv1.3" if release >= "10.4(3)" else "TLSv1.2"
        assert found["tls"] == tls, (release, cell, found)
        if through == "direct":
            assert found["peer"] == own, (release, cell, found)
        else:
            assert found["peer"] == net, (release, cell, found)
            end = time.monotonic() + 10
            while len(squid_log.read_text().splitlines()) == proxied:
                assert time.monotonic() < end, (release, cell, "squid tells nothing")
                time.sleep(0.05)
            client, method, target, _ = squid_log.read_text().splitlines()[-1].split()
            assert (client, method) == (own, "CONNECT"), (release, cell, client, method)
            assert target.endswith("9]:8443" if family == "ipv6" else ".9:8443"), target
        count += 1
    return count


def resident_mb(switch):
    status = pathlib.Path(f"/proc/{switch.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def main():
    unwire()
    wire()
    with Lab() as lab:
        server, both = certificate(lab.dir)
        program = lab.dir / "server.py"
        program.write_text(SERVER)
        servers = in_network(lab, sys.executable, program, both)
        told = [servers.stdout.readline() for _ in range(2)]
        assert told == ["up\n", "up\n"], told
        heard = queue.Queue()

        def hear():
            for line in servers.stdout:
                heard.put(json.loads(line))

        threading.Thread(target=hear, daemon=True).start()
        squid_folder = lab.dir / "squid"
        squid_folder.mkdir(mode=0o777)
        squid_folder.chmod(0o777)
        lab.dir.chmod(0o755)
        log = squid_folder / "access.log"
        (lab.dir / "squid.conf").write_text(SQUID.format(folder=squid_folder, log=log))
        in_network(lab, "squid", "-N", "-f", lab.dir / "squid.conf")
        bindings = []
        for vrf, (space, number) in VRFS.items():
            if space:
                bindings += ["--vrf", f"{vrf}=netns:{space}"]
            bindings += ["--interface", f"Ethernet1/{number}=10.99.{number}.11",
                         "--interface", f"Ethernet1/{number}=fd99:{number}::11"]
        total, idle, busy = 0, [], []
        for release in RELEASES:
            name = release.replace("(", "-").replace(")", "")
            switch = lab.start_switch(name, "--release", release, "--tls-root", server, *bindings)
            ports = []
            for vrf, (_, number) in VRFS.items():
                member = [f"vrf member {vrf}"] if vrf != "default" else []
                ports += [f"interface Ethernet1/{number}", "no switchport", *member,
                          f"ip address 10.99.{number}.11/24", f"ipv6 address fd99:{number}::11/64", "exit"]
            switch.run("configure terminal", "vrf context other", "exit", *ports, "feature bgp", "end")
            idle.append(resident_mb(switch))
            total += look(lab, switch, release, heard, log)
            busy.append(resident_mb(switch))
            switch.process.terminate()
        print(f"{total} classes on the wire; a switch with three VRFs has {max(idle):.1f} MB resident, "
              f"and {max(busy):.1f} MB after it spoke by all of them")
        assert total > 100, total
    unwire()


if __name__ == "__main__":
    if os.getuid() != 0:
        sys.exit("ways: name spaces need root")
    alone()
    try:
        main()
    finally:
        unwire()
    done("ways")
