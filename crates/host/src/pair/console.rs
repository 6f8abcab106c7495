//! The console of the supervisor that waits: it shows the chassis as the copy knows it, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use rumline_agent::{Disk, DiskError};
use rumline_switch::pair::Place;
use rumline_switch::{OtherState, OtherSupervisor, Redundancy};

use super::Supervisor;
use super::fill::{folder_of, names_of};
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
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner).changes
    }
}

/// Serves the console whenever the copy is whole, until that is over.
pub(crate) fn serve(supervisor: &Supervisor, shared: &Shared) {
    while !shared.is_over.load(Ordering::Relaxed) {
        let active = {
            let known = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.active.clone().filter(|_| known.is_in_step)
        };
        if let Some(active) = active {
            let mut setup = supervisor.setup.clone();
            setup.hardware.serial = active.serial;
            setup.console = false;
            let own = supervisor.own.udi.clone();
            let other = Some(OtherSupervisor { udi: own, state: OtherState::Standby });
            let slot = supervisor.pair.slot.other();
            let redundancy = Redundancy { slot, other, is_copy: true };
            if let Err(error) = run(Shown { setup, redundancy, shared: shared.clone() }) {
                tracing::warn!("the console of the standby supervisor: {error:#}");
                std::thread::sleep(AGAIN);
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn run(shown: Shown) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = shown.shared.clone();
    let served = runtime.block_on(async {
        let address = shown.setup.ssh;
        let host = Host::start_on_copy(shown)?;
        host.listen_for_ssh(address).await?;
        let ended = async move {
            let is_whole = || {
                !shared.is_over.load(Ordering::Relaxed)
                    && shared.known.lock().unwrap_or_else(PoisonError::into_inner).is_in_step
            };
            while is_whole() {
                tokio::time::sleep(LOOK).await;
            }
        };
        host.serve(ended).await;
        Ok(())
    });
    runtime.shutdown_background();
    served
}
