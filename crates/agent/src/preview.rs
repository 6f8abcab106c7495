//! The next message before it leaves: composed for real, on a copy of what the agent knows, and kept. A contact within ten minutes
//! sends exactly these bytes, and all that composing them did to the copy is done then: reports are closed, as of the moment of the
//! preview. A preview that nothing follows has done nothing.

use std::collections::BTreeMap;

use rumline_protocol::Timestamp;

use crate::agenda::Duty;
use crate::config::{Config, Peer, Transport};
use crate::disk::{Disk, DiskError};
use crate::eventlog::EventLog;
use crate::exchange::{InFlight, Push, TrustWanted, Wanted};
use crate::ledger::Ledger;
use crate::{Agent, Effect, Environment};

/// So long a preview is what a contact sends.
pub const PREVIEW_SECONDS: i64 = 600;

/// A message as it would leave now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// When it was composed.
    pub made_at: Timestamp,
    /// When it is due; none for one that only a synchronization sends.
    pub due_at: Option<Timestamp>,
    /// What for, in the words of `show license tech support`.
    pub why: &'static str,
    /// Names it in the later answer.
    pub request_id: String,
    /// Whom to.
    pub peer: Peer,
    /// Where.
    pub url: String,
    /// What kind of message it is.
    pub class: &'static str,
    /// The message.
    pub body: Vec<u8>,
}

/// A preview, and what sending it does.
pub(crate) struct Kept {
    preview: Preview,
    what: Duty,
    /// Something around it was changed that the agent knows nothing of.
    is_outdated: bool,
    before: Before,
    after: After,
    /// The files that composing it wrote.
    files: BTreeMap<String, Vec<u8>>,
    /// The events that it logged.
    events: Vec<String>,
}

/// What the message was composed from: while it is the same, so is the message.
#[derive(PartialEq)]
struct Before {
    ledger: Ledger,
    config: Config,
    hostname: String,
    trust: Option<TrustWanted>,
}

struct After {
    ledger: Ledger,
    push: Push,
    flight: InFlight,
    /// Reports that composing found and that cannot be read; somebody is told of them when the message leaves.
    found_unreadable: u64,
}

/// Why there is nothing to preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPreview {
    /// The transport is off.
    #[error("the transport is off: nothing is sent, use license smart save usage")]
    Off,
    /// One is on its way.
    #[error("a message is on its way, and its answer is waited for")]
    UnderWay,
    /// Direct communication needs trust (G-37).
    #[error(
        "there is no trust code yet: nothing but a trust request leaves, use license smart trust idtoken"
    )]
    NoTrust,
    /// Reports that wait cannot be read.
    #[error("no report that waits can be read, use show license doctor")]
    Unreadable,
    /// What was recorded is not durable.
    #[error("what was recorded cannot be written, and nothing leaves before it is")]
    Unsaved,
}

/// A disk that reads through and writes into memory.
pub(crate) struct Overlay<'d> {
    pub under: &'d mut dyn Disk,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Disk for Overlay<'_> {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        match self.files.get(name) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None => self.under.read(name),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.files.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.write(name, bytes)
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        if !self.files.contains_key(name) {
            let content = self.under.read(name)?.unwrap_or_default();
            self.files.insert(name.to_owned(), content);
        }
        if let Some(content) = self.files.get_mut(name) {
            content.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.extend(name, bytes)
    }

    /// Composing a message removes nothing that matters: what is old goes with the next one.
    fn remove(&mut self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        self.under.list(prefix)
    }
}

impl Agent {
    /// The next message: the one that is due within ten minutes, or else what `license smart sync` would send. The one that
    /// was shown before, as long as it would still be sent.
    ///
    /// # Errors
    /// With why nothing would leave.
    pub fn preview(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
    ) -> Result<Preview, NoPreview> {
        if self.config.destination().is_none() {
            return Err(NoPreview::Off);
        }
        if self.unsaved {
            return Err(NoPreview::Unsaved);
        }
        if self.in_flight.is_some() {
            return Err(NoPreview::UnderWay);
        }
        let due = self.to_send().into_iter().min_by_key(|due| due.at);
        let due = due.filter(|due| due.at <= now + PREVIEW_SECONDS);
        let what = due.map_or(Duty::Push, |due| due.what);
        if let Some(kept) = &self.kept
            && self.fits(kept, now, what)
            && kept.preview.due_at.is_some() == due.is_some()
        {
            return Ok(kept.preview.clone());
        }
        let (due_at, why) = match due {
            Some(due) => (Some(due.at.max(now)), due.why),
            None => (None, "synchronization"),
        };
        let kept = self.composed(now, what, due.is_none(), environment);
        let Some(mut kept) = kept else {
            let is_direct = self.config.transport != Transport::Cslu;
            let lacks_trust = is_direct && !self.has_trust();
            return Err(if lacks_trust { NoPreview::NoTrust } else { NoPreview::Unreadable });
        };
        (kept.preview.due_at, kept.preview.why) = (due_at, why);
        let preview = kept.preview.clone();
        self.kept = Some(kept);
        Ok(preview)
    }

    /// What stands around messages was changed, such as their envelope: what was shown is not what would leave.
    pub fn outdate_preview(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.is_outdated = true);
    }

    /// Composes a message on a copy; the agent stays as it is.
    fn composed(
        &mut self,
        now: Timestamp,
        what: Duty,
        is_sync: bool,
        environment: &mut Environment<'_>,
    ) -> Option<Kept> {
        let before = self.before();
        let (wanted, unsaved) = (self.wanted.clone(), self.unsaved);
        let reports = self.reports.clone();
        let (superseded, untold) = (self.superseded.clone(), self.unreadable_untold);
        let events = std::mem::replace(&mut self.eventlog, EventLog::of_nothing());
        if is_sync {
            self.wanted = Wanted { push: Push::Wanted, sync: true, manual: true, ..wanted.clone() };
        }
        let mut effects = Vec::new();
        let mut disk = Overlay { under: environment.disk, files: BTreeMap::new() };
        let mut on_copy = Environment { disk: &mut disk, random: environment.random };
        self.compose(now, what, &mut on_copy, &mut effects);
        // Without anything to report a synchronization asks without a report.
        if self.in_flight.is_none() && is_sync {
            self.compose(now, Duty::Sync, &mut on_copy, &mut effects);
        }
        let files = disk.files;
        let after_ledger = std::mem::replace(&mut self.ledger, before.ledger.clone());
        let push = std::mem::replace(&mut self.wanted, wanted).push;
        let log = std::mem::replace(&mut self.eventlog, events);
        let found_unreadable = std::mem::replace(&mut self.unreadable_untold, untold) - untold;
        (self.superseded, self.unsaved, self.reports) = (superseded, unsaved, reports);
        let flight = self.in_flight.take()?;
        let sent = effects.into_iter().find_map(|effect| match effect {
            Effect::Send { request_id, peer, url, class, body } => {
                Some((request_id, peer, url, class, body))
            }
            Effect::Syslog(_) => None,
        });
        let (request_id, peer, url, class, body) = sent?;
        Some(Kept {
            preview: Preview {
                made_at: now,
                due_at: None,
                why: "",
                request_id,
                peer,
                url,
                class,
                body,
            },
            what,
            is_outdated: false,
            before,
            after: After { ledger: after_ledger, push, flight, found_unreadable },
            files,
            events: log.lines().map(str::to_owned).collect(),
        })
    }

    fn before(&self) -> Before {
        Before {
            ledger: self.ledger.clone(),
            config: self.config.clone(),
            hostname: self.hostname.clone(),
            trust: self.wanted.trust.clone(),
        }
    }

    /// Whether a message that was composed before is what would be composed now, but for the time in it.
    fn fits(&self, kept: &Kept, now: Timestamp, what: Duty) -> bool {
        let age = now.since(kept.preview.made_at);
        // A synchronization sends the report that was shown, and what it asks for besides behind it.
        !kept.is_outdated
            && kept.what == what
            && (0..=PREVIEW_SECONDS).contains(&age)
            && kept.before.config == self.config
            && kept.before.hostname == self.hostname
            && kept.before.trust == self.wanted.trust
            && kept.before.ledger.is_same_but_seen(&self.ledger)
    }

    /// Sends what was shown, if that is what would be sent now; true if it does.
    pub(crate) fn sent_as_shown(
        &mut self,
        now: Timestamp,
        what: Duty,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(kept) = self.kept.take() else { return false };
        if !self.fits(&kept, now, what) {
            let shown_at = kept.preview.made_at;
            let detail = format!("shownAt=\"{shown_at}\"");
            self.log(now, environment, "SAEVT_PREVIEW_OUTDATED", &detail);
            return false;
        }
        // What it tells of is durable before the ledger says so.
        for (name, bytes) in &kept.files {
            if environment.disk.write(name, bytes).is_err() {
                return false;
            }
        }
        for line in kept.events {
            self.eventlog.add_line(line, environment.disk);
        }
        let (seen, speaker) = (self.ledger.last_seen_at, self.speaker().clone());
        self.ledger = kept.after.ledger;
        self.ledger.last_seen_at = seen;
        // Another supervisor may have taken over in what was shown.
        if *self.speaker() != speaker {
            self.begin_speaking();
        }
        self.wanted.push = kept.after.push;
        self.unreadable_untold += kept.after.found_unreadable;
        let mut flight = kept.after.flight;
        flight.sent_at = now;
        flight.out_of_turn = std::mem::take(&mut self.wanted.manual);
        self.in_flight = Some(flight);
        self.unsaved = true;
        let Preview { request_id, peer, url, class, body, .. } = kept.preview;
        effects.push(Effect::Send { request_id, peer, url, class, body });
        true
    }
}
