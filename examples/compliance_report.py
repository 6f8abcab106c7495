#!/usr/bin/env python3
"""Which switches of a fleet do not report their licences as they should, over NX-API and with nothing but Python.

    compliance_report.py FLEET.json

FLEET.json names the switches and what is wanted of all of them:

    {"transport": "Smart", "url": "https://cssm.example.net/licservice/license",
     "switches": [{"name": "leaf-1", "url": "https://192.0.2.1", "login": "admin", "password": "..."}]}

A line for each fault; the exit status is 1 if there are any."""

import base64
import json
import ssl
import sys
import urllib.error
import urllib.request


def ask(switch, command):
    """What a show command answers as data."""
    body = json.dumps([{"jsonrpc": "2.0", "method": "cli", "params": {"cmd": command, "version": 1}, "id": 1}]).encode()
    request = urllib.request.Request(f"{switch['url']}/ins", body)
    request.add_header("content-type", "application/json-rpc")
    login = f"{switch['login']}:{switch['password']}".encode()
    request.add_header("authorization", "Basic " + base64.b64encode(login).decode())
    # Switches have certificates that they made for themselves.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        told = json.load(answer)
    if "error" in told:
        raise ValueError(told["error"]["data"]["msg"].strip())
    return told["result"]["body"]


def faults(switch, fleet):
    """What is wrong with one switch, in words."""
    try:
        status = ask(switch, "show license status")
    except (urllib.error.URLError, OSError, ValueError) as error:
        return [f"does not answer: {error}"]
    found = []
    transport = status["transport"]
    if transport["type"] != fleet["transport"]:
        found.append(f"transport is {transport['type']}, not {fleet['transport']}")
    elif fleet["url"] not in transport.values():
        address = ", ".join(value for name, value in transport.items() if name != "type")
        found.append(f"sends to {address or 'nowhere'}, not to {fleet['url']}")
    if status["trust_code_installed"] == "<none>":
        found.append("has no trust code")
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        fleet = json.load(file)
    count = 0
    for switch in fleet["switches"]:
        for fault in faults(switch, fleet):
            print(f"{switch['name']}: {fault}")
            count += 1
    print(f"{len(fleet['switches'])} switches, {count} faults")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
