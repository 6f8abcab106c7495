//! Two supervisors of one chassis, as the active one shows and commands them (PI-HA, PI-CLI-035).

mod show;

use rumline_agent::Input;
use rumline_protocol::{HaMember, Role, Timestamp, Udi};

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Command, Topic};
use crate::session::Question;
use crate::{Devices, Effect, Switch};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("reload module", |switch, call| {
            let module = call.number("module");
            switch.module_to_reload(module)?;
            switch.ask("", Question::ReloadModule(module), call)
        }),
        Command::anyone("show system redundancy status", |switch, call| {
            call.shown(|| switch.show_redundancy(), || switch.redundancy_fields())
        }),
        Command::administrator("system switchover", |switch, call| switch.switch_over(call)),
    ],
    settings: &[],
};

/// The place of a supervisor in its chassis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The first.
    #[default]
    One,
    /// The second.
    Two,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// The slot with this number: 1 or 2.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.number() == number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    /// The number of its module, as `show module` has it.
    #[must_use]
    pub fn module(self) -> u8 {
        26 + self.number()
    }
}

/// How the other supervisor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherState {
    /// It is given what is known here.
    Copying,
    /// It has all that is known here, and can take over.
    Standby,
}

/// The other supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSupervisor {
    /// Who it is.
    pub udi: Udi,
    /// How it stands.
    pub state: OtherState,
}

/// What the active supervisor knows of the pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redundancy {
    /// Where it is.
    pub slot: Slot,
    /// The other one, while it is there.
    pub other: Option<OtherSupervisor>,
    /// Whether this is the copy that the other one has: it shows the chassis, and changes nothing.
    pub is_copy: bool,
}

impl Redundancy {
    /// Whether the other one could take over.
    #[must_use]
    pub fn has_standby(&self) -> bool {
        self.other.as_ref().is_some_and(|other| other.state == OtherState::Standby)
    }
}

const NOT_READY: &str = "Failed to switchover (standby not ready to takeover in vdc 1)";

impl Switch {
    /// What this supervisor knows of the pair.
    #[must_use]
    pub fn redundancy(&self) -> &Redundancy {
        &self.redundancy
    }

    /// The pair is another one: the other supervisor came, went, or has all that is known here.
    pub fn redundancy_changed(
        &mut self,
        now: Timestamp,
        redundancy: Redundancy,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.redundancy, redundancy);
        let coming = self.redundancy.other.as_ref();
        let coming = coming.filter(|other| other.state == OtherState::Copying);
        let coming = coming.map(|other| other.udi.clone());
        // It may come anew before anybody noticed that it was gone: what it had counts no more.
        if before.other.is_none() || coming.is_some() {
            self.hand_running(devices);
        }
        let module = self.redundancy.slot.other().module();
        let mut told = Vec::new();
        match (&before.other, &self.redundancy.other) {
            (Some(gone), None) => {
                let serial = &gone.udi.serial;
                told.push(format!(
                    "%PLATFORM-2-MOD_REMOVE: Module {module} removed (Serial number {serial})"
                ));
            }
            (None, Some(came)) => {
                let serial = &came.udi.serial;
                told.push(format!(
                    "%PLATFORM-2-MOD_DETECT: Module {module} detected (Serial number {serial})"
                ));
            }
            _ => {}
        }
        if self.redundancy.has_standby() && !before.has_standby() {
            told.push(format!("%MODULE-5-STANDBY_SUP_OK: Supervisor {module} is standby"));
        }
        let mut effects: Vec<Effect> = told.iter().map(|line| self.log_line(now, line)).collect();
        let input = Input::Supervisors(self.supervisors());
        effects.extend(self.agent_input(now, input, devices));
        if let Some(udi) = coming {
            effects.extend(self.agent_input(now, Input::SupervisorComes(udi), devices));
        }
        effects
    }

    /// Those that count: this one, and one that could take over.
    fn supervisors(&self) -> Vec<HaMember> {
        let standby = self.redundancy.other.as_ref().filter(|_| self.redundancy.has_standby());
        let standby =
            standby.map(|other| HaMember { role: Role::Standby, sudi: other.udi.clone() });
        let active = HaMember { role: Role::Active, sudi: self.udi.clone() };
        std::iter::once(active).chain(standby).collect()
    }

    /// This supervisor took over: its log says so.
    pub fn took_over(&mut self, now: Timestamp) -> Vec<Effect> {
        let module = self.redundancy.slot.module();
        let told = [
            format!("%SYSMGR-2-HASWITCHOVER_START: Supervisor {module} is becoming active."),
            "%SYSMGR-2-SWITCHOVER_OVER: Switchover completed.".to_owned(),
        ];
        told.iter().map(|line| self.log_line(now, line)).collect()
    }

    fn switch_over(&mut self, call: &mut Call<'_, '_>) -> Answer {
        if !self.redundancy.has_standby() {
            return Err(CommandError::failed(NOT_READY));
        }
        Ok(self.hand_over(call.now))
    }

    /// The standby takes over; every session here ends.
    fn hand_over(&mut self, now: Timestamp) -> Outcome {
        let told =
            "%SYSMGR-2-HASWITCHOVER_PRE_START: This supervisor hands over to the standby one.";
        let effects = vec![self.log_line(now, told), Effect::Switchover];
        let mut outcome = Outcome::default().with(effects);
        outcome.reply.close = true;
        outcome
    }

    /// The supervisor with this module number, if it can be reloaded alone.
    fn module_to_reload(&self, module: u8) -> Result<Slot, CommandError> {
        let slot = Slot::ALL.into_iter().find(|slot| slot.module() == module);
        let slot = slot.filter(|_| self.platform.supervisors > 1);
        let is_own = slot == Some(self.redundancy.slot);
        if is_own && !self.redundancy.has_standby() {
            return Err(CommandError::failed(NOT_READY));
        }
        let is_there = is_own || self.redundancy.other.is_some();
        slot.filter(|_| is_there).ok_or_else(|| {
            let told =
                format!("% Module {module} is no supervisor that is there: show module lists them");
            CommandError::Failed(told)
        })
    }

    /// `reload module` was answered with yes.
    pub(crate) fn reload_module(&mut self, now: Timestamp, module: u8) -> Answer {
        // Meanwhile it may have gone.
        let slot = self.module_to_reload(module)?;
        if slot == self.redundancy.slot {
            return Ok(self.hand_over(now));
        }
        let told = format!("%PLATFORM-2-MOD_PWRDN: Module {module} is reloaded");
        let effects = vec![self.log_line(now, &told), Effect::ReloadStandby];
        Ok(Outcome::default().with(effects))
    }
}
