//! What every answer to a virtual account says: the account, and its policy.

use rumline_protocol::{Policy, Purpose, Timestamp};
use rumline_store::Tx;

use crate::Error;
use crate::ids::{SmartAccountId, VirtualAccountId};
use crate::policies::{SetPolicy, policy_of, version_of};

/// What every answer to a virtual account says: the account, and its policy if it has one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub smart_account_id: SmartAccountId,
    pub smart_account: String,
    pub smart_account_domain: String,
    pub virtual_account_id: VirtualAccountId,
    pub virtual_account: String,
    pub policy: Option<SetPolicy>,
    pub policy_version: u64,
}

impl Standing {
    /// The policy as it is signed now.
    pub(crate) fn policy_at(&self, now: Timestamp) -> Policy {
        let lifetime_days = self.policy.as_ref().and_then(|set| set.lifetime_days);
        let policy =
            self.policy.as_ref().map_or_else(Policy::cisco_default, |set| set.policy.clone());
        Policy {
            issued_at: now,
            version: self.policy_version,
            smart_account: self.smart_account.clone(),
            virtual_account: self.virtual_account.clone(),
            purpose: Purpose::Policy,
            expires_at: lifetime_days.map(|days| now.plus_days(days)),
            ..policy
        }
    }
}

/// Reads what answers to a virtual account say.
pub(crate) fn read(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    virtual_account_id: VirtualAccountId,
) -> Result<Standing, Error> {
    const SQL: &str = "SELECT smart_account.name, smart_account.domain, virtual_account.name
        FROM smart_account JOIN virtual_account
        ON virtual_account.smart_account_id = smart_account.id
        WHERE smart_account.id = $1 AND virtual_account.id = $2";
    let ids = [smart_account_id.into(), virtual_account_id.into()];
    let names =
        tx.row(SQL, &ids, |row| Ok::<_, Error>((row.text(0)?, row.text(1)?, row.text(2)?)))?;
    let (smart_account, smart_account_domain, virtual_account) =
        names.ok_or(Error::NotFound("virtual account"))?;
    Ok(Standing {
        smart_account_id,
        smart_account,
        smart_account_domain,
        virtual_account_id,
        virtual_account,
        policy: policy_of(tx, smart_account_id, virtual_account_id)?,
        policy_version: version_of(tx, smart_account_id, virtual_account_id)?,
    })
}
