//! EXEC commands.

use rumline_agent::{DiskError, Environment, Input, SaveScope};
use rumline_cli::Matched;
use rumline_protocol::{Civil, Timestamp, sha256};

use crate::flash::FlashPath;
use crate::grammar::argument;
use crate::reader::{Place, Reader, Source};
use crate::session::{Outcome, Question, Session};
use crate::settings::Settings;
use crate::{ConfigTree, Devices, Effect, RemoteCopy, Switch, startup, users};

/// The most refused lines of a copied file that are told one by one.
const REFUSED_SHOWN_MAX: usize = 20;

impl Switch {
    pub(crate) fn exec(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        command: &Matched,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        if command.action.starts_with("show ") {
            return self.show(now, session, command, devices);
        }
        let own = ["terminal", "no monitor", "end", "exit", "where", "nothing"];
        let harmless = own.iter().any(|action| command.action.starts_with(action));
        if !harmless && !users::is_administrator(&self.running, &session.login) {
            return Outcome::error("% Permission denied for the role");
        }
        if command.action.starts_with("license ") {
            return self.license(now, session, command, devices);
        }
        match command.action.as_str() {
            "configure" => {
                session.place = Some(Place::global());
                // PI-CLI-002
                Outcome::text("Enter configuration commands, one per line. End with CNTL/Z.\n")
            }
            "end" => {
                session.place = None;
                Outcome::default()
            }
            "exit" => {
                let mut outcome = Outcome::default();
                match session.place.take() {
                    None => outcome.reply.close = true,
                    Some(mut place) => session.place = place.exit().then_some(place),
                }
                outcome
            }
            "terminal length" => {
                session.length = number(command, "lines");
                Outcome::default()
            }
            "terminal width" => {
                session.width = number(command, "columns");
                Outcome::default()
            }
            "terminal dont-ask" => {
                session.dont_ask = true;
                Outcome::default()
            }
            "terminal monitor" | "no monitor" => {
                session.monitor = command.action == "terminal monitor";
                Outcome::default()
            }
            "where" => Outcome::text(format!(
                "{}{}@{}\n",
                self.prompt(session),
                session.login,
                self.hostname()
            )),
            "clock set" => self.clock_set(command),
            "copy running startup" => self.save_config(devices),
            "copy running file" | "copy startup file" | "copy file" => {
                self.copy(now, session, command, devices)
            }
            "delete" => match FlashPath::parse(argument(command, "file")) {
                Some(FlashPath::Bootflash(name)) if !name.is_empty() => {
                    let question = Question::Delete(name);
                    if command.has("no-prompt") {
                        return self.confirmed(now, question, devices);
                    }
                    self.ask(now, session, "", question, devices)
                }
                _ => Outcome::error("% Invalid file name"),
            },
            "dir" => self.dir(command, devices),
            "reload" | "reload ascii" => {
                let saved = self.startup.as_deref() == Some(self.running.render().as_str());
                let before =
                    if saved { "" } else { "!!!WARNING! there is unsaved configuration!!!\n" };
                let ascii = command.action == "reload ascii";
                self.ask(now, session, before, Question::Reload { ascii }, devices)
            }
            "write erase" => self.ask(now, session, "", Question::WriteErase, devices),
            _ => Outcome::default(),
        }
    }

    /// A question was answered with yes.
    pub(crate) fn confirmed(
        &mut self,
        now: Timestamp,
        question: Question,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        match question {
            Question::Reload { .. } => {
                let mut effects = self.shut_down(now, devices);
                effects.push(Effect::Reload);
                let mut outcome = Outcome { effects, ..Outcome::default() };
                outcome.reply.close = true;
                outcome
            }
            Question::WriteErase => match startup::remove(devices.store) {
                Ok(()) => {
                    self.startup = None;
                    Outcome::default()
                }
                Err(error) => Outcome::error(&format!("% {error}")),
            },
            Question::FactoryReset => {
                let effects = self.agent_input(now, Input::FactoryReset, devices);
                Outcome { effects, ..Outcome::default() }
            }
            Question::Delete(name) => match devices.flash.size_bytes(&name) {
                Ok(Some(_)) => match devices.flash.remove(&name) {
                    Ok(()) => Outcome::default(),
                    Err(error) => Outcome::error(&format!("% {error}")),
                },
                Ok(None) => Outcome::error("No such file or directory"),
                Err(error) => Outcome::error(&format!("% {error}")),
            },
            Question::Overwrite { source, destination } => {
                self.copy_files(now, &source, &destination, devices)
            }
        }
    }

    fn clock_set(&self, command: &Matched) -> Outcome {
        let time: Vec<i64> =
            argument(command, "time").split(':').filter_map(|part| part.parse().ok()).collect();
        let date = |name| argument(command, name).parse().unwrap_or(0);
        let (&[hour, minute, second], Some(month)) =
            (time.as_slice(), Civil::month_number(argument(command, "month")))
        else {
            return Outcome::error("% Invalid time or date");
        };
        let civil =
            Civil { year: date("year"), month, day: date("day"), hour, minute, second, weekday: 0 };
        match self.zone.instant(civil) {
            Some(to) => Outcome {
                effects: vec![Effect::ClockSet(to)],
                ..Outcome::text(format!("{}\n", self.zone.show_clock(to)))
            },
            None => Outcome::error("% Invalid time or date"),
        }
    }

    /// `copy running-config startup-config` (PI-CLI-004).
    fn save_config(&mut self, devices: &mut Devices<'_>) -> Outcome {
        let text = self.running.render();
        match startup::write(&text, devices.store) {
            Ok(()) => {
                self.startup = Some(text);
                Outcome::text(
                    "[########################################] 100%\nCopy complete, now saving to \
                     disk (please wait)...\nCopy complete.\n",
                )
            }
            Err(error) => Outcome::error(&format!("% Copy failed: {error}")),
        }
    }

    fn copy(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        command: &Matched,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let source = match command.action.as_str() {
            "copy running file" => "running-config",
            "copy startup file" => "startup-config",
            _ => argument(command, "source"),
        };
        let mut destination = argument(command, "destination").to_owned();
        if destination == "bootflash:" || destination == "bootflash:///" {
            // The file keeps its name.
            destination = format!("bootflash:{}", source.rsplit(['/', ':']).next().unwrap_or(""));
        }
        if let Some(FlashPath::Bootflash(name)) = FlashPath::parse(&destination)
            && matches!(devices.flash.size_bytes(&name), Ok(Some(_)))
        {
            let question = Question::Overwrite { source: source.to_owned(), destination };
            return self.ask(now, session, "", question, devices);
        }
        self.copy_files(now, source, &destination, devices)
    }

    fn copy_files(
        &mut self,
        now: Timestamp,
        source: &str,
        destination: &str,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let (Some(from), Some(to)) = (FlashPath::parse(source), FlashPath::parse(destination))
        else {
            return Outcome::error("% Invalid file name");
        };
        let bytes = match &from {
            FlashPath::Running => Ok(Some(self.running.render().into_bytes())),
            FlashPath::Startup => Ok(self.startup.clone().map(String::into_bytes)),
            FlashPath::Bootflash(name) => devices.flash.read(name),
            FlashPath::Remote(url) => return read_remote(url, &to),
        };
        let bytes = match bytes {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Outcome::error("No such file or directory"),
            Err(error) => return Outcome::error(&format!("% Copy failed: {error}")),
        };
        let written = match &to {
            FlashPath::Bootflash(name) if !name.is_empty() => devices.flash.write(name, &bytes),
            FlashPath::Bootflash(_) => return Outcome::error("% Invalid file name"),
            FlashPath::Startup => {
                let text = ConfigTree::parse(&String::from_utf8_lossy(&bytes)).render();
                let written = startup::write(&text, devices.store);
                if written.is_ok() {
                    self.startup = Some(text);
                }
                written
            }
            FlashPath::Running => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                return self.copy_to_running(now, &text, devices);
            }
            FlashPath::Remote(url) => return remote_copy(url, Some(bytes), String::new()),
        };
        match written {
            Ok(()) => Outcome::text(
                "Copy complete, now saving to disk (please wait)...\nCopy complete.\n",
            ),
            Err(error) => Outcome::error(&format!("% Copy failed: {error}")),
        }
    }

    /// Lines are added to the running configuration as if they were typed.
    fn copy_to_running(
        &mut self,
        now: Timestamp,
        text: &str,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let settings = Settings::of(&self.release.version, devices.random);
        let mut reader = Reader::new(&mut self.running, settings, Source::Copied);
        let refused = reader.text(text);
        let effects = self.config_changed(now, devices);
        let mut told = match refused.len() {
            0 => "Copy complete.\n".to_owned(),
            1 => "Copy complete, 1 line was not understood:\n".to_owned(),
            count => format!("Copy complete, {count} lines were not understood:\n"),
        };
        for (number, line, why) in refused.iter().take(REFUSED_SHOWN_MAX) {
            told.push_str(&format!("  line {number}: {line}: {why}\n"));
        }
        if refused.len() > REFUSED_SHOWN_MAX {
            told.push_str("  ...\n");
        }
        Outcome { effects, ..Outcome::text(told) }
    }

    /// What a copy over the network came to: the text for whoever waits.
    pub fn copied(
        copy: &RemoteCopy,
        outcome: Result<Vec<u8>, String>,
        devices: &mut Devices<'_>,
    ) -> String {
        let written = match outcome {
            Ok(bytes) if copy.put.is_none() => {
                devices.flash.write(&copy.name, &bytes).map_err(|error| error.to_string())
            }
            other => other.map(|_| ()),
        };
        match written {
            Ok(()) => "Trying to connect to tftp server......\nConnection to Server Established.\n\
                 Copy complete, now saving to disk (please wait)...\nCopy complete.\n"
                .to_owned(),
            Err(reason) => format!("% Copy failed: {reason}\n"),
        }
    }

    fn dir(&self, command: &Matched, devices: &mut Devices<'_>) -> Outcome {
        let wanted = match command.get("file").map(FlashPath::parse) {
            None => String::new(),
            Some(Some(FlashPath::Bootflash(name))) => name,
            Some(_) => return Outcome::error("% Invalid file name"),
        };
        match dir_text(&wanted, devices) {
            Ok(Some(text)) => Outcome::text(text),
            Ok(None) => Outcome::error("No such file or directory"),
            Err(error) => Outcome::error(&format!("% {error}")),
        }
    }

    /// Commands of `license smart`.
    fn license(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        command: &Matched,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        match command.action.as_str() {
            "license sync" => {
                let effects = self.agent_input(now, Input::Sync, devices);
                Outcome { effects, ..Outcome::default() }
            }
            "license trust" => {
                let input = Input::Trust {
                    id_token: argument(command, "token").to_owned(),
                    all: command.has("all"),
                    force: command.has("force"),
                };
                let effects = self.agent_input(now, input, devices);
                Outcome { effects, ..Outcome::default() }
            }
            "license factory reset" => self.ask(now, session, "", Question::FactoryReset, devices),
            "license clear eventlog" => {
                self.agent.clear_event_log(devices.store);
                Outcome::default()
            }
            "license import" => self.license_import(now, argument(command, "file"), devices),
            _ => self.license_save(now, command, devices),
        }
    }

    fn license_save(
        &mut self,
        now: Timestamp,
        command: &Matched,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let scope = match command.action.as_str() {
            "license save unreported" => SaveScope::Unreported,
            "license save days" => SaveScope::Days(argument(command, "days").parse().unwrap_or(1)),
            "license save id" => SaveScope::Report(argument(command, "id").parse().unwrap_or(0)),
            _ => SaveScope::All,
        };
        let failure = |reason: &str| Outcome::error(&format!("Failure: save status: {reason}"));
        let Some(FlashPath::Bootflash(name)) = FlashPath::parse(argument(command, "file")) else {
            return failure("The file name is not valid, use bootflash:NAME");
        };
        if name.is_empty() {
            return failure("The file name is missing, use bootflash:NAME");
        }
        let mut file = match self.agent.begin_usage_file(now, scope, &mut devices.agent()) {
            Ok(file) => file,
            Err(reason) => return failure(&reason),
        };
        let Devices { store, flash, random } = devices;
        let mut next_piece = || {
            let mut environment = Environment { disk: &mut **store, random: &mut **random };
            let piece = self.agent.usage_file_piece(&mut file, &mut environment);
            piece.map(|piece| piece.map(String::into_bytes)).map_err(DiskError::Other)
        };
        if let Err(error) = flash.write_pieces(&name, &mut next_piece) {
            return failure(&error.to_string());
        }
        self.agent.usage_saved(now, &file, &mut devices.agent());
        Outcome::default()
    }

    fn license_import(&mut self, now: Timestamp, file: &str, devices: &mut Devices<'_>) -> Outcome {
        let failure = |reason: &str| Outcome::error(&format!("Failure: import status: {reason}"));
        let Some(FlashPath::Bootflash(name)) = FlashPath::parse(file) else {
            return failure("The file name is not valid, use bootflash:NAME");
        };
        let bytes = match devices.flash.read(&name) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return failure("The requested item was not found"),
            Err(error) => return failure(&error.to_string()),
        };
        let (summary, effects) = match self.agent.import(now, &bytes, &mut devices.agent()) {
            Ok(imported) => imported,
            Err(reason) => return failure(&reason),
        };
        let mut text = String::new();
        if !summary.installed.is_empty() {
            text.push_str("Import Data Successful\n");
        }
        for kind in &summary.installed {
            text.push_str(&format!("  {kind}\n"));
        }
        for (kind, reason) in &summary.refused {
            text.push_str(&format!("Failure: import status: {kind}: {reason}\n"));
        }
        if text.is_empty() {
            return failure("The file holds nothing for this device");
        }
        let effects = self.take_effects(now, effects);
        Outcome { effects, ..Outcome::text(text) }
    }

    /// `show file`, as text or as a sum.
    pub(crate) fn show_file(&self, command: &Matched, devices: &mut Devices<'_>) -> Outcome {
        let Some(FlashPath::Bootflash(name)) = FlashPath::parse(argument(command, "file")) else {
            return Outcome::error("% Invalid file name");
        };
        match devices.flash.read(&name) {
            Ok(Some(bytes)) if command.has("sha256sum") => {
                let sum: String = sha256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                Outcome::text(format!("{sum}\n"))
            }
            Ok(Some(bytes)) => {
                let mut text = String::from_utf8_lossy(&bytes).into_owned();
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                Outcome::text(text)
            }
            Ok(None) => Outcome::error("No such file or directory"),
            Err(error) => Outcome::error(&format!("% {error}")),
        }
    }
}

fn number(command: &Matched, name: &str) -> usize {
    argument(command, name).parse().unwrap_or(0)
}

fn read_remote(url: &str, to: &FlashPath) -> Outcome {
    match to {
        FlashPath::Bootflash(name) if !name.is_empty() => remote_copy(url, None, name.clone()),
        _ => Outcome::error("% Copy from a server to bootflash:NAME"),
    }
}

fn remote_copy(url: &str, put: Option<Vec<u8>>, name: String) -> Outcome {
    if !url.starts_with("tftp://") {
        return Outcome::error("% Only tftp:// servers are supported");
    }
    let copy = RemoteCopy { url: url.to_owned(), put, name };
    let mut outcome = Outcome { effects: vec![Effect::Copy(copy)], ..Outcome::default() };
    outcome.reply.pending = true;
    outcome
}

fn dir_text(wanted: &str, devices: &mut Devices<'_>) -> Result<Option<String>, DiskError> {
    let mut text = String::new();
    let mut total = 0;
    for name in devices.flash.list("")? {
        if !wanted.is_empty() && name != wanted {
            continue;
        }
        let size = devices.flash.size_bytes(&name)?.unwrap_or(0);
        total += size;
        text.push_str(&format!("{size:>11}  {name}\n"));
    }
    if text.is_empty() && !wanted.is_empty() {
        return Ok(None);
    }
    text.push_str(&format!("\nUsage for bootflash://\n{total:>11} bytes used\n"));
    Ok(Some(text))
}
