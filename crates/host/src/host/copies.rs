//! Copies over the network: work that goes on while the switch goes on, for a session that waits.

use rumline_net::{tftp_get, tftp_put};
use rumline_switch::{Effect, RemoteCopy, Switch};

use super::{Happened, Host};

/// What a copy over the network came to.
pub(super) struct Copied {
    pub(super) session: u64,
    copy: RemoteCopy,
    outcome: Result<Vec<u8>, String>,
}

impl Host {
    /// Starts the copies among the effects of a session; whether there are any.
    pub(super) fn start_copies(&self, session: u64, effects: &mut Vec<Effect>) -> bool {
        let mut started = false;
        effects.retain(|effect| {
            let Effect::Copy(copy) = effect else { return true };
            let (copy, happened) = (copy.clone(), self.happened.clone());
            tokio::spawn(async move {
                let outcome = match &copy.put {
                    Some(bytes) => tftp_put(&copy.url, bytes).await.map(|()| Vec::new()),
                    None => tftp_get(&copy.url).await,
                };
                let outcome = outcome.map_err(|error| error.to_string());
                let copied = Copied { session, copy, outcome };
                // The switch may be gone by now.
                let _gone = happened.send(Happened::Copied(copied)).await;
            });
            started = true;
            false
        });
        started
    }

    /// What the session is told of a copy.
    pub(super) fn copied(&mut self, copied: Copied) {
        let (_, mut devices) = self.parts();
        let text = Switch::copied(&copied.copy, copied.outcome, &mut devices);
        self.go_on(copied.session, &text);
    }
}
