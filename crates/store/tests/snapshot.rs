#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Copies of a database that is worked on (CSSM-033).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rumline_store::{Db, Migration, Snapshot, StoreError};

const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    sql: "CREATE TABLE pair (
    id BIGINT PRIMARY KEY,
    twin BIGINT NOT NULL,
    filler TEXT NOT NULL
);
",
}];

/// Two rows in one commit, each of which names the other.
fn insert(db: &Db, number: i64) {
    db.write("insert", move |tx| {
        let filler = "x".repeat(500);
        for (id, twin) in [(2 * number, 2 * number + 1), (2 * number + 1, 2 * number)] {
            let sql = "INSERT INTO pair (id, twin, filler) VALUES ($1, $2, $3)";
            tx.execute(sql, &[id.into(), twin.into(), (&filler).into()])?;
        }
        Ok::<_, StoreError>(())
    })
    .unwrap();
}

const ALL: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(id - twin), 0) AS BIGINT),
    CAST(COALESCE(MAX(id), -1) AS BIGINT) FROM pair";

/// Rows, what halves of commits leave over, and the highest number.
fn counted(path: &Path) -> (i64, i64, i64) {
    Db::read_copy(path, |tx| {
        let row =
            tx.row(ALL, &[], |row| Ok::<_, StoreError>((row.int(0)?, row.int(1)?, row.int(2)?)))?;
        Ok::<_, StoreError>(row.unwrap())
    })
    .unwrap()
}

#[test]
fn copies_under_load_are_each_a_moment_and_hold_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a # 1?.db");
    let db = Db::open_sqlite(&path).unwrap();
    db.migrate(SCHEMA).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // Enough for checkpoints.
            (0..6_000).take_while(|_| !stop.load(Ordering::Relaxed)).fold(0, |_, number| {
                insert(&db, number);
                number
            })
        });
        let mut last = -1;
        for round in 0..100 {
            if round > 5 && last > 5_000 {
                break;
            }
            let snapshot = Snapshot::open(&path).unwrap();
            let there = snapshot
                .read(|tx| tx.row("SELECT COUNT(*) FROM pair", &[], |row| row.int(0)))
                .unwrap()
                .unwrap();
            let at_most = i64::from(u32::MAX);
            let to = directory.path().join(format!("copy {round}"));
            let mut told = (0, 0);
            snapshot.copy_to(&to, |done, all| told = (done, all)).unwrap();
            assert!(told.0 == told.1 && told.1 > 0, "{told:?}");
            assert_eq!(snapshot.damage().unwrap(), Vec::<String>::new());
            let (rows, left_over, highest) = counted(&to);
            assert_eq!((rows, left_over, highest), (there, 0, rows - 1), "round {round}");
            assert!(rows >= last && rows < at_most);
            last = rows;
            assert_eq!(Db::structure_of_copy(&to).unwrap(), Vec::<String>::new());
            assert!(snapshot.copy_to(&to, |_, _| ()).is_err(), "nothing is written over");
            // A copy is a database like any other, and nothing was made beside it while it was read.
            assert!(!directory.path().join(format!("copy {round}-wal")).exists());
            drop(snapshot);
            Db::open_sqlite(&to).unwrap().migrate(SCHEMA).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 0);
    });
    drop(db);
    assert!(matches!(Snapshot::open(&directory.path().join("none")), Err(StoreError::Gone(_))));
}

#[test]
fn a_page_that_is_damaged_is_told_of_while_the_database_is_worked_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let db = Db::open_sqlite(&path).unwrap();
    db.migrate(SCHEMA).unwrap();
    (0..300).for_each(|number| insert(&db, number));
    drop(db);
    let db = Db::open_sqlite(&path).unwrap();
    insert(&db, 1_000);
    let mut bytes = std::fs::read(&path).unwrap();
    // A letter of a row, which no structure depends on.
    let place =
        3 * 4096 + bytes[3 * 4096..].windows(99).position(|bytes| bytes == [b'x'; 99]).unwrap();
    bytes[place] = b'y';
    std::fs::write(&path, &bytes).unwrap();
    let damage = Snapshot::open(&path).unwrap().damage().unwrap();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert!(damage[0].contains("is not as it was written"), "{damage:?}");
    drop(db);
}
