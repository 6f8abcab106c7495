//! Tokens by OAuth2: client credentials, and passwords of people through a client (RFC 6749, 4.3 and 4.4). A client is a program of this server: its login is the client
//! id, and what it may do is what it was granted (G-01).

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use rumline_protocol::from_base64;
use rumline_server::People;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operation::{JSON, Operation, Taken};
use crate::problem::Problem;
use crate::site::{self, Site, blocking};

/// What a client asks with; other fields are of grants that are not given here.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "TokenRequest")]
pub(crate) struct Grant {
    /// `client_credentials`, or `password`.
    pub grant_type: String,
    #[serde(default)]
    /// The program that asks; it may name itself in a header instead.
    pub client_id: String,
    /// Its secret.
    #[serde(default)]
    pub client_secret: String,
    /// Nothing: a client's scope is what it was granted.
    #[serde(default)]
    scope: String,
    /// Those of a person, where one logs in through a client.
    #[serde(default)]
    pub username: String,
    /// Their password.
    #[serde(default)]
    pub password: String,
    /// That of their second factor, if they have one.
    #[serde(default)]
    pub code: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Grant {
    type Rejection = Problem;

    /// Reads a form, or JSON; a client may name itself in a header instead (RFC 6749, 2.3.1).
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bad = |text: String| Problem::new(StatusCode::BAD_REQUEST, text);
        let named = basic(request.headers());
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_form = kind.is_some_and(|kind| kind.as_bytes().starts_with(FORM));
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| bad(error.body_text()))?;
        // Some clients send JSON and call it a form.
        let mut grant: Self = if is_form && !body.starts_with(b"{") {
            let request = Request::post("/").header(header::CONTENT_TYPE, FORM);
            let request = request.body(Body::from(body)).map_err(|error| bad(error.to_string()))?;
            let form = Form::<Self>::from_request(request, state).await;
            form.map_err(|error| bad(error.body_text()))?.0
        } else {
            crate::asked::plain(&body)?
        };
        if let Some((id, secret)) = named {
            (grant.client_id, grant.client_secret) = (id, secret);
        }
        if !grant.scope.is_empty() {
            let text = "a client's scope is what it was granted: ask for none";
            return Err(bad(text.to_owned()).known_as("invalid_scope"));
        }
        Ok(grant)
    }
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";

impl Taken for Grant {
    fn tell(operation: &mut Operation<'_>) {
        let schema = operation.schemas.taken::<Self>();
        let form = "application/x-www-form-urlencoded";
        operation.takes(true, vec![(form, schema.clone()), (JSON, schema)]);
    }
}

/// A token.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AccessToken {
    /// To be sent as Bearer; it is told here alone.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// After how many seconds it ends.
    expires_in: i64,
}

impl Grant {
    /// None that is given was asked for.
    pub(crate) fn unknown() -> Problem {
        let text = "the grant_type here is client_credentials or password";
        Problem::new(StatusCode::BAD_REQUEST, text).known_as("unsupported_grant_type")
    }
}

/// What a client asks for: a token for itself, or for a person who gave it their password.
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(crate) const PASSWORD: &str = "password";

/// The client that a header names.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = from_base64(value.strip_prefix("Basic ")?.trim())?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// A token for a program, or for a person who logs in through one.
pub(crate) async fn token<S: Site>(
    State(state): State<S>,
    from: site::From,
    grant: Grant,
) -> Result<Json<AccessToken>, Problem> {
    match grant.grant_type.as_str() {
        CLIENT_CREDENTIALS => give(&state, from, grant).await,
        PASSWORD => {
            let Grant { client_id, client_secret, username, password, code, .. } = grant;
            let (people, now) = (state.people().clone(), state.now());
            let (permit, address) = (state.gates().logins.acquire().await, from.0.clone());
            // The client is who it says it is; what it may do itself is no matter.
            let checked = blocking(move || {
                let token = people.log_in_program(now, &client_id, &client_secret, &address)?;
                people.log_out(&token)
            });
            checked.await?;
            drop(permit);
            of_person(&state, (username, password, code), from).await
        }
        _ => Err(Grant::unknown()),
    }
}

/// A token for a person whose client has been checked. A wrong password is the grant's fault, not the client's (RFC 6749, 5.2).
pub(crate) async fn of_person<S: Site>(
    state: &S,
    (username, password, code): (String, String, Option<String>),
    from: site::From,
) -> Result<Json<AccessToken>, Problem> {
    let outcome = site::log_in(state, username, password, code, from).await;
    let token = outcome.map_err(|problem| match problem.status() {
        StatusCode::UNAUTHORIZED => {
            Problem::new(StatusCode::BAD_REQUEST, problem.detail()).known_as("invalid_grant")
        }
        _ => problem,
    })?;
    Ok(Json(AccessToken {
        access_token: token,
        token_type: "Bearer",
        expires_in: People::TOKEN_SECONDS,
    }))
}

/// Gives a program a token.
pub(crate) async fn give<S: Site>(
    state: &S,
    from: site::From,
    grant: Grant,
) -> Result<Json<AccessToken>, Problem> {
    let _permit = state.gates().logins.acquire().await;
    let (people, now) = (state.people().clone(), state.now());
    let token = blocking(move || {
        people.log_in_program(now, &grant.client_id, &grant.client_secret, &from.0)
    });
    Ok(Json(AccessToken {
        access_token: token.await?,
        token_type: "Bearer",
        // A second less than it lasts: it is on its way as well.
        expires_in: People::PROGRAM_TOKEN_SECONDS - 1,
    }))
}
