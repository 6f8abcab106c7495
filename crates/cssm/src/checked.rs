//! Reports whose signatures have been checked, and what is said of those that do not verify.

use rumline_protocol::{
    Acknowledgement, PublicKey, RefusalReason, RumReport, SignedReport, StatusCode, Suite, Udi,
    base64, from_base64,
};

/// A report whose signature has been checked, ready for its row.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedReport {
    pub report: RumReport,
    pub sha256: [u8; 32],
    pub payload: String,
    pub signing_key: String,
    pub signature: Vec<u8>,
}

/// Bad signatures of one product instance in a message, after which no more of its are looked at.
const BAD_SIGNATURES_MAX: usize = 3;

/// Reports while they are checked, all of one product instance.
#[derive(Default)]
pub(crate) struct Checked {
    pub reports: Vec<VerifiedReport>,
    /// What is answered for those that do not verify.
    pub refused: Vec<Acknowledgement>,
    /// What was wrong first.
    pub first_refusal: Option<String>,
    bad_signatures: usize,
}

impl Checked {
    /// Checks a report: one that does not verify is refused on its own and holds no other back. Whoever sends bad
    /// signatures does not get to have more of them checked.
    pub(crate) fn check(
        &mut self,
        suite: &dyn Suite,
        (udi, key): (&Udi, &PublicKey),
        cssm: &str,
        signed: SignedReport,
        correlation_id: &str,
    ) {
        let told = entry(&signed.report, StatusCode::Failed, "", correlation_id);
        let told = about(told, &signed.sha256());
        let outcome = if self.bad_signatures >= BAD_SIGNATURES_MAX {
            Err("not checked, since other signatures with it do not verify".to_owned())
        } else {
            verify(suite, udi, key, cssm, signed)
        };
        match outcome {
            Ok(report) => self.reports.push(report),
            Err(text) => {
                self.bad_signatures += 1;
                self.first_refusal.get_or_insert(text.clone());
                let entry = told.with_message(&text);
                self.refused.push(refusal(entry, RefusalReason::Signature));
            }
        }
    }
}

/// Checks a report's signature against the product instance's key, and whom it is for.
fn verify(
    suite: &dyn Suite,
    udi: &Udi,
    key: &PublicKey,
    cssm: &str,
    mut signed: SignedReport,
) -> Result<VerifiedReport, String> {
    if signed.report.udi != *udi {
        return Err("the report belongs to another UDI".to_owned());
    }
    let audience = signed.report.lineage.as_ref().map_or("", |lineage| lineage.audience.as_str());
    if !audience.is_empty() && audience != cssm {
        return Err("the report is for another CSSM".to_owned());
    }
    let Some(sha256) = signed.verified_sha256(suite, key) else {
        return Err("the signature of the report does not verify".to_owned());
    };
    let signature = from_base64(&signed.signature.value)
        .ok_or_else(|| "the signature of the report is not base64".to_owned())?;
    Ok(VerifiedReport {
        sha256,
        signing_key: key_text(key),
        signature,
        payload: signed.payload,
        report: signed.report,
    })
}

/// The key that reports are signed with, as it is written beside them.
pub(crate) fn key_text(key: &PublicKey) -> String {
    format!("{} {}", key.signing_type.label(), key.key_id())
}

pub(crate) fn entry(
    report: &RumReport,
    status_code: StatusCode,
    message: &str,
    correlation_id: &str,
) -> Acknowledgement {
    Acknowledgement {
        status_code,
        status_message: message.to_owned(),
        localized_message: message.to_owned(),
        product_instance_identifier: report.product_instance_identifier.clone(),
        sudi: report.udi.clone(),
        report_id: report.report_id,
        correlation_id: correlation_id.to_owned(),
        subscription_id: None,
        report_sha256: None,
        reason: None,
        last_report_id: None,
    }
}

/// The entry, about the very report with this digest.
pub(crate) fn about(mut entry: Acknowledgement, sha256: &[u8; 32]) -> Acknowledgement {
    entry.report_sha256 = Some(base64(sha256));
    entry
}

pub(crate) fn refusal(mut entry: Acknowledgement, reason: RefusalReason) -> Acknowledgement {
    entry.reason = Some(reason);
    entry
}

pub(crate) fn signed_id(id: u64) -> i64 {
    i64::try_from(id).expect("report ids are checked when a report is read")
}
