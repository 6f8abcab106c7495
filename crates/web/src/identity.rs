//! Second factors, logins and API tokens over the API: one's own, and those of others for whoever administers everything
//! (G-01). A login alone does what is here for oneself; an API token does not.

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use rumline_server::{
    Action, Caller, Error, FactorState, Grant, Login, LoginId, NewApiToken, PartId, Role, ScopeId,
    Which,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::people::{Answer, done, grants, run};
use crate::site::{Access, Route, Site, parse, route};

use Access::{May, Oneself};
use Action::AdministerAll;

/// Their rows in the table of routes.
pub(crate) fn routes<S: Site>() -> Vec<Route<S>> {
    vec![
        route!(get "/api/v1/me/second-factor", Oneself, "Since when one's second factor is asked for, and how many recovery codes are left.", None, "{\"since\":null,\"recovery_codes\":0}", factor::<S>),
        route!(post "/api/v1/me/second-factor", Oneself, "Begins a second factor: what an app gets, and recovery codes, which are answered here alone. It is asked for once it is confirmed.", Some("{\"password\":\"…\"}"), "{\"secret\":\"…\",\"uri\":\"otpauth://totp/…\",\"recovery_codes\":[\"…\"]}", begin_factor::<S>).holds_secret(),
        route!(post "/api/v1/me/second-factor/confirm", Oneself, "Confirms it by a code of the app, within an hour; all other logins end.", Some("{\"code\":\"123456\"}"), "{}", confirm_factor::<S>).holds_secret(),
        route!(post "/api/v1/me/second-factor/remove", Oneself, "Takes one's own second factor away, by the password and a code.", Some("{\"password\":\"…\",\"code\":\"123456\"}"), "{}", remove_factor::<S>).holds_secret(),
        route!(get "/api/v1/me/logins", Oneself, "One's own logins and API tokens that hold, newest first; `used_at` is right to ten minutes.", None, "[{\"id\":1,\"kind\":\"login\",\"name\":\"\",\"address\":\"192.0.2.7\",\"created_at\":1700000000,\"used_at\":1700000000,\"expires_at\":1700043200,\"limit\":null,\"current\":true}]", own_logins::<S>),
        route!(delete "/api/v1/me/logins/{id}", Oneself, "Ends one of them.", None, "{}", end_own::<S>),
        route!(delete "/api/v1/me/logins", Oneself, "Ends all logins but this one; API tokens go on.", None, "{\"ended\":1}", end_others::<S>),
        route!(get "/api/v1/me/tokens", Oneself, "One's own API tokens that hold, newest first.", None, "[{\"id\":2,\"kind\":\"token\",\"name\":\"nightly\",\"address\":\"192.0.2.7\",\"created_at\":1700000000,\"used_at\":1700000000,\"expires_at\":1702592000,\"limit\":{\"role\":\"viewer\"},\"current\":false}]", own_tokens::<S>),
        route!(post "/api/v1/me/tokens", Oneself, "Makes an API token, by one's password; it is answered here alone. It does what `role` and the account that is named allow, as far as its owner may do it. It ends after `expires_after_days`, 1 to 365.", Some("{\"name\":\"nightly\",\"role\":\"viewer\",\"expires_after_days\":30,\"password\":\"…\"}"), "{\"id\":2,\"kind\":\"token\",\"name\":\"nightly\",\"address\":\"192.0.2.7\",\"created_at\":1700000000,\"used_at\":1700000000,\"expires_at\":1702592000,\"limit\":{\"role\":\"viewer\"},\"current\":false,\"token\":\"rumline_…\"}", create_token::<S>).holds_secret(),
        route!(delete "/api/v1/me/tokens/{id}", Oneself, "Ends an API token.", None, "{}", end_token::<S>),
        route!(get "/api/v1/people/{login}/logins", May(AdministerAll), "Somebody's logins and API tokens that hold, newest first.", None, "[{\"id\":1,\"kind\":\"login\",\"name\":\"\",\"address\":\"192.0.2.7\",\"created_at\":1700000000,\"used_at\":1700000000,\"expires_at\":1700043200,\"limit\":null,\"current\":false}]", logins::<S>),
        route!(delete "/api/v1/people/{login}/logins/{id}", May(AdministerAll), "Ends one of them.", None, "{}", end_one::<S>),
        route!(delete "/api/v1/people/{login}/logins", May(AdministerAll), "Ends all of them, API tokens too.", None, "{\"ended\":1}", end_all::<S>),
        route!(post "/api/v1/people/{login}/second-factor/reset", May(AdministerAll), "Takes the second factor of somebody away who has lost it; their logins end.", None, "{}", reset_factor::<S>),
    ]
}

/// A login or an API token as the API shows it.
fn shown<S: Site>(one: &Login, current: LoginId) -> Value {
    json!({
        "id": one.id,
        "kind": if one.is_token { "token" } else { "login" },
        "name": one.name,
        "address": one.address,
        "created_at": one.created_at.0,
        "used_at": one.used_at.0,
        "expires_at": one.expires_at.0,
        "limit": one.limit.and_then(|limit| grants::<S>(&[limit]).pop()),
        "current": one.id == current,
    })
}

async fn factor<S: Site>(State(state): State<S>, Extension(caller): Extension<Caller>) -> Answer {
    run(&state, move |_, people, now| {
        let FactorState { since, recovery_codes, .. } =
            people.second_factor(now, &caller.login, caller.login_id)?;
        Ok(json!({ "since": since.map(|at| at.0), "recovery_codes": recovery_codes }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: String,
}

async fn begin_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let Password { password } = parse(&body)?;
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |site, people, now| {
        let begun = people.begin_second_factor(now, &caller.actor(), &password, caller.login_id)?;
        Ok(json!({
            "secret": begun.secret.to_text(),
            "uri": begun.secret.to_uri(site.title(), &caller.login),
            "recovery_codes": begun.recovery_codes,
        }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

async fn confirm_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let Code { code } = parse(&body)?;
    run(&state, move |_, people, now| {
        people.confirm_second_factor(now, &caller.actor(), &code, caller.login_id)?;
        done()
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordAndCode {
    password: String,
    code: String,
}

async fn remove_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let PasswordAndCode { password, code } = parse(&body)?;
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |_, people, now| {
        people.remove_second_factor(now, &caller.actor(), &password, &code)?;
        done()
    })
    .await
}

async fn own_logins<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    run(&state, move |_, people, now| {
        let all = people.logins(now, &caller.login)?;
        Ok(all.iter().map(|one| shown::<S>(one, caller.login_id)).collect())
    })
    .await
}

/// Ends what is meant of somebody.
async fn ended<S: Site>(state: S, caller: Caller, login: String, which: Which) -> Answer {
    run(&state, move |_, people, now| {
        let ended = people.end_logins(now, &caller.actor(), &login, which)?;
        match which {
            Which::One(_) | Which::Token(_) => done(),
            Which::Others(_) | Which::All => Ok(json!({ "ended": ended })),
        }
    })
    .await
}

async fn end_own<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<LoginId>,
) -> Answer {
    let login = caller.login.clone();
    ended(state, caller, login, Which::One(id)).await
}

async fn end_others<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let (login, own) = (caller.login.clone(), caller.login_id);
    ended(state, caller, login, Which::Others(own)).await
}

async fn own_tokens<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    run(&state, move |_, people, now| {
        let all = people.logins(now, &caller.login)?;
        let tokens = all.iter().filter(|one| one.is_token);
        Ok(tokens.map(|one| shown::<S>(one, caller.login_id)).collect())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    role: Role,
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
    #[serde(default, alias = "virtual_account_id")]
    part_id: Option<PartId>,
    expires_after_days: i64,
    password: String,
}

/// Makes one, once it is known that the account which it is for is there for its owner.
pub(crate) fn make_token<S: Site>(
    site: &S,
    caller: &Caller,
    password: &str,
    new: &NewApiToken,
) -> Result<(Login, String), Error> {
    if let Some(scope) = new.limit.scope_id {
        if !caller.scopes().has(&scope) {
            return Err(Error::NotFound("account"));
        }
        site.check_scope(scope, new.limit.part_id)?;
    }
    site.people().create_api_token(site.now(), &caller.actor(), password, new)
}

async fn create_token<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let NewToken { name, role, scope_id, part_id, expires_after_days, password } = parse(&body)?;
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |site, _, _| {
        if part_id.is_some() && scope_id.is_none() {
            return Err(Error::invalid("a part is one of an account: name it too"));
        }
        let limit = Grant { role, scope_id, part_id };
        let new = NewApiToken { name, limit, expires_after_days };
        let (made, text) = make_token(site, &caller, &password, &new)?;
        let mut told = shown::<S>(&made, caller.login_id);
        told["token"] = json!(text);
        Ok(told)
    })
    .await
}

async fn end_token<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<LoginId>,
) -> Answer {
    let login = caller.login.clone();
    ended(state, caller, login, Which::Token(id)).await
}

async fn logins<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer {
    run(&state, move |_, people, now| {
        let all = people.logins(now, &login)?;
        Ok(all.iter().map(|one| shown::<S>(one, caller.login_id)).collect())
    })
    .await
}

async fn end_one<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path((login, id)): Path<(String, LoginId)>,
) -> Answer {
    ended(state, caller, login, Which::One(id)).await
}

async fn end_all<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer {
    ended(state, caller, login, Which::All).await
}

async fn reset_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer {
    run(&state, move |_, people, now| {
        people.reset_second_factor(now, &caller.actor(), &login)?;
        done()
    })
    .await
}
