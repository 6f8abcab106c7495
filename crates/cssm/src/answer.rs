//! The signed documents CSSM answers with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rumline_protocol::{
    AccountInfo, Acknowledgement, Document, DocumentWriter, OlderAnswer, Policy, ReportRequest,
    Signed, SigningIdentity, Timestamp, TrustCode, acknowledgement_text,
};

use crate::ids::{Account, SmartAccountId, VirtualAccountId};
use crate::standing::{self, Standing};
use crate::{Cssm, Error};

/// What was read of an account serves this long: what has just changed reaches devices that much later at most.
const READ_SECONDS: i64 = 5;

/// What was read of accounts, and signatures that serve many answers. A cache: losing it costs time only.
#[derive(Default)]
pub(crate) struct Standings {
    /// By virtual account, with the time at which it was read.
    read: BTreeMap<VirtualAccountId, (Timestamp, Arc<Standing>)>,
    /// By virtual account, and the licence whose policy it is.
    signed: BTreeMap<(VirtualAccountId, String), Arc<SignedStanding>>,
}

pub(crate) type StandingCache = Mutex<Standings>;

pub(crate) struct SignedStanding {
    standing: Arc<Standing>,
    signed_at: Timestamp,
    account: Signed<AccountInfo>,
    policy: Signed<Policy>,
}

/// What answers to a virtual account say: as read a moment ago, or read anew.
pub(crate) fn standing(
    cache: &StandingCache,
    now: Timestamp,
    (smart_account_id, virtual_account_id): Account,
    read: impl FnOnce() -> Result<Standing, Error>,
) -> Result<Arc<Standing>, Error> {
    let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((read_at, known)) = lock().read.get(&virtual_account_id)
        && known.smart_account_id == smart_account_id
        && (0..READ_SECONDS).contains(&now.since(*read_at))
    {
        return Ok(Arc::clone(known));
    }
    let fresh = Arc::new(read()?);
    lock().read.insert(virtual_account_id, (now, Arc::clone(&fresh)));
    Ok(fresh)
}

impl Cssm {
    /// What answers say of accounts changed: what was read serves no more.
    pub(crate) fn forget_standing(&self) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Standings::default();
    }
}

/// What one answer says.
pub(crate) struct Contents<'a> {
    pub acknowledgements: Vec<Acknowledgement>,
    pub trust_codes: Vec<TrustCode>,
    /// What the device is asked for.
    pub report_requests: Vec<ReportRequest>,
    /// What is said to what an SSM On-Prem passed on of switches of before.
    pub older: Vec<OlderAnswer>,
    /// What the account says; nothing to a device that is refused, which may be another's.
    pub standing: Option<&'a Arc<Standing>>,
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
        let entries = contents.acknowledgements;
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
    for request in contents.report_requests {
        writer.report_request(&Signed::json(request, signer));
    }
    for answer in contents.older {
        writer.older_answer(&Signed::json(answer, signer));
    }
    if let Some((standing, signed)) = &signed
        && (contents.policy_wanted || standing.policy.is_some())
    {
        writer.policy(&signed.policy);
    }
    finish(writer, contents.correlation_id, issuer)
}

fn finish(mut writer: DocumentWriter, correlation_id: &str, issuer: &SigningIdentity) -> String {
    if !correlation_id.is_empty() {
        writer.correlation_id(correlation_id);
    }
    if let Some(list) = &issuer.revocation {
        writer.revocation(list);
    }
    writer.certificate(&issuer.certificate).finish()
}

/// A document that was signed before the signing certificate was revoked, signed anew: what it says still holds.
pub(crate) fn signed_anew(text: String, issuer: &SigningIdentity) -> String {
    let Some(list) = &issuer.revocation else { return text };
    let Ok(document) = Document::parse(text.as_bytes()) else { return text };
    if !document.signer.as_ref().is_some_and(|signer| list.value.names(signer)) {
        return text;
    }
    let signer = issuer.signer.as_ref();
    let mut writer = DocumentWriter::new();
    for ack in document.acknowledgements {
        writer.acknowledgement(&Signed::new(ack.text, ack.value, signer));
    }
    if let Some(account) = document.account {
        writer.account(&Signed::new(account.text, account.value, signer));
    }
    for code in document.trust_codes {
        writer.trust_code(&Signed::new(code.text, code.value, signer));
    }
    for request in document.report_requests {
        writer.report_request(&Signed::new(request.text, request.value, signer));
    }
    for answer in document.older_answers {
        writer.older_answer(&Signed::new(answer.text, answer.value, signer));
    }
    for policy in document.policies {
        writer.policy(&Signed::new(policy.text, policy.value, signer));
    }
    finish(writer, &document.correlation_id.unwrap_or_default(), issuer)
}

fn signed_standing(
    standing: &Arc<Standing>,
    issuer: &SigningIdentity,
    cache: &StandingCache,
    now: Timestamp,
) -> Arc<SignedStanding> {
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    let place = (standing.virtual_account_id, standing.tag().to_owned());
    if let Some(known) = cache.signed.get(&place)
        && known.standing == *standing
        && known.signed_at == now
    {
        return Arc::clone(known);
    }
    let signer = issuer.signer.as_ref();
    let info = AccountInfo {
        timestamp_millis: now.millis(),
        smart_account: standing.smart_account.clone(),
        virtual_account: standing.virtual_account.clone(),
        smart_account_id: standing.smart_account_id.0,
        virtual_account_id: standing.virtual_account_id.0,
        smart_account_domain: standing.smart_account_domain.clone(),
    };
    let policy = Signed::json(standing.policy_at(now), signer);
    let fresh = Arc::new(SignedStanding {
        standing: Arc::clone(standing),
        signed_at: now,
        account: Signed::new(info.signed_text(), info, signer),
        policy,
    });
    cache.signed.insert(place, Arc::clone(&fresh));
    fresh
}

/// A policy file.
pub(crate) fn policy_document(
    standing: &Standing,
    issuer: &SigningIdentity,
    now: Timestamp,
) -> String {
    let mut writer = DocumentWriter::new();
    writer.policy(&Signed::json(standing.policy_at(now), issuer.signer.as_ref()));
    finish(writer, "", issuer)
}

impl Cssm {
    /// The policy file of a virtual account (CSSM-016), for `license smart import`.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn policy_file(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
    ) -> Result<String, Error> {
        let issuer = Arc::clone(&self.issuer);
        self.db.read("policies.file", move |tx| {
            let standing = standing::read(tx, smart_account_id, virtual_account_id)?;
            Ok(policy_document(&standing, &issuer, now))
        })
    }
}
