//! Inside a crate, too, arrows go down only: no module uses one that uses it, not by any way round.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Circles that are still there, by crate and module. This list gets shorter, never longer.
const LEFT: [(&str, &[&str]); 4] = [
    ("agent", &["ledger", "reports", "series"]),
    (
        "protocol",
        &[
            "account",
            "ack",
            "crypto",
            "document",
            "older",
            "policy",
            "report",
            "revocation",
            "statement",
            "text",
            "trust",
        ],
    ),
    ("sim", &["collectors", "ops", "pair", "world"]),
    ("web", &["page", "site"]),
];

type Uses = BTreeMap<String, BTreeSet<String>>;

/// What each module at the top of a crate names after `crate::`, its tests left out.
fn uses(src: &Path) -> Uses {
    let mut all = Uses::new();
    let mut files = vec![src.to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let inside = path.strip_prefix(src).unwrap().with_extension("");
        let module = inside.iter().next().unwrap().to_str().unwrap().to_owned();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let named = all.entry(module).or_default();
        for rest in text.split("crate::").skip(1) {
            // One name, or several in braces.
            let end = if rest.starts_with('{') { rest.find("};") } else { None };
            let words = end.map_or(rest, |end| &rest[..end]);
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let all = words.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
            named.extend(all.take(if end.is_some() { usize::MAX } else { 1 }).map(str::to_owned));
        }
    }
    let modules: BTreeSet<String> = all.keys().cloned().collect();
    for (module, named) in &mut all {
        named.retain(|name| name != module && modules.contains(name));
    }
    all
}

/// All that a module reaches.
fn reached(all: &Uses, from: &str) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = next.pop() {
        for used in &all[&module] {
            if found.insert(used.clone()) {
                next.push(used.clone());
            }
        }
    }
    found
}

#[test]
fn no_module_uses_one_that_uses_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        let entry = entry.unwrap();
        let all = uses(&entry.path().join("src"));
        let reach: BTreeMap<&String, _> =
            all.keys().map(|from| (from, reached(&all, from))).collect();
        for (module, reaches) in &reach {
            let circle: BTreeSet<String> =
                reaches.iter().filter(|other| reach[*other].contains(*module)).cloned().collect();
            if !circle.is_empty() {
                found.insert((entry.file_name().into_string().unwrap(), circle));
            }
        }
    }
    let left = LEFT.map(|(name, modules)| {
        (name.to_owned(), modules.iter().map(|module| (*module).to_owned()).collect())
    });
    assert_eq!(found, BTreeSet::from(left));
}
