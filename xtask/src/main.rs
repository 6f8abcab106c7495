//! The developer's commands: `cargo xtask test`, `bench`, `mutations`, `soak`.
#![expect(clippy::print_stdout, reason = "these commands talk to whoever runs them")]

mod bench;
mod mutations;
mod package;
mod parts;
mod test;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const HELP: &str = "\
cargo xtask test [--no-install]   everything: format, lints, tests, documents, real parts
cargo xtask bench                 speed and memory, as ratios within one run
cargo xtask deb|image|sbom [--of EXECUTABLE]
                                  a Debian package, an image for containers, or the list of what is in them, in target/package;
                                  of an executable that is there, or of one that is built for it
cargo xtask mutations [TEXT]      puts faults in, one by one; a test has to fail for each
cargo xtask soak [SEEDS]          thousands of simulated worlds (5000 unless told otherwise), 500 kills of supervisors and 300 of parts of an estate,
                                  an hour of schemathesis;
                                  two builds that are the same, and the package on a clean root
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::run(true),
        ["test", "--no-install"] => test::run(false),
        [kind @ ("deb" | "image" | "sbom")] => package::run(kind, None),
        [kind @ ("deb" | "image" | "sbom"), "--of", executable] => {
            package::run(kind, Some(Path::new(executable)))
        }
        ["bench"] => bench::run(),
        ["mutations"] => mutations::run(""),
        ["mutations", only] => mutations::run(only),
        ["soak"] => soak("5000"),
        ["soak", seeds] => soak(seeds),
        _ => {
            print!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nFAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn soak(seeds: &str) -> Result<()> {
    step("release build", Command::new("cargo").args(["build", "--release"]))?;
    let mut simulator = Command::new(rumline());
    step("simulated worlds", simulator.args(["sim", "--seed", "1000000", "--seeds", seeds]))?;
    let mut pair = Command::new(parts::CLIENTS.python()?);
    pair.args(["tests/pair.py", "500"]).env("RUMLINE", rumline());
    step("two supervisors, 500 kills and switchovers", &mut pair)?;
    let mut estate = Command::new(parts::CLIENTS.python()?);
    estate.args(["tests/estate.py", "270", "30"]).env("RUMLINE", rumline());
    step("three processes over three databases, 300 kills", &mut estate)?;
    let mut schemas = Command::new(parts::SCHEMAS.python()?);
    schemas.arg("tests/schemas.py").env("RUMLINE", rumline()).env("SCHEMAS_SECONDS", "1200");
    step("schemathesis against the three servers, twenty minutes each", &mut schemas)?;
    let mut packages = Command::new(parts::CLIENTS.python()?);
    packages.args(["tests/packages.py", "--clean-root"]).env("RUMLINE", rumline());
    step("the package on a clean root", &mut packages)?;
    package::same_twice()
}

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The release executable.
fn rumline() -> PathBuf {
    root().join("target/release/rumline")
}

/// Runs a command in the project's folder and fails if it does.
fn step(name: &str, command: &mut Command) -> Result<()> {
    println!("\n== {name}");
    let status = command
        .current_dir(root())
        .status()
        .with_context(|| format!("{:?} cannot be started", command.get_program()))?;
    if !status.success() {
        bail!("{name} ({status})");
    }
    Ok(())
}
