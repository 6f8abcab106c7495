//! Trust codes (guide p. 13, 42-43, 67, 81; CSSM-024, PI-TRUST).

use rumline_catalogue::Catalogue;
use rumline_protocol::{
    Purpose, Signed, SignedText, Suite, Timestamp, TrustCode, TrustRequest, is_of_now,
};
use rumline_server::{Act, audit, next_id};
use rumline_store::Tx;

use crate::accounts::{add_event, virtual_account};
use crate::ids::Account;
use crate::instances::{self, About, Instance, IssuedTrust};
use crate::{Actor, Error, claims, conversions, older, standing, tokens};

/// Reads trust requests and checks that each is signed by the key it names, for this CSSM, now.
/// Trust requests of a message: one of each supervisor, and room.
const REQUESTS_MAX: usize = 16;

pub(crate) fn parse_requests(
    suite: &dyn Suite,
    now: Timestamp,
    cssm: &str,
    texts: &[SignedText],
) -> Result<Vec<TrustRequest>, Error> {
    let mut requests: Vec<TrustRequest> = Vec::new();
    if texts.len() > REQUESTS_MAX {
        let text = format!("the message holds more than {REQUESTS_MAX} trust requests");
        return Err(Error::invalid(text));
    }
    for text in texts {
        let signed: Signed<TrustRequest> =
            Signed::parse("trust request", text.data.clone(), &text.signature)
                .map_err(|error| Error::invalid(error.to_string()))?;
        if !is_of_now(now, signed.value.timestamp) {
            return Err(Error::invalid("timestamp mismatch"));
        }
        if requests.iter().any(|known| known.sudi == signed.value.sudi) {
            return Err(Error::invalid("the message holds two trust requests of one device"));
        }
        requests.push(check_request(suite, now, cssm, signed)?);
    }
    if requests.is_empty() {
        return Err(Error::invalid("the message holds no trust request"));
    }
    Ok(requests)
}

pub(crate) fn check_request(
    suite: &dyn Suite,
    now: Timestamp,
    cssm: &str,
    signed: Signed<TrustRequest>,
) -> Result<TrustRequest, Error> {
    let checked = signed.check(suite).and_then(|()| signed.check_terms(now, cssm));
    checked.map_err(|error| Error::invalid(error.to_string()))?;
    Ok(signed.value)
}

/// What became of a token that was shown.
pub(crate) enum Exchange {
    Done(Box<Instance>, Vec<TrustCode>),
    /// Refused; whoever has to know has been told.
    Refused(String),
}

/// What is to be done for one trust request, found before anything is written.
pub(crate) enum Step {
    /// The answer to the same request got lost.
    Again(Box<Instance>),
    /// Registered, or moved, or given another key; and what the account is told.
    Take(Option<Box<Instance>>, String),
    Refuse(String),
}

/// Exchanges a token for trust codes.
pub(crate) fn exchange(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (token_text, force): (&str, bool),
    requests: &[TrustRequest],
    about: &About,
) -> Result<Exchange, Error> {
    let udi = requests.first().map_or(String::new(), |request| request.sudi.to_string());
    let Some((smart_account_id, token)) = tokens::find(tx, token_text)? else {
        let text = "the token is not valid";
        let actor = Actor::collector(&udi);
        audit(tx, now, &actor, &Act::new("token", "unknown").refused(text))?;
        return Ok(Exchange::Refused(text.to_owned()));
    };
    let account = (smart_account_id, token.virtual_account_id);
    let refuse = |tx: &mut Tx<'_>, text: &str| {
        let told = format!("{udi} was refused with {}: {text}", token.name());
        add_event(tx, now, smart_account_id, &Actor::collector(&udi), &told)?;
        Ok(Exchange::Refused(text.to_owned()))
    };
    if let Some(text) = token.refusal(now) {
        return refuse(tx, text);
    }
    let names = standing::read(tx, account.0, account.1)?;
    let mut steps = Vec::with_capacity(requests.len());
    for request in requests {
        let meant = check_meant(request, (token_text, force), requests, &names);
        let step = match meant {
            Err(text) => Step::Refuse(text),
            Ok(()) => plan(tx, now, account, (force, false), request)?,
        };
        if let Step::Refuse(text) = &step {
            return refuse(tx, text);
        }
        steps.push(step);
    }
    // A request whose answer was lost is answered again, also when it took the token's last use.
    if !steps.iter().all(|step| matches!(step, Step::Again(_))) {
        if token.is_used_up() {
            return refuse(tx, "the token has been used as often as it may be");
        }
        tokens::count_use(tx, smart_account_id, token.id)?;
    }
    let (mut codes, mut first) = (Vec::new(), None);
    for (request, step) in requests.iter().zip(steps) {
        let instance = match step {
            Step::Again(instance) => *instance,
            Step::Take(known, text) => {
                let text = format!("{text} with {}", token.name());
                add_event(tx, now, smart_account_id, &Actor::collector(&udi), &text)?;
                move_to(tx, now, known.map(|known| *known), account, request, about)?
            }
            Step::Refuse(_) => unreachable!("refused above"),
        };
        codes.push(issue(tx, now, &instance, request)?);
        note_set(tx, first.as_ref(), &instance)?;
        first.get_or_insert(instance);
    }
    let instance = first.ok_or_else(|| Error::invalid("the message holds no trust request"))?;
    Ok(Exchange::Done(Box::new(instance), codes))
}

/// Two supervisors are of one switch (PI-HA-010).
pub(crate) fn note_set(
    tx: &mut Tx<'_>,
    active: Option<&Instance>,
    standby: &Instance,
) -> Result<(), Error> {
    let Some(active) = active else { return Ok(()) };
    let sql = "UPDATE product_instance SET ha_set = $1 WHERE id = $1 OR id = $2";
    tx.execute(sql, &[active.id.into(), standby.id.into()])?;
    Ok(())
}

/// Whether a request was made for this token, this account, and in this message.
pub(crate) fn check_meant(
    request: &TrustRequest,
    (token, force): (&str, bool),
    all: &[TrustRequest],
    names: &standing::Standing,
) -> Result<(), String> {
    if request.token_sha256.as_deref() != Some(TrustRequest::token_digest(token).as_str()) {
        return Err("the trust request was made for another token".to_owned());
    }
    if request.force != force {
        return Err("the trust request does not say what the message says of force".to_owned());
    }
    let other = |told: &Option<String>, own: &str| told.as_ref().is_some_and(|told| told != own);
    if other(&request.smart_account, &names.smart_account)
        || other(&request.virtual_account, &names.virtual_account)
    {
        return Err("SA/VA mismatch".to_owned());
    }
    check_supervisor(request, &all[0])
}

/// A standby has its active supervisor's key and model, and models without one have none.
fn check_supervisor(request: &TrustRequest, active: &TrustRequest) -> Result<(), String> {
    if request.sudi == active.sudi {
        return Ok(());
    }
    if !Catalogue::nexus().may_have_standby(&request.sudi.pid) {
        return Err(format!("{} has no standby supervisor", request.sudi.pid));
    }
    if request.public_key == active.public_key && request.sudi.pid == active.sudi.pid {
        Ok(())
    } else {
        Err("the standby is of another model or key than the active supervisor".to_owned())
    }
}

/// What is to be done for a request: of a device with a trust code, that asks for another one unless it has none to ask with
/// (`is_older`).
pub(crate) fn plan(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: Account,
    (force, is_older): (bool, bool),
    request: &TrustRequest,
) -> Result<Step, Error> {
    let udi = &request.sudi;
    let Some(known) = instances::find(tx, udi)? else {
        return Ok(Step::Take(None, format!("{udi} registered")));
    };
    if known.removed {
        return Ok(Step::Take(Some(Box::new(known)), format!("{udi} registered anew")));
    }
    if known.smart_account_id != account.0 {
        // Nothing moves between smart accounts but by its owner.
        claims::tell_owner(tx, now, &known)?;
        let text = "SA/VA mismatch: the device belongs to another Smart Account, whose owner has to \
                    remove it there first";
        return Ok(Step::Refuse(text.to_owned()));
    }
    let same_key = known.public_key == request.public_key;
    if same_key && known.trust.as_ref().is_some_and(|trust| trust.nonce == request.nonce) {
        return Ok(Step::Again(Box::new(known)));
    }
    if !force {
        let refusal = if known.virtual_account_id != account.1 {
            Some("SA/VA mismatch")
        } else if known.trust.is_some() && !is_older {
            Some("already installed")
        } else if !same_key {
            Some("the device is known with another key")
        } else {
            None
        };
        if let Some(text) = refusal {
            return Ok(Step::Refuse(text.to_owned()));
        }
    }
    let text = if !same_key {
        format!("{udi} registered with another key")
    } else if known.virtual_account_id != account.1 {
        let from = virtual_account(tx, account.0, known.virtual_account_id)?.name;
        let to = virtual_account(tx, account.0, account.1)?.name;
        format!("{udi} moved from {from} to {to}")
    } else if is_older {
        format!("{udi} registered")
    } else {
        format!("trust code of {udi} renewed")
    };
    Ok(Step::Take(Some(Box::new(known)), text))
}

pub(crate) fn move_to(
    tx: &mut Tx<'_>,
    now: Timestamp,
    known: Option<Instance>,
    account: Account,
    request: &TrustRequest,
    about: &About,
) -> Result<Instance, Error> {
    let mut about = about.clone();
    about.identifier.clone_from(&request.product_instance_identifier);
    let (udi, key) = (&request.sudi, &request.public_key);
    claims::settle(tx, now, account.0, udi)?;
    // A registration of before ended with its removal.
    if let Some(known) = known.as_ref().filter(|known| known.removed) {
        older::forget(tx, known.id)?;
    }
    instances::register(tx, now, known, account, udi, key, &about)
}

/// Issues the trust codes that a device asked for beside its reports: for itself, and for a standby that has the same
/// key and belongs to nobody else (PI-TRUST-011).
pub(crate) fn issue_for_device(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    requests: &[TrustRequest],
    about: &About,
) -> Result<Vec<TrustCode>, Error> {
    let mut codes = Vec::new();
    // One that was made for a token is of use with that token alone.
    let usable = |request: &&TrustRequest| {
        request.public_key == instance.public_key && request.token_sha256.is_none()
    };
    for request in requests.iter().filter(usable) {
        if request.sudi == instance.udi {
            codes.push(issue(tx, now, instance, request)?);
            continue;
        }
        let active = TrustRequest { sudi: instance.udi.clone(), ..request.clone() };
        if check_supervisor(request, &active).is_err() {
            continue;
        }
        let standby = match instances::find(tx, &request.sudi)? {
            known if known.as_ref().is_none_or(|known| known.removed) => {
                move_to(tx, now, known, instance.account(), request, about)?
            }
            Some(known)
                if known.public_key == request.public_key
                    && known.smart_account_id == instance.smart_account_id =>
            {
                known
            }
            _ => continue,
        };
        codes.push(issue(tx, now, &standby, request)?);
        note_set(tx, Some(instance), &standby)?;
    }
    // The code it has may name the account it came from, or its own may have got lost.
    if codes.is_empty() {
        codes.extend(renewal(tx, now, instance)?);
    }
    Ok(codes)
}

/// Issues a trust code for a product instance's key; the same one to the same request while it is of now.
pub(crate) fn issue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    request: &TrustRequest,
) -> Result<TrustCode, Error> {
    let known = instance.trust.as_ref().filter(|trust| {
        trust.nonce == request.nonce
            && trust.virtual_account_id == Some(instance.virtual_account_id)
            && is_of_now(now, trust.issued_at)
    });
    let trust = match known {
        Some(trust) => trust.clone(),
        None => note_issued(tx, now, instance, &request.nonce)?,
    };
    older::trusted(tx, now, instance)?;
    conversions::book(tx, now, instance, &request.conversion)?;
    code(tx, instance, &trust)
}

fn note_issued(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    nonce: &str,
) -> Result<IssuedTrust, Error> {
    let trust = IssuedTrust {
        id: next_id(tx, "trust_code")?,
        issued_at: now,
        nonce: nonce.to_owned(),
        virtual_account_id: Some(instance.virtual_account_id),
    };
    let sql = "UPDATE product_instance SET trust_id = $1, trust_issued_at = $2, trust_nonce = $3,
        trust_virtual_account_id = $4 WHERE id = $5";
    let values = [
        trust.id.into(),
        now.0.into(),
        nonce.into(),
        instance.virtual_account_id.into(),
        instance.id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(trust)
}

fn code(tx: &mut Tx<'_>, instance: &Instance, trust: &IssuedTrust) -> Result<TrustCode, Error> {
    let standing = standing::read(tx, instance.smart_account_id, instance.virtual_account_id)?;
    Ok(TrustCode {
        trust_id: u64::try_from(trust.id).unwrap_or(0),
        sudi: instance.udi.clone(),
        product_instance_identifier: instance.identifier.clone(),
        public_key: instance.public_key.clone(),
        smart_account: standing.smart_account,
        virtual_account: standing.virtual_account,
        issued_at: trust.issued_at,
        expires_at: trust.issued_at.plus_days(TrustCode::VALID_DAYS),
        purpose: Purpose::TrustCode,
        answers: trust.nonce.clone(),
        conversions: conversions::of(tx, instance)?,
    })
}

/// Notes a trust code that this CSSM gave before it was set back; numbers go on above it.
pub(crate) fn restore(tx: &mut Tx<'_>, instance: &Instance, code: &TrustCode) -> Result<(), Error> {
    let id = i64::try_from(code.trust_id).unwrap_or(0);
    let sql = "UPDATE product_instance SET trust_id = $1, trust_issued_at = $2, trust_nonce = $3,
        trust_virtual_account_id = $4 WHERE id = $5";
    let values = [
        id.into(),
        code.issued_at.0.into(),
        (&code.answers).into(),
        instance.virtual_account_id.into(),
        instance.id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(tx.numbers_above("trust_code", id)?)
}

/// A trust code for a product instance whose code names another account than it is in now, or does not seem to have
/// arrived: the same one until its reports say that it has it.
pub(crate) fn renewal(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
) -> Result<Option<TrustCode>, Error> {
    let Some(trust) = &instance.trust else { return Ok(None) };
    if trust.virtual_account_id != Some(instance.virtual_account_id) {
        let trust = note_issued(tx, now, instance, &trust.nonce)?;
        return code(tx, instance, &trust).map(Some);
    }
    if instance.told_trust_id.is_none_or(|told| told == trust.id) {
        return Ok(None);
    }
    // A device takes from the wire what was written now.
    if is_of_now(now, trust.issued_at) {
        return code(tx, instance, trust).map(Some);
    }
    let trust = note_issued(tx, now, instance, &trust.nonce)?;
    code(tx, instance, &trust).map(Some)
}
