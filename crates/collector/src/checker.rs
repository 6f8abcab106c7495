//! Whether what CSSM said is CSSM's: every part of a document leads up to its root.

use std::collections::BTreeMap;

use rumline_protocol::{
    Document, ManifestKey, Purpose, Revocation, Signed, SignedManifest, SignerCertificate,
    SignerIdentity, Timestamp,
};

use crate::ids::InstanceId;
use crate::{Collector, Error};

/// The largest answer, in bytes: it is kept for each device it speaks of.
const BYTES_MAX: usize = 8 << 20;

const REVOKED: &str = "the certificate it is signed with was revoked; get the file from CSSM anew";

/// A document that is CSSM's.
pub(crate) struct CheckedAnswer {
    pub text: String,
    pub document: Document,
    /// The device its name stands for, where nothing inside says so.
    pub instance_id: Option<InstanceId>,
}

impl CheckedAnswer {
    /// Reads a document out of a bundle whose manifest CSSM signed, as this signer shows: that covers every byte of it.
    pub(crate) fn covered(_: &SignerIdentity, name: &str, bytes: &[u8]) -> Result<Self, Error> {
        Self::read(name, bytes)
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let bad = |text: String| Error::invalid(format!("{name}: {text}"));
        if bytes.len() > BYTES_MAX {
            return Err(bad(format!("it has more than {BYTES_MAX} bytes")));
        }
        let document = Document::parse(bytes).map_err(|error| bad(error.to_string()))?;
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is no text".to_owned()))?;
        let text = text.trim_start_matches('\u{feff}').to_owned();
        Ok(Self { text, document, instance_id: instance_of(name) })
    }
}

/// The instance whose file an answer is to: a collector names it `dev_7_…`, and CSSM puts `ACK_` before that.
fn instance_of(name: &str) -> Option<InstanceId> {
    let name = name.rsplit('/').next()?;
    let name = name.strip_prefix("ACK_").unwrap_or(name);
    name.strip_prefix("dev_")?.split('_').next()?.parse().ok()
}

impl Collector {
    /// Who of CSSM signed the cover of a bundle.
    ///
    /// # Errors
    /// When nobody did, or with a certificate that was revoked.
    pub(crate) fn check_cover(
        &self,
        now: Timestamp,
        cover: &SignedManifest,
    ) -> Result<SignerIdentity, Error> {
        let root = &self.settings.root_certificate;
        let signer = cover.verify_cssm(self.suite.as_ref(), root, now)?;
        let Some(ManifestKey::Certificate(certificate)) = &cover.key else { return Ok(signer) };
        if self.kept_revocation()?.is_some_and(|list| list.names(certificate)) {
            return Err(Error::invalid(format!("the bundle: {REVOKED}")));
        }
        Ok(signer)
    }

    fn kept_revocation(&self) -> Result<Option<Revocation>, Error> {
        let kept = self.db.read("checker.revocation", |tx| {
            let sql = "SELECT text FROM revocation ORDER BY version DESC LIMIT 1";
            Ok::<_, Error>(tx.row(sql, &[], |row| row.text(0))?)
        })?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The newest list of certificates that hold no more: that of a document, or one that was kept.
    fn revocation(&self, document: &Document) -> Result<Option<Revocation>, Error> {
        let kept = self.kept_revocation()?;
        let (suite, root) = (self.suite.as_ref(), &self.settings.root_certificate);
        let told = document.revocation.as_ref().filter(|list| list.is_by(suite, root));
        let known = kept.as_ref().map_or(0, |list| list.version);
        let Some(told) = told.filter(|told| told.value.version > known) else { return Ok(kept) };
        let (version, text) = (told.value.version, told.text.clone());
        let signature = told.signature.clone();
        self.db.write("checker.revoke", move |tx| {
            let sql = "INSERT INTO revocation (version, text, signature) VALUES ($1, $2, $3)
                ON CONFLICT DO NOTHING";
            let version = i64::try_from(version).unwrap_or(i64::MAX);
            tx.execute(sql, &[version.into(), (&text).into(), (&signature).into()])?;
            Ok::<_, Error>(())
        })?;
        Ok(Some(told.value.clone()))
    }
}

/// Checks documents, and remembers what it has checked: many hold the same account and policy.
pub(crate) struct Checker<'a> {
    collector: &'a Collector,
    now: Timestamp,
    signers: BTreeMap<Vec<u8>, SignerIdentity>,
    known: BTreeMap<Vec<u8>, String>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(collector: &'a Collector, now: Timestamp) -> Self {
        Self { collector, now, signers: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// Reads a document and checks that CSSM signed every part of it.
    pub(crate) fn check(&mut self, name: &str, bytes: &[u8]) -> Result<CheckedAnswer, Error> {
        let bad = |text: String| Error::invalid(format!("{name}: {text}"));
        let answer = CheckedAnswer::read(name, bytes)?;
        let document = &answer.document;
        let Some(certificate) = &document.signer else {
            return Err(bad("it is not signed by CSSM".to_owned()));
        };
        let signer = self.signer(certificate).map_err(bad)?;
        if let Some(list) = self.collector.revocation(document)?
            && list.names(certificate)
        {
            return Err(bad(REVOKED.to_owned()));
        }
        let meant = document.policies.iter().all(|p| p.value.purpose == Purpose::Policy)
            && document.trust_codes.iter().all(|t| t.value.purpose == Purpose::TrustCode)
            && document.report_requests.iter().all(|r| r.value.purpose == Purpose::ReportRequest)
            && document.older_answers.iter().all(|a| a.value.purpose == Purpose::OlderLicensing);
        if !meant {
            return Err(bad("a part of it was signed for another purpose".to_owned()));
        }
        let parts = [
            document.report_requests.iter().all(|signed| self.verify(&signer, signed)),
            document.acknowledgements.iter().all(|signed| self.verify(&signer, signed)),
            document.account.iter().all(|signed| self.verify(&signer, signed)),
            document.policies.iter().all(|signed| self.verify(&signer, signed)),
            document.trust_codes.iter().all(|signed| self.verify(&signer, signed)),
            document.older_answers.iter().all(|signed| self.verify(&signer, signed)),
        ];
        if parts.contains(&false) {
            return Err(bad(
                "a signature of CSSM does not verify: it was altered after CSSM wrote \
                            it"
                .to_owned(),
            ));
        }
        Ok(answer)
    }

    fn signer(&mut self, certificate: &SignerCertificate) -> Result<SignerIdentity, String> {
        if let Some(known) = self.signers.get(&certificate.0) {
            return Ok(known.clone());
        }
        let root = &self.collector.settings.root_certificate;
        if root.is_empty() {
            return Err("CSSM's root certificate is not known here; start with --root".to_owned());
        }
        let identity = self
            .collector
            .suite
            .verify_chain(root, certificate, self.now)
            .map_err(|error| error.to_string())?;
        self.signers.insert(certificate.0.clone(), identity.clone());
        Ok(identity)
    }

    fn verify<T>(&mut self, signer: &SignerIdentity, signed: &Signed<T>) -> bool {
        if self.known.get(&signed.signature).is_some_and(|text| *text == signed.text) {
            return true;
        }
        let right = signed.verify(self.collector.suite.as_ref(), &signer.public_key);
        if right && self.known.len() < 64 {
            self.known.insert(signed.signature.clone(), signed.text.clone());
        }
        right
    }
}
