//! All that lies on one supervisor, given to the other piece by piece while it goes on.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rumline_switch::pair::Place;

use super::mirror::PairMirror;

/// So much is given at a time.
const PIECE_BYTES: usize = 256 << 10;
/// What a file costs beside its bytes.
const FILE_BYTES: usize = 512;
/// Files that are written once and are the same on both.
pub(crate) const SHARED_FILES: &[&str] = &[
    "nxapi.key",
    "nxapi.der",
    "ssh_host_key",
    "ssh_host_ecdsa_key",
    "ssh_host_rsa_key",
    "admin-set",
];

/// Where a place lies in a supervisor's folder.
pub(crate) fn folder_of(dir: &Path, place: Place) -> PathBuf {
    match place {
        Place::Store => dir.join("store"),
        Place::Flash => dir.join("bootflash"),
        Place::Files => dir.to_owned(),
    }
}

/// The names of all files of a place; those in its folders too.
pub(crate) fn names_of(dir: &Path, place: Place) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    if place == Place::Files {
        let is_there = |name: &&&str| dir.join(name).exists();
        names.extend(SHARED_FILES.iter().filter(is_there).map(|name| (*name).to_owned()));
    } else {
        walk(&folder_of(dir, place), "", &mut names)?;
    }
    Ok(names)
}

fn walk(folder: &Path, before: &str, names: &mut Vec<String>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Locks, and what a power cut left.
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{before}{name}/"), names)?;
        } else {
            names.push(format!("{before}{name}"));
        }
    }
    Ok(())
}

/// A file that is being given.
struct Open {
    file: File,
    place: Place,
    name: String,
    is_first: bool,
}

/// What is still to be given.
pub(crate) struct Fill {
    dir: PathBuf,
    left: Vec<(Place, String)>,
    open: Option<Open>,
}

impl Fill {
    /// All that lies in a supervisor's folder.
    pub(crate) fn of(dir: &Path) -> io::Result<Self> {
        let mut left = Vec::new();
        for place in [Place::Files, Place::Flash, Place::Store] {
            left.extend(names_of(dir, place)?.into_iter().map(|name| (place, name)));
        }
        Ok(Self { dir: dir.to_owned(), left, open: None })
    }

    /// Gives the next piece; false once all is given.
    pub(crate) fn step(&mut self, mirror: &mut PairMirror) -> io::Result<bool> {
        let mut room = PIECE_BYTES;
        while room > 0 {
            let Some(open) = self.open.take().or_else(|| self.next()) else {
                mirror.filled();
                return Ok(false);
            };
            // A file that was changed after its first piece begins anew.
            let was_changed = mirror.was_changed(open.place, &open.name) && !open.is_first;
            let Some(mut open) =
                (if was_changed { self.opened(open.place, open.name) } else { Some(open) })
            else {
                continue;
            };
            let mut piece = Vec::new();
            // Those that are written once are small, and are taken whole.
            let most = if open.place == Place::Files { u64::MAX } else { room as u64 };
            let read = (&mut open.file).take(most).read_to_end(&mut piece)?;
            if read > 0 || open.is_first {
                mirror.put(open.place, &open.name, open.is_first, &piece);
                open.is_first = false;
                self.open = Some(open).filter(|open| open.place != Place::Files);
            }
            room = room.saturating_sub(read + FILE_BYTES);
        }
        Ok(true)
    }

    fn next(&mut self) -> Option<Open> {
        loop {
            let (place, name) = self.left.pop()?;
            if let Some(open) = self.opened(place, name) {
                return Some(open);
            }
        }
    }

    /// One that was removed meanwhile was removed there too.
    fn opened(&self, place: Place, name: String) -> Option<Open> {
        let file = File::open(folder_of(&self.dir, place).join(&name)).ok()?;
        Some(Open { file, place, name, is_first: true })
    }
}
