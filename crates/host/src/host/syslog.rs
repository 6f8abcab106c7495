//! System messages on their way to servers: a queue for each, so that none waits for another and nothing here waits for one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rumline_agent::Reason;
use rumline_net::{NameLookup, Outlet};
use rumline_switch::{Path, SyslogDatagram};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, timeout};

use super::{Happened, Host};

/// Messages that wait for a server; what comes then is lost.
const WAITING_MAX: usize = 256;
/// A queue that nothing came to for so long ends.
const IDLE: Duration = Duration::from_secs(60);
/// A name is looked up again after this.
const NAME_AGE: Duration = Duration::from_secs(60);

/// The queues, by server.
pub(super) type Queues = BTreeMap<String, mpsc::Sender<Letter>>;

/// A message, and all that is needed to send it.
pub(super) struct Letter {
    host: String,
    port: u16,
    path: Path,
    outlet: Outlet,
    names: NameLookup,
    bytes: Vec<u8>,
}

impl Host {
    /// Puts a message into the queue of its server.
    pub(super) fn post(&mut self, datagram: SyslogDatagram) {
        let SyslogDatagram { server, port, path, bytes } = datagram;
        let outlet = self.outlet(&path.way);
        let names = self.name_lookup(&path.names, &outlet);
        let port = port.unwrap_or(self.setup.syslog_port);
        let mut letter = Letter { host: server.clone(), port, path, outlet, names, bytes };
        self.queues.retain(|_, queue| !queue.is_closed());
        // A queue may end just before something comes to it.
        for _ in 0..2 {
            let happened = &self.happened;
            let queue = self.queues.entry(server.clone()).or_insert_with(|| {
                let (queue, letters) = mpsc::channel(WAITING_MAX);
                tokio::spawn(carry(letters, happened.clone()));
                queue
            });
            match queue.try_send(letter) {
                Ok(()) => return,
                Err(TrySendError::Full(_)) => {
                    let why = format!("{WAITING_MAX} messages wait for it");
                    return self.switch.syslog_ended(&server, Err(why));
                }
                Err(TrySendError::Closed(back)) => {
                    self.queues.remove(&server);
                    letter = back;
                }
            }
        }
    }
}

/// Sends what comes, one after the other, and tells what came of it.
async fn carry(mut letters: mpsc::Receiver<Letter>, happened: mpsc::Sender<Happened>) {
    let mut way: Option<OpenWay> = None;
    while let Ok(Some(letter)) = timeout(IDLE, letters.recv()).await {
        let outcome = send(&mut way, &letter).await.map_err(|reason| reason.to_string());
        let told = Happened::SyslogEnded { server: letter.host, outcome };
        if happened.send(told).await.is_err() {
            return;
        }
    }
}

/// A socket to a server, as long as it is the one that is meant.
struct OpenWay {
    path: Path,
    port: u16,
    since: Instant,
    socket: UdpSocket,
}

async fn send(way: &mut Option<OpenWay>, letter: &Letter) -> Result<(), Reason> {
    let fits = |way: &OpenWay| {
        way.path == letter.path && way.port == letter.port && way.since.elapsed() < NAME_AGE
    };
    if !way.as_ref().is_some_and(fits) {
        *way = None;
        let address = letter.names.address(&letter.host, letter.path.has_ipv6).await?;
        let socket = letter.outlet.datagrams(SocketAddr::new(address, letter.port)).await?;
        let (path, port) = (letter.path.clone(), letter.port);
        *way = Some(OpenWay { path, port, since: Instant::now(), socket });
    }
    let Some(open) = way else { return Err(Reason::Connect) };
    match open.socket.send(&letter.bytes).await {
        Ok(_) => Ok(()),
        // That nobody listened for the one before is told now, and this one did not leave: it does.
        Err(_) if open.socket.send(&letter.bytes).await.is_ok() => Err(Reason::Refused),
        Err(error) => {
            *way = None;
            Err(rumline_net::reason_of(&error))
        }
    }
}
