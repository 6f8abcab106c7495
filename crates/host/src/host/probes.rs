//! Pings and traceroutes, by the way that the switch decided.

use std::time::Duration;

use rumline_net::{NotSent, PingPlan, ProbeError, Probed, TracePlan, Why, ping, trace};
use rumline_switch::{NoProbe, Ping, ProbeAnswer, Stop, Trace};
use tokio::sync::mpsc;

use super::jobs::{News, What};
use super::{Happened, Host};

/// What was seen and not told yet, at most.
const UNTOLD_MAX: usize = 4;

impl Host {
    pub(super) fn pinging(
        &self,
        session: u64,
        number: u64,
        wanted: &Ping,
    ) -> impl Future<Output = ()> + Send + use<> {
        let contact = self.contact(&wanted.path);
        let plan = PingPlan {
            host: wanted.host.clone(),
            wants_ipv6: wanted.is_ipv6,
            count: wanted.count,
            payload_bytes: wanted.payload_bytes,
            timeout: Duration::from_secs(wanted.timeout_seconds),
            interval: Duration::from_secs(wanted.interval_seconds),
        };
        let happened = self.happened.clone();
        async move {
            let (tell, seen) = mpsc::channel(UNTOLD_MAX);
            told(session, number, ping(&contact, &plan, &tell), seen, happened).await;
        }
    }

    pub(super) fn tracing(
        &self,
        session: u64,
        number: u64,
        wanted: &Trace,
    ) -> impl Future<Output = ()> + Send + use<> {
        let contact = self.contact(&wanted.path);
        let plan = TracePlan {
            host: wanted.host.clone(),
            wants_ipv6: wanted.is_ipv6,
            hops_max: Trace::HOPS_MAX,
            probes: Trace::PROBES,
            timeout: Duration::from_secs(Trace::TIMEOUT_SECONDS),
        };
        let happened = self.happened.clone();
        async move {
            let (tell, seen) = mpsc::channel(UNTOLD_MAX);
            told(session, number, trace(&contact, &plan, &tell), seen, happened).await;
        }
    }
}

/// Tells the loop what is seen, and at last what it came to. Nothing is said once the switch is gone.
async fn told(
    session: u64,
    number: u64,
    work: impl Future<Output = Result<(), ProbeError>>,
    mut seen: mpsc::Receiver<Probed>,
    happened: mpsc::Sender<Happened>,
) {
    let news = |what| Happened::News(News { session, number, what });
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            biased;
            Some(probed) = seen.recv() => {
                let what = match probed {
                    Probed::Begun { to, has_icmp } => What::Probing { to, has_icmp },
                    Probed::Answer(answer) => What::Answered(answer_of(answer)),
                };
                let _gone = happened.send(news(what)).await;
            }
            outcome = &mut work => break outcome,
        }
    };
    while let Ok(probed) = seen.try_recv() {
        if let Probed::Answer(answer) = probed {
            let _gone = happened.send(news(What::Answered(answer_of(answer)))).await;
        }
    }
    let outcome = outcome.map_err(|error| match error {
        ProbeError::NoHost => NoProbe::NoHost,
        ProbeError::Socket(why) => NoProbe::Because(why),
    });
    let _gone = happened.send(news(What::Probed(outcome))).await;
}

fn answer_of(answer: rumline_net::ProbeAnswer) -> ProbeAnswer {
    use rumline_net::ProbeAnswer as Seen;
    match answer {
        Seen::Reply { from, bytes, ttl, micros } => ProbeAnswer::Reply { from, bytes, ttl, micros },
        Seen::Stopped { from, bytes, why, micros } => {
            ProbeAnswer::Stopped { from, bytes, why: stop_of(why), micros }
        }
        Seen::Silence => ProbeAnswer::Silence,
        Seen::NotSent(why) => ProbeAnswer::NotSent(match why {
            NotSent::NoRoute => "No route to host",
            NotSent::TooLong => "Message too long",
            NotSent::Denied => "Operation not permitted",
            NotSent::Other => "Network is down",
        }),
    }
}

fn stop_of(why: Why) -> Stop {
    match why {
        Why::Expired => Stop::Expired,
        Why::Port => Stop::Port,
        Why::Network => Stop::Network,
        Why::Host => Stop::Host,
        Why::Protocol => Stop::Protocol,
        Why::Forbidden => Stop::Forbidden,
        Why::TooLarge => Stop::TooLarge,
    }
}
