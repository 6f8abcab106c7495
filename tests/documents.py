#!/usr/bin/env python3
"""The documents hold: each line that they tell people to type is typed, and what is printed is what they say.

A block ```console is typed into a shell, ```console NAME into a further terminal of that name, and ```switch NAME into
the switch that somebody is logged in to there. Lines that begin with a prompt are typed, the others are printed;
`…` stands for anything, alone on a line for any lines. Nothing of this repository is there, only `rumline`.
"""

import difflib
import fcntl
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

from lab import RUMLINE, done

ROOT = pathlib.Path(__file__).parent.parent
DOCUMENTS = [*(f"docs/topology-{number}.md" for number in range(1, 7)), "README.md", "docs/lab.md"]
# Seconds that one line may take, and that a switch may need until it shows what it is said to show.
LINE_SECONDS, SHOW_SECONDS = 60, 30

TYPED = re.compile(r"(\$|[\w.-]+(?:\([\w-]+\))?#)(?: (.*))?$")
SHELL_PROMPT = re.compile(r"(?:^|\n)\[\[(\d+)\]\]\$ \Z")
SWITCH_PROMPT = re.compile(r"(?:^|\n)([\w.-]+(?:\([\w-]+\))?#) \Z")
PASSWORD_PROMPT = re.compile(r"(?:^|\n)(?:[^\n]*'s password|Password): \Z")


class Step:
    """A line that is typed, with what is printed then."""

    def __init__(self, number, terminal, prompt, line):
        self.number, self.terminal, self.prompt, self.line, self.printed = number, terminal, prompt, line, []

    def is_printed(self, output):
        parts = []
        for line in self.printed:
            line = line.rstrip()
            if line == "…":
                parts.append(r"(?:.*\n)*?")
            else:
                parts.append(".*".join(map(re.escape, line.split("…"))) + "\n")
        return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in output))


def steps(text):
    """What is to be typed, in order."""
    found, block = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            words = line[3:].split()
            if block is None and words and words[0] in ("console", "switch"):
                block = (words[0], words[1] if len(words) > 1 else "")
            elif block is None:
                block = ("other", "")
            else:
                block = None
            continue
        if block is None or block[0] == "other":
            continue
        typed = TYPED.match(line)
        if typed and (typed[1] == "$") == (block[0] == "console"):
            found.append(Step(number, block[1], typed[1], typed[2] or ""))
        elif line.startswith("> ") and block[0] == "console" and not found[-1].printed:
            found[-1].line += f"\n{line[2:]}"
        else:
            found[-1].printed.append(line)
    return found


class Terminal:
    """A shell as somebody has it before them, and whatever it leads to."""

    def __init__(self, folder, environment, passwords):
        self.passwords = passwords
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        self.shell = subprocess.Popen(
            ["setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"], stdin=slave, stdout=slave,
            stderr=slave, cwd=folder, env=environment)
        os.close(slave)
        self.read()
        self.type("stty -echo")
        self.read()

    def type(self, line):
        os.write(self.master, f"{line}\n".encode())

    def read(self):
        """What is printed up to the next prompt, and the prompt."""
        text, end = "", time.monotonic() + LINE_SECONDS
        raw = b""
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise AssertionError(f"no prompt after {LINE_SECONDS} seconds, but:\n{text}")
            raw += os.read(self.master, 65536)
            text = raw.decode(errors="replace").replace("\r", "")
            for prompt in (SHELL_PROMPT, SWITCH_PROMPT):
                if found := prompt.search(text):
                    self.prompt = found[1]
                    return text[:found.start()].split("\n") if found.start() else []
            if PASSWORD_PROMPT.search(text):
                assert self.passwords, "a password is wanted, and none was shown"
                self.type(self.passwords[-1])

    def at_switch(self):
        return self.prompt.endswith("#")

    def run(self, line):
        """What a line prints, without its echo."""
        was_at_switch = self.at_switch()
        self.type(line)
        output = self.read()
        if was_at_switch and output and output[0] == line:
            output.pop(0)
        if re.match(r"cat \S+\.password$", line) and output:
            self.passwords.append(output[-1])
        return [line.rstrip() for line in output]

    def processes(self):
        """Those that were started here and still run."""
        found = []
        for folder in pathlib.Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and os.getsid(int(folder.name)) == self.shell.pid:
                    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                    if int(folder.name) != self.shell.pid and state != "Z":
                        found.append(int(folder.name))
            except OSError:
                continue
        return found

    def end(self):
        for kind in (signal.SIGTERM, signal.SIGKILL):
            for process in self.processes():
                try:
                    os.kill(process, kind)
                except ProcessLookupError:
                    pass
            until = time.monotonic() + 10
            while self.processes() and time.monotonic() < until:
                time.sleep(0.1)
        self.shell.kill()
        self.shell.wait()
        os.close(self.master)


def expect(step, terminal):
    """Types a line; what is printed, the exit status and the next prompt have to be what the document says."""
    prompt = "$" if not terminal.at_switch() else terminal.prompt
    assert prompt == step.prompt, f"the prompt is {prompt!r}"
    shows = step.prompt != "$" and step.line.startswith("show ")
    if step.prompt != "$" and step.line.startswith("license smart sync"):
        # Use is counted in whole seconds, and nobody does what came before within one.
        time.sleep(1.1)
    end = time.monotonic() + (SHOW_SECONDS if shows else 0)
    while True:
        output = terminal.run(step.line)
        if step.is_printed(output):
            break
        if time.monotonic() >= end:
            difference = difflib.unified_diff(step.printed, output, "what the document says", "what is printed", lineterm="")
            raise AssertionError("\n".join(difference))
        # Somebody would ask again.
        time.sleep(0.5)
    assert terminal.at_switch() or terminal.prompt == "0", f"exit status {terminal.prompt}:\n" + "\n".join(output)


def follow(document):
    """Does what a document says, in an empty folder. What does not hold is told; nothing is left behind."""
    script = steps((ROOT / document).read_text())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rumline-document-"))
    # Passwords that were shown; the last one is typed where one is asked for.
    terminals, passwords = {}, []
    try:
        for name in ("bin", "home", "empty"):
            (folder / name).mkdir()
        (folder / "bin/rumline").symlink_to(pathlib.Path(RUMLINE).resolve())
        environment = {
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder / "home"), "TERM": "xterm", "LANG": "C.UTF-8",
            "PS1": "[[$?]]$ ", "PS2": ""}
        for step in script:
            if step.terminal not in terminals:
                terminals[step.terminal] = Terminal(folder / "empty", environment, passwords)
            try:
                expect(step, terminals[step.terminal])
            except AssertionError as wrong:
                logs = "".join(f"\n--- {log.name}\n{log.read_text()}" for log in sorted(folder.rglob("*.log")))
                return f"{document}:{step.number}: {step.prompt} {step.line}\n{wrong}{logs}"
        left = [process for terminal in terminals.values() for process in terminal.processes()]
        files = [file.name for file in (folder / "empty").iterdir()]
        if left or files:
            return f"{document} leaves behind: processes {left}, files {files}"
        return None
    finally:
        for terminal in terminals.values():
            terminal.end()
        shutil.rmtree(folder, ignore_errors=True)


def alone():
    """Goes on in a network of its own, where the system allows it: the ports of the documents are fixed."""
    own = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--net"]
    if "RUMLINE_ALONE" in os.environ:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            up = struct.pack("16sH14x", b"lo", 1)
            fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS, IFF_UP
    elif subprocess.run([*own, "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ["RUMLINE_ALONE"] = "1"
        os.execvp(own[0], [*own, sys.executable, *sys.argv])


def main(documents):
    told = {}

    def run(document):
        begun = time.monotonic()
        try:
            told[document] = follow(document)
        except Exception as wrong:  # A thread's own trouble is the test's, too.
            told[document] = f"{document}: {wrong!r}"
        if not told[document]:
            print(f"{document}: {time.monotonic() - begun:.0f} s", flush=True)

    threads = []
    for document in documents:
        if not steps((ROOT / document).read_text()):
            assert document == "README.md", f"{document} has nothing to type"
            continue
        threads.append(threading.Thread(target=run, args=[document]))
        threads[-1].start()
    for thread in threads:
        thread.join()
    wrong = [text for text in told.values() if text]
    assert not wrong, "\n\n".join(["", *wrong])


if __name__ == "__main__":
    alone()
    main(sys.argv[1:] or DOCUMENTS)
    done("documents")
