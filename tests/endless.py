"""An answer that does not end grows a switch by a few megabytes, and a collector too (G-08): what stays is what it was."""

import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

from lab import Lab, done

SWITCH_MB_MAX, COLLECTOR_MB_MAX = 4, 16
ACCOUNT = {"smart_account": "Example", "virtual_account": "Default"}


def certificate(folder):
    """Of a server on loopback, and its root."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    root = ["-x509", "-subj", "/CN=root", "-keyout", folder / "r.key", "-out", folder / "r.pem"]
    leaf = ["-CA", folder / "r.pem", "-CAkey", folder / "r.key", "-subj", "/CN=endless", "-addext", "basicConstraints=CA:FALSE",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "e.key", "-out", folder / "e.pem"]
    for words in (root, leaf):
        subprocess.run(["openssl", "req", *key, *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "e.pem", folder / "e.key")
    return folder / "r.pem", context


def endless(tls=None):
    """A server that answers with a head and then goes on; its port, and how many bytes it got rid of."""
    server, sent = socket.create_server(("127.0.0.1", 0)), []

    def serve(peer):
        with peer:
            try:
                peer = tls.wrap_socket(peer, server_side=True) if tls else peer
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
                piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
                while True:
                    peer.sendall(piece)
                    sent.append(len(piece))
            except OSError:
                # The other side has had enough.
                pass

    def accept():
        while True:
            peer, _ = server.accept()
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1], sent


def resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def grown_mb(process, work):
    before, peak, ended = resident_mb(process), [0.0], threading.Event()

    def watch():
        while not ended.wait(0.002):
            peak[0] = max(peak[0], resident_mb(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        ended.set()
        watcher.join()
    return peak[0] - before


def wait(condition, what):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.05)


with Lab() as lab:
    port, sent = endless()
    switch = lab.start_switch("sw")
    # The first failure has made what stays.
    switch.run("configure terminal", "license smart url cslu http://127.0.0.1:1/cslu/v1/pi", "feature bgp", "end",
               "license smart sync all")
    switch.wait("show logging", "COMM_FAILED")

    def asked():
        switch.run("configure terminal", f"license smart url cslu http://127.0.0.1:{port}/cslu/v1/pi", "end", "license smart sync all")
        switch.wait("show logging", "The answer of the server is too large", 60)

    grown = grown_mb(switch.process, asked)
    print(f"switch: grew by {grown:.1f} MB at most, {sum(sent) / 2**20:.1f} MB were taken off the server")
    assert grown <= SWITCH_MB_MAX, grown
    assert "no-licensing" in switch.run("show license doctor")

    # A collector whose way to CSSM leads to the same.
    url, device_url, password = lab.start_collector("cslu", "--device-listen", "127.0.0.1:0")
    api = lab.connect("cslu", url, password, ACCOUNT)
    api("PUT", "/tenants/1/settings", {**ACCOUNT, "connected": False, "sync_minutes": 0})
    switch.run("configure terminal", f"license smart url cslu {device_url}", "end", "license smart sync all")
    wait(lambda: any(row["waiting"] for row in api("GET", "/tenants/1/product-instances")), "report that waits")
    process = lab.processes[-1]
    process.terminate()
    process.wait()
    root, tls = certificate(lab.dir)
    port, sent = endless(tls)
    process, line = lab.start(
        " listens on ", "cslu", "--dir", lab.dir / "cslu", "--listen", "127.0.0.1:0", "--cssm", f"https://127.0.0.1:{port}", "--root",
        root, "--device-listen", "127.0.0.1:0")
    api = lab.collector("cslu", line.split()[-1], password)

    def synchronized():
        api("PUT", "/tenants/1/settings", {**ACCOUNT, "connected": True, "sync_minutes": 0})
        api("POST", "/tenants/1/sync")
        wait(lambda: api("GET", "/tenants")[0]["sync_error"], "failure")

    grown = grown_mb(process, synchronized)
    print(f"collector: grew by {grown:.1f} MB at most, {sum(sent) / 2**20:.1f} MB were taken off the server")
    assert grown <= COLLECTOR_MB_MAX, grown
done("endless")
