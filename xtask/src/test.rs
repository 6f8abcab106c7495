//! `cargo xtask test`: everything that must hold, on this machine, with the real parts.

use std::process::Command;

use anyhow::Result;

use crate::parts::{self, Postgres};
use crate::{root, rumline, step};

/// Simulated worlds in the test command; `soak` runs thousands.
const SEEDS: &str = "300";

pub(crate) fn run(install: bool) -> Result<()> {
    parts::prepare(install)?;
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(arguments);
        command
    };
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let mut lints = cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--quiet"]);
    step("lints", lints.args(["--", "-D", "warnings"]))?;
    let postgres = Postgres::start()?;
    let features = "rumline-store/postgres-tests,rumline-cssm/postgres-tests";
    let mut tests = cargo(&["test", "--workspace", "--quiet", "--features", features]);
    step("tests, on SQLite and PostgreSQL", tests.env("RUMLINE_POSTGRES_URL", &postgres.url))?;
    let mut documents = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    step("documentation", documents.env("RUSTDOCFLAGS", "-D warnings"))?;
    step("release build", &mut cargo(&["build", "--release", "--quiet"]))?;
    simulate()?;
    step("demo", Command::new(rumline()).arg("demo"))?;
    end_to_end(&postgres)?;
    println!("\nAll tests passed.");
    Ok(())
}

fn simulate() -> Result<()> {
    let mut worlds = Command::new(rumline());
    step("simulated worlds", worlds.args(["sim", "--seeds", SEEDS]))?;
    // A simulator that notices nothing proves nothing: agents broken on purpose must be caught.
    for fault in ["loses-reports", "rolls-ledger-back"] {
        println!("\n== an agent that {fault} must be caught");
        let mut broken = Command::new(rumline());
        broken.args(["sim", "--seeds", "12", "--ops", "30", "--broken", fault]);
        let output = broken.current_dir(root()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        println!("{}", text.lines().last().unwrap_or_default());
        anyhow::ensure!(output.status.code() == Some(1), "nothing was noticed:\n{text}");
    }
    Ok(())
}

/// Clients people have, against the real processes.
fn end_to_end(postgres: &Postgres) -> Result<()> {
    for script in [
        "netmiko_switch.py",
        "ssh_clients.py",
        "nxapi_clients.py",
        "ansible_plays.py",
        "examples.py",
        "cases.py",
        "judges.py",
        "parsers.py",
        "openssl_verify.py",
        "forgeries.py",
        "write_erase.py",
        "tftp_copy.py",
        "cssm_postgres.py",
        "crash.py",
        "discovery.py",
        "flips.py",
        "collectors.py",
        "browser.py",
    ] {
        let venv = if script == "ansible_plays.py" { &parts::ANSIBLE } else { &parts::CLIENTS };
        let mut test = Command::new(venv.python()?);
        test.arg(root().join("tests").join(script))
            .env("RUMLINE", rumline())
            .env("RUMLINE_POSTGRES_URL", &postgres.url);
        step(&format!("end to end: {script}"), &mut test)?;
    }
    Ok(())
}
