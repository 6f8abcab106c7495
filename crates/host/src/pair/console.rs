//! The console of the supervisor that waits: it shows the chassis as the copy knows it, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use rumline_agent::{Disk, DiskError};
use rumline_protocol::Udi;
use rumline_switch::pair::Place;
use rumline_switch::{OtherState, OtherSupervisor, Redundancy};

use super::Supervisor;
use super::fill::{folder_of, names_of};
use super::pause;
use super::standby::Shared;
use crate::{Host, Setup};

/// How often it is looked whether the copy is whole.
const LOOK: Duration = Duration::from_millis(50);

/// Between two attempts to open it.
const AGAIN: Duration = Duration::from_secs(1);

/// A disk that reads what lies in a folder, and keeps what is written to itself.
pub(crate) struct CopyOf {
    dir: PathBuf,
    place: Place,
    /// What was written; none for what was removed.
    written: BTreeMap<String, Option<Vec<u8>>>,
}

impl CopyOf {
    fn new(dir: &Path, place: Place) -> Self {
        Self { dir: dir.to_owned(), place, written: BTreeMap::new() }
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let mut content = self.read(name)?.unwrap_or_default();
        content.extend_from_slice(bytes);
        self.write(name, &content)
    }
}

impl Disk for CopyOf {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        if let Some(written) = self.written.get(name) {
            return Ok(written.clone());
        }
        rumline_net::read_private(&folder_of(&self.dir, self.place).join(name))
            .map_err(|error| DiskError::Other(error.to_string()))
    }

    fn size_bytes(&mut self, name: &str) -> Result<Option<u64>, DiskError> {
        if let Some(written) = self.written.get(name) {
            return Ok(written.as_ref().map(|bytes| bytes.len() as u64));
        }
        let found = fs::metadata(folder_of(&self.dir, self.place).join(name));
        Ok(found.ok().map(|found| found.len()))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.written.insert(name.to_owned(), Some(bytes.to_vec()));
        Ok(())
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.write(name, bytes)
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.add(name, bytes)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.add(name, bytes)
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.written.insert(name.to_owned(), None);
        Ok(())
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        let lying = names_of(&self.dir, self.place);
        let lying = lying.map_err(|error| DiskError::Other(error.to_string()))?;
        let mut names: BTreeSet<String> = lying.into_iter().collect();
        for (name, written) in &self.written {
            if written.is_some() {
                names.insert(name.clone());
            } else {
                names.remove(name);
            }
        }
        let inside =
            |name: &String| name.strip_prefix(prefix).is_some_and(|rest| !rest.contains('/'));
        Ok(names.into_iter().filter(inside).collect())
    }
}

/// What a console shows.
pub(crate) struct Shown {
    pub setup: Setup,
    pub redundancy: Redundancy,
    shared: Shared,
}

impl Shown {
    pub(crate) fn disks(&self) -> (CopyOf, CopyOf) {
        let dir = &self.setup.dir;
        (CopyOf::new(dir, Place::Store), CopyOf::new(dir, Place::Flash))
    }

    /// How many changes the copy has taken.
    pub(crate) fn changes(&self) -> u64 {
        self.shared.changes()
    }
}

/// Serves the console whenever the copy is whole, until that is over. Nothing is brought up before somebody comes.
pub(crate) fn serve(supervisor: &Supervisor, shared: &Shared) {
    let Some(address) = supervisor.setup.ssh else { return };
    while !shared.is_over() {
        let served = match shared.active_in_step() {
            Some(active) => listen(supervisor, shared, address, &active),
            None => Ok(()),
        };
        if let Err(error) = served {
            tracing::warn!("the console of the standby supervisor: {error:#}");
            pause(AGAIN);
        }
        pause(LOOK);
    }
}

/// Waits until somebody comes, and serves until the copy is not whole any more.
fn listen(
    supervisor: &Supervisor,
    shared: &Shared,
    address: SocketAddr,
    active: &Udi,
) -> Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let first = loop {
        if shared.active_in_step().as_ref() != Some(active) {
            return Ok(());
        }
        match listener.accept() {
            Ok(first) => break first,
            Err(_) => pause(LOOK),
        }
    };
    let mut setup = supervisor.setup.clone();
    setup.hardware.serial.clone_from(&active.serial);
    setup.console = false;
    let own = supervisor.own.udi.clone();
    let other = Some(OtherSupervisor { udi: own, state: OtherState::Standby });
    let slot = supervisor.pair.slot.other();
    let redundancy = Redundancy { slot, other, is_copy: true };
    run(Shown { setup, redundancy, shared: shared.clone() }, listener, first, active)
}

fn run(
    shown: Shown,
    listener: TcpListener,
    (first, from): (TcpStream, SocketAddr),
    active: &Udi,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = shown.shared.clone();
    let served = runtime.block_on(async {
        let host = Host::start_on_copy(shown)?;
        let ssh = host.ssh();
        first.set_nonblocking(true)?;
        ssh.serve(tokio::net::TcpStream::from_std(first)?, from.ip());
        tokio::spawn(ssh.run(tokio::net::TcpListener::from_std(listener)?));
        let ended = async move {
            while shared.active_in_step().as_ref() == Some(active) {
                tokio::time::sleep(LOOK).await;
            }
        };
        host.serve_in_pair(ended).await;
        Ok(())
    });
    runtime.shutdown_background();
    served
}
