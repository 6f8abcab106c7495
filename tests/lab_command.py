"""Labs from a file: they come up, are shown, come up again after a crash, show their faults, go down, and nothing of them is left."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from lab import RUMLINE, done

PORT = 27_100
ROOT = pathlib.Path(__file__).parent.parent


def lab(*words, status=0):
    answer = subprocess.run([RUMLINE, "lab", *map(str, words)], capture_output=True, text=True, timeout=100)
    assert answer.returncode == status, (words, answer)
    return answer.stdout + answer.stderr


def file(folder, name, text, port):
    path = folder / f"{name}.toml"
    path.write_text(f"[lab]\nbase_port = {port}\n{text}")
    return path


def rows(path, status=0):
    return {row["name"]: row for row in json.loads(lab("status", path, "-o", "json", status=status))}


def get(url, host=None, status=200):
    request = urllib.request.Request(url, headers={"host": host} if host else {})
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        assert answer.status == status, (url, answer.status)
        return answer.read().decode(), answer.headers


def processes(folder):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def until(is_right, why, seconds=20):
    end = time.monotonic() + seconds
    while not is_right():
        assert time.monotonic() < end, why
        time.sleep(0.1)


def comes_up_and_again(folder):
    path = file(folder, "first", "[[switch]]\ntopology = 2\nname = 'leaf'\ncount = 2\n"
                "configuration = '''\nfeature bgp\nvlan 5\n'''\n[[switch]]\ntopology = 6\nname = 'island'\n", PORT)
    told = lab("up", path)
    url = re.search(r"The picture: (http://127\.0\.0\.1:\d+/)", told)[1]
    assert "leaf-2: acknowledged" in told and "island: acknowledged" in told, told
    before = rows(path)
    assert {"CSSM", "leaf-1", "leaf-2", "island", "page"} == set(before), before
    assert all(row["runs"] for row in before.values()), before
    assert before["leaf-1"]["last_ack"] and before["island"]["last_ack"], before
    assert "leaf-1" in lab("status", path)
    picture_shows(path, url)
    if "RUMLINE_NPM" in os.environ:
        # The time in the page changes with each look.
        subprocess.run(["node", ROOT / "tests/lab_picture.mjs", url, "leaf-2"], check=True, timeout=60)
    # Up again: the same processes, and no second account.
    assert "started" not in lab("up", path)
    assert {name: row["process"] for name, row in rows(path).items()} == {
        name: row["process"] for name, row in before.items()}
    # Who was killed is down, is shown so, and comes back where it was.
    os.kill(before["leaf-2"]["process"], signal.SIGKILL)
    until(lambda: not (proc := pathlib.Path(f"/proc/{before['leaf-2']['process']}/stat")).exists()
          or " Z " in proc.read_text(), "it was killed")
    assert not rows(path, status=1)["leaf-2"]["runs"]
    until(lambda: "does not run" in get(url)[0], "the picture shows who is down", 5)
    told = lab("up", path)
    assert "leaf-2 started" in told and told.count("started") == 1, told
    after = rows(path)
    assert after["leaf-2"]["address"] == before["leaf-2"]["address"] and after["leaf-2"]["last_ack"], after
    doctor_looks(path)
    # Down keeps what was made, --remove does not.
    lab("down", path)
    assert not processes(folder), processes(folder)
    assert (folder / "first/lab.json").exists()
    assert "leaf-1: acknowledged" in lab("up", path)
    lab("down", path, "--remove")
    assert not (folder / "first").exists() and not processes(folder)
    assert "no lab" in lab("down", path)


def doctor_looks(path):
    """`rumline doctor --lab`: each switch and server by name; what does not run is a fault."""
    def doctor(status):
        answer = subprocess.run([RUMLINE, "doctor", "--lab", path], capture_output=True, text=True, timeout=100)
        assert answer.returncode == status, answer
        return answer.stdout
    told = doctor(0)
    for name in ("CSSM", "leaf-1 (topology 2, ssh admin@", "leaf-2 (", "island (topology 6"):
        assert any(line.startswith(name) for line in told.splitlines()), (name, told)
    assert told.count("No fault found") == 4, told
    os.kill(rows(path)["leaf-2"]["process"], signal.SIGKILL)
    until(lambda: not rows(path, status=1)["leaf-2"]["runs"], "it was killed")
    told = doctor(1)
    assert told.count("No fault found") == 3 and "It does not run: `rumline lab up` starts it." in told, told
    lab("up", path)
    # A forecast from the data directory of a switch that has stopped, and of one that there is not yet.
    leaf = rows(path)["leaf-1"]
    lab("down", path)
    told = forecast(next(path.with_suffix("").glob("**/leaf-1")))
    assert any(row["kind"] == "sends" for row in told["TABLE_forecast"]["ROW_forecast"]), (leaf, told)
    told = forecast("--config", path.with_suffix(".cfg"), "--outage", config="feature bgp\n")
    assert any("COMM_FAILED" in row["text"] for row in told["TABLE_forecast"]["ROW_forecast"]), told
    path.with_suffix(".cfg").unlink()
    lab("up", path)


def forecast(*words, config=None):
    if config:
        pathlib.Path(words[1]).write_text(config)
    answer = subprocess.run([RUMLINE, "forecast", *map(str, words), "--days", "30", "--json"], capture_output=True, text=True,
                            timeout=60)
    assert answer.returncode == 0, answer
    return json.loads(answer.stdout)


def picture_shows(path, url):
    page, headers = get(url)
    for wanted in ("leaf-1", "island", "CSSM", "<svg", "ssh admin@127.0.0.1 -p ", "acknowledged", "by file"):
        assert wanted in page, wanted
    assert "default-src 'none'" in headers["content-security-policy"]
    state = json.loads(get(url + "state")[0])
    assert [switch["name"] for switch in state["switches"]] == ["leaf-1", "leaf-2", "island"]
    assert get(url + "part")[0].startswith("<h1>")
    # Whoever makes another name lead here sees nothing.
    port = url.split(":")[2].strip("/")
    refused, _ = get(url, host=f"evil.example:{port}", status=421)
    assert "leaf-1" not in refused
    get(url, host=f"localhost:{port}")
    folder = path.with_suffix("")
    secrets = [*folder.glob("*.password"), *folder.glob("*.token")]
    assert len(secrets) > 3, secrets
    for secret in secrets:
        assert secret.stat().st_mode & 0o777 == 0o600, secret
        assert secret.read_text().strip() not in page + json.dumps(state), secret


def faults_show(folder):
    text = (ROOT / "examples/labs/faults.toml").read_text()
    path = folder / "faults.toml"
    path.write_text(re.sub(r"base_port = \d+", f"base_port = {PORT + 1100}", text))
    told = lab("up", path)
    for fault, sign in (
            ("wrong_url", "404 host not found"), ("unreachable", "connection refused"),
            ("token_used_up", "used as often as it may be"), ("clock_behind", "timestamp mismatch"),
            ("no_trust", "Insufficient trust"), ("clone", "Two product instances speak as"),
            ("wrong_account of", "1 reports wait"), ("no_connection of", "1 reports wait"),
            ("unreachable_cssm of", "1 reports wait")):
        assert any(f"fault {fault}" in line and sign in line for line in told.splitlines()), (fault, told)
    all_rows = rows(path)
    assert all(row["runs"] for row in all_rows.values()), all_rows
    by_fault = {row.get("fault"): row for row in all_rows.values()}
    assert by_fault["wrong_account"]["notes"] and by_fault["unreachable_cssm"]["notes"], by_fault
    assert "already registered with another account" in by_fault["wrong_account"]["notes"][0]
    page, _ = get(f"http://127.0.0.1:{PORT + 1100}/")
    assert page.count("Fault on purpose") >= 9, page
    # Without its faults the lab is well again, all but the clone's original: there its owner has to choose.
    path.write_text(re.sub(r"^fault = .*\n", "", path.read_text(), flags=re.M))
    told = lab("up", path)
    assert told.count(": acknowledged") == 9 and ": fault" not in told, told
    assert "twin-clone" not in rows(path)
    lab("down", path, "--remove")
    assert not processes(folder)


def releases_and_makers(folder):
    """A release of before, one of the factory and another vendor's product; the first is upgraded by the file."""
    path = folder / "releases.toml"
    text = (ROOT / "examples/labs/releases.toml").read_text()
    text = re.sub(r"base_port = \d+", f"base_port = {PORT + 2200}", text)
    path.write_text(text.replace('"../catalogue', f'"{ROOT}/examples/catalogue'))
    told = lab("up", path)
    assert "delivered: made at the factory, with TRUST CODE" in told and "alder: acknowledged" in told, told
    assert "older: its release is of before Smart Licensing Using Policy" in told, told
    before = rows(path)
    assert before["older"]["says"] == "older licensing, not registered", before
    assert before["delivered"]["last_ack"] and before["older"]["runs"], before
    path.write_text(path.read_text().replace("9.3(7)", "10.5(1)F"))
    told = lab("up", path)
    assert "older started" in told and "older: acknowledged" in told and "factory" not in told, told
    assert "delivered runs already" in told or "delivered started" not in told, told
    # What the factory cannot make leaves nothing that would be taken for a switch.
    none = "[[switch]]\ntopology = 2\nname = 'none'\nfactory = true\nrelease = '9.3(7)'\npid = 'N9K-C93180YC-EX'\n"
    path.write_text(path.read_text() + none)
    told = lab("up", path, status=2)
    assert "none at the factory" in told and "nothing is made at the factory for it" in told, told
    assert not (folder / "releases/none").exists()
    lab("down", path, "--remove")
    assert not processes(folder)


def what_cannot_be_is_said(folder):
    wrong = file(folder, "wrong", "[[switch]]\ntopology = 2\ncolour = 1\n", PORT)
    told = lab("up", wrong, status=2)
    assert "line 5" in told and "colour" in told and "wrong.toml" in told, told
    told = lab("up", folder / "none.toml", status=2)
    assert "none.toml" in told, told
    # A folder with other things in it is left alone, also by --remove.
    other = folder / "other"
    other.mkdir()
    (other / "precious").write_text("x")
    path = file(folder, "other", "[[switch]]\ntopology = 2\n", PORT)
    assert "holds other things" in lab("up", path, status=2)
    assert "holds other things" in lab("down", path, "--remove", status=2)
    assert (other / "precious").exists() and len(list(other.iterdir())) == 1
    # Ports that somebody has are named.
    with socket.create_server(("127.0.0.1", PORT + 1)):
        path = file(folder, "taken", "[[switch]]\ntopology = 2\n", PORT)
        assert "another base_port" in lab("up", path, status=2)
        lab("down", path, "--remove")
    # What fails in the middle leaves no process.
    path = file(folder, "half", "[[switch]]\ntopology = 2\npid = 'N9K-NOTHING'\n", PORT)
    told = lab("up", path, status=2)
    assert "N9K-NOTHING" in told and "stopped again" in told and not processes(folder), told
    lab("down", path, "--remove")
    assert not (folder / "half").exists()
    # Nor does one that is told to end meanwhile.
    path = file(folder, "cut", "[[switch]]\ntopology = 2\ncount = 3\n", PORT)
    with subprocess.Popen([RUMLINE, "lab", "up", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert "CSSM started" in up.stdout.readline()
        up.send_signal(signal.SIGINT)
        assert "SIGINT" in up.communicate(timeout=40)[1] and up.returncode == 2
    assert not processes(folder), processes(folder)
    lab("down", path, "--remove")


with tempfile.TemporaryDirectory(prefix="rumline-labs-") as temporary:
    here = pathlib.Path(temporary).resolve()
    try:
        comes_up_and_again(here)
        faults_show(here)
        releases_and_makers(here)
        what_cannot_be_is_said(here)
        assert sorted(path.suffix or path.name for path in here.iterdir()) == [".toml"] * 8 + ["other"], list(here.iterdir())
    finally:
        for number in processes(here):
            os.kill(number, signal.SIGKILL)
done("lab_command")
