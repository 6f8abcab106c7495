"""schemathesis against CSSM, CSLU and SSM On-Prem, by an administrator's API token over TLS: no server error, no status, content type or
answer that the document does not tell of, and what does not fit the document is refused (CSSM-033).

SCHEMAS_SECONDS is how long each of the three is tried."""

import json
import os
import pathlib
import ssl
import subprocess
import sys
import urllib.request

from lab import Lab, call, done

SECONDS = int(os.environ.get("SCHEMAS_SECONDS", "35"))
SCHEMATHESIS = pathlib.Path(sys.executable).parent / "schemathesis"
CHECKS = ",".join([
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "ignored_auth"])
# What devices and collectors send has forms of its own; what they are refused for is tested elsewhere.
LEFT_OUT = "^/(licservice|its/|cslu/|SmartTransport|Transportgateway)"


def api_token(url, context, password):
    login = call(url, context, None, "POST", "/login", {"login": "admin", "password": password})["token"]
    new = {"name": "schemathesis", "role": "administrator", "expires_after_days": 1, "password": password}
    return login, call(url, context, login, "POST", "/me/tokens", new)["token"]


def fill(lab, kind, api):
    """Something of each kind, so that calls find what they are about."""
    if kind == "cssm":
        api("POST", f"{lab.va}/purchases", {"license": "LAN_ENTERPRISE_SERVICES_PKG", "quantity": 10, "kind": "PERPETUAL"})
        api("POST", f"{lab.va}/tokens", {"description": "lab"})
        api("POST", "/smart-accounts/1/webhooks", {"url": "https://192.0.2.1/"})
    else:
        if kind == "onprem":
            settings = {"smart_account": "Example", "virtual_account": "Default", "connected": False, "sync_minutes": 15}
            api("POST", "/tenants", {"name": "ONE", **settings})
        api("POST", "/tenants/1/product-instances", {"pid": "N9K-C9504", "serial": "FDO12345ABC", "hostname": None})
    api("POST", "/people", {"login": "eve", "role": "viewer"})


def try_out(lab, kind, url, root, token):
    document = json.loads(urllib.request.urlopen(
        f"{url}/openapi.json", context=ssl.create_default_context(cafile=str(root))).read())
    calls = sum(len(methods) for methods in document["paths"].values())
    report = lab.dir / f"{kind}.ndjson"
    run = subprocess.run(
        [SCHEMATHESIS, "run", f"{url}/openapi.json", "--tls-verify", root, "-H", f"Authorization: Bearer {token}",
         "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-time", str(SECONDS), "--workers", "2",
         "--exclude-path-regex", LEFT_OUT, "--continue-on-failure", "--request-timeout", "20", "--request-retries", "2", "--warnings", "off",
         "--suppress-health-check", "all", "--no-color", *os.environ.get("SCHEMAS_OPTIONS", "").split(), "--seed", os.environ.get("SCHEMAS_SEED", "24")],
        capture_output=True, text=True, cwd=lab.dir)
    (pathlib.Path(os.environ["SCHEMAS_REPORT"]) / f"{kind}.txt").write_text(run.stdout + run.stderr) \
        if "SCHEMAS_REPORT" in os.environ else None
    told = run.stdout[-20_000:] + run.stderr[-2_000:]
    # What goes wrong inside of Hypothesis itself ("Runtime Error") says nothing of a server.
    is_its_own = run.returncode == 1 and "Runtime Error" in told
    is_found = any(word in run.stdout for word in ["= FAILURES =", "Network Error", "Schema Error"])
    assert not is_found and (run.returncode == 0 or is_its_own), told
    done(f"{kind}: schemathesis found nothing in {calls} calls of the document")


def main():
    with Lab("--webhooks-to-internal") as lab:
        wrong = []
        for kind in sys.argv[1:] or ["cssm", "cslu", "onprem"]:
            if kind == "cssm":
                url, password = lab.url, (lab.dir / "admin.password").read_text().strip()
            else:
                options = ["--device-listen", "127.0.0.1:0"] if kind == "cslu" else []
                url, _, password = lab.start_collector(kind, *options)
            root = lab.dir / kind / "root.pem"
            context = ssl.create_default_context(cafile=str(root))
            login, token = api_token(url, context, password)
            fill(lab, kind, lambda method, path, body=None: call(url, context, login, method, path, body))
            try:
                try_out(lab, kind, url, root, token)
            except AssertionError as error:
                wrong.append(f"{kind}: {error}")
        assert not wrong, "\n\n".join(wrong)


main()
