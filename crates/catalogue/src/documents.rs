//! The tables as people read them: docs/products.md and docs/releases.md.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::{Catalogue, Gate, Platform, Release};

/// A text in the form of code, or a dash for nothing.
fn code(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { format!("`{text}`") }
}

fn row(text: &mut String, cells: &[String]) {
    let _written = writeln!(text, "| {} |", cells.join(" | "));
}

fn head(text: &mut String, cells: &[&str]) {
    let _written = writeln!(text, "| {} |\n|{}", cells.join(" | "), "---|".repeat(cells.len()));
}

impl Catalogue {
    /// The models, their tags and licences, as docs/products.md has them.
    #[must_use]
    pub fn products_document(&self) -> String {
        let mut text = String::from(
            "# Products\n\n\
             Made from the tables in `crates/catalogue/data`, which say for each row how sure it is: `sure` (published, or \
             seen on a switch), `likely` (follows from that) or `assumed`. [assumptions.md](assumptions.md) says what was \
             assumed and why; a folder of such tables adds products ([switch.md](switch.md#products-of-others)).\n\n\
             ## Models\n\n\
             Since is the release with which a model came to Smart Licensing Using Policy, as the guide has it; what ran on \
             it before is assumed. The class chooses the text and the tag of its licences, and how sure that is stands \
             last.\n\n",
        );
        let columns = [
            "Product id",
            "Product type",
            "Family",
            "Class",
            "Ports",
            "Supervisors",
            "Before",
            "Since",
            "24-port licence",
            "Class is",
        ];
        head(&mut text, &columns);
        let small = self.gate("24 ports");
        for platform in &self.platforms {
            let named = |gate: &&Gate| gate.pids.contains(&platform.pid);
            let since = small.filter(named).and_then(|gate| gate.since.clone());
            let cells = [
                code(&platform.pid),
                self.product_type(&platform.pid),
                platform.family.clone(),
                platform.class.clone(),
                platform.ports.to_string(),
                platform.supervisors.to_string(),
                platform.runs_from.clone().map_or("-".to_owned(), |from| format!("{from} on")),
                platform.since.clone(),
                since.map_or("-".to_owned(), |since| format!("{since} on")),
                platform.confidence.clone(),
            ];
            row(&mut text, &cells);
        }
        text.push_str("\n## Product tags\n\n");
        head(&mut text, &["Family", "Models", "Tag"]);
        for family in &self.families {
            let models = self.platforms.iter().filter(|row| row.family == family.name).count();
            let tag = code(family.tag.as_str());
            row(&mut text, &[family.name.clone(), models.to_string(), tag]);
        }
        self.write_tiers(&mut text);
        self.write_packages(&mut text);
        text
    }

    fn write_tiers(&self, text: &mut String) {
        text.push_str(
            "\n## Tiers and bundles\n\nA licence of a tier stands for each package it covers. On sale it carries the class of the \
             switch. One for 24 ports is for the models that say so above, and from the release of the gate `24 ports` on; \
             what a switch reports is the same.\n\n",
        );
        head(text, &["Tier", "Licence", "Sold as", "Ports", "Covers", "That is"]);
        for tier in &self.tiers {
            let gate = tier.ports.and_then(|ports| self.gate(&format!("{ports} ports")));
            let is_for = |row: &&Platform| gate.is_none_or(|gate| gate.pids.contains(&row.pid));
            let classes: BTreeSet<&str> =
                self.platforms.iter().filter(is_for).map(|row| row.class.as_str()).collect();
            let sold = classes.iter().map(|class| code(&format!("{}_{class}", tier.license)));
            let covers = tier.includes.iter().map(|name| code(name));
            let cells = [
                tier.name.clone(),
                code(&tier.license),
                sold.collect::<Vec<_>>().join(", "),
                tier.ports.map_or_else(|| "all".to_owned(), |ports| ports.to_string()),
                covers.collect::<Vec<_>>().join(", "),
                tier.confidence.clone(),
            ];
            row(text, &cells);
        }
    }

    fn write_packages(&self, text: &mut String) {
        text.push_str("\n## Packages\n\n");
        head(text, &["Package", "Lowest tier", "Counts", "Name and tier are", "Features"]);
        for package in &self.packages {
            let uses = |name: &&crate::Feature| name.package.as_deref() == Some(&*package.name);
            let features = self.features.iter().filter(uses).map(|feature| code(&feature.name));
            let cells = [
                code(&package.name),
                package.tier.clone(),
                if package.counted { "each port" } else { "once a switch" }.to_owned(),
                package.confidence.clone(),
                features.collect::<Vec<_>>().join(", "),
            ];
            row(text, &cells);
        }
        text.push_str("\n## Entitlement tags\n\n");
        head(text, &["Package", "Class", "Description", "Tag", "Description is"]);
        for package in &self.packages {
            for variant in &package.variants {
                let cells = [
                    code(&package.name),
                    variant.class.clone(),
                    variant.description.clone(),
                    code(variant.tag.as_str()),
                    variant.confidence.clone(),
                ];
                row(text, &cells);
            }
        }
    }

    /// The releases and what each can do, as docs/releases.md has them.
    #[must_use]
    pub fn releases_document(&self) -> String {
        let mut text = String::from(
            "# Releases\n\n\
             Made from the tables in `crates/catalogue/data`. On releases before Smart Licensing Using Policy a switch holds its \
             licences as it did then ([migration.md](migration.md)). The agent of a release is published, or assumed from the nearest lower one. [assumptions.md](assumptions.md) says more.\n\n",
        );
        let columns = [
            "Release",
            "Licensing",
            "Licensing is",
            "Smart Agent",
            "Agent is",
            "New in it",
            "New models",
            "Image",
        ];
        head(&mut text, &columns);
        for release in &self.releases {
            let (image, agent) = (release.image.rsplit('/').next(), release.agent.as_str());
            let cells = [
                release.version.clone(),
                release.licensing_words(),
                release.licensing_confidence.clone(),
                code(agent),
                match (agent.is_empty(), release.assumed) {
                    (true, _) => "-",
                    (false, true) => "assumed",
                    (false, false) => "sure",
                }
                .to_owned(),
                self.opened_by(release),
                self.brought_by(release),
                code(image.unwrap_or_default()),
            ];
            row(&mut text, &cells);
        }
        text.push_str(
            "\n## Gates\n\nWhat a release or a model must have for something. A gate stays open on \
             later releases unless it says otherwise. On the way from a release with a \
             gate to one without it its lines go from the configuration, and no others ([install.md](install.md)).\n\n",
        );
        head(&mut text, &["Gate", "Open", "Lines that go without it", "Rule"]);
        for gate in &self.gates {
            let lines: Vec<String> = gate.lines.iter().map(|line| code(line)).collect();
            let lines = if lines.is_empty() { "-".to_owned() } else { lines.join(", ") };
            row(&mut text, &[gate.name.clone(), gate.to_string(), lines, gate.source.clone()]);
        }
        text
    }

    fn opened_by(&self, release: &Release) -> String {
        let is_it = |since: &Option<String>| since.as_deref() == Some(release.version.as_str());
        let gates =
            self.gates.iter().filter(|gate| is_it(&gate.since)).map(|gate| gate.name.clone());
        let exceptions = self.gates.iter().flat_map(|gate| {
            let late = gate.except.iter().filter(|one| is_it(&one.since));
            late.map(|one| format!("{} on {}", gate.name, code(&one.pid)))
        });
        let all: Vec<String> = gates.chain(exceptions).collect();
        if all.is_empty() { "-".to_owned() } else { all.join(", ") }
    }

    fn brought_by(&self, release: &Release) -> String {
        let is_new = |row: &&Platform| row.since == release.version;
        let models: Vec<String> =
            self.platforms.iter().filter(is_new).map(|row| code(&row.pid)).collect();
        match models.len() {
            0 => "-".to_owned(),
            // The first release has nearly all of them: products.md names them.
            len if len > 8 => format!("{len}"),
            _ => models.join(", "),
        }
    }
}
