//! Files on their way in and out: on disk, since they may be larger than memory. Those that are kept lie in the folder, beside a SQLite
//! database; or in a PostgreSQL, so that another process over it can go on with them.

use std::fs::{File, Permissions};
use std::io::{BufReader, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::multipart::Multipart;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use rumline_protocol::{Timestamp, is_wrapped, plain};
use rumline_server::{Error, KeptInDb};

use crate::download::attachment;
use crate::problem::Problem;

/// The largest file taken, in bytes.
const FILE_BYTES_MAX: u64 = 8 << 30;

/// The largest file that is unwrapped, and the beginning that shows whether one is wrapped, in bytes.
const WRAPPED_BYTES_MAX: u64 = 256 << 20;
const HEAD_BYTES: u64 = 64 << 10;

/// A file that several processes share and that nobody asks for is kept so long, in seconds.
const LEFT_SECONDS: i64 = 86_400;

/// The longest field of a form that is no file, in bytes.
const FIELD_BYTES_MAX: usize = 4096;

/// A directory for files on their way; what is kept under a name survives a crash.
#[derive(Clone)]
pub struct Spool {
    dir: Arc<Path>,
    /// Where several processes work with what is kept.
    shared: Option<KeptInDb>,
}

/// A file that has come in, without a name until it is kept.
pub(crate) struct Incoming {
    /// What its sender called it.
    pub name: String,
    file: tempfile::NamedTempFile,
}

impl Incoming {
    /// The whole file in memory, if it is not larger than that.
    pub(crate) fn bytes(&self, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut reader = self.reader().map_err(Error::Unwritten)?.take(bytes_max + 1);
        reader.read_to_end(&mut bytes).map_err(Error::Unwritten)?;
        if bytes.len() as u64 > bytes_max {
            return Err(Error::TooLarge { bytes_max });
        }
        Ok(bytes)
    }

    /// Its length.
    pub(crate) fn bytes_len(&self) -> std::io::Result<u64> {
        Ok(self.file.as_file().metadata()?.len())
    }

    /// The same file without what people's tools have wrapped it in.
    pub(crate) fn unwrapped(mut self) -> Result<Self, Error> {
        let mut head = Vec::new();
        let reader = self.reader().map_err(Error::Unwritten)?;
        reader.take(HEAD_BYTES).read_to_end(&mut head).map_err(Error::Unwritten)?;
        if is_wrapped(&head) {
            let bytes = self.bytes(WRAPPED_BYTES_MAX)?;
            let plain = plain(&bytes).map_err(|error| Error::invalid(error.to_string()))?;
            let file = self.file.as_file_mut();
            let written = file.set_len(0).and_then(|()| file.rewind());
            written.and_then(|()| file.write_all(&plain)).map_err(Error::Unwritten)?;
        }
        Ok(self)
    }

    pub(crate) fn reader(&self) -> std::io::Result<BufReader<File>> {
        let mut file = self.file.reopen()?;
        file.rewind()?;
        Ok(BufReader::with_capacity(256 << 10, file))
    }

    /// The same file once more, under another name.
    pub(crate) fn twin(&self, spool: &Spool) -> std::io::Result<Self> {
        let linked = tempfile::Builder::new().make_in(&spool.dir, |path| {
            // Where a file system has no second names, it is copied.
            if std::fs::hard_link(self.file.path(), path).is_err() {
                std::fs::copy(self.file.path(), path)?;
            }
            File::options().read(true).write(true).open(path)
        })?;
        Ok(Self { name: self.name.clone(), file: linked })
    }

    /// Keeps the file under a name of the server's own.
    pub(crate) fn keep(self, spool: &Spool, name: &str) -> std::io::Result<()> {
        if let Some(shared) = &spool.shared {
            // Somebody may have brought the same before.
            if shared.has(name).map_err(std::io::Error::other)? {
                return Ok(());
            }
            return shared.keep(now(), name, &mut self.reader()?).map_err(std::io::Error::other);
        }
        self.file.as_file().sync_all()?;
        self.file.persist(spool.dir.join(name)).map_err(|error| error.error)?;
        File::open(&spool.dir)?.sync_all()
    }
}

/// What time it is: files have the times of the file system, wherever they lie.
fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    Timestamp(i64::try_from(since).unwrap_or(i64::MAX))
}

/// What could not be done is told in the log, and tried again some day.
fn told<T: Default>(outcome: Result<T, Error>, name: &str) -> T {
    outcome.unwrap_or_else(|error| {
        tracing::warn!(%error, name, "files that are kept could not be looked after");
        T::default()
    })
}

fn failed(error: impl std::fmt::Display) -> Problem {
    tracing::warn!(%error, "a file could not be kept");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the file could not be kept: {error}"))
}

/// A field of a form that is no file.
async fn short_text(mut field: axum::extract::multipart::Field<'_>) -> Result<String, Problem> {
    let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, format!("not a form: {why}"));
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| bad(error.to_string()))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > FIELD_BYTES_MAX {
            return Err(bad("a field of it is too long".to_owned()));
        }
    }
    String::from_utf8(bytes).map_err(|_| bad("a field of it is no text".to_owned()))
}

impl Spool {
    /// A spool in a directory, which is made if it is not there; what other processes work with too lies elsewhere. Files without a name
    /// are removed.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(dir: PathBuf, shared: Option<KeptInDb>) -> std::io::Result<Self> {
        // What people upload is nobody else's business.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(".tmp") {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { dir: dir.into(), shared })
    }

    /// Whether other processes work with what is kept.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// A kept file.
    pub(crate) fn reader(&self, name: &str) -> std::io::Result<BufReader<Box<dyn Read + Send>>> {
        let file: Box<dyn Read + Send> = match &self.shared {
            Some(shared) => Box::new(shared.reader(name)?),
            None => Box::new(File::open(self.dir.join(name))?),
        };
        Ok(BufReader::with_capacity(256 << 10, file))
    }

    /// Whether a kept file can be read to its end: what is wrong with it then is in it, and not in what it is read from.
    pub(crate) fn is_readable(&self, name: &str) -> bool {
        if self.shared.is_none() {
            return true;
        }
        let read = self.reader(name);
        read.and_then(|mut file| std::io::copy(&mut file, &mut std::io::sink())).is_ok()
    }

    /// A kept file, on disk.
    pub(crate) fn file(&self, name: &str) -> std::io::Result<File> {
        if self.shared.is_none() {
            return File::open(self.dir.join(name));
        }
        let mut copy = self.scratch()?;
        std::io::copy(&mut self.reader(name)?, &mut copy)?;
        copy.rewind()?;
        Ok(copy)
    }

    /// Removes a kept file; one that is gone already is fine.
    pub(crate) fn remove(&self, name: &str) {
        if let Some(shared) = &self.shared {
            return told(shared.remove(name), name);
        }
        if let Err(error) = std::fs::remove_file(self.dir.join(name))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, name, "a file could not be removed");
        }
    }

    /// Removes what nobody will ask for: all named files but these, and those whose names begin so. Only at a start, while
    /// none is being kept; where others may be keeping some, what is old goes instead.
    pub(crate) fn keep_only(&self, names: &[String], prefix: Option<&str>) {
        if let Some(shared) = &self.shared {
            let old = told(shared.older_than(now(), LEFT_SECONDS), "");
            let is_of_kind = |name: &String| prefix.is_some_and(|prefix| name.starts_with(prefix));
            old.iter()
                .filter(|name| !names.contains(name) && !is_of_kind(name))
                .for_each(|name| self.remove(name));
            return;
        }
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_of_kind = prefix.is_some_and(|prefix| name.starts_with(prefix));
            if !name.starts_with(".tmp") && !is_of_kind && !names.contains(&name) {
                self.remove(&name);
            }
        }
    }

    /// Whether a file is kept under a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.shared {
            Some(shared) => told(shared.has(name), name),
            None => self.dir.join(name).exists(),
        }
    }

    /// The names of kept files that begin so.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        if let Some(shared) = &self.shared {
            return told(shared.names(prefix), prefix);
        }
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(prefix)).collect()
    }

    /// Keeps a copy of a file under a name.
    pub(crate) fn keep_copy(&self, file: &mut File, name: &str) -> std::io::Result<()> {
        file.rewind()?;
        if let Some(shared) = &self.shared {
            return shared.keep(now(), name, file).map_err(std::io::Error::other);
        }
        let mut copy = tempfile::NamedTempFile::new_in(&self.dir)?;
        std::io::copy(file, copy.as_file_mut())?;
        copy.as_file().sync_all()?;
        copy.persist(self.dir.join(name)).map(drop).map_err(|error| error.error)
    }

    /// Removes files whose names begin so and that are older than some seconds.
    pub(crate) fn forget_old(&self, prefix: &str, seconds: u32) {
        if let Some(shared) = &self.shared {
            let old = told(shared.older_than(now(), seconds.into()), prefix);
            let of_kind = old.iter().filter(|name| name.starts_with(prefix));
            return of_kind.for_each(|name| self.remove(name));
        }
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let written = entry.metadata().and_then(|data| data.modified());
            let age = written.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
            if name.starts_with(prefix) && age.as_secs() > seconds.into() {
                self.remove(&name);
            }
        }
    }

    /// A file that is gone as soon as nobody holds it.
    pub(crate) fn scratch(&self) -> std::io::Result<File> {
        tempfile::tempfile_in(&self.dir)
    }

    /// Takes in a body whose name stands elsewhere.
    pub(crate) async fn body(&self, name: String, body: Body) -> Result<Incoming, Problem> {
        self.stream(name, body.into_data_stream()).await
    }

    /// Takes in the file of a form; its other fields come before it.
    pub(crate) async fn form(
        &self,
        mut form: Multipart,
        mut field_found: impl FnMut(&str, String),
    ) -> Result<Incoming, Problem> {
        let bad = |error| Problem::new(StatusCode::BAD_REQUEST, format!("not a form: {error}"));
        while let Some(field) = form.next_field().await.map_err(bad)? {
            let name = field.name().unwrap_or_default().to_owned();
            match field.file_name().map(str::to_owned) {
                Some(file) if file.is_empty() => {}
                Some(file) => return self.stream(file, field).await,
                None => field_found(&name, short_text(field).await?),
            }
        }
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "choose a file first"))
    }

    async fn stream<E: std::fmt::Display>(
        &self,
        name: String,
        stream: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Incoming, Problem> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(failed)?;
        let mut stream = std::pin::pin!(stream);
        let mut bytes = 0;
        while let Some(chunk) = stream.next().await {
            let cut = |error: E| {
                Problem::new(StatusCode::BAD_REQUEST, format!("the file was cut short: {error}"))
            };
            let chunk = chunk.map_err(cut)?;
            bytes += chunk.len() as u64;
            if bytes > FILE_BYTES_MAX {
                let text = format!("the file has more than {FILE_BYTES_MAX} bytes");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            file.write_all(&chunk).map_err(failed)?;
        }
        Ok(Incoming { name, file })
    }

    /// Sends a scratch file as one to be saved.
    pub(crate) fn send(mut file: File, content_type: &'static str, name: &str) -> Response {
        if let Err(error) = file.rewind() {
            return failed(error).into_response();
        }
        let chunks = futures_util::stream::unfold(file, |mut file| async move {
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; 256 << 10];
                let count = file.read(&mut chunk);
                (
                    file,
                    count.map(|count| {
                        chunk.truncate(count);
                        chunk
                    }),
                )
            });
            match read.await {
                Ok((_, Ok(chunk))) if chunk.is_empty() => None,
                Ok((file, Ok(chunk))) => Some((Ok(Bytes::from(chunk)), file)),
                Ok((file, Err(error))) => Some((Err(error), file)),
                Err(_) => None,
            }
        });
        (attachment(content_type, name), Body::from_stream(chunks)).into_response()
    }
}
