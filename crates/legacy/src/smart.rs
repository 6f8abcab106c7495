//! Smart Licensing as a machine: registration with an id token, authorisation of what is in use, renewals, the way out.

use rumline_protocol::{EntitlementTag, PublicKey, Timestamp};
use serde::{Deserialize, Serialize};

use crate::kept::Kept;
use crate::message::Message;
use crate::registration::{Attempt, Authorization, Compliance, Held, Leaving, Server};

/// Days from a registration to its renewal (guide p. 56).
pub const RENEW_DAYS: u32 = 180;
/// Days from one authorisation to the next (guide p. 56).
pub const AUTHORIZE_DAYS: u32 = 30;
/// Seconds after which what failed is tried once more.
pub const RETRY_SECONDS: i64 = 15 * 60;

/// What a person does about a registration that the server does not know.
const REGISTER_AGAIN: &str = "register it again with license smart register idtoken";
/// The same, where it was to end.
const LOOK_THERE: &str = "it was to end; look whether its product instance is still listed there";

/// A licence in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// What is licensed.
    pub tag: EntitlementTag,
    /// Its short name, e.g. `LAN_ENTERPRISE_SERVICES_PKG`.
    pub name: String,
    /// Its description for people.
    pub description: String,
    /// How many are in use; at least one.
    pub count: u32,
}

/// What is asked of the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Call {
    /// Register with an id token.
    Register {
        /// The token.
        id_token: String,
        /// Whether to ask although the switch is registered.
        force: bool,
    },
    /// Renew the registration.
    Renew,
    /// Authorise what is in use.
    Authorize {
        /// What, and how many.
        uses: Vec<(EntitlementTag, u32)>,
    },
    /// End the registration.
    Deregister,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A token is shown nowhere.
        match self {
            Self::Register { force, .. } => write!(f, "Register {{ force: {force} }}"),
            Self::Renew => f.write_str("Renew"),
            Self::Authorize { uses } => write!(f, "Authorize {{ {} }}", uses.len()),
            Self::Deregister => f.write_str("Deregister"),
        }
    }
}

/// What the server says of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Who says it.
    pub server: Server,
    /// The Smart Account.
    pub smart_account: String,
    /// The Virtual Account.
    pub virtual_account: String,
    /// When the registration ends without a renewal.
    pub expires_at: Timestamp,
    /// Of an SSM On-Prem: where a switch with Smart Licensing Using Policy reports to (ONPREM-018).
    pub cslu_url: Option<String>,
    /// Of an SSM On-Prem: the key that what it says is signed with.
    pub server_key: Option<PublicKey>,
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Registered, or renewed.
    Granted(Granted),
    /// What is authorised.
    Authorized {
        /// Of these there are not enough licences.
        out_of_compliance: Vec<EntitlementTag>,
        /// When the authorisation ends if the server is not heard of.
        deadline_at: Timestamp,
    },
    /// The registration is gone.
    Deregistered,
    /// It does not want to, and why.
    Refused(String),
    /// There is no such registration: it was taken away over there.
    Unknown,
    /// It was not reached, and why.
    Unreachable(String),
}

/// What the machine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time has come, or may have come.
    Tick,
    /// Whether Smart Licensing is enabled (`license smart enable`).
    Enabled(bool),
    /// The complete set of licences in use.
    Uses(Vec<Use>),
    /// `license smart register idtoken TOKEN [force]`.
    Register {
        /// The token.
        id_token: String,
        /// Whether to ask although the switch is registered.
        force: bool,
    },
    /// `license smart renew id`.
    Renew,
    /// `license smart renew auth`.
    Authorize,
    /// `license smart deregister`.
    Deregister,
    /// What came of the call under way.
    Answered(Answer),
    /// The wall clock was set, by so many seconds.
    ClockStepped(i64),
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the server.
    Call(Call),
    /// Tell people.
    Tell(Message),
}

/// A switch with licensing of before Smart Licensing Using Policy.
#[derive(Clone, Debug)]
pub struct Personality {
    kept: Kept,
    is_enabled: bool,
    uses: Vec<Use>,
    /// A call under way, and when it was sent.
    in_flight: Option<(Timestamp, Call)>,
    /// What people asked for, and from when on it may be tried.
    asked: Vec<(Timestamp, Call)>,
    /// A person wants what is in use authorised now.
    is_authorization_wanted: bool,
    is_cut_off: bool,
    /// Why the server did not hear that the registration is to end, as it was told last.
    told_not_left: Option<String>,
}

impl Personality {
    /// Goes on from what was kept.
    #[must_use]
    pub fn open(mut kept: Kept, is_enabled: bool) -> Self {
        let registration = &mut kept.registration;
        // That it was turned off was not saved: it is on.
        let is_taken_back = is_enabled && registration.leaving == Some(Leaving::TurnedOff);
        if is_taken_back || registration.held.is_none() {
            registration.leaving = None;
        }
        let leaves = registration.leaving.map(|_| (Timestamp(0), Call::Deregister));
        Self {
            kept,
            is_enabled,
            uses: Vec::new(),
            in_flight: None,
            asked: leaves.into_iter().collect(),
            is_authorization_wanted: false,
            is_cut_off: false,
            told_not_left: None,
        }
    }

    /// What has to last.
    #[must_use]
    pub fn keep(&self) -> &Kept {
        &self.kept
    }

    /// The licence files, to install and remove some.
    pub fn files_mut(&mut self) -> &mut crate::Files {
        &mut self.kept.files
    }

    /// The licences in use.
    #[must_use]
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }

    /// Whether Smart Licensing is enabled.
    #[must_use]
    pub fn is_smart(&self) -> bool {
        self.is_enabled
    }

    /// Whether the switch is registered.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.kept.registration.held.is_some()
    }

    /// Whether the registration is to end, and the server has not heard of that yet.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.kept.registration.leaving.is_some()
    }

    /// Whether a registration is under way.
    #[must_use]
    pub fn is_registering(&self) -> bool {
        let registers = |call: &Call| matches!(call, Call::Register { .. });
        self.in_flight.iter().chain(&self.asked).any(|(_, call)| registers(call))
    }

    /// Why what a person asks for cannot be, in words.
    ///
    /// # Errors
    /// When it cannot.
    pub fn may(&self, input: &Input) -> Result<(), &'static str> {
        let is_registered = self.is_registered();
        match input {
            Input::Register { .. } | Input::Renew | Input::Authorize | Input::Deregister
                if !self.is_enabled =>
            {
                Err("Smart Licensing is not enabled: configure license smart enable first")
            }
            Input::Register { force: false, .. } if is_registered => {
                Err("the switch is registered already: deregister it, or give force")
            }
            Input::Renew | Input::Authorize | Input::Deregister if !is_registered => {
                Err("the switch is not registered")
            }
            Input::Renew | Input::Authorize if self.is_leaving() => {
                Err("the switch is being deregistered")
            }
            _ => Ok(()),
        }
    }

    /// Takes one input and says what is to be done, in order.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let registration = &self.kept.registration;
        match input {
            Input::Tick => {}
            Input::Enabled(is_enabled) => {
                if self.is_enabled && !is_enabled {
                    self.leave(now, Leaving::TurnedOff);
                } else if is_enabled && registration.leaving == Some(Leaving::TurnedOff) {
                    self.stay();
                }
                self.is_enabled = is_enabled;
            }
            Input::Uses(uses) => self.uses = uses,
            Input::Register { id_token, force } => {
                self.stay();
                self.asked.retain(|(_, call)| !matches!(call, Call::Register { .. }));
                self.asked.push((now, Call::Register { id_token, force }));
            }
            Input::Renew => self.asked.push((now, Call::Renew)),
            Input::Authorize => self.is_authorization_wanted = true,
            Input::Deregister => {
                self.told_not_left = None;
                self.leave(now, Leaving::Asked);
            }
            Input::Answered(answer) => self.answered(now, answer, &mut effects),
            Input::ClockStepped(by_seconds) => {
                self.kept.clock_stepped(by_seconds);
                let sent = self.in_flight.iter_mut().map(|(at, _)| at);
                for at in sent.chain(self.asked.iter_mut().map(|(from, _)| from)) {
                    *at = *at + by_seconds;
                }
            }
        }
        self.run_due(now, &mut effects);
        effects
    }

    /// When to hand in the next [`Input::Tick`].
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let mut times: Vec<Timestamp> = self.kept.evaluation.ends_at().into_iter().collect();
        if let Some(held) = &self.kept.registration.held {
            if self.in_flight.is_none() {
                times.push(held.expires_at);
            }
            if self.in_flight.is_none() && self.is_enabled && !self.is_leaving() {
                times.push(held.renew_at);
                times.extend(self.kept.authorization.as_ref().map(|own| own.next_at));
            }
            let authorization = self.kept.authorization.as_ref();
            let own = authorization.filter(|own| own.compliance != Compliance::Expired);
            times.extend(own.map(|own| own.deadline_at));
        }
        if self.in_flight.is_none() {
            times.extend(self.asked.iter().map(|(from, _)| *from));
        }
        times.into_iter().min()
    }

    fn run_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.is_over(now) {
            (self.kept.registration.held, self.kept.authorization) = (None, None);
            self.stay();
            effects.push(Effect::Tell(Message::RegistrationExpired));
        }
        if let Some(own) = &mut self.kept.authorization
            && own.compliance != Compliance::Expired
            && own.deadline_at <= now
        {
            (own.compliance, own.at) = (Compliance::Expired, own.deadline_at);
            effects.push(Effect::Tell(Message::AuthorizationExpired));
        }
        let is_evaluated = self.is_enabled && !self.is_registered() && !self.uses.is_empty();
        if self.kept.evaluation.runs(now, is_evaluated) {
            effects.push(Effect::Tell(Message::EvaluationExpired));
        }
        if self.in_flight.is_none()
            && let Some(call) = self.next_call(now)
        {
            self.in_flight = Some((now, call.clone()));
            effects.push(Effect::Call(call));
        }
    }

    /// Whether the registration ended. The server is asked first, whatever the clock says: it may have been set while nobody looked.
    fn is_over(&self, now: Timestamp) -> bool {
        let registration = &self.kept.registration;
        let Some(held) = registration.held.as_ref().filter(|held| held.expires_at <= now) else {
            return false;
        };
        let was_refused = registration
            .renewal
            .as_ref()
            .is_some_and(|own| own.failure.is_some() && (held.expires_at..=now).contains(&own.at));
        !self.is_enabled || self.is_leaving() || was_refused
    }

    fn next_call(&mut self, now: Timestamp) -> Option<Call> {
        if let Some(place) = self.asked.iter().position(|(from, _)| *from <= now) {
            return Some(self.asked.remove(place).1);
        }
        let is_held = self.is_enabled && !self.is_leaving();
        let held = self.kept.registration.held.as_ref().filter(|_| is_held)?;
        // What lies further ahead than it can was laid there by a clock that has been set back since, while nobody looked.
        let is_far = |at: Timestamp, days: u32| now.plus_days(days + 1) < at;
        let is_at_its_end = held.renew_at <= now || held.expires_at <= now;
        if is_at_its_end || is_far(held.renew_at, RENEW_DAYS) {
            return Some(Call::Renew);
        }
        let uses: Vec<_> = self.uses.iter().map(|own| (own.tag.clone(), own.count)).collect();
        let is_due = self.kept.authorization.as_ref().is_none_or(|own| {
            // After a failure it is time that decides, not what changed.
            let changed = own.last.failure.is_none() && own.uses != uses;
            let is_time = own.next_at <= now || is_far(own.next_at, AUTHORIZE_DAYS);
            self.is_authorization_wanted || is_time || changed
        });
        is_due.then_some(Call::Authorize { uses })
    }

    fn answered(&mut self, now: Timestamp, answer: Answer, effects: &mut Vec<Effect>) {
        let Some((sent_at, call)) = self.in_flight.take() else { return };
        match &answer {
            Answer::Unreachable(why) if !self.is_cut_off => {
                self.is_cut_off = true;
                effects.push(Effect::Tell(Message::CommunicationFailed(why.clone())));
            }
            Answer::Unreachable(_) => {}
            _ if self.is_cut_off => {
                self.is_cut_off = false;
                effects.push(Effect::Tell(Message::CommunicationRestored));
            }
            _ => {}
        }
        match call {
            Call::Register { id_token, force } => {
                let again = Call::Register { id_token, force };
                self.registered(now, sent_at, (answer, again), effects);
            }
            Call::Renew => self.renewed(now, sent_at, answer, effects),
            Call::Authorize { uses } => self.authorized(now, sent_at, (answer, uses), effects),
            Call::Deregister => self.deregistered(now, answer, effects),
        }
    }

    /// The registration is to end, and that is tried until the server has heard of it.
    fn leave(&mut self, now: Timestamp, why: Leaving) {
        self.asked.clear();
        if self.is_registered() {
            self.kept.registration.leaving.get_or_insert(why);
            self.asked.push((now, Call::Deregister));
        }
    }

    /// It is not to end, or is there no more.
    fn stay(&mut self) {
        self.kept.registration.leaving = None;
        self.asked.retain(|(_, call)| *call != Call::Deregister);
    }

    fn deregistered(&mut self, now: Timestamp, answer: Answer, effects: &mut Vec<Effect>) {
        match answer {
            Answer::Deregistered => {
                self.left();
                effects.push(Effect::Tell(Message::Deregistered));
            }
            Answer::Unknown => self.unknown(LOOK_THERE, effects),
            // It was taken back meanwhile, or is over.
            _ if !self.is_leaving() => {}
            other => {
                let (why, is_unreached) = other.failure();
                let wait_seconds = if is_unreached { RETRY_SECONDS } else { Timestamp::DAY };
                self.asked.retain(|(_, call)| *call != Call::Deregister);
                self.asked.push((now + wait_seconds, Call::Deregister));
                if self.told_not_left.as_ref() != Some(&why) {
                    self.told_not_left = Some(why.clone());
                    effects.push(Effect::Tell(Message::DeregistrationFailed(why)));
                }
            }
        }
    }

    fn registered(
        &mut self,
        now: Timestamp,
        sent_at: Timestamp,
        (answer, again): (Answer, Call),
        effects: &mut Vec<Effect>,
    ) {
        let registration = &mut self.kept.registration;
        match answer {
            Answer::Granted(granted) => {
                registration.initial = Some(Attempt { at: now, failure: None });
                registration.renewal = None;
                self.hold(sent_at, granted);
                self.kept.authorization = None;
                effects.push(Effect::Tell(Message::Registered));
            }
            other => {
                let (why, tries_again) = other.failure();
                let told = registration.initial.as_ref().and_then(|own| own.failure.as_ref());
                if told != Some(&why) || !tries_again {
                    effects.push(Effect::Tell(Message::RegistrationFailed(why.clone())));
                }
                registration.initial = Some(Attempt { at: now, failure: Some(why) });
                if tries_again {
                    self.asked.push((now + RETRY_SECONDS, again));
                }
            }
        }
    }

    fn renewed(
        &mut self,
        now: Timestamp,
        sent_at: Timestamp,
        answer: Answer,
        effects: &mut Vec<Effect>,
    ) {
        let registration = &mut self.kept.registration;
        match answer {
            Answer::Granted(granted) => {
                registration.renewal = Some(Attempt { at: now, failure: None });
                self.hold(sent_at, granted);
                effects.push(Effect::Tell(Message::Renewed));
            }
            Answer::Unknown => self.unknown(REGISTER_AGAIN, effects),
            other => {
                let (why, _) = other.failure();
                registration.renewal = Some(Attempt { at: now, failure: Some(why.clone()) });
                if let Some(held) = &mut registration.held {
                    held.renew_at = now.plus_days(1);
                }
                effects.push(Effect::Tell(Message::RenewalFailed(why)));
            }
        }
    }

    fn authorized(
        &mut self,
        now: Timestamp,
        sent_at: Timestamp,
        (answer, uses): (Answer, Vec<(EntitlementTag, u32)>),
        effects: &mut Vec<Effect>,
    ) {
        self.is_authorization_wanted = false;
        match answer {
            Answer::Authorized { out_of_compliance, deadline_at } => {
                let names = |tag: &EntitlementTag| {
                    let own = self.uses.iter().find(|own| own.tag == *tag);
                    own.map_or_else(|| tag.to_string(), |own| own.name.clone())
                };
                let before = self.kept.authorization.as_ref().map(|own| own.compliance.clone());
                let told = if out_of_compliance.is_empty() {
                    Message::InCompliance
                } else {
                    Message::OutOfCompliance(out_of_compliance.iter().map(names).collect())
                };
                let compliance = if out_of_compliance.is_empty() {
                    Compliance::Authorized
                } else {
                    Compliance::OutOfCompliance(out_of_compliance)
                };
                if before.as_ref() != Some(&compliance) {
                    effects.push(Effect::Tell(told));
                }
                self.kept.authorization = Some(Authorization {
                    uses,
                    compliance,
                    at: now,
                    last: Attempt { at: now, failure: None },
                    next_at: sent_at.plus_days(AUTHORIZE_DAYS),
                    deadline_at,
                });
            }
            Answer::Unknown => self.unknown(REGISTER_AGAIN, effects),
            other => {
                let (why, _) = other.failure();
                let last = Attempt { at: now, failure: Some(why) };
                let next_at = now + RETRY_SECONDS;
                match &mut self.kept.authorization {
                    Some(own) => (own.last, own.next_at) = (last, next_at),
                    None => {
                        // Nothing was authorised yet: the registration is what holds.
                        let held = self.kept.registration.held.as_ref();
                        self.kept.authorization = held.map(|held| Authorization {
                            uses,
                            compliance: Compliance::Pending,
                            at: now,
                            last,
                            next_at,
                            deadline_at: held.expires_at,
                        });
                    }
                }
            }
        }
    }

    fn hold(&mut self, sent_at: Timestamp, granted: Granted) {
        let Granted { server, smart_account, virtual_account, expires_at, cslu_url, server_key } =
            granted;
        let registration = &mut self.kept.registration;
        registration.smart_account = Some(smart_account);
        registration.virtual_account = Some(virtual_account);
        let renew_at = sent_at.plus_days(RENEW_DAYS);
        registration.held = Some(Held { server, renew_at, expires_at, cslu_url, server_key });
    }

    /// The server knows no such registration: it was removed there, or the other supervisor made it.
    fn unknown(&mut self, what_to_do: &'static str, effects: &mut Vec<Effect>) {
        self.left();
        effects.push(Effect::Tell(Message::RegistrationUnknown(what_to_do)));
    }

    /// The registration is gone; the names of the accounts stay (guide p. 63).
    fn left(&mut self) {
        self.kept.registration.end();
        self.kept.authorization = None;
        self.stay();
    }
}

impl Answer {
    /// What went wrong, and whether trying again may mend it.
    fn failure(self) -> (String, bool) {
        match self {
            Self::Unreachable(why) => (why, true),
            Self::Refused(why) => (why, false),
            Self::Unknown => ("the server knows no such registration".to_owned(), false),
            Self::Granted(_) | Self::Authorized { .. } | Self::Deregistered => {
                ("the server answered something else".to_owned(), false)
            }
        }
    }
}
