//! Second factors, logins and API tokens over the API: one's own, and those of others for whoever administers everything
//! (G-01). A login alone does what is here for oneself; an API token does not.

use axum::Json;
use axum::extract::{Extension, Path, State};
use rumline_protocol::Timestamp;
use rumline_server::{
    Action, Caller, Error, FactorState, Grant, Login, LoginId, NAME_LETTERS_MAX, NewApiToken,
    PartId, Role, ScopeId, Which,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::asked::Sent;
use crate::operation::{Done, done};
use crate::people::{Answer, GrantedRole, Told, run, run_told};
use crate::site::{Access, Route, Site, route};

use Access::{May, Oneself};
use Action::AdministerAll;

/// Their rows in the table of routes.
pub(crate) fn routes<S: Site>() -> Vec<Route<S>> {
    vec![
        route!(get "/api/v1/me/second-factor", Oneself, "Since when one's second factor is asked for, and how many recovery codes are left.", None, factor::<S>),
        route!(post "/api/v1/me/second-factor", Oneself, "Begins a second factor: what an app gets, and recovery codes, which are answered here alone. It is asked for once it is confirmed.", Some("{\"password\":\"…\"}"), begin_factor::<S>).holds_secret(),
        route!(post "/api/v1/me/second-factor/confirm", Oneself, "Confirms it by a code of the app, within an hour; all other logins end.", Some("{\"code\":\"123456\"}"), confirm_factor::<S>).holds_secret(),
        route!(post "/api/v1/me/second-factor/remove", Oneself, "Takes one's own second factor away, by the password and a code.", Some("{\"password\":\"…\",\"code\":\"123456\"}"), remove_factor::<S>).holds_secret(),
        route!(get "/api/v1/me/logins", Oneself, "One's own logins and API tokens that hold, newest first; `used_at` is right to ten minutes.", None, own_logins::<S>),
        route!(delete "/api/v1/me/logins/{id}", Oneself, "Ends one of them.", None, end_own::<S>),
        route!(delete "/api/v1/me/logins", Oneself, "Ends all logins but this one; API tokens go on.", None, end_others::<S>),
        route!(get "/api/v1/me/tokens", Oneself, "One's own API tokens that hold, newest first.", None, own_tokens::<S>),
        route!(post "/api/v1/me/tokens", Oneself, "Makes an API token, by one's password; it is answered here alone. It does what `role` and the account that is named allow, as far as its owner may do it. It ends after `expires_after_days`, 1 to 365.", Some("{\"name\":\"nightly\",\"role\":\"viewer\",\"expires_after_days\":30,\"password\":\"…\"}"), create_token::<S>).holds_secret(),
        route!(delete "/api/v1/me/tokens/{id}", Oneself, "Ends an API token.", None, end_token::<S>),
        route!(get "/api/v1/people/{login}/logins", May(AdministerAll), "Somebody's logins and API tokens that hold, newest first.", None, logins::<S>),
        route!(delete "/api/v1/people/{login}/logins/{id}", May(AdministerAll), "Ends one of them.", None, end_one::<S>),
        route!(delete "/api/v1/people/{login}/logins", May(AdministerAll), "Ends all of them, API tokens too.", None, end_all::<S>),
        route!(post "/api/v1/people/{login}/second-factor/reset", May(AdministerAll), "Takes the second factor of somebody away who has lost it; their logins end.", None, reset_factor::<S>),
    ]
}

/// By what somebody is logged in.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum LoginKind {
    /// A password.
    Login,
    /// An API token.
    Token,
}

/// A login or an API token that holds.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Login")]
pub(crate) struct LoginView {
    /// Its number.
    id: LoginId,
    /// By what it was made.
    kind: LoginKind,
    /// What an API token is called.
    name: String,
    /// From where it was made.
    address: String,
    /// When it was made, in seconds since 1970.
    created_at: Timestamp,
    /// When it was used last, right to ten minutes.
    used_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// What an API token may do, as far as its owner may.
    limit: Option<GrantedRole>,
    /// Whether it is the one that asks.
    current: bool,
}

fn shown(one: &Login, current: LoginId) -> LoginView {
    LoginView {
        id: one.id,
        kind: if one.is_token { LoginKind::Token } else { LoginKind::Login },
        name: one.name.clone(),
        address: one.address.clone(),
        created_at: one.created_at,
        used_at: one.used_at,
        expires_at: one.expires_at,
        limit: one.limit.map(|limit| GrantedRole::of(&limit)),
        current: one.id == current,
    }
}

/// How one's second factor stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecondFactor")]
pub(crate) struct FactorView {
    /// Since when it is asked for; none if there is none.
    since: Option<Timestamp>,
    /// Recovery codes that are left.
    recovery_codes: i64,
}

async fn factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
) -> Answer<FactorView> {
    run(&state, move |_, people, now| {
        let FactorState { since, recovery_codes, .. } =
            people.second_factor(now, &caller.login, caller.login_id)?;
        Ok(FactorView { since, recovery_codes })
    })
    .await
}

/// One's own password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Password {
    /// The password.
    password: String,
}

/// A second factor that was begun: told here alone, and asked for once it is confirmed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BegunFactor {
    /// What an app gets, in letters.
    secret: String,
    /// The same as an address, for a QR code.
    uri: String,
    /// Codes for whoever has lost the app; each counts once.
    recovery_codes: Vec<String>,
}

async fn begin_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Sent(Password { password }): Sent<Password>,
) -> Answer<BegunFactor> {
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run(&state, move |site, people, now| {
        let begun = people.begin_second_factor(now, &caller.actor(), &password, caller.login_id)?;
        Ok(BegunFactor {
            secret: begun.secret.to_text(),
            uri: begun.secret.to_uri(site.title(), &caller.login),
            recovery_codes: begun.recovery_codes,
        })
    })
    .await
}

/// A code of a second factor.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// What the app shows.
    code: String,
}

async fn confirm_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Sent(Code { code }): Sent<Code>,
) -> Answer<Done> {
    run(&state, move |_, people, now| {
        people.confirm_second_factor(now, &caller.actor(), &code, caller.login_id)?;
        done()
    })
    .await
}

/// One's own password, and a code of one's second factor.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordAndCode {
    /// The password.
    password: String,
    /// What the app shows, or a recovery code.
    code: String,
}

async fn remove_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Sent(PasswordAndCode { password, code }): Sent<PasswordAndCode>,
) -> Answer<Done> {
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
) -> Told<S, Vec<LoginView>> {
    run_told(&state, move |_, people, now| {
        let all = people.logins(now, &caller.login)?;
        Ok(all.iter().map(|one| shown(one, caller.login_id)).collect())
    })
    .await
}

/// How many ended.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Ended {
    /// So many logins.
    ended: u64,
}

/// Ends what is meant of somebody.
async fn ended<S: Site>(state: S, caller: Caller, login: String, which: Which) -> Answer<Ended> {
    run(&state, move |_, people, now| {
        Ok(Ended { ended: people.end_logins(now, &caller.actor(), &login, which)? })
    })
    .await
}

async fn end_own<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<LoginId>,
) -> Answer<Done> {
    let login = caller.login.clone();
    drop(ended(state, caller, login, Which::One(id)).await?);
    Ok(Json(Done {}))
}

async fn end_others<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
) -> Answer<Ended> {
    let (login, own) = (caller.login.clone(), caller.login_id);
    ended(state, caller, login, Which::Others(own)).await
}

async fn own_tokens<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
) -> Told<S, Vec<LoginView>> {
    run_told(&state, move |_, people, now| {
        let all = people.logins(now, &caller.login)?;
        let tokens = all.iter().filter(|one| one.is_token);
        Ok(tokens.map(|one| shown(one, caller.login_id)).collect())
    })
    .await
}

/// An API token for oneself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewApiToken")]
pub(crate) struct NewToken {
    /// What it is called.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    name: String,
    /// What it may do, as far as its owner may.
    role: Role,
    /// In which account; none for all.
    #[serde(default, alias = "smart_account_id", alias = "tenant_id")]
    scope_id: Option<ScopeId>,
    /// In which part of it; none for the whole.
    #[serde(default, alias = "virtual_account_id")]
    part_id: Option<PartId>,
    /// After how many days it ends.
    #[schemars(range(min = 1, max = 365))]
    expires_after_days: i64,
    /// One's own password.
    password: String,
}

/// An API token that was made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeApiToken")]
pub(crate) struct MadeToken {
    /// How it is.
    #[serde(flatten)]
    made: LoginView,
    /// What it is shown by: told here alone.
    token: String,
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
    Sent(NewToken { name, role, scope_id, part_id, expires_after_days, password }): Sent<NewToken>,
) -> Told<S, MadeToken> {
    let _permit = state.gates().logins.clone().acquire_owned().await;
    run_told(&state, move |site, _, _| {
        if part_id.is_some() && scope_id.is_none() {
            return Err(Error::invalid("a part is one of an account: name it too"));
        }
        let limit = Grant { role, scope_id, part_id };
        let new = NewApiToken { name, limit, expires_after_days };
        let (made, text) = make_token(site, &caller, &password, &new)?;
        Ok(MadeToken { made: shown(&made, caller.login_id), token: text })
    })
    .await
}

async fn end_token<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<LoginId>,
) -> Answer<Done> {
    let login = caller.login.clone();
    drop(ended(state, caller, login, Which::Token(id)).await?);
    Ok(Json(Done {}))
}

async fn logins<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Told<S, Vec<LoginView>> {
    run_told(&state, move |_, people, now| {
        let all = people.logins(now, &login)?;
        Ok(all.iter().map(|one| shown(one, caller.login_id)).collect())
    })
    .await
}

async fn end_one<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path((login, id)): Path<(String, LoginId)>,
) -> Answer<Done> {
    drop(ended(state, caller, login, Which::One(id)).await?);
    Ok(Json(Done {}))
}

async fn end_all<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer<Ended> {
    ended(state, caller, login, Which::All).await
}

async fn reset_factor<S: Site>(
    State(state): State<S>,
    Extension(caller): Extension<Caller>,
    Path(login): Path<String>,
) -> Answer<Done> {
    run(&state, move |_, people, now| {
        people.reset_second_factor(now, &caller.actor(), &login)?;
        done()
    })
    .await
}
