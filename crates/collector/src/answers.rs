//! What CSSM said, kept until the device has it.
//!
//! A document may hold answers to many devices; each is kept for the device it concerns, as it came. What waits for a
//! device is handed over in one document, put together of texts that CSSM signed.

use rumline_protocol::{Document, DocumentWriter, Timestamp};
use rumline_store::Tx;

use crate::{Error, Tenant};

/// Answers that are handed over at a time.
const ANSWERS_MAX: i64 = 32;
/// The answer a device may have missed is handed over again for a day; long enough for any device to have asked.
const AGAIN_SECONDS: i64 = Timestamp::DAY;

/// What a device is handed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handed {
    pub document: Option<String>,
    /// Whether something in it had not been handed over before.
    pub first_time: bool,
    /// Whether there is more, for the next contact.
    pub more: bool,
    /// The policy file in it, by the time it was imported.
    pub policy_at: Option<i64>,
}

struct Waiting {
    id: i64,
    text: String,
    delivered: bool,
}

/// Takes out what waits for a device, and marks it as handed over.
pub(crate) fn hand_over(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    instance_id: i64,
    policy_at: i64,
) -> Result<Handed, Error> {
    let sql = "SELECT id, document, delivered_at FROM answer
        WHERE tenant_id = $1 AND instance_id = $2 AND (delivered_at IS NULL OR delivered_at > $3)
        ORDER BY CASE WHEN delivered_at IS NULL THEN 0 ELSE 1 END, id LIMIT $4";
    let since = now - AGAIN_SECONDS;
    let ids = [tenant.id.into(), instance_id.into()];
    let values = [ids[0], ids[1], since.0.into(), ANSWERS_MAX.into()];
    let mut rows = tx.rows(sql, &values, |row| {
        let delivered = row.opt_int(2)?.is_some();
        Ok::<_, Error>(Waiting { id: row.int(0)?, text: row.text(1)?, delivered })
    })?;
    rows.sort_by_key(|row| row.id);
    let full = rows.len() as i64 == ANSWERS_MAX;
    if tenant.policy_at > policy_at
        && let Some(text) = policy_document(tx, tenant.id)?
    {
        rows.push(Waiting { id: i64::MAX, text, delivered: false });
    }
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let (document, count) = merge(&texts);
    let (handed, left) = rows.split_at(count);
    for row in handed.iter().filter(|row| !row.delivered) {
        let sql = "UPDATE answer SET delivered_at = $1
            WHERE tenant_id = $2 AND instance_id = $3 AND id = $4";
        tx.execute(sql, &[now.0.into(), ids[0], ids[1], row.id.into()])?;
    }
    Ok(Handed {
        document,
        first_time: handed.iter().any(|row| !row.delivered),
        more: left.iter().any(|row| !row.delivered) || full,
        policy_at: handed.iter().any(|row| row.id == i64::MAX).then_some(tenant.policy_at),
    })
}

fn policy_document(tx: &mut Tx<'_>, tenant_id: i64) -> Result<Option<String>, Error> {
    let sql = "SELECT policy_document FROM tenant WHERE id = $1";
    Ok(tx.row(sql, &[tenant_id.into()], |row| row.opt_text(0))?.flatten())
}

/// Puts documents together as far as one certificate covers them; returns how many those were.
fn merge(texts: &[&str]) -> (Option<String>, usize) {
    let [first, rest @ ..] = texts else { return (None, 0) };
    if rest.is_empty() {
        return (Some((*first).to_owned()), 1);
    }
    let mut writer = DocumentWriter::new();
    let (mut count, mut certificate) = (0, None);
    let (mut account, mut policies, mut correlation_id) = (None, Vec::new(), None);
    for text in texts {
        // What is kept was read before it was kept.
        let Ok(document) = Document::parse(text.as_bytes()) else { break };
        if count > 0 && document.signer != certificate {
            break;
        }
        count += 1;
        certificate = document.signer;
        document.acknowledgements.iter().for_each(|signed| {
            writer.acknowledgement(signed);
        });
        document.trust_codes.iter().for_each(|signed| {
            writer.trust_code(signed);
        });
        account = document.account.or(account);
        correlation_id = document.correlation_id.or(correlation_id);
        policies.extend(document.policies);
    }
    if count < 2 {
        return (Some((*first).to_owned()), 1);
    }
    if let Some(account) = &account {
        writer.account(account);
    }
    // A policy file is newer than what came with the answers, or it is not: the device would refuse the older one.
    if let Some(policy) = policies.iter().max_by_key(|signed| signed.value.issued_at) {
        writer.policy(policy);
    }
    if let Some(id) = &correlation_id {
        writer.correlation_id(id);
    }
    if let Some(certificate) = &certificate {
        writer.certificate(certificate);
    }
    (Some(writer.finish()), count)
}

/// The tenant's account and policy as CSSM last said them.
pub(crate) fn standing(tx: &mut Tx<'_>, tenant_id: i64) -> Result<Option<String>, Error> {
    let sql = "SELECT standing FROM tenant WHERE id = $1";
    Ok(tx.row(sql, &[tenant_id.into()], |row| row.opt_text(0))?.flatten())
}

/// Account and policy of a document, without what concerns one device.
pub(crate) fn standing_of(document: &Document) -> Option<String> {
    let mut writer = DocumentWriter::new();
    writer.account(document.account.as_ref()?);
    writer.policy(document.policies.last()?);
    writer.certificate(document.signer.as_ref()?);
    Some(writer.finish())
}
