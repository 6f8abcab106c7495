"""After license smart factory reset, write erase and reload a switch is as new, and still lets its owner in
(PI-CLI-024, PI-CLI-025)."""

import time

from lab import Lab, done

with Lab() as lab:
    config = lab.dir / "first.cfg"
    config.write_text("hostname leaf-9\nfeature bgp\nusername admin password 5 $5$x$unknown role network-admin\n")
    switch = lab.start_switch("sw", "--startup-config", config)
    assert "IN USE" in switch.run("show license usage")
    switch.connect_to_cssm()
    before = switch.password
    switch.run("license smart factory reset", "write erase", "reload")
    password_file = lab.dir / "sw.password"
    end = time.monotonic() + 20
    while (password := password_file.read_text().strip()) == before:
        assert time.monotonic() < end, "admin got no new password"
        time.sleep(0.1)
    switch.password = password
    status = switch.wait("show license status", "Type: CSLU")
    assert "Trust Code installed: <none>" in status and "(CISCO default)" in status, status
    assert "IN USE" not in switch.run("show license usage")
    assert switch.run("show hostname") == "switch\n"
done("write_erase")
