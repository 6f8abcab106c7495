#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Files that are damaged, or gone, under a database (T11, T12): it stops rather than answer wrongly.

use std::path::Path;

use rumline_store::{Db, Migration, StoreError};

const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    sql: "CREATE TABLE thing (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE INDEX thing_by_name ON thing (name);
",
}];
const THINGS: i64 = 2_000;

fn filled(path: &Path) -> Db {
    let db = Db::open_sqlite(path).unwrap();
    db.migrate(SCHEMA).unwrap();
    db.write("fill", |tx| {
        for id in 0..THINGS {
            let name = format!("thing number {id}, with a name of some length");
            tx.execute(
                "INSERT INTO thing (id, name) VALUES ($1, $2)",
                &[id.into(), (&name).into()],
            )?;
        }
        Ok::<_, StoreError>(())
    })
    .unwrap();
    db
}

fn insert(db: &Db, id: i64) -> Result<u64, StoreError> {
    db.write("insert", move |tx| {
        tx.execute("INSERT INTO thing (id, name) VALUES ($1, 'late')", &[id.into()])
    })
}

fn read_all(db: &Db) -> Result<usize, StoreError> {
    db.read("all", |tx| {
        let sql = "SELECT name FROM thing ORDER BY id";
        tx.rows(sql, &[], |row| row.text(0)).map(|rows| rows.len())
    })
}

/// What both say: the same, and it stays so.
fn stopped(db: &Db, word: &str) {
    for outcome in [insert(db, 1 << 40), insert(db, 1 << 41), read_all(db).map(|_| 0)] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn nothing_is_acknowledged_in_a_file_that_is_gone_or_was_replaced() {
    for replace in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let db = filled(&path);
        assert_eq!(read_all(&db).unwrap(), 2_000);
        let moved = directory.path().join("moved.db");
        std::fs::rename(&path, &moved).unwrap();
        if replace {
            std::fs::copy(&moved, &path).unwrap();
        }
        stopped(&db, "removed or replaced under the running server");
        // Also when it is put back: what was refused meanwhile is known to nobody but the callers.
        std::fs::rename(&moved, &path).unwrap();
        stopped(&db, "removed or replaced under the running server");
        drop(db);
        assert_eq!(read_all(&Db::open_sqlite(&path).unwrap()).unwrap(), 2_000);
    }
}

/// Pages of zeros in the middle of the file.
fn zero_pages(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    assert!(pages > 20, "{pages}");
    for page in 8..pages - 4 {
        file.write_all_at(&[0; 4096], page * 4096).unwrap();
    }
}

#[test]
fn a_damaged_file_is_found_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    drop(filled(&path));
    zero_pages(&path);
    let error = Db::open_sqlite(&path).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("a.db is damaged") && text.contains("backup"), "{text}");
    // One that is no database at all.
    std::fs::write(&path, [b'x'; 8192]).unwrap();
    assert!(Db::open_sqlite(&path).is_err());
}

#[test]
fn a_file_that_is_damaged_while_it_runs_stops_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    drop(filled(&path));
    let db = Db::open_sqlite(&path).unwrap();
    assert_eq!(insert(&db, 5_000).unwrap(), 1);
    zero_pages(&path);
    assert!(read_all(&db).is_err());
    stopped(&db, "a.db is damaged");
}
