"""People log in by a real provider of OpenID Connect, in a real browser: at CSSM by RS256 and a secret, at SSM On-Prem by ES256 and none.
What they may do follows their groups."""

import json
import os
import pathlib
import socket
import subprocess

from selenium.webdriver.common.by import By

from browser import Browser
from lab import Lab, done

HERE = pathlib.Path(__file__).parent
GROUPS = {"ann": ["net ops"], "eve": ["chiefs", "net ops"], "joe": ["cooks"]}
RULES = ["net ops=viewer:1", "chiefs=administrator"]


def free_port():
    with socket.socket() as near:
        near.bind(("127.0.0.1", 0))
        return near.getsockname()[1]


class Provider:
    def __init__(self, lab, servers):
        self.url = f"https://127.0.0.1:{free_port()}"
        self.certificate, self.key = lab.dir / "provider.pem", lab.dir / "provider.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=provider", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True)
        clients = [
            {"client_id": name, "redirect_uris": [f"https://{name}.localhost:{port}/login/provider/back"],
             "id_token_signed_response_alg": alg,
             **({"client_secret": secret} if secret else {"token_endpoint_auth_method": "none"})}
            for name, port, alg, secret in servers]
        options = {"port": int(self.url.rsplit(":")[-1]), "clients": clients, "groups": GROUPS,
                   "certificate": str(self.certificate), "key": str(self.key)}
        self.process = subprocess.Popen(["node", HERE / "oidc_provider.mjs", json.dumps(options)], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        lab.processes.append(self.process)
        assert any(line.strip() == "up" for line in self.process.stdout), "the provider did not come up"

    def options(self, client, *more):
        groups = [word for rule in RULES for word in ("--oidc-group", rule)]
        return ["--oidc-issuer", self.url, "--oidc-client-id", client, "--oidc-ca-file", self.certificate,
                "--oidc-scopes", "openid profile groups", *groups, *more]


class People(Browser):
    def fill(self, name, text):
        field = self.wait(lambda: self.driver.find_element(By.NAME, name), name)
        field.clear()
        field.send_keys(text)

    def log_in(self, url, login, path="/"):
        """As somebody who was never here."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.open(f"{url}/login?next={path}")
        self.go("Log in with single sign-on")
        self.fill("login", login)
        self.fill("password", "any")
        submit = "//button[@type='submit']"
        self.leave(lambda: self.driver.find_element(By.XPATH, submit).click())
        # Whether the server may know of them.
        self.leave(lambda: self.driver.find_element(By.XPATH, submit).click())

    def stays_at(self, url):
        self.wait(lambda: self.driver.current_url.startswith(url), url)


def main():
    ports = [free_port(), free_port()]
    with Lab() as lab:
        lab.cssm.terminate()
        lab.cssm.wait(20)
        secret = lab.dir / "client.secret"
        secret.touch(0o600)
        secret.write_text("a secret of 40 letters, as providers make\n")
        provider = Provider(lab, [("cssm", ports[0], "RS256", secret.read_text().strip()),
                                  ("onprem", ports[1], "ES256", None)])
        # Each on a host of its own, and the provider on another: browsers keep a strict cookie from who comes from elsewhere.
        own = [f"https://{name}.localhost:{port}" for name, port in zip(["cssm", "onprem"], ports)]
        lab.cssm_options = provider.options("cssm", "--oidc-client-secret-file", secret, "--oidc-own-url", own[0])
        lab.start_cssm(f"127.0.0.1:{ports[0]}")
        url, _, password = lab.start_collector("onprem", *provider.options("onprem", "--oidc-own-url", own[1]), listen=f"127.0.0.1:{ports[1]}")
        onprem = lab.collector("onprem", url, password)
        account = {"smart_account": "Example", "virtual_account": "Default", "connected": False, "sync_minutes": 0}
        onprem("POST", "/tenants", {"name": "One", **account})
        with People(lab) as people:
            for server in own:
                people.log_in(server, "eve", "/people")
                people.stays_at(f"{server}/people")
                people.see("eve", "(administrator)")
                people.log_in(server, "ann")
                people.see("ann", "(viewer)")
                people.log_in(server, "joe")
                people.see("none of the groups", "Log in to")
                people.picture(f"provider-refused-{server.rsplit(':')[-1]}")
                people.check(people.driver.get_cookie(f"rumline-{server.rsplit(':')[-1]}") is None, "joe is logged in")
            assert not people.wrong, people.wrong
        ann = lab.call("GET", "/people/ann")
        assert ann["issuer"] == provider.url, ann
        assert [(role["role"], role["smart_account_id"]) for role in ann["roles"]] == [("viewer", 1)], ann
        told = lab.call("GET", "/audit")
        # Whoever is not known here is told of by what the provider calls them for good.
        refused = next(row for row in told if row["subject"] == "by the provider")
        assert "none of the groups" in refused["outcome"] and refused["reason"] == f"joe at {provider.url}", refused
        assert any(row["actor"] == "eve" and row["action"] == "login" and provider.url in row["reason"] for row in told)
    done("oidc.py: logins by a provider, and what groups may do")


if __name__ == "__main__":
    assert os.environ["RUMLINE_NPM"]
    main()
