//! `rumline.cdx.json`: what the executable is made of, as CycloneDX 1.5 has it, from what cargo knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Parts, run_tool};

/// Makes it.
pub(super) fn make(root: &Path, parts: &Parts) -> Result<String> {
    let told = run_tool(
        Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform"])
            .arg(target()?)
            .current_dir(root),
    )?;
    let metadata: Value = serde_json::from_str(&told).context("what cargo knows")?;
    let lock: toml::Table = std::fs::read_to_string(root.join("Cargo.lock"))?.parse()?;
    let sbom = of(&metadata, &lock, &parts.version, &time(parts.epoch)?)?;
    Ok(serde_json::to_string_pretty(&sbom)? + "\n")
}

fn target() -> Result<String> {
    let told = run_tool(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

fn time(epoch: u64) -> Result<String> {
    let told = run_tool(Command::new("date").args([
        "-u",
        "+%Y-%m-%dT%H:%M:%SZ",
        "-d",
        &format!("@{epoch}"),
    ]))?;
    Ok(told.trim().to_owned())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// From the graph of what `rumline` needs when it runs; what only builds or tests it is none of it.
fn of(metadata: &Value, lock: &toml::Table, version: &str, time: &str) -> Result<Value> {
    let packages: BTreeMap<&str, &Value> =
        list(metadata, "packages").iter().map(|package| (text(package, "id"), package)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"], "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let sums: BTreeMap<(&str, &str), &str> = lock["package"]
        .as_array()
        .context("Cargo.lock names no packages")?
        .iter()
        .filter_map(|package| {
            let of = |name: &str| package.get(name)?.as_str();
            Some(((of("name")?, of("version")?), of("checksum")?))
        })
        .collect();
    let is_rumline =
        |id: &&&str| packages.get(**id).is_some_and(|package| text(package, "name") == "rumline");
    let first = *nodes.keys().find(is_rumline).context("there is no rumline")?;
    let (mut waiting, mut uses) = (vec![first], BTreeMap::new());
    while let Some(id) = waiting.pop() {
        if uses.contains_key(id) {
            continue;
        }
        let deps = nodes.get(id).map(|node| list(node, "deps")).unwrap_or_default();
        let is_normal =
            |dep: &&Value| list(dep, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
        let used: BTreeSet<&str> =
            deps.iter().filter(is_normal).map(|dep| text(dep, "pkg")).collect();
        waiting.extend(used.iter().copied());
        uses.insert(id, used);
    }
    let url = |id: &str| {
        let package = packages.get(id)?;
        Some(format!("pkg:cargo/{}@{}", text(package, "name"), text(package, "version")))
    };
    let component = |id: &str| {
        let package = packages.get(id)?;
        let (name, version) = (text(package, "name"), text(package, "version"));
        let mut component = json!({
            "type": "library", "bom-ref": url(id)?, "name": name, "version": version, "purl": url(id)?,
            "scope": "required",
        });
        if let Some(license) = package["license"].as_str() {
            // An older way to say OR.
            component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
        }
        if let Some(sum) = sums.get(&(name, version)) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        Some(component)
    };
    let components: Vec<Value> =
        uses.keys().filter(|id| **id != first).filter_map(|id| component(id)).collect();
    let dependencies: Vec<Value> = uses
        .iter()
        .filter_map(|(id, used)| {
            let used: Vec<String> = used.iter().filter_map(|id| url(id)).collect();
            Some(json!({ "ref": url(id)?, "dependsOn": used }))
        })
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "component": {
                "type": "application", "bom-ref": url(first), "name": "rumline", "version": version,
                "purl": url(first), "licenses": [{ "expression": "Apache-2.0 OR MIT" }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_builds_or_tests_is_no_part() {
        let package = |name: &str| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0" });
        let dep = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let packages = ["rumline", "used", "below", "builds", "tests"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": { "nodes": [
                { "id": "rumline", "deps": [dep("used", Value::Null), dep("tests", json!("dev"))] },
                { "id": "used", "deps": [dep("below", Value::Null), dep("builds", json!("build"))] },
                { "id": "below", "deps": [] },
            ] },
        });
        let lock =
            "[[package]]\nname = \"used\"\nversion = \"1.0.0\"\nchecksum = \"ab\"".parse().unwrap();
        let sbom = of(&metadata, &lock, "0.1.0", "1970-01-01T00:00:00Z").unwrap();
        let names: Vec<&str> =
            list(&sbom, "components").iter().map(|one| text(one, "name")).collect();
        assert_eq!(names, ["below", "used"]);
        assert_eq!(sbom["components"][1]["hashes"][0]["content"], "ab");
        assert_eq!(sbom["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(sbom["dependencies"].as_array().unwrap().len(), 3);
    }
}
