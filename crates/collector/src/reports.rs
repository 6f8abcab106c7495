//! Reports as they are kept: byte for byte as they were signed, each once.

use rumline_protocol::{ReportSignature, RumReport, Timestamp, Udi};
use rumline_store::Tx;

use crate::Error;

/// A report whose signature has been checked.
pub(crate) struct Checked {
    pub report: RumReport,
    pub payload: String,
    pub signature: String,
    pub sha256: [u8; 32],
}

/// A signature without the UDI, which the instance's row knows.
pub(crate) fn signature_text(signature: &ReportSignature) -> String {
    let ReportSignature { signing_type, key, value, .. } = signature;
    format!("{signing_type} {key} {value}")
}

/// What [`signature_text`] wrote.
pub(crate) fn signature_from(udi: &Udi, text: &str) -> ReportSignature {
    let mut parts = text.splitn(3, ' ');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    ReportSignature { sudi: udi.clone(), signing_type: next(), key: next(), value: next() }
}

/// What became of reports.
pub(crate) struct Stored {
    pub new: i64,
    /// Whether one had been acknowledged before: its device never heard of that.
    pub again: bool,
}

/// Keeps reports, each once.
pub(crate) fn store(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: i64,
    instance_id: i64,
    reports: &[Checked],
) -> Result<Stored, Error> {
    const INSERT: &str = "INSERT INTO report (tenant_id, instance_id, report_id, state, sha256,
        payload, signature, received_at) VALUES ($1, $2, $3, 0, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING";
    const USE: &str = "INSERT INTO license_use (tenant_id, instance_id, tag, count, as_of,
        report_id) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, instance_id, tag) DO UPDATE SET count = excluded.count,
        as_of = excluded.as_of, report_id = excluded.report_id
        WHERE license_use.report_id <= excluded.report_id";
    let mut stored = Stored { new: 0, again: false };
    for checked in reports {
        let report = &checked.report;
        let id = i64::try_from(report.report_id).map_err(|_| Error::invalid("report_id"))?;
        let values = [
            tenant_id.into(),
            instance_id.into(),
            id.into(),
            checked.sha256[..].into(),
            (&checked.payload).into(),
            (&checked.signature).into(),
            now.0.into(),
        ];
        if tx.execute(INSERT, &values)? == 0 {
            let again = known_report(tx, now, tenant_id, instance_id, id, checked)?;
            stored.again |= again == Again::Acknowledged;
            stored.new += i64::from(again == Again::Reopened);
            continue;
        }
        stored.new += 1;
        let values = [
            tenant_id.into(),
            instance_id.into(),
            report.entitlement_tag.as_str().into(),
            i64::from(report.last_count()).into(),
            report.end_at().0.into(),
            id.into(),
        ];
        tx.execute(USE, &values)?;
    }
    Ok(stored)
}

/// What a report that was here before is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Waiting,
    Acknowledged,
    /// Acknowledged so long ago that the answer is gone: CSSM is asked again.
    Reopened,
}

fn known_report(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: i64,
    instance_id: i64,
    report_id: i64,
    checked: &Checked,
) -> Result<Again, Error> {
    let sql = "SELECT sha256, state, answer_id FROM report
        WHERE tenant_id = $1 AND instance_id = $2 AND report_id = $3";
    let ids = [tenant_id.into(), instance_id.into(), report_id.into()];
    let row =
        tx.row(sql, &ids, |row| Ok::<_, Error>((row.bytes(0)?, row.int(1)?, row.opt_int(2)?)))?;
    let (sha256, state, answer_id) = row.ok_or(Error::NotFound("report"))?;
    if sha256 != checked.sha256 {
        return Err(Error::Conflict(
            "Another report with this report_id was received before.".to_owned(),
        ));
    }
    if state != 1 {
        return Ok(Again::Waiting);
    }
    let sql = "UPDATE answer SET delivered_at = NULL
        WHERE tenant_id = $1 AND instance_id = $2 AND id = $3";
    let values = [tenant_id.into(), instance_id.into(), answer_id.unwrap_or(0).into()];
    if tx.execute(sql, &values)? == 1 {
        return Ok(Again::Acknowledged);
    }
    let sql = "UPDATE report SET state = 0, payload = $1, received_at = $2, answer_id = NULL
        WHERE tenant_id = $3 AND instance_id = $4 AND report_id = $5";
    let values = [
        (&checked.payload).into(),
        now.0.into(),
        tenant_id.into(),
        instance_id.into(),
        report_id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(Again::Reopened)
}
