//! Files that are saved rather than shown.

use axum::http::header;

/// The headers of a file to be saved under a name.
pub(crate) fn attachment(
    content_type: &'static str,
    name: &str,
) -> [(header::HeaderName, String); 2] {
    let plain: String =
        name.chars().filter(|c| c.is_ascii_graphic() && *c != '"' && *c != '\\').collect();
    [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{plain}\"")),
    ]
}
