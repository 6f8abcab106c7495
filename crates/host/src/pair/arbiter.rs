//! Who decides which of two is active: the kernel on one host, a witness on two, or a person.

use std::fs::File;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use rumline_switch::Slot;
use rumline_switch::pair::Standing;

use super::chassis::Chassis;
use super::witness::Witness;

/// The right to speak, and what is written down of it. Held by one supervisor at a time.
pub(crate) struct Arbiter {
    slot: Slot,
    serial: String,
    by: By,
}

/// Who decides.
enum By {
    /// The kernel: a lock in the folder of the chassis.
    Lock { chassis: Chassis, right: Option<File> },
    /// Somebody on a third host.
    Witness(Witness),
}

/// The same arbiter for all that a supervisor does.
pub(crate) type SharedArbiter = Arc<Mutex<Arbiter>>;

impl Arbiter {
    pub(crate) fn of(chassis: &Chassis, slot: Slot, serial: &str) -> Self {
        let by = By::Lock { chassis: chassis.clone(), right: None };
        Self { slot, serial: serial.to_owned(), by }
    }

    pub(crate) fn asking(witness: Witness, slot: Slot, serial: &str) -> Self {
        Self { slot, serial: serial.to_owned(), by: By::Witness(witness) }
    }

    pub(crate) fn standing(&mut self) -> Result<Standing> {
        match &mut self.by {
            By::Lock { chassis, .. } => chassis.standing(),
            By::Witness(witness) => witness.standing(),
        }
    }

    /// Becomes the one that may speak, if nobody is and nothing that was answered for is missing here; `forced` where a
    /// person says so although something is.
    pub(crate) fn take(&mut self, link: &str, forced: bool) -> Result<Option<Standing>> {
        let (chassis, held) = match &mut self.by {
            By::Witness(witness) => return witness.take((self.slot, &self.serial), link, forced),
            By::Lock { chassis, right } => (chassis, right),
        };
        if !forced && !chassis.standing()?.may_take(self.slot, &self.serial) {
            return Ok(None);
        }
        let Some(right) = chassis.take_right()? else { return Ok(None) };
        // Whoever had it until now may have written since.
        let standing = chassis.standing()?;
        if !forced && !standing.may_take(self.slot, &self.serial) {
            return Ok(None);
        }
        let standing = standing.taken(self.slot, &self.serial, link.to_owned());
        chassis.write_standing(&standing)?;
        *held = Some(right);
        Ok(Some(standing))
    }

    /// Writes down how the other one stands.
    pub(crate) fn note(&mut self, standing: &Standing) -> Result<()> {
        match &mut self.by {
            By::Witness(witness) => witness.note(self.slot, standing),
            By::Lock { chassis, right } => {
                anyhow::ensure!(right.is_some(), "this supervisor has no right to speak");
                chassis.write_standing(standing)
            }
        }
    }

    /// Asks to speak on, where that is needed.
    pub(crate) fn renew(&mut self) {
        if let By::Witness(witness) = &mut self.by {
            witness.renew(self.slot);
        }
    }

    /// Whether this one may still speak.
    pub(crate) fn holds(&self) -> bool {
        match &self.by {
            By::Lock { right, .. } => right.is_some(),
            By::Witness(witness) => witness.holds(),
        }
    }

    /// Gives the right back.
    pub(crate) fn release(&mut self) {
        match &mut self.by {
            By::Lock { right, .. } => *right = None,
            By::Witness(witness) => witness.release(self.slot),
        }
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
