//! Arrows between crates go down only, and only the edges know sockets and runtimes.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// The floor of each crate: a crate may use those on lower floors.
const FLOORS: [(&str, u32); 19] = [
    ("rumline-protocol", 1),
    ("rumline-cli", 1),
    ("rumline-help", 1),
    ("rumline-doctor", 1),
    ("rumline-store", 1),
    ("rumline-catalogue", 2),
    ("rumline-agent", 2),
    ("rumline-server", 2),
    ("rumline-legacy", 2),
    ("rumline-collector", 3),
    ("rumline-cssm", 3),
    ("rumline-net", 3),
    ("rumline-switch", 3),
    ("rumline-host", 4),
    ("rumline-web", 4),
    ("rumline-sim", 4),
    ("rumline-testkit", 4),
    ("rumline", 5),
    ("rumline-bench", 6),
];

/// What pure crates must not know.
const EDGE_ONLY: [&str; 8] =
    ["tokio", "axum", "hyper", "reqwest", "russh", "rustix", "tracing", "rustls"];
const PURE: [&str; 13] = [
    "rumline-protocol",
    "rumline-cli",
    "rumline-help",
    "rumline-doctor",
    "rumline-store",
    "rumline-catalogue",
    "rumline-agent",
    "rumline-server",
    "rumline-legacy",
    "rumline-collector",
    "rumline-cssm",
    "rumline-switch",
    "rumline-sim",
];

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let normal = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap();
        all.iter().filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect()
    };
    packages.iter().map(|package| (text(&package["name"]), normal(package))).collect()
}

#[test]
fn arrows_between_crates_go_down_only() {
    let floors: BTreeMap<&str, u32> = FLOORS.into();
    for (name, uses) in dependencies() {
        if name == "xtask" {
            assert!(!uses.iter().any(|used| used.starts_with("rumline")), "xtask stands alone");
            continue;
        }
        let own = floors.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no floor"));
        for used in uses.iter().filter(|used| used.starts_with("rumline")) {
            assert!(floors[used.as_str()] < *own, "{name} must not use {used}");
        }
    }
}

#[test]
fn pure_crates_know_no_sockets_and_no_runtime() {
    for (name, uses) in dependencies() {
        if PURE.contains(&name.as_str()) {
            for used in uses {
                assert!(!EDGE_ONLY.contains(&used.as_str()), "{name} must not use {used}");
            }
        }
    }
}

#[test]
fn the_agent_knows_no_server_and_no_server_knows_the_agent() {
    let all = dependencies();
    assert!(!all["rumline-agent"].iter().any(|used| used == "rumline-cssm"));
    assert!(!all["rumline-cssm"].iter().any(|used| used == "rumline-agent"));
}
