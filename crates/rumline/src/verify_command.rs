//! `rumline verify`: what a file is, who signed it, and what it says.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use rumline_net::{Clock, pem_to_der};
use rumline_protocol::{PublicKey, RealSuite, Trusted, Voucher, verify_bytes};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Usage files, ACKs, policies, trust codes, or archives of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A root certificate to trust (CSSM's root.pem). Without one nothing is vouched for, and the status is not 0.
    #[arg(long)]
    root: Vec<PathBuf>,
    /// A device's public key, PEM: shows whose signature it is, not that CSSM vouches for it.
    #[arg(long)]
    key: Vec<PathBuf>,
}

fn mark(voucher: Voucher) -> &'static str {
    match voucher {
        Voucher::Cssm => "ok  ",
        Voucher::Itself => "self",
        Voucher::Nobody => "FAIL",
    }
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
        let key = PublicKey::from_pem(&pem);
        keys.push(key.with_context(|| format!("{} is no PEM public key", path.display()))?);
    }
    let now = Clock::real().now();
    let mut all = true;
    for path in &arguments.files {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let trusted = Trusted { suite: &RealSuite, roots: &roots, keys: &keys, now };
        let verdict = verify_bytes(&bytes, trusted);
        say!("{}: {}", path.display(), verdict.kind);
        for finding in &verdict.findings {
            say!("  {} {}", mark(finding.voucher), finding.text);
        }
        say!(
            "  {}",
            match verdict.voucher() {
                Voucher::Cssm => "CSSM vouches for all of it.",
                Voucher::Itself if roots.is_empty() => {
                    "Whoever wrote it says so; give CSSM's root (--root FILE) to see whether CSSM does."
                }
                Voucher::Itself => "Whoever wrote it says so; CSSM does not vouch for all of it.",
                Voucher::Nobody => "It does not hold.",
            }
        );
        all &= verdict.verified();
    }
    Ok(all)
}
