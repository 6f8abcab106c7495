//! Time servers as NX-OS shows them.

use rumline_cli::Fields;

use super::servers::{Association, POLL_SECONDS};
use super::settings::TimeServer;
use super::shown_seconds;
use crate::Switch;
use crate::answer::Answer;
use crate::command::Call;

/// The stratum of what nothing is known of.
const NO_STRATUM: u8 = 16;

/// A row of `show ntp peer-status`.
struct Row<'s> {
    mark: char,
    server: &'s TimeServer,
    local: &'s str,
    stratum: u8,
    poll_seconds: i64,
    reach: u8,
    delay: String,
}

/// `show ntp peer-status`.
pub(super) fn peer_status(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let settings = &switch.derived.time;
    let local = settings.source.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
    let servers = settings.servers.iter().chain(&settings.peers);
    let rows: Vec<Row<'_>> = servers.map(|server| switch.time_row(server, &local)).collect();
    call.shown(
        || {
            let mut text = format!(
                "Total peers : {}\n* - selected for sync, + -  peer mode(active), \n\
                 - - peer mode(passive), = - polled in client mode \n\
                 \x20   remote                                 local                                   st   \
                 poll   reach delay   vrf\n{:-<119}\n",
                rows.len(),
                ""
            );
            for Row { mark, server, local, stratum, poll_seconds, reach, delay } in &rows {
                text.push_str(&format!(
                    "{mark}{:<41} {local:<39} {stratum:>2} {poll_seconds:>4} {reach:>7o}   {delay} {}\n",
                    server.host, server.vrf
                ));
            }
            text
        },
        || {
            let fields = rows.iter().map(|row| {
                Fields::new()
                    .text("syncmode", row.mark)
                    .text("remote", &row.server.host)
                    .text("local", row.local)
                    .number("st", row.stratum)
                    .number("poll", row.poll_seconds)
                    .text("reach", format!("{:o}", row.reach))
                    .text("delay", &row.delay)
                    .text("vrf", &row.server.vrf)
            });
            Fields::new().number("totalpeers", rows.len()).table("peersstatus", fields)
        },
    )
}

/// `show ntp peers`.
pub(super) fn peers(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let settings = &switch.derived.time;
    let servers = settings.servers.iter().map(|server| (server, "Server (configured)"));
    let peers = settings.peers.iter().map(|peer| (peer, "Peer (configured)"));
    let rows: Vec<(&TimeServer, &str)> = servers.chain(peers).collect();
    call.shown(
        || {
            let line = "-".repeat(50);
            let mut text =
                format!("{line}\n  Peer IP Address               Serv/Peer          \n{line}\n");
            for (server, kind) in &rows {
                text.push_str(&format!("  {:<29} {kind}\n", server.host));
            }
            text
        },
        || {
            let fields = rows.iter().map(|(server, kind)| {
                Fields::new().text("PeerIPAddress", &server.host).text("serv_peer", kind)
            });
            Fields::new().number("total", rows.len()).table("peers", fields)
        },
    )
}

/// `show ntp status`: after what NX-OS says of its distribution, which server is followed, and why others are not.
pub(super) fn status(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let time = &switch.time;
    let protocol = switch.derived.time.other_protocol.as_deref().unwrap_or("ntp");
    let followed = time.followed.as_ref().and_then(|host| time.associations.get(host));
    let offset = followed.and_then(|one| one.sample).map(|sample| sample.offset_micros);
    let state = match followed {
        Some(one) => format!("synchronized to {}", one.server.host),
        None if time.are_divided => "unsynchronized: the servers contradict each other".to_owned(),
        None => "unsynchronized".to_owned(),
    };
    let problems = time.associations.iter().filter_map(|(host, one)| Some((host, one.problem()?)));
    let problems: Vec<(&String, &str)> = problems.collect();
    let step = time
        .last_step
        .map(|(at, micros)| (switch.derived.zone.license_time(at), shown_seconds(micros)));
    call.shown(
        || {
            let mut text = format!(
                "Distribution : Disabled\nLast operational state: No session\n\nClock protocol : {protocol}\n\
                 Clock state : {state}\n"
            );
            if let Some(offset) = offset {
                text.push_str(&format!("Offset : {} sec\n", shown_seconds(offset)));
            }
            if let Some((at, by)) = &step {
                text.push_str(&format!("Clock set : at {at}, by {by} sec\n"));
            }
            for (host, why) in &problems {
                text.push_str(&format!("Not followed : {host}: {why}\n"));
            }
            text
        },
        || {
            let rows = problems.iter().map(|(host, why)| {
                Fields::new().text("server", host).text("reason", why)
            });
            Fields::new()
                .text("distribution", "Disabled")
                .text("operational_state", "No session")
                .text("protocol", protocol)
                .text("state", &state)
                .maybe("offset", offset.map(shown_seconds))
                .maybe("set_at", step.as_ref().map(|(at, _)| at))
                .maybe("set_by", step.as_ref().map(|(_, by)| by))
                .table("not_followed", rows)
        },
    )
}

impl Switch {
    fn time_row<'s>(&'s self, server: &'s TimeServer, local: &'s str) -> Row<'s> {
        let known = self.time.associations.get(&server.host).filter(|one| one.server == *server);
        let is_followed = known.is_some() && self.time.followed.as_ref() == Some(&server.host);
        let sample = known.and_then(|one: &Association| one.sample);
        let delay = sample.map_or(0, |sample| sample.delay_micros / 10);
        Row {
            mark: if is_followed { '*' } else { '=' },
            server,
            local,
            stratum: sample.map_or(NO_STRATUM, |sample| sample.stratum),
            poll_seconds: known.map_or(POLL_SECONDS, |one| one.poll_seconds),
            reach: known.map_or(0, |one| one.reach),
            delay: format!("{}.{:05}", delay / 100_000, delay % 100_000),
        }
    }
}
