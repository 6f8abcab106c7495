//! One line of the log for each message of a product instance: who spoke, from where, and how it went.

use rumline_protocol::{Response, Speaker};

/// How a message was answered.
pub(crate) struct Said<'a> {
    status: &'static str,
    text: &'a str,
}

impl<'a> Said<'a> {
    pub(crate) fn response(response: &'a Response) -> Self {
        Self { status: response.status.label(), text: &response.status_message }
    }

    pub(crate) fn other(status: &'static str, text: &'a str) -> Self {
        Self { status, text }
    }
}

/// Writes the line. What strangers wrote is quoted; nothing secret is in it.
pub(crate) fn log_contact(from: &str, speaker: Option<&Speaker>, said: &Said<'_>) {
    let (status, text) = (said.status, said.text);
    match speaker {
        Some(Speaker { sudi, class }) => {
            tracing::info!(%sudi, from, class, status, ?text, "contact");
        }
        None => tracing::info!(from, status, ?text, "contact"),
    }
}
