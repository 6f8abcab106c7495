//! A folder of tables beside the built-in ones: another vendor's products, or models that the built-in tables lack.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::tables::{FILES, table};
use crate::{Catalogue, CatalogueError};

/// A folder of tables.
#[derive(Clone, Debug)]
pub struct Folder {
    name: String,
    pub(crate) stands_alone: bool,
    pub(crate) tables: Catalogue,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    name: String,
    #[serde(default)]
    adds_to: Option<String>,
}

impl Folder {
    /// The file that says what a folder is: its `name`, and `adds_to = "nexus"` if its rows go with the built-in ones.
    pub const ABOUT: &str = "catalogue.toml";

    /// Reads a folder, given as the text of each of its files by name.
    ///
    /// # Errors
    /// When a file is missing or wrong, or rows do not go together.
    pub fn read(files: &BTreeMap<String, String>) -> Result<Self, CatalogueError> {
        let bad = |file: &str, text: String| CatalogueError::File { file: file.to_owned(), text };
        let is_known = |name: &str| name == Self::ABOUT || FILES.contains(&name);
        // A table with a name nobody reads would be missed by nobody.
        if let Some(other) = files.keys().find(|name| !is_known(name)) {
            let text = format!("it is none of {}, {}", Self::ABOUT, FILES.join(", "));
            return Err(bad(other, text));
        }
        if !files.contains_key(Self::ABOUT) {
            let text = "it is missing; it says who makes the products: name = \"...\"".to_owned();
            return Err(bad(Self::ABOUT, text));
        }
        let About { name, adds_to } = table(files, Self::ABOUT)?;
        if name.trim().is_empty() {
            return Err(bad(Self::ABOUT, "the name is empty".to_owned()));
        }
        if let Some(other) = adds_to.as_deref().filter(|to| *to != "nexus") {
            let text = format!("adds_to is \"nexus\" or left out, not {other:?}");
            return Err(bad(Self::ABOUT, text));
        }
        let stands_alone = adds_to.is_none();
        // Gates alone may be left out: a product without them has nothing that they are asked for.
        let missing = FILES[..4].iter().find(|file| !files.contains_key(**file));
        if let Some(file) = missing.filter(|_| stands_alone) {
            let text = format!(
                "it is missing, and these products stand alone; if their rows go with those of Nexus \
                 switches, say adds_to = \"nexus\" in {}",
                Self::ABOUT
            );
            return Err(bad(file, text));
        }
        let tables = Catalogue::read(files)?;
        let folder = Self { name, stands_alone, tables };
        if stands_alone {
            folder.tables.check()?;
            let unnamed = |family: &&crate::Family| family.product_type.is_none();
            if let Some(family) = folder.tables.families.iter().find(unnamed) {
                let text = format!("family {}: product_type is missing", family.name);
                return Err(bad(FILES[0], text));
            }
        }
        Ok(folder)
    }

    /// Who makes the products.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its newest release, if it has releases of its own.
    #[must_use]
    pub fn newest_release(&self) -> Option<&str> {
        self.tables.releases.last().map(|release| release.version.as_str())
    }

    /// Whether its products have releases, licences and features of their own.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.stands_alone
    }

    /// Whether a model is in it.
    #[must_use]
    pub fn has(&self, pid: &str) -> bool {
        self.tables.platform(pid).is_some()
    }

    /// What is wrong, with the name of the folder it is wrong in.
    pub(crate) fn named(&self, error: CatalogueError) -> CatalogueError {
        let name = &self.name;
        match error {
            CatalogueError::File { file, text } => {
                CatalogueError::File { file: format!("{name}: {file}"), text }
            }
            CatalogueError::Rows(rows) => {
                CatalogueError::Rows(rows.iter().map(|row| format!("{name}: {row}")).collect())
            }
        }
    }
}
