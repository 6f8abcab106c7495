//! Two supervisors in two processes. The active one runs the switch, and gives the other each change of its disks before it
//! counts as made; the other takes over with what it was given once the right to speak is free.

mod active;
mod arbiter;
mod chassis;
mod fill;
mod mirror;
mod standby;
mod words;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rumline_net::ChassisKey;
use rumline_switch::Slot;
use rumline_switch::pair::Standing;
use tokio::sync::watch;

use crate::{Host, Setup};

pub(crate) use active::{Active, Arrived, News as PairNews};
use arbiter::{Arbiter, SharedArbiter};
pub(crate) use chassis::Chassis;
use standby::{Copier, Copying};
use words::{Hello, VERSION};

/// How often the one that waits looks whether the right to speak is free.
const LOOK: Duration = Duration::from_millis(50);
/// One that handed over lets the other one begin.
const AFTER_HANDING_OVER: Duration = Duration::from_secs(5);

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
    /// Whether it becomes active although what was answered for is missing here.
    pub forced: bool,
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
    /// The other one takes over.
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
        let arbiter = Arc::new(Mutex::new(Arbiter::of(&chassis, pair.slot, &udi.serial)));
        let listener = TcpListener::bind(pair.link)
            .with_context(|| format!("cannot listen on {} for the other supervisor", pair.link))?;
        let link = listener.local_addr()?.to_string();
        let own = Hello {
            version: VERSION,
            slot: pair.slot.number(),
            udi,
            release: release.version.clone(),
        };
        Ok(Self { setup, pair, own, key, arbiter, listener, link, stop })
    }

    /// Runs until it is told to end.
    pub(crate) fn run(mut self) -> Result<()> {
        let mut not_before = Instant::now();
        let mut hands_over = false;
        loop {
            match self.wait(not_before, hands_over)? {
                Ended::Stopped => return Ok(()),
                Ended::HandedOver => {}
                Ended::Speaks { standing, takes_over } => match self.speak(standing, takes_over)? {
                    Ended::HandedOver => not_before = Instant::now() + AFTER_HANDING_OVER,
                    _ => return Ok(()),
                },
            }
            hands_over = true;
        }
    }

    /// Waits for the right to speak, and takes what the active one gives meanwhile.
    fn wait(&mut self, not_before: Instant, hands_over: bool) -> Result<Ended> {
        if !hands_over && let Some(standing) = self.try_take()? {
            return Ok(Ended::Speaks { standing, takes_over: false });
        }
        let known = Arc::new(Mutex::new(Copying::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let copier = Copier {
            dir: self.setup.dir.clone(),
            own: self.own.clone(),
            key: Arc::clone(&self.key),
            arbiter: Arc::clone(&self.arbiter),
            clock: self.setup.clock,
            known: Arc::clone(&known),
            is_over: Arc::clone(&is_over),
        };
        rumline_net::say!("supervisor {} waits as standby", self.own.udi);
        let copies =
            std::thread::Builder::new().name("copier".to_owned()).spawn(move || copier.run())?;
        let ended = loop {
            if *self.stop.borrow() {
                break Ended::Stopped;
            }
            if Instant::now() >= not_before
                && let Some(standing) = self.try_take()?
            {
                break Ended::Speaks { standing, takes_over: true };
            }
            std::thread::sleep(LOOK);
        };
        is_over.store(true, Ordering::Relaxed);
        // It wrote to the disks that are opened next.
        copies.join().map_err(|_| anyhow::anyhow!("the copying ended in a panic"))?;
        Ok(ended)
    }

    fn try_take(&mut self) -> Result<Option<Standing>> {
        let forced = std::mem::take(&mut self.pair.forced);
        let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = arbiter.take(&self.link, forced)?;
        self.pair.forced = forced && standing.is_none();
        Ok(standing)
    }

    /// Runs the switch, as long as this one is active.
    fn speak(&self, standing: Standing, took_over: bool) -> Result<Ended> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            let active = Active::begin(self, standing)?;
            let host = Host::start_in_pair(self.setup.clone(), active, took_over)?;
            host.listen_for_ssh(self.setup.ssh.into_iter().chain(self.pair.management)).await?;
            rumline_net::say!("supervisor {} is active", self.own.udi);
            let mut stop = self.stop.clone();
            let stopped = async move {
                // An error means that whoever could say so is gone: that ends it too.
                let _gone = stop.wait_for(|stop| *stop).await.is_err();
            };
            Ok::<_, anyhow::Error>(host.serve(stopped).await)
        });
        runtime.shutdown_background();
        self.arbiter.lock().unwrap_or_else(PoisonError::into_inner).release();
        ended
    }
}
