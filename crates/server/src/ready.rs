//! Whether a server can do its work now: a load balancer, or whoever watches, asks before something is sent to it.

use rumline_store::{Db, StoreError, Trouble};

use crate::{Error, next_id};

/// Why a server cannot do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No answer came.
    #[error("the database does not answer: look whether it runs and can be reached")]
    DatabaseSilent,
    /// It cannot be reached, or its file is gone.
    #[error("the database is gone: look whether it runs, or put its file back and start again")]
    DatabaseGone,
    /// Nothing can be written.
    #[error("the database is read-only: make it writable")]
    DatabaseReadOnly,
    /// There is no room.
    #[error("the disk of the database is full: make room")]
    DatabaseFull,
    /// What is read cannot be believed.
    #[error("the database is damaged: stop the server, and look at it with `rumline check`")]
    DatabaseDamaged,
    /// More waits than is taken.
    #[error("the database is busy: it gets more work than it can do")]
    DatabaseBusy,
    /// It failed in another way.
    #[error("the database fails: the log says why")]
    DatabaseFails,
    /// It has tables of another release.
    #[error(
        "the database was put back or upgraded under this server: start it again, in the release that the database is of"
    )]
    MigrationPending,
    /// It belongs to other keys.
    #[error("the database is that of another server: put back the one that belongs to these keys")]
    OtherIdentity,
    /// A key that is signed with is missing or another one.
    #[error(
        "the signing key in the server's folder is missing, or not the one it was started with: put it back"
    )]
    SigningKeyMissing,
}

impl NotReady {
    /// The word by which programs know it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::DatabaseSilent => "database_silent",
            Self::DatabaseGone => "database_gone",
            Self::DatabaseReadOnly => "database_read_only",
            Self::DatabaseFull => "database_full",
            Self::DatabaseDamaged => "database_damaged",
            Self::DatabaseBusy => "database_busy",
            Self::DatabaseFails => "database_fails",
            Self::MigrationPending => "migration_pending",
            Self::OtherIdentity => "other_identity",
            Self::SigningKeyMissing => "signing_key_missing",
        }
    }
}

impl From<&StoreError> for NotReady {
    fn from(error: &StoreError) -> Self {
        match error.trouble() {
            Trouble::Gone => Self::DatabaseGone,
            Trouble::ReadOnly => Self::DatabaseReadOnly,
            Trouble::Full => Self::DatabaseFull,
            Trouble::Damaged => Self::DatabaseDamaged,
            Trouble::Busy => Self::DatabaseBusy,
            Trouble::Other => Self::DatabaseFails,
        }
    }
}

/// What a database says of itself.
struct Found {
    version: i64,
    name: Option<String>,
}

/// Writes something that means nothing, durably, and looks whether the database is still the one that was opened: of this
/// name, with tables of this version.
///
/// # Errors
/// With what stands in the way, and what the database said.
pub fn probe(db: &Db, name: &str, version: i64) -> Result<(), (NotReady, String)> {
    let found = db.write("server.probe", |tx| {
        let _number: i64 = next_id(tx, "probe")?;
        let sql = "SELECT version FROM schema_version ORDER BY version DESC LIMIT 1";
        let version = tx.row(sql, &[], |row| row.int(0))?.unwrap_or(0);
        let name = tx.row("SELECT name FROM identity WHERE one = 1", &[], |row| row.text(0))?;
        Ok::<_, Error>(Found { version, name })
    });
    match found {
        // A process of a newer release may have been here before this one is replaced.
        Ok(found) if found.version < version || (found.version > version && !db.is_shared()) => {
            let told = format!("its schema has version {}, and not {version}", found.version);
            Err((NotReady::MigrationPending, told))
        }
        Ok(found) if found.name.as_deref() != Some(name) => {
            Err((NotReady::OtherIdentity, format!("it is that of {:?}", found.name)))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            let kind = match &error {
                Error::Store(store) => NotReady::from(store),
                _ => NotReady::DatabaseFails,
            };
            Err((kind, error.to_string()))
        }
    }
}
