//! Copies over the network: work that goes on while the switch goes on, for a session that waits.

use rumline_cli::Reply;
use rumline_net::{scp_get, scp_host_key, scp_put, tftp_get, tftp_put};
use rumline_switch::{Copied, Devices, Effect, RemoteCopy, Session, Switch};
use tokio::task::AbortHandle;

use super::{Happened, Host};

/// What a copy over the network came to.
pub(super) struct Ended {
    session: u64,
    /// Which of the session's copies.
    number: u64,
    copy: RemoteCopy,
    outcome: Result<Copied, String>,
}

/// A copy over the network that goes on.
pub(super) struct Job {
    number: u64,
    work: AbortHandle,
    copy: RemoteCopy,
}

impl Host {
    /// Starts the copies among the effects of a session; whether there are any.
    pub(super) fn start_copies(&mut self, session: u64, effects: &mut Vec<Effect>) -> bool {
        let mut started = false;
        let happened = self.happened.clone();
        self.last_job += 1;
        let number = self.last_job;
        effects.retain(|effect| {
            let Effect::Copy(copy) = effect else { return true };
            let (copy, happened) = (copy.clone(), happened.clone());
            let kept = copy.clone();
            let work = tokio::spawn(async move {
                let outcome = carried_out(&copy).await;
                let ended = Ended { session, number, copy, outcome };
                // The switch may be gone by now.
                let _gone = happened.send(Happened::Copied(ended)).await;
            });
            self.jobs.insert(session, Job { number, work: work.abort_handle(), copy: kept });
            started = true;
            false
        });
        started
    }

    /// What a session waits for ends: somebody typed Ctrl-C.
    pub(super) fn interrupt(&mut self, session: u64) {
        if let Some(text) = self.end_job(session) {
            self.go_on(session, Reply { text, ..Reply::default() });
        }
    }

    /// Ends a copy: what is told of it.
    pub(super) fn end_job(&mut self, session: u64) -> Option<String> {
        let job = self.jobs.remove(&session)?;
        job.work.abort();
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        let why = Err("it was interrupted".to_owned());
        Some(switch.copy_ended(now, &job.copy, why, &mut devices))
    }

    /// What the session is told of a copy, or asked.
    pub(super) fn copied(&mut self, ended: Ended) {
        let Ended { session, number, copy, outcome } = ended;
        // It may have been interrupted just before its end, and another one begun.
        if self.jobs.get(&session).is_none_or(|job| job.number != number) {
            return;
        }
        self.jobs.remove(&session);
        let now = self.clock.now();
        let reply = self.with_session(session, |switch, own, devices| {
            switch.copied(now, own, &copy, outcome, devices)
        });
        self.go_on(session, reply);
    }

    /// Does something for a session; for one that is over as for a program, which cannot be asked.
    fn with_session<T>(
        &mut self,
        number: u64,
        work: impl FnOnce(&mut Switch, &mut Session, &mut Devices<'_>) -> T,
    ) -> T {
        let mut terminal = self.terminals.remove(&number);
        let mut batch = self.batches.remove(&number);
        let mut nobody = Session::for_program("");
        let own = match (&mut terminal, &mut batch) {
            (Some(open), _) => open.session_mut(),
            (None, Some(batch)) => batch.session_mut(),
            (None, None) => &mut nobody,
        };
        let (switch, mut devices) = self.parts();
        let done = work(switch, own, &mut devices);
        if let Some(open) = terminal {
            self.terminals.insert(number, open);
        }
        if let Some(batch) = batch {
            self.batches.insert(number, batch);
        }
        done
    }
}

/// A copy, or what goes before it: the key of a server that is to be opened.
async fn carried_out(copy: &RemoteCopy) -> Result<Copied, String> {
    let url = copy.url.as_str();
    if url.starts_with("tftp://") {
        let done = match &copy.put {
            Some(bytes) => tftp_put(url, bytes).await.map(|()| Copied::Written),
            None => tftp_get(url).await.map(Copied::Read),
        };
        return done.map_err(|error| error.to_string());
    }
    let done = match (&copy.access, &copy.put) {
        (None, _) => scp_host_key(url)
            .await
            .map(|key| Copied::HostKey { text: key.text, fingerprint: key.fingerprint }),
        (Some(with), Some(bytes)) => {
            scp_put(url, &with.host_key, &with.password, bytes).await.map(|()| Copied::Written)
        }
        (Some(with), None) => scp_get(url, &with.host_key, &with.password).await.map(Copied::Read),
    };
    done.map_err(|error| error.to_string())
}
