//! Files in the database, piece by piece: what one process has taken in, another one can go on with.

use std::io::{self, Read};
use std::sync::Arc;

use rumline_protocol::Timestamp;
use rumline_store::{Db, Tx};

use crate::Error;

/// The tables.
pub const KEPT_FILE_TABLES: &str = "
-- bytes: how long it is, once all of it is there.
CREATE TABLE kept_file (
    name TEXT NOT NULL PRIMARY KEY,
    made_at BIGINT NOT NULL,
    bytes BIGINT
);
CREATE TABLE kept_piece (
    name TEXT NOT NULL,
    place BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (name, place)
);
";

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

    /// Keeps a file under a name, instead of what was kept there before; it is there once all of it is.
    ///
    /// # Errors
    /// When it cannot be read, or the store fails.
    pub fn keep(&self, now: Timestamp, name: &str, file: &mut dyn Read) -> Result<(), Error> {
        let owned = name.to_owned();
        self.db.write("kept.begin", move |tx| {
            forget(tx, &owned)?;
            let sql = "INSERT INTO kept_file (name, made_at) VALUES ($1, $2)";
            tx.execute(sql, &[(&owned).into(), now.0.into()])?;
            Ok::<_, Error>(())
        })?;
        let (mut place, mut all) = (0_i64, 0_i64);
        loop {
            let mut piece = Vec::new();
            file.take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(Error::Unwritten)?;
            let bytes = i64::try_from(piece.len()).unwrap_or(i64::MAX);
            all += bytes;
            let (owned, is_last) = (name.to_owned(), piece.len() < PIECE_BYTES);
            self.db.write("kept.piece", move |tx| {
                if !piece.is_empty() {
                    let sql = "INSERT INTO kept_piece (name, place, bytes) VALUES ($1, $2, $3)";
                    tx.execute(sql, &[(&owned).into(), place.into(), (&piece).into()])?;
                }
                if is_last {
                    let sql = "UPDATE kept_file SET bytes = $1 WHERE name = $2";
                    tx.execute(sql, &[all.into(), (&owned).into()])?;
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
    /// When there is none, or the store fails.
    pub fn reader(&self, name: &str) -> io::Result<KeptReader> {
        if !self.has(name).map_err(io::Error::other)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (db, name) = (Arc::clone(&self.db), name.to_owned());
        Ok(KeptReader { db, name, next: 0, piece: Vec::new(), at: 0 })
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        self.db.read("kept.has", move |tx| {
            let sql = "SELECT bytes FROM kept_file WHERE name = $1 AND bytes IS NOT NULL";
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
            let sql = "SELECT name FROM kept_file WHERE bytes IS NOT NULL";
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

    /// The names of those that were made more than so many seconds ago. What never became whole is among them.
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
    for sql in ["DELETE FROM kept_piece WHERE name = $1", "DELETE FROM kept_file WHERE name = $1"] {
        tx.execute(sql, &[name.into()])?;
    }
    Ok(())
}

/// A file that is read from the database.
pub struct KeptReader {
    db: Arc<Db>,
    name: String,
    next: i64,
    piece: Vec<u8>,
    at: usize,
}

impl Read for KeptReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let (name, place) = (self.name.clone(), self.next);
            let piece = self.db.read("kept.read", move |tx| {
                let sql = "SELECT bytes FROM kept_piece WHERE name = $1 AND place = $2";
                let values = [(&name).into(), place.into()];
                tx.row(sql, &values, |row| Ok::<_, Error>(row.bytes(0)?))
            });
            let Some(piece) = piece.map_err(io::Error::other)? else { return Ok(0) };
            (self.piece, self.at, self.next) = (piece, 0, self.next + 1);
        }
        let count = (&self.piece[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
