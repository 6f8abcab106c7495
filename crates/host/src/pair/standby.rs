//! The supervisor that waits: it takes what it is given, and takes over once nobody has the right to speak.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumline_agent::{Disk, DiskError};
use rumline_net::{ChassisKey, Clock, FileDisk, KeptFiles, PeerLink};
use rumline_protocol::Udi;
use rumline_switch::pair::{Change, ChangeKind, Mark, Place, apply};
use tokio::time::Instant;

use super::arbiter::SharedArbiter;
use super::fill::{folder_of, names_of};
use super::kept::{mark_of, write_mark};
use super::offset::Offset;
use super::pause;
use super::words::{Hello, ToActive, ToStandby, cut_off, read, say};

/// So long one that is there may say nothing.
const SILENCE: Duration = Duration::from_secs(4);
/// So long it may take to be let in.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts to reach the active one.
const AGAIN: Duration = Duration::from_millis(500);
/// The longest between two that fail alike.
const AGAIN_MAX: Duration = Duration::from_secs(8);
/// How often it is looked whether to end.
const LOOK: Duration = Duration::from_millis(50);

/// What the one that waits knows, for whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copying {
    /// The active one, once it was heard.
    pub active: Option<Udi>,
    /// Whether all is here.
    pub is_in_step: bool,
    /// Grows with each change that was taken.
    pub changes: u64,
}

/// What the parts of a supervisor that waits have in common.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    pub known: Arc<Mutex<Copying>>,
    /// Whether it waits no more.
    pub is_over: Arc<AtomicBool>,
}

impl Shared {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Copying> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The active one, while all that it has is here.
    pub(crate) fn active_in_step(&self) -> Option<Udi> {
        let known = self.known();
        known.active.clone().filter(|_| known.is_in_step && !self.is_over())
    }

    /// How many changes were taken.
    pub(crate) fn changes(&self) -> u64 {
        self.known().changes
    }
}

/// The one that takes what is given; it has a thread of its own.
pub(crate) struct Copier {
    pub dir: PathBuf,
    pub own: Hello,
    pub key: Arc<ChassisKey>,
    pub arbiter: SharedArbiter,
    pub clock: Clock,
    pub shared: Shared,
}

/// What is being taken.
struct Taking {
    store: FileDisk,
    flash: FileDisk,
    /// What was given since the beginning; none before.
    given: Option<BTreeSet<(Place, String)>>,
    /// By how much the clock of the chassis is ahead, once that was read.
    offset: Option<Offset>,
}

impl Taking {
    fn open(dir: &Path) -> io::Result<Self> {
        let disk = |place| FileDisk::open(&folder_of(dir, place));
        Ok(Self {
            store: disk(Place::Store)?,
            flash: disk(Place::Flash)?,
            given: None,
            offset: None,
        })
    }

    fn disk(&mut self, place: Place) -> Option<&mut FileDisk> {
        match place {
            Place::Store => Some(&mut self.store),
            Place::Flash => Some(&mut self.flash),
            Place::Files => None,
        }
    }

    fn note(&mut self, place: Place, name: &str) {
        if let Some(given) = &mut self.given {
            given.insert((place, name.to_owned()));
        }
    }
}

impl Copier {
    /// Takes what is given until it is over.
    pub(crate) fn run(&self) {
        let (mut told, mut again_in) = (String::new(), AGAIN);
        while !self.is_over() {
            let outcome = self.follow();
            self.known(|known| known.is_in_step = false);
            if let Err(error) = outcome {
                let text = match error.kind() {
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        cut_off(&error)
                    }
                    _ => error.to_string(),
                };
                // The same again and again is told once, and tried less often.
                if text == told {
                    again_in = (again_in * 2).min(AGAIN_MAX);
                } else {
                    tracing::warn!("the active supervisor: {text}");
                    (told, again_in) = (text, AGAIN);
                }
            }
            let again = Instant::now() + again_in;
            while Instant::now() < again && !self.is_over() {
                pause(LOOK);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.is_over()
    }

    fn known(&self, change: impl FnOnce(&mut Copying)) {
        change(&mut self.shared.known());
    }

    /// Follows the active one until the link is cut.
    fn follow(&self) -> io::Result<()> {
        let standing = {
            let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
            arbiter.standing().map_err(io::Error::other)?
        };
        // Nobody is active yet, or it was this one.
        let Ok(address) = standing.link.parse::<SocketAddr>() else { return Ok(()) };
        if standing.active == Some(self.own.slot) {
            return Ok(());
        }
        // One that cannot take anything takes nobody's place.
        let mut taking = Taking::open(&self.dir)?;
        let mut link = PeerLink::connect(address, &self.key, PATIENCE)?;
        say(&mut link, &ToActive::Here(self.own.clone()), &[])?;
        let mut heard_at = Instant::now();
        let mut done = None;
        while !self.is_over() {
            // What is waited for is answered once for all that came together.
            if !link.has_more()
                && let Some(number) = done.take()
            {
                say(&mut link, &ToActive::Done { number }, &[])?;
            }
            let Some((head, body)) = link.receive(LOOK)? else {
                if heard_at.elapsed() > SILENCE {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing"));
                }
                continue;
            };
            heard_at = Instant::now();
            match self.take(read(&head)?, &body, &mut taking) {
                Ok(number) => done = number.or(done),
                Err(error) => {
                    let why = format!("it could not take what it is given: {error}");
                    // Whoever is gone hears nothing.
                    let _told = say(&mut link, &ToActive::Failed { why: why.clone() }, &[]);
                    return Err(io::Error::other(why));
                }
            }
        }
        Ok(())
    }

    /// Does what a word says; its number, if that is to be told.
    fn take(
        &self,
        word: ToStandby,
        body: &[u8],
        taking: &mut Taking,
    ) -> Result<Option<u64>, DiskError> {
        let failed = |error: io::Error| DiskError::Other(error.to_string());
        match word {
            ToStandby::Refused { why } => return Err(DiskError::Other(why)),
            ToStandby::Restart => {
                return Err(DiskError::Other("this supervisor is to restart".to_owned()));
            }
            ToStandby::Begin { active, written } => {
                self.own.check(&active).map_err(|error| DiskError::Other(error.to_string()))?;
                self.begin(written).map_err(failed)?;
                taking.given = Some(BTreeSet::new());
                self.known(|known| known.active = Some(active.udi));
                return Ok(None);
            }
            ToStandby::InStep => {
                self.known(|known| known.is_in_step = true);
                return Ok(None);
            }
            ToStandby::Beat { number, now_millis } => {
                self.note_clock(now_millis, taking).map_err(failed)?;
                return Ok(Some(number));
            }
            ToStandby::Put { number, place, name, is_first } => {
                taking.note(place, &name);
                if let Some(disk) = taking.disk(place) {
                    if is_first {
                        disk.remove(&name)?;
                    }
                    disk.append(&name, body)?;
                } else if is_first {
                    self.write_shared(&name, body).map_err(failed)?;
                } else {
                    let text = "a file of both comes in pieces".to_owned();
                    return Err(DiskError::Other(text));
                }
                Ok(Some(number))
            }
            ToStandby::Change { number, place, kind, name } => {
                taking.note(place, &name);
                let change = Change { place, kind, name: &name, bytes: body };
                if let Some(disk) = taking.disk(place) {
                    apply(&change, disk)?;
                } else if kind == ChangeKind::Write {
                    self.write_shared(&name, body).map_err(failed)?;
                }
                Ok(kind.is_waited_for().then_some(number))
            }
            ToStandby::Filled { number, name, written } => {
                self.make_whole(taking).map_err(failed)?;
                self.mark(&Mark::settled(written, &name)).map_err(failed)?;
                Ok(Some(number))
            }
        }
        .inspect(|_| self.known(|known| known.changes += 1))
    }

    /// What lies here counts no more, and nobody knows this folder until all of it is given.
    fn begin(&self, written: u64) -> io::Result<()> {
        let known = mark_of(&self.dir).map_err(io::Error::other)?;
        if known.seen > written {
            return Err(io::Error::other(format!(
                "the active supervisor goes by something older ({written}) than what this one knows ({}): it would \
                 give up what only lies here. If that is meant, empty the folder of this supervisor",
                known.seen
            )));
        }
        self.mark(&Mark { seen: written, names: Vec::new() })
    }

    fn mark(&self, mark: &Mark) -> io::Result<()> {
        write_mark(&self.dir, mark).map_err(io::Error::other)
    }

    /// What was not given goes, and what was is made durable.
    fn make_whole(&self, taking: &mut Taking) -> io::Result<()> {
        let Some(given) = taking.given.take() else {
            return Err(io::Error::other("nothing was begun"));
        };
        for place in [Place::Store, Place::Flash] {
            let folder = folder_of(&self.dir, place);
            let mut folders = BTreeSet::from([folder.clone()]);
            for name in names_of(&self.dir, place)? {
                let path = folder.join(&name);
                if given.contains(&(place, name)) {
                    std::fs::File::open(&path)?.sync_all()?;
                } else {
                    std::fs::remove_file(&path)?;
                }
                folders.extend(path.parent().map(Path::to_owned));
            }
            for folder in folders {
                std::fs::File::open(&folder)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn write_shared(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if !super::fill::SHARED_FILES.contains(&name) {
            return Err(io::Error::other("it is given a file that is not of both"));
        }
        if name == "admin-set" {
            return rumline_net::write_private(&self.dir.join(name), bytes);
        }
        KeptFiles::of(&self.dir).write(name, bytes)
    }

    /// The chassis has one clock: whoever takes over goes on with it, however its own machine's differs.
    fn note_clock(&self, now_millis: i64, taking: &mut Taking) -> io::Result<()> {
        let files = KeptFiles::of(&self.dir);
        if taking.offset.is_none() {
            let kept = files.read("clock")?.and_then(|bytes| String::from_utf8(bytes).ok());
            let kept = kept.and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0);
            taking.offset = Some(Offset::kept(kept));
        }
        let mut clock = self.clock;
        clock.set_offset_millis(0);
        let heard = now_millis.saturating_sub(clock.now_millis());
        match taking.offset.as_mut().and_then(|offset| offset.hear(heard)) {
            Some(offset) => files.write("clock", offset.to_string().as_bytes()),
            None => Ok(()),
        }
    }
}
