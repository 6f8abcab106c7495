//! Puts faults in, one by one, and wants a test or a simulated world to fail for each: what cannot fail proves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::root;

#[derive(Deserialize)]
struct Table {
    mutation: Vec<Mutation>,
}

/// A fault, and what has to notice it.
#[derive(Deserialize)]
struct Mutation {
    name: String,
    file: PathBuf,
    from: String,
    to: String,
    #[serde(flatten)]
    witness: Witness,
}

/// What passes without a fault and fails with it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Witness {
    Test {
        package: String,
        test: Vec<String>,
    },
    /// A simulated world, by its seed, in which that happens which the simulator calls so.
    World {
        seed: u64,
        item: String,
    },
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
    let unpacked = Command::new("tar").args(["-xmf", "project.tar"]).current_dir(&copy).status()?;
    ensure!(unpacked.success(), "tar failed");
    let mut unnoticed = Vec::new();
    for mutation in table.mutation.iter().filter(|mutation| mutation.name.contains(only)) {
        let noticed = try_one(&copy, mutation).with_context(|| mutation.name.clone())?;
        let of = match &mutation.witness {
            Witness::Test { .. } => String::new(),
            Witness::World { seed, item } => format!("  [world {seed}: {item}]"),
        };
        println!("{}  {}{of}", if noticed { "noticed  " } else { "UNNOTICED" }, mutation.name);
        if !noticed {
            unnoticed.push(mutation.name.as_str());
        }
    }
    if unnoticed.is_empty() { Ok(()) } else { bail!("unnoticed: {}", unnoticed.join("; ")) }
}

/// Whether the witness fails with the fault in; that it compiles with it, and passes without, is seen to.
fn try_one(copy: &Path, mutation: &Mutation) -> Result<bool> {
    let path = copy.join(&mutation.file);
    let genuine = std::fs::read_to_string(&path)?;
    let count = genuine.matches(&mutation.from).count();
    ensure!(count == 1, "the text to replace stands {count} times in {}", path.display());
    let witness = &mutation.witness;
    ensure!(compiles(copy, witness)? && passes(copy, witness)?, "it fails without the fault");
    std::fs::write(&path, genuine.replace(&mutation.from, &mutation.to))?;
    let compiled = compiles(copy, witness);
    let passed = passes(copy, witness);
    std::fs::write(&path, genuine)?;
    ensure!(compiled?, "it does not compile with the fault");
    Ok(!passed?)
}

fn compiles(copy: &Path, witness: &Witness) -> Result<bool> {
    match witness {
        Witness::Test { package, test } => cargo(copy, &["test", "-p", package, "--no-run"], test),
        Witness::World { .. } => cargo(copy, &["build", "-p", "rumline"], &[]),
    }
}

fn passes(copy: &Path, witness: &Witness) -> Result<bool> {
    match witness {
        Witness::Test { package, test } => cargo(copy, &["test", "-p", package], test),
        Witness::World { seed, .. } => {
            let mut world = Command::new(builds()?.join("debug/rumline"));
            world.args(["sim", "--as-it-is", "--seed", &seed.to_string()]);
            Ok(world.output()?.status.success())
        }
    }
}

fn cargo(copy: &Path, command: &[&str], more: &[String]) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    cargo.args(command).arg("--quiet").args(more).current_dir(copy);
    cargo.env("CARGO_TARGET_DIR", builds()?);
    Ok(cargo.output()?.status.success())
}

fn builds() -> Result<PathBuf> {
    Ok(root().canonicalize()?.join("target/mutations-build"))
}
