//! Whether hosts answer: ping and traceroute (PI-CLI-031, PI-CLI-032). What is sent is decided here and what came of it put into
//! words; whoever carries it out only obeys.

mod options;
mod ping;
mod trace;

use std::net::IpAddr;

use crate::Effect;
use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::interface_name;
use crate::topics::network::{Path, SourceInterface};
use crate::{NoPath, Switch};
use options::Options;
pub use ping::{Ping, PingReport};
pub use trace::{Trace, TraceReport};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("ping", |switch, call| switch.ping(call, false)),
        Command::anyone("ping6", |switch, call| switch.ping(call, true)),
        Command::anyone("traceroute", |switch, call| switch.trace(call, false)),
        Command::anyone("traceroute6", |switch, call| switch.trace(call, true)),
    ],
    settings: &[],
};

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// The host answered.
    Reply {
        /// Its address.
        from: IpAddr,
        /// With so many bytes.
        bytes: usize,
        /// Its time to live, if that is known.
        ttl: Option<u8>,
        /// After so many microseconds.
        micros: u64,
    },
    /// Somebody said that it got no further.
    Stopped {
        /// Who.
        from: IpAddr,
        /// With so many bytes.
        bytes: usize,
        /// Why.
        why: Stop,
        /// After so many microseconds.
        micros: u64,
    },
    /// Nobody said anything in time.
    Silence,
    /// It did not leave; why not.
    NotSent(&'static str),
}

/// Why a packet got no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It passed as many hops as it might.
    Expired,
    /// Nobody listens there.
    Port,
    /// There is no way to its network.
    Network,
    /// The host does not answer.
    Host,
    /// The host does not know the protocol.
    Protocol,
    /// Somebody forbids it.
    Forbidden,
    /// It is too large for a link.
    TooLarge,
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProbe {
    /// There is no address for the host.
    NoHost,
    /// In words.
    Because(&'static str),
}

impl NoProbe {
    /// PI-CLI-032: with the name as it was typed.
    fn text(self, host: &str) -> String {
        match self {
            Self::NoHost => invalid_host(host),
            Self::Because(why) => format!("% {why}\n"),
        }
    }
}

fn invalid_host(host: &str) -> String {
    format!("% Invalid host/interface {host}\n")
}

/// Microseconds as milliseconds, without zeros at the end.
fn millis(micros: u64) -> String {
    let text = format!("{}.{:03}", micros / 1_000, micros % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Switch {
    fn ping(&mut self, call: &mut Call<'_, '_>, is_ipv6: bool) -> Answer {
        let host = call.text("host").to_owned();
        let options = Options::parse(call.command.get("options"), true)?;
        let path = self.probe_path(&options)?;
        Ok(waiting(Effect::Ping(Ping::new(host, is_ipv6, path, &options))))
    }

    fn trace(&mut self, call: &mut Call<'_, '_>, is_ipv6: bool) -> Answer {
        let host = call.text("host").to_owned();
        let options = Options::parse(call.command.get("options"), false)?;
        let path = self.probe_path(&options)?;
        Ok(waiting(Effect::Trace(Trace { host, is_ipv6, path })))
    }

    fn probe_path(&self, options: &Options) -> Result<Path, CommandError> {
        let told = |none: NoPath| match none {
            NoPath::NoVrf(name) => CommandError::Failed(format!("% Invalid VRF name {name}")),
            other => CommandError::Failed(format!("% {other}")),
        };
        let vrf = options.vrf.as_deref();
        let Some(source) = options.source.as_deref() else {
            return self.path_in(vrf, None).map_err(told);
        };
        if let Ok(address) = source.parse::<IpAddr>() {
            let mut path = self.path_in(vrf, None).map_err(told)?;
            let (name, addresses) = (source.to_owned(), vec![address]);
            path.way.source = Some(SourceInterface { name, addresses });
            return Ok(path);
        }
        let name = interface_name(source);
        let has_address =
            |name| self.interface(name).is_some_and(|one| !one.addresses().is_empty());
        if !has_address(&name) {
            return Err(CommandError::Failed(invalid_host(source).trim_end().to_owned()));
        }
        self.path_in(vrf, Some(&name)).map_err(told)
    }
}

/// What a session waits for.
fn waiting(effect: Effect) -> Outcome {
    let mut outcome = Outcome::default().with(vec![effect]);
    outcome.reply.pending = true;
    outcome
}
