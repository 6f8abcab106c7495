"""Alerts by e-mail through a real mail server, over TLS, with a login: each is told once, whatever happens in between."""

import email
import email.policy
import json
import logging
import pathlib
import socket
import ssl
import subprocess
import tempfile
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from lab import RUMLINE, Lab, done

DAY = 86_400
# Of the mail server: that TLS fails is what is wanted.
logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)


class MailServer:
    """Keeps what it takes; says to the first it is asked to take that it cannot now."""

    def __init__(self, directory, port, **options):
        self.messages, self.logins, self.refusals = [], [], ["451 not now"]
        self.options = {"hostname": "localhost", "port": port, **options}
        if options.pop("with_tls", True):
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(directory / "mail.pem", directory / "mail.key")
            self.options |= {"tls_context": context, "require_starttls": True}
        self.options.pop("with_tls", None)
        self.controller = Controller(self, authenticator=self.log_in, auth_required=True, **self.options)
        self.controller.start()

    def log_in(self, _server, _session, _envelope, _mechanism, data):
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == ("rumline", "mail secret"))

    async def handle_DATA(self, _server, _session, envelope):
        if self.refusals:
            return self.refusals.pop()
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append((envelope.rcpt_tos, message))
        return "250 OK"

    def wait(self, count, seconds=60):
        end = time.monotonic() + seconds
        while len(self.messages) < count:
            assert time.monotonic() < end, f"{len(self.messages)} of {count} messages came"
            time.sleep(0.1)

    def stop(self):
        self.controller.stop()


def free_port():
    with socket.socket() as near:
        near.bind(("127.0.0.1", 0))
        return near.getsockname()[1]


def certificates(directory):
    for name in ["mail", "other"]:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-addext",
             "basicConstraints=critical,CA:FALSE", "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem"], check=True, capture_output=True)


def commands(lab, *words, status=0):
    """What a command of CSSM prints."""
    answer = subprocess.run(
        [RUMLINE, "cssm", "--server", lab.url, "--ca-file", lab.dir / "cssm/root.pem", "--api-token-file",
         lab.dir / "token", *words], capture_output=True, text=True)
    assert answer.returncode == status, (words, answer)
    return answer.stdout + answer.stderr


def outbox_until(lab, wanted, seconds=60):
    end = time.monotonic() + seconds
    while True:
        newest = json.loads(commands(lab, "mail", "outbox", "-o", "json"))[0]
        if wanted(newest):
            return newest
        assert time.monotonic() < end, newest
        time.sleep(0.2)


def restart(lab, *options):
    lab.cssm.kill()
    lab.cssm.wait()
    lab.cssm_options = options or lab.cssm_options
    lab.start_cssm(lab.url.removeprefix("https://"))


directory = pathlib.Path(tempfile.mkdtemp(prefix="rumline-mail-"))
certificates(directory)
port = free_port()
password = directory / "mail.password"
password.touch(0o600)
password.write_text("mail secret\n")
# A minute of waiting for another try is a second here.
clock = ("--lab-clock", f"{int(time.time() * 1000)}:60")
from_us = ("--mail-from", "Rumline <rumline@example.net>")
login = ("--mail-login", "rumline", "--mail-password-file", password)
options = (*clock, "--mail-server", f"smtp://localhost:{port}", *from_us, *login, "--mail-ca-file",
           directory / "mail.pem")

with Lab(*options) as lab:
    def log_in():
        # On this clock a login is soon over.
        commands(lab, "login", "--password-file", lab.dir / "admin.password")

    log_in()
    assert "There are none" in commands(lab, "mail", "show")
    assert "no kind of alert" in commands(lab, "mail", "set", "eve@example.net", "--kind", "all", status=2)
    commands(lab, "mail", "set", "eve@example.net", "--kind", "expiry", "--kind", "shortage")
    assert "expiry, shortage" in commands(lab, "mail", "show")

    # Nobody is there: it is tried again, and the outbox says why.
    commands(lab, "mail", "test")
    newest = outbox_until(lab, lambda mail: mail["problem"])
    assert newest["sent_at"] is None and "refused" in newest["problem"].lower(), newest
    server = MailServer(directory, port)
    server.wait(1)
    (to, message), = server.messages
    assert to == ["eve@example.net"] and message["to"] == "eve@example.net", message
    assert message["from"] == "Rumline <rumline@example.net>", message["from"]
    assert message["subject"] == "Rumline CSSM: a test"
    assert message["auto-submitted"] == "auto-generated"
    assert "admin" in message.get_content() and lab.url in message.get_content()
    assert set(server.logins) == {("rumline", "mail secret")}
    # It was put off once, and then taken.
    sent = outbox_until(lab, lambda mail: mail["sent_at"])
    assert sent["tries"] >= 3 and not sent["problem"], sent

    # An alert is told once, however often CSSM is killed.
    log_in()
    starts, ends = [time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * DAY)) for days in (0, 25)]
    commands(lab, "purchase", "Example", "Default", "LAN_ENTERPRISE_SERVICES_PKG", "5", "--starts", starts,
             "--ends", ends)
    for _ in range(4):
        restart(lab)
    server.wait(2)
    restart(lab)
    log_in()
    outbox_until(lab, lambda mail: mail["sent_at"])
    # One that was taken when CSSM was killed comes again as the same message.
    told = {message["message-id"]: message for _, message in server.messages[1:]}
    (message,) = told.values()
    assert message["subject"] == "Rumline CSSM: expiry: purchase 1, within 30 days", message["subject"]
    text = message.get_content()
    assert "5 x LAN_ENTERPRISE_SERVICES_PKG end at" in text and "Example, since" in text, text

    # Another look; words that stand for nothing are refused.
    template = json.loads(commands(lab, "mail", "template"))
    (directory / "template.json").write_text(json.dumps({**template, "subject": "{what}"}))
    assert "{what} stands for nothing" in commands(
        lab, "mail", "set-template", directory / "template.json", status=2)
    (directory / "template.json").write_text(json.dumps({**template, "subject": "Ärger: {count}"}))
    commands(lab, "mail", "set-template", directory / "template.json")
    commands(lab, "purchase", "Example", "Default", "VPN_FABRIC", "1", "--starts", starts, "--ends", ends)
    restart(lab)
    log_in()
    server.wait(len(server.messages) + 1)
    assert server.messages[-1][1]["subject"] == "Ärger: 1", server.messages[-1][1]["subject"]

    def refused(why, *options):
        before = len(server.messages), len(server.logins)
        restart(lab, *clock, *from_us, *options)
        log_in()
        commands(lab, "mail", "test")
        newest = outbox_until(lab, lambda mail: mail["problem"])
        assert why in newest["problem"].lower() and newest["sent_at"] is None, newest
        assert (len(server.messages), len(server.logins)) == before, "something was shown"

    # Another mail server than the one that is known gets no password and no message.
    url = ("--mail-server", f"smtp://localhost:{port}")
    refused("certificate", *url, *login, "--mail-ca-file", directory / "other.pem")
    server.stop()
    server = MailServer(directory, port, with_tls=False)
    refused("starttls", *url, *login, "--mail-ca-file", directory / "mail.pem")
    server.stop()
    commands(lab, "mail", "remove")
    assert "There are none" in commands(lab, "mail", "show")

    # Without a mail server nothing is made, and whoever asks is told so.
    restart(lab, *clock)
    log_in()
    assert "started without --mail-server" in commands(lab, "mail", "set", "eve@example.net")
done("mail_alerts")
