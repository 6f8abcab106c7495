//! A disk of a supervisor that somebody may turn off between two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rumline_agent::{Disk, DiskError};

use crate::disk::SimDisk;

/// The disk, and whether its supervisor has power.
pub(crate) struct Powered<'a> {
    pub disk: &'a mut SimDisk,
    pub power: Arc<AtomicBool>,
}

impl Powered<'_> {
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut SimDisk) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        self.disk.dead |= !self.power.load(Ordering::Relaxed);
        let done = work(self.disk);
        // One that tears a write takes its supervisor with it.
        if self.disk.dead {
            self.power.store(false, Ordering::Relaxed);
        }
        done
    }
}

impl Disk for Powered<'_> {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        self.with(|disk| disk.read(name))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.with(|disk| disk.write(name, bytes))
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.with(|disk| disk.overwrite(name, bytes))
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.with(|disk| disk.extend(name, bytes))
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.with(|disk| disk.append(name, bytes))
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.with(|disk| disk.remove(name))
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        self.with(|disk| disk.list(prefix))
    }
}
