//! What `show license …` prints on releases before Smart Licensing Using Policy, in the layouts of the guide (PI-SHOW-030, PI-SHOW-038).

use rumline_catalogue::Catalogue;
use rumline_legacy::show::{self, Shown};
use rumline_legacy::{Model, Standing};
use rumline_protocol::Timestamp;

use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;

impl Switch {
    /// What the older licensing shows.
    fn older_shown(&self, now: Timestamp, make: impl FnOnce(&Shown<'_>) -> String) -> String {
        let Some(older) = &self.older else { return String::new() };
        let time = |at| self.derived.zone.license_time(at);
        make(&Shown { personality: &older.personality, now, time: &time })
    }

    fn older_udi(&self) -> String {
        format!("UDI: PID:{}, SN:{}\n", self.udi.pid, self.udi.serial)
    }

    fn older_usage(&self, now: Timestamp) -> String {
        let is_smart = self.older.as_ref().is_some_and(|older| older.personality.is_smart());
        self.older_shown(now, |shown| {
            if is_smart {
                return show::usage(shown);
            }
            let packages = Catalogue::nexus().packages().iter();
            let names =
                packages.filter(|package| !package.rtu).map(|package| package.name.as_str());
            show::usage_table(shown, &names.collect::<Vec<_>>())
        })
    }
}

pub(crate) fn show_status(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.lines(switch.older_shown(call.now, show::status))
}

pub(crate) fn show_summary(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.lines(switch.older_shown(call.now, show::summary))
}

pub(crate) fn show_usage(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.lines(switch.older_usage(call.now))
}

/// Of this supervisor alone, as before (guide p. 58).
pub(crate) fn show_udi(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.lines(switch.older_udi())
}

pub(crate) fn show_all(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let (udi, usage) = (switch.older_udi(), switch.older_usage(call.now));
    call.lines(switch.older_shown(call.now, |shown| show::all(shown, &usage, &udi)))
}

pub(super) fn show_brief(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.lines(switch.older_shown(call.now, show::brief))
}

pub(super) fn show_files(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = call.command.get("file");
    let mut found = true;
    let text = switch.older_shown(call.now, |shown| {
        show::files(shown, wanted).unwrap_or_else(|| {
            found = false;
            String::new()
        })
    });
    match wanted {
        Some(name) if !found => {
            Err(CommandError::Failed(format!("% No license file {name} is installed")))
        }
        _ => call.lines(text),
    }
}

/// The model in effect, as `show running-config license all` has it for all but the right to use (PI-SHOW-030).
pub(crate) fn show_model(switch: &Switch, now: Timestamp) -> String {
    let Some(older) = &switch.older else { return String::new() };
    let personality = &older.personality;
    let is_smart = personality.is_smart();
    let no = if is_smart { "" } else { "no " };
    let mut text = format!("{no}license smart enable\n");
    match Standing::of(personality.keep(), is_smart, now).model {
        Model::Rtu => {}
        model => text.insert_str(0, &format!("!Licensing model: {}\n", model.label())),
    }
    text
}
