//! Files: bootflash:, copies, the startup configuration on its disk.

mod flash;
mod remote;
mod startup;

use md5::Digest;
use rumline_agent::DiskError;
use rumline_cli::Fields;
use rumline_protocol::{Timestamp, sha256};

pub use flash::FlashPath;
pub(crate) use remote::{known_host, opened, remember_host};
pub use startup::damaged as damaged_startup;
pub(crate) use startup::{Found, read as read_startup, write as write_startup};

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::{ConfigTree, Reader, Refusals, Settings, Software, Source};
use crate::session::Question;
use crate::topics::software::not_of;
use crate::topics::users;
use crate::{Devices, Switch};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("clear ssh hosts", |_, call| {
            call.devices.store.remove(remote::KNOWN_HOSTS).map_err(CommandError::disk)?;
            Ok(Outcome::default())
        }),
        Command::administrator("copy running-config startup-config", |switch, call| {
            switch.save_config(call.now, call.devices)
        }),
        Command::administrator("copy running-config", |switch, call| {
            switch.copy("running-config", call)
        }),
        Command::administrator("copy startup-config running-config", |switch, call| {
            switch.copy_files(call.now, "startup-config", "running-config", None, call.devices)
        }),
        Command::administrator("copy startup-config", |switch, call| {
            switch.copy("startup-config", call)
        }),
        Command::administrator("copy", |switch, call| switch.copy(call.text("source"), call)),
        Command::administrator("delete", delete),
        Command::anyone("dir", dir),
        Command::anyone("show file", show_file),
        Command::anyone("show file md5sum", |_, call| {
            let bytes = read_bytes(call.text("file"), call.devices)?;
            show_sum(call, "md5sum", &md5::Md5::digest(&bytes))
        }),
        Command::anyone("show file sha256sum", |_, call| {
            let bytes = read_bytes(call.text("file"), call.devices)?;
            show_sum(call, "sha256sum", &sha256(&bytes))
        }),
        Command::administrator("write erase", |switch, call| {
            switch.ask("", Question::WriteErase, call)
        }),
    ],
    settings: &[],
};

/// The most refused lines of a copied file that are told one by one.
const REFUSED_SHOWN_MAX: usize = 20;
const INVALID_NAME: &str = "% Invalid file name";
const NOT_UTF8: &str = "Warning: the file is not UTF-8, letters that are not were replaced.\n";
const NO_FILE: &str = "No such file or directory";

fn failed(text: &str) -> CommandError {
    CommandError::Failed(text.to_owned())
}

fn copy_failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(format!("% Copy failed: {error}"))
}

impl Switch {
    /// `copy running-config startup-config` (PI-CLI-004).
    fn save_config(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Answer {
        let text = self.running.render();
        write_startup(&text, devices.store).map_err(copy_failed)?;
        (self.startup, self.saved_at) = (Some(text), Some(now));
        Ok(Outcome::text(
            "[########################################] 100%\nCopy complete, now saving to disk \
             (please wait)...\nCopy complete.\n",
        ))
    }

    fn copy(&mut self, source: &str, call: &mut Call<'_, '_>) -> Answer {
        let mut destination = call.text("destination").to_owned();
        let vrf = call.command.get("vrf");
        if destination == "bootflash:" || destination == "bootflash:///" {
            // The file keeps its name.
            destination = format!("bootflash:{}", source.rsplit(['/', ':']).next().unwrap_or(""));
        }
        if let Some(FlashPath::Bootflash(name)) = FlashPath::parse(&destination)
            && matches!(call.devices.flash.size_bytes(&name), Ok(Some(_)))
        {
            let (source, vrf) = (source.to_owned(), vrf.map(str::to_owned));
            return self.ask("", Question::Overwrite { source, destination, vrf }, call);
        }
        self.copy_files(call.now, source, &destination, vrf, call.devices)
    }

    pub(crate) fn copy_files(
        &mut self,
        now: Timestamp,
        source: &str,
        destination: &str,
        vrf: Option<&str>,
        devices: &mut Devices<'_>,
    ) -> Answer {
        let (Some(from), Some(to)) = (FlashPath::parse(source), FlashPath::parse(destination))
        else {
            return Err(failed(INVALID_NAME));
        };
        let bytes = match &from {
            FlashPath::Running => Ok(Some(self.running.render().into_bytes())),
            FlashPath::Startup => Ok(self.startup.clone().map(String::into_bytes)),
            FlashPath::Bootflash(name) => devices.flash.read(name),
            FlashPath::Remote(url) => return self.read_remote(url, vrf, &to),
        };
        let bytes = bytes.map_err(copy_failed)?.ok_or_else(|| failed(NO_FILE))?;
        let mut warning = String::new();
        match &to {
            FlashPath::Bootflash(name) if !name.is_empty() => {
                devices.flash.write(name, &bytes).map_err(copy_failed)?;
            }
            FlashPath::Bootflash(_) => return Err(failed(INVALID_NAME)),
            FlashPath::Startup => {
                let read = FileText::of(&bytes)?;
                let mut tree = ConfigTree::default();
                let settings = Settings::of_a_file(devices.random);
                let refused = Reader::new(&mut tree, settings, Source::File, &self.words.grammar)
                    .text(&read.text);
                let text = tree.render();
                write_startup(&text, devices.store).map_err(copy_failed)?;
                (self.startup, self.saved_at) = (Some(text), Some(now));
                warning = read.warning.to_owned();
                push_not_of(&tree, self.software(), &mut warning);
                if !refused.is_empty() {
                    warning.push_str("Lines that were not understood:\n");
                    push_refused(&refused, &mut warning);
                }
            }
            FlashPath::Running => {
                let read = FileText::of(&bytes)?;
                let mut outcome = self.copy_to_running(now, &read.text, devices);
                outcome.reply.text.push_str(read.warning);
                return Ok(outcome);
            }
            FlashPath::Remote(url) => {
                return self.remote_copy(url, vrf, Some(bytes.into()), String::new());
            }
        }
        Ok(Outcome::text(format!(
            "Copy complete, now saving to disk (please wait)...\nCopy complete.\n{warning}"
        )))
    }

    /// Lines are added to the running configuration as if they were typed.
    fn copy_to_running(
        &mut self,
        now: Timestamp,
        text: &str,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let settings = self.software().settings(devices.random);
        let refused = Reader::new(&mut self.running, settings, Source::Copied, &self.words.grammar)
            .text(text);
        let effects = self.config_changed(now, devices);
        if let Err(error) = self.is_handed() {
            return Outcome::failed(error);
        }
        let mut told = match refused.len() {
            0 => "Copy complete.\n".to_owned(),
            1 => "Copy complete, 1 line was not understood:\n".to_owned(),
            count => format!("Copy complete, {count} lines were not understood:\n"),
        };
        push_refused(&refused, &mut told);
        Outcome::text(told).with(effects)
    }

    /// `write erase` was answered with yes.
    pub(crate) fn erase_startup(&mut self, devices: &mut Devices<'_>) -> Answer {
        startup::remove(devices.store).map_err(CommandError::disk)?;
        self.startup = None;
        Ok(Outcome::default())
    }
}

/// Tells which lines the release or model does not have.
fn push_not_of(tree: &ConfigTree, software: Software<'_>, told: &mut String) {
    let lines = not_of(tree, software.release, software.pid);
    if !lines.is_empty() {
        told.push_str(&format!(
            "Lines that {} does not have; they do nothing:\n",
            software.release
        ));
    }
    for line in lines {
        told.push_str(&format!("  {line}\n"));
    }
}

/// Tells which lines were refused, and why.
pub(crate) fn push_refused(refused: &Refusals, told: &mut String) {
    for (number, line, why) in refused.iter().take(REFUSED_SHOWN_MAX) {
        let line = users::without_secret(line);
        let why = why.to_string();
        told.push_str(&format!("  line {number}: {line}: {}\n", why.lines().next().unwrap_or("")));
    }
    if refused.len() > REFUSED_SHOWN_MAX {
        told.push_str("  ...\n");
    }
}

/// The text of a configuration file. What is no text, or in another encoding, is refused: it would be read as nothing.
///
/// # Errors
/// With what is wrong with it.
pub fn text_of(bytes: &[u8]) -> Result<String, CommandError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(failed("% The file is in UTF-16, save it as UTF-8"));
    }
    if bytes.contains(&0) {
        return Err(failed("% The file is no text"));
    }
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// The text of a file, and what there is to say about it.
pub(crate) struct FileText {
    pub text: String,
    pub warning: &'static str,
}

impl FileText {
    fn of(bytes: &[u8]) -> Result<Self, CommandError> {
        let text = text_of(bytes)?;
        let warning = if std::str::from_utf8(bytes).is_err() { NOT_UTF8 } else { "" };
        Ok(Self { text, warning })
    }
}

/// Reads a text file on bootflash:.
pub(crate) fn read_text(file: &str, devices: &mut Devices<'_>) -> Result<FileText, CommandError> {
    FileText::of(&read_bytes(file, devices)?)
}

fn read_bytes(file: &str, devices: &mut Devices<'_>) -> Result<Vec<u8>, CommandError> {
    let Some(FlashPath::Bootflash(name)) = FlashPath::parse(file) else {
        return Err(failed(INVALID_NAME));
    };
    devices.flash.read(&name).map_err(CommandError::disk)?.ok_or_else(|| failed(NO_FILE))
}

/// Writes a text file to bootflash:.
pub(crate) fn write_text(
    file: &str,
    text: &str,
    devices: &mut Devices<'_>,
) -> Result<(), CommandError> {
    match FlashPath::parse(file) {
        Some(FlashPath::Bootflash(name)) if !name.is_empty() => {
            devices.flash.write(&name, text.as_bytes()).map_err(CommandError::disk)
        }
        _ => Err(failed(INVALID_NAME)),
    }
}

fn delete(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = match FlashPath::parse(call.text("file")) {
        Some(FlashPath::Bootflash(name)) if !name.is_empty() => name,
        _ => return Err(failed(INVALID_NAME)),
    };
    if call.has("no-prompt") {
        return delete_file(&name, call.devices);
    }
    switch.ask("", Question::Delete(name), call)
}

pub(crate) fn delete_file(name: &str, devices: &mut Devices<'_>) -> Answer {
    devices.flash.size_bytes(name).map_err(CommandError::disk)?.ok_or_else(|| failed(NO_FILE))?;
    devices.flash.remove(name).map_err(CommandError::disk)?;
    Ok(Outcome::default())
}

fn dir(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = match call.command.get("file").map(FlashPath::parse) {
        None => String::new(),
        Some(Some(FlashPath::Bootflash(name))) => name,
        Some(_) => return Err(failed(INVALID_NAME)),
    };
    let free_bytes = switch.process.flash_free_bytes;
    let text = dir_text(&wanted, free_bytes, call.devices).map_err(CommandError::disk)?;
    text.map(Outcome::text).ok_or_else(|| failed(NO_FILE))
}

fn dir_text(
    wanted: &str,
    free_bytes: u64,
    devices: &mut Devices<'_>,
) -> Result<Option<String>, DiskError> {
    let mut text = String::new();
    let mut used = 0;
    for name in devices.flash.list("")? {
        let size = devices.flash.size_bytes(&name)?.unwrap_or(0);
        used += size;
        if !wanted.is_empty() && name != wanted {
            continue;
        }
        text.push_str(&format!("{size:>11}  {name}\n"));
    }
    if text.is_empty() && !wanted.is_empty() {
        return Ok(None);
    }
    let total = used + free_bytes;
    text.push_str(&format!(
        "\nUsage for bootflash://\n{used:>11} bytes used\n{free_bytes:>11} bytes free\n{total:>11} bytes total\n"
    ));
    Ok(Some(text))
}

fn show_file(_: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let bytes = read_bytes(call.text("file"), call.devices)?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    call.lines(text)
}

fn show_sum(call: &Call<'_, '_>, name: &'static str, sum: &[u8]) -> Answer {
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    call.shown(|| format!("{sum}\n"), || Fields::new().text(name, &sum))
}
