//! Product instances with licensing of before Smart Licensing Using Policy, beside all others in one account (PI-MIG-020, CSSM-034): they
//! register with an id token, say what they use now, renew and go. What they use counts as in use as they say it, until their first
//! report: from then on reports say it, and nothing is counted in both ways (PI-MIG-011).

use rumline_catalogue::Catalogue;
use rumline_protocol::{
    OlderAnswer, OlderCall, OlderResult, OlderUse, OlderWord, PublicKey, Purpose, Request,
    RequestBody, Suite, Timestamp, TrustRequest, Udi, from_base64, is_not_of_the_future,
};
use rumline_server::{Act, audit};
use rumline_store::Tx;

use crate::accounts::add_event;
use crate::books;
use crate::ids::Account;
use crate::instances::{self, About, Instance};
use crate::{Actor, Error, inventory, older, purchases, standing, tokens, totals, trust};

/// What became of a registration.
pub(crate) enum Registered {
    Done(Box<Instance>, OlderResult),
    /// Refused; whoever has to know has been told.
    Refused(String),
}

/// Registers a product instance with an id token. It gets no trust code: it could do nothing with one.
pub(crate) fn register(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (token_text, force): (&str, bool),
    requests: &[TrustRequest],
    about: &About,
) -> Result<Registered, Error> {
    let request = requests.first().ok_or_else(|| Error::invalid("it names no device"))?;
    let udi = request.sudi.to_string();
    let actor = Actor::collector(&udi);
    let Some((smart_account_id, token)) = tokens::find(tx, token_text)? else {
        let text = "the token is not valid";
        audit(tx, now, &actor, &Act::new("token", "unknown").refused(text))?;
        return Ok(Registered::Refused(text.to_owned()));
    };
    let account = (smart_account_id, token.virtual_account_id);
    let refuse = |tx: &mut Tx<'_>, text: String| {
        let told = format!("{udi} was refused with {}: {text}", token.name());
        add_event(tx, now, smart_account_id, &actor, &told)?;
        Ok(Registered::Refused(text))
    };
    if let Some(text) = token.refusal(now) {
        return refuse(tx, text.to_owned());
    }
    let names = standing::read(tx, account.0, account.1)?;
    if let Err(text) = trust::check_meant(request, (token_text, force), requests, &names) {
        return refuse(tx, text);
    }
    let known = instances::find(tx, &request.sudi)?.filter(|known| !known.removed);
    if let Some(known) =
        known.filter(|known| known.public_key == request.public_key && known.account() == account)
        && older::nonce_of(tx, known.id)?.as_deref() == Some(request.nonce.as_str())
    {
        // The answer to the same request got lost.
        return Ok(Registered::Done(Box::new(known), registered(&names, now)));
    }
    let (known, text) = match trust::plan(tx, now, account, (force, true), request)? {
        trust::Step::Refuse(text) => return refuse(tx, text),
        trust::Step::Again(known) => (Some(known), format!("{udi} registered")),
        trust::Step::Take(known, text) => (known, text),
    };
    if token.is_used_up() {
        return refuse(tx, "the token has been used as often as it may be".to_owned());
    }
    tokens::count_use(tx, smart_account_id, token.id)?;
    let text = format!("{text} with {}, by Smart Licensing", token.name());
    add_event(tx, now, smart_account_id, &actor, &text)?;
    let instance = trust::move_to(tx, now, known.map(|known| *known), account, request, about)?;
    older::end_mate(tx, now, &instance)?;
    instances::note_about(tx, &instance, about)?;
    // Whatever it said before its registration, and whoever says it again, is past.
    let asked_at = request.timestamp;
    instances::note_said(tx, instance.id, asked_at.millis())?;
    let sql = "INSERT INTO older_registration (product_instance_id, nonce, registered_at,
        expires_at, public_key) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (product_instance_id) DO UPDATE SET nonce = excluded.nonce,
        registered_at = excluded.registered_at, expires_at = excluded.expires_at,
        public_key = excluded.public_key, authorized_at = NULL, trusted_at = NULL";
    let expires_at = now.plus_days(OlderAnswer::REGISTERED_DAYS);
    let key = instance.public_key.to_text();
    let values = [
        instance.id.into(),
        (&request.nonce).into(),
        asked_at.0.into(),
        expires_at.0.into(),
        (&key).into(),
    ];
    tx.execute(sql, &values)?;
    Ok(Registered::Done(Box::new(instance), registered(&names, now)))
}

fn registered(names: &standing::Standing, now: Timestamp) -> OlderResult {
    OlderResult::Registered {
        smart_account: names.smart_account.clone(),
        virtual_account: names.virtual_account.clone(),
        expires_at: now.plus_days(OlderAnswer::REGISTERED_DAYS),
        cslu_url: None,
        server_key: None,
    }
}

/// Renews a registration.
pub(crate) fn renew(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    about: &About,
) -> Result<OlderResult, Error> {
    let expires_at = now.plus_days(OlderAnswer::REGISTERED_DAYS);
    let sql = "UPDATE older_registration SET expires_at = $1 WHERE product_instance_id = $2";
    if tx.execute(sql, &[expires_at.0.into(), instance.id.into()])? == 0 {
        return Ok(OlderResult::Unknown);
    }
    instances::note_about(tx, instance, about)?;
    let names = standing::read(tx, instance.smart_account_id, instance.virtual_account_id)?;
    Ok(registered(&names, now))
}

/// Takes what a product instance says it uses now, and says of what there is not enough. What it said before and somebody says again
/// (`is_new` is false) is answered, and changes nothing.
pub(crate) fn authorize(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (instance, is_new): (&Instance, bool),
    uses: &[OlderUse],
    about: &About,
) -> Result<OlderResult, Error> {
    check_uses(uses)?;
    if !is_new {
        return match older::asked_at(tx, instance.id)? {
            Some(_) => authorized(tx, now, instance, uses),
            None => Ok(OlderResult::Unknown),
        };
    }
    let sql = "UPDATE older_registration SET authorized_at = $1 WHERE product_instance_id = $2";
    if tx.execute(sql, &[now.0.into(), instance.id.into()])? == 0 {
        return Ok(OlderResult::Unknown);
    }
    instances::note_about(tx, instance, about)?;
    take_uses(tx, now, now, instance, uses)?;
    authorized(tx, now, instance, uses)
}

fn check_uses(uses: &[OlderUse]) -> Result<(), Error> {
    OlderUse::check_all(uses).map_err(Error::invalid)
}

/// What a product instance uses is what it said at this instant, and nothing else.
fn take_uses(
    tx: &mut Tx<'_>,
    now: Timestamp,
    at: Timestamp,
    instance: &Instance,
    uses: &[OlderUse],
) -> Result<(), Error> {
    totals::kept(tx, now, instance.id, |tx| {
        older::clear(tx, instance)?;
        for own in uses {
            let sql = "INSERT INTO license_use (smart_account_id, product_instance_id, tag, count,
                as_of, report_id, spans, is_off, overlap_seconds, virtual_account_id)
                VALUES ($1, $2, $3, $4, $5, 0, '', 0, 0, $6)
                ON CONFLICT (smart_account_id, product_instance_id, tag) DO UPDATE SET
                count = excluded.count, as_of = excluded.as_of";
            let values = [
                instance.smart_account_id.into(),
                instance.id.into(),
                own.tag.as_str().into(),
                i64::from(own.count).into(),
                at.0.into(),
                instance.virtual_account_id.into(),
            ];
            tx.execute(sql, &values)?;
        }
        Ok(())
    })
}

/// Of what there is not enough for what a product instance uses.
fn authorized(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    uses: &[OlderUse],
) -> Result<OlderResult, Error> {
    let holdings = purchases::holdings(tx, instance.smart_account_id)?;
    let used = totals::uses(tx, instance.smart_account_id)?;
    let catalogue = Catalogue::nexus();
    let balances = books::balances(now.0, &holdings, &used, catalogue.tiers());
    let is_short = |tag: &str| {
        let license = catalogue.license_of(tag);
        let own = balances.iter().find(|view| {
            view.virtual_account_id == instance.virtual_account_id && view.license == license
        });
        own.is_some_and(|view| view.balance < 0)
    };
    let short = uses.iter().filter(|own| is_short(own.tag.as_str()));
    Ok(OlderResult::Authorized {
        out_of_compliance: short.map(|own| own.tag.clone()).collect(),
        deadline_at: now.plus_days(OlderAnswer::AUTHORIZED_DAYS),
    })
}

/// A product instance goes, as it asked at this instant of its clock. What ended an earlier registration ends no later one, whoever
/// says it again.
pub(crate) fn deregister(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    said_at_millis: i64,
) -> Result<OlderResult, Error> {
    let Some(asked_at) = older::asked_at(tx, instance.id)? else { return Ok(OlderResult::Unknown) };
    if said_at_millis <= asked_at.millis() {
        return Err(Error::invalid(
            "it was registered after it said so, or in that second: ask again",
        ));
    }
    older::forget(tx, instance.id)?;
    let actor = Actor::collector(&instance.udi.to_string());
    inventory::remove(tx, now, &actor, instance.smart_account_id, instance)?;
    Ok(OlderResult::Deregistered)
}

/// What an SSM On-Prem passed on of a product instance that is registered there, checked with the key of the product instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    registered_at: Timestamp,
    expires_at: Timestamp,
    /// When the product instance said it.
    pub said_at: Timestamp,
    nonce: String,
    pub is_farewell: bool,
    uses: Vec<OlderUse>,
}

impl Carried {
    /// Reads and checks it.
    pub(crate) fn check(
        suite: &dyn Suite,
        now: Timestamp,
        cssm: &str,
        (udi, key): (&Udi, &PublicKey),
        word: &OlderWord,
    ) -> Result<Self, Error> {
        let bad = |why: &str| Error::invalid(format!("{udi}: what it said of its licenses {why}"));
        let request = Request::read(word.message.as_bytes()).map_err(|why| bad(&why))?;
        let proof = request.proof.as_deref().and_then(from_base64).unwrap_or_default();
        let is_its = request.sudi == *udi
            && request.body.is_proven()
            && suite.verify(key, request.proof_text(cssm).as_bytes(), &proof);
        if !is_its {
            return Err(bad("is not signed by it, or not for this CSSM"));
        }
        let said_at = Timestamp::from_millis(request.timestamp);
        if !is_not_of_the_future(now, said_at) {
            return Err(bad("is of a time to come: check the clock"));
        }
        let (is_farewell, uses) = match request.body {
            RequestBody::SmartLicensing { call: OlderCall::Authorize, uses, .. } => (false, uses),
            RequestBody::SmartLicensing { call: OlderCall::Deregister, .. } => (true, Vec::new()),
            _ => return Err(bad("is of another kind")),
        };
        check_uses(&uses)?;
        let expires_max = said_at.plus_days(OlderAnswer::REGISTERED_DAYS);
        Ok(Self {
            registered_at: word.registered_at.min(said_at),
            expires_at: word.expires_at.min(expires_max),
            said_at,
            nonce: request.nonce,
            is_farewell,
            uses,
        })
    }

    fn answer(&self, now: Timestamp, udi: &Udi, result: OlderResult) -> OlderAnswer {
        OlderAnswer {
            purpose: Purpose::OlderLicensing,
            sudi: udi.clone(),
            answers: self.nonce.clone(),
            issued_at: now,
            result,
        }
    }

    /// Whether something newer is known of the product instance than what was carried: a later word of it or of the other supervisor of
    /// its chassis, or a report of after it.
    fn is_past(&self, tx: &mut Tx<'_>, instance: &Instance) -> Result<bool, Error> {
        let mate = older::mate(tx, &instance.udi, &instance.public_key)?;
        let mut newest = instance.head.last_end_at;
        for own in [Some(instance), mate.as_ref()].into_iter().flatten() {
            let sql = "SELECT registered_at, authorized_at FROM older_registration
                WHERE product_instance_id = $1";
            let known = tx.row(sql, &[own.id.into()], |row| {
                Ok::<_, Error>(row.opt_int(1)?.unwrap_or(row.int(0)?))
            })?;
            newest = newest.max(known.unwrap_or(i64::MIN));
        }
        Ok(newest > self.said_at.0)
    }
}

/// Takes what an SSM On-Prem passed on of a product instance: from then on it counts as what one registered here says itself.
pub(crate) fn carried(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    (word, about): (&Carried, &About),
    through: &str,
) -> Result<OlderAnswer, Error> {
    let is_past = word.is_past(tx, instance)?;
    if word.is_farewell {
        let result = match is_past {
            true => OlderResult::Deregistered,
            false => deregister(tx, now, instance, word.said_at.millis())?,
        };
        if result == OlderResult::Deregistered && !is_past {
            went_at(tx, instance, word.said_at)?;
        }
        return Ok(word.answer(now, &instance.udi, result));
    }
    if !is_past {
        older::take_over(tx, now, (&instance.udi, &instance.public_key), about)?;
        older::end_mate(tx, now, instance)?;
        let is_new = older::nonce_of(tx, instance.id)?.is_none();
        let sql = "INSERT INTO older_registration (product_instance_id, nonce, registered_at,
            expires_at, authorized_at, public_key) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (product_instance_id) DO UPDATE SET nonce = excluded.nonce,
            registered_at = excluded.registered_at, expires_at = excluded.expires_at,
            authorized_at = excluded.authorized_at, public_key = excluded.public_key";
        let key = instance.public_key.to_text();
        let values = [
            instance.id.into(),
            (&word.nonce).into(),
            word.registered_at.0.into(),
            word.expires_at.0.into(),
            word.said_at.0.into(),
            (&key).into(),
        ];
        tx.execute(sql, &values)?;
        instances::note_about(tx, instance, about)?;
        take_uses(tx, now, word.said_at, instance, &word.uses)?;
        if is_new {
            let text = format!("{} registered with {through}, by Smart Licensing", instance.udi);
            let actor = Actor::collector(through);
            add_event(tx, now, instance.smart_account_id, &actor, &text)?;
        }
    }
    let result = authorized(tx, now, instance, &word.uses)?;
    Ok(word.answer(now, &instance.udi, result))
}

/// What an SSM On-Prem is told of one that is not here any more, for what was said before it went. One that goes and never was here is
/// noted as gone, so that what it said before that does not bring it here when it comes late.
pub(crate) fn gone(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: Account,
    (udi, key): (&Udi, &PublicKey),
    (word, about): (&Carried, &About),
) -> Result<Option<OlderAnswer>, Error> {
    let sql = "SELECT removed_at, id FROM product_instance WHERE serial = $1 AND pid = $2";
    let known = tx.row(sql, &[(&udi.serial).into(), (&udi.pid).into()], |row| {
        let removed_at = row.opt_int(0)?;
        let id = row.id(1)?;
        Ok::<_, Error>(removed_at.map(|at| (at, id)))
    })?;
    let is_gone = match known {
        None if word.is_farewell => {
            let instance = instances::register(tx, now, None, account, udi, key, about)?;
            let actor = Actor::collector(&udi.to_string());
            inventory::remove(tx, now, &actor, account.0, &instance)?;
            went_at(tx, &instance, word.said_at)?;
            true
        }
        None | Some(None) => false,
        // Its owner removed it: it is back where it registered since. By its own clock, as all it says.
        Some(Some((removed_at, id))) => match older::asked_at(tx, id)? {
            _ if word.is_farewell => true,
            Some(asked_at) => word.registered_at <= asked_at,
            None => word.said_at.0 < removed_at,
        },
    };
    let result = if word.is_farewell { OlderResult::Deregistered } else { OlderResult::Unknown };
    Ok(is_gone.then(|| word.answer(now, udi, result)))
}

/// It went when it said so: what it says after that is newer, however late this came.
fn went_at(tx: &mut Tx<'_>, instance: &Instance, at: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE product_instance SET removed_at = $1 WHERE id = $2";
    tx.execute(sql, &[at.0.into(), instance.id.into()])?;
    Ok(())
}
