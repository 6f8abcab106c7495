//! Reports as they are kept: byte for byte as they were signed, each once.

use rumline_protocol::{EntitlementTag, ReportSignature, SignedReport, Timestamp, Udi};
use rumline_store::Tx;

use crate::Error;
use crate::ids::{InstanceId, TenantId};

/// A report whose signature has been checked.
pub(crate) struct Checked {
    pub report_id: i64,
    pub tag: EntitlementTag,
    /// The use it ends with, and when.
    pub count: u32,
    pub end_at: Timestamp,
    pub payload: String,
    pub signature: String,
    pub sha256: [u8; 32],
}

impl Checked {
    /// What is kept of a report.
    pub(crate) fn new(signed: SignedReport, sha256: [u8; 32]) -> Result<Self, Error> {
        let number = i64::try_from(signed.report.report_id);
        Ok(Self {
            report_id: number.map_err(|_| Error::invalid("the report's number is too large"))?,
            count: signed.report.last_count(),
            end_at: signed.report.end_at(),
            sha256,
            signature: signature_text(&signed.signature),
            tag: signed.report.entitlement_tag,
            payload: signed.payload,
        })
    }
}

/// A signature without the UDI, which the instance's row knows.
fn signature_text(signature: &ReportSignature) -> String {
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
#[derive(Default)]
pub(crate) struct Stored {
    /// Those that wait now and did not before.
    pub new: i64,
    /// Whether one had been acknowledged before: its device never heard of that.
    pub acknowledged_before: bool,
    /// One that has the number of another, which is not taken.
    pub conflict: Option<i64>,
}

/// Reports under one number that are kept beside the first.
const RIVALS_MAX: i64 = 8;

/// Keeps reports, each once. What CSSM gets of a device is ordered by `received_at`, which is never set back.
pub(crate) fn store(
    tx: &mut Tx<'_>,
    received_at: Timestamp,
    tenant_id: TenantId,
    instance_id: InstanceId,
    reports: &[Checked],
) -> Result<Stored, Error> {
    const USE: &str = "INSERT INTO license_use (tenant_id, instance_id, tag, count, as_of,
        report_id) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, instance_id, tag) DO UPDATE SET count = excluded.count,
        as_of = excluded.as_of, report_id = excluded.report_id
        WHERE license_use.report_id <= excluded.report_id
        AND (license_use.report_id > 0 OR license_use.as_of < excluded.as_of)";
    let mut stored = Stored::default();
    for checked in reports {
        let place = (tenant_id, instance_id);
        if !insert(tx, received_at, place, 0, checked)? {
            match here_before(tx, received_at, place, checked)? {
                Before::NotAcknowledged => {}
                Before::Acknowledged => stored.acknowledged_before = true,
                Before::Reopened => stored.new += 1,
                Before::Rival(rival) => {
                    // CSSM holds or will hold the first: it tells the device, which goes on under new numbers.
                    stored.conflict = Some(checked.report_id);
                    if rival <= RIVALS_MAX && insert(tx, received_at, place, rival, checked)? {
                        stored.new += 1;
                    }
                }
            }
            continue;
        }
        stored.new += 1;
        let values = [
            tenant_id.into(),
            instance_id.into(),
            checked.tag.as_str().into(),
            i64::from(checked.count).into(),
            checked.end_at.0.into(),
            checked.report_id.into(),
        ];
        tx.execute(USE, &values)?;
    }
    Ok(stored)
}

fn insert(
    tx: &mut Tx<'_>,
    received_at: Timestamp,
    (tenant_id, instance_id): (TenantId, InstanceId),
    rival: i64,
    checked: &Checked,
) -> Result<bool, Error> {
    const INSERT: &str = "INSERT INTO report (tenant_id, instance_id, report_id, rival, state,
        received_at, sha256, payload, signature) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8)
        ON CONFLICT DO NOTHING";
    let values = [
        tenant_id.into(),
        instance_id.into(),
        checked.report_id.into(),
        rival.into(),
        received_at.0.into(),
        checked.sha256[..].into(),
        (&checked.payload).into(),
        (&checked.signature).into(),
    ];
    Ok(tx.execute(INSERT, &values)? == 1)
}

/// States of a report; 0 waits, 2 was refused.
const ACKNOWLEDGED: i64 = 1;
const SUPERSEDED: i64 = 3;

/// What is here under the number of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    NotAcknowledged,
    Acknowledged,
    /// Acknowledged so long ago that the answer is gone: CSSM is asked again.
    Reopened,
    /// Others; this one takes the next place beside them.
    Rival(i64),
}

fn here_before(
    tx: &mut Tx<'_>,
    received_at: Timestamp,
    (tenant_id, instance_id): (TenantId, InstanceId),
    checked: &Checked,
) -> Result<Before, Error> {
    let sql = "SELECT sha256, state, answer_id, rival FROM report
        WHERE tenant_id = $1 AND instance_id = $2 AND report_id = $3 ORDER BY rival";
    let ids = [tenant_id.into(), instance_id.into(), checked.report_id.into()];
    let rows = tx.rows(sql, &ids, |row| {
        Ok::<_, Error>((row.bytes(0)?, row.int(1)?, row.opt_int(2)?, row.int(3)?))
    })?;
    let next = rows.last().map_or(0, |(_, _, _, rival)| rival + 1);
    let same = rows.into_iter().find(|(sha256, ..)| *sha256 == checked.sha256);
    let Some((_, state, answer_id, rival)) = same else { return Ok(Before::Rival(next)) };
    // What CSSM refused because of another report, and its device brings all the same, is asked about again: the answer
    // got lost, or the device was set back to before it.
    if ![ACKNOWLEDGED, SUPERSEDED].contains(&state) {
        return Ok(Before::NotAcknowledged);
    }
    let sql = "UPDATE answer SET delivered_at = NULL
        WHERE tenant_id = $1 AND instance_id = $2 AND id = $3";
    let answer = [ids[0], ids[1], answer_id.unwrap_or(0).into()];
    if state == ACKNOWLEDGED && tx.execute(sql, &answer)? == 1 {
        return Ok(Before::Acknowledged);
    }
    let sql = "UPDATE report SET state = 0, payload = $1, received_at = $2, answer_id = NULL
        WHERE tenant_id = $3 AND instance_id = $4 AND report_id = $5 AND rival = $6";
    let (at, payload) = (received_at.0.into(), (&checked.payload).into());
    tx.execute(sql, &[payload, at, ids[0], ids[1], ids[2], rival.into()])?;
    Ok(Before::Reopened)
}

/// How many reports of an instance ceased to wait, and how many more are refused now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub acknowledged: i64,
    pub waiting: i64,
    pub refused: i64,
}

/// Notes that CSSM acknowledged a report, told by its digest; what it said about it is the answer with this number.
pub(crate) fn acknowledge(
    tx: &mut Tx<'_>,
    (tenant_id, instance_id, report_id): (TenantId, InstanceId, i64),
    sha256: &[u8],
    answer_id: i64,
    settled: &mut Settled,
) -> Result<(), Error> {
    for (state, count) in [(0, &mut settled.waiting), (2, &mut settled.refused)] {
        let sql = "UPDATE report SET state = 1, payload = '', answer_id = $1
            WHERE tenant_id = $2 AND instance_id = $3 AND report_id = $4 AND state = $5
            AND sha256 = $6";
        let ids = [tenant_id.into(), instance_id.into(), report_id.into()];
        let values = [answer_id.into(), ids[0], ids[1], ids[2], state.into(), sha256.into()];
        if tx.execute(sql, &values)? == 1 {
            *count -= 1;
            settled.acknowledged += 1;
            break;
        }
    }
    Ok(())
}

/// CSSM lacks reports that it had acknowledged: those the device sends again go to it again, whatever it said of them in
/// other answers than this one.
pub(crate) fn open_again(
    tx: &mut Tx<'_>,
    (tenant_id, instance_id): (TenantId, InstanceId),
    answer_id: i64,
) -> Result<(), Error> {
    let sql = "UPDATE report SET answer_id = NULL WHERE tenant_id = $1 AND instance_id = $2
        AND state = 1 AND answer_id <> $3";
    tx.execute(sql, &[tenant_id.into(), instance_id.into(), answer_id.into()])?;
    Ok(())
}

/// Notes that a device reports the same use under another number: CSSM will not take this one, and need not.
pub(crate) fn supersede(
    tx: &mut Tx<'_>,
    (tenant_id, instance_id, report_id): (TenantId, InstanceId, i64),
    sha256: &[u8],
    settled: &mut Settled,
) -> Result<(), Error> {
    for (state, count) in [(0, &mut settled.waiting), (2, &mut settled.refused)] {
        let sql = "UPDATE report SET state = 3 WHERE tenant_id = $1 AND instance_id = $2
            AND report_id = $3 AND state = $4 AND sha256 = $5";
        let ids = [tenant_id.into(), instance_id.into(), report_id.into()];
        if tx.execute(sql, &[ids[0], ids[1], ids[2], state.into(), sha256.into()])? == 1 {
            *count -= 1;
            break;
        }
    }
    Ok(())
}

/// Notes that CSSM did not take a report, or all of a number: they are offered again a day later, or when people ask.
pub(crate) fn refuse(
    tx: &mut Tx<'_>,
    (tenant_id, instance_id, report_id): (TenantId, InstanceId, i64),
    sha256: Option<&[u8]>,
    settled: &mut Settled,
) -> Result<(), Error> {
    // The state is a value, not a word of the statement: SQLite would look through the index of all that waits.
    const WAITING: i64 = 0;
    let ids = [tenant_id.into(), instance_id.into(), report_id.into()];
    let refused = match sha256 {
        Some(sha256) => {
            let sql = "UPDATE report SET state = 2 WHERE tenant_id = $1 AND instance_id = $2
                AND report_id = $3 AND state = $4 AND sha256 = $5";
            tx.execute(sql, &[ids[0], ids[1], ids[2], WAITING.into(), sha256.into()])?
        }
        None => {
            let sql = "UPDATE report SET state = 2 WHERE tenant_id = $1 AND instance_id = $2
                AND report_id = $3 AND state = $4";
            tx.execute(sql, &[ids[0], ids[1], ids[2], WAITING.into()])?
        }
    };
    let refused = i64::try_from(refused).unwrap_or(0);
    settled.waiting -= refused;
    settled.refused += refused;
    Ok(())
}

/// What CSSM refused is offered to it once more.
pub(crate) fn offer_again(tx: &mut Tx<'_>, tenant_id: TenantId) -> Result<(), Error> {
    let id = [tenant_id.into()];
    tx.execute("UPDATE report SET state = 0 WHERE tenant_id = $1 AND state = 2", &id)?;
    let sql = "UPDATE instance SET waiting = waiting + refused, refused = 0
        WHERE tenant_id = $1 AND refused > 0";
    tx.execute(sql, &id)?;
    Ok(())
}
