//! Puts faults in, one by one, and wants a test to fail for each: a test that cannot fail proves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::root;

#[derive(Deserialize)]
struct Table {
    mutation: Vec<Mutation>,
}

/// A fault, and the test that has to notice it.
#[derive(Deserialize)]
struct Mutation {
    name: String,
    file: PathBuf,
    from: String,
    to: String,
    package: String,
    test: Vec<String>,
}

/// Tries those whose name holds a text, all without one, in a copy of what is committed.
pub(crate) fn run(only: &str) -> Result<()> {
    let text = std::fs::read_to_string(root().join("xtask/mutations.toml"))?;
    let table: Table = toml::from_str(&text)?;
    let copy = root().join("target/mutations");
    if copy.exists() {
        std::fs::remove_dir_all(&copy)?;
    }
    std::fs::create_dir_all(&copy)?;
    let archive = Command::new("git").args(["archive", "HEAD"]).current_dir(root()).output()?;
    ensure!(archive.status.success(), "git archive failed");
    let file = copy.join("project.tar");
    std::fs::write(&file, archive.stdout)?;
    let unpacked = Command::new("tar").args(["-xf", "project.tar"]).current_dir(&copy).status()?;
    ensure!(unpacked.success(), "tar failed");
    let mut unnoticed = Vec::new();
    for mutation in table.mutation.iter().filter(|mutation| mutation.name.contains(only)) {
        let noticed = try_one(&copy, mutation).with_context(|| mutation.name.clone())?;
        println!("{}  {}", if noticed { "noticed  " } else { "UNNOTICED" }, mutation.name);
        if !noticed {
            unnoticed.push(mutation.name.as_str());
        }
    }
    if unnoticed.is_empty() { Ok(()) } else { bail!("unnoticed: {}", unnoticed.join("; ")) }
}

/// Whether the test fails with the fault in; that it compiles with it, and passes without, is seen to.
fn try_one(copy: &Path, mutation: &Mutation) -> Result<bool> {
    let path = copy.join(&mutation.file);
    let genuine = std::fs::read_to_string(&path)?;
    let count = genuine.matches(&mutation.from).count();
    ensure!(count == 1, "the text to replace stands {count} times in {}", path.display());
    ensure!(test(copy, mutation, &[])?, "the test fails without the fault");
    std::fs::write(&path, genuine.replace(&mutation.from, &mutation.to))?;
    let compiled = test(copy, mutation, &["--no-run"]);
    let passed = test(copy, mutation, &[]);
    std::fs::write(&path, genuine)?;
    ensure!(compiled?, "it does not compile with the fault");
    Ok(!passed?)
}

fn test(copy: &Path, mutation: &Mutation, more: &[&str]) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--quiet", "--package", &mutation.package]).args(more);
    cargo.args(&mutation.test).current_dir(copy);
    cargo.env("CARGO_TARGET_DIR", root().canonicalize()?.join("target/mutations-build"));
    Ok(cargo.output()?.status.success())
}
