//! Whose database it is.

use rumline_store::Db;

use crate::Error;

/// The table, for the schema of a server.
pub const IDENTITY_TABLE: &str = "
CREATE TABLE identity (
    one BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
);
";

/// Whose database it is, if it is somebody's.
///
/// # Errors
/// When the store fails.
pub fn owner_of(db: &Db) -> Result<Option<String>, Error> {
    db.read("server.owner", |tx| {
        if !tx.tables()?.iter().any(|table| table == "identity") {
            return Ok(None);
        }
        tx.row("SELECT name FROM identity WHERE one = 1", &[], |row| Ok(row.text(0)?))
    })
}

/// A database belongs to whoever opened it first: with other keys beside it everything in it would be answered for by
/// somebody else.
///
/// # Errors
/// When it belongs to another one, or the store fails.
pub fn check_identity(db: &Db, name: &str) -> Result<(), Error> {
    let name = name.to_owned();
    db.write("server.identity", move |tx| {
        let sql = "SELECT name FROM identity WHERE one = 1";
        let Some(owner) = tx.row(sql, &[], |row| row.text(0))? else {
            let sql = "INSERT INTO identity (one, name) VALUES (1, $1)";
            tx.execute(sql, &[(&name).into()])?;
            return Ok(());
        };
        if owner == name { Ok(()) } else { Err(stranger(&owner, &name)) }
    })
}

/// Before anything in it is changed: a database that is another one's stays what it is.
///
/// # Errors
/// When it belongs to another one, or the store fails.
pub fn refuse_stranger(db: &Db, name: &str) -> Result<(), Error> {
    match owner_of(db)? {
        Some(owner) if owner != name => Err(stranger(&owner, name)),
        _ => Ok(()),
    }
}

fn stranger(owner: &str, name: &str) -> Error {
    Error::Conflict(format!(
        "the database is that of {owner}, and the keys here are those of {name}: put the keys back that belong \
         to it, or take them from another process of it with `take-keys`, or begin with an empty directory and database"
    ))
}
