//! Policies of an account, or of one of its virtual accounts (CSSM-016, 022, 023).

use rumline_protocol::{ClassPolicy, Policy, Timestamp};
use rumline_store::Tx;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::ids::{SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error};

/// The row of a policy for the whole smart account.
const WHOLE_ACCOUNT: VirtualAccountId = VirtualAccountId(0);

/// A policy as people write it in a file: what `policy` prints and `set-policy` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Its name.
    pub policy_name: String,
    /// Whether a report is open until CSSM has acknowledged it.
    pub reporting_ack_required: bool,
    /// Days for licences that are neither enforced nor export controlled.
    pub unenforced: ClassPolicy,
    /// Days for enforced licences.
    pub enforced: ClassPolicy,
    /// Days for export controlled licences.
    pub export: ClassPolicy,
    /// How long a copy of it lasts; without it, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_days: Option<u32>,
}

impl PolicyFile {
    /// The policy it is.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            policy_id: self.policy_name.clone(),
            policy_name: self.policy_name.clone(),
            reporting_ack_required: self.reporting_ack_required,
            unenforced: self.unenforced,
            enforced: self.enforced,
            export: self.export,
            ..Policy::cisco_default()
        }
    }

    /// Whether it can be set.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn check(&self) -> Result<(), Error> {
        check(&self.policy(), self.lifetime_days)
    }

    /// What of it may not be what was meant, a sentence each; nothing where it cannot be set at all.
    #[must_use]
    pub fn concerns(&self) -> Vec<String> {
        let mut told = Vec::new();
        let ClassPolicy { first_report_days, ongoing_report_days, on_change_report_days } =
            self.unenforced;
        if self.policy_name == Policy::CISCO_DEFAULT {
            told.push(format!(
                "it has the name of the policy that is always there, {:?}: people will take one for the other",
                Policy::CISCO_DEFAULT
            ));
        }
        if !self.reporting_ack_required {
            told.push("no ACK is required: nobody is told when reports do not arrive".to_owned());
        }
        if ongoing_report_days == 0 {
            told.push(
                "unenforced.ongoing_report_days is 0: after the first report none is asked for until \
                 something changes"
                    .to_owned(),
            );
        }
        if first_report_days == 0 && on_change_report_days == 0 && ongoing_report_days == 0 {
            told.push("every number of days is 0: no report is ever asked for".to_owned());
        }
        if ongoing_report_days > 0 && on_change_report_days > ongoing_report_days {
            told.push(format!(
                "unenforced.on_change_report_days ({on_change_report_days}) is more than \
                 ongoing_report_days ({ongoing_report_days}): the regular report comes before"
            ));
        }
        if ongoing_report_days > 0 && first_report_days > ongoing_report_days {
            told.push(format!(
                "unenforced.first_report_days ({first_report_days}) is more than ongoing_report_days \
                 ({ongoing_report_days}): a new device is given more time than a known one"
            ));
        }
        for (class, name) in [(self.enforced, "enforced"), (self.export, "export")] {
            if class != ClassPolicy::NONE {
                told.push(format!(
                    "{name} has numbers, but no licence of a Nexus is of that kind: they change nothing"
                ));
            }
        }
        told
    }
}

/// Whether a policy and a lifetime of its copies can be set.
fn check(policy: &Policy, lifetime_days: Option<u32>) -> Result<(), Error> {
    if !policy.is_sane() {
        return Err(Error::invalid("each number of a policy is 0 to 3650 days"));
    }
    rumline_server::check_name("a policy's name", &policy.policy_name)?;
    let least = policy.lifetime_days_min();
    if lifetime_days.is_some_and(|days| days < least || days > 2 * ClassPolicy::DAYS_MAX) {
        return Err(Error::invalid(format!(
            "the lifetime of this policy is {least} to {} days: at least twice its longest interval, so \
             that it is renewed before it ends",
            2 * ClassPolicy::DAYS_MAX
        )));
    }
    Ok(())
}

/// The policy that holds somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// What it says.
    #[serde(flatten)]
    pub policy: Policy,
    /// How long a copy of it lasts; without it, for ever.
    pub lifetime_days: Option<u32>,
}

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
            check(policy, lifetime_days)?;
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
    ) -> Result<PolicyInForce, Error> {
        self.db.read("policies.get", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let set = policy_of(tx, smart_account_id, virtual_account_id)?;
            let lifetime_days = set.as_ref().and_then(|set| set.lifetime_days);
            let policy = set.map_or_else(Policy::cisco_default, |set| set.policy);
            Ok(PolicyInForce { policy, lifetime_days })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(first: u32, ongoing: u32, on_change: u32) -> ClassPolicy {
        ClassPolicy {
            first_report_days: first,
            ongoing_report_days: ongoing,
            on_change_report_days: on_change,
        }
    }

    fn file(unenforced: ClassPolicy) -> PolicyFile {
        PolicyFile {
            policy_name: "Quarterly".to_owned(),
            reporting_ack_required: true,
            unenforced,
            enforced: ClassPolicy::NONE,
            export: ClassPolicy::NONE,
            lifetime_days: None,
        }
    }

    fn concerned(file: &PolicyFile) -> String {
        file.check().expect("it can be set");
        file.concerns().join("; ")
    }

    #[test]
    fn a_policy_that_may_not_be_what_was_meant_is_spoken_of() {
        assert_eq!(concerned(&file(class(30, 90, 30))), "");
        assert_eq!(concerned(&file(class(90, 90, 90))), "");
        assert_eq!(concerned(&file(class(365, 0, 30))).matches("none is asked for").count(), 1);
        let never = concerned(&file(class(0, 0, 0)));
        assert!(never.ends_with("no report is ever asked for"), "{never}");
        assert!(!concerned(&file(class(0, 0, 1))).contains("ever asked for"));
        assert!(concerned(&file(class(30, 90, 91))).contains("(91) is more than"));
        assert!(concerned(&file(class(91, 90, 0))).contains("more time than a known one"));
        let named = PolicyFile {
            policy_name: Policy::CISCO_DEFAULT.to_owned(),
            reporting_ack_required: false,
            enforced: class(1, 0, 0),
            ..file(class(30, 90, 30))
        };
        let told = named.concerns();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[2].starts_with("enforced has numbers"));
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert!(file(class(3_651, 0, 0)).check().is_err());
        let brief = PolicyFile { lifetime_days: Some(179), ..file(class(30, 90, 30)) };
        assert!(brief.check().is_err());
        assert!(PolicyFile { lifetime_days: Some(180), ..brief.clone() }.check().is_ok());
        assert!(PolicyFile { lifetime_days: Some(7_300), ..brief.clone() }.check().is_ok());
        assert!(PolicyFile { lifetime_days: Some(7_301), ..brief }.check().is_err());
        assert!(PolicyFile { policy_name: String::new(), ..file(class(1, 1, 1)) }.check().is_err());
    }
}
