//! What is shown of routes.

use rumline_cli::Fields;

use super::line::Prefix;
use super::table::{Client, Hop, Table};
use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;
use crate::topics::interface::DEFAULT_VRF;

/// How long ago, in few letters: `00:22:30`, `4d06h`, `12w3d`.
fn age(seconds: i64) -> String {
    let (hours, days) = (seconds / 3_600, seconds / 86_400);
    match days {
        0 => format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
        1..7 => format!("{days}d{:02}h", hours % 24),
        _ => format!("{}w{}d", days / 7, days % 7),
    }
}

/// The same for programs: `P4DT6H0M2S`.
fn duration(seconds: i64) -> String {
    let days = seconds / 86_400;
    let day = if days > 0 { format!("{days}D") } else { String::new() };
    format!("P{day}T{}H{}M{}S", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

fn via(hop: &Hop) -> String {
    let address = hop.next_hop.map(|address| address.to_string());
    let vrf = hop.vrf.as_ref().map(|vrf| format!("%{vrf}")).unwrap_or_default();
    let address = address.map(|address| format!("{address}{vrf}"));
    address.into_iter().chain(hop.interface.clone()).collect::<Vec<_>>().join(", ")
}

fn best(hops: &[Hop]) -> usize {
    hops.iter().filter(|hop| hop.is_best).count()
}

fn is_attached(hops: &[Hop]) -> bool {
    hops.iter().any(|hop| hop.client != Client::Static)
}

fn text_of(vrf: &str, table: &Table, age: &str) -> String {
    let mut text = format!(
        "IP Route Table for VRF \"{vrf}\"\n'*' denotes best ucast next-hop\n'**' denotes best mcast next-hop\n\
         '[x/y]' denotes [preference/metric]\n'%<string>' in via output denotes VRF <string>\n\n"
    );
    for (prefix, hops) in table {
        let attached = if is_attached(hops) { ", attached" } else { "" };
        text.push_str(&format!("{prefix}, ubest/mbest: {}/0{attached}\n", best(hops)));
        for hop in hops {
            let star = if hop.is_best { '*' } else { ' ' };
            let tag = hop.tag.map(|tag| format!(", tag {tag}")).unwrap_or_default();
            text.push_str(&format!(
                "    {star}via {}, [{}/0], {age}, {}{tag}\n",
                via(hop),
                hop.preference,
                hop.client.name()
            ));
        }
    }
    text.push('\n');
    text
}

fn row(prefix: &Prefix, hops: &[Hop], age: &str) -> Fields {
    let path = |hop: &Hop| {
        Fields::new()
            .maybe("ipnexthop", hop.next_hop)
            .maybe("ifname", hop.interface.as_ref())
            .text("uptime", age)
            .number("pref", hop.preference)
            .number("metric", 0)
            .text("clientname", hop.client.name())
            .maybe_number("tag", hop.tag)
            .text("ubest", hop.is_best)
    };
    Fields::new()
        .text("ipprefix", prefix)
        .number("ucast-nhops", i64::try_from(best(hops)).unwrap_or(i64::MAX))
        .number("mcast-nhops", 0)
        .text("attached", is_attached(hops))
        .table("path", hops.iter().map(path))
}

pub(super) fn routes(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = call.command.get("vrf").unwrap_or(DEFAULT_VRF);
    let names = switch.vrf_names().into_iter().filter(|name| wanted == "all" || name == wanted);
    let tables: Vec<(String, Table)> =
        names.map(|name| (name.clone(), switch.routes(&name))).collect();
    if tables.is_empty() {
        return Err(CommandError::failed(format!("No IP Route Table for VRF \"{wanted}\"")));
    }
    // When each came is not kept: none is older than the switch.
    let seconds = call.now.since(switch.booted_at).max(0);
    let text =
        || tables.iter().map(|(vrf, table)| text_of(vrf, table, &age(seconds))).collect::<String>();
    let rows = || {
        let vrfs = tables.iter().map(|(vrf, table)| {
            let prefixes = table.iter().map(|(prefix, hops)| row(prefix, hops, &duration(seconds)));
            let family = Fields::new().text("addrf", "ipv4").table("prefix", prefixes);
            Fields::new().text("vrf-name-out", vrf).table("addrf", [family])
        });
        Fields::new().table("vrf", vrfs)
    };
    call.shown(text, rows)
}

#[cfg(test)]
mod tests {
    use super::{age, duration};

    #[test]
    fn ages_are_short() {
        for (seconds, short, long) in [
            (5, "00:00:05", "PT0H0M5S"),
            (86_399, "23:59:59", "PT23H59M59S"),
            (4 * 86_400 + 6 * 3_600, "4d06h", "P4DT6H0M0S"),
            (87 * 86_400, "12w3d", "P87DT0H0M0S"),
        ] {
            assert_eq!((age(seconds).as_str(), duration(seconds).as_str()), (short, long));
        }
    }
}
