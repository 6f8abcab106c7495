#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Files that are damaged, or gone, under a database (T11, T12): it stops rather than answer wrongly.

use std::path::Path;

use rumline_store::{Db, Look, Migration, StoreError, Trouble};

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
fn stopped(db: &Db, word: &str, trouble: Trouble) {
    for outcome in [insert(db, 1 << 40), insert(db, 1 << 41), read_all(db).map(|_| 0)] {
        let error = outcome.unwrap_err();
        assert_eq!(error.trouble(), trouble, "{error:?}");
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
        stopped(&db, "removed or replaced under the running server", Trouble::Gone);
        // Also when it is put back: what was refused meanwhile is known to nobody but the callers.
        std::fs::rename(&moved, &path).unwrap();
        stopped(&db, "removed or replaced under the running server", Trouble::Gone);
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
    stopped(&db, "a.db is damaged", Trouble::Damaged);
}

/// The files of a database: its own, its log's, and that of its checksums.
const ENDINGS: [&str; 3] = ["", "-wal", ".sums"];

fn copied(from: &Path, to: &Path) {
    for ending in ENDINGS {
        let [from, to] = [from, to].map(|path| format!("{}{ending}", path.display()));
        if Path::new(&from).exists() {
            std::fs::copy(from, to).unwrap();
        } else {
            let _was_there = std::fs::remove_file(to);
        }
    }
}

fn look(path: &Path) -> Look {
    Db::look(path).unwrap()
}

/// All that a database says.
fn content(path: &Path) -> Vec<(i64, String)> {
    let db = Db::open_sqlite(path).unwrap();
    db.read("all", |tx| {
        let sql = "SELECT id, name FROM thing ORDER BY id";
        tx.rows::<_, StoreError>(sql, &[], |row| Ok((row.int(0)?, row.text(1)?)))
    })
    .unwrap()
}

/// Turns one bit of a file round.
fn flip(path: &str, random: &mut u64) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let mut below = |end: usize| {
        *random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*random >> 33).unwrap() % end
    };
    let (place, bit) = (below(bytes.len()), below(8));
    bytes[place] ^= 1 << bit;
    std::fs::write(path, bytes).unwrap();
    format!("bit {bit} of byte {place} of {path}")
}

#[test]
fn each_flipped_bit_of_a_database_at_rest_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, path) = (directory.path().join("whole.db"), directory.path().join("a.db"));
    drop(filled(&whole));
    let Look { damage, compared_pages, not_compared } = look(&whole);
    assert!(
        damage.is_empty() && compared_pages > 50 && not_compared.is_none(),
        "{damage:?} {compared_pages}"
    );
    let things = content(&whole);
    let mut random = 7;
    for round in 0..300 {
        copied(&whole, &path);
        let ending = if round % 10 == 0 { ".sums" } else { "" };
        let what = flip(&format!("{}{ending}", path.display()), &mut random);
        let Look { damage, not_compared, .. } = look(&path);
        if damage.is_empty() {
            // Of the checksums, or of the number that says whose they are: new ones are made, and nothing is lost.
            assert!(not_compared.is_some(), "{what}");
            assert_eq!(content(&path), things, "{what}");
            assert!(look(&path).not_compared.is_none(), "{what}");
        } else {
            assert!(Db::open_sqlite(&path).is_err(), "{what}");
        }
    }
}

#[test]
fn a_flipped_bit_of_a_log_costs_no_commit_before_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, path) = (directory.path().join("whole.db"), directory.path().join("a.db"));
    let db = filled(&whole);
    for id in THINGS..THINGS + 20 {
        insert(&db, id).unwrap();
    }
    // As it is when the power is cut.
    copied(&whole, &path);
    let wal = format!("{}-wal", path.display());
    assert!(std::fs::metadata(&wal).unwrap().len() > 200_000);
    let things = content(&path);
    assert_eq!(things.len(), 2_020);
    let (mut random, mut found) = (3, 0);
    for _ in 0..200 {
        copied(&whole, &path);
        let what = flip(&wal, &mut random);
        if look(&path).damage.is_empty() {
            // What a power loss may do to a commit that was acknowledged to nobody.
            assert!(content(&path).len() >= 2_019, "{what}");
        } else {
            found += 1;
            assert!(Db::open_sqlite(&path).is_err(), "{what}");
        }
    }
    assert!(found > 150, "{found}");
}

#[test]
fn whatever_is_committed_when_the_power_is_cut_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (path, cut) = (directory.path().join("a.db"), directory.path().join("cut.db"));
    let mut count = THINGS;
    drop(filled(&path));
    for round in 0..6 {
        let db = Db::open_sqlite(&path).unwrap();
        // Enough in one round for a checkpoint.
        for _ in 0..if round == 3 { 60 } else { 3 } {
            let from = count;
            db.write("more", move |tx| {
                for id in from..from + 2_000 {
                    let name = format!("{id} {}", "x".repeat(200));
                    tx.execute(
                        "INSERT INTO thing (id, name) VALUES ($1, $2)",
                        &[id.into(), (&name).into()],
                    )?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
            count += 2_000;
            copied(&path, &cut);
            let Look { damage, not_compared, .. } = look(&cut);
            assert!(damage.is_empty() && not_compared.is_none(), "{damage:?} {not_compared:?}");
        }
        let rows = usize::try_from(count).unwrap();
        assert_eq!(read_all(&Db::open_sqlite(&cut).unwrap()).unwrap(), rows);
        // It goes on where it was cut, or after a clean end.
        drop(db);
        if round % 2 == 0 {
            copied(&cut, &path);
        }
    }
    // Some of the things go, the file gets no smaller, and what is free counts too.
    let db = Db::open_sqlite(&path).unwrap();
    db.write("fewer", |tx| tx.execute("DELETE FROM thing WHERE id % 3 <> 0", &[])).unwrap();
    drop(db);
    assert!(look(&path).damage.is_empty());
}

#[test]
fn another_copy_is_no_damage_and_a_change_by_another_hand_is_taken_when_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let (path, older) = (directory.path().join("a.db"), directory.path().join("older.db"));
    drop(filled(&path));
    std::fs::copy(&path, &older).unwrap();
    let db = Db::open_sqlite(&path).unwrap();
    insert(&db, 9_000).unwrap();
    drop(db);
    // A backup is put back; the checksums beside it are of what was there before.
    std::fs::copy(&older, &path).unwrap();
    assert_eq!(look(&path).not_compared, Some("its checksums are of another copy of it"));
    assert_eq!(content(&path).len(), 2_000);
    assert!(look(&path).not_compared.is_none());
    // Without them it is as good.
    std::fs::remove_file(format!("{}.sums", path.display())).unwrap();
    assert_eq!(look(&path).not_compared, Some("it has no checksums yet"));
    assert_eq!(content(&path).len(), 2_000);
    // Somebody else's change is not one of ours.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("UPDATE thing SET name = 'mine' WHERE id = 77").unwrap();
    drop(other);
    let damage = look(&path).damage;
    assert!(damage.iter().any(|line| line.contains("of thing")), "{damage:?}");
    let error = Db::open_sqlite(&path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("is not as it was written"), "{error}");
    Db::accept(&path).unwrap();
    assert_eq!(content(&path)[77].1, "mine");
    assert!(look(&path).damage.is_empty());
}

#[test]
fn a_last_commit_that_power_loss_wrote_out_of_order_is_no_damage() {
    const FRAME: usize = 24 + 4096;
    let directory = tempfile::tempdir().unwrap();
    let (whole, path) = (directory.path().join("whole.db"), directory.path().join("a.db"));
    let db = filled(&whole);
    for id in THINGS..THINGS + 20 {
        insert(&db, id).unwrap();
    }
    copied(&whole, &path);
    let wal = format!("{}-wal", path.display());
    let mut bytes = std::fs::read(&wal).unwrap();
    let places: Vec<usize> = (32..bytes.len() - FRAME + 1).step_by(FRAME).collect();
    let ends = |at: &usize| bytes[at + 4..at + 8] != [0; 4];
    let mut ends = places.into_iter().rev().filter(ends);
    let (last, before) = (ends.next().unwrap(), ends.next().unwrap());
    drop(ends);
    let first = before + FRAME;
    assert!(first < last, "the last commit has several frames");
    // The sectors of its first frame were not written: a frame of an older log stands there, one that ended a commit.
    bytes[first + 4..first + 8].copy_from_slice(&9_u32.to_be_bytes());
    bytes[first + 8..first + 16].fill(0x5a);
    std::fs::write(&wal, &bytes).unwrap();
    let damage = look(&path).damage;
    assert!(damage.is_empty(), "{damage:?}");
    assert_eq!(content(&path).len(), 2_019, "all that was acknowledged before it");
}
