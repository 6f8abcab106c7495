//! Who may do what (G-01, CSSM-008): roles, what they are given for, and what they allow. Nothing here is stored or asked.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{Actor, Error, LoginId};

rumline_store::id_types! {
    /// What a person may be bound to: a smart account at CSSM, a tenant at SSM On-Prem.
    ScopeId,
    /// What of a scope a person may be bound to: a virtual account at CSSM.
    PartId,
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Work with tokens, files and product instances; SSM On-Prem's operator.
    #[serde(alias = "operator")]
    User,
    /// Everything, people and policies included.
    Administrator,
}

/// What is read is more than what is written.
impl JsonSchema for Role {
    fn schema_name() -> Cow<'static, str> {
        "Role".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "What a person may do: `viewer` looks; `user` works with tokens, files and product \
                instances, and `operator` is SSM On-Prem's word for it; `administrator` does everything, people and \
                policies included.",
            "enum": ["viewer", "user", "operator", "administrator"],
        })
    }
}

impl Role {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::User => "user",
            Self::Administrator => "administrator",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::User, Self::Administrator].into_iter().find(|r| r.name() == name)
    }
}

/// A kind of action, and so the role it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look at an account.
    View,
    /// Work in an account.
    Operate,
    /// Administer an account.
    Administer,
    /// Create accounts and people without account.
    AdministerAll,
    /// Look at what is of no account: how the server does.
    ViewAll,
}

impl Action {
    /// Whether it takes a role in everything.
    fn is_of_all(self) -> bool {
        matches!(self, Self::AdministerAll | Self::ViewAll)
    }
}

/// A role, and what it is given for: everything, a scope, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// The scope; none for everything.
    pub scope_id: Option<ScopeId>,
    /// The part of the scope; none for all of it.
    pub part_id: Option<PartId>,
}

impl Grant {
    /// A role for a scope, or for everything.
    #[must_use]
    pub fn of(role: Role, scope_id: Option<ScopeId>) -> Self {
        Self { role, scope_id, part_id: None }
    }

    /// A role for a part of a scope.
    #[must_use]
    pub fn of_part(role: Role, scope_id: ScopeId, part_id: PartId) -> Self {
        Self { role, scope_id: Some(scope_id), part_id: Some(part_id) }
    }

    fn covers(&self, scope_id: ScopeId, part_id: Option<PartId>) -> bool {
        match (self.scope_id, self.part_id) {
            (None, _) => true,
            (Some(own), None) => own == scope_id,
            (Some(own), own_part) => own == scope_id && own_part == part_id,
        }
    }
}

/// Of many parts or scopes, those that somebody may act in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Only<T> {
    /// All there are.
    All,
    /// These.
    These(BTreeSet<T>),
}

impl<T: Ord> Only<T> {
    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, one: &T) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(one),
        }
    }
}

/// Whoever is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Login name.
    pub login: String,
    /// What it may do where.
    pub grants: Vec<Grant>,
    /// Where it is, as far as that is known.
    pub address: Option<String>,
    /// Why it does what it does, if it said so.
    pub reason: Option<String>,
    /// By which login it came; 0 if by none.
    pub login_id: LoginId,
    /// The name of the API token that it is, if somebody made it for a program.
    pub api_token: Option<String>,
}

impl Caller {
    /// A caller with these grants.
    #[must_use]
    pub fn new(login: &str, grants: Vec<Grant>) -> Self {
        Self {
            login: login.to_owned(),
            grants,
            address: None,
            reason: None,
            login_id: LoginId::default(),
            api_token: None,
        }
    }

    /// As whom it acts.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::person(&self.login)
            .at(self.address.as_deref())
            .because(self.reason.as_deref())
            .by_api_token(self.api_token.as_deref())
    }

    /// The highest role it has anywhere.
    #[must_use]
    pub fn highest_role(&self) -> Role {
        self.grants.iter().map(|grant| grant.role).max().unwrap_or(Role::Viewer)
    }

    /// The scopes of which it sees anything.
    #[must_use]
    pub fn scopes(&self) -> Only<ScopeId> {
        let scopes: Option<BTreeSet<ScopeId>> =
            self.grants.iter().map(|grant| grant.scope_id).collect();
        scopes.map_or(Only::All, Only::These)
    }

    /// The parts of a scope in which it may do this.
    #[must_use]
    pub fn parts(&self, action: Action, scope_id: ScopeId) -> Only<PartId> {
        let allows = |grant: &&Grant| allows(grant.role, action);
        let fitting = self.grants.iter().filter(allows);
        let parts: Option<BTreeSet<PartId>> = fitting
            .filter(|grant| grant.scope_id.is_none_or(|own| own == scope_id))
            .map(|grant| grant.part_id)
            .collect();
        parts.map_or(Only::All, Only::These)
    }

    /// Whether the caller may act in the scope, or in a part of it. Another scope's things are not even there.
    ///
    /// # Errors
    /// When it may not.
    pub fn may(
        &self,
        action: Action,
        scope_id: ScopeId,
        part_id: Option<PartId>,
    ) -> Result<(), Error> {
        if !self.scopes().has(&scope_id) {
            return Err(Error::NotFound("account"));
        }
        if action.is_of_all() {
            return self.may_at_all(action);
        }
        let covering = self.grants.iter().filter(|grant| grant.covers(scope_id, part_id));
        match covering.map(|grant| grant.role).max() {
            Some(role) if allows(role, action) => Ok(()),
            Some(_) => Err(Error::Forbidden),
            // Of a scope that it has a part of it knows; of the other parts it does not.
            None if part_id.is_none() => Err(Error::Forbidden),
            None => Err(Error::NotFound("account")),
        }
    }

    /// Whether the caller's role allows the action anywhere.
    ///
    /// # Errors
    /// When it does not.
    pub fn may_at_all(&self, action: Action) -> Result<(), Error> {
        let is_for = |grant: &Grant| !action.is_of_all() || grant.scope_id.is_none();
        let allowed = self.grants.iter().any(|grant| is_for(grant) && allows(grant.role, action));
        if allowed { Ok(()) } else { Err(Error::Forbidden) }
    }
}

/// What of these grants a limit leaves: of each the part that both are about, with the lower of both roles.
#[must_use]
pub fn narrowed(grants: &[Grant], limit: &Grant) -> Vec<Grant> {
    let both = |own: &Grant| {
        let scope_id = match (own.scope_id, limit.scope_id) {
            (Some(own), Some(of)) if own != of => return None,
            (own, of) => own.or(of),
        };
        let part_id = match (own.part_id, limit.part_id) {
            (Some(own), Some(of)) if own != of => return None,
            (own, of) => own.or(of),
        };
        Some(Grant { role: own.role.min(limit.role), scope_id, part_id })
    };
    let left: BTreeSet<Grant> = grants.iter().filter_map(both).collect();
    left.into_iter().collect()
}

fn allows(role: Role, action: Action) -> bool {
    match action {
        Action::View | Action::ViewAll => true,
        Action::Operate => role >= Role::User,
        Action::Administer | Action::AdministerAll => role == Role::Administrator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Administer, AdministerAll, Operate, View, ViewAll};

    const ACTIONS: [Action; 5] = [View, Operate, Administer, AdministerAll, ViewAll];
    const ROLES: [(Role, usize); 3] =
        [(Role::Viewer, 1), (Role::User, 2), (Role::Administrator, 3)];

    #[test]
    fn roles_are_known_by_their_names() {
        for (role, name) in
            [(Role::Viewer, "viewer"), (Role::User, "user"), (Role::Administrator, "administrator")]
        {
            assert_eq!((role.name(), Role::from_name(name)), (name, Some(role)));
        }
        assert_eq!(Role::from_name("operator"), None);
    }

    #[test]
    fn a_role_allows_what_it_says_and_an_account_ends_at_its_edge() {
        // CSSM-008, G-01
        for (role, allowed) in ROLES {
            for (index, action) in ACTIONS.into_iter().enumerate() {
                let own = Caller::new("x", vec![Grant::of(role, Some(ScopeId(7)))]);
                for part in [None, Some(PartId(1)), Some(PartId(2))] {
                    let may = own.may(action, ScopeId(7), part);
                    assert_eq!(may.is_ok(), index < allowed, "{role:?} {action:?}");
                }
                assert_eq!(own.may_at_all(action).is_ok(), index < allowed);
                let at_all = Caller::new("x", vec![Grant::of(role, None)]).may_at_all(action);
                assert_eq!(at_all.is_ok(), allows(role, action));
                let all = Caller::new("x", vec![Grant::of(role, None)]);
                let everything =
                    action == ViewAll || role == Role::Administrator && action == AdministerAll;
                let may = all.may(action, ScopeId(8), None);
                assert_eq!(may.is_ok(), index < allowed || everything);
                assert!(may.err().is_none_or(|error| matches!(error, Error::Forbidden)));
                // What belongs to others is not even there.
                assert!(matches!(own.may(action, ScopeId(8), None), Err(Error::NotFound(_))));
            }
        }
    }

    #[test]
    fn a_part_is_all_that_whoever_is_bound_to_it_sees() {
        for (role, allowed) in ROLES {
            let own = Caller::new("x", vec![Grant::of_part(role, ScopeId(7), PartId(2))]);
            for (index, action) in ACTIONS.into_iter().enumerate() {
                let here = own.may(action, ScopeId(7), Some(PartId(2)));
                assert_eq!(here.is_ok(), index < allowed, "{role:?} {action:?}");
                if action.is_of_all() {
                    assert!(matches!(own.may_at_all(action), Err(Error::Forbidden)));
                    continue;
                }
                let other = own.may(action, ScopeId(7), Some(PartId(3)));
                assert!(matches!(other, Err(Error::NotFound(_))));
                // That the account is there it knows, and may do nothing in the whole of it.
                assert!(matches!(own.may(action, ScopeId(7), None), Err(Error::Forbidden)));
                assert!(matches!(own.may(action, ScopeId(8), None), Err(Error::NotFound(_))));
                let these = own.parts(action, ScopeId(7));
                let expected = if index < allowed { vec![PartId(2)] } else { vec![] };
                assert_eq!(these, Only::These(expected.into_iter().collect()));
                assert_eq!(own.parts(action, ScopeId(8)), Only::These(BTreeSet::new()));
            }
            assert_eq!(own.scopes(), Only::These([ScopeId(7)].into()));
        }
    }

    #[test]
    fn a_limit_takes_away_and_adds_nothing() {
        let places = [
            (None, None),
            (Some(ScopeId(1)), None),
            (Some(ScopeId(1)), Some(PartId(1))),
            (Some(ScopeId(1)), Some(PartId(2))),
            (Some(ScopeId(2)), None),
            (Some(ScopeId(2)), Some(PartId(1))),
        ];
        let one = |role| {
            move |(scope_id, part_id): (Option<ScopeId>, Option<PartId>)| Grant {
                role,
                scope_id,
                part_id,
            }
        };
        let all: Vec<Grant> =
            ROLES.iter().flat_map(|(role, _)| places.into_iter().map(one(*role))).collect();
        let may = |grants: Vec<Grant>, action, place: (Option<ScopeId>, Option<PartId>)| {
            let caller = Caller::new("x", grants);
            match place {
                (None, _) => caller.may_at_all(action).is_ok(),
                (Some(scope), part) => caller.may(action, scope, part).is_ok(),
            }
        };
        for first in &all {
            for second in &all {
                for limit in &all {
                    let left = narrowed(&[*first, *second], limit);
                    for action in ACTIONS {
                        for place in &places[1..] {
                            let by_owner = may(vec![*first, *second], action, *place);
                            let by_limit = may(vec![*limit], action, *place);
                            let both = by_owner && by_limit;
                            let what = (first, second, limit, action, place);
                            assert_eq!(may(left.clone(), action, *place), both, "{what:?}");
                        }
                    }
                    let all_of = |grants: Vec<Grant>| may(grants, AdministerAll, (None, None));
                    let both = all_of(vec![*first, *second]) && all_of(vec![*limit]);
                    assert_eq!(all_of(left), both);
                }
            }
        }
        assert_eq!(narrowed(&[], &all[0]), []);
    }

    #[test]
    fn of_several_grants_the_highest_that_covers_counts() {
        let grants = vec![
            Grant::of(Role::Viewer, Some(ScopeId(1))),
            Grant::of_part(Role::Administrator, ScopeId(1), PartId(5)),
            Grant::of(Role::User, Some(ScopeId(2))),
        ];
        let caller = Caller::new("x", grants);
        assert!(caller.may(Administer, ScopeId(1), Some(PartId(5))).is_ok());
        assert!(matches!(
            caller.may(Administer, ScopeId(1), Some(PartId(6))),
            Err(Error::Forbidden)
        ));
        assert!(caller.may(View, ScopeId(1), Some(PartId(6))).is_ok());
        assert!(caller.may(Operate, ScopeId(2), None).is_ok());
        assert_eq!(caller.parts(View, ScopeId(1)), Only::All);
        assert_eq!(caller.parts(Administer, ScopeId(1)), Only::These([PartId(5)].into()));
        assert_eq!(caller.highest_role(), Role::Administrator);
        assert_eq!(caller.scopes(), Only::These([ScopeId(1), ScopeId(2)].into()));
        let everywhere = Caller::new("y", vec![Grant::of(Role::Viewer, None)]);
        assert_eq!(everywhere.scopes(), Only::All);
        assert!(Only::All.has(&ScopeId(9)) && !caller.scopes().has(&ScopeId(9)));
        assert_eq!(Caller::new("z", vec![]).highest_role(), Role::Viewer);
    }
}
