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
}

impl Acknowledgement {
    /// The words of an accepted report, as in the guide.
    pub const ACCEPTED: &'static str = "Rum Report is accepted.";

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
        out.push_str("\n      }");
    }
    out.push_str("\n    ]");
    out
}
