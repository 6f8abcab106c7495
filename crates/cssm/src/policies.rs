//! Policies of an account, of one of its virtual accounts, or of the product instances that use a licence (CSSM-016, 022,
//! 023). One holds for a product instance: that of a licence it uses before that of its virtual account, and that before the
//! account's.

use std::collections::{BTreeMap, BTreeSet};

use rumline_catalogue::Catalogue;
use rumline_protocol::{ClassPolicy, EntitlementTag, Policy, Timestamp};
use rumline_store::{Row, Tx, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error};

/// The row of a policy for the whole smart account.
const WHOLE_ACCOUNT: VirtualAccountId = VirtualAccountId(0);

/// A policy as people write it in a file: what `policy` prints and `set-policy` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Its name.
    #[schemars(length(min = 1, max = rumline_server::NAME_LETTERS_MAX))]
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
    #[schemars(range(min = 1, max = 2 * ClassPolicy::DAYS_MAX))]
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
                    "{name} has numbers, but no license of a Nexus is of that kind: they change nothing"
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
    rumline_server::check_name("policy_name", "a policy's name", &policy.policy_name)?;
    let least = policy.lifetime_days_min();
    if lifetime_days.is_some_and(|days| days < least || days > 2 * ClassPolicy::DAYS_MAX) {
        return Err(Error::field(
            "lifetime_days",
            format!(
                "the lifetime of this policy is {least} to {} days: at least twice its longest interval, so \
             that it is renewed before it ends",
                2 * ClassPolicy::DAYS_MAX
            ),
        ));
    }
    Ok(())
}

/// What a policy was set for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetFor {
    /// The product instances that use a licence: its name, or one entitlement tag.
    Tag(String),
    /// A virtual account.
    VirtualAccount,
    /// A smart account.
    SmartAccount,
    /// Nothing was set: it is the one that is always there.
    CiscoDefault,
}

/// The policy that holds somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyInForce {
    /// What it says.
    #[serde(flatten)]
    pub policy: Policy,
    /// How long a copy of it lasts; without it, for ever.
    pub lifetime_days: Option<u32>,
    /// What it was set for.
    pub set_for: SetFor,
}

impl PolicyInForce {
    fn of(set: Option<&SetPolicy>) -> Self {
        match set {
            Some(SetPolicy { policy, lifetime_days, set_for }) => Self {
                policy: policy.clone(),
                lifetime_days: *lifetime_days,
                set_for: set_for.clone(),
            },
            None => Self {
                policy: Policy::cisco_default(),
                lifetime_days: None,
                set_for: SetFor::CiscoDefault,
            },
        }
    }
}

/// A policy as its account set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetPolicy {
    pub policy: Policy,
    /// How long a copy of it lasts.
    pub lifetime_days: Option<u32>,
    pub set_for: SetFor,
}

impl SetPolicy {
    /// Reads what a row holds from the column of its body on.
    fn read(row: &Row<'_>, column: usize, set_for: SetFor) -> Result<Self, Error> {
        let policy = serde_json::from_str(&row.text(column)?)
            .map_err(|_| Error::invalid("the stored policy is damaged"))?;
        let lifetime_days = row.opt_int(column + 1)?.and_then(|days| u32::try_from(days).ok());
        Ok(Self { policy, lifetime_days, set_for })
    }

    /// Whether it is set for one of these entitlement tags.
    fn is_for(&self, tags: &BTreeSet<String>) -> bool {
        let SetFor::Tag(of) = &self.set_for else { return false };
        tags.iter().any(|tag| tag == of || license_name(tag) == *of)
    }

    /// What is asked for sooner is stricter; 0 days is never.
    fn strictness(&self) -> impl Ord + use<'_> {
        let days = |days: u32| if days == 0 { u32::MAX } else { days };
        let ClassPolicy { first_report_days, ongoing_report_days, on_change_report_days } =
            self.policy.unenforced;
        let every = [ongoing_report_days, on_change_report_days, first_report_days].map(days);
        let is_lax = !self.policy.reporting_ack_required;
        (is_lax, every, &self.policy.policy_name)
    }
}

/// The licence's name, or what stands for it where the catalogue has none.
fn license_name(tag: &str) -> String {
    Catalogue::nexus().license_of(tag)
}

/// What holds in a virtual account: a policy for all that is there, if one was set, and those of licences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policies {
    pub of_account: Option<SetPolicy>,
    of_tags: Vec<SetPolicy>,
}

impl Policies {
    pub(crate) fn read(
        tx: &mut Tx<'_>,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
    ) -> Result<Self, Error> {
        let of_account = policy_of(tx, smart_account_id, virtual_account_id)?;
        Ok(Self { of_account, of_tags: tag_policies(tx, smart_account_id)? })
    }

    /// Whether licences matter at all.
    pub(crate) fn has_tags(&self) -> bool {
        !self.of_tags.is_empty()
    }

    /// The one that holds where these entitlement tags are in use: the strictest of those set for them, else that of all.
    pub(crate) fn choose(&self, tags: &BTreeSet<String>) -> Option<&SetPolicy> {
        let of_tags = self.of_tags.iter().filter(|set| set.is_for(tags));
        of_tags.min_by_key(|set| set.strictness()).or(self.of_account.as_ref())
    }

    /// All that may hold, the Cisco default where nothing else is set.
    pub(crate) fn all(&self) -> impl Iterator<Item = Policy> {
        let of_all = self.of_account.as_ref().map(|set| set.policy.clone());
        let of_all = of_all.unwrap_or_else(Policy::cisco_default);
        self.of_tags.iter().map(|set| set.policy.clone()).chain([of_all])
    }
}

/// The entitlement tags that a product instance has in use.
pub(crate) fn tags_in_use(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: InstanceId,
) -> Result<BTreeSet<String>, Error> {
    let sql = "SELECT tag FROM license_use WHERE smart_account_id = $1
        AND product_instance_id = $2 AND count > 0";
    let tags = tx.rows(sql, &[smart_account_id.into(), id.into()], |row| row.text(0))?;
    Ok(tags.into_iter().collect())
}

/// The same of those of some product instances that use any, by number: above the first and up to the last.
pub(crate) fn tags_in_use_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    (after, last): (InstanceId, InstanceId),
) -> Result<BTreeMap<InstanceId, BTreeSet<String>>, Error> {
    let sql = "SELECT product_instance_id, tag FROM license_use WHERE smart_account_id = $1
        AND product_instance_id > $2 AND product_instance_id <= $3 AND count > 0";
    let mut all: BTreeMap<InstanceId, BTreeSet<String>> = BTreeMap::new();
    tx.each(sql, &[smart_account_id.into(), after.into(), last.into()], |row| {
        all.entry(row.id(0)?).or_default().insert(row.text(1)?);
        Ok::<_, Error>(true)
    })?;
    Ok(all)
}

/// The policy of a virtual account: its own, else the account's, else none (Cisco default).
fn policy_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    virtual_account_id: VirtualAccountId,
) -> Result<Option<SetPolicy>, Error> {
    let sql = "SELECT virtual_account_id, body, lifetime_days FROM policy
        WHERE smart_account_id = $1 AND virtual_account_id IN ($2, 0) AND body <> ''
        ORDER BY virtual_account_id DESC LIMIT 1";
    tx.row(sql, &[smart_account_id.into(), virtual_account_id.into()], |row| {
        let is_whole = row.id::<VirtualAccountId>(0)? == WHOLE_ACCOUNT;
        let set_for = if is_whole { SetFor::SmartAccount } else { SetFor::VirtualAccount };
        SetPolicy::read(row, 1, set_for)
    })
}

/// The policies of an account that were set for licences.
fn tag_policies(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
) -> Result<Vec<SetPolicy>, Error> {
    let sql = "SELECT tag, body, lifetime_days FROM tag_policy
        WHERE smart_account_id = $1 AND body <> '' ORDER BY tag";
    tx.rows(sql, &[smart_account_id.into()], |row| {
        SetPolicy::read(row, 1, SetFor::Tag(row.text(0)?))
    })
}

/// The version of what holds in a virtual account: it grows with each change of its policy, of the account's and of those
/// of licences, the return to the Cisco default included.
pub(crate) fn version_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    virtual_account_id: VirtualAccountId,
) -> Result<u64, Error> {
    let sql = "SELECT MAX(changed_at) FROM policy WHERE smart_account_id = $1
        AND virtual_account_id IN ($2, 0)";
    let ids = [smart_account_id.into(), virtual_account_id.into()];
    let version = tx.row(sql, &ids, |row| row.opt_int(0))?.flatten();
    let version = version.max(tags_changed_at(tx, smart_account_id)?);
    Ok(version.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
}

fn tags_changed_at(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
) -> Result<Option<i64>, Error> {
    let sql = "SELECT MAX(changed_at) FROM tag_policy WHERE smart_account_id = $1";
    Ok(tx.row(sql, &[smart_account_id.into()], |row| row.opt_int(0))?.flatten())
}

/// The version of a change: seconds, but never the same twice. A clock that was set back makes no older policy, and neither
/// does a database restored from a copy.
pub(crate) fn next_version(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
) -> Result<i64, Error> {
    let sql = "SELECT MAX(changed_at) FROM policy WHERE smart_account_id = $1";
    let before = tx.row(sql, &[smart_account_id.into()], |row| row.opt_int(0))?.flatten();
    let before = before.max(tags_changed_at(tx, smart_account_id)?);
    Ok(now.0.max(before.unwrap_or(0) + 1))
}

/// Of two accounts that become one: the policies of licences that the first has and the second has otherwise, by name.
pub(crate) fn tags_that_differ(
    tx: &mut Tx<'_>,
    from: SmartAccountId,
    into: SmartAccountId,
) -> Result<Vec<String>, Error> {
    let there = tag_policies(tx, into)?;
    let own = tag_policies(tx, from)?;
    let differs = own.into_iter().filter(|set| !there.contains(set));
    Ok(differs
        .filter_map(|set| match set.set_for {
            SetFor::Tag(tag) => Some(tag),
            _ => None,
        })
        .collect())
}

/// Tags of an account that have a policy.
const TAG_POLICIES_MAX: usize = 100;

/// Whether something is the name of a licence, or an entitlement tag.
fn check_tag(tag: &str) -> Result<(), Error> {
    if Catalogue::nexus().package(tag).is_some() || EntitlementTag::new(tag).is_ok() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{tag:?} is neither the name of a license, as `catalogue` lists them, nor an entitlement tag"
    )))
}

/// What is kept of a policy, and told of it.
struct Kept {
    body: String,
    lifetime_days: Option<i64>,
    text: String,
}

impl Kept {
    fn of(policy: Option<&(Policy, Option<u32>)>, whose: &str) -> Self {
        match policy {
            Some((policy, lifetime_days)) => Self {
                body: serde_json::to_string(policy).expect("a policy always serialises"),
                lifetime_days: lifetime_days.map(i64::from),
                text: format!("policy {:?} set for {whose}", policy.policy_name),
            },
            None => Self {
                body: String::new(),
                lifetime_days: None,
                text: format!("policy of {whose} taken back"),
            },
        }
    }
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
        let set = self.db.write("policies.set", move |tx| {
            let account = smart_account(tx, smart_account_id)?;
            let whose = match virtual_account_id {
                Some(id) => virtual_account(tx, smart_account_id, id)?.name,
                None => account.name.clone(),
            };
            let row = virtual_account_id.unwrap_or(WHOLE_ACCOUNT);
            let ids = [smart_account_id.into(), row.into()];
            let version = next_version(tx, now, smart_account_id)?;
            let sql = "DELETE FROM policy WHERE smart_account_id = $1 AND virtual_account_id = $2";
            tx.execute(sql, &ids)?;
            let Kept { body, lifetime_days, text } = Kept::of(policy.as_ref(), &whose);
            let sql = "INSERT INTO policy (smart_account_id, virtual_account_id, body, changed_at,
                lifetime_days) VALUES ($1, $2, $3, $4, $5)";
            let values = [ids[0], ids[1], (&body).into(), version.into(), lifetime_days.into()];
            tx.execute(sql, &values)?;
            add_event(tx, now, smart_account_id, &actor, &text)
        });
        set.inspect(|()| self.forget_standing())
    }

    /// Sets the policy of the product instances that use a licence, which is named or given as an entitlement tag; none
    /// returns them to that of their virtual account.
    ///
    /// # Errors
    /// When a value is out of range, there is no such licence, or there is nothing to take back.
    pub fn set_tag_policy(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        tag: &str,
        policy: Option<(&Policy, Option<u32>)>,
    ) -> Result<(), Error> {
        if let Some((policy, lifetime_days)) = policy {
            check(policy, lifetime_days)?;
            check_tag(tag)?;
        }
        let policy = policy.map(|(policy, lifetime_days)| (policy.clone(), lifetime_days));
        let (actor, tag) = (actor.clone(), tag.to_owned());
        let set = self.db.write("policies.settag", move |tx| {
            smart_account(tx, smart_account_id)?;
            let there = tag_policies(tx, smart_account_id)?;
            let is_there = there.iter().any(|set| set.set_for == SetFor::Tag(tag.clone()));
            if policy.is_none() && !is_there {
                return Err(Error::NotFound("policy of this license"));
            }
            if policy.is_some() && !is_there && there.len() >= TAG_POLICIES_MAX {
                let text =
                    format!("{TAG_POLICIES_MAX} licenses have a policy; take one back first");
                return Err(Error::Conflict(text));
            }
            let version = next_version(tx, now, smart_account_id)?;
            let Kept { body, lifetime_days, text } = Kept::of(policy.as_ref(), &tag);
            let sql = "INSERT INTO tag_policy (smart_account_id, tag, body, changed_at,
                lifetime_days) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (smart_account_id, tag)
                DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at,
                lifetime_days = excluded.lifetime_days";
            let id: Value<'_> = smart_account_id.into();
            let values = [id, (&tag).into(), (&body).into(), version.into(), lifetime_days.into()];
            tx.execute(sql, &values)?;
            add_event(tx, now, smart_account_id, &actor, &text)
        });
        set.inspect(|()| self.forget_standing())
    }

    /// The policy of a smart account: it holds where nothing nearer is set.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn account_policy(&self, smart_account_id: SmartAccountId) -> Result<PolicyInForce, Error> {
        self.db.read("policies.account", move |tx| {
            smart_account(tx, smart_account_id)?;
            let set = policy_of(tx, smart_account_id, WHOLE_ACCOUNT)?;
            Ok(PolicyInForce::of(set.as_ref()))
        })
    }

    /// The policies of an account that were set for licences.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn tag_policies(
        &self,
        smart_account_id: SmartAccountId,
    ) -> Result<Vec<PolicyInForce>, Error> {
        self.db.read("policies.tags", move |tx| {
            smart_account(tx, smart_account_id)?;
            let all = tag_policies(tx, smart_account_id)?;
            Ok(all.iter().map(|set| PolicyInForce::of(Some(set))).collect())
        })
    }

    /// The policy in force for a product instance.
    ///
    /// # Errors
    /// When there is no such product instance.
    pub fn instance_policy(
        &self,
        smart_account_id: SmartAccountId,
        id: InstanceId,
    ) -> Result<PolicyInForce, Error> {
        let view = self.instance(smart_account_id, id)?;
        self.db.read("policies.instance", move |tx| {
            let policies = Policies::read(tx, smart_account_id, view.virtual_account_id)?;
            let tags = tags_in_use(tx, smart_account_id, id)?;
            Ok(PolicyInForce::of(policies.choose(&tags)))
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
            Ok(PolicyInForce::of(set.as_ref()))
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
