//! `cargo xtask bench`.

use std::process::Command;

use anyhow::Result;

use crate::step;

pub(crate) fn run() -> Result<()> {
    let mut bench = Command::new("cargo");
    bench.args(["run", "--release", "--quiet", "--package", "rumline-bench"]);
    step("bench", &mut bench)
}
