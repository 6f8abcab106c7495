#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! What is derived is made anew, and nothing else is touched.

use std::collections::BTreeMap;
use std::path::Path;

use rumline_store::{Db, Mended, Migration, StoreError};

const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    sql: "CREATE TABLE thing (
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    of TEXT NOT NULL UNIQUE,
    PRIMARY KEY (of, id)
);
CREATE TABLE short (
    id BIGINT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
-- by key
);
CREATE INDEX thing_by_name ON thing (name) WHERE id % 2 = 0;
",
}];

fn filled(path: &Path) {
    let db = Db::open_sqlite(path).unwrap();
    db.migrate(SCHEMA).unwrap();
    db.write("fill", |tx| {
        for id in 0..1_500_i64 {
            let name = format!("thing number {id}, with a name of some length");
            let sql = "INSERT INTO thing (id, name, of) VALUES ($1, $2, $3)";
            tx.execute(sql, &[id.into(), (&name).into(), (&format!("of {id}")).into()])?;
            tx.execute(
                "INSERT INTO short (id, value) VALUES ($1, $2)",
                &[id.into(), (id * id).into()],
            )?;
        }
        Ok::<_, StoreError>(())
    })
    .unwrap();
}

fn content(path: &Path) -> Vec<Vec<u8>> {
    Db::read_copy(path, |tx| {
        let mut all = Vec::new();
        for table in tx.tables()? {
            let mut rows =
                tx.rows::<_, StoreError>(&format!("SELECT * FROM {table}"), &[], |row| {
                    let mut bytes = table.as_bytes().to_vec();
                    row.write_to(&mut bytes)?;
                    Ok(bytes)
                })?;
            rows.sort();
            all.extend(rows);
        }
        Ok::<_, StoreError>(all)
    })
    .unwrap()
}

/// Whose each page is.
fn owners(path: &Path) -> BTreeMap<u32, String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT pageno, name FROM dbstat").unwrap();
    statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn each_page_of_an_index_is_made_anew_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, path) = (directory.path().join("whole.db"), directory.path().join("a.db"));
    filled(&whole);
    let (rows, bytes, owners) = (content(&whole), std::fs::read(&whole).unwrap(), owners(&whole));
    let sums = std::fs::read(format!("{}.sums", whole.display())).unwrap();
    assert!(owners.len() > 60, "{}", owners.len());
    let mut random = 11_u64;
    let mut below = |end: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % end
    };
    let mut made = 0;
    for (round, (page, owner)) in owners.iter().enumerate() {
        let mut changed = bytes.clone();
        // A bit, or all of it.
        let start = (*page as usize - 1) * 4096;
        if round % 3 == 0 && *page > 1 {
            changed[start..start + 4096].fill(0);
        } else {
            changed[start + below(4096)] ^= 1 << below(8);
        }
        std::fs::write(&path, &changed).unwrap();
        std::fs::write(format!("{}.sums", path.display()), &sums).unwrap();
        for ending in ["-wal", "-shm"] {
            let _was_there = std::fs::remove_file(format!("{}{ending}", path.display()));
        }
        let aside = directory.path().join(format!("aside {round}"));
        let mended = Db::mend(&path, &aside).unwrap();
        let is_index = owner.contains("thing_by_name") || owner.contains("autoindex");
        if changed == bytes {
            assert_eq!(mended, Mended::Whole);
        } else if is_index {
            assert_eq!(mended, Mended::Indexes(aside.clone()), "page {page} of {owner}");
            assert_eq!(content(&path), rows, "page {page} of {owner}");
            assert_eq!(std::fs::read(aside.join("a.db")).unwrap(), changed, "as it was");
            assert!(Db::look(&path).unwrap().damage.is_empty());
            Db::open_sqlite(&path).unwrap().migrate(SCHEMA).unwrap();
            assert!(Db::look(&path).unwrap().damage.is_empty());
            assert_eq!(Db::mend(&path, &aside).unwrap(), Mended::Whole);
            made += 1;
        } else {
            // Whose checksums they are: then it is as if it had none, and is whole or is not.
            let is_told = matches!(mended, Mended::Beyond(_)) || *page == 1;
            assert!(is_told, "page {page} of {owner}: {mended:?}");
            if mended != Mended::Whole {
                assert_eq!(std::fs::read(&path).unwrap(), changed, "left as it is");
            }
        }
        assert!(!directory.path().join("a.db.mended").exists());
    }
    assert!(made > 20, "{made}");
}

#[test]
fn an_index_that_does_not_fit_is_made_anew_whoever_wrote_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, aside) = (directory.path().join("a.db"), directory.path().join("aside"));
    filled(&path);
    let rows = content(&path);
    // An index that says it holds what it does not: its definition was changed under it.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '% 2', '% 3')
            WHERE name = 'thing_by_name'",
        )
        .unwrap();
    drop(connection);
    Db::accept(&path).unwrap();
    assert!(!Db::look(&path).unwrap().damage.is_empty());
    assert_eq!(Db::mend(&path, &aside).unwrap(), Mended::Indexes(aside));
    assert_eq!(content(&path), rows);
    assert!(Db::look(&path).unwrap().damage.is_empty());
}
