//! The active supervisor: it lets the other one in, gives it what there is, and tells the switch how it stands.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rumline_net::{ChassisKey, FileDisk, PeerLink};
use rumline_protocol::Udi;
use rumline_switch::pair::{Copied, Place, SharedMirror, Standing};
use rumline_switch::{OtherState, OtherSupervisor, Redundancy, Slot};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Supervisor;
use super::fill::{Fill, folder_of};
use super::mirror::{PairMirror, Phase};
use super::pause;
use super::words::{Hello, ToActive, ToStandby, read, say};

/// So long one that comes may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is said that this one is still here.
const BEAT: Duration = Duration::from_millis(500);

/// One that came, and said who it is.
pub(crate) struct Arrived {
    link: PeerLink,
    hello: Hello,
}

/// What the active supervisor does for the other one.
pub(crate) struct Active {
    dir: PathBuf,
    own: Hello,
    slot: Slot,
    mirror: Arc<Mutex<PairMirror>>,
    arrivals: mpsc::Receiver<Arrived>,
    /// Who is given what there is, or has it.
    other: Option<Udi>,
    fill: Option<Fill>,
    /// What the switch was told.
    told: Redundancy,
    beats_at: Instant,
}

/// What is to be told of the pair.
#[derive(Default)]
pub(crate) struct News {
    /// How it stands now, if otherwise than before.
    pub redundancy: Option<Redundancy>,
    /// What the log is to say.
    pub told: Vec<String>,
}

impl Active {
    pub(crate) fn begin(supervisor: &Supervisor, standing: Standing) -> Result<Self> {
        let slot = supervisor.pair.slot;
        let arbiter = Arc::clone(&supervisor.arbiter);
        let mirror = PairMirror::new(standing, slot.other(), arbiter);
        let (arrived, arrivals) = mpsc::channel(1);
        let (listener, key) = (supervisor.listener.try_clone()?, Arc::clone(&supervisor.key));
        let own = supervisor.own.clone();
        std::thread::Builder::new()
            .name("link".to_owned())
            .spawn(move || let_in(&listener, &key, &own, &arrived))?;
        Ok(Self {
            dir: supervisor.setup.dir.clone(),
            own: supervisor.own.clone(),
            slot,
            mirror: Arc::new(Mutex::new(mirror)),
            arrivals,
            other: None,
            fill: None,
            told: Redundancy { slot, ..Redundancy::default() },
            beats_at: Instant::now(),
        })
    }

    /// A disk whose changes the other one is given.
    pub(crate) fn copied(&self, place: Place) -> Result<Copied<FileDisk>> {
        let mirror: SharedMirror = self.mirror.clone();
        Ok(Copied::to(FileDisk::open(&folder_of(&self.dir, place))?, place, mirror))
    }

    pub(crate) fn redundancy(&self) -> Redundancy {
        self.told.clone()
    }

    /// Returns once there is something to do for the other one.
    pub(crate) async fn wait(&mut self) -> Option<Arrived> {
        if self.fill.is_some() {
            // What others want has its turn too.
            tokio::task::yield_now().await;
            return self.arrivals.try_recv().ok();
        }
        let beat = tokio::time::sleep_until(self.beats_at);
        tokio::select! {
            Some(arrived) = self.arrivals.recv() => Some(arrived),
            () = beat => None,
        }
    }

    /// Does what there is to do, and says what is new.
    pub(crate) fn step(&mut self, arrived: Option<Arrived>, now_millis: i64) -> News {
        let mut news = News::default();
        if let Some(Arrived { link, hello }) = arrived {
            self.attach(link, hello);
            // The switch hears of it before all is given: what it has to hand over comes first.
            self.look(&mut news);
            return news;
        }
        {
            let mut mirror = self.mirror.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(fill) = &mut self.fill {
                match fill.step(&mut mirror) {
                    Ok(true) => {}
                    Ok(false) => self.fill = None,
                    Err(error) => {
                        tracing::error!(%error, "the other supervisor cannot be given what lies here");
                        self.fill = None;
                        mirror.restart();
                    }
                }
            }
            if Instant::now() >= self.beats_at {
                mirror.beat(now_millis);
                self.beats_at = Instant::now() + BEAT;
            }
        }
        self.look(&mut news);
        news
    }

    fn attach(&mut self, link: PeerLink, hello: Hello) {
        let mut mirror = self.mirror.lock().unwrap_or_else(PoisonError::into_inner);
        mirror.attach(link, self.own.clone(), &hello.udi);
        self.fill = None;
        if mirror.phase() == Phase::Filling {
            match Fill::of(&self.dir) {
                Ok(fill) => {
                    (self.fill, self.other) = (Some(fill), Some(hello.udi));
                    // The switch hears of it although it may look as before: what it hands over is to be there.
                    self.told.other = None;
                }
                Err(error) => {
                    tracing::error!(%error, "the other supervisor cannot be given what lies here");
                    mirror.restart();
                }
            }
        }
    }

    /// What has become of the other one meanwhile.
    pub(crate) fn look(&mut self, news: &mut News) {
        let (phase, why) = {
            let mut mirror = self.mirror.lock().unwrap_or_else(PoisonError::into_inner);
            (mirror.phase(), mirror.why_out())
        };
        let module = self.slot.other().module();
        news.told
            .extend(why.map(|why| format!("%MODULE-4-MOD_WARNING: Supervisor {module}: {why}")));
        let state = match phase {
            Phase::Alone => None,
            Phase::Filling | Phase::Filled(_) => Some(OtherState::Copying),
            Phase::InStep => Some(OtherState::Standby),
        };
        if state.is_none() {
            (self.fill, self.other) = (None, None);
        }
        let other = self.other.clone().zip(state);
        let other = other.map(|(udi, state)| OtherSupervisor { udi, state });
        let now = Redundancy { slot: self.slot, other, is_copy: false };
        if now != self.told {
            self.told = now.clone();
            news.redundancy = Some(now);
        }
    }

    /// Whether this one may speak.
    pub(crate) fn may_speak(&self) -> bool {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner).may_speak()
    }

    /// The clock was set: the other one hears of it before anything is done by it.
    pub(crate) fn tell_clock(&mut self, now_millis: i64) {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner).beat(now_millis);
    }

    /// The other one restarts.
    pub(crate) fn restart_other(&mut self) {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner).restart();
    }
}

/// Lets in who has the key and can be the other supervisor, one after another, until nobody hears of it.
fn let_in(listener: &TcpListener, key: &ChassisKey, own: &Hello, arrived: &mpsc::Sender<Arrived>) {
    // It is looked at often enough that one which hands over soon listens no more.
    if let Err(error) = listener.set_nonblocking(true) {
        tracing::error!(%error, "no other supervisor can be let in");
        return;
    }
    while !arrived.is_closed() {
        match listener.accept() {
            Ok((tcp, _)) => match greet(tcp, key, own) {
                Ok(new) => {
                    if arrived.blocking_send(new).is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!("no supervisor of this chassis was let in: {error:#}"),
            },
            Err(_) => pause(Duration::from_millis(50)),
        }
    }
}

fn greet(tcp: TcpStream, key: &ChassisKey, own: &Hello) -> Result<Arrived> {
    tcp.set_nonblocking(false)?;
    let mut link = PeerLink::accept(tcp, key, PATIENCE)?;
    let Some((head, _)) = link.receive(PATIENCE)? else { anyhow::bail!("it says nothing") };
    let ToActive::Here(hello) = read(&head)? else { anyhow::bail!("it does not say who it is") };
    if let Err(error) = own.check(&hello) {
        let why = error.to_string();
        // Whoever is refused may have gone.
        let _told = say(&mut link, &ToStandby::Refused { why }, &[]);
        return Err(error);
    }
    Ok(Arrived { link, hello })
}
