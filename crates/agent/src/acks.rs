//! What CSSM says of reports: acknowledged, refused, asked for again.

use rumline_protocol::{
    Acknowledgement, IdSet, RefusalReason, ReportRequest, Signed, StatusCode, Timestamp, base64,
    sha256,
};

use crate::epoch::Cure;
use crate::exchange::{Push, printable};
use crate::reports::ReportStore;
use crate::syslog::SyslogMessage;
use crate::troubles::{RefusedReports, Trouble};
use crate::{Agent, Effect, Environment};

/// What an ACK came to.
#[derive(Default)]
struct Tally {
    /// Entries about this product instance.
    ours: u64,
    taken: u64,
    unknown: u64,
    refused: u64,
    /// What was said of the first that was refused.
    refusal: Option<RefusedReports>,
    /// Reports that live on under other numbers.
    to_renumber: Vec<Cure>,
}

impl Agent {
    /// CSSM lacks reports that it had acknowledged: those that are still here are offered again.
    pub(crate) fn take_report_request(
        &mut self,
        now: Timestamp,
        request: &ReportRequest,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        // One that comes again, from a collector or from somebody who kept it, asks for nothing new.
        let text = serde_json::to_vec(request).expect("a request always serialises");
        let digest = base64(&sha256(&text));
        if self.ledger.requests_heeded.contains(&digest) {
            return false;
        }
        let asked: IdSet = request.positions.clone().into();
        let mut wanted = Vec::new();
        for id in self.ledger.acknowledged.iter() {
            let Ok(Some((_, own))) = ReportStore::read(id, environment.disk) else { continue };
            let is_asked_for = own.report.lineage.is_some_and(|lineage| {
                lineage.epoch == request.epoch && asked.contains(lineage.position)
            });
            if is_asked_for {
                wanted.push(id);
            }
        }
        if wanted.is_empty() {
            return false;
        }
        self.ledger.heeded(digest);
        for id in &wanted {
            self.ledger.undone(*id);
            self.ledger.closed.insert(*id);
        }
        let count = wanted.len() as u64;
        let detail = format!("reports=\"{count}\"");
        self.log(now, environment, "SAEVT_RUM_REPORTS_REQUESTED", &detail);
        effects.push(Effect::Syslog(SyslogMessage::ReportsRequested { count }));
        self.push_at_once(wanted.first().copied().unwrap_or(0));
        true
    }

    /// CSSM has spoken of reports that it wants otherwise: whoever asks is there, and they go at once, whatever the policy
    /// says about intervals.
    pub(crate) fn push_at_once(&mut self, first: u64) {
        self.wanted.push = match self.wanted.push {
            Push::Running { from, resend, again } => {
                Push::Running { from: from.min(first), resend, again }
            }
            _ => Push::Running { from: first, resend: false, again: false },
        };
        self.unsaved = true;
    }

    /// Takes an ACK: what it says of a report counts only if it speaks of that very report, by its digest.
    pub(crate) fn take_ack(
        &mut self,
        now: Timestamp,
        signed: &Signed<Vec<Acknowledgement>>,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, String> {
        let mut tally = Tally::default();
        for entry in &signed.value {
            if self.is_ours(&entry.sudi) {
                self.take_entry(now, entry, &mut tally, environment);
            }
        }
        for cure in std::mem::take(&mut tally.to_renumber) {
            self.renumber(now, &cure, environment, effects);
        }
        if tally.refused > 0 {
            let what = tally.refusal.take();
            let what = what.unwrap_or(RefusedReports { reason: None, words: String::new() });
            let (count, reason) = (tally.refused, what.words.clone());
            self.ledger.troubles.reports = Some(Trouble { at: now, what });
            self.unsaved = true;
            effects.push(Effect::Syslog(SyslogMessage::ReportsRefused { count, reason }));
        }
        if tally.taken > 0 {
            self.ledger.troubles.reports.take_if(|_| tally.refused == 0);
            self.note_ack(now, environment);
            return Ok(true);
        }
        match (tally.refused, tally.unknown) {
            (refused, _) if refused > 0 => Err("CSSM refused the report".to_owned()),
            (_, unknown) if unknown == tally.ours => {
                Err("the ACK is for reports this device does not know".to_owned())
            }
            // All of it was acknowledged before.
            _ => Ok(false),
        }
    }

    fn take_entry(
        &mut self,
        now: Timestamp,
        entry: &Acknowledgement,
        tally: &mut Tally,
        environment: &mut Environment<'_>,
    ) {
        tally.ours += 1;
        let id = entry.report_id;
        let mut waits = self.ledger.closed.contains(id) || self.ledger.unacknowledged.contains(id);
        // Where the policy asks for no ACK a report is done once it has left: a refusal opens it again.
        let cures = [RefusalReason::Conflict, RefusalReason::Impossible];
        if entry.reason.is_some_and(|reason| cures.contains(&reason))
            && self.ledger.acknowledged.contains(id)
            && let Ok(Some((_, own))) = ReportStore::read(id, environment.disk)
            && entry.is_about(&own.sha256())
        {
            self.ledger.undone(id);
            self.ledger.closed.insert(id);
            waits = true;
        }
        if entry.status_code == StatusCode::Ok && self.ledger.unreadable.remove(id) {
            // It had arrived before its file was damaged: nothing is lost.
            tally.taken += 1;
            return;
        }
        if !waits {
            self.confirm(entry, environment);
            let is_known = [&self.ledger.acknowledged, &self.ledger.renumbered];
            if !is_known.iter().any(|known| known.contains(id)) {
                tally.unknown += 1;
                let detail = format!("reportId=\"{id}\"");
                self.log(now, environment, "SAEVT_RUM_ACK_UNKNOWN_REPORT", &detail);
            }
            return;
        }
        let own = ReportStore::read(id, environment.disk).ok().flatten();
        let Some((_, own)) = own else {
            // Offered once more, it is found out about.
            return self.push_soon(now);
        };
        let is_about_it = entry.is_about(&own.sha256());
        match (entry.status_code, is_about_it) {
            (StatusCode::Ok, true) => {
                tally.taken += 1;
                self.ledger.done(id);
            }
            (StatusCode::Ok, false) => {
                tally.unknown += 1;
                let named = entry.report_sha256.is_some();
                let detail = format!("reportId=\"{id}\" namesDigest=\"{named}\"");
                self.log(now, environment, "SAEVT_RUM_ACK_OTHER_REPORT", &detail);
                // CSSM has another report of this number: this switch was set back, or there is another one.
                if named {
                    tally.to_renumber.push(Cure::conflict(id, None));
                }
            }
            (StatusCode::Failed, _) => {
                let words = printable(&entry.status_message);
                let detail = format!("reportId=\"{id}\" reason=\"{words}\"");
                self.log(now, environment, "SAEVT_RUM_REPORT_REFUSED", &detail);
                match entry.reason.filter(|_| is_about_it) {
                    Some(RefusalReason::Conflict) => {
                        tally.to_renumber.push(Cure::conflict(id, entry.last_report_id));
                    }
                    Some(RefusalReason::Impossible) if self.clock_was_set_since(&own.report) => {
                        tally.to_renumber.push(Cure::times(id));
                    }
                    _ => {
                        tally.refused += 1;
                        let reason = entry.reason;
                        tally.refusal.get_or_insert(RefusedReports { reason, words });
                    }
                }
            }
        }
    }

    /// An ACK that was not asked for has come.
    fn confirm(&mut self, entry: &Acknowledgement, environment: &mut Environment<'_>) {
        let id = entry.report_id;
        if entry.status_code == StatusCode::Ok
            && self.ledger.unconfirmed.contains(id)
            && let Ok(Some((_, own))) = ReportStore::read(id, environment.disk)
            && entry.is_about(&own.sha256())
        {
            self.ledger.done(id);
            self.unsaved = true;
        }
    }

    fn note_ack(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        self.ledger.last_ack_at = Some(now);
        self.ledger.overdue_warned_at = None;
        self.ledger.troubles.set_back_at = None;
        let waits = !self.ledger.unacknowledged.is_empty();
        self.ledger.troubles.waits_since = waits.then_some(now);
        self.unsaved = true;
        let all_acknowledged =
            self.ledger.closed.is_empty() && self.ledger.unacknowledged.is_empty();
        if all_acknowledged {
            self.ledger.polls.clear();
            self.ledger.changed_at = self.untold_change_at();
        }
        self.purge_reports(now, environment);
    }
}
