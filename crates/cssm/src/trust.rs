//! Trust codes (guide p. 13, 42-43, 67, 81; CSSM-024, PI-TRUST).

use rumline_protocol::{Signed, SignedText, Suite, Timestamp, TrustCode, TrustRequest};
use rumline_store::Tx;

use crate::Error;
use crate::instances::{self, About, Instance};
use crate::tokens;
use rumline_server::next_id;

/// The device's clock and ours may differ by less than this (PI-NET-032).
const SKEW_SECONDS: i64 = Timestamp::HOUR;

/// Reads trust requests and checks that each is signed by the key it names.
pub(crate) fn parse_requests(
    suite: &dyn Suite,
    texts: &[SignedText],
) -> Result<Vec<TrustRequest>, Error> {
    let mut requests = Vec::new();
    for text in texts.iter().take(16) {
        let signed: Signed<TrustRequest> =
            Signed::parse("trust request", text.data.clone(), &text.signature)
                .map_err(|error| Error::invalid(error.to_string()))?;
        requests.push(check_request(suite, signed)?);
    }
    if requests.is_empty() {
        return Err(Error::invalid("the message holds no trust request"));
    }
    Ok(requests)
}

pub(crate) fn check_request(
    suite: &dyn Suite,
    signed: Signed<TrustRequest>,
) -> Result<TrustRequest, Error> {
    signed.check(suite).map_err(|error| Error::invalid(error.to_string()))?;
    Ok(signed.value)
}

/// Exchanges a token for trust codes.
pub(crate) fn exchange(
    tx: &mut Tx<'_>,
    now: Timestamp,
    token: &str,
    force: bool,
    requests: &[TrustRequest],
    about: &About,
) -> Result<(Instance, Vec<TrustCode>), Error> {
    let (smart_account_id, token) = tokens::usable_token(tx, now, token)?;
    let mut answered_before = true;
    let mut codes = Vec::new();
    let mut first = None;
    for request in requests {
        if now.since(request.timestamp).abs() >= SKEW_SECONDS {
            return Err(Error::invalid("timestamp mismatch"));
        }
        let known = instances::find(tx, &request.sudi)?;
        let same_request = known.as_ref().is_some_and(|known| {
            !known.removed
                && known.trust_nonce.as_deref() == Some(&request.nonce)
                && known.public_key == request.public_key
        });
        let account = (smart_account_id, token.virtual_account_id);
        let instance = match known {
            Some(known) if same_request => known,
            // Another key with another account's token would take a device away from its owner.
            Some(known)
                if !known.removed
                    && known.smart_account_id != smart_account_id
                    && known.public_key != request.public_key =>
            {
                return Err(Error::invalid("SA/VA mismatch"));
            }
            Some(known) if !force && !known.removed => {
                check_known(&known, account, request)?;
                move_to(tx, now, Some(known), account, request, about)?
            }
            known => move_to(tx, now, known, account, request, about)?,
        };
        answered_before &= same_request;
        codes.push(issue(tx, now, &instance, request)?);
        first.get_or_insert(instance);
    }
    // A request whose answer was lost is answered again, also when it took the token's last use.
    if !answered_before {
        tokens::check_uses(&token)?;
        tokens::count_use(tx, smart_account_id, token.id)?;
    }
    let instance = first.ok_or_else(|| Error::invalid("the message holds no trust request"))?;
    Ok((instance, codes))
}

/// What a second registration is refused for, unless forced.
fn check_known(known: &Instance, account: (i64, i64), request: &TrustRequest) -> Result<(), Error> {
    if (known.smart_account_id, known.virtual_account_id) != account {
        return Err(Error::invalid("SA/VA mismatch"));
    }
    if known.trust_id.is_some() {
        return Err(Error::invalid("already installed"));
    }
    if known.public_key != request.public_key {
        return Err(Error::invalid("the device is known with another key"));
    }
    Ok(())
}

fn move_to(
    tx: &mut Tx<'_>,
    now: Timestamp,
    known: Option<Instance>,
    account: (i64, i64),
    request: &TrustRequest,
    about: &About,
) -> Result<Instance, Error> {
    let mut about = about.clone();
    about.identifier.clone_from(&request.product_instance_identifier);
    let (udi, key) = (&request.sudi, &request.public_key);
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
    for request in requests.iter().filter(|r| r.public_key == instance.public_key) {
        if request.sudi == instance.udi {
            codes.push(issue(tx, now, instance, request)?);
            continue;
        }
        let account = (instance.smart_account_id, instance.virtual_account_id);
        let standby = match instances::find(tx, &request.sudi)? {
            known if known.as_ref().is_none_or(|known| known.removed) => {
                move_to(tx, now, known, account, request, about)?
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
    }
    Ok(codes)
}

/// Issues a trust code for a product instance's key.
pub(crate) fn issue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    request: &TrustRequest,
) -> Result<TrustCode, Error> {
    let standing = instances::standing(tx, instance.smart_account_id, instance.virtual_account_id)?;
    let trust_id = next_id(tx, "trust_code")?;
    let sql = "UPDATE product_instance SET trust_id = $1, trust_issued_at = $2, trust_nonce = $3
        WHERE id = $4";
    let values = [trust_id.into(), now.0.into(), (&request.nonce).into(), instance.id.into()];
    tx.execute(sql, &values)?;
    Ok(TrustCode {
        trust_id: u64::try_from(trust_id).unwrap_or(0),
        sudi: request.sudi.clone(),
        product_instance_identifier: request.product_instance_identifier.clone(),
        public_key: request.public_key.clone(),
        smart_account: standing.smart_account,
        virtual_account: standing.virtual_account,
        issued_at: now,
        expires_at: now.plus_days(TrustCode::VALID_DAYS),
    })
}
