//! How the pair is shown.

use rumline_cli::Fields;

use super::{OtherState, Slot};
use crate::Switch;

/// How a supervisor stands: redundancy state, supervisor state, internal state.
type States = [&'static str; 3];

/// What `show system redundancy status` says.
struct Shown {
    operational: &'static str,
    /// The names of this supervisor and of the other one.
    names: [String; 2],
    own: States,
    other: Option<States>,
}

const STANDBY: States = ["Standby", "HA standby", "HA standby"];
const COPYING: &str = "HA synchronization in progress";

impl Switch {
    fn redundancy_shown(&self) -> Shown {
        let redundancy = &self.redundancy;
        let (internal, other) = match redundancy.other.as_ref().map(|other| other.state) {
            Some(OtherState::Standby) => ("Active with HA standby", Some(STANDBY)),
            Some(OtherState::Copying) => (COPYING, Some(["Standby", COPYING, COPYING])),
            None => ("Active with no standby", None),
        };
        let active = ["Active", "Active", internal];
        let operational = if redundancy.has_standby() { "HA" } else { "None" };
        let [first, second] =
            [redundancy.slot, redundancy.slot.other()].map(|slot| self.name_of(slot));
        match other {
            Some(other) if redundancy.is_copy => {
                Shown { operational, names: [second, first], own: other, other: Some(active) }
            }
            _ => Shown { operational, names: [first, second], own: active, other },
        }
    }

    /// The name of a supervisor, as the boxes with one have it or those with two.
    fn name_of(&self, slot: Slot) -> String {
        let number = if self.platform.supervisors > 1 { slot.module() } else { slot.number() };
        format!("sup-{number}")
    }

    pub(super) fn show_redundancy(&self) -> String {
        let Shown { operational, names: [this, that], own, other } = self.redundancy_shown();
        let title = |text: String| format!("{text}\n{}\n", "-".repeat(text.len()));
        let states = |[redundancy, supervisor, internal]: [&str; 3]| {
            format!(
                "    Redundancy state:   {redundancy}\n    Supervisor state:   {supervisor}\n      \
                 Internal state:   {internal}\n"
            )
        };
        format!(
            "{}      administrative:   HA\n         operational:   {operational}\n\n{}{}\n{}{}",
            title("Redundancy mode".to_owned()),
            title(format!("This supervisor ({this})")),
            states(own),
            title(format!("Other supervisor ({that})")),
            other.map_or_else(|| "    Redundancy state:   Not present\n".to_owned(), states)
        )
    }

    pub(super) fn redundancy_fields(&self) -> Fields {
        let Shown { operational, names: [this, that], own, other } = self.redundancy_shown();
        let mut fields = Fields::new()
            .text("rdn_mode_admin", "HA")
            .text("rdn_mode_oper", operational)
            .text("this_sup", format!("({this})"))
            .text("this_sup_rdn_state", own[0])
            .text("this_sup_sup_state", own[1])
            .text("this_sup_internal_state", own[2])
            .text("other_sup", format!("({that})"))
            .text("other_sup_rdn_state", other.map_or("Not present", |states| states[0]));
        if let Some([_, supervisor, internal]) = other {
            fields = fields
                .text("other_sup_sup_state", supervisor)
                .text("other_sup_internal_state", internal);
        }
        fields
    }
}
