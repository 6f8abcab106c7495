//! What is wrong with reports that are kept is told, and what follows from them is put right (CSSM-033).

use std::sync::Arc;

use rumline_cssm::{Wrong, check_reports, mend_reports};
use rumline_protocol::Suite;
use rumline_testkit::*;

#[test]
fn whatever_is_changed_in_or_beside_a_report_is_told_and_what_follows_from_it_is_mended() {
    on_every_engine(&at_once(), |lab| {
        let devices: Vec<Device> =
            (0..2).map(|number| Device::new(&lab.cssm, &format!("SN{number}"))).collect();
        for device in &devices {
            let token = lab.token();
            lab.document(&device.trust(lab.now, &token, false));
            for id in 1..4_u64 {
                lab.now = lab.now + 1_000;
                let report = device.report(id, lab.now + -500, &[(400, 2)]);
                lab.document(&device.usage(&[&report]));
            }
        }
        let suite: Arc<dyn Suite> = Arc::new(lab.suite.clone());
        let db = Arc::clone(lab.cssm.db());
        let look = || check_reports(&db, &suite).unwrap();
        let whole = look();
        assert_eq!((whole.count, whole.wrong.len()), (6, 0), "{whole:?}");
        let change = |sql: &str| {
            let sql = format!(
                "UPDATE rum_report SET {sql} WHERE report_id = 2 AND product_instance_id = (SELECT MIN(id) FROM product_instance)"
            );
            db.write("change", move |tx| tx.execute(&sql, &[])).unwrap();
        };
        for (sql, column) in [
            ("tag = 'another'", "tag"),
            ("start_at = start_at - 1", "start_at"),
            ("end_at = end_at + 1", "end_at"),
            ("last_count = 7", "last_count"),
            ("previous_id = 99", "previous_id"),
            ("previous_sha256 = 'x'", "previous_sha256"),
        ] {
            change(sql);
            let found = look().wrong;
            assert_eq!(found.len(), 1, "{sql}: {found:?}");
            assert_eq!(found[0].wrong, Wrong::Columns(vec![column]), "{sql}");
            assert_eq!(found[0].report_id, 2);
            assert_eq!(mend_reports(&db, &suite).unwrap().wrong, found);
            assert_eq!(look().wrong, []);
        }
        // What was altered is told, and left.
        change("payload = payload || ' '");
        for found in [look(), mend_reports(&db, &suite).unwrap(), look()] {
            assert_eq!(found.wrong.len(), 1);
            assert_eq!(found.wrong[0].wrong, Wrong::Altered);
        }
        change("payload = SUBSTR(payload, 1, LENGTH(payload) - 1)");
        assert_eq!(look().wrong, []);
        change("signature = sha256");
        assert_eq!(look().wrong[0].wrong, Wrong::NotSigned);
    });
}
