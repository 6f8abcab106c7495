//! Makes a backup of a server's folder, while the server runs or when it does not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Seek as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rumline_protocol::Timestamp;
use rumline_server::{Content, content};
use rumline_store::{Db, Snapshot, StoreError};

use super::Server;
use super::manifest::{Database, MANIFEST, Manifest, SUMS, Sums, sum_of, sums_to_text};

/// Keys and settings of a server's folder. What else lies there is made anew at a start.
pub(crate) const KEPT: [&str; 7] = [
    "root.pem",
    "root.key",
    "signing.key",
    "signing.der",
    "revoked.json",
    "collector.key",
    "files.sha256",
];
/// Files that are worked on and are opened before the moment of the backup, so that none is lost that is done in between.
const OPENED_MAX: usize = 200;
/// From so many bytes on it is told how far it is.
const TOLD_FROM_BYTES: u64 = 64 << 20;

/// What was backed up.
#[derive(Debug)]
pub(crate) struct Made {
    pub database: Option<Database>,
    pub bytes: u64,
    pub files: usize,
}

/// Backs up the folder of a server to one that is made; without its database where that lies elsewhere.
pub(crate) fn make(
    server: &Server,
    dir: &Path,
    to: &Path,
    now: Timestamp,
    with_database: bool,
) -> Result<Made> {
    ensure!(
        dir.join("root.pem").exists(),
        "there is no {} in {}; name its directory with --dir",
        server.title,
        dir.display()
    );
    ensure!(
        std::fs::symlink_metadata(to).is_err(),
        "{} is there already: name a folder that is not, it is made",
        to.display()
    );
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    std::fs::DirBuilder::new().mode(0o700).create(&partial).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            let text = format!(
                "{} is of a backup that was cut short, or of one that is being made: remove it, or take another name",
                partial.display()
            );
            return anyhow::Error::msg(text);
        }
        anyhow::Error::new(error).context(format!("cannot make {}", partial.display()))
    })?;
    let made = fill(server, dir, &partial, now, with_database).and_then(|made| {
        std::fs::rename(&partial, to).with_context(|| format!("cannot make {}", to.display()))?;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(made)
    });
    if made.is_err() {
        // A half one is worth nothing, and on a full disk its room is.
        let _removed = std::fs::remove_dir_all(&partial);
    }
    made
}

fn fill(
    server: &Server,
    dir: &Path,
    partial: &Path,
    now: Timestamp,
    with_database: bool,
) -> Result<Made> {
    let keys = keys_of(dir)?;
    let spool = dir.join("spool");
    let opened = opened_in(&spool)?;
    let database = match with_database {
        true => Some(copy_database(dir, partial, server.database)?),
        false => None,
    };
    copy_spool(&spool, &partial.join("spool"), opened)?;
    for (name, bytes) in &keys {
        rumline_net::write_private(&partial.join(name), bytes)?;
    }
    // Keys are changed while the server is stopped alone; but then a backup may be made too.
    ensure!(keys_of(dir)? == keys, "the keys were changed meanwhile: make the backup again");
    let manifest = Manifest::new(server.command, now.0, database.clone());
    rumline_net::write_private(&partial.join(MANIFEST), manifest.to_text()?.as_bytes())?;
    let (mut sums, mut bytes) = (Sums::new(), 0);
    let mut names: Vec<String> = files_in(partial)?;
    names.extend(files_in(&partial.join("spool"))?.into_iter().map(|name| format!("spool/{name}")));
    for name in names {
        let path = partial.join(&name);
        bytes += path.metadata()?.len();
        sums.insert(name, sum_of(&path)?);
    }
    rumline_net::write_private(&partial.join(SUMS), sums_to_text(&sums).as_bytes())?;
    Ok(Made { database, bytes, files: sums.len() })
}

fn keys_of(dir: &Path) -> Result<BTreeMap<&'static str, Vec<u8>>> {
    let mut keys = BTreeMap::new();
    for name in KEPT {
        let read = rumline_net::read_private(&dir.join(name));
        if let Some(bytes) = read.with_context(|| format!("cannot read {name}"))? {
            keys.insert(name, bytes);
        }
    }
    let damaged = rumline_net::KeptFiles::of(dir).damaged()?.1;
    if let Some(damaged) = damaged.first() {
        bail!("{damaged} is damaged: see `rumline check {}`", dir.display());
    }
    Ok(keys)
}

/// Names of the plain files in a folder; none if there is no folder.
fn files_in(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if dir.is_dir() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Files of a spool that have a name; those without are of uploads that go on.
fn spooled(dir: &Path) -> Result<Vec<String>> {
    let mut names = files_in(dir)?;
    names.retain(|name| !name.starts_with('.'));
    Ok(names)
}

fn opened_in(spool: &Path) -> Result<BTreeMap<String, File>> {
    let mut opened = BTreeMap::new();
    for name in spooled(spool)?.into_iter().take(OPENED_MAX) {
        match File::open(spool.join(&name)) {
            Ok(file) => drop(opened.insert(name, file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(name),
        }
    }
    Ok(opened)
}

fn copy_spool(spool: &Path, to: &Path, mut opened: BTreeMap<String, File>) -> Result<()> {
    for name in spooled(spool)? {
        if !opened.contains_key(&name) {
            match File::open(spool.join(&name)) {
                Ok(file) => copy_file(file, &to.join(&name))?,
                // Done meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context(name),
            }
        }
    }
    while let Some((name, file)) = opened.pop_first() {
        copy_file(file, &to.join(name))?;
    }
    Ok(())
}

fn copy_file(mut from: File, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    from.rewind()?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    std::io::copy(&mut from, &mut file)
        .with_context(|| format!("cannot write {}", to.display()))?;
    Ok(file.sync_all()?)
}

fn copy_database(dir: &Path, partial: &Path, name: &str) -> Result<Database> {
    let (from, to) = (dir.join(name), partial.join(name));
    let snapshot = Snapshot::open(&from)?;
    let mut told = Told::of(std::fs::metadata(&from)?.len());
    snapshot.copy_to(&to, |done, all| told.progress(done, all))?;
    let damage = snapshot.damage()?;
    drop(snapshot);
    if let Some(damage) = damage.into_iter().chain(Db::structure_of_copy(&to)?).next() {
        bail!(
            "the database is damaged ({damage}), and a copy of it is no backup: stop the server, and see `rumline check {}`",
            dir.display()
        );
    }
    database_of(&to)
}

/// What is to be said of a database that nobody writes to.
pub(crate) fn database_of(path: &Path) -> Result<Database> {
    let found = Db::read_copy(path, |tx| {
        let identity = tx.row("SELECT name FROM identity WHERE one = 1", &[], |row| row.text(0))?;
        let sql = "SELECT version FROM schema_version ORDER BY version DESC LIMIT 1";
        let schema_version: Option<i64> = tx.row(sql, &[], |row| row.int(0))?;
        let content: Content = content(tx)?;
        Ok::<_, StoreError>((identity, schema_version, content))
    });
    let (identity, schema_version, content) = found?;
    Ok(Database {
        identity: identity.context("the database is nobody's: start its server once")?,
        schema_version: schema_version.unwrap_or(0),
        content,
    })
}

/// Tells of a large database how far it is, each tenth.
struct Told {
    is_large: bool,
    tenths: u64,
}

impl Told {
    fn of(bytes: u64) -> Self {
        Self { is_large: bytes >= TOLD_FROM_BYTES, tenths: 0 }
    }

    fn progress(&mut self, done: u64, all: u64) {
        let tenths = done * 10 / all.max(1);
        if self.is_large && tenths > self.tenths {
            self.tenths = tenths;
            say!("{}% of the database are copied", tenths * 10);
        }
    }
}
