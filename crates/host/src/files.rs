//! Files that clients of SSH move: on bootflash:, with the rules of the command line.

use rumline_agent::{Disk, DiskError};
use rumline_net::{FileAnswer, FileError, FileRequest};
use rumline_switch::FlashPath;

/// A name as it lies on the flash.
fn checked(name: &str) -> Result<String, FileError> {
    match FlashPath::parse(&format!("bootflash:{name}")) {
        Some(FlashPath::Bootflash(name)) if !name.is_empty() => Ok(name),
        _ => Err(FileError::Failed(format!("{name}: letters, digits and . _ - + make a name"))),
    }
}

fn failed(error: DiskError) -> FileError {
    match error {
        DiskError::Full => FileError::Failed("No space left on device".to_owned()),
        other => FileError::Failed(other.to_string()),
    }
}

/// What a request changes, as the accounting log has it; none where it only reads.
pub(crate) fn change(request: &FileRequest) -> Option<String> {
    match request {
        FileRequest::MayWrite(_)
        | FileRequest::List
        | FileRequest::Size(_)
        | FileRequest::Read(_) => None,
        FileRequest::Write(name, _) => Some(format!("copy scp: bootflash:{name}")),
        FileRequest::Remove(name) => Some(format!("delete bootflash:{name}")),
        FileRequest::Rename(from, to) => Some(format!("move bootflash:{from} bootflash:{to}")),
    }
}

/// Carries a request out on the flash.
pub(crate) fn carry_out(
    flash: &mut dyn Disk,
    request: FileRequest,
) -> Result<FileAnswer, FileError> {
    match request {
        FileRequest::MayWrite(_) => Ok(FileAnswer::Done),
        FileRequest::List => {
            let mut names = Vec::new();
            for name in flash.list("").map_err(failed)? {
                let size = flash.size_bytes(&name).map_err(failed)?.unwrap_or(0);
                names.push((name, size));
            }
            Ok(FileAnswer::Names(names))
        }
        FileRequest::Size(name) => {
            let size = flash.size_bytes(&checked(&name)?).map_err(failed)?;
            size.map(FileAnswer::Size).ok_or(FileError::NotFound)
        }
        FileRequest::Read(name) => read(flash, &checked(&name)?).map(FileAnswer::Bytes),
        FileRequest::Write(name, bytes) => {
            flash.write(&checked(&name)?, &bytes).map_err(failed)?;
            Ok(FileAnswer::Done)
        }
        FileRequest::Remove(name) => {
            let name = checked(&name)?;
            flash.size_bytes(&name).map_err(failed)?.ok_or(FileError::NotFound)?;
            flash.remove(&name).map_err(failed)?;
            Ok(FileAnswer::Done)
        }
        FileRequest::Rename(from, to) => {
            let (from, to) = (checked(&from)?, checked(&to)?);
            let bytes = read(flash, &from)?;
            if from != to {
                flash.write(&to, &bytes).map_err(failed)?;
                flash.remove(&from).map_err(failed)?;
            }
            Ok(FileAnswer::Done)
        }
    }
}

fn read(flash: &mut dyn Disk, name: &str) -> Result<Vec<u8>, FileError> {
    flash.read(name).map_err(failed)?.ok_or(FileError::NotFound)
}

#[cfg(test)]
mod tests {
    use rumline_agent::MemoryDisk;

    use super::*;

    #[test]
    fn files_are_written_read_renamed_and_removed() {
        let mut flash = MemoryDisk::default();
        let mut ask = |request| carry_out(&mut flash, request);
        let name = |name: &str| name.to_owned();
        assert_eq!(ask(FileRequest::Size(name("a"))), Err(FileError::NotFound));
        assert_eq!(ask(FileRequest::Write(name("a"), b"one".to_vec())), Ok(FileAnswer::Done));
        assert_eq!(ask(FileRequest::Size(name("a"))), Ok(FileAnswer::Size(3)));
        assert_eq!(ask(FileRequest::Rename(name("a"), name("b"))), Ok(FileAnswer::Done));
        assert_eq!(ask(FileRequest::Rename(name("b"), name("b"))), Ok(FileAnswer::Done));
        assert_eq!(ask(FileRequest::Read(name("b"))), Ok(FileAnswer::Bytes(b"one".to_vec())));
        assert_eq!(ask(FileRequest::Read(name("a"))), Err(FileError::NotFound));
        assert_eq!(ask(FileRequest::List), Ok(FileAnswer::Names(vec![(name("b"), 3)])));
        assert_eq!(ask(FileRequest::Remove(name("b"))), Ok(FileAnswer::Done));
        assert_eq!(ask(FileRequest::Remove(name("b"))), Err(FileError::NotFound));
        for bad in [".hidden", "a/b", "a b", ""] {
            let written = ask(FileRequest::Write(name(bad), Vec::new()));
            assert!(matches!(written, Err(FileError::Failed(_))), "{bad}");
        }
    }

    #[test]
    fn what_changes_something_is_told_as_a_command() {
        let of = |request| change(&request);
        assert_eq!(of(FileRequest::Read("a".to_owned())), None);
        assert_eq!(of(FileRequest::Remove("a".to_owned())).unwrap(), "delete bootflash:a");
        let renamed = FileRequest::Rename("a".to_owned(), "b".to_owned());
        assert_eq!(of(renamed).unwrap(), "move bootflash:a bootflash:b");
        let written = FileRequest::Write("a".to_owned(), Vec::new());
        assert_eq!(of(written).unwrap(), "copy scp: bootflash:a");
    }
}
