//! What every answer to a virtual account says: the account, and its policy.

use std::collections::BTreeSet;
use std::sync::Arc;

use rumline_protocol::{Policy, Purpose, Timestamp};
use rumline_store::Tx;

use crate::Error;
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::policies::{Policies, SetFor, SetPolicy, tags_in_use, version_of};

/// What every answer to a virtual account says: the account, and its policy if it has one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub smart_account_id: SmartAccountId,
    pub smart_account: String,
    pub smart_account_domain: String,
    pub virtual_account_id: VirtualAccountId,
    pub virtual_account: String,
    /// The policy that is sent.
    pub policy: Option<SetPolicy>,
    /// What it was chosen from.
    policies: Arc<Policies>,
    pub policy_version: u64,
}

impl Standing {
    /// What an answer to these product instances says: their licences may have a policy of their own, of which one answer
    /// holds the strictest.
    pub(crate) fn for_instances(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        ids: impl IntoIterator<Item = InstanceId>,
    ) -> Result<Arc<Self>, Error> {
        if !self.policies.has_tags() {
            return Ok(Arc::clone(self));
        }
        let mut tags = BTreeSet::new();
        for id in ids {
            tags.extend(tags_in_use(tx, self.smart_account_id, id)?);
        }
        let policy = self.policies.choose(&tags).cloned();
        Ok(Arc::new(Self { policy, ..Self::clone(self) }))
    }

    /// The licence whose policy it is, if it is that of one.
    pub(crate) fn tag(&self) -> &str {
        match self.policy.as_ref().map(|set| &set.set_for) {
            Some(SetFor::Tag(tag)) => tag,
            _ => "",
        }
    }

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
    let policies = Policies::read(tx, smart_account_id, virtual_account_id)?;
    Ok(Standing {
        smart_account_id,
        smart_account,
        smart_account_domain,
        virtual_account_id,
        virtual_account,
        policy: policies.of_account.clone(),
        policies: Arc::new(policies),
        policy_version: version_of(tx, smart_account_id, virtual_account_id)?,
    })
}
