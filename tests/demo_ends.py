#!/usr/bin/env python3
"""However the demo ends, nothing of it is left: no process, and no folder once another demo has begun. A pipe that nobody reads any
more ends nothing with an error."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

from lab import done

RUMLINE = os.environ["RUMLINE"]


def processes(folder):
    """Processes with something of a folder in their command lines."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def demos(temporary):
    return list(pathlib.Path(temporary).glob("rumline-demo-*"))


def until(true, why):
    limit = time.monotonic() + 20
    while not true():
        assert time.monotonic() < limit, why
        time.sleep(0.1)


with tempfile.TemporaryDirectory() as temporary:
    environment = {**os.environ, "TMPDIR": temporary}
    for how in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL):
        demo = subprocess.Popen([RUMLINE, "demo", "--topology", "2"], env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
        until(lambda: len(processes(temporary)) >= 2, "the lab did not come up")
        demo.send_signal(how)
        demo.wait(30)
        until(lambda: not processes(temporary), f"{how.name}: {processes(temporary)}")
        # Who is killed tidies nothing; whoever comes next does.
        assert len(demos(temporary)) == (how == signal.SIGKILL), (how.name, demos(temporary))
    demo = subprocess.Popen([RUMLINE, "demo", "--topology", "2"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    demo.stdout.readline()
    demo.stdout.close()
    errors = demo.stderr.read().decode()
    assert demo.wait(120) == 0 and "panicked" not in errors, errors
    until(lambda: not processes(temporary), processes(temporary))
    assert not demos(temporary), demos(temporary)
    for arguments in (["commands"], ["completions", "bash"], ["verify", "/dev/null"]):
        with subprocess.Popen([RUMLINE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
            command.stdout.close()
            assert b"panicked" not in command.stderr.read(), arguments
    pages = pathlib.Path(temporary) / "man"
    subprocess.run([RUMLINE, "man", pages], check=True, stdout=subprocess.DEVNULL)
    assert (pages / "rumline-cssm.1").read_text().startswith(".ie"), sorted(page.name for page in pages.iterdir())[:5]
done("demo_ends")
