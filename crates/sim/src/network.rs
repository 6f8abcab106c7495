//! The network between switches, collectors and CSSM: loss, delay, duplication, partition.

use std::sync::{Arc, Mutex, PoisonError};

use rumline_agent::Reason;
use rumline_cssm::{Answer, Taken};
use rumline_protocol::{MessageForm, Random, ResponseStatus};

use crate::chance::Chance;
use crate::world::{Event, World};

/// A switch that has much to tell, and a person in a hurry, need fewer messages.
const MESSAGES_AN_HOUR_MAX: u32 = 120;
/// A request that nobody answered counts as lost after this, in seconds.
const ANSWER_TIMEOUT_SECONDS: i64 = 55;

impl World<'_> {
    /// The network: loss, delay, duplication, partition.
    pub(crate) fn transmit(
        &mut self,
        node: usize,
        request_id: String,
        url: String,
        body: Vec<u8>,
    ) -> Result<(), String> {
        self.outcome.messages += 1;
        self.check_patience(node)?;
        // Attacks are on messages of Smart Licensing Using Policy.
        if form_of(&body) == MessageForm::Plain {
            self.nodes[node].last_body = Some((url.clone(), body.clone()));
        }
        let number = self.outcome.messages;
        let timeout = self.now + ANSWER_TIMEOUT_SECONDS;
        if self.now < self.nodes[node].cut_until {
            let lost = Event::Lost { request_id, reason: Reason::NoRoute };
            self.push(self.now + 3, node, lost);
            return Ok(());
        }
        let mut chance = self.message_chance(node, &request_id);
        let hostile = self.plan.faults && !self.healed;
        let lost = Event::Lost { request_id: request_id.clone(), reason: Reason::Timeout };
        self.push(timeout, node, lost);
        if hostile && chance.below(10) == 0 {
            return Ok(());
        }
        let delay = if hostile { i64::try_from(chance.below(90)).unwrap_or(0) } else { 1 };
        if hostile && chance.below(10) == 0 {
            let later = self.now + delay + i64::try_from(chance.below(7200)).unwrap_or(0);
            let copy = Event::Deliver {
                request_id: request_id.clone(),
                url: url.clone(),
                body: body.clone(),
                number: number + (1 << 40),
            };
            self.push(later, node, copy);
        }
        self.push(self.now + delay, node, Event::Deliver { request_id, url, body, number });
        Ok(())
    }

    /// No switch sends without end, whatever it is answered.
    fn check_patience(&mut self, node: usize) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let hour = self.now.0 / 3600;
        if n.messages_of.0 != hour {
            n.messages_of = (hour, 0);
        }
        n.messages_of.1 += 1;
        if n.messages_of.1 > MESSAGES_AN_HOUR_MAX {
            let last = crate::checks::last_words(n);
            return Err(format!("switch {node} sends without end; {last}"));
        }
        Ok(())
    }

    /// Chance of a message depends on who sent it and what it is called, not on what else happened.
    fn message_chance(&self, node: usize, request_id: &str) -> Chance {
        let name = request_id.bytes().fold(node as u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Chance::new(self.plan.seed, name | 1 << 63)
    }

    pub(crate) fn deliver(
        &mut self,
        node: usize,
        request_id: &str,
        url: &str,
        body: &[u8],
        number: u64,
    ) -> Result<(), String> {
        let event = match self.ask_collector(url, body) {
            Some(answer) => Event::Answered { request_id: request_id.to_owned(), body: answer? },
            None => match self.ask_cssm(node, request_id, body)? {
                Some(event) => event,
                // Its process has ended, or it cannot read what somebody altered.
                None => return Ok(()),
            },
        };
        let mut chance = self.message_chance(node, &format!("{request_id}/{number}"));
        let hostile = self.plan.faults && !self.healed;
        if hostile && chance.below(10) == 0 {
            return Ok(());
        }
        let delay = if hostile { i64::try_from(chance.below(30)).unwrap_or(0) } else { 1 };
        self.push(self.now + delay, node, event);
        Ok(())
    }

    pub(crate) fn ask_cssm(
        &mut self,
        node: usize,
        request_id: &str,
        body: &[u8],
    ) -> Result<Option<Event>, String> {
        let request_id = request_id.to_owned();
        let answer: Arc<Mutex<Option<Taken>>> = Arc::default();
        let slot = Arc::clone(&answer);
        let (form, now) = (form_of(body), self.cssm_now());
        self.cssm.receive_as(form, (now, "switch"), body, move |taken| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        });
        let taken = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = taken.map(Taken::answer);
        self.check_not_more(node)?;
        if self.db.has_ended() {
            // A process may say something and end before anybody can stop it.
            if let Some(Answer::Message(response)) = answer
                && response.status != ResponseStatus::Failed
            {
                let text = format!("CSSM answers what it has not committed: {response:?}");
                self.told_too_early = Some(text);
            }
            return Ok(None);
        }
        Ok(Some(match answer {
            Some(Answer::Message(response)) => {
                Event::Answered { request_id, body: form.write(now, &response) }
            }
            Some(Answer::TooManyRequests { retry_after_seconds }) => {
                Event::Busy { request_id, retry_after_seconds }
            }
            Some(Answer::NotAMessage(text)) => return Err(format!("CSSM cannot read: {text}")),
            Some(Answer::Unavailable(text)) => return Err(format!("CSSM failed: {text}")),
            None => return Err("CSSM did not answer".to_owned()),
        }))
    }
}

/// What a message came in: XML is Call Home.
fn form_of(body: &[u8]) -> MessageForm {
    if body.starts_with(b"<") { MessageForm::CallHome } else { MessageForm::Plain }
}
