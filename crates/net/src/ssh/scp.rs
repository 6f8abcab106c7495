//! The older protocol of `scp`: a line for each file, its bytes, a zero for "go on".

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::files::{FILE_BYTES_MAX, FileError, FileRequest, Files, Named, named, too_large};

/// The longest line of it, in bytes.
const LINE_BYTES_MAX: usize = 1_024;

/// What the other side wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scp {
    /// To send files to this path.
    Sink(String),
    /// To have the file of this path.
    Source(String),
}

impl Scp {
    /// Reads `scp -t PATH` and `scp -f PATH`; none where it is another command.
    pub(super) fn parse(command: &str) -> Option<Self> {
        let rest = command.trim().strip_prefix("scp ")?;
        let mut way = None;
        let mut words = rest.split_whitespace().peekable();
        while let Some(flags) = words.peek().and_then(|word| word.strip_prefix('-')) {
            words.next();
            match flags {
                "-" => break,
                _ if flags.contains('t') => way = Some(true),
                _ if flags.contains('f') => way = Some(false),
                _ => {}
            }
        }
        let path = words.collect::<Vec<_>>().join(" ");
        let path = path.trim_matches(['\'', '"']).to_owned();
        Some(if way? { Self::Sink(path) } else { Self::Source(path) })
    }
}

type Moved = Result<(), FileError>;

/// Carries it out; what went wrong is told to the other side. Whether all of it went well.
pub(super) async fn run<S>(stream: &mut S, files: Files, scp: Scp) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let moved = match scp {
        Scp::Sink(path) => sink(stream, &files, &path).await,
        Scp::Source(path) => source(stream, &files, &path).await,
    };
    let Err(error) = &moved else { return true };
    // Whoever went away is told nothing.
    let _told = stream.write_all(format!("\x01scp: {error}\n").as_bytes()).await.is_ok();
    let _told = stream.flush().await.is_ok();
    false
}

fn broken(_: std::io::Error) -> FileError {
    FileError::Failed("lost connection".to_owned())
}

async fn go_on(stream: &mut (impl AsyncWrite + Unpin)) -> Moved {
    stream.write_all(&[0]).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

/// The zero of the other side.
async fn expect_go_on(stream: &mut (impl AsyncRead + Unpin)) -> Moved {
    match stream.read_u8().await.map_err(broken)? {
        0 => Ok(()),
        _ => Err(FileError::Failed("the other side refused".to_owned())),
    }
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<String>, FileError> {
    let mut line = Vec::new();
    while line.len() < LINE_BYTES_MAX {
        match stream.read_u8().await {
            Ok(b'\n') => return Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            Ok(byte) => line.push(byte),
            Err(_) if line.is_empty() => return Ok(None),
            Err(error) => return Err(broken(error)),
        }
    }
    Err(FileError::Failed("protocol error: line too long".to_owned()))
}

async fn sink(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    files: &Files,
    path: &str,
) -> Moved {
    let target = named(path)?;
    go_on(stream).await?;
    while let Some(line) = line(stream).await? {
        let error = || FileError::Failed(format!("protocol error: {line:?}"));
        match line.as_bytes().first() {
            // Times.
            Some(b'T') => {}
            Some(b'C') => {
                let mut words = line[1..].splitn(3, ' ');
                let (_, size, name) = (words.next(), words.next(), words.next());
                let size: usize = size.and_then(|size| size.parse().ok()).ok_or_else(error)?;
                if size > FILE_BYTES_MAX {
                    return Err(too_large());
                }
                let name = match &target {
                    Named::File(name) => name.clone(),
                    Named::Directory => match named(name.ok_or_else(error)?)? {
                        Named::File(name) => name,
                        Named::Directory => return Err(error()),
                    },
                };
                go_on(stream).await?;
                let mut bytes = Vec::new();
                let mut rest = (&mut *stream).take(size as u64);
                rest.read_to_end(&mut bytes).await.map_err(broken)?;
                if bytes.len() < size {
                    return Err(FileError::Failed("lost connection".to_owned()));
                }
                expect_go_on(stream).await?;
                files.ask(FileRequest::Write(name, bytes)).await?;
            }
            Some(b'D') => {
                return Err(FileError::Failed("bootflash: has no directories".to_owned()));
            }
            Some(1 | 2) => return Err(FileError::Failed("the other side gave up".to_owned())),
            _ => return Err(error()),
        }
        go_on(stream).await?;
    }
    Ok(())
}

async fn source(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    files: &Files,
    path: &str,
) -> Moved {
    expect_go_on(stream).await?;
    let Named::File(name) = named(path)? else {
        return Err(FileError::Failed(format!("{path}: not a regular file")));
    };
    let bytes = files.read(&name).await?;
    // The other side compares it with the end of what it asked for.
    let told = path.rsplit('/').next().filter(|told| !told.is_empty()).unwrap_or(&name);
    let head = format!("C0644 {} {told}\n", bytes.len());
    stream.write_all(head.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    expect_go_on(stream).await?;
    stream.write_all(&bytes).await.map_err(broken)?;
    go_on(stream).await?;
    expect_go_on(stream).await
}

#[cfg(test)]
mod tests {
    use super::Scp;

    #[test]
    fn the_two_ways_are_told_apart() {
        let path = "bootflash:a.txt".to_owned();
        assert_eq!(Scp::parse("scp -t bootflash:a.txt"), Some(Scp::Sink(path.clone())));
        assert_eq!(Scp::parse("scp -v -p -t -- 'bootflash:a.txt'"), Some(Scp::Sink(path.clone())));
        assert_eq!(Scp::parse("scp -pf bootflash:a.txt"), Some(Scp::Source(path)));
        for other in ["scp a b", "show version", "scp", "scpx -t a"] {
            assert_eq!(Scp::parse(other), None, "{other}");
        }
    }
}
