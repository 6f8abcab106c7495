//! Small pieces of text handling shared by the forms: base64, JSON strings, signed text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{PublicKey, Suite};

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

/// The bytes under which `signature` verifies: the text as it stands or, when an editor has turned line
/// ends into CR LF, with them turned back.
pub(crate) fn verified_text(
    suite: &dyn Suite,
    key: &PublicKey,
    text: &str,
    signature: &[u8],
) -> Option<String> {
    if suite.verify(key, text.as_bytes(), signature) {
        return Some(text.to_owned());
    }
    if text.contains("\r\n") {
        let restored = text.replace("\r\n", "\n");
        if suite.verify(key, restored.as_bytes(), signature) {
            return Some(restored);
        }
    }
    None
}
