//! The folder of a lab: it says whose it is, so that no other lab and no other files come to harm.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const OWNER: &str = "lab.file";

/// Takes a folder for the lab of a file; makes it where it is missing.
pub(super) fn take(dir: &Path, file: &Path) -> Result<()> {
    if owner(dir).is_none_or(|owner| owner != file) {
        let is_empty = !std::fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some());
        if !is_empty {
            bail!(refusal(dir, file));
        }
        std::fs::create_dir_all(dir)
            .with_context(|| format!("the folder {} cannot be made", dir.display()))?;
        std::fs::write(dir.join(OWNER), file.display().to_string())
            .with_context(|| format!("nothing can be written in {}", dir.display()))?;
    }
    Ok(())
}

/// Refuses a folder that is not that of the lab of a file.
pub(super) fn check(dir: &Path, file: &Path) -> Result<()> {
    if owner(dir).is_some_and(|owner| owner == file) { Ok(()) } else { bail!(refusal(dir, file)) }
}

fn owner(dir: &Path) -> Option<PathBuf> {
    std::fs::read_to_string(dir.join(OWNER)).ok().map(PathBuf::from)
}

fn refusal(dir: &Path, file: &Path) -> String {
    let (dir, file) = (dir.display(), file.display());
    match owner(dir.to_string().as_ref()) {
        Some(owner) => {
            format!("{dir} is the lab of {}: name another folder by dir", owner.display())
        }
        None => {
            format!("{dir} holds other things than the lab of {file}: name another folder by dir")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, take};

    #[test]
    fn a_folder_belongs_to_one_file_and_other_files_are_safe() {
        let dir = tempfile::tempdir().unwrap();
        let (lab, file, other) = (dir.path().join("x"), "/a.toml".as_ref(), "/b.toml".as_ref());
        assert!(check(&lab, file).is_err());
        take(&lab, file).unwrap();
        take(&lab, file).unwrap();
        check(&lab, file).unwrap();
        assert!(take(&lab, other).unwrap_err().to_string().contains("the lab of /a.toml"));
        assert!(check(&lab, other).is_err());
        let told = take(dir.path(), file).unwrap_err().to_string();
        assert!(told.contains("holds other things"), "{told}");
    }
}
