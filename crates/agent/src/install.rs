//! Installing what CSSM says: ACKs, policies, trust codes, account information.

use rumline_protocol::{
    AccountInfo, Acknowledgement, CryptoError, Document, Policy, Purpose, ReportRequest,
    Revocation, Signed, SignerCertificate, SignerIdentity, Timestamp, TrustCode, Udi, base64,
    from_base64, is_not_of_the_future, is_of_now,
};

use crate::exchange::printable;
use crate::ledger::Installed;
use crate::syslog::SyslogMessage;
use crate::troubles::Trouble;
use crate::{Agent, Effect, Environment};

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// The kinds that were taken, e.g. `RUM ACK`.
    pub installed: Vec<&'static str>,
    /// The kinds that were refused, and why.
    pub refused: Vec<(&'static str, String)>,
}

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

/// What a document says to this product instance, each part with what was found: whether it is new, or why it is refused.
#[derive(Default)]
struct Found<'d> {
    trust_codes: Vec<Part<'d, TrustCode>>,
    policies: Vec<Part<'d, Policy>>,
    acknowledgements: Vec<Part<'d, Vec<Acknowledgement>>>,
    account: Option<Part<'d, AccountInfo>>,
    requests: Vec<Part<'d, ReportRequest>>,
}

/// A part of a document, and what was found.
type Part<'d, T> = (&'d Signed<T>, Result<bool, String>);

impl Found<'_> {
    /// Every part: its kind in `show license history`, and what was found.
    fn parts(&self) -> impl Iterator<Item = (&'static str, &Result<bool, String>)> {
        let codes = self.trust_codes.iter().map(|(_, found)| ("TRUST CODE", found));
        let policies = self.policies.iter().map(|(_, found)| ("POLICY", found));
        let acks = self.acknowledgements.iter().map(|(_, found)| ("RUM ACK", found));
        let account = self.account.iter().map(|(_, found)| ("ACCOUNT INFO", found));
        let requests = self.requests.iter().map(|(_, found)| ("REPORT REQUEST", found));
        codes.chain(policies).chain(acks).chain(account).chain(requests)
    }
}

/// An account by its names.
type AccountNames = (String, String);

const OF_ANOTHER_VIRTUAL_ACCOUNT: &str = "belongs to another Virtual Account";

impl Agent {
    /// Installs what a document says to this product instance: all of it, or nothing.
    pub(crate) fn apply(
        &mut self,
        now: Timestamp,
        document: &Document,
        source: Source,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> ImportSummary {
        let mut summary = ImportSummary::default();
        self.take_revocation(now, document, environment);
        let signer = self.signer_of(now, document);
        let found = self.look_at(now, document, &signer, source);
        let refused: Vec<&'static str> =
            found.parts().filter(|(_, part)| part.is_err()).map(|(kind, _)| kind).collect();
        if refused.is_empty() {
            self.install(now, &found, document, &mut summary, environment, effects);
        } else {
            self.refuse_all(now, &found, refused[0], &mut summary, environment, effects);
        }
        if refused.is_empty() {
            self.ledger.troubles.documents.clear();
        }
        if document.has_authorization {
            let reason = "authorization codes are not supported on this platform".to_owned();
            self.note_outcome(now, "AUTH", Err(reason), &mut summary, environment);
        }
        summary
    }

    pub(crate) fn is_ours(&self, udi: &Udi) -> bool {
        let members = self.profile.members.iter().map(|member| &member.sudi);
        // One that was taken out may have reported, and what it is answered is for those that are here.
        members.chain(&self.ledger.supervisors).any(|own| own == udi)
    }

    fn look_at<'d>(
        &self,
        now: Timestamp,
        document: &'d Document,
        signer: &Result<SignerIdentity, String>,
        source: Source,
    ) -> Found<'d> {
        let entries = document.acknowledgements.iter().flat_map(|signed| &signed.value);
        let is_for_us = document.trust_codes.iter().any(|signed| self.is_ours(&signed.value.sudi))
            || entries.map(|entry| &entry.sudi).any(|udi| self.is_ours(udi));
        // Codes of the other switches in an ACK file are none of this switch's business.
        let own = document
            .trust_codes
            .iter()
            .filter(|signed| !is_for_us || self.is_ours(&signed.value.sudi));
        let is_alone = document.acknowledgements.is_empty();
        let trust_codes: Vec<_> = own
            .map(|code| (code, self.check_trust_code(now, code, signer, (source, is_alone))))
            .collect();
        let account = self.account_in_force(document, &trust_codes);
        let says_more = !document.acknowledgements.is_empty() || !trust_codes.is_empty();
        let policy =
            |signed| (signed, self.check_policy(now, signed, signer, source, &account, says_more));
        let ack = |signed| (signed, self.check_ack(signed, signer));
        let policies = document.policies.iter().map(policy).collect();
        let acknowledgements = document.acknowledgements.iter().map(ack).collect();
        let told = document.account.as_ref();
        let told = told.map(|told| (told, self.check_account(now, told, signer, source, &account)));
        let requests = document.report_requests.iter();
        let requests = requests.filter(|signed| !is_for_us || self.is_ours(&signed.value.sudi));
        let requests = requests
            .map(|asked| (asked, self.check_report_request(now, asked, signer, source)))
            .collect();
        Found { trust_codes, policies, acknowledgements, account: told, requests }
    }

    /// The account whose word counts: that of the trust code which comes with it, else of the one that is installed, else
    /// the first that ever spoke.
    fn account_in_force(
        &self,
        document: &Document,
        trust_codes: &[Part<'_, TrustCode>],
    ) -> Option<AccountNames> {
        let names = |code: &TrustCode| (code.smart_account.clone(), code.virtual_account.clone());
        let coming = trust_codes
            .iter()
            .filter(|(_, found)| *found == Ok(true))
            .max_by_key(|(signed, _)| signed.value.issued_at)
            .map(|(signed, _)| names(&signed.value));
        let installed = || self.trust_codes().first().map(|(code, _)| names(code));
        let told = || {
            let told = document.account.as_ref().map(|signed| &signed.value);
            told.map(|told| (told.smart_account.clone(), told.virtual_account.clone()))
        };
        let first = self.ledger.first_account.clone();
        coming.or_else(installed).or(first).or_else(told)
    }

    /// Nothing of a document is installed: the part that is wrong says why, the others that they came with it.
    fn refuse_all(
        &mut self,
        now: Timestamp,
        found: &Found<'_>,
        first: &'static str,
        summary: &mut ImportSummary,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        // What is wrong is told first.
        let mut parts: Vec<_> = found.parts().collect();
        parts.sort_by_key(|(_, part)| part.is_ok());
        for (kind, part) in parts {
            if part.as_ref().is_err_and(|reason| reason.ends_with(OF_ANOTHER_VIRTUAL_ACCOUNT)) {
                // CSSM says with which code the device is there; one that was restored from a copy says so when asked.
                self.ledger.asks_trust_anew = true;
                self.unsaved = true;
            }
            if let Err(reason) = part {
                let reason = printable(reason);
                let udi = self.profile.udi().clone();
                match kind {
                    "TRUST CODE" => {
                        let message = SyslogMessage::TrustCodeInstallFailed { udi, reason };
                        effects.push(Effect::Syslog(message));
                    }
                    "POLICY" => {
                        effects.push(Effect::Syslog(SyslogMessage::PolicyInstallFailed { reason }));
                    }
                    _ => {}
                }
            }
            let told = match part {
                Err(reason) => reason.clone(),
                Ok(_) => format!("not installed, since the {first} with it was refused"),
            };
            self.note_outcome(now, kind, Err(told), summary, environment);
        }
    }

    fn install(
        &mut self,
        now: Timestamp,
        found: &Found<'_>,
        document: &Document,
        summary: &mut ImportSummary,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        for (signed, part) in &found.trust_codes {
            let is_new = *part == Ok(true);
            if is_new {
                self.keep_trust_code(now, signed, document);
                let udi = signed.value.sudi.clone();
                effects.push(Effect::Syslog(SyslogMessage::TrustCodeInstallSuccess { udi }));
            }
            self.note_outcome(now, "TRUST CODE", Ok(is_new), summary, environment);
        }
        for (signed, part) in &found.policies {
            let is_new = *part == Ok(true) && self.keep_policy(now, signed, document);
            if is_new {
                effects.push(Effect::Syslog(SyslogMessage::PolicyInstallSuccess));
            }
            self.note_outcome(now, "POLICY", Ok(is_new), summary, environment);
        }
        for (signed, _) in &found.acknowledgements {
            let outcome = self.take_ack(now, signed, environment, effects);
            self.note_outcome(now, "RUM ACK", outcome, summary, environment);
        }
        if let Some((signed, _)) = &found.account {
            let is_new = self.ledger.account.as_ref() != Some(&signed.value);
            self.ledger.account = Some(signed.value.clone());
            self.pin_account(&signed.value.smart_account, &signed.value.virtual_account);
            self.note_outcome(now, "ACCOUNT INFO", Ok(is_new), summary, environment);
        }
        for (signed, _) in &found.requests {
            let is_new = self.take_report_request(now, &signed.value, environment, effects);
            self.note_outcome(now, "REPORT REQUEST", Ok(is_new), summary, environment);
        }
    }

    fn note_outcome(
        &mut self,
        now: Timestamp,
        kind: &'static str,
        outcome: Result<bool, String>,
        summary: &mut ImportSummary,
        environment: &mut Environment<'_>,
    ) {
        match outcome {
            Ok(changed) => {
                summary.installed.push(kind);
                if changed {
                    let detail = format!("type=\"{kind}\"");
                    self.log(now, environment, "SAEVT_DATA_INSTALLED", &detail);
                    self.ledger.add_history(&format!("Import {kind}"), now, "Status: OK");
                }
            }
            Err(reason) => {
                let reason = printable(&reason);
                let detail = format!("type=\"{kind}\" reason=\"{reason}\"");
                self.log(now, environment, "SAEVT_DATA_REFUSED", &detail);
                let text = format!("Status: FAILED, {reason}");
                self.ledger.add_history(&format!("Import {kind}"), now, &text);
                let trouble = Trouble { at: now, what: reason.clone() };
                self.ledger.troubles.documents.insert(kind.to_owned(), trouble);
                summary.refused.push((kind, reason));
            }
        }
        self.unsaved = true;
    }

    /// Which certificates hold no more is said by the root alone, and counts whatever else is in the document.
    fn take_revocation(
        &mut self,
        now: Timestamp,
        document: &Document,
        environment: &mut Environment<'_>,
    ) {
        let Some(signed) = &document.revocation else { return };
        let known = self.revocation().map_or(0, |list| list.version);
        if signed.value.version <= known
            || !signed.is_by(self.suite.as_ref(), &self.profile.root_certificate)
        {
            return;
        }
        self.ledger.revocation = Some(keep_text(now, signed, document));
        self.unsaved = true;
        let detail = format!("version=\"{}\"", signed.value.version);
        self.log(now, environment, "SAEVT_CERTIFICATES_REVOKED", &detail);
    }

    fn revocation(&self) -> Option<Revocation> {
        let installed = self.ledger.revocation.as_ref()?;
        serde_json::from_str(&installed.text).ok()
    }

    /// The identity behind the document's signing certificate, up to the provisioned root.
    pub(crate) fn signer_of(
        &self,
        now: Timestamp,
        document: &Document,
    ) -> Result<SignerIdentity, String> {
        let stored = self.ledger.trust_codes.first().and_then(|i| from_base64(&i.certificate));
        let certificate = document.signer.clone().or(stored.map(SignerCertificate));
        let Some(certificate) = certificate else {
            return Err("signature mismatch, no signing certificate".to_owned());
        };
        if self.revocation().is_some_and(|list| list.names(&certificate)) {
            let text = "signature mismatch, the signing certificate was revoked: get the file anew";
            return Err(text.to_owned());
        }
        self.suite.verify_chain(&self.profile.root_certificate, &certificate, now).map_err(
            |error| match error {
                // The usual cause is the clock (PI-TRUST-007).
                CryptoError::CertificateTime => "signature mismatch, check the clock".to_owned(),
                other => format!("signature mismatch, {other}"),
            },
        )
    }

    fn check_time(now: Timestamp, issued_at: Timestamp, source: Source) -> Result<(), String> {
        let right = match source {
            Source::Peer => is_of_now(now, issued_at),
            Source::Collector | Source::File => is_not_of_the_future(now, issued_at),
        };
        if right { Ok(()) } else { Err("timestamp mismatch, check the clock".to_owned()) }
    }

    /// Whether a trust code is new, or of no use any more; or why it is not for this product instance. One that is right
    /// and of no use holds back no ACK that comes with it: CSSM says it again until it hears that it arrived.
    fn check_trust_code(
        &self,
        now: Timestamp,
        signed: &Signed<TrustCode>,
        signer: &Result<SignerIdentity, String>,
        (source, is_alone): (Source, bool),
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        let code = &signed.value;
        if code.purpose != Purpose::TrustCode {
            return Err("the signed text is no trust code".to_owned());
        }
        if !self.is_ours(&code.sudi) {
            return Err("the trust code belongs to another device".to_owned());
        }
        if code.public_key != *self.signer.public_key() {
            return Err("the trust code belongs to another key".to_owned());
        }
        if code.expires_at <= now {
            return Err("the trust code has expired".to_owned());
        }
        let mut installed = self.trust_codes().iter().filter(|(old, _)| old.sudi == code.sudi);
        if installed.clone().any(|(old, _)| old == code) {
            return Ok(false);
        }
        match Self::check_time(now, code.issued_at, source) {
            Err(reason) if is_alone => return Err(reason),
            Err(_) => return Ok(false),
            Ok(()) => {}
        }
        if installed.clone().any(|(old, _)| old.issued_at > code.issued_at) {
            return Ok(false);
        }
        // What the installed code answered is remembered with it, however many requests were made since.
        let was_answered = installed.any(|(old, _)| old.answers == code.answers);
        if was_answered || self.ledger.trust_nonces.contains(&code.answers) {
            return Ok(true);
        }
        if is_alone {
            return Err("the trust code answers no request of this device".to_owned());
        }
        Ok(false)
    }

    fn keep_trust_code(&mut self, now: Timestamp, signed: &Signed<TrustCode>, document: &Document) {
        let code = &signed.value;
        let keep = self.trust_codes().iter().map(|(old, _)| old.sudi != code.sudi);
        let keep: Vec<bool> = keep.collect();
        let mut keep = keep.into_iter();
        self.ledger.trust_codes.retain(|_| keep.next().unwrap_or(false));
        let kept = keep_text(now, signed, document);
        if code.sudi == *self.speaker() {
            self.ledger.troubles.trust = None;
            self.ledger.trust_codes.insert(0, kept);
            self.ledger.asks_trust_anew = false;
        } else {
            self.ledger.trust_codes.push(kept);
        }
        if self.ledger.carried_trust_nonce.as_ref() == Some(&code.answers) {
            self.ledger.carried_trust_nonce = None;
        }
        self.read_installed();
    }

    fn check_names(
        kind: &str,
        told: (&str, &str),
        account: &Option<AccountNames>,
    ) -> Result<(), String> {
        match account {
            Some((sa, _)) if told.0 != sa => {
                Err(format!("the {kind} belongs to another Smart Account"))
            }
            Some((_, va)) if told.1 != va => {
                Err(format!("the {kind} {OF_ANOTHER_VIRTUAL_ACCOUNT}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a policy is to be installed, or known; `says_more` when the document is not about it alone.
    fn check_policy(
        &self,
        now: Timestamp,
        signed: &Signed<Policy>,
        signer: &Result<SignerIdentity, String>,
        source: Source,
        account: &Option<AccountNames>,
        says_more: bool,
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        let policy = &signed.value;
        if policy.purpose != Purpose::Policy {
            return Err("the signed text is no policy".to_owned());
        }
        if !policy.is_sane() {
            return Err("a value is out of range".to_owned());
        }
        Self::check_time(now, policy.issued_at, source)?;
        Self::check_names("policy", (&policy.smart_account, &policy.virtual_account), account)?;
        let same_account = |old: &&Policy| {
            (&old.smart_account, &old.virtual_account)
                == (&policy.smart_account, &policy.virtual_account)
        };
        let installed = self.installed.policy.as_ref().filter(same_account);
        // Of two that hold at the same time, for one licence and for another, the one that was said last counts.
        let is_older = |old: &Policy| {
            let same_version = old.version == policy.version && !old.says_the_same(policy);
            old.version > policy.version || (same_version && old.issued_at > policy.issued_at)
        };
        if installed.is_some_and(is_older) {
            // What came with an answer may have been kept for a while; a file with an old policy alone was mixed up.
            if source == Source::File && !says_more {
                return Err("a newer policy is installed".to_owned());
            }
            return Ok(false);
        }
        if policy.expires_at.is_some_and(|end| end <= now) {
            if says_more {
                return Ok(false);
            }
            return Err("the policy has ended; get it anew".to_owned());
        }
        Ok(true)
    }

    /// Keeps a policy; says whether anything changes by it.
    fn keep_policy(
        &mut self,
        now: Timestamp,
        signed: &Signed<Policy>,
        document: &Document,
    ) -> bool {
        let policy = &signed.value;
        let installed = self.installed.policy.as_ref();
        let same = installed.is_some_and(|old| old.says_the_same(policy));
        if installed == Some(policy) {
            return false;
        }
        let interval_before = self.push_interval_days();
        self.pin_account(&policy.smart_account, &policy.virtual_account);
        let installed_at = self.ledger.policy.as_ref().filter(|_| same).map(|p| p.installed_at);
        let mut kept = keep_text(now, signed, document);
        // A copy that only lasts longer is no new policy.
        kept.installed_at = installed_at.unwrap_or(now);
        self.ledger.policy = Some(kept);
        self.read_installed();
        if self.push_interval_days() != interval_before {
            self.reschedule(now);
        }
        !same
    }

    /// Without a trust code the account that spoke first is the one that counts.
    fn pin_account(&mut self, smart_account: &str, virtual_account: &str) {
        let names = || (smart_account.to_owned(), virtual_account.to_owned());
        self.ledger.first_account.get_or_insert_with(names);
        if self.has_trust() {
            self.ledger.first_account = Some(names());
        }
        self.unsaved = true;
    }

    fn check_account(
        &self,
        now: Timestamp,
        signed: &Signed<AccountInfo>,
        signer: &Result<SignerIdentity, String>,
        source: Source,
        account: &Option<AccountNames>,
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        let told = &signed.value;
        Self::check_time(now, Timestamp::from_millis(told.timestamp_millis), source)?;
        let names = (told.smart_account.as_str(), told.virtual_account.as_str());
        Self::check_names("account information", names, account)?;
        Ok(true)
    }

    fn check_ack(
        &self,
        signed: &Signed<Vec<Acknowledgement>>,
        signer: &Result<SignerIdentity, String>,
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        if signed.value.iter().any(|entry| self.is_ours(&entry.sudi)) {
            Ok(true)
        } else {
            Err("the ACK belongs to another device".to_owned())
        }
    }

    fn check_report_request(
        &self,
        now: Timestamp,
        signed: &Signed<ReportRequest>,
        signer: &Result<SignerIdentity, String>,
        source: Source,
    ) -> Result<bool, String> {
        verify(self, signer, signed)?;
        if signed.value.purpose != Purpose::ReportRequest {
            return Err("the signed text is no request for reports".to_owned());
        }
        if !self.is_ours(&signed.value.sudi) {
            return Err("the request for reports belongs to another device".to_owned());
        }
        Self::check_time(now, signed.value.issued_at, source)?;
        Ok(true)
    }

    /// Whether the active supervisor has a trust code.
    #[must_use]
    pub fn has_trust(&self) -> bool {
        self.trust_code_of(self.speaker()).is_some()
    }

    pub(crate) fn trust_code_of(&self, udi: &Udi) -> Option<&TrustCode> {
        let mut codes = self.trust_codes().iter().map(|(code, _)| code);
        codes.find(|code| code.sudi == *udi)
    }

    /// The number of the trust code of the supervisor that reports; 0 for none.
    pub(crate) fn trust_id(&self) -> u64 {
        self.trust_code_of(self.speaker()).map_or(0, |code| code.trust_id)
    }

    /// The installed trust codes and when each was installed.
    #[must_use]
    pub fn trust_codes(&self) -> &[(TrustCode, Timestamp)] {
        &self.installed.trust_codes
    }

    /// The nonces of its trust requests that a trust code may answer, oldest first.
    #[must_use]
    pub fn trust_nonces(&self) -> &[String] {
        &self.ledger.trust_nonces
    }

    /// Reads the installed documents of the ledger anew.
    pub(crate) fn read_installed(&mut self) {
        self.unsaved = true;
        let trust_code = |installed: &Installed| {
            Some((serde_json::from_str(&installed.text).ok()?, installed.installed_at))
        };
        let policy = self.ledger.policy.as_ref();
        self.installed = InstalledDocuments {
            policy: policy
                .and_then(|installed| serde_json::from_str::<Policy>(&installed.text).ok())
                .filter(|policy| {
                    policy.expires_at.is_none() || policy.expires_at != self.ledger.policy_ended_at
                }),
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
        let told = self.told_in_use(environment);
        self.remove_reports(environment);
        self.ledger.reset(now);
        self.read_installed();
        self.in_flight = None;
        self.wanted = Default::default();
        self.carried_trust_nonce(environment);
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
        self.begin_with_told(now, told);
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
