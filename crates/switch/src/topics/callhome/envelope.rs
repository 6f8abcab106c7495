//! What licensing sends by Call Home, in its envelope, and what comes back out of one (PI-NET-021, PI-NET-026, G-08).

use rumline_agent::{Input, Reason, Transport};
use rumline_protocol::{CallHomeAnswer, CallHomeRequest, Timestamp, Udi};

use super::{contact, message_bytes_max};
use crate::Switch;
use crate::topics::network::NoPath;

const JSON: &str = "application/json";
const XML: &str = "text/xml; charset=utf-8";

impl Switch {
    /// A message as it leaves, and what it is for HTTP: with Call Home in an envelope, else as it is.
    pub(crate) fn enveloped(
        &mut self,
        now: Timestamp,
        (request_id, class): (&str, &str),
        body: Vec<u8>,
    ) -> Result<(&'static str, Vec<u8>), NoPath> {
        let config = self.agent.config();
        if config.transport != Transport::Callhome {
            return Ok((JSON, body));
        }
        let max = message_bytes_max(&self.running);
        let is_told = !config.hide_hostname && self.software().has("host name in messages");
        let envelope = CallHomeRequest {
            message_id: request_id.to_owned(),
            created_at: now,
            subtype: class.to_owned(),
            // A supervisor may speak for the one before it (PI-HA-006): whoever reads the envelope alone is told the same.
            sudi: named_in(&body).unwrap_or_else(|| self.udi.clone()),
            hostname: is_told.then(|| self.hostname().to_owned()),
            contact_email: contact(&self.running).map(str::to_owned),
            message: body,
        };
        let envelope = envelope.write().into_bytes();
        if envelope.len() > max {
            return Err(NoPath::TooLarge { bytes: envelope.len(), max });
        }
        self.in_envelope = Some(request_id.to_owned());
        Ok((XML, envelope))
    }

    /// What the agent is told, with the answer to an envelope taken out of its own.
    pub(crate) fn opened(&mut self, input: Input) -> Input {
        let Input::Answer { request_id, body } = input else { return input };
        if self.in_envelope.take_if(|sent| *sent == request_id).is_none() {
            return Input::Answer { request_id, body };
        }
        match CallHomeAnswer::read(&body) {
            Ok(answer) if answer.answers == request_id => {
                Input::Answer { request_id, body: answer.message }
            }
            Ok(_) => {
                let reason = Reason::Envelope("it answers another message".to_owned());
                Input::Unreachable { request_id, reason }
            }
            Err(error) => {
                Input::Unreachable { request_id, reason: Reason::Envelope(error.to_string()) }
            }
        }
    }
}

/// The device that a message names.
fn named_in(message: &[u8]) -> Option<Udi> {
    #[derive(serde::Deserialize)]
    struct Named {
        sudi: Udi,
    }
    serde_json::from_slice::<Named>(message).ok().map(|named| named.sudi)
}
