//! What is shown of names: `show hosts`.

use std::net::IpAddr;

use rumline_cli::Fields;

use super::{DOMAIN, HOST, LISTED, LOOKUP, SERVERS, VRF, addresses, option, texts};
use crate::Switch;
use crate::answer::Answer;
use crate::command::Call;
use crate::config::{ConfigTree, Setting, starts_with_words};
use crate::topics::interface::DEFAULT_VRF;

/// The settings of a VRF that are its own: those of its section, and the global ones that name it.
struct Own {
    vrf: String,
    domain: Option<String>,
    listed: Vec<String>,
    servers: Vec<String>,
    hosts: Vec<(String, Vec<IpAddr>)>,
}

impl Own {
    fn of(config: &ConfigTree, vrf: &str) -> Self {
        let context = [format!("{} {vrf}", VRF.head)];
        let section = config.section(&context).into_iter().flat_map(texts).map(|line| (line, vrf));
        let global = texts(&config.lines).map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (line, option(&words, "use-vrf").unwrap_or(DEFAULT_VRF))
        });
        let lines: Vec<&str> =
            section.chain(global).filter(|(_, of)| *of == vrf).map(|(line, _)| line).collect();
        let of = |setting: &Setting| -> Vec<Vec<&str>> {
            let head = setting.head;
            let lines = lines.iter().filter(|line| starts_with_words(line, head));
            lines.map(|line| line[head.len()..].split_whitespace().collect()).collect()
        };
        let firsts = |setting: &Setting| -> Vec<String> {
            of(setting).iter().filter_map(|words| Some((*words.first()?).to_owned())).collect()
        };
        let servers = of(&SERVERS);
        let servers = servers.iter().flat_map(|words| {
            words
                .iter()
                .filter(|word| word.parse::<IpAddr>().is_ok())
                .map(|word| (*word).to_owned())
        });
        let hosts = of(&HOST);
        let hosts =
            hosts.iter().map(|words| (words[0].to_owned(), addresses(words).collect::<Vec<_>>()));
        Self {
            vrf: vrf.to_owned(),
            domain: firsts(&DOMAIN).into_iter().next(),
            listed: firsts(&LISTED),
            servers: servers.collect(),
            hosts: hosts.filter(|(_, addresses)| !addresses.is_empty()).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.domain.is_none() && self.listed.is_empty() && self.servers.is_empty()
    }
}

pub(super) fn hosts(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let off = format!("no {}", LOOKUP.head);
    let has_lookup = !texts(&switch.running.lines).any(|line| line == off);
    let all: Vec<Own> =
        switch.vrf_names().iter().map(|vrf| Own::of(&switch.running, vrf)).collect();
    let hosts = || {
        all.iter()
            .flat_map(|own| own.hosts.iter())
            .flat_map(|(name, addresses)| addresses.iter().map(move |address| (name, address)))
    };
    let text = || {
        let state = if has_lookup { "enabled" } else { "disabled" };
        let mut text = format!("DNS lookup {state}\n");
        for own in &all {
            let vrf = &own.vrf;
            match &own.domain {
                Some(domain) => {
                    text.push_str(&format!("Default domain for vrf:{vrf} is {domain}\n"));
                }
                None if vrf == DEFAULT_VRF => {
                    text.push_str(&format!("Default domain for vrf:{vrf} is not set\n"));
                }
                None => {}
            }
            if !own.listed.is_empty() {
                let listed = own.listed.join(" ");
                text.push_str(&format!("Additional Domain for vrf:{vrf} is/are: {listed}\n"));
            }
        }
        text.push_str("Name/address lookup uses domain service\n");
        for own in all.iter().filter(|own| !own.servers.is_empty()) {
            let servers = own.servers.join(" ");
            text.push_str(&format!("Name servers for vrf:{} is/are: {servers}\n", own.vrf));
        }
        text.push_str("\nHost                    Address\n");
        for (name, address) in hosts() {
            text.push_str(&format!("{name:<23} {address}\n"));
        }
        text
    };
    let row = |own: &Own| {
        let list = |name: &'static str, values: &[String]| {
            values.iter().map(|value| Fields::new().text(name, value)).collect::<Vec<_>>()
        };
        Fields::new()
            .text("vrfname", &own.vrf)
            .maybe("defaultdomains", own.domain.as_ref())
            .table("domain", list("name", &own.listed))
            .table("server", list("address", &own.servers))
    };
    let host = |(name, address): (&String, &IpAddr)| {
        Fields::new().text("host", name).text("address", address)
    };
    call.shown(text, || {
        Fields::new()
            .text("dns_lookup", if has_lookup { "enabled" } else { "disabled" })
            .table("vrf", all.iter().filter(|own| !own.is_empty()).map(row))
            .table("host", hosts().map(host))
    })
}
