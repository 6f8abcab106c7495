//! Files in the database, piece by piece: what one process has taken in, another one can go on with.

use std::io::{self, Read};
use std::sync::Arc;

use rumline_protocol::Timestamp;
use rumline_store::{Db, Tx};

use crate::{Error, next_id};

/// The tables.
pub const KEPT_FILE_TABLES: &str = "
-- id: of its pieces, all of which are there.
CREATE TABLE kept_file (
    name TEXT NOT NULL PRIMARY KEY,
    id BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
CREATE TABLE kept_piece (
    id BIGINT NOT NULL,
    place BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (id, place)
);
";

/// What is not whole by then never will be.
const UNFINISHED_SECONDS: i64 = 86_400;
/// Bytes of a piece.
const PIECE_BYTES: usize = 512 << 10;

/// Files in a database.
#[derive(Clone)]
pub struct KeptInDb {
    db: Arc<Db>,
}

impl KeptInDb {
    /// Those of a database with [`KEPT_FILE_TABLES`], if several processes may work on it.
    #[must_use]
    pub fn of(db: &Arc<Db>) -> Option<Self> {
        db.is_shared().then(|| Self { db: Arc::clone(db) })
    }

    /// Keeps a file under a name; it is there once all of it is. What is kept there already stays: two that keep the same are in nobody's way.
    ///
    /// # Errors
    /// When it cannot be read, or the store fails.
    pub fn keep(&self, now: Timestamp, name: &str, file: &mut dyn Read) -> Result<(), Error> {
        let id: i64 = self.db.write("kept.begin", move |tx| {
            let old = "DELETE FROM kept_piece WHERE made_at < $1
                AND NOT EXISTS (SELECT 1 FROM kept_file WHERE kept_file.id = kept_piece.id)";
            tx.execute(old, &[(now + -UNFINISHED_SECONDS).0.into()])?;
            next_id(tx, "kept_file")
        })?;
        let (mut place, mut all) = (0_i64, 0_i64);
        loop {
            let mut piece = Vec::new();
            file.take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(Error::Unwritten)?;
            all += i64::try_from(piece.len()).unwrap_or(i64::MAX);
            let (name, is_last) = (name.to_owned(), piece.len() < PIECE_BYTES);
            self.db.write("kept.piece", move |tx| {
                if !piece.is_empty() {
                    let sql = "INSERT INTO kept_piece (id, place, made_at, bytes)
                        VALUES ($1, $2, $3, $4)";
                    let values = [id.into(), place.into(), now.0.into(), (&piece).into()];
                    tx.execute(sql, &values)?;
                }
                if is_last {
                    // A clock that is far ahead elsewhere may have taken them for old: half a file is none.
                    let sql = "SELECT CAST(COALESCE(SUM(LENGTH(bytes)), 0) AS BIGINT)
                        FROM kept_piece WHERE id = $1";
                    if tx.row(sql, &[id.into()], |row| Ok::<_, Error>(row.int(0)?))? != Some(all) {
                        let text = "its pieces were removed while it was kept";
                        return Err(Error::Unwritten(io::Error::other(text)));
                    }
                    let sql = "INSERT INTO kept_file (name, id, made_at, bytes)
                        VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING";
                    let values = [(&name).into(), id.into(), now.0.into(), all.into()];
                    if tx.execute(sql, &values)? == 0 {
                        tx.execute("DELETE FROM kept_piece WHERE id = $1", &[id.into()])?;
                    }
                }
                Ok::<_, Error>(())
            })?;
            if is_last {
                return Ok(());
            }
            place += 1;
        }
    }

    /// Reads a file that is there.
    ///
    /// # Errors
    /// `NotFound` when there is none; another kind when the store fails.
    pub fn reader(&self, name: &str) -> io::Result<KeptReader> {
        let (db, name) = (Arc::clone(&self.db), name.to_owned());
        let found = self.db.read("kept.find", move |tx| {
            let sql = "SELECT id, bytes FROM kept_file WHERE name = $1";
            tx.row(sql, &[(&name).into()], |row| Ok::<_, Error>((row.int(0)?, row.int(1)?)))
        });
        let found = found.map_err(io::Error::other)?;
        let (id, left) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(KeptReader { db, id, left, next: 0, piece: Vec::new(), at: 0 })
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        self.db.read("kept.has", move |tx| {
            let sql = "SELECT id FROM kept_file WHERE name = $1";
            Ok(tx.row(sql, &[(&name).into()], |row| Ok::<_, Error>(row.int(0)?))?.is_some())
        })
    }

    /// The names of those that begin so.
    ///
    /// # Errors
    /// When the store fails.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let prefix = prefix.to_owned();
        self.db.read("kept.names", move |tx| {
            let sql = "SELECT name FROM kept_file";
            let mut names = tx.rows(sql, &[], |row| Ok::<_, Error>(row.text(0)?))?;
            names.retain(|name| name.starts_with(&prefix));
            names.sort();
            Ok(names)
        })
    }

    /// Removes one; one that is gone already is fine.
    ///
    /// # Errors
    /// When the store fails.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.db.write("kept.remove", move |tx| forget(tx, &name))
    }

    /// The names of those that were made more than so many seconds ago.
    ///
    /// # Errors
    /// When the store fails.
    pub fn older_than(&self, now: Timestamp, seconds: i64) -> Result<Vec<String>, Error> {
        self.db.read("kept.old", move |tx| {
            let sql = "SELECT name FROM kept_file WHERE made_at < $1 ORDER BY name";
            tx.rows(sql, &[(now + -seconds).0.into()], |row| Ok(row.text(0)?))
        })
    }
}

fn forget(tx: &mut Tx<'_>, name: &str) -> Result<(), Error> {
    let sql = "DELETE FROM kept_piece WHERE id IN (SELECT id FROM kept_file WHERE name = $1)";
    tx.execute(sql, &[name.into()])?;
    tx.execute("DELETE FROM kept_file WHERE name = $1", &[name.into()])?;
    Ok(())
}

/// A file that is read from the database.
pub struct KeptReader {
    db: Arc<Db>,
    id: i64,
    /// Bytes that are to come after the piece at hand.
    left: i64,
    next: i64,
    piece: Vec<u8>,
    at: usize,
}

impl Read for KeptReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            if self.left == 0 {
                return Ok(0);
            }
            let (id, place) = (self.id, self.next);
            let piece = self.db.read("kept.read", move |tx| {
                let sql = "SELECT bytes FROM kept_piece WHERE id = $1 AND place = $2";
                tx.row(sql, &[id.into(), place.into()], |row| Ok::<_, Error>(row.bytes(0)?))
            });
            // It was removed meanwhile: that is no end.
            let gone = || io::Error::other("the file is not kept any more");
            let piece = piece.map_err(io::Error::other)?.ok_or_else(gone)?;
            self.left -= i64::try_from(piece.len()).unwrap_or(i64::MAX);
            (self.piece, self.at, self.next) = (piece, 0, self.next + 1);
        }
        let count = (&self.piece[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
