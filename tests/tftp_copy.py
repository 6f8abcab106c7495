"""Licence files travel over a real TFTP server (PI-CLI-023, TOPO-6-002)."""

import subprocess
import time

from lab import Lab, done

with Lab() as lab:
    switch = lab.start_switch()
    served = lab.dir / "tftp"
    served.mkdir()
    served.chmod(0o777)
    port = 20069
    server = subprocess.Popen(["in.tftpd", "-L", "--address", f"127.0.0.1:{port}", "--create",
                               "--permissive", "--secure", "--user", "root", str(served)])
    try:
        switch.run("configure terminal", *(f"feature {name}" for name in ["bgp", "itd", "ngmvpn"]))
        assert switch.run("license smart save usage all bootflash:all_rum.txt").startswith("Saved license usage")
        url = f"tftp://127.0.0.1:{port}"
        end = time.monotonic() + 20
        while "Copy complete." not in (sent := switch.run(f"copy bootflash:all_rum.txt {url}/all_rum.txt")):
            assert time.monotonic() < end, sent
        saved = (switch.flash / "all_rum.txt").read_bytes()
        assert len(saved) > 4096
        assert (served / "all_rum.txt").read_bytes() == saved
        received = switch.run(f"copy {url}/all_rum.txt bootflash:")
        assert "Copy complete." in received, received
        switch.run("delete bootflash:again.txt", f"copy {url}/all_rum.txt bootflash:again.txt")
        assert (switch.flash / "again.txt").read_bytes() == saved
        missing = switch.run(f"copy {url}/nothing.txt bootflash:nothing.txt")
        assert missing.startswith("% Copy failed: File not found"), missing
        log = switch.run("show accounting log")
        assert f"copy {url}/all_rum.txt bootflash:again.txt (SUCCESS)" in log, log
        assert f"copy {url}/nothing.txt bootflash:nothing.txt (FAILURE)" in log, log
        assert "Only tftp" in switch.run("copy ftp://127.0.0.1/x bootflash:x")
    finally:
        server.terminate()
        server.wait()
done("tftp_copy")
