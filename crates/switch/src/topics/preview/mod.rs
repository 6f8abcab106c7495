//! The preview: the next message of licensing byte by byte, to whom it goes, by which way, and what each field is for. A contact
//! within ten minutes sends exactly these bytes (ours; PI-RUM-032).

mod fields;

use std::fmt::Write as _;

use rumline_agent::{PREVIEW_SECONDS, Preview};
use rumline_cli::Fields;
use rumline_protocol::{Timestamp, sha256};

use self::fields::{Change, difference, explained};
use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::{Call, Command, Topic};
use crate::topics::license::free_form;
use crate::topics::network::{Path, Tls};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    // It may hold a registration token.
    commands: &[Command::administrator("show license preview", show).of_policy()],
    settings: &[],
};

/// A value that is longer is cut where fields are listed; the message below has it all.
const VALUE_LETTERS: usize = 60;

/// What was shown, and as what it leaves.
#[derive(Debug)]
pub(crate) struct Shown {
    request_id: String,
    made_at: Timestamp,
    /// The message.
    message: Vec<u8>,
    /// What leaves: with Call Home in its envelope.
    content_type: &'static str,
    body: Vec<u8>,
}

impl Shown {
    /// What leaves for a message that was shown.
    pub(crate) fn of(&self, request_id: &str) -> Option<(&'static str, Vec<u8>)> {
        (self.request_id == request_id).then(|| (self.content_type, self.body.clone()))
    }
}

/// All there is to say of a preview.
struct Told<'s> {
    preview: &'s Preview,
    path: &'s Path,
    shown: &'s Shown,
    /// The one before, if it is another one: when that was made, and what is different.
    changes: Option<(Timestamp, Vec<Change>)>,
}

fn show(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let failed = |why: String| CommandError::Failed(format!("% Nothing is sent: {why}"));
    let transport = switch.agent.config().transport;
    let path = switch.licensing_path(transport);
    let path = path.map_err(|error| failed(error.to_string()))?;
    let preview = switch.agent.preview(call.now, &mut call.devices.agent());
    let preview = preview.map_err(|error| failed(error.to_string()))?;
    let before = switch.shown.take();
    let known = before.as_ref().filter(|shown| shown.request_id == preview.request_id);
    let shown = match known {
        Some(_) => None,
        None => {
            let (id, class) = (preview.request_id.as_str(), preview.class);
            let left = switch.enveloped(preview.made_at, (id, class), preview.body.clone());
            let (content_type, body) = match left {
                Ok(left) => left,
                Err(error) => {
                    switch.shown = before;
                    return Err(failed(error.to_string()));
                }
            };
            Some(Shown {
                request_id: preview.request_id.clone(),
                made_at: preview.made_at,
                message: preview.body.clone(),
                content_type,
                body,
            })
        }
    };
    let (shown, changes) = match (shown, before) {
        (None, Some(before)) => (before, None),
        (Some(shown), before) => {
            let changes = before.map(|was| (was.made_at, difference(&was.message, &shown.message)));
            (shown, changes)
        }
        (None, None) => return Err(failed("it cannot be composed".to_owned())),
    };
    let told = Told { preview: &preview, path: &path, shown: &shown, changes };
    let answer = call.shown(|| text(switch, &told), || data(&told));
    switch.shown = Some(shown);
    answer
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The digest by which the event log and the preview speak of a message.
pub(crate) fn digest(body: &[u8]) -> String {
    hex(&sha256(body))
}

fn way(path: &Path) -> String {
    let mut words = format!("VRF {}", path.way.vrf);
    if let Some(source) = &path.way.source {
        let address = source.addresses.first().map(ToString::to_string).unwrap_or_default();
        let _infallible = write!(words, ", from {} ({address})", source.name);
    }
    match &path.proxy {
        Some(proxy) => {
            let _infallible = write!(words, ", through the proxy {}:{}", proxy.host, proxy.port);
        }
        None => words.push_str(", no proxy"),
    }
    words.push_str(match path.tls {
        Tls::V1_2 => ", TLS 1.2 where the URL has it",
        Tls::V1_3 => ", TLS 1.3 where the URL has it",
    });
    words
}

fn cut(value: &str) -> String {
    let mut shown: String = value.chars().take(VALUE_LETTERS).collect();
    if value.chars().nth(VALUE_LETTERS).is_some() {
        shown.push_str("...");
    }
    shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn text(switch: &Switch, told: &Told<'_>) -> String {
    let Told { preview, path, shown, changes } = told;
    let at = |at: Timestamp| switch.derived.zone.license_time(at);
    let due = match preview.due_at {
        Some(due) if due <= preview.made_at => "at once".to_owned(),
        Some(due) => at(due),
        None => "not within ten minutes; license smart sync sends it".to_owned(),
    };
    let mut text = format!(
        "License Preview:\n================\nMessage: {} ({})\n  Due: {due}\n  To: {}\n  URL: {}\n  Way: {}\n  \
         Composed: {}; until {} a contact sends exactly these bytes\n  Bytes: {}, SHA-256: {}\n\n\
         Fields (* may tell who you are, or where):\n",
        preview.class,
        preview.why,
        preview.peer.name(),
        preview.url,
        way(path),
        at(preview.made_at),
        at(preview.made_at + PREVIEW_SECONDS),
        shown.body.len(),
        digest(&shown.body)
    );
    for field in fields::fields(&preview.body) {
        let known = explained(&field.path);
        let star = if known.is_some_and(|known| known.is_private) { '*' } else { ' ' };
        let more =
            if field.count > 1 { format!(" (first of {})", field.count) } else { String::new() };
        let _infallible = writeln!(text, "{star} {} = {}{more}", field.path, cut(&field.value));
        if let Some(known) = known {
            let _infallible = writeln!(text, "      {}", known.words);
        }
    }
    let kept = free_form(&switch.running);
    if !kept.is_empty() {
        text.push_str("\nKept here, in no message:\n");
        for (name, value) in kept {
            let _infallible = writeln!(text, "  {name} = {value}");
        }
    }
    if let Some((was_at, changes)) = changes {
        let _infallible = writeln!(text, "\nChanged since the preview of {}:", at(*was_at));
        for (path, was, is) in changes {
            let side = |value: &Option<String>| value.as_deref().map_or("<none>".to_owned(), cut);
            let _infallible = writeln!(text, "  {path}: {} -> {}", side(was), side(is));
        }
    }
    let _infallible = write!(text, "\nMessage as it leaves ({}):\n", shown.content_type);
    text.push_str(&String::from_utf8_lossy(&shown.body));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn data(told: &Told<'_>) -> Fields {
    let Told { preview, path, shown, changes } = told;
    let rows = fields::fields(&preview.body).into_iter().map(|field| {
        let known = explained(&field.path);
        Fields::new()
            .text("path", &field.path)
            .text("value", &field.value)
            .number("count", field.count as u64)
            .text("meaning", known.map_or("", |known| known.words))
            .text("private", if known.is_some_and(|known| known.is_private) { "yes" } else { "no" })
    });
    let changed = changes.iter().flat_map(|(_, changes)| changes).map(|(path, was, is)| {
        Fields::new()
            .text("path", path)
            .text("was", was.as_deref().unwrap_or_default())
            .text("is", is.as_deref().unwrap_or_default())
    });
    Fields::new()
        .text("class", preview.class)
        .text("reason", preview.why)
        .text("peer", preview.peer.name())
        .text("url", &preview.url)
        .text("way", way(path))
        .number("composed_at", preview.made_at.0.unsigned_abs())
        .number("bytes", shown.body.len() as u64)
        .text("sha256", digest(&shown.body))
        .text("content_type", shown.content_type)
        .text("message", String::from_utf8_lossy(&shown.body))
        .table("field", rows.collect::<Vec<_>>())
        .table("change", changed.collect::<Vec<_>>())
}
