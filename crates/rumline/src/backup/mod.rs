//! Backups of a server's folder: made while the server runs, and put back elsewhere.

mod make;
mod manifest;
mod restore;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use rumline_collector::Kind;
use rumline_net::pem_to_der;
use rumline_protocol::{RealSuite, Suite, Timestamp, cssm_id};
use rumline_server::{Content, LEAP, content};
use rumline_store::{Migration, Snapshot};

use self::make::Made;
use self::manifest::NOTE;
use self::restore::{Restored, Wanted};
use crate::database::DatabaseArguments;
use crate::server_parts::take_keys;

/// A server whose folder is backed up.
pub(crate) struct Server {
    /// Its command.
    pub command: &'static str,
    /// How it is called.
    pub title: &'static str,
    /// The file of its database.
    pub database: &'static str,
    /// Its tables.
    pub migrations: &'static [Migration],
    /// Whose database lies beside the keys in a folder.
    identity: fn(&Path) -> Result<String>,
}

/// CSSM.
pub(crate) const CSSM: Server = Server {
    command: "cssm",
    title: "CSSM",
    database: "cssm.db",
    migrations: rumline_cssm::MIGRATIONS,
    identity: |keys| Ok(cssm_id(&pem_to_der(&read(keys, "root.pem")?)?.remove(0))),
};
/// CSLU.
pub(crate) const CSLU: Server = Server {
    command: "cslu",
    title: "CSLU",
    database: "collector.db",
    migrations: rumline_collector::MIGRATIONS,
    identity: |keys| identity_of(Kind::Cslu, keys),
};
/// SSM On-Prem.
pub(crate) const ON_PREM: Server = Server {
    command: "onprem",
    title: "SSM On-Prem",
    database: "collector.db",
    migrations: rumline_collector::MIGRATIONS,
    identity: |keys| identity_of(Kind::OnPrem, keys),
};

fn identity_of(kind: Kind, keys: &Path) -> Result<String> {
    let signer = RealSuite.load_device_key(&read(keys, "collector.key")?)?;
    Ok(rumline_collector::identity(kind, &*signer))
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// What is done with backups.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Back up keys, database and files in work of this server (--dir), which may run meanwhile, to a folder that is made. It holds
    /// secrets.
    Backup {
        /// The folder.
        to: PathBuf,
    },
    /// Put a backup back, into a folder (--dir) in which nothing is.
    Restore(Restore),
    /// Give this server (--dir, a folder in which nothing is) the keys of another process of it that is to work over the same database (--db).
    TakeKeys {
        /// The folder of the other one.
        from: PathBuf,
    },
    /// Say what the database of this server (--dir) holds, as one number: two that hold the same have the same one.
    Digest,
}

#[derive(Args)]
pub(crate) struct Restore {
    /// The folder that `backup` made.
    backup: PathBuf,
    /// The original ended before the backup was made and does not start again: numbers and logins go on as they were.
    #[arg(long)]
    moved: bool,
}

/// Does it.
pub(crate) fn run(
    server: &Server,
    command: &Command,
    dir: &Path,
    at: &DatabaseArguments,
    now: Timestamp,
) -> Result<bool> {
    match command {
        Command::Backup { to } => {
            let Made { database, bytes, files } =
                make::make(server, dir, to, now, !at.is_postgres())?;
            say!("{} holds {files} files, {bytes} bytes.", to.display());
            match database {
                Some(database) => say!("Content {}", told(&database.content)),
                None => say!(
                    "The database is not in it: PostgreSQL is backed up by its own tools, see docs/operations.md."
                ),
            }
            say!("{NOTE}");
        }
        Command::Restore(Restore { backup, moved }) => {
            let wanted = Wanted { moved: *moved, at };
            let Restored { manifest, content } =
                restore::restore(server, backup, dir, now, &wanted)?;
            let made_at = Timestamp(manifest.made_at);
            say!("{} is the {} of {made_at}.", dir.display(), server.title);
            if let Some(content) = content {
                say!("Content {}", told(&content));
            }
            if *moved {
                say!("Numbers and logins go on as they were. Never start the original again.");
            } else {
                say!(
                    "Numbers go on {LEAP} higher, so that none is given out twice, and all logins ended."
                );
                say!(
                    "What people and other servers did since then, they do again: see docs/operations.md, After a restore."
                );
            }
        }
        Command::TakeKeys { from } => {
            take_keys(from, dir)?;
            say!("{} has the keys of {}.", dir.display(), from.display());
        }
        Command::Digest => {
            let content = match at.postgres()? {
                Some(db) => db.read("content", content)?,
                None => Snapshot::open(&dir.join(server.database))?.read(content)?,
            };
            say!("{}", told(&content));
        }
    }
    Ok(true)
}

/// Whether a folder is a backup, whole or not.
pub(crate) fn is_one(dir: &Path) -> bool {
    dir.join(manifest::MANIFEST).exists() || dir.join(manifest::SUMS).exists()
}

/// Says whether a backup is whole; true if it is.
pub(crate) fn check(dir: &Path) -> Result<bool> {
    let (manifest, sums) = manifest::read(dir)?;
    let mut is_whole = true;
    for (name, sum) in &sums {
        if manifest::sum_of(&dir.join(name))? != *sum {
            is_whole = false;
            say!("DAMAGED  {name}: its checksum does not fit\n         do:    take another backup");
        }
    }
    let made_at = Timestamp(manifest.made_at);
    say!("backup of {made_at}, for `rumline {} restore`: {} files", manifest.server, sums.len());
    if let Some(database) = &manifest.database {
        say!("Content {}", told(&database.content));
    }
    Ok(is_whole)
}

fn told(Content { sha256, tables, rows }: &Content) -> String {
    format!("{sha256}, {rows} rows in {tables} tables")
}
