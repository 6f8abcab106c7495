//! Who decides which of two is active: the kernel on one host, a witness on two, or a person.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use rumline_net::OsRandom;
use rumline_protocol::random_hex;
use rumline_switch::Slot;
use rumline_switch::pair::{Mark, Missing, Standing};

use super::chassis::Chassis;
use super::kept::{mark_of, write_mark};
use super::witness::{Candidate, Witness};

/// The right to speak, and what is written down of it. Held by one supervisor at a time.
pub(crate) struct Arbiter {
    slot: Slot,
    serial: String,
    /// The supervisor's own folder.
    folder: PathBuf,
    /// Under which name it tries to become active.
    tries_as: Option<String>,
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

/// What becomes of an attempt to become active.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It is.
    Taken(Standing),
    /// Somebody else is.
    Busy,
    /// It may not become so by itself.
    Refused(Missing),
}

impl Arbiter {
    pub(crate) fn of(chassis: &Chassis, slot: Slot, serial: &str) -> Self {
        let by = By::Lock { chassis: chassis.clone(), right: None };
        let folder = chassis.folder_of(slot);
        Self { slot, serial: serial.to_owned(), folder, tries_as: None, by }
    }

    pub(crate) fn asking(witness: Witness, slot: Slot, serial: &str, folder: &Path) -> Self {
        let (serial, folder) = (serial.to_owned(), folder.to_owned());
        Self { slot, serial, folder, tries_as: None, by: By::Witness(witness) }
    }

    pub(crate) fn standing(&mut self) -> Result<Standing> {
        match &mut self.by {
            By::Lock { chassis, .. } => chassis.standing(),
            By::Witness(witness) => witness.standing(),
        }
    }

    /// Becomes the one that may speak, if nobody is and nothing that was answered for is missing here; `forced` where a
    /// person says so although something is.
    pub(crate) fn take(&mut self, link: &str, forced: bool) -> Result<Attempt> {
        let attempt = match &self.by {
            By::Lock { .. } => self.take_lock(link, forced)?,
            By::Witness(_) => self.ask_witness(link, forced)?,
        };
        if let Attempt::Taken(standing) = &attempt {
            let name = self.tries_as.take().unwrap_or_default();
            self.settle(&Mark::settled(standing.number, &name));
        }
        Ok(attempt)
    }

    fn take_lock(&mut self, link: &str, forced: bool) -> Result<Attempt> {
        let own = mark_of(&self.folder)?;
        let By::Lock { chassis, .. } = &self.by else { return Ok(Attempt::Busy) };
        let chassis = chassis.clone();
        let other_seen = mark_of(&chassis.folder_of(self.slot.other()))?.seen;
        let missing = |standing: &Standing| {
            let may = standing.may_take(self.slot, &self.serial, &own, other_seen);
            may.err().filter(|_| !forced)
        };
        // Whoever may not have it does not take it from whoever may, not even for a moment.
        if let Some(missing) = missing(&chassis.standing()?) {
            return Ok(Attempt::Refused(missing));
        }
        let Some(taken) = chassis.take_right()? else { return Ok(Attempt::Busy) };
        // Whoever had it until now may have written since.
        let standing = chassis.standing()?;
        if let Some(missing) = missing(&standing) {
            return Ok(Attempt::Refused(missing));
        }
        let (slot, serial, seen) = (self.slot, self.serial.clone(), own.seen.max(other_seen));
        let name = self.try_as(own)?;
        let standing = standing.taken(slot, &serial, &name, link.to_owned(), seen);
        chassis.write_standing(&standing)?;
        if let By::Lock { right, .. } = &mut self.by {
            *right = Some(taken);
        }
        Ok(Attempt::Taken(standing))
    }

    fn ask_witness(&mut self, link: &str, forced: bool) -> Result<Attempt> {
        let own = mark_of(&self.folder)?;
        let name = self.try_as(own.clone())?;
        let candidate = Candidate {
            slot: self.slot.number(),
            serial: self.serial.clone(),
            mark: own,
            name,
            link: link.to_owned(),
            forced,
        };
        match &mut self.by {
            By::Witness(witness) => witness.take(candidate),
            By::Lock { .. } => Ok(Attempt::Busy),
        }
    }

    /// The name under which it tries. Its folder knows that before anybody else does: whoever is cut off in between finds
    /// both the one it had and this one.
    fn try_as(&mut self, mut mark: Mark) -> Result<String> {
        let name = self.tries_as.get_or_insert_with(|| random_hex(&mut OsRandom, 16)).clone();
        if !mark.names.contains(&name) {
            mark.try_as(&name);
            write_mark(&self.folder, &mark)?;
        }
        Ok(name)
    }

    fn settle(&self, mark: &Mark) {
        if let Err(error) = write_mark(&self.folder, mark) {
            // What it was before does as well; it is recognized less surely.
            tracing::warn!("the mark of this supervisor's folder cannot be written: {error:#}");
        }
    }

    /// Writes down how the other one stands.
    pub(crate) fn note(&mut self, standing: &Standing) -> Result<()> {
        match &mut self.by {
            By::Witness(witness) => witness.note(self.slot, standing)?,
            By::Lock { chassis, right } => {
                anyhow::ensure!(right.is_some(), "this supervisor has no right to speak");
                chassis.write_standing(standing)?;
            }
        }
        if let Some(name) = standing.names.get(&self.slot.number()) {
            self.settle(&Mark::settled(standing.number, name));
        }
        Ok(())
    }

    /// Asks to speak on, where that is needed, and says what is written down: it may have been put back from a copy.
    pub(crate) fn renew(&mut self) -> Option<Standing> {
        match &mut self.by {
            By::Witness(witness) => witness.renew(self.slot),
            By::Lock { chassis, right } => right.as_ref().and_then(|_| chassis.standing().ok()),
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

    fn taken(arbiter: &mut Arbiter, forced: bool) -> Option<Standing> {
        match arbiter.take("link", forced).unwrap() {
            Attempt::Taken(standing) => Some(standing),
            Attempt::Busy | Attempt::Refused(_) => None,
        }
    }

    fn refused(arbiter: &mut Arbiter) -> Option<Missing> {
        match arbiter.take("link", false).unwrap() {
            Attempt::Refused(missing) => Some(missing),
            Attempt::Busy | Attempt::Taken(_) => None,
        }
    }

    /// The other one is given all, in a folder of that name.
    fn fill(chassis: &Chassis, one: &mut Arbiter, two: &Arbiter, name: &str) {
        let mut standing = one.standing().unwrap();
        let mark = Mark::settled(standing.number, name);
        write_mark(&chassis.folder_of(two.slot), &mark).unwrap();
        standing.note_other(two.slot, Some((&two.serial, name)));
        one.note(&standing).unwrap();
    }

    #[test]
    fn one_speaks_and_one_that_misses_something_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let chassis = Chassis::open(dir.path()).unwrap();
        let [mut one, mut two] = Slot::ALL.map(|slot| arbiter(&chassis, slot));
        let standing = taken(&mut one, false).unwrap();
        assert_eq!(two.take("b", true).unwrap(), Attempt::Busy, "somebody speaks");
        assert_eq!(refused(&mut two), Some(Missing::NotGiven));
        assert!(two.note(&standing).is_err());
        one.release();
        assert_eq!(refused(&mut two), Some(Missing::NotGiven));
        one = arbiter(&chassis, Slot::One);
        assert!(taken(&mut one, false).is_some());
        fill(&chassis, &mut one, &two, "b");
        assert_eq!(two.take("b", false).unwrap(), Attempt::Busy);
        drop(one);
        let mut new = Arbiter::of(&chassis, Slot::Two, "S3");
        assert_eq!(refused(&mut new), Some(Missing::NotGiven), "put in in place of the second");
        assert_eq!(taken(&mut two, false).unwrap().active, Some(2));
        drop(two);
        let mut one = arbiter(&chassis, Slot::One);
        assert_eq!(refused(&mut one), Some(Missing::NotGiven));
        assert_eq!(taken(&mut one, true).unwrap().active, Some(1), "a person says so");
    }

    #[test]
    fn a_folder_that_was_emptied_or_put_back_and_a_standing_that_is_lost_are_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let chassis = Chassis::open(dir.path()).unwrap();
        let [mut one, mut two] = Slot::ALL.map(|slot| arbiter(&chassis, slot));
        taken(&mut one, false).unwrap();
        fill(&chassis, &mut one, &two, "b");
        let [first, second] = Slot::ALL.map(|slot| chassis.folder_of(slot).join("mark"));
        let [standing, of_first] =
            [dir.path().join("standing"), first].map(|path| (std::fs::read(&path).unwrap(), path));
        // Both lose power, one comes up, and then the other one is put back as it was.
        one.release();
        taken(&mut one, false).unwrap();
        let after = std::fs::read(&standing.1).unwrap();
        one.release();
        let newest = std::fs::read(&of_first.1).unwrap();
        std::fs::write(&of_first.1, &of_first.0).unwrap();
        assert_eq!(refused(&mut one), Some(Missing::OtherFolder));
        std::fs::remove_file(&of_first.1).unwrap();
        assert_eq!(refused(&mut one), Some(Missing::OtherFolder));
        std::fs::write(&of_first.1, &newest).unwrap();
        // The second missed what the first did alone, which yesterday's standing does not say.
        std::fs::write(&standing.1, &standing.0).unwrap();
        for arbiter in [&mut one, &mut two] {
            assert_eq!(refused(arbiter), Some(Missing::Older));
        }
        std::fs::remove_file(&standing.1).unwrap();
        std::fs::remove_file(&second).unwrap();
        for arbiter in [&mut one, &mut two] {
            assert_eq!(refused(arbiter), Some(Missing::Older));
        }
        std::fs::write(&standing.1, &after).unwrap();
        taken(&mut one, false).unwrap();
        one.release();
        std::fs::remove_file(&standing.1).unwrap();
        taken(&mut one, true).unwrap();
        one.release();
        taken(&mut one, false).unwrap();
    }

    #[test]
    fn what_was_put_back_while_one_speaks_is_known_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let chassis = Chassis::open(dir.path()).unwrap();
        let [mut one, two] = Slot::ALL.map(|slot| arbiter(&chassis, slot));
        let before = taken(&mut one, false).unwrap();
        fill(&chassis, &mut one, &two, "b");
        let now = one.standing().unwrap();
        assert_eq!(one.renew(), Some(now.clone()));
        chassis.write_standing(&before).unwrap();
        assert_eq!(one.renew(), Some(before));
        one.note(&now).unwrap();
        assert_eq!(one.renew(), Some(now));
        one.release();
        assert_eq!(one.renew(), None);
    }
}
