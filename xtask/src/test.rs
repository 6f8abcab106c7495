//! `cargo xtask test`: everything that must hold, on this machine, with the real parts.

use std::process::Command;

use anyhow::Result;

use crate::parts::{self, Postgres, Venv};
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
    let features =
        "rumline-store/postgres-tests,rumline-cssm/postgres-tests,rumline-collector/postgres-tests";
    let mut tests = cargo(&["test", "--workspace", "--quiet", "--features", features]);
    step("tests, on SQLite and PostgreSQL", tests.env("RUMLINE_POSTGRES_URL", &postgres.url))?;
    let mut pages = cargo(&["test", "--workspace", "--quiet", "--features", features]);
    // How SQLite goes through its tables only SQLite can say.
    let of_sqlite = ["--", "--skip", "no_statement_of_the_api_looks_through_a_table_that_grows"];
    pages.args(["--test", "routes", "--test", "collector_routes"]).args(of_sqlite);
    pages.env("RUMLINE_POSTGRES_URL", &postgres.url).env("RUMLINE_TESTS_ON", "postgres");
    step("pages and API once more, on PostgreSQL", &mut pages)?;
    let mut documents = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    step("documentation", documents.env("RUSTDOCFLAGS", "-D warnings"))?;
    step("release build", &mut cargo(&["build", "--release", "--quiet"]))?;
    simulate()?;
    step("demo", Command::new(rumline()).args(["demo", "--verbose"]))?;
    end_to_end(&postgres)?;
    println!("\nAll tests passed.");
    Ok(())
}

fn simulate() -> Result<()> {
    let mut worlds = Command::new(rumline());
    step("simulated worlds", worlds.args(["sim", "--seeds", SEEDS]))?;
    // A simulator that notices nothing proves nothing: agents broken on purpose must be caught.
    for fault in ["loses-reports", "rolls-ledger-back", "says-settled", "stale-takes-over"] {
        println!("\n== an agent or a pair that {fault} must be caught");
        let mut broken = Command::new(rumline());
        let is_of_pairs = ["says-settled", "stale-takes-over"].contains(&fault);
        let seeds = if is_of_pairs { "3" } else { "12" };
        broken.args(["sim", "--as-it-is", "--seeds", seeds, "--ops", "30", "--broken", fault]);
        if is_of_pairs {
            broken.arg("--pairs");
        }
        let output = broken.current_dir(root()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        println!("{}", text.lines().last().unwrap_or_default());
        anyhow::ensure!(output.status.code() == Some(1), "nothing was noticed:\n{text}");
    }
    Ok(())
}

/// Clients people have, against the real processes: each script, and where its packages are.
const SCRIPTS: &[(&str, &Venv)] = &[
    ("netmiko_switch.py", &parts::CLIENTS),
    ("raw_login.py", &parts::CLIENTS),
    ("ssh_clients.py", &parts::CLIENTS),
    ("nxapi_clients.py", &parts::CLIENTS),
    ("scrapli_live.py", &parts::CLIENTS),
    ("scrapli_live.py", &parts::SCRAPLI),
    ("unicon_live.py", &parts::PARSERS),
    ("napalm_live.py", &parts::PARSERS),
    ("ansible_plays.py", &parts::ANSIBLE),
    ("ansible_boxes.py", &parts::ANSIBLE),
    ("ansible_fleet.py", &parts::ANSIBLE),
    ("terraform_example.py", &parts::CLIENTS),
    ("examples.py", &parts::CLIENTS),
    ("documents.py", &parts::CLIENTS),
    ("cases.py", &parts::CLIENTS),
    ("judges.py", &parts::CLIENTS),
    ("parsers.py", &parts::CLIENTS),
    ("parsers.py --all", &parts::PARSERS),
    ("openssl_verify.py", &parts::CLIENTS),
    ("forgeries.py", &parts::CLIENTS),
    ("write_erase.py", &parts::CLIENTS),
    ("tftp_copy.py", &parts::CLIENTS),
    ("around.py", &parts::CLIENTS),
    ("network_tools.py", &parts::CLIENTS),
    ("ways.py", &parts::CLIENTS),
    ("doctor.py", &parts::CLIENTS),
    ("endless.py", &parts::CLIENTS),
    ("vendor.py", &parts::CLIENTS),
    ("cssm_postgres.py", &parts::CLIENTS),
    ("several_processes.py", &parts::CLIENTS),
    ("estate.py", &parts::CLIENTS),
    ("mail_alerts.py", &parts::CLIENTS),
    ("operations.py", &parts::CLIENTS),
    ("traces.py", &parts::CLIENTS),
    ("schemas.py", &parts::SCHEMAS),
    ("made_client.py", &parts::SCHEMAS),
    ("public_clients.py", &parts::CLIENTS),
    ("backup.py", &parts::CLIENTS),
    ("packages.py", &parts::CLIENTS),
    ("crash.py", &parts::CLIENTS),
    ("pair.py", &parts::CLIENTS),
    ("pair_hosts.py", &parts::CLIENTS),
    ("discovery.py", &parts::CLIENTS),
    ("flips.py", &parts::CLIENTS),
    ("collectors.py", &parts::CLIENTS),
    ("collector_commands.py", &parts::CLIENTS),
    ("demo_ends.py", &parts::CLIENTS),
    ("lab_command.py", &parts::CLIENTS),
    ("browser.py", &parts::CLIENTS),
    ("oidc.py", &parts::CLIENTS),
    ("pages.py", &parts::CLIENTS),
    // What clients need was shown by those before it.
    ("boxes.py", &parts::CLIENTS),
];

fn end_to_end(postgres: &Postgres) -> Result<()> {
    let boxes = std::env::temp_dir().join(format!("rumline-boxes-{}", std::process::id()));
    for (script, venv) in SCRIPTS {
        let mut test = Command::new(venv.python()?);
        let mut words = script.split(' ');
        test.arg(root().join("tests").join(words.next().unwrap_or_default()))
            .args(words)
            .env("RUMLINE", rumline())
            .env("RUMLINE_BOXES", &boxes)
            .env("RUMLINE_NPM", parts::npm())
            .env("RUMLINE_POSTGRES_URL", &postgres.url);
        step(&format!("end to end: {script}"), &mut test)?;
    }
    std::fs::remove_file(boxes)?;
    Ok(())
}
