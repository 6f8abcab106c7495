#!/usr/bin/env python3
"""The bytes of a login, as they come, against the patterns by which netmiko, unicon and scrapli know a prompt; ansible_boxes.py takes
the same bytes to those of Ansible."""

import re
import time

import paramiko
from lab import Lab, done

# The modes of the configuration, and the prompt that each has after the host name.
MODES = {
    "configure terminal": "(config)# ", "interface Ethernet1/1": "(config-if)# ", "vlan 10": "(config-vlan)# ",
    "line console": "(config-console)# ", "line vty": "(config-line)# ", "callhome": "(config-callhome)# ",
    "vrf context red": "(config-vrf)# ", "ip access-list A": "(config-acl)# ", "router bgp 1": "(config-router)# ",
}
NAMES = ["switch", "Router", "leaf-1", "9spine.lab_2", "a-name_as.long-as-names-may-be-" + "x" * 32]


def screens(switch, *lines):
    """What comes before anything is typed, then what comes for each line."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", switch.port, "admin", switch.password, allow_agent=False, look_for_keys=False)
    shell = client.invoke_shell(term="vt100", width=511, height=1000)
    shell.settimeout(10)
    screens = []
    for line in (None, *lines):
        if line is not None:
            shell.sendall(f"{line}\n".encode())
        screen = b""
        while not screen.endswith(b"# "):
            screen += shell.recv(65536)
        # Nothing may follow a prompt.
        time.sleep(0.05)
        assert not shell.recv_ready(), screen
        screens.append(screen)
    client.close()
    return screens


def main():
    from netmiko.cisco import CiscoNxosSSH

    class Netmiko(CiscoNxosSSH):
        """The class without a connection: what it makes of text, and the patterns that it waits for."""

        def __init__(self, stream):
            self.stream, self.RESPONSE_RETURN, self.waits = stream, "\n", []

        def _test_channel_read(self, pattern=""):
            self.waits.append(pattern)

        def set_terminal_width(self, command="", pattern=""):
            self.waits.append(pattern)

        def disable_paging(self):
            pass

        def set_base_prompt(self):
            pass

    with Lab() as lab:
        switch = lab.start_switch()
        for name in NAMES:
            switch.run("configure terminal", f"hostname {name}", "end")
            first, *others = screens(switch, "", "terminal width 511", *MODES, "end")
            stream = first.decode()
            assert stream == f"\r\n{name}# ", first
            netmiko = Netmiko(stream)
            netmiko.session_preparation()
            assert netmiko.waits == ["[>#]", "terminal width 511"], netmiko.waits
            text = netmiko.normalize_linefeeds(stream)
            found = re.search(netmiko.waits[0], text)
            assert found and text[found.end():].strip() == "" and text.strip() == f"{name}#", text
            assert re.search(netmiko.waits[1], others[1].decode()), others[1]
            # unicon learns the name, or is told it; Router and Switch are always prompts.
            known = name if name.lower() not in ("router", "switch") else "another"
            unicon_exec = rf"^(.*?)([Rr]outer|[Ss]witch|{re.escape(known)})#\s?$"
            unicon_config = r"^.*\(.*?con\S*\)#\s*$"
            scrapli_exec = r"^[\w.\-]{1,63}(\(maint\-mode\))?#\s?$"
            scrapli_config = r"^[\w.\-]{1,63}(\(maint\-mode\))?\(config[\w.\-@/:\+]{0,32}\)#\s?$"
            for screen in (first, others[0], others[1], others[-1]):
                last = screen.decode().split("\r\n")[-1]
                assert last == f"{name}# ", screen
                assert re.search(unicon_exec, last) and re.search(scrapli_exec, last), last
                assert not re.search(unicon_config, last) and not re.search(scrapli_config, last), last
            for mode, screen in zip(MODES, others[2:]):
                last = screen.decode().split("\r\n")[-1]
                assert last == name + MODES[mode], screen
                assert re.search(unicon_config, last) and re.search(scrapli_config, last), last
                assert not re.search(unicon_exec, last) and not re.search(scrapli_exec, last), last
                for never in ("config-tcl", "config-s)", "config-s-"):
                    assert never not in last, last
    done("raw_login")


if __name__ == "__main__":
    main()
