//! Small pieces of text handling shared by the forms: base64, JSON strings, signed text.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{PublicKey, Suite, sha256};

/// Standard base64 with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes standard base64; white space inside is ignored, since people's tools wrap lines.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let joined: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        return STANDARD.decode(joined).ok();
    }
    STANDARD.decode(text).ok()
}

/// Writes `value` as a JSON string. `>` is escaped, so that the text can stand in a CDATA section.
pub(crate) fn push_json_string(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '>' => out.push_str("\\u003e"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// What is wrong with a JSON text, where, and what to do; what a stranger wrote into it is not repeated.
pub(crate) fn json_words(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing, doubled or of the wrong kind",
        serde_json::error::Category::Eof => "it was cut off",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is damaged",
    };
    format!("{what} at line {}, column {}; copy it again", error.line(), error.column())
}

/// Pretty JSON that can stand in a CDATA section.
pub(crate) fn cdata_json<T: serde::Serialize>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value).expect("plain structures always serialise");
    // In JSON `>` occurs only inside strings, where the escape means the same.
    text.replace('>', "\\u003e")
}

/// Escapes text for an XML element.
pub(crate) fn xml_escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// The text under which `signature` verifies, and its SHA-256: the text as it stands or, when an editor has turned line
/// ends into CR LF, with them turned back.
pub(crate) fn verified_text<'t>(
    suite: &dyn Suite,
    key: &PublicKey,
    text: &'t str,
    signature: &[u8],
) -> Option<(Cow<'t, str>, [u8; 32])> {
    let verified = |text: Cow<'t, str>| {
        let sha256 = sha256(text.as_bytes());
        suite.verify_sha256(key, &sha256, signature).then_some((text, sha256))
    };
    let as_it_stands = verified(Cow::Borrowed(text));
    if as_it_stands.is_some() || !text.contains("\r\n") {
        return as_it_stands;
    }
    verified(Cow::Owned(text.replace("\r\n", "\n")))
}
