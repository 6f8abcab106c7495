//! The copying, write by write: each change of a disk is given to the other supervisor before it is made here, and counts as
//! made once both have it. The order of changes is the same on both, so what lies there is what would lie here after a power
//! cut some changes ago; and none of those was answered for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumline_agent::{Disk, DiskError};
use serde::{Deserialize, Serialize};

/// What is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The switch's own store.
    Store,
    /// bootflash:
    Flash,
    /// The files that are written once: keys and certificates.
    Files,
}

/// How a file is changed: as the methods of [`Disk`] do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// [`Disk::write`]
    Write,
    /// [`Disk::overwrite`]
    Overwrite,
    /// [`Disk::extend`]
    Extend,
    /// [`Disk::append`]
    Append,
    /// [`Disk::remove`]
    Remove,
    /// [`Disk::hand`]
    Hand,
}

impl ChangeKind {
    /// Whether it has to be durable, or handed, before anything is answered for. What is appended or removed need not.
    #[must_use]
    pub fn is_waited_for(self) -> bool {
        !matches!(self, Self::Append | Self::Remove)
    }

    /// Whether it can wait for what follows: it is durable with that.
    #[must_use]
    pub fn can_wait(self) -> bool {
        matches!(self, Self::Append | Self::Remove | Self::Hand)
    }
}

/// A change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Where.
    pub place: Place,
    /// How.
    pub kind: ChangeKind,
    /// Which file.
    pub name: &'a str,
    /// What is written.
    pub bytes: &'a [u8],
}

/// The other supervisor, as the one that writes sees it.
pub trait Mirror {
    /// Gives it a change. Nothing happens if it is not there.
    fn give(&mut self, change: Change<'_>);

    /// Returns once all that was given and is waited for is durable there, or once it is noted, durably and outside of both, that the other
    /// one has not all. `made_here` says whether the change was made on this side: if not, the two differ.
    ///
    /// # Errors
    /// When neither is so: the change must not be answered for, since the other one might take over without it.
    fn settle(&mut self, made_here: bool) -> Result<(), DiskError>;
}

/// The mirror of all disks of a switch.
pub type SharedMirror = Arc<Mutex<dyn Mirror + Send>>;

/// A disk whose changes are copied, if there is somebody to copy them to.
pub struct Copied<D> {
    own: D,
    place: Place,
    mirror: Option<SharedMirror>,
}

impl<D: Disk> Copied<D> {
    /// A disk that nobody copies.
    pub fn alone(own: D) -> Self {
        Self { own, place: Place::Store, mirror: None }
    }

    /// A disk with a mirror.
    pub fn to(own: D, place: Place, mirror: SharedMirror) -> Self {
        Self { own, place, mirror: Some(mirror) }
    }

    /// The disk itself.
    pub fn own(&mut self) -> &mut D {
        &mut self.own
    }

    fn mirror(&self) -> Option<MutexGuard<'_, dyn Mirror + Send + 'static>> {
        self.mirror.as_ref().map(|mirror| mirror.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn give(&self, kind: ChangeKind, name: &str, bytes: &[u8]) {
        if let Some(mut mirror) = self.mirror() {
            mirror.give(Change { place: self.place, kind, name, bytes });
        }
    }

    fn settle<T>(&self, made: Result<T, DiskError>) -> Result<T, DiskError> {
        let settled = match self.mirror() {
            Some(mut mirror) => mirror.settle(made.is_ok()),
            None => Ok(()),
        };
        made.and_then(|made| settled.map(|()| made))
    }

    /// What need not be durable is not waited for.
    fn unless_failed<T>(&self, made: Result<T, DiskError>) -> Result<T, DiskError> {
        if made.is_err() { self.settle(made) } else { made }
    }
}

impl<D: Disk> Disk for Copied<D> {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        self.own.read(name)
    }

    fn size_bytes(&mut self, name: &str) -> Result<Option<u64>, DiskError> {
        self.own.size_bytes(name)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.give(ChangeKind::Write, name, bytes);
        let made = self.own.write(name, bytes);
        self.settle(made)
    }

    fn write_pieces(
        &mut self,
        name: &str,
        next_piece: &mut dyn FnMut() -> Result<Option<Vec<u8>>, DiskError>,
    ) -> Result<(), DiskError> {
        if self.mirror.is_none() {
            return self.own.write_pieces(name, next_piece);
        }
        // The other one takes a file whole, or not at all.
        let mut bytes = Vec::new();
        while let Some(piece) = next_piece()? {
            bytes.extend(piece);
        }
        self.write(name, &bytes)
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.give(ChangeKind::Overwrite, name, bytes);
        let made = self.own.overwrite(name, bytes);
        self.settle(made)
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.give(ChangeKind::Extend, name, bytes);
        let made = self.own.extend(name, bytes);
        self.settle(made)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.give(ChangeKind::Append, name, bytes);
        let made = self.own.append(name, bytes);
        self.unless_failed(made)
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.give(ChangeKind::Remove, name, &[]);
        let made = self.own.remove(name);
        self.unless_failed(made)
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        self.own.list(prefix)
    }

    fn is_copied(&self) -> bool {
        self.mirror.is_some()
    }

    fn hand(&mut self, name: &str, bytes: &[u8]) {
        self.give(ChangeKind::Hand, name, bytes);
    }

    fn settle_handed(&mut self) -> Result<(), DiskError> {
        self.settle(Ok(()))
    }
}

/// Makes a change that was given, on the side of the other supervisor.
///
/// # Errors
/// When the disk fails: this side has not all then.
pub fn apply(change: &Change<'_>, disk: &mut dyn Disk) -> Result<(), DiskError> {
    let Change { name, bytes, .. } = *change;
    match change.kind {
        ChangeKind::Write => disk.write(name, bytes),
        ChangeKind::Overwrite => disk.overwrite(name, bytes),
        ChangeKind::Extend => disk.extend(name, bytes),
        ChangeKind::Append => disk.append(name, bytes),
        ChangeKind::Remove => disk.remove(name),
        ChangeKind::Hand => {
            disk.remove(name)?;
            disk.append(name, bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use rumline_agent::MemoryDisk;

    use super::*;

    /// A mirror with a disk of its own, that is gone after so many changes.
    struct Other {
        disk: MemoryDisk,
        changes_left: usize,
        differs: bool,
        may_not_speak: bool,
    }

    impl Mirror for Other {
        fn give(&mut self, change: Change<'_>) {
            if self.changes_left > 0 && !self.differs {
                self.changes_left -= 1;
                apply(&change, &mut self.disk).unwrap();
            }
        }

        fn settle(&mut self, made_here: bool) -> Result<(), DiskError> {
            self.differs |= !made_here;
            if self.may_not_speak { Err(DiskError::ReadOnly) } else { Ok(()) }
        }
    }

    fn pair(changes: usize) -> (Copied<MemoryDisk>, Arc<Mutex<Other>>) {
        let disk = MemoryDisk::default();
        let other = Other { disk, changes_left: changes, differs: false, may_not_speak: false };
        let other = Arc::new(Mutex::new(other));
        let mirror: SharedMirror = other.clone();
        (Copied::to(MemoryDisk::default(), Place::Store, mirror), other)
    }

    fn change_all(disk: &mut Copied<MemoryDisk>) -> Result<(), DiskError> {
        disk.write("a", b"one")?;
        disk.overwrite("a", b"two")?;
        disk.extend("a", b" three")?;
        disk.append("b", b"four")?;
        let mut pieces = vec![b"five".to_vec(), b"six".to_vec()];
        disk.write_pieces("c", &mut || Ok(pieces.pop()))?;
        disk.write("d", b"gone")?;
        disk.hand("e", b"seven");
        disk.hand("e", b"eight");
        disk.settle_handed()?;
        disk.remove("d")
    }

    #[test]
    fn each_change_is_made_on_both() {
        let (mut disk, other) = pair(usize::MAX);
        change_all(&mut disk).unwrap();
        let other = other.lock().unwrap();
        let mut theirs = other.disk.files.clone();
        assert_eq!(theirs.remove("e"), Some(b"eight".to_vec()), "it is not kept here");
        assert_eq!(disk.own().files, theirs);
        assert!(disk.is_copied());
        assert_eq!(other.disk.files["a"], b"two three");
        assert_eq!(other.disk.files["c"], b"sixfive");
        assert_eq!(disk.list("").unwrap(), ["a", "b", "c"]);
        assert_eq!((disk.size_bytes("a"), disk.read("x")), (Ok(Some(9)), Ok(None)));
    }

    #[test]
    fn what_cannot_be_written_here_makes_the_two_differ() {
        for changes in 0..7 {
            let (mut disk, other) = pair(usize::MAX);
            disk.own().fails_after = Some((changes, DiskError::Full));
            assert_eq!(change_all(&mut disk), Err(DiskError::Full), "{changes}");
            assert!(other.lock().unwrap().differs, "{changes}");
        }
    }

    #[test]
    fn what_the_other_one_may_take_over_without_is_not_made() {
        let (mut disk, other) = pair(usize::MAX);
        other.lock().unwrap().may_not_speak = true;
        assert_eq!(disk.write("a", b"one"), Err(DiskError::ReadOnly));
        assert_eq!(disk.overwrite("a", b"one"), Err(DiskError::ReadOnly));
        assert_eq!(disk.extend("a", b"one"), Err(DiskError::ReadOnly));
        disk.hand("a", b"one");
        assert_eq!(disk.settle_handed(), Err(DiskError::ReadOnly));
    }

    #[test]
    fn one_that_is_alone_changes_its_own() {
        let mut disk = Copied::alone(MemoryDisk::default());
        change_all(&mut disk).unwrap();
        assert_eq!(disk.own().files.len(), 3);
        assert!(!disk.is_copied());
    }
}
