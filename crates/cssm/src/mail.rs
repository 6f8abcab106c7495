//! Alerts by e-mail (CSSM-007, G-19): what somebody wants to be told, the template, and the message that comes of it.
//! Nothing here is stored or sent.

use std::collections::BTreeSet;

use rumline_protocol::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::alerts::AlertKind;

/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, without its brackets).
const ADDRESS_BYTES_MAX: usize = 254;
/// The longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 10_000;
/// Alerts that one message tells of one by one; of more it tells the number.
const TOLD_MAX: usize = 100;
/// A word stands this often in a part of a template: what is put in for it may be long.
const WORD_MAX: usize = 3;

/// When somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Within minutes.
    AtOnce,
    /// Once a day (UTC), with what is open still.
    Daily,
}

/// What somebody wants to be told of by e-mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailWish {
    /// Where to.
    #[schemars(length(min = 3, max = ADDRESS_BYTES_MAX))]
    pub address: String,
    /// Kinds of alerts; none named means all.
    #[serde(default)]
    pub kinds: BTreeSet<String>,
    /// When.
    pub pace: Pace,
}

impl MailWish {
    /// Whether it can be wished.
    ///
    /// # Errors
    /// When the address is none, or a kind is not one.
    pub fn check(&self) -> Result<(), Error> {
        if !is_address(&self.address) {
            let text = format!(
                "{:?} is no e-mail address: NAME@DOMAIN, of at most {ADDRESS_BYTES_MAX} ASCII characters",
                self.address
            );
            return Err(Error::field("address", text));
        }
        let labels = AlertKind::ALL.map(AlertKind::label);
        match self.kinds.iter().find(|kind| !labels.contains(&kind.as_str())) {
            None => Ok(()),
            Some(kind) => {
                let known = labels.join(", ");
                let text = format!("{kind:?} is no kind of alert; there are {known}");
                Err(Error::field("kinds", text))
            }
        }
    }

    fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(kind)
    }
}

/// Whether a mail server takes it as an address, quoted names and names outside ASCII left out.
fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    let is_name = |part: &str| !part.is_empty() && part.chars().all(is_atom);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= ADDRESS_BYTES_MAX
        && name.len() <= 64
        && name.split('.').all(is_name)
        && domain.split('.').all(is_label)
}

/// What a message looks like; words in braces stand for what it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTemplate {
    /// The subject: `{count}` new alerts, the `{first}` of them, `{open}` before, `{login}`, `{server}`.
    #[schemars(length(min = 1, max = TEMPLATE_BYTES_MAX))]
    pub subject: String,
    /// The body: the same, and all `{alerts}`.
    #[schemars(length(min = 1, max = TEMPLATE_BYTES_MAX))]
    pub body: String,
    /// Each alert: `{kind}`, `{subject}`, `{text}`, `{account}`, `{raised_at}`, `{id}`.
    #[schemars(length(min = 1, max = TEMPLATE_BYTES_MAX))]
    pub alert: String,
}

impl Default for MailTemplate {
    fn default() -> Self {
        Self {
            subject: "Rumline CSSM: {first}".to_owned(),
            body: "Alerts for {login} at {server}\n{count} new, {open} open from before.\n\n{alerts}\n\
                   `rumline cssm alerts SMART_ACCOUNT` lists them; `rumline cssm mail set` changes what you are told.\n"
                .to_owned(),
            alert: "{kind}: {subject}\n  {account}, since {raised_at}\n  {text}\n\n".to_owned(),
        }
    }
}

const WORDS: [&str; 6] = ["count", "first", "open", "login", "server", "alerts"];
const ALERT_WORDS: [&str; 6] = ["kind", "subject", "text", "account", "raised_at", "id"];

impl MailTemplate {
    /// Whether messages can be made of it.
    ///
    /// # Errors
    /// When a word stands for nothing, or what has to be there is not.
    pub fn check(&self) -> Result<(), Error> {
        let parts = [
            ("subject", &self.subject, &WORDS[..5]),
            ("body", &self.body, &WORDS[..]),
            ("alert", &self.alert, &ALERT_WORDS[..]),
        ];
        for (name, text, words) in parts {
            if text.trim().is_empty() || text.len() > TEMPLATE_BYTES_MAX {
                return Err(Error::field(
                    name,
                    format!("the {name} of a template has 1 to {TEMPLATE_BYTES_MAX} bytes"),
                ));
            }
            if let Some(word) = words_of(text).into_iter().find(|word| !words.contains(word)) {
                return Err(Error::field(
                    name,
                    format!(
                        "{{{word}}} stands for nothing in the {name} of a template; there are {{{}}}",
                        words.join("}, {")
                    ),
                ));
            }
            let often =
                |word: &str| words_of(text).iter().filter(|one| **one == word).count() > WORD_MAX;
            if let Some(word) = words.iter().find(|word| often(word)) {
                return Err(Error::field(
                    name,
                    format!(
                        "{{{word}}} stands in the {name} of a template {WORD_MAX} times at most"
                    ),
                ));
            }
        }
        if self.subject.chars().any(char::is_control) {
            return Err(Error::field("subject", "the subject of a template is one line"));
        }
        if !words_of(&self.body).contains(&"alerts") {
            return Err(Error::field("body", "the body of a template tells the {alerts}"));
        }
        Ok(())
    }
}

/// What stands in braces, if it may be a word.
fn words_of(text: &str) -> Vec<&str> {
    pieces(text).into_iter().filter_map(|(_, word)| word).collect()
}

/// A text as pieces, each with the word in braces after it.
fn pieces(mut text: &str) -> Vec<(&str, Option<&str>)> {
    let mut all = Vec::new();
    let (mut plain, mut from) = (text, 0);
    while let Some(open) = plain[from..].find('{').map(|at| at + from) {
        let inside = &plain[open + 1..];
        let end = inside.find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        match end {
            Some(end) if end > 0 && inside[end..].starts_with('}') => {
                all.push((&text[..open], Some(&inside[..end])));
                text = &inside[end + 1..];
                (plain, from) = (text, 0);
            }
            _ => from = open + 1,
        }
    }
    all.push((text, None));
    all
}

/// A text with what its words stand for, each put in once: what is put in is not read again.
fn filled(text: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    for (plain, word) in pieces(text) {
        filled.push_str(plain);
        filled.extend(word.map(&value));
    }
    filled
}

/// An alert as a message tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailAlert {
    pub id: i64,
    pub kind: String,
    pub subject: String,
    pub text: String,
    /// The name of its account, or that it concerns the whole server.
    pub account: String,
    pub raised_at: Timestamp,
}

/// A message, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub subject: String,
    pub body: String,
}

/// The message that somebody gets, if there is anything to tell: of what is open and has a number above `told_id` as new,
/// of the rest where it is a digest. `is_all` says whether these are all that are open.
pub(crate) fn message(
    template: &MailTemplate,
    (login, wish): (&str, &MailWish),
    told_id: i64,
    (open, is_all): (&[&MailAlert], bool),
    server: &str,
) -> Option<Message> {
    let mine = open.iter().filter(|alert| wish.wants(&alert.kind));
    let (new, old): (Vec<&MailAlert>, Vec<&MailAlert>) = mine.partition(|alert| alert.id > told_id);
    let told: Vec<&MailAlert> = match wish.pace {
        Pace::AtOnce => new.clone(),
        Pace::Daily => new.iter().chain(&old).copied().collect(),
    };
    let first = told.first()?;
    let at_least = if is_all { "" } else { "at least " };
    let more = match told.len() - 1 {
        0 => String::new(),
        more => format!(" and {at_least}{more} more"),
    };
    let first = one_line(&format!("{}: {}{more}", first.kind, first.subject));
    let one = |alert: &&MailAlert| {
        filled(&template.alert, |word| match word {
            "kind" => alert.kind.clone(),
            "subject" => alert.subject.clone(),
            "text" => alert.text.clone(),
            "account" => alert.account.clone(),
            "raised_at" => alert.raised_at.to_string(),
            _ => alert.id.to_string(),
        })
    };
    let mut alerts: String = told.iter().take(TOLD_MAX).map(one).collect();
    if told.len() > TOLD_MAX {
        alerts.push_str(&format!("… and {at_least}{} more.\n", told.len() - TOLD_MAX));
    }
    let value = |word: &str| match word {
        "count" => format!("{at_least}{}", new.len()),
        "first" => first.clone(),
        "open" => format!("{at_least}{}", old.len()),
        "login" => login.to_owned(),
        "server" => server.to_owned(),
        _ => alerts.clone(),
    };
    let subject = one_line(&filled(&template.subject, value));
    Some(Message { subject, body: filled(&template.body, value) })
}

/// The longest subject, in characters.
const SUBJECT_LETTERS_MAX: usize = 200;

/// A text as one line that no header ends in.
fn one_line(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(SUBJECT_LETTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(pace: Pace, kinds: &[&str]) -> MailWish {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        MailWish { address: "eve@example.net".to_owned(), kinds, pace }
    }

    fn alert(id: i64, kind: &str) -> MailAlert {
        MailAlert {
            id,
            kind: kind.to_owned(),
            subject: format!("subject {id}"),
            text: "What to do: {login} {count}".to_owned(),
            account: "Example".to_owned(),
            raised_at: Timestamp(0),
        }
    }

    #[test]
    fn addresses_are_what_a_mail_server_takes() {
        for good in ["a@b", "first.last+tag@mail.example.net", "o'neil@x-y.z"] {
            assert!(is_address(good), "{good}");
        }
        let long = format!("{}@example.net", "a".repeat(65));
        let domain = format!("a@{}.net", "b".repeat(64));
        let all = format!("{}@{}", "a".repeat(64), ["b"; 96].join("."));
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "a@b\r\nBcc: x@y",
            "a@-b",
            "a@b-",
            "a@b..c",
            ".a@b",
            "a.@b",
            "a@b,c@d",
            "<a@b>",
            "ä@b",
            "a@ä",
            "a@b@c",
            "\"a\"@b",
            &long,
            &domain,
            &all,
        ] {
            assert!(!is_address(bad), "{bad}");
        }
        assert!(is_address(&format!("{}@{}.bb", "a".repeat(64), ["b"; 93].join("."))));
    }

    #[test]
    fn a_kind_that_is_none_is_refused_with_those_there_are() {
        assert!(wish(Pace::Daily, &["gap", "failed logins"]).check().is_ok());
        let told = wish(Pace::Daily, &["gaps"]).check().unwrap_err().to_string();
        assert!(told.contains("\"gaps\"") && told.contains("silent collector"), "{told}");
        let nowhere = MailWish { address: "eve".to_owned(), ..wish(Pace::Daily, &[]) };
        assert!(nowhere.check().is_err());
    }

    #[test]
    fn words_stand_for_what_is_told_and_what_is_put_in_is_not_read_again() {
        let filled = filled("{a} {}{B} {b {b_c}} {é} {", |word| format!("<{word}{{a}}>"));
        assert_eq!(filled, "<a{a}> {}{B} {b <b_c{a}>} {é} {");
        assert_eq!(words_of("{a}{{b}}{c"), ["a", "b"]);
    }

    #[test]
    fn a_template_that_tells_nothing_is_refused() {
        let good = MailTemplate::default();
        good.check().unwrap();
        let told = |template: MailTemplate| template.check().unwrap_err().to_string();
        let with = |subject: &str| MailTemplate { subject: subject.to_owned(), ..good.clone() };
        assert!(told(with("{alerts}")).contains("stands for nothing in the subject"));
        assert!(told(with("a\nb")).contains("one line"));
        assert!(told(with(" ")).contains("1 to 10000 bytes"));
        assert!(with(&"a".repeat(10_000)).check().is_ok());
        assert!(told(with(&"a".repeat(10_001))).contains("1 to 10000 bytes"));
        let body = MailTemplate { body: "{count}".to_owned(), ..good.clone() };
        assert!(told(body).contains("{alerts}"));
        let alert = MailTemplate { alert: "{count}".to_owned(), ..good.clone() };
        assert!(told(alert).contains("{raised_at}"));
        let often = |times| MailTemplate { body: "{alerts}".repeat(times), ..good.clone() };
        assert!(often(3).check().is_ok());
        assert!(told(often(4)).contains("{alerts} stands in the body"));
    }

    #[test]
    fn what_is_new_is_told_and_a_digest_tells_the_rest_too() {
        let all = [alert(1, "gap"), alert(2, "clone"), alert(3, "gap")];
        let open: Vec<&MailAlert> = all.iter().collect();
        let template = MailTemplate::default();
        let of = |wish: &MailWish, told| {
            message(&template, ("eve", wish), told, (&open, true), "https://x")
        };
        let at_once = of(&wish(Pace::AtOnce, &[]), 2).unwrap();
        assert_eq!(at_once.subject, "Rumline CSSM: gap: subject 3");
        assert!(at_once.body.contains("1 new, 2 open from before"), "{}", at_once.body);
        assert!(!at_once.body.contains("subject 1"));
        assert!(at_once.body.contains("  Example, since "), "{}", at_once.body);
        assert!(at_once.body.contains("What to do: {login} {count}"));
        let daily = of(&wish(Pace::Daily, &["gap"]), 2).unwrap();
        assert_eq!(daily.subject, "Rumline CSSM: gap: subject 3 and 1 more");
        assert!(daily.body.contains("subject 1") && !daily.body.contains("subject 2"));
        assert_eq!(of(&wish(Pace::AtOnce, &[]), 3), None);
        assert!(of(&wish(Pace::Daily, &[]), 3).is_some());
        assert_eq!(of(&wish(Pace::Daily, &["expiry"]), 0), None);
    }

    #[test]
    fn a_message_is_bounded_and_its_subject_is_one_line() {
        let mut all: Vec<MailAlert> = (1..=101).map(|id| alert(id, "gap")).collect();
        all[0].subject = format!("a\r\nBcc: b{}", "c".repeat(500));
        let open: Vec<&MailAlert> = all.iter().collect();
        let wish = wish(Pace::AtOnce, &[]);
        let template = MailTemplate { alert: "[{id}]".to_owned(), ..MailTemplate::default() };
        let of =
            |told, is_all| message(&template, ("eve", &wish), told, (&open, is_all), "x").unwrap();
        let told = of(0, true);
        assert!(told.subject.starts_with("Rumline CSSM: gap: a  Bcc: b"), "{}", told.subject);
        assert_eq!(told.subject.chars().count(), SUBJECT_LETTERS_MAX);
        assert!(told.body.contains("[100]") && !told.body.contains("[101]"));
        assert!(told.body.contains("… and 1 more."));
        assert!(of(0, false).body.contains("… and at least 1 more."));
        assert!(of(0, false).body.contains("at least 101 new"));
        let told = of(1, true);
        assert!(told.body.contains("[101]") && !told.body.contains("more."));
    }
}
