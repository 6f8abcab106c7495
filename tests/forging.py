"""Forgeries made of genuine files: the forms of docs/protocol.md as anybody with a key can write them, and functions
that alter, exchange, put in, take out, cut off or sign anew."""

import base64
import gzip
import hashlib
import hmac
import io
import json
import random
import re
import tarfile
import time
import zipfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

SHA256 = hashes.SHA256()
JSON_KINDS = ["smartLicenseRumAck", "smartLicensePolicy", "smartLicenseTrustCode", "smartLicenseTrustRequest",
              "smartLicenseReportRequest", "smartLicenseRevocation", "smartLicenseSystemInfo"]
chance = random.Random(9)


# Keys and certificates.

class Simulated:
    """A key of simulated worlds, whose signatures anybody can make."""

    def __init__(self, key):
        self.public_key = key.public_key

    def sign(self, content, _):
        return hmac.digest(spki(self), hashlib.sha256(content).digest(), "sha256")


def b64(content):
    return base64.b64encode(content).decode()


def digest(content):
    return b64(hashlib.sha256(content).digest())


def sign(key, text):
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text.encode(), padding.PKCS1v15(), SHA256)
    return key.sign(text.encode(), ec.ECDSA(SHA256))


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def signing_type(key):
    if isinstance(key, Simulated):
        return "SIMULATED"
    return "RSA-SHA256" if isinstance(key, rsa.RSAPrivateKey) else "ECDSA-P256-SHA256"


def key_text(key):
    return f"{signing_type(key)}:{b64(spki(key))}"


def certificate_like(model, key, issuer, issuer_key):
    """A certificate that says what `model` says, for another key and by another issuer."""
    new = (x509.CertificateBuilder().subject_name(model.subject).issuer_name(issuer).public_key(key.public_key())
           .serial_number(model.serial_number).not_valid_before(model.not_valid_before_utc)
           .not_valid_after(model.not_valid_after_utc))
    for extension in model.extensions:
        new = new.add_extension(extension.value, extension.critical)
    return new.sign(issuer_key, SHA256).public_bytes(serialization.Encoding.DER)


# Documents, archives and bundles.

def document(*elements):
    return '<?xml version="1.0" encoding="UTF-8"?>\n<smartLicense>\n' + "".join(elements) + "</smartLicense>\n"


def element(kind, text, key):
    inner, end = f"<data>\n    <![CDATA[{text}]]>\n  </data>", f"</{kind}>\n"
    if kind == "smartLicenseAccountInfo":
        inner, end = f"<customerInfo>{text}</customerInfo>", f"  </{kind}>\n"
    return f"<{kind}>\n  {inner}\n  <signature>{b64(sign(key, text))}</signature>\n{end}"


def certificate(der):
    return f"<smartLicenseCertificate>{b64(der)}</smartLicenseCertificate>\n"


def report(payload, udi, key, named=None):
    """A report signed by a key, in the name of another one if told so."""
    key_id = int.from_bytes(hashlib.sha256(spki(named or key)).digest()[:8], "big") % 10**12
    return ('<RUMReport>\n<![CDATA[\n{\n  "payload":' + payload + ',\n"header":{\n  "type":"rum"\n},\n"signature":{\n'
            f'  "sudi":{{\n    "udi_pid":"{udi[0]}",\n    "udi_serial_number":"{udi[1]}"\n  }},\n'
            f'  "signing_type":"{signing_type(key)}",\n  "key":"{key_id:012}",\n'
            f'  "value":"{b64(sign(key, payload))}"\n}}\n}}\n]]>\n</RUMReport>\n')


def usage_file(device, file, payloads, key, extras):
    """A usage file in the name of a device, signed by a key from the first byte to the last."""
    info = json.loads(file.text("smartLicenseSystemInfo"))
    digests = b"".join(hashlib.sha256(payload.encode()).digest() for payload in payloads)
    info |= {"public_key": key_text(key), "reports": len(payloads), "reports_sha256": digest(digests)}
    reports = [report(payload, device.udi, key) for payload in payloads]
    return document(*reports, element("smartLicenseSystemInfo", json.dumps(info, indent=2), key), *extras)


def device_document(udi, key, *reports):
    """What a collector brings of a device."""
    told = json.dumps({"sudi": {"udi_pid": udi[0], "udi_serial_number": udi[1]}, "public_key": key_text(key)}, indent=2)
    return document(f"<smartLicenseDeviceInfo>\n<![CDATA[{told}]]>\n</smartLicenseDeviceInfo>\n", *reports)


def tar(members, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
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


def signed_manifest(text, key):
    return f"{text}Signature: {b64(sign(key, text))}\n"


def bundle(devices, key):
    """A collector's bundle, signed by its key."""
    part = tar([(f"dev_{n}_26Nov28_00_00_00_000.txt", text.encode()) for n, text in enumerate(devices, 1)], "w:gz")
    name = "UD_VA_26Nov28_00_00_00_000.tar.gz"
    maker = json.dumps(json.dumps({"name": "CSLU lab", "uuid": "85eb0d53ad90c40d8a36eb135dbf7d2b"}))
    manifest = signed_manifest(
        f"Manifest-Version: 1.0\nCreated-By: {maker}\nSmart-Account: Example\nSmart-Account-ID: \n\n"
        f"Name: /{name}\nSpecification-VA: Default\nSpecification-VA-ID: \nSHA-256-Digest: {digest(part)}\n\n"
        f"Public-Key: {key_text(key)}\n", key)
    return tar([("manifest.mf", manifest.encode()), (name, part)], "w:gz")


# Genuine files, and texts that differ from theirs.

class Part:
    """A signed element of a file: the whole, its text and its signature, and the file with others in their place."""

    def __init__(self, file, found):
        self.file, self.kind, self.whole, self.at = file, found[1], found[0], found.span()
        self.label = f"{file.name}-{self.kind.removeprefix('smartLicense')}{len(file.of(self.kind)) + 1}"
        text, signature = r"<!\[CDATA\[(.*)\]\]>", r"<signature>(.*)</signature>"
        if "Account" in self.kind:
            text = r"<customerInfo>(.*)</customerInfo>"
        if self.kind == "RUMReport":
            text, signature = r'"payload":(.*),\n"header"', r'.*"value":"([^"]*)"'
        text, signature = (re.search(pattern, self.whole, re.S) for pattern in (text, signature))
        self.text, self.text_at = text[1], text.span(1)
        self.signature, self.signature_at = signature[1], signature.span(1)

    def put(self, new):
        return put(self.file.content, self.at, new)

    def put_text(self, new):
        return self.put(put(self.whole, self.text_at, new))

    def put_signature(self, new):
        return self.put(put(self.whole, self.signature_at, new))

    def spares(self, text):
        """Whether a trust code, altered to this text, is not of each switch that the ACK beside it is for. Such a
        switch takes the ACK: what the file says to others is none of its business."""
        def named(text):
            return set(re.findall(r'"udi_pid": ?"([^"]*)",\s*"udi_serial_number": ?"([^"]*)"', text))
        acks = self.file.of("smartLicenseRumAck")
        return "TrustCode" in self.kind and any(named(ack.text) - named(text) for ack in acks)


class File:
    """A genuine document and its parts."""

    def __init__(self, name, content):
        self.name, self.content, self.parts = name, content.decode(), []
        pattern = r"<(RUMReport|smartLicense(?!Certificate|DeviceInfo)\w+)>.*?</\1>\n"
        for found in re.finditer(pattern, self.content, re.S):
            self.parts.append(Part(self, found))

    def of(self, kind):
        return [part for part in self.parts if part.kind == kind]

    def text(self, kind):
        """The signed text of the last element of a kind."""
        return self.of(kind)[-1].text

    def first(self, new):
        return self.content.replace("<smartLicense>\n", "<smartLicense>\n" + new)

    def last(self, new):
        return self.content.replace("</smartLicense>\n", new + "</smartLicense>\n")


def parts_of(files):
    return [part for file in files for part in file.parts]


def put(text, at, new):
    return text[:at[0]] + new + text[at[1]:]


def change_at(text, at):
    """Another character of the same kind in its place."""
    char = text[at]
    return put(text, (at, at + 1), str((int(char) + 1) % 10) if char.isdigit() else char.swapcase())


def places(text, count, span=None):
    """Some letters and digits of a text."""
    all_of_them = [at for at in range(*(span or (0, len(text)))) if text[at].isascii() and text[at].isalnum()]
    return sorted(chance.sample(all_of_them, min(count, len(all_of_them))))


def words(text):
    """Where the values stand that are no numbers of JSON."""
    found = re.finditer(r'(?<=: ")[^"]+(?=")|(?<=":")[^"]+(?=")|(?<=>)[^<\s]+(?=<)', text)
    return [word.span() for word in found if any(char.isalnum() for char in word[0])]


def numbers(file):
    """The number and the digest of each report of a file."""
    return [(int(re.search(r'"report_id":(\d+)', part.text[part.text.index('"entitlement_tag"'):])[1]),
             digest(part.text.encode())) for part in file.of("RUMReport")]


def addressed(text, device):
    """What was said to another device."""
    return re.sub(r'(serial_number": ?")\w+', rf"\g<1>{device.udi[1]}", text)


def about(text, number, sha256):
    """What was said of another report."""
    text = re.sub(r'"report_id":\d+', f'"report_id":{number}', text)
    return re.sub(r'(report_sha256":")[^"]*', rf"\g<1>{sha256}", text)


def nine(text):
    """The same use, but nine times."""
    return re.sub(r'("type":"COUNT",\s*"value":")\d+', r"\g<1>9", text)


def next_payload(text):
    """What the report after this one might say."""
    number, sha256 = int(re.search(r'"report_id":(\d+)', text)[1]), digest(text.encode())
    text = re.sub(r'("previous_report":\{\s*"report_id":)\d+(,\s*"sha256":")[^"]*',
                  rf"\g<1>{number}\g<2>{sha256}", text)
    text = re.sub(r'("meta":\{\s*"entitlement_tag":"[^"]*",\s*"report_id":)\d+', rf"\g<1>{number + 1000}", text)
    text = re.sub(r'("position":)(\d+)', lambda found: f"{found[1]}{int(found[2]) + 1}", text)
    text = re.sub(r'("(?:log|start|end)_time":)(\d+)', lambda found: f"{found[1]}{int(found[2]) + 60}", text)
    return nine(text)


# The forgeries.

def flipped(folder, files):
    """One byte of each signed text and of each signature."""
    for part in parts_of(files):
        text = part.text
        def add(what, new):
            folder.add("flipped", f"{part.label}-{what}", part.put_text(new), later=part.spares(new))
        for at in places(text, 3):
            add(f"text-{at}", change_at(text, at))
        for at in places(part.signature, 2, (4, len(part.signature) - 4)):
            folder.add("flipped", f"{part.label}-signature-{at}", part.put_signature(change_at(part.signature, at)),
                       later=part.spares(text))
        at = chance.randrange(len(text))
        add(f"bit-{at}", put(text, (at, at + 1), chr(ord(text[at]) ^ 1)))
        # Layout that means nothing is signed too.
        add("blank", text.replace(":", ": ", 1) if ":" in text else text.replace("<", " <", 1))


def signatures(folder, files, keys):
    """Signatures that are not there, no signatures, of another text, or of another key."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    pair = utils.encode_dss_signature
    made_up = {"zero": bytes(256), "one": bytes(255) + b"\1", "pair-0-0": pair(0, 0), "pair-1-1": pair(1, 1),
               "pair-of-the-order": pair(order, order), "byte": b"\0"}
    for part in parts_of(files):
        def add(what, new):
            folder.add("signature", f"{part.label}-{what}", part.put_signature(new))
        form = r',\n"signature":\{.*\}(?=\n\}\n\]\]>)|  <signature>.*</signature>\n'
        folder.add("signature", f"{part.label}-removed", part.put(re.sub(form, "", part.whole, flags=re.S)))
        add("empty", "")
        add("half", part.signature[:len(part.signature) // 8 * 4])
        add("longer", b64(base64.b64decode(part.signature) + b"\0"))
        add("no-base64", "!" + part.signature[1:])
        for what, value in made_up.items():
            add(what, b64(value))
        for what, key in keys.items():
            add(f"by-{what}", b64(sign(key, part.text)))
        for source in parts_of(files):
            if (source.file is part.file or source.kind == part.kind) and source.text != part.text:
                add(f"of-{source.label}", source.signature)


def certificates(folder, files, own, bad):
    """Certificates of others, damaged ones, none, and two."""
    genuine = certificate(own)
    for file in files:
        for what, der in bad.items():
            folder.add("certificate", f"{file.name}-{what}", file.content.replace(genuine, certificate(der)))
            both = genuine + certificate(der)
            folder.add("certificate", f"{file.name}-{what}-beside-it", file.content.replace(genuine, both))
        # A switch with a trust code knows CSSM's certificate without being told.
        folder.add("certificate", f"{file.name}-none", file.content.replace(genuine, ""), later=True)


def edits(folder, files):
    """Each number one higher, each text another one, each count 9."""
    for part in parts_of(files):
        text = part.text
        def add(kind, n, new):
            folder.add(kind, f"{part.label}-{n}", part.put_text(new), later=part.spares(new))
        for n, found in enumerate(re.finditer(r'(?<=": )\d+|(?<=":)\d+|(?<=":")\d+(?=")|(?<=>)\d+(?=<)', text)):
            add("number", n, put(text, found.span(), str(int(found[0]) + 1)))
        for n, span in enumerate(words(text)):
            add("word", n, change_at(text, places(text, 1, span)[0]))
        if part.kind == "RUMReport":
            for n, found in enumerate(re.finditer(r'"value":"(\d)"', text)):
                add("count", n, put(text, found.span(1), "9"))


def envelopes(folder, files):
    """What stands beside the signed text of a report, and members that stand twice."""
    for part in [part for file in files for part in file.of("RUMReport")]:
        whole, more = part.whole, nine(part.text)
        at, payload = whole.rindex('"signature":{'), f'"payload":{part.text},\n'
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
            folder.add("envelope", f"{part.label}-{what}", part.put(new))


def purposes(folder, files):
    """Genuine texts and signatures under the name of another element."""
    for part in parts_of(files):
        for kind in JSON_KINDS:
            if part.kind in JSON_KINDS and kind != part.kind:
                folder.add("purpose", f"{part.label}-as-{kind}", part.put(part.whole.replace(part.kind, kind)))


def twice(folder, files, strange):
    """An altered element beside the genuine one, before and behind it, and altered texts beside the signed one. Of what
    may stand once the last one counts."""
    for part in parts_of(files):
        text, whole = part.text, part.whole
        # The last value: an account's domain, a purpose, a digest, a count.
        new = change_at(text, places(text, 1, words(text)[-1])[0])
        forged = whole.replace(text, new)
        def add(what, content, later=False):
            folder.add("twice", f"{part.label}-{what}", content, later=later or part.spares(new))
        add("altered-first", part.put(forged + whole), later="Account" in part.kind)
        add("altered-last", part.put(whole + forged))
        add("altered-behind-the-end", part.file.content + forged)
        if part.kind == "RUMReport":
            continue
        name = "customerInfo" if "Account" in part.kind else "data"
        inner = re.search(rf" *<{name}>.*</{name}>\n", whole, re.S)[0]
        signature = re.search(r" *<signature>.*</signature>\n", whole)[0]
        for what, good, bad in ((f"{name}-altered", inner, inner.replace(text, new)),
                                ("signature-empty", signature, "  <signature></signature>\n")):
            add(f"{what}-last", part.put(whole.replace(good, good + bad)))
            add(f"{what}-first", part.put(whole.replace(good, bad + good)), later=True)
    for file in files:
        folder.add("twice", f"{file.name}-certificate-foreign-first", file.content.replace(
            "<smartLicenseCertificate>", certificate(strange) + "<smartLicenseCertificate>"), later=True)


def moved(folder, file, other_file):
    """Reports taken out, doubled, in another order, of another switch."""
    info, = file.of("smartLicenseSystemInfo")
    reports = file.of("RUMReport")
    for n, part in enumerate(reports, 1):
        folder.add("moved", f"{file.name}-{n}-taken-out", part.put(""))
        folder.add("moved", f"{file.name}-{n}-doubled", part.put(part.whole + part.whole))
        if part is not reports[-1]:
            folder.add("moved", f"{file.name}-{n}-last", part.put("").replace(info.whole, part.whole + info.whole))
        for m, source in enumerate(other_file.of("RUMReport"), 1):
            folder.add("moved", f"{other_file.name}-{m}-for-{file.name}-{n}", part.put(source.whole))
            folder.add("moved", f"{other_file.name}-{m}-before-{file.name}-{n}", part.put(source.whole + part.whole))
    # The same without what the switch says of the whole file, where a report of the other switch is left alone.
    for m, source in enumerate(other_file.of("RUMReport"), 1):
        folder.add("moved", f"{other_file.name}-{m}-in-{file.name}-without-information",
                   file.first(source.whole).replace(info.whole, ""))
    for kind in ("smartLicenseSystemInfo", "smartLicenseTrustCode"):
        for mine, yours in zip(file.of(kind), other_file.of(kind)):
            folder.add("moved", f"{yours.label}-for-{mine.label}", mine.put(yours.whole))


def cut_off(folder, files):
    """Copies that ended too early."""
    for file in files:
        ends = {len(file.content) * n // 12 for n in range(1, 12)}
        ends |= {part.at[1] for part in file.parts} | {len(file.content) - n for n in (2, 5, 16)}
        for end in sorted(ends):
            folder.add("cut", f"{file.name}-at-{end}", file.content[:end])


def said_by_others(folder, device, said, signers, ack):
    """All that CSSM might say, said by somebody else: alone, and beside what CSSM said."""
    for who, (key, der) in signers.items():
        every = {what: element(kind, text, key) for what, (kind, text) in said.items()}
        for what, forged in every.items():
            folder.add("said", f"to-{device.name}-{what}-by-{who}", document(forged, certificate(der)))
            # What only the root may say holds back nothing else.
            folder.add("beside", f"{ack.name}-{what}-by-{who}", ack.last(forged), later=what == "revocation")
        folder.add("said", f"to-{device.name}-everything-by-{who}", document(*every.values(), certificate(der)))


def by_strangers(folder, devices, keys, cssm_keys, own):
    """Whole files in the name of a known device by another key, with and beside its genuine trust code."""
    for device, file in devices:
        def add(what, content):
            folder.add("stranger", f"{device.name}-{what}", content)
        payload, code = file.text("RUMReport"), file.of("smartLicenseTrustCode")[-1]
        new, genuine, told = next_payload(payload), [code.whole, certificate(own)], json.loads(code.text)
        for who, key in keys.items():
            if key is device.key:
                continue
            request = json.dumps({
                "sudi": told["sudi"], "role": "Active", "product_instance_identifier": "",
                "public_key": key_text(key), "timestamp": int(time.time()), "nonce": "0123456789abcdef",
                "purpose": "trust-request", "audience": json.loads(file.text("smartLicenseSystemInfo"))["audience"],
                "force": False, "valid_until": int(time.time()) + 86400}, indent=2)
            asked = element("smartLicenseTrustRequest", request, key)
            trust = {"alone": [], "with-its-trust-code": genuine, "with-a-trust-request": [asked],
                     "with-both": [*genuine, asked]}
            for signer, (cssm_key, der) in cssm_keys.items():
                text = json.dumps(told | {"public_key": key_text(key)}, indent=2)
                forged = element("smartLicenseTrustCode", text, cssm_key)
                trust[f"with-a-trust-code-by-{signer}"] = [forged, certificate(der)]
                trust[f"with-two-trust-codes-by-{signer}"] = [forged, *genuine]
            for how, extras in trust.items():
                for what, text in (("next-report", new), ("same-report", payload), ("same-number", nine(payload))):
                    add(f"the-{what}-by-{who}-{how}", usage_file(device, file, [text], key, extras))
            # Its report in a file that the device wrote, and alone.
            strange = report(new, device.udi, key)
            add(f"report-by-{who}-in-its-file", file.first(strange))
            add(f"report-by-{who}", document(strange))
            add(f"report-by-{who}-beside-its-trust-code", document(strange, *genuine))
            # The key id of the device, the key of the stranger.
            add(f"report-by-{who}-under-its-key-id", document(report(new, device.udi, key, device.key), *genuine))
            add(f"trust-request-by-{who}", file.last(asked))
        add("simulated", usage_file(device, file, [new], Simulated(device.key), genuine))


def wrapped(folder, forged, genuine):
    """Forgeries as people's tools hand them over, and beside genuine files."""
    beside = genuine.content.encode()
    beside_gz, beside_tar = gzip.compress(beside), tar([("a.txt", beside)])
    for what, text in forged.items():
        plain = text.encode()
        packed, both = gzip.compress(plain), [("a.txt", beside), ("b.txt", plain)]
        for how, end, content in [
            ("gzip", "txt.gz", packed),
            ("gzip-twice", "txt.gz", gzip.compress(packed)),
            ("gzip-behind-a-genuine-one", "txt.gz", beside_gz + packed),
            ("zip", "zip", zipped([("usage.txt", plain)])),
            ("zip-with-a-genuine-one", "zip", zipped(both)),
            ("tar", "tar", tar([("a.txt", plain)])),
            ("tar-with-a-genuine-one", "tar", tar(both)),
            ("tar-before-a-genuine-one", "tar", tar([("a.txt", plain), ("b.txt", beside)])),
            ("tar-of-one-name", "tar", tar([("a.txt", plain), ("a.txt", beside)])),
            ("tgz-with-a-genuine-one", "tar.gz", tar(both, "w:gz")),
            ("tar-in-tar", "tar", tar([("a.txt", beside), ("b.tar", tar([("c.txt", plain)]))])),
            ("zip-of-gzip", "zip", zipped([("a.gz", packed)])),
            ("tar-cut-off", "tar", tar(both)[:-2048]),
            ("utf16", "txt", text.encode("utf-16")),
            ("utf16-big", "txt", text.encode("utf-16-be")),
            ("byte-order-mark", "txt", b"\xef\xbb\xbf" + plain),
            ("crlf", "txt", text.replace("\n", "\r\n").encode()),
            ("prefix", "txt", re.sub(r"(</?)(smartLicense\w+)", r"\1x:\2", text).encode()),
            ("two-sections", "txt", text.replace("sudi", "su]]><![CDATA[di", 1).encode()),
            ("two-documents", "txt", beside + plain),
            ("behind-a-genuine-gzip", "txt.gz", beside_gz + plain),
            ("tar-behind-a-genuine-tar", "tar", beside_tar + tar([("b.txt", plain)])),
            ("tar-behind-a-genuine-tgz", "tar.gz", gzip.compress(beside_tar) + tar([("b.txt", plain)], "w:gz")),
            ("before-a-genuine-zip", "txt", plain + zipped([("a.txt", beside)])),
        ]:
            folder.add("wrapped", f"{what}-{how}", content, end)


def add_bundle(folder, what, manifest, *members):
    folder.add("bundle", what, tar([("manifest.mf", manifest.encode()), *members], "w:gz"), "tar.gz")


def altered_lines(folder, whose, manifest, part):
    """One character of each line of a manifest."""
    lines = manifest.splitlines(True)
    for n, line in enumerate(lines):
        said = [at for at in range(line.find(":") + 1, len(line)) if line[at].isalnum()]
        if said:
            new = "".join([*lines[:n], change_at(line, said[len(said) // 2]), *lines[n + 1:]])
            add_bundle(folder, f"{whose}-line-{n}", new, part)


def answers(folder, answer, ack, keys, bad, own):
    """Answers of CSSM to a collector that were altered (CSLU-019)."""
    (_, manifest), part = members_of(answer)
    manifest, (name, content) = manifest.decode(), part
    def add(what, text, *members):
        add_bundle(folder, f"answer-{what}", text, *members)
    altered_lines(folder, "answer", manifest, part)
    signed = manifest[:manifest.index("Signature: ")]
    add("signature-empty", signed + "Signature: \n", part)
    add("signature-removed", signed, part)
    add("not-signed-with-a-forgery", manifest[:manifest.index("SHA-256")],
        (name, tar([("ACK_dev_1.txt", ack.encode())], "w:gz")))
    add("lacks-its-part", manifest)
    add("with-a-part-beside", manifest, part, ("ACK_UD_VA_2.tar.gz", content))
    add("with-two-parts-of-one-name", manifest, part, part)
    add("with-a-file-beside", manifest, part, ("a.txt", ack.encode()))
    inside = members_of(content)
    for n, (document_name, text) in enumerate(inside):
        new = [*inside[:n], (document_name, text.replace(b"accepted", b"Accepted", 1)), *inside[n + 1:]]
        altered = name, tar(new, "w:gz")
        add(f"part-altered-{n}", manifest, altered)
        fits = re.sub(r"(SHA-256-Digest: ).*", rf"\g<1>{digest(altered[1])}", manifest)
        add(f"part-and-digest-altered-{n}", fits, altered)
        text = fits[:fits.index("Signature: ")]
        for who, key in keys.items():
            add(f"altered-{n}-signed-by-{who}", signed_manifest(text, key), altered)
            by_key = re.sub(r"Signing-Certificate: .*", f"Public-Key: {key_text(key)}", text)
            add(f"altered-{n}-as-the-collector-{who}", signed_manifest(by_key, key), altered)
    for what, der in bad.items():
        add(f"certificate-{what}", manifest.replace(b64(own), b64(der)), part)


def collected(folder, forged, devices, collector, keys):
    """Bundles of a collector that brings forgeries, and its bundles altered by others."""
    for what, text in forged.items():
        folder.add("bundle", f"of-a-collector-{what}", bundle([text], collector), "tar.gz")
        folder.add("bundle", f"of-a-collector-{what}-behind-a-genuine-one",
                   bundle([devices[0], text], collector), "tar.gz")
    (_, manifest), part = members_of(bundle(devices, collector))
    manifest = manifest.decode()
    altered_lines(folder, "of-a-collector", manifest, part)
    text = manifest[:manifest.index("Signature: ")]
    for who, key in keys.items():
        if key is not collector:
            add_bundle(folder, f"of-a-collector-signed-by-{who}", signed_manifest(text, key), part)
