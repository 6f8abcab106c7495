//! The other supervisor, as the active one sees it: what it is given, and how far it is.

use std::collections::BTreeSet;
use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use rumline_agent::DiskError;
use rumline_net::{OsRandom, PeerLink};
use rumline_protocol::{Udi, random_hex};
use rumline_switch::Slot;
use rumline_switch::pair::{Change, Mirror, Place, Standing};
use tokio::time::Instant;

use super::arbiter::SharedArbiter;
use super::pause;
use super::words::{Hello, ToActive, ToStandby, cut_off, read, say, say_later};

/// So long it may take the other one to make a change durable, before it is out.
const SETTLE: Duration = Duration::from_secs(2);
/// Words of it that are heard at a time.
const WORDS_AT_A_TIME: usize = 1_000;
/// So long it may take to write down that it is out, before a change fails for that.
const NOTE: Duration = Duration::from_secs(6);
/// Between two attempts at it.
const NOTE_AGAIN: Duration = Duration::from_millis(100);
/// So long it may say nothing.
const SILENCE: Duration = Duration::from_secs(3);

/// How the other one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody is there.
    Alone,
    /// It is given what there is.
    Filling,
    /// It was given all, and makes it durable: up to this number.
    Filled(u64),
    /// It has all.
    InStep,
}

pub(crate) struct PairMirror {
    link: Option<PeerLink>,
    /// Of the last word that was given, and up to where all is durable there.
    given: u64,
    done: u64,
    /// The last one that is waited for.
    awaited: u64,
    heard_at: Instant,
    phase: Phase,
    other: Slot,
    other_serial: String,
    /// What its folder is called, once it has all.
    other_name: String,
    standing: Standing,
    arbiter: SharedArbiter,
    /// Whether what is written down of the other one is better than it is.
    owes_note: bool,
    /// What was changed while it is given all.
    changed: BTreeSet<(Place, String)>,
    /// Why the other one is out, until that is told.
    why_out: Option<String>,
}

impl PairMirror {
    pub(crate) fn new(standing: Standing, other: Slot, arbiter: SharedArbiter) -> Self {
        Self {
            link: None,
            given: 0,
            done: 0,
            awaited: 0,
            heard_at: Instant::now(),
            phase: Phase::Alone,
            other,
            other_serial: String::new(),
            other_name: String::new(),
            standing,
            arbiter,
            owes_note: false,
            changed: BTreeSet::new(),
            why_out: None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Why it is out, once.
    pub(crate) fn why_out(&mut self) -> Option<String> {
        self.why_out.take()
    }

    /// One came: it is given all from the beginning.
    pub(crate) fn attach(&mut self, mut link: PeerLink, own: Hello, other: &Udi) {
        if self.link.is_some() {
            self.out("it came anew");
        }
        // What lies there counts no more from now on, and that is written down first.
        self.note(false);
        if self.owes_note {
            return;
        }
        self.other_serial.clone_from(&other.serial);
        (self.given, self.done, self.awaited) = (0, 0, 0);
        self.heard_at = Instant::now();
        let begin = ToStandby::Begin { active: own, written: self.standing.number };
        if say(&mut link, &begin, &[]).is_ok() {
            self.link = Some(link);
            self.phase = Phase::Filling;
            self.changed.clear();
            self.why_out = None;
        }
    }

    /// Whether a file was changed since this was asked last.
    pub(crate) fn was_changed(&mut self, place: Place, name: &str) -> bool {
        self.changed.remove(&(place, name.to_owned()))
    }

    /// A piece of a file that lies here.
    pub(crate) fn put(&mut self, place: Place, name: &str, is_first: bool, bytes: &[u8]) {
        let name = name.to_owned();
        self.tell(false, |number| ToStandby::Put { number, place, name, is_first }, bytes);
    }

    /// All was given.
    pub(crate) fn filled(&mut self) {
        self.other_name = random_hex(&mut OsRandom, 16);
        let (name, written) = (self.other_name.clone(), self.standing.number);
        self.tell(false, |number| ToStandby::Filled { number, name, written }, &[]);
        self.awaited = self.given;
        if self.phase == Phase::Filling {
            self.phase = Phase::Filled(self.given);
        }
    }

    /// Says that this one is still here, and hears what the other one said.
    pub(crate) fn beat(&mut self, now_millis: i64) {
        let written = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner).renew();
        if written.is_some_and(|written| written != self.standing) {
            tracing::warn!(
                "what is written down of the two supervisors was put back: it is written anew"
            );
            self.owes_note = true;
        }
        if self.owes_note {
            self.note(self.phase == Phase::InStep);
        }
        self.tell(false, |number| ToStandby::Beat { number, now_millis }, &[]);
        self.hear();
        if self.link.is_some() && self.heard_at.elapsed() > SILENCE {
            self.out("it says nothing");
        }
        if let Phase::Filled(number) = self.phase
            && self.done >= number
        {
            // What was changed since it was given all was not waited for.
            self.wait_for_all();
            if self.link.is_none() {
                return;
            }
            self.note(true);
            if !self.owes_note {
                self.phase = Phase::InStep;
                self.tell(false, |_| ToStandby::InStep, &[]);
            }
        }
    }

    /// The other one is to restart.
    pub(crate) fn restart(&mut self) {
        self.tell(false, |_| ToStandby::Restart, &[]);
        self.out("it was told to restart");
    }

    /// Says something to it: at once, or with what is said next.
    fn tell(&mut self, later: bool, word: impl FnOnce(u64) -> ToStandby, bytes: &[u8]) {
        let Some(link) = &mut self.link else { return };
        let number = self.given + 1;
        let say = if later { say_later } else { say };
        match say(link, &word(number), bytes) {
            Ok(()) => self.given = number,
            Err(error) => self.out(&not_reached(&error)),
        }
    }

    /// What was to be said with the next word is said now.
    fn flush(&mut self) {
        if let Some(link) = &mut self.link
            && let Err(error) = link.flush()
        {
            self.out(&not_reached(&error));
        }
    }

    /// Takes what came, without waiting.
    fn hear(&mut self) {
        for _ in 0..WORDS_AT_A_TIME {
            let Some(link) = &mut self.link else { return };
            match link.receive(Duration::ZERO) {
                Ok(None) => return,
                Ok(Some((head, _))) => self.heard(&head),
                Err(error) => return self.out(&cut_off(&error)),
            }
        }
    }

    fn heard(&mut self, head: &[u8]) {
        self.heard_at = Instant::now();
        match read(head) {
            Ok(ToActive::Done { number }) => self.done = self.done.max(number).min(self.given),
            Ok(ToActive::Failed { why }) => {
                self.out(&why.chars().filter(|c| !c.is_control()).take(200).collect::<String>());
            }
            Ok(ToActive::Here(_)) => self.out("it says again who it is"),
            Err(error) => self.out(&error.to_string()),
        }
    }

    /// Waits until all that has to be is durable there, or it is out.
    fn wait_for_all(&mut self) {
        if self.done < self.awaited {
            self.flush();
        }
        let end = Instant::now() + SETTLE;
        while self.done < self.awaited {
            let Some(link) = &mut self.link else { return };
            let left = end.saturating_duration_since(Instant::now());
            match link.receive(left) {
                Ok(Some((head, _))) if !left.is_zero() => self.heard(&head),
                Ok(_) => return self.out("it is too slow"),
                Err(error) => return self.out(&cut_off(&error)),
            }
        }
    }

    /// Whether what was changed can be answered for: the other one has it, or cannot take over without it.
    fn may_be_answered_for(&mut self) -> Result<(), DiskError> {
        let end = Instant::now() + NOTE;
        while self.owes_note && self.may_speak() && Instant::now() < end {
            pause(NOTE_AGAIN);
            self.note(self.phase == Phase::InStep);
        }
        if !self.may_speak() {
            let text =
                "the other supervisor may have taken over: this one answers for nothing more";
            return Err(DiskError::Other(text.to_owned()));
        }
        if self.owes_note {
            let text = "it cannot be written down that the other supervisor misses this change";
            return Err(DiskError::Other(text.to_owned()));
        }
        Ok(())
    }

    /// Whether this one may speak.
    pub(crate) fn may_speak(&self) -> bool {
        self.arbiter.lock().unwrap_or_else(PoisonError::into_inner).holds()
    }

    fn out(&mut self, why: &str) {
        self.link = None;
        if self.phase != Phase::Alone {
            self.why_out = Some(why.to_owned());
        }
        self.phase = Phase::Alone;
        self.note(false);
    }

    /// Writes down whether the other one has all. One that has not could otherwise take over without it.
    fn note(&mut self, is_whole: bool) {
        let mut standing = self.standing.clone();
        let whole = (self.other_serial.as_str(), self.other_name.as_str());
        standing.note_other(self.other, is_whole.then_some(whole));
        if standing == self.standing && !self.owes_note {
            return;
        }
        let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
        match arbiter.note(&standing) {
            Ok(()) => (self.standing, self.owes_note) = (standing, false),
            Err(error) => {
                tracing::error!(%error, "how the other supervisor stands cannot be written down");
                self.owes_note = true;
            }
        }
    }
}

fn not_reached(error: &io::Error) -> String {
    format!("what it is given does not reach it: {error}")
}

impl Mirror for PairMirror {
    fn give(&mut self, change: Change<'_>) {
        let Change { place, kind, name, bytes } = change;
        let name = name.to_owned();
        if self.phase == Phase::Filling {
            self.changed.insert((place, name.clone()));
        }
        let word = |number| ToStandby::Change { number, place, kind, name };
        self.tell(kind.can_wait(), word, bytes);
        if kind.is_waited_for() {
            self.awaited = self.given;
        }
    }

    fn settle(&mut self, made_here: bool) -> Result<(), DiskError> {
        if !made_here && self.link.is_some() {
            self.out("what was given to it could not be written here");
        }
        if self.phase == Phase::InStep {
            self.wait_for_all();
        } else {
            self.hear();
        }
        self.may_be_answered_for()
    }
}
