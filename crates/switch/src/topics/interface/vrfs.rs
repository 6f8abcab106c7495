//! What is shown of VRFs.

use rumline_cli::Fields;

use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;

/// A VRF.
struct Vrf {
    name: String,
    id: u32,
    is_shut: bool,
    description: Option<String>,
    /// The route distinguisher.
    distinguisher: String,
}

impl Vrf {
    fn state(&self) -> &'static str {
        if self.is_shut { "Down" } else { "Up" }
    }

    fn reason(&self) -> &'static str {
        if self.is_shut { "Admin Down" } else { "--" }
    }

    /// The numbers of its tables, of IPv6 first.
    fn tables(&self) -> [(&'static str, String); 2] {
        [("IPv6", format!("0x8{:07x}", self.id)), ("IPv4", format!("0x{:08x}", self.id))]
    }
}

fn wanted(switch: &mut Switch, call: &Call<'_, '_>) -> Result<Vec<Vrf>, CommandError> {
    let mut all = Vec::new();
    for (name, id) in switch.vrfs() {
        let lines = switch.running.section(&[format!("vrf context {name}")]);
        let value = |head: &str| {
            let line = lines?.iter().find_map(|line| line.text.strip_prefix(head))?;
            Some(line.trim().to_owned())
        };
        let (description, distinguisher) = (value("description "), value("rd "));
        let distinguisher = distinguisher.unwrap_or_else(|| "0:0".to_owned());
        let is_shut = switch.is_vrf_shut(&name);
        all.push(Vrf { name, id, is_shut, description, distinguisher });
    }
    if let Some(wanted) = call.command.get("vrf").filter(|wanted| *wanted != "all") {
        all.retain(|vrf| vrf.name == wanted);
        if all.is_empty() {
            return Err(CommandError::failed(format!("% There is no VRF {wanted}")));
        }
    }
    Ok(all)
}

pub(super) fn vrfs(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = wanted(switch, call)?;
    let text = || {
        let mut text = String::from(
            "VRF-Name                           VRF-ID State   Reason                        \n",
        );
        for vrf in &all {
            let (name, id, state, reason) = (&vrf.name, vrf.id, vrf.state(), vrf.reason());
            text.push_str(&format!("{name:<34} {id:>6} {state:<7} {reason:<30}\n"));
        }
        text
    };
    let row = |vrf: &Vrf| {
        Fields::new()
            .text("vrf_name", &vrf.name)
            .number("vrf_id", vrf.id)
            .text("vrf_state", vrf.state())
            .text("vrf_reason", vrf.reason())
    };
    call.shown(text, || Fields::new().table("vrf", all.iter().map(row)))
}

pub(super) fn detail(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = wanted(switch, call)?;
    let one = |vrf: &Vrf| {
        let state = vrf.state();
        let mut text = format!("VRF-Name: {}, VRF-ID: {}, State: {state}\n", vrf.name, vrf.id);
        if let Some(description) = &vrf.description {
            text.push_str(&format!("    Description:\n        {description}\n"));
        }
        text.push_str(&format!(
            "    VPNID: unknown\n    RD: {}\n    Max Routes: 0  Mid-Threshold: 0\n",
            vrf.distinguisher
        ));
        for (family, id) in vrf.tables() {
            text.push_str(&format!(
                "    Table-ID: {id}, AF: {family}, Fwd-ID: {id}, State: {state}\n"
            ));
        }
        text
    };
    let row = |vrf: &Vrf| {
        let state = vrf.state();
        let table = |(family, id): (&'static str, String)| {
            Fields::new()
                .text("tib_id", &id)
                .text("tib_af", family)
                .text("tib_nonce", &id)
                .text("tib_state", state)
        };
        Fields::new()
            .text("vrf_name", &vrf.name)
            .number("vrf_id", vrf.id)
            .text("vrf_state", state)
            .maybe("vrf_descr", vrf.description.as_ref())
            .text("vpnid", "unknown")
            .text("rd", &vrf.distinguisher)
            .number("max_routes", 0)
            .number("mid_threshold", 0)
            .table("tib", vrf.tables().map(table))
    };
    call.shown(
        || all.iter().map(one).collect::<Vec<_>>().join("\n"),
        || Fields::new().table("vrf", all.iter().map(row)),
    )
}

/// The interfaces that have an address, or could have, each in its VRF.
pub(super) fn interfaces(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let ids = switch.vrfs();
    let mut all = switch.interfaces();
    all.retain(|one| one.is_routed);
    let id = |vrf: &str| ids.iter().find(|(name, _)| name == vrf).map_or(0, |(_, id)| *id);
    let text = || {
        let mut text = String::from(
            "Interface                 VRF-Name                        VRF-ID  Site-of-Origin\n",
        );
        for one in &all {
            let (name, vrf, id) = (&one.name, &one.vrf, id(&one.vrf));
            text.push_str(&format!("{name:<25} {vrf:<31} {id:>6}  --\n"));
        }
        text
    };
    let row = |one: &super::Interface| {
        Fields::new()
            .text("if_name", &one.name)
            .text("vrf_name", &one.vrf)
            .number("vrf_id", id(&one.vrf))
            .text("soo", "--")
    };
    call.shown(text, || Fields::new().table("if", all.iter().map(row)))
}
