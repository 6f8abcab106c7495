//! Taking reports in: each once, byte for byte as it was signed, and each second of use once.

use std::collections::{BTreeMap, BTreeSet};

use rumline_catalogue::Catalogue;
use rumline_protocol::{
    Acknowledgement, EntitlementTag, RefusalReason, RumReport, StatusCode, Timestamp,
};
use rumline_store::{Row, Tx};

use crate::Error;
use crate::checked::{VerifiedReport, about, entry, refusal, signed_id};
use crate::counted::{Counted, Extent};
use crate::days::Changes;
use crate::ids::SmartAccountId;
use crate::instances::Instance;
use crate::lineage::{self, Standing};
use crate::spans::Spans;
use crate::{older, totals, usage};

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub entries: Vec<Acknowledgement>,
    pub new: i64,
    pub known: i64,
    /// The numbers of the new ones.
    pub new_ids: BTreeSet<u64>,
}

/// A tag's part of the ledger while a batch is taken in.
struct TagBook {
    spans: Spans,
    count: i64,
    /// What it was when it was read.
    count_before: i64,
    as_of: i64,
    report_id: i64,
    /// Whether the newest report said that the licence is out of use.
    is_off: bool,
    overlap_seconds: i64,
    /// Whether what is in use now is said by a registration of before Smart Licensing Using Policy, and not by these reports.
    is_said_otherwise: bool,
    /// What the batch adds to the use of days.
    days: Changes,
    changed: bool,
}

impl TagBook {
    fn read(tx: &mut Tx<'_>, instance: &Instance, tag: &EntitlementTag) -> Result<Self, Error> {
        const SQL: &str = "SELECT spans, count, as_of, report_id, is_off, overlap_seconds
            FROM license_use WHERE smart_account_id = $1 AND product_instance_id = $2
            AND tag = $3";
        let ids = [instance.smart_account_id.into(), instance.id.into(), tag.as_str().into()];
        let mut has_spans = true;
        let book = tx.row(SQL, &ids, |row| {
            let spans = row.text(0)?;
            has_spans = !spans.is_empty();
            Ok::<_, Error>(Self {
                spans: Spans::from_text(&spans),
                count: row.int(1)?,
                count_before: row.int(1)?,
                as_of: row.int(2)?,
                report_id: row.int(3)?,
                is_off: row.flag(4)?,
                overlap_seconds: row.int(5)?,
                is_said_otherwise: false,
                days: Changes::new(),
                changed: false,
            })
        })?;
        if let Some(mut book) = book {
            if !has_spans {
                book.spans = Self::spans_of_first_version(tx, instance, tag)?;
            }
            return Ok(book);
        }
        Ok(Self {
            spans: Spans::default(),
            count: 0,
            count_before: 0,
            as_of: 0,
            report_id: 0,
            is_off: false,
            overlap_seconds: 0,
            is_said_otherwise: false,
            days: Changes::new(),
            changed: false,
        })
    }

    /// What was counted before spans were kept: all that the reports of then say.
    fn spans_of_first_version(
        tx: &mut Tx<'_>,
        instance: &Instance,
        tag: &EntitlementTag,
    ) -> Result<Spans, Error> {
        const SQL: &str = "SELECT start_at, end_at FROM rum_report WHERE product_instance_id = $1
            AND tag = $2 AND position IS NULL";
        let mut spans = Spans::default();
        tx.each(SQL, &[instance.id.into(), tag.as_str().into()], |row| {
            spans.add(row.int(0)?, row.int(1)?);
            Ok::<_, Error>(true)
        })?;
        Ok(spans)
    }

    /// What a report adds to the seconds that are counted.
    fn count(&mut self, now: Timestamp, report: &RumReport, nothing_is_between: bool) -> Counted {
        let mut counted = Counted::of(report, now.0);
        for (from, to, count) in report.even_spans() {
            // A licence that was out of use leaves no gap, if nothing is missing that could say otherwise.
            if self.is_off
                && nothing_is_between
                && let Some(end) = self.spans.end().filter(|end| *end < from)
            {
                self.spans.add(end, from);
            }
            counted.tell((from, to, count), self.spans.add(from, to));
            self.is_off = false;
        }
        self.overlap_seconds = self.overlap_seconds.saturating_add(counted.overlap_seconds);
        counted
    }

    /// The count now in use, as of the newest report: the one that stands last in its life, or has the highest number. By
    /// its time nothing can be said, since clocks can be set.
    fn use_of(
        &mut self,
        tx: &mut Tx<'_>,
        instance: &Instance,
        report: &RumReport,
        is_next: bool,
    ) -> Result<(), Error> {
        let id = signed_id(report.report_id);
        self.changed = true;
        if is_next || self.is_older_than(tx, instance, report)? {
            let count = i64::from(report.last_count());
            (self.report_id, self.is_off) = (id, count == 0);
            if !self.is_said_otherwise {
                (self.count, self.as_of) = (count, report.end_at().0);
            }
        }
        Ok(())
    }

    /// A report that was refused for its times comes again under a higher number, in its old place.
    fn is_older_than(
        &self,
        tx: &mut Tx<'_>,
        instance: &Instance,
        report: &RumReport,
    ) -> Result<bool, Error> {
        let sql = "SELECT epoch, position FROM rum_report WHERE product_instance_id = $1
            AND report_id = $2";
        let place = [instance.id.into(), self.report_id.into()];
        let newest = tx.row(sql, &place, |row| Ok::<_, Error>((row.text(0)?, row.opt_int(1)?)))?;
        let here = report.lineage.as_ref();
        if let (Some((epoch, Some(position))), Some(here)) = (newest, here)
            && epoch == here.epoch
        {
            return Ok(u64::try_from(position).is_ok_and(|position| position <= here.position));
        }
        Ok(self.report_id <= signed_id(report.report_id))
    }

    /// `goes_on` is whether each report went on from the one before.
    fn write(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        instance: &Instance,
        (tag, goes_on): (&str, bool),
    ) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO license_use (smart_account_id, product_instance_id, tag,
            count, as_of, report_id, spans, is_off, overlap_seconds, virtual_account_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (smart_account_id, product_instance_id, tag) DO UPDATE SET
            count = excluded.count, as_of = excluded.as_of, report_id = excluded.report_id,
            spans = excluded.spans, is_off = excluded.is_off,
            overlap_seconds = excluded.overlap_seconds";
        let spans = self.spans.to_text();
        let values = [
            instance.smart_account_id.into(),
            instance.id.into(),
            tag.into(),
            self.count.into(),
            self.as_of.into(),
            self.report_id.into(),
            (&spans).into(),
            self.is_off.into(),
            self.overlap_seconds.into(),
            instance.virtual_account_id.into(),
        ];
        let before = if goes_on {
            self.count_before
        } else {
            // When a life begins anew, what is in use changes meanwhile.
            let sql = "SELECT count FROM license_use WHERE smart_account_id = $1
                AND product_instance_id = $2 AND tag = $3";
            let before = tx.row(sql, &values[..3], |row| Ok::<_, Error>(row.int(0)?))?;
            before.unwrap_or(0)
        };
        tx.execute(SQL, &values)?;
        let license = Catalogue::nexus().license_of(tag);
        usage::change_days(tx, instance.account(), &license, &self.days)?;
        if before != self.count {
            let of = (instance.account(), instance.id, tag);
            totals::tell(tx, now, of, (before, self.count), Timestamp(self.as_of))?;
        }
        totals::change_use(tx, instance.account(), tag, self.count - before)
    }
}

/// Stores the reports of one product instance. One that is known already is acknowledged again and stored once.
pub(crate) fn store(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    reports: &[VerifiedReport],
    correlation_id: &str,
    hop: Option<&str>,
) -> Result<Outcome, Error> {
    let last_end = reports.iter().map(|verified| verified.report.end_at()).max();
    let are_of_before = match last_end {
        Some(last_end) => older::reported(tx, now, instance, last_end)?,
        None => false,
    };
    let mut outcome = Outcome::default();
    let mut books: BTreeMap<&str, TagBook> = BTreeMap::new();
    let mut goes_on = true;
    for verified in reports {
        goes_on &= instance.is_next(&verified.report);
        let tag = verified.report.entitlement_tag.as_str();
        if !books.contains_key(tag) {
            let mut book = TagBook::read(tx, instance, &verified.report.entitlement_tag)?;
            book.is_said_otherwise = are_of_before;
            books.insert(tag, book);
        }
        let book = books.get_mut(tag).expect("it was put there above");
        let refused = match take(tx, now, instance, verified, book, hop)? {
            Took::New => {
                outcome.new += 1;
                outcome.new_ids.insert(verified.report.report_id);
                None
            }
            Took::Known => {
                outcome.known += 1;
                None
            }
            Took::Refused(refused) => Some(refused),
        };
        let entry = match refused {
            None => {
                entry(&verified.report, StatusCode::Ok, Acknowledgement::ACCEPTED, correlation_id)
            }
            Some(Refused { text, reason, last_report_id }) => {
                let mut entry = entry(&verified.report, StatusCode::Failed, &text, correlation_id);
                entry.last_report_id = last_report_id;
                refusal(entry, reason)
            }
        };
        outcome.entries.push(about(entry, &verified.sha256));
    }
    for (tag, book) in books.iter().filter(|(_, book)| book.changed) {
        book.write(tx, now, instance, (tag, goes_on))?;
    }
    Ok(outcome)
}

/// What became of a report.
enum Took {
    New,
    Known,
    Refused(Refused),
}

struct Refused {
    text: String,
    reason: RefusalReason,
    last_report_id: Option<u64>,
}

impl From<(RefusalReason, String)> for Took {
    fn from((reason, text): (RefusalReason, String)) -> Self {
        Self::Refused(Refused { text, reason, last_report_id: None })
    }
}

fn take(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    verified: &VerifiedReport,
    book: &mut TagBook,
    hop: Option<&str>,
) -> Result<Took, Error> {
    let report = &verified.report;
    let is_next = instance.is_next(report);
    if let Some(text) = report.impossible(now) {
        return Ok((RefusalReason::Impossible, text).into());
    }
    // A report that may be here already is looked for before anything is said of its place.
    let may_be_here = !is_next && report.lineage.is_some() && instance.head.position > 0;
    if may_be_here && let Some(took) = here_before(tx, now, instance, verified, book)? {
        return Ok(took);
    }
    match lineage::place(tx, now, instance, verified)? {
        Standing::Counts => {}
        Standing::Held(text) => return Ok((RefusalReason::Held, text).into()),
    }
    let before = book.spans.clone();
    let (was_off, overlap) = (book.is_off, book.overlap_seconds);
    // After a set back places tell nothing: what another life said of them may have been of other seconds.
    let nothing_is_between =
        is_next && instance.head.missing() == 0 && instance.set_back_at.is_none();
    let counted = book.count(now, report, nothing_is_between);
    if insert(tx, now, instance, verified, &counted, hop)? {
        counted.add_to(&mut book.days);
        book.use_of(tx, instance, report, is_next)?;
        lineage::note(tx, instance, verified)?;
        return Ok(Took::New);
    }
    // Its number is taken after all.
    (book.spans, book.is_off, book.overlap_seconds) = (before, was_off, overlap);
    let took = here_before(tx, now, instance, verified, book)?;
    Ok(took.unwrap_or(Took::Known))
}

/// Whether a text is one that any database keeps.
pub(crate) fn is_plain(text: &str) -> bool {
    text.len() <= 64 && !text.contains(char::is_control)
}

fn insert(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    verified: &VerifiedReport,
    counted: &Counted,
    hop: Option<&str>,
) -> Result<bool, Error> {
    const SQL: &str =
        "INSERT INTO rum_report (smart_account_id, product_instance_id, report_id, tag,
        start_at, end_at, last_count, count_seconds, sha256, previous_id, previous_sha256,
        received_at, payload, signing_key, signature, hop, epoch, position, overlap_seconds,
        virtual_account_id, counted, counted_from, counted_to, span_class)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20, $21, $22, $23, $24) ON CONFLICT DO NOTHING";
    let report = &verified.report;
    let previous = report.previous.as_ref();
    let lineage = report.lineage.as_ref();
    let (counted_text, extent) = (counted.text(), counted.extent());
    let values = [
        instance.smart_account_id.into(),
        instance.id.into(),
        signed_id(report.report_id).into(),
        report.entitlement_tag.as_str().into(),
        report.start_at().0.into(),
        report.end_at().0.into(),
        i64::from(report.last_count()).into(),
        counted.count_seconds.into(),
        verified.sha256[..].into(),
        previous.map(|p| i64::try_from(p.report_id).unwrap_or(0)).into(),
        previous.map(|p| p.sha256.as_str()).filter(|text| is_plain(text)).into(),
        now.0.into(),
        (&verified.payload).into(),
        (&verified.signing_key).into(),
        (&verified.signature).into(),
        hop.into(),
        lineage.map_or("", |lineage| lineage.epoch.as_str()).into(),
        lineage.map(|lineage| i64::try_from(lineage.position).unwrap_or(0)).into(),
        counted.overlap_seconds.into(),
        instance.virtual_account_id.into(),
        counted_text.as_deref().into(),
        extent.map(|extent| extent.from).into(),
        extent.map(|extent| extent.to).into(),
        extent.map_or(0, Extent::class).into(),
    ];
    Ok(tx.execute(SQL, &values)? == 1)
}

/// What is known of a report's number: the same bytes, or others. A device that moved to another account sends again
/// what it got no ACK for: that stays counted where it was, but says what is in use now.
fn here_before(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    verified: &VerifiedReport,
    book: &mut TagBook,
) -> Result<Option<Took>, Error> {
    const SQL: &str = "SELECT sha256, smart_account_id FROM rum_report
        WHERE product_instance_id = $1 AND report_id = $2";
    let id = signed_id(verified.report.report_id);
    let read = |row: &Row<'_>| Ok::<_, Error>((row.bytes(0)?, row.id::<SmartAccountId>(1)?));
    let Some((sha256, account)) = tx.row(SQL, &[instance.id.into(), id.into()], read)? else {
        return Ok(None);
    };
    if sha256 == verified.sha256 {
        if account != instance.smart_account_id {
            book.use_of(tx, instance, &verified.report, false)?;
        }
        return Ok(Some(Took::Known));
    }
    lineage::note_set_back(tx, now, instance, Some(id))?;
    Ok(Some(Took::Refused(Refused {
        text: "Another report with this report_id was received before.".to_owned(),
        reason: RefusalReason::Conflict,
        last_report_id: lineage::last_report_id(tx, instance.id)?,
    })))
}
