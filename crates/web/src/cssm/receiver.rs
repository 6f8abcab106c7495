//! The smart receiver over HTTP, and the same by Call Home (CSSM-028 to 031).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rumline_cssm::Answer;
use rumline_protocol::MessageForm;
use tokio::sync::oneshot;

use crate::contact::{Said, log_contact};
use crate::cssm::CssmSite;
use crate::operation::{Envelope, Messages, Of};
use crate::packed::answer_of;
use crate::problem::Problem;
use crate::site::{From, Message, Site};

/// The page of the receiver, in the guide's words.
pub(super) async fn landing(State(state): State<CssmSite>) -> String {
    let limit = state.cssm.settings().requests_per_hour_max;
    let base = &state.base_url;
    format!(
        "This is the Smart Receiver!\n\nEnvironment Information:\n\ncisco.life = prod\n\
         License Engine = {base}/api/v1\nLicense EngineSLE = {base}/api/v1\n\
         License Crypto Service = {base}/licservice\nCrypto Enabled = true\nRetry Enabled = true\n\
         Retry Timeout = 55000\nRate Limit Window Length = 3600\n\
         Rate Limit Max Allowed in Window = {limit}\n"
    )
}

/// Takes a message of a product instance.
pub(super) async fn message(
    State(state): State<CssmSite>,
    From(from): From,
    message: Message,
) -> Of<Messages> {
    Of::new(answered(state, from, message, MessageForm::Plain).await)
}

/// Takes one in the envelope of Call Home (CSSM-031).
pub(super) async fn callhome(
    State(state): State<CssmSite>,
    From(from): From,
    message: Message,
) -> Of<Envelope> {
    Of::new(answered(state, from, message, MessageForm::CallHome).await)
}

async fn answered(
    state: CssmSite,
    from: String,
    Message { body, takes_gzip }: Message,
    form: MessageForm,
) -> Response {
    let (sender, receiver) = oneshot::channel();
    let now = state.now();
    let speaker = state.cssm.receive_as(form, (now, &from), &body, move |taken| {
        // The client may be gone by now; what it sent is stored all the same.
        let _gone = sender.send(taken).is_ok();
    });
    let answer = receiver.await.map(rumline_cssm::Taken::answer);
    let said = match &answer {
        Ok(Answer::Message(response)) => Said::response(response),
        Ok(Answer::NotAMessage(text) | Answer::Unavailable(text)) => Said::other("REFUSED", text),
        Ok(Answer::TooManyRequests { .. }) => Said::other("REFUSED", "too many requests"),
        Err(_) => Said::other("REFUSED", "shutting down"),
    };
    log_contact(&from, speaker.as_ref(), &said);
    match answer {
        Ok(Answer::Message(response)) => {
            answer_of(form.content_type(), form.write(now, &response), takes_gzip)
        }
        Ok(Answer::NotAMessage(text)) => {
            Problem::new(StatusCode::BAD_REQUEST, text).into_response()
        }
        Ok(Answer::TooManyRequests { retry_after_seconds }) => {
            Problem::from(rumline_cssm::Error::TooManyRequests { retry_after_seconds })
                .into_response()
        }
        Ok(Answer::Unavailable(text)) => {
            tracing::warn!(error = %text, "the store failed");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "shutting down").into_response(),
    }
}
