"""A lab of real processes for end-to-end tests: a CSSM and a switch on loopback."""

import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

RUMLINE = os.environ["RUMLINE"]


class Lab:
    def __init__(self, *cssm_options, seed=0, account="Example"):
        """`seed` product instances make an estate, which comes before the account."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="rumline-test-"))
        self.processes = []
        self.cssm_options = cssm_options
        if seed:
            subprocess.run([RUMLINE, "cssm", "--dir", self.dir / "cssm", "seed-lab", "--instances", str(seed)],
                           stdout=subprocess.DEVNULL, check=True)
        self.start_cssm()
        self.ssl = ssl.create_default_context(cafile=str(self.dir / "cssm/root.pem"))
        password = (self.dir / "admin.password").read_text().strip()
        self.token = None
        self.token = self.call("POST", "/login", {"login": "admin", "password": password})["token"]
        if account:
            self.call("POST", "/smart-accounts", {"name": account, "domain": "example.net"})
        self.va = "/smart-accounts/1/virtual-accounts/1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, up, *arguments):
        process = subprocess.Popen([RUMLINE, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        for line in process.stdout:
            if up in line:
                return process, line.strip()
        raise AssertionError(f"{arguments} did not come up")

    def start_cssm(self, listen="127.0.0.1:0"):
        self.cssm, line = self.start(
            "CSSM listens on ", "cssm", "--dir", self.dir / "cssm", "--listen", listen,
            "--ack-delay-seconds", "1", "--admin-password-file", self.dir / "admin.password",
            *self.cssm_options)
        self.url = line.split()[-1]

    def start_switch(self, name="sw", *options):
        process, line = self.start(
            "ssh admin@", "switch", "--dir", self.dir / name, "--ssh", "127.0.0.1:0", "--root",
            self.dir / "cssm/root.pem", "--admin-password-file", self.dir / f"{name}.password", *options)
        port = int(line.split()[-1])
        password = (self.dir / f"{name}.password").read_text().strip()
        return Switch(self, name, process, port, password)

    def start_collector(self, kind, *options, listen="127.0.0.1:0"):
        """The URL of the pages of a `cslu` or an `onprem`, that of its devices, and its admin's password."""
        file = self.dir / f"{kind}.password"
        process, line = self.start(
            " listens on ", kind, "--dir", self.dir / kind, "--listen", listen, "--cssm", self.url,
            "--root", self.dir / "cssm/root.pem", "--label", "lab", "--admin-password-file", file, *options)
        return line.split()[-1], process.stdout.readline().split()[-1], file.read_text().strip()

    def call(self, method, path, body=None, raw=None):
        return call(self.url, self.ssl, self.token, method, path, body, raw)

    def collector(self, kind, url, password):
        """A function that calls the API of a collector, logged in."""
        context = ssl.create_default_context(cafile=str(self.dir / kind / "root.pem"))
        token = call(url, context, None, "POST", "/login", {"login": "admin", "password": password})["token"]
        return lambda method, path, body=None, raw=None: call(url, context, token, method, path, body, raw)

    def connect(self, kind, url, password, account, sync_minutes=0):
        """Gives a collector its account and logs it in to Cisco."""
        api = self.collector(kind, url, password)
        settings = {**account, "connected": True, "sync_minutes": sync_minutes}
        if kind == "onprem":
            api("POST", "/tenants", settings)
        else:
            api("PUT", "/tenants/1/settings", settings)
        cssm_password = (self.dir / "admin.password").read_text().strip()
        tenant = api("POST", "/tenants/1/cisco-login", {"login": "admin", "password": cssm_password})
        assert tenant["registered"], tenant
        return api

    def new_token(self):
        new = {"description": "test", "expires_after_days": 1, "uses_max": None}
        return self.call("POST", f"{self.va}/tokens", new)["value"]


def call(url, context, token, method, path, body=None, raw=None):
    data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
    request = urllib.request.Request(f"{url}/api/v1{path}", data, method=method)
    request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        content = answer.read()
    try:
        return json.loads(content)
    except ValueError:
        return content


def listening(process, kinds):
    """Where NX-API listens, as the switch says on its way."""
    found = {}
    for line in process.stdout:
        match = re.match(r"NX-API: (https?)://(\S+):(\d+)", line)
        if match:
            found[match[1]] = int(match[3])
        if len(found) == kinds:
            return found
    raise AssertionError("the switch ended")


class Switch:
    def __init__(self, lab, name, process, port, password):
        self.lab, self.name, self.process, self.port, self.password = lab, name, process, port, password
        self.flash = lab.dir / name / "bootflash"

    def run(self, *lines):
        """The output of lines given in one SSH command, by the system's own client."""
        command = [
            "sshpass", "-p", self.password, "ssh", "-o", "StrictHostKeyChecking=no", "-o",
            "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", str(self.port),
            "admin@127.0.0.1", "\n".join(lines)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        # 1 is a refused command, whose text the tests look at.
        assert done.returncode in (0, 1), done
        return done.stdout

    def connect_to_cssm(self):
        self.run("configure terminal", "license smart transport smart",
                 f"license smart url smart {self.lab.url}/licservice/license", "end",
                 "copy running-config startup-config",
                 f"license smart trust idtoken {self.lab.new_token()} all")
        self.wait("show logging", "TRUST_CODE_INSTALL_SUCCESS")

    def wait(self, command, pattern, seconds=20):
        end = time.monotonic() + seconds
        while True:
            try:
                output = self.run(command)
            except subprocess.CalledProcessError:
                output = ""
            if re.search(pattern, output):
                return output
            assert time.monotonic() < end, f"{command}: no {pattern!r} in:\n{output}"
            time.sleep(0.1)


def box(*keys):
    """Boxes of docs/clients.md that a test has just shown; `boxes.py` looks whether any is missing."""
    if file := os.environ.get("RUMLINE_BOXES"):
        with open(file, "a") as shown:
            shown.writelines(f"{key}\n" for key in keys)


def done(name):
    print(f"{name}: passed")
