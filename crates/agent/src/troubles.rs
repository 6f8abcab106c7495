//! What went wrong and has not gone well since, by its kind: what the doctor of the switch asks. The words of system messages are
//! made from it, never the other way round.

use std::collections::BTreeMap;
use std::fmt;

use rumline_protocol::{RefusalReason, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Reason;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble<T> {
    /// When, the last time.
    pub at: Timestamp,
    /// What.
    pub what: T,
}

/// Why an exchange with the peer came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The peer was not reached, or nobody answered.
    Unreachable(Reason),
    /// What came back is no answer of a licensing peer.
    NoAnswer,
    /// What came back answers something else.
    OtherAnswer,
    /// The peer has had enough requests for now.
    Busy,
    /// The peer has no time: it is asked again.
    TryAgain,
    /// The peer refused, in its own words.
    Refused(String),
    /// The peer is of before Smart Licensing Using Policy (PI-MSG-013).
    DownRev,
    /// Direct communication needs trust (G-37).
    NoTrust,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => reason.fmt(f),
            Self::NoAnswer => f.write_str("Received an invalid response from server"),
            Self::OtherAnswer => f.write_str("The response does not belong to the request"),
            Self::Busy => f.write_str("429 too many requests"),
            Self::TryAgain => f.write_str("The server has no time"),
            Self::Refused(words) => f.write_str(words),
            Self::DownRev => f.write_str("reporting is not supported"),
            Self::NoTrust => f.write_str("Insufficient trust for direct communication"),
        }
    }
}

/// Reports that CSSM refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedReports {
    /// Why, if it was said.
    pub reason: Option<RefusalReason>,
    /// In words.
    pub words: String,
}

/// All that is wrong at present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    /// The last exchange, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Trouble<Failure>>,
    /// The last request for trust, if it was refused: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trouble<String>>,
    /// Reports that CSSM refused, until others are acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports: Option<Trouble<RefusedReports>>,
    /// The parts of the last document that were refused, by kind, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, Trouble<String>>,
    /// By how much the clock of the peer is ahead of this one, in seconds, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_ahead_seconds: Option<i64>,
    /// Use goes on under new report numbers since then, and no ACK has come yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_back_at: Option<Timestamp>,
    /// Reports were taken then, and no ACK has come since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<Timestamp>,
}

impl Troubles {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The peer said what time it is. Seconds on the way are no difference.
    pub(crate) fn heard_time(&mut self, now: Timestamp, told: Timestamp) {
        const ON_THE_WAY_SECONDS: u64 = 60;
        let ahead = told.since(now);
        let is_near = ahead.unsigned_abs() < ON_THE_WAY_SECONDS;
        self.peer_ahead_seconds = Some(if is_near { 0 } else { ahead });
    }

    /// The clock of this switch was set.
    pub(crate) fn clock_moved(&mut self, by_seconds: i64) {
        if let Some(ahead) = &mut self.peer_ahead_seconds {
            *ahead = ahead.saturating_sub(by_seconds);
        }
    }

    /// The instants in it, which move with the clock.
    pub(crate) fn instants(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        let exchange = self.exchange.iter_mut().map(|one| &mut one.at);
        let trust = self.trust.iter_mut().map(|one| &mut one.at);
        let reports = self.reports.iter_mut().map(|one| &mut one.at);
        let documents = self.documents.values_mut().map(|one| &mut one.at);
        exchange
            .chain(trust)
            .chain(reports)
            .chain(documents)
            .chain(&mut self.set_back_at)
            .chain(&mut self.waits_since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_peer_is_known_until_this_one_is_set_and_then_too() {
        let now = Timestamp(1_800_000_000);
        let mut troubles = Troubles::default();
        troubles.clock_moved(5);
        assert_eq!(troubles.peer_ahead_seconds, None);
        troubles.heard_time(now, now + 59);
        assert_eq!(troubles.peer_ahead_seconds, Some(0));
        troubles.heard_time(now, now - 60);
        assert_eq!(troubles.peer_ahead_seconds, Some(-60));
        troubles.heard_time(now, now + 61);
        troubles.clock_moved(61);
        assert_eq!(troubles.peer_ahead_seconds, Some(0));
        troubles.clock_moved(-Timestamp::DAY);
        assert_eq!(troubles.peer_ahead_seconds, Some(Timestamp::DAY));
    }

    #[test]
    fn all_instants_move() {
        let at = Timestamp(1);
        let mut troubles = Troubles {
            exchange: Some(Trouble { at, what: Failure::Busy }),
            trust: Some(Trouble { at, what: String::new() }),
            reports: Some(Trouble {
                at,
                what: RefusedReports { reason: None, words: String::new() },
            }),
            documents: [("POLICY".to_owned(), Trouble { at, what: String::new() })].into(),
            peer_ahead_seconds: None,
            set_back_at: Some(at),
            waits_since: Some(at),
        };
        assert!(!troubles.is_empty() && Troubles::default().is_empty());
        troubles.instants().for_each(|at| *at = Timestamp(2));
        let text = serde_json::to_string(&troubles).unwrap();
        assert_eq!(text.matches(":2").count(), 6, "{text}");
        assert_eq!(serde_json::from_str::<Troubles>(&text).unwrap(), troubles);
    }
}
