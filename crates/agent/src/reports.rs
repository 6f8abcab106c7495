//! Closed reports: one file each, written once.
//!
//! A file holds the licence's short name on its first line and then the report's JSON as it was signed.

use rumline_protocol::{
    AssetSignature, EntitlementTag, HaMember, Lineage, Measurement, PreviousReport, Role,
    RumReport, SignedReport, Signer, Timestamp, Udi, asset_signature, base64, cssm_id, sign_report,
};

use crate::disk::{Disk, DiskError};
use crate::ledger::Ledger;
use crate::syslog::SyslogMessage;
use crate::{Agent, Effect, Environment, Profile};

/// Where report files lie.
pub(crate) const RUM_PREFIX: &str = "rum/";
/// Acknowledged reports are kept this long (G-14).
const KEPT_DAYS: u32 = 365;

/// The state of a report, as `show license rum id` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportState {
    /// Measurements are still added.
    Open,
    /// Complete, not sent or saved yet.
    Closed,
    /// Sent or saved, not acknowledged yet.
    Unacknowledged,
    /// Acknowledged by CSSM.
    Acknowledged,
}

impl ReportState {
    /// Its word in show output.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Unacknowledged => "UNACK",
            Self::Acknowledged => "ACK",
        }
    }
}

/// What `show license rum id` tells of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSummary {
    /// Its number.
    pub report_id: u64,
    /// Its state.
    pub state: ReportState,
    /// The licence's short name.
    pub feature_name: String,
    /// What is licensed.
    pub tag: EntitlementTag,
    /// The supervisor that reports it.
    pub udi: Udi,
    /// Its first second.
    pub start_at: Timestamp,
    /// The second after its last; none while it is open.
    pub end_at: Option<Timestamp>,
    /// Why its last measurement ended.
    pub close_reason: Option<String>,
    /// The report closed before it; 0 for the first.
    pub previous_report_id: u64,
    /// The report that follows it; 0 for the last.
    pub next_report_id: u64,
    /// The count at its end.
    pub last_count: u32,
    /// Sum of count times seconds so far.
    pub count_seconds: i64,
}

/// Writes and reads report files.
#[derive(Clone)]
pub(crate) struct ReportStore {
    software_tag: String,
    software_version: String,
    /// Whether that is kept out of reports.
    pub hides_version: bool,
    /// Whose reports are written.
    udi: Udi,
    /// The supervisors that are there.
    supervisors: Vec<Udi>,
    product_instance_identifier: String,
    /// The same in every report, so made once.
    asset_signature: AssetSignature,
    /// The CSSM that reports are for.
    audience: String,
}

/// What a report is to be.
pub(crate) struct NewReport<'a> {
    pub tag: &'a EntitlementTag,
    /// The licence's short name.
    pub name: &'a str,
    pub report_id: u64,
    pub measurements: &'a [Measurement],
    /// By how much the clock had been set when the first of them began.
    pub clock_offset_seconds: i64,
    /// The trust code in force; 0 for none.
    pub trust_id: u64,
    /// The report of this epoch whose place in the chain it takes.
    pub replaces: Option<&'a RumReport>,
}

impl ReportStore {
    pub(crate) fn open(profile: &Profile, signer: &dyn Signer, ledger: &Ledger) -> Self {
        let identifier = ledger.product_instance_identifier.clone();
        Self {
            software_tag: profile.software_tag.clone(),
            software_version: profile.software_version.clone(),
            hides_version: false,
            udi: profile.udi().clone(),
            supervisors: supervisors(&profile.members),
            asset_signature: asset_signature(signer, profile.udi(), &identifier),
            product_instance_identifier: identifier,
            audience: cssm_id(&profile.root_certificate),
        }
    }

    /// Whose reports are written from now on.
    pub(crate) fn report_as(&mut self, udi: &Udi, signer: &dyn Signer) {
        self.udi = udi.clone();
        self.asset_signature = asset_signature(signer, udi, &self.product_instance_identifier);
    }

    pub(crate) fn note_supervisors(&mut self, members: &[HaMember]) {
        self.supervisors = supervisors(members);
    }

    /// The one whose report it is was active in the time it tells of.
    fn ha_udi(&self) -> Vec<HaMember> {
        let others = self.supervisors.iter().filter(|udi| **udi != self.udi);
        let standby = others.map(|udi| HaMember { role: Role::Standby, sudi: udi.clone() });
        let active = HaMember { role: Role::Active, sudi: self.udi.clone() };
        std::iter::once(active).chain(standby).collect()
    }

    /// Signs and writes a report as the next of the ledger's epoch; returns the link for the one after.
    pub(crate) fn write(
        &self,
        new: &NewReport<'_>,
        ledger: &Ledger,
        signer: &dyn Signer,
        disk: &mut dyn Disk,
    ) -> Result<PreviousReport, DiskError> {
        let report_id = new.report_id;
        let replaced = new.replaces.and_then(|report| Some((report, report.lineage.as_ref()?)));
        let position = replaced.map_or(ledger.chain_position + 1, |(_, lineage)| lineage.position);
        let previous = replaced
            .map_or_else(|| ledger.last_closed.clone(), |(report, _)| report.previous.clone());
        let report = RumReport {
            software_tag: self.software_tag.clone(),
            udi: self.udi.clone(),
            product_instance_identifier: self.product_instance_identifier.clone(),
            asset_signature: Some(self.asset_signature.clone()),
            entitlement_tag: new.tag.clone(),
            report_id,
            software_version: if self.hides_version {
                String::new()
            } else {
                self.software_version.clone()
            },
            previous,
            lineage: Some(Lineage {
                audience: self.audience.clone(),
                epoch: ledger.epoch.clone(),
                epoch_began_at: ledger.epoch_began_at,
                parent_epoch: ledger.parent_epoch.clone(),
                position,
                clock_offset_seconds: new.clock_offset_seconds,
                trust_id: new.trust_id,
            }),
            ha_udi: self.ha_udi(),
            measurements: new.measurements.to_vec(),
        };
        let signed = sign_report(report, signer);
        let content = format!("{}\n{}", new.name, signed.envelope());
        disk.write(&file_name(report_id), content.as_bytes())?;
        Ok(PreviousReport { report_id, sha256: base64(&signed.sha256()) })
    }

    /// The short name and the report, or what is wrong with its file.
    pub(crate) fn read(
        id: u64,
        disk: &mut dyn Disk,
    ) -> Result<Option<(String, SignedReport)>, DiskError> {
        let Some(bytes) = disk.read(&file_name(id))? else {
            return Ok(None);
        };
        let damaged = || DiskError::Damaged(format!("the file of report {id} is damaged"));
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        let (name, envelope) = text.split_once('\n').ok_or_else(damaged)?;
        let report = SignedReport::parse(envelope).map_err(|_| damaged())?;
        Ok(Some((name.to_owned(), report)))
    }
}

fn supervisors(members: &[HaMember]) -> Vec<Udi> {
    members.iter().map(|member| member.sudi.clone()).collect()
}

pub(crate) fn file_name(id: u64) -> String {
    format!("{RUM_PREFIX}{id}")
}

impl Agent {
    /// The state of a closed report.
    fn state_of(&self, id: u64) -> Option<ReportState> {
        if self.ledger.closed.contains(id) {
            Some(ReportState::Closed)
        } else if self.ledger.unacknowledged.contains(id) {
            Some(ReportState::Unacknowledged)
        } else if self.ledger.acknowledged.contains(id) {
            Some(ReportState::Acknowledged)
        } else {
            None
        }
    }

    fn report_after(&self, id: u64) -> u64 {
        let ledger = &self.ledger;
        let open = ledger.series.values().map(|series| series.report_id).filter(|o| *o > id).min();
        let closed = [&ledger.closed, &ledger.unacknowledged, &ledger.acknowledged];
        let closed = closed.into_iter().filter_map(|set| set.iter_from(id + 1).next()).min();
        open.into_iter().chain(closed).min().unwrap_or(0)
    }

    /// All reports the switch holds, oldest first, up to `limit`; the newest are kept when there are more.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn report_summaries(
        &self,
        limit: usize,
        disk: &mut dyn Disk,
    ) -> Result<Vec<ReportSummary>, DiskError> {
        let mut ids: Vec<u64> = self.ledger.acknowledged.iter().collect();
        ids.extend(self.ledger.unacknowledged.iter());
        ids.extend(self.ledger.closed.iter());
        ids.extend(self.ledger.series.values().map(|series| series.report_id));
        ids.sort_unstable();
        let skipped = ids.len().saturating_sub(limit);
        let mut summaries = Vec::new();
        for id in ids.into_iter().skip(skipped) {
            match self.report_summary(id, disk) {
                Ok(summary) => summaries.extend(summary),
                // Its use is told of elsewhere; the others are shown.
                Err(DiskError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(summaries)
    }

    /// One report.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn report_summary(
        &self,
        id: u64,
        disk: &mut dyn Disk,
    ) -> Result<Option<ReportSummary>, DiskError> {
        if let Some((tag, series)) = self.ledger.series.iter().find(|(_, s)| s.report_id == id) {
            let start_at = series.measurements.first().map_or(series.since, |m| m.start_time);
            return Ok(Some(ReportSummary {
                report_id: id,
                state: ReportState::Open,
                feature_name: series.name.clone(),
                tag: tag.clone(),
                udi: self.speaker().clone(),
                start_at,
                end_at: None,
                close_reason: None,
                previous_report_id: self.ledger.last_closed.as_ref().map_or(0, |p| p.report_id),
                next_report_id: self.report_after(id),
                last_count: series.count,
                count_seconds: series.count_seconds(),
            }));
        }
        let Some(state) = self.state_of(id) else {
            return Ok(None);
        };
        let Some((feature_name, signed)) = ReportStore::read(id, disk)? else {
            return Ok(None);
        };
        let report = &signed.report;
        let last = report.measurements.last();
        let reason = last.and_then(|m| m.termination_reason.as_ref());
        Ok(Some(ReportSummary {
            report_id: id,
            state,
            feature_name,
            tag: report.entitlement_tag.clone(),
            udi: report.udi.clone(),
            start_at: report.start_at(),
            end_at: Some(report.end_at()),
            close_reason: reason.map(|reason| reason.label().to_owned()),
            previous_report_id: report.previous.as_ref().map_or(0, |p| p.report_id),
            next_report_id: self.report_after(id),
            last_count: report.last_count(),
            count_seconds: report.count_seconds(),
        }))
    }

    /// Reads a report that is to leave the switch. One whose file cannot be read is logged, told, and not tried again
    /// before the next start, so that the others still leave.
    pub(crate) fn report_to_send(
        &mut self,
        now: Timestamp,
        id: u64,
        environment: &mut Environment<'_>,
    ) -> Option<SignedReport> {
        let problem = match ReportStore::read(id, environment.disk) {
            Ok(Some((_, mut report))) => {
                if report.verify(self.suite.as_ref(), self.signer.public_key()) {
                    return Some(report);
                }
                format!("the file of report {id} was altered")
            }
            Ok(None) => format!("the file of report {id} is missing"),
            Err(DiskError::Damaged(text)) => text,
            Err(error) => {
                // The disk may be better in a while.
                let detail = format!("reportId=\"{id}\" reason=\"{error}\"");
                self.log(now, environment, "SAEVT_RUM_REPORT_UNREADABLE", &detail);
                return None;
            }
        };
        if self.ledger.closed.remove(id) | self.ledger.unacknowledged.remove(id) {
            self.ledger.unreadable.insert(id);
            self.unreadable_untold += 1;
            self.unsaved = true;
        }
        let detail = format!("reportId=\"{id}\" reason=\"{problem}\"");
        self.log(now, environment, "SAEVT_RUM_REPORT_UNREADABLE", &detail);
        None
    }

    /// Says how many were found that cannot be read.
    pub(crate) fn tell_unreadable(&mut self, effects: &mut Vec<Effect>) {
        let count = std::mem::take(&mut self.unreadable_untold);
        if count > 0 {
            effects.push(Effect::Syslog(SyslogMessage::ReportsUnreadable { count }));
        }
    }

    /// Somebody may have put their files back.
    pub(crate) fn try_unreadable_again(&mut self) {
        for id in std::mem::take(&mut self.ledger.unreadable).iter() {
            self.ledger.closed.insert(id);
        }
    }

    /// Removes acknowledged reports that ended more than a year ago; ids run in time order.
    pub(crate) fn purge_reports(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        loop {
            let oldest = self.ledger.acknowledged.iter().next();
            let Some(id) = oldest else { return };
            let young = match ReportStore::read(id, environment.disk) {
                Ok(Some((_, signed))) => signed.report.end_at().plus_days(KEPT_DAYS) > now,
                Ok(None) | Err(DiskError::Damaged(_)) => false,
                Err(_) => true,
            };
            if young || environment.disk.remove(&file_name(id)).is_err() {
                return;
            }
            self.ledger.undone(id);
            self.ledger.purged_count += 1;
            self.unsaved = true;
        }
    }

    /// Removes every report file.
    pub(crate) fn remove_reports(&mut self, environment: &mut Environment<'_>) {
        for name in environment.disk.list(RUM_PREFIX).unwrap_or_default() {
            let _best_effort = environment.disk.remove(&name);
        }
    }
}
