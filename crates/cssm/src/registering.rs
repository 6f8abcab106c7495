//! Product instances with licensing of before Smart Licensing Using Policy, beside all others in one account (PI-MIG-020, CSSM-034): they
//! register with an id token, say what they use now, renew and go. What they use counts as in use as they say it, until their first
//! report: from then on reports say it, and nothing is counted in both ways (PI-MIG-011).

use rumline_catalogue::Catalogue;
use rumline_protocol::{OlderAnswer, OlderResult, OlderUse, Timestamp, TrustRequest};
use rumline_server::{Act, audit};
use rumline_store::Tx;

use crate::accounts::add_event;
use crate::books;
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
    instances::note_about(tx, &instance, about)?;
    let sql =
        "INSERT INTO older_registration (product_instance_id, nonce, registered_at, expires_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT (product_instance_id) DO UPDATE SET
        nonce = excluded.nonce, registered_at = excluded.registered_at,
        expires_at = excluded.expires_at, authorized_at = NULL, trusted_at = NULL";
    let expires_at = now.plus_days(OlderAnswer::REGISTERED_DAYS);
    let values = [instance.id.into(), (&request.nonce).into(), now.0.into(), expires_at.0.into()];
    tx.execute(sql, &values)?;
    Ok(Registered::Done(Box::new(instance), registered(&names, now)))
}

fn registered(names: &standing::Standing, now: Timestamp) -> OlderResult {
    OlderResult::Registered {
        smart_account: names.smart_account.clone(),
        virtual_account: names.virtual_account.clone(),
        expires_at: now.plus_days(OlderAnswer::REGISTERED_DAYS),
        cslu_url: None,
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

/// Takes what a product instance says it uses now, and says of what there is not enough.
pub(crate) fn authorize(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    uses: &[OlderUse],
    about: &About,
) -> Result<OlderResult, Error> {
    let sql = "UPDATE older_registration SET authorized_at = $1 WHERE product_instance_id = $2";
    if tx.execute(sql, &[now.0.into(), instance.id.into()])? == 0 {
        return Ok(OlderResult::Unknown);
    }
    if uses.len() > OlderAnswer::USES_MAX {
        return Err(Error::invalid("the message names too many licenses"));
    }
    for own in uses {
        own.tag.check().map_err(|error| Error::invalid(error.to_string()))?;
    }
    instances::note_about(tx, instance, about)?;
    totals::kept(tx, instance.id, |tx| {
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
                now.0.into(),
                instance.virtual_account_id.into(),
            ];
            tx.execute(sql, &values)?;
        }
        Ok(())
    })?;
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

/// A product instance goes, as it asked.
pub(crate) fn deregister(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
) -> Result<OlderResult, Error> {
    if older::nonce_of(tx, instance.id)?.is_none() {
        return Ok(OlderResult::Unknown);
    }
    older::forget(tx, instance.id)?;
    let actor = Actor::collector(&instance.udi.to_string());
    inventory::remove(tx, now, &actor, instance.smart_account_id, instance)?;
    Ok(OlderResult::Deregistered)
}
