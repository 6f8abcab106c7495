//! `rumline verify`: what a file is, who signed it, and what it says.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use rumline_net::{Clock, pem_to_der};
use rumline_protocol::{PublicKey, RealSuite, SigningType, from_base64, verify_bytes};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Usage files, ACKs, policies, trust codes, or archives of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A root certificate to trust (CSSM's root.pem).
    #[arg(long)]
    root: Vec<PathBuf>,
    /// A device's public key, PEM.
    #[arg(long)]
    key: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let mut roots = Vec::new();
    for path in &arguments.root {
        let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
        roots.extend(pem_to_der(&pem)?);
    }
    let mut keys = Vec::new();
    for path in &arguments.key {
        let pem = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let spki = from_base64(&body).context("not a PEM public key")?;
        keys.push(PublicKey { signing_type: SigningType::RsaSha256, spki });
    }
    let now = Clock::real().now();
    let mut all = true;
    for path in &arguments.files {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let verdict = verify_bytes(&bytes, &RealSuite, &roots, &keys, now);
        println!("{}: {}", path.display(), verdict.kind);
        for finding in &verdict.findings {
            println!("  {} {}", if finding.verified { "ok  " } else { "FAIL" }, finding.text);
        }
        all &= verdict.verified();
    }
    Ok(all)
}
