//! Puts a backup back, into a folder in which nothing is.

use std::fs::File;
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, lchown};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rumline_net::lock_directory;
use rumline_protocol::{Timestamp, sha256_of};
use rumline_server::{Content, go_on_after_restore};
use rumline_store::Db;

use super::Server;
use super::make::{KEPT, database_of};
use super::manifest::{self, MANIFEST, Manifest, hex};
use crate::database::DatabaseArguments;
use crate::server_parts::prepare_directory;

/// Copied last: a folder with a database and without it is no server's.
const LAST: &str = "root.pem";

/// What is wanted of what was put back.
pub(crate) struct Wanted<'a> {
    /// The original ended before the backup was made and does not start again: this one goes on as it, and nothing in it changes.
    pub moved: bool,
    /// Where the database is that was put back by other means, if it is a PostgreSQL.
    pub at: &'a DatabaseArguments,
}

/// What was put back.
#[derive(Debug)]
pub(crate) struct Restored {
    pub manifest: Manifest,
    /// What the database holds, looked at before anything in it was changed.
    pub content: Option<Content>,
}

/// Puts a backup back.
pub(crate) fn restore(
    server: &Server,
    backup: &Path,
    dir: &Path,
    now: Timestamp,
    wanted: &Wanted<'_>,
) -> Result<Restored> {
    let (manifest, sums) = manifest::read(backup)?;
    let named = backup.display();
    ensure!(
        manifest.server == server.command,
        "{named} is a backup of another server: put it back with `rumline {} restore`",
        manifest.server
    );
    let known = server.migrations.last().map_or(0, |last| last.version);
    if let Some(database) = &manifest.database
        && database.schema_version > known
    {
        bail!(
            "{named} is of a later release: its tables have version {}, and this release knows them up to {known}. \
             Restore it with release {} or a later one",
            database.schema_version,
            manifest.release
        );
    }
    match (&manifest.database, wanted.at.is_postgres()) {
        (Some(_), true) => {
            bail!("{named} holds a SQLite database: restore it without --db")
        }
        (None, false) => bail!(
            "{named} holds the keys of a server whose database is in PostgreSQL: put that back first, and name it with --db"
        ),
        _ => {}
    }
    if let Some(db) = wanted.at.postgres()? {
        // Before its numbers are raised and its logins ended.
        let of_keys = (server.identity)(backup)?;
        let is_empty = db.read("restore.tables", |tx| tx.tables())?.is_empty();
        ensure!(
            !is_empty,
            "the database of --db is empty: put back the one of {of_keys} first, as these keys are"
        );
        // One of a release that did not note it is nobody's: it becomes that of these keys at their start, as always.
        let owner = rumline_server::owner_of(&db)?.unwrap_or_else(|| of_keys.clone());
        ensure!(
            owner == of_keys,
            "the database of --db is that of {owner}, and the keys in {named} are those of {of_keys}: name the one that was beside them"
        );
    }
    prepare_directory(dir)?;
    let lock = lock_directory(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        ensure!(
            name == ".lock" || name == "lost+found",
            "{} is not empty ({} is in it): name a folder that is, or is not there yet",
            dir.display(),
            name.to_string_lossy()
        );
    }
    let put = || -> Result<Option<Content>> {
        // The database first: a folder with one and without root.pem is not started.
        let mut names: Vec<&String> = sums.keys().filter(|name| *name != MANIFEST).collect();
        names.sort_by_key(|name| (*name == LAST, *name != server.database));
        for name in names {
            let is_of_it = KEPT.contains(&name.as_str())
                || name == server.database
                || name.starts_with("spool/");
            ensure!(is_of_it, "{named} is damaged, or was changed: {name} is not of it");
            if name == LAST {
                continue;
            }
            copy(&backup.join(name), &dir.join(name), &sums[name])?;
        }
        let content = go_on(server, &manifest, dir, now, wanted)?;
        copy(&backup.join(LAST), &dir.join(LAST), sums.get(LAST).context("root.pem is missing")?)?;
        give_to_owner(dir)?;
        File::open(dir)?.sync_all()?;
        Ok(content)
    };
    let put = put();
    if put.is_err() {
        // What cannot be believed is not left behind.
        for entry in std::fs::read_dir(dir)?.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_ours = sums.contains_key(&*name) || name.starts_with(server.database);
            if name == "spool" {
                let _removed = std::fs::remove_dir_all(path);
            } else if is_ours {
                let _removed = std::fs::remove_file(path);
            }
        }
    }
    drop(lock);
    Ok(Restored { content: put?, manifest })
}

/// Looks whether the database is what was backed up, and lets it go on.
fn go_on(
    server: &Server,
    manifest: &Manifest,
    dir: &Path,
    now: Timestamp,
    wanted: &Wanted<'_>,
) -> Result<Option<Content>> {
    let of = format!("backup of {}", Timestamp(manifest.made_at));
    let (db, content) = match (&manifest.database, wanted.at.postgres()?) {
        (Some(expected), _) => {
            let path = dir.join(server.database);
            let found = database_of(&path)?;
            ensure!(
                found == *expected,
                "the database holds something else than when it was backed up: take another backup"
            );
            if wanted.moved {
                return Ok(Some(found.content));
            }
            (Db::open_sqlite(&path)?, Some(found.content))
        }
        (None, Some(_)) if wanted.moved => return Ok(None),
        (None, Some(db)) => (db, None),
        (None, None) => return Ok(None),
    };
    db.migrate(server.migrations)?;
    go_on_after_restore(&db, now, &of)?;
    Ok(content)
}

/// Copies a file durably, and compares it with its checksum on the way.
fn copy(from: &Path, to: &Path, expected: &str) -> Result<()> {
    let read = || format!("cannot read {}", from.display());
    let written = || format!("cannot write {}", to.display());
    if let Some(folder) = to.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let source = File::open(from).with_context(read)?;
    let file =
        File::options().write(true).create_new(true).mode(0o600).open(to).with_context(written)?;
    let mut copied = Copied { source, file };
    let sum = sha256_of(&mut copied)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    copied.file.sync_all().with_context(written)?;
    ensure!(hex(&sum) == expected, "{} is damaged: take another backup", from.display());
    Ok(())
}

/// A file that is written as it is read.
struct Copied {
    source: File,
    file: File,
}

impl Read for Copied {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.file.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// Whoever restores as root does it for the owner of the folder, who runs the server.
fn give_to_owner(dir: &Path) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = dir.metadata()?;
    let (user, group) = (Some(owner.uid()), Some(owner.gid()));
    for folder in [dir.to_owned(), dir.join("spool")] {
        if folder.is_dir() {
            lchown(&folder, user, group)?;
            for entry in std::fs::read_dir(folder)? {
                lchown(entry?.path(), user, group)?;
            }
        }
    }
    Ok(())
}
