//! Where a server keeps everything: SQLite in its folder, or a PostgreSQL that several processes may share (G-42).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use rumline_net::{client_config, connect_database, make_private, roots_of};
use rumline_store::{Db, Postgres};

/// Where the database is.
#[derive(Args, Clone, Default)]
pub(crate) struct DatabaseArguments {
    /// A PostgreSQL that keeps everything instead of SQLite in the directory: `postgres://USER@HOST/DATABASE`. With several hosts and
    /// `?target_session_attrs=read-write` it is the first of them that takes writes.
    #[arg(long = "db", value_name = "URL")]
    db: Option<String>,
    /// The file with the password for it.
    #[arg(long, value_name = "FILE", requires = "db")]
    db_password_file: Option<PathBuf>,
    /// The root certificates it is known by, PEM; those of the system when missing. From another host it is reached by TLS alone, unless
    /// its address says `sslmode=disable`.
    #[arg(long, value_name = "FILE", requires = "db")]
    db_ca_file: Option<PathBuf>,
}

impl DatabaseArguments {
    /// Whether it is a PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.db.is_some()
    }

    fn address(&self) -> Result<Option<Postgres>> {
        let Some(url) = &self.db else { return Ok(None) };
        // The address may hold a password: it is not told again.
        let mut at = Postgres::at(url).context("--db: this is no address of a PostgreSQL")?;
        if let Some(file) = &self.db_password_file {
            let named = || format!("cannot read {}", file.display());
            let password = std::fs::read_to_string(file).with_context(named)?;
            at = at.with_password(password.trim_end_matches(['\r', '\n']));
        }
        if at.wants_tls() || self.db_ca_file.is_some() {
            let pem = match &self.db_ca_file {
                Some(file) => Some(
                    std::fs::read(file)
                        .with_context(|| format!("cannot read {}", file.display()))?,
                ),
                None => None,
            };
            at =
                at.over_tls(Arc::new(connect_database(client_config(&roots_of(pem.as_deref())?)?)));
        }
        Ok(Some(at))
    }

    /// Whose database it is, if it is a PostgreSQL and somebody's.
    pub(crate) fn owner(&self) -> Result<Option<String>> {
        let Some(db) = self.postgres()? else { return Ok(None) };
        Ok(rumline_server::owner_of(&db)?)
    }

    /// The PostgreSQL, if it is one.
    pub(crate) fn postgres(&self) -> Result<Option<Db>> {
        let opened = self.address()?.as_ref().map(Db::open_postgres).transpose();
        opened.context("the database of --db cannot be used")
    }

    /// The database: this file where it is SQLite.
    pub(crate) fn open(&self, file: &Path) -> Result<Db> {
        if let Some(db) = self.postgres()? {
            return Ok(db);
        }
        // SQLite gives its other files the rights of this one.
        make_private(file)?;
        Ok(Db::open_sqlite(file)?)
    }
}
