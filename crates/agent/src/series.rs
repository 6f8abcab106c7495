//! Licence use as a time series: one series for each entitlement tag, samples folded while unchanged.

use std::collections::{BTreeMap, BTreeSet};

use rumline_protocol::{EntitlementTag, Measurement, TerminationReason, Timestamp};
use serde::{Deserialize, Serialize};

use crate::coarse::coarsened;
use crate::disk::DiskError;
use crate::reports::{NewReport, ReportStore};
use crate::{Agent, Environment, LicenseUse};

/// Measurements after which a report is closed early, so that the ledger stays small.
const MEASUREMENTS_MAX: usize = 200;

/// The open report of one entitlement tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Series {
    pub name: String,
    pub description: String,
    /// When the licence came into use.
    pub in_use_since: Timestamp,
    pub report_id: u64,
    /// How many are in use now; 0 until the report that says so is closed.
    pub count: u32,
    /// Start of the span that is still running.
    pub since: Timestamp,
    /// Spans that have ended; written beside the rest of the ledger.
    #[serde(default, skip_serializing)]
    pub measurements: Vec<Measurement>,
    /// The count that the last closed report told.
    pub told_count: Option<u32>,
}

impl Series {
    /// Use in the spans that have ended.
    pub(crate) fn count_seconds(&self) -> i64 {
        self.measurements.iter().map(|m| m.sample_interval() * i64::from(m.count)).sum()
    }

    /// Ends the running span.
    pub(crate) fn end_span(&mut self, now: Timestamp, reason: Option<TerminationReason>) {
        if now > self.since {
            self.measurements.push(Measurement {
                log_time: now,
                start_time: self.since,
                end_time: now,
                count: self.count,
                termination_reason: reason,
                clock_change_delta: None,
                resolution_seconds: None,
            });
            self.since = now;
        }
    }

    /// Ends the report's last span, so that its last measurement tells the present count.
    fn end_report(&mut self, now: Timestamp, reason: &TerminationReason) {
        self.end_span(now, None);
        let told = self.measurements.last().map(|measurement| measurement.count);
        // A count that no measurement tells yet is told by one of no length: use that began this very second.
        if told.or(self.told_count) != Some(self.count) {
            self.measurements.push(Measurement {
                log_time: now,
                start_time: now,
                end_time: now,
                count: self.count,
                termination_reason: None,
                clock_change_delta: None,
                resolution_seconds: None,
            });
        }
        if let Some(last) = self.measurements.last_mut() {
            last.termination_reason = Some(reason.clone());
        }
    }
}

impl Agent {
    /// The first change of use that no closed report tells.
    pub(crate) fn untold_change_at(&self) -> Option<Timestamp> {
        let first = |series: &Series| {
            let Some(told) = series.told_count else { return Some(series.in_use_since) };
            let ended = series.measurements.iter().find(|m| m.count != told).map(|m| m.start_time);
            ended.or_else(|| (series.count != told).then_some(series.since))
        };
        let first = self.ledger.series.values().filter_map(first).min();
        // What came into use at the beginning is no change.
        first.filter(|at| self.ledger.used_since.is_none_or(|since| *at > since))
    }

    /// Takes the set of licences now in use (PI-LIC-002).
    pub(crate) fn use_changed(
        &mut self,
        now: Timestamp,
        set: &[LicenseUse],
        environment: &mut Environment<'_>,
    ) {
        let before: BTreeSet<EntitlementTag> = self.ledger.series.keys().cloned().collect();
        let was_settled = self.is_settled();
        let mut changed = false;
        for license in set {
            changed |= self.set_count(now, license, environment);
        }
        for tag in before {
            let still = set.iter().any(|license| license.tag == tag && license.count > 0);
            if !still {
                changed |= self.set_unused(now, &tag, environment);
            }
        }
        if !changed {
            return;
        }
        self.unsaved = true;
        match self.ledger.used_since {
            None => self.ledger.used_since = Some(now),
            // All that was in use before has been acknowledged: use begins anew.
            Some(since) if now > since && was_settled => {
                self.ledger.used_since = Some(now);
                self.ledger.changed_at = Some(now);
                self.ledger.overdue_warned_at = None;
            }
            // Features that come up together at first boot are the beginning, not a change.
            Some(since) if now > since && self.ledger.changed_at.is_none() => {
                self.ledger.changed_at = Some(now);
            }
            Some(_) => {}
        }
        self.close_long_reports(now, environment);
        if self.ledger.next_push_at.is_none() {
            self.reschedule(now);
        }
    }

    /// What CSSM may take for in use, by what it was told or would have been: tag, name, and how many.
    pub(crate) fn told_in_use(
        &self,
        environment: &mut Environment<'_>,
    ) -> BTreeMap<EntitlementTag, (String, u32)> {
        let mut told = BTreeMap::new();
        let waiting = self.ledger.closed.iter().chain(self.ledger.unacknowledged.iter());
        for id in waiting {
            if let Ok(Some((name, signed))) = ReportStore::read(id, environment.disk) {
                told.insert(signed.report.entitlement_tag, (name, 1));
            }
        }
        for (tag, series) in &self.ledger.series {
            if let Some(count @ 1..) = series.told_count {
                told.insert(tag.clone(), (series.name.clone(), count));
            }
        }
        told
    }

    /// After all was forgotten: what was told to be in use, and is not any more, is still told to have ended.
    pub(crate) fn begin_with_told(
        &mut self,
        now: Timestamp,
        told: BTreeMap<EntitlementTag, (String, u32)>,
    ) {
        for (tag, (name, count)) in told {
            if let Some(series) = self.ledger.series.get_mut(&tag) {
                series.told_count = Some(count);
                continue;
            }
            let series = Series {
                name,
                description: String::new(),
                in_use_since: now,
                report_id: self.take_report_id(),
                count: 0,
                since: now,
                measurements: Vec::new(),
                told_count: Some(count),
            };
            self.ledger.series.insert(tag, series);
            self.ledger.used_since.get_or_insert(now);
        }
    }

    fn set_count(
        &mut self,
        now: Timestamp,
        license: &LicenseUse,
        environment: &mut Environment<'_>,
    ) -> bool {
        if let Some(series) = self.ledger.series.get_mut(&license.tag) {
            if series.count == license.count {
                return false;
            }
            series.end_span(now, None);
            if series.count == 0 {
                series.in_use_since = now;
            }
            series.count = license.count;
        } else {
            if license.count == 0 {
                return false;
            }
            let series = Series {
                name: license.name.clone(),
                description: license.description.clone(),
                in_use_since: now,
                report_id: self.take_report_id(),
                count: license.count,
                since: now,
                measurements: Vec::new(),
                told_count: None,
            };
            self.ledger.series.insert(license.tag.clone(), series);
        }
        self.log_use(now, &license.tag, license.count, environment);
        true
    }

    fn set_unused(
        &mut self,
        now: Timestamp,
        tag: &EntitlementTag,
        environment: &mut Environment<'_>,
    ) -> bool {
        let Some(series) = self.ledger.series.get_mut(tag) else {
            return false;
        };
        if series.count == 0 {
            return false;
        }
        series.end_span(now, None);
        series.count = 0;
        if series.measurements.is_empty() && series.told_count.is_none() {
            // Gone within the second it came: nothing was used.
            self.ledger.series.remove(tag);
        }
        self.log_use(now, tag, 0, environment);
        true
    }

    fn log_use(
        &mut self,
        now: Timestamp,
        tag: &EntitlementTag,
        count: u32,
        environment: &mut Environment<'_>,
    ) {
        let detail = format!("count=\"{count}\" entitlementTag=\"{tag}\"");
        self.log(now, environment, "SAEVT_ENDPOINT_USAGE", &detail);
    }

    pub(crate) fn take_report_id(&mut self) -> u64 {
        let id = self.ledger.next_report_id;
        self.ledger.next_report_id += 1;
        id
    }

    /// The clock was set: spans end by the old clock and go on by the new one, so that no second is lost.
    pub(crate) fn clock_stepped(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        environment: &mut Environment<'_>,
    ) {
        self.clock_set(from, to, false, environment);
    }

    /// The same, at run time or while the switch was off.
    pub(crate) fn clock_set(
        &mut self,
        from: Timestamp,
        to: Timestamp,
        while_off: bool,
        environment: &mut Environment<'_>,
    ) {
        if from == to {
            return;
        }
        let delta = to.since(from);
        let offset = &mut self.ledger.clock_offset_seconds;
        *offset = offset.saturating_add(delta);
        for series in self.ledger.series.values_mut() {
            series.end_span(from, None);
            if let Some(last) = series.measurements.last_mut() {
                let before = last.clock_change_delta.unwrap_or(0);
                last.clock_change_delta = Some(before.saturating_add(delta));
            }
            series.since = to;
        }
        let detail = format!("clockChangeDelta=\"{delta}\"");
        self.log(to, environment, "SAEVT_SYSTEM_CLOCK_CHANGED", &detail);
        self.shift_timers(from, to, while_off);
        self.last_now = to;
        self.unsaved = true;
        self.close_long_reports(to, environment);
    }

    /// Spans that ran when the switch went down end now: the series goes on without a gap.
    pub(crate) fn boot_series(&mut self, now: Timestamp) {
        for series in self.ledger.series.values_mut() {
            series.end_span(now, Some(TerminationReason::ProductReload));
        }
    }

    fn close_long_reports(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        if self.is_coarse() {
            let long = |series: &&mut Series| series.measurements.len() >= MEASUREMENTS_MAX;
            for series in self.ledger.series.values_mut().filter(long) {
                series.measurements = coarsened(&series.measurements);
            }
        }
        let long: Vec<EntitlementTag> = self
            .ledger
            .series
            .iter()
            .filter(|(_, series)| series.measurements.len() >= MEASUREMENTS_MAX)
            .map(|(tag, _)| tag.clone())
            .collect();
        for tag in long {
            let reason = TerminationReason::CurrentUsageRequested;
            // A disk that fails now is tried again at the next change.
            let _tried = self.close_report(now, &tag, &reason, environment);
        }
    }

    /// Closes the open reports of all tags; each is durable before the next is begun.
    pub(crate) fn close_reports(
        &mut self,
        now: Timestamp,
        reason: &TerminationReason,
        environment: &mut Environment<'_>,
    ) -> Result<(), DiskError> {
        let tags: Vec<EntitlementTag> = self.ledger.series.keys().cloned().collect();
        for tag in tags {
            self.close_report(now, &tag, reason, environment)?;
        }
        Ok(())
    }

    fn close_report(
        &mut self,
        now: Timestamp,
        tag: &EntitlementTag,
        reason: &TerminationReason,
        environment: &mut Environment<'_>,
    ) -> Result<(), DiskError> {
        let Some(series) = self.ledger.series.get(tag) else {
            return Ok(());
        };
        // A report that cannot be written stays open just as it was.
        let mut closing = series.clone();
        closing.end_report(now, reason);
        if closing.measurements.is_empty() {
            return Ok(());
        }
        if self.is_coarse() {
            closing.measurements = coarsened(&closing.measurements);
        }
        let stepped = closing.measurements.iter().filter_map(|m| m.clock_change_delta);
        let stepped = stepped.fold(0, i64::saturating_add);
        let new = NewReport {
            tag,
            name: &closing.name,
            report_id: closing.report_id,
            measurements: &closing.measurements,
            clock_offset_seconds: self.ledger.clock_offset_seconds.saturating_sub(stepped),
            trust_id: self.trust_id(),
            replaces: None,
        };
        let link = self.reports.write(&new, &self.ledger, &*self.signer, environment.disk)?;
        self.unsaved = true;
        self.ledger.closed.insert(closing.report_id);
        self.ledger.last_closed = Some(link);
        self.ledger.chain_position += 1;
        self.ledger.last_closed_at = Some(now);
        let next_report_id = self.ledger.next_report_id;
        let series = self.ledger.series.get_mut(tag).expect("it was there above");
        *series = closing;
        if series.count == 0 {
            self.ledger.series.remove(tag);
        } else {
            series.report_id = next_report_id;
            series.measurements.clear();
            series.told_count = Some(series.count);
            self.ledger.next_report_id += 1;
        }
        Ok(())
    }
}
