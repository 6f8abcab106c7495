//! What collectors of one's own ask a switch for, as the product line documents it (`/smartlic-service/…`): reports are closed,
//! listed, fetched as they were signed, and their acknowledgements brought.

use rumline_agent::{ReportState, SaveScope};
use rumline_protocol::{Document, from_base64};
use serde_json::{Value, json};

use super::{HttpAnswer, Run};
use crate::answer::Outcome;

const JSON: &str = "application/json";
/// Reports that are listed at most, the newest.
const LISTED_MAX: usize = 10_000;
/// How far back `days` goes where it is not said.
const DAYS_DEFAULT: u32 = 90;
/// The largest answer with reports, in bytes.
const FILE_BYTES_MAX: usize = 64 << 20;

fn http(status: u16, value: &Value) -> HttpAnswer {
    HttpAnswer { status, content_type: JSON, body: value.to_string() }
}

fn error(status: u16, text: &str) -> HttpAnswer {
    http(status, &json!({ "error": text }))
}

/// Answers a request; `rest` is what stands behind `/smartlic-service/`.
pub(super) fn answer(run: &mut Run<'_, '_>, method: &str, rest: &str, body: &[u8]) -> HttpAnswer {
    let parts: Vec<&str> = rest.trim_matches('/').split('/').collect();
    if !run.switch.is_administrator(&run.caller.session.login) {
        return error(403, "Permission denied for the role");
    }
    if !run.switch.release.has_slp() {
        return error(
            404,
            "There are no RUM reports on a release before Smart Licensing Using Policy",
        );
    }
    if let Some(why) = run.switch.waits_for_conversion(run.now).filter(|_| parts != ["list"]) {
        return error(409, &why);
    }
    let number = |text: &str| text.parse::<u64>().ok();
    match (method, &parts[..]) {
        ("POST", ["close-reports"]) => closed(run),
        ("GET", ["list"]) => list(run),
        ("GET", ["all-reports"]) => usage(run, SaveScope::All),
        ("GET", ["days"]) => usage(run, SaveScope::Days(DAYS_DEFAULT)),
        ("GET", ["days", text]) => match number(text) {
            // A number that could be of days is; report numbers are larger.
            Some(days @ 1..=3_650) => {
                usage(run, SaveScope::Days(u32::try_from(days).unwrap_or(DAYS_DEFAULT)))
            }
            Some(id) => usage(run, SaveScope::Report(id)),
            None => error(400, "days/N: N is a number of days, or of a report"),
        },
        ("POST", ["import"]) => import(run, body),
        (_, ["close-reports" | "list" | "all-reports" | "days" | "import", ..]) => {
            error(405, "Use GET for list, all-reports and days, POST for close-reports and import")
        }
        _ => error(404, "There are close-reports, list, all-reports, days, days/N and import"),
    }
}

fn closed(run: &mut Run<'_, '_>) -> HttpAnswer {
    let Run { switch, devices, now, .. } = run;
    // Beginning a file closes what is open; there may be nothing to close.
    let begun = switch.agent.begin_usage_file(*now, SaveScope::Unreported, &mut devices.agent());
    match begun {
        Ok(_) => http(200, &json!({ "result": "Success" })),
        Err(reason) => http(200, &json!({ "result": "Success", "message": reason })),
    }
}

fn list(run: &mut Run<'_, '_>) -> HttpAnswer {
    let summaries = match run.switch.agent.report_summaries(LISTED_MAX, run.devices.store) {
        Ok(summaries) => summaries,
        Err(why) => return error(500, &why.to_string()),
    };
    let closed = summaries.iter().filter(|summary| summary.state != ReportState::Open);
    let rows: Vec<Value> = closed
        .map(|summary| {
            json!({
                "report_id": summary.report_id,
                "entitlement_tag": summary.tag.to_string(),
                "state": summary.state.label(),
                "start_time": summary.start_at.to_string(),
                "end_time": summary.end_at.map(|at| at.to_string()),
            })
        })
        .collect();
    http(200, &json!({ "usage_list": rows }))
}

fn usage(run: &mut Run<'_, '_>, scope: SaveScope) -> HttpAnswer {
    let Run { switch, devices, now, .. } = run;
    let begun = switch.agent.begin_usage_file(*now, scope, &mut devices.agent());
    let mut file = match begun {
        Ok(file) => file,
        Err(reason) => return error(404, &reason),
    };
    let mut text = String::new();
    loop {
        match switch.agent.usage_file_piece(&mut file, &mut devices.agent()) {
            Ok(Some(piece)) if text.len() + piece.len() > FILE_BYTES_MAX => {
                return error(413, "Too many reports, ask for fewer days");
            }
            Ok(Some(piece)) => text.push_str(&piece),
            Ok(None) => break,
            Err(reason) => return error(404, &reason),
        }
    }
    let document = match Document::parse(text.as_bytes()) {
        Ok(document) => document,
        Err(why) => return error(500, &why.to_string()),
    };
    let rows: Vec<Value> = document
        .reports
        .iter()
        .map(|report| {
            json!({
                "payload": report.payload,
                "header": { "type": "rum" },
                "signature": report.signature,
            })
        })
        .collect();
    // They wait for an ACK now, as those of a usage file do.
    switch.agent.usage_saved(*now, &file, &mut devices.agent());
    http(200, &json!({ "usage": rows, "file": text }))
}

/// An ACK, a policy or a trust code: the text of its file, or that in base64.
fn import(run: &mut Run<'_, '_>, body: &[u8]) -> HttpAnswer {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    let decoded = if text.starts_with('<') { None } else { from_base64(text) };
    let bytes = decoded.as_deref().unwrap_or(body);
    let Run { switch, devices, now, .. } = run;
    let imported = switch.agent.import(*now, bytes, &mut devices.agent());
    match imported {
        Err(reason) => error(400, &reason),
        Ok((summary, effects)) => {
            let mut effects = switch.take_effects(*now, effects, devices);
            effects.extend(switch.convert_licenses(*now, devices));
            run.effects.extend(Outcome::default().with(effects).effects);
            let refused: Vec<String> =
                summary.refused.iter().map(|(kind, reason)| format!("{kind}: {reason}")).collect();
            let installed: Vec<String> =
                summary.installed.iter().map(ToString::to_string).collect();
            let status = if installed.is_empty() { 400 } else { 200 };
            http(status, &json!({ "installed": installed, "refused": refused }))
        }
    }
}
