//! Folders of tables of the catalogue, as they are named on a command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rumline_catalogue::{Catalogue, Folder};

/// The largest table; the built-in ones have a hundredth of it.
const BYTES_MAX: u64 = 4 << 20;

/// Which tables there are beside the built-in ones.
#[derive(Args)]
pub struct Tables {
    /// A folder of tables of the catalogue beside the built-in ones: products of another vendor, or models that are not
    /// built in; may be repeated.
    #[arg(long = "catalogue", value_name = "DIR")]
    folders: Vec<PathBuf>,
}

impl Tables {
    /// Those of these folders.
    #[must_use]
    pub fn of(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// Loads what a server works with: all products.
    ///
    /// # Errors
    /// When a folder cannot be read, or something in it is wrong.
    pub fn load_for_server(&self) -> Result<()> {
        if self.folders.is_empty() {
            return Ok(());
        }
        let folders = self.read()?;
        let catalogue = Catalogue::of_server(&folders).context(self.named())?;
        load(catalogue)
    }

    /// Loads what a switch with this product id works with; says the newest release if the product has some of its own.
    pub(crate) fn load_for_switch(&self, pid: &str) -> Result<Option<String>> {
        // Without folders the tables are the built-in ones, which whoever asks first reads.
        if self.folders.is_empty() {
            return Ok(None);
        }
        let folders = self.read()?;
        let catalogue = Catalogue::of_switch(pid, &folders).context(self.named())?;
        load(catalogue)?;
        let own = folders.iter().find(|folder| folder.stands_alone() && folder.has(pid));
        Ok(own.and_then(|folder| folder.newest_release().map(str::to_owned)))
    }

    fn read(&self) -> Result<Vec<Folder>> {
        self.folders.iter().map(|path| folder(path)).collect()
    }

    fn named(&self) -> String {
        let names = self.folders.iter().map(|path| path.display().to_string());
        names.collect::<Vec<_>>().join(", ")
    }
}

fn load(catalogue: Catalogue) -> Result<()> {
    ensure!(catalogue.load(), "the catalogue was asked before its folders were loaded");
    Ok(())
}

/// Reads a folder. Files that are no tables, such as a README, may lie there too.
fn folder(path: &Path) -> Result<Folder> {
    let named = || format!("--catalogue {}", path.display());
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(path).with_context(named)? {
        let entry = entry.with_context(named)?;
        let file = entry.path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let shown = || file.display().to_string();
        let bytes = std::fs::metadata(&file).with_context(shown)?.len();
        ensure!(bytes <= BYTES_MAX, "{}: a table has up to {BYTES_MAX} bytes", shown());
        let text = std::fs::read_to_string(&file).with_context(shown)?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), text);
    }
    Folder::read(&files).with_context(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_with_what_else_lies_in_it_and_what_is_wrong_names_it() {
        let example =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/catalogue/aldermoor");
        let dir = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&example).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        std::fs::write(dir.path().join("README.md"), "# Aldermoor\n").unwrap();
        let read = || folder(dir.path()).map_err(|error| format!("{error:#}"));
        assert!(read().unwrap().has("AM-S48"));
        let path = dir.path().join("gates.toml");
        let begin = format!("--catalogue {}: ", dir.path().display());
        std::fs::write(&path, "[[gate]]\nname = 1\n").unwrap();
        let error = read().unwrap_err();
        assert!(error.starts_with(&format!("{begin}gates.toml: ")), "{error}");
        std::fs::write(&path, b"name = \"\xff\"\n").unwrap();
        let error = read().unwrap_err();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        let large = usize::try_from(BYTES_MAX).unwrap() + 1;
        std::fs::write(&path, "#".repeat(large)).unwrap();
        assert!(read().unwrap_err().ends_with("a table has up to 4194304 bytes"));
        std::fs::remove_dir_all(dir.path()).unwrap();
        assert!(read().unwrap_err().starts_with(&format!("--catalogue {}", dir.path().display())));
    }
}
