//! Each message that the code can give has a topic, and it says what the code says.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rumline_help::{Document, topic};

fn crates(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The source below a folder, without tests in it.
fn source(folder: &str) -> String {
    let mut text = String::new();
    let mut paths = vec![crates(folder)];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = std::fs::read_to_string(&path).unwrap();
            text.push_str(file.split("#[cfg(test)]").next().unwrap());
        }
    }
    text
}

/// A topic's text without regard to line ends.
fn said(id: &str) -> String {
    let topic = topic(id).unwrap_or_else(|| panic!("there is no topic for {id}"));
    assert_eq!(topic.document, Document::Messages, "{id}");
    topic.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_code(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '-')
}

/// What stands between two words of a text.
fn part<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let text = text.split_once(from).unwrap_or_else(|| panic!("{from} is gone")).1;
    text.split_once(to).unwrap_or_else(|| panic!("{to} is gone")).0
}

/// The name of each `Self::Name` in a piece of source.
fn variants(text: &str) -> impl Iterator<Item = &str> {
    text.split("Self::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default())
}

#[test]
fn every_licensing_message_of_the_code_has_a_topic_with_its_severity() {
    // PI-MSG-001, PI-MSG-006 to 018, PI-MSG-019
    let syslog = std::fs::read_to_string(crates("agent/src/syslog.rs")).unwrap();
    let mut severities = BTreeMap::new();
    let mut group = Vec::new();
    for line in part(&syslog, "fn severity", "fn mnemonic").lines() {
        group.extend(variants(line));
        if let Some((_, digit)) = line.split_once("=> ") {
            severities
                .extend(group.drain(..).map(|name| (name, digit.trim().trim_end_matches(','))));
        }
    }
    let mut mnemonics = BTreeSet::new();
    for line in part(&syslog, "fn mnemonic", "fn text")
        .lines()
        .filter(|line| line.contains("LOG_SMART_LIC_"))
    {
        let name = variants(line).next().unwrap();
        let mnemonic = line.split('"').nth(1).unwrap();
        let wanted = format!("%LICMGR-{}-{mnemonic}: ", severities[name]);
        assert!(
            said(mnemonic).contains(&wanted),
            "{mnemonic}: not of severity {}",
            severities[name]
        );
        let severity = format!("Severity {}", severities[name]);
        assert!(said(mnemonic).contains(&severity), "{mnemonic} does not say {severity}");
        mnemonics.insert(mnemonic);
    }
    assert_eq!(mnemonics.len(), severities.len());
    assert!(mnemonics.len() >= 17, "{mnemonics:?}");
    for never in
        ["AUTHORIZATION_INSTALL_FAILED", "AUTHORIZATION_INSTALL_SUCCESS", "AUTHORIZATION_REMOVED"]
    {
        assert!(said(never).contains("Never given"), "{never}");
    }
}

#[test]
fn the_texts_of_the_messages_are_those_of_the_code() {
    // PI-MSG-006 to 018
    let syslog = std::fs::read_to_string(crates("agent/src/syslog.rs")).unwrap();
    let all: Vec<String> = Document::Messages.topics().map(|topic| said(&topic.id)).collect();
    let mut seen = 0;
    let texts = part(&syslog, "fn text", "impl fmt::Display").replace("\\\n", "");
    for literal in texts.split('"').skip(1).step_by(2) {
        let literal = literal.split_whitespace().collect::<Vec<_>>().join(" ");
        let fixed: Vec<&str> = literal
            .split('{')
            .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
            .collect();
        let is_there = |text: &String| {
            let mut rest = text.as_str();
            fixed.iter().all(|part| match rest.find(part.trim()) {
                Some(at) => {
                    rest = &rest[at + part.trim().len()..];
                    true
                }
                None => false,
            })
        };
        assert!(all.iter().any(is_there), "no topic has: {literal}");
        seen += 1;
    }
    assert!(seen >= 17, "{seen}");
}

#[test]
fn every_other_system_message_of_the_switch_has_a_topic_too() {
    // PI-MSG-001, PI-MSG-019
    let mut found = BTreeSet::new();
    for text in
        [source("switch/src"), source("agent/src"), source("host/src"), source("legacy/src")]
    {
        for rest in text.split('%').skip(1) {
            let code: String = rest.chars().take_while(|c| is_code(*c)).collect();
            let parts: Vec<&str> = code.split('-').collect();
            let is_message = parts.len() >= 3
                && parts[parts.len() - 2].len() == 1
                && rest[code.len()..].starts_with(':');
            if is_message && parts.iter().all(|part| !part.is_empty()) {
                found.insert(code);
            }
        }
    }
    assert!(found.contains("VSHD-5-VSHD_SYSLOG_CONFIG_I"), "{found:?}");
    for code in found {
        assert!(said(&code).contains(&format!("%{code}: ")), "{code}");
    }
}

#[test]
fn the_variable_fields_are_explained() {
    // PI-MSG-004
    let text = said("variable-fields");
    for field in ["char", "chars", "dec", "enet", "hex", "inet", "int", "node", "t-line", "clock"] {
        assert!(text.contains(&format!("| [{field}] | ")), "{field}");
    }
    assert!(said("how-to-read-a-message").contains("`%FACILITY-SEVERITY-MNEMONIC: Message-text`"));
}

#[test]
fn each_message_says_what_to_do() {
    // PI-MSG-019
    let wanted: [(&str, &[&str]); 7] = [
        ("POLICY_INSTALL_FAILED", &["ntp server", "clock set"]),
        (
            "COMM_FAILED",
            &["license smart url smart", "show running-config callhome all", "cslu-local", "8182"],
        ),
        (
            "POLICY_REMOVED",
            &[
                "license smart sync",
                "license smart trust idtoken",
                "license smart import",
                "export",
            ],
        ),
        ("TRUST_CODE_INSTALL_FAILED", &["force", "SA/VA mismatch", "clock"]),
        ("REPORTING_NOT_SUPPORTED", &["topologies.md", "8-202108"]),
        (
            "REPORTING_REQUIRED",
            &["license smart sync", "license smart save usage", "upload", "license smart import"],
        ),
        ("COMM_RESTORED", &["Nothing to do"]),
    ];
    for (name, words) in wanted {
        let text = said(name);
        for word in words {
            assert!(text.contains(word), "{name} does not say {word}");
        }
    }
}
