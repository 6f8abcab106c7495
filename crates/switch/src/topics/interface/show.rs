//! What is shown of interfaces: in the columns of NX-OS, and with its names.

use rumline_cli::{Fields, Refusal};

use super::port::{Interface, Kind};
use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;
use crate::config::interface_names;

const RULE: &str =
    "--------------------------------------------------------------------------------\n";

/// What the management interface runs at, in megabits a second.
const MANAGEMENT_SPEED: &str = "1000";

/// A part of `show interface brief`: the kind, its head, and what stands in its columns.
type Section = (Kind, &'static str, fn(&Interface) -> String);

pub(super) fn cdp(_: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let head = "Capability Codes: R - Router, T - Trans-Bridge, B - Source-Route-Bridge\n                  \
                S - Switch, H - Host, I - IGMP, r - Repeater,\n                  \
                V - VoIP-Phone, D - Remotely-Managed-Device,\n                  s - Supports-STP-Dispute\n\n\n\
                Device-ID          Local Intrfce  Hldtme Capability  Platform      Port ID\n\n\
                Total entries displayed: 0\n";
    call.shown(|| head.to_owned(), || Fields::new().number("neigh_count", 0))
}

pub(super) fn lldp(_: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let head = "Capability codes:\n  (R) Router, (B) Bridge, (T) Telephone, (C) DOCSIS Cable Device\n  \
                (W) WLAN Access Point, (P) Repeater, (S) Station, (O) Other\n\
                Device ID            Local Intf      Hold-time  Capability  Port ID  \n\
                Total entries displayed: 0\n";
    call.shown(|| head.to_owned(), || Fields::new().number("neigh_count", 0))
}

pub(super) fn interfaces(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let mut all = switch.interfaces();
    if let Some(typed) = call.command.get("interface") {
        let (names, table) = typed.trim().rsplit_once(' ').unwrap_or((typed, ""));
        let table = TABLES.iter().find(|(name, _)| !table.is_empty() && name.starts_with(table));
        let Some((_, table)) = table else {
            all = chosen(all, typed, call)?;
            return details(&all, call);
        };
        all = chosen(all, names, call)?;
        return table(&all, call);
    }
    details(&all, call)
}

/// What is shown of interfaces that are named.
type Table = fn(&[Interface], &mut Call<'_, '_>) -> Answer;

const TABLES: &[(&str, Table)] = &[
    ("brief", brief_of),
    ("description", descriptions_of),
    ("status", status_of),
    ("trunk", trunks_of),
];

fn details(all: &[Interface], call: &mut Call<'_, '_>) -> Answer {
    let text = || all.iter().map(shown).collect::<String>();
    let row = |interface: &Interface| {
        let fields = Fields::new()
            .text("interface", &interface.name)
            .text("state", interface.state())
            .maybe("state_rsn_desc", interface.down)
            .text("admin_state", if interface.is_admin_up { "up" } else { "down" })
            .maybe("desc", interface.description.as_deref())
            .number("eth_mtu", interface.mtu_bytes)
            .number("eth_bw", interface.rates().0)
            .number("eth_dly", interface.rates().1);
        let fields = match interface.kind {
            Kind::Ethernet | Kind::PortChannel => fields.text("eth_mode", interface.mode()),
            _ => fields,
        };
        match &interface.address {
            None => fields,
            Some((address, bits)) => {
                fields.text("eth_ip_addr", address).number("eth_ip_mask", *bits)
            }
        }
    };
    call.shown(text, || Fields::new().table("interface", all.iter().map(row)))
}

/// Those that are named: of a range those that there are, and one at least.
fn chosen(
    all: Vec<Interface>,
    typed: &str,
    call: &Call<'_, '_>,
) -> Result<Vec<Interface>, CommandError> {
    let is_named = |one: &Interface, line: &String| {
        line.strip_prefix("interface ").is_some_and(|name| one.name.eq_ignore_ascii_case(name))
    };
    let mut names = Vec::new();
    let mut at = call.command.place_of("interface");
    for part in typed.split(',') {
        let lines = interface_names(part.trim());
        if !lines.iter().any(|line| all.iter().any(|one| is_named(one, line))) {
            return Err(CommandError::Syntax { refusal: Refusal::Invalid, at });
        }
        at += part.len() + 1;
        names.extend(lines);
    }
    Ok(all.into_iter().filter(|one| names.iter().any(|line| is_named(one, line))).collect())
}

fn shown(interface: &Interface) -> String {
    let why = interface.down.map_or_else(String::new, |why| format!(" ({why})"));
    let mut text = format!("{} is {}{why}\n", interface.name, interface.state());
    let admin = if interface.is_admin_up { "up" } else { "down" };
    let dedicated = if interface.kind == Kind::Ethernet { " Dedicated Interface" } else { "" };
    text.push_str(&format!("admin state is {admin},{dedicated}\n"));
    if let Some(description) = &interface.description {
        text.push_str(&format!("  Description: {description}\n"));
    }
    if let Some((address, bits)) = &interface.address {
        text.push_str(&format!("  Internet Address is {address}/{bits}\n"));
    }
    let (bandwidth_kbit, delay_usec) = interface.rates();
    text.push_str(&format!(
        "  MTU {} bytes, BW {bandwidth_kbit} Kbit, DLY {delay_usec} usec\n",
        interface.mtu_bytes
    ));
    if matches!(interface.kind, Kind::Ethernet | Kind::PortChannel) {
        text.push_str(&format!("  Port mode is {}\n", interface.mode()));
    }
    text.push('\n');
    text
}

/// `auto(D)`.
fn rate(interface: &Interface) -> String {
    format!("{}({})", interface.speed(), interface.rate_mode())
}

pub(super) fn brief(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    brief_of(&switch.interfaces(), call)
}

fn brief_of(all: &[Interface], call: &mut Call<'_, '_>) -> Answer {
    let text = || {
        let mut text = String::new();
        let ports: Vec<&Interface> =
            all.iter().filter(|one| one.kind == Kind::FibreChannel).collect();
        if !ports.is_empty() {
            text.push_str(&format!(
                "{RULE}Interface  Vsan   Admin  Admin   Status          SFP    Oper  Oper   Port\n                  Mode   Trunk                          Mode  Speed  Channel\n                         Mode                                 (Gbps)\n{RULE}"
            ));
            for port in ports {
                text.push_str(&format!(
                    "{:<10} 1      auto   on      {:<15} --     --           --     --\n",
                    port.name,
                    port.state()
                ));
            }
            text.push('\n');
        }
        for interface in all.iter().filter(|one| one.kind == Kind::Management) {
            let address = interface.address.as_ref().map_or("--", |(address, _)| address);
            text.push_str(&format!(
                "{RULE}Port   VRF          Status IP Address                              Speed    MTU\n{RULE}{:<6} {:<12} {:<6} {address:<39} {:<8} {}\n\n",
                interface.name, "--", interface.state(), MANAGEMENT_SPEED, interface.mtu_bytes
            ));
        }
        text.push_str(&format!(
            "{RULE}Ethernet        VLAN    Type Mode   Status  Reason                 Speed     Port\nInterface                                                                    Ch #\n{RULE}"
        ));
        for interface in all.iter().filter(|one| one.kind == Kind::Ethernet) {
            text.push_str(&format!(
                "{:<15} {:<7} eth  {:<6} {:<7} {:<26} {:<7} {}\n",
                interface.short(),
                interface.vlan(),
                interface.mode(),
                interface.state(),
                interface.reason(),
                rate(interface),
                interface.channel.as_deref().unwrap_or("--")
            ));
        }
        let sections: [Section; 5] = [
            (
                Kind::PortChannel,
                "Port-channel VLAN    Type Mode   Status  Reason                    Speed   Protocol\nInterface\n",
                |one| {
                    format!(
                        "{:<7} eth  {:<6} {:<7} {:<25} {:<7} {}",
                        one.vlan(),
                        one.mode(),
                        one.state(),
                        one.reason(),
                        rate(one),
                        one.protocol()
                    )
                },
            ),
            (Kind::Loopback, "Interface     Status     Description\n", |one| {
                format!("{:<10} {}", one.state(), one.description.as_deref().unwrap_or("--"))
            }),
            (
                Kind::Tunnel,
                "Interface     Status     IP Address     Encap type       MTU\n",
                |one| {
                    let address = one.address.as_ref().map_or("--", |(address, _)| address);
                    format!("{:<10} {address:<14} {:<16} {}", one.state(), "--", one.mtu_bytes)
                },
            ),
            (Kind::Nve, "Port          Status Reason          MTU\n", |one| {
                format!("{:<6} {:<15} {}", one.state(), one.reason(), one.mtu_bytes)
            }),
            (
                Kind::Vlan,
                "Interface Secondary VLAN(Type)                    Status Reason\n",
                |one| format!("{:<39} {:<6} {}", "--", one.state(), one.reason()),
            ),
        ];
        for (kind, head, columns) in sections {
            let of_kind: Vec<&Interface> = all.iter().filter(|one| one.kind == kind).collect();
            if !of_kind.is_empty() {
                text.push_str(&format!("\n{RULE}{head}{RULE}"));
            }
            for interface in of_kind {
                let row = format!("{:<13} {}", interface.short(), columns(interface));
                text.push_str(&row);
                text.push('\n');
            }
        }
        text
    };
    let row = |interface: &Interface| {
        let fields = Fields::new()
            .text("interface", &interface.name)
            .text("state", interface.state())
            .text("state_rsn_desc", interface.reason());
        match interface.kind {
            Kind::PortChannel => fields
                .text("vlan", interface.vlan())
                .text("type", "eth")
                .text("portmode", interface.mode())
                .text("speed", interface.speed())
                .text("ratemode", interface.rate_mode())
                .text("proto", interface.protocol()),
            Kind::Ethernet => fields
                .text("vlan", interface.vlan())
                .text("type", "eth")
                .text("portmode", interface.mode())
                .text("speed", interface.speed())
                .text("ratemode", interface.rate_mode())
                .text("portchan", interface.channel.as_deref().unwrap_or("--")),
            Kind::FibreChannel => fields.text("vsan", "1"),
            Kind::Management => fields
                .maybe("ip_addr", interface.address.as_ref().map(|(address, _)| address))
                .text("speed", MANAGEMENT_SPEED)
                .number("mtu", interface.mtu_bytes),
            _ => fields
                .maybe("ip_addr", interface.address.as_ref().map(|(address, _)| address))
                .number("mtu", interface.mtu_bytes),
        }
    };
    call.shown(text, || Fields::new().table("interface", all.iter().map(row)))
}

pub(super) fn status(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    status_of(&switch.interfaces(), call)
}

fn status_of(all: &[Interface], call: &mut Call<'_, '_>) -> Answer {
    let state = |interface: &Interface| match interface.down {
        None => "connected",
        Some("Administratively down") => "disabled",
        Some(_) => "notconnec",
    };
    let (duplex, speed) = (
        |one: &Interface| if one.kind == Kind::Management { "full" } else { "auto" },
        |one: &Interface| match one.kind {
            Kind::Management => MANAGEMENT_SPEED.to_owned(),
            _ => one.speed(),
        },
    );
    let vlan = |interface: &Interface| match interface.mode() {
        "access" => interface.access_vlan.to_string(),
        mode => mode.to_owned(),
    };
    let text = || {
        let mut text = format!(
            "{RULE}Port          Name               Status    Vlan      Duplex  Speed   Type\n{RULE}"
        );
        for interface in all {
            let name: String =
                interface.description.as_deref().unwrap_or("--").chars().take(18).collect();
            text.push_str(&format!(
                "{:<13} {name:<18} {:<9} {:<9} {:<7} {:<7} --\n",
                interface.short(),
                state(interface),
                vlan(interface),
                duplex(interface),
                speed(interface)
            ));
        }
        text
    };
    let row = |interface: &Interface| {
        Fields::new()
            .text("interface", &interface.name)
            .maybe("name", interface.description.as_deref())
            .text("state", state(interface))
            .text("vlan", vlan(interface))
            .text("duplex", duplex(interface))
            .text("speed", speed(interface))
            .text("type", "--")
    };
    call.shown(text, || Fields::new().table("interface", all.iter().map(row)))
}

pub(super) fn descriptions(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    descriptions_of(&switch.interfaces(), call)
}

fn descriptions_of(all: &[Interface], call: &mut Call<'_, '_>) -> Answer {
    let text = || {
        let mut text = format!("{RULE}Interface                Description\n{RULE}");
        let description = |interface: &Interface| {
            interface.description.clone().unwrap_or_else(|| "--".to_owned())
        };
        for interface in all.iter().filter(|one| one.kind != Kind::Ethernet) {
            text.push_str(&format!("{:<24} {}\n", interface.short(), description(interface)));
        }
        text.push_str(&format!("\n{RULE}Port          Type   Speed   Description\n{RULE}"));
        for interface in all.iter().filter(|one| one.kind == Kind::Ethernet) {
            text.push_str(&format!(
                "{:<13} eth    {:<7} {}\n",
                interface.short(),
                interface.nominal_speed(),
                description(interface)
            ));
        }
        text
    };
    let row = |interface: &Interface| {
        Fields::new()
            .text("interface", &interface.name)
            .text("desc", interface.description.as_deref().unwrap_or("--"))
    };
    call.shown(text, || Fields::new().table("interface", all.iter().map(row)))
}

pub(super) fn trunks(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    trunks_of(&switch.interfaces(), call)
}

fn trunks_of(all: &[Interface], call: &mut Call<'_, '_>) -> Answer {
    let all: Vec<&Interface> = all.iter().filter(|one| one.is_trunk && !one.is_routed).collect();
    let text = || {
        let mut text = format!(
            "{RULE}Port          Native  Status        Port\n              Vlan                  Channel\n{RULE}"
        );
        for one in &all {
            let channel =
                one.channel.as_ref().map_or("--".to_owned(), |number| format!("Po{number}"));
            text.push_str(&format!(
                "{:<13} {:<7} {:<13} {channel}\n",
                one.short(),
                one.native_vlan,
                "not-trunking"
            ));
        }
        for (head, value) in [
            ("Vlans Allowed on Trunk", None),
            ("Vlans Err-disabled on Trunk", Some("none")),
            ("STP Forwarding", Some("none")),
        ] {
            text.push_str(&format!("\n{RULE}Port          {head}\n{RULE}"));
            for one in &all {
                let value = value.unwrap_or(&one.trunk_vlans);
                text.push_str(&format!("{:<13} {value}\n", one.short()));
            }
        }
        text
    };
    let row = |one: &Interface| {
        let channel = one.channel.as_ref().map(|number| format!("Po{number}"));
        Fields::new()
            .text("interface", one.short())
            .number("native", one.native_vlan)
            .text("status", "not-trunking")
            .text("portchannel", channel.unwrap_or("--".to_owned()))
    };
    let allowed = |one: &Interface| {
        Fields::new().text("interface", one.short()).text("allowedvlans", &one.trunk_vlans)
    };
    let none = |name: &'static str| {
        move |one: &Interface| Fields::new().text("interface", one.short()).text(name, "none")
    };
    call.shown(text, || {
        Fields::new()
            .table("interface", all.iter().copied().map(row))
            .table("allowed_vlans", all.iter().copied().map(allowed))
            .table("vlans_errdis", all.iter().copied().map(none("errdisvlans")))
            .table("stp_forward", all.iter().copied().map(none("stpfwdvlans")))
    })
}
