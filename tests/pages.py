"""How all pages of CSSM, CSLU and SSM On-Prem look: light and dark, from a telephone to a wide window, with nothing,
with much, and with the longest names. `pages.mjs` looks; here is what it looks at."""

import json
import os
import pathlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import quote

from lab import Lab, done

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "../crates/web/tests/golden"
ROWS = 1200
MANY = 120
PASSWORD = "only to look at"


def filled(unit, letters):
    return (unit * letters)[:letters].strip()


def in_bytes(text, most):
    return text.encode()[:most].decode(errors="ignore").strip()


# Names of the longest kind: without a place to break, from right to left, with marks, markup, emoji, and plain words.
UNITS = {
    "letters": "W",
    "right to left": "מרכז הנתונים ",
    "marks": "Z\u0351\u036b\u0343\u0324\u035a",
    "markup": "<b>&amp;</b><script>alert(1)</script>",
    "emoji": "👩‍🔧🏳️‍🌈",
    "words": "Data centre in the north, second room ",
}
NAMES = [filled(unit, 100) for unit in UNITS.values()]
TEXTS = [filled(unit, 255) for unit in UNITS.values()]
TENANT = "T" * 64
SHORT_NAMES = ["leaf", "spine", "border"]


def wait(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.1)
    return found


class World:
    """The three servers in one state."""

    def __init__(self, state, stack, *options, **lab):
        self.state = state
        self.lab = stack.enter_context(Lab(*options, **lab))
        self.collectors = {}
        self.sites = [self.site("cssm", self.lab.url, "admin.password", "routes.txt")]
        for kind, more in [("cslu", ["--device-listen", "127.0.0.1:0"]), ("onprem", ["--host", "localhost"])]:
            url, device_url, password = self.lab.start_collector(kind, *more)
            api = self.lab.collector(kind, url, password)
            self.collectors[kind] = url, device_url, password, api
            self.sites.append(self.site(kind, url, f"{kind}.password", "collector_routes.txt"))

    def site(self, server, url, password, routes):
        return {"server": server, "state": self.state, "url": url, "login": "admin",
                "password": (self.lab.dir / password).read_text().strip(), "routes": str(GOLDEN / routes)}

    def api(self, kind):
        return self.collectors[kind][3]

    def uploads(self, content):
        """What is brought to the page of a server from which a file leads to another one."""
        file = self.lab.dir / "usage.txt"
        file.write_bytes(content)
        self.sites[0]["uploads"] = {"/smart-accounts/{sa}/reports": str(file)}

    def viewers(self):
        """The same servers for somebody who may only look."""
        person = {"login": "viewer", "password": PASSWORD, "role": "viewer"}
        self.lab.call("POST", "/smart-accounts/1/people", person)
        for kind in self.collectors:
            self.api(kind)("POST", "/people", person)
        self.sites += [{**site, "state": "viewer", "login": "viewer", "password": PASSWORD} for site in self.sites]

    def restart_cssm(self):
        """What is short is looked for at the start."""
        self.lab.cssm.terminate()
        self.lab.cssm.wait()
        self.lab.start_cssm(self.lab.url.removeprefix("https://"))


def people(call, logins, **within):
    roles = ["viewer", "operator", "administrator"]
    for number, login in enumerate(logins):
        call("POST", "/people", {"login": login, "password": PASSWORD, "role": roles[number % 3], **within})


def usage_of(lab, name):
    """What a switch that reports to CSSM saves as a file."""
    switch = lab.start_switch(name)
    switch.run("configure terminal", f"hostname {name}", "feature bgp", "feature itd", "end")
    switch.connect_to_cssm()
    switch.run("license smart sync all", "license smart save usage all bootflash:usage.txt")
    wait(lambda: lab.call("GET", "/smart-accounts/1/licenses"), "licences")
    return (switch.flash / "usage.txt").read_bytes()


def cssm_books(lab, sa, names, texts, usage):
    """What people write into a smart account."""
    here = f"/smart-accounts/{sa}"
    parts = [lab.call("POST", f"{here}/virtual-accounts", {"name": name})["id"] for name in names]
    for number, text in enumerate(texts):
        va = parts[number % len(parts)] if number % 2 else 1
        new = {"description": text, "expires_after_days": 1 + number, "uses_max": number or None}
        token = lab.call("POST", f"{here}/virtual-accounts/{va}/tokens", new)
        if number % 5 == 4:
            lab.call("POST", f"{here}/tokens/{token['id']}/revoke")
    for number, name in enumerate(names):
        purchase = {"license": "LAN_ENTERPRISE_SERVICES_PKG", "quantity": 10 ** (number % 9), "kind": "PERPETUAL",
                    "starts_at": 1_700_000_000, "ends_at": None, "order_number": name}
        lab.call("POST", f"{here}/virtual-accounts/{parts[0]}/purchases", purchase)
        lab.call("POST", f"{here}/virtual-accounts/{parts[0]}/usage-files?name={quote(name)}", raw=usage)
        lab.call("POST", f"{here}/jobs", {"kind": "remove", "search": in_bytes(name, 256)})


def jobs_end(lab):
    wait(lambda: all(job["ended_at"] for job in lab.call("GET", "/smart-accounts/1/jobs")), "end of the jobs")


def policy(name):
    days = {"first_report_days": 30, "ongoing_report_days": 90, "on_change_report_days": 30}
    return {"policy_name": name, "reporting_ack_required": True, "unenforced": days, "enforced": days, "export": days}


def csv_of(rows):
    lines = ["PID,Serial Number,Host Name", *(f'N9K-C93180YC-FX3,{serial},"{name}"' for serial, name in rows)]
    return "\n".join(lines).encode()


def settle(switch, url):
    switch.run("configure terminal", f"hostname {switch.name}", "license smart transport cslu",
               f"license smart url cslu {url}", "feature bgp", "feature itd", "end",
               "copy running-config startup-config", "license smart sync all")


def tenants(world, kind, names, settings):
    """A CSLU has one, without a name."""
    if kind == "cslu":
        world.api(kind)("PUT", "/tenants/1/settings", settings[0])
    else:
        for name, own in zip(names, settings):
            world.api(kind)("POST", "/tenants", {"name": name, **own})


def instances(world, kind, rows, switch):
    """Product instances of the first tenant; one of them is there, and its reports leave as a file."""
    api = world.api(kind)
    taken = api("POST", "/tenants/1/product-instances.csv", raw=csv_of(rows))
    assert not taken["errors"], taken
    name, tenant_id = switch
    url, device_url = world.collectors[kind][:2]
    if kind == "onprem":
        port = url.rsplit(":", 1)[1]
        device_url = f"https://localhost:{port}/cslu/v1/pi/{tenant_id}"
    settle(world.lab.start_switch(name, "--tls-root", world.lab.dir / f"{kind}/root.pem"), device_url)
    wait(lambda: api("GET", "/tenants/1/licenses"), f"licences at {kind}")
    api("POST", "/tenants/1/export", {"ids": None})


def new(stack):
    return World("new", stack, account=None)


def empty(stack):
    world = World("empty", stack)
    account = {"smart_account": "Example", "virtual_account": "Default", "connected": True, "sync_minutes": 15}
    world.api("onprem")("POST", "/tenants", {"name": "XYZ-ON-PREM-1", **account})
    world.viewers()
    return world


def full(stack):
    world = World("full", stack, seed=ROWS)
    lab = world.lab
    usage = usage_of(lab, "core-1")
    world.uploads(usage)
    cssm_books(lab, 1, [f"{SHORT_NAMES[n % 3]} {n}" for n in range(20)], [f"Room {n}" for n in range(MANY)], usage)
    # All in one list, which has pages then.
    for part in range(2, 14):
        jobs_end(lab)
        job = {"kind": "transfer", "virtual_account_id": part, "into_virtual_account_id": 1}
        lab.call("POST", "/smart-accounts/1/jobs", job)
    people(lab.call, [f"person-{n}@example.net" for n in range(6)])
    people(lab.call, ["ann", "bob", "eve"], smart_account_id=1)
    lab.call("PUT", "/smart-accounts/1/policy", policy("Quarterly"))
    lab.call("PUT", "/me/mail", {"address": "admin@example.net", "pace": "daily"})
    lab.call("POST", "/smart-accounts/1/webhooks", {"url": "https://hooks.example.net/told", "kinds": ["alert"]})
    account = {"smart_account": "Seed Lab", "virtual_account": "Default", "connected": False, "sync_minutes": 15}
    rows = [(f"FOX{n:08d}", f"{SHORT_NAMES[n % 3]}-{n}.example.net") for n in range(ROWS)]
    for kind in ("cslu", "onprem"):
        tenants(world, kind, [f"XYZ-ON-PREM-{n}" for n in range(1, 12)], [account] * 11)
        instances(world, kind, rows, (f"{kind}-switch", "XYZ-ON-PREM-1"))
        people(world.api(kind), [f"person-{n}" for n in range(6)])
        world.api(kind)("PUT", "/tenants/1/settings", {**account, "connected": True})
        login = {"login": "admin", "password": world.sites[0]["password"]}
        assert world.api(kind)("POST", "/tenants/1/cisco-login", login)["registered"]
    wait(lambda: lab.call("GET", "/smart-accounts/1/alerts"), "alerts")
    jobs_end(lab)
    return world


def long(stack):
    world = World("long", stack, account=NAMES[0])
    lab = world.lab
    for number, name in enumerate(NAMES[1:]):
        lab.call("POST", "/smart-accounts", {"name": name, "domain": f"{'d' * 60}.{number}.example.net"})
    usage = usage_of(lab, "s" * 63)
    world.uploads(usage)
    cssm_books(lab, 1, NAMES, TEXTS, usage)
    people(lab.call, NAMES)
    people(lab.call, [f"1{name[1:]}" for name in NAMES], smart_account_id=1)
    lab.call("PUT", "/smart-accounts/1/policy", policy(NAMES[0]))
    world.restart_cssm()
    wait(lambda: lab.call("GET", "/smart-accounts/1/alerts"), "alerts")
    account = {"smart_account": NAMES[0], "virtual_account": NAMES[0], "connected": False, "sync_minutes": 15}
    ids = [f"{number or TENANT}{TENANT}"[:64] for number in range(len(NAMES))]
    rows = [(f"{number}{'S' * 40}", in_bytes(name, 100)) for number, name in enumerate(NAMES)]
    for kind in ("cslu", "onprem"):
        tenants(world, kind, ids, [{**account, "virtual_account": name} for name in NAMES])
        instances(world, kind, rows, (kind[0] * 63, TENANT))
        people(world.api(kind), NAMES)
    return world


with ExitStack() as stack:
    began = time.monotonic()
    # Whether each check finds what it is for is seen on one page.
    fills = [new] if os.environ.get("RUMLINE_PAGES_SELFTEST") else [full, long, empty, new]
    with ThreadPoolExecutor() as pool:
        worlds = list(pool.map(lambda fill: fill(stack), fills))
    print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    file = worlds[0].lab.dir / "sites.json"
    # What takes longest begins first.
    file.write_text(json.dumps([site for world in worlds for site in world.sites]))
    node = subprocess.run(["node", HERE / "pages.mjs", file])
    print(f"{time.monotonic() - began:.0f} s in all", flush=True)
    if node.returncode:
        sys.exit(1)
done("pages")
