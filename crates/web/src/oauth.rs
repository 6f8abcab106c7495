//! Tokens by OAuth2 client credentials (RFC 6749, 4.4). A client is a program of this server: its login is the client
//! id, and what it may do is what it was granted (G-01).

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use rumline_protocol::from_base64;
use rumline_server::People;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::site::{self, Site, blocking};

/// What a client asks with; other fields are of grants that are not given here.
#[derive(Deserialize)]
pub(crate) struct Grant {
    pub grant_type: String,
    #[serde(default)]
    pub client_id: String,
    #[serde(default)]
    pub client_secret: String,
    #[serde(default)]
    scope: String,
    /// Those of a person, where one logs in through a client.
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub password: String,
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
            site::parse(&body)?
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

impl Grant {
    /// One of these kinds was asked for, and none of them is it.
    pub(crate) fn unknown(kinds: &str) -> Problem {
        let text = format!("the grant_type here is {kinds}");
        Problem::new(StatusCode::BAD_REQUEST, text).known_as("unsupported_grant_type")
    }
}

/// What a client asks for.
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// The client that a header names.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = from_base64(value.strip_prefix("Basic ")?.trim())?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// A token for a program.
pub(crate) async fn token<S: Site>(
    State(state): State<S>,
    from: site::From,
    grant: Grant,
) -> Result<Json<Value>, Problem> {
    if grant.grant_type != CLIENT_CREDENTIALS {
        return Err(Grant::unknown(CLIENT_CREDENTIALS));
    }
    give(&state, from, grant).await
}

/// Gives a program a token.
pub(crate) async fn give<S: Site>(
    state: &S,
    from: site::From,
    grant: Grant,
) -> Result<Json<Value>, Problem> {
    let _permit = state.gates().logins.acquire().await;
    let (people, now) = (state.people().clone(), state.now());
    let token = blocking(move || {
        people.log_in_program(now, &grant.client_id, &grant.client_secret, &from.0)
    });
    Ok(Json(json!({
        "access_token": token.await?,
        "token_type": "Bearer",
        // A second less than it lasts: it is on its way as well.
        "expires_in": People::PROGRAM_TOKEN_SECONDS - 1,
    })))
}
