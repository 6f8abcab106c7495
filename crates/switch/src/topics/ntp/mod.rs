//! The time of others: which servers are asked when, which of them is followed, and when the clock is set (PI-CLI-026,
//! PI-NET-032). The edge sends what is asked and hands over what came; all else is decided here.

mod choice;
mod packet;
mod servers;
mod settings;
mod show;

use rumline_protocol::{Random, Timestamp};

use crate::command::{Command, Topic};
use crate::topics::network::{Path, SourceInterface};
use crate::{Effect, Switch};
pub(crate) use servers::Time;
use settings::TimeServer;
pub(crate) use settings::TimeSettings;

/// What the clock may be off without being set.
const STEP_MICROS: i64 = 128_000;

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show ntp peer-status", show::peer_status),
        Command::anyone("show ntp peers", show::peers),
        Command::anyone("show ntp status", show::status),
    ],
    settings: settings::ALL,
};

/// A question for a time server; what came of it is told with [`Switch::time_heard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeQuestion {
    /// Names it.
    pub number: u64,
    /// The server, by address or name.
    pub server: String,
    /// The way to it.
    pub path: Path,
    /// What is sent.
    pub packet: [u8; packet::PACKET_BYTES],
}

/// What a time server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeAnswer {
    /// The packet.
    pub packet: Vec<u8>,
    /// When the question left, by the clock of the switch, in microseconds since 1970.
    pub sent_at_micros: i64,
    /// How long the answer took, in microseconds of a clock that nobody sets.
    pub took_micros: i64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// This time; later there may be one.
    Now(String),
    /// There will be none, as long as its line stays.
    Ever(&'static str),
}

impl Switch {
    /// When the switch wants to be called, and why.
    #[must_use]
    pub fn next_wake(&self) -> Option<(Timestamp, &'static str)> {
        let own = self.time.next_wake().map(|at| (at, "time server"));
        let licensing = match &self.older {
            Some(older) => older.personality.next_wake().map(|at| (at, "older licensing")),
            None => self.agent.next_wake(),
        };
        let own = own.into_iter().chain(self.next_conversion());
        licensing.into_iter().chain(own).min_by_key(|(at, _)| *at)
    }

    /// Whom to ask follows the lines.
    pub(crate) fn time_configured(&mut self, now: Timestamp) {
        let settings = &self.derived.time;
        let is_asked = settings.other_protocol.is_none();
        let servers = if is_asked { settings.servers.as_slice() } else { &[] };
        self.time.configured(now, servers);
    }

    /// Asks whose turn it is.
    pub(crate) fn ask_times(&mut self, now: Timestamp, random: &mut dyn Random) -> Vec<Effect> {
        let due = self.time.due(now);
        let mut effects = Vec::new();
        for server in &due {
            let mut nonce = [0; 8];
            random.fill(&mut nonce);
            let nonce = u64::from_be_bytes(nonce);
            let Some((number, packet)) = self.time.ask(now, &server.host, nonce) else { continue };
            match self.time_path(server) {
                Ok(path) => {
                    let server = server.host.clone();
                    effects.push(Effect::AskTime(TimeQuestion { number, server, path, packet }));
                }
                Err(none) => self.time.missed(number, none),
            }
        }
        if !due.is_empty() {
            effects.extend(self.follow(now));
        }
        effects
    }

    fn time_path(&self, server: &TimeServer) -> Result<Path, String> {
        let settings = &self.derived.time;
        let source = settings.source_interface.as_deref();
        let path = self.path_to(&server.host, Some(&server.vrf), source);
        let mut path = path.map_err(|none| none.to_string())?;
        if let Some(address) = settings.source {
            let (name, addresses) = (address.to_string(), vec![address]);
            path.way.source = Some(SourceInterface { name, addresses });
        }
        Ok(path)
    }

    /// What came of a question: an answer, or why there is none.
    pub fn time_heard(
        &mut self,
        now: Timestamp,
        number: u64,
        outcome: Result<TimeAnswer, NoAnswer>,
    ) -> Vec<Effect> {
        self.time.heard(now, number, outcome);
        self.follow(now)
    }

    /// Follows who is to be followed: says so, and sets the clock if it is off for sure.
    fn follow(&mut self, now: Timestamp) -> Vec<Effect> {
        let decision = self.time.decide(now);
        let mut told = decision.told;
        let mut step = None;
        if let Some(sample) = decision.followed
            && sample.certain_micros() < STEP_MICROS
        {
            self.time.is_right();
        } else if let Some(sample) = decision.followed {
            self.time.steps(now, sample.offset_micros);
            let by_millis = sample.offset_micros / 1_000;
            step = Some(Effect::ClockMoved { by_millis });
            let offset = shown_seconds(sample.offset_micros);
            told.push(format!("System clock has been updated, offset= {offset} sec"));
        }
        let line = |text: String| self.log_line(now, &format!("%NTP-6-NTP_SYSLOG_LOGGING: {text}"));
        told.into_iter().map(line).chain(step).collect()
    }
}

/// `-12.345678`.
fn shown_seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
