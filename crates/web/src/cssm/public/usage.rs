//! Reports of product instances that a program brings, and their acknowledgements (CSSM-017 to CSSM-020, CSSM-033).
//!
//! A call is a usage file in other words: it is written as one and uploaded, so it stands in the list of usage files, and the
//! number to ask by is that of the file.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use rumline_cssm::{
    Caller, Cssm, Error, Only, Search, SmartAccountId, SortBy, UsageFile, UsageFileId,
};
use rumline_protocol::{
    DeviceInfo, Document, DocumentWriter, Member, ReportSignature, Timestamp, Udi, base64,
    write_tar,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, DEEDS_MAX};
use crate::asked::plain as parse;
use crate::cssm::api::run_raw;
use crate::cssm::{CssmSite, upload};
use crate::operation::{Accepted, Of};
use crate::problem::Problem;
use crate::site::Place;
use crate::site::Site;

/// What every call about product instances carries beside its own.
#[derive(Deserialize)]
pub(super) struct Call<T> {
    pub data: Data<T>,
}

#[derive(Deserialize)]
pub(super) struct Data<T> {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    pub nonce: String,
    #[serde(flatten)]
    pub of: T,
}

/// The longest nonce, in letters.
const NONCE_LETTERS_MAX: usize = 64;

/// Reads such a call.
pub(super) fn read<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<Data<T>, Problem> {
    let Call { data }: Call<T> = parse(body)?;
    let letters = data.nonce.chars().count();
    if letters == 0 || letters > NONCE_LETTERS_MAX || data.nonce.chars().any(char::is_control) {
        let text = "nonce: 1 to 64 printable characters";
        return Err(Problem::new(StatusCode::BAD_REQUEST, text));
    }
    Ok(data)
}

#[derive(Deserialize)]
struct Reports {
    reports: Vec<OfDevice>,
}

/// What a product instance reports.
#[derive(Deserialize)]
struct OfDevice {
    sudi: Udi,
    usage: Vec<Usage>,
    #[serde(default)]
    hostname: Option<String>,
    #[serde(default)]
    software_tag_identifier: Option<String>,
    #[serde(default)]
    trust_requests: Option<Vec<Value>>,
}

/// A report as it was signed: its text stays as it is.
#[derive(Deserialize)]
struct Usage {
    payload: String,
    signature: ReportSignature,
}

impl Reports {
    fn check(&self) -> Result<(), Problem> {
        let refused = |text: &str| Err(Problem::new(StatusCode::BAD_REQUEST, text));
        let count: usize = self.reports.iter().map(|one| one.usage.len()).sum();
        if count > DEEDS_MAX || self.reports.iter().any(|one| one.usage.is_empty()) || count == 0 {
            return refused(
                "reports: 1 to 1,000 in a call, and at least one of each product instance",
            );
        }
        let asks_trust =
            |one: &OfDevice| one.trust_requests.as_ref().is_some_and(|all| !all.is_empty());
        if self.reports.iter().any(asks_trust) {
            return refused("trust_requests are not taken here: a usage file carries them");
        }
        Ok(())
    }

    /// The same as a usage file, or as an archive of one for each product instance.
    fn file(self) -> (&'static str, Vec<u8>) {
        let mut members: Vec<Member> = (1..)
            .zip(self.reports)
            .map(|(number, one)| Member { name: format!("{number}.txt"), bytes: one.document() })
            .collect();
        match (members.len(), members.pop()) {
            (1, Some(one)) => ("txt", one.bytes),
            (_, last) => {
                members.extend(last);
                ("tar", write_tar(&members))
            }
        }
    }
}

impl OfDevice {
    fn document(self) -> Vec<u8> {
        let mut writer = DocumentWriter::new();
        for Usage { payload, signature } in &self.usage {
            writer.kept_report(payload, signature);
        }
        writer.device_info(&DeviceInfo {
            sudi: self.sudi,
            hostname: self.hostname.filter(|name| !name.is_empty()),
            software_tag_identifier: self.software_tag_identifier.unwrap_or_default(),
            software_version: None,
            // The key that this CSSM knows the product instance by.
            public_key: None,
            older: None,
        });
        writer.finish().into_bytes()
    }
}

/// What is asked for of reports.
const ACKNOWLEDGEMENTS: &str = "acknowledgements";
/// The longest time after which to ask, in seconds.
const POLL_SECONDS_MAX: i64 = 300;

/// What is answered while the acknowledgement is not there.
fn ask_again(cssm: &Cssm, (timestamp, nonce): (i64, &str), file: &UsageFile) -> Value {
    json!({
        "status": "OK_POLL",
        "message_code": null,
        "message": if file.message.is_empty() { None } else { Some(&file.message) },
        "timestamp": timestamp,
        "nonce": nonce,
        "type": null,
        "poll_id": file.id,
        "poll_interval": cssm.settings().ack_delay_seconds.clamp(1, POLL_SECONDS_MAX),
        "action": ACKNOWLEDGEMENTS,
    })
}

/// `POST v2/devices/reportusage`.
pub(super) async fn report(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Result<Of<Accepted>, Problem> {
    let data = read::<Reports>(&body)?;
    data.of.check()?;
    let account = place.virtual_account()?;
    let (kind, file) = data.of.file();
    let name = format!("reportusage-{}.{kind}", state.now().0);
    let incoming = state.spool.body(name, Body::from(file)).await?;
    let file = upload::usage_file(&state, caller.actor(), account, incoming).await?;
    let answer = ask_again(&state.cssm, (data.timestamp, &data.nonce), &file);
    Ok(Of::new((StatusCode::ACCEPTED, Json(answer))))
}

#[derive(Deserialize)]
struct Poll {
    poll_id: UsageFileId,
    action: String,
}

/// The software tag that a product instance was registered with.
fn software_tag(cssm: &Cssm, sa: SmartAccountId, udi: &Udi) -> Result<String, Error> {
    let search =
        Search { text: udi.serial.clone(), sort_by: Some(SortBy::Serial), descending: false };
    let found = cssm.find_instances(sa, &Only::All, &search, "", 50)?.into_iter();
    let mut found = found.map(|found| found.instance);
    let it = found.find(|view| view.pid == udi.pid && view.serial == udi.serial);
    Ok(it.map(|view| view.software_tag).unwrap_or_default())
}

/// The answer to a usage file, once for each product instance it speaks of.
fn acknowledgements(
    cssm: &Cssm,
    sa: SmartAccountId,
    file: &UsageFile,
) -> Result<(Vec<Value>, Option<String>), Error> {
    let (_, text) = cssm.acknowledgement_file(sa, file.id)?;
    let document =
        Document::parse(text.as_bytes()).map_err(|error| Error::invalid(error.to_string()))?;
    let entries = document.acknowledgements.iter().flat_map(|signed| &signed.value);
    let udis: BTreeSet<&Udi> = entries.map(|entry| &entry.sudi).collect();
    let packed = base64(text.as_bytes());
    let row = |udi: &Udi| {
        Ok(json!({
            "sudi": udi,
            "software_tag_identifier": software_tag(cssm, sa, udi)?,
            "smart_license": packed,
        }))
    };
    Ok((udis.into_iter().map(row).collect::<Result<_, Error>>()?, document.correlation_id))
}

/// `POST v2/accounts/poll`.
pub(super) async fn poll(
    State(state): State<CssmSite>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let data = read::<Poll>(&body)?;
    if data.of.action != ACKNOWLEDGEMENTS {
        let text = "action is \"acknowledgements\": these switches have no authorization codes";
        return Err(Problem::new(StatusCode::BAD_REQUEST, text));
    }
    let answer = run_raw(&state, move |cssm, now: Timestamp| {
        let (sa, va) = place.virtual_account()?;
        let file = cssm.usage_file(sa, data.of.poll_id)?;
        if file.virtual_account_id != va {
            return Err(Error::NotFound("usage file"));
        }
        if file.status == UsageFile::PROCESSING {
            return Ok(ask_again(cssm, (now.millis(), &data.nonce), &file));
        }
        let (rows, correlation_id) = if file.acknowledgement_ready {
            acknowledgements(cssm, sa, &file)?
        } else {
            (Vec::new(), None)
        };
        Ok(json!({
            "status": if rows.is_empty() { "FAILED" } else { "COMPLETE" },
            "message_code": "",
            "message": file.message,
            "timestamp": now.millis(),
            "nonce": data.nonce,
            "type": ACKNOWLEDGEMENTS,
            "correlation_id": correlation_id,
            "data": { ACKNOWLEDGEMENTS: rows },
        }))
    });
    Ok(Json(answer.await?))
}
