//! The software of the switch: which image it starts with, and going from one to another.

mod image;
mod impact;
mod install;
mod lines;
mod outcome;
mod record;
mod start;

use rumline_agent::DiskError;
use rumline_cli::Fields;
use rumline_protocol::Timestamp;

pub(crate) use lines::{Gone, not_of, version_line};
pub use record::{STARTED_FILE, came_with, damaged_software};
pub(crate) use start::{Came, Origin, Start, convert_startup};

use crate::answer::CommandError;
use crate::command::{Call, Command, Topic};
use crate::config::{Given, Put, Setting};
use crate::{Devices, Effect, Switch};

const BOOT_NXOS: Setting = Setting { put: Put::Folded(boot_line), ..Setting::line(start::BOOT) };

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("install all nxos", install::install_all),
        Command::anyone("show boot", |switch, call| {
            let next = switch.next_start(call.devices)?;
            let (own, next_image) = (switch.start.image(), next.image());
            call.shown(
                || shown_boot(&own, &next),
                || Fields::new().text("current_nxos", &own).text("next_nxos", next_image),
            )
        }),
        Command::anyone("show incompatibility-all", install::show_incompatibility),
        Command::anyone("show install all impact", install::show_impact),
        Command::anyone("show install all status", |switch, call: &mut Call<'_, '_>| {
            let text = switch.install_status(call.devices)?;
            call.lines(text)
        }),
    ],
    settings: &[BOOT_NXOS],
};

/// `boot nxos`: one line, with the name as the switch spells it. Configurations of others have one for each supervisor.
fn boot_line(lines: &[&str], given: &Given, negated: bool) -> Result<Option<String>, CommandError> {
    if negated {
        let supervisor = ["sup-1", "sup-2"].into_iter().find(|supervisor| given.has(supervisor));
        let Some(supervisor) = supervisor else { return Ok(None) };
        let other = lines.iter().find(|line| line.contains(" sup-") && !line.ends_with(supervisor));
        return Ok(other.map(|line| (*line).to_owned()));
    }
    let name = given.get("image").and_then(image::name_of);
    let name =
        name.ok_or_else(|| CommandError::failed("% Invalid file name, use bootflash:NAME"))?;
    Ok(Some(line_of(&name)))
}

/// The line that names an image.
fn line_of(name: &str) -> String {
    format!("{} bootflash:/{name}", start::BOOT)
}

fn shown_boot(own: &str, next: &Start) -> String {
    let image = next.image();
    let mut text = format!(
        "Current Boot Variables:\n\nsup-1\nNXOS variable = {own}\nBoot POAP Disabled\n\n\
         Boot Variables on next reload:\n\nsup-1\nNXOS variable = {image}\nBoot POAP Disabled\n"
    );
    if let Some(why) = &next.refused {
        text.push_str(&format!("\nWarning: {why}\n"));
    }
    text
}

impl Switch {
    /// The switch came up: with another release, without lines that this one does not have, with lines that do nothing on it
    /// since it came with them, or with another image than the one that is named.
    pub(crate) fn started(
        &mut self,
        now: Timestamp,
        (gone, foreign): (&[Gone], &[Gone]),
        failed: Option<DiskError>,
    ) -> Vec<Effect> {
        let mut told = Vec::new();
        if let Some(before) = self.start.changed_from() {
            let (own, before) = (&self.release.version, &before.version);
            told.push(format!(
                "%BOOTVAR-5-STARTED: the switch runs {own}, and ran {before} before"
            ));
        }
        if let Some(why) = &self.start.refused {
            told.push(format!("%BOOTVAR-2-NOT_STARTED: {why}"));
        }
        for gone in gone {
            told.push(format!(
                "%ASCII-CFG-2-CONF_CONTROL: this release does not have {gone}: the line went"
            ));
        }
        for foreign in foreign {
            told.push(format!(
                "%ASCII-CFG-2-CONF_CONTROL: this release does not have {foreign}: the line does nothing"
            ));
        }
        if let Some(error) = failed {
            told.push(format!(
                "%ASCII-CFG-2-CONF_CONTROL: the startup configuration stays as it was: {error}"
            ));
        }
        told.iter().map(|text| self.log_line(now, text)).collect()
    }

    /// What the switch would start with now, by its startup configuration.
    fn next_start(&self, devices: &mut Devices<'_>) -> Result<Start, CommandError> {
        self.origin.start(self.startup.as_deref(), devices).map_err(CommandError::disk)
    }

    /// What there is to say about a line that names an image: whether the switch could start with it.
    pub(crate) fn boot_warning(&self, line: &str, devices: &mut Devices<'_>) -> String {
        if !line.contains("nxos") || !line.trim_start().starts_with("boot") {
            return String::new();
        }
        let name = self.running.value(start::BOOT).and_then(image::name_of);
        let Some(name) = name else { return String::new() };
        match self.origin.image(&name, devices) {
            Ok(Ok(_)) => String::new(),
            Ok(Err(why)) => format!(
                "Warning: bootflash:{name} {why}. Until then the switch starts with {}\n",
                self.release.version
            ),
            Err(error) => format!("Warning: {error}\n"),
        }
    }
}
