//! The signed documents CSSM answers with.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rumline_protocol::{
    AccountInfo, Acknowledgement, DocumentWriter, Policy, Signed, SigningIdentity, Timestamp,
    TrustCode, acknowledgement_text,
};

/// Account information and policy are signed anew after this, or as soon as they say something else.
const STANDING_SECONDS: i64 = 600;

/// What every answer to a virtual account says: the account, and its policy if it has one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub smart_account_id: i64,
    pub smart_account: String,
    pub smart_account_domain: String,
    pub virtual_account_id: i64,
    pub virtual_account: String,
    pub policy: Option<Policy>,
}

/// What was read of an account serves this long: a policy that has just changed reaches devices that much later.
const READ_SECONDS: i64 = 5;

/// Signatures that serve many answers. A cache: losing it costs time only.
pub(crate) type StandingCache = Mutex<BTreeMap<i64, SignedStanding>>;

#[derive(Clone)]
pub(crate) struct SignedStanding {
    standing: Standing,
    signed_at: Timestamp,
    read_at: Timestamp,
    account: Signed<AccountInfo>,
    policy: Signed<Policy>,
}

/// What answers to a virtual account say: as read a moment ago, or read anew.
pub(crate) fn standing(
    cache: &StandingCache,
    now: Timestamp,
    (smart_account_id, virtual_account_id): (i64, i64),
    read: impl FnOnce() -> Result<Standing, crate::Error>,
) -> Result<Standing, crate::Error> {
    if let Some(known) =
        cache.lock().unwrap_or_else(PoisonError::into_inner).get(&virtual_account_id)
        && known.standing.smart_account_id == smart_account_id
        && (0..READ_SECONDS).contains(&now.since(known.read_at))
    {
        return Ok(known.standing.clone());
    }
    read()
}

/// What one answer says.
pub(crate) struct Contents<'a> {
    pub acknowledgements: &'a [Acknowledgement],
    pub trust_codes: Vec<TrustCode>,
    /// What the account says; nothing to a device that is refused, which may be another's.
    pub standing: Option<&'a Standing>,
    /// Whether to send the Cisco default where the account has no policy of its own.
    pub policy_wanted: bool,
    pub correlation_id: &'a str,
}

pub(crate) fn document(
    contents: Contents<'_>,
    issuer: &SigningIdentity,
    cache: &StandingCache,
    now: Timestamp,
) -> String {
    let signer = issuer.signer.as_ref();
    let mut writer = DocumentWriter::new();
    if !contents.acknowledgements.is_empty() {
        let entries = contents.acknowledgements.to_vec();
        writer.acknowledgement(&Signed::new(acknowledgement_text(&entries), entries, signer));
    }
    let signed =
        contents.standing.map(|standing| (standing, signed_standing(standing, issuer, cache, now)));
    if let Some((_, signed)) = &signed {
        writer.account(&signed.account);
    }
    for code in contents.trust_codes {
        writer.trust_code(&Signed::json(code, signer));
    }
    if let Some((standing, signed)) = &signed
        && (contents.policy_wanted || standing.policy.is_some())
    {
        writer.policy(&signed.policy);
    }
    writer.correlation_id(contents.correlation_id);
    writer.certificate(&issuer.certificate);
    writer.finish()
}

fn signed_standing(
    standing: &Standing,
    issuer: &SigningIdentity,
    cache: &StandingCache,
    now: Timestamp,
) -> SignedStanding {
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cache.get_mut(&standing.virtual_account_id)
        && known.standing == *standing
        && (0..STANDING_SECONDS).contains(&now.since(known.signed_at))
    {
        if !(0..READ_SECONDS).contains(&now.since(known.read_at)) {
            known.read_at = now;
        }
        return known.clone();
    }
    let signer = issuer.signer.as_ref();
    let info = AccountInfo {
        timestamp_millis: now.millis(),
        smart_account: standing.smart_account.clone(),
        virtual_account: standing.virtual_account.clone(),
        smart_account_id: standing.smart_account_id,
        virtual_account_id: standing.virtual_account_id,
        smart_account_domain: standing.smart_account_domain.clone(),
    };
    let mut policy = standing.policy.clone().unwrap_or_else(|| Policy {
        smart_account: standing.smart_account.clone(),
        ..Policy::cisco_default()
    });
    policy.issued_at = now;
    let policy = Signed::json(policy, signer);
    let fresh = SignedStanding {
        standing: standing.clone(),
        signed_at: now,
        read_at: now,
        account: Signed::new(info.signed_text(), info, signer),
        policy,
    };
    cache.insert(standing.virtual_account_id, fresh.clone());
    fresh
}

/// A policy file.
pub(crate) fn policy_document(policy: Policy, issuer: &SigningIdentity) -> String {
    let mut writer = DocumentWriter::new();
    writer.policy(&Signed::json(policy, issuer.signer.as_ref()));
    writer.certificate(&issuer.certificate).finish()
}
