//! The columns of what a collector lists.

use crate::admin::{AUDIT, EVENTS, listed};
use crate::out::{Column, Kind, text, time};

pub(super) const PEOPLE: &[Column] = &[
    text("Login", "login"),
    text("Kind", "kind"),
    Column("Roles", "roles", Kind::List("role")),
    Column("Tenants", "roles", Kind::List("tenant_id")),
    time("Since", "created_at"),
    time("Disabled", "disabled_at"),
    time("Second factor", "second_factor_at"),
    text("Provider", "issuer"),
    time("Secret ends", "secret_ends_at"),
];
pub(super) const TENANTS: &[Column] = &[
    text("Id", "id"),
    text("Name", "name"),
    text("Smart account", "smart_account"),
    text("Virtual account", "virtual_account"),
    text("Connectivity", "connectivity"),
    text("Registered", "registered"),
    text("Every (minutes)", "sync_minutes"),
    time("Cisco reached", "last_sync_at"),
    text("Problem", "sync_error"),
    text("URL of product instances", "device_url"),
];
const CISCO_ACCOUNTS: &[Column] = &[
    text("Id", "id"),
    text("Name", "name"),
    Column("Virtual accounts", "virtual_accounts", Kind::List("")),
];
const INSTANCES: &[Column] = &[
    text("Id", "id"),
    text("Name", "name"),
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("State", "state"),
    text("Waiting", "waiting"),
    time("Last contact", "last_contact_at"),
    time("Last report", "last_report_at"),
    time("Last ACK", "last_ack_at"),
    text("Look at", "alert"),
];
const LICENSES: &[Column] = &[
    text("License", "license"),
    text("In use", "in_use"),
    text("Product instances", "product_instances"),
    text("Entitlement tag", "tag"),
];
const CLAIMS: &[Column] = &[
    text("Id", "id"),
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("Key", "key_id"),
    text("Known key", "known_key_id"),
    text("From", "address"),
    time("Since", "first_at"),
];
pub(super) const TRANSFERS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("File", "name"),
    time("At", "at"),
    text("By", "login"),
    text("Status", "message"),
    text("Product instances", "members"),
    text("Done", "members_done"),
    text("Problems", "problems"),
];
const COMPATIBILITY: &[Column] = &[
    text("NX-OS", "nx_os"),
    text("Smart agent", "sa_agent"),
    Column("SSM On-Prem", "on_prem", Kind::List("")),
    text("CSLU", "cslu"),
];

/// The columns of what a path lists, or holds one of.
pub(super) fn columns(path: &str) -> &'static [Column] {
    match listed(path) {
        "product-instances" => INSTANCES,
        "licenses" => LICENSES,
        "claims" => CLAIMS,
        "transfers" => TRANSFERS,
        "events" => EVENTS,
        "audit" => AUDIT,
        "cisco-accounts" => CISCO_ACCOUNTS,
        "compatibility" => COMPATIBILITY,
        _ => TENANTS,
    }
}
