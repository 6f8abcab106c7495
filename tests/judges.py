"""Two parsers that others wrote judge what the switch makes of configurations (PI-SHOW-029, PI-CLI-036).

netutils' parser for NX-OS and hier_config read what goes into a switch and what `show running-config` says: both have to find
the same lines below the same parents, in the same order. Then hier_config works out which lines of configuration mode lead to a
configuration where some are gone; the switch is given these, and has to arrive there.
"""

import concurrent.futures
import difflib
import os
import pathlib
import re

import paramiko
from hier_config import Platform, WorkflowRemediation, get_hconfig
from netutils.config.parser import NXOSConfigParser

from lab import Lab, done

GREETING = "Enter configuration commands, one per line. End with CNTL/Z.\n"
ROOT = pathlib.Path(__file__).resolve().parent.parent

LEAF = """\
version 10.4(3) Bios:version 05.47
hostname row7-leaf3
nv overlay evpn
feature bgp
feature interface-vlan
feature vn-segment-vlan-based
feature lacp
feature vpc
feature lldp
feature nv overlay

username nightshift password 5 $5$ABCDEF$0123456789abcdefghijklmnopqrstuvwxyzABCDEFG  role network-operator
banner motd #
  Row 7, rack 3. interface Ethernet1/1 is the door.

! this is text, and so is the next line
no feature bgp
#
ip domain-lookup
ip domain-name lab.example.net
ip name-server 192.0.2.53 192.0.2.54 use-vrf management
license smart transport smart
license smart url smart https://cssm.lab.example.net/licservice/license
license smart usage interval 45
callhome
  email-contact noc@example.net
  phone-contact +1-555-0100
  destination-profile xml transport-method http
  destination-profile xml index 1 http https://cssm.lab.example.net/its/service/oddce/services/DDCEService
  transport http use-vrf management
  enable
fabric forwarding anycast-gateway-mac 0000.5e00.0107
vlan 1,30-31,3000
vlan 30
  name blue-web
  vn-segment 10030
vlan 31
  name blue-db
  vn-segment 10031
vlan 3000
  vn-segment 13000

vrf context BLUE
  description tenant blue
  vni 13000
  rd auto
  ip route 198.51.100.0/24 10.30.0.9 name servers 20
  address-family ipv4 unicast
    route-target both auto
    route-target both auto evpn
  address-family ipv6 unicast
    route-target import 65000:13000
    route-target export 65000:13000
vrf context management
  ip route 0.0.0.0/0 192.0.2.1
vpc domain 73
  peer-switch
  role priority 8192
  peer-keepalive destination 192.0.2.74 source 192.0.2.73 vrf management
  delay restore 120
  peer-gateway
  auto-recovery reload-delay 300
  ip arp synchronize

interface Vlan1

interface Vlan30
  description blue web
  no shutdown
  mtu 9216
  vrf member BLUE
  no ip redirects
  ip address 10.30.0.1/24
  ip address 10.30.1.1/24 secondary
  ipv6 address 2001:db8:30::1/64
  fabric forwarding mode anycast-gateway

interface Vlan3000
  no shutdown
  vrf member BLUE
  ip forward

interface port-channel70
  description peer link
  switchport mode trunk
  spanning-tree port type network
  vpc peer-link

interface port-channel71
  switchport mode trunk
  switchport trunk native vlan 30
  switchport trunk allowed vlan 30-31
  vpc 71

interface nve1
  no shutdown
  description overlay
  host-reachability protocol bgp
  source-interface loopback1
  member vni 10030
    suppress-arp
    mcast-group 239.1.1.30
  member vni 10031
    suppress-arp
    ingress-replication protocol bgp
  member vni 13000 associate-vrf

interface Ethernet1/1
  description server 1 | port a
  switchport mode trunk
  channel-group 71 mode active

interface Ethernet1/49
  description to spine 1
  no switchport
  medium p2p
  ip unnumbered loopback0
  no shutdown

interface mgmt0
  vrf member management
  ip address 192.0.2.73/24

interface loopback0
  ip address 10.255.0.73/32

interface loopback1
  ip address 10.255.1.73/32
  ip address 10.255.1.70/32 secondary
line console
  exec-timeout 15
line vty
  exec-timeout 20
  session-limit 16
router bgp 65073
  router-id 10.255.0.73
  log-neighbor-changes
  address-family ipv4 unicast
    network 10.255.0.73/32
    maximum-paths 4
    maximum-paths ibgp 2
  address-family l2vpn evpn
    retain route-target all
  neighbor 10.255.0.1
    remote-as 65001
    update-source loopback0
    ebgp-multihop 3
    address-family l2vpn evpn
      send-community
      send-community extended
  vrf BLUE
    address-family ipv4 unicast
      advertise l2vpn evpn
      redistribute direct route-map ALL
evpn
  vni 10030 l2
    rd auto
    route-target import auto
    route-target export auto
"""

EDGE = """\
hostname edge-2
feature bgp
feature ospf
feature pbr
feature bfd

ip access-list ANTISPOOF
  statistics per-entry
  10 remark nobody there has our addresses
  20 deny ip 203.0.113.0/24 any log
  30 permit tcp any 203.0.113.0/24 established
  40 permit udp any eq domain 203.0.113.0/24 gt 1023
  50 permit icmp any any echo-reply
  100 deny ip any any
ipv6 access-list ANTISPOOF6
  10 deny ipv6 2001:db8:203::/48 any
  20 permit ipv6 any any
mac access-list NO-STP
  10 deny any 0180.c200.0000 0000.0000.0000
  20 permit any any
object-group ip address BOGONS
  10 192.168.0.0/16
  20 host 198.51.100.7
class-map type qos match-any VOICE
  match dscp 46
  match access-group name ANTISPOOF
class-map type qos match-all BULK
  match cos 1
policy-map type qos INGRESS
  class VOICE
    set qos-group 5
    police cir 10 mbps bc 200 ms conform transmit violate drop
  class BULK
    set dscp 10
  class class-default
    set qos-group 0
ip prefix-list OURS seq 5 permit 203.0.113.0/24
ip prefix-list OURS seq 10 permit 198.51.100.0/22 le 24
ipv6 prefix-list OURS6 seq 5 permit 2001:db8:203::/48
ip as-path access-list CUSTOMERS seq 5 permit "^64496_"
ip community-list standard BLACKHOLE seq 5 permit 65535:666
route-map TRANSIT-IN deny 5
  match as-path CUSTOMERS
route-map TRANSIT-IN permit 10
  description what a transit may tell
  match community BLACKHOLE
  set local-preference 80
  set community 64500:80 additive
  continue 30
route-map TRANSIT-IN permit 30
  set metric 50
route-map TRANSIT-OUT permit 10
  match ip address prefix-list OURS
  set as-path prepend 64500 64500
vrf context CUSTOMER-7
  rd 64500:7
  address-family ipv4 unicast
    route-target import 64500:7
    route-target export 64500:7
    import map TRANSIT-IN
key chain OSPF-KEYS
  key 1
    key-string 7 070c285f4d06
    send-lifetime 00:00:00 Jan 01 2024 infinite

interface Ethernet1/1
  description transit A
  no switchport
  mtu 9100
  bfd interval 300 min_rx 300 multiplier 3
  ip address 198.51.100.2/30
  ip access-group ANTISPOOF in
  ip access-group ANTISPOOF out
  ipv6 address 2001:db8:1::2/64
  ipv6 traffic-filter ANTISPOOF6 in
  ip policy route-map TRANSIT-IN
  service-policy type qos input INGRESS
  no shutdown

interface Ethernet1/2
  no switchport
  no shutdown

interface Ethernet1/2.107
  encapsulation dot1q 107
  vrf member CUSTOMER-7
  ip address 10.7.0.1/30
  no shutdown

interface loopback0
  ip address 203.0.113.2/32
  ip router ospf CORE area 0.0.0.0
router ospf CORE
  router-id 203.0.113.2
  bfd
  area 0.0.0.1 stub no-summary
  log-adjacency-changes detail
  auto-cost reference-bandwidth 400 Gbps
  vrf CUSTOMER-7
    router-id 10.7.0.1
    redistribute bgp 64500 route-map TRANSIT-IN
router bgp 64500
  router-id 203.0.113.2
  cluster-id 203.0.113.2
  confederation identifier 64510
  bestpath as-path multipath-relax
  timers bgp 10 30
  log-neighbor-changes
  address-family ipv4 unicast
    network 203.0.113.0/24 route-map TRANSIT-OUT
    aggregate-address 198.51.100.0/22 summary-only
    redistribute ospf CORE route-map TRANSIT-IN
    maximum-paths 8
    dampening
  address-family ipv6 unicast
    network 2001:db8:203::/48
  template peer-policy TRANSIT4
    route-map TRANSIT-IN in
    route-map TRANSIT-OUT out
    maximum-prefix 1000000 90 restart 15
    soft-reconfiguration inbound always
  template peer-session TRANSIT
    password 3 9125d59c18a9b015
    timers 5 15
    bfd
  template peer INTERNAL
    remote-as 64500
    update-source loopback0
    address-family ipv4 unicast
      send-community
      route-reflector-client
      next-hop-self
    address-family ipv6 unicast
      send-community
  neighbor 198.51.100.1
    inherit peer-session TRANSIT
    remote-as 64497
    description transit A
    ttl-security hops 1
    address-family ipv4 unicast
      inherit peer-policy TRANSIT4 1
      prefix-list OURS out
  neighbor 203.0.113.1
    inherit peer INTERNAL
    description edge-1
    shutdown
  neighbor 203.0.113.128/25 remote-as route-map TRANSIT-IN
    description whoever calls
    maximum-peers 20
  vrf CUSTOMER-7
    router-id 10.7.0.1
    address-family ipv4 unicast
      network 10.7.0.0/30
      redistribute direct route-map TRANSIT-IN
    neighbor 10.7.0.2
      remote-as 65007
      as-override
      local-as 64499 no-prepend replace-as
      address-family ipv4 unicast
        soft-reconfiguration inbound
        default-originate
        allowas-in 3
"""

SERVICES = """\
hostname services-1
feature tacacs+
feature scheduler
feature netflow
feature sla sender
feature hsrp
feature eigrp
feature isis
feature telemetry
no feature signature-verification

banner exec ^
Be kind to *row 7* # and $all
  snmp-server contact nobody
^
tacacs-server host 192.0.2.91 key 7 "fewhg123" port 4949
tacacs-server timeout 7
aaa group server tacacs+ WATCH
  server 192.0.2.91
  use-vrf management
  source-interface mgmt0
aaa authentication login default group WATCH
aaa authorization commands default group WATCH local
aaa accounting default group WATCH
role name reader
  description looks and does not touch
  rule 20 permit command show interface *
  rule 10 permit read
snmp-server contact the night shift
snmp-server location row 7
snmp-server user poller network-operator auth sha 0x00112233445566778899aabbccddeeff00112233 priv aes-128 0x00112233445566778899aabbccddeeff00112233 localizedkey
snmp-server host 192.0.2.92 traps version 2c public
snmp-server community row7ro group network-operator
no snmp-server enable traps link cisco-xcvr-mon-status-chg
ntp server 192.0.2.93 prefer use-vrf management
ntp server 192.0.2.94 use-vrf management
ntp source-interface mgmt0
ntp authentication-key 1 md5 fewhg123 7
ntp trusted-key 1
logging server 192.0.2.95 6 use-vrf management facility local3
logging logfile messages 6 size 16384
no logging console
clock timezone CET 1 0
clock summer-time CEST 5 Sun Mar 02:00 5 Sun Oct 03:00 60
cli alias name bgp show bgp all summary
event manager applet LINK-DOWN
  event syslog pattern "ETHPORT-5-IF_DOWN"
  action 1.0 cli command "enable"
  action 2.0 cli command "show interface brief"
  action 3.0 syslog priority notifications msg a link went down
scheduler job name NIGHTLY
copy running-config startup-config
show clock

end-job
scheduler schedule name NIGHT
  job name NIGHTLY
  time daily 02:30
flow exporter COLLECTOR
  destination 192.0.2.96 use-vrf management
  transport udp 2055
  source mgmt0
  version 9
    option exporter-stats timeout 60
    template data timeout 300
flow record IPV4
  match ipv4 source address
  match ipv4 destination address
  collect counter bytes
flow monitor ALL
  record IPV4
  exporter COLLECTOR
sampler ONE-IN-MANY
  mode 1 out-of 1000
telemetry
  destination-group 1
    ip address 192.0.2.97 port 50051 protocol gRPC encoding GPB
  sensor-group 1
    data-source DME
    path sys/bgp depth unbounded
    path sys/intf depth 0
  subscription 1
    dst-grp 1
    snsr-grp 1 sample-interval 30000
ip sla 10
  icmp-echo 192.0.2.1
  frequency 30
  timeout 2000
ip sla schedule 10 life forever start-time now
track 1 ip sla 10 reachability
track 2 list boolean and
  object 1
vlan access-map FILTER 10
  match ip address WEB
  action drop
  statistics per-entry
vlan filter FILTER vlan-list 20-29
spanning-tree mst configuration
  name ROW7
  revision 3
  instance 1 vlan 20-29
  instance 2 vlan 30-39
spanning-tree vlan 20-29 priority 8192
monitor session 1
  description to the probe
  source interface Ethernet1/3 both
  destination interface Ethernet1/48
  no shut

interface Vlan20
  no shutdown
  ip address 10.20.0.2/24
  ip router eigrp 20
  hsrp version 2
  hsrp 20
    authentication md5 key-string 7 fewhg123
    preempt delay minimum 60
    priority 120
    timers 1 3
    ip 10.20.0.1
    track 1 decrement 30
  hsrp 21 ipv6
    ip autoconfig
    priority 110

interface Ethernet1/3
  switchport access vlan 20
  spanning-tree port type edge
  storm-control broadcast level 1.00
  speed 10000
  duplex full

interface Ethernet1/4
  shutdown
line vty
  access-class WEB in
router eigrp 20
  autonomous-system 20
  router-id 10.20.0.2
  address-family ipv4 unicast
    redistribute static route-map ALL
  vrf BLUE
    autonomous-system 21
router isis BACKBONE
  net 49.0001.0100.2000.0002.00
  is-type level-2
  address-family ipv4 unicast
    maximum-paths 4
"""

# As a person writes it: other blanks, short words, no numbers, comments and empty lines anywhere.
BY_HAND = """\
! a configuration by hand
switchname   by-hand
feature  bgp
feature lacp

ip access-list   WEB
   permit tcp any any eq 443

   ! the old port
   permit  tcp any any eq www
   remark the rest is kept out
   deny ip any any

ip access-list MIXED
 100 permit udp any any eq ntp
 permit udp any any eq snmp
 50 deny tcp any any
int e1/1
 desc   to the   roof
 no switchport
 no shut

 ip add 192.0.2.1/24

! in between
int e1/2
    desc deep
    sw mode trunk
    sw trunk all vlan 5-9
int po7
 desc bundle
interface lo0
  ip address 192.0.2.255/32
router bgp 65010
 router-id 192.0.2.255
 address-family ipv4 unicast
       network 192.0.2.0/24
 neighbor 192.0.2.2
   remote-as 65011
   address-family ipv4 unicast
        send-community

        next-hop-self
 # a comment of the other kind
 vrf GREEN
     neighbor 192.0.2.6
         remote-as 65012
banner   motd  @Welcome, all of you.@
"""

# What is short in BY_HAND, as the switch writes it.
SPELLED = {
    "int e1/1": "interface Ethernet1/1",
    "int e1/2": "interface Ethernet1/2",
    "int po7": "interface port-channel7",
    "interface lo0": "interface loopback0",
    "desc to the roof": "description to the roof",
    "desc deep": "description deep",
    "desc bundle": "description bundle",
    "ip add 192.0.2.1/24": "ip address 192.0.2.1/24",
    "sw mode trunk": "switchport mode trunk",
    "sw trunk all vlan 5-9": "switchport trunk allowed vlan 5-9",
    "no shut": "no shutdown",
}

# What a Nexus does by default, or may do: the `no` of it is a setting that is shown in its place. The `no` of anything else
# leaves nothing.
TOGGLES = re.compile(
    r"shutdown|switchport|ip redirects|ipv6 redirects|ip domain-lookup|ip unreachables|ip dhcp relay"
    r"|ipv6 dhcp relay|auto-recovery|system default switchport|password strength-check|snmp-server enable traps .*|logging console|feature signature-verification"
    r"|system default switchport shutdown|ip passive-interface eigrp .*")

# At the edge, what cannot be taken away from a switch, takes other lines along on a Nexus, only leads to a mode (`callhome`),
# or is no configuration for hier_config (`version`, `boot kickstart`, `boot system`): it stays.
STAYS = re.compile(
    r"boot (kickstart|system) .*|callhome|version .*|hostname .*|vdc .*|feature .*|feature-set .*|username .*|interface (Ethernet\d+(/\d+)+|mgmt0)"
    r"|line (console|vty)|vrf context management|vlan 1|vlan 1[,-].*")


def netutils(text):
    """Parents and text of each line, as netutils has it."""
    return [(entry.parents, entry.config_line) for entry in NXOSConfigParser(text).config_lines]


def hier_tree(text):
    # A limit of hier_config: it looks for the end of a banner in the lines after the first only.
    text = re.sub(r"(?m)^banner +(\S+) +(\S)(.+)\2$", r"banner \1 \2\n\3\n\2", text)
    return get_hconfig(Platform.CISCO_NXOS, text)


def hier(text):
    """The same, as hier_config has it."""
    return [(tuple(child.path())[:-1], child.text) for child in hier_tree(text).all_children()]


JUDGES = {"netutils": netutils, "hier_config": hier}


def spelled(line):
    """A line as the switch writes it; texts of many lines stay as they are."""
    if "\n" in line:
        return line
    line = " ".join(line.split())
    line = SPELLED.get(line, line)
    # The switch has given admin a password of its own.
    line = re.sub(r"^username admin password 5 \S+ role \S+$", "username admin password", line)
    return re.sub(r"^switchname ", "hostname ", line)


def normal(entries):
    """What a judge found, in the spelling of the switch."""
    normalised = []
    for parents, line in entries:
        parents, line = tuple(map(spelled, parents)), spelled(line)
        # Of comments both judges know only those with an exclamation mark.
        if line.startswith("#") and "\n" not in line:
            continue
        # A `no` takes away the line it names.
        if line.startswith("no ") and (parents, line[3:]) in normalised:
            normalised.remove((parents, line[3:]))
            if not TOGGLES.fullmatch(line[3:]):
                continue
        normalised.append((parents, line))
    return numbered(normalised)


def numbered(entries):
    """With a number before each entry of an access list, and in the order of the numbers."""
    lists = {}
    for index, (parents, line) in enumerate(entries):
        if len(parents) == 1 and re.match(r"(ip|ipv6|mac) access-list ", parents[0]):
            lists.setdefault(parents, []).append(index)
    for parents, places in lists.items():
        last, keyed = 0, []
        for place in places:
            line = entries[place][1]
            found = re.match(r"(\d+) ", line)
            if found:
                number = int(found[1])
            elif re.match(r"(permit|deny|remark) ", line):
                number = last - last % 10 + 10
                line = f"{number} {line}"
            else:
                number = 0
            last = max(last, number)
            keyed.append((number, line))
        for place, (_, line) in zip(places, sorted(keyed, key=lambda one: one[0])):
            entries[place] = (parents, line)
    return entries


def differences(expected, got):
    """Where two lists differ, for people; nothing if they are the same."""
    def told(entries):
        return [" > ".join([*parents, line]) for parents, line in entries]

    if expected == got:
        return ""
    lines = difflib.unified_diff(told(expected), told(got), "expected", "got", lineterm="", n=1)
    return "\n".join(list(lines)[:60])


class Node:
    """A line of a running configuration with those below it."""

    def __init__(self, raw, depth):
        self.raw, self.depth, self.children = raw, depth, []
        self.text = raw.strip()

    def may_go(self):
        return not self.text.startswith("no ") and (self.depth > 0 or not STAYS.fullmatch(self.text))

    def all(self):
        for child in self.children:
            yield child
            yield from child.all()

    def render(self, put):
        """The text, where `put` says what stands in a node's place: itself, another line, or nothing."""
        out = []
        for child in self.children:
            if (raw := put(child)) is not None:
                out += [raw, *child.render(put)]
        return out


def tree_of(text):
    """A tree of what the switch shows: two blanks a level, texts of many lines at the edge."""
    root = Node("", -1)
    path, end = [root], None
    for line in text.splitlines():
        if end:
            path[-1].raw += "\n" + line
            end = None if end(line) else end
            continue
        if not line.strip() or line.startswith("!"):
            continue
        if (found := re.match(r"banner \S+ (\S)", line)) and line.count(found[1]) == 1:
            end = lambda raw, mark=found[1]: mark in raw
        elif line.startswith("scheduler job "):
            end = lambda raw: raw == "end-job"
        depth = (len(line) - len(line.lstrip())) // 2
        node = Node(line, depth)
        path = path[:depth + 1]
        path[-1].children.append(node)
        path.append(node)
    return root


# What goes, one round after the other: how deep it stands, whether it has lines below it, and every which one.
WITHIN = range(1, 9)
ROUNDS = [
    ("some lines of sections", WITHIN, [False], 3),
    ("some sections in sections", WITHIN, [True], 2),
    ("some sections", [0], [True], 3),
    ("some global lines", [0], [False], 2),
    ("all lines of sections", WITHIN, [False], 1),
    ("whatever is in a section", [1], [False, True], 1),
    ("whatever is left", [0], [False, True], 1),
]


class Device:
    """A switch with a configuration, and what the judges say of it."""

    def __init__(self, lab, number, name, text):
        self.name, self.text, self.problems, self.typed = name, text, [], 0
        file = lab.dir / f"{number}.cfg"
        file.write_text(text)
        self.switch = lab.start_switch(f"sw{number}", "--startup-config", file)
        self.ssh = paramiko.SSHClient()
        self.ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self.ssh.connect("127.0.0.1", self.switch.port, "admin", self.switch.password, timeout=20,
                         look_for_keys=False, allow_agent=False)
        self.running = self.run("show running-config")
        self.admin = re.findall(r"(?m)^username admin password 5 .*\n", self.running)

    def run(self, *lines):
        """The output of lines; one connection for all, as there are many."""
        _, output, _ = self.ssh.exec_command("\n".join(lines), timeout=30)
        return output.read().decode()

    def judge(self, what, expected, got, typed=()):
        """Whether both judges find in one text what they find in the other."""
        for judge, parse in JUDGES.items():
            found = differences(normal(parse(expected)), normal(parse(got)))
            if found:
                about = {line.split(" > ")[-1].removeprefix("no ") for line in found.splitlines() if line[0] in "+-"}
                lines = [line for line in typed if any(part in line for part in about)]
                typed = [] if not lines else ["of what was typed:", *lines]
                self.problems.append("\n".join([f"{self.name}, {what}, by {judge}:", found, *typed]))

    def hierarchy(self):
        shown = self.running
        if len(self.admin) != 1:
            self.problems.append(f"{self.name}: admin has {len(self.admin)} passwords")
        if not re.search(r"(?m)^username admin password", self.text):
            shown = shown.replace(self.admin[0], "")
        self.judge("what was loaded", self.text, shown)
        # The judges leave out empty lines and exclamation marks within banners.
        for banner in re.findall(r"(?ms)^banner +\S+ +(\S.*?)$", self.text):
            mark = banner[0]
            whole = re.search(rf"(?s)(?<= ){re.escape(mark)}.*?{re.escape(mark)}", self.text)[0]
            if whole not in shown:
                self.problems.append(f"{self.name}: the banner {whole!r} is not shown as it is")

    def remove(self):
        for index, (what, depths, kinds, step) in enumerate(ROUNDS):
            root = tree_of(self.running)
            nodes = [node for node in root.all() if node.depth in depths and bool(node.children) in kinds]
            self.take_away(what, root, [node for node in nodes if node.may_go()][::step], index % 2 == 1)
        left = [node.text for node in tree_of(self.running).all() if node.may_go()]
        left = [line for line in left if not TOGGLES.fullmatch(line)]
        if left:
            self.problems.append(f"{self.name}: never taken away: {left}")

    def take_away(self, what, root, nodes, by_exit):
        """Has hier_config work out how these go, and does what it says."""
        gone = {id(node) for node in nodes}
        # A limit of hier_config: a line that stays and begins with the same of these words is the new value for it, so that
        # it leaves the other one as it is. They go in one round.
        for node in root.all():
            for head in ["ip address ", "maximum-paths ", "send-community", "ip "]:
                same = {id(child) for child in node.children if child.text.startswith(head)}
                if head != "ip " or node.text.startswith("hsrp "):
                    gone = gone if same <= gone else gone - same

        def put(node):
            if id(node) not in gone:
                return node.raw
            return f"{' ' * 2 * node.depth}no {node.text}" if TOGGLES.fullmatch(node.text) else None

        target = "\n".join(root.render(put)) + "\n"
        remediation = WorkflowRemediation(hier_tree(self.running), hier_tree(target)).remediation_config
        # The lines of a job that goes are commands of their own for hier_config.
        of_jobs = {f"no {line}" for node in root.children if node.raw.startswith("scheduler job ")
                   for line in node.raw.splitlines()[1:]}
        commands = []
        for line in remediation.dump_simple(sectional_exiting=by_exit):
            # A limit of hier_config: its `no` of a banner has all of the text behind it.
            line = re.sub(r"(?s)^no banner (\S+) .*", r"no banner \1", line)
            # For this line it sets what it takes for the default; a plain `no` is what is tested here.
            if line.strip() == "session-limit 32":
                commands += [f"  no {node.text}" for node in nodes if node.text.startswith("session-limit ")]
            elif line not in of_jobs:
                # Once as a program pastes it, indented; once as a person types it, with `exit` after a section.
                commands.append(line.strip() if by_exit else line)
        self.typed += len(commands)
        told = self.run("configure terminal", *commands, "end").removeprefix(GREETING)
        self.running = self.run("show running-config")
        if told:
            self.problems.append("\n".join([f"{self.name}, {what}: the switch says", told, "typed:", *commands]))
        self.judge(f"after a no of {what}", target, self.running, commands)


def try_out(job):
    device = Device(*job)
    try:
        device.hierarchy()
        device.remove()
    except Exception as error:
        # As after a level that was lost: what was found before says why.
        device.problems.append(f"{device.name}: a judge cannot go on: {error!r}")
    device.ssh.close()
    return device


foreign = sorted((ROOT / "../shared/data/nxos-configs").glob("*.cfg"))
files = sorted((ROOT / "crates/rumline/configs").glob("*.cfg")) + foreign
assert len(files) > len(foreign), "the project's own configurations are not there"
texts = [("LEAF", LEAF), ("EDGE", EDGE), ("SERVICES", SERVICES), ("BY_HAND", BY_HAND)]
texts += [(file.name, file.read_text()) for file in files]
print(f"{len(foreign)} configurations of others" if foreign else "no configurations of others: not there")
with Lab() as lab, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    jobs = [(lab, number, name, text) for number, (name, text) in enumerate(texts)]
    devices = list(pool.map(try_out, jobs))
problems = [problem for device in devices for problem in device.problems]
if problems:
    raise SystemExit("\n\n".join([*problems, f"judges: {len(problems)} differences"]))
typed = sum(device.typed for device in devices)
print(f"{len(devices)} configurations came out as they went in; {typed} lines took away what they should")
done("judges")
