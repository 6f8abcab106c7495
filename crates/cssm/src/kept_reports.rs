//! Whether the reports that are kept are what was signed, and what stands beside each is what it says (CSSM-033).

use std::sync::Arc;

use rumline_protocol::{
    PublicKey, ReportSignature, RumReport, SignedReport, Suite, Udi, base64, sha256,
};
use rumline_store::{Db, Row, Value};

use crate::Error;
use crate::checked::key_text;
use crate::ids::InstanceId;
use crate::ingest::is_plain;

/// Findings that are told; more of them say nothing more.
const TOLD_MAX: usize = 1_000;

/// What is wrong with a report that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not the text that was received.
    Altered,
    /// Its signature is not that of its product instance.
    NotSigned,
    /// What stands beside it is not what it says: the names of the columns.
    Columns(Vec<&'static str>),
}

/// A report with which something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongReport {
    /// Whose it is.
    pub product_instance_id: InstanceId,
    /// Its number.
    pub report_id: i64,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptReports {
    /// How many reports there are.
    pub count: u64,
    /// The first thousand with which something is wrong.
    pub wrong: Vec<WrongReport>,
}

/// What follows from a report and stands beside it, by the name of its column. Of reports that came before places were kept,
/// none is.
#[derive(Debug, PartialEq, Eq)]
struct Beside {
    tag: String,
    start_at: i64,
    end_at: i64,
    last_count: i64,
    previous_id: Option<i64>,
    previous_sha256: Option<String>,
    place: Option<(String, i64)>,
}

impl Beside {
    fn of(report: &RumReport) -> Self {
        let previous = report.previous.as_ref();
        let lineage = report.lineage.as_ref();
        Self {
            tag: report.entitlement_tag.as_str().to_owned(),
            start_at: report.start_at().0,
            end_at: report.end_at().0,
            last_count: i64::from(report.last_count()),
            previous_id: previous.map(|p| i64::try_from(p.report_id).unwrap_or(0)),
            previous_sha256: previous.map(|p| p.sha256.clone()).filter(|text| is_plain(text)),
            place: lineage.map(|lineage| {
                (lineage.epoch.clone(), i64::try_from(lineage.position).unwrap_or(0))
            }),
        }
    }

    fn kept(row: &Row<'_>) -> Result<Self, Error> {
        let (epoch, position) = (row.text(12)?, row.opt_int(13)?);
        Ok(Self {
            tag: row.text(6)?,
            start_at: row.int(7)?,
            end_at: row.int(8)?,
            last_count: row.int(9)?,
            previous_id: row.opt_int(10)?,
            previous_sha256: row.opt_text(11)?,
            place: position.map(|position| (epoch, position)),
        })
    }

    fn differing(&self, kept: &Self) -> Vec<&'static str> {
        let place_differs = kept.place.is_some() && self.place != kept.place;
        [
            ("tag", self.tag != kept.tag),
            ("start_at", self.start_at != kept.start_at),
            ("end_at", self.end_at != kept.end_at),
            ("last_count", self.last_count != kept.last_count),
            ("previous_id", self.previous_id != kept.previous_id),
            ("previous_sha256", self.previous_sha256 != kept.previous_sha256),
            ("position", place_differs),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

const ROWS: &str =
    "SELECT rum_report.product_instance_id, rum_report.report_id, rum_report.payload,
    rum_report.sha256, rum_report.signing_key, rum_report.signature, rum_report.tag,
    rum_report.start_at, rum_report.end_at, rum_report.last_count, rum_report.previous_id,
    rum_report.previous_sha256, rum_report.epoch, rum_report.position, product_instance.pid,
    product_instance.serial, product_instance.public_key
    FROM rum_report LEFT JOIN product_instance
    ON product_instance.id = rum_report.product_instance_id
    ORDER BY rum_report.product_instance_id, rum_report.report_id";

fn wrong_of(suite: &dyn Suite, row: &Row<'_>) -> Result<Option<Wrong>, Error> {
    let payload = row.text(2)?;
    if sha256(payload.as_bytes())[..] != row.bytes(3)?[..] {
        return Ok(Some(Wrong::Altered));
    }
    let Ok(report) = RumReport::read(&payload) else { return Ok(Some(Wrong::Altered)) };
    let signing_key = row.text(4)?;
    let key = row.opt_text(16)?.and_then(|text| PublicKey::from_text(&text));
    // One that was signed with a key of before is known by its digest alone.
    if let Some(key) = key.filter(|key| key_text(key) == signing_key) {
        let (signing_type, key_id) = signing_key.split_once(' ').unwrap_or_default();
        let udi = Udi::new(
            &row.opt_text(14)?.unwrap_or_default(),
            &row.opt_text(15)?.unwrap_or_default(),
        );
        let signature = ReportSignature {
            sudi: udi.unwrap_or_else(|_| report.udi.clone()),
            signing_type: signing_type.to_owned(),
            key: key_id.to_owned(),
            value: base64(&row.bytes(5)?),
        };
        let signed = SignedReport::from_parts(payload, signature);
        if !signed.is_ok_and(|mut signed| signed.verify(suite, &key)) {
            return Ok(Some(Wrong::NotSigned));
        }
    }
    let differing = Beside::of(&report).differing(&Beside::kept(row)?);
    Ok((!differing.is_empty()).then_some(Wrong::Columns(differing)))
}

/// Looks at all reports that are kept.
///
/// # Errors
/// When the store fails.
pub fn check_reports(db: &Db, suite: &Arc<dyn Suite>) -> Result<KeptReports, Error> {
    let suite = Arc::clone(suite);
    db.read("reports.check", move |tx| {
        let mut kept = KeptReports::default();
        tx.each(ROWS, &[], |row| {
            kept.count += 1;
            if let Some(wrong) = wrong_of(&*suite, row)?
                && kept.wrong.len() < TOLD_MAX
            {
                let (product_instance_id, report_id) = (row.id(0)?, row.int(1)?);
                kept.wrong.push(WrongReport { product_instance_id, report_id, wrong });
            }
            Ok::<_, Error>(true)
        })?;
        Ok(kept)
    })
}

/// The same, and what stands beside a report is what it says afterwards. What was altered stays as it is: it was accepted, and what
/// it counted stays counted.
///
/// # Errors
/// When the store fails.
pub fn mend_reports(db: &Db, suite: &Arc<dyn Suite>) -> Result<KeptReports, Error> {
    let mut all = check_reports(db, suite)?;
    let mut todo = all.wrong.clone();
    loop {
        todo.retain(|wrong| matches!(wrong.wrong, Wrong::Columns(_)));
        if todo.is_empty() {
            return Ok(all);
        }
        let batch = std::mem::take(&mut todo);
        db.write("reports.mend", move |tx| {
            for wrong in &batch {
                let of = [wrong.product_instance_id.into(), wrong.report_id.into()];
                let sql = "SELECT payload, position FROM rum_report
                    WHERE product_instance_id = $1 AND report_id = $2";
                let row =
                    tx.row(sql, &of, |row| Ok::<_, Error>((row.text(0)?, row.opt_int(1)?)))?;
                let Some((payload, position)) = row else { continue };
                let Ok(report) = RumReport::read(&payload) else { continue };
                let beside = Beside::of(&report);
                let place = beside.place.filter(|_| position.is_some());
                let sql = "UPDATE rum_report SET tag = $3, start_at = $4, end_at = $5,
                    last_count = $6, previous_id = $7, previous_sha256 = $8, epoch = $9,
                    position = $10 WHERE product_instance_id = $1 AND report_id = $2";
                let values = [
                    of[0],
                    of[1],
                    (&beside.tag).into(),
                    Value::Int(beside.start_at),
                    Value::Int(beside.end_at),
                    Value::Int(beside.last_count),
                    beside.previous_id.map_or(Value::NullInt, Value::Int),
                    beside.previous_sha256.as_deref().into(),
                    place.as_ref().map_or("", |(epoch, _)| epoch.as_str()).into(),
                    place.as_ref().map_or(Value::NullInt, |(_, position)| Value::Int(*position)),
                ];
                tx.execute(sql, &values)?;
            }
            Ok::<_, Error>(())
        })?;
        // There may be more than are told at a time.
        if all.wrong.len() < TOLD_MAX {
            return Ok(all);
        }
        let again = check_reports(db, suite)?;
        todo.clone_from(&again.wrong);
        all.wrong.extend(
            again.wrong.into_iter().filter(|wrong| matches!(wrong.wrong, Wrong::Columns(_))),
        );
    }
}
