//! What the groups of a provider mean here.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::Distrust;
use crate::{Error, Grant, PartId, Role, ScopeId};

/// A role that whoever is in a group has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRule {
    /// The group, as the provider names it.
    pub group: String,
    /// The role.
    pub role: Role,
    /// The account it is for, as it was written; none for everything.
    pub account: Option<String>,
}

impl FromStr for GroupRule {
    type Err = Distrust;

    /// `GROUP=ROLE` or `GROUP=ROLE:ACCOUNT`. A group may hold `=`, as names of directories do.
    fn from_str(text: &str) -> Result<Self, Distrust> {
        let form = || Distrust::of("a group is given as GROUP=ROLE or GROUP=ROLE:ACCOUNT");
        let roles = [Role::Viewer, Role::User, Role::Administrator];
        // The first place where a role follows: an account may hold `=` too.
        for (at, _) in text.match_indices('=') {
            let (group, meaning) = (&text[..at], &text[at + 1..]);
            let (role, account) = match meaning.split_once(':') {
                Some((role, account)) => (role, Some(account)),
                None => (meaning, None),
            };
            let Some(role) = roles.into_iter().find(|known| known.name() == role) else { continue };
            if group.is_empty() || account.is_some_and(str::is_empty) {
                return Err(form());
            }
            return Ok(Self { group: group.to_owned(), role, account: account.map(str::to_owned) });
        }
        let names = roles.map(Role::name).join(", ");
        Err(Distrust(format!("{}; a role is one of {names}", form())))
    }
}

/// What whoever is in these groups may do: of two roles for the same the higher one. `find` looks an account up; those that are
/// not there are returned beside it.
///
/// # Errors
/// When the store fails.
pub fn grants_of_groups(
    rules: &[GroupRule],
    groups: &[String],
    find: impl Fn(&str) -> Result<(ScopeId, Option<PartId>), Error>,
) -> Result<(Vec<Grant>, Vec<String>), Error> {
    let mut highest: BTreeMap<(Option<ScopeId>, Option<PartId>), Role> = BTreeMap::new();
    let mut missing = Vec::new();
    for rule in rules.iter().filter(|rule| groups.contains(&rule.group)) {
        let place = match &rule.account {
            None => (None, None),
            Some(account) => match find(account) {
                Ok((scope, part)) => (Some(scope), part),
                Err(Error::NotFound(_) | Error::Invalid(_)) => {
                    missing.push(account.clone());
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        let role = highest.entry(place).or_insert(rule.role);
        *role = (*role).max(rule.role);
    }
    let grant = |((scope_id, part_id), role)| Grant { role, scope_id, part_id };
    Ok((highest.into_iter().map(grant).collect(), missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_group_a_role_and_an_account() {
        let rule = |text: &str| text.parse::<GroupRule>().map(|r| (r.group, r.role, r.account));
        let some = |group: &str, role, account: Option<&str>| {
            Ok((group.to_owned(), role, account.map(str::to_owned)))
        };
        assert_eq!(rule("ops=user"), some("ops", Role::User, None));
        let account = Some("example.net/Data Center: a=b");
        let text = "cn=net ops,dc=example=administrator:example.net/Data Center: a=b";
        let group = "cn=net ops,dc=example";
        assert_eq!(rule(text), some(group, Role::Administrator, account));
        assert_eq!(rule("/a b=viewer:7"), some("/a b", Role::Viewer, Some("7")));
        for wrong in ["", "ops", "=user", "ops=", "ops=root", "ops=user:", "ops=user 1", "viewer"] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_two_roles_the_higher_one_counts_and_an_account_that_is_not_there_gives_nothing() {
        let rules = ["a=viewer:1", "b=user:1", "a=viewer:gone", "c=administrator", "b=viewer:2"];
        let rules: Vec<GroupRule> = rules.iter().map(|text| text.parse().unwrap()).collect();
        let find = |text: &str| {
            let scope = text.parse().map_err(|_| Error::NotFound("account"))?;
            Ok((ScopeId(scope), None))
        };
        let groups = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (grants, missing) = grants_of_groups(&rules, &groups(&["a", "b", "x"]), find).unwrap();
        let in_scope = |role, id| Grant::of(role, Some(ScopeId(id)));
        assert_eq!(grants, [in_scope(Role::User, 1), in_scope(Role::Viewer, 2)]);
        assert_eq!(missing, ["gone"]);
        // A group's name counts to the letter.
        let (grants, _) = grants_of_groups(&rules, &groups(&["A", "a ", ""]), find).unwrap();
        assert_eq!(grants, []);
    }
}
