//! HTTP and HTTPS: a file is got, or put. Nobody is followed elsewhere.

use super::{CopyError, error, too_large};
use crate::outlets::Contact;
use rumline_agent::Reason;

fn refused(status: u16) -> CopyError {
    error(match status {
        401 | 403 => format!("Permission denied (HTTP status {status})"),
        404 => "File not found (HTTP status 404)".to_owned(),
        status => format!("The server answers with HTTP status {status}"),
    })
}

fn failed(reason: Reason, contact: &Contact) -> CopyError {
    if reason == Reason::TooLarge { too_large(contact) } else { reason.into() }
}

pub(super) async fn read(contact: &Contact, url: &str) -> Result<Vec<u8>, CopyError> {
    let reply = contact.get(url).await.map_err(|reason| failed(reason, contact))?;
    match reply.status {
        200 if reply.is_whole => Ok(reply.body),
        200 => Err(error("The server does not say how long the file is: it may be cut")),
        status => Err(refused(status)),
    }
}

pub(super) async fn write(contact: &Contact, url: &str, bytes: &[u8]) -> Result<(), CopyError> {
    let reply = contact.put(url, bytes.to_vec()).await.map_err(|reason| failed(reason, contact))?;
    if matches!(reply.status, 200..=204) { Ok(()) } else { Err(refused(reply.status)) }
}
