//! The RUM report (ISO/IEC 19770-4; guide p. 11-12; FILE-001 to 004).
//!
//! A report is a JSON `payload` and a signature over the payload's exact bytes. It is written in the
//! guide's layout and read in both public forms: payload as an object, payload as an escaped string.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::crypto::{PublicKey, Signer, SigningType, Suite, sha256};
use crate::identity::{EntitlementTag, InvalidIdentity, Role, Udi};
use crate::text::{base64, from_base64, json_words, push_json_string, verified_text};
use crate::time::Timestamp;

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not the JSON of a report.
    #[error("not a RUM report: {}", json_words(.0))]
    Json(#[from] serde_json::Error),
    /// A name in it is not acceptable.
    #[error("the report names something impossible: {0}")]
    Identity(#[from] InvalidIdentity),
    /// A value in it is not acceptable.
    #[error("{0}")]
    Value(&'static str),
}

/// Why a measurement ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminationReason {
    /// Use was asked for: push, sync or save (PI-RUM-008).
    CurrentUsageRequested,
    /// The switch was reloaded.
    ProductReload,
    /// A reason this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl TerminationReason {
    /// The text that travels.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::CurrentUsageRequested => "CurrentUsageRequested",
            Self::ProductReload => "ProductReload",
            Self::Other(text) => text,
        }
    }
}

/// A span of time in which the count did not change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// When it was written down.
    pub log_time: Timestamp,
    /// Its first second.
    pub start_time: Timestamp,
    /// The second after its last.
    pub end_time: Timestamp,
    /// How many were in use.
    pub count: u32,
    /// Why it ended.
    pub termination_reason: Option<TerminationReason>,
    /// Seconds by which the clock was set at its end.
    pub clock_change_delta: Option<i64>,
    /// To how many seconds its times are known, where that is more than one: a product instance with much that waits
    /// keeps count times seconds of each UTC day exactly, and no longer when in the day that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_seconds: Option<u32>,
}

impl Measurement {
    /// Seconds between two samples.
    pub const SAMPLE_SECONDS: i64 = 900;

    /// Its length in seconds.
    #[must_use]
    pub fn sample_interval(&self) -> i64 {
        self.end_time.since(self.start_time)
    }

    /// The samples folded into it: one at its start and one every 15 minutes.
    #[must_use]
    pub fn num_samples(&self) -> i64 {
        self.sample_interval() / Self::SAMPLE_SECONDS + 1
    }
}

/// A supervisor of the reporting switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaMember {
    /// Its role.
    pub role: Role,
    /// Its UDI.
    pub sudi: Udi,
}

/// The report closed before this one: a missing or altered report breaks the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousReport {
    /// Its number.
    pub report_id: u64,
    /// SHA-256 of its payload, base64.
    pub sha256: String,
}

/// Where a report stands in the life of its product instance. Numbers alone cannot tell: a switch that was set back to an
/// older copy, or cloned, gives them out twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The CSSM the report is for: [`crate::cssm_id`]; empty where the product instance knows none.
    #[serde(default)]
    pub audience: String,
    /// The epoch; empty for the first. A new one begins when CSSM holds reports that this product instance does not know.
    #[serde(default)]
    pub epoch: String,
    /// When the epoch began; 0 for the first.
    #[serde(default)]
    pub epoch_began_at: i64,
    /// The epoch that was given up for it; says nothing in the first.
    #[serde(default)]
    pub parent_epoch: String,
    /// The place of the report among all that were closed in its epoch, from 1.
    #[serde(default)]
    pub position: u64,
    /// By how many seconds the clock had been set altogether when the first measurement began. Times less this run on
    /// evenly, however the clock was set.
    #[serde(default)]
    pub clock_offset_seconds: i64,
    /// The trust code the product instance held; 0 for none. CSSM tells by it which answers have arrived.
    #[serde(default)]
    pub trust_id: u64,
}

impl Lineage {
    /// The longest name of an epoch, in bytes.
    pub const EPOCH_BYTES_MAX: usize = 32;
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RumReport {
    /// The product (software) tag.
    pub software_tag: String,
    /// The reporting switch.
    pub udi: Udi,
    /// The product instance's own identifier.
    pub product_instance_identifier: String,
    /// The device's signature over the `instance` part.
    pub asset_signature: Option<AssetSignature>,
    /// What is licensed.
    pub entitlement_tag: EntitlementTag,
    /// The report's number.
    pub report_id: u64,
    /// The software version.
    pub software_version: String,
    /// The report before, if this is not the first.
    pub previous: Option<PreviousReport>,
    /// Where it stands in the life of the product instance; none in reports of other makes.
    pub lineage: Option<Lineage>,
    /// The supervisors.
    pub ha_udi: Vec<HaMember>,
    /// The use.
    pub measurements: Vec<Measurement>,
}

/// The signature inside `asset_identification`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetSignature {
    /// The algorithm's label.
    pub signing_type: String,
    /// The key id.
    pub key: String,
    /// Base64 of the signature.
    pub value: String,
}

/// The signature over a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSignature {
    /// Who signed.
    pub sudi: Udi,
    /// The algorithm's label.
    pub signing_type: String,
    /// The key id.
    pub key: String,
    /// Base64 of the signature.
    pub value: String,
}

/// A report with the exact text that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReport {
    /// The payload, byte for byte.
    pub payload: String,
    /// The signature over it.
    pub signature: ReportSignature,
    /// What the payload says.
    pub report: RumReport,
}

impl ReportSignature {
    /// The longest text in it, in bytes: enough for a key of 16,384 bits, broken into lines.
    const FIELD_BYTES_MAX: usize = 4096;
}

impl RumReport {
    /// The most measurements in one report.
    pub const MEASUREMENTS_MAX: usize = 10_000;
    /// Reads the payload of a report whose signature was checked when it came.
    ///
    /// # Errors
    /// When it is not a report or holds impossible values.
    pub fn read(payload: &str) -> Result<Self, ReportError> {
        parse_payload(payload)
    }

    /// The longest payload accepted, in bytes.
    pub const PAYLOAD_BYTES_MAX: usize = 8 << 20;
    /// The last second that a clock tells: the year 9999.
    const LATEST: Timestamp = Timestamp(253_402_300_799);
    /// The highest count: [`EntitlementTag::COUNT_MAX`].
    pub const COUNT_MAX: u32 = EntitlementTag::COUNT_MAX;
    /// Before this day there was no product instance: that of the first Nexus 9000, 2013-11-06.
    pub const EARLIEST: Timestamp = Timestamp(1_383_696_000);

    /// Its first second.
    #[must_use]
    pub fn start_at(&self) -> Timestamp {
        self.measurements.first().map_or(Timestamp(0), |m| m.start_time)
    }

    /// The second after its last.
    #[must_use]
    pub fn end_at(&self) -> Timestamp {
        self.measurements.last().map_or(Timestamp(0), |m| m.end_time)
    }

    /// The count at its end.
    #[must_use]
    pub fn last_count(&self) -> u32 {
        self.measurements.last().map_or(0, |m| m.count)
    }

    /// Use in it: the sum of count times seconds.
    #[must_use]
    pub fn count_seconds(&self) -> i64 {
        self.measurements.iter().fold(0, |sum, m| {
            sum.saturating_add(m.sample_interval().saturating_mul(i64::from(m.count)))
        })
    }

    fn check(&self) -> Result<(), ReportError> {
        self.udi.check()?;
        self.entitlement_tag.check()?;
        for member in &self.ha_udi {
            // A leading blank stands in the guide's own sample.
            Udi::new(&member.sudi.pid, &member.sudi.serial)?;
        }
        let value = ReportError::Value;
        if self.report_id == 0 || i64::try_from(self.report_id).is_err() {
            return Err(value("report_id is out of range"));
        }
        if self.measurements.is_empty() {
            return Err(value("the report holds no measurement"));
        }
        if self.measurements.len() > Self::MEASUREMENTS_MAX {
            return Err(value("the report holds too many measurements"));
        }
        if self.software_tag.len() > EntitlementTag::BYTES_MAX
            || self.software_version.len() > 64
            || self.product_instance_identifier.len() > 64
            || self.ha_udi.len() > 16
            || self.lineage.as_ref().is_some_and(|lineage| {
                lineage.epoch.len() > Lineage::EPOCH_BYTES_MAX
                    || lineage.parent_epoch.len() > Lineage::EPOCH_BYTES_MAX
                    || lineage.parent_epoch.contains(char::is_control)
                    || lineage.audience.len() > 64
                    || lineage.epoch.contains(char::is_control)
            })
        {
            return Err(value("a field of the report is too long"));
        }
        Ok(())
    }

    /// Its spans on a time that runs on evenly, however the clock was set: from, to, count.
    pub fn even_spans(&self) -> impl Iterator<Item = (i64, i64, u32)> + '_ {
        let mut offset = self.lineage.as_ref().map_or(0, |lineage| lineage.clock_offset_seconds);
        self.measurements.iter().map(move |m| {
            let even = |at: Timestamp| at.0.saturating_sub(offset);
            let span = (even(m.start_time), even(m.end_time), m.count);
            offset = offset.saturating_add(m.clock_change_delta.unwrap_or(0));
            span
        })
    }

    /// By how much the clock had been set altogether when the last measurement was over.
    #[must_use]
    pub fn clock_offset_seconds(&self) -> i64 {
        let before = self.lineage.as_ref().map_or(0, |lineage| lineage.clock_offset_seconds);
        let set = self.measurements.iter().filter_map(|m| m.clock_change_delta);
        set.fold(before, i64::saturating_add)
    }

    /// What in it cannot be, if anything: whoever counts does not count it.
    #[must_use]
    pub fn impossible(&self, now: Timestamp) -> Option<String> {
        for (m, (even_from, even_to, _)) in self.measurements.iter().zip(self.even_spans()) {
            if m.count > Self::COUNT_MAX {
                let (count, max) = (m.count, Self::COUNT_MAX);
                return Some(format!("a count of {count} is more than any platform has ({max})"));
            }
            if m.end_time < m.start_time {
                return Some("a measurement ends before it starts".to_owned());
            }
            // A clock that was wrong is no lie where the report says by how much it was set.
            let (from, to) = (m.start_time.0.max(even_from), m.end_time.0.min(even_to));
            if from < Self::EARLIEST.0 {
                return Some(format!(
                    "a measurement starts at {}, before the product instance existed",
                    m.start_time
                ));
            }
            if !crate::statement::is_not_of_the_future(now, Timestamp(to)) {
                return Some(format!(
                    "a measurement ends at {}, which is to come: check the clock",
                    m.end_time
                ));
            }
            if m.sample_interval() > now.since(Self::EARLIEST).saturating_add(Timestamp::HOUR) {
                return Some(
                    "a measurement lasts longer than the product instance exists".to_owned(),
                );
            }
            if even_from < 0 || even_to > Self::LATEST.0 {
                return Some("a clock was set by more years than any clock tells".to_owned());
            }
        }
        None
    }
}

/// The `instance` object in the guide's layout: the bytes the asset signature covers.
#[must_use]
pub(crate) fn instance_text(udi: &Udi, product_instance_identifier: &str) -> String {
    let mut out = String::from("{\n        \"sudi\":{\n          \"udi_pid\":");
    push_json_string(&mut out, &udi.pid);
    out.push_str(",\n          \"udi_serial_number\":");
    push_json_string(&mut out, &udi.serial);
    // The spelling is the guide's (C-55).
    out.push_str("\n        },\n        \"product_instance_identifer\":");
    push_json_string(&mut out, product_instance_identifier);
    out.push_str("\n      }");
    out
}

/// The payload of a report in the guide's layout: the bytes its signature covers.
#[must_use]
pub fn report_text(report: &RumReport) -> String {
    let mut out = String::with_capacity(2048);
    out.push_str("{\n    \"asset_identification\":{\n      \"asset\":{\n        \"name\":");
    push_json_string(&mut out, &report.software_tag);
    out.push_str("\n      },\n      \"instance\":");
    out.push_str(&instance_text(&report.udi, &report.product_instance_identifier));
    if let Some(signature) = &report.asset_signature {
        out.push_str(",\n      \"signature\":{\n        \"signing_type\":");
        push_json_string(&mut out, &signature.signing_type);
        out.push_str(",\n        \"key\":");
        push_json_string(&mut out, &signature.key);
        out.push_str(",\n        \"value\":");
        push_json_string(&mut out, &signature.value);
        out.push_str("\n      }");
    }
    out.push_str("\n    },\n  \"meta\":{\n    \"entitlement_tag\":");
    push_json_string(&mut out, report.entitlement_tag.as_str());
    push(&mut out, format_args!(",\n    \"report_id\":{},", report.report_id));
    out.push_str("\n    \"software_version\":");
    push_json_string(&mut out, &report.software_version);
    if let Some(previous) = &report.previous {
        push(
            &mut out,
            format_args!(
                ",\n    \"previous_report\":{{\n      \"report_id\":{},\n      \"sha256\":",
                previous.report_id
            ),
        );
        push_json_string(&mut out, &previous.sha256);
        out.push_str("\n    }");
    }
    if let Some(lineage) = &report.lineage {
        push_lineage(&mut out, lineage);
    }
    out.push_str(",\n    \"ha_udi\":[");
    for (index, member) in report.ha_udi.iter().enumerate() {
        out.push_str(if index == 0 { "\n      {" } else { ",\n      {" });
        push(&mut out, format_args!("\n        \"role\":\"{}\",", member.role));
        out.push_str("\n        \"sudi\":{\n          \"udi_pid\":");
        push_json_string(&mut out, &member.sudi.pid);
        out.push_str(",\n          \"udi_serial_number\":");
        push_json_string(&mut out, &member.sudi.serial);
        out.push_str("\n        }\n      }");
    }
    out.push_str("\n    ]\n  },\n  \"measurements\":[");
    for (index, measurement) in report.measurements.iter().enumerate() {
        out.push_str(if index == 0 { "\n    {" } else { ",\n    {" });
        push_measurement(&mut out, measurement);
        out.push_str("\n    }");
    }
    out.push_str("\n  ]\n}");
    out
}

/// Members that say nothing are left out: nearly all reports are of a first epoch, by a clock that was never set.
fn push_lineage(out: &mut String, lineage: &Lineage) {
    push(out, format_args!(",\n    \"lineage\":{{\n      \"position\":{}", lineage.position));
    let mut text = |name: &str, value: &str| {
        if !value.is_empty() {
            push(out, format_args!(",\n      \"{name}\":"));
            push_json_string(out, value);
        }
    };
    text("audience", &lineage.audience);
    text("epoch", &lineage.epoch);
    text("parent_epoch", &lineage.parent_epoch);
    let mut number = |name: &str, value: i128| {
        if value != 0 {
            push(out, format_args!(",\n      \"{name}\":{value}"));
        }
    };
    number("epoch_began_at", lineage.epoch_began_at.into());
    number("clock_offset_seconds", lineage.clock_offset_seconds.into());
    number("trust_id", lineage.trust_id.into());
    out.push_str("\n    }");
}

fn push_measurement(out: &mut String, m: &Measurement) {
    push(
        out,
        format_args!(
            "\n      \"log_time\":{},\n      \"metric_name\":\"ENTITLEMENT\",\
             \n      \"start_time\":{},\n      \"end_time\":{},\
             \n      \"sample_interval\":{},\n      \"num_samples\":{},\n      \"meta\":{{",
            m.log_time.0,
            m.start_time.0,
            m.end_time.0,
            m.sample_interval(),
            m.num_samples()
        ),
    );
    let mut separator = "\n        ";
    if let Some(delta) = m.clock_change_delta {
        push(out, format_args!("{separator}\"clock_change_delta\":\"{delta}\""));
        separator = ",\n        ";
    }
    if let Some(reason) = &m.termination_reason {
        push(out, format_args!("{separator}\"termination_reason\":"));
        push_json_string(out, reason.label());
        separator = ",\n        ";
    }
    if let Some(seconds) = m.resolution_seconds {
        push(out, format_args!("{separator}\"resolution_seconds\":\"{seconds}\""));
    }
    push(
        out,
        format_args!(
            "\n      }},\n      \"value\":{{\n        \"type\":\"COUNT\",\
             \n        \"value\":\"{}\"\n      }}",
            m.count
        ),
    );
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to a String cannot fail");
}

/// The asset signature of a device: made once, the same in every report.
#[must_use]
pub fn asset_signature(signer: &dyn Signer, udi: &Udi, piid: &str) -> AssetSignature {
    let text = instance_text(udi, piid);
    let key = signer.public_key();
    AssetSignature {
        signing_type: key.signing_type.label().to_owned(),
        key: key.key_id(),
        value: base64(&signer.sign(text.as_bytes())),
    }
}

/// Writes and signs a report.
#[must_use]
pub fn sign_report(mut report: RumReport, signer: &dyn Signer) -> SignedReport {
    if report.asset_signature.is_none() {
        let signature = asset_signature(signer, &report.udi, &report.product_instance_identifier);
        report.asset_signature = Some(signature);
    }
    let payload = report_text(&report);
    let key = signer.public_key();
    let signature = ReportSignature {
        sudi: report.udi.clone(),
        signing_type: key.signing_type.label().to_owned(),
        key: key.key_id(),
        value: base64(&signer.sign(payload.as_bytes())),
    };
    SignedReport { payload, signature, report }
}

impl SignedReport {
    /// Reads a report from the JSON that stands in a `RUMReport` element.
    ///
    /// # Errors
    /// When it is not a report or holds impossible values.
    pub fn parse(envelope: &str) -> Result<Self, ReportError> {
        let envelope: Envelope<'_> = serde_json::from_str(envelope.trim())?;
        let raw = envelope.payload.get();
        // Both public forms: the payload as an object, or as a string that holds it.
        let payload = if raw.starts_with('"') {
            serde_json::from_str::<String>(raw)?
        } else {
            raw.to_owned()
        };
        Self::from_parts(payload, envelope.signature)
    }

    /// Reads a report from its payload text and signature, as a message carries them.
    ///
    /// # Errors
    /// As [`SignedReport::parse`].
    pub fn from_parts(payload: String, signature: ReportSignature) -> Result<Self, ReportError> {
        if payload.len() > RumReport::PAYLOAD_BYTES_MAX {
            return Err(ReportError::Value("the report is too large"));
        }
        let told = [&signature.signing_type, &signature.key, &signature.value];
        if told.iter().any(|text| text.len() > ReportSignature::FIELD_BYTES_MAX) {
            return Err(ReportError::Value("the signature of the report is too long"));
        }
        let report = parse_payload(&payload)?;
        if report.udi != signature.sudi {
            return Err(ReportError::Value("the report is signed in the name of another UDI"));
        }
        Ok(Self { payload, signature, report })
    }

    /// SHA-256 of the payload: the report's identity and its link in the chain.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.payload.as_bytes())
    }

    /// The SHA-256 of this report, if `key` signed it; restores line ends that an editor changed.
    #[must_use]
    pub fn verified_sha256(&mut self, suite: &dyn Suite, key: &PublicKey) -> Option<[u8; 32]> {
        let signature = from_base64(&self.signature.value)?;
        if SigningType::from_label(&self.signature.signing_type) != Some(key.signing_type)
            || self.signature.key != key.key_id()
        {
            return None;
        }
        let (text, sha256) = verified_text(suite, key, &self.payload, &signature)?;
        if let Cow::Owned(restored) = text {
            self.payload = restored;
        }
        Some(sha256)
    }

    /// Whether `key` signed this report; restores line ends that an editor changed.
    #[must_use]
    pub fn verify(&mut self, suite: &dyn Suite, key: &PublicKey) -> bool {
        self.verified_sha256(suite, key).is_some()
    }

    /// The JSON of the report in the guide's layout, payload as an object.
    #[must_use]
    pub fn envelope(&self) -> String {
        envelope(&self.payload, &self.signature)
    }
}

/// A payload and its signature in the guide's layout. A payload that could not stand in a file as it is - it may hold
/// anything its device signed - is written as a string, which is the other public form.
pub(crate) fn envelope(payload: &str, signature: &ReportSignature) -> String {
    let mut out = String::with_capacity(payload.len() + 768);
    out.push_str("{\n  \"payload\":");
    let plain = payload.starts_with('{')
        && payload.ends_with('}')
        && !payload.contains("]]>")
        && !payload.chars().any(|c| c.is_control() && c != '\n');
    if plain {
        out.push_str(payload);
    } else {
        push_json_string(&mut out, payload);
    }
    out.push_str(",\n\"header\":{\n  \"type\":\"rum\"\n},\n\"signature\":{\n  \"sudi\":{");
    out.push_str("\n    \"udi_pid\":");
    push_json_string(&mut out, &signature.sudi.pid);
    out.push_str(",\n    \"udi_serial_number\":");
    push_json_string(&mut out, &signature.sudi.serial);
    out.push_str("\n  },\n  \"signing_type\":");
    push_json_string(&mut out, &signature.signing_type);
    out.push_str(",\n  \"key\":");
    push_json_string(&mut out, &signature.key);
    out.push_str(",\n  \"value\":");
    push_json_string(&mut out, &signature.value);
    out.push_str("\n}\n}");
    out
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
    signature: ReportSignature,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    asset_identification: AssetIdentification<'a>,
    #[serde(borrow)]
    meta: Meta<'a>,
    #[serde(borrow)]
    measurements: Vec<RawMeasurement<'a>>,
    signature: Option<AssetSignature>,
}

#[derive(Deserialize)]
struct AssetIdentification<'a> {
    #[serde(borrow)]
    asset: Asset<'a>,
    #[serde(borrow)]
    instance: Instance<'a>,
    signature: Option<AssetSignature>,
    report_id: Option<u64>,
}

#[derive(Deserialize)]
struct Asset<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Instance<'a> {
    sudi: Udi,
    // Both spellings are in use (C-55).
    #[serde(borrow, default, alias = "product_instance_identifer")]
    product_instance_identifier: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    entitlement_tag: EntitlementTag,
    report_id: Option<u64>,
    #[serde(borrow, default)]
    software_version: Cow<'a, str>,
    previous_report: Option<PreviousReport>,
    lineage: Option<Lineage>,
    #[serde(default)]
    ha_udi: Vec<HaMember>,
}

#[derive(Deserialize)]
struct RawMeasurement<'a> {
    log_time: Timestamp,
    start_time: Timestamp,
    end_time: Timestamp,
    #[serde(default)]
    meta: RawMeasurementMeta,
    #[serde(borrow)]
    value: RawValueField<'a>,
}

#[derive(Deserialize, Default)]
struct RawMeasurementMeta {
    termination_reason: Option<TerminationReason>,
    clock_change_delta: Option<String>,
    resolution_seconds: Option<String>,
}

#[derive(Deserialize)]
struct RawValueField<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
}

fn parse_payload(text: &str) -> Result<RumReport, ReportError> {
    let payload: Payload<'_> = serde_json::from_str(text)?;
    let mut measurements = Vec::with_capacity(payload.measurements.len());
    for raw in payload.measurements {
        let count = raw.value.value.parse();
        let delta = raw.meta.clock_change_delta.map(|delta| delta.parse()).transpose();
        let resolution = raw.meta.resolution_seconds.map(|seconds| seconds.parse()).transpose();
        measurements.push(Measurement {
            log_time: raw.log_time,
            start_time: raw.start_time,
            end_time: raw.end_time,
            count: count.map_err(|_| ReportError::Value("a count is not a number"))?,
            termination_reason: raw.meta.termination_reason,
            clock_change_delta: delta
                .map_err(|_| ReportError::Value("clock_change_delta is not a number"))?,
            resolution_seconds: resolution
                .map_err(|_| ReportError::Value("resolution_seconds is not a number"))?,
        });
    }
    let asset = payload.asset_identification;
    let report = RumReport {
        software_tag: asset.asset.name.into_owned(),
        udi: asset.instance.sudi,
        product_instance_identifier: asset.instance.product_instance_identifier.into_owned(),
        asset_signature: asset.signature.or(payload.signature),
        entitlement_tag: payload.meta.entitlement_tag,
        report_id: payload
            .meta
            .report_id
            .or(asset.report_id)
            .ok_or(ReportError::Value("the report has no report_id"))?,
        software_version: payload.meta.software_version.into_owned(),
        previous: payload.meta.previous_report,
        lineage: payload.meta.lineage,
        ha_udi: payload.meta.ha_udi,
        measurements,
    };
    report.check()?;
    Ok(report)
}
