//! Indexes that are damaged are made anew from the tables. What stands in a table is made anew by nobody: a file in which one is
//! damaged is left as it is.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OpenFlags};

use crate::connection::connect;
use crate::ground::structure;
use crate::sums::{Known, Sums};
use crate::{StoreError, Trouble};

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing was wrong with it.
    Whole,
    /// Its indexes were made anew; the file as it was lies there now.
    Indexes(PathBuf),
    /// Something is damaged that cannot be made anew: what. Nothing was changed.
    Beyond(String),
}

/// How SQLite speaks of an index that does not fit its table.
const INDEX_LINES: [&str; 3] =
    [" missing from index ", "wrong # of entries in index ", "non-unique entry in index "];

/// Mends a file that nobody works on; what it was goes to a folder beside it, which must not be there yet.
///
/// # Errors
/// When the file system refuses; the file is what it was, or mended.
pub(crate) fn mend(path: &Path, aside: &Path) -> Result<Mended, StoreError> {
    let pages = match Sums::open(path).map_err(failed)? {
        Known::Sums(sums) => damaged_pages(&sums).map_err(failed)?,
        Known::Other(..) => Vec::new(),
        Known::LogDamaged => {
            return Ok(Mended::Beyond("its log (-wal) lost what was committed".to_owned()));
        }
    };
    if pages.is_empty() {
        let structure = structure(path)?;
        // Without a page that is known to be damaged, only what is said of indexes is of them alone.
        let of_table = |line: &&String| !INDEX_LINES.iter().any(|begin| line.contains(begin));
        match structure.iter().find(of_table) {
            None if structure.is_empty() => return Ok(Mended::Whole),
            None => {}
            Some(line) => return Ok(Mended::Beyond(line.clone())),
        }
    }
    match beyond(path, &pages) {
        Ok(Some(what)) => return Ok(Mended::Beyond(what)),
        Ok(None) => {}
        Err(error) if error.is_damage() => return Ok(Mended::Beyond(error.to_string())),
        Err(error) => return Err(error),
    }
    let new = beside(path, ".mended");
    let made = match make_anew(path, &new) {
        Err(error) if error.is_damage() => {
            let _removed = std::fs::remove_file(&new);
            return Ok(Mended::Beyond(error.to_string()));
        }
        made => made,
    };
    made.inspect_err(|_| drop(std::fs::remove_file(&new)))?;
    put_aside(path, aside).map_err(failed)?;
    {
        // What is in the log would be read over the new file.
        let connection = connect(path)?;
        let (in_log, moved) =
            connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::TRUNCATE)?;
        if in_log != moved {
            return Err(StoreError::Busy);
        }
    }
    std::fs::rename(&new, path).map_err(failed)?;
    crate::sums::forget(path).map_err(failed)?;
    let folder = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(Mended::Indexes(aside.to_owned()))
}

fn damaged_pages(sums: &Sums) -> std::io::Result<Vec<u32>> {
    let (mut pages, mut first) = (Vec::new(), 0);
    while let Some(found) = sums.damaged(first)? {
        pages.extend(found);
        first = Sums::next(first);
    }
    Ok(pages)
}

/// What of the damaged pages is of no index.
fn beyond(path: &Path, pages: &[u32]) -> Result<Option<String>, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let is_index = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = ?1";
    let mut owners = connection.prepare("SELECT DISTINCT name FROM dbstat WHERE pageno = ?1")?;
    for page in pages {
        for owner in owners.query_map([page], |row| row.get::<_, String>(0))? {
            let owner = owner?;
            let count: i64 = connection.query_row(is_index, [&owner], |row| row.get(0))?;
            if *page == 1 || count == 0 {
                return Ok(Some(format!("page {page}, of {owner}, is not as it was written")));
            }
        }
        if *page == 1 {
            return Ok(Some("page 1 is not as it was written".to_owned()));
        }
    }
    Ok(None)
}

/// Makes a file with the same tables, read from their own trees, and the indexes over them.
fn make_anew(path: &Path, new: &Path) -> Result<(), StoreError> {
    let _left_over = std::fs::remove_file(new);
    let file =
        File::options().write(true).create_new(true).mode(0o600).open(new).map_err(failed)?;
    {
        let connection = Connection::open(new)?;
        connection.execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -32768;",
        )?;
        connection.execute("ATTACH DATABASE ?1 AS damaged", [path.to_string_lossy()])?;
        let of_kind = |kind: &str| -> Result<Vec<(String, String)>, StoreError> {
            let sql = "SELECT name, sql FROM damaged.sqlite_schema WHERE type = ?1
                AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        connection.execute_batch("BEGIN")?;
        let tables = of_kind("table")?;
        for (name, sql) in &tables {
            connection.execute_batch(sql)?;
            // With a condition rows are read one by one, and not tree by tree with the indexes beside them.
            connection.execute_batch(&format!(
                "INSERT INTO main.\"{name}\" SELECT * FROM damaged.\"{name}\" NOT INDEXED WHERE true"
            ))?;
        }
        for (_, sql) in of_kind("index")? {
            connection.execute_batch(&sql)?;
        }
        connection.execute_batch("COMMIT")?;
        let looked: String =
            connection.query_row("PRAGMA main.integrity_check(1)", [], |row| row.get(0))?;
        if looked != "ok" {
            return Err(StoreError::Damaged(looked));
        }
        connection.execute_batch("DETACH DATABASE damaged")?;
    }
    file.sync_all().map_err(failed)
}

/// Copies a file, its log and its checksums.
fn put_aside(path: &Path, aside: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(aside)?;
    for ending in ["", "-wal", ".sums"] {
        let from = beside(path, ending);
        if let (true, Some(name)) = (from.exists(), from.file_name()) {
            let to = aside.join(name);
            std::fs::copy(&from, &to)?;
            File::open(&to)?.sync_all()?;
        }
    }
    File::open(aside)?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: std::io::Error) -> StoreError {
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    StoreError::Commit(if full { Trouble::Full } else { Trouble::Other }, error.to_string())
}
