//! Taking reports in: each once, byte for byte as it was signed.

use rumline_protocol::{
    Acknowledgement, PublicKey, RumReport, SignedReport, StatusCode, Suite, Timestamp, Udi,
    from_base64,
};
use rumline_store::{Row, Tx};

use crate::Error;
use crate::instances::Instance;

/// A report whose signature has been checked, ready for its row.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedReport {
    pub report: RumReport,
    payload: String,
    signing_key: String,
    signature: Vec<u8>,
    sha256: [u8; 32],
}

/// Checks a report's signature against the product instance's key.
pub(crate) fn verify(
    suite: &dyn Suite,
    udi: &Udi,
    key: &PublicKey,
    mut signed: SignedReport,
) -> Result<VerifiedReport, Error> {
    if signed.report.udi != *udi {
        return Err(Error::invalid("the report belongs to another UDI"));
    }
    let Some(sha256) = signed.verified_sha256(suite, key) else {
        return Err(Error::invalid("the signature of the report does not verify"));
    };
    let signature = from_base64(&signed.signature.value)
        .ok_or_else(|| Error::invalid("the signature of the report is not base64"))?;
    Ok(VerifiedReport {
        sha256,
        signing_key: format!("{} {}", signed.signature.signing_type, signed.signature.key),
        signature,
        payload: signed.payload,
        report: signed.report,
    })
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub entries: Vec<Acknowledgement>,
    pub new: i64,
    pub known: i64,
}

/// Stores the reports of one product instance. One that is known already is acknowledged again and stored once.
pub(crate) fn store(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    reports: &[VerifiedReport],
    correlation_id: &str,
    hop: Option<&str>,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for verified in reports {
        let message = if insert(tx, now, instance, verified, hop)? {
            outcome.new += 1;
            update_use(tx, instance, &verified.report)?;
            Ok(())
        } else {
            check_same(tx, instance, verified).inspect(|()| outcome.known += 1)
        };
        let entry = match message {
            Ok(()) => {
                entry(&verified.report, StatusCode::Ok, Acknowledgement::ACCEPTED, correlation_id)
            }
            Err(Error::Conflict(text)) => {
                entry(&verified.report, StatusCode::Failed, &text, correlation_id)
            }
            Err(error) => return Err(error),
        };
        outcome.entries.push(entry);
    }
    Ok(outcome)
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
    }
}

/// Whether a text is one that any database keeps.
fn is_plain(text: &str) -> bool {
    text.len() <= 64 && !text.contains(char::is_control)
}

fn signed_id(id: u64) -> i64 {
    i64::try_from(id).expect("report ids are checked when a report is read")
}

fn insert(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    verified: &VerifiedReport,
    hop: Option<&str>,
) -> Result<bool, Error> {
    const SQL: &str =
        "INSERT INTO rum_report (smart_account_id, product_instance_id, report_id, tag,
        start_at, end_at, last_count, count_seconds, sha256, previous_id, previous_sha256,
        received_at, payload, signing_key, signature, hop)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        ON CONFLICT DO NOTHING";
    let report = &verified.report;
    let previous = report.previous.as_ref();
    let values = [
        instance.smart_account_id.into(),
        instance.id.into(),
        signed_id(report.report_id).into(),
        report.entitlement_tag.as_str().into(),
        report.start_at().0.into(),
        report.end_at().0.into(),
        i64::from(report.last_count()).into(),
        report.count_seconds().into(),
        verified.sha256[..].into(),
        previous.map(|p| i64::try_from(p.report_id).unwrap_or(0)).into(),
        previous.map(|p| p.sha256.as_str()).filter(|text| is_plain(text)).into(),
        now.0.into(),
        (&verified.payload).into(),
        (&verified.signing_key).into(),
        (&verified.signature).into(),
        hop.into(),
    ];
    Ok(tx.execute(SQL, &values)? == 1)
}

/// A report number that is known already must stand for the same bytes. A device that moved to another account
/// sends again what it got no ACK for: that stays counted where it was, but says what is in use now.
fn check_same(
    tx: &mut Tx<'_>,
    instance: &Instance,
    verified: &VerifiedReport,
) -> Result<(), Error> {
    const SQL: &str = "SELECT sha256, smart_account_id FROM rum_report
        WHERE product_instance_id = $1 AND report_id = $2";
    let id = signed_id(verified.report.report_id);
    let read = |row: &Row<'_>| Ok::<_, Error>((row.bytes(0)?, row.int(1)?));
    match tx.row(SQL, &[instance.id.into(), id.into()], read)? {
        Some((sha256, account)) if sha256 == verified.sha256 => {
            if account == instance.smart_account_id {
                return Ok(());
            }
            update_use(tx, instance, &verified.report)
        }
        _ => Err(Error::Conflict(
            "Another report with this report_id was received before.".to_owned(),
        )),
    }
}

/// The count now in use, as of the newest report: the one with the highest number, since clocks can be set.
fn update_use(tx: &mut Tx<'_>, instance: &Instance, report: &RumReport) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO license_use (smart_account_id, product_instance_id, tag, count,
        as_of, report_id) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (smart_account_id, product_instance_id, tag) DO UPDATE SET
        count = excluded.count, as_of = excluded.as_of, report_id = excluded.report_id
        WHERE license_use.report_id <= excluded.report_id";
    let values = [
        instance.smart_account_id.into(),
        instance.id.into(),
        report.entitlement_tag.as_str().into(),
        i64::from(report.last_count()).into(),
        report.end_at().0.into(),
        signed_id(report.report_id).into(),
    ];
    tx.execute(SQL, &values)?;
    Ok(())
}
