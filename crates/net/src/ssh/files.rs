//! Files as clients of SSH name and move them: one flat directory, bootflash:.

use std::net::IpAddr;

use tokio::sync::{mpsc, oneshot};

use super::SshEvent;

/// The largest file that is moved, in bytes.
pub(super) const FILE_BYTES_MAX: usize = 32 << 20;

/// What a client wants of the files.
#[derive(Debug)]
pub enum FileRequest {
    /// Whether one may be written.
    MayWrite(String),
    /// All of them.
    List,
    /// How long one is.
    Size(String),
    /// What is in one.
    Read(String),
    /// One is to hold this.
    Write(String, Vec<u8>),
    /// One is to go.
    Remove(String),
    /// One is to be called otherwise.
    Rename(String, String),
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// It is done.
    Done,
    /// Names and lengths in bytes.
    Names(Vec<(String, u64)>),
    /// A length in bytes.
    Size(u64),
    /// What is in a file.
    Bytes(Vec<u8>),
}

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("No such file or directory")]
    NotFound,
    /// The role may not.
    #[error("Permission denied")]
    Denied,
    /// A sentence.
    #[error("{0}")]
    Failed(String),
}

/// The files, for one who has logged in.
#[derive(Clone)]
pub(super) struct Files {
    pub events: mpsc::Sender<SshEvent>,
    pub login: String,
    pub from: IpAddr,
}

impl Files {
    pub(super) async fn ask(&self, request: FileRequest) -> Result<FileAnswer, FileError> {
        let gone = || FileError::Failed("the switch is gone".to_owned());
        let (answer, answered) = oneshot::channel();
        let (login, from) = (self.login.clone(), self.from);
        let event = SshEvent::File { login, from, request, answer };
        self.events.send(event).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    pub(super) async fn read(&self, name: &str) -> Result<Vec<u8>, FileError> {
        match self.ask(FileRequest::Size(name.to_owned())).await? {
            FileAnswer::Size(size) if size > FILE_BYTES_MAX as u64 => Err(too_large()),
            _ => match self.ask(FileRequest::Read(name.to_owned())).await? {
                FileAnswer::Bytes(bytes) => Ok(bytes),
                _ => Err(FileError::NotFound),
            },
        }
    }
}

pub(super) fn too_large() -> FileError {
    FileError::Failed(format!("File too large: more than {} MiB", FILE_BYTES_MAX >> 20))
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// bootflash: itself.
    Directory,
    /// A file on it.
    File(String),
}

/// What a path names: `bootflash:a`, `/bootflash/a`, `/a` and `a` are the same.
pub(super) fn named(path: &str) -> Result<Named, FileError> {
    let path = path.strip_prefix("bootflash:").unwrap_or(path);
    let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != ".").peekable();
    if path.starts_with('/') && parts.peek() == Some(&"bootflash") {
        parts.next();
    }
    match (parts.next(), parts.next()) {
        (None, _) => Ok(Named::Directory),
        (Some(".."), None) => Ok(Named::Directory),
        (Some(name), None) => Ok(Named::File(name.to_owned())),
        _ => Err(FileError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_several_paths() {
        let file = |name: &str| Ok(Named::File(name.to_owned()));
        for path in [
            "a.txt",
            "/a.txt",
            "./a.txt",
            "bootflash:a.txt",
            "bootflash:///a.txt",
            "/bootflash/a.txt",
        ] {
            assert_eq!(named(path), file("a.txt"), "{path}");
        }
        for path in ["", ".", "/", "./", "bootflash:", "/bootflash", "/bootflash/.", ".."] {
            assert_eq!(named(path), Ok(Named::Directory), "{path}");
        }
        assert_eq!(named("bootflash"), file("bootflash"));
        for path in ["../etc/passwd", "a/b", "/x/bootflash"] {
            assert_eq!(named(path), Err(FileError::NotFound), "{path}");
        }
    }
}
