"""A client made by openapi-python-client from CSSM's own document, and nothing else, makes an account and a token, uploads a usage file,
fetches the ACK, which the switch takes, and moves the product instance to another virtual account (CSSM-033)."""

import importlib
import json
import pathlib
import subprocess
import sys
import urllib.request

from lab import Lab, done

GENERATOR = pathlib.Path(sys.executable).parent / "openapi-python-client"


def made_from(lab):
    """The client, as a package beside the lab."""
    document = urllib.request.urlopen(f"{lab.url}/openapi.json", context=lab.ssl).read()
    (lab.dir / "openapi.json").write_bytes(document)
    # Its looks are nobody's business here: no formatter is called.
    (lab.dir / "made.json").write_text(json.dumps({"post_hooks": []}))
    made = subprocess.run(
        [GENERATOR, "generate", "--path", lab.dir / "openapi.json", "--meta", "none", "--output-path",
         lab.dir / "made_client", "--config", lab.dir / "made.json"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    left_out = [line for line in made.stdout.splitlines() if "Endpoint will not be generated" in line]
    # Forms that are none of JSON: what product instances and collectors send.
    assert all("product_instances" in line for line in left_out), left_out
    sys.path.insert(0, str(lab.dir))


def call(name):
    """The function of an operation, wherever the document puts it."""
    found = list((pathlib.Path(sys.path[0]) / "made_client/api").glob(f"*/{name}.py"))
    assert len(found) == 1, (name, found)
    return importlib.import_module(f"made_client.api.{found[0].parent.name}.{name}").sync


def model(name):
    return getattr(importlib.import_module("made_client.models"), name)


def main():
    with Lab(account=None) as lab:
        made_from(lab)
        client = importlib.import_module("made_client.client")
        types = importlib.import_module("made_client.types")
        password = (lab.dir / "admin.password").read_text().strip()
        plain = client.Client(base_url=lab.url, verify_ssl=lab.ssl)
        login = call("log_in")(client=plain, body=model("LogIn")(login="admin", password=password))
        known = client.AuthenticatedClient(base_url=lab.url, verify_ssl=lab.ssl, token=login.token)

        account = call("create_smart_account")(
            client=known, body=model("NewSmartAccount")(name="Made", domain="made.example.net"))
        default = call("virtual_accounts")(account.id, client=known)[0]
        branch = call("create_virtual_account")(account.id, client=known, body=model("NewVirtualAccount")(name="Branch"))
        token = call("create_token")(
            account.id, default.id, client=known, body=model("NewToken")(description="made", expires_after_days=7))
        assert [one.value for one in call("tokens")(account.id, default.id, client=known)] == [token.value]
        done("a made client makes an account, a virtual account and a token")

        switch = lab.start_switch()
        switch.run("configure terminal", "license smart transport off", "feature bgp", "end", "copy running-config startup-config")
        switch.run("license smart save usage all bootflash:usage.txt")
        file = call("upload_usage")(
            account.id, default.id, client=known, name="usage.txt", body=types.File(payload=(switch.flash / "usage.txt").read_bytes()))
        assert file.status == "No Errors", file
        ack = call("acknowledgement")(account.id, file.id, client=known)
        assert ack.startswith("<?xml"), ack
        (switch.flash / "ACK_usage.txt").write_text(ack)
        taken = switch.run("license smart import bootflash:ACK_usage.txt")
        assert "Import Data Successful" in taken, taken
        done("a made client uploads what a switch saved, and the switch takes its ACK")

        instance = call("instances")(account.id, client=known)[0]
        assert instance.virtual_account_id == default.id
        moved = call("transfer_instance")(
            account.id, instance.id, client=known, body=model("Transfer")(virtual_account_id=branch.id))
        assert (moved.id, moved.virtual_account_id) == (instance.id, branch.id), moved
        refused = call("create_token")(
            account.id, default.id, client=known, body=model("NewToken")(description="made", expires_after_days=900))
        assert refused.errors[0].pointer == "#/expires_after_days", refused
        done("a made client moves a product instance, and reads why something is refused")


main()
