//! What is known of the time servers, and what follows from it: when each is asked, which one is followed. Nothing here knows the
//! switch.

use std::collections::BTreeMap;

use rumline_protocol::Timestamp;

use super::choice::{Candidate, Choice, Sample, choose};
use super::packet::{self, PACKET_BYTES, Unfit};
use super::settings::TimeServer;
use super::{NoAnswer, TimeAnswer, TimeQuestion};

/// How often a server is asked at first, and at last, in seconds.
pub(super) const POLL_SECONDS: i64 = 64;
const POLL_SECONDS_MAX: i64 = 1_024;
/// So many answers one after the other make the time between two questions twice as long.
const STEADY_ANSWERS: u32 = 4;
/// How soon servers are asked again when the clock was set, in seconds.
const AFTER_STEP_SECONDS: i64 = 2;
/// Once the clock was set, nobody is believed who is further off than this, or moves it further within a day.
const PANIC_MICROS: i64 = 1_000_000_000;
/// Steps one after the other, without a steady answer between them, that are believed once the clock was set.
const LEAPS_MAX: u32 = 3;
/// No clock is set to before 2000 or after 2100.
const YEARS: std::ops::Range<i64> = 946_684_800..4_102_444_800;

/// What is known of a server.
#[derive(Debug)]
pub(super) struct Association {
    pub server: TimeServer,
    pub poll_seconds: i64,
    next_at: Timestamp,
    /// The question that is under way.
    asked: Option<(u64, [u8; PACKET_BYTES])>,
    /// The last eight questions, the newest in the lowest bit: whether there was an answer.
    pub reach: u8,
    pub sample: Option<Sample>,
    steady_answers: u32,
    /// Whether it was heard, or waited for in vain, since the clock was set.
    had_its_say: bool,
    /// Whether it is asked no more.
    is_closed: bool,
    /// Why the last question has no answer that can be used.
    missed: Option<String>,
    /// Why what it says is not believed.
    refused: Option<&'static str>,
    /// It wants to be asked less often; that holds whatever the clock does.
    is_kissed: bool,
}

impl Association {
    fn new(server: TimeServer, now: Timestamp) -> Self {
        Self {
            server,
            poll_seconds: POLL_SECONDS,
            next_at: now,
            asked: None,
            reach: 0,
            sample: None,
            steady_answers: 0,
            had_its_say: false,
            is_closed: false,
            missed: None,
            refused: None,
            is_kissed: false,
        }
    }

    /// Why it is not followed, if there is a reason.
    pub(super) fn problem(&self) -> Option<&str> {
        self.refused.or(self.missed.as_deref())
    }

    fn back_off(&mut self) {
        self.poll_seconds = (self.poll_seconds * 2).min(POLL_SECONDS_MAX);
        self.steady_answers = 0;
    }

    fn heard(&mut self, sample: Sample) {
        (self.had_its_say, self.missed, self.is_kissed) = (true, None, false);
        self.reach = self.reach << 1 | 1;
        self.sample = Some(sample);
        self.steady_answers += 1;
        if self.steady_answers >= STEADY_ANSWERS {
            self.back_off();
        }
    }

    fn missed(&mut self, why: String) {
        (self.asked, self.had_its_say, self.missed) = (None, true, Some(why));
        self.reach <<= 1;
        self.steady_answers = 0;
        if self.reach == 0 {
            (self.sample, self.refused) = (None, None);
            self.back_off();
        }
    }

    /// A kiss of death is obeyed.
    fn unfit(&mut self, now: Timestamp, unfit: Unfit) {
        self.missed(unfit.to_string());
        match unfit {
            Unfit::Kiss(code) if code == *b"DENY" || code == *b"RSTR" => self.is_closed = true,
            Unfit::Kiss(_) => {
                self.is_kissed = true;
                self.back_off();
                self.next_at = self.next_at.max(now + self.poll_seconds);
            }
            _ => {}
        }
    }
}

/// What an answer to a question says.
fn sample(question: &[u8], answer: &TimeAnswer) -> Result<Sample, Unfit> {
    if !packet::is_answer(question, &answer.packet) {
        return Err(Unfit::NoAnswer);
    }
    let read = packet::read(&answer.packet)?;
    let heard = answer.sent_at_micros.saturating_add(answer.took_micros);
    let (received, sent) = (read.received_micros, read.sent_micros);
    Ok(Sample {
        offset_micros: Sample::offset(answer.sent_at_micros, received, sent, heard),
        delay_micros: (answer.took_micros - (sent - received)).max(0),
        distance_micros: read.distance_micros,
        stratum: read.stratum,
    })
}

/// What was decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// By what the clock is right.
    pub followed: Option<Sample>,
    /// What there is to say about it.
    pub told: Vec<String>,
}

/// All servers, and what came of them.
#[derive(Debug, Default)]
pub(crate) struct Time {
    pub(super) associations: BTreeMap<String, Association>,
    /// The server that is followed.
    pub(super) followed: Option<String>,
    /// Whether they contradict each other.
    pub(super) are_divided: bool,
    /// Whether the clock was found right, or set, since the start, and nobody else set it since.
    was_set: bool,
    /// Whether a step of the clock is this one's own.
    is_stepping: bool,
    /// When the clock was set last, and by how much.
    pub(super) last_step: Option<(Timestamp, i64)>,
    /// Steps since the last answer that found the clock right.
    leaps: u32,
    /// How far the clock was moved since `moved_from`, once it was set.
    moved_micros: i64,
    moved_from: Option<Timestamp>,
}

impl Time {
    /// When somebody is to be asked.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let open = self.associations.values().filter(|one| !one.is_closed);
        open.map(|one| one.next_at).min()
    }

    /// Whether the clock follows a server.
    pub(crate) fn follows(&self) -> bool {
        self.followed.is_some()
    }

    /// Who stays keeps what is known of it.
    pub(super) fn configured(&mut self, now: Timestamp, servers: &[TimeServer]) {
        let known = &mut self.associations;
        known.retain(|_, one| servers.contains(&one.server));
        for server in servers {
            known
                .entry(server.host.clone())
                .or_insert_with(|| Association::new(server.clone(), now));
        }
        if self.followed.as_ref().is_some_and(|host| !known.contains_key(host)) {
            self.followed = None;
        }
    }

    /// Whose turn it is.
    pub(super) fn due(&self, now: Timestamp) -> Vec<TimeServer> {
        let is_due = |one: &&Association| !one.is_closed && one.next_at <= now;
        self.associations.values().filter(is_due).map(|one| one.server.clone()).collect()
    }

    /// A server is asked now; the number of the question, and what is sent.
    pub(super) fn ask(
        &mut self,
        now: Timestamp,
        host: &str,
        nonce: u64,
    ) -> Option<(u64, [u8; PACKET_BYTES])> {
        let one = self.associations.get_mut(host)?;
        if one.asked.is_some() {
            one.missed("no answer".to_owned());
        }
        one.next_at = now + one.poll_seconds;
        // The nonce is its number: an answer to a question of before a restart is nobody's.
        one.asked = Some((nonce, packet::question(one.server.version, nonce)));
        one.asked
    }

    /// There is no way to a server, or no answer.
    pub(super) fn missed(&mut self, number: u64, why: String) {
        if let Some(one) = self.asked(number) {
            one.missed(why);
        }
    }

    fn asked(&mut self, number: u64) -> Option<&mut Association> {
        let is_it = |one: &&mut Association| one.asked.is_some_and(|(asked, _)| asked == number);
        self.associations.values_mut().find(is_it)
    }

    /// What came of a question. What comes late, or of a server that is gone, is nobody's.
    pub(super) fn heard(
        &mut self,
        now: Timestamp,
        number: u64,
        outcome: Result<TimeAnswer, NoAnswer>,
    ) {
        let Some(one) = self.asked(number) else { return };
        let Some((_, question)) = one.asked.take() else { return };
        match outcome.map(|answer| sample(&question, &answer)) {
            Ok(Ok(sample)) if !one.server.wants_key => one.heard(sample),
            Ok(Ok(_)) => one.missed("authenticated answers are not supported".to_owned()),
            Ok(Err(unfit)) => one.unfit(now, unfit),
            Err(NoAnswer::Now(why)) => one.missed(why),
            Err(NoAnswer::Ever(why)) => {
                one.missed(why.to_owned());
                one.is_closed = true;
            }
        }
    }

    /// The clock shows another time: what was heard before is of no use, and all are asked again. Whoever else sets the clock
    /// begins anew.
    pub(crate) fn clock_stepped(&mut self, to: Timestamp) {
        if !std::mem::take(&mut self.is_stepping) {
            (self.was_set, self.followed) = (false, None);
            (self.leaps, self.moved_micros, self.moved_from) = (0, 0, None);
        }
        for one in self.associations.values_mut() {
            (one.sample, one.asked, one.refused, one.had_its_say) = (None, None, None, false);
            one.steady_answers = 0;
            if one.is_kissed {
                one.next_at = to + one.poll_seconds;
                continue;
            }
            // Whoever moves the clock again and again is asked less and less.
            let again = self.leaps.saturating_sub(1).min(4);
            one.poll_seconds = (POLL_SECONDS << again).min(POLL_SECONDS_MAX);
            let pause = if self.leaps > 1 { one.poll_seconds } else { AFTER_STEP_SECONDS };
            one.next_at = to + pause;
        }
    }

    /// The clock is set by so much.
    pub(super) fn steps(&mut self, now: Timestamp, micros: i64) {
        if self.was_set {
            self.moved_micros = self.moved_micros.saturating_add(micros);
            self.moved_from.get_or_insert(now);
        }
        (self.is_stepping, self.last_step, self.was_set) = (true, Some((now, micros)), true);
        self.leaps += 1;
    }

    /// The clock was found right.
    pub(super) fn is_right(&mut self) {
        (self.leaps, self.was_set) = (0, true);
    }

    /// Why a step is not believed, if it is not.
    fn leaps_too_far(&self, micros: i64) -> Option<&'static str> {
        if !self.was_set {
            None
        } else if micros.abs() > PANIC_MICROS {
            Some("it is more than 1000 sec off")
        } else if micros.abs() < super::STEP_MICROS {
            None
        } else if self.leaps >= LEAPS_MAX {
            Some("it moves the clock again and again")
        } else if self.moved_micros.saturating_add(micros).abs() > PANIC_MICROS {
            Some("it moves the clock by more than 1000 sec a day")
        } else {
            None
        }
    }

    /// Whom to follow; nothing is decided before all had their say.
    pub(super) fn decide(&mut self, now: Timestamp) -> Decision {
        if self.moved_from.is_some_and(|from| now.since(from).abs() >= Timestamp::DAY) {
            (self.moved_micros, self.moved_from) = (0, None);
        }
        let has_spoken = |one: &Association| one.had_its_say || one.is_closed;
        if !self.associations.values().all(has_spoken) {
            return Decision::default();
        }
        let mut refused: BTreeMap<String, &'static str> = BTreeMap::new();
        let mut candidates = Vec::new();
        for (host, one) in &self.associations {
            let Some(sample) = one.sample else { continue };
            let to = now.0.saturating_add(sample.offset_micros / 1_000_000);
            if let Some(why) = self.leaps_too_far(sample.offset_micros) {
                refused.insert(host.clone(), why);
            } else if !YEARS.contains(&to) {
                refused.insert(host.clone(), "its year cannot be");
            } else {
                let is_preferred = one.server.is_preferred;
                candidates.push(Candidate { host, is_preferred, sample });
            }
        }
        let choice = choose(&candidates);
        let are_divided = choice == Choice::Divided;
        let chosen = match choice {
            Choice::Follow(chosen, others) => {
                let contradicts = |host: &str| (host.to_owned(), "it contradicts the others");
                refused.extend(others.into_iter().map(contradicts));
                Some((chosen.host.to_owned(), chosen.sample))
            }
            Choice::Divided | Choice::Nobody => None,
        };
        let mut told = Vec::new();
        for (host, one) in &mut self.associations {
            let why = refused.get(host).copied();
            if let Some(why) = why.filter(|_| one.refused != why) {
                told.push(format!("{host} is not followed: {why}"));
            }
            one.refused = why;
        }
        let host = chosen.as_ref().map(|(host, _)| host.clone());
        if are_divided && !self.are_divided {
            told.push("no server is followed: they contradict each other".to_owned());
        } else if host.is_none() && self.followed.is_some() && !are_divided {
            told.push("no server is left to follow".to_owned());
        }
        if let Some((host, sample)) = &chosen
            && self.followed.as_ref() != Some(host)
        {
            told.push(format!("synchronized to {host}, stratum {}", sample.stratum));
        }
        (self.followed, self.are_divided) = (host, are_divided);
        Decision { followed: chosen.map(|(_, sample)| sample), told }
    }
}

impl TimeQuestion {
    /// Whether a packet is the answer. Whatever else comes does not end the wait for it.
    #[must_use]
    pub fn is_answered_by(&self, packet: &[u8]) -> bool {
        packet::is_answer(&self.packet, packet)
    }
}
