//! SFTP. A file is read whole when it is opened, and is whole when it is closed: what breaks off leaves what was there.

use std::collections::BTreeMap;

use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode,
};
use russh_sftp::server::{Handler, StatusReply};

use tokio::sync::oneshot;

use super::files::{
    FILE_BYTES_MAX, FileAnswer, FileError, FileRequest, Files, Named, named, too_large,
};

/// Files and listings that are open at a time.
const OPEN_MAX: usize = 4;
/// What is read at a time at most, in bytes.
const PIECE_BYTES_MAX: usize = 256 << 10;

/// What a handle stands for.
enum Opened {
    /// A listing, until it was read.
    Directory(Option<Vec<(String, u64)>>),
    File {
        name: String,
        bytes: Vec<u8>,
        is_changed: bool,
        appends: bool,
    },
    /// A file that did not take all that was to be in it: it is not written.
    Broken,
}

/// The SFTP of one client.
pub(super) struct Sftp {
    files: Files,
    open: BTreeMap<String, Opened>,
    last: u64,
    /// Dropped with it, when the client has ended.
    _ended: oneshot::Sender<()>,
}

impl From<FileError> for StatusReply {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NotFound => StatusCode::NoSuchFile.into(),
            FileError::Denied => StatusCode::PermissionDenied.into(),
            FileError::Failed(text) => StatusCode::Failure.with_message(text),
        }
    }
}

fn status(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Ok".to_owned(),
        language_tag: "en-US".to_owned(),
    }
}

fn of_file(size_bytes: u64) -> FileAttributes {
    FileAttributes {
        size: Some(size_bytes),
        permissions: Some(0o100_644),
        ..FileAttributes::empty()
    }
}

fn of_directory() -> FileAttributes {
    FileAttributes { permissions: Some(0o040_755), ..FileAttributes::empty() }
}

fn file_named(path: &str) -> Result<String, FileError> {
    match named(path)? {
        Named::File(name) => Ok(name),
        Named::Directory => Err(FileError::Failed("it is a directory".to_owned())),
    }
}

impl Sftp {
    /// With what tells of its end.
    pub(super) fn new(files: Files) -> (Self, oneshot::Receiver<()>) {
        let (ended, end) = oneshot::channel();
        (Self { files, open: BTreeMap::new(), last: 0, _ended: ended }, end)
    }

    fn keep(&mut self, id: u32, opened: Opened) -> Result<Handle, FileError> {
        if self.open.len() >= OPEN_MAX {
            return Err(FileError::Failed(format!("more than {OPEN_MAX} files are open")));
        }
        self.last += 1;
        let handle = self.last.to_string();
        self.open.insert(handle.clone(), opened);
        Ok(Handle { id, handle })
    }

    async fn attributes(&self, path: &str) -> Result<FileAttributes, FileError> {
        match named(path)? {
            Named::Directory => Ok(of_directory()),
            Named::File(name) => match self.files.ask(FileRequest::Size(name)).await? {
                FileAnswer::Size(size) => Ok(of_file(size)),
                _ => Err(FileError::NotFound),
            },
        }
    }

    fn opened(&mut self, handle: &str) -> Result<&mut Opened, FileError> {
        let unknown = || FileError::Failed("no such handle".to_owned());
        self.open.get_mut(handle).ok_or_else(unknown)
    }
}

impl Handler for Sftp {
    type Error = StatusReply;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported.into()
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, Self::Error> {
        let name = file_named(&filename)?;
        let writes = flags.intersects(OpenFlags::WRITE | OpenFlags::APPEND);
        if writes {
            self.files.ask(FileRequest::MayWrite(name.clone())).await?;
        }
        let there = match self.files.ask(FileRequest::Size(name.clone())).await {
            Ok(_) => true,
            Err(FileError::NotFound) if writes && flags.contains(OpenFlags::CREATE) => false,
            Err(error) => return Err(error.into()),
        };
        if there && flags.contains(OpenFlags::EXCLUDE) {
            return Err(FileError::Failed("the file exists".to_owned()).into());
        }
        let is_new = !there || writes && flags.contains(OpenFlags::TRUNCATE);
        let bytes = if is_new { Vec::new() } else { self.files.read(&name).await? };
        let appends = flags.contains(OpenFlags::APPEND);
        Ok(self.keep(id, Opened::File { name, bytes, is_changed: is_new, appends })?)
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, Self::Error> {
        self.opened(&handle)?;
        if let Some(Opened::Broken) = self.open.get(&handle) {
            self.open.remove(&handle);
            return Err(too_large().into());
        }
        if let Some(Opened::File { name, bytes, is_changed: true, .. }) = self.open.remove(&handle)
        {
            self.files.ask(FileRequest::Write(name, bytes)).await?;
        }
        Ok(status(id))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, Self::Error> {
        let Opened::File { bytes, .. } = self.opened(&handle)? else {
            return Err(StatusCode::Failure.into());
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
        let piece = &bytes[start..bytes.len().min(start.saturating_add(len))];
        if piece.is_empty() {
            return Err(StatusCode::Eof.into());
        }
        Ok(Data { id, data: piece.to_vec() })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, Self::Error> {
        let Opened::File { bytes, is_changed, appends, .. } = self.opened(&handle)? else {
            return Err(StatusCode::Failure.into());
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let start = if *appends { bytes.len() } else { start };
        let end = start.saturating_add(data.len());
        if end > FILE_BYTES_MAX {
            self.open.insert(handle, Opened::Broken);
            return Err(too_large().into());
        }
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(&data);
        *is_changed = true;
        Ok(status(id))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, Self::Error> {
        Ok(Attrs { id, attrs: self.attributes(&path).await? })
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, Self::Error> {
        self.stat(id, path).await
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, Self::Error> {
        let attrs = match self.opened(&handle)? {
            Opened::Directory(_) => of_directory(),
            Opened::Broken => return Err(too_large().into()),
            Opened::File { bytes, .. } => of_file(bytes.len() as u64),
        };
        Ok(Attrs { id, attrs })
    }

    // Times and permissions are kept by nobody here; clients that set them after a copy are to succeed.
    async fn setstat(
        &mut self,
        id: u32,
        path: String,
        attrs: FileAttributes,
    ) -> Result<Status, Self::Error> {
        if attrs.size.is_some() {
            return Err(StatusCode::OpUnsupported.into());
        }
        self.attributes(&path).await?;
        Ok(status(id))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attrs: FileAttributes,
    ) -> Result<Status, Self::Error> {
        if let Opened::File { bytes, is_changed, .. } = self.opened(&handle)?
            && let Some(size) = attrs.size.and_then(|size| usize::try_from(size).ok())
        {
            if size > FILE_BYTES_MAX {
                self.open.insert(handle, Opened::Broken);
                return Err(too_large().into());
            }
            *is_changed |= size != bytes.len();
            bytes.resize(size, 0);
        }
        Ok(status(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, Self::Error> {
        let Named::Directory = named(&path)? else { return Err(FileError::NotFound.into()) };
        let FileAnswer::Names(names) = self.files.ask(FileRequest::List).await? else {
            return Err(StatusCode::Failure.into());
        };
        Ok(self.keep(id, Opened::Directory(Some(names)))?)
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, Self::Error> {
        let Opened::Directory(names) = self.opened(&handle)? else {
            return Err(StatusCode::Failure.into());
        };
        let names = names.take().ok_or(StatusReply::from(StatusCode::Eof))?;
        let file = |(name, size): (String, u64)| File {
            longname: format!("-rw-r--r--    1 admin    network-admin {size:>10} {name}"),
            filename: name,
            attrs: of_file(size),
        };
        Ok(Name { id, files: names.into_iter().map(file).collect() })
    }

    async fn remove(&mut self, id: u32, filename: String) -> Result<Status, Self::Error> {
        self.files.ask(FileRequest::Remove(file_named(&filename)?)).await?;
        Ok(status(id))
    }

    async fn rename(
        &mut self,
        id: u32,
        oldpath: String,
        newpath: String,
    ) -> Result<Status, Self::Error> {
        let request = FileRequest::Rename(file_named(&oldpath)?, file_named(&newpath)?);
        self.files.ask(request).await?;
        Ok(status(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, Self::Error> {
        let (filename, attrs) = match named(&path)? {
            Named::Directory => ("/".to_owned(), of_directory()),
            Named::File(name) => (format!("/{name}"), FileAttributes::empty()),
        };
        Ok(Name { id, files: vec![File { longname: filename.clone(), filename, attrs }] })
    }
}
