//! Errors as RFC 9457 problem documents. Only this crate knows status codes.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rumline_server::Error;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// The content type of a problem document.
const PROBLEM: &str = "application/problem+json";

/// What a page's content type begins with: it tells people in its own way.
const HTML: &[u8] = b"text/html";

/// In which form a refusal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As a problem document.
    Problem,
    /// As the public API of accounts has it: `status` and `statusMessage`.
    Account,
    /// As its calls for product instances have it: `status`, `message_code` and `message`.
    Device,
    /// As OAuth2 has it (RFC 6749, 5.2).
    Token,
}

/// A problem document in another form; what is none stays as it is.
pub(crate) async fn reworded(refusal: Refusal, response: Response) -> Response {
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    if refusal == Refusal::Problem || !is_problem {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = axum::body::to_bytes(body, DETAIL_BYTES_MAX).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&text).unwrap_or_default();
    let detail = &problem["detail"];
    if head.status == StatusCode::UNPROCESSABLE_ENTITY {
        // These APIs know one status for what is wrong with a request.
        head.status = StatusCode::BAD_REQUEST;
    }
    let body = match refusal {
        Refusal::Problem => problem,
        Refusal::Account => json!({ "status": "ERROR", "statusMessage": detail }),
        Refusal::Device => json!({ "status": "FAILED", "message_code": null, "message": detail }),
        Refusal::Token => {
            let error = problem["code"].as_str().unwrap_or(match head.status {
                StatusCode::UNAUTHORIZED => "invalid_client",
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    "temporarily_unavailable"
                }
                _ => "invalid_request",
            });
            json!({ "error": error, "error_description": detail })
        }
    };
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Response::from_parts(head, body.to_string().into())
}

/// What went wrong (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemDocument<'p> {
    /// Always `about:blank`: the status says of which type it is.
    r#type: &'static str,
    /// The status in words.
    title: &'p str,
    /// The status.
    status: u16,
    /// What happened, why, and what to do.
    detail: &'p str,
    /// What programs know it by, where there is such a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The fields and parameters that are wrong, where it is known which.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'p [Wrong],
}

/// A field or a parameter that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Wrong {
    /// Where in the body it stands: a JSON pointer, as a fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The parameter of the query that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// What is wrong with it, and what it takes.
    detail: String,
}

impl Wrong {
    /// A field of the body, by its JSON pointer.
    pub(crate) fn field(pointer: &str, detail: impl Into<String>) -> Self {
        Self { pointer: Some(format!("#{pointer}")), parameter: None, detail: detail.into() }
    }

    /// A parameter of the query.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name.to_owned()), detail: detail.into() }
    }
}

/// A refusal of the public API of accounts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountRefusal {
    /// `ERROR`.
    status: String,
    /// What happened.
    status_message: String,
}

/// A refusal of its calls for product instances.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DeviceRefusal {
    /// `FAILED`.
    status: String,
    /// Always none.
    message_code: Option<String>,
    /// What happened.
    message: String,
}

/// A refusal of a token (RFC 6749, 5.2).
#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenRefusal {
    /// One of the words of OAuth2.
    error: String,
    /// What happened.
    error_description: String,
}

/// The longest problem document that is put into another form, in bytes.
const DETAIL_BYTES_MAX: usize = 64 << 10;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    retry_after_seconds: Option<i64>,
    /// What programs know it by, where an API has a list of such words.
    code: Option<&'static str>,
    /// The fields and parameters that are wrong.
    errors: Vec<Wrong>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, detail, retry_after_seconds: None, code: None, errors: Vec::new() }
    }

    /// The same, of these fields and parameters.
    pub(crate) fn of(self, errors: Vec<Wrong>) -> Self {
        Self { errors, ..self }
    }

    /// The same, known to programs by this word.
    pub(crate) fn known_as(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The word that programs know it by.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Invalid(_) | Error::Field { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Unauthenticated | Error::CodeMissing | Error::CodeWrong | Error::SecretEnded => {
                StatusCode::UNAUTHORIZED
            }
            Error::Forbidden | Error::OnlyLoggedIn => StatusCode::FORBIDDEN,
            Error::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unwritten(error) => {
                tracing::warn!(%error, "an answer could not be written");
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Store(error) => {
                tracing::warn!(%error, "the store failed");
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        let retry_after_seconds = match &error {
            Error::TooManyRequests { retry_after_seconds } => Some(*retry_after_seconds),
            _ => None,
        };
        let code = match &error {
            Error::CodeMissing => Some("second_factor_required"),
            Error::CodeWrong => Some("second_factor_wrong"),
            _ => None,
        };
        let errors = match &error {
            Error::Field { field, in_query: true, text } => vec![Wrong::parameter(field, text)],
            Error::Field { field, in_query: false, text } => {
                vec![Wrong::field(&format!("/{field}"), text)]
            }
            _ => Vec::new(),
        };
        Self { status, detail: error.to_string(), retry_after_seconds, code, errors }
    }
}

/// Finds what the framework refused on its own, and says it as `told` does.
pub(crate) async fn retold(
    response: Response,
    told: impl AsyncFnOnce(Problem) -> Response,
) -> Response {
    let status = response.status();
    let wrong = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let ours = |value: &header::HeaderValue| value == PROBLEM || value.as_bytes().starts_with(HTML);
    if !wrong || content_type.is_some_and(ours) {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let text = axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap_or_default();
    let mut detail = String::from_utf8_lossy(&text).into_owned();
    if detail.is_empty() {
        status.canonical_reason().unwrap_or("Error").clone_into(&mut detail);
    }
    let mut response = told(Problem::new(status, detail)).await;
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(PROBLEM));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
