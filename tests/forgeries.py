"""A folder of forgeries, made of genuine files: whatever is altered, exchanged, put in, taken out, cut off or signed by
somebody else, `rumline verify` does not vouch for it, CSSM counts nothing by it, and no switch installs any of it
(FILE-009, CSLU-019, PI-RUM-009, PI-TRUST-008)."""

import base64
import collections
import concurrent.futures
import gzip
import hashlib
import hmac
import io
import itertools
import json
import random
import re
import subprocess
import tarfile
import time
import types
import urllib.error
import zipfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from lab import RUMLINE, Lab, done

SHA256 = hashes.SHA256()
JSON_KINDS = ["smartLicenseRumAck", "smartLicensePolicy", "smartLicenseTrustCode", "smartLicenseTrustRequest",
              "smartLicenseReportRequest", "smartLicenseRevocation", "smartLicenseSystemInfo"]
POLICY = {"policy_name": "Quarterly", "reporting_ack_required": True,
          "unenforced": {"first_report_days": 30, "ongoing_report_days": 90, "on_change_report_days": 30},
          "enforced": {"first_report_days": 0, "ongoing_report_days": 0, "on_change_report_days": 0},
          "export": {"first_report_days": 0, "ongoing_report_days": 0, "on_change_report_days": 0}}
chance = random.Random(9)


# Keys, certificates and the forms of docs/protocol.md.

def b64(content):
    return base64.b64encode(content).decode()


def digest(text):
    return b64(hashlib.sha256(text.encode()).digest())


def sign(key, text):
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text.encode(), padding.PKCS1v15(), SHA256)
    return key.sign(text.encode(), ec.ECDSA(SHA256))


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_text(key):
    label = "RSA-SHA256" if isinstance(key, rsa.RSAPrivateKey) else "ECDSA-P256-SHA256"
    return f"{label}:{b64(spki(key))}"


def key_id(spki_der):
    return "%012d" % (int.from_bytes(hashlib.sha256(spki_der).digest()[:8], "big") % 10**12)


def certificate_like(model, key, issuer, issuer_key):
    """A certificate that says what `model` says, for another key and by another issuer."""
    new = (x509.CertificateBuilder().subject_name(model.subject).issuer_name(issuer).public_key(key.public_key())
           .serial_number(model.serial_number).not_valid_before(model.not_valid_before_utc)
           .not_valid_after(model.not_valid_after_utc))
    for extension in model.extensions:
        new = new.add_extension(extension.value, extension.critical)
    return new.sign(issuer_key, SHA256).public_bytes(serialization.Encoding.DER)


def document(*elements):
    return '<?xml version="1.0" encoding="UTF-8"?>\n<smartLicense>\n' + "".join(elements) + "</smartLicense>\n"


def element(kind, text, signature):
    if kind == "smartLicenseAccountInfo":
        return (f"<{kind}>\n  <customerInfo>{text}</customerInfo>\n  <signature>{b64(signature)}</signature>\n"
                f"  </{kind}>\n")
    return (f"<{kind}>\n  <data>\n    <![CDATA[{text}]]>\n  </data>\n  <signature>{b64(signature)}</signature>\n"
            f"</{kind}>\n")


def certificate(der):
    return f"<smartLicenseCertificate>{b64(der)}</smartLicenseCertificate>\n"


def report(payload, udi, key_der, signature, label="RSA-SHA256"):
    pid, serial = udi
    return ('<RUMReport>\n<![CDATA[\n{\n  "payload":' + payload + ',\n"header":{\n  "type":"rum"\n},\n"signature":{\n'
            f'  "sudi":{{\n    "udi_pid":"{pid}",\n    "udi_serial_number":"{serial}"\n  }},\n'
            f'  "signing_type":"{label}",\n  "key":"{key_id(key_der)}",\n  "value":"{b64(signature)}"\n}}\n}}\n'
            ']]>\n</RUMReport>\n')


def device_document(udi, key, *reports):
    """What a collector brings of a device."""
    told = json.dumps({"sudi": {"udi_pid": udi[0], "udi_serial_number": udi[1]}, "public_key": key_text(key)}, indent=2)
    return document(f"<smartLicenseDeviceInfo>\n<![CDATA[{told}]]>\n</smartLicenseDeviceInfo>\n", *reports)


class Part:
    """A signed element of a document: where it stands, and where its text and its signature stand."""

    def __init__(self, found):
        self.kind, self.start, self.end = found[1], found.start(), found.end()
        whole = found[0]
        if self.kind == "RUMReport":
            text = re.search(r'"payload":(.*),\n"header"', whole, re.S).span(1)
            *_, last = re.finditer(r'"value":"([^"]*)"', whole)
            signature = last.span(1)
        else:
            inside = r"<customerInfo>(.*)</customerInfo>" if "Account" in self.kind else r"<!\[CDATA\[(.*)\]\]>"
            text = re.search(inside, whole, re.S).span(1)
            signature = re.search(r"<signature>(.*)</signature>", whole).span(1)
        self.text_at, self.signature_at = [(a + self.start, b + self.start) for a, b in (text, signature)]


class File:
    """A genuine document and its parts."""

    def __init__(self, name, content):
        self.name, self.content = name, content.decode()
        pattern = r"<(RUMReport|smartLicense(?!Certificate|DeviceInfo)\w+)>.*?</\1>\n"
        self.parts = [Part(found) for found in re.finditer(pattern, self.content, re.S)]

    def cut(self, at):
        return self.content[at[0]:at[1]]

    def put(self, at, text):
        return self.content[:at[0]] + text + self.content[at[1]:]

    def whole(self, part):
        return self.cut((part.start, part.end))

    def of(self, kind):
        return [part for part in self.parts if part.kind == kind]

    def text(self, kind):
        """The signed text of the last element of a kind."""
        return self.cut(self.of(kind)[-1].text_at)

    def spares(self, part, text):
        """Whether a trust code, altered to this text, is not of each switch that the ACK beside it is for. Such a
        switch takes the ACK: what the file says to others is none of its business."""
        def named(text):
            return set(re.findall(r'"udi_pid": ?"([^"]*)",\s*"udi_serial_number": ?"([^"]*)"', text))
        acks = self.of("smartLicenseRumAck")
        return "TrustCode" in part.kind and any(named(self.cut(ack.text_at)) - named(text) for ack in acks)

    def insert(self, *elements):
        return self.content.replace("</smartLicense>\n", "".join(elements) + "</smartLicense>\n")

    def label(self, part):
        kind = part.kind.removeprefix("smartLicense")
        return f"{self.name}-{kind}{self.of(part.kind).index(part) + 1}"


def other(char):
    """Another character of the same kind."""
    if char.isdigit():
        return str((int(char) + 1) % 10)
    return char.swapcase()


def change_at(text, at):
    return text[:at] + other(text[at]) + text[at + 1:]


def places(text, count, span=None):
    """Some letters and digits of a text."""
    all_of_them = [at for at in range(*(span or (0, len(text)))) if text[at].isascii() and text[at].isalnum()]
    return sorted(chance.sample(all_of_them, min(count, len(all_of_them))))


def words(text):
    """Where the values stand that are no numbers of JSON."""
    found = re.finditer(r'(?<=: ")[^"]+(?=")|(?<=":")[^"]+(?=")|(?<=>)[^<\s]+(?=<)', text)
    return [word.span() for word in found if any(char.isalnum() for char in word[0])]


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

    def report(self, name):
        """A usage file and its ACK. Nothing is in use afterwards, so that what the switch shows does not move by
        itself."""
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
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def tar(members, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 1_700_000_000
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def members_of(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return [(member.name, opened.extractfile(member).read()) for member in opened]


def bundle(devices, key):
    """A collector's bundle, signed by its key."""
    part = tar([(f"dev_{n}_26Nov28_00_00_00_000.txt", text.encode()) for n, text in enumerate(devices, 1)], "w:gz")
    name = "UD_VA_26Nov28_00_00_00_000.tar.gz"
    maker = json.dumps(json.dumps({"name": "CSLU lab", "uuid": "85eb0d53ad90c40d8a36eb135dbf7d2b"}))
    signed = (
        f"Manifest-Version: 1.0\nCreated-By: {maker}\nSmart-Account: Example\nSmart-Account-ID: \n\n"
        f"Name: /{name}\nSpecification-VA: Default\nSpecification-VA-ID: \n"
        f"SHA-256-Digest: {b64(hashlib.sha256(part).digest())}\n\nPublic-Key: {key_text(key)}\n")
    manifest = f"{signed}Signature: {b64(sign(key, signed))}\n"
    return tar([("manifest.mf", manifest.encode()), (name, part)], "w:gz")


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


# The forgeries.

def flipped(folder, files):
    """One byte of each signed text and of each signature."""
    for file in files:
        for part in file.parts:
            text, signature, label = file.cut(part.text_at), file.cut(part.signature_at), file.label(part)
            def put(what, new):
                folder.add("flipped", f"{label}-{what}", file.put(part.text_at, new), later=file.spares(part, new))
            for at in places(text, 3):
                put(f"text-{at}", change_at(text, at))
            for at in places(signature[4:-4], 2):
                folder.add("flipped", f"{label}-signature-{at}", file.put(
                    part.signature_at, change_at(signature, at + 4)), later=file.spares(part, text))
            at = chance.randrange(len(text))
            bit = chr(ord(text[at]) ^ 1)
            put(f"bit-{at}", text[:at] + bit + text[at + 1:])
            # Layout that means nothing is signed too.
            blank = text.replace(":", ": ", 1) if ":" in text else text.replace("<", " <", 1)
            put("blank", blank)


def signatures(folder, files, keys):
    """Signatures that are not there, no signatures, of another text, or of another key."""
    zero, one = bytes(256), bytes(255) + b"\1"
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    def pair(r, s):
        return utils.encode_dss_signature(r, s)
    made_up = {"zero": zero, "one": one, "pair-0-0": pair(0, 0), "pair-1-1": pair(1, 1),
               "pair-of-the-order": pair(order, order), "byte": b"\0"}
    for file in files:
        for part in file.parts:
            text, signature, label = file.cut(part.text_at), file.cut(part.signature_at), file.label(part)
            def put(what, new):
                folder.add("signature", f"{label}-{what}", file.put(part.signature_at, new))
            whole = file.whole(part)
            if part.kind == "RUMReport":
                gone = re.sub(r',\n"signature":\{.*\}(?=\n\}\n\]\]>)', "", whole, flags=re.S)
            else:
                gone = re.sub(r"  <signature>.*</signature>\n", "", whole)
            assert gone != whole, label
            folder.add("signature", f"{label}-removed", file.put((part.start, part.end), gone))
            put("empty", "")
            put("half", signature[:len(signature) // 8 * 4])
            put("longer", b64(base64.b64decode(signature) + b"\0"))
            put("no-base64", "!" + signature[1:])
            for what, value in made_up.items():
                put(what, b64(value))
            for what, key in keys.items():
                put(f"by-{what}", b64(sign(key, text)))
            for elsewhere in files:
                for source in elsewhere.parts:
                    same_file, same_kind = elsewhere is file, source.kind == part.kind
                    if source is not part and (same_file or same_kind) and elsewhere.cut(source.text_at) != text:
                        put(f"of-{elsewhere.label(source)}", elsewhere.cut(source.signature_at))


def certificates(folder, files, own, bad):
    """Certificates of others, damaged ones, none, and two."""
    for file in files:
        genuine = certificate(own)
        assert genuine in file.content, file.name
        for what, der in bad.items():
            folder.add("certificate", f"{file.name}-{what}", file.content.replace(genuine, certificate(der)))
            both = genuine + certificate(der)
            folder.add("certificate", f"{file.name}-{what}-beside-it", file.content.replace(genuine, both))
        # A switch with a trust code knows CSSM's certificate without being told.
        folder.add("certificate", f"{file.name}-none", file.content.replace(genuine, ""), later=True)


def edits(folder, files):
    """Each number one higher, each text another one, each count 9."""
    for file in files:
        for part in file.parts:
            text, label = file.cut(part.text_at), file.label(part)
            numbers = r'(?<=": )\d+|(?<=":)\d+|(?<=":")\d+(?=")|(?<=>)\d+(?=<)'
            for n, found in enumerate(re.finditer(numbers, text)):
                new = text[:found.start()] + str(int(found[0]) + 1) + text[found.end():]
                folder.add("number", f"{label}-{n}", file.put(part.text_at, new))
            for n, span in enumerate(words(text)):
                new = change_at(text, places(text, 1, span)[0])
                folder.add("word", f"{label}-{n}", file.put(part.text_at, new), later=file.spares(part, new))
            if part.kind == "RUMReport":
                for n, found in enumerate(re.finditer(r'"value":"(\d)"', text)):
                    new = text[:found.start(1)] + "9" + text[found.end(1):]
                    folder.add("count", f"{label}-{n}", file.put(part.text_at, new))


def envelopes(folder, files):
    """What stands beside the signed text of a report, and members that stand twice."""
    for file in files:
        for part in file.of("RUMReport"):
            whole, label = file.whole(part), file.label(part)
            text = file.cut(part.text_at)
            more = nine(text)
            at = whole.rindex('"signature":{')
            payload = f'"payload":{text},\n'
            for what, new in {
                "other-serial": whole[:at] + re.sub(r'(serial_number":")\w+', r"\1FRG0000BAD9", whole[at:]),
                "other-key": whole[:at] + re.sub(r'("key":")\d+', r"\g<1>000000000001", whole[at:]),
                "other-label": whole[:at] + whole[at:].replace("RSA-SHA256", "ECDSA-P256-SHA256"),
                "simulated": whole[:at] + whole[at:].replace("RSA-SHA256", "SIMULATED"),
                "two-payloads-genuine-last": whole.replace(payload, f'"payload":{more},\n{payload}'),
                "two-payloads-genuine-first": whole.replace(payload, f'{payload}"payload":{more},\n'),
                "payload-as-text": whole.replace(payload, f'"payload":{json.dumps(more)},\n'),
                "payload-in-two-forms": whole.replace(payload, f'{payload}"payload":{json.dumps(more)},\n'),
            }.items():
                folder.add("envelope", f"{label}-{what}", file.put((part.start, part.end), new))


def purposes(folder, files):
    """Genuine texts and signatures under the name of another element."""
    for file in files:
        for part in file.parts:
            if part.kind not in JSON_KINDS:
                continue
            for kind in JSON_KINDS:
                if kind != part.kind:
                    new = file.whole(part).replace(part.kind, kind)
                    folder.add("purpose", f"{file.label(part)}-as-{kind}", file.put((part.start, part.end), new))


def twice(folder, files, strange):
    """An altered element beside the genuine one, before and behind it, and altered texts beside the signed one. Of what
    may stand once the last one counts."""
    for file in files:
        for part in file.parts:
            text, whole, label = file.cut(part.text_at), file.whole(part), file.label(part)
            # The last value: an account's domain, a purpose, a digest, a count.
            new = change_at(text, places(text, 1, words(text)[-1])[0])
            forged = whole.replace(text, new)
            place = (part.start, part.end)
            def put(what, content, later=False):
                folder.add("twice", f"{label}-{what}", content, later=later or file.spares(part, new))
            put("altered-first", file.put(place, forged + whole), later="Account" in part.kind)
            put("altered-last", file.put(place, whole + forged))
            put("altered-behind-the-end", file.content + forged)
            if part.kind == "RUMReport":
                continue
            name = "customerInfo" if "Account" in part.kind else "data"
            inner = re.search(rf" *<{name}>.*</{name}>\n", whole, re.S)[0]
            bad = inner.replace(text, new)
            put(f"{name}-altered-last", file.put(place, whole.replace(inner, inner + bad)))
            put(f"{name}-altered-first", file.put(place, whole.replace(inner, bad + inner)), later=True)
            signature = re.search(r" *<signature>.*</signature>\n", whole)[0]
            empty = "  <signature></signature>\n"
            put("signature-empty-last", file.put(place, whole.replace(signature, signature + empty)))
            put("signature-empty-first", file.put(place, whole.replace(signature, empty + signature)), later=True)
        folder.add("twice", f"{file.name}-certificate-foreign-first", file.content.replace(
            "<smartLicenseCertificate>", certificate(strange) + "<smartLicenseCertificate>"), later=True)


def moved(folder, file, other_file):
    """Reports taken out, doubled, in another order, of another switch."""
    reports, strange = file.of("RUMReport"), other_file.of("RUMReport")
    for n, part in enumerate(reports, 1):
        place, whole = (part.start, part.end), file.whole(part)
        folder.add("moved", f"{file.name}-{n}-taken-out", file.put(place, ""))
        folder.add("moved", f"{file.name}-{n}-doubled", file.put(place, whole + whole))
        if part is not reports[-1]:
            folder.add("moved", f"{file.name}-{n}-last", file.put(place, "").replace(
                "<smartLicenseSystemInfo>", whole + "<smartLicenseSystemInfo>"))
        for m, source in enumerate(strange, 1):
            inserted = other_file.whole(source)
            folder.add("moved", f"{other_file.name}-{m}-for-{file.name}-{n}", file.put(place, inserted))
            folder.add("moved", f"{other_file.name}-{m}-before-{file.name}-{n}", file.put(place, inserted + whole))
    # The same without what the switch says of the whole file, where a report of the other switch is left alone.
    info, = file.of("smartLicenseSystemInfo")
    bare = file.put((info.start, info.end), "")
    for m, source in enumerate(strange, 1):
        folder.add("moved", f"{other_file.name}-{m}-in-{file.name}-without-information",
                   bare.replace("<smartLicense>\n", "<smartLicense>\n" + other_file.whole(source)))
    for kind in ("smartLicenseSystemInfo", "smartLicenseTrustCode"):
        mine, yours = file.of(kind), other_file.of(kind)
        if mine and yours:
            folder.add("moved", f"{other_file.name}-{kind}-in-{file.name}",
                       file.put((mine[0].start, mine[0].end), other_file.whole(yours[0])))


def cut_off(folder, files):
    """Copies that ended too early."""
    for file in files:
        ends = {len(file.content) * n // 12 for n in range(1, 12)}
        ends |= {part.end for part in file.parts} | {len(file.content) - n for n in (2, 5, 16)}
        for end in sorted(ends):
            folder.add("cut", f"{file.name}-at-{end}", file.content[:end])


def numbers(file):
    """The number and the digest of each report of a file."""
    texts = [file.cut(part.text_at) for part in file.of("RUMReport")]
    return [(int(re.search(r'"report_id":(\d+)', text[text.index('"entitlement_tag"'):])[1]), digest(text))
            for text in texts]


def statements(device, file, ack_file, nonce, g):
    """What CSSM might say to a device, each of which would show if it were believed."""
    ack, account, policy = (ack_file.text(f"smartLicense{kind}") for kind in ("RumAck", "AccountInfo", "Policy"))
    entry = re.search(r"\{.*?\n {6}\}", ack, re.S)[0]
    entries = [re.sub(r'"report_id":\d+', f'"report_id":{number}', re.sub(
        r'("report_sha256":")[^"]*', lambda found: found[1] + sha256, re.sub(
            r'(udi_serial_number":")\w+', lambda found: found[1] + device.udi[1], entry)))
        for number, sha256 in numbers(file)]
    code = json.loads(g.fresh_ack.text("smartLicenseTrustCode"))
    now = int(time.time())
    code |= {"trust_id": 99, "issued_at": now, "sudi": {"udi_pid": device.udi[0], "udi_serial_number": device.udi[1]},
             "public_key": key_text(device.key), "answers": nonce}
    strict = json.loads(policy)
    strict |= {"version": strict["version"] + 1, "policy_name": "Forged"}
    strict["unenforced"] = {name: 1 for name in strict["unenforced"]}
    positions = {"purpose": "report-request", "sudi": code["sudi"], "issued_at": now, "epoch": "",
                 "positions": [[1, 99]]}
    revoked = {"purpose": "revocation", "issuer": g.cssm_id, "version": 9, "issued_at": now,
               "certificates": [b64(hashlib.sha256(g.own).digest())]}
    failed = [entry.replace('"OK"', '"FAILED"').replace(
        '"report_sha256"', '"reason":"conflict",\n        "report_sha256"') for entry in entries]
    def show(value):
        return json.dumps(value, indent=2)
    return {
        "ack": ("smartLicenseRumAck", "[\n      " + ",\n      ".join(entries) + "\n    ]"),
        "refusal": ("smartLicenseRumAck", "[\n      " + ",\n      ".join(failed) + "\n    ]"),
        "policy": ("smartLicensePolicy", show(strict)),
        "policy-of-another-account": ("smartLicensePolicy", show(strict | {"smart_account": "Other"})),
        "trust-code": ("smartLicenseTrustCode", show(code)),
        "trust-code-for-a-strangers-key": ("smartLicenseTrustCode", show(code | {"public_key": key_text(g.stranger)})),
        "trust-code-of-another-account": ("smartLicenseTrustCode", show(code | {"smart_account": "Other"})),
        "account": ("smartLicenseAccountInfo", account.replace("Example", "Other")),
        "request": ("smartLicenseReportRequest", show(positions)),
        "revocation": ("smartLicenseRevocation", show(revoked)),
    }


def said_by_others(folder, device, said, signers, ack):
    """All that CSSM might say, said by somebody else: alone, and beside what CSSM said."""
    for what, (kind, text) in said.items():
        for who, (key, der) in signers.items():
            forged = element(kind, text, sign(key, text))
            folder.add("said", f"to-{device.name}-{what}-by-{who}", document(forged, certificate(der)))
            # What only the root may say holds back nothing else.
            folder.add("beside", f"{ack.name}-{what}-by-{who}", ack.insert(forged), later=kind.endswith("Revocation"))
    for who, (key, der) in signers.items():
        every = [element(kind, text, sign(key, text)) for kind, text in said.values()]
        folder.add("said", f"to-{device.name}-everything-by-{who}", document(*every, certificate(der)))


def nine(text):
    """The same use, but nine times."""
    return re.sub(r'("type":"COUNT",\s*"value":")\d+', r"\g<1>9", text)


def next_payload(text):
    """What the report after this one might say."""
    number = int(re.search(r'"report_id":(\d+)', text)[1])
    text = re.sub(r'("previous_report":\{\s*"report_id":)\d+(,\s*"sha256":")[^"]*',
                  lambda found: f"{found[1]}{number}{found[2]}{digest(text)}", text)
    text = re.sub(r'("meta":\{\s*"entitlement_tag":"[^"]*",\s*"report_id":)\d+',
                  lambda found: f"{found[1]}{number + 1000}", text)
    text = re.sub(r'("position":)(\d+)', lambda found: f"{found[1]}{int(found[2]) + 1}", text)
    text = re.sub(r'("(?:log|start|end)_time":)(\d+)', lambda found: f"{found[1]}{int(found[2]) + 60}", text)
    return nine(text)


def usage_file(device, file, payloads, key, extras, label=None):
    """A usage file in the name of a device, signed by a key from the first byte to the last."""
    def signature(text):
        if label != "SIMULATED":
            return sign(key, text)
        return hmac.digest(spki(key), hashlib.sha256(text.encode()).digest(), "sha256")
    told = f"{label}:{b64(spki(key))}" if label else key_text(key)
    info = json.loads(file.text("smartLicenseSystemInfo"))
    digests = b"".join(hashlib.sha256(payload.encode()).digest() for payload in payloads)
    info |= {"public_key": told, "reports": len(payloads), "reports_sha256": b64(hashlib.sha256(digests).digest()),
             "sudi": {"udi_pid": device.udi[0], "udi_serial_number": device.udi[1]}}
    info = json.dumps(info, indent=2)
    reports = [report(payload, device.udi, spki(key), signature(payload), told.split(":")[0]) for payload in payloads]
    return document(*reports, element("smartLicenseSystemInfo", info, signature(info)), *extras)


def by_strangers(folder, devices, keys, cssm_keys, own):
    """Whole files in the name of a known device by another key, with and beside its genuine trust code."""
    for device, file in devices:
        payload = file.text("RUMReport")
        code = file.whole(file.of("smartLicenseTrustCode")[-1])
        for who, key in keys.items():
            if key is device.key:
                continue
            told = json.loads(file.text("smartLicenseTrustCode")) | {"public_key": key_text(key)}
            told = json.dumps(told, indent=2)
            request = json.dumps({
                "sudi": json.loads(told)["sudi"], "role": "Active", "product_instance_identifier": "",
                "public_key": key_text(key), "timestamp": int(time.time()), "nonce": "0123456789abcdef",
                "purpose": "trust-request", "audience": json.loads(file.text("smartLicenseSystemInfo"))["audience"],
                "force": False, "valid_until": int(time.time()) + 86400}, indent=2)
            asked = element("smartLicenseTrustRequest", request, sign(key, request))
            trust = {
                "alone": [], "with-its-trust-code": [code, certificate(own)], "with-a-trust-request": [asked],
                "with-both": [code, certificate(own), asked],
                **{f"with-a-trust-code-by-{signer}": [element("smartLicenseTrustCode", told, sign(cssm_key, told)),
                                                      certificate(der)]
                   for signer, (cssm_key, der) in cssm_keys.items()},
                **{f"with-two-trust-codes-by-{signer}": [
                    element("smartLicenseTrustCode", told, sign(cssm_key, told)), code, certificate(own)]
                   for signer, (cssm_key, _) in cssm_keys.items()},
            }
            for how, extras in trust.items():
                for what, payloads in {"the-next-report": [next_payload(payload)], "the-same-report": [payload],
                                       "the-same-number": [nine(payload)]}.items():
                    folder.add("stranger", f"{device.name}-{what}-by-{who}-{how}",
                               usage_file(device, file, payloads, key, extras))
            # Its report in a file that the device wrote, and alone.
            new = next_payload(payload)
            strange = report(new, device.udi, spki(key), sign(key, new))
            folder.add("stranger", f"{device.name}-report-by-{who}-in-its-file",
                       file.content.replace("<smartLicense>\n", "<smartLicense>\n" + strange))
            folder.add("stranger", f"{device.name}-report-by-{who}", document(strange))
            folder.add("stranger", f"{device.name}-report-by-{who}-beside-its-trust-code",
                       document(strange, code, certificate(own)))
            # The key id of the device, the key of the stranger.
            named = report(new, device.udi, spki(device.key), sign(key, new))
            folder.add("stranger", f"{device.name}-report-by-{who}-under-its-key-id",
                       document(named, code, certificate(own)))
            folder.add("stranger", f"{device.name}-trust-request-by-{who}", file.insert(asked))
        folder.add("stranger", f"{device.name}-simulated",
                   usage_file(device, file, [next_payload(payload)], device.key, [code, certificate(own)],
                              "SIMULATED"))


def wrapped(folder, forged, genuine):
    """Forgeries as people's tools hand them over, and beside genuine files."""
    for what, text in forged.items():
        plain, beside = text.encode(), genuine.content.encode()
        for how, end, content in [
            ("gzip", "txt.gz", gzip.compress(plain, mtime=0)),
            ("gzip-twice", "txt.gz", gzip.compress(gzip.compress(plain, mtime=0), mtime=0)),
            ("gzip-behind-a-genuine-one", "txt.gz", gzip.compress(beside, mtime=0) + gzip.compress(plain, mtime=0)),
            ("zip", "zip", zipped([("usage.txt", plain)])),
            ("zip-with-a-genuine-one", "zip", zipped([("a.txt", beside), ("b.txt", plain)])),
            ("tar", "tar", tar([("a.txt", plain)])),
            ("tar-with-a-genuine-one", "tar", tar([("a.txt", beside), ("b.txt", plain)])),
            ("tar-before-a-genuine-one", "tar", tar([("a.txt", plain), ("b.txt", beside)])),
            ("tar-of-one-name", "tar", tar([("a.txt", plain), ("a.txt", beside)])),
            ("tgz-with-a-genuine-one", "tar.gz", tar([("a.txt", beside), ("b.txt", plain)], "w:gz")),
            ("tar-in-tar", "tar", tar([("a.txt", beside), ("b.tar", tar([("c.txt", plain)]))])),
            ("zip-of-gzip", "zip", zipped([("a.gz", gzip.compress(plain, mtime=0))])),
            ("tar-cut-off", "tar", tar([("a.txt", beside), ("b.txt", plain)])[:-2048]),
            ("utf16", "txt", text.encode("utf-16")),
            ("utf16-big", "txt", text.encode("utf-16-be")),
            ("byte-order-mark", "txt", b"\xef\xbb\xbf" + plain),
            ("crlf", "txt", text.replace("\n", "\r\n").encode()),
            ("prefix", "txt", re.sub(r"(</?)(smartLicense\w+)", r"\1x:\2", text).encode()),
            ("two-sections", "txt", text.replace("sudi", "su]]><![CDATA[di", 1).encode()),
            ("two-documents", "txt", beside + plain),
            ("behind-a-genuine-gzip", "txt.gz", gzip.compress(beside, mtime=0) + plain),
            ("tar-behind-a-genuine-tar", "tar", tar([("a.txt", beside)]) + tar([("b.txt", plain)])),
            ("tar-behind-a-genuine-tgz", "tar.gz",
             tar([("a.txt", beside)], "w:gz") + tar([("b.txt", plain)], "w:gz")),
            ("before-a-genuine-zip", "txt", plain + zipped([("a.txt", beside)])),
        ]:
            folder.add("wrapped", f"{what}-{how}", content, end)


def bundles(folder, answer, forged, devices, keys, bad, own):
    """Answers of CSSM that were altered, and bundles of a collector that brings forgeries (CSLU-019)."""
    (manifest_name, manifest), (part_name, part) = members_of(answer)
    manifest = manifest.decode()
    def add(what, text, members):
        folder.add("bundle", what, tar([(manifest_name, text.encode()), *members], "w:gz"), "tar.gz")
    signed, signature = manifest.rsplit("Signature: ", 1)
    for n, line in enumerate(manifest.splitlines()):
        places_in = [at for at in range(line.find(":") + 1, len(line)) if line[at].isalnum()]
        if places_in:
            new = manifest.splitlines()
            new[n] = change_at(line, places_in[len(places_in) // 2])
            add(f"answer-line-{n}", "\n".join(new) + "\n", [(part_name, part)])
    add("answer-signature-empty", signed + "Signature: \n", [(part_name, part)])
    add("answer-signature-removed", signed, [(part_name, part)])
    add("answer-not-signed-with-a-forgery", re.sub(r"\nSigning.*|SHA-256.*\n", "", manifest, flags=re.S),
        [(part_name, tar([("ACK_dev_1.txt", forged["ack"].encode())], "w:gz"))])
    add("answer-lacks-its-part", manifest, [])
    add("answer-with-a-part-beside", manifest, [(part_name, part), ("ACK_UD_VA_2.tar.gz", part)])
    add("answer-with-two-parts-of-one-name", manifest, [(part_name, part), (part_name, part)])
    add("answer-with-a-file-beside", manifest, [(part_name, part), ("a.txt", forged["ack"].encode())])
    inside = members_of(part)
    for n, (name, content) in enumerate(inside):
        changed = content.replace(b"accepted", b"Accepted", 1)
        new = tar([*inside[:n], (name, changed), *inside[n + 1:]], "w:gz")
        told = b64(hashlib.sha256(new).digest())
        add(f"answer-part-altered-{n}", manifest, [(part_name, new)])
        fits = re.sub(r"(SHA-256-Digest: ).*", lambda found: found[1] + told, manifest)
        add(f"answer-part-and-digest-altered-{n}", fits, [(part_name, new)])
        text = fits.rsplit("Signature: ", 1)[0]
        for who, key in keys.items():
            add(f"answer-altered-{n}-signed-by-{who}", f"{text}Signature: {b64(sign(key, text))}\n", [(part_name, new)])
            by_key = re.sub(r"Signing-Certificate: .*", f"Public-Key: {key_text(key)}", text)
            add(f"answer-altered-{n}-as-the-collector-{who}", f"{by_key}Signature: {b64(sign(key, by_key))}\n",
                [(part_name, new)])
    for what, der in bad.items():
        text = manifest.replace(b64(own), b64(der))
        add(f"answer-certificate-{what}", text, [(part_name, part)])
    collector = keys["a-stranger"]
    for what, text in forged.items():
        folder.add("bundle", f"of-a-collector-{what}", bundle([text], collector), "tar.gz")
        folder.add("bundle", f"of-a-collector-{what}-behind-a-genuine-one",
                   bundle([devices[0], text], collector), "tar.gz")
    genuine = bundle(devices, collector)
    (name, manifest), (part_name, part) = members_of(genuine)
    manifest = manifest.decode()
    for n, line in enumerate(manifest.splitlines()):
        if line.startswith(("Smart-Account:", "Specification-VA:", "SHA", "Public", "Signature", "Created")):
            new = manifest.splitlines()
            new[n] = change_at(line, len(line) - 6)
            add(f"of-a-collector-line-{n}", "\n".join(new) + "\n", [(part_name, part)])
    for who, key in keys.items():
        text = manifest.rsplit("Signature: ", 1)[0]
        if key is not collector:
            add(f"of-a-collector-signed-by-{who}", f"{text}Signature: {b64(sign(key, text))}\n", [(part_name, part)])


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
                answer = b"".join(content for _, content in members_of(members_of(answer)[1][1]))
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


def make_genuine(lab, foreign):
    """The genuine devices and files of two CSSMs, and what each virtual account is called."""
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

    *_, g.alien1 = at_once(*(lambda device=device: trust(device) for device in (g.leaf, g.spine, g.alien)))
    for cssm in (lab, foreign):
        cssm.call("PUT", "/smart-accounts/1/policy", POLICY)
    (g.leaf2, g.leaf_ack), (g.spine2, g.spine_ack), (g.alien2, g.alien_ack), (g.fresh1, g.fresh_ack) = at_once(
        *(lambda device=device: device.report("usage2") for device in (g.leaf, g.spine, g.alien)),
        lambda: begin(g.fresh))
    g.policy = File("policy", lab.call("GET", f"{lab.va}/policy-file"))
    g.spine_policy = File("spine-policy", lab.call("GET", f"{va_lab}/policy-file"))
    g.alien_policy = File("alien-policy", foreign.call("GET", f"{foreign.va}/policy-file"))
    g.pair = tar([("leaf.txt", g.leaf2.content.encode()), ("fresh.txt", g.fresh1.content.encode())])
    _, both = upload(lab, lab.va, "pair.tar", g.pair)
    g.both = File("both-ack", both)

    g.stranger, g.small = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    g.documents = [
        device_document(device.udi, device.key, *(file.whole(part) for part in file.of("RUMReport")))
        for device, file in ((g.leaf, g.leaf2), (g.fresh, g.fresh1))]
    g.bundle = bundle(g.documents, g.stranger)
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
        "self-signed": certificate_like(model, g.small, model.subject, g.small),
        "false-root": certificate_like(model, g.small, model.issuer, false_root),
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


def renamed(folder, g):
    """What was said to one switch or account, in the name of another."""
    for device, file, source in ((g.leaf, g.leaf2, g.spine_ack), (g.fresh, g.fresh1, g.leaf_ack),
                                 (g.spine, g.spine2, g.fresh_ack)):
        named = re.sub(r'(serial_number": ?")\w+', lambda found: found[1] + device.udi[1], source.content)
        folder.add("renamed", f"{source.name}-to-{device.name}", named)
        number, sha256 = numbers(file)[-1]
        exact = re.sub(r'"report_id":\d+', f'"report_id":{number}', named)
        exact = re.sub(r'(report_sha256":")[^"]*', lambda found: found[1] + sha256, exact)
        folder.add("renamed", f"{source.name}-to-{device.name}-and-its-report", exact)
    for account in ("Example", "Default"):
        folder.add("renamed", f"policy-of-{account}", g.policy.content.replace(f'"{account}"', '"Other"'))
    folder.add("renamed", "policy-of-Lab-to-Default", g.spine_policy.content.replace('"Lab"', '"Default"'))


def foreigners(folder, g):
    """Files of another CSSM: whole, with our certificate, and their parts among ours."""
    for file in (g.alien1, g.alien2, g.alien_ack, g.alien_policy):
        folder.add("foreign", file.name, file.content)
        ours = file.content.replace(b64(g.theirs), b64(g.own))
        folder.add("foreign", f"{file.name}-with-our-certificate",
                   ours if ours != file.content else file.insert(certificate(g.own)))
        for part in file.parts:
            if part.kind in ("smartLicensePolicy", "smartLicenseAccountInfo", "smartLicenseRumAck"):
                folder.add("foreign", f"{file.label(part)}-in-ours", g.leaf_ack.insert(file.whole(part)))
                mine, = g.leaf_ack.of(part.kind)
                folder.add("foreign", f"{file.label(part)}-for-ours",
                           g.leaf_ack.put((mine.start, mine.end), file.whole(part)))
    their_id = json.loads(g.alien2.text("smartLicenseSystemInfo"))["audience"]
    folder.add("foreign", "alien-usage2-for-our-CSSM", g.alien2.content.replace(their_id, g.cssm_id))


def collected_documents(g):
    """What a collector might bring of leaf."""
    payload = g.leaf2.text("RUMReport")
    new, udi, leaf, spine = next_payload(payload), g.leaf.udi, g.leaf.key, g.spine.key
    def alone(key, payload, named, signature):
        return device_document(udi, key, report(payload, udi, spki(named), signature))
    return {
        "device-count": alone(leaf, nine(payload), leaf, sign(leaf, payload)),
        "device-stranger": alone(g.stranger, new, g.stranger, sign(g.stranger, new)),
        "device-stranger-under-the-key": alone(leaf, new, leaf, sign(g.stranger, new)),
        "device-spine": alone(spine, new, spine, sign(spine, new)),
        "device-of-spine": device_document(udi, leaf, g.spine2.whole(g.spine2.of("RUMReport")[0])),
        "device-of-alien": device_document(udi, leaf, g.alien2.whole(g.alien2.of("RUMReport")[0])),
    }


def fill(folder, g):
    some = [g.leaf2, g.fresh_ack, g.policy]
    flipped(folder, [*g.vouched, g.fresh1])
    signatures(folder, [*some, g.spine2], {"a-stranger": g.stranger, "a-small-stranger": g.small})
    certificates(folder, [*some, g.leaf_ack], g.own, g.bad)
    edits(folder, some)
    envelopes(folder, [g.leaf2, g.fresh1])
    purposes(folder, [*some, g.fresh1])
    twice(folder, some, g.theirs)
    moved(folder, g.leaf2, g.spine2)
    moved(folder, g.spine2, g.leaf2)
    moved(folder, g.leaf2, g.alien2)
    cut_off(folder, some)
    renamed(folder, g)
    foreigners(folder, g)
    asked = {"leaf": json.loads(g.leaf2.text("smartLicenseTrustCode"))["answers"],
             "fresh": json.loads(g.fresh1.text("smartLicenseTrustRequest"))["nonce"]}
    for device, file, ack in ((g.leaf, g.leaf2, g.leaf_ack), (g.fresh, g.fresh1, g.fresh_ack)):
        said = statements(device, file, ack, asked[device.name], g)
        said_by_others(folder, device, said, g.signers, ack)
    by_strangers(folder, [(g.leaf, g.leaf2), (g.spine, g.spine2)], g.keys,
                 {"a-stranger": (g.small, g.own), "the-foreign-CSSM": (g.their_key, g.theirs)}, g.own)
    for file in (g.fresh1, g.alien1):
        request, = file.of("smartLicenseTrustRequest")
        folder.add("stranger", f"trust-request-of-{file.name}-in-the-file-of-spine",
                   g.spine2.insert(file.whole(request)))
    forged = {
        "usage": nine(g.leaf2.content),
        "ack": g.leaf_ack.content.replace("accepted", "Accepted", 1),
        "policy": g.policy.content.replace('"ongoing_report_days": 90', '"ongoing_report_days": 99', 1),
        "trust": g.fresh_ack.content.replace('"trust_id": ', '"trust_id": 9'),
        "stranger": usage_file(g.leaf, g.leaf2, [next_payload(g.leaf2.text("RUMReport"))], g.stranger, []),
    }
    wrapped(folder, forged, g.leaf2)
    collected = collected_documents(g)
    for what, text in collected.items():
        folder.add("collected", what, text)
    bundles(folder, g.answer, forged | collected, g.documents, g.keys, g.bad, g.own)


def check_that_all_goes_on(lab, g):
    """What is genuine still counts."""
    def again(device):
        device.use("itd")
        time.sleep(1)
        _, ack = device.report("usage3")
        device.take(ack)

    before = counted(lab)
    at_once(*(lambda device=device: again(device) for device in g.switches))
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
    at_once(lambda: check_verify(lab, folder), lambda: check_uploads(lab, folder, g.switches),
            *(lambda device=device: check_imports(device, folder, now) for device in g.switches))
    # What is genuine was of use all the while.
    acks = ((g.leaf, g.leaf_ack), (g.spine, g.spine_ack), (g.fresh, g.fresh_ack))
    at_once(*(lambda device=device, ack=ack: device.take(ack) for device, ack in acks))
    at_once(*(lambda device=device: check_imports(device, folder, sorted(folder.later)) for device in g.switches))
    check_that_all_goes_on(lab, g)
    kinds = collections.Counter(name.split("-")[0] for name in folder.files)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{len(folder.files)} forgeries in {time.monotonic() - began:.0f} s: {kinds}")
    assert not failures, f"{len(failures)} of them got through:\n" + "\n".join(failures)
done("forgeries")
