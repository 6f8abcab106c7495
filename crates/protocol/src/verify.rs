//! `rumline verify`: what a file is, what it says, and who stands behind each part of it.
//!
//! Three answers, never mixed: CSSM vouches for it, up to a root that was given; its writer says so itself, which anyone
//! can do who makes a key; or it does not hold. A device's key counts only for the UDI its trust code names.

use crate::archive::{ArchiveLimits, is_gzip, is_tar};
use crate::bundle::{BundleError, InBundle, ManifestKey, SignedManifest, read_bundle};
use crate::crypto::{PublicKey, SignerIdentity, Suite};
use crate::document::{Document, Signed, SystemInfo};
use crate::identity::Udi;
use crate::report::SignedReport;
use crate::revocation::Revocation;
use crate::statement::{Purpose, is_not_of_the_future};
use crate::text::from_base64;
use crate::time::Timestamp;

/// Who stands behind something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Voucher {
    /// Nobody: altered, signed by another key, meant for something else, or over.
    Nobody,
    /// Whoever wrote it, with a key that CSSM does not vouch for here.
    Itself,
    /// CSSM, up to a root that was given.
    Cssm,
}

/// One thing found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Who stands behind it.
    pub voucher: Voucher,
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
    /// Who stands behind the file: whoever stands behind its weakest part.
    #[must_use]
    pub fn voucher(&self) -> Voucher {
        self.findings.iter().map(|finding| finding.voucher).min().unwrap_or(Voucher::Nobody)
    }

    /// Whether CSSM vouches for all of it.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.voucher() == Voucher::Cssm
    }

    fn add(&mut self, voucher: Voucher, text: String) {
        self.findings.push(Finding { voucher, text });
    }
}

/// What a file is held against.
#[derive(Clone, Copy)]
pub struct Trusted<'a> {
    /// The algorithms.
    pub suite: &'a dyn Suite,
    /// Roots of CSSMs.
    pub roots: &'a [Vec<u8>],
    /// Keys of devices, which show that a signature is theirs but not whose they are.
    pub keys: &'a [PublicKey],
    /// The time.
    pub now: Timestamp,
}

/// Verifies a document or an archive of documents.
#[must_use]
pub fn verify_bytes(bytes: &[u8], trusted: Trusted<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let bytes = match crate::carried::plain(bytes) {
        Ok(plain) => plain,
        Err(error) => {
            "not a licensing file".clone_into(&mut verdict.kind);
            verdict.add(Voucher::Nobody, error.to_string());
            return verdict;
        }
    };
    if is_gzip(&bytes) || is_tar(&bytes) {
        verify_archive(&bytes, trusted, &mut verdict);
        return verdict;
    }
    match Document::parse(&bytes) {
        Ok(document) => verify_document(document, trusted, &mut verdict),
        Err(error) => {
            "not a licensing file".clone_into(&mut verdict.kind);
            verdict.add(Voucher::Nobody, error.to_string());
        }
    }
    verdict
}

/// An archive of documents, or the bundle of a collector or of CSSM.
fn verify_archive(bytes: &[u8], trusted: Trusted<'_>, verdict: &mut Verdict) {
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
                let inner = verify_bytes(&file.bytes, trusted);
                for finding in inner.findings {
                    verdict.add(finding.voucher, format!("{}: {}", file.name, finding.text));
                }
            }
        }
        Ok::<(), BundleError>(())
    });
    match read {
        Err(error) => return verdict.add(Voucher::Nobody, error.to_string()),
        Ok(None) => {}
        Ok(Some(manifest)) => {
            let (voucher, text) = verify_manifest(&manifest, trusted);
            verdict.add(voucher, text);
            for part in manifest.manifest.parts.iter().filter(|part| part.sha256.is_some()) {
                verdict.add(voucher, format!("{} is what the manifest says", part.name));
            }
        }
    }
    if verdict.findings.is_empty() {
        verdict.add(Voucher::Nobody, "an empty archive".to_owned());
    }
}

fn verify_manifest(manifest: &SignedManifest, trusted: Trusted<'_>) -> (Voucher, String) {
    let told = &manifest.manifest;
    let va = told.parts.first().map_or("", |part| part.virtual_account.as_str());
    let what = format!("manifest of {} for {} / {va}", told.created_by, told.smart_account);
    match &manifest.key {
        None => (Voucher::Itself, format!("{what} (not signed)")),
        Some(ManifestKey::Collector(key)) => match manifest.verify_collector(trusted.suite) {
            Ok(_) => (Voucher::Itself, format!("{what} (signed by its own key {})", key.key_id())),
            Err(error) => (Voucher::Nobody, format!("{what} ({error})")),
        },
        Some(ManifestKey::Certificate(_)) => {
            let mut roots = trusted.roots.iter();
            let signer =
                roots.find_map(|root| manifest.verify_cssm(trusted.suite, root, trusted.now).ok());
            match signer {
                Some(signer) => (Voucher::Cssm, format!("{what} (signed by {})", signer.name)),
                None => (Voucher::Nobody, format!("{what} (not signed by a trusted CSSM)")),
            }
        }
    }
}

/// A key, the UDI it was shown to be of, and by whom.
struct KnownKey {
    key: PublicKey,
    /// None for a key that was given without a name.
    udi: Option<Udi>,
    voucher: Voucher,
}

/// A document while it is looked at.
struct Look<'a> {
    trusted: Trusted<'a>,
    signer: Option<SignerIdentity>,
    known: Vec<KnownKey>,
    verdict: &'a mut Verdict,
}

fn verify_document(mut document: Document, trusted: Trusted<'_>, verdict: &mut Verdict) {
    verdict.kind = kind_of(&document);
    let given = trusted.keys.iter().map(|key| KnownKey {
        key: key.clone(),
        udi: None,
        voucher: Voucher::Itself,
    });
    let known = given.collect();
    let mut look = Look { trusted, signer: None, known, verdict };
    look.signer = look.find_signer(&document);
    look.what_cssm_says(&document);
    let mut digests = Vec::with_capacity(document.reports.len());
    look.what_the_device_says(&document);
    for report in &mut document.reports {
        let (voucher, text) = look.report(report);
        digests.push(report.sha256());
        look.verdict.add(voucher, text);
    }
    if let Some(info) = &document.system_info {
        look.whole(&info.value, &digests);
    }
    if document.has_authorization {
        let text = "an authorization code: not supported on Nexus".to_owned();
        look.verdict.add(Voucher::Nobody, text);
    }
}

impl Look<'_> {
    fn add(&mut self, voucher: Voucher, text: String) {
        self.verdict.add(voucher, text);
    }

    fn find_signer(&mut self, document: &Document) -> Option<SignerIdentity> {
        let certificate = document.signer.as_ref()?;
        let (suite, now) = (self.trusted.suite, self.trusted.now);
        let mut last_error = "no trusted root was given (--root FILE)".to_owned();
        for root in self.trusted.roots {
            match suite.verify_chain(root, certificate, now) {
                Ok(identity) => {
                    let list = document.revocation.as_ref().filter(|list| list.is_by(suite, root));
                    if list.is_some_and(|list| list.value.names(certificate)) {
                        let text = "the signing certificate was revoked by its root".to_owned();
                        self.add(Voucher::Nobody, text);
                        return None;
                    }
                    let text = format!("signing certificate {} under the root", identity.name);
                    self.add(Voucher::Cssm, text);
                    return Some(identity);
                }
                Err(error) => last_error = error.to_string(),
            }
        }
        // Where no root was given nothing is known of it; where one was, it is another's.
        let nothing_given = self.trusted.roots.is_empty();
        self.add(if nothing_given { Voucher::Itself } else { Voucher::Nobody }, last_error);
        None
    }

    /// Whether CSSM signed a text for this purpose; without a root nobody can tell.
    fn signed_by<T>(&self, signed: &Signed<T>, is_meant: bool) -> (Voucher, String) {
        match &self.signer {
            _ if !is_meant => (Voucher::Nobody, "signed for another purpose".to_owned()),
            None if self.trusted.roots.is_empty() => {
                (Voucher::Itself, "no root was given to check it".to_owned())
            }
            None => (Voucher::Nobody, "no trusted signer".to_owned()),
            Some(identity) if signed.verify(self.trusted.suite, &identity.public_key) => {
                (Voucher::Cssm, format!("signed by {}", identity.name))
            }
            Some(identity) => (Voucher::Nobody, format!("NOT signed by {}", identity.name)),
        }
    }

    /// The same of something that holds for a time only.
    fn signed_for_a_time<T>(
        &self,
        signed: &Signed<T>,
        is_meant: bool,
        (from, to): (Timestamp, Option<Timestamp>),
    ) -> (Voucher, String) {
        let now = self.trusted.now;
        let (voucher, by) = self.signed_by(signed, is_meant);
        match to {
            Some(to) if to <= now => (Voucher::Nobody, format!("{by}, but it ended at {to}")),
            _ if !is_not_of_the_future(now, from) => {
                (Voucher::Nobody, format!("{by}, but it was written at {from}, which is to come"))
            }
            _ => (voucher, by),
        }
    }

    /// What CSSM says; the keys of its trust codes are known from here on, each for its UDI.
    fn what_cssm_says(&mut self, document: &Document) {
        for signed in &document.acknowledgements {
            let (voucher, by) = self.signed_by(signed, true);
            for entry in &signed.value {
                let text = format!(
                    "ACK {} for report {} of {}: {} ({by})",
                    entry.status_code.label(),
                    entry.report_id,
                    entry.sudi,
                    entry.status_message
                );
                self.add(voucher, text);
            }
        }
        if let Some(signed) = &document.account {
            let info = &signed.value;
            let times = (Timestamp::from_millis(info.timestamp_millis), None);
            let (voucher, by) = self.signed_for_a_time(signed, true, times);
            let text = format!("account {} / {} ({by})", info.smart_account, info.virtual_account);
            self.add(voucher, text);
        }
        for signed in &document.policies {
            let p = &signed.value;
            let meant = p.purpose == Purpose::Policy && p.is_sane();
            let times = (p.issued_at, p.expires_at);
            let (voucher, by) = self.signed_for_a_time(signed, meant, times);
            let u = p.unenforced;
            let text = format!(
                "policy {:?} of {} / {}: first {} ongoing {} on change {} days ({by})",
                p.policy_name,
                p.smart_account,
                p.virtual_account,
                u.first_report_days,
                u.ongoing_report_days,
                u.on_change_report_days
            );
            self.add(voucher, text);
        }
        for signed in &document.trust_codes {
            let code = &signed.value;
            let meant = code.purpose == Purpose::TrustCode;
            let times = (code.issued_at, Some(code.expires_at));
            let (voucher, by) = self.signed_for_a_time(signed, meant, times);
            if voucher > Voucher::Nobody {
                let (key, udi) = (code.public_key.clone(), Some(code.sudi.clone()));
                self.known.push(KnownKey { key, udi, voucher });
            }
            let text = format!(
                "trust code {} for {} key {} of {} / {} ({by})",
                code.trust_id,
                code.sudi,
                code.public_key.key_id(),
                code.smart_account,
                code.virtual_account
            );
            self.add(voucher, text);
        }
        for signed in &document.report_requests {
            let meant = signed.value.purpose == Purpose::ReportRequest;
            let times = (signed.value.issued_at, None);
            let (voucher, by) = self.signed_for_a_time(signed, meant, times);
            let text = format!("asks {} for reports that CSSM lacks ({by})", signed.value.sudi);
            self.add(voucher, text);
        }
        for signed in &document.older_answers {
            let meant = signed.value.purpose == Purpose::OlderLicensing;
            let times = (signed.value.issued_at, None);
            let (voucher, by) = self.signed_for_a_time(signed, meant, times);
            let text = format!("answers what {} said by Smart Licensing ({by})", signed.value.sudi);
            self.add(voucher, text);
        }
        if let Some(list) = &document.revocation {
            self.revocation(list);
        }
    }

    fn revocation(&mut self, list: &Signed<Revocation>) {
        let suite = self.trusted.suite;
        let count = list.value.certificates.len();
        let text = format!("{count} signing certificates revoked");
        if self.trusted.roots.iter().any(|root| list.is_by(suite, root)) {
            self.add(Voucher::Cssm, format!("{text} (signed by the root)"));
        } else if self.trusted.roots.is_empty() {
            self.add(Voucher::Itself, format!("{text} (no root was given to check it)"));
        } else {
            self.add(Voucher::Nobody, format!("{text} (NOT signed by the root)"));
        }
    }

    /// Who vouches for this key being the device's.
    fn voucher_of(&self, udi: &Udi, key: &PublicKey) -> Option<Voucher> {
        let fits = |known: &&KnownKey| {
            known.key == *key && known.udi.as_ref().is_none_or(|told| told == udi)
        };
        self.known.iter().filter(fits).map(|known| known.voucher).max()
    }

    /// What a product instance says of itself, which brings the key it is signed with.
    fn what_the_device_says(&mut self, document: &Document) {
        for signed in &document.trust_requests {
            let request = &signed.value;
            let key_id = request.public_key.key_id();
            let (voucher, by) = match signed.check(self.trusted.suite) {
                Ok(()) => (Voucher::Itself, format!("signed by its own key {key_id}")),
                Err(error) => (Voucher::Nobody, error.to_string()),
            };
            let claimed = self.claim(&request.sudi, &request.public_key, voucher);
            self.add(claimed, format!("trust request of {} {by}", request.sudi));
        }
        if let Some(signed) = &document.system_info {
            let info = &signed.value;
            let ok = signed.verify(self.trusted.suite, &info.public_key)
                && info.purpose == Purpose::UsageFile;
            let own = if ok { Voucher::Itself } else { Voucher::Nobody };
            let own = self.claim(&info.sudi, &info.public_key, own);
            let ok = ok && own > Voucher::Nobody;
            let vouched = self.voucher_of(&info.sudi, &info.public_key).unwrap_or(own);
            let text = format!(
                "written by {} at {} with key {} ({})",
                info.sudi,
                info.timestamp,
                info.public_key.key_id(),
                if ok {
                    whose(vouched)
                } else {
                    "NOT signed by it, or CSSM vouches for another key"
                }
            );
            self.add(if ok { vouched } else { Voucher::Nobody }, text);
        }
        if let Some(info) = &document.device_info {
            let told = info.public_key.as_ref();
            let own = told.map(|key| self.claim(&info.sudi, key, Voucher::Itself));
            let by = told.map_or("none told".to_owned(), PublicKey::key_id);
            let own = own.unwrap_or(Voucher::Itself);
            self.add(own, format!("kept for {}, key {by}", info.sudi));
        }
    }

    /// A key that a file shows for a UDI. It is not the device's where CSSM names another one for it.
    fn claim(&mut self, udi: &Udi, key: &PublicKey, voucher: Voucher) -> Voucher {
        let contradicts = |known: &KnownKey| {
            known.voucher == Voucher::Cssm && known.udi.as_ref() == Some(udi) && known.key != *key
        };
        if voucher == Voucher::Nobody || self.known.iter().any(contradicts) {
            return Voucher::Nobody;
        }
        self.known.push(KnownKey { key: key.clone(), udi: Some(udi.clone()), voucher });
        voucher
    }

    fn report(&self, report: &mut SignedReport) -> (Voucher, String) {
        let (key_id, udi) = (report.signature.key.clone(), report.report.udi.clone());
        let candidates = self.known.iter().filter(|known| known.key.key_id() == key_id);
        let of_it = |known: &&KnownKey| known.udi.as_ref().is_none_or(|told| *told == udi);
        let key = candidates.clone().filter(of_it).max_by_key(|known| known.voucher);
        let suite = self.trusted.suite;
        let (voucher, by) = match key {
            None if candidates.count() > 0 => {
                (Voucher::Nobody, format!("key {key_id} is of another UDI"))
            }
            None => (Voucher::Nobody, format!("key {key_id} is not known (--key FILE)")),
            Some(known) if !report.verify(suite, &known.key) => {
                (Voucher::Nobody, format!("NOT signed by key {key_id}"))
            }
            Some(known) if !asset_verifies(report, suite, &known.key) => {
                (Voucher::Nobody, format!("asset identification NOT signed by key {key_id}"))
            }
            Some(known) => {
                (known.voucher, format!("signed by key {key_id}, {}", whose(known.voucher)))
            }
        };
        let r = &report.report;
        let (voucher, by) = match r.impossible(self.trusted.now) {
            Some(why) if voucher > Voucher::Nobody => (Voucher::Nobody, format!("{by}, but {why}")),
            _ => (voucher, by),
        };
        let text = format!(
            "report {} of {}: {} {} to {}, last count {} ({by})",
            r.report_id,
            r.udi,
            r.entitlement_tag.name(),
            r.start_at(),
            r.end_at(),
            r.last_count()
        );
        (voucher, text)
    }

    /// Whether the reports in a file are those its device put there.
    fn whole(&mut self, info: &SystemInfo, digests: &[[u8; 32]]) {
        if let Some(why) = info.not_whole(digests) {
            self.add(Voucher::Nobody, why);
        }
    }
}

fn whose(voucher: Voucher) -> &'static str {
    match voucher {
        Voucher::Cssm => "which CSSM vouches for",
        Voucher::Itself => "which it names itself",
        Voucher::Nobody => "which nobody vouches for",
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

fn asset_verifies(report: &SignedReport, suite: &dyn Suite, key: &PublicKey) -> bool {
    let r = &report.report;
    let Some(signature) = &r.asset_signature else {
        return true;
    };
    let text = crate::report::instance_text(&r.udi, &r.product_instance_identifier);
    from_base64(&signature.value).is_some_and(|value| suite.verify(key, text.as_bytes(), &value))
}
