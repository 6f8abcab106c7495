//! What the two supervisors of a chassis have in common on one host: a folder with their key, and who of them may speak.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rumline_net::{CHASSIS_NAME, ChassisKey, KeptFiles};
use rumline_switch::pair::Standing;

/// As long as the file with the standing is: it is written over in place, and so needs no room on a full disk, and is one
/// piece for the device.
const STANDING_BYTES: usize = 512;

/// The folder of a chassis.
#[derive(Clone)]
pub(crate) struct Chassis {
    dir: PathBuf,
}

impl Chassis {
    /// Opens it; what is missing is made. Two that begin at once make one.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let chassis = Self { dir: dir.to_owned() };
        let one_at_a_time = chassis.file(".making")?;
        one_at_a_time.lock()?;
        let files = KeptFiles::of(dir);
        if files.read("link.der")?.is_none() || files.read("link.key")?.is_none() {
            let made = rcgen::generate_simple_self_signed([CHASSIS_NAME.to_owned()])
                .context("the key of the chassis cannot be made")?;
            files.write("link.key", &made.signing_key.serialize_der())?;
            files.write("link.der", made.cert.der())?;
        }
        Ok(chassis)
    }

    fn file(&self, name: &str) -> Result<File> {
        let path = self.dir.join(name);
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false).mode(0o600);
        options.open(&path).with_context(|| path.display().to_string())
    }

    /// The key of the chassis.
    pub(crate) fn key(&self) -> Result<ChassisKey> {
        let files = KeptFiles::of(&self.dir);
        let read = |name: &str| files.read(name)?.with_context(|| format!("{name} is missing"));
        Ok(ChassisKey::of(&read("link.der")?, &read("link.key")?)?)
    }

    /// Who may speak, as it is written down; nothing is at first.
    pub(crate) fn standing(&self) -> Result<Standing> {
        let bytes = rumline_net::read_private(&self.dir.join("standing"))?.unwrap_or_default();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Standing::default());
        }
        let text = std::str::from_utf8(&bytes)?.trim_end_matches(['\0', ' ']);
        serde_json::from_str(text).context("the file `standing` of the chassis is damaged")
    }

    /// Writes it down, durably. Only who holds the right to speak does.
    pub(crate) fn write_standing(&self, standing: &Standing) -> Result<()> {
        let mut bytes = serde_json::to_vec(standing)?;
        anyhow::ensure!(bytes.len() <= STANDING_BYTES, "what is to be written down is too long");
        bytes.resize(STANDING_BYTES, b' ');
        let file = self.file("standing")?;
        file.write_all_at(&bytes, 0)?;
        file.sync_data()?;
        Ok(())
    }

    /// The right to speak, if nobody has it. The kernel frees it when its holder ends, however that ends.
    pub(crate) fn take_right(&self) -> Result<Option<File>> {
        let lock = self.file("active.lock")?;
        Ok(lock.try_lock().is_ok().then_some(lock))
    }
}

#[cfg(test)]
mod tests {
    use rumline_switch::Slot;

    use super::*;

    #[test]
    fn what_two_have_in_common() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = [0, 1].map(|_| Chassis::open(dir.path()).unwrap());
        one.key().unwrap();
        assert_eq!(one.standing().unwrap(), Standing::default());
        let right = one.take_right().unwrap();
        assert!(right.is_some() && two.take_right().unwrap().is_none());
        let standing = Standing::default().taken(Slot::One, "S1", "127.0.0.1:1".to_owned());
        one.write_standing(&standing).unwrap();
        assert_eq!(two.standing().unwrap(), standing);
        // A shorter one leaves nothing of the longer.
        one.write_standing(&Standing::default()).unwrap();
        assert_eq!(two.standing().unwrap(), Standing::default());
        drop(right);
        assert!(two.take_right().unwrap().is_some());
        fs::write(dir.path().join("standing"), b"x").unwrap();
        assert!(two.standing().unwrap_err().to_string().contains("is damaged"));
    }
}
