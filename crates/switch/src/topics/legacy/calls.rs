//! What the older licensing asks of its server, by Call Home, and what it answers (PI-MIG-020, CSSM-034).

use rumline_agent::{NoOlderAnswer, OlderAsked, OlderServer, Peer, Reason, Transport};
use rumline_legacy::{Answer as Answered, Call as Wanted, Granted, Input as Event, Server};
use rumline_protocol::{
    CallHomeAnswer, CallHomeRequest, OlderAnswer, OlderCall, OlderResult, OlderUse, Timestamp,
};

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::Call;
use crate::topics::callhome;
use crate::{Devices, Effect, Switch};

const XML: &str = "text/xml; charset=utf-8";

/// A call that is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnItsWay {
    request_id: String,
    nonce: String,
    server: OlderServer,
}

/// Whether a URL of Call Home leads to an SSM On-Prem, as its path says.
fn is_of_on_prem(url: &str) -> bool {
    let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    path.is_some_and(|path| path.trim_end_matches('/') == OlderAnswer::ON_PREM_PATH)
}

/// Whether what an SSM On-Prem gives as its tenant's URL can be one: it becomes a line of the configuration.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= 255
        && rest.is_some_and(|rest| !rest.is_empty())
        && text.chars().all(|c| c.is_ascii_graphic())
}

/// `license smart register idtoken TOKEN [force] [all]`, in EXEC and in configuration mode (C-39).
pub(super) fn register(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let id_token = call.text("token").to_owned();
    let url = callhome::url(&switch.running);
    let usable = switch.agent.check_older_token(&id_token, url);
    usable.map_err(|why| CommandError::Failed(format!("Failure: register status: {why}")))?;
    let event = Event::Register { id_token, force: call.has("force") };
    asked(
        switch,
        call,
        event,
        "register",
        "Registration process is in progress. Use the 'show license status' command to check the progress and result\n",
    )
}

pub(super) fn deregister(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    asked(switch, call, Event::Deregister, "deregister", "Deregistration was started\n")
}

pub(super) fn renew(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let event = if call.has("id") { Event::Renew } else { Event::Authorize };
    asked(switch, call, event, "renew", "Renewal was started\n")
}

fn asked(
    switch: &mut Switch,
    call: &mut Call<'_, '_>,
    event: Event,
    what: &str,
    told: &str,
) -> Answer {
    let Some(older) = &switch.older else { return Ok(Outcome::default()) };
    let may = older.personality.may(&event);
    may.map_err(|why| CommandError::Failed(format!("Failure: {what} status: {why}")))?;
    let effects = switch.older_event(call.now, event, call.devices);
    Ok(Outcome::text(told).with(effects))
}

impl Switch {
    /// Makes the message of a call, and says what is to be done with it; or why it does not leave.
    pub(super) fn older_call(
        &mut self,
        now: Timestamp,
        call: Wanted,
        devices: &mut Devices<'_>,
    ) -> Result<Effect, String> {
        let path = self.licensing_path(Transport::Callhome).map_err(|none| none.to_string())?;
        let uses = match &call {
            Wanted::Authorize { uses } => uses.clone(),
            _ => Vec::new(),
        };
        let url = callhome::url(&self.running).to_owned();
        let server = match (is_of_on_prem(&url), &self.older) {
            (false, _) | (true, None) => OlderServer::Cssm,
            (true, Some(_)) if matches!(call, Wanted::Register { .. }) => OlderServer::OnPrem(None),
            (true, Some(older)) => {
                let held = older.personality.keep().registration.held.as_ref();
                OlderServer::OnPrem(held.and_then(|held| held.server_key.clone()))
            }
        };
        let asked = OlderAsked {
            call: match call {
                Wanted::Register { .. } => OlderCall::Register,
                Wanted::Renew => OlderCall::Renew,
                Wanted::Authorize { .. } => OlderCall::Authorize,
                Wanted::Deregister => OlderCall::Deregister,
            },
            token: match call {
                Wanted::Register { id_token, force } => Some((id_token, force)),
                _ => None,
            },
            uses: uses.into_iter().map(|(tag, count)| OlderUse { tag, count }).collect(),
            hostname: self.hostname().to_owned(),
        };
        let request = self.agent.older_request(now, asked, &mut devices.agent());
        let envelope = CallHomeRequest {
            message_id: request.request_id.clone(),
            created_at: now,
            subtype: request.class.to_owned(),
            sudi: request.sudi,
            hostname: Some(self.hostname().to_owned()),
            contact_email: callhome::contact(&self.running).map(str::to_owned),
            message: request.body,
        };
        let body = envelope.write().into_bytes();
        let max = callhome::message_bytes_max(&self.running);
        if body.len() > max {
            return Err(format!("the message has {} bytes, and message-size is {max}", body.len()));
        }
        let (request_id, nonce) = (request.request_id, request.nonce);
        if let Some(older) = &mut self.older {
            older.on_its_way = Some(OnItsWay { request_id: request_id.clone(), nonce, server });
        }
        Ok(Effect::Send { request_id, peer: Peer::Cssm, url, path, content_type: XML, body })
    }

    /// What came of the call on its way, if this is of it.
    pub(super) fn older_heard(
        &mut self,
        now: Timestamp,
        request_id: &str,
        heard: Result<&[u8], String>,
    ) -> Option<Event> {
        let older = self.older.as_mut()?;
        let sent = older.on_its_way.take_if(|sent| sent.request_id == request_id)?;
        let answered = match heard {
            Err(why) => Answered::Unreachable(why),
            Ok(body) => self.older_said(now, &sent, body),
        };
        Some(Event::Answered(answered))
    }

    fn older_said(&self, now: Timestamp, sent: &OnItsWay, body: &[u8]) -> Answered {
        let envelope = match CallHomeAnswer::read(body) {
            Ok(envelope) if envelope.answers == sent.request_id => envelope,
            Ok(_) => {
                let reason = Reason::Envelope("it answers another message".to_owned());
                return Answered::Unreachable(reason.to_string());
            }
            Err(error) => {
                return Answered::Unreachable(Reason::Envelope(error.to_string()).to_string());
            }
        };
        match self.agent.older_answer(now, (&sent.nonce, &sent.server), &envelope.message) {
            Err(NoOlderAnswer::Refused(why)) => Answered::Refused(why),
            Err(NoOlderAnswer::Unusable(why)) => Answered::Unreachable(why),
            Ok(OlderResult::Registered { cslu_url: Some(url), .. }) if !is_url(&url) => {
                Answered::Unreachable("the URL that the server gives is none".to_owned())
            }
            Ok(OlderResult::Registered {
                smart_account,
                virtual_account,
                expires_at,
                cslu_url,
                server_key,
            }) => {
                let server = if cslu_url.is_some() { Server::OnPrem } else { Server::Cssm };
                Answered::Granted(Granted {
                    server,
                    smart_account,
                    virtual_account,
                    expires_at,
                    cslu_url,
                    server_key,
                })
            }
            Ok(OlderResult::Authorized { out_of_compliance, deadline_at }) => {
                Answered::Authorized { out_of_compliance, deadline_at }
            }
            Ok(OlderResult::Deregistered) => Answered::Deregistered,
            Ok(OlderResult::Unknown) => Answered::Unknown,
        }
    }
}
