//! Who decides which of two is active: the kernel on one host.

use std::fs::File;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use rumline_switch::Slot;
use rumline_switch::pair::Standing;

use super::chassis::Chassis;

/// The right to speak, and what is written down of it. Held by one supervisor at a time.
pub(crate) struct Arbiter {
    chassis: Chassis,
    slot: Slot,
    serial: String,
    right: Option<File>,
}

/// The same arbiter for all that a supervisor does.
pub(crate) type SharedArbiter = Arc<Mutex<Arbiter>>;

impl Arbiter {
    pub(crate) fn of(chassis: &Chassis, slot: Slot, serial: &str) -> Self {
        Self { chassis: chassis.clone(), slot, serial: serial.to_owned(), right: None }
    }

    pub(crate) fn standing(&self) -> Result<Standing> {
        self.chassis.standing()
    }

    /// Becomes the one that may speak, if nobody is and nothing that was answered for is missing here; `forced` where a
    /// person says so although something is.
    pub(crate) fn take(&mut self, link: &str, forced: bool) -> Result<Option<Standing>> {
        if !forced && !self.standing()?.may_take(self.slot, &self.serial) {
            return Ok(None);
        }
        let Some(right) = self.chassis.take_right()? else { return Ok(None) };
        // Whoever had it until now may have written since.
        let standing = self.standing()?;
        if !forced && !standing.may_take(self.slot, &self.serial) {
            return Ok(None);
        }
        let standing = standing.taken(self.slot, &self.serial, link.to_owned());
        self.chassis.write_standing(&standing)?;
        self.right = Some(right);
        Ok(Some(standing))
    }

    /// Writes down how the other one stands.
    pub(crate) fn note(&mut self, standing: &Standing) -> Result<()> {
        anyhow::ensure!(self.right.is_some(), "this supervisor has no right to speak");
        self.chassis.write_standing(standing)
    }

    /// Gives the right back.
    pub(crate) fn release(&mut self) {
        self.right = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arbiter(chassis: &Chassis, slot: Slot) -> Arbiter {
        Arbiter::of(chassis, slot, &format!("S{}", slot.number()))
    }

    #[test]
    fn one_speaks_and_one_that_misses_something_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let chassis = Chassis::open(dir.path()).unwrap();
        let [mut one, mut two] = Slot::ALL.map(|slot| arbiter(&chassis, slot));
        let mut standing = one.take("a", false).unwrap().unwrap();
        assert!(two.take("b", false).unwrap().is_none(), "somebody speaks");
        assert!(two.take("b", true).unwrap().is_none(), "even then");
        assert!(two.note(&standing).is_err());
        one.release();
        assert!(two.take("b", false).unwrap().is_none(), "it has nothing of what was answered for");
        one = arbiter(&chassis, Slot::One);
        one.take("a", false).unwrap().unwrap();
        standing = one.standing().unwrap();
        standing.note_other(Slot::Two, "S2", true);
        one.note(&standing).unwrap();
        drop(one);
        let mut new = Arbiter::of(&chassis, Slot::Two, "S3");
        assert!(new.take("b", false).unwrap().is_none(), "it was put in in place of the second");
        let taken = two.take("b", false).unwrap().unwrap();
        assert_eq!((taken.active, taken.term), (Some(2), 3));
        drop(two);
        let mut one = arbiter(&chassis, Slot::One);
        assert!(one.take("a", false).unwrap().is_none());
        assert_eq!(one.take("a", true).unwrap().unwrap().active, Some(1), "a person says so");
    }
}
