//! `rumline verify`: what a file is, who signed it, and what it says.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use rumline_net::{Clock, pem_to_der};
use rumline_protocol::{PublicKey, RealSuite, SoftwareImage, Trusted, Voucher, verify_bytes};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Usage files, ACKs, policies, trust codes, archives of them, or software images.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A root certificate to trust (CSSM's root.pem). Without one nothing is vouched for, and the status is not 0.
    #[arg(long)]
    root: Vec<PathBuf>,
    /// A device's public key, PEM: shows whose signature it is, not that CSSM vouches for it. Of images the maker.pem of
    /// whoever made them, which is all there is to vouch for those.
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

/// What an image says, if one of these keys is its maker's.
fn image(bytes: &[u8], keys: &[PublicKey]) -> Result<String, String> {
    let mut wrong = "no key of its maker was given (--key maker.pem)".to_owned();
    for key in keys {
        match SoftwareImage::read(&RealSuite, key, bytes) {
            Ok(image) => {
                return Ok(format!(
                    "release {}, made at {}, for {}; signed by {}",
                    image.release,
                    image.made_at,
                    image.platforms.join(", "),
                    key.key_id()
                ));
            }
            Err(error) => wrong = error.to_string(),
        }
    }
    Err(wrong)
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
        if SoftwareImage::is_begun(&bytes) {
            say!("{}: software image", path.display());
            match image(&bytes, &keys) {
                Ok(text) => say!("  ok   {text}\n  Its maker vouches for all of it."),
                Err(text) => {
                    say!("  FAIL {text}\n  It does not hold.");
                    all = false;
                }
            }
            continue;
        }
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

#[cfg(test)]
mod tests {
    use rumline_net::OsRandom;
    use rumline_protocol::{Purpose, Suite, Timestamp};

    use super::*;

    #[test]
    fn of_an_image_its_maker_alone_vouches() {
        let key = || RealSuite.generate_device_key(&mut OsRandom).unwrap();
        let (maker, other) = (key(), key());
        let made = SoftwareImage {
            purpose: Purpose::SoftwareImage,
            release: "10.5(1)F".to_owned(),
            platforms: vec!["N9K-C93180YC-EX".to_owned()],
            made_at: Timestamp(1_700_000_000),
        };
        let file = made.signed(maker.as_ref());
        let keys = [other.public_key().clone(), maker.public_key().clone()];
        let told = image(file.as_bytes(), &keys).unwrap();
        assert!(
            told.starts_with(
                "release 10.5(1)F, made at 2023-11-14T22:13:20Z, for N9K-C93180YC-EX; signed by "
            ),
            "{told}"
        );
        assert!(told.ends_with(&maker.public_key().key_id()), "{told}");
        let altered = file.replace("10.5(1)F", "10.4(3)F");
        assert!(image(altered.as_bytes(), &keys).unwrap_err().contains("not the maker's"));
        assert!(image(file.as_bytes(), &keys[..1]).unwrap_err().contains("not the maker's"));
        assert!(image(file.as_bytes(), &[]).unwrap_err().contains("no key of its maker"));
        assert!(SoftwareImage::is_begun(file.as_bytes()) && !SoftwareImage::is_begun(b"x"));
    }
}
