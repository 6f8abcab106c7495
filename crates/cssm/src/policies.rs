//! Policies of an account, or of one of its virtual accounts (CSSM-016, 022, 023).

use rumline_protocol::{ClassPolicy, Policy, Timestamp};
use rumline_store::Tx;

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::ids::{SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error};

/// The row of a policy for the whole smart account.
const WHOLE_ACCOUNT: VirtualAccountId = VirtualAccountId(0);

/// A policy as its account set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetPolicy {
    pub policy: Policy,
    /// How long a copy of it lasts.
    pub lifetime_days: Option<u32>,
}

/// The policy of a virtual account: its own, else the account's, else none (Cisco default).
pub(crate) fn policy_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    virtual_account_id: VirtualAccountId,
) -> Result<Option<SetPolicy>, Error> {
    let sql = "SELECT body, lifetime_days FROM policy WHERE smart_account_id = $1
        AND virtual_account_id IN ($2, 0) AND body <> '' ORDER BY virtual_account_id DESC LIMIT 1";
    let found = tx.row(sql, &[smart_account_id.into(), virtual_account_id.into()], |row| {
        Ok::<_, Error>((row.text(0)?, row.opt_int(1)?))
    })?;
    found
        .map(|(body, lifetime_days)| {
            let policy = serde_json::from_str(&body)
                .map_err(|_| Error::invalid("the stored policy is damaged"))?;
            let lifetime_days = lifetime_days.and_then(|days| u32::try_from(days).ok());
            Ok(SetPolicy { policy, lifetime_days })
        })
        .transpose()
}

/// The version of what holds in a virtual account: it grows with each change of its policy and of the account's, the
/// return to the Cisco default included.
pub(crate) fn version_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    virtual_account_id: VirtualAccountId,
) -> Result<u64, Error> {
    let sql = "SELECT MAX(changed_at) FROM policy WHERE smart_account_id = $1
        AND virtual_account_id IN ($2, 0)";
    let ids = [smart_account_id.into(), virtual_account_id.into()];
    let version = tx.row(sql, &ids, |row| row.opt_int(0))?.flatten();
    Ok(version.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
}

impl Cssm {
    /// Sets the policy of a smart account, or of one virtual account; none returns to the Cisco default. Copies that
    /// devices get last `lifetime_days`, if that is given.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn set_policy(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        virtual_account_id: Option<VirtualAccountId>,
        policy: Option<(&Policy, Option<u32>)>,
    ) -> Result<(), Error> {
        if let Some((policy, lifetime_days)) = policy {
            if !policy.is_sane() {
                return Err(Error::invalid("each number of a policy is 0 to 3650 days"));
            }
            rumline_server::check_name("a policy's name", &policy.policy_name)?;
            let least = policy.lifetime_days_min();
            if lifetime_days.is_some_and(|days| days < least || days > 2 * ClassPolicy::DAYS_MAX) {
                return Err(Error::invalid(format!(
                    "the lifetime of this policy is {least} to {} days: at least twice its longest \
                     interval, so that it is renewed before it ends",
                    2 * ClassPolicy::DAYS_MAX
                )));
            }
        }
        let policy = policy.map(|(policy, lifetime_days)| (policy.clone(), lifetime_days));
        let actor = actor.clone();
        self.db.write("policies.set", move |tx| {
            let account = smart_account(tx, smart_account_id)?;
            let whose = match virtual_account_id {
                Some(id) => virtual_account(tx, smart_account_id, id)?.name,
                None => account.name.clone(),
            };
            let row = virtual_account_id.unwrap_or(WHOLE_ACCOUNT);
            let ids = [smart_account_id.into(), row.into()];
            let sql = "SELECT MAX(changed_at) FROM policy WHERE smart_account_id = $1";
            let before = tx.row(sql, &ids[..1], |row| row.opt_int(0))?.flatten();
            // Seconds, but never the same twice: a clock that was set back makes no older policy, and neither does a
            // database restored from a copy.
            let version = now.0.max(before.unwrap_or(0) + 1);
            let sql = "DELETE FROM policy WHERE smart_account_id = $1 AND virtual_account_id = $2";
            tx.execute(sql, &ids)?;
            let (mut body, mut lifetime) = (String::new(), None);
            let mut text = format!("policy of {whose} returned to Cisco default");
            if let Some((policy, lifetime_days)) = &policy {
                text = format!("policy {:?} set for {whose}", policy.policy_name);
                body = serde_json::to_string(policy).expect("a policy always serialises");
                lifetime = lifetime_days.map(i64::from);
            }
            let sql = "INSERT INTO policy (smart_account_id, virtual_account_id, body, changed_at,
                lifetime_days) VALUES ($1, $2, $3, $4, $5)";
            let values = [ids[0], ids[1], (&body).into(), version.into(), lifetime.into()];
            tx.execute(sql, &values)?;
            add_event(tx, now, smart_account_id, &actor, &text)
        })
    }

    /// The policy in force for a virtual account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn policy(
        &self,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
    ) -> Result<Policy, Error> {
        self.db.read("policies.get", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let policy = policy_of(tx, smart_account_id, virtual_account_id)?;
            Ok(policy.map_or_else(Policy::cisco_default, |set| set.policy))
        })
    }
}
