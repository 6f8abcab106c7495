//! Reports that live on under other numbers.
//!
//! A switch that was set back to an older copy of its flash gives out numbers for a second time. CSSM, which holds the
//! reports of its first life, refuses the others: it can tell by their digests. Then a new *epoch* begins: its numbers lie
//! above all that were ever given out, its chain begins anew, and what was not acknowledged is reported in it. CSSM counts
//! each second once, whichever life reported it.

use rumline_protocol::{Measurement, RumReport, Timestamp, random_hex};

use crate::reports::{NewReport, ReportStore};
use crate::syslog::SyslogMessage;
use crate::{Agent, Effect, Environment};

/// A report to be written anew.
pub(crate) struct Cure {
    report_id: u64,
    kind: CureKind,
}

enum CureKind {
    /// CSSM holds another report of this number; the highest it holds, if it said so.
    Conflict { last_report_id: Option<u64> },
    /// Its times were wrong when it was closed; the clock has been set since.
    Times,
}

impl Cure {
    pub(crate) fn conflict(report_id: u64, last_report_id: Option<u64>) -> Self {
        Self { report_id, kind: CureKind::Conflict { last_report_id } }
    }

    pub(crate) fn times(report_id: u64) -> Self {
        Self { report_id, kind: CureKind::Times }
    }
}

/// The starts of a report's measurements by the clock of then, and on even time.
fn starts(report: &RumReport) -> impl Iterator<Item = (i64, i64)> + '_ {
    let even = report.even_spans().map(|(from, _, _)| from);
    report.measurements.iter().map(|m| m.start_time.0).zip(even)
}

impl Agent {
    pub(crate) fn clock_was_set_since(&self, report: &RumReport) -> bool {
        let offset = self.ledger.clock_offset_seconds;
        starts(report).any(|(by_clock, even)| by_clock.saturating_sub(even) != offset)
    }

    /// Writes a report anew under another number: the same use, the same time.
    pub(crate) fn renumber(
        &mut self,
        now: Timestamp,
        cure: &Cure,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let id = cure.report_id;
        let Ok(Some((name, signed))) = ReportStore::read(id, environment.disk) else {
            return;
        };
        let report = signed.report;
        // What another supervisor reported goes on in its own name.
        let speaker = self.speaker().clone();
        self.report_as(&report.udi);
        self.renumber_own(now, cure, (&name, &report), environment, effects);
        self.report_as(&speaker);
    }

    fn renumber_own(
        &mut self,
        now: Timestamp,
        cure: &Cure,
        (name, report): (&str, &RumReport),
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let id = cure.report_id;
        let epoch = report.lineage.as_ref().map_or("", |lineage| lineage.epoch.as_str());
        let mut new = NewReport {
            tag: &report.entitlement_tag,
            name,
            report_id: 0,
            measurements: &report.measurements,
            clock_offset_seconds: report.lineage.as_ref().map_or(0, |l| l.clock_offset_seconds),
            trust_id: self.trust_id(),
            replaces: None,
        };
        let measurements;
        match cure.kind {
            CureKind::Conflict { last_report_id } => {
                if epoch == self.ledger.epoch {
                    self.begin_epoch(now, last_report_id.unwrap_or(id), environment, effects);
                }
            }
            CureKind::Times => {
                measurements = self.on_the_clock_of_now(report);
                new.measurements = &measurements;
                new.clock_offset_seconds = self.ledger.clock_offset_seconds;
                if epoch == self.ledger.epoch {
                    new.replaces = Some(report);
                }
            }
        }
        new.report_id = self.ledger.next_report_id;
        let stays = new.replaces.is_some();
        // One that cannot be written stays as it is, and is tried again when CSSM refuses it again.
        let written = self.reports.write(&new, &self.ledger, &*self.signer, environment.disk);
        let Ok(link) = written else { return };
        let new_id = self.take_report_id();
        // One that takes the place of another is followed by what followed that.
        if !stays {
            self.ledger.last_closed = Some(link);
            self.ledger.chain_position += 1;
        }
        self.ledger.closed.insert(new_id);
        self.ledger.closed.remove(id);
        self.ledger.unacknowledged.remove(id);
        self.superseded.push(id);
        self.ledger.renumbered.insert(id);
        self.unsaved = true;
        let detail = format!("reportId=\"{id}\" newReportId=\"{new_id}\"");
        self.log(now, environment, "SAEVT_RUM_REPORT_RENUMBERED", &detail);
        self.push_at_once(new_id);
    }

    /// The measurements of a report, each by the clock as it is set now: the same seconds on even time.
    fn on_the_clock_of_now(&self, report: &RumReport) -> Vec<Measurement> {
        let offset = self.ledger.clock_offset_seconds;
        let shifted = |(m, (by_clock, even)): (&Measurement, (i64, i64))| {
            let shift = even.saturating_add(offset).saturating_sub(by_clock);
            Measurement {
                log_time: m.log_time + shift,
                start_time: m.start_time + shift,
                end_time: m.end_time + shift,
                clock_change_delta: None,
                ..m.clone()
            }
        };
        report.measurements.iter().zip(starts(report)).map(shifted).collect()
    }

    /// Begins a new epoch: numbers above all that CSSM holds, and above all that may lie elsewhere, since numbers begin
    /// at the second of first start and grow far slower than time.
    fn begin_epoch(
        &mut self,
        now: Timestamp,
        last_report_id: u64,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let by_time = u64::try_from(now.0).unwrap_or(0);
        let ledger = &mut self.ledger;
        let next = random_hex(environment.random, 8);
        ledger.parent_epoch = std::mem::replace(&mut ledger.epoch, next);
        // On even time, which the clock of this switch never moved.
        ledger.epoch_began_at = now.0.saturating_sub(ledger.clock_offset_seconds);
        ledger.chain_position = 0;
        ledger.last_closed = None;
        let above = last_report_id.saturating_add(1).min(i64::MAX.unsigned_abs() >> 1);
        ledger.next_report_id = ledger.next_report_id.max(above).max(by_time);
        let tags: Vec<_> = ledger.series.keys().cloned().collect();
        for tag in tags {
            let id = self.take_report_id();
            if let Some(series) = self.ledger.series.get_mut(&tag) {
                series.report_id = id;
            }
        }
        self.ledger.troubles.set_back_at = Some(now);
        effects.push(Effect::Syslog(SyslogMessage::SetBack));
        let detail = format!("epoch=\"{}\" lastReportId=\"{last_report_id}\"", self.ledger.epoch);
        self.log(now, environment, "SAEVT_USAGE_SET_BACK", &detail);
    }
}
