//! A network name space: a thread that entered it and opens sockets there. A socket stays where it was opened, whoever uses it.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::oneshot;

/// Where named ones lie.
const FOLDER: &str = "/run/netns";
/// Enough to open a socket.
const STACK_BYTES: usize = 64 << 10;

/// Why a name space is not entered.
#[derive(Debug, thiserror::Error)]
pub enum NameSpaceError {
    /// There is none of the name.
    #[error("there is no network name space {}: {error}", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The right is missing.
    #[error(
        "the network name space {} cannot be entered: {error}. That needs the right CAP_SYS_ADMIN (root); NAME=addr:IP binds \
         a VRF without it",
        path.display()
    )]
    Refused {
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

type Job = Box<dyn FnOnce() + Send>;

/// A name space that was entered.
#[derive(Clone, Debug)]
pub struct NameSpace {
    jobs: mpsc::Sender<Job>,
}

/// The file of a name space: a name of `ip netns`, or a path.
pub(super) fn path_of(name: &str) -> PathBuf {
    if name.contains('/') { name.into() } else { Path::new(FOLDER).join(name) }
}

impl NameSpace {
    /// Enters a name space, once, with a thread of its own.
    ///
    /// # Errors
    /// When there is none, or it may not be entered.
    pub fn enter(path: &Path) -> Result<Self, NameSpaceError> {
        let missing = |error| NameSpaceError::Missing { path: path.to_owned(), error };
        let file = File::open(path).map_err(missing)?;
        let (jobs, wanted) = mpsc::channel::<Job>();
        let (entered, told) = mpsc::channel();
        let work = move || {
            let result = move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
            let is_in = result.is_ok();
            if entered.send(result).is_err() || !is_in {
                return;
            }
            for job in wanted {
                job();
            }
        };
        let refused = |error| NameSpaceError::Refused { path: path.to_owned(), error };
        let builder = std::thread::Builder::new().name("vrf".to_owned()).stack_size(STACK_BYTES);
        builder.spawn(work).map_err(refused)?;
        match told.recv() {
            Ok(Ok(())) => Ok(Self { jobs }),
            Ok(Err(error)) => Err(refused(error.into())),
            Err(_) => Err(refused(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Does something there.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<T> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever asked may be gone.
            let _gone = done.send(work());
        });
        // That it is gone is told by a kind that no socket has.
        self.jobs.send(job).map_err(|_| std::io::ErrorKind::NotFound)?;
        Ok(result.await.map_err(|_| std::io::ErrorKind::NotFound)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_space_that_is_not_there_is_said_to_be_missing() {
        let error = NameSpace::enter(&path_of("no-such-one")).unwrap_err().to_string();
        assert!(error.contains("there is no network name space /run/netns/no-such-one"), "{error}");
    }
}
