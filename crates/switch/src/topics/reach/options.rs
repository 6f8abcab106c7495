//! The options of ping and traceroute: key words in any order, each with a value.

use rumline_cli::Refusal;

use crate::answer::CommandError;

/// What is set, and the range it may be in.
const NUMBERS: [(&str, i64, i64); 4] =
    [("count", 1, 655_350), ("interval", 1, 60), ("packet-size", 1, 65_468), ("timeout", 1, 60)];
const OF_TRACES: [&str; 2] = ["source", "vrf"];

/// What was set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) vrf: Option<String>,
    pub(super) source: Option<String>,
    /// None of none where there is no end to it.
    pub(super) count: Option<Option<u64>>,
    pub(super) interval_seconds: Option<u64>,
    pub(super) payload_bytes: Option<u64>,
    pub(super) timeout_seconds: Option<u64>,
}

fn refused(refusal: Refusal) -> CommandError {
    CommandError::Failed(refusal.to_string())
}

impl Options {
    /// Reads what was typed behind a host.
    pub(super) fn parse(typed: Option<&str>, is_ping: bool) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut words = typed.unwrap_or_default().split_whitespace();
        while let Some(word) = words.next() {
            let numbers = NUMBERS.iter().map(|(name, ..)| *name).filter(|_| is_ping);
            let known = numbers.chain(OF_TRACES).filter(|name| name.starts_with(word));
            let known: Vec<&str> = known.collect();
            let name = match known[..] {
                [name] => name,
                [] => return Err(refused(Refusal::Invalid)),
                _ => return Err(refused(Refusal::Ambiguous)),
            };
            let value = words.next().ok_or(refused(Refusal::Incomplete))?;
            if name == "count" && "unlimited".starts_with(value) {
                options.count = Some(None);
                continue;
            }
            let number = || {
                let (min, max) = NUMBERS
                    .iter()
                    .find_map(|(known, min, max)| (*known == name).then_some((*min, *max)))
                    .unwrap_or_default();
                let number: i64 = value.parse().map_err(|_| refused(Refusal::Invalid))?;
                u64::try_from(number)
                    .ok()
                    .filter(|_| (min..=max).contains(&number))
                    .ok_or(refused(Refusal::Range { min, max }))
            };
            match name {
                "vrf" => options.vrf = Some(value.to_owned()),
                "source" => options.source = Some(value.to_owned()),
                "count" => options.count = Some(Some(number()?)),
                "interval" => options.interval_seconds = Some(number()?),
                "packet-size" => options.payload_bytes = Some(number()?),
                _ => options.timeout_seconds = Some(number()?),
            }
        }
        Ok(options)
    }
}
