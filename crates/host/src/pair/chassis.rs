//! What the two supervisors of a chassis have in common on one host: a folder with their key, and who of them may speak.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rumline_net::{CHASSIS_NAME, ChassisKey, KeptFiles};
use rumline_switch::Slot;
use rumline_switch::pair::Standing;

use super::kept;

/// The folder of a chassis.
#[derive(Clone)]
pub(crate) struct Chassis {
    dir: PathBuf,
}

impl Chassis {
    /// Opens it; what is missing is made. Two that begin at once make one.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        kept::folder(dir)?;
        let chassis = Self { dir: dir.to_owned() };
        let one_at_a_time = chassis.file(".making")?;
        one_at_a_time.lock()?;
        let files = KeptFiles::of(dir);
        let is_there = |name: &str| Ok::<_, anyhow::Error>(files.read(name)?.is_some());
        let has = [is_there("link.key")?, is_there("link.der")?];
        // Cut off while they were made for the first time, nothing else is there yet.
        let marks = Slot::ALL.map(|slot| chassis.folder_of(slot).join("mark"));
        let is_used = dir.join("standing").exists() || marks.iter().any(|mark| mark.exists());
        ensure!(
            has[0] == has[1] || !is_used,
            "one of link.key and link.der is missing in {}: put it back, or remove the other one too, and copy those that \
             are made anew to every host of the chassis",
            dir.display()
        );
        if has != [true; 2] {
            let made = rcgen::generate_simple_self_signed([CHASSIS_NAME.to_owned()])
                .context("the key of the chassis cannot be made")?;
            files.write("link.key", &made.signing_key.serialize_der())?;
            files.write("link.der", made.cert.der())?;
        }
        Ok(chassis)
    }

    fn file(&self, name: &str) -> Result<File> {
        kept::open(&self.dir.join(name))
    }

    /// The folder of a supervisor in it.
    pub(crate) fn folder_of(&self, slot: Slot) -> PathBuf {
        super::folder_of_supervisor(&self.dir, slot)
    }

    /// The key of the chassis.
    pub(crate) fn key(&self) -> Result<ChassisKey> {
        let files = KeptFiles::of(&self.dir);
        let read = |name: &str| files.read(name)?.with_context(|| format!("{name} is missing"));
        Ok(ChassisKey::of(&read("link.der")?, &read("link.key")?)?)
    }

    /// Who may speak, as it is written down; nothing is at first.
    pub(crate) fn standing(&self) -> Result<Standing> {
        kept::read(&self.dir.join("standing"))
    }

    /// Writes it down, durably. Only who holds the right to speak does.
    pub(crate) fn write_standing(&self, standing: &Standing) -> Result<()> {
        kept::write(&self.dir.join("standing"), standing)
    }

    /// The right to speak, if nobody has it. The kernel frees it when its holder ends, however that ends.
    pub(crate) fn take_right(&self) -> Result<Option<File>> {
        let lock = self.file("active.lock")?;
        Ok(lock.try_lock().is_ok().then_some(lock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_have_in_common() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = [0, 1].map(|_| Chassis::open(dir.path()).unwrap());
        one.key().unwrap();
        assert_eq!(one.standing().unwrap(), Standing::default());
        let right = one.take_right().unwrap();
        assert!(right.is_some() && two.take_right().unwrap().is_none());
        let standing = Standing::default().taken(Slot::One, "S1", "a", "127.0.0.1:1".to_owned(), 0);
        one.write_standing(&standing).unwrap();
        assert_eq!(two.standing().unwrap(), standing);
        // A shorter one leaves nothing of the longer.
        one.write_standing(&Standing::default()).unwrap();
        assert_eq!(two.standing().unwrap(), Standing::default());
        drop(right);
        assert!(two.take_right().unwrap().is_some());
        let key = dir.path().join("link.key");
        let was = std::fs::read(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        let error = Chassis::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("put it back"), "{error}");
        std::fs::write(&key, was).unwrap();
        Chassis::open(dir.path()).unwrap().key().unwrap();
        std::fs::write(dir.path().join("standing"), b"x").unwrap();
        assert!(two.standing().unwrap_err().to_string().contains("is damaged"));
    }
}
