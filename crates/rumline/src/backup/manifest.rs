//! What a backup says of itself: `backup.json`, and in `backup.sha256` the checksum of each file, as `sha256sum` writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rumline_protocol::sha256_of;
use rumline_server::Content;
use serde::{Deserialize, Serialize};

/// The file that says what it is a backup of.
pub(crate) const MANIFEST: &str = "backup.json";
/// The file with the checksums of all others.
pub(crate) const SUMS: &str = "backup.sha256";
const FORMAT: &str = "rumline-backup-1";
/// What whoever finds it is to know.
pub(crate) const NOTE: &str = "This holds secrets: private keys and password hashes. Whoever has it can speak for the server.";

/// What it is a backup of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: String,
    note: String,
    /// The command of the server: `cssm`, `cslu` or `onprem`.
    pub server: String,
    /// When it was made, in seconds since 1970.
    pub made_at: i64,
    /// The release that made it.
    pub release: String,
    /// Of its database; `None` where the database is backed up by other means, as PostgreSQL.
    pub database: Option<Database>,
}

/// What is said of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// Whose it is.
    pub identity: String,
    /// The version of its tables.
    pub schema_version: i64,
    /// What it holds.
    pub content: Content,
}

/// Names of files, with slashes, and their checksums in hexadecimal.
pub(crate) type Sums = BTreeMap<String, String>;

impl Manifest {
    pub(crate) fn new(server: &str, made_at: i64, database: Option<Database>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            note: NOTE.to_owned(),
            server: server.to_owned(),
            made_at,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            database,
        }
    }

    pub(crate) fn to_text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

pub(crate) fn sums_to_text(sums: &Sums) -> String {
    sums.iter().fold(String::new(), |mut text, (name, sum)| {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{sum}  {name}");
        text
    })
}

/// Reads them back; whatever was altered in them makes no line that is taken, or a name or a checksum that does not fit.
fn sums_from_text(text: &str) -> Option<Sums> {
    let mut sums = Sums::new();
    for line in text.strip_suffix('\n')?.split('\n') {
        let (sum, name) = line.split_once("  ")?;
        let is_sum = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_whole = sum.len() == 64 && sum.bytes().all(is_sum) && is_name(name);
        if !is_whole || sums.insert(name.to_owned(), sum.to_owned()).is_some() {
            return None;
        }
    }
    Some(sums)
}

/// A name of a file in a backup leads nowhere else.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
    let parts: Vec<&str> = name.split('/').collect();
    matches!(parts[..], [_] | ["spool", _]) && parts.into_iter().all(is_part)
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sum_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let sum = sha256_of(&mut file).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(&sum))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _written = write!(hex, "{byte:02x}");
        hex
    })
}

/// The names of the files in a folder and its `spool`, but that of the checksums.
fn names_in(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (folder, before) in [(dir.to_owned(), ""), (dir.join("spool"), "spool/")] {
        if !before.is_empty() && !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if before.is_empty() && (name == SUMS || name == "spool") {
                continue;
            }
            names.push(format!("{before}{name}"));
        }
    }
    names.sort();
    Ok(names)
}

/// Reads what a backup says of itself; its files are there, and none besides, but only this one was compared with its checksum.
pub(crate) fn read(dir: &Path) -> Result<(Manifest, Sums)> {
    let named = dir.display();
    let there = |name: &str| -> Result<Vec<u8>> {
        match std::fs::read(dir.join(name)) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "{named} is no backup, or not all of one: it has no {name}. A backup is a folder that `backup` made"
            ),
            Err(error) => Err(error).with_context(|| format!("cannot read {named}/{name}")),
        }
    };
    let (manifest, sums) = (there(MANIFEST)?, there(SUMS)?);
    let damaged = |name: &str| format!("{named}/{name} is damaged: take another backup");
    let sums = String::from_utf8(sums).ok().and_then(|text| sums_from_text(&text));
    let sums = sums.with_context(|| damaged(SUMS))?;
    let found = names_in(dir)?;
    if let Some(missing) = sums.keys().find(|name| !found.contains(name)) {
        bail!("{named} is damaged: {missing} is missing. Take another backup");
    }
    if let Some(more) = found.iter().find(|name| !sums.contains_key(*name)) {
        bail!("{named} is damaged, or was changed: {more} is not of it. Take another backup");
    }
    let sum = hex(&rumline_protocol::sha256(&manifest));
    ensure!(sums.get(MANIFEST) == Some(&sum), damaged(MANIFEST));
    let format = |value: &serde_json::Value| value["format"].as_str().map(str::to_owned);
    let value: serde_json::Value =
        serde_json::from_slice(&manifest).with_context(|| damaged(MANIFEST))?;
    let format = format(&value).unwrap_or_default();
    ensure!(
        format == FORMAT,
        "{named} is a backup in the form {format:?}, which this release does not know: restore it with the release that made it"
    );
    let manifest = serde_json::from_value(value).with_context(|| damaged(MANIFEST))?;
    Ok((manifest, sums))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_altered_in_checksums_is_no_checksum_or_another_one() {
        let sums: Sums = [("cssm.db", "ab"), ("root.key", "0c"), ("spool/usage-file-7", "ef")]
            .map(|(name, byte)| (name.to_owned(), byte.repeat(32)))
            .into();
        let text = sums_to_text(&sums);
        assert_eq!(sums_from_text(&text), Some(sums.clone()));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = String::from_utf8(bytes).ok().and_then(|text| sums_from_text(&text));
            assert_ne!(read, Some(sums.clone()), "bit {bit}");
        }
        for name in [
            "",
            ".lock",
            "../root.key",
            "/root.key",
            "spool",
            "spool/",
            "a/b",
            "spool/../x",
            "spool/a/b",
        ] {
            let is_part = name == "spool";
            assert_eq!(is_name(name), is_part, "{name}");
        }
    }
}
