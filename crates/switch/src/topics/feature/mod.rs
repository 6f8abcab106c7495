//! Features that are turned on, and access lists, whose entries may need one.

use std::collections::BTreeSet;

use rumline_catalogue::{Catalogue, Feature};
use rumline_cli::Fields;

use crate::Switch;
use crate::answer::CommandError;
use crate::command::{Command, Topic};
use crate::config::{ConfigTree, Given, Put, Setting, Settings, numbered};

/// `feature NAME`; the names are those of the catalogue.
pub(crate) const FEATURE: &Setting =
    &Setting { put: Put::Own(set_feature), ..Setting::line("feature") };

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show feature", |switch, call| {
            call.shown(|| switch.show_feature(), || switch.feature_rows())
        }),
        Command::anyone("show nxapi", |switch, call| {
            let settings = switch.nxapi_settings();
            let is_on = settings.http.or(settings.https).is_some();
            let state = if is_on { "nxapi enabled" } else { "nxapi disabled" };
            let listens = |kind: &str, port: Option<u16>| {
                port.map(|port| format!("{kind} Listen on port {port}\n")).unwrap_or_default()
            };
            call.shown(
                || {
                    let http = listens("HTTP", settings.http);
                    format!("{state}\n{http}{}", listens("HTTPS", settings.https))
                },
                || {
                    Fields::new()
                        .text("nxapi_status", state)
                        .maybe_number("http_port", settings.http)
                        .maybe_number("https_port", settings.https)
                },
            )
        }),
        Command::anyone("show ip access-lists", |switch, call| {
            let wanted = call.command.get("name");
            call.shown(|| switch.show_access_lists(wanted), || switch.access_list_rows(wanted))
        }),
    ],
    settings: &[
        Setting::line("nxapi http port"),
        Setting { put: Put::Own(set_https_port), ..Setting::line("nxapi https port") },
    ],
};

/// Whoever gives it a port wants it.
fn set_https_port(
    _: &mut Settings<'_>,
    tree: &mut ConfigTree,
    given: &Given,
    negated: bool,
) -> Result<(), CommandError> {
    tree.take_where(&[], |line| line.starts_with("nxapi https port "));
    if !negated {
        tree.take_where(&[], |line| line == "no nxapi https");
        tree.set(&[], &given.canonical, 3);
    }
    Ok(())
}

fn set_feature(
    _: &mut Settings<'_>,
    tree: &mut ConfigTree,
    given: &Given,
    negated: bool,
) -> Result<(), CommandError> {
    let line = given.canonical.as_str();
    if !negated {
        tree.add(&[], line);
        return Ok(());
    }
    tree.take_where(&[], |known| known == line);
    let name = line.trim_start_matches("feature ");
    if Catalogue::nexus().feature(name).is_some_and(Feature::on_by_default) {
        tree.add(&[], &format!("no {line}"));
    }
    Ok(())
}

/// The features that are on.
pub(crate) fn features(config: &ConfigTree) -> BTreeSet<String> {
    let catalogue = Catalogue::nexus();
    let mut on: BTreeSet<String> =
        catalogue.features().iter().filter(|f| f.on_by_default()).map(|f| f.name.clone()).collect();
    for line in &config.lines {
        if let Some(name) = line.text.strip_prefix("feature ") {
            on.insert(name.trim().to_owned());
        } else if let Some(name) = line.text.strip_prefix("no feature ") {
            on.remove(name.trim());
        }
    }
    on.extend(config.features_of_entries().map(str::to_owned));
    on
}

impl Switch {
    /// The rows of `show feature`: name, instance, state.
    fn features_shown(&self) -> Vec<(&'static str, u32, &'static str)> {
        let on = features(&self.running);
        let mut rows = Vec::new();
        for feature in Catalogue::nexus().features() {
            for instance in 1..=feature.instances {
                // Only the first instance of a protocol runs until more are configured.
                let state = match (on.contains(feature.name.as_str()), instance) {
                    (false, _) => "disabled",
                    (true, 1) => "enabled",
                    (true, _) => "enabled(not-running)",
                };
                rows.push((feature.shown(), instance, state));
            }
        }
        rows
    }

    /// PI-SHOW-033.
    fn show_feature(&self) -> String {
        let mut text = String::from(
            "Feature Name          Instance  State\n--------------------  --------  --------\n",
        );
        for (name, instance, state) in self.features_shown() {
            text.push_str(&format!("{name:<20} {instance:<10} {state}\n"));
        }
        text
    }

    fn feature_rows(&self) -> Fields {
        let row = |(name, instance, state)| {
            Fields::new()
                .text("cfcFeatureCtrlName2", name)
                .number("cfcFeatureCtrlInstanceNum2", instance)
                .text("cfcFeatureCtrlOpStatus2", state)
        };
        Fields::new().table("cfcFeatureCtrlTable", self.features_shown().into_iter().map(row))
    }

    /// Access lists by name, each with its entries and their numbers.
    fn access_lists(&self, wanted: Option<&str>) -> Vec<(&str, Vec<(u32, &str)>)> {
        let mut lists = Vec::new();
        for line in self.running.starting_with("ip access-list") {
            let name = line.text.trim_start_matches("ip access-list").trim();
            if wanted.is_some_and(|wanted| wanted != name) {
                continue;
            }
            let mut entries = Vec::new();
            let mut last = 0;
            for entry in &line.children {
                let (number, rest) = numbered(&entry.text);
                let first = rest.split(' ').next().unwrap_or_default();
                if number.is_some() || ["permit", "deny", "remark"].contains(&first) {
                    last = number.unwrap_or(last + 10);
                    entries.push((last, rest));
                }
            }
            lists.push((name, entries));
        }
        lists
    }

    /// PI-SHOW-034.
    fn show_access_lists(&self, wanted: Option<&str>) -> String {
        let mut text = String::new();
        for (name, entries) in self.access_lists(wanted) {
            text.push_str(&format!("IP access list {name}\n"));
            for (number, entry) in entries {
                text.push_str(&format!("        {number} {entry}\n"));
            }
        }
        text
    }

    fn access_list_rows(&self, wanted: Option<&str>) -> Fields {
        let list = |(name, entries): (&str, Vec<(u32, &str)>)| {
            let entries = entries.into_iter().map(|(number, entry)| {
                let (kind, rest) = entry.split_once(' ').unwrap_or((entry, ""));
                let fields = Fields::new().number("seqno", number);
                match kind {
                    "remark" => fields.text("remark", rest),
                    _ => fields.text("permitdeny", kind).text("rule", rest),
                }
            });
            Fields::new()
                .text("op_ip_ipv6_mac", "ip")
                .text("acl_name", name)
                .table("seqno", entries)
        };
        Fields::new().table("ip_ipv6_mac", self.access_lists(wanted).into_iter().map(list))
    }
}
