#!/usr/bin/env python3
"""Another vendor's product is a folder of tables: a switch of it boots, uses its own features and reports to a CSSM that was given
the folder. A CSSM that was not takes the same reports, loses nothing, and says that it does not know the product (C-48)."""

import pathlib
import shutil
import subprocess
import tempfile
import time

from lab import RUMLINE, Lab, done

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples" / "catalogue"
VENDOR = EXAMPLES / "aldermoor"
UNKNOWN = "the product id AM-M8 is not in the catalogue of this CSSM; its use is counted"


def refused(*arguments):
    """What a command says that ends at once."""
    ended = subprocess.run([RUMLINE, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2, ended
    return ended.stderr


def reported(lab, switch):
    """The product instance, once CSSM has its reports and it has the ACK."""
    switch.connect_to_cssm()
    switch.run("configure terminal", "feature bgp", "feature mesh", "end", "copy running-config startup-config")
    assert "(ALDERMOOR_FABRIC):" in switch.run("show license usage")
    switch.run("license smart sync all")
    switch.wait("show license status", r"Last ACK received: [A-Z]")
    for _ in range(100):
        found = [one for one in lab.call("GET", "/smart-accounts/1/product-instances") if one["licenses"]]
        if found and len(found[0]["licenses"]) == 2:
            return found[0]
        time.sleep(0.1)
    raise AssertionError("nothing is in use")


def events(lab):
    return [one["text"] for one in lab.call("GET", "/smart-accounts/1/events")]


def known():
    with Lab("--catalogue", VENDOR) as lab:
        switch = lab.start_switch("sw", "--catalogue", VENDOR, "--pid", "AM-M8")
        version = switch.run("show version")
        assert "Aldermoor M8 (8 Slot) Chassis" in version and "3.2" in version, version
        one = reported(lab, switch)
        names = sorted(license["license"] for license in one["licenses"])
        assert names == ["ALDERMOOR_FABRIC", "ALDERMOOR_ROUTING"], one
        assert one["is_in_catalogue"] and one["product_type"] == "Aldermoor M", one
        assert not any("catalogue" in text for text in events(lab))
        assert "catalogue" not in switch.run("show license history message")
        # It is bought under the vendor's names, and a Nexus switch is known beside it.
        bought = {"license": "ALDERMOOR_FULL", "quantity": 1, "kind": "PERPETUAL"}
        lab.call("POST", f"{lab.va}/purchases", bought)
        nexus = lab.start_switch("nexus", "--catalogue", VENDOR)
        assert "feature mesh" not in nexus.run("show running-config")
        assert "10.4(3)" in nexus.run("show version")
        # Without its folder a switch that was made does not start, and is not changed.
        switch.process.terminate()
        switch.process.wait(20)
        told = refused("switch", "--dir", lab.dir / "sw", "--no-ssh")
        assert "no product id AM-M8 in the catalogue" in told and "--catalogue DIR" in told, told
        again = lab.start_switch("sw", "--catalogue", VENDOR)
        assert "feature mesh" in again.run("show running-config")


def unknown():
    with Lab() as lab:
        switch = lab.start_switch("sw", "--catalogue", VENDOR, "--pid", "AM-M8")
        one = reported(lab, switch)
        assert not one["is_in_catalogue"] and one["product_type"] == "Other", one
        names = sorted(license["license"] for license in one["licenses"])
        assert names == ["FABRIC_M", "ROUTING_M"], one
        assert any(UNKNOWN in text for text in events(lab)), events(lab)
        assert UNKNOWN in switch.run("show license history message")
        # Started again with the folder, this CSSM calls by their names what it has counted.
        lab.cssm.terminate()
        lab.cssm.wait(20)
        lab.cssm_options = ("--catalogue", VENDOR)
        lab.start_cssm(lab.url.removeprefix("https://"))
        one = lab.call("GET", f"/smart-accounts/1/product-instances/{one['id']}")
        names = sorted(license["license"] for license in one["licenses"])
        assert names == ["ALDERMOOR_FABRIC", "ALDERMOOR_ROUTING"] and one["is_in_catalogue"], one


def refusals():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data, tables = folder / "data", folder / "tables"
        shutil.copytree(VENDOR, tables)
        for options in (["switch", "--pid", "AM-S48", "--no-ssh"], ["cssm"], ["cslu"], ["onprem"]):
            start = [*options, "--dir", data, "--catalogue"]
            assert "No such file" in refused(*start, folder / "nowhere")
            table = tables / "platforms.toml"
            text = table.read_text()
            table.write_text(text.replace('family = "Aldermoor_S"', 'family = "S"', 1))
            told = refused(*start, tables)
            assert 'platforms.toml: AM-S48: family "S" is in no [[family]] row' in told, told
            table.write_text(text)
            # The same folder twice is the same product ids twice.
            told = refused(*start, tables, "--catalogue", tables)
            assert "product id AM-S48 is in tables that were loaded before it" in told, told
            # What could not start made nothing.
            assert not data.exists(), options
        start = ["switch", "--dir", data, "--no-ssh", "--catalogue", tables, "--pid"]
        assert "no product id AM-S49" in refused(*start, "AM-S49")
        assert "there is no release 10.4(3)F" in refused(*start, "AM-M8", "--release", "10.4(3)F")
        assert not data.exists()


def added():
    """A folder may add a model to those that are built in."""
    with Lab("--catalogue", EXAMPLES / "more-models") as lab:
        pid = "N9K-C93000XX-EXAMPLE"
        switch = lab.start_switch("sw", "--catalogue", EXAMPLES / "more-models", "--pid", pid)
        switch.connect_to_cssm()
        [one] = lab.call("GET", "/smart-accounts/1/product-instances")
        assert (one["pid"], one["product_type"], one["is_in_catalogue"]) == (pid, "N9300", True), one


refusals()
known()
unknown()
added()
done("vendor")
