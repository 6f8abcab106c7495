//! What an older SSM On-Prem wrote is there after an upgrade.

use std::sync::{Arc, Mutex};

use rumline_collector::{Collector, Error, Kind, MIGRATIONS, NewIdToken, Settings, TenantId};
use rumline_protocol::{SimulatedSuite, Suite as _};
use rumline_testkit::*;

/// As the release before switches of before registered here wrote it.
const BEFORE: usize = 12;
const ROWS: &[&str] = &[
    "INSERT INTO tenant (id, name, smart_account, virtual_account, connected, registered,
     sync_minutes, sync_wanted, sync_failures, policy_at, created_at)
     VALUES (1, 'ONE', 'Example', 'Default', 1, 1, 15, 0, 0, 0, 5)",
    "INSERT INTO instance (tenant_id, id, pid, serial, software_tag, added_at, added_by,
     last_contact_at, last_ack_at, wants_answer, waiting, refused, undelivered, policy_at, removed_id)
     VALUES (1, 1, 'N9K-C93180YC-FX3', 'SN1', '', 5, 'first contact', 7, 8, 0, 0, 0, 0, 0, 0)",
    "INSERT INTO license_use (tenant_id, instance_id, tag, count, as_of, report_id)
     VALUES (1, 1, 'VPN_FABRIC', 2, 9, 1)",
    "INSERT INTO counter (name, value) VALUES ('tenant', 1)",
];

#[test]
fn product_instances_and_their_use_are_there_and_tokens_can_be_made() {
    let directory = tempfile::tempdir().unwrap();
    for db in empty_databases(directory.path()) {
        let db = Arc::new(db);
        db.migrate(&MIGRATIONS[..BEFORE]).unwrap();
        db.write("test.rows", |tx| {
            ROWS.iter().try_for_each(|row| tx.execute(row, &[]).map(|_| ()).map_err(Error::from))
        })
        .unwrap();
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap().into();
        let random = Arc::new(Mutex::new(chance()));
        let settings = Settings {
            kind: Kind::OnPrem,
            name: "lab".to_owned(),
            version: Settings::ON_PREM_VERSION.to_owned(),
            root_certificate: b"root".to_vec(),
        };
        let collector =
            Collector::open(db, Arc::new(SimulatedSuite), signer, random, settings).unwrap();
        let tenant = TenantId(1);
        let rows = collector.instances(tenant, "", Default::default(), 10).unwrap();
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.state.as_str(), row.registered_until), ("Acknowledged", None));
        assert_eq!(collector.licenses(tenant).unwrap()[0].in_use, 2);
        assert_eq!(collector.id_tokens(tenant).unwrap(), []);
        let new =
            NewIdToken { description: String::new(), expires_after_days: 1, uses_max: Some(1) };
        let made = collector.create_id_token(START, &admin(), tenant, &new).unwrap();
        assert_eq!(collector.id_tokens(tenant).unwrap(), [made]);
        collector.tidy(START).unwrap();
        collector.remove_tenant(START, &admin(), tenant).unwrap();
    }
}
