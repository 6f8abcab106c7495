#!/usr/bin/env python3
"""The configuration of examples/terraform in the calls that the provider CiscoDevNet/nxos (0.14.0) makes of it: it sets what it says,
a second apply changes nothing, a change by the command line is found and put right, destroy takes it all away."""

import json
import pathlib
import threading

import hcl2
import requests
import urllib3

from lab import Lab, listening

urllib3.disable_warnings()
FOLDER = pathlib.Path(__file__).parent.parent / "examples/terraform"
PLAIN = hcl2.SerializationOptions(strip_string_quotes=True, explicit_blocks=False, with_comments=False)
UNSET = "DME_UNSET_PROPERTY_MARKER"
DELETED = {"status": "deleted"}

# What `nxos_system` has of licensing: classes with their relative names from `sys` downwards, and the attribute of the last.
SMART = (("licensemanagerLicenseManager", "licensemanager"), ("licensemanagerInst", "inst"),
         ("licensemanagerSmartLicensing", "smartlicensing"))
SYSTEM = {
    "smart_licensing_transport_mode": (SMART, "transportMode"),
    "smart_licensing_transport_cslu_url": ((*SMART, ("licensemanagerTransportCsluUrl", "transportcsluurl")), "url"),
}
# What else it names when it is destroyed, set or not: objects that it deletes by their relative names, and some that it only walks by.
ELSEWHERE = [
    "arpEntity/arpInst/arpVpc=vpc", "ndEntity/ndInst/ndVpc=vpc", "datetimeClock/datetimeTimezone=timezone",
    "datetimeClock/datetimeSummerT=summertime", "dnsEntity=dns", "bootBoot=boot", "udldEntity", "lldpEntity", "cdpEntity",
    "terminalTerminal/terminalLine", "icamEntity=icam", "sasSas/sasSvc=svc", "commEntity", "smartcardPasswdEncrypt=passwdenc",
    "acllogEntity/acllogInst/acllogLogCache=log", "spanErspanOriginIp=originip"]


class ClientError(Exception):
    pass


def configuration(**given):
    """The resources of the example by their addresses, with the values of their variables in them."""
    read = {}
    for file in sorted(FOLDER.glob("*.tf")):
        with open(file, encoding="utf-8") as text:
            for kind, blocks in hcl2.load(text, serialization_options=PLAIN).items():
                read.setdefault(kind, []).extend(blocks)
    variables = {}
    for block in read["variable"]:
        for name, variable in block.items():
            variables[name] = given.pop(name) if name in given else variable["default"]
    assert not given, f"no such variables: {given}"

    def resolved(value):
        if isinstance(value, dict):
            return {key: resolved(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [resolved(inner) for inner in value]
        if isinstance(value, str) and value.startswith("${var."):
            return variables[value[6:-1]]
        return value

    assert read["terraform"][0]["required_providers"][0]["nxos"]["source"] == "CiscoDevNet/nxos"
    resources = {}
    for block in resolved(read["resource"]):
        for kind, named in block.items():
            for name, resource in named.items():
                resources[f"{kind}.{name}"] = {key: value for key, value in resource.items() if key != "lifecycle"}
                triggers = resource["lifecycle"][0]["action_trigger"][0]
                assert triggers["events"] == ["after_create", "after_update"], triggers
                assert triggers["actions"] == ["${action.nxos_save_config.licensing}"], triggers
    assert read["action"] == [{"nxos_save_config": {"licensing": {}}}], read["action"]
    return resolved(read["provider"][0]["nxos"]), resources


def put(children, path, attributes):
    """An object where the classes of a path lead, in the children of another."""
    (class_name, _), *rest = path
    there = next((child[class_name] for child in children if class_name in child), None)
    if there is None:
        there = {"attributes": {}}
        children.append({class_name: there})
    if rest:
        put(there.setdefault("children", []), rest, attributes)
    else:
        there["attributes"] |= attributes


def found(inner, path):
    """The attributes of an object below another. The provider knows children by their relative names, not by their DNs."""
    for class_name, rn in path:
        children = [child[class_name] for child in inner.get("children", []) if class_name in child]
        inner = next((child for child in children if child["attributes"].get("rn") == rn), {"attributes": {}})
    return inner["attributes"]


class Provider:
    """The provider with what it remembers of its resources."""

    def __init__(self, settings):
        self.url, self.login = settings["url"], (settings["username"], settings["password"])
        self.session = requests.Session()
        self.session.verify, self.session.trust_env = False, False
        self.token, self.state, self.saved = None, {}, 0

    def call(self, method, path, body=None, query=None):
        if not self.token:
            user = {"aaaUser": {"attributes": {"name": self.login[0], "pwd": self.login[1]}}}
            answer = self.session.post(f"{self.url}/api/aaaLogin.json", data=json.dumps(user), timeout=20).json()
            # A refused login is told by what is asked next.
            self.token = answer["imdata"][0].get("aaaLogin", {"attributes": {}})["attributes"].get("token")
        data = None if body is None else json.dumps(body)
        answer = self.session.request(method, f"{self.url}/api/mo/{path}.json", params=query, data=data, timeout=20)
        objects = answer.json()["imdata"]
        if objects and objects[0].get("error", {}).get("attributes", {}).get("code"):
            raise ClientError(objects[0]["error"]["attributes"]["text"])
        # Errors are told by their codes alone.
        assert answer.status_code == 200, (method, path, answer.status_code, answer.text)
        return objects[0] if objects else None

    def save(self):
        """`nxos_save_config`: the library puts `.json` behind every path."""
        call = [{"jsonrpc": "2.0", "method": "cli", "params": {"cmd": "copy run start", "version": 1}, "id": 1}]
        headers = {"content-type": "application/json-rpc", "cache-control": "no-cache"}
        answer = self.session.post(f"{self.url}/ins.json", data=json.dumps(call), headers=headers, auth=self.login, timeout=20)
        assert answer.status_code == 200 and "error" not in answer.json(), (answer.status_code, answer.text)
        self.saved += 1

    def set(self, address, wanted):
        if address.startswith("nxos_system."):
            children = []
            for name, value in wanted.items():
                put(children, SYSTEM[name][0], {SYSTEM[name][1]: str(value)})
            self.call("POST", "sys", {"topSystem": {"attributes": {}, "children": children}})
        else:
            content = {name: str(value) for name, value in wanted["content"].items()}
            self.call("POST", wanted["dn"], {wanted["class_name"]: {"attributes": content}})
        self.state[address] = wanted
        self.save()

    def read(self, address):
        """What is there of what was set, or nothing."""
        there = self.state[address]
        if address.startswith("nxos_system."):
            # In full the provider names some ninety classes.
            classes = [class_name for class_name, _ in SYSTEM["smart_licensing_transport_cslu_url"][0]]
            classes += [class_name for path in ELSEWHERE for class_name in path.split("=")[0].split("/")]
            told = self.call("GET", "sys", query={"rsp-subtree": "full", "rsp-subtree-class": ",".join(classes)})
            return {name: found(told["topSystem"], SYSTEM[name][0]).get(SYSTEM[name][1], "") for name in there}
        told = self.call("GET", there["dn"], query={"rsp-prop-include": "config-only"})
        if told is None:
            return None
        attributes = told[there["class_name"]]["attributes"]
        return {**there, "content": {name: attributes.get(name, "") for name in there["content"]}}

    def plan(self, resources):
        """The resources that are to be set, and how what is there differs."""
        differing = {}
        for address, wanted in resources.items():
            there = self.read(address) if address in self.state else None
            if there is None or flat(there) != flat(wanted):
                differing[address] = there and {key: value for key, value in flat(there).items() if flat(wanted)[key] != value}
        return differing

    def apply(self, resources):
        differing = self.plan(resources)
        for address in differing:
            self.set(address, resources[address])
        return differing

    def destroy(self):
        for address, there in reversed(list(self.state.items())):
            if address.startswith("nxos_system."):
                children = []
                for path in ELSEWHERE:
                    classes, _, rn = path.partition("=")
                    put(children, [(name, None) for name in classes.split("/")], {"rn": rn, **DELETED} if rn else {})
                for name in there:
                    put(children, SYSTEM[name][0], {SYSTEM[name][1]: UNSET})
                self.call("POST", "sys", {"topSystem": {"attributes": {}, "children": children}})
            else:
                self.call("POST", there["dn"], {there["class_name"]: {"attributes": DELETED}})
            del self.state[address]


def flat(resource):
    """Terraform has a number and its text in a map of texts for the same."""
    content = {f"content.{name}": str(value) for name, value in resource.get("content", {}).items()}
    return {name: value for name, value in resource.items() if name != "content"} | content


def refused(run, *words):
    try:
        run()
    except ClientError as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"no error with {words}")


def main():
    with Lab() as lab:
        switch = lab.start_switch("terraform", "--nxapi-https", "127.0.0.1:0")
        switch.run("configure terminal", "feature nxapi", "license smart custom_id kept", "end")
        given = {"switch_url": f"https://127.0.0.1:{listening(switch.process, 1)['https']}", "password": switch.password}
        threading.Thread(target=switch.process.stdout.read, daemon=True).start()
        lines = {"license smart transport cslu", "license smart url cslu http://192.0.2.7:8182/cslu/v1/pi",
                 "license smart usage interval 40"}

        def shown(config="running-config license"):
            return {line for line in switch.run(f"show {config}").splitlines() if line.startswith("license smart ")}

        before = shown()
        settings, resources = configuration(**given)
        provider = Provider(settings)
        assert provider.apply(resources) == dict.fromkeys(resources), "both are new"
        assert shown() == before | lines, shown()
        assert provider.saved == 2 and shown("startup-config") >= lines, shown("startup-config")
        again = provider.apply(resources)
        assert again == {}, f"a second apply changes {again}"

        # Drift: each is found, nothing else is, and the next apply puts it right.
        system, interval = resources
        for command, expected in [
            ("license smart transport off", {system: {"smart_licensing_transport_mode": "transportOff"}}),
            ("license smart url cslu http://192.0.2.9:8182/cslu/v1/pi",
             {system: {"smart_licensing_transport_cslu_url": "http://192.0.2.9:8182/cslu/v1/pi"}}),
            ("no license smart url cslu", {system: {"smart_licensing_transport_cslu_url": ""}}),
            ("license smart usage interval 41", {interval: {"content.interval": "41"}}),
            ("no license smart usage interval", {interval: None}),
        ]:
            switch.run("configure terminal", command, "end")
            assert provider.plan(resources) == expected, (command, provider.plan(resources))
            provider.apply(resources)
            assert shown() == before | lines and provider.plan(resources) == {}, (command, shown())

        # Another value of a variable is one change; what the switch refuses is told and leaves all as it was.
        for mode, word in [("Smart", "smart"), ("Callhome", "callhome"), ("Off", "off"), ("Cslu", "cslu")]:
            _, other = configuration(**given, transport_mode=f"transport{mode}")
            assert list(provider.apply(other)) == [system] and f"license smart transport {word}" in shown(), (mode, shown())
        _, wrong = configuration(**given, transport_mode="transportPigeon")
        refused(lambda: provider.apply(wrong), "transportPigeon")
        _, wrong = configuration(**given, usage_interval_days=366)
        refused(lambda: provider.apply(wrong))
        refused(lambda: provider.call("GET", "sys/nonsense"), "sys/nonsense")
        refused(lambda: provider.call("POST", "sys/nonsense", {"nonsense": {"attributes": {}}}), "sys/nonsense")
        refused(lambda: Provider({**settings, "password": "wrong"}).apply(resources))
        assert shown() == before | lines and provider.plan(resources) == {}, shown()

        # After eight minutes the provider asks for a new token, and with none in the answer logs in again.
        refreshed = provider.session.get(f"{provider.url}/api/aaaRefresh.json", timeout=20)
        assert refreshed.status_code == 200 and provider.plan(resources) == {}, refreshed.text

        provider.destroy()
        assert shown() == before and provider.state == {}, shown()
    print("terraform_example: passed")


if __name__ == "__main__":
    main()
