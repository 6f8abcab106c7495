//! The devices of a switch: copied where it is a pair.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rumline_switch::Devices;
use rumline_switch::pair::{Copied, Place, SharedMirror};

use super::Powered;
use crate::world::Node;

impl Node {
    /// Does something with the switch's disks and its chance.
    pub(crate) fn on_devices<T>(&mut self, work: impl FnOnce(&mut Devices<'_>) -> T) -> T {
        let (store, flash) = (&mut self.store, &mut self.flash);
        let Some(pair) = &self.pair else {
            return work(&mut Devices { store, flash, random: &mut self.random });
        };
        let copied = |disk, place| {
            let mirror: SharedMirror = pair.mirror.clone();
            Copied::to(Powered { disk, power: Arc::clone(&pair.power) }, place, mirror)
        };
        let (mut store, mut flash) = (copied(store, Place::Store), copied(flash, Place::Flash));
        work(&mut Devices { store: &mut store, flash: &mut flash, random: &mut self.random })
    }

    pub(crate) fn has_no_power(&self) -> bool {
        self.pair.as_ref().is_some_and(|pair| !pair.power.load(Ordering::Relaxed))
    }

    /// There is room again.
    pub(crate) fn disks_freed(&mut self) {
        self.store.full = false;
        if let Some(pair) = &self.pair {
            // It may have become the standby meanwhile.
            pair.mirror().other.store.full = false;
        }
    }

    /// The serial numbers under which it may be known.
    pub(crate) fn serials(&self) -> Vec<String> {
        match &self.pair {
            Some(pair) => pair.serials.clone(),
            None => vec![self.hardware.serial.clone()],
        }
    }
}
