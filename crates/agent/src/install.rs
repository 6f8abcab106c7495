//! Installing what CSSM says: ACKs, policies, trust codes, account information.

use rumline_protocol::{
    Acknowledgement, CryptoError, Document, Policy, Signed, SignerCertificate, SignerIdentity,
    StatusCode, Timestamp, TrustCode, Udi, base64, from_base64,
};

use crate::exchange::printable;
use crate::ledger::Installed;
use crate::offline::ImportSummary;
use crate::syslog::SyslogMessage;
use crate::{Agent, Effect, Environment};

/// CSSM's clock and the device's may differ by less than this (PI-NET-032, G-22).
const SKEW_SECONDS: i64 = Timestamp::HOUR;

/// What the installed documents of the ledger say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstalledDocuments {
    pub policy: Option<Policy>,
    pub trust_codes: Vec<(TrustCode, Timestamp)>,
}

/// How a document came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In an answer: it was written just now.
    Peer,
    /// In an answer that a collector kept for this device: it may be old, but not from the future.
    Collector,
    /// In a file: as old as it may be, and people mix files up.
    File,
}

impl Agent {
    /// Applies all that a document holds; what does not verify is refused and named.
    pub(crate) fn apply(
        &mut self,
        now: Timestamp,
        document: &Document,
        source: Source,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> ImportSummary {
        let mut summary = ImportSummary::default();
        let signer = self.signer_of(now, document);
        let ours = |udi: &Udi| self.profile.members.iter().any(|member| member.sudi == *udi);
        let acknowledged = document.acknowledgements.iter().flat_map(|signed| &signed.value);
        let is_for_us = document.trust_codes.iter().any(|signed| ours(&signed.value.sudi))
            || acknowledged.map(|entry| &entry.sudi).any(ours);
        let foreign: Vec<bool> =
            document.trust_codes.iter().map(|signed| !ours(&signed.value.sudi)).collect();
        for (signed, foreign) in document.trust_codes.iter().zip(foreign) {
            // Codes of the other switches in an ACK file are none of this switch's business.
            if foreign && is_for_us {
                continue;
            }
            let outcome = self.install_trust_code(now, signed, &signer, document, source);
            let udi = signed.value.sudi.clone();
            self.report_outcome(now, "TRUST CODE", &outcome, &mut summary, environment);
            match outcome {
                Ok(true) => {
                    effects.push(Effect::Syslog(SyslogMessage::TrustCodeInstallSuccess { udi }));
                }
                Ok(false) => {}
                Err(reason) => {
                    let message = SyslogMessage::TrustCodeInstallFailed { udi, reason };
                    effects.push(Effect::Syslog(message));
                }
            }
        }
        for signed in &document.policies {
            let outcome = self.install_policy(now, signed, &signer, document, source);
            self.report_outcome(now, "POLICY", &outcome, &mut summary, environment);
            match outcome {
                Ok(true) => effects.push(Effect::Syslog(SyslogMessage::PolicyInstallSuccess)),
                Ok(false) => {}
                Err(reason) => {
                    effects.push(Effect::Syslog(SyslogMessage::PolicyInstallFailed { reason }));
                }
            }
        }
        for signed in &document.acknowledgements {
            let outcome = self.take_ack(now, signed, &signer, environment);
            self.report_outcome(now, "RUM ACK", &outcome, &mut summary, environment);
        }
        if let Some(signed) = &document.account {
            let outcome = verify(self, &signer, signed).map(|()| {
                self.note_account(&signed.value);
                true
            });
            self.report_outcome(now, "ACCOUNT INFO", &outcome, &mut summary, environment);
        }
        if document.has_authorization {
            let reason = "authorization codes are not supported on this platform".to_owned();
            self.report_outcome(now, "AUTH", &Err(reason), &mut summary, environment);
        }
        summary
    }

    fn report_outcome(
        &mut self,
        now: Timestamp,
        kind: &'static str,
        outcome: &Result<bool, String>,
        summary: &mut ImportSummary,
        environment: &mut Environment<'_>,
    ) {
        match outcome {
            Ok(changed) => {
                summary.installed.push(kind);
                if *changed {
                    let detail = format!("type=\"{kind}\"");
                    self.log(now, environment, "SAEVT_DATA_INSTALLED", &detail);
                    self.ledger.add_history(&format!("Import {kind}"), now, "Status: OK");
                }
            }
            Err(reason) => {
                let reason = printable(reason);
                let detail = format!("type=\"{kind}\" reason=\"{reason}\"");
                self.log(now, environment, "SAEVT_DATA_REFUSED", &detail);
                let text = format!("Status: FAILED, {reason}");
                self.ledger.add_history(&format!("Import {kind}"), now, &text);
                summary.refused.push((kind, reason));
            }
        }
        self.unsaved = true;
    }

    /// The identity behind the document's signing certificate, up to the provisioned root.
    fn signer_of(&self, now: Timestamp, document: &Document) -> Result<SignerIdentity, String> {
        let stored = self.ledger.trust_codes.first().and_then(|i| from_base64(&i.certificate));
        let certificate = document.signer.clone().or(stored.map(SignerCertificate));
        let Some(certificate) = certificate else {
            return Err("signature mismatch, no signing certificate".to_owned());
        };
        self.suite.verify_chain(&self.profile.root_certificate, &certificate, now).map_err(
            |error| match error {
                // The usual cause is the clock (PI-TRUST-007).
                CryptoError::CertificateTime => "signature mismatch, check the clock".to_owned(),
                other => format!("signature mismatch, {other}"),
            },
        )
    }

    fn check_time(now: Timestamp, issued_at: Timestamp, source: Source) -> Result<(), String> {
        let skew = now.since(issued_at);
        let wrong = match source {
            Source::Peer => skew.abs() >= SKEW_SECONDS,
            Source::Collector | Source::File => skew <= -SKEW_SECONDS,
        };
        if wrong { Err("timestamp mismatch, check the clock".to_owned()) } else { Ok(()) }
    }

    fn install_trust_code(
        &mut self,
        now: Timestamp,
        signed: &Signed<TrustCode>,
        signer: &Result<SignerIdentity, String>,
        document: &Document,
        source: Source,
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        let code = &signed.value;
        if !self.profile.members.iter().any(|member| member.sudi == code.sudi) {
            return Err("the trust code belongs to another device".to_owned());
        }
        if code.public_key != *self.signer.public_key() {
            return Err("the trust code belongs to another key".to_owned());
        }
        if code.expires_at <= now {
            return Err("the trust code has expired".to_owned());
        }
        Self::check_time(now, code.issued_at, source)?;
        let installed = self.trust_codes();
        if installed.iter().any(|(old, _)| old.sudi == code.sudi && old.issued_at > code.issued_at)
        {
            if source == Source::Collector {
                return Ok(false);
            }
            return Err("a newer trust code is installed".to_owned());
        }
        if installed.iter().any(|(old, _)| old == code) {
            return Ok(false);
        }
        let keep: Vec<bool> = installed.iter().map(|(old, _)| old.sudi != code.sudi).collect();
        let mut keep = keep.into_iter();
        self.ledger.trust_codes.retain(|_| keep.next().unwrap_or(false));
        self.ledger.trust_codes.push(keep_text(now, signed, document));
        self.read_installed();
        Ok(true)
    }

    fn install_policy(
        &mut self,
        now: Timestamp,
        signed: &Signed<Policy>,
        signer: &Result<SignerIdentity, String>,
        document: &Document,
        source: Source,
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        let policy = &signed.value;
        if !policy.is_sane() {
            return Err("a value is out of range".to_owned());
        }
        Self::check_time(now, policy.issued_at, source)?;
        // A switch that was moved learns its new account and that account's policy from one answer.
        let told = document.account.as_ref().filter(|told| verify(self, signer, told).is_ok());
        let account = told.map(|told| &told.value).or(self.ledger.account.as_ref());
        if let Some(account) = account
            && account.smart_account != policy.smart_account
        {
            return Err("the policy belongs to another Smart Account".to_owned());
        }
        let installed = &self.installed.policy;
        if installed.as_ref().is_some_and(|old| old.issued_at > policy.issued_at) {
            // An answer may carry a copy that was signed minutes ago; a file with an old one was mixed up.
            if source != Source::File {
                return Ok(false);
            }
            return Err("a newer policy is installed".to_owned());
        }
        let same = installed
            .as_ref()
            .is_some_and(|old| Policy { issued_at: policy.issued_at, ..old.clone() } == *policy);
        let interval_before = self.push_interval_days();
        self.ledger.policy = Some(keep_text(now, signed, document));
        self.read_installed();
        if self.push_interval_days() != interval_before {
            self.reschedule(now);
        }
        Ok(!same)
    }

    fn take_ack(
        &mut self,
        now: Timestamp,
        signed: &Signed<Vec<Acknowledgement>>,
        signer: &Result<SignerIdentity, String>,
        environment: &mut Environment<'_>,
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        let (mut ours, mut unknown, mut taken, mut refused) = (0, 0, 0, 0);
        for entry in &signed.value {
            if !self.profile.members.iter().any(|member| member.sudi == entry.sudi) {
                continue;
            }
            ours += 1;
            let id = entry.report_id;
            let waiting =
                self.ledger.closed.contains(id) || self.ledger.unacknowledged.contains(id);
            if entry.status_code == StatusCode::Failed {
                refused += 1;
                let reason = printable(&entry.status_message);
                let detail = format!("reportId=\"{id}\" reason=\"{reason}\"");
                self.log(now, environment, "SAEVT_RUM_REPORT_REFUSED", &detail);
            } else if waiting {
                taken += 1;
                self.ledger.closed.remove(id);
                self.ledger.unacknowledged.remove(id);
                self.ledger.acknowledged.insert(id);
            } else if !self.ledger.acknowledged.contains(id) {
                unknown += 1;
                let detail = format!("reportId=\"{id}\"");
                self.log(now, environment, "SAEVT_RUM_ACK_UNKNOWN_REPORT", &detail);
            }
        }
        if taken > 0 {
            self.note_ack(now, environment);
            return Ok(true);
        }
        match (ours, refused, unknown) {
            (0, _, _) => Err("the ACK belongs to another device".to_owned()),
            (_, refused, _) if refused > 0 => Err("CSSM refused the report".to_owned()),
            (_, _, unknown) if unknown == ours => {
                Err("the ACK is for reports this device does not know".to_owned())
            }
            // All of it was acknowledged before.
            _ => Ok(false),
        }
    }

    fn note_ack(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        self.ledger.last_ack_at = Some(now);
        self.ledger.overdue_warned_at = None;
        self.unsaved = true;
        let all_acknowledged =
            self.ledger.closed.is_empty() && self.ledger.unacknowledged.is_empty();
        if all_acknowledged {
            self.ledger.polls.clear();
            if self.ledger.changed_at <= self.ledger.last_closed_at {
                self.ledger.changed_at = None;
            }
        }
        self.purge_reports(now, environment);
    }

    /// Whether the active supervisor has a trust code.
    #[must_use]
    pub fn has_trust(&self) -> bool {
        self.trust_codes().iter().any(|(code, _)| code.sudi == *self.profile.udi())
    }

    /// The installed trust codes and when each was installed.
    #[must_use]
    pub fn trust_codes(&self) -> &[(TrustCode, Timestamp)] {
        &self.installed.trust_codes
    }

    /// Reads the installed documents of the ledger anew.
    pub(crate) fn read_installed(&mut self) {
        self.unsaved = true;
        let trust_code = |installed: &Installed| {
            Some((serde_json::from_str(&installed.text).ok()?, installed.installed_at))
        };
        let policy = self.ledger.policy.as_ref();
        self.installed = InstalledDocuments {
            policy: policy.and_then(|installed| serde_json::from_str(&installed.text).ok()),
            trust_codes: self.ledger.trust_codes.iter().filter_map(trust_code).collect(),
        };
    }

    /// `license smart factory reset` (PI-CLI-024, PI-POL-010, PI-TRUST-013).
    pub(crate) fn factory_reset(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let in_use = self.licenses_in_use();
        self.remove_reports(environment);
        self.ledger.reset(now);
        self.read_installed();
        self.in_flight = None;
        self.wanted = Default::default();
        self.eventlog.clear(environment.disk);
        self.unsaved = true;
        self.log(now, environment, "SAEVT_FACTORY_RESET", "");
        effects.push(Effect::Syslog(SyslogMessage::PolicyRemoved));
        // Features go on; their use is counted anew.
        let set: Vec<crate::LicenseUse> = in_use
            .into_iter()
            .map(|l| crate::LicenseUse {
                tag: l.tag,
                name: l.name,
                description: l.description,
                count: l.count,
            })
            .collect();
        self.use_changed(now, &set, environment);
    }
}

fn verify<T>(
    agent: &Agent,
    signer: &Result<SignerIdentity, String>,
    signed: &Signed<T>,
) -> Result<(), String> {
    let identity = signer.as_ref().map_err(Clone::clone)?;
    if signed.verify(agent.suite.as_ref(), &identity.public_key) {
        Ok(())
    } else {
        Err("signature mismatch".to_owned())
    }
}

fn keep_text<T>(now: Timestamp, signed: &Signed<T>, document: &Document) -> Installed {
    let certificate = document.signer.as_ref().map(|c| base64(&c.0)).unwrap_or_default();
    Installed {
        text: signed.text.clone(),
        signature: base64(&signed.signature),
        certificate,
        installed_at: now,
    }
}
