"""What people gave to a Nexus, an SSM On-Prem or CSSM, in inputs of our own: each case is of a kind that somebody
reported (K1 to K14, and R for what was right from the beginning), and comes through the door they used.

Kinds that crates/switch/tests/lines.rs tries are there alone: blank lines in a section (K3, 05), the body of a job (K4,
07), a `no` without a name and one with it (K5, 09, 35), submodes that leave (K10, 26)."""

import io
import json
import logging
import re
import signal
import socket
import ssl
import statistics
import sys
import tarfile
import time
import traceback
import urllib.error
import urllib.request
import xml.etree.ElementTree

import paramiko
from netmiko import ConnectHandler

from lab import Lab, call, done

# A switch that is told to go down cuts its sessions off.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

AGAIN = "All reports in this file were received before."
LAN, BROKER, SERVICES = "LAN_ENTERPRISE_SERVICES_PKG", "DCN_NDB", "NETWORK_SERVICES_PKG"


class Person:
    """Somebody logged in to a switch over SSH."""

    def __init__(self, switch, login="admin", password=None):
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self.client.connect("127.0.0.1", switch.port, login, password or switch.password, timeout=20,
                            look_for_keys=False, allow_agent=False)

    def run(self, *lines):
        """The output of lines given in one SSH command."""
        _, out, _ = self.client.exec_command("\n".join(lines), timeout=30)
        return out.read().decode()

    def feed(self, text):
        """What a shell without a terminal shows that text is fed to; the text has to end it."""
        shell = self.client.get_transport().open_session(timeout=20)
        shell.settimeout(10)
        shell.invoke_shell()
        shell.sendall(text.encode())
        shell.shutdown_write()
        shown = shell.makefile("rb").read().decode().replace("\r\n", "\n")
        shell.close()
        return shown

    def configure(self, *lines):
        shown = self.run("configure terminal", *lines, "end")
        assert not re.search(r"^% ", shown, re.M), shown
        return shown

    def running(self):
        """The running configuration without its head."""
        return self.run("show running-config").split("\n\n", 1)[1]

    def in_use(self):
        usage = self.run("show license usage")
        return sorted(re.findall(r"^\((\w+)\):\n(?:  .*\n)*?  Status: IN USE$", usage, re.M))

    def wait(self, command, pattern, seconds=20):
        is_right = lambda shown: re.search(pattern, shown)
        return until(lambda: self.run(command), is_right, f"{command}: {pattern}", seconds)


def until(get, is_right, what, seconds=20):
    end = time.monotonic() + seconds
    while not is_right(got := get()):
        assert time.monotonic() < end, f"{what} did not come; last:\n{got}"
        time.sleep(0.05)
    return got


def start(lab, name, config=None, *options):
    """A new switch, and its admin logged in."""
    if config is not None:
        file = lab.dir / f"{name}.cfg"
        file.write_bytes(config.encode())
        options = ("--startup-config", file, *options)
    switch = lab.start_switch(name, *options)
    return switch, Person(switch)


def restart(lab, switch):
    """The same switch after it was told to go down."""
    switch.process.send_signal(signal.SIGTERM)
    switch.process.wait(20)
    switch = lab.start_switch(switch.name)
    return switch, Person(switch)


def offline(lab, name, *lines):
    """A switch that reports by files."""
    switch, admin = start(lab, name)
    admin.configure("license smart transport off", *lines)
    return switch, admin


def saved(switch, admin, name="usage.txt"):
    told = admin.run(f"license smart save usage all bootflash:{name}")
    assert told == f"Saved license usage to bootflash:{name}\n", told
    return (switch.flash / name).read_bytes()


def upload(lab, virtual_account, name, content):
    path = f"/smart-accounts/1/virtual-accounts/{virtual_account}/usage-files?name={name}"
    file = lab.call("POST", path, raw=content)
    get = lambda: lab.call("GET", f"/smart-accounts/1/usage-files/{file['id']}")
    return until(get, lambda file: file["status"] != "Processing", f"the end of work on {name}")


def acknowledgement(lab, file):
    return lab.call("GET", f"/smart-accounts/1/usage-files/{file['id']}/acknowledgement")


def bring(switch, admin, name, content):
    (switch.flash / name).write_bytes(content)
    return admin.run(f"license smart import bootflash:{name}")


def packed(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def collected(stamp, files):
    """Usage files as a script at a customer's packs them: one part, and a manifest that names no account."""
    part = f"UD_VA_{stamp}.tar.gz"
    manifest = (f'Manifest-Version: 1.0\nCreated-By: "{{\\"uuid\\": \\"script-{stamp}\\"}}"\nSmart-Account:\n'
                f"Smart-Account-ID:\n\nName: /{part}\nSpecification-VA: \nSpecification-VA-ID: \n")
    devices = [(f"dev_{number}_{stamp}.txt", content) for number, content in files.items()]
    return packed([("manifest.mf", manifest.encode()), (part, packed(devices))])


def on_prem(lab):
    """The URL of an SSM On-Prem and the password of its admin."""
    if not hasattr(lab, "on_prem"):
        url, _, password = lab.start_collector("onprem")
        lab.on_prem = url, password
    return lab.on_prem


def a_banner_sent_as_one_item_is_text_and_the_lines_after_a_restart_too(lab):
    # K1, 01: text of several lines, typed
    switch, admin = start(lab, "banner")
    text = "banner motd %\nno feature bgp before you ask\nhostname nobody\nlicense smart transport off\n%"
    with ConnectHandler(device_type="cisco_nxos", host="127.0.0.1", port=switch.port, username="admin",
                        password=switch.password, conn_timeout=20) as device:
        shown = device.send_config_set([
            "hostname rack-4", "feature bgp", "license smart transport smart",
            "license smart url smart https://192.0.2.40/licservice/license",
            "feature tap-aggregation", "ip access-list MIRROR", "permit tcp any any redirect Ethernet1/9"])
        device.set_base_prompt()
        shown += device.send_config_set([text], cmd_verify=False)
        assert device.find_prompt() == "rack-4#", device.find_prompt()
        assert "% Invalid" not in shown, shown
        assert "complete" in device.save_config().lower()
    for _ in range(2):
        assert text + "\n" in admin.running(), admin.running()
        assert admin.run("show hostname") == "rack-4\n"
        assert "Type: Smart" in admin.run("show license status")
        assert admin.in_use() == [BROKER, LAN], admin.run("show license usage")
        switch, admin = restart(lab, switch)


def a_user_typed_below_an_interface_can_log_in_and_the_name_server_there_is_asked(lab):
    # K2, 03: global line typed in a submode
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
        names.bind(("127.0.0.1", 0))
        names.settimeout(20)
        switch, admin = start(lab, "global", None, "--dns-port", names.getsockname()[1])
        shown = admin.feed(
            "configure terminal\nfeature bgp\ninterface mgmt0\nip address 192.0.2.77/24\n"
            "username zoe password Rack4Row9x role network-admin\n"
            "username sam password Look0nly77 role network-operator\n"
            "ip domain-name racks.example\nip name-server 127.0.0.1\n"
            "license smart url cslu http://collector:8182/cslu/v1/pi\nend\nlicense smart sync all\nexit\n")
        assert not re.search(r"^% ", shown, re.M), shown
        query, _ = names.recvfrom(512)
        assert b"\x09collector\x05racks\x07example\x00" in query, query
    assert Person(switch, "zoe", "Rack4Row9x").run("show hostname") == "switch\n"
    seen = Person(switch, "sam", "Look0nly77").run("show running-config")
    for line in ["username zoe password 5 $5$", "ip domain-name racks.example", "ip name-server 127.0.0.1"]:
        assert f"\n{line}" in seen, seen
    assert "Rack4Row9x" not in seen and "Look0nly77" not in seen, seen
    assert "interface mgmt0\n  ip address 192.0.2.77/24\n" in seen, seen


def a_shell_ends_with_the_file_it_is_fed_from(lab):
    # 03, 09, 18, 26: the door, `ssh switch < file`, whose last line is no `exit`
    _, admin = start(lab, "fed")
    try:
        shown = admin.feed("configure terminal\nhostname fed\nend\nshow hostname\n")
    except TimeoutError:
        raise AssertionError("the shell is still open 10 s after the end of its input") from None
    assert "\nfed\n" in shown, shown


def the_first_prompt_begins_a_line(lab):
    # K6, 11: tools look for CR or LF before the prompt, also before the first
    switch, admin = start(lab, "prompt")
    shell = admin.client.invoke_shell()
    shell.settimeout(20)
    shown = b""
    while b"switch# " not in shown:
        shown += shell.recv(4096)
    assert re.search(rb"[\r\n]switch# $", shown), f"a shell begins with {shown!r}"


def single_quotes_are_as_good_as_double_ones(lab):
    # K7, 13: quotes in pipes
    _, admin = start(lab, "quotes")
    admin.configure("feature bgp", "license smart transport smart", "router bgp 65007", "router-id 192.0.2.7")
    for line, wanted in [
        ("show running-config | sec '^router'", "router bgp 65007\n  router-id 192.0.2.7\n"),
        ("show running-config | section 'router bgp'", "router bgp 65007\n  router-id 192.0.2.7\n"),
        ("show running-config | incl 'smart transport'", "license smart transport smart\n"),
        ("show running-config | include '^feature|smart tr'", "feature bgp\nlicense smart transport smart\n"),
        ("show license status | include 'Type|Sending'", "  Sending Hostname: yes\n  Type: Smart\n"),
        ("show running-config | section '^router' | exclude 'bgp'", "  router-id 192.0.2.7\n"),
    ]:
        shown, double = admin.run(line), admin.run(line.replace("'", '"'))
        assert shown == double, f"{line}: {shown!r}, with double quotes {double!r}"
        assert shown == wanted, f"{line}: {shown!r}"
    left = admin.run("show running-config | exclude 'bgp'")
    assert left and "bgp" not in left, left


def a_bundle_of_known_reports_moves_no_device(lab):
    # K8, 15: re-upload under another virtual account
    campus = lab.call("POST", "/smart-accounts/1/virtual-accounts", {"name": "Campus"})["id"]
    switch, admin = offline(lab, "moved", "feature itd", "feature bgp")
    usage = saved(switch, admin)
    first = upload(lab, campus, "usage.txt", usage)
    assert (first["status"], first["reports_known"]) == ("No Errors", 0) and first["reports_new"] > 0, first

    def state():
        instances = lab.call("GET", "/smart-accounts/1/product-instances?limit=1000")
        accounts = {instance["serial"]: instance["virtual_account_id"] for instance in instances}
        # What is short already is so from now on, whenever that is.
        licenses = lab.call("GET", "/smart-accounts/1/licenses")
        return accounts, [row | {"runs_short_at": row["runs_short_at"] is not None} for row in licenses]

    before = state()
    assert {row["license"] for row in before[1] if row["virtual_account_id"] == campus} == {LAN, SERVICES}, before
    for name, content in [("usage.txt", usage), ("UD_SA_old.tar.gz", collected("old", {9: usage}))]:
        try:
            told = upload(lab, 1, name, content)
        except urllib.error.HTTPError as error:
            told = f"{error.code}: {error.read().decode()}"
        assert state() == before, f"{name} in Default: {told}; it was\n{before}\nand is\n{state()}"


def a_name_that_is_not_in_the_certificate_is_told_as_such(lab):
    # K9, 16: the reason of a failed connection
    url, _ = on_prem(lab)
    _, admin = start(lab, "tls", None, "--tls-root", lab.dir / "onprem/root.pem")
    admin.configure("feature bgp", "ip host other.example 127.0.0.1",
                    f"license smart url cslu https://other.example:{url.rsplit(':', 1)[1]}/cslu/v1/pi/SITE")
    admin.run("license smart sync all")
    log = admin.wait("show logging", "SMART_LIC_COMM_FAILED.*:.*")
    wanted = "Cannot establish secure connection because server TLS cert cannot be validated"
    line = [line for line in log.splitlines() if "COMM_FAILED" in line][-1]
    assert line.endswith(wanted), line


def an_old_release_reports_by_call_home_over_tls_1_2(lab):
    # R: PI-NET-006, PI-NET-021, CSSM-031. What a device may do by TLS 1.2 a page and the API may not.
    _, admin = start(lab, "old", None, "--release", "10.3(2)F")
    admin.configure("feature bgp", "license smart transport callhome", "callhome",
                    f"destination-profile xml index 1 http {lab.url}/its/service/oddce/services/DDCEService", "enable")
    admin.run(f"license smart trust idtoken {lab.new_token()} all")
    admin.wait("show logging", "TRUST_CODE_INSTALL_SUCCESS")
    admin.run("license smart sync")
    admin.wait("show license rum id all", r"\n\d+ +(ACK|UNACK)")
    old = ssl.create_default_context(cafile=lab.dir / "cssm/root.pem")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    for path, status in [("/", 426), ("/api/v1/me", 426), ("/openapi.json", 426), ("/licservice/license", 200)]:
        try:
            with urllib.request.urlopen(lab.url + path, context=old, timeout=20) as answer:
                told = answer.status
        except urllib.error.HTTPError as error:
            told = error.code
        assert told == status, f"{path}: {told}"


def a_route_map_of_a_neighbor_is_no_section_after_a_reload_either(lab):
    # K10, 18: inner line that begins like a global section
    switch, admin = start(lab, "inner")
    shown = admin.feed(
        "configure terminal\nfeature bgp\nrouter bgp 65020\nneighbor 192.0.2.21\nremote-as 65021\n"
        "address-family ipv4 unicast\nroute-map TO-CORE out\nroute-map FROM-CORE in\nsend-community\n"
        "neighbor 192.0.2.22\nremote-as 65022\nend\ncopy running-config startup-config\nexit\n")
    assert not re.search(r"^% ", shown, re.M), shown
    wanted = ("router bgp 65020\n  neighbor 192.0.2.21\n    remote-as 65021\n    address-family ipv4 unicast\n"
              "      route-map TO-CORE out\n      route-map FROM-CORE in\n      send-community\n"
              "  neighbor 192.0.2.22\n    remote-as 65022\n")
    for _ in range(2):
        assert admin.run('show running-config | begin "router bgp"').startswith(wanted), admin.running()
        assert admin.in_use() == [LAN]
        switch, admin = restart(lab, switch)


def a_tool_that_sends_what_is_missing_sends_it_once(lab):
    # K11, 20: toggles of a port, compared with the running configuration as tools do
    _, admin = start(lab, "toggle")

    def ensure(line):
        """Whether it had to be sent."""
        config = admin.running()
        section = re.search(r"^interface Ethernet1/3\n((?:  .*\n)*)", config, re.M)
        if section and f"  {line}" in section[1].splitlines():
            return False
        admin.configure("interface Ethernet1/3", line)
        return True

    for lines in [["shutdown", "no shutdown"], ["switchport", "no switchport"], ["mtu 9000", "mtu 9216"]]:
        for line in lines:
            assert ensure(line) or line == "switchport", f"{line} is there before it was sent: {admin.running()}"
        assert not ensure(lines[1]), f"{lines[1]} is missing after it was sent: {admin.running()}"


def a_pasted_session_is_a_startup_configuration(lab):
    # K12, 22: no indentation, with the words of EXEC around it
    text = ("configure terminal\nhostname leaf-paste\nfeature ospf\nip access-list COPY\n"
            "permit udp any any redirect Ethernet1/7\nexit\ninterface Ethernet1/2\ndescription uplink\nno shutdown\n"
            "exit\nlicense smart transport smart\nend\n")
    _, booted = start(lab, "paste", text)
    switch, copied = start(lab, "paste-copied")
    (switch.flash / "paste.cfg").write_text(text)
    told = copied.run("copy bootflash:paste.cfg running-config")
    assert told == "Copy complete.\n", told
    for way, admin in [("startup", booted), ("copied", copied)]:
        config = admin.running()
        for part in ["hostname leaf-paste\n", "ip access-list COPY\n  10 permit udp any any redirect Ethernet1/7\n",
                     "interface Ethernet1/2\n  description uplink\n  no shutdown\n", "license smart transport smart\n"]:
            assert part in config, f"{way}: no {part!r} in {config}"
        assert not re.search(r"^\s*(configure|conf|exit|end)\b", config, re.M), f"{way}: {config}"
        assert admin.in_use() == [BROKER, LAN], f"{way}: {admin.run('show license usage')}"


def one_virtual_account_is_the_default_and_descriptions_come_back(lab):
    # K14, 24: answers of the version 1 API
    url, password = on_prem(lab)
    context = ssl.create_default_context(cafile=str(lab.dir / "onprem/root.pem"))
    login = call(url, context, None, "POST", "/login", {"login": "admin", "password": password})["token"]
    client = call(url, context, login, "POST", "/api-clients", {"name": "playbook"})
    grant = {**client, "grant_type": "password", "username": "admin", "password": password}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/oauth/token", json.dumps(grant).encode(), headers)
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        token = json.load(answer)["access_token"]
    api = lambda method, path, body=None: call(url, context, token, method, path, body)
    for name in ["Default", "Lab"]:
        api("POST", "/tenants", {"name": f"SITE-{name}", "smart_account": "Example", "virtual_account": name,
                                 "connected": False, "sync_minutes": 0})
    path = "/accounts/Example/virtual-accounts"
    described = {"hall-2": "Racks in hall 2, left: 40 leaves", "hall-3": "Racks in hall 3 (to come)"}
    for name, description in described.items():
        made = api("POST", path, {"name": name, "description": description})
        assert made["status"] == "SUCCESS", made
    rows = api("GET", path)["virtualAccounts"]
    assert {row["name"] for row in rows} == {"Default", "Lab", *described}, rows
    problems = []
    defaults = {row["name"]: row["isDefault"] for row in rows}
    if {name for name, is_default in defaults.items() if str(is_default).lower() in ("yes", "true")} != {"Default"}:
        problems.append(f"Default alone is to be the default: {defaults}")
    back = {row["name"]: row["description"] for row in rows if row["name"] in described}
    if back != described:
        problems.append(f"descriptions come back as {back}")
    assert not problems, "; ".join(problems)


def a_windows_editor_harms_neither_usage_nor_its_ack(lab):
    # R, 30: CR LF and a byte order mark
    switch, admin = offline(lab, "windows", "feature ospf")
    ways = {"crlf": lambda text: text.replace(b"\n", b"\r\n"), "bom": lambda text: b"\xef\xbb\xbf" + text,
            "both": lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")}
    for (way, change), line in zip(ways.items(), ["feature itd", "feature ngmvpn", "no feature itd"]):
        admin.configure(line)
        usage = saved(switch, admin, f"{way}.txt")
        file = upload(lab, 1, f"{way}.txt", change(usage))
        assert file["status"] == "No Errors" and file["reports_new"] > 0, f"{way}: {file}"
        for other in [change, lambda text: text]:
            again = upload(lab, 1, f"{way}-again.txt", other(usage))
            assert (again["reports_new"], again["message"]) == (0, AGAIN), f"{way}: {again}"
        acknowledged = lambda: re.findall(r"^(\d+) +ACK ", admin.run("show license rum id all"), re.M)
        before = acknowledged()
        told = bring(switch, admin, f"ack-{way}.txt", change(acknowledgement(lab, file)))
        assert told.startswith("Import Data Successful\n"), f"{way}: {told}"
        assert len(acknowledged()) > len(before), f"{way}: {admin.run('show license rum id all')}"
    assert "FAILED" not in admin.run("show logging"), admin.run("show logging")


def what_is_shown_stays_the_same_while_nothing_happens(lab):
    # R, 31: tools that keep the last answer and compare
    switch, admin = start(lab, "stable")
    admin.configure("feature bgp", "license smart transport smart",
                    f"license smart url smart {lab.url}/licservice/license")
    admin.run("copy running-config startup-config", f"license smart trust idtoken {lab.new_token()} all")
    admin.wait("show license status", r"Trust Code installed: \w")
    admin.run("license smart sync all")
    admin.wait("show license status", r"Last ACK received: \w")
    commands = ["show license status", "show license all", "show license usage", "show license summary",
                "show running-config", "show startup-config"]

    def shown():
        return {line: re.sub(r"^!Time.*\n", "", admin.run(line), flags=re.M) for line in commands}

    clock = lambda: admin.run("show clock").splitlines()[0]
    first, at = shown(), clock()
    for _ in range(2):
        at = until(clock, lambda now: now != at, "the next second", 5)
        later = shown()
        changed = {line: (first[line], later[line]) for line in commands if first[line] != later[line]}
        assert not changed, changed


def a_public_template_reads_the_usage(lab):
    # R, 32: ntc-templates, which netmiko brings
    switch, admin = start(lab, "template")
    admin.configure("feature ospf", "feature tap-aggregation", "ip access-list SPY", "permit ip any any redirect Ethernet1/8")
    with ConnectHandler(device_type="cisco_nxos", host="127.0.0.1", port=switch.port, username="admin",
                        password=switch.password, conn_timeout=20) as device:
        records = device.send_command("show license usage", use_textfsm=True)
    assert isinstance(records, list), f"the template does not know the output: {records}"
    found = sorted((record["feature"], record["license_count"], record["status"]) for record in records)
    assert found == [(BROKER, "1", "IN USE"), (LAN, "1", "IN USE")], records


def the_last_line_counts_without_a_line_end(lab):
    # R, 33: a file that ends in the middle of its last line
    for name, text, wanted in [
        ("last-inner", "interface Ethernet1/4\n  description end", "interface Ethernet1/4\n  description end\n"),
        ("last-global", "interface Ethernet1/4\n  no shutdown\nfeature bgp", "feature bgp\n"),
    ]:
        _, admin = start(lab, name, text)
        assert wanted in admin.running(), admin.running()
        assert admin.in_use() == [LAN] * text.endswith("bgp")


def a_banner_in_a_file_is_text(lab):
    # R, 34: text right behind the delimiter, lines in it that look like configuration
    banner = "banner motd ^CStay out\n  feature itd\nlicense smart transport smart\n^"
    _, admin = start(lab, "banner-file", f"hostname keep\n{banner}C\nfeature ospf\n")
    config = admin.running()
    assert banner in config, config
    assert "Type: CSLU" in admin.run("show license status")
    assert admin.run("show hostname") == "keep\n"
    assert admin.in_use() == [LAN], admin.run("show license usage")
    on = {line.split()[0] for line in admin.run("show feature | include enabled").splitlines()}
    assert "ospf" in on and "itd" not in on, on


def an_ack_is_unpacked_by_name_and_imported_on_each_device(lab):
    # R, 36: a script that looks for ACK_UD_VA and ACK_dev_N
    devices = {number: offline(lab, f"device-{number}", f"feature {feature}") for number, feature in
               [(4, "bgp"), (17, "itd")]}
    bundle = collected("26Nov28_py", {number: saved(*device) for number, device in devices.items()})
    file = upload(lab, 1, "UD_SA_26Nov28_py.tar.gz", bundle)
    assert (file["status"], file["product_instances"]) == ("No Errors", 2), file
    answer = acknowledgement(lab, file)
    with tarfile.open(fileobj=io.BytesIO(answer), mode="r:gz") as outer:
        parts = [outer.extractfile(member).read() for member in outer if "ACK_UD_VA" in member.name]
    assert len(parts) == 1, "one part"
    acks = {}
    with tarfile.open(fileobj=io.BytesIO(parts[0]), mode="r:gz") as inner:
        for member in inner:
            assert "/" not in member.name and member.name.startswith("ACK_dev_"), member.name
            acks[int(member.name.split("_")[2])] = inner.extractfile(member).read()
    assert acks.keys() == devices.keys(), acks.keys()
    for number, (switch, admin) in devices.items():
        root = xml.etree.ElementTree.fromstring(acks[number])
        assert root.tag == "smartLicense" and len(root.findall("smartLicenseRumAck/data")) == 1, acks[number]
        told = bring(switch, admin, "ack.txt", acks[number])
        assert told.startswith("Import Data Successful\n"), told
        assert re.search(r"Last ACK received: \w", admin.run("show license status"))
        (wrong,) = acks.keys() - {number}
        told = bring(switch, admin, "other.txt", acks[wrong])
        assert "Successful" not in told, f"the ACK of device {wrong} on device {number}: {told}"


def reports_that_pile_up_cost_no_more_each_time(lab):
    # R, 37: many saves without an answer
    switch, admin = offline(lab, "pile", "feature bgp", "feature nv overlay")

    def timed(line):
        begun = time.monotonic()
        told = admin.run(line)
        return time.monotonic() - begun, told

    def ten_saves(day):
        """How long another takes after ten more; time passes for the switch alone."""
        save = "license smart save usage all bootflash:pile.txt"
        lines = [line for hour in range(10) for line in [
            f"clock set {hour:02}:00:00 {day} January 2027", "configure terminal",
            f"{'no ' * (hour % 2)}feature itd", "end", save]]
        told = admin.run(*lines)
        assert "Failure" not in told and "% " not in told, told
        took = [timed(save) for _ in range(7)]
        assert all(told.startswith("Saved license usage") for _, told in took), took
        return statistics.median(seconds for seconds, _ in took)

    took = [ten_saves(day) for day in range(1, 13)]
    waiting = len(re.findall(r"^\d+ +UNACK ", admin.run("show license rum id all"), re.M))
    assert waiting >= 120, f"{waiting} reports wait: there is no pile"
    first, last = took[0], took[-1]
    assert last < 3 * first + 0.1, f"a save took {first:.3f} s at first and {last:.3f} s at last"
    seconds, told = timed("show license all")
    assert "Utility:" in told or "License Usage" in told, told
    assert seconds < 3 * first + 0.5, f"show license all took {seconds:.3f} s"
    status = open(f"/proc/{switch.process.pid}/status").read()
    kib = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
    assert kib < 64 * 1024, f"{kib} KiB"


CASES = [
    a_banner_sent_as_one_item_is_text_and_the_lines_after_a_restart_too,
    a_user_typed_below_an_interface_can_log_in_and_the_name_server_there_is_asked,
    a_shell_ends_with_the_file_it_is_fed_from,
    the_first_prompt_begins_a_line,
    single_quotes_are_as_good_as_double_ones,
    a_bundle_of_known_reports_moves_no_device,
    a_name_that_is_not_in_the_certificate_is_told_as_such,
    an_old_release_reports_by_call_home_over_tls_1_2,
    a_route_map_of_a_neighbor_is_no_section_after_a_reload_either,
    a_tool_that_sends_what_is_missing_sends_it_once,
    a_pasted_session_is_a_startup_configuration,
    one_virtual_account_is_the_default_and_descriptions_come_back,
    a_windows_editor_harms_neither_usage_nor_its_ack,
    what_is_shown_stays_the_same_while_nothing_happens,
    a_public_template_reads_the_usage,
    the_last_line_counts_without_a_line_end,
    a_banner_in_a_file_is_text,
    an_ack_is_unpacked_by_name_and_imported_on_each_device,
    reports_that_pile_up_cost_no_more_each_time,
]


def main(names):
    wrong = []
    with Lab() as lab:
        for case in [case for case in CASES if not names or case.__name__ in names]:
            begun = time.monotonic()
            try:
                case(lab)
            except Exception as error:
                wrong.append(case.__name__)
                place = traceback.extract_tb(error.__traceback__)[-1].lineno
                print(f"{case.__name__}: WRONG, line {place}: {type(error).__name__}: {error}")
            else:
                print(f"{case.__name__}: right, {time.monotonic() - begun:.1f} s")
    if wrong:
        sys.exit(f"cases: {len(wrong)} wrong: {', '.join(wrong)}")
    done("cases")


main(sys.argv[1:])
