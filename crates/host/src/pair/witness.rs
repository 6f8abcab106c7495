//! A witness: who decides which of two supervisors on two hosts is active. It keeps what is written down of them, and lets
//! one of them speak for a few seconds at a time. It has the key of their chassis, and hears nothing of what they do.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rumline_net::{ChassisKey, PeerLink, boot_millis};
use rumline_switch::Slot;
use rumline_switch::pair::{Mark, Missing, Standing};
use serde::{Deserialize, Serialize};

use super::arbiter::Attempt;
use super::chassis::Chassis;
use super::words::{read, say};

/// So long one may speak without asking again, in milliseconds.
const LEASE_MILLIS: u64 = 6_000;
/// It ends so much earlier for the one that has it: clocks do not run alike.
const MARGIN_MILLIS: u64 = 1_000;
/// So long the witness may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// So long a supervisor may say nothing before its connection is closed.
const SILENCE: Duration = Duration::from_secs(60);
/// Connections at a time: two supervisors, each with one, and some that are not closed yet.
const CONNECTIONS_MAX: usize = 16;

/// What a witness is asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// What is written down.
    Standing,
    /// The right to speak.
    Take(Candidate),
    /// The right to speak on.
    Renew { slot: u8, term: u64 },
    /// To write down how the other one stands.
    Note { slot: u8, term: u64, standing: Standing },
    /// It is not needed any more.
    Release { slot: u8, term: u64 },
}

/// Who wants to speak.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub slot: u8,
    pub serial: String,
    /// What its folder says of itself, and as who it is known if it succeeds.
    pub mark: Mark,
    pub name: String,
    /// Where it waits for the other one.
    pub link: String,
    /// Whether a person says that it is to, although something is missing there.
    pub forced: bool,
}

/// What it answers: whether it is so, and what is written down.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    is_so: bool,
    /// Why one may not take the right by itself.
    missing: Option<Missing>,
    standing: Standing,
}

/// What a witness knows. Pure: time comes in, in milliseconds that only go on.
struct Knowledge {
    standing: Standing,
    /// Until when nobody but the active one is let speak.
    leased_until: u64,
}

impl Knowledge {
    /// After a start one may still speak that was let to before.
    fn begin(standing: Standing, now: u64) -> Self {
        let leased_until = if standing.active.is_some() { now + LEASE_MILLIS } else { now };
        Self { standing, leased_until }
    }

    fn holds(&self, slot: u8, term: u64) -> bool {
        self.standing.active == Some(slot) && self.standing.term == term
    }

    /// Why somebody may not take the right by itself.
    fn missing(&self, ask: &Ask) -> Result<Option<Missing>> {
        let Ask::Take(Candidate { slot, serial, mark, forced, .. }) = ask else { return Ok(None) };
        let place = Slot::of(*slot).context("no chassis has such a slot")?;
        // What the other one's folder has seen it says when it asks.
        Ok(self.standing.may_take(place, serial, mark, 0).err().filter(|_| !forced))
    }

    /// Answers; what is to be written down first is left to `write`.
    fn answer(
        &mut self,
        now: u64,
        ask: &Ask,
        write: impl FnOnce(&Standing) -> Result<()>,
    ) -> Result<bool> {
        match ask {
            Ask::Standing => Ok(true),
            Ask::Take(candidate) => {
                let is_free = now >= self.leased_until;
                if !is_free || self.missing(ask)?.is_some() {
                    return Ok(false);
                }
                let Candidate { slot, serial, mark, name, link, .. } = candidate;
                let place = Slot::of(*slot).context("no chassis has such a slot")?;
                let taken = self.standing.taken(place, serial, name, link.clone(), mark.seen);
                write(&taken)?;
                self.standing = taken;
                self.leased_until = now + LEASE_MILLIS;
                Ok(true)
            }
            Ask::Renew { slot, term } => {
                let holds = self.holds(*slot, *term);
                if holds {
                    self.leased_until = now + LEASE_MILLIS;
                }
                Ok(holds)
            }
            Ask::Note { slot, term, standing } => {
                let holds = self.holds(*slot, *term)
                    && standing.term == *term
                    && standing.active == Some(*slot);
                if holds {
                    write(standing)?;
                    self.standing = standing.clone();
                }
                Ok(holds)
            }
            Ask::Release { slot, term } => {
                let holds = self.holds(*slot, *term);
                if holds {
                    self.leased_until = now;
                }
                Ok(holds)
            }
        }
    }
}

/// Runs a witness for one chassis until the process ends.
///
/// # Errors
/// When its folder or its address cannot be used.
pub fn run_witness(chassis: &std::path::Path, listen: SocketAddr) -> Result<()> {
    let chassis = Chassis::open(chassis)?;
    let right = chassis.take_right()?;
    let _right = right.context(
        "another process decides for this chassis: a witness, or a supervisor beside it",
    )?;
    let key = Arc::new(chassis.key()?);
    let knowledge = Knowledge::begin(chassis.standing()?, boot_millis());
    let knowledge = Arc::new(Mutex::new(knowledge));
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    rumline_net::say!("the witness listens on {}", listener.local_addr()?);
    let connections = Arc::new(());
    for tcp in listener.incoming() {
        let Ok(tcp) = tcp else { continue };
        if Arc::strong_count(&connections) > CONNECTIONS_MAX {
            // Whoever is turned away comes again.
            continue;
        }
        let (counted, key) = (Arc::clone(&connections), Arc::clone(&key));
        let (knowledge, chassis) = (Arc::clone(&knowledge), chassis.clone());
        std::thread::Builder::new().name("witness".to_owned()).spawn(move || {
            if let Err(error) = serve(tcp, &key, &knowledge, &chassis) {
                tracing::info!("a supervisor: {error:#}");
            }
            drop(counted);
        })?;
    }
    Ok(())
}

fn serve(
    tcp: TcpStream,
    key: &ChassisKey,
    knowledge: &Mutex<Knowledge>,
    chassis: &Chassis,
) -> Result<()> {
    let mut link = PeerLink::accept(tcp, key, PATIENCE)?;
    link.take_no_bodies();
    while let Some((head, _)) = link.receive(SILENCE)? {
        let ask: Ask = read(&head)?;
        let answer = {
            let mut knowledge = knowledge.lock().unwrap_or_else(PoisonError::into_inner);
            let write = |standing: &Standing| chassis.write_standing(standing);
            let missing = knowledge.missing(&ask)?;
            let is_so = knowledge.answer(boot_millis(), &ask, write)?;
            Answer { is_so, missing, standing: knowledge.standing.clone() }
        };
        say(&mut link, &answer, &[])?;
    }
    Ok(())
}

/// The witness as a supervisor asks it.
pub(crate) struct Witness {
    address: SocketAddr,
    key: Arc<ChassisKey>,
    link: Option<PeerLink>,
    /// What this one may speak in, and until when.
    held: Option<(u64, u64)>,
}

impl Witness {
    pub(crate) fn at(address: SocketAddr, key: Arc<ChassisKey>) -> Self {
        Self { address, key, link: None, held: None }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Answer> {
        let told = || format!("the witness at {} does not answer", self.address);
        let mut link = match self.link.take() {
            Some(link) => link,
            None => PeerLink::connect(self.address, &self.key, PATIENCE).with_context(told)?,
        };
        say(&mut link, ask, &[]).with_context(told)?;
        let (head, _) = link.receive(PATIENCE).with_context(told)?.with_context(told)?;
        self.link = Some(link);
        Ok(read(&head)?)
    }

    pub(crate) fn standing(&mut self) -> Result<Standing> {
        Ok(self.ask(&Ask::Standing)?.standing)
    }

    pub(crate) fn take(&mut self, candidate: Candidate) -> Result<Attempt> {
        let asked_at = boot_millis();
        let Answer { is_so, missing, standing } = self.ask(&Ask::Take(candidate))?;
        if is_so {
            self.held = Some((standing.term, asked_at + LEASE_MILLIS - MARGIN_MILLIS));
            return Ok(Attempt::Taken(standing));
        }
        Ok(missing.map_or(Attempt::Busy, Attempt::Refused))
    }

    pub(crate) fn note(&mut self, slot: Slot, standing: &Standing) -> Result<()> {
        let (slot, term, standing) = (slot.number(), standing.term, standing.clone());
        let answer = self.ask(&Ask::Note { slot, term, standing })?;
        if !answer.is_so {
            self.held = None;
        }
        ensure!(answer.is_so, "the other supervisor was let speak meanwhile");
        Ok(())
    }

    /// Asks for more time; what is written down, where it answers.
    pub(crate) fn renew(&mut self, slot: Slot) -> Option<Standing> {
        let (term, _) = self.held?;
        let asked_at = boot_millis();
        match self.ask(&Ask::Renew { slot: slot.number(), term }) {
            Ok(answer) if answer.is_so => {
                self.held = Some((term, asked_at + LEASE_MILLIS - MARGIN_MILLIS));
                Some(answer.standing)
            }
            Ok(_) => {
                self.held = None;
                None
            }
            Err(error) => {
                tracing::warn!("{error:#}");
                None
            }
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.held.is_some_and(|(_, until)| boot_millis() < until)
    }

    pub(crate) fn release(&mut self, slot: Slot) {
        if let Some((term, _)) = self.held.take() {
            // If it does not hear of it, the time runs out.
            let _told = self.ask(&Ask::Release { slot: slot.number(), term });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_what_is_heard() {
        let mut standing = standing_of_one();
        standing.note_other(Slot::Two, Some(("S2", "b")));
        for ask in [
            Ask::Standing,
            take(1),
            Ask::Renew { slot: 1, term: 1 },
            Ask::Note { slot: 1, term: 1, standing: standing.clone() },
            Ask::Release { slot: 1, term: 1 },
        ] {
            let head = serde_json::to_vec(&ask).unwrap();
            assert_eq!(read::<Ask>(&head).unwrap(), ask);
        }
        let answer = Answer { is_so: true, missing: Some(Missing::Older), standing };
        assert_eq!(read::<Answer>(&serde_json::to_vec(&answer).unwrap()).unwrap(), answer);
    }

    fn ask(knowledge: &mut Knowledge, now: u64, ask: &Ask) -> bool {
        knowledge.answer(now, ask, |_| Ok(())).unwrap()
    }

    fn take(slot: u8) -> Ask {
        take_as(slot, Mark::settled(0, &format!("n{slot}")), false)
    }

    fn take_as(slot: u8, mark: Mark, forced: bool) -> Ask {
        let (serial, name) = (format!("S{slot}"), format!("n{slot}"));
        Ask::Take(Candidate { slot, serial, mark, name, link: String::new(), forced })
    }

    fn standing_of_one() -> Standing {
        Standing::default().taken(Slot::One, "S1", "n1", "192.0.2.1:7".to_owned(), 0)
    }

    #[test]
    fn one_speaks_at_a_time() {
        let mut knowledge = Knowledge::begin(Standing::default(), 0);
        assert!(ask(&mut knowledge, 0, &take(1)));
        assert!(!ask(&mut knowledge, 0, &take(2)) && !ask(&mut knowledge, 0, &take(1)));
        let mut whole = knowledge.standing.clone();
        whole.note_other(Slot::Two, Some(("S2", "n2")));
        let note =
            |slot, term, standing: &Standing| Ask::Note { slot, term, standing: standing.clone() };
        assert!(!ask(&mut knowledge, 1, &note(2, 1, &whole)), "only the active one notes");
        assert!(!ask(&mut knowledge, 1, &note(1, 2, &whole)));
        assert!(ask(&mut knowledge, 1, &note(1, 1, &whole)));
        // As long as it asks again nobody else is let speak.
        assert!(ask(&mut knowledge, 5_000, &Ask::Renew { slot: 1, term: 1 }));
        let emptied = take_as(2, Mark::default(), false);
        assert_eq!(knowledge.missing(&emptied).unwrap(), Some(Missing::OtherFolder));
        assert!(!ask(&mut knowledge, 11_000, &emptied));
        assert!(!ask(&mut knowledge, 10_999, &take(2)));
        assert!(ask(&mut knowledge, 11_000, &take(2)));
        assert!(!ask(&mut knowledge, 11_001, &Ask::Renew { slot: 1, term: 1 }));
        assert!(!ask(&mut knowledge, 11_001, &note(1, 1, &whole)));
        // Who misses something is let speak only if a person says so.
        let term = knowledge.standing.term;
        assert!(ask(&mut knowledge, 11_002, &Ask::Release { slot: 2, term }));
        assert!(!ask(&mut knowledge, 11_003, &take(1)));
        let forced = take_as(1, Mark::default(), true);
        assert!(ask(&mut knowledge, 11_003, &forced));
        assert!(knowledge.answer(20_000, &take(3), |_| Ok(())).is_err());
    }

    #[test]
    fn a_witness_that_starts_anew_waits_for_whom_it_let_speak_before() {
        let mut knowledge = Knowledge::begin(standing_of_one(), 100);
        assert!(!ask(&mut knowledge, 6_099, &take(1)));
        assert!(ask(&mut knowledge, 101, &Ask::Renew { slot: 1, term: 1 }));
        assert!(ask(&mut knowledge, 6_101, &take(1)));
    }

    #[test]
    fn a_witness_that_knows_less_than_a_folder_does_not_decide_by_itself() {
        let mut knowledge = Knowledge::begin(Standing::default(), 0);
        let knows_more = take_as(1, Mark::settled(9, "n1"), false);
        assert!(!ask(&mut knowledge, 0, &knows_more));
        assert_eq!(knowledge.missing(&knows_more).unwrap(), Some(Missing::Older));
        assert!(ask(&mut knowledge, 0, &take_as(1, Mark::settled(9, "n1"), true)));
        assert_eq!((knowledge.standing.number, knowledge.standing.term), (10, 10));
    }

    #[test]
    fn what_cannot_be_written_down_was_not_said() {
        let mut knowledge = Knowledge::begin(Standing::default(), 0);
        let full = |_: &Standing| anyhow::bail!("No space left on device");
        assert!(knowledge.answer(0, &take(1), full).is_err());
        assert_eq!(knowledge.standing, Standing::default());
    }
}
