//! What tests stand on: chance that repeats, switches and devices by hand, collectors and a CSSM in virtual time.
//!
//! [`Lab`] is a CSSM alone, on each engine; [`Estate`] is a CSSM with collectors and switches around it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod bundle;
mod chance;
mod device;
mod estate;
mod lab;
mod suite;
mod switch;

use rumline_agent::LicenseUse;
use rumline_cssm::Actor;
use rumline_protocol::{Acknowledgement, Document, EntitlementTag, StatusCode, Timestamp, Udi};

pub use bundle::{OpenBundle, rewritten};
pub use chance::{Chance, chance};
pub use device::Device;
pub use estate::{Estate, Server, account, push, registration, through};
pub use lab::{Lab, any_database, at_once, empty_databases, on_every_engine, same};
pub use suite::CountingSuite;
pub use switch::{Sent, Switch, saved_usage};

/// When worlds begin: 2026-01-01.
pub const START: Timestamp = Timestamp(1_767_225_600);
pub const MINUTE: i64 = 60;
pub const PID: &str = "N9K-C93180YC-FX3";
pub const SOFTWARE_TAG: &str = "regid.2017-11.com.cisco.Nexus_9300,1.0_x";
/// The licence of [`lan`].
pub const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";
/// Where people log in from.
pub const HERE: &str = "10.0.0.2";

/// Whoever administers everything.
#[must_use]
pub fn admin() -> Actor {
    Actor::person("admin")
}

#[must_use]
pub fn udi(serial: &str) -> Udi {
    Udi::new(PID, serial).unwrap()
}

#[must_use]
pub fn lan_tag() -> EntitlementTag {
    let uuid = "679b00a2-c6f4-40a1-8c23-42aed9cf93b1";
    EntitlementTag::new(&format!("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_{uuid}")).unwrap()
}

/// Use of one licence.
#[must_use]
pub fn lan(count: u32) -> LicenseUse {
    LicenseUse {
        tag: lan_tag(),
        name: LAN.to_owned(),
        description: "LAN license for Nexus 9300-XF".to_owned(),
        count,
    }
}

/// The ACK entries of a document: number, code, words.
#[must_use]
pub fn entries_of(document: &Document) -> Vec<(u64, StatusCode, String)> {
    let signed = document.acknowledgements.iter().flat_map(|signed| &signed.value);
    signed.map(|e| (e.report_id, e.status_code, e.status_message.clone())).collect()
}

/// The entry of a report that was taken.
#[must_use]
pub fn accepted(id: u64) -> (u64, StatusCode, String) {
    (id, StatusCode::Ok, Acknowledgement::ACCEPTED.to_owned())
}
