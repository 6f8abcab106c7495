//! Policies of an account, or of one of its virtual accounts (CSSM-016, 022, 023).

use rumline_protocol::{Policy, Timestamp};
use rumline_store::Tx;

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::{Cssm, Error};

/// The row of a policy for the whole smart account.
const WHOLE_ACCOUNT: i64 = 0;

/// The policy of a virtual account: its own, else the account's, else none (Cisco default).
pub(crate) fn policy_of(
    tx: &mut Tx<'_>,
    smart_account_id: i64,
    virtual_account_id: i64,
) -> Result<Option<Policy>, Error> {
    let sql = "SELECT body FROM policy WHERE smart_account_id = $1
        AND virtual_account_id IN ($2, 0) ORDER BY virtual_account_id DESC LIMIT 1";
    let body = tx.row(sql, &[smart_account_id.into(), virtual_account_id.into()], |row| {
        Ok::<_, Error>(row.text(0)?)
    })?;
    body.map(|body| {
        serde_json::from_str(&body).map_err(|_| Error::invalid("the stored policy is damaged"))
    })
    .transpose()
}

impl Cssm {
    /// Sets the policy of a smart account, or of one virtual account; none returns to the Cisco default.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn set_policy(
        &self,
        now: Timestamp,
        login: &str,
        smart_account_id: i64,
        virtual_account_id: Option<i64>,
        policy: Option<&Policy>,
    ) -> Result<(), Error> {
        if policy.is_some_and(|policy| !policy.is_sane()) {
            return Err(Error::invalid("each number of a policy is 0 to 3650 days"));
        }
        if let Some(policy) = policy {
            rumline_server::check_name("a policy's name", &policy.policy_name)?;
        }
        let (login, policy) = (login.to_owned(), policy.cloned());
        self.db.write("policies.set", move |tx| {
            let account = smart_account(tx, smart_account_id)?;
            if let Some(id) = virtual_account_id {
                virtual_account(tx, smart_account_id, id)?;
            }
            let row = virtual_account_id.unwrap_or(WHOLE_ACCOUNT);
            let sql = "DELETE FROM policy WHERE smart_account_id = $1 AND virtual_account_id = $2";
            tx.execute(sql, &[smart_account_id.into(), row.into()])?;
            let mut text = "policy returned to Cisco default".to_owned();
            if let Some(policy) = &policy {
                let mut policy = policy.clone();
                policy.smart_account = account.name.clone();
                policy.issued_at = now;
                text = format!("policy {:?} set", policy.policy_name);
                let body = serde_json::to_string(&policy).expect("a policy always serialises");
                let sql =
                    "INSERT INTO policy (smart_account_id, virtual_account_id, body, changed_at)
                    VALUES ($1, $2, $3, $4)";
                let values = [smart_account_id.into(), row.into(), (&body).into(), now.0.into()];
                tx.execute(sql, &values)?;
            }
            add_event(tx, now, smart_account_id, &login, &text)
        })
    }

    /// The policy in force for a virtual account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn policy(&self, smart_account_id: i64, virtual_account_id: i64) -> Result<Policy, Error> {
        self.db.read("policies.get", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let policy = policy_of(tx, smart_account_id, virtual_account_id)?;
            Ok(policy.unwrap_or_else(Policy::cisco_default))
        })
    }

    /// The policy file of a virtual account (CSSM-016), for `license smart import`.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn policy_file(
        &self,
        now: Timestamp,
        smart_account_id: i64,
        virtual_account_id: i64,
    ) -> Result<String, Error> {
        let issuer = std::sync::Arc::clone(&self.issuer);
        self.db.read("policies.file", move |tx| {
            let account = smart_account(tx, smart_account_id)?;
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let policy = policy_of(tx, smart_account_id, virtual_account_id)?;
            let mut policy = policy.unwrap_or_else(Policy::cisco_default);
            policy.smart_account = account.name;
            policy.issued_at = now;
            Ok(crate::answer::policy_document(policy, &issuer))
        })
    }
}
