//! What has to hold of pairs beside what has to hold of every switch.

use rumline_agent::Disk;

use super::mirror::Phase;
use crate::collectors::Place;
use crate::world::World;

/// What is not waited for: the other one may lack it, or have more of it.
const BEST_EFFORT: [&str; 2] = ["eventlog", "running-config"];

impl World<'_> {
    /// In the end each pair has a standby, which has the same files.
    pub(crate) fn check_pairs(&mut self) -> Result<(), String> {
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let Some(pair) = &node.pair else { continue };
            let mut mirror = pair.mirror();
            if mirror.phase != Phase::InStep || pair.right != Some(pair.slot) {
                return Err(format!("switch {number}: no standby in the end: {:?}", mirror.phase));
            }
            for (own, other) in [(0, 0), (1, 1)] {
                let own = if own == 0 { &mut node.store } else { &mut node.flash };
                let other =
                    if other == 0 { &mut mirror.other.store } else { &mut mirror.other.flash };
                for name in own.list("").unwrap_or_default() {
                    let is_best_effort = BEST_EFFORT.iter().any(|file| name.starts_with(file));
                    if !is_best_effort && own.content(&name) != other.content(&name) {
                        return Err(format!("switch {number}: {name} is not the same on both"));
                    }
                }
            }
            let trust = node.switch.as_ref().map(|switch| switch.agent().trust());
            let lines = trust.unwrap_or_default();
            if lines.len() != 2 {
                return Err(format!("switch {number}: no two supervisors: {lines:?}"));
            }
            if node.place == Place::Cssm && lines.iter().any(|line| line.code.is_none()) {
                return Err(format!("switch {number}: one has no trust code: {lines:?}"));
            }
        }
        Ok(())
    }

    /// What is in use is so under the active one alone, once all that was told is answered.
    pub(crate) fn check_use_under_active(&self) -> Result<(), String> {
        for (number, node) in self.nodes.iter().enumerate() {
            let (Some(pair), Some(switch)) = (&node.pair, &node.switch) else { continue };
            let counts = switch.agent().report_counts();
            if node.place != Place::Cssm || node.crossed || counts[1] + counts[2] > 0 {
                continue;
            }
            for serial in pair.serials.iter().filter(|serial| **serial != node.hardware.serial) {
                for account in self.accounts() {
                    for view in self.instances_of(account, serial)? {
                        if let Some(license) = view.licenses.iter().find(|l| l.count != 0) {
                            return Err(format!(
                                "switch {number}: in use under {serial}, which is not active: {license:?}"
                            ));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
