//! What an older CSSM wrote is there after an upgrade: people with their roles, purchases, accounts.

use std::sync::{Arc, Mutex};

use rumline_cssm::{
    Cssm, Error, Grant, MIGRATIONS, Only, PurchaseId, Role, SmartAccountId, VirtualAccountId,
};
use rumline_protocol::SimulatedSuite;
use rumline_server::ScopeId;
use rumline_testkit::*;

/// As the release before people had several roles and purchases were a book wrote it.
const BEFORE: usize = 6;
const ROWS: &[&str] = &[
    "INSERT INTO smart_account (id, name, domain, created_at) VALUES (1, 'Example', 'example.net', 5)",
    "INSERT INTO virtual_account (smart_account_id, id, name, created_at) VALUES (1, 1, 'Default', 5)",
    "INSERT INTO virtual_account (smart_account_id, id, name, created_at) VALUES (1, 2, 'Lab', 5)",
    "INSERT INTO person (login, password_hash, role, scope_id, created_at)
     VALUES ('admin', 'x', 'administrator', NULL, 5)",
    "INSERT INTO person (login, password_hash, role, scope_id, created_at)
     VALUES ('eve', 'x', 'viewer', 1, 5)",
    "INSERT INTO purchase (smart_account_id, id, virtual_account_id, license, quantity, kind,
     starts_at, ends_at) VALUES (1, 1, 1, 'LAN_ENTERPRISE_SERVICES_PKG', 10, 'PERPETUAL', 7, NULL)",
    "INSERT INTO purchase (smart_account_id, id, virtual_account_id, license, quantity, kind,
     starts_at, ends_at) VALUES (1, 2, 2, 'VPN_FABRIC', 3, 'SUBSCRIPTION', 7, 9999999999)",
    "INSERT INTO product_instance (id, smart_account_id, virtual_account_id, pid, serial, identifier,
     public_key, software_tag, registered_at, last_contact_at, window_started_at, window_requests)
     VALUES (1, 1, 2, 'N9K-C93180YC-FX3', 'SN1', '', 'x', '', 5, 5, 5, 0)",
    "INSERT INTO license_use (smart_account_id, product_instance_id, tag, count, as_of, report_id)
     VALUES (1, 1, 'VPN_FABRIC', 2, 9, 1)",
    "INSERT INTO counter (name, value) VALUES ('smart_account', 1)",
    "INSERT INTO counter (name, value) VALUES ('virtual_account', 2)",
    "INSERT INTO counter (name, value) VALUES ('purchase', 2)",
    "INSERT INTO audit (id, at, actor, action, subject, outcome) VALUES (1, 5, 'admin', 'login', 'admin', 'done')",
    "INSERT INTO counter (name, value) VALUES ('audit', 1)",
];

#[test]
fn what_an_older_release_wrote_is_there_after_an_upgrade() {
    let directory = tempfile::tempdir().unwrap();
    for db in empty_databases(directory.path()) {
        let db = Arc::new(db);
        db.migrate(&MIGRATIONS[..BEFORE]).unwrap();
        db.write("test.rows", |tx| {
            ROWS.iter().try_for_each(|row| tx.execute(row, &[]).map(|_| ()).map_err(Error::from))
        })
        .unwrap();
        let mut random = chance();
        let (_, issuer) = SimulatedSuite::authority(&mut random);
        let random = Arc::new(Mutex::new(random));
        let cssm = Cssm::open(db, Arc::new(SimulatedSuite), issuer, random, at_once()).unwrap();
        let people = cssm.people().list(None).unwrap();
        let told: Vec<_> =
            people.iter().map(|person| (person.login.as_str(), person.grants.clone())).collect();
        assert_eq!(
            told,
            [
                ("admin", vec![Grant::of(Role::Administrator, None)]),
                ("eve", vec![Grant::of(Role::Viewer, Some(ScopeId(1)))]),
            ]
        );
        assert_eq!(cssm.people().audit_rows(None, None, 10).unwrap().len(), 1);
        let sa = SmartAccountId(1);
        let views = cssm.licenses(START, sa).unwrap();
        let held: Vec<_> =
            views.iter().map(|view| (view.virtual_account_id.0, view.purchased)).collect();
        let mut purchased = held;
        purchased.retain(|(_, purchased)| *purchased > 0);
        assert_eq!(purchased, [(1, 10), (2, 3)]);
        // What is in use is kept as a total from now on.
        let in_use: i64 = views.iter().map(|view| view.in_use).sum();
        assert_eq!((in_use, cssm.verify_totals().unwrap()), (2, vec![]));
        let (view, entries) = cssm.purchase(sa, PurchaseId(2)).unwrap();
        assert_eq!((view.license.as_str(), view.ends_at), ("VPN_FABRIC", Some(9_999_999_999)));
        assert_eq!(
            (entries.len(), entries[0].kind.as_str(), entries[0].quantity),
            (1, "bought", 3)
        );
        // The book goes on behind what was there.
        let moved = cssm.transfer_licenses(
            START,
            &admin(),
            sa,
            &rumline_cssm::LicenseTransfer {
                license: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
                quantity: 4,
                from: VirtualAccountId(1),
                to: VirtualAccountId(2),
                purchase_id: None,
            },
            false,
        );
        assert_eq!(moved.unwrap()[0].quantity, 4);
        assert_eq!(cssm.purchase(sa, PurchaseId(1)).unwrap().1.len(), 3);
        assert_eq!(cssm.smart_accounts(&Only::All).unwrap().len(), 1);
    }
}
