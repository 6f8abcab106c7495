//! What is shown of VLANs, VRFs and addresses.

use rumline_cli::Fields;

use super::Vlan;
use super::port::{DEFAULT_VRF, Interface};
use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;
use crate::config::vlan_ids;

/// The text of the table of VLANs.
fn table_of(vlans: &[Vlan]) -> String {
    let state = |vlan: &Vlan| match (vlan.is_active, vlan.is_shut) {
        (false, _) => "suspended",
        (true, true) => "act/lshut",
        (true, false) => "active",
    };
    let mut text = String::from(
        "VLAN Name                             Status    Ports\n\
         ---- -------------------------------- --------- -------------------------------\n",
    );
    for vlan in vlans {
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
}

fn row(vlan: &Vlan) -> Fields {
    Fields::new()
        .text("vlanshowbr-vlanid", vlan.id)
        .text("vlanshowbr-vlanid-utf", vlan.id)
        .text("vlanshowbr-vlanname", &vlan.name)
        .text("vlanshowbr-vlanstate", if vlan.is_active { "active" } else { "suspend" })
        .text("vlanshowbr-shutstate", if vlan.is_shut { "shutdown" } else { "noshutdown" })
        .text("vlanshowplist-ifidx", vlan.ports.join(","))
}

pub(super) fn vlans_brief(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = switch.vlans();
    call.shown(|| table_of(&all), || Fields::new().table("vlanbriefxbrief", all.iter().map(row)))
}

pub(super) fn vlans(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let mut all = switch.vlans();
    if let Some(typed) = call.command.get("vlans") {
        let wanted = vlan_ids(typed).ok_or(CommandError::failed("% Invalid VLAN list"))?;
        all.retain(|vlan| wanted.contains(&vlan.id));
        // Of several those that there are, and one at least.
        if all.is_empty() {
            let told = format!("VLAN {typed} not found in current VLAN database");
            return Err(CommandError::failed(told));
        }
    }
    if let Some(name) = call.command.get("name") {
        all.retain(|vlan| vlan.name == name);
        if all.is_empty() {
            let told = format!("VLAN {name} not found in current VLAN database");
            return Err(CommandError::failed(told));
        }
    }
    let text = || {
        let mut text = table_of(&all);
        text.push_str("\nVLAN Type         Vlan-mode\n---- -----        ----------\n");
        for vlan in &all {
            text.push_str(&format!("{:<4} enet         CE     \n", vlan.id));
        }
        text
    };
    let kind = |vlan: &Vlan| {
        Fields::new()
            .number("vlanshowinfo-vlanid", vlan.id)
            .text("vlanshowinfo-media-type", "enet")
            .text("vlanshowinfo-vlanmode", "ce-vlan")
    };
    call.shown(text, || {
        Fields::new().table("vlanbrief", all.iter().map(row)).table("mtuinfo", all.iter().map(kind))
    })
}

pub(super) fn ip_brief(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = call.command.get("vrf").unwrap_or(DEFAULT_VRF);
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
