"""A bit that flips in what a switch, a CSLU, an SSM On-Prem or a CSSM has stored is found by `rumline check`, or is harmless:
it lies in a file that is made anew at each start, or changes nothing of what a report says (findings T7, T11, T12)."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RUMLINE = os.environ["RUMLINE"]
FLIPS = int(os.environ.get("RUMLINE_FLIPS", "300"))
MADE_ANEW = ("tls.pem", "-shm")


def check(directory):
    run = subprocess.run([RUMLINE, "check", directory], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout + run.stderr


def report(content):
    """What of a stored report leaves the switch: what was signed and its signature, the rest is written anew around them."""
    try:
        envelope = json.loads(content.split(b"\n", 1)[1])
        return envelope["payload"], envelope["signature"]["value"]
    except (ValueError, IndexError, KeyError):
        return None


def flip(kind, directory, chance):
    """Whether it was found."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.stat().st_size]
    # A file as likely as another: most bits lie in databases.
    path = chance.choice(files)
    whole = path.read_bytes()
    bit = chance.randrange(len(whole) * 8)
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    code, text = check(directory)
    path.write_bytes(whole)
    if code == 1 and "DAMAGED" in text:
        return True
    is_harmless = (
        path.name.endswith(MADE_ANEW)
        # Where the server listens is written at each start.
        or path.name == "url"
        or path.parent.name == "rum" and report(bytes(content)) == report(whole) is not None
        # New checksums are made of a file that is whole.
        or path.name.endswith(".db.sums") and "pages not compared" in text
        # Whose checksums they are: as if they were another copy's.
        or path.name.endswith(".db") and 60 <= bit // 8 < 64 and "pages not compared" in text
    )
    assert is_harmless, f"{kind}: bit {bit % 8} of byte {bit // 8} of {path}: {text}"
    return False


def main():
    chance = random.Random(13)
    with tempfile.TemporaryDirectory() as lab:
        stores = {}
        for topology in ["1", "4"]:
            run = subprocess.run(
                [RUMLINE, "demo", "--topology", topology, "--dir", f"{lab}/{topology}"],
                capture_output=True, text=True, timeout=300,
            )
            assert run.returncode == 0, run.stdout + run.stderr
            for directory in sorted(Path(lab, topology).iterdir()):
                if (directory / "store").is_dir():
                    stores.setdefault("switch", directory)
                elif any(directory.glob("*.db")):
                    stores.setdefault(directory.name.split("-")[0], directory)
        assert len(stores) == 4, stores
        for kind, directory in stores.items():
            # What lies on bootflash is the owner's.
            shutil.rmtree(directory / "bootflash", ignore_errors=True)
            code, text = check(directory)
            assert code == 0, f"{kind}: {text}"
            found = sum(flip(kind, directory, chance) for _ in range(FLIPS))
            print(f"{kind}: {FLIPS} flips, {found} found, {FLIPS - found} harmless")
            assert found * 2 > FLIPS
            assert check(directory) == (code, text)


main()
print("flips: passed", file=sys.stdout)
