//! The people of a server over its API: whoever administers everything manages all of them, whoever administers an account
//! those of the account (G-01, CSSM-008).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use rumline_protocol::Timestamp;
use rumline_server::{Action, Caller, Error, Grant, PartId, People, Person, Role, ScopeId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::site::{Site, blocking, parse};

pub(crate) type Answer = Result<Json<Value>, Problem>;

/// Runs `work` on a thread that may block.
pub(crate) async fn run<S: Site>(
    state: &S,
    work: impl FnOnce(&S, &People, Timestamp) -> Result<Value, Error> + Send + 'static,
) -> Answer {
    let (site, now) = (state.clone(), state.now());
    blocking(move || work(&site, &site.people().clone(), now)).await.map(Json)
}

pub(crate) fn done() -> Result<Value, Error> {
    Ok(json!({}))
}

/// Roles as the API shows them.
pub(crate) fn grants<S: Site>(grants: &[Grant]) -> Vec<Value> {
    let one = |grant: &Grant| {
        let mut shown = Map::new();
        shown.insert("role".to_owned(), json!(grant.role));
        shown.insert(S::SCOPE_ID.to_owned(), json!(grant.scope_id));
        if let Some(part) = S::PART_ID {
            shown.insert(part.to_owned(), json!(grant.part_id));
        }
        Value::Object(shown)
    };
    grants.iter().map(one).collect()
}

fn shown<S: Site>(person: &Person) -> Value {
    json!({
        "login": person.login,
        "kind": person.kind,
        "roles": grants::<S>(&person.grants),
        "created_at": person.created_at.0,
        "disabled_at": person.disabled_at.map(|at| at.0),
        "second_factor_at": person.second_factor_at.map(|at| at.0),
    })
}

/// Who is logged in, and what they may do where.
pub(crate) async fn me<S: Site>(
    State(_): State<S>,
    Extension(caller): Extension<Caller>,
) -> Json<Value> {
    Json(json!({
        "login": caller.login,
        "role": caller.highest_role(),
        "roles": grants::<S>(&caller.grants),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPassword {
    old: String,
    new: String,
}

pub(crate) async fn own_password<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let OwnPassword { old, new } = parse(&body)?;
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |_, people, now| {
        people.change_own_password(now, &caller.actor(), &old, &new)?;
        done()
    })
    .await
}

/// A role, and what for: nothing named means everything, or the account of the path.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    role: Role,
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPerson {
    login: String,
    /// Without one it is a program, whose secret is made.
    #[serde(default)]
    password: Option<String>,
    role: Role,
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
    #[serde(default, alias = "virtual_account_id")]
    part_id: Option<PartId>,
}

async fn create_within<S: Site>(
    state: S,
    caller: Caller,
    within: Option<ScopeId>,
    body: Bytes,
) -> Answer {
    let NewPerson { login, password, role, scope_id, part_id } = parse(&body)?;
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |site, people, now| {
        let grant = NewRole { role, scope_id, part_id }.grant(site, within)?;
        let made = people.create(now, &caller.actor(), &login, password.as_deref(), &[grant])?;
        let mut told = shown::<S>(&people.person(&login)?);
        if let Some(secret) = made {
            told["secret"] = json!(secret);
        }
        Ok(told)
    })
    .await
}

pub(crate) async fn create<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    create_within(state, caller, None, body).await
}

pub(crate) async fn create_in<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(scope): Path<ScopeId>,
    body: Bytes,
) -> Answer {
    create_within(state, caller, Some(scope), body).await
}

pub(crate) async fn list<S: Site>(State(state): State<S>) -> Answer {
    run(&state, |_, people, _| Ok(people.list(None)?.iter().map(shown::<S>).collect())).await
}

/// Those of one account, with their roles in it.
pub(crate) async fn list_in<S: Site>(State(state): State<S>, Path(scope): Path<ScopeId>) -> Answer {
    run(&state, move |site, people, _| {
        site.check_scope(scope, None)?;
        let mut all = people.list(Some(scope))?;
        for person in &mut all {
            person.grants.retain(|grant| grant.scope_id == Some(scope));
        }
        Ok(all.iter().map(shown::<S>).collect())
    })
    .await
}

pub(crate) async fn one<S: Site>(State(state): State<S>, Path(login): Path<String>) -> Answer {
    run(&state, move |_, people, _| Ok(shown::<S>(&people.person(&login)?))).await
}

/// What is done to somebody, and how they are afterwards.
async fn changed<S: Site>(
    state: S,
    caller: Caller,
    login: String,
    work: impl FnOnce(&S, &People, Timestamp, &Caller, &str) -> Result<(), Error> + Send + 'static,
) -> Answer {
    run(&state, move |site, people, now| {
        work(site, people, now, &caller, &login)?;
        Ok(shown::<S>(&people.person(&login)?))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

pub(crate) async fn set_password<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    body: Bytes,
) -> Answer {
    let NewPassword { password } = parse(&body)?;
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
) -> Answer {
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |_, people, now| {
        let secret = people.renew_secret(now, &caller.actor(), &login)?;
        Ok(json!({ "login": login, "secret": secret }))
    })
    .await
}

pub(crate) async fn disable<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer {
    changed(state, caller, login, |_, people, now, caller, login| {
        people.set_disabled(now, &caller.actor(), login, true)
    })
    .await
}

pub(crate) async fn enable<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer {
    changed(state, caller, login, |_, people, now, caller, login| {
        people.set_disabled(now, &caller.actor(), login, false)
    })
    .await
}

pub(crate) async fn remove<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer {
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
    body: Bytes,
) -> Answer {
    let role: NewRole = parse(&body)?;
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
    body: Bytes,
) -> Answer {
    let role: NewRole = parse(&body)?;
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taken {
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
    #[serde(default, alias = "virtual_account_id")]
    part_id: Option<PartId>,
}

pub(crate) async fn take_back<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
    Query(Taken { scope_id, part_id }): Query<Taken>,
) -> Answer {
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
    Query(Taken { scope_id, part_id }): Query<Taken>,
) -> Answer {
    run(&state, move |_, people, now| {
        if scope_id.is_some_and(|named| named != scope) {
            return Err(Error::NotFound("account"));
        }
        people.take_back(now, &caller.actor(), &login, Some(scope), part_id)?;
        done()
    })
    .await
}
