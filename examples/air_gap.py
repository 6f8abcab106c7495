#!/usr/bin/env python3
"""A round over an air gap: usage out of each switch, its acknowledgement back in, and nothing but Python.

    air_gap.py collect FLEET.json FOLDER     beside the switches: a usage file of each into FOLDER
    air_gap.py import FLEET.json FOLDER      the ACK of each, NAME.ack.txt in FOLDER, into its switch

Between the two FOLDER is carried to where CSSM can be reached: its page or its API takes NAME.usage.txt and gives the ACK.
FLEET.json names the switches: {"switches": [{"name": "leaf-1", "url": "https://192.0.2.1", "login": "admin", "password": "..."}]}"""

import base64
import json
import pathlib
import ssl
import sys
import urllib.error
import urllib.request


def call(switch, method, path, body=None):
    request = urllib.request.Request(f"{switch['url']}/smartlic-service/{path}", body, method=method)
    login = f"{switch['login']}:{switch['password']}".encode()
    request.add_header("authorization", "Basic " + base64.b64encode(login).decode())
    # Switches have certificates that they made for themselves.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def collect(switch, folder):
    told = call(switch, "GET", "all-reports")
    if "file" not in told:
        return f"nothing to carry: {told['error']}"
    (folder / f"{switch['name']}.usage.txt").write_text(told["file"], encoding="utf-8")
    return f"{len(told['usage'])} reports"


def bring(switch, folder):
    file = folder / f"{switch['name']}.ack.txt"
    if not file.exists():
        return f"{file.name} is not there"
    told = call(switch, "POST", "import", file.read_bytes())
    return "; ".join([*told.get("installed", []), *told.get("refused", []), *filter(None, [told.get("error")])])


def main():
    what, fleet, folder = sys.argv[1:]
    with open(fleet, encoding="utf-8") as file:
        switches = json.load(file)["switches"]
    for switch in switches:
        done = {"collect": collect, "import": bring}[what](switch, pathlib.Path(folder))
        print(f"{switch['name']}: {done}")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("collect", "import"):
        sys.exit(__doc__)
    main()
