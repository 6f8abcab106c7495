//! Topology 6: usage saved to a file, answers imported from one (TOPO-6, PI-CLI-021, PI-CLI-022).

use rumline_protocol::{
    Document, DocumentWriter, Purpose, Signed, SignerCertificate, SystemInfo, TerminationReason,
    Timestamp, cssm_id, from_base64, plain, random_hex,
};

use crate::install::{ImportSummary, Source};
use crate::ledger::Installed;
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

/// A usage file, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedUsage {
    /// Its text.
    pub text: String,
    /// The reports in it; hand them to [`Agent::usage_saved`] once the file is durable.
    pub report_ids: Vec<u64>,
}

impl Agent {
    /// The text of a usage file (`license smart save usage`). What is in use is closed into reports first.
    ///
    /// # Errors
    /// With the reason in NX-OS words, e.g. when there is nothing to report (PI-RUM-003).
    pub fn save_usage(
        &mut self,
        now: Timestamp,
        scope: SaveScope,
        environment: &mut Environment<'_>,
    ) -> Result<SavedUsage, String> {
        self.last_now = self.last_now.max(now);
        let reason = TerminationReason::CurrentUsageRequested;
        self.close_reports(now, &reason, environment).map_err(|error| error.to_string())?;
        let mut writer = DocumentWriter::new();
        let (mut ids, mut digests) = (Vec::new(), Vec::new());
        for id in self.ids_in(scope) {
            let Some(report) = self.report_to_send(now, id, environment) else {
                continue;
            };
            if let SaveScope::Days(days) = scope
                && report.report.end_at().plus_days(days) < now
            {
                continue;
            }
            writer.report(&report);
            digests.push(report.sha256());
            ids.push(id);
        }
        if ids.is_empty() {
            self.save(now, environment);
            return Err("The requested item was not found".to_owned());
        }
        writer.system_info(&self.system_info(now, &digests, environment));
        if self.has_trust() {
            self.add_trust_codes(&mut writer);
        } else {
            // Trust may be asked for by file too.
            for request in self.carried_trust_requests(now, environment) {
                writer.trust_request(&request);
            }
        }
        let text = writer.finish();
        let detail = format!("reports=\"{}\"", ids.len());
        self.log(now, environment, "SAEVT_USAGE_SAVED", &detail);
        self.save(now, environment);
        if self.unsaved {
            // A report number must not leave before it is recorded here.
            return Err(self
                .storage_failure
                .as_ref()
                .map_or_else(String::new, ToString::to_string));
        }
        Ok(SavedUsage { text, report_ids: ids })
    }

    /// The usage file is durable: its reports wait for an ACK.
    pub fn usage_saved(
        &mut self,
        now: Timestamp,
        report_ids: &[u64],
        environment: &mut Environment<'_>,
    ) {
        self.mark_sent(report_ids);
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
            sudi: self.profile.udi().clone(),
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
        self.save(now, environment);
        Ok((summary, effects))
    }
}

fn signed<T: serde::Serialize + serde::de::DeserializeOwned>(
    installed: &Installed,
) -> Result<Signed<T>, rumline_protocol::DocumentError> {
    Signed::parse("stored document", installed.text.clone(), &installed.signature)
}
