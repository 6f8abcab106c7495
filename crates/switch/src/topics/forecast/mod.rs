//! The forecast: what licensing will send when, and which alarms would come (ours). The agent itself says it, run ahead on a copy.

use std::fmt::Write as _;

use rumline_agent::{Assumed, Event, Foreseen};
use rumline_cli::Fields;
use rumline_protocol::{Document, Policy, Timestamp};

use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::{Call, Command, Topic};
use crate::topics::files::FlashPath;

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[Command::anyone("show license forecast", show).of_policy()],
    settings: &[],
};

const DAYS: u32 = 365;
/// More lines are counted and not shown.
const LINES_MAX: usize = 1_000;
/// What comes again is looked for among so many rows.
const NEAR_ROWS: usize = 4;
/// A policy in a file has a few hundred.
const POLICY_BYTES_MAX: usize = 1 << 20;

/// A line of a forecast: the same thing again and again is one.
struct Row {
    at: Timestamp,
    /// When it happened the last time.
    last_at: Timestamp,
    times: usize,
    kind: &'static str,
    text: String,
}

fn show(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let days = if call.has("days") { call.number("days") } else { DAYS };
    let policy = match call.text("file") {
        "" => None,
        name => Some(read_policy(name, call)?),
    };
    let assumed = Assumed { outage: call.has("outage"), policy };
    let until = call.now.plus_days(days);
    let forecast = switch.agent.forecast(call.now, until, &assumed, call.devices.store);
    let rows = rows(forecast.events);
    let (ends_at, span) = (forecast.ends_at, (call.now, forecast.ends_at.unwrap_or(until)));
    call.shown(
        || {
            let mut text = text(switch, span, &assumed, &rows);
            if ends_at.is_some() {
                text.push_str("So much happens that the forecast ends before it was asked to.\n");
            }
            text
        },
        || data(&rows).number("is_cut", u64::from(ends_at.is_some())),
    )
}

/// A policy as CSSM signs it, or as it is set there: what is tried is installed nowhere.
fn read_policy(name: &str, call: &mut Call<'_, '_>) -> Result<Policy, CommandError> {
    let failed = |why: &str| CommandError::Failed(format!("Failure: forecast status: {why}"));
    let Some(FlashPath::Bootflash(file)) = FlashPath::parse(name) else {
        return Err(failed("The file name is not valid, use bootflash:NAME"));
    };
    let bytes = call.devices.flash.read(&file).map_err(|error| failed(&error.to_string()))?;
    let bytes = bytes.ok_or_else(|| failed("The requested item was not found"))?;
    if bytes.len() > POLICY_BYTES_MAX {
        return Err(failed("The file is too large for a policy"));
    }
    parsed_policy(&bytes).map_err(|why| failed(&why))
}

/// A policy in a file: signed by CSSM, or the JSON that CSSM's policies are set with.
///
/// # Errors
/// With what is wrong with it.
fn parsed_policy(bytes: &[u8]) -> Result<Policy, String> {
    let signed = Document::parse(bytes).ok();
    let signed = signed.and_then(|document| document.policies.into_iter().next());
    let policy = match signed {
        Some(signed) => signed.value,
        None => {
            let told: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(bytes).map_err(|_| "The file holds no policy".to_owned())?;
            let own = serde_json::to_value(Policy::cisco_default()).unwrap_or_default();
            let mut whole = own.as_object().cloned().unwrap_or_default();
            if !told.contains_key("unenforced") {
                return Err("The file holds no policy: unenforced is missing".to_owned());
            }
            for (name, value) in told {
                if whole.contains_key(&name) {
                    whole.insert(name, value);
                }
            }
            serde_json::from_value(whole.into())
                .map_err(|error| format!("The file holds no policy: {error}"))?
        }
    };
    if policy.is_sane() {
        Ok(policy)
    } else {
        Err("A value of the policy is out of range".to_owned())
    }
}

/// What comes, a row each; pairs that come again and again, as in an outage, are one.
fn rows(foreseen: Vec<Foreseen>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for Foreseen { at, what } in foreseen {
        let (kind, text) = match what {
            Event::Leaves(class) => ("sends", class.to_owned()),
            Event::Says(message) => ("says", message.to_string()),
        };
        let back = rows.len().saturating_sub(NEAR_ROWS);
        let again = rows[back..].iter_mut().find(|row| row.kind == kind && row.text == text);
        match again {
            // What is told of an attempt that fails as the last one did.
            Some(row) if row.times > 1 || at.since(row.last_at) <= Timestamp::DAY => {
                row.times += 1;
                row.last_at = at;
            }
            _ => rows.push(Row { at, last_at: at, times: 1, kind, text }),
        }
    }
    rows
}

fn text(
    switch: &Switch,
    (now, until): (Timestamp, Timestamp),
    assumed: &Assumed,
    rows: &[Row],
) -> String {
    let time = |at| switch.derived.zone.license_time(at);
    let mut text =
        format!("License Forecast:\n=================\nFrom {} to {}\n", time(now), time(until));
    text.push_str(if assumed.outage {
        "Assumed: nobody answers, and use stays as it is\n"
    } else {
        "Assumed: all is answered at once, each ACK is there when it is asked for, and use stays as it is\n"
    });
    if let Some(policy) = &assumed.policy {
        let class = policy.unenforced;
        let _infallible = writeln!(
            text,
            "Policy: {} (first report {} days, then each {} days, {} days after a change)",
            policy.policy_name,
            class.first_report_days,
            class.ongoing_report_days,
            class.on_change_report_days
        );
    }
    text.push('\n');
    for row in rows.iter().take(LINES_MAX) {
        let _infallible = write!(text, "{}  {:<5}  {}", time(row.at), row.kind, row.text);
        if row.times > 1 {
            let _infallible = write!(text, " ({} times until {})", row.times, time(row.last_at));
        }
        text.push('\n');
    }
    if rows.is_empty() {
        text.push_str("Nothing is sent, and no alarm comes.\n");
    } else if rows.len() > LINES_MAX {
        let _infallible = writeln!(text, "... and {} more", rows.len() - LINES_MAX);
    }
    let counted = |wanted: &dyn Fn(&Row) -> bool| -> usize {
        rows.iter().filter(|row| wanted(row)).map(|row| row.times).sum()
    };
    let _infallible = writeln!(
        text,
        "\nMessages: {} with reports, {} others; alarms: {}",
        counted(&|row| row.kind == "sends" && row.text == "Usage Reporting"),
        counted(&|row| row.kind == "sends" && row.text != "Usage Reporting"),
        counted(&|row| row.kind == "says")
    );
    text
}

fn data(rows: &[Row]) -> Fields {
    let all = rows.iter().map(|row| {
        Fields::new()
            .number("at", row.at.0.unsigned_abs())
            .text("kind", row.kind)
            .text("text", &row.text)
            .number("times", row.times as u64)
            .number("last_at", row.last_at.0.unsigned_abs())
    });
    Fields::new().number("count", rows.len() as u64).table("forecast", all.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_and_again_is_one_row() {
        let leaves =
            |at: i64| Foreseen { at: Timestamp(at), what: Event::Leaves("Usage Reporting") };
        let polls = |at: i64| Foreseen { at: Timestamp(at), what: Event::Leaves("Result Polling") };
        let shown = |foreseen: Vec<Foreseen>| -> Vec<(i64, i64, usize)> {
            rows(foreseen).iter().map(|row| (row.at.0, row.last_at.0, row.times)).collect()
        };
        assert_eq!(
            shown(vec![leaves(0), polls(0), leaves(900), polls(900)]),
            [(0, 900, 2), (0, 900, 2)]
        );
        let monthly = shown(vec![leaves(0), polls(300), leaves(2_592_000), polls(2_592_300)]);
        assert_eq!(monthly.len(), 4);
        assert!(shown(Vec::new()).is_empty());
    }

    #[test]
    fn policies_are_read_as_they_are_set_and_what_is_none_says_so() {
        let text = br#"{"policy_name":"Weekly","unenforced":{"first_report_days":7,"ongoing_report_days":7,"on_change_report_days":7},"more":1}"#;
        let policy = parsed_policy(text).unwrap();
        assert_eq!(
            (policy.policy_name.as_str(), policy.unenforced.ongoing_report_days),
            ("Weekly", 7)
        );
        for (bad, why) in [
            (&b""[..], "no policy"),
            (b"[]", "no policy"),
            (b"{}", "unenforced is missing"),
            (br#"{"unenforced":7}"#, "no policy"),
            (br#"{"unenforced":{"first_report_days":99999,"ongoing_report_days":7,"on_change_report_days":7}}"#, "out of range"),
        ] {
            let told = parsed_policy(bad).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
