//! `install all`: checks, what it would do, the question, and the restart with another image.
//!
//! One write decides: that of the startup configuration that names the image. Before it the switch starts as it did, after it
//! with the new release, and nothing else of what it keeps is touched.

use rumline_catalogue::Release;
use rumline_cli::Fields;
use rumline_protocol::Timestamp;

use super::image::name_of;
use super::impact::{DONE, FAILED, Impact, beginning};
use super::outcome::Standing;
use super::record::{Install, Record};
use super::start::{BOOT, Came};
use super::{line_of, lines};
use crate::answer::{Answer, CommandError};
use crate::command::Call;
use crate::session::Question;
use crate::topics::files::write_startup;
use crate::topics::legacy::Migration;
use crate::{Devices, Switch};

pub(super) fn install_all(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = file_name(call)?;
    let before = switch.impact(call.now, &name, call.devices)?.text();
    let question = Question::Install(name.clone());
    let mut outcome = if call.has("non-interruptive") {
        switch.install(call.now, &name, call.devices)?
    } else {
        switch.ask(&before, question, call)?
    };
    if outcome.reply.question.is_none() {
        outcome.reply.text.insert_str(0, &before);
    }
    Ok(outcome)
}

pub(super) fn show_impact(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = file_name(call)?;
    let impact = switch.impact(call.now, &name, call.devices)?;
    call.shown(|| impact.text(), || impact.fields())
}

/// The lines that would go; the same as an installation tells.
pub(super) fn show_incompatibility(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = file_name(call)?;
    let impact = switch.impact(call.now, &name, call.devices)?;
    call.shown(
        || impact.incompatibility_text(switch.hostname()),
        || {
            let image = format!("bootflash:/{name}");
            let count = impact.gone.len();
            let fields = Fields::new().text("image_file", image).number("lines_gone_count", count);
            fields.table("lines_gone", impact.gone_fields())
        },
    )
}

fn file_name(call: &Call<'_, '_>) -> Result<String, CommandError> {
    let invalid = || CommandError::failed("% Invalid file name, use bootflash:NAME");
    name_of(call.text("image")).ok_or_else(invalid)
}

impl Switch {
    /// What an installation would do, if it can be.
    fn impact<'n>(
        &self,
        now: Timestamp,
        name: &'n str,
        devices: &mut Devices<'_>,
    ) -> Result<Impact<'n>, CommandError> {
        let failed = |why: &str| {
            CommandError::Failed(format!(
                "{}{FAILED}\nPre-upgrade check failed, nothing was changed: bootflash:{name} {why}",
                beginning(name)
            ))
        };
        let read = self.origin.image(name, devices).map_err(CommandError::disk)?;
        let to = read.map_err(|why| failed(&why))?;
        let (from, pid) = (self.release, &self.udi.pid);
        let gone = lines::between(&self.running, &from.version, &to.version, pid);
        let licensing = match (from.has_slp(), to.has_slp()) {
            (true, false) => Standing::of(self).text(to),
            _ => self.migration_text(now, to),
        };
        Ok(Impact { name, modules: self.restarting_modules(), from, to, gone, licensing })
    }

    /// What becomes of licensing of before on the way up.
    fn migration_text(&self, now: Timestamp, to: &'static Release) -> String {
        let Some(older) = &self.older else { return String::new() };
        let (kept, with_defects) = (older.personality.keep(), self.origin.with_defects);
        let came = Came { now, kept, with_defects };
        let migration = Migration::of((self.release, to), &self.running, &came);
        let licenses = self.in_use.licenses(self.platform).len();
        migration.map_or_else(String::new, |migration| migration.told(to, licenses))
    }

    /// `install all` was answered with yes.
    pub(crate) fn install(
        &mut self,
        now: Timestamp,
        name: &str,
        devices: &mut Devices<'_>,
    ) -> Answer {
        // It may be another file by now.
        let impact = self.impact(now, name, devices)?;
        let text = format!(
            "\nInstall is in progress, please wait.\n\nPerforming runtime checks.\n{DONE}\
             Setting boot variables.\n{DONE}Performing configuration copy.\n{DONE}\
             Finishing the upgrade, switch will reboot now.\n"
        );
        let failed = |error| {
            CommandError::Failed(format!(
                "\nInstall has failed, the switch goes on as it was: {error}. Make room on it with delete, or look at its disk"
            ))
        };
        let kept = Install {
            image: name.to_owned(),
            from: impact.from.version.clone(),
            to: impact.to.version.clone(),
            at: now,
            log: format!("{}{text}", impact.text()),
        };
        kept.write(devices.store).map_err(failed)?;
        let mut running = self.running.clone();
        running.remove(&[], BOOT, 2);
        running.add(&[], &line_of(name));
        let startup = running.render();
        write_startup(&startup, devices.store).map_err(failed)?;
        (self.running, self.startup, self.saved_at) = (running, Some(startup), Some(now));
        let mut outcome = self.restart(now, devices)?;
        outcome.reply.text = text;
        Ok(outcome)
    }

    /// `show install all status`
    pub(super) fn install_status(&self, devices: &mut Devices<'_>) -> Result<String, CommandError> {
        let last = Install::read(devices.store).map_err(CommandError::disk)?;
        let Some(last) = last else {
            return Ok("There is no log of an installation.\n".to_owned());
        };
        let Install { image, from, to, at, log } = last;
        let own = &self.release.version;
        let came_to = if *own == to {
            "Install has been successful.".to_owned()
        } else if *own == from {
            format!("Install has failed: the switch runs {from}. Give install all once more.")
        } else {
            format!("Install has been successful; another release runs since, {own}.")
        };
        let at = self.derived.zone.config_time(at);
        Ok(format!(
            "This is the log of last installation: bootflash:/{image}, {from} to {to}, at {at}.\n\n{log}\n{came_to}\n"
        ))
    }
}
