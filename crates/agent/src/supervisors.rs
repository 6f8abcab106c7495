//! Two supervisors of one chassis: two UDIs, two trust codes, one use (PI-HA).
//!
//! The one that is active reports, in its own name. Its reports form a chain of their own, so that CSSM finds those of each
//! complete. When the other one takes over, what is in use goes out of use under the first and comes into use under the
//! second in the same instant: each second is reported once, whichever was active. What the first had closed still goes in
//! its name: both have the key.

use rumline_protocol::{EntitlementTag, HaMember, Role, TerminationReason, Timestamp, Udi};

use crate::config::Transport;
use crate::series::Series;
use crate::{Agent, Environment};

impl Agent {
    /// The supervisor in whose name is reported: the active one, as soon as it has taken over.
    pub(crate) fn speaker(&self) -> &Udi {
        self.ledger.udi.as_ref().unwrap_or_else(|| self.profile.udi())
    }

    /// The one that CSSM knows, where another than the speaker has to ask for it.
    pub(crate) fn trusted_speaker(&self) -> &Udi {
        let speaker = self.speaker();
        if self.has_trust() || self.config.transport == Transport::Cslu {
            return speaker;
        }
        let mut known = self.trust_codes().iter().map(|(code, _)| &code.sudi);
        known.next().unwrap_or(speaker)
    }

    /// A supervisor's UDI, unless it is the speaker's.
    pub(crate) fn unless_speaker(&self, udi: &Udi) -> Option<Udi> {
        (udi != self.speaker()).then(|| udi.clone())
    }

    /// Those that need a trust code: the supervisors that are there, and those that were taken out and whose reports wait. The
    /// key is the chassis': it can ask in their name, and nobody else will.
    pub(crate) fn speakers(&self) -> Vec<HaMember> {
        let members = &self.profile.members;
        let is_there = |udi: &Udi| members.iter().any(|member| member.sudi == *udi);
        let (closed, sent) = (&self.ledger.closed, &self.ledger.unacknowledged);
        let oldest = closed.iter().next().into_iter().chain(sent.iter().next()).min();
        let waits = |udi: &&Udi| {
            let chain = self.ledger.chains.get(&udi.serial);
            let last = chain.and_then(|chain| chain.last_closed.as_ref());
            last.zip(oldest).is_some_and(|(last, oldest)| oldest <= last.report_id)
        };
        let gone = self.ledger.supervisors.iter().filter(|udi| !is_there(udi)).filter(waits);
        let gone = gone.map(|udi| HaMember { role: Role::Standby, sudi: udi.clone() });
        members.iter().cloned().chain(gone).collect()
    }

    /// Whether one that needs a trust code has none.
    pub(crate) fn lacks_trust_codes(&self) -> bool {
        self.speakers().iter().any(|speaker| self.trust_code_of(&speaker.sudi).is_none())
    }

    /// Goes on in the name of whoever reported last.
    pub(crate) fn begin_speaking(&mut self) {
        let speaker = self.speaker().clone();
        self.reports.report_as(&speaker, self.signer.as_ref());
        self.ledger.note_supervisors(&self.profile.members);
    }

    /// Reports are closed in this supervisor's name from now on.
    pub(crate) fn report_as(&mut self, udi: &Udi) {
        if udi != self.speaker() {
            self.ledger.report_as(udi);
            self.reports.report_as(udi, self.signer.as_ref());
            self.unsaved = true;
        }
    }

    /// The active supervisor goes on with what another one reported so far.
    pub(crate) fn take_over(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        let active = self.profile.udi().clone();
        if active == *self.speaker() {
            return;
        }
        let in_use = self.ledger.series.clone();
        let reason = TerminationReason::ProductReload;
        for series in self.ledger.series.values_mut() {
            series.end_span(now, Some(reason.clone()));
            series.count = 0;
        }
        // What was not told of under the first begins under the second.
        let is_new =
            |series: &Series| series.measurements.is_empty() && series.told_count.is_none();
        self.ledger.series.retain(|_, series| !is_new(series));
        let closed = self.close_reports(now, &reason, environment).is_ok();
        if closed {
            self.ledger.reopen_unconfirmed();
            let detail = format!("from=\"{}\" to=\"{active}\"", self.speaker());
            self.log(now, environment, "SAEVT_HA_ROLE_CHANGED", &detail);
            self.report_as(&active);
        }
        for (tag, series) in in_use {
            self.goes_on(now, tag, series, closed);
        }
        self.unsaved = true;
    }

    /// A licence stays in use: under another supervisor, or under the same one where its report could not be written.
    fn goes_on(&mut self, now: Timestamp, tag: EntitlementTag, before: Series, is_handed_on: bool) {
        let is_open = self.ledger.series.contains_key(&tag);
        if is_open {
            // Its report stays open just as it was.
            self.ledger.series.insert(tag, before);
        } else if before.count > 0 {
            let series = Series {
                report_id: self.take_report_id(),
                since: now,
                measurements: Vec::new(),
                told_count: (!is_handed_on).then_some(0),
                ..before
            };
            self.ledger.series.insert(tag, series);
        }
    }

    /// It is known before it has all: whoever may take over must be able to begin on what it was given.
    pub(crate) fn supervisor_comes(&mut self, udi: Udi) {
        self.ledger.note_supervisors(&[HaMember { role: Role::Standby, sudi: udi }]);
        self.unsaved = true;
    }

    /// A standby supervisor was added or taken out: a report says so (PI-HA-005), and a new one gets its trust code
    /// first, where that is asked for directly (PI-HA-008, PI-HA-009).
    pub(crate) fn supervisors_changed(
        &mut self,
        now: Timestamp,
        members: Vec<HaMember>,
        environment: &mut Environment<'_>,
    ) {
        if members == self.profile.members || members.is_empty() {
            return;
        }
        let standby = |members: &[HaMember]| -> Vec<Udi> {
            let standby = members.iter().filter(|member| member.role == Role::Standby);
            standby.map(|member| member.sudi.clone()).collect()
        };
        let (before, after) = (standby(&self.profile.members), standby(&members));
        for (event, known, told) in [
            ("SAEVT_HA_STANDBY_REMOVED", &after, &before),
            ("SAEVT_HA_STANDBY_ADDED", &before, &after),
        ] {
            for udi in told.iter().filter(|udi| !known.contains(udi)) {
                self.log(now, environment, event, &format!("udi=\"{udi}\""));
            }
        }
        self.profile.members = members;
        self.reports.note_supervisors(&self.profile.members);
        self.ledger.note_supervisors(&self.profile.members);
        self.unsaved = true;
        let is_trusted = !self.installed.trust_codes.is_empty();
        let is_direct = matches!(self.config.transport, Transport::Smart | Transport::Callhome);
        if is_direct && is_trusted && self.lacks_trust_codes() {
            self.wanted.sync = true;
        }
        if is_trusted || self.config.transport == Transport::Cslu {
            self.push_soon(now);
        }
    }
}
