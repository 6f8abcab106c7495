#!/usr/bin/env python3
"""SSH as its clients want it: OpenSSH, paramiko, libssh and asyncssh log in with keys, agents and passwords, move files by sftp
and scp, run hundreds of commands; what is wrong is refused at once, and nobody is locked out by those who say nothing."""

import asyncio
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import asyncssh
import paramiko
from lab import Lab

WRONG = "Wr0ng-password"
LIBSSH = """
import os, sys
from pylibsshext.session import Session
session = Session()
options = {"host": "127.0.0.1", "user": "admin", "port": int(sys.argv[1]), "timeout": 20, "host_key_checking": False}
options["look_for_keys"] = "SSH_AUTH_SOCK" in os.environ
if os.environ["KEY"]:
    options["private_key"] = open(os.environ["KEY"], "rb").read()
else:
    options["password"] = os.environ["PASSWORD"]
session.connect(**options)
print(session.new_channel().exec_command("show hostname").stdout.decode(), end="", flush=True)
os._exit(0)
"""
# An outcome is here within this, on a machine that does other things too.
SECONDS_MAX = 6


class Client:
    """Logs in by one library; returns the host name that the switch tells, or None where it was refused."""

    def __init__(self, switch, directory):
        self.switch, self.dir = switch, directory

    def keys(self, count):
        paths = []
        for number in range(count):
            path = self.dir / f"key{number}"
            if not path.exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
            paths.append(path)
        return paths

    def openssh(self, keys, passwords, agent=None):
        answers = self.dir / "answers"
        answers.write_text("\n".join(passwords) + "\n")
        ask = self.dir / "ask"
        ask.write_text(f"#!/bin/sh\nhead -n 1 {answers}\nsed -i 1d {answers}\n")
        ask.chmod(0o755)
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        options += ["-o", f"NumberOfPasswordPrompts={max(1, len(passwords))}"]
        options += ["-o", "IdentitiesOnly=no" if agent else "IdentitiesOnly=yes", "-F", "/dev/null"]
        for key in keys:
            options += ["-i", str(key)]
        environment = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        environment.pop("SSH_AUTH_SOCK", None)
        if agent:
            environment["SSH_AUTH_SOCK"] = agent
        done = subprocess.run(
            ["ssh", *options, "-p", str(self.switch.port), "admin@127.0.0.1", "show hostname"],
            capture_output=True, text=True, timeout=60, env=environment, stdin=subprocess.DEVNULL)
        return done.stdout.strip() or None if done.returncode == 0 else None

    def paramiko(self, keys, passwords, agent=None):
        transport = paramiko.Transport(("127.0.0.1", self.switch.port))
        try:
            transport.start_client(timeout=20)
            loaded = [paramiko.Ed25519Key.from_private_key_file(str(key)) for key in keys]
            if agent:
                os.environ["SSH_AUTH_SOCK"] = agent
                loaded += list(paramiko.Agent().get_keys())
            for attempt in [*(("key", key) for key in loaded), *(("password", text) for text in passwords)]:
                try:
                    if attempt[0] == "key":
                        transport.auth_publickey("admin", attempt[1])
                    else:
                        transport.auth_password("admin", attempt[1])
                    break
                except paramiko.AuthenticationException:
                    continue
            if not transport.is_authenticated():
                return None
            channel = transport.open_session()
            channel.exec_command("show hostname")
            return channel.makefile().read().decode().strip()
        except paramiko.SSHException:
            return None
        finally:
            os.environ.pop("SSH_AUTH_SOCK", None)
            transport.close()

    def libssh(self, keys, passwords, agent=None):
        # One way to log in a session, as Ansible uses it; in a process of its own, since its sessions do not end well.
        environment = {**os.environ, "PASSWORD": "", "KEY": ""}
        environment.pop("SSH_AUTH_SOCK", None)
        if agent:
            environment["SSH_AUTH_SOCK"] = agent
        for attempt in [*keys, *passwords]:
            environment["KEY" if isinstance(attempt, pathlib.Path) else "PASSWORD"] = str(attempt)
            done = subprocess.run(
                [sys.executable, "-c", LIBSSH, str(self.switch.port)], env=environment, capture_output=True, text=True,
                timeout=60)
            if done.stdout.strip():
                return done.stdout.strip()
            environment |= {"PASSWORD": "", "KEY": ""}
        return None

    def asyncssh(self, keys, passwords, agent=None):
        class Asked(asyncssh.SSHClient):
            left = list(passwords)

            def password_auth_requested(self):
                return self.left.pop(0) if self.left else None

        async def run():
            try:
                async with asyncssh.connect(
                        "127.0.0.1", self.switch.port, username="admin", known_hosts=None, client_factory=Asked,
                        client_keys=[str(key) for key in keys] or None if not agent else (),
                        agent_path=agent, config=None) as connection:
                    return (await connection.run("show hostname", check=True)).stdout.strip()
            except (asyncssh.PermissionDenied, asyncssh.ConnectionLost, asyncssh.DisconnectError):
                return None

        return asyncio.run(run())


def logins(switch, directory):
    """{0, 1, 6 keys, agent} x {right, wrong then right, wrong three times} x four clients."""
    client = Client(switch, directory)
    agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    socket_path = agent.split("SSH_AUTH_SOCK=")[1].split(";")[0]
    agent_pid = agent.split("SSH_AGENT_PID=")[1].split(";")[0]
    try:
        client.keys(6)
        for number in range(3):
            key = directory / f"key{number}"
            environment = {**os.environ, "SSH_AUTH_SOCK": socket_path}
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True)
        right, hostname = switch.password, "keyed"
        for name in ("openssh", "paramiko", "libssh", "asyncssh"):
            for label, keys, with_agent in (("0 keys", 0, None), ("1 key", 1, None), ("6 keys", 6, None), ("agent", 0, socket_path)):
                cells = []
                for told, passwords, expected in (
                        ("right", [right], hostname), ("wrong then right", [WRONG, right], hostname),
                        ("wrong three times", [WRONG] * 3, None)):
                    began = time.monotonic()
                    outcome = getattr(client, name)(client.keys(keys), passwords, with_agent)
                    seconds = time.monotonic() - began
                    assert outcome == expected, f"{name}, {label}, {told}: {outcome}"
                    assert seconds < SECONDS_MAX, f"{name}, {label}, {told}: {seconds:.1f} s"
                    cells.append(f"{told} {seconds:.2f} s")
                print(f"{name}, {label}: {', '.join(cells)}")
        # A key of one's own is enough, and only for whom it is.
        public = (directory / "key5.pub").read_text().strip()
        switch.run("configure terminal", f"username admin sshkey {public}", "end")
        for name in ("openssh", "paramiko", "libssh", "asyncssh"):
            outcome = getattr(client, name)([directory / "key5"], [])
            assert outcome == hostname, f"{name} with a key: {outcome}"
        switch.run("configure terminal", "no username admin sshkey", "end")
        assert client.openssh([directory / "key5"], []) is None
    finally:
        subprocess.run(["kill", agent_pid], check=False)


def ssh(switch, *arguments, options=(), stdin=None):
    command = ["sshpass", "-p", switch.password, "ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    command += [*options, "-p", str(switch.port), "admin@127.0.0.1", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, input=stdin)


def commands(switch):
    """Hundreds of commands, statuses, line ends, banners, subsystems."""
    done = ssh(switch, ";".join(["show hostname"] * 600))
    assert done.returncode == 0 and done.stdout == b"keyed\n" * 600, (done.returncode, len(done.stdout))
    assert ssh(switch, "show nonsense").returncode == 1
    assert ssh(switch, "show nonsense ; show hostname").returncode == 1
    raw = ssh(switch, "show clock", options=("-tt",)).stdout
    assert raw.endswith(b"\r\n") and b"\n" not in raw.replace(b"\r\n", b""), raw
    switch.run("configure terminal", "banner motd #\nHands off\n#", "end")
    assert b"Hands off" in ssh(switch, "show clock").stderr
    for subsystem in ("netconf", "nonsense"):
        assert ssh(switch, "-s", subsystem).returncode != 0, subsystem
    for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"):
        done = ssh(switch, "show hostname", options=("-o", f"HostKeyAlgorithms={kind}"))
        assert done.returncode == 0, (kind, done.stderr)
    # The first bytes of a shell are a line end; the prompt stands on a line of its own.
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", switch.port, "admin", switch.password, allow_agent=False, look_for_keys=False)
    assert client.get_transport().get_banner().strip() == b"Hands off"
    shell = client.invoke_shell(width=120, height=50)
    received = b""
    while not received.endswith(b"keyed# "):
        received += shell.recv(4096)
    assert received.startswith(b"\r\n") and b"\r\nkeyed# " in received, received
    client.close()
    print("commands: passed")


def files(switch, directory):
    """sftp and scp in both protocols."""
    content = os.urandom(300_000)
    local = directory / "image.bin"
    local.write_bytes(content)
    base = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    base += ["-P", str(switch.port)]

    def scp(*arguments, expected=0):
        command = ["sshpass", "-p", switch.password, "scp", *base, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode == 0) == (expected == 0), (arguments, done)
        return done.stderr

    for number, protocol in enumerate(("-O", "-s")):
        name = f"image{number}.bin"
        scp(protocol, local, f"admin@127.0.0.1:bootflash:{name}")
        assert (switch.flash / name).read_bytes() == content, protocol
        back = directory / f"back{number}"
        for path in (f"/bootflash/{name}", f"bootflash:{name}", name):
            back.unlink(missing_ok=True)
            scp(protocol, f"admin@127.0.0.1:{path}", back)
            assert back.read_bytes() == content, (protocol, path)
        scp(protocol, local, "admin@127.0.0.1:")
        assert (switch.flash / "image.bin").read_bytes() == content, protocol
        told = scp(protocol, "admin@127.0.0.1:none.bin", back, expected=1)
        assert "No such file" in told, told
        scp(protocol, local, "admin@127.0.0.1:../evil", expected=1)
        switch.run("delete bootflash:image.bin no-prompt")
    # What is too large leaves what was there.
    large = directory / "large"
    large.write_bytes(b"x" * ((32 << 20) + 1))
    scp("-s", large, "admin@127.0.0.1:bootflash:image0.bin", expected=1)
    scp("-O", large, "admin@127.0.0.1:bootflash:image0.bin", expected=1)
    assert (switch.flash / "image0.bin").read_bytes() == content
    batch = directory / "batch"
    batch.write_text(f"put {local} a.bin\nls\nrename a.bin b.bin\nget b.bin {directory}/b.bin\nrm b.bin\nls -l\n")
    command = ["sshpass", "-p", switch.password, "sftp", *base, "-o", "BatchMode=no", "-b", str(batch), "admin@127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "a.bin" in done.stdout, done
    assert (directory / "b.bin").read_bytes() == content and not (switch.flash / "b.bin").exists()
    # Whoever may only look may not write.
    switch.run("configure terminal", "username eve password Look-0nly role network-operator", "end")
    command = ["sshpass", "-p", "Look-0nly", "scp", *base, str(local), "eve@127.0.0.1:eve.bin"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode != 0
    assert not (switch.flash / "eve.bin").exists()
    log = switch.run("show accounting log")
    assert "copy scp: bootflash:image0.bin (SUCCESS)" in log and "copy scp: bootflash:eve.bin (FAILURE)" in log, log
    print("files: passed")


def crowds(switch):
    """Two hundred who say nothing, and ten thousand who come and go, keep nobody out."""
    silent = [socket.create_connection(("127.0.0.1", switch.port)) for _ in range(200)]
    began = time.monotonic()
    assert switch.run("show hostname") == "keyed\n"
    assert time.monotonic() - began < SECONDS_MAX
    for one in silent:
        one.close()
    for number in range(10_000):
        one = socket.create_connection(("127.0.0.1", switch.port))
        if number % 2:
            one.sendall(b"SSH-2.0-x\r\n" + os.urandom(64))
        one.close()
    assert switch.run("show hostname") == "keyed\n"
    sessions = switch.run("show users | json")
    assert sessions.count("pts/") == 1, sessions
    print("crowds: passed")


def main():
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        switch = lab.start_switch("keyed")
        switch.run("configure terminal", "hostname keyed", "end")
        logins(switch, directory)
        commands(switch)
        files(switch, directory)
        crowds(switch)
    print("ssh_clients: passed")


if __name__ == "__main__":
    main()
