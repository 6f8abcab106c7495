//! Whose past a report goes on from.
//!
//! The reports of a product instance form a chain, each with the digest of the one before. A switch that was set back to
//! an older copy breaks it, and so does a clone. While one of them speaks the cure is automatic: it begins a new epoch, and
//! the ledger counts each second once. Once two have spoken about the same time nobody here can tell which is the right one:
//! both are held until the owner has chosen.

use rumline_protocol::{Lineage, Purpose, ReportRequest, RumReport, Timestamp, base64};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{self, add_event};
use crate::alerts::{self, AlertKind};
use crate::checked::{self, VerifiedReport, signed_id};
use crate::head::{Head, head_from};
use crate::ids::{InstanceId, SmartAccountId};
use crate::instances::Instance;
use crate::{Actor, Cssm, Error, totals};

/// Ranges of missing reports that are asked for at a time.
const RANGES_MAX: usize = 100;
/// What is missing is asked for once in so many seconds: reports may overtake each other.
const ASK_AGAIN_SECONDS: i64 = Timestamp::HOUR;
/// Lives of one product instance that are remembered in each state. Of more, those that began first are forgotten.
const LIVES_MAX: i64 = 256;
/// A product instance that breaks its chain again and again is told of once a day.
const TELL_AGAIN_SECONDS: i64 = Timestamp::DAY;

impl Instance {
    /// Whether a report is the one that follows the head, as nearly all are.
    pub(crate) fn is_next(&self, report: &RumReport) -> bool {
        let head = &self.head;
        report.lineage.as_ref().is_some_and(|lineage| {
            head.position > 0
                && lineage.epoch == head.epoch
                && i64::try_from(lineage.position).ok() == head.position.checked_add(1)
                && report.previous.as_ref().is_some_and(|previous| {
                    i64::try_from(previous.report_id) == Ok(head.report_id)
                        && previous.sha256 == head.sha256
                })
                && self.held_at.is_none()
                // Numbers grow along the chain.
                && signed_id(report.report_id) > head.report_id
        })
    }
}

/// Whether a report counts.
pub(crate) enum Standing {
    Counts,
    /// Not before somebody has chosen.
    Held(String),
}

fn ended() -> Standing {
    Standing::Held("the owner has ended what this product instance goes on from".to_owned())
}

fn even_end(report: &RumReport) -> i64 {
    report.even_spans().map(|(_, to, _)| to).max().unwrap_or(0)
}

/// Finds the place of a report that is not here yet.
pub(crate) fn place(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    verified: &VerifiedReport,
) -> Result<Standing, Error> {
    let report = &verified.report;
    if instance.is_next(report) {
        return Ok(Standing::Counts);
    }
    if instance.held_at.is_some() {
        let text = "two product instances speak as this one; it is held until its owner has chosen";
        return Ok(Standing::Held(text.to_owned()));
    }
    let Some(lineage) = &report.lineage else { return Ok(Standing::Counts) };
    let state = state_of(tx, instance.id, &lineage.epoch)?;
    if instance.head.position == 0 && instance.head.epoch.is_empty() && state.is_none() {
        // The first that is heard of it.
        instance.head.epoch.clone_from(&lineage.epoch);
        instance.head.began_at = lineage.epoch_began_at;
        return Ok(Standing::Counts);
    }
    if lineage.epoch == instance.head.epoch {
        if breaks_chain(tx, instance, report)? {
            note_set_back(tx, now, instance, None)?;
        }
        return Ok(Standing::Counts);
    }
    if let Some(state) = state {
        let is_before = even_end(report) <= instance.head.began_at;
        return match state.as_str() {
            // What the chosen one goes on from had said more than had arrived.
            ENDED if !is_before || !goes_on_from(tx, instance, &lineage.epoch)? => Ok(ended()),
            // It spoke before the present one began, and what it said then may arrive late.
            _ if is_before => {
                note_parent(tx, instance, lineage)?;
                Ok(Standing::Counts)
            }
            _ => hold(tx, now, instance, lineage),
        };
    }
    let parent = &lineage.parent_epoch;
    if *parent != instance.head.epoch
        && state_of(tx, instance.id, parent)?.as_deref() == Some(ENDED)
    {
        // What it goes on from was not chosen, and neither is it: the choice stands.
        let child = Head {
            epoch: lineage.epoch.clone(),
            began_at: lineage.epoch_began_at,
            ..Head::default()
        };
        keep(tx, instance.id, &child, ENDED)?;
        return Ok(ended());
    }
    if lineage.epoch_began_at < instance.head.last_end_at {
        // What it goes on from was given up, and yet speaks of later.
        return hold(tx, now, instance, lineage);
    }
    begin(tx, now, instance, lineage)?;
    Ok(Standing::Counts)
}

/// Whether a report names another predecessor than the one that is here under that number.
fn breaks_chain(tx: &mut Tx<'_>, instance: &Instance, report: &RumReport) -> Result<bool, Error> {
    let Some(previous) = &report.previous else { return Ok(false) };
    let Ok(id) = i64::try_from(previous.report_id) else { return Ok(false) };
    if id == instance.head.report_id {
        return Ok(previous.sha256 != instance.head.sha256);
    }
    let sql = "SELECT sha256 FROM rum_report WHERE product_instance_id = $1 AND report_id = $2";
    let known = tx.row(sql, &[instance.id.into(), id.into()], |row| row.bytes(0))?;
    Ok(known.is_some_and(|sha256| base64(&sha256) != previous.sha256))
}

const ENDED: &str = "ended";

fn state_of(
    tx: &mut Tx<'_>,
    instance_id: InstanceId,
    epoch: &str,
) -> Result<Option<String>, Error> {
    let sql = "SELECT state FROM lineage WHERE product_instance_id = $1 AND epoch = $2";
    Ok(tx.row(sql, &[instance_id.into(), epoch.into()], |row| row.text(0))?)
}

/// Writes an epoch down beside the one that speaks now.
fn keep(tx: &mut Tx<'_>, instance_id: InstanceId, head: &Head, state: &str) -> Result<(), Error> {
    let sql = "INSERT INTO lineage (product_instance_id, epoch, began_at, last_end_at, position,
        present, report_id, sha256, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (product_instance_id, epoch) DO UPDATE SET
        began_at = excluded.began_at, last_end_at = excluded.last_end_at, position = excluded.position,
        present = excluded.present, report_id = excluded.report_id, sha256 = excluded.sha256,
        state = excluded.state";
    let values = [
        instance_id.into(),
        (&head.epoch).into(),
        head.began_at.into(),
        head.last_end_at.into(),
        head.position.into(),
        head.present.into(),
        head.report_id.into(),
        (&head.sha256).into(),
        state.into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "DELETE FROM lineage WHERE product_instance_id = $1 AND state = $2 AND began_at <
        (SELECT began_at FROM lineage WHERE product_instance_id = $3 AND state = $4
        ORDER BY began_at DESC LIMIT 1 OFFSET $5)";
    let (id, state) = (instance_id.into(), state.into());
    tx.execute(sql, &[id, state, id, state, LIVES_MAX.into()])?;
    Ok(())
}

/// A life that another one says it goes on from, and that nothing was heard of: a CSSM that was restored from a copy
/// learns of it only so. Its reports are asked for.
fn note_parent(tx: &mut Tx<'_>, instance: &mut Instance, child: &Lineage) -> Result<(), Error> {
    let parent = &child.parent_epoch;
    if *parent == child.epoch
        || *parent == instance.head.epoch
        || state_of(tx, instance.id, parent)?.is_some()
    {
        return Ok(());
    }
    // When it began its reports will say; before the one that names it.
    let began_at = child.epoch_began_at.saturating_sub(1);
    let head = Head { epoch: parent.clone(), began_at, ..Head::default() };
    keep(tx, instance.id, &head, "past")?;
    ask_anew(tx, instance)
}

/// There is more to ask for than there was.
fn ask_anew(tx: &mut Tx<'_>, instance: &mut Instance) -> Result<(), Error> {
    instance.requested_at = None;
    let sql = "UPDATE product_instance SET requested_at = NULL WHERE id = $1";
    tx.execute(sql, &[instance.id.into()])?;
    Ok(())
}

/// Whether the life that speaks now goes on from another one, as its reports and those between tell.
fn goes_on_from(tx: &mut Tx<'_>, instance: &Instance, epoch: &str) -> Result<bool, Error> {
    let mut lives = vec![instance.head.epoch.clone()];
    while let Some(child) = lives.last().filter(|child| *child != epoch) {
        let sql = "SELECT payload FROM rum_report WHERE product_instance_id = $1 AND epoch = $2
            ORDER BY report_id LIMIT 1";
        let values = [instance.id.into(), child.into()];
        let payload = tx.row(sql, &values, |row| row.text(0))?;
        let lineage = payload.and_then(|payload| RumReport::read(&payload).ok()?.lineage);
        match lineage.map(|lineage| lineage.parent_epoch) {
            Some(parent) if !lives.contains(&parent) => lives.push(parent),
            _ => return Ok(false),
        }
    }
    Ok(lives.len() > 1)
}

/// A new epoch takes the place of the one that spoke before.
fn begin(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    lineage: &Lineage,
) -> Result<(), Error> {
    keep(tx, instance.id, &instance.head, "past")?;
    note_parent(tx, instance, lineage)?;
    ask_anew(tx, instance)?;
    instance.head =
        Head { epoch: lineage.epoch.clone(), began_at: lineage.epoch_began_at, ..Head::default() };
    in_use_as_told_in(tx, now, (instance.smart_account_id, instance.id), &lineage.epoch)?;
    note_set_back(tx, now, instance, None)?;
    let text =
        format!("{}: usage goes on in a new epoch, each second is counted once", instance.udi);
    add_event(tx, now, instance.smart_account_id, &Actor::system(), &text)
}

/// What is in use now is what the life that goes on says: what another one said last holds no more.
fn in_use_as_told_in(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (smart_account_id, id): (SmartAccountId, InstanceId),
    epoch: &str,
) -> Result<(), Error> {
    let sql = "UPDATE license_use SET count = COALESCE((SELECT rum_report.last_count
        FROM rum_report WHERE rum_report.product_instance_id = $1 AND rum_report.epoch = $2
        AND rum_report.tag = license_use.tag ORDER BY rum_report.position DESC LIMIT 1), 0)
        WHERE smart_account_id = $3 AND product_instance_id = $1";
    totals::kept(tx, now, id, |tx| {
        tx.execute(sql, &[id.into(), epoch.into(), smart_account_id.into()])?;
        Ok(())
    })
}

/// Two heads of one chain: nobody here can tell which is the right one.
fn hold(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    lineage: &Lineage,
) -> Result<Standing, Error> {
    keep(tx, instance.id, &instance.head, "present")?;
    if state_of(tx, instance.id, &lineage.epoch)?.is_none() {
        let other = Head {
            epoch: lineage.epoch.clone(),
            began_at: lineage.epoch_began_at,
            ..Head::default()
        };
        keep(tx, instance.id, &other, "rival")?;
    } else {
        // It was given up, it seemed: it is there all the same.
        let sql =
            "UPDATE lineage SET state = 'rival' WHERE product_instance_id = $1 AND epoch = $2";
        tx.execute(sql, &[instance.id.into(), (&lineage.epoch).into()])?;
    }
    instance.held_at = Some(now);
    let sql = "UPDATE product_instance SET held_at = $1 WHERE id = $2";
    tx.execute(sql, &[now.0.into(), instance.id.into()])?;
    let text = format!(
        "Two product instances speak as {}: it was cloned, or a copy was set up beside it. Both are \
         held; choose which one goes on.",
        instance.udi
    );
    alerts::raise(tx, now, instance.smart_account_id, AlertKind::Clone, &instance.udi, &text)?;
    add_event(tx, now, instance.smart_account_id, &Actor::system(), &text)?;
    Ok(Standing::Held(
        "two product instances speak as this one; it is held until its owner has chosen".to_owned(),
    ))
}

/// A product instance was set back, or another one speaks in its name: its account is told.
pub(crate) fn note_set_back(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    report_id: Option<i64>,
) -> Result<(), Error> {
    let told = instance.set_back_at.is_some_and(|at| now.since(at) < TELL_AGAIN_SECONDS);
    if told {
        return Ok(());
    }
    instance.set_back_at = Some(now);
    let sql = "UPDATE product_instance SET set_back_at = $1 WHERE id = $2";
    tx.execute(sql, &[now.0.into(), instance.id.into()])?;
    let which = report_id.map_or(String::new(), |id| format!(" (report {id})"));
    let text = format!(
        "{} was set back to an older copy: its reports do not follow those received before{which}.",
        instance.udi
    );
    alerts::raise(tx, now, instance.smart_account_id, AlertKind::SetBack, &instance.udi, &text)?;
    add_event(tx, now, instance.smart_account_id, &Actor::system(), &text)
}

/// Whether another report stands in the place of one: one that was refused for its times comes again in it, and makes no
/// place more.
fn is_place_taken(
    tx: &mut Tx<'_>,
    id: InstanceId,
    lineage: &Lineage,
    report: &RumReport,
) -> Result<bool, Error> {
    let position = i64::try_from(lineage.position).unwrap_or(i64::MAX);
    // Numbers grow along the chain, but for those that come again: the one before tells, as nearly always.
    let sql = "SELECT position FROM rum_report WHERE product_instance_id = $1 AND report_id < $2
        AND epoch = $3 ORDER BY report_id DESC LIMIT 1";
    let values = [id.into(), signed_id(report.report_id).into(), (&lineage.epoch).into()];
    let before = tx.row(sql, &values, |row| row.opt_int(0))?.flatten().unwrap_or(0);
    if before <= position {
        return Ok(before == position);
    }
    let sql = "SELECT COUNT(*) FROM rum_report WHERE product_instance_id = $1 AND epoch = $2
        AND position = $3";
    let place = [id.into(), (&lineage.epoch).into(), position.into()];
    Ok(tx.row(sql, &place, |row| row.int(0))?.unwrap_or(0) > 1)
}

/// Notes that a report was taken.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    instance: &mut Instance,
    verified: &VerifiedReport,
) -> Result<(), Error> {
    let report = &verified.report;
    let Some(lineage) = &report.lineage else { return Ok(()) };
    instance.told_trust_id = i64::try_from(lineage.trust_id).ok();
    let position = i64::try_from(lineage.position).unwrap_or(i64::MAX);
    let is_taken =
        position <= instance.head.position && is_place_taken(tx, instance.id, lineage, report)?;
    let advance = |head: &mut Head| {
        head.present += i64::from(!is_taken);
        head.last_end_at = head.last_end_at.max(even_end(report));
        if position > head.position {
            head.position = position;
            head.report_id = signed_id(report.report_id);
            head.sha256 = base64(&verified.sha256);
        }
    };
    if lineage.epoch == instance.head.epoch {
        advance(&mut instance.head);
        return Ok(());
    }
    let sql = "SELECT epoch, began_at, last_end_at, position, present, report_id, sha256, state
        FROM lineage WHERE product_instance_id = $1 AND epoch = $2";
    let ids = [instance.id.into(), (&lineage.epoch).into()];
    let found = tx.row(sql, &ids, |row| Ok::<_, Error>((head_from(row, 0)?, row.text(7)?)))?;
    if let Some((mut head, state)) = found {
        advance(&mut head);
        head.began_at = lineage.epoch_began_at;
        keep(tx, instance.id, &head, &state)?;
    }
    Ok(())
}

/// The highest number CSSM holds a report of.
pub(crate) fn last_report_id(
    tx: &mut Tx<'_>,
    instance_id: InstanceId,
) -> Result<Option<u64>, Error> {
    let sql = "SELECT report_id FROM rum_report WHERE product_instance_id = $1
        ORDER BY report_id DESC LIMIT 1";
    let last = tx.row(sql, &[instance_id.into()], |row| row.int(0))?;
    Ok(last.and_then(|id| u64::try_from(id).ok()))
}

/// The places of reports that must have been, and are not here, if it is time to ask for them; notes that they were
/// asked for. Lives that were given up are asked about too: a CSSM that was restored from a copy knows of their last
/// reports only that there may have been some.
pub(crate) fn ask_for_missing(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
) -> Result<Vec<ReportRequest>, Error> {
    let recently =
        instance.requested_at.is_some_and(|at| (0..ASK_AGAIN_SECONDS).contains(&now.since(at)));
    let lacks = instance.head.missing() > 0;
    // Once for each life that was given up: there may be more of it than is known here.
    let wonders = instance.set_back_at.is_some() && instance.requested_at.is_none();
    if !(lacks || wonders) || recently || instance.held_at.is_some() {
        return Ok(Vec::new());
    }
    let mut asked = vec![(instance.head.epoch.clone(), missing_positions(tx, instance, None)?)];
    let sql = "SELECT epoch FROM lineage WHERE product_instance_id = $1 AND state = 'past'
        ORDER BY present = 0 DESC, began_at DESC LIMIT 8";
    for epoch in tx.rows(sql, &[instance.id.into()], |row| row.text(0))? {
        let positions = missing_positions(tx, instance, Some(&epoch))?;
        asked.push((epoch, positions));
    }
    let sql = "UPDATE product_instance SET requested_at = $1 WHERE id = $2";
    // Who only wonders may ask again as soon as it is known that something is missing.
    let asked_at = if lacks { now } else { now - ASK_AGAIN_SECONDS };
    tx.execute(sql, &[asked_at.0.into(), instance.id.into()])?;
    let asked = asked.into_iter().filter(|(_, positions)| !positions.is_empty());
    let request = |(epoch, positions)| ReportRequest {
        purpose: Purpose::ReportRequest,
        sudi: instance.udi.clone(),
        issued_at: now,
        epoch,
        positions,
    };
    Ok(asked.map(request).collect())
}

/// The places that are missing in the epoch that speaks now, or in one that was given up: there to no end.
fn missing_positions(
    tx: &mut Tx<'_>,
    instance: &Instance,
    given_up: Option<&str>,
) -> Result<Vec<(u64, u64)>, Error> {
    let sql = "SELECT position FROM rum_report WHERE product_instance_id = $1
        AND epoch = $2 AND position IS NOT NULL AND signing_key = $3 ORDER BY position";
    let (mut ranges, mut before) = (Vec::new(), 0);
    let key = checked::key_text(&instance.public_key);
    let epoch = given_up.unwrap_or(&instance.head.epoch);
    let values = [instance.id.into(), epoch.into(), (&key).into()];
    tx.each(sql, &values, |row| {
        let position = u64::try_from(row.int(0)?).unwrap_or(0);
        if position > before + 1 {
            ranges.push((before + 1, position - 1));
        }
        before = position;
        Ok::<_, Error>(ranges.len() < RANGES_MAX)
    })?;
    if given_up.is_some() && ranges.len() < RANGES_MAX {
        ranges.push((before + 1, i64::MAX.unsigned_abs()));
    }
    Ok(ranges)
}

/// An epoch of a product instance, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpochView {
    /// Its name; empty for the first.
    pub epoch: String,
    /// When it began, by the product instance's clock; 0 for the first.
    pub began_at: i64,
    /// The end of its last report.
    pub last_end_at: i64,
    /// Its reports that are here.
    pub reports: i64,
    /// Its reports that must have been, and are not here.
    pub reports_missing: i64,
    /// `present` speaks now, `past` did before, `rival` speaks too, `ended` was given up by the owner.
    pub state: String,
}

fn view(head: &Head, state: String) -> EpochView {
    EpochView {
        epoch: head.epoch.clone(),
        began_at: head.began_at,
        last_end_at: head.last_end_at,
        reports: head.present,
        reports_missing: head.missing(),
        state,
    }
}

/// The epochs of a product instance, oldest first.
pub(crate) fn epochs(
    tx: &mut Tx<'_>,
    instance_id: InstanceId,
    head: &Head,
) -> Result<Vec<EpochView>, Error> {
    let sql = "SELECT epoch, began_at, last_end_at, position, present, report_id, sha256, state
        FROM lineage WHERE product_instance_id = $1 AND epoch <> $2 ORDER BY began_at, epoch";
    let mut views = tx.rows(sql, &[instance_id.into(), (&head.epoch).into()], |row| {
        Ok::<_, Error>(view(&head_from(row, 0)?, row.text(7)?))
    })?;
    views.push(view(head, "present".to_owned()));
    Ok(views)
}

impl Cssm {
    /// Chooses which of two product instances that speak as one goes on; the other ones are ended.
    ///
    /// # Errors
    /// When there is no such product instance or epoch.
    pub fn choose_epoch(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: InstanceId,
        epoch: &str,
    ) -> Result<(), Error> {
        let (actor, epoch) = (actor.clone(), epoch.to_owned());
        self.db.write("lineage.choose", move |tx| {
            let instance = crate::instances::of_account(tx, smart_account_id, id)?;
            accounts::smart_account(tx, smart_account_id)?;
            let chosen = if instance.head.epoch == epoch {
                instance.head.clone()
            } else {
                let sql = "SELECT epoch, began_at, last_end_at, position, present, report_id,
                    sha256 FROM lineage WHERE product_instance_id = $1 AND epoch = $2";
                tx.row(sql, &[id.into(), (&epoch).into()], |row| head_from(row, 0))?
                    .ok_or(Error::NotFound("epoch"))?
            };
            // What the others said so far stays counted; what they say from now on does not.
            if instance.head.epoch != epoch {
                keep(tx, id, &instance.head, ENDED)?;
            }
            let sql = "UPDATE lineage SET state = $1 WHERE product_instance_id = $2
                AND epoch <> $3 AND state <> 'past'";
            tx.execute(sql, &[ENDED.into(), id.into(), (&epoch).into()])?;
            let sql = "DELETE FROM lineage WHERE product_instance_id = $1 AND epoch = $2";
            tx.execute(sql, &[id.into(), (&epoch).into()])?;
            let sql = "UPDATE product_instance SET held_at = NULL WHERE id = $1";
            tx.execute(sql, &[id.into()])?;
            crate::instances::note_head(tx, id, &chosen)?;
            in_use_as_told_in(tx, now, (smart_account_id, id), &epoch)?;
            alerts::clear(tx, now, smart_account_id, AlertKind::Clone, &instance.udi)?;
            let name = if epoch.is_empty() { "the first" } else { &epoch };
            let text = format!("{}: epoch {name} was chosen, the others are ended", instance.udi);
            add_event(tx, now, smart_account_id, &actor, &text)
        })
    }
}
