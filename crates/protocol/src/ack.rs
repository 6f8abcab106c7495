//! The ACK: CSSM's answer about a RUM report (guide p. 11-13; FILE-006, FILE-007).

use serde::{Deserialize, Serialize};

use crate::identity::Udi;
use crate::text::push_json_string;

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StatusCode {
    /// Taken, now or before.
    #[serde(rename = "OK")]
    Ok,
    /// Refused; the message says why.
    #[serde(rename = "FAILED")]
    Failed,
}

impl StatusCode {
    /// The text of the code.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Failed => "FAILED",
        }
    }
}

/// One report's entry in an ACK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// What became of the report.
    pub status_code: StatusCode,
    /// The same in words.
    pub status_message: String,
    /// The same in the reader's language.
    pub localized_message: String,
    /// The product instance identifier of the report.
    #[serde(alias = "product_instance_identifer")]
    pub product_instance_identifier: String,
    /// The UDI of the report.
    pub sudi: Udi,
    /// The report's number.
    pub report_id: u64,
    /// Names this exchange in both sides' logs.
    pub correlation_id: String,
    /// Always null on Nexus.
    pub subscription_id: Option<String>,
    /// The report it speaks of: base64 of SHA-256 over its payload. Without it an entry settles nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_sha256: Option<String>,
    /// Of a refusal: its kind, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RefusalReason>,
    /// Of [`RefusalReason::Conflict`]: the highest number CSSM holds a report of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_report_id: Option<u64>,
}

/// Why a report was refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReason {
    /// CSSM holds another report under this number: the product instance was set back to an older copy, or cloned. It goes
    /// on under new numbers.
    Conflict,
    /// Two product instances go on from one past: the owner has to choose.
    Held,
    /// Times or counts that cannot be.
    Impossible,
    /// The signature, the key or the UDI is wrong.
    Signature,
    /// The product instance belongs to another account.
    Account,
    /// Any other.
    #[serde(other)]
    Other,
}

impl RefusalReason {
    /// The text that travels.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Held => "held",
            Self::Impossible => "impossible",
            Self::Signature => "signature",
            Self::Account => "account",
            Self::Other => "other",
        }
    }
}

impl Acknowledgement {
    /// The words of an accepted report, as in the guide.
    pub const ACCEPTED: &'static str = "Rum Report is accepted.";

    /// Whether it speaks of the report with this digest.
    #[must_use]
    pub fn is_about(&self, report_sha256: &[u8; 32]) -> bool {
        self.report_sha256.as_deref() == Some(crate::text::base64(report_sha256).as_str())
    }

    /// The same entry with other words.
    #[must_use]
    pub fn with_message(mut self, message: &str) -> Self {
        message.clone_into(&mut self.status_message);
        message.clone_into(&mut self.localized_message);
        self
    }
}

/// The JSON array of an ACK in the guide's layout: the bytes its signature covers.
#[must_use]
pub fn acknowledgement_text(entries: &[Acknowledgement]) -> String {
    let mut out = String::with_capacity(entries.len() * 512);
    out.push('[');
    for (index, entry) in entries.iter().enumerate() {
        out.push_str(if index == 0 { "\n      {" } else { ",\n      {" });
        let mut field = |name: &str, value: &str| {
            out.push_str("\n        \"");
            out.push_str(name);
            out.push_str("\":");
            push_json_string(&mut out, value);
            out.push(',');
        };
        field("status_code", entry.status_code.label());
        field("status_message", &entry.status_message);
        field("localized_message", &entry.localized_message);
        field("product_instance_identifier", &entry.product_instance_identifier);
        out.push_str("\n        \"sudi\":{\n          \"udi_pid\":");
        push_json_string(&mut out, &entry.sudi.pid);
        out.push_str(",\n          \"udi_serial_number\":");
        push_json_string(&mut out, &entry.sudi.serial);
        out.push_str(&format!("\n        }},\n        \"report_id\":{},", entry.report_id));
        out.push_str("\n        \"correlation_id\":");
        push_json_string(&mut out, &entry.correlation_id);
        out.push_str(",\n        \"subscription_id\":");
        match &entry.subscription_id {
            Some(id) => push_json_string(&mut out, id),
            None => out.push_str("null"),
        }
        let mut extra = |name: &str, value: &str| {
            out.push_str(",\n        \"");
            out.push_str(name);
            out.push_str("\":");
            push_json_string(&mut out, value);
        };
        if let Some(sha256) = &entry.report_sha256 {
            extra("report_sha256", sha256);
        }
        if let Some(reason) = entry.reason {
            extra("reason", reason.label());
        }
        if let Some(id) = entry.last_report_id {
            out.push_str(&format!(",\n        \"last_report_id\":{id}"));
        }
        out.push_str("\n      }");
    }
    out.push_str("\n    ]");
    out
}
