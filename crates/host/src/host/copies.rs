//! Copies over the network, by the way that the switch decided.

use std::time::Duration;

use rumline_net::{Copy, SshAccess};
use rumline_switch::{Copied, RemoteCopy};

use super::jobs::{News, What};
use super::{Happened, Host};

/// All of a copy has to be over within this.
const PATIENCE: Duration = Duration::from_secs(600);
/// The largest file that is read from a server, in bytes: what a switch reads are policies, acknowledgements and
/// configurations.
const FILE_BYTES_MAX: usize = 8 << 20;
/// How often a terminal is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

impl Host {
    /// A copy, or what goes before it: the key of a server that is to be opened.
    pub(super) fn copying(
        &self,
        session: u64,
        number: u64,
        copy: &RemoteCopy,
    ) -> impl Future<Output = ()> + Send + use<> {
        let mut contact = self.contact(&copy.path);
        (contact.patience, contact.answer_bytes_max) = (PATIENCE, FILE_BYTES_MAX);
        let (copy, happened) = (copy.clone(), self.happened.clone());
        async move {
            let access = copy.access.as_ref().map(|access| SshAccess {
                host_key: access.host_key.clone(),
                password: access.password.clone(),
            });
            let asks_key = copy.is_ssh() && access.is_none();
            let work = Copy { contact: &contact, url: &copy.url, access };
            let work = async {
                let outcome = match &copy.put {
                    _ if asks_key => work.host_key().await.map(|key| Copied::HostKey {
                        text: key.text,
                        fingerprint: key.fingerprint,
                    }),
                    Some(bytes) => work.write(bytes).await.map(|()| Copied::Written),
                    None => work.read().await.map(Copied::Read),
                };
                outcome.map_err(|error| error.to_string())
            };
            tokio::pin!(work);
            // The switch may be gone by now.
            loop {
                tokio::select! {
                    outcome = &mut work => {
                        let what = What::Copied(outcome);
                        let _gone = happened.send(Happened::News(News { session, number, what })).await;
                        return;
                    }
                    () = tokio::time::sleep(TOLD_EVERY) => {
                        let bytes = contact.progress.bytes();
                        let what = What::Copying(bytes);
                        if bytes > 0 {
                            let _gone = happened.send(Happened::News(News { session, number, what })).await;
                        }
                    }
                }
            }
        }
    }
}
