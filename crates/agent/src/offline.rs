//! Topology 6: usage saved to a file, answers imported from one (TOPO-6, PI-CLI-021, PI-CLI-022).

use std::collections::BTreeMap;

use rumline_protocol::{
    Document, DocumentWriter, Purpose, Signed, SignerCertificate, SystemInfo, TerminationReason,
    Timestamp, TrustRequest, Udi, cssm_id, from_base64, plain, random_hex,
};

use crate::install::{ImportSummary, Source};
use crate::ledger::Installed;
use crate::syslog::SyslogMessage;
use crate::{Agent, Effect, Environment};

/// Which reports to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveScope {
    /// All the switch holds.
    All,
    /// Those not acknowledged yet.
    Unreported,
    /// Those that end within the last so many days.
    Days(u32),
    /// One.
    Report(u64),
}

/// A usage file on its way out: [`Agent::begin_usage_file`], then [`Agent::usage_file_piece`] until there is none, and
/// [`Agent::usage_saved`] once all is durable. It is never in memory as a whole.
#[derive(Debug)]
pub struct UsageFile {
    begun_at: Timestamp,
    scope: SaveScope,
    /// The reports that may go into it.
    ids: std::vec::IntoIter<u64>,
    trust_requests: Vec<Signed<TrustRequest>>,
    writer: DocumentWriter,
    /// The reports in it so far, by whose they are, and their digests.
    report_ids: BTreeMap<Udi, Vec<u64>>,
    digests: Vec<[u8; 32]>,
    is_finished: bool,
}

/// What there is to say when nothing is to be saved (PI-RUM-003).
const NOTHING: &str = "The requested item was not found";

impl Agent {
    /// Begins a usage file (`license smart save usage`). What is in use is closed into reports first.
    ///
    /// # Errors
    /// With the reason in NX-OS words, e.g. when there is nothing to report (PI-RUM-003).
    pub fn begin_usage_file(
        &mut self,
        now: Timestamp,
        scope: SaveScope,
        environment: &mut Environment<'_>,
    ) -> Result<UsageFile, String> {
        self.last_now = self.last_now.max(now);
        let reason = TerminationReason::CurrentUsageRequested;
        self.close_reports(now, &reason, environment).map_err(|error| error.to_string())?;
        let ids = self.ids_in(scope);
        // Trust may be asked for by file too.
        let trust_requests = if self.carries_requests() {
            self.carried_trust_requests(now, environment)
        } else {
            Vec::new()
        };
        self.save(now, environment);
        if ids.is_empty() {
            return Err(NOTHING.to_owned());
        }
        if self.unsaved {
            // A report number must not leave before it is recorded here.
            return Err(self
                .storage_failure
                .as_ref()
                .map_or_else(String::new, ToString::to_string));
        }
        Ok(UsageFile {
            begun_at: now,
            scope,
            ids: ids.into_iter(),
            trust_requests,
            writer: DocumentWriter::new(),
            report_ids: BTreeMap::new(),
            digests: Vec::new(),
            is_finished: false,
        })
    }

    /// The next piece of a usage file's text; none once it is complete.
    ///
    /// # Errors
    /// With the reason when there is nothing to report after all.
    pub fn usage_file_piece(
        &mut self,
        file: &mut UsageFile,
        environment: &mut Environment<'_>,
    ) -> Result<Option<String>, String> {
        if file.is_finished {
            return Ok(None);
        }
        let now = file.begun_at;
        for id in file.ids.by_ref() {
            let Some(report) = self.report_to_send(now, id, environment) else {
                continue;
            };
            if let SaveScope::Days(days) = file.scope
                && report.report.end_at().plus_days(days) < now
            {
                continue;
            }
            file.writer.report(&report);
            file.digests.push(report.sha256());
            file.report_ids.entry(report.report.udi.clone()).or_default().push(id);
            return Ok(Some(file.writer.take()));
        }
        if file.report_ids.is_empty() {
            return Err(NOTHING.to_owned());
        }
        file.is_finished = true;
        file.writer.system_info(&self.system_info(now, &file.digests, environment));
        self.add_trust_codes(&mut file.writer);
        for request in &file.trust_requests {
            file.writer.trust_request(request);
        }
        Ok(Some(file.writer.finish()))
    }

    /// The usage file is durable: its reports wait for an ACK.
    pub fn usage_saved(
        &mut self,
        now: Timestamp,
        file: &UsageFile,
        environment: &mut Environment<'_>,
    ) {
        let reports: usize = file.report_ids.values().map(Vec::len).sum();
        let detail = format!("reports=\"{reports}\"");
        self.log(now, environment, "SAEVT_USAGE_SAVED", &detail);
        for (udi, ids) in &file.report_ids {
            self.mark_sent(ids, udi);
        }
        self.ledger.last_file_write_at = Some(now);
        self.save(now, environment);
    }

    fn ids_in(&self, scope: SaveScope) -> Vec<u64> {
        let ledger = &self.ledger;
        let mut ids: Vec<u64> = ledger.closed.iter().chain(ledger.unacknowledged.iter()).collect();
        match scope {
            SaveScope::All | SaveScope::Days(_) => ids.extend(ledger.acknowledged.iter()),
            SaveScope::Unreported => {}
            SaveScope::Report(id) => {
                ids.extend(ledger.acknowledged.iter());
                ids.retain(|held| *held == id);
            }
        }
        ids.sort_unstable();
        ids
    }

    fn system_info(
        &self,
        now: Timestamp,
        digests: &[[u8; 32]],
        environment: &mut Environment<'_>,
    ) -> Signed<SystemInfo> {
        let show_hostname = !self.config.hide_hostname && !self.hostname.is_empty();
        let show_version = !self.config.hide_version;
        let info = SystemInfo {
            sudi: self.speaker().clone(),
            hostname: show_hostname.then(|| self.hostname.clone()),
            timestamp: now,
            nonce: random_hex(environment.random, 8),
            software_tag_identifier: self.profile.software_tag.clone(),
            software_version: show_version.then(|| self.profile.software_version.clone()),
            public_key: self.signer.public_key().clone(),
            purpose: Purpose::UsageFile,
            audience: cssm_id(&self.profile.root_certificate),
            reports: digests.len() as u64,
            reports_sha256: SystemInfo::digest_of(digests.iter()),
        };
        Signed::json(info, self.signer.as_ref())
    }

    pub(crate) fn add_trust_codes(&self, writer: &mut DocumentWriter) {
        let mut certificate = None;
        for installed in &self.ledger.trust_codes {
            if let Ok(signed) = signed(installed) {
                writer.trust_code(&signed);
                certificate = from_base64(&installed.certificate).or(certificate);
            }
        }
        if let Some(certificate) = certificate {
            writer.certificate(&SignerCertificate(certificate));
        }
    }

    /// Installs what a file holds (`license smart import`).
    ///
    /// # Errors
    /// With the reason when the file is no licensing document at all.
    pub fn import(
        &mut self,
        now: Timestamp,
        bytes: &[u8],
        environment: &mut Environment<'_>,
    ) -> Result<(ImportSummary, Vec<Effect>), String> {
        self.last_now = self.last_now.max(now);
        let bytes = plain(bytes).map_err(|error| error.to_string())?;
        let document = Document::parse(&bytes).map_err(|error| error.to_string())?;
        let mut effects = Vec::new();
        let summary = self.apply(now, &document, Source::File, environment, &mut effects);
        for kind in summary.installed.iter().filter(|kind| !HAVE_MESSAGES.contains(kind)) {
            effects.push(Effect::Syslog(SyslogMessage::FileInstalled { kind }));
        }
        self.save(now, environment);
        Ok((summary, effects))
    }
}

/// What is told of by messages of its own when it is installed.
const HAVE_MESSAGES: [&str; 2] = ["POLICY", "TRUST CODE"];

fn signed<T: serde::Serialize + serde::de::DeserializeOwned>(
    installed: &Installed,
) -> Result<Signed<T>, rumline_protocol::DocumentError> {
    Signed::parse("stored document", installed.text.clone(), &installed.signature)
}
