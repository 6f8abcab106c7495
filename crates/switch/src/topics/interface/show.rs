//! What is shown of interfaces, VLANs and VRFs: in the columns of NX-OS, and with its names.

use rumline_cli::Fields;

use super::{Interface, Kind, Vlan};
use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;
use crate::config::interface_name;

const RULE: &str =
    "--------------------------------------------------------------------------------\n";

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
        let name = interface_name(&typed.split_whitespace().collect::<String>());
        all.retain(|interface| interface.name.eq_ignore_ascii_case(&name));
        if all.is_empty() {
            return Err(CommandError::failed(format!("% Invalid interface: {typed}")));
        }
    }
    let text = || all.iter().map(shown).collect::<String>();
    let row = |interface: &Interface| {
        let fields = Fields::new()
            .text("interface", &interface.name)
            .text("state", interface.state())
            .maybe("state_rsn_desc", interface.down)
            .text("admin_state", if interface.is_admin_up { "up" } else { "down" })
            .maybe("desc", interface.description.as_deref())
            .number("eth_mtu", interface.mtu_bytes);
        match &interface.address {
            None => fields,
            Some((address, bits)) => {
                fields.text("eth_ip_addr", address).number("eth_ip_mask", *bits)
            }
        }
    };
    call.shown(text, || Fields::new().table("interface", all.iter().map(row)))
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
    // What NX-OS has for each kind where nothing is negotiated.
    let (bandwidth_kbit, delay_usec) = match interface.kind {
        Kind::Ethernet => (10_000_000, 10),
        Kind::Management | Kind::Vlan => (1_000_000, 10),
        Kind::PortChannel => (100_000, 10),
        Kind::Loopback => (8_000_000, 5_000),
        Kind::Tunnel => (9, 500_000),
        Kind::Nve => (10_000_000, 10),
    };
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

pub(super) fn brief(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = switch.interfaces();
    let text = || {
        let mut text = String::new();
        for interface in all.iter().filter(|one| one.kind == Kind::Management) {
            let address = interface.address.as_ref().map_or("--", |(address, _)| address);
            text.push_str(&format!(
                "{RULE}Port   VRF          Status IP Address                              Speed    MTU\n{RULE}{:<6} {:<12} {:<6} {address:<39} {:<8} {}\n\n",
                interface.name, "--", interface.state(), "1000", interface.mtu_bytes
            ));
        }
        text.push_str(&format!(
            "{RULE}Ethernet        VLAN    Type Mode   Status  Reason                 Speed     Port\nInterface                                                                    Ch #\n{RULE}"
        ));
        for interface in all.iter().filter(|one| one.kind == Kind::Ethernet) {
            text.push_str(&format!(
                "{:<15} {:<7} eth  {:<6} {:<7} {:<26} auto(D) {}\n",
                interface.short(),
                interface.vlan(),
                interface.mode(),
                interface.state(),
                interface.reason(),
                interface.channel.as_deref().unwrap_or("--")
            ));
        }
        let sections: [Section; 5] = [
            (
                Kind::PortChannel,
                "Port-channel VLAN    Type Mode   Status  Reason                    Speed   Protocol\nInterface\n",
                |one| {
                    format!(
                        "{:<7} eth  {:<6} {:<7} {:<25} auto(I) none",
                        one.vlan(),
                        one.mode(),
                        one.state(),
                        one.reason()
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
            Kind::Ethernet | Kind::PortChannel => fields
                .text("vlan", interface.vlan())
                .text("type", "eth")
                .text("portmode", interface.mode())
                .text("speed", "auto")
                .text("ratemode", "D")
                .text("portchan", interface.channel.as_deref().unwrap_or("--")),
            _ => fields
                .maybe("ip_addr", interface.address.as_ref().map(|(address, _)| address))
                .number("mtu", interface.mtu_bytes),
        }
    };
    call.shown(text, || Fields::new().table("interface", all.iter().map(row)))
}

pub(super) fn status(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = switch.interfaces();
    let state = |interface: &Interface| match interface.down {
        None => "connected",
        Some("Administratively down") => "disabled",
        Some(_) => "notconnec",
    };
    let vlan = |interface: &Interface| match interface.mode() {
        "access" => interface.access_vlan.to_string(),
        mode => mode.to_owned(),
    };
    let text = || {
        let mut text = format!(
            "{RULE}Port          Name               Status    Vlan      Duplex  Speed   Type\n{RULE}"
        );
        for interface in &all {
            let name: String =
                interface.description.as_deref().unwrap_or("--").chars().take(18).collect();
            text.push_str(&format!(
                "{:<13} {name:<18} {:<9} {:<9} {:<7} {:<7} --\n",
                interface.short(),
                state(interface),
                vlan(interface),
                "auto",
                "auto"
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
            .text("duplex", "auto")
            .text("speed", "auto")
            .text("type", "--")
    };
    call.shown(text, || Fields::new().table("interface", all.iter().map(row)))
}

pub(super) fn descriptions(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = switch.interfaces();
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
                "{:<13} eth    10G     {}\n",
                interface.short(),
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

pub(super) fn ip_brief(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = call.command.get("vrf").unwrap_or(super::DEFAULT_VRF);
    let vrfs: Vec<(String, u32)> =
        switch.vrfs().into_iter().filter(|(name, _)| wanted == "all" || name == wanted).collect();
    if vrfs.is_empty() {
        return Err(CommandError::failed(format!("% There is no VRF {wanted}")));
    }
    let all = switch.interfaces();
    let of = |vrf: &str| {
        all.iter()
            .filter(|one| one.vrf == vrf)
            .filter_map(|one| Some((one, one.address.as_ref()?)))
            .collect::<Vec<_>>()
    };
    let admin = |one: &Interface| if one.is_admin_up { "up" } else { "down" };
    let text = || {
        let mut text = String::new();
        for (vrf, id) in &vrfs {
            text.push_str(&format!(
                "IP Interface Status for VRF \"{vrf}\"({id})\nInterface            IP Address      Interface Status\n"
            ));
            for (one, (address, _)) in of(vrf) {
                let state = one.state();
                text.push_str(&format!(
                    "{:<20} {address:<15} protocol-{state}/link-{state}/admin-{}\n",
                    one.short(),
                    admin(one)
                ));
            }
            text.push('\n');
        }
        text
    };
    let rows = || {
        let rows = vrfs.iter().flat_map(|(vrf, _)| of(vrf)).map(|(one, (address, _))| {
            Fields::new()
                .text("vrf-name-out", &one.vrf)
                .text("intf-name", one.short())
                .text("prefix", address)
                .text("proto-state", one.state())
                .text("link-state", one.state())
                .text("admin-state", admin(one))
        });
        let rows: Vec<Fields> = rows.collect();
        let names = vrfs.iter().map(|(vrf, _)| Fields::new().text("vrf-name-out", vrf));
        Fields::new().table("vrf", names).table("intf", rows)
    };
    call.shown(text, rows)
}

pub(super) fn vlans(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = switch.vlans();
    let state = |vlan: &Vlan| match (vlan.is_active, vlan.is_shut) {
        (false, _) => "suspended",
        (true, true) => "act/lshut",
        (true, false) => "active",
    };
    let text = || {
        let mut text = String::from(
            "VLAN Name                             Status    Ports\n\
             ---- -------------------------------- --------- -------------------------------\n",
        );
        for vlan in &all {
            let mut rows = vlan.ports.chunks(4).map(|ports| ports.join(", ")).collect::<Vec<_>>();
            if rows.is_empty() {
                rows.push(String::new());
            }
            let count = rows.len();
            for (index, ports) in rows.iter().enumerate() {
                let comma = if index + 1 < count { "," } else { "" };
                let head = if index == 0 {
                    format!("{:<4} {:<32} {:<9} ", vlan.id, vlan.name, state(vlan))
                } else {
                    " ".repeat(48)
                };
                text.push_str(format!("{head}{ports}{comma}").trim_end());
                text.push('\n');
            }
        }
        text
    };
    let row = |vlan: &Vlan| {
        Fields::new()
            .number("vlanshowbr-vlanid", vlan.id)
            .text("vlanshowbr-vlanid-utf", vlan.id)
            .text("vlanshowbr-vlanname", &vlan.name)
            .text("vlanshowbr-vlanstate", if vlan.is_active { "active" } else { "suspend" })
            .text("vlanshowbr-shutstate", if vlan.is_shut { "shutdown" } else { "noshutdown" })
            .text("vlanshowplist-ifidx", vlan.ports.join(","))
    };
    call.shown(text, || Fields::new().table("vlanbriefxbrief", all.iter().map(row)))
}

pub(super) fn vrfs(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = switch.vrfs();
    let text = || {
        let mut text = String::from(
            "VRF-Name                           VRF-ID State   Reason                        \n",
        );
        for (name, id) in &all {
            text.push_str(&format!("{name:<34} {id:>6} Up      --                            \n"));
        }
        text
    };
    let row = |(name, id): &(String, u32)| {
        Fields::new()
            .text("vrf_name", name)
            .number("vrf_id", *id)
            .text("vrf_state", "Up")
            .text("vrf_reason", "--")
    };
    call.shown(text, || Fields::new().table("vrf", all.iter().map(row)))
}
