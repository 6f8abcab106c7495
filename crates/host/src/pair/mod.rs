//! Two supervisors in two processes. The active one runs the switch, and gives the other each change of its disks before it
//! counts as made; the other takes over with what it was given once the right to speak is free.

mod active;
mod arbiter;
mod chassis;
mod console;
mod fill;
mod kept;
mod mirror;
mod offset;
mod standby;
mod witness;
mod words;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rumline_net::ChassisKey;
use rumline_switch::Slot;
use rumline_switch::pair::{Missing, Standing};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::{Host, Setup};

pub(crate) use active::{Active, Arrived, News as PairNews};
use arbiter::{Arbiter, Attempt, SharedArbiter};
pub(crate) use chassis::Chassis;
pub(crate) use console::Shown;
use standby::{Copier, Shared};
use witness::Witness;
pub use witness::run_witness;
use words::{Hello, VERSION};

/// How often the one that waits looks whether the right to speak is free.
const LOOK: Duration = Duration::from_millis(50);
/// How often it asks a witness for it.
const ASK: Duration = Duration::from_millis(500);
/// One that handed over lets the other one begin.
const AFTER_HANDING_OVER: Duration = Duration::from_secs(5);

/// So long after its start one may become active by force: what was meant then may be wrong later.
const FORCE: Duration = Duration::from_secs(15);

/// What a supervisor of a pair is started with, beside what every switch is.
pub struct PairSetup {
    /// The folder of the chassis.
    pub chassis: PathBuf,
    /// Where in it this one is.
    pub slot: Slot,
    /// Where this one waits for the other while it is active; any port of this machine if it is port 0.
    pub link: SocketAddr,
    /// Where SSH listens on whichever is active.
    pub management: Option<SocketAddr>,
    /// Who decides which of the two is active, where they are on two hosts; without one a lock in the folder does.
    pub witness: Option<SocketAddr>,
    /// Whether it becomes active although what was answered for is missing here.
    pub forced: bool,
}

/// Lets a thread look again later: nothing tells it when a lock is let go or somebody comes.
#[expect(clippy::disallowed_methods, reason = "it looks again and relies on no time that passes")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The folder of a supervisor in that of its chassis.
#[must_use]
pub(crate) fn folder_of_supervisor(chassis: &Path, slot: Slot) -> PathBuf {
    chassis.join(format!("slot-{}", slot.number()))
}

/// Why a supervisor ended what it did.
pub(crate) enum Ended {
    /// It was told to.
    Stopped,
    /// The other one takes over, or may have.
    HandedOver,
    /// The right to speak is its: nobody was active, or it takes over from whoever was.
    Speaks { standing: Standing, takes_over: bool },
}

/// A supervisor of a pair.
pub(crate) struct Supervisor {
    setup: Setup,
    pair: PairSetup,
    own: Hello,
    key: Arc<ChassisKey>,
    arbiter: SharedArbiter,
    forced: AtomicBool,
    /// Why it does not become active, as far as that was told.
    told: Mutex<Option<Missing>>,
    started_at: Instant,
    listener: TcpListener,
    /// Where the other one finds that.
    link: String,
    stop: watch::Receiver<bool>,
}

impl Supervisor {
    /// The folder of a supervisor, and its chassis.
    ///
    /// # Errors
    /// When they cannot be used, or the model has one supervisor.
    pub(crate) fn new(setup: Setup, pair: PairSetup, stop: watch::Receiver<bool>) -> Result<Self> {
        let (platform, release, udi) = setup.hardware.check()?;
        ensure!(
            platform.supervisors > 1,
            "{} has one supervisor: a pair is of a chassis with two, such as N9K-C9504",
            platform.pid
        );
        let chassis = Chassis::open(&pair.chassis)?;
        let key = Arc::new(chassis.key()?);
        let arbiter = match pair.witness {
            Some(address) => {
                let witness = Witness::at(address, Arc::clone(&key));
                Arbiter::asking(witness, pair.slot, &udi.serial, &setup.dir)
            }
            None => Arbiter::of(&chassis, pair.slot, &udi.serial),
        };
        let arbiter = Arc::new(Mutex::new(arbiter));
        let listener = TcpListener::bind(pair.link)
            .with_context(|| format!("cannot listen on {} for the other supervisor", pair.link))?;
        let link = listener.local_addr()?.to_string();
        let own = Hello {
            version: VERSION,
            slot: pair.slot.number(),
            udi,
            release: release.version.clone(),
        };
        let (forced, told) = (AtomicBool::new(pair.forced), Mutex::new(None));
        let started_at = Instant::now();
        Ok(Self { setup, pair, own, key, arbiter, forced, told, started_at, listener, link, stop })
    }

    /// Runs until it is told to end.
    pub(crate) fn run(self) -> Result<()> {
        let mut not_before = Instant::now();
        let mut hands_over = false;
        loop {
            match self.wait(not_before, hands_over)? {
                Ended::Stopped => return Ok(()),
                Ended::HandedOver => {}
                Ended::Speaks { standing, takes_over } => match self.speak(standing, takes_over) {
                    Ok(Ended::HandedOver) => not_before = Instant::now() + AFTER_HANDING_OVER,
                    Ok(_) => return Ok(()),
                    // What is wrong at the start is told at once; later it is tried again.
                    Err(error) if !takes_over => return Err(error),
                    Err(error) => {
                        tracing::error!("this supervisor cannot be active: {error:#}");
                        not_before = Instant::now() + AFTER_HANDING_OVER;
                    }
                },
            }
            hands_over = true;
        }
    }

    /// Waits for the right to speak, and takes what the active one gives meanwhile.
    fn wait(&self, not_before: Instant, hands_over: bool) -> Result<Ended> {
        if !hands_over && let Some(standing) = self.try_take()? {
            return Ok(Ended::Speaks { standing, takes_over: false });
        }
        let shared = Shared::default();
        let copier = Copier {
            dir: self.setup.dir.clone(),
            own: self.own.clone(),
            key: Arc::clone(&self.key),
            arbiter: Arc::clone(&self.arbiter),
            clock: self.setup.clock,
            shared: shared.clone(),
        };
        rumline_net::say!("supervisor {} waits as standby", self.own.udi);
        std::thread::scope(|threads| {
            let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
            thread("copier").spawn_scoped(threads, || copier.run())?;
            if self.setup.ssh.is_some() {
                thread("console").spawn_scoped(threads, || console::serve(self, &shared))?;
            }
            let ended = self.wait_for_right(not_before);
            // Both end before the disks and the address are opened again.
            shared.is_over.store(true, Ordering::Relaxed);
            ended
        })
    }

    fn wait_for_right(&self, not_before: Instant) -> Result<Ended> {
        loop {
            if *self.stop.borrow() {
                return Ok(Ended::Stopped);
            }
            if Instant::now() >= not_before || self.other_was_active() {
                match self.try_take() {
                    Ok(Some(standing)) => {
                        return Ok(Ended::Speaks { standing, takes_over: true });
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!("it is not known who is active: {error:#}");
                        pause(ASK);
                    }
                }
            }
            pause(if self.pair.witness.is_some() { ASK } else { LOOK });
        }
    }

    /// It takes a while until the switch is up.
    fn renew(&self) {
        self.arbiter.lock().unwrap_or_else(PoisonError::into_inner).renew();
    }

    /// Whether the other one was active after this one: whoever handed over need not wait for it any more.
    fn other_was_active(&self) -> bool {
        let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = arbiter.standing().ok();
        standing.is_some_and(|s| s.active == Some(self.pair.slot.other().number()))
    }

    fn try_take(&self) -> Result<Option<Standing>> {
        if self.started_at.elapsed() > FORCE && self.forced.swap(false, Ordering::Relaxed) {
            tracing::warn!("the other supervisor is active: this one does not become so by force");
        }
        let forced = self.forced.load(Ordering::Relaxed);
        let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = arbiter.take(&self.link, forced);
        let refused = match taken {
            // A witness may be away for a while.
            Err(error) if self.pair.witness.is_some() => {
                tracing::warn!("{error:#}");
                return Ok(None);
            }
            Err(error) => return Err(error),
            Ok(Attempt::Taken(standing)) => {
                // It was meant for once.
                self.forced.store(false, Ordering::Relaxed);
                return Ok(Some(standing));
            }
            Ok(Attempt::Busy) => None,
            Ok(Attempt::Refused(missing)) => Some(missing),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(missing) = refused.filter(|missing| *told != Some(*missing)) {
            match missing {
                // While it is given all, that is as it should be.
                Missing::NotGiven => tracing::info!("not active: {}", missing.text()),
                Missing::OtherFolder | Missing::Older => {
                    tracing::error!("this supervisor does not become active: {}", missing.text());
                }
            }
        }
        *told = refused;
        Ok(None)
    }

    /// Runs the switch, as long as this one is active.
    fn speak(&self, standing: Standing, took_over: bool) -> Result<Ended> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            self.renew();
            let active = Active::begin(self, standing)?;
            let host = Host::start_in_pair(self.setup.clone(), active, took_over)?;
            self.renew();
            host.listen_for_ssh(self.setup.ssh.into_iter().chain(self.pair.management)).await?;
            rumline_net::say!("supervisor {} is active", self.own.udi);
            let mut stop = self.stop.clone();
            let stopped = async move {
                // An error means that whoever could say so is gone: that ends it too.
                let _gone = stop.wait_for(|stop| *stop).await.is_err();
            };
            Ok::<_, anyhow::Error>(host.serve_in_pair(stopped).await)
        });
        runtime.shutdown_background();
        self.arbiter.lock().unwrap_or_else(PoisonError::into_inner).release();
        ended
    }
}
