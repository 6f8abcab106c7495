//! `rumline verify`: what a file is, who signed it, up to which root, and what it says.

use crate::archive::{ArchiveLimits, is_gzip, is_tar};
use crate::bundle::{BundleError, InBundle, ManifestKey, SignedManifest, read_bundle};
use crate::crypto::{PublicKey, SignerIdentity, Suite};
use crate::document::{Document, Signed};
use crate::report::SignedReport;
use crate::text::from_base64;
use crate::time::Timestamp;

/// One thing found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it verifies.
    pub verified: bool,
    /// What it is and says.
    pub text: String,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Verdict {
    /// What the file is.
    pub kind: String,
    /// What was found in it.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether everything in the file verifies.
    #[must_use]
    pub fn verified(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(|finding| finding.verified)
    }

    fn add(&mut self, verified: bool, text: String) {
        self.findings.push(Finding { verified, text });
    }
}

/// Verifies a document or an archive of documents against trusted roots and known device keys.
#[must_use]
pub fn verify_bytes(
    bytes: &[u8],
    suite: &dyn Suite,
    roots: &[Vec<u8>],
    keys: &[PublicKey],
    now: Timestamp,
) -> Verdict {
    let mut verdict = Verdict::default();
    if is_gzip(bytes) || is_tar(bytes) {
        verify_archive(bytes, suite, roots, keys, now, &mut verdict);
        return verdict;
    }
    match Document::parse(bytes) {
        Ok(document) => verify_document(document, suite, roots, keys, now, &mut verdict),
        Err(error) => {
            "not a licensing file".clone_into(&mut verdict.kind);
            verdict.add(false, error.to_string());
        }
    }
    verdict
}

/// An archive of documents, or the bundle of a collector or of CSSM.
fn verify_archive(
    bytes: &[u8],
    suite: &dyn Suite,
    roots: &[Vec<u8>],
    keys: &[PublicKey],
    now: Timestamp,
    verdict: &mut Verdict,
) {
    "archive".clone_into(&mut verdict.kind);
    let limits = ArchiveLimits {
        total_bytes_max: 8 << 30,
        member_bytes_max: Document::BYTES_MAX as u64,
        members_max: 1_000_000,
    };
    let read = read_bundle(&mut &bytes[..], limits, &mut |found| {
        match found {
            InBundle::Manifest(_) => "bundle".clone_into(&mut verdict.kind),
            InBundle::Device(file) => {
                let inner = verify_bytes(&file.bytes, suite, roots, keys, now);
                for finding in inner.findings {
                    verdict.add(finding.verified, format!("{}: {}", file.name, finding.text));
                }
            }
        }
        Ok::<(), BundleError>(())
    });
    match read {
        Err(error) => return verdict.add(false, error.to_string()),
        Ok(None) => {}
        Ok(Some(manifest)) => {
            let (ok, text) = verify_manifest(&manifest, suite, roots, now);
            verdict.add(ok, text);
            for part in manifest.manifest.parts.iter().filter(|part| part.sha256.is_some()) {
                verdict.add(true, format!("{} is what the manifest says", part.name));
            }
        }
    }
    if verdict.findings.is_empty() {
        verdict.add(false, "an empty archive".to_owned());
    }
}

fn verify_manifest(
    manifest: &SignedManifest,
    suite: &dyn Suite,
    roots: &[Vec<u8>],
    now: Timestamp,
) -> (bool, String) {
    let told = &manifest.manifest;
    let va = told.parts.first().map_or("", |part| part.virtual_account.as_str());
    let what = format!("manifest of {} for {} / {va}", told.created_by, told.smart_account);
    match &manifest.key {
        None => (false, format!("{what} (not signed)")),
        Some(ManifestKey::Collector(key)) => match manifest.verify_collector(suite) {
            Ok(_) => (true, format!("{what} (signed by its own key {})", key.key_id())),
            Err(error) => (false, format!("{what} ({error})")),
        },
        Some(ManifestKey::Certificate(_)) => {
            let signer = roots.iter().find_map(|root| manifest.verify_cssm(suite, root, now).ok());
            match signer {
                Some(signer) => (true, format!("{what} (signed by {})", signer.name)),
                None => (false, format!("{what} (not signed by a trusted CSSM)")),
            }
        }
    }
}

fn verify_document(
    mut document: Document,
    suite: &dyn Suite,
    roots: &[Vec<u8>],
    keys: &[PublicKey],
    now: Timestamp,
    verdict: &mut Verdict,
) {
    verdict.kind = kind_of(&document);
    let mut known: Vec<PublicKey> = keys.to_vec();
    let signer = find_signer(&document, suite, roots, now, verdict);
    verify_from_cssm(&document, suite, signer.as_ref(), &mut known, verdict);
    verify_from_device(&document, suite, &mut known, verdict);
    for report in &mut document.reports {
        let (ok, text) = verify_report(report, suite, &known);
        verdict.add(ok, text);
    }
    if document.has_authorization {
        verdict.add(false, "an authorization code: not supported on Nexus".to_owned());
    }
}

/// What CSSM says; the keys of its trust codes are `known` from here on.
fn verify_from_cssm(
    document: &Document,
    suite: &dyn Suite,
    signer: Option<&SignerIdentity>,
    known: &mut Vec<PublicKey>,
    verdict: &mut Verdict,
) {
    for signed in &document.acknowledgements {
        let (ok, by) = signed_by(signed, suite, signer);
        for entry in &signed.value {
            let text = format!(
                "ACK {} for report {} of {}: {} ({by})",
                entry.status_code.label(),
                entry.report_id,
                entry.sudi,
                entry.status_message
            );
            verdict.add(ok, text);
        }
    }
    if let Some(signed) = &document.account {
        let (ok, by) = signed_by(signed, suite, signer);
        let info = &signed.value;
        verdict
            .add(ok, format!("account {} / {} ({by})", info.smart_account, info.virtual_account));
    }
    for signed in &document.policies {
        let (ok, by) = signed_by(signed, suite, signer);
        let p = &signed.value;
        let u = p.unenforced;
        verdict.add(
            ok && p.is_sane(),
            format!(
                "policy {:?} of {}: first {} ongoing {} on change {} days ({by})",
                p.policy_name,
                p.smart_account,
                u.first_report_days,
                u.ongoing_report_days,
                u.on_change_report_days
            ),
        );
    }
    for signed in &document.trust_codes {
        let (ok, by) = signed_by(signed, suite, signer);
        let code = &signed.value;
        if ok {
            known.push(code.public_key.clone());
        }
        let text = format!(
            "trust code {} for {} key {} of {} / {} ({by})",
            code.trust_id,
            code.sudi,
            code.public_key.key_id(),
            code.smart_account,
            code.virtual_account
        );
        verdict.add(ok, text);
    }
}

/// What a product instance says of itself, which brings the key it is signed with.
fn verify_from_device(
    document: &Document,
    suite: &dyn Suite,
    known: &mut Vec<PublicKey>,
    verdict: &mut Verdict,
) {
    for signed in &document.trust_requests {
        let request = &signed.value;
        let ok = signed.verify(suite, &request.public_key);
        known.push(request.public_key.clone());
        let key_id = request.public_key.key_id();
        let text = format!("trust request of {} signed by its own key {key_id}", request.sudi);
        verdict.add(ok, text);
    }
    if let Some(signed) = &document.system_info {
        let info = &signed.value;
        let ok = signed.verify(suite, &info.public_key);
        known.push(info.public_key.clone());
        let text = format!(
            "written by {} at {} with key {}",
            info.sudi,
            info.timestamp,
            info.public_key.key_id()
        );
        verdict.add(ok, text);
    }
    if let Some(info) = &document.device_info {
        known.extend(info.public_key.clone());
        let by = info.public_key.as_ref().map_or("none told".to_owned(), PublicKey::key_id);
        verdict.add(true, format!("kept for {}, key {by}", info.sudi));
    }
}

fn kind_of(document: &Document) -> String {
    let kinds = [
        (!document.reports.is_empty(), "RUM report file"),
        (!document.acknowledgements.is_empty(), "ACK"),
        (!document.trust_codes.is_empty() && document.reports.is_empty(), "trust code"),
        (!document.policies.is_empty(), "policy"),
        (document.account.is_some(), "account information"),
    ];
    let names: Vec<&str> = kinds.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if names.is_empty() { "licensing file".to_owned() } else { names.join(", ") }
}

fn find_signer(
    document: &Document,
    suite: &dyn Suite,
    roots: &[Vec<u8>],
    now: Timestamp,
    verdict: &mut Verdict,
) -> Option<SignerIdentity> {
    let certificate = document.signer.as_ref()?;
    let mut last_error = "no trusted root was given (--root FILE)".to_owned();
    for root in roots {
        match suite.verify_chain(root, certificate, now) {
            Ok(identity) => {
                verdict.add(true, format!("signing certificate {} under the root", identity.name));
                return Some(identity);
            }
            Err(error) => last_error = error.to_string(),
        }
    }
    verdict.add(false, last_error);
    None
}

fn signed_by<T>(
    signed: &Signed<T>,
    suite: &dyn Suite,
    signer: Option<&SignerIdentity>,
) -> (bool, String) {
    match signer {
        None => (false, "no trusted signer".to_owned()),
        Some(identity) if signed.verify(suite, &identity.public_key) => {
            (true, format!("signed by {}", identity.name))
        }
        Some(identity) => (false, format!("NOT signed by {}", identity.name)),
    }
}

fn verify_report(
    report: &mut SignedReport,
    suite: &dyn Suite,
    known: &[PublicKey],
) -> (bool, String) {
    let key_id = report.signature.key.clone();
    let key = known.iter().find(|key| key.key_id() == key_id);
    let (ok, by) = match key {
        None => (false, format!("key {key_id} is not known (--key FILE)")),
        Some(key) if !report.verify(suite, key) => (false, format!("NOT signed by key {key_id}")),
        Some(key) if !asset_verifies(report, suite, key) => {
            (false, format!("asset identification NOT signed by key {key_id}"))
        }
        Some(_) => (true, format!("signed by key {key_id}")),
    };
    let r = &report.report;
    let text = format!(
        "report {} of {}: {} {} to {}, last count {} ({by})",
        r.report_id,
        r.udi,
        r.entitlement_tag.name(),
        r.start_at(),
        r.end_at(),
        r.last_count()
    );
    (ok, text)
}

fn asset_verifies(report: &SignedReport, suite: &dyn Suite, key: &PublicKey) -> bool {
    let r = &report.report;
    let Some(signature) = &r.asset_signature else {
        return true;
    };
    let text = crate::report::instance_text(&r.udi, &r.product_instance_identifier);
    from_base64(&signature.value).is_some_and(|value| suite.verify(key, text.as_bytes(), &value))
}
