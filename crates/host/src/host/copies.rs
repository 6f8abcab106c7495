//! Copies over the network: work that goes on while the switch goes on, for a session that waits.

use rumline_net::{tftp_get, tftp_put};
use rumline_switch::{Effect, RemoteCopy};
use tokio::task::AbortHandle;

use super::{Happened, Host};

/// What a copy over the network came to.
pub(super) struct Copied {
    pub(super) session: u64,
    copy: RemoteCopy,
    outcome: Result<Vec<u8>, String>,
}

/// A copy over the network that goes on.
pub(super) struct Job {
    work: AbortHandle,
    copy: RemoteCopy,
}

impl Host {
    /// Starts the copies among the effects of a session; whether there are any.
    pub(super) fn start_copies(&mut self, session: u64, effects: &mut Vec<Effect>) -> bool {
        let mut started = false;
        let happened = self.happened.clone();
        effects.retain(|effect| {
            let Effect::Copy(copy) = effect else { return true };
            let (copy, happened) = (copy.clone(), happened.clone());
            let kept = copy.clone();
            let work = tokio::spawn(async move {
                let outcome = match &copy.put {
                    Some(bytes) => tftp_put(&copy.url, bytes).await.map(|()| Vec::new()),
                    None => tftp_get(&copy.url).await,
                };
                let outcome = outcome.map_err(|error| error.to_string());
                let copied = Copied { session, copy, outcome };
                // The switch may be gone by now.
                let _gone = happened.send(Happened::Copied(copied)).await;
            });
            self.jobs.insert(session, Job { work: work.abort_handle(), copy: kept });
            started = true;
            false
        });
        started
    }

    /// What a session waits for ends: somebody typed Ctrl-C.
    pub(super) fn interrupt(&mut self, session: u64) {
        if let Some(text) = self.end_job(session) {
            self.go_on(session, &text);
        }
    }

    /// Ends a copy: what is told of it.
    pub(super) fn end_job(&mut self, session: u64) -> Option<String> {
        let job = self.jobs.remove(&session)?;
        job.work.abort();
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        Some(switch.copied(now, &job.copy, Err("it was interrupted".to_owned()), &mut devices))
    }

    /// What the session is told of a copy.
    pub(super) fn copied(&mut self, copied: Copied) {
        if self.jobs.remove(&copied.session).is_none() {
            // It was interrupted just before its end.
            return;
        }
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        let text = switch.copied(now, &copied.copy, copied.outcome, &mut devices);
        self.go_on(copied.session, &text);
    }
}
