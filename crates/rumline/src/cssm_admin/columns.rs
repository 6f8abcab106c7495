//! The columns of what is listed.

use crate::admin::{AUDIT, EVENTS, listed};
use crate::out::{Column, Kind, text, time};

pub(super) const ACCOUNTS: &[Column] =
    &[text("Id", "id"), text("Name", "name"), text("Domain", "domain")];
pub(super) const VIRTUAL_ACCOUNTS: &[Column] = &[text("Id", "id"), text("Name", "name")];
pub(super) const PEOPLE: &[Column] = &[
    text("Login", "login"),
    text("Kind", "kind"),
    Column("Roles", "roles", Kind::List("role")),
    Column("Accounts", "roles", Kind::List("smart_account_id")),
    Column("Virtual accounts", "roles", Kind::List("virtual_account_id")),
    time("Since", "created_at"),
    time("Disabled", "disabled_at"),
    time("Second factor", "second_factor_at"),
    text("Provider", "issuer"),
    time("Secret ends", "secret_ends_at"),
];
pub(super) const TOKENS: &[Column] = &[
    text("Id", "id"),
    text("Description", "description"),
    text("Token", "value"),
    text("Uses", "uses"),
    text("At most", "uses_max"),
    time("Expires", "expires_at"),
    time("Revoked", "revoked_at"),
    text("By", "created_by"),
];
pub(super) const INSTANCES: &[Column] = &[
    text("Id", "id"),
    text("Name", "name"),
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("Product type", "product_type"),
    text("Virtual account", "virtual_account_id"),
    text("Trust", "trusted"),
    Column("In use", "licenses", Kind::List("count+license")),
    time("Last contact", "last_contact_at"),
    time("Last report", "last_report_at"),
    text("Missing", "reports_missing"),
];
pub(super) const LICENSES: &[Column] = &[
    text("Virtual account", "virtual_account_id"),
    text("License", "license"),
    text("Purchased", "purchased"),
    text("In use", "in_use"),
    text("Substituted", "substituted"),
    text("Balance", "balance"),
    time("Runs short", "runs_short_at"),
];
pub(super) const USES: &[Column] = &[
    text("From", "from"),
    text("To", "to"),
    text("Virtual account", "virtual_account_id"),
    text("License", "license"),
    Column("License days", "license_seconds", Kind::Days),
    text("In use on average", "in_use_average"),
];
pub(super) const DELTAS: &[Column] = &[
    text("Virtual account", "virtual_account_id"),
    text("License", "license"),
    text("From", "from"),
    text("To", "to"),
    Column("Purchased, license days", "purchased_seconds", Kind::Days),
    Column("Used", "used_seconds", Kind::Days),
    Column("Substituted", "substituted_seconds", Kind::Days),
    Column("Short", "short_seconds", Kind::Days),
    text("On days", "short_days"),
];
pub(super) const SOURCES: &[Column] = &[
    text("Id", "product_instance_id"),
    text("Product instance", "udi"),
    text("Report", "report_id"),
    Column("License days", "license_seconds", Kind::Days),
    time("Received", "received_at"),
];
pub(super) const USES_NOW: &[Column] = &[
    text("Id", "product_instance_id"),
    text("Product instance", "udi"),
    text("In use", "count"),
    time("As of", "as_of"),
    text("Report", "report_id"),
    text("Entitlement tag", "tag"),
];
pub(super) const PURCHASES: &[Column] = &[
    text("Id", "id"),
    text("License", "license"),
    text("Kind", "kind"),
    time("Starts", "starts_at"),
    time("Ends", "ends_at"),
    text("Order", "order_number"),
    time("Recorded", "recorded_at"),
    Column("Held", "shares", Kind::List("quantity")),
    Column("By virtual account", "shares", Kind::List("virtual_account_id")),
];
pub(super) const ENTRIES: &[Column] = &[
    time("At", "at"),
    text("By", "login"),
    text("Kind", "kind"),
    text("Virtual account", "virtual_account_id"),
    text("Quantity", "quantity"),
    text("Reason", "reason"),
];
pub(super) const MOVED: &[Column] = &[
    text("Purchase", "purchase_id"),
    text("Quantity", "quantity"),
    time("Counts from", "counts_at"),
    time("Ends", "ends_at"),
];
pub(super) const CATALOGUE: &[Column] = &[
    text("License", "license"),
    text("Tier", "tier"),
    Column("Includes", "includes", Kind::List("")),
];
pub(super) const USAGE_FILES: &[Column] = &[
    text("Id", "id"),
    text("File name", "name"),
    time("Reported", "uploaded_at"),
    text("Virtual account", "virtual_account_id"),
    text("Reporting status", "status"),
    text("Product instances", "product_instances"),
    text("Set aside", "set_aside"),
    text("Message", "message"),
];
pub(super) const SET_ASIDE: &[Column] = &[
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("Virtual account", "virtual_account"),
];
pub(super) const ALERTS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("About", "subject"),
    text("What to do", "text"),
    time("Since", "raised_at"),
    time("Last seen", "last_at"),
    time("Settled", "cleared_at"),
    text("Acknowledged by", "acknowledged_by"),
];
pub(super) const MAIL_WISH: &[Column] =
    &[text("Address", "address"), Column("Only", "kinds", Kind::List("")), text("Pace", "pace")];
pub(super) const MAIL: &[Column] = &[
    text("Id", "id"),
    text("For", "login"),
    text("Address", "address"),
    text("Subject", "subject"),
    time("Made", "made_at"),
    text("Tries", "tries"),
    time("Sent", "sent_at"),
    time("Given up", "given_up_at"),
    text("Problem", "problem"),
];
pub(super) const JOBS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("Search", "search"),
    text("Of", "virtual_account_id"),
    text("Into", "into_virtual_account_id"),
    text("State", "state"),
    text("Done", "done"),
    text("Of all", "total"),
    text("By", "asked_by"),
    time("Asked", "asked_at"),
    time("Ended", "ended_at"),
    text("Problem", "problem"),
];
pub(super) const REPORTS: &[Column] = &[
    text("Report", "report_id"),
    text("Entitlement tag", "tag"),
    time("From", "start_at"),
    time("To", "end_at"),
    text("In use at its end", "last_count"),
    Column("License days", "count_seconds", Kind::Days),
    time("Received", "received_at"),
];
pub(super) const POLICIES: &[Column] = &[
    Column("Set for", "set_for", Kind::One),
    text("Policy", "policy_name"),
    text("ACK required", "reporting_ack_required"),
    Column("First (days)", "unenforced", Kind::Member("first_report_days")),
    Column("Ongoing", "unenforced", Kind::Member("ongoing_report_days")),
    Column("On change", "unenforced", Kind::Member("on_change_report_days")),
    text("Lasts (days)", "lifetime_days"),
];
pub(super) const TRIALS: &[Column] = &[
    text("Product instance", "udi"),
    text("Reports", "reports"),
    text("Wanted", "reports_wanted"),
    Column("Would have been due", "late", Kind::Times("due_at")),
    Column("Came", "late", Kind::Times("came_at")),
];
pub(super) const CLAIMS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("Through", "through"),
    time("First", "first_at"),
    time("Last", "last_at"),
    text("Reports", "reports"),
];
pub(super) const COLLECTORS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("Name", "name"),
    text("Virtual account", "virtual_account_id"),
    time("Registered", "registered_at"),
    time("Last contact", "last_contact_at"),
];

/// The columns of what a path lists, or holds one of.
pub(super) fn columns(path: &str) -> &'static [Column] {
    match listed(path) {
        "smart-accounts" => ACCOUNTS,
        "virtual-accounts" => VIRTUAL_ACCOUNTS,
        "people" => PEOPLE,
        "tokens" | "revoke" => TOKENS,
        "product-instances" | "transfer" | "epoch" => INSTANCES,
        "licenses" => LICENSES,
        "purchases" | "corrections" => PURCHASES,
        "license-transfers" => MOVED,
        "usage-files" | "move" => USAGE_FILES,
        "set-aside" => SET_ASIDE,
        "events" => EVENTS,
        "alerts" => ALERTS,
        "claims" => CLAIMS,
        "jobs" => JOBS,
        "collectors" => COLLECTORS,
        "audit" => AUDIT,
        _ => ACCOUNTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_list_has_its_columns() {
        for (path, of) in [
            ("/smart-accounts/1/product-instances", INSTANCES),
            ("/smart-accounts/1/product-instances/17", INSTANCES),
            ("/smart-accounts/1/usage-files/2?x=/people", USAGE_FILES),
            ("/smart-accounts/1", ACCOUNTS),
            ("/people", PEOPLE),
        ] {
            assert_eq!(columns(path), of, "{path}");
        }
    }
}
