//! The seam behaves the same on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "postgres-tests")]
use rumline_store::Postgres;
use rumline_store::{Db, Migration, Row, StoreError, Tx};

const SCHEMA: &[Migration] = &[
    Migration {
        version: 1,
        sql: "CREATE TABLE account (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    photo BYTEA
);
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);",
    },
    Migration {
        version: 2,
        sql: "ALTER TABLE account ADD COLUMN balance BIGINT NOT NULL DEFAULT 0",
    },
];

struct Engine {
    db: Arc<Db>,
    directory: Option<Directory>,
}

struct Directory(std::path::PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

fn engines() -> Vec<Engine> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("rumline-store-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    let file = Db::open_sqlite(&path.join("test.db")).unwrap();
    let mut engines = vec![
        Engine { db: Arc::new(Db::in_memory().unwrap()), directory: None },
        Engine { db: Arc::new(file), directory: Some(Directory(path)) },
    ];
    #[cfg(feature = "postgres-tests")]
    engines.push(Engine { db: Arc::new(postgres(number)), directory: None });
    for engine in &engines {
        engine.db.migrate(SCHEMA).unwrap();
    }
    engines.reverse();
    engines
}

#[cfg(feature = "postgres-tests")]
#[expect(clippy::disallowed_methods, reason = "the test command says where PostgreSQL listens")]
fn postgres(number: u32) -> Db {
    let url = std::env::var("RUMLINE_POSTGRES_URL").expect("RUMLINE_POSTGRES_URL names a server");
    let schema = format!("store_{}_{number}", std::process::id());
    let admin = Db::open_postgres(&Postgres::at(&url).unwrap()).unwrap();
    let create = format!("CREATE SCHEMA {schema}");
    admin.write("test.schema", move |tx| tx.batch(&create)).unwrap();
    let at = Postgres::at(&format!("{url}?options=-csearch_path%3D{schema}")).unwrap();
    Db::open_postgres(&at).unwrap()
}

fn names(db: &Db) -> Vec<String> {
    let sql = "SELECT name FROM account ORDER BY id";
    db.read("test.names", move |tx| tx.rows(sql, &[], |row: &Row<'_>| row.text(0))).unwrap()
}

fn insert(db: &Db, id: i64, name: &str) -> Result<u64, StoreError> {
    let name = name.to_owned();
    let sql = "INSERT INTO account (id, name) VALUES ($1, $2)";
    db.write("test.insert", move |tx| tx.execute(sql, &[id.into(), (&name).into()]))
}

#[test]
fn values_come_back_as_they_went_in() {
    for engine in engines() {
        let row = engine
            .db
            .write("test.values", |tx| {
                let sql = "INSERT INTO account (id, name, photo, balance) VALUES ($1, $2, $3, $4)
                    ON CONFLICT (id) DO UPDATE SET balance = account.balance + excluded.balance
                    RETURNING id, name, photo, balance";
                let values = [i64::MAX.into(), "é\u{1f600}".into(), b"\0\xff"[..].into(), 5.into()];
                tx.row(sql, &values, |row| row.int(3))?;
                tx.row(sql, &values, |row| {
                    Ok::<_, StoreError>((row.int(0)?, row.text(1)?, row.opt_bytes(2)?, row.int(3)?))
                })
            })
            .unwrap();
        let expected = (i64::MAX, "é\u{1f600}".to_owned(), Some(b"\0\xff".to_vec()), 10);
        assert_eq!(row, Some(expected));
    }
}

#[test]
fn a_closure_that_fails_takes_nothing_of_its_neighbours_with_it() {
    for engine in engines() {
        insert(&engine.db, 1, "one").unwrap();
        let failed: Result<(), StoreError> = engine.db.write("test.fail", |tx| {
            tx.execute("INSERT INTO account (id, name) VALUES (2, 'two')", &[])?;
            Err(StoreError::Busy)
        });
        assert!(matches!(failed, Err(StoreError::Busy)));
        assert!(insert(&engine.db, 1, "again").is_err());
        insert(&engine.db, 3, "three").unwrap();
        assert_eq!(names(&engine.db), ["one", "three"]);
    }
}

/// What waits together is committed together: SQLite's writer is held up until all are in the queue.
#[test]
fn of_a_group_only_what_failed_is_missing() {
    let engine = engines().into_iter().find(|engine| engine.directory.is_some()).unwrap();
    let (release, released) = std::sync::mpsc::channel();
    let mut once = Some(released);
    let (ended, ends) = std::sync::mpsc::channel();
    let hold_up = move |_: &mut Tx<'_>| {
        once.take()
            .map_or(Ok::<_, StoreError>(()), |held| held.recv().map_err(|_| StoreError::Busy))
    };
    engine.db.submit("test.hold", hold_up, |outcome| outcome.unwrap());
    for id in 0_i64..20 {
        let ended = ended.clone();
        let work = move |tx: &mut Tx<'_>| {
            let name = format!("{id:02}");
            let sql = "INSERT INTO account (id, name) VALUES ($1, $2)";
            tx.execute(sql, &[id.into(), (&name).into()])?;
            if id % 3 == 1 { Err(StoreError::Busy) } else { Ok(id) }
        };
        engine.db.submit("test.one", work, move |outcome| {
            ended.send((id, outcome.is_ok())).unwrap();
        });
    }
    release.send(()).unwrap();
    let outcomes: Vec<(i64, bool)> = ends.iter().take(20).collect();
    assert!(outcomes.iter().all(|(id, kept)| *kept == (id % 3 != 1)), "{outcomes:?}");
    let kept: Vec<String> =
        (0..20).filter(|id| id % 3 != 1).map(|id: i64| format!("{id:02}")).collect();
    assert_eq!(names(&engine.db), kept);
}

#[test]
fn many_writers_lose_no_update() {
    for engine in engines() {
        insert(&engine.db, 1, "shared").unwrap();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let db = Arc::clone(&engine.db);
                std::thread::spawn(move || {
                    for _ in 0..20 {
                        db.write("test.add", |tx| {
                            let sql = "SELECT balance FROM account WHERE id = 1";
                            let balance = tx.row(sql, &[], |row| row.int(0))?.unwrap();
                            let sql = "UPDATE account SET balance = $1 WHERE id = 1";
                            tx.execute(sql, &[(balance + 1).into()])
                        })
                        .unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let sql = "SELECT CAST(SUM(balance) AS BIGINT) FROM account";
        let sum = engine.db.read("test.sum", move |tx| tx.row(sql, &[], |row| row.int(0))).unwrap();
        assert_eq!(sum, Some(160));
    }
}

#[test]
fn a_number_is_given_once_however_many_ask() {
    for engine in engines() {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let db = Arc::clone(&engine.db);
                let name = ["one", "other"][number % 2];
                std::thread::spawn(move || {
                    let count = |_| db.write("test.count", move |tx| tx.count_up(name)).unwrap();
                    (name, (0..20).map(count).collect::<Vec<i64>>())
                })
            })
            .collect();
        let mut given = std::collections::BTreeMap::<_, Vec<i64>>::new();
        for thread in threads {
            let (name, numbers) = thread.join().unwrap();
            given.entry(name).or_default().extend(numbers);
        }
        for (name, numbers) in &mut given {
            numbers.sort_unstable();
            assert_eq!(*numbers, (1..=80).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn migrating_again_changes_nothing_and_an_unknown_schema_is_refused() {
    for engine in engines() {
        insert(&engine.db, 1, "kept").unwrap();
        engine.db.migrate(SCHEMA).unwrap();
        assert_eq!(names(&engine.db), ["kept"]);
        let error = engine.db.migrate(&SCHEMA[..1]).unwrap_err();
        assert!(matches!(error, StoreError::UnknownSchema { found: 2, known: 1 }), "{error}");
    }
}

#[test]
fn a_process_that_ends_in_a_commit_leaves_it_whole_or_not_at_all_and_a_copy_is_apart() {
    let db = Db::in_memory().unwrap();
    db.migrate(SCHEMA).unwrap();
    insert(&db, 1, "before").unwrap();
    let copy = db.copy().unwrap();
    for (id, kept) in [(2, false), (3, true)] {
        db.end_in_commit(Some((1, kept)));
        insert(&db, id * 10, "first").unwrap();
        assert!(!db.has_ended());
        assert!(matches!(insert(&db, id, "last"), Err(StoreError::Closed)));
        assert!(db.has_ended());
        assert!(insert(&db, 99, "later").is_err());
        db.end_in_commit(None);
    }
    assert_eq!(names(&db), ["before", "last", "first", "first"]);
    assert_eq!(names(&copy), ["before"]);
}

#[test]
fn values_go_to_the_parameters_that_name_them() {
    for engine in engines() {
        insert(&engine.db, 1, "one").unwrap();
        let sql = "UPDATE account SET name = $2, balance = $3 WHERE id = $1 AND name <> $2";
        let change =
            move |tx: &mut Tx<'_>| tx.execute(sql, &[1_i64.into(), "two".into(), 7_i64.into()]);
        assert_eq!(engine.db.write("test.change", change).unwrap(), 1);
        let sql = "SELECT balance FROM account WHERE balance > $2 AND id = $1 AND name = $3";
        let found = engine.db.read("test.found", move |tx| {
            tx.row(sql, &[1_i64.into(), 6_i64.into(), "two".into()], |row| row.int(0))
        });
        assert_eq!(found.unwrap(), Some(7));
    }
}

#[test]
fn rows_are_compared_alike_and_each_value_differs_from_each_other() {
    let mut told = Vec::new();
    for Engine { db, .. } in &engines() {
        let rows = db
            .write("rows", |tx| {
                let sql = "INSERT INTO account (id, name, photo, balance) VALUES ($1, $2, $3, $4)";
                for (id, name, photo) in
                    [(1, "", None), (2, "", Some(&b""[..])), (3, "a\u{e4}", Some(&b"\xff\0"[..]))]
                {
                    tx.execute(sql, &[id.into(), name.into(), photo.into(), (-id).into()])?;
                }
                let tables = tx.tables()?;
                let rows = tx.rows("SELECT * FROM account ORDER BY id", &[], |row| {
                    let mut bytes = Vec::new();
                    row.write_to(&mut bytes)?;
                    Ok::<_, StoreError>(bytes)
                })?;
                Ok::<_, StoreError>((tables, rows))
            })
            .unwrap();
        assert_eq!(rows.0, ["account", "counter", "schema_version"]);
        told.push(rows);
    }
    assert!(told.iter().all(|rows| *rows == told[0]), "{told:?}");
    let rows = &told[0].1;
    // One is none, the other has no byte; all else but the number is the same.
    assert_eq!(rows[0].len(), rows[1].len());
    assert_ne!(rows[0][17..rows[0].len() - 17], rows[1][17..rows[1].len() - 17]);
}

#[test]
fn a_statement_that_failed_is_never_told_as_kept_whatever_was_made_of_it() {
    for engine in engines() {
        insert(&engine.db, 1, "one").unwrap();
        // Whoever shrugs at a failure may go on; what is told as done is there.
        let shrugs = |id: i64| {
            engine.db.write("test.shrug", move |tx| {
                let insert = "INSERT INTO account (id, name) VALUES ($1, 'x')";
                tx.execute(insert, &[id.into()])?;
                let _taken = tx.execute(insert, &[1.into()]);
                Ok::<_, StoreError>(())
            })
        };
        let outcomes: Vec<_> = (2..6).map(shrugs).collect();
        let there = names(&engine.db).len();
        assert_eq!(there, 1 + outcomes.iter().filter(|outcome| outcome.is_ok()).count());
    }
}
