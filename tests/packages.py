"""What people install: the Debian package on a root of its own - installed by apt, its unit's command run by hand, first login, upgrade,
backup, removal, purge - the image from scratch, the list of what is in them; all the same each time. `--clean-root` takes a root that
debootstrap would make, else it is a layer over this machine's, which stays as it is."""

import gzip
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

from lab import RUMLINE, call, done

CLEAN = pathlib.Path(tempfile.gettempdir()) / "rumline-clean-root.tar"

if "RUMLINE_INNER" not in os.environ:
    if "--clean-root" in sys.argv and not CLEAN.exists():
        subprocess.run(["mmdebstrap", "--quiet", "--variant=apt", "bookworm", CLEAN], check=True)
    # Mounts and ports of its own.
    os.environ["RUMLINE_INNER"] = "1"
    own = ["--map-root-user"] if os.geteuid() != 0 else []
    os.execvp("unshare", ["unshare", *own, "--mount", "--net", "--propagation", "private", sys.executable, *sys.argv])

PROJECT = pathlib.Path(__file__).parent.parent
URL = "https://127.0.0.1:8443"
UNITS = {"cssm": 8443, "cslu": 8180, "onprem": 8444}


def run(*command, **settings):
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, **settings)
    assert ran.returncode == 0, (command, ran.stdout[-3000:], ran.stderr[-3000:])
    return ran.stdout


def made(kind):
    return pathlib.Path(run("cargo", "xtask", kind, "--of", RUMLINE, cwd=PROJECT).splitlines()[-1])


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Root:
    """A root of its own, in which processes run."""

    def __init__(self, folder, clean):
        self.path = folder / "root"
        self.path.mkdir()
        # Where what is written lies.
        self.written = self.path
        run("mount", "-t", "tmpfs", "-o", "size=1500m,mode=755", "tmpfs", self.path)
        if clean:
            run("tar", "-xf", CLEAN, "-C", self.path)
        else:
            for name in ["upper", "work", "root"]:
                (self.path / name).mkdir()
            merged = self.path / "root"
            run("mount", "-t", "overlay", "overlay", "-o",
                f"lowerdir=/,upperdir={self.path}/upper,workdir={self.path}/work", merged)
            self.path, self.written = merged, self.path / "upper"
        for name in ["dev", "proc"]:
            run("mount", "--rbind", f"/{name}", self.path / name)
        (self.path / "tmp").mkdir(exist_ok=True)
        # Nothing starts here: no systemd runs.
        shutil.rmtree(self.path / "run/systemd", ignore_errors=True)

    def run(self, *command):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        return run("chroot", self.path, *command, env=environment)

    def file(self, path):
        return self.path / path.lstrip("/")

    def install(self, deb):
        shutil.copy(deb, self.path / "tmp/rumline.deb")
        return self.run("apt-get", "install", "-y", "-o", "APT::Sandbox::User=root",
                        "-o", "Dpkg::Options::=--force-confold", "/tmp/rumline.deb")


class Unit:
    """A unit, started as systemd would."""

    def __init__(self, root, name):
        self.root, self.name = root, name
        text = root.file(f"/usr/lib/systemd/system/rumline-{name}.service").read_text()
        self.settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))

    def start(self):
        folder = f"/var/lib/{self.settings['StateDirectory']}"
        user = self.settings["User"]
        self.root.run("install", "-d", "-m", self.settings["StateDirectoryMode"], "-o", user, "-g", user, folder)
        command = shlex.split(self.settings["ExecStart"])
        self.process = subprocess.Popen(
            ["chroot", self.root.path, "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
             "--bounding-set=-all", "--inh-caps=-all", "sh", "-c", 'umask 0077; cd "$1"; shift; exec "$@"', "sh", folder, *command],
            env={"PATH": "/usr/sbin:/usr/bin"}, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if " listens on " in line:
                return line.split()[-1]
        raise AssertionError(f"{self.name} did not come up")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.process.returncode


def looked_at(deb, tree):
    """What lintian would say, in short."""
    run("dpkg-deb", "--raw-extract", deb, tree)
    control = (tree / "DEBIAN/control").read_text()
    for name in ["Package", "Version", "Architecture", "Maintainer", "Installed-Size", "Depends", "Section", "Priority", "Description"]:
        assert re.search(rf"^{name}: \S", control, re.M), (name, control)
    for member in subprocess.run(["dpkg-deb", "--contents", deb], capture_output=True, text=True).stdout.splitlines():
        mode, owner = member.split()[:2]
        assert owner == "root/root" and "s" not in mode[3] + mode[6] and mode[8] != "w", member
    for name in ["postinst", "prerm", "postrm"]:
        script = tree / "DEBIAN" / name
        assert os.access(script, os.X_OK) and script.read_text().startswith("#!/bin/sh\nset -e\n"), name
        run("sh", "-n", script)
    run("md5sum", "--check", "--quiet", "DEBIAN/md5sums", cwd=tree)
    listed = (tree / "DEBIAN/md5sums").read_text().count("\n")
    assert listed == sum(path.is_file() for path in (tree / "usr").rglob("*")), listed
    conffiles = (tree / "DEBIAN/conffiles").read_text().split()
    assert {f"/{path.relative_to(tree)}" for path in (tree / "etc").rglob("*") if path.is_file()} == set(conffiles)
    # No secret, and no path of whoever made it.
    for path in (tree / "etc").rglob("*.toml"):
        set_here = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        name = path.stem
        assert set_here == [f'dir = "/var/lib/rumline/{name}"', f'admin-password-file = "/var/lib/rumline/{name}/first-password"'], set_here
    docs = tree / "usr/share/doc/rumline"
    assert (docs / "copyright").exists() and gzip.decompress((docs / "changelog.gz").read_bytes()).startswith(b"# Changelog")
    pages = list((tree / "usr/share/man/man1").iterdir())
    assert len(pages) > 80 and all(gzip.decompress(page.read_bytes()).lstrip().startswith(b".ie") for page in pages), len(pages)
    run("bash", "-n", tree / "usr/share/bash-completion/completions/rumline")
    for path in tree.rglob("*.md"):
        assert str(PROJECT.resolve()) not in path.read_text(), path
    # One seconds value for all files makes packages that are the same.
    times = {path.stat().st_mtime for path in (tree / "usr").rglob("*") if path.is_file()}
    assert len(times) == 1, times
    if shutil.which("lintian"):
        run("lintian", "--fail-on", "error", "--allow-root", deb)
    sbom(docs / "rumline.cdx.json")


def sbom(path):
    told = json.loads(path.read_text())
    assert told["bomFormat"] == "CycloneDX" and told["specVersion"] == "1.5", told["specVersion"]
    references = [component["bom-ref"] for component in told["components"]]
    assert len(references) == len(set(references)) > 100
    lock = (PROJECT / "Cargo.lock").read_text()
    for component in told["components"]:
        assert f'name = "{component["name"]}"\nversion = "{component["version"]}"' in lock, component
        assert component["name"].startswith("rumline") or "hashes" in component or component["name"] == "russh", component
        assert component["licenses"][0]["expression"], component
    known = {*references, told["metadata"]["component"]["bom-ref"]}
    for dependency in told["dependencies"]:
        assert {dependency["ref"], *dependency["dependsOn"]} <= known, dependency
    names = {component["name"] for component in told["components"]}
    assert {"rusqlite", "rustls", "axum", "rumline-cssm"} <= names and "proptest" not in names, names


def newer(deb, tree, version):
    """The same package, with a later version."""
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"Version: .*", f"Version: {version}", control.read_text()))
    # What its maker would set otherwise.
    file = tree / "etc/rumline/cssm.toml"
    file.write_text(file.read_text() + "\n# A line of a later release.\n")
    later = deb.with_name("later.deb")
    run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", tree, later)
    return later


def login(root, password):
    context = ssl.create_default_context(cafile=str(root.file("/var/lib/rumline/cssm/root.pem")))
    token = call(URL, context, None, "POST", "/login", {"login": "admin", "password": password})["token"]
    return lambda method, path, body=None: call(URL, context, token, method, path, body)


def mode_and_owner(root, path):
    stat = root.file(path).stat()
    return oct(stat.st_mode & 0o7777), stat.st_uid, stat.st_gid


def installed(root, deb, folder):
    told = root.install(deb)
    assert "first-password" in told, told
    assert root.run("rumline", "--version").startswith("rumline "), "it runs"
    user = int(root.run("id", "-u", "rumline"))
    assert mode_and_owner(root, "/etc/rumline/cssm.toml") == ("0o640", 0, int(root.run("id", "-g", "rumline")))
    for name in UNITS:
        path = root.file(f"/usr/lib/systemd/system/rumline-{name}.service")
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root.path}", path],
                                  capture_output=True, text=True)
        ours = [line for line in verified.stderr.splitlines() if "rumline" in line]
        assert verified.returncode == 0 and ours == [], verified
        security = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", path],
                                  capture_output=True, text=True)
        assert security.returncode == 0, security.stdout[-800:]
    # Each server's own command, at its own port.
    for name, port in UNITS.items():
        unit = Unit(root, name)
        assert unit.start().endswith(f":{port}")
        assert mode_and_owner(root, f"/var/lib/rumline/{name}/first-password")[:2] == ("0o600", user)
        unit.stop()
    cssm = Unit(root, "cssm")
    cssm.start()
    password = root.file("/var/lib/rumline/cssm/first-password").read_text().strip()
    api = login(root, password)
    api("POST", "/smart-accounts", {"name": "Example", "domain": "example.net"})
    # A backup by root while it runs.
    told = root.run("rumline", "cssm", "--config", "/etc/rumline/cssm.toml", "backup", "/root/backup")
    assert "holds secrets" in told, told
    # What somebody set stays over an upgrade, and so does what there is.
    settings = root.file("/etc/rumline/cssm.toml")
    settings.write_text(settings.read_text() + '\nname = ["cssm.example.net"]\nlog-format = "json"\n')
    before = settings.read_text()
    cssm.stop()
    root.install(newer(deb, folder / "tree", "0.9.9"))
    assert root.run("dpkg-query", "-W", "-f", "${Version}", "rumline") == "0.9.9"
    assert settings.read_text() == before and mode_and_owner(root, "/etc/rumline/cssm.toml")[0] == "0o640"
    cssm.start()
    assert [account["name"] for account in login(root, password)("GET", "/smart-accounts")] == ["Example"]
    cssm.stop()
    # Put back by root, it is the server's own.
    shutil.rmtree(root.file("/var/lib/rumline/cssm"))
    root.run("install", "-d", "-m", "0700", "-o", "rumline", "-g", "rumline", "/var/lib/rumline/cssm")
    root.run("rumline", "cssm", "--config", "/etc/rumline/cssm.toml", "restore", "/root/backup")
    cssm.start()
    assert [account["name"] for account in login(root, password)("GET", "/smart-accounts")] == ["Example"]
    cssm.stop()
    # Removed, what people made stays; purged, nothing does.
    root.run("apt-get", "remove", "-y", "rumline")
    assert not root.file("/usr/bin/rumline").exists()
    assert root.file("/var/lib/rumline/cssm/cssm.db").exists() and settings.exists()
    root.install(deb.with_name("later.deb"))
    assert settings.read_text() == before
    root.run("apt-get", "purge", "-y", "rumline")
    left = run("find", root.written, "-xdev", "-path", root.written / "tmp", "-prune", "-o", "-name", "*rumline*", "-print")
    assert left == "", left
    assert "rumline" not in root.file("/etc/passwd").read_text() + root.file("/etc/group").read_text()


def image(folder):
    """The image is as the OCI has it, and runs where nothing else is."""
    file = made("image")
    first = digest(file)
    assert digest(made("image")) == first, "the same each time"
    layout = folder / "layout"
    with tarfile.open(file) as tar:
        tar.extractall(layout, filter="tar")
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}

    def blob(descriptor):
        kind, name = descriptor["digest"].split(":")
        path = layout / "blobs" / kind / name
        assert kind == "sha256" and digest(path) == name and path.stat().st_size == descriptor["size"], descriptor
        return path

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    config = json.loads(blob(manifest["config"]).read_text())
    assert config["os"] == "linux" and config["config"]["User"] == "10001:10001", config
    root = folder / "image-root"
    for layer, expected in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        content = gzip.decompress(blob(layer).read_bytes())
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == expected
        (folder / "layer.tar").write_bytes(content)
        run("tar", "-xpf", folder / "layer.tar", "-C", root.mkdir() or root, "--numeric-owner")
        (folder / "layer.tar").unlink()
    data = root / "var/lib/rumline"
    assert (data.stat().st_uid, data.stat().st_mode & 0o777) == (10001, 0o700), data.stat()
    (root / "dev").mkdir()
    run("mount", "--rbind", "/dev", root / "dev")
    command = ["chroot", "--userspec=10001:10001", root, *config["config"]["Entrypoint"]]
    assert run(*command, "--version").startswith("rumline ")
    process = subprocess.Popen([str(word) for word in [*command, *config["config"]["Cmd"]]], stdout=subprocess.PIPE, text=True,
                               env={"PATH": os.environ["PATH"]})
    assert any("CSSM listens on" in line for line in process.stdout)
    context = ssl.create_default_context(cafile=str(data / "cssm/root.pem"))
    context.check_hostname = False
    with urllib.request.urlopen(f"{URL}/readyz", context=context, timeout=20) as answer:
        assert answer.status == 200
    process.terminate()
    assert process.wait(20) == 0


run("ip", "link", "set", "lo", "up")
folder = pathlib.Path(tempfile.mkdtemp(prefix="rumline-packages-"))
try:
    began = time.monotonic()
    deb = made("deb")
    first = digest(deb)
    assert digest(made("deb")) == first, "the same each time"
    deb = pathlib.Path(shutil.copy(deb, folder))
    looked_at(deb, folder / "tree")
    installed(Root(folder, "--clean-root" in sys.argv), deb, folder)
    image(folder)
    print(f"packages: {time.monotonic() - began:.0f} s")
finally:
    subprocess.run(["umount", "-R", "-l", folder / "root"], capture_output=True)
    subprocess.run(["umount", "-R", "-l", folder / "image-root/dev"], capture_output=True)
    # Never through a mount that is left.
    if not any(line.split()[1].startswith(str(folder)) for line in open("/proc/mounts")):
        shutil.rmtree(folder, ignore_errors=True)
done("packages")
