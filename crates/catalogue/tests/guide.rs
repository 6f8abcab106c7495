//! The tables against those of the guide, where its text lies beside the project: Table 2 (p. 13), the agents (p. 14), the
//! feature history (p. 87). Without it the same facts are asked for as they are written here.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
#![expect(clippy::print_stderr, reason = "it says what was not compared")]

use std::path::{Path, PathBuf};

use rumline_catalogue::Catalogue;

/// A file or directory that may lie beside the project.
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    path.exists().then_some(path)
}

fn guide() -> Option<String> {
    let text = shared("spec/guide.txt").map(|path| std::fs::read_to_string(path).unwrap());
    if text.is_none() {
        eprintln!("the guide is not beside the project: its tables were not compared");
    }
    text
}

/// The rows of a table of the guide, cells parted by tabs.
fn rows<'a>(text: &'a str, heading: &str, cells: usize) -> Vec<Vec<&'a str>> {
    let after = text.split_once(heading).unwrap_or_else(|| panic!("{heading}")).1;
    let part = after.split("\n## ").next().unwrap();
    let of = |line: &'a str| line.split('\t').collect::<Vec<_>>();
    part.lines().map(of).filter(|row| row.len() == cells).collect()
}

/// The words of a text that are, or are the end of, a product id: 93108TC-FX3, N9K-C9332D-H2R, 9804.
fn models(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| c.is_whitespace() || "<>,".contains(c));
    words
        .map(|word| word.strip_prefix("N9K-C").unwrap_or(word))
        .filter(|word| word.len() >= 4 && word.bytes().take(4).all(|b| b.is_ascii_digit()))
        .collect()
}

fn release_of(cell: &str) -> &str {
    let rest = cell.trim().strip_prefix("Cisco NX-OS Release ").unwrap_or_else(|| panic!("{cell}"));
    rest.split_whitespace().next().unwrap()
}

/// What a name in the guide stands for came with this release, and is told so.
fn came_with(catalogue: &Catalogue, name: &str, is_series: bool, release: &str) {
    let is_meant = |pid: &str, series: &str| {
        if is_series { series == name } else { pid[5..] == *name }
    };
    let rows = catalogue.platforms().iter();
    let meant: Vec<_> = rows.filter(|row| is_meant(&row.pid, &row.series)).collect();
    assert!(!meant.is_empty(), "no model for {name}");
    let first = meant.iter().map(|row| catalogue.release_index(&row.since)).min().unwrap();
    assert_eq!(first, catalogue.release_index(release), "{name}");
    if !is_series {
        assert!(meant.iter().all(|row| row.since == release), "{name}");
    }
}

/// Models and series with the release that brought them, and whether it is a series (REL-003, 004, 006 to 008, 010).
const PRODUCTS: [(&str, bool, &str); 13] = [
    ("9364C-H1", false, "10.4(3)F"),
    ("93108TC-FX3", false, "10.4(2)F"),
    ("93400LD-H1", false, "10.4(2)F"),
    ("9804", false, "10.4(1)F"),
    ("9332D-H2R", false, "10.4(1)F"),
    ("9348GC-FX3", false, "10.4(1)F"),
    ("9348GC-FX3PH", false, "10.4(1)F"),
    ("9408", false, "10.3(2)F"),
    ("9808", false, "10.3(1)F"),
    ("9500", true, "10.2(1)F"),
    ("9300", true, "10.2(1)F"),
    ("3600", true, "10.2(1)F"),
    ("3500", true, "10.2(1)F"),
];

/// PI-LIC-010
const SMALL: [&str; 3] = ["N9K-C93108TC-FX3P", "N9K-C93180YC-FX3", "N9K-C93180YC-FX3H"];

/// REL-012
const AGENTS: [(&str, &str); 4] = [
    ("10.2(4)M", "5.2.4_rel/79"),
    ("10.3(4a)M", "5.7.25_rel/84"),
    ("10.4(3)F", "5.7.30_rel/108"),
    ("10.5(1)F", "5.7.30_rel/108"),
];

#[test]
fn products_and_agents_are_those_of_the_requirements() {
    let catalogue = Catalogue::built_in();
    for (name, is_series, release) in PRODUCTS {
        came_with(&catalogue, name, is_series, release);
    }
    let small = catalogue.gate("24 ports").unwrap();
    assert_eq!(small.pids, SMALL);
    assert_eq!(small.since.as_deref(), Some("10.3(1)F"));
    for (version, agent) in AGENTS {
        let release = catalogue.release(version).unwrap();
        assert_eq!((release.agent.as_str(), release.assumed), (agent, false), "{version}");
    }
    let published = catalogue.releases().iter().filter(|row| row.has_slp() && !row.assumed);
    assert_eq!(published.count(), AGENTS.len());
}

/// PI-LIC-010, G-33
#[test]
fn a_licence_for_24_ports_covers_what_its_tier_does_and_comes_before_it() {
    let catalogue = Catalogue::built_in();
    let (few, whole): (Vec<_>, Vec<_>) =
        catalogue.tiers().iter().partition(|tier| tier.ports.is_some());
    assert_eq!(few.len(), whole.len());
    for (few, whole) in few.into_iter().zip(whole) {
        assert_eq!(
            (few.ports, few.license.as_str()),
            (Some(24), &*format!("{}_24P", whole.license))
        );
        assert_eq!((few.rank, &few.includes), (whole.rank, &whole.includes));
        assert_eq!(few.confidence, "assumed");
        let place = |license| catalogue.tiers().iter().position(|tier| tier.license == license);
        assert!(place(few.license.clone()) < place(whole.license.clone()));
    }
}

#[test]
fn products_are_those_of_the_guides_table() {
    let Some(guide) = guide() else { return };
    let catalogue = Catalogue::built_in();
    let mut found = 0;
    for row in rows(&guide, "**Table 2: Cisco Nexus Switches**", 2) {
        if row[0] == "Cisco Nexus Switches" {
            continue;
        }
        let (release, is_series) = (release_of(row[1]), row[0].contains("Series"));
        for name in models(row[0]) {
            came_with(&catalogue, name, is_series, release);
            assert!(PRODUCTS.contains(&(name, is_series, release)), "{name}");
            found += 1;
        }
        // The note below the 9300: which of them have a licence of 24 ports.
        if row[1].contains("24-port") {
            for pid in SMALL {
                assert!(row[1].contains(&format!("{pid}</li>")), "{pid}");
            }
            assert_eq!(row[1].matches("<li>").count(), SMALL.len());
        }
    }
    assert_eq!(found, PRODUCTS.len());
}

#[test]
fn agents_are_those_of_the_guides_table() {
    let Some(guide) = guide() else { return };
    let heading = "## Supported Version of SA, CSLU, and NX-OS for On-prem Version\n";
    let rows = rows(&guide, heading, 4);
    let pairs: Vec<_> = rows[1..].iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(pairs, AGENTS);
}

#[test]
fn what_the_feature_history_names_came_with_its_release() {
    let Some(guide) = guide() else { return };
    let catalogue = Catalogue::built_in();
    let heading = "## Feature History for Smart Licensing Using Policy\n";
    let mut found = 0;
    for row in rows(&guide, heading, 3) {
        if row[0] == "Release" {
            continue;
        }
        let release = release_of(row[0]);
        assert!(catalogue.release(release).is_some(), "{release}");
        let models =
            if row[1].starts_with("Licensing (SLP) Support") { models(row[1]) } else { vec![] };
        for name in models {
            came_with(&catalogue, name, false, release);
            found += 1;
        }
    }
    assert_eq!(found, 9);
}

#[test]
fn every_release_that_the_guide_names_is_there() {
    let Some(guide) = guide() else { return };
    let catalogue = Catalogue::built_in();
    let is_of_one = |c: char| c.is_ascii_alphanumeric() || "().".contains(c);
    let mut found = 0;
    for word in guide.split(|c: char| !is_of_one(c)) {
        let train = ["7.0(", "9.2(", "9.3(", "10.1(", "10.2(", "10.3(", "10.4(", "10.5("];
        let word = word.trim_end_matches('.');
        // 10.2(x) is any of them.
        if !train.iter().any(|begin| word.starts_with(begin)) || word.contains("(x)") {
            continue;
        }
        let end = word.find(')').unwrap_or_else(|| panic!("{word}"));
        let nxos = &word[..=end];
        assert!(catalogue.release(nxos).is_some(), "{word}");
        found += 1;
    }
    assert!(found > 50, "{found}");
}
