//! What messages come in: as they are, or in the envelope of Call Home. What is in it is the same (CSSM-031, G-08).

use crate::callhome::{CallHomeAnswer, CallHomeRequest};
use crate::message::{Request, Response};
use crate::time::Timestamp;

/// What a message comes in, and its answer leaves in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageForm {
    /// JSON: the smart transport.
    Plain,
    /// XML around it: Call Home.
    CallHome,
}

impl MessageForm {
    /// The message that lies in a body.
    ///
    /// # Errors
    /// Why there is none, or why the envelope is of another one.
    pub fn read(self, body: &[u8]) -> Result<Request, String> {
        match self {
            Self::Plain => Request::read(body),
            Self::CallHome => {
                let envelope = CallHomeRequest::read(body).map_err(|error| error.to_string())?;
                let request = Request::read(&envelope.message)?;
                // Whoever reads the one alone must not be told another thing than whoever reads the other.
                if envelope.sudi != request.sudi || envelope.message_id != request.request_id {
                    let text = "the Call Home envelope names another device than the message in it";
                    return Err(text.to_owned());
                }
                Ok(request)
            }
        }
    }

    /// The body that an answer leaves as.
    #[must_use]
    pub fn write(self, now: Timestamp, response: &Response) -> Vec<u8> {
        let message = serde_json::to_vec(response).expect("responses always serialise");
        match self {
            Self::Plain => message,
            Self::CallHome => {
                let answers = response.request_id.clone();
                CallHomeAnswer { answers, created_at: now, message }.write().into_bytes()
            }
        }
    }

    /// What the body is, as HTTP names it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "application/json",
            Self::CallHome => "text/xml; charset=utf-8",
        }
    }
}
