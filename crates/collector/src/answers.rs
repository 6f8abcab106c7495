//! What CSSM said, kept until the device has it.
//!
//! A document may hold answers to many devices; each is kept for the device it concerns, as it came. What waits for a
//! device is handed over in one document, put together of texts that CSSM signed.

use rumline_protocol::{Document, DocumentWriter, Policy, Signed, Timestamp};
use rumline_store::Tx;

use crate::ids::{InstanceId, TenantId};
use crate::{Error, Tenant};

/// Answers that are handed over at a time.
const ANSWERS_MAX: usize = 32;
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
    /// Its number; none for the tenant's policy file.
    id: Option<i64>,
    text: String,
    delivered: bool,
}

/// Takes out what waits for a device, and marks it as handed over.
pub(crate) fn hand_over(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    instance_id: InstanceId,
    policy_at: i64,
) -> Result<Handed, Error> {
    let sql = "SELECT id, document, delivered_at FROM answer
        WHERE tenant_id = $1 AND instance_id = $2 AND (delivered_at IS NULL OR delivered_at > $3)
        ORDER BY CASE WHEN delivered_at IS NULL THEN 0 ELSE 1 END, id LIMIT $4";
    let since = now - AGAIN_SECONDS;
    let ids = [tenant.id.into(), instance_id.into()];
    let values = [ids[0], ids[1], since.0.into(), (ANSWERS_MAX as i64 + 1).into()];
    let mut rows = tx.rows(sql, &values, |row| {
        let delivered = row.opt_int(2)?.is_some();
        Ok::<_, Error>(Waiting { id: Some(row.int(0)?), text: row.text(1)?, delivered })
    })?;
    // One more was asked for to see whether there is one.
    let left = rows.split_off(rows.len().min(ANSWERS_MAX));
    if tenant.policy_at > policy_at
        && let Some(text) = policy_document(tx, tenant.id)?
    {
        rows.push(Waiting { id: None, text, delivered: false });
    }
    let (document, handed) = merge(&mut rows);
    let (handed, passed_over) = rows.split_at(handed);
    for id in handed.iter().filter(|row| !row.delivered).filter_map(|row| row.id) {
        let sql = "UPDATE answer SET delivered_at = $1
            WHERE tenant_id = $2 AND instance_id = $3 AND id = $4";
        tx.execute(sql, &[now.0.into(), ids[0], ids[1], id.into()])?;
    }
    Ok(Handed {
        document,
        first_time: handed.iter().any(|row| !row.delivered),
        more: passed_over.iter().chain(&left).any(|row| !row.delivered),
        policy_at: handed.iter().any(|row| row.id.is_none()).then_some(tenant.policy_at),
    })
}

fn policy_document(tx: &mut Tx<'_>, tenant_id: TenantId) -> Result<Option<String>, Error> {
    let sql = "SELECT policy_document FROM tenant WHERE id = $1";
    Ok(tx.row(sql, &[tenant_id.into()], |row| row.opt_text(0))?.flatten())
}

/// Puts together what one certificate covers, that of the first that was not handed over before; those come to the
/// front, in the order in which they came from CSSM, and their number is returned.
fn merge(rows: &mut [Waiting]) -> (Option<String>, usize) {
    let mut read: Vec<(usize, Document)> = Vec::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        // What is kept was read before it was kept.
        read.extend(Document::parse(row.text.as_bytes()).ok().map(|document| (place, document)));
    }
    let new = read.iter().find(|(place, _)| !rows[*place].delivered);
    let Some((_, first)) = new.or(read.first()) else { return (None, 0) };
    let certificate = first.signer.clone();
    read.retain(|(_, document)| document.signer == certificate);
    read.sort_by_key(|(place, _)| rows[*place].id.unwrap_or(i64::MAX));
    let document = match read.as_slice() {
        [(place, _)] => rows[*place].text.clone(),
        several => put_together(several.iter().map(|(_, document)| document)),
    };
    let mut places: Vec<usize> = read.into_iter().map(|(place, _)| place).collect();
    places.sort_unstable();
    for (front, place) in places.iter().enumerate() {
        rows.swap(front, *place);
    }
    (Some(document), places.len())
}

fn put_together<'a>(documents: impl Iterator<Item = &'a Document>) -> String {
    let mut writer = DocumentWriter::new();
    let (mut account, mut policies, mut correlation_id, mut certificate) =
        (None, Vec::new(), None, None);
    let mut revocations = Vec::new();
    for document in documents {
        revocations.extend(&document.revocation);
        document.report_requests.iter().for_each(|signed| {
            writer.report_request(signed);
        });
        document.acknowledgements.iter().for_each(|signed| {
            writer.acknowledgement(signed);
        });
        document.trust_codes.iter().for_each(|signed| {
            writer.trust_code(signed);
        });
        account = document.account.as_ref().or(account);
        correlation_id = document.correlation_id.as_ref().or(correlation_id);
        certificate = document.signer.as_ref().or(certificate);
        policies.extend(&document.policies);
    }
    if let Some(account) = account {
        writer.account(account);
    }
    // Of the account that is told, the newest: others are of an account the device was in before.
    let is_its = |policy: &&&Signed<Policy>| {
        account.is_none_or(|account| {
            account.value.smart_account == policy.value.smart_account
                && account.value.virtual_account == policy.value.virtual_account
        })
    };
    let newest = policies
        .iter()
        .filter(is_its)
        .max_by_key(|signed| (signed.value.version, signed.value.issued_at));
    if let Some(policy) = newest {
        writer.policy(policy);
    }
    if let Some(id) = correlation_id {
        writer.correlation_id(id);
    }
    if let Some(list) = revocations.into_iter().max_by_key(|list| list.value.version) {
        writer.revocation(list);
    }
    if let Some(certificate) = certificate {
        writer.certificate(certificate);
    }
    writer.finish()
}

/// The tenant's account and policy as CSSM last said them.
pub(crate) fn standing(tx: &mut Tx<'_>, tenant_id: TenantId) -> Result<Option<String>, Error> {
    let sql = "SELECT standing FROM tenant WHERE id = $1";
    Ok(tx.row(sql, &[tenant_id.into()], |row| row.opt_text(0))?.flatten())
}

/// Account and policy of a document, without what concerns one device.
pub(crate) fn standing_of(document: &Document) -> Option<String> {
    let mut writer = DocumentWriter::new();
    writer.account(document.account.as_ref()?);
    writer.policy(document.policies.last()?);
    if let Some(list) = &document.revocation {
        writer.revocation(list);
    }
    writer.certificate(document.signer.as_ref()?);
    Some(writer.finish())
}
