//! What the documents have to hold.

use std::collections::BTreeSet;
use std::path::Path;

use rumline_help::{Document, Topic, topic, topics};

fn text_of(id: &str) -> String {
    let topic = topic(id).unwrap_or_else(|| panic!("there is no topic {id}"));
    topic.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_says(id: &str, words: &[&str]) {
    let text = text_of(id);
    for word in words {
        assert!(text.contains(word), "{id} does not say {word}:\n{text}");
    }
}

#[test]
fn the_thirty_questions_of_the_guide_have_an_answer_each() {
    // FAQ-001
    let questions: Vec<&Topic> =
        Document::Questions.topics().filter(|topic| !topic.is_beginning()).collect();
    assert_eq!(questions.len(), 30);
    for (place, question) in questions.into_iter().enumerate() {
        let number = place + 1;
        assert_eq!(question.id, format!("faq-{number}"));
        assert!(question.title.starts_with(&format!("{number}. ")), "{}", question.title);
        assert!(question.title.ends_with('?'), "{}", question.title);
        let answer = text_of(&question.id);
        // Each answer ends with its page and its requirement.
        let source = answer.rsplit_once('(').map_or("", |(_, source)| source);
        assert!(source.starts_with("p. ") && source.ends_with(')'), "{}: {source}", question.id);
        assert!(source.contains("FAQ-00"), "{}: {source}", question.id);
        assert!(answer.len() > source.len() + 4, "{} says nothing", question.id);
    }
}

#[test]
fn answers_say_how_often_reports_are_due() {
    // FAQ-002
    assert_says(
        "faq-5",
        &["| first use | within 90 days |", "| a change of use | within 90 days |", "365 days"],
    );
    assert_says("faq-16", &["90 days, if at least one feature"]);
}

#[test]
fn the_comparison_has_its_columns_the_right_way_round() {
    // FAQ-001, C-10
    let answer = topic("faq-3").unwrap().text;
    let rows: Vec<&str> = answer.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows[0], "| Smart Licensing Using Policy | Smart Licensing |");
    let (with_policy, without) = rows[2][1..].split_once(" | ").unwrap();
    assert!(with_policy.contains("no evaluation mode"), "{with_policy}");
    assert!(without.contains("Evaluation mode"), "{without}");
    assert!(rows.iter().any(|row| row.ends_with("every 30 days |")), "{answer}");
}

#[test]
fn answers_name_what_the_guide_prints_otherwise() {
    // C-10, C-11, C-46, C-54; C-03, C-07, C-17, C-45
    for (number, contradiction) in [
        (3, "C-10"),
        (4, "C-11"),
        (6, "C-03"),
        (8, "C-17"),
        (18, "C-45"),
        (21, "C-07"),
        (21, "C-54"),
        (26, "C-46"),
    ] {
        assert_says(&format!("faq-{number}"), &["The guide", contradiction]);
    }
    assert_says("faq-4", &["10.1(2) and 10.2(1)F are meant"]);
    assert_says("faq-21", &["authorization codes, which do not exist here"]);
    assert_says("faq-26", &["all licenses are unenforced"]);
}

#[test]
fn answers_name_each_way_of_reporting() {
    // FAQ-005
    assert_says("faq-7", &["directly to CSSM", "off-line", "CSLU", "SSM On-Prem", "API"]);
}

#[test]
fn the_chooser_says_of_each_topology_when_it_is_the_right_one() {
    // FAQ-003, C-14
    for number in 1..=6 {
        let how_to = format!("topology-{number}.md");
        assert_says(&format!("topology-{number}"), &["Choose it ", &how_to, "TOPO-"]);
    }
    let one_account = "one Smart Account and Virtual Account";
    assert_says("topology-1", &["shall not connect to CSSM themselves", one_account]);
    assert_says("topology-2", &["registered there already", "Smart transport is the preferred"]);
    assert_says("topology-3", &["no connection to CSSM", "collected at one place", one_account]);
    assert_says(
        "topology-4",
        &["seen and managed on your premises", "several Smart or Virtual Accounts"],
    );
    assert_says(
        "topology-6",
        &["nothing outside its network", "not seen anywhere before the upload"],
    );
    assert_says("choose", &["C-14"]);
}

#[test]
fn the_references_are_those_of_the_guide_and_rumlines_own() {
    // FAQ-004
    let titles = [
        "Smart Software Manager Help",
        "Cisco Smart License Utility Quick Start Setup Guide",
        "Cisco Smart License Utility User Guide",
        "Cisco NX-OS Licensing Options Guide",
        "Cisco NX-OS Licensing Guide",
    ];
    assert_says("ciscos-documents", &titles);
    let own = text_of("rumlines-documents");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for name in own.split(['`', '[', ']']).filter(|name| name.ends_with(".md")) {
        assert!(docs.join(name).is_file(), "{name}");
    }
    for document in Document::ALL.into_iter().filter(|known| *known != Document::References) {
        assert!(own.contains(document.file()), "{}", document.file());
    }
}

#[test]
fn the_glossary_has_the_terms_of_the_guide() {
    // GLOSS-001
    let wanted = [
        "SLP",
        "CSLU",
        "PI",
        "SA",
        "UDI",
        "CSSM",
        "RUM report",
        "push mode",
        "enforced license",
        "unenforced license",
        "PAK",
        "Reported state",
        "Un-Reported state",
        "ACK",
        "VA",
        "On-Prem",
        "DLC",
        "RMA",
    ];
    let titles = Document::Glossary.topics().filter(|topic| !topic.is_beginning());
    let terms: BTreeSet<&str> = titles.flat_map(|topic| topic.title.split(", ")).collect();
    for term in wanted {
        assert!(terms.contains(term), "{term} is in no row");
    }
    assert_says("term-udi", &["product id", "serial number", "C-47"]);
    assert_says("term-rum-report", &["ISO 19770-4"]);
}

#[test]
fn the_flows_of_the_guide_are_there() {
    // TSHOOT-001 to 005
    assert_says(
        "trust-code-installation-failed",
        &["already installed", "timestamp mismatch", "force", "ntp server"],
    );
    let lines = [
        "ip domain-lookup",
        "ip domain-name",
        "ip name-server",
        "ip host cslu-local",
        "vrf context",
    ];
    assert_says("communication-failed", &lines);
    assert_says(
        "communication-failed",
        &["`Smart`", "`CSLU`", "`Callhome`", "Cslu address", "license smart url cslu"],
    );
    assert_says(
        "usage-report-not-sent",
        &["show license tech support", "RUM report due", "type and URL"],
    );
    let ways = [
        "15 minutes",
        "license smart sync",
        "AllFiles.zip",
        "record not found",
        "Export Usage to Cisco",
        "another account",
    ];
    assert_says("ack-not-received", &ways);
    let checks = [
        "CiscoTAC-1",
        "ACTIVE",
        "no shutdown",
        "subnet",
        "source interface",
        "firewall",
        "DNS",
        "routes",
    ];
    assert_says("comm_failed", &checks);
}

#[test]
fn no_two_topics_share_an_id_and_ids_are_slugs() {
    // FAQ-001, GLOSS-001
    let mut ids = BTreeSet::new();
    for topic in topics() {
        assert!(ids.insert(&topic.id), "{} is twice there", topic.id);
        let is_slug =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        assert!(!topic.id.is_empty() && topic.id.chars().all(is_slug), "{}", topic.id);
        assert!(!topic.title.is_empty() && !topic.text.is_empty(), "{} is empty", topic.id);
    }
    for document in Document::ALL {
        assert!(document.topics().next().is_some_and(Topic::is_beginning), "{document:?}");
    }
}

#[test]
fn topics_spell_as_the_guide_does() {
    for topic in topics() {
        let text = format!("{} {} {}", topic.id, topic.title, topic.text).to_lowercase();
        assert!(!text.contains("licence"), "{} says licence", topic.id);
    }
}
