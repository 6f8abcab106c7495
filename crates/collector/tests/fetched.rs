//! Answers that product instances fetched go after a while, and what they were for with them.

use std::sync::{Arc, Mutex};

use rumline_collector::{Collector, Error, Kind, Settings};
use rumline_protocol::{SimulatedSuite, Suite as _, Timestamp};
use rumline_testkit::*;

#[test]
fn answers_go_ninety_days_after_they_were_fetched_and_those_that_wait_stay() {
    let directory = tempfile::tempdir().unwrap();
    for db in empty_databases(directory.path()) {
        let db = Arc::new(db);
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap().into();
        let settings = Settings {
            kind: Kind::Cslu,
            name: "lab".to_owned(),
            version: Settings::ON_PREM_VERSION.to_owned(),
            root_certificate: b"root".to_vec(),
        };
        let random = Arc::new(Mutex::new(chance()));
        let suite = Arc::new(SimulatedSuite);
        let collector = Collector::open(Arc::clone(&db), suite, signer, random, settings).unwrap();
        // More product instances than are looked at at a time, with an answer fetched, and one that waits.
        db.write("test.answers", |tx| {
            for id in 1..=1_200_i64 {
                let sql =
                    "INSERT INTO instance (tenant_id, id, pid, serial, software_tag, added_at,
                    added_by, wants_answer, waiting, refused, undelivered, policy_at, removed_id)
                    VALUES (1, $1, 'N9K-C9504', $2, '', 5, 'x', 0, 0, 0, 1, 0, 0)";
                tx.execute(sql, &[id.into(), format!("SN{id}").as_str().into()])?;
                for (number, delivered_at) in [(1, Some(START.0)), (2, None)] {
                    let sql = "INSERT INTO answer (tenant_id, instance_id, id, sha256, document,
                        received_at, delivered_at) VALUES (1, $1, $2, $3, '', $4, $5)";
                    let digest = [u8::from(number == 1); 32];
                    let values = [
                        id.into(),
                        i64::from(number).into(),
                        digest[..].into(),
                        START.0.into(),
                        delivered_at.into(),
                    ];
                    tx.execute(sql, &values)?;
                }
            }
            Ok::<_, Error>(())
        })
        .unwrap();
        let kept = || {
            let sql = "SELECT COUNT(*) FROM answer WHERE (delivered_at IS NULL) = (id = 2)";
            db.read("test.kept", |tx| tx.row(sql, &[], |row| row.int(0))).unwrap().unwrap()
        };
        collector.tidy(START + 90 * Timestamp::DAY).unwrap();
        assert_eq!(kept(), 2_400);
        collector.tidy(START + 90 * Timestamp::DAY + 1).unwrap();
        assert_eq!(kept(), 1_200);
    }
}
