//! Features that are turned on, and access lists, whose entries may need one.

use std::collections::BTreeSet;

use rumline_catalogue::{Catalogue, Feature};

use crate::Switch;
use crate::answer::{CommandError, Outcome};
use crate::command::{Command, Topic};
use crate::config::{ConfigTree, Given, Put, Setting, Settings};

/// `feature NAME`; the names are those of the catalogue.
pub(crate) const FEATURE: &Setting =
    &Setting { put: Put::Own(set_feature), ..Setting::line("feature") };

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show feature", |switch, _| Ok(Outcome::text(switch.show_feature()))),
        Command::anyone("show ip access-lists", |switch, call| {
            Ok(Outcome::text(switch.show_access_lists(call.command.get("name"))))
        }),
    ],
    settings: &[],
};

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
    fn show_feature(&self) -> String {
        let on = features(&self.running);
        let mut text = String::from(
            "Feature Name          Instance  State\n--------------------  --------  --------\n",
        );
        for feature in Catalogue::nexus().features() {
            let state = if on.contains(feature.name.as_str()) { "enabled" } else { "disabled" };
            for instance in 1..=feature.instances {
                // Only the first instance of a protocol runs until more are configured.
                let state =
                    if instance > 1 && state == "enabled" { "enabled(not-running)" } else { state };
                text.push_str(&format!("{:<20} {instance:<10} {state}\n", feature.shown()));
            }
        }
        text
    }

    /// PI-SHOW-034.
    fn show_access_lists(&self, wanted: Option<&str>) -> String {
        let mut text = String::new();
        for line in self.running.starting_with("ip access-list") {
            let name = line.text.trim_start_matches("ip access-list").trim();
            if wanted.is_some_and(|wanted| wanted != name) {
                continue;
            }
            text.push_str(&format!("IP access list {name}\n"));
            let mut sequence = 0;
            for entry in line.children.iter().filter(|entry| !entry.text.is_empty()) {
                let first = entry.text.split(' ').next().unwrap_or_default();
                if let Ok(number) = first.parse() {
                    sequence = number;
                    text.push_str(&format!("        {}\n", entry.text));
                } else if first == "permit" || first == "deny" || first == "remark" {
                    sequence += 10;
                    text.push_str(&format!("        {sequence} {}\n", entry.text));
                }
            }
        }
        text
    }
}
