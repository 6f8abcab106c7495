//! Forward-only, numbered migrations.

use crate::StoreError;
use crate::tx::Tx;

/// One step of the schema. A step that has been released is never changed.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Counted from 1 without gaps.
    pub version: i64,
    /// Its statements, in the dialect of this crate; each table definition ends with a line `);`. One with short rows
    /// that are found by their key alone has `-- by key` on the line before: SQLite keeps such rows in the key's tree.
    pub sql: &'static str,
}

/// The names SQLite's strict tables know.
fn for_sqlite(sql: &str) -> String {
    sql.replace("BIGINT", "INTEGER")
        .replace("BYTEA", "BLOB")
        .replace("-- by key\n);", ") WITHOUT ROWID, STRICT;")
        .replace("\n);", "\n) STRICT;")
}

pub(crate) fn run(
    tx: &mut Tx<'_>,
    migrations: &[Migration],
    sqlite: bool,
) -> Result<(), StoreError> {
    tx.batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)")?;
    let found = tx
        .row("SELECT version FROM schema_version ORDER BY version DESC LIMIT 1", &[], |row| {
            row.int(0)
        })?
        .unwrap_or(0);
    let known = migrations.last().map_or(0, |last| last.version);
    if found > known {
        return Err(StoreError::UnknownSchema { found, known });
    }
    for migration in migrations.iter().filter(|migration| migration.version > found) {
        if sqlite {
            tx.batch(&for_sqlite(migration.sql))?;
        } else {
            tx.batch(migration.sql)?;
        }
        tx.execute(
            "INSERT INTO schema_version (version) VALUES ($1)",
            &[migration.version.into()],
        )?;
    }
    Ok(())
}
