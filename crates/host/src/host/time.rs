//! Questions for time servers. What is asked, and what an answer is worth, the switch decides.

use std::net::SocketAddr;
use std::time::Duration;

use rumline_agent::Reason;
use rumline_net::{Clock, NameLookup, Outlet, reason_of};
use rumline_switch::{NoAnswer, TimeAnswer, TimeQuestion};
use tokio::time::{Instant, timeout_at};

use super::{Happened, Host};

/// A server that says nothing for so long is silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer is longer.
const ANSWER_BYTES_MAX: usize = 1_024;

impl Host {
    /// Asks a time server; the switch hears what came of it.
    pub(super) fn ask_time(&self, question: TimeQuestion) {
        let outlet = self.outlet(&question.path.way);
        let names = self.name_lookup(&question.path.names, &outlet);
        let (clock, port, happened) = (self.clock, self.setup.ntp_port, self.happened.clone());
        tokio::spawn(async move {
            let number = question.number;
            // The clock of a lab that runs faster is right by itself.
            let outcome = if clock.is_as_fast_as_the_world() {
                let asked = asked(&question, &outlet, &names, port, clock).await;
                asked.map_err(|reason| NoAnswer::Now(reason.to_string()))
            } else {
                Err(NoAnswer::Ever("the clock of a lab follows no server"))
            };
            // The switch may be gone by now.
            let _gone = happened.send(Happened::TimeHeard { number, outcome }).await;
        });
    }
}

async fn asked(
    question: &TimeQuestion,
    outlet: &Outlet,
    names: &NameLookup,
    port: u16,
    clock: Clock,
) -> Result<TimeAnswer, Reason> {
    let address = names.address(&question.server, question.path.has_ipv6).await?;
    let socket = outlet.datagrams(SocketAddr::new(address, port)).await?;
    let (sent_at_micros, begun) = (clock.now_millis().saturating_mul(1_000), Instant::now());
    socket.send(&question.packet).await.map_err(|error| reason_of(&error))?;
    let mut packet = vec![0; ANSWER_BYTES_MAX];
    loop {
        let received = timeout_at(begun + PATIENCE, socket.recv(&mut packet)).await;
        let length = received.map_err(|_| Reason::Timeout)?.map_err(|error| reason_of(&error))?;
        if question.is_answered_by(&packet[..length]) {
            let took_micros = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
            packet.truncate(length);
            return Ok(TimeAnswer { packet, sent_at_micros, took_micros });
        }
    }
}
