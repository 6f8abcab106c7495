//! The startup configuration as it lies in the store: in two files that are replaced in turn, each with a checksum, so that
//! a damaged one is known for what it is and the other is used.

use rumline_agent::{Disk, DiskError};
use rumline_protocol::sha256;

const FILES: [&str; 2] = ["startup-config", "startup-config.copy"];
const MAGIC: &str = "rumline-startup-1";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The configuration; none where none was saved.
    pub text: Option<String>,
    /// What is wrong with it, in words for the log.
    pub damage: Option<String>,
}

/// Reads it, and mends what can be mended.
///
/// # Errors
/// When the disk fails.
pub(crate) fn read(disk: &mut dyn Disk) -> Result<Found, DiskError> {
    let mut read = |name| Ok::<_, DiskError>(disk.read(name)?.map(|bytes| open(&bytes)));
    let (first, copy) = (read(FILES[0])?, read(FILES[1])?);
    let damaged = |file: &str, used: &str| {
        Some(format!("{file} is damaged (its checksum does not fit): {used}"))
    };
    match (first, copy) {
        (Some(Ok(text)), copy) => {
            // The copy is written second: it is older after a power cut between the two.
            if copy != Some(Ok(text.clone())) {
                let _best_effort = disk.write(FILES[1], &seal(&text));
            }
            let lost = matches!(copy, Some(Err(_)));
            let damage = if lost { damaged(FILES[1], "it was written anew") } else { None };
            Ok(Found { text: Some(text), damage })
        }
        (first, Some(Ok(text))) => {
            // One that was removed, by a write erase that power cut short, is gone; one that is damaged comes back.
            let Some(Err(_)) = first else {
                disk.remove(FILES[1])?;
                return Ok(Found::default());
            };
            let _best_effort = disk.write(FILES[0], &seal(&text));
            let damage = damaged(FILES[0], "its copy is used");
            Ok(Found { text: Some(text), damage })
        }
        (Some(Err(text)), _) => {
            let used = "what can be read of it is used; save the configuration anew";
            Ok(Found { text: Some(text), damage: damaged(FILES[0], used) })
        }
        (None, _) => Ok(Found::default()),
    }
}

/// The files of it that are damaged, by name.
///
/// # Errors
/// When the disk fails.
pub fn damaged(disk: &mut dyn Disk) -> Result<Vec<&'static str>, DiskError> {
    let mut found = Vec::new();
    for name in FILES {
        if disk.read(name)?.is_some_and(|bytes| open(&bytes).is_err()) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Replaces it.
///
/// # Errors
/// When the disk fails; what was saved before stays.
pub(crate) fn write(text: &str, disk: &mut dyn Disk) -> Result<(), DiskError> {
    let sealed = seal(text);
    disk.write(FILES[0], &sealed)?;
    // It is saved. A copy that cannot be written now is made at the next start.
    let _best_effort = disk.write(FILES[1], &sealed);
    Ok(())
}

/// `write erase`.
///
/// # Errors
/// When the disk fails.
pub(crate) fn remove(disk: &mut dyn Disk) -> Result<(), DiskError> {
    // In this order: without the first the copy counts for nothing.
    disk.remove(FILES[0])?;
    disk.remove(FILES[1])
}

fn checksum(text: &str) -> String {
    sha256(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seal(text: &str) -> Vec<u8> {
    format!("{MAGIC} {}\n{text}", checksum(text)).into_bytes()
}

/// The text of a file, or what can be read of a damaged one. One of before checksums is taken as it is.
fn open(bytes: &[u8]) -> Result<String, String> {
    // One flipped bit, in the first word or at the end of the line, must not make an old file of it.
    let head_bytes = MAGIC.len() + 1 + 64;
    let is_sealed = bytes.starts_with(MAGIC.as_bytes()) || bytes.get(head_bytes) == Some(&b'\n');
    if !is_sealed {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let (head, text) = bytes.split_at_checked(head_bytes + 1).unwrap_or((bytes, &[]));
    let text = String::from_utf8_lossy(text).into_owned();
    let fits = head == format!("{MAGIC} {}\n", checksum(&text)).as_bytes();
    if fits { Ok(text) } else { Err(text) }
}

#[cfg(test)]
mod tests {
    use rumline_agent::MemoryDisk;

    use super::*;

    #[test]
    fn one_damaged_file_is_mended_from_the_other_and_two_are_told_of() {
        let text = "hostname leaf\nfeature bgp\n";
        for name in FILES {
            let mut whole = MemoryDisk::default();
            write(text, &mut whole).unwrap();
            let length = whole.files[name].len();
            for bit in 0..length * 8 {
                let mut disk = whole.clone();
                disk.files.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
                let found = read(&mut disk).unwrap();
                assert_eq!(found.text.as_deref(), Some(text), "bit {bit} of {name}");
                let damage = found.damage.unwrap_or_default();
                assert!(damage.starts_with(name), "bit {bit} of {name}: {damage}");
                assert_eq!(disk.files, whole.files, "mended");
            }
        }
        let mut disk = MemoryDisk::default();
        write(text, &mut disk).unwrap();
        for name in FILES {
            *disk.files.get_mut(name).unwrap().last_mut().unwrap() = b'!';
        }
        let found = read(&mut disk).unwrap();
        assert!(found.damage.unwrap().contains("save the configuration anew"));
        assert_eq!(found.text.as_deref(), Some("hostname leaf\nfeature bgp!"));
    }

    #[test]
    fn it_is_old_or_new_at_every_cut_and_gone_after_an_erase() {
        let (old, new) = ("hostname old\n", "hostname new\n");
        let mut disk = MemoryDisk::default();
        assert_eq!(read(&mut disk).unwrap(), Found::default());
        write(old, &mut disk).unwrap();
        // Between the two files, as after a power cut there.
        disk.files.insert(FILES[0].to_owned(), seal(new));
        assert_eq!(read(&mut disk).unwrap(), Found { text: Some(new.to_owned()), damage: None });
        assert_eq!(disk.files[FILES[1]], seal(new));
        disk.files.remove(FILES[0]);
        assert_eq!(read(&mut disk).unwrap(), Found::default());
        assert!(disk.files.is_empty());
        // One of before checksums.
        disk.files.insert(FILES[0].to_owned(), old.as_bytes().to_vec());
        assert_eq!(read(&mut disk).unwrap().text.as_deref(), Some(old));
        remove(&mut disk).unwrap();
        assert_eq!(read(&mut disk).unwrap(), Found::default());
    }
}
