"""Discovery by DNS: cslu-local, cslu-local.<domain>, Cisco_SSM_OnPrem, and the switch's own table of hosts."""

import socket
import subprocess

from lab import Lab, done

CSLU, ON_PREM = "127.77.0.1", "127.77.0.2"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_dns(lab, port, *addresses):
    command = ["dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", f"--port={port}", "--pid-file=",
               "--listen-address=127.0.0.1", "--bind-interfaces", "--conf-file=/dev/null", "--user=", "--group=",
               *[f"--host-record={name},{address}" for name, address in addresses]]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lab.processes.append(process)
    for line in process.stderr:
        if "started" in line:
            return process
    raise AssertionError("dnsmasq did not come up")


def report_through(lab, name, port, *config, tls_root="onprem/root.pem"):
    switch = lab.start_switch(name, "--dns-port", port, "--tls-root", lab.dir / tls_root)
    switch.run("configure terminal", *config, "feature bgp", "end", "copy running-config startup-config",
               "license smart sync all")
    try:
        switch.wait("show license status", r"Last ACK received: \w")
    except AssertionError:
        print(switch.run("show logging"))
        raise
    return switch.run("show license status")


with Lab() as lab:
    account = {"smart_account": "Example", "virtual_account": "Default"}
    url, _, password = lab.start_collector("cslu", "--device-listen", f"{CSLU}:8182")
    lab.connect("cslu", url, password, account)
    port = free_port()
    dns = start_dns(lab, port, ("cslu-local", CSLU), ("cslu-local.lab.test", CSLU), ("Cisco_SSM_OnPrem", ON_PREM))
    url, _, password = lab.start_collector("onprem", listen=f"{ON_PREM}:8444")
    lab.connect("onprem", url, password, {"name": "XYZ-ON-PREM-1", **account})
    server = "ip name-server 127.0.0.1"
    status = report_through(lab, "one", port, server)
    assert "Cslu address: cslu-local" in status, status
    # A name server that knows the full name alone: the switch puts its domain to the name (PI-NET-014).
    other_port = free_port()
    other_dns = start_dns(lab, other_port, ("cslu-local.lab.test", CSLU))
    report_through(lab, "two", other_port, "ip domain-name lab.test", server)
    other_dns.terminate()
    other_dns.wait()
    # The device port of a CSLU takes TLS as well (PI-NET-017, C-02).
    url = f"license smart url cslu https://{CSLU}:8182/cslu/v1/pi"
    report_through(lab, "tls", port, server, url, tls_root="cslu/root.pem")
    url = "license smart url cslu https://Cisco_SSM_OnPrem:8444/cslu/v1/pi/XYZ-ON-PREM-1"
    status = report_through(lab, "three", port, server, url)
    dns.terminate()
    dns.wait()
    # Without a name server that answers, the table of hosts is enough; without that, the guide's reason is given.
    report_through(lab, "four", port, server, f"ip host cslu-local {CSLU}")
    switch = lab.start_switch("five", "--dns-port", port)
    switch.run("configure terminal", server, "feature bgp", "end", "license smart sync all")
    switch.wait("show logging", "Unable to resolve server hostname/domain name", 60)
done("discovery")
