//! Smart Licensing in its layouts (guide p. 54-57, 62-64).

use rumline_protocol::Timestamp;

use super::Shown;
use crate::registration::Compliance;
use crate::smart::Use;

/// What a licence is called before a server has named it (guide p. 62).
const EMPTY: &str = "<empty>";

/// How what is in use is held, and since when.
struct Held {
    /// Of all of it.
    word: &'static str,
    since: Option<Timestamp>,
    /// What is left of the evaluation period.
    evaluation_seconds: Option<i64>,
}

impl Held {
    fn of(shown: &Shown<'_>) -> Self {
        let kept = shown.personality.keep();
        let evaluation_seconds = Some(kept.evaluation.remaining_seconds(shown.now));
        if kept.registration.held.is_none() {
            let (word, since, evaluation_seconds) = match kept.evaluation.expired_at() {
                Some(at) => ("EVAL EXPIRED", Some(at), None),
                None if shown.personality.uses().is_empty() => {
                    ("No Licenses in Use", None, evaluation_seconds)
                }
                None => ("EVAL MODE", None, evaluation_seconds),
            };
            return Self { word, since, evaluation_seconds };
        }
        let (word, since) = match &kept.authorization {
            None => ("PENDING", None),
            Some(own) => match own.compliance {
                Compliance::Pending => ("PENDING", None),
                Compliance::Authorized if own.uses.is_empty() => ("No Licenses in Use", None),
                Compliance::Authorized => ("AUTHORIZED", Some(own.at)),
                Compliance::OutOfCompliance(_) => ("OUT OF COMPLIANCE", Some(own.at)),
                Compliance::Expired => ("AUTHORIZATION EXPIRED", Some(own.at)),
            },
        };
        Self { word, since, evaluation_seconds: None }
    }

    /// Of one licence.
    fn of_use(&self, shown: &Shown<'_>, own: &Use) -> &'static str {
        let authorization = shown.personality.keep().authorization.as_ref();
        match authorization.map(|authorization| &authorization.compliance) {
            Some(Compliance::OutOfCompliance(tags)) if !tags.contains(&own.tag) => "AUTHORIZED",
            _ => self.word,
        }
    }
}

/// Days, hours, minutes and seconds, in words.
fn duration(seconds: i64) -> String {
    let (days, rest) = (seconds / Timestamp::DAY, seconds % Timestamp::DAY);
    let (hours, rest) = (rest / Timestamp::HOUR, rest % Timestamp::HOUR);
    format!("{days} days, {hours} hours, {} minutes, {} seconds", rest / 60, rest % 60)
}

/// What is told of times: all of them, or those of a summary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Status,
    Summary,
}

fn registration(shown: &Shown<'_>, detail: Detail) -> String {
    let registration = &shown.personality.keep().registration;
    let failed = registration.initial.as_ref().filter(|own| own.failure.is_some());
    let status = match (&registration.held, failed) {
        (Some(_), _) => "REGISTERED",
        (None, _) if shown.personality.is_registering() => "REGISTERING",
        (None, Some(_)) => "UNREGISTERED - REGISTRATION FAILED",
        (None, None) => "UNREGISTERED",
    };
    let mut text = format!("Registration:\n  Status: {status}\n");
    if let Some(name) = &registration.smart_account {
        text.push_str(&format!("  Smart Account: {name}\n"));
    }
    if let Some(name) = &registration.virtual_account {
        text.push_str(&format!("  Virtual Account: {name}\n"));
    }
    text.push_str("  Export-Controlled Functionality: Allowed\n");
    if detail == Detail::Summary {
        return text;
    }
    if let Some(initial) = &registration.initial {
        let at = shown.at(initial.at);
        text.push_str(&format!("  Initial Registration: {} on {at}\n", initial.word()));
        if let Some(why) = &initial.failure {
            text.push_str(&format!("    Failure reason: {why}\n"));
        }
    }
    if let Some(held) = &registration.held {
        let renewal = registration.renewal.as_ref();
        let last = renewal.map_or_else(
            || "None".to_owned(),
            |own| format!("{} on {}", own.word(), shown.at(own.at)),
        );
        text.push_str(&format!(
            "  Last Renewal Attempt: {last}\n  Next Renewal Attempt: {}\n  Registration Expires: {}\n",
            shown.at(held.renew_at),
            shown.at(held.expires_at)
        ));
    }
    text
}

/// The status alone, with what is left of the evaluation period.
fn authorization_status(shown: &Shown<'_>) -> String {
    let held = Held::of(shown);
    let since = held.since.map_or_else(String::new, |at| format!(" on {}", shown.at(at)));
    let mut text = format!("License Authorization:\n  Status: {}{since}\n", held.word);
    if let Some(seconds) = held.evaluation_seconds {
        text.push_str(&format!("  Evaluation Period Remaining: {}\n", duration(seconds)));
    }
    text
}

fn authorization(shown: &Shown<'_>, detail: Detail) -> String {
    let mut text = authorization_status(shown);
    if let Some(own) = &shown.personality.keep().authorization {
        let last = match detail {
            Detail::Status => format!("{} on {}", own.last.word(), shown.at(own.last.at)),
            Detail::Summary => own.last.word().to_owned(),
        };
        text.push_str(&format!("\n  Last Communication Attempt: {last}\n"));
        if let Some(why) = &own.last.failure {
            text.push_str(&format!("    Failure reason: {why}\n"));
        }
        text.push_str(&format!(
            "  Next Communication Attempt: {}\n  Communication Deadline: {}\n",
            shown.at(own.next_at),
            shown.at(own.deadline_at)
        ));
    }
    text
}

fn conversion(shown: &Shown<'_>) -> String {
    let status = match shown.personality.keep().converted_at {
        Some(at) => format!("Successful on {}", shown.at(at)),
        None => "Not started".to_owned(),
    };
    format!(
        "Smart License Conversion:\n  Automatic Conversion Enabled: False\n  Status: {status}\n"
    )
}

fn head(shown: &Shown<'_>) -> String {
    let word = if shown.personality.is_smart() { "ENABLED" } else { "DISABLED" };
    format!("Smart Licensing is {word}\n")
}

/// `show license status`
#[must_use]
pub fn status(shown: &Shown<'_>) -> String {
    if !shown.personality.is_smart() {
        return head(shown);
    }
    let parts = [
        head(shown),
        registration(shown, Detail::Status),
        authorization(shown, Detail::Status),
        conversion(shown),
    ];
    parts.join("\n")
}

/// `show license summary`
#[must_use]
pub fn summary(shown: &Shown<'_>) -> String {
    if !shown.personality.is_smart() {
        return head(shown);
    }
    let parts = [
        head(shown),
        registration(shown, Detail::Summary),
        authorization(shown, Detail::Summary),
        conversion(shown),
        usage_summary(shown),
    ];
    parts.join("\n")
}

/// A line for each licence.
fn usage_summary(shown: &Shown<'_>) -> String {
    let mut text = format!(
        "License Usage:\n{:<24}{:<31}{:<6}Status\n{}\n",
        "License",
        "Entitlement tag",
        "Count",
        "-".repeat(77)
    );
    let held = Held::of(shown);
    for own in shown.personality.uses() {
        let description = description(shown, own);
        let cut = if description.chars().count() > 23 { "..." } else { "" };
        let description: String = description.chars().take(23).collect();
        let left = format!("{:<23} ({})", format!("{description}{cut}"), own.name);
        let width = 60_usize.saturating_sub(left.len()).max(2);
        let status = held.of_use(shown, own);
        text.push_str(&format!("{left}{:>width$} {status}\n", own.count));
    }
    text
}

/// What a licence is, in the server's words; before it was registered there are none.
fn description<'a>(shown: &Shown<'_>, own: &'a Use) -> &'a str {
    if shown.personality.is_registered() { &own.description } else { EMPTY }
}

/// `show license usage` with Smart Licensing.
#[must_use]
pub fn usage(shown: &Shown<'_>) -> String {
    let mut text = authorization_status(shown);
    let held = Held::of(shown);
    for own in shown.personality.uses() {
        text.push_str(&format!(
            "\n({}):\n  Description: {}\n  Count: {}\n  Version: 1.0\n  Status: {}\n",
            own.name,
            description(shown, own),
            own.count,
            held.of_use(shown, own)
        ));
    }
    text
}

/// `show license all`, with what is in use and what the switch says of its UDI.
#[must_use]
pub fn all(shown: &Shown<'_>, usage: &str, udi: &str) -> String {
    let title = |text: &str| format!("{text}\n{}\n\n", "=".repeat(text.len()));
    format!(
        "{}{}\n{}{usage}\n{}{udi}",
        title("Smart Licensing Status"),
        status(shown),
        title("License Usage"),
        title("Product Information"),
    )
}
