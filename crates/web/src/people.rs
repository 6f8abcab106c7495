//! The people of a server over its API: whoever administers everything manages all of them, whoever administers an account
//! those of the account (G-01, CSSM-008).

use axum::Json;
use axum::extract::{Extension, Path, State};
use rumline_protocol::Timestamp;
use rumline_server::{
    Action, Caller, Error, Grant, Kind, NAME_LETTERS_MAX, PASSWORD_BYTES_MAX, PASSWORD_LETTERS_MIN,
    PartId, People, Person, Role, SECRET_DAYS_MAX, ScopeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::asked::{Asked, Sent};
use crate::openapi::InTerms;
use crate::operation::{Done, done};
use crate::problem::Problem;
use crate::site::{Site, blocking};

pub(crate) type Answer<T> = Result<Json<T>, Problem>;
/// The same in the terms of a server.
pub(crate) type Told<S, T> = Answer<InTerms<S, T>>;

/// Runs `work` on a thread that may block.
pub(crate) async fn run<S: Site, T: Send + 'static>(
    state: &S,
    work: impl FnOnce(&S, &People, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Answer<T> {
    let (site, now) = (state.clone(), state.now());
    blocking(move || work(&site, &site.people().clone(), now)).await.map(Json)
}

/// The same, told in the terms of the server.
pub(crate) async fn run_told<S: Site, T: Send + 'static>(
    state: &S,
    work: impl FnOnce(&S, &People, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Told<S, T> {
    run(state, work).await.map(|Json(answer)| Json(InTerms::new(answer)))
}

/// A role that somebody has, and what for: everything where nothing is named.
#[derive(Serialize, JsonSchema)]
pub(crate) struct GrantedRole {
    /// The role.
    role: Role,
    /// The account it is for; none for all.
    scope_id: Option<ScopeId>,
    /// The part of the account it is for; none for the whole.
    part_id: Option<PartId>,
}

impl GrantedRole {
    pub(crate) fn of(grant: &Grant) -> Self {
        let Grant { role, scope_id, part_id } = *grant;
        Self { role, scope_id, part_id }
    }
}

fn grants(grants: &[Grant]) -> Vec<GrantedRole> {
    grants.iter().map(GrantedRole::of).collect()
}

/// A person, or a program.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Person")]
pub(crate) struct PersonView {
    /// Login name.
    login: String,
    /// A person, or a program.
    kind: Kind,
    /// What they may do where.
    roles: Vec<GrantedRole>,
    /// When they were added, in seconds since 1970.
    created_at: Timestamp,
    /// Since when they may not log in.
    disabled_at: Option<Timestamp>,
    /// Since when they are asked for a second factor.
    second_factor_at: Option<Timestamp>,
    /// The provider by which they log in, if they do.
    issuer: Option<String>,
    /// When a program's secret ends; none if it does not.
    secret_ends_at: Option<Timestamp>,
}

fn shown(person: &Person) -> PersonView {
    PersonView {
        login: person.login.clone(),
        kind: person.kind,
        roles: grants(&person.grants),
        created_at: person.created_at,
        disabled_at: person.disabled_at,
        second_factor_at: person.second_factor_at,
        issuer: person.issuer.clone(),
        secret_ends_at: person.secret_ends_at,
    }
}

/// Whoever is logged in.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Me {
    /// Login name.
    login: String,
    /// The highest role they have anywhere.
    role: Role,
    /// What they may do where.
    roles: Vec<GrantedRole>,
}

/// Who is logged in, and what they may do where.
pub(crate) async fn me<S: Site>(
    State(_): State<S>,
    Extension(caller): Extension<Caller>,
) -> Json<InTerms<S, Me>> {
    Json(InTerms::new(Me {
        login: caller.login.clone(),
        role: caller.highest_role(),
        roles: grants(&caller.grants),
    }))
}

/// Another password for oneself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPassword {
    /// The password there is.
    old: String,
    /// The one that takes its place.
    #[schemars(length(min = PASSWORD_LETTERS_MIN, max = PASSWORD_BYTES_MAX))]
    new: String,
}

pub(crate) async fn own_password<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Sent(OwnPassword { old, new }): Sent<OwnPassword>,
) -> Answer<Done> {
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |_, people, now| {
        people.change_own_password(now, &caller.actor(), &old, &new)?;
        done()
    })
    .await
}

/// A role, and what for: nothing named means everything, or the account of the path.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// The role.
    role: Role,
    /// The account it is for; none for all, or for the one of the path.
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
    /// The part of the account it is for; none for the whole.
    #[serde(default, alias = "virtual_account_id")]
    part_id: Option<PartId>,
}

impl NewRole {
    /// The grant, once what it is for is there.
    fn grant<S: Site>(self, site: &S, within: Option<ScopeId>) -> Result<Grant, Error> {
        let Self { role, scope_id, part_id } = self;
        if within.is_some() && scope_id.is_some_and(|named| Some(named) != within) {
            return Err(Error::NotFound("account"));
        }
        let scope_id = within.or(scope_id);
        match (scope_id, part_id) {
            (None, None) => {}
            (None, Some(_)) => {
                return Err(Error::invalid("a part is one of an account: name it too"));
            }
            (Some(scope), part) => site.check_scope(scope, part)?,
        }
        Ok(Grant { role, scope_id, part_id })
    }
}

/// A person, or a program.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    /// Login name.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    login: String,
    /// Without one it is a program, whose secret is made.
    #[serde(default)]
    #[schemars(length(min = PASSWORD_LETTERS_MIN, max = PASSWORD_BYTES_MAX))]
    password: Option<String>,
    /// After how many days a program's secret ends; none if it does not.
    #[serde(default)]
    #[schemars(range(min = 1, max = SECRET_DAYS_MAX))]
    expires_after_days: Option<i64>,
    /// Their role.
    role: Role,
    /// The account it is for; none for all, or for the one of the path.
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
    /// The part of the account it is for; none for the whole.
    #[serde(default, alias = "virtual_account_id")]
    part_id: Option<PartId>,
}

/// Somebody who was added; of a program with its secret, which is told here alone.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadePerson {
    /// How they are.
    #[serde(flatten)]
    person: PersonView,
    /// A program's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A program's new secret, which is told here alone.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadeSecret {
    /// Its login name, which is its client id.
    login: String,
    /// Its secret.
    secret: String,
}

async fn create_within<S: Site>(
    state: S,
    caller: Caller,
    within: Option<ScopeId>,
    NewPerson { login, password, expires_after_days, role, scope_id, part_id }: NewPerson,
) -> Told<S, MadePerson> {
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run_told(&state, move |site, people, now| {
        let grant = NewRole { role, scope_id, part_id }.grant(site, within)?;
        let (by, days) = (caller.actor(), expires_after_days);
        let made = match (&password, days) {
            (Some(_), Some(_)) => {
                let text = "a person's password does not end: only the secret of a program does";
                return Err(Error::field("expires_after_days", text));
            }
            (Some(password), None) => people.create(now, &by, &login, Some(password), &[grant])?,
            (None, days) => Some(people.create_program(now, &by, &login, &[grant], days)?),
        };
        Ok(MadePerson { person: shown(&people.person(&login)?), secret: made })
    })
    .await
}

pub(crate) async fn create<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Sent(new): Sent<NewPerson>,
) -> Told<S, MadePerson> {
    create_within(state, caller, None, new).await
}

pub(crate) async fn create_in<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(scope): Path<ScopeId>,
    Sent(new): Sent<NewPerson>,
) -> Told<S, MadePerson> {
    create_within(state, caller, Some(scope), new).await
}

pub(crate) async fn list<S: Site>(State(state): State<S>) -> Told<S, Vec<PersonView>> {
    run_told(&state, |_, people, _| Ok(people.list(None)?.iter().map(shown).collect())).await
}

/// Those of one account, with their roles in it.
pub(crate) async fn list_in<S: Site>(
    State(state): State<S>,
    Path(scope): Path<ScopeId>,
) -> Told<S, Vec<PersonView>> {
    run_told(&state, move |site, people, _| {
        site.check_scope(scope, None)?;
        let mut all = people.list(Some(scope))?;
        for person in &mut all {
            person.grants.retain(|grant| grant.scope_id == Some(scope));
        }
        Ok(all.iter().map(shown).collect())
    })
    .await
}

pub(crate) async fn one<S: Site>(
    State(state): State<S>,
    Path(login): Path<String>,
) -> Told<S, PersonView> {
    run_told(&state, move |_, people, _| Ok(shown(&people.person(&login)?))).await
}

/// What is done to somebody, and how they are afterwards.
async fn changed<S: Site>(
    state: S,
    caller: Caller,
    login: String,
    work: impl FnOnce(&S, &People, Timestamp, &Caller, &str) -> Result<(), Error> + Send + 'static,
) -> Told<S, PersonView> {
    run_told(&state, move |site, people, now| {
        work(site, people, now, &caller, &login)?;
        Ok(shown(&people.person(&login)?))
    })
    .await
}

/// Another password for a person.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The password.
    #[schemars(length(min = PASSWORD_LETTERS_MIN, max = PASSWORD_BYTES_MAX))]
    password: String,
}

pub(crate) async fn set_password<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    Sent(NewPassword { password }): Sent<NewPassword>,
) -> Told<S, PersonView> {
    let _permit = state.gates().logins.clone().acquire_owned().await;
    changed(state, caller, login, move |_, people, now, caller, login| {
        people.set_password(now, &caller.actor(), login, &password)
    })
    .await
}

pub(crate) async fn renew_secret<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer<MadeSecret> {
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |_, people, now| {
        let secret = people.renew_secret(now, &caller.actor(), &login)?;
        Ok(MadeSecret { login, secret })
    })
    .await
}

pub(crate) async fn disable<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Told<S, PersonView> {
    changed(state, caller, login, |_, people, now, caller, login| {
        people.set_disabled(now, &caller.actor(), login, true)
    })
    .await
}

pub(crate) async fn enable<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Told<S, PersonView> {
    changed(state, caller, login, |_, people, now, caller, login| {
        people.set_disabled(now, &caller.actor(), login, false)
    })
    .await
}

pub(crate) async fn remove<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer<Done> {
    run(&state, move |_, people, now| {
        people.remove(now, &caller.actor(), &login)?;
        done()
    })
    .await
}

pub(crate) async fn grant<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    Sent(role): Sent<NewRole>,
) -> Told<S, PersonView> {
    changed(state, caller, login, move |site, people, now, caller, login| {
        people.grant(now, &caller.actor(), login, role.grant(site, None)?)
    })
    .await
}

/// A role in an account, of somebody whose other roles stay as they are.
pub(crate) async fn grant_in<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path((scope, login)): Path<(ScopeId, String)>,
    Sent(role): Sent<NewRole>,
) -> Answer<Done> {
    run(&state, move |site, people, now| {
        // Whoever has nothing to do with the account yet is for those who administer everything.
        let known = people.person(&login)?;
        let is_its = known.grants.iter().any(|grant| grant.scope_id == Some(scope));
        if !is_its && caller.may_at_all(Action::AdministerAll).is_err() {
            return Err(Error::NotFound("person of this account"));
        }
        people.grant(now, &caller.actor(), &login, role.grant(site, Some(scope))?)?;
        done()
    })
    .await
}

/// What a role that goes was for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taken {
    /// The account it is for; none for everything, or for the account of the path.
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
    /// The part of the account it is for; none for the whole.
    #[serde(default, alias = "virtual_account_id")]
    part_id: Option<PartId>,
}

pub(crate) async fn take_back<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    Asked(Taken { scope_id, part_id }): Asked<Taken>,
) -> Answer<Done> {
    run(&state, move |_, people, now| {
        people.take_back(now, &caller.actor(), &login, scope_id, part_id)?;
        done()
    })
    .await
}

pub(crate) async fn take_back_in<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path((scope, login)): Path<(ScopeId, String)>,
    Asked(Taken { scope_id, part_id }): Asked<Taken>,
) -> Answer<Done> {
    run(&state, move |_, people, now| {
        if scope_id.is_some_and(|named| named != scope) {
            return Err(Error::NotFound("account"));
        }
        people.take_back(now, &caller.actor(), &login, Some(scope), part_id)?;
        done()
    })
    .await
}
