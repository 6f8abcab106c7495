//! What an older CSSM wrote is there after an upgrade: people with their roles, purchases, accounts.

use std::sync::{Arc, Mutex};

use rumline_cssm::{
    Cssm, Error, Grant, MIGRATIONS, Only, Period, PurchaseId, Role, SmartAccountId, Step,
    VirtualAccountId,
};
use rumline_protocol::{SimulatedSuite, Timestamp};
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
        assert_eq!(cssm.people().audit_rows(None, &Default::default(), 10).unwrap().len(), 1);
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

/// As the release before use over time was kept wrote it.
const BEFORE_DAYS: usize = 10;

#[test]
fn use_over_time_of_an_older_release_is_worked_out_of_its_reports() {
    let lab = Lab::in_memory(&at_once());
    let device = Device::new(&lab.cssm, "SN1");
    // All of the first counted, and of the second as much as is told of it.
    let reports = [
        (device.report(1, START, &[(Timestamp::DAY, 3)]), 3 * Timestamp::DAY),
        (device.report(2, START, &[(Timestamp::DAY, 3), (Timestamp::DAY, 2)]), Timestamp::DAY),
    ];
    let directory = tempfile::tempdir().unwrap();
    for db in empty_databases(directory.path()) {
        let db = Arc::new(db);
        db.migrate(&MIGRATIONS[..BEFORE_DAYS]).unwrap();
        let reports = reports.clone();
        let written = db.write("test.rows", move |tx| {
            let rows = [
                "INSERT INTO smart_account (id, name, domain, created_at)
                 VALUES (1, 'Example', 'example.net', 5)",
                "INSERT INTO virtual_account (smart_account_id, id, name, created_at)
                 VALUES (1, 2, 'Lab', 5)",
                "INSERT INTO product_instance (id, smart_account_id, virtual_account_id, pid, serial,
                 identifier, public_key, software_tag, registered_at, last_contact_at,
                 window_started_at, window_requests)
                 VALUES (1, 1, 2, 'N9K-C93180YC-FX3', 'SN1', '', 'x', '', 5, 5, 5, 0)",
                "INSERT INTO instance_total (smart_account_id, virtual_account_id, count)
                 VALUES (1, 2, 1)",
            ];
            for row in rows {
                tx.execute(row, &[])?;
            }
            for (signed, count_seconds) in &reports {
                let (report, sha256) = (&signed.report, signed.sha256());
                let sql = "INSERT INTO rum_report (smart_account_id, product_instance_id, report_id,
                    tag, start_at, end_at, last_count, count_seconds, sha256, received_at, payload,
                    signing_key, signature) VALUES (1, 1, $1, $2, $3, $4, 3, $5, $6, $4, $7, 'x', $8)";
                let values = [
                    i64::try_from(report.report_id).unwrap().into(),
                    report.entitlement_tag.as_str().into(),
                    report.start_at().0.into(),
                    report.end_at().0.into(),
                    (*count_seconds).into(),
                    sha256[..].into(),
                    (&signed.payload).into(),
                    [0_u8; 4][..].into(),
                ];
                tx.execute(sql, &values)?;
            }
            Ok::<_, Error>(())
        });
        written.unwrap();
        let open = || {
            let mut random = Chance::of(1);
            let (_, issuer) = SimulatedSuite::authority(&mut random);
            let (db, random) = (Arc::clone(&db), Arc::new(Mutex::new(random)));
            Cssm::open(db, Arc::new(SimulatedSuite), issuer, random, at_once()).unwrap()
        };
        let cssm = open();
        let now = START + 9 * Timestamp::DAY;
        let period = Period::read(now, Some("2025-12-01"), Some("2026-02-01")).unwrap();
        let sa = SmartAccountId(1);
        let rows = cssm.use_over_time(now, sa, &Only::All, period, Step::Day).unwrap();
        let told: Vec<_> = rows.iter().map(|row| (&row.from[..], row.license_seconds)).collect();
        // Of the second report nothing is known but how much counted: it is taken to be the last of it.
        assert_eq!(told, [("2026-01-01", 3 * Timestamp::DAY), ("2026-01-02", Timestamp::DAY)]);
        assert_eq!(cssm.verify_totals().unwrap(), []);
        let account = (sa, VirtualAccountId(2));
        let sources = cssm.use_sources(account, LAN, period, "", 9).unwrap();
        let told: Vec<_> = sources.iter().map(|one| (one.report_id, one.license_seconds)).collect();
        assert_eq!(told, [(1, 3 * Timestamp::DAY), (2, Timestamp::DAY)]);
        // Under other names, as of a catalogue that called them otherwise, they are added up anew, and only then.
        let spoil = "UPDATE use_day SET license = 'as it was called'";
        assert!(db.write("test.spoil", move |tx| tx.execute(spoil, &[])).unwrap() > 0);
        assert_ne!(open().verify_totals().unwrap(), [], "nothing says that they were spoilt");
        let other = "UPDATE counter SET value = value + 1 WHERE name = 'days_by_license'";
        assert_eq!(db.write("test.other", move |tx| tx.execute(other, &[])).unwrap(), 1);
        assert_eq!(open().verify_totals().unwrap(), []);
    }
}
