"""A folder of forgeries, made of genuine files: whatever is altered, exchanged, put in, taken out, cut off or signed by
somebody else, `rumline verify` does not vouch for it, CSSM counts nothing by it, and no switch installs any of it
(FILE-009, CSLU-019, PI-RUM-009, PI-TRUST-008)."""

import collections
import concurrent.futures
import itertools
import json
import re
import subprocess
import time
import types
import urllib.error

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import forging
from forging import File, certificate, digest, key_text, tar
from lab import RUMLINE, Lab, done

POLICY = {"policy_name": "Quarterly", "reporting_ack_required": True,
          "unenforced": {"first_report_days": 30, "ongoing_report_days": 90, "on_change_report_days": 30},
          "enforced": {"first_report_days": 0, "ongoing_report_days": 0, "on_change_report_days": 0},
          "export": {"first_report_days": 0, "ongoing_report_days": 0, "on_change_report_days": 0}}


# The genuine ones.

class Device:
    def __init__(self, lab, va, name, serial):
        self.lab, self.va, self.name = lab, va, name
        self.switch = lab.start_switch(name, "--serial", serial)
        self.udi = ("N9K-C93180YC-FX3", serial)
        key = (lab.dir / name / "store/device.key").read_bytes()
        self.key = serialization.load_der_private_key(key, None)

    def use(self, *features):
        self.switch.run("configure terminal", "license smart transport off", *(f"feature {f}" for f in features))
        self.used_at = time.monotonic()

    def report(self, name):
        """A usage file and its ACK. Nothing is in use afterwards, so that what the switch shows does not move by
        itself. Use is counted in whole seconds: there is none to report before one has passed."""
        time.sleep(max(0, self.used_at + 2 - time.monotonic()))
        self.switch.run("configure terminal", "no feature ospf", "no feature itd", "end",
                        f"license smart save usage all bootflash:{name}.txt")
        content = (self.switch.flash / f"{name}.txt").read_bytes()
        taken, ack = upload(self.lab, self.va, f"{name}.txt", content)
        assert taken["status"] == "No Errors" and taken["reports_new"] > 0, taken
        return File(f"{self.name}-{name}", content), File(f"{self.name}-ack", ack)

    def take(self, ack):
        """Imports a genuine ACK, which shows."""
        (self.switch.flash / "genuine.txt").write_text(ack.content)
        show = "show license all"
        before, after = self.switch.run(show, "license smart import bootflash:genuine.txt", show).split(
            "Import Data Successful\n")
        assert "  RUM ACK\n" in after and before not in after, after


def upload(lab, va, name, content):
    file = lab.call("POST", f"{va}/usage-files?name={name}", raw=content)
    return file, lab.call("GET", f"/smart-accounts/1/usage-files/{file['id']}/acknowledgement")


def verify(lab, path):
    command = [RUMLINE, "verify", "--root", lab.dir / "cssm/root.pem", path]
    return subprocess.run(command, capture_output=True, text=True)


def at_once(*works):
    """What functions return that are called beside one another."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [future.result() for future in [pool.submit(*work) for work in works]]


def counted(lab):
    """All that CSSM counts."""
    state = {}
    for account in lab.call("GET", "/smart-accounts"):
        path = f"/smart-accounts/{account['id']}"
        state[path] = lab.call("GET", f"{path}/licenses")
        for instance in lab.call("GET", f"{path}/product-instances"):
            rows = lab.call("GET", f"{path}/product-instances/{instance['id']}/reports?limit=10000")
            kept = ["virtual_account_id", "trusted", "reports", "reports_missing", "licenses", "held_at", "set_back_at",
                    "overlap_seconds", "epochs", "gaps", "last_report_at"]
            state[instance["serial"]] = [account["id"], len(rows), sum(row["count_seconds"] for row in rows),
                                         {name: instance[name] for name in kept}]
    return state


def make_genuine(lab, foreign):
    """The genuine devices and files of two CSSMs."""
    g = types.SimpleNamespace()
    lab.call("POST", "/smart-accounts/1/virtual-accounts", {"name": "Lab"})
    lab.call("POST", "/smart-accounts", {"name": "Other", "domain": "other.net"})
    va_lab = "/smart-accounts/1/virtual-accounts/2"
    g.leaf, g.spine = Device(lab, lab.va, "leaf", "FRG0000LEAF"), Device(lab, va_lab, "spine", "FRG000SPINE")
    g.fresh, g.alien = Device(lab, lab.va, "fresh", "FRG000FRESH"), Device(foreign, foreign.va, "alien", "FRG000ALIEN")
    g.switches = (g.leaf, g.spine, g.fresh)

    # Leaf and spine have a trust code, and an ACK with a newer policy waits for them. Fresh has nothing yet.
    def begin(device):
        device.use("ospf", "itd")
        return device.report("usage1")

    def trust(device):
        file, ack = begin(device)
        device.take(ack)
        device.use("ospf")
        return file

    *_, g.alien1 = at_once(*((trust, device) for device in (g.leaf, g.spine, g.alien)))
    for cssm in (lab, foreign):
        cssm.call("PUT", "/smart-accounts/1/policy", POLICY)
    (g.leaf2, g.leaf_ack), (g.spine2, g.spine_ack), (g.alien2, g.alien_ack), (g.fresh1, g.fresh_ack) = at_once(
        *((device.report, "usage2") for device in (g.leaf, g.spine, g.alien)), (begin, g.fresh))
    g.policy = File("policy", lab.call("GET", f"{lab.va}/policy-file"))
    g.spine_policy = File("spine-policy", lab.call("GET", f"{va_lab}/policy-file"))
    g.alien_policy = File("alien-policy", foreign.call("GET", f"{foreign.va}/policy-file"))
    g.pair = tar([("leaf.txt", g.leaf2.content.encode()), ("fresh.txt", g.fresh1.content.encode())])
    _, both = upload(lab, lab.va, "pair.tar", g.pair)
    g.both = File("both-ack", both)

    g.stranger, g.small = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    g.documents = [
        forging.device_document(device.udi, device.key, *(part.whole for part in file.of("RUMReport")))
        for device, file in ((g.leaf, g.leaf2), (g.fresh, g.fresh1))]
    g.bundle = forging.bundle(g.documents, g.stranger)
    taken, g.answer = upload(lab, lab.va, "UD_SA.tar.gz", g.bundle)
    assert taken["status"] == "No Errors" and taken["reports_new"] == 0, taken

    g.vouched = [g.leaf2, g.spine2, g.leaf_ack, g.spine_ack, g.fresh_ack, g.both, g.policy]
    for name, content in [(file.name, file.content.encode()) for file in g.vouched] + [("answer", g.answer)]:
        (lab.dir / "genuine").write_bytes(content)
        told = verify(lab, lab.dir / "genuine")
        assert told.returncode == 0, (name, told.stdout)
    g.cssm_id = json.loads(g.leaf2.text("smartLicenseSystemInfo"))["audience"]
    return g


def find_signers(lab, foreign, g):
    """Whoever might sign in the place of CSSM or of a device."""
    der = serialization.Encoding.DER
    point = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint

    def pem(lab, name):
        return x509.load_pem_x509_certificate((lab.dir / "cssm" / name).read_bytes())

    g.own, g.theirs = ((each.dir / "cssm/signing.der").read_bytes() for each in (lab, foreign))
    g.their_key = serialization.load_der_private_key((foreign.dir / "cssm/signing.key").read_bytes(), None)
    model = x509.load_der_x509_certificate(g.own)
    false_root = ec.generate_private_key(ec.SECP256R1())
    g.bad = {
        "foreign": g.theirs,
        "self-signed": forging.certificate_like(model, g.small, model.subject, g.small),
        "false-root": forging.certificate_like(model, g.small, model.issuer, false_root),
        "other-key": g.own.replace(
            model.public_key().public_bytes(*point), g.small.public_key().public_bytes(*point)),
        "root": pem(lab, "root.pem").public_bytes(der),
        "tls": pem(lab, "tls.pem").public_bytes(der),
        "foreign-root": pem(foreign, "root.pem").public_bytes(der),
        "flipped": g.own[:-9] + bytes([g.own[-9] ^ 1]) + g.own[-8:],
        "cut": g.own[:-9],
        "empty": b"",
        "rubbish": b"rubbish",
    }
    g.signers = {
        "a-stranger-with-the-certificate": (g.small, g.own),
        **{f"a-stranger-{what}": (g.small, g.bad[what]) for what in ("self-signed", "false-root", "other-key")},
        "the-foreign-CSSM": (g.their_key, g.theirs),
        "the-foreign-CSSM-with-the-certificate": (g.their_key, g.own),
        "a-device": (g.leaf.key, g.own),
    }
    g.keys = {"a-stranger": g.stranger, "a-small-stranger": g.small, "spine": g.spine.key, "alien": g.alien.key,
              "the-foreign-CSSM": g.their_key}


# The forgeries.

class Folder:
    """The forgeries by name. Of some a switch may still take what is genuine in them: they are imported when there is
    nothing left to take."""

    def __init__(self, path, genuine):
        self.path, self.genuine = path, genuine
        self.files, self.later, self.seen = {}, set(), set()
        path.mkdir()

    def add(self, kind, what, content, end="txt", later=False):
        if isinstance(content, str):
            content = content.encode()
        assert content not in self.genuine, (kind, what)
        # The same forgery made in two ways counts once.
        if content in self.seen:
            return
        self.seen.add(content)
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{kind}-{what}") + f".{end}"
        assert name not in self.files, name
        self.files[name] = content
        (self.path / name).write_bytes(content)
        if later:
            self.later.add(name)


def statements(device, file, ack_file, nonce, g):
    """What CSSM might say to a device, each of which would show if it were believed."""
    ack, account, policy = (ack_file.text(f"smartLicense{kind}") for kind in ("RumAck", "AccountInfo", "Policy"))
    entry = forging.addressed(re.search(r"\{.*?\n {6}\}", ack, re.S)[0], device)
    entries = [forging.about(entry, *number) for number in forging.numbers(file)]
    failed = [entry.replace('"OK"', '"FAILED"').replace(
        '"report_sha256"', '"reason":"conflict",\n        "report_sha256"') for entry in entries]
    now = int(time.time())
    code = json.loads(g.fresh_ack.text("smartLicenseTrustCode"))
    code |= {"trust_id": 99, "issued_at": now, "sudi": {"udi_pid": device.udi[0], "udi_serial_number": device.udi[1]},
             "public_key": key_text(device.key), "answers": nonce}
    strict = json.loads(policy)
    strict |= {"version": strict["version"] + 1, "policy_name": "Forged"}
    strict["unenforced"] = {name: 1 for name in strict["unenforced"]}
    positions = {"purpose": "report-request", "sudi": code["sudi"], "issued_at": now, "epoch": "",
                 "positions": [[1, 99]]}
    revoked = {"purpose": "revocation", "issuer": g.cssm_id, "version": 9, "issued_at": now,
               "certificates": [digest(g.own)]}
    said = {
        "ack": ("RumAck", "[\n      " + ",\n      ".join(entries) + "\n    ]"),
        "refusal": ("RumAck", "[\n      " + ",\n      ".join(failed) + "\n    ]"),
        "policy": ("Policy", strict),
        "policy-of-another-account": ("Policy", strict | {"smart_account": "Other"}),
        "trust-code": ("TrustCode", code),
        "trust-code-for-a-strangers-key": ("TrustCode", code | {"public_key": key_text(g.stranger)}),
        "trust-code-of-another-account": ("TrustCode", code | {"smart_account": "Other"}),
        "account": ("AccountInfo", account.replace("Example", "Other")),
        "request": ("ReportRequest", positions),
        "revocation": ("Revocation", revoked),
    }
    return {what: (f"smartLicense{kind}", told if isinstance(told, str) else json.dumps(told, indent=2))
            for what, (kind, told) in said.items()}


def renamed(folder, g):
    """What was said to one switch or account, in the name of another."""
    for device, file, source in ((g.leaf, g.leaf2, g.spine_ack), (g.fresh, g.fresh1, g.leaf_ack),
                                 (g.spine, g.spine2, g.fresh_ack)):
        named = forging.addressed(source.content, device)
        folder.add("renamed", f"{source.name}-to-{device.name}", named)
        folder.add("renamed", f"{source.name}-to-{device.name}-and-its-report",
                   forging.about(named, *forging.numbers(file)[-1]))
    for account in ("Example", "Default"):
        folder.add("renamed", f"policy-of-{account}", g.policy.content.replace(f'"{account}"', '"Other"'))
    folder.add("renamed", "policy-of-Lab-to-Default", g.spine_policy.content.replace('"Lab"', '"Default"'))


def foreigners(folder, g):
    """Files of another CSSM: whole, with our certificate, and their parts among ours."""
    for file in (g.alien1, g.alien2, g.alien_ack, g.alien_policy):
        folder.add("foreign", file.name, file.content)
        ours = file.content.replace(forging.b64(g.theirs), forging.b64(g.own))
        folder.add("foreign", f"{file.name}-with-our-certificate",
                   ours if ours != file.content else file.last(certificate(g.own)))
        for part in file.parts:
            if part.kind in ("smartLicensePolicy", "smartLicenseAccountInfo", "smartLicenseRumAck"):
                folder.add("foreign", f"{part.label}-in-ours", g.leaf_ack.last(part.whole))
                mine, = g.leaf_ack.of(part.kind)
                folder.add("foreign", f"{part.label}-for-ours", mine.put(part.whole))
    their_id = json.loads(g.alien2.text("smartLicenseSystemInfo"))["audience"]
    folder.add("foreign", "alien-usage2-for-our-CSSM", g.alien2.content.replace(their_id, g.cssm_id))


def collected_documents(g):
    """What a collector might bring of leaf."""
    udi, key, payload = g.leaf.udi, g.leaf.key, g.leaf2.text("RUMReport")
    new = forging.next_payload(payload)
    def brought(key, *reports):
        return forging.device_document(udi, key, *reports)
    return {
        "device-count": brought(key, forging.nine(forging.report(payload, udi, key))),
        "device-stranger": brought(g.stranger, forging.report(new, udi, g.stranger)),
        "device-stranger-under-the-key": brought(key, forging.report(new, udi, g.stranger, key)),
        "device-spine": brought(g.spine.key, forging.report(new, udi, g.spine.key)),
        "device-of-spine": brought(key, g.spine2.of("RUMReport")[0].whole),
        "device-of-alien": brought(key, g.alien2.of("RUMReport")[0].whole),
    }


def fill(folder, g):
    some = [g.leaf2, g.fresh_ack, g.policy]
    forging.flipped(folder, [*g.vouched, g.fresh1])
    forging.signatures(folder, [*some, g.spine2], {"a-stranger": g.stranger, "a-small-stranger": g.small})
    forging.certificates(folder, [*some, g.leaf_ack], g.own, g.bad)
    forging.edits(folder, some)
    forging.envelopes(folder, [g.leaf2, g.fresh1])
    forging.purposes(folder, [*some, g.fresh1])
    forging.twice(folder, some, g.theirs)
    for file, other_file in ((g.leaf2, g.spine2), (g.spine2, g.leaf2), (g.leaf2, g.alien2)):
        forging.moved(folder, file, other_file)
    forging.cut_off(folder, some)
    renamed(folder, g)
    foreigners(folder, g)
    asked = {"leaf": json.loads(g.leaf2.text("smartLicenseTrustCode"))["answers"],
             "fresh": json.loads(g.fresh1.text("smartLicenseTrustRequest"))["nonce"]}
    for device, file, ack in ((g.leaf, g.leaf2, g.leaf_ack), (g.fresh, g.fresh1, g.fresh_ack)):
        said = statements(device, file, ack, asked[device.name], g)
        forging.said_by_others(folder, device, said, g.signers, ack)
    forging.by_strangers(folder, [(g.leaf, g.leaf2), (g.spine, g.spine2)], g.keys,
                         {"a-stranger": (g.small, g.own), "the-foreign-CSSM": (g.their_key, g.theirs)}, g.own)
    for file in (g.fresh1, g.alien1):
        request, = file.of("smartLicenseTrustRequest")
        folder.add("stranger", f"trust-request-of-{file.name}-in-the-file-of-spine", g.spine2.last(request.whole))
    new = forging.next_payload(g.leaf2.text("RUMReport"))
    forged = {
        "usage": forging.nine(g.leaf2.content),
        "ack": g.leaf_ack.content.replace("accepted", "Accepted", 1),
        "policy": g.policy.content.replace('"ongoing_report_days": 90', '"ongoing_report_days": 99', 1),
        "trust": g.fresh_ack.content.replace('"trust_id": ', '"trust_id": 9'),
        "stranger": forging.usage_file(g.leaf, g.leaf2, [new], g.stranger, []),
    }
    forging.wrapped(folder, forged, g.leaf2)
    brought = collected_documents(g)
    for what, text in brought.items():
        folder.add("collected", what, text)
    forging.answers(folder, g.answer, forged["ack"], g.keys, g.bad, g.own)
    forging.collected(folder, forged | brought, g.documents, g.stranger, g.keys)


# What must not happen.

failures = []


def check_verify(lab, folder):
    """CSSM vouches for none of them."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        told = pool.map(lambda name: verify(lab, folder.path / name), folder.files)
        for name, told in zip(folder.files, told):
            if told.returncode != 1:
                *_, last = (told.stdout + told.stderr).splitlines()
                failures.append(f"verify: {name}: status {told.returncode}, {last.strip()}")


def check_uploads(lab, folder, devices):
    """CSSM counts nothing by them, and vouches for no key but the device's own."""
    keys = {device.udi[1]: key_text(device.key) for device in devices}
    before = counted(lab)
    for kind, names in itertools.groupby(folder.files, lambda name: name.split("-")[0]):
        for name in names:
            if upload_forgery(lab, folder, name, keys):
                before = check_counted(lab, name, before)
        before = check_counted(lab, f"one of {kind}", before)


def check_counted(lab, name, before):
    after = counted(lab)
    if after != before:
        failures.append(f"CSSM: {name} moved {before} to {after}")
    return after


def upload_forgery(lab, folder, name, keys):
    """Whether CSSM took anything of it: in one virtual account, and what is of spine in its own too."""
    taken = False
    for va in (1, 2) if "spine" in name else (1,):
        path = f"/smart-accounts/1/virtual-accounts/{va}/usage-files?name={name}"
        try:
            file = lab.call("POST", path, raw=folder.files[name])
        except urllib.error.HTTPError as error:
            # Unreadable or refused, or a bundle of another account.
            if error.code not in (422, 409):
                failures.append(f"CSSM: {name} was answered {error.code}")
            continue
        taken = True
        if file["reports_new"]:
            failures.append(f"CSSM: {name} brought {file['reports_new']} reports: {file}")
        if file["acknowledgement_ready"]:
            answer = lab.call("GET", f"/smart-accounts/1/usage-files/{file['id']}/acknowledgement")
            if answer.startswith(b"\x1f\x8b"):
                _, (_, part) = forging.members_of(answer)
                answer = b"".join(content for _, content in forging.members_of(part))
            for code in re.findall(r"<smartLicenseTrustCode>.*?CDATA\[(.*?)\]\]>", answer.decode(), re.S):
                code = json.loads(code)
                if keys.get(code["sudi"]["udi_serial_number"]) != code["public_key"]:
                    failures.append(f"CSSM: by {name} it vouches for another key: {code}")
    return taken


def check_imports(device, folder, names):
    """A switch shows the same before and after each of them, to the last of its reports."""
    before, reports = None, None
    for first in range(0, len(names), 120):
        some = names[first:first + 120]
        for name in some:
            (device.switch.flash / name).write_bytes(folder.files[name])
        lines = [line for name in some for line in (f"license smart import bootflash:{name}", "show license all")]
        told = device.switch.run("show license all", *lines, "show license rum id all")
        told, at_the_end = told.split("Smart Licensing Usage Report:\n")
        states = [state.strip() for state in re.findall(
            r"Smart Licensing Status\n.*?(?=\nFailure|\nImport Data|\Z)", told, re.S)]
        assert len(states) == len(some) + 1, (device.name, len(states), len(some), told[-2000:])
        before = before or states[0]
        for name, state in zip(["what went before", *some], states):
            if state != before:
                failures.append(f"{device.name}: {name} changed\n{before}\nto\n{state}")
                before = state
        if reports is not None and at_the_end != reports:
            failures.append(f"{device.name}: one of {some[0]} to {some[-1]} changed\n{reports}\nto\n{at_the_end}")
        reports = at_the_end
        for name in some:
            (device.switch.flash / name).unlink()


def check_that_all_goes_on(lab, g):
    """What is genuine still counts."""
    def again(device):
        device.use("itd")
        time.sleep(1)
        _, ack = device.report("usage3")
        device.take(ack)

    before = counted(lab)
    at_once(*((again, device) for device in g.switches))
    after = counted(lab)
    for device in g.switches:
        (_, reports, seconds, _), (_, more, longer, state) = before[device.udi[1]], after[device.udi[1]]
        assert more > reports and longer > seconds and state["reports_missing"] == 0, (device.name, state)


began = time.monotonic()
with Lab("--requests-per-hour", "0") as lab, Lab("--requests-per-hour", "0") as foreign:
    g = make_genuine(lab, foreign)
    find_signers(lab, foreign, g)
    genuine = {file.content.encode() for file in (*g.vouched, g.fresh1)} | {g.pair, g.bundle, g.answer}
    folder = Folder(lab.dir / "forgeries", genuine)
    fill(folder, g)
    now = [name for name in folder.files if name not in folder.later]
    at_once((check_verify, lab, folder), (check_uploads, lab, folder, g.switches),
            *((check_imports, device, folder, now) for device in g.switches))
    # What is genuine was of use all the while.
    at_once((g.leaf.take, g.leaf_ack), (g.spine.take, g.spine_ack), (g.fresh.take, g.fresh_ack))
    at_once(*((check_imports, device, folder, sorted(folder.later)) for device in g.switches))
    check_that_all_goes_on(lab, g)
    kinds = collections.Counter(name.split("-")[0] for name in folder.files)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{len(folder.files)} forgeries in {time.monotonic() - began:.0f} s: {kinds}")
    assert not failures, f"{len(failures)} of them got through:\n" + "\n".join(failures)
done("forgeries")
