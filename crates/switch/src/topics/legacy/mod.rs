//! Licensing on releases before Smart Licensing Using Policy: Smart Licensing, licence files and the right to use, by the machine of
//! `rumline-legacy`. The agent sleeps there: what it has stored stays as it is, and it says and asks nothing (PI-MIG-019, PI-MIG-026).

mod calls;
mod conversion;
mod migration;
mod show;

use std::collections::VecDeque;

use rumline_agent::{Config, Disk, DiskError, Input, LicenseUse, Transport};
use rumline_catalogue::{Catalogue, Release};
use rumline_legacy::{
    Answer as Answered, Effect as Wanted, Input as Event, Kept, KeptError, Message, Personality,
    Use,
};
use rumline_protocol::Timestamp;

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::{ConfigTree, Setting};
use crate::topics::files::FlashPath;
use crate::{Devices, Effect, Switch};

pub(crate) use conversion::show_conversion;
pub(crate) use migration::Migration;
pub(crate) use show::{show_all, show_model, show_status, show_summary, show_udi, show_usage};

/// Whether licences are held by Smart Licensing.
const ENABLE: Setting = Setting::line("license smart enable");

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("clear license", clear_file).of_before(),
        Command::administrator("install license", install_file).of_before(),
        Command::administrator("license smart deregister", calls::deregister).of_before(),
        Command::administrator("license smart register idtoken", calls::register).of_before(),
        Command::administrator("license smart renew", calls::renew).of_before(),
        Command::administrator("license smart reservation", |_, _| {
            let told = "% License reservation is not supported on this switch: register it, or report by Smart Licensing Using Policy";
            Err(CommandError::failed(told))
        }),
        Command::anyone("show license brief", show::show_brief).of_before(),
        Command::anyone("show license file", show::show_files).of_before(),
    ],
    settings: &[ENABLE],
};

/// What a switch has on a release before Smart Licensing Using Policy.
#[derive(Debug)]
pub(crate) struct Older {
    pub personality: Personality,
    /// What was written last.
    written: Kept,
    /// What is there cannot be read, and is to be put aside before anything is written.
    is_unreadable: bool,
    /// The call under way.
    on_its_way: Option<calls::OnItsWay>,
}

/// What was kept of the older licensing, and what is wrong with that.
pub(crate) fn kept(store: &mut dyn Disk) -> Result<(Kept, Option<KeptError>), DiskError> {
    let Some(bytes) = store.read(Kept::FILE)? else { return Ok((Kept::default(), None)) };
    Ok(match Kept::read(&bytes) {
        Ok(kept) => (kept, None),
        Err(error) => (Kept::default(), Some(error)),
    })
}

/// The most files that are put aside; where there are so many, nothing is written over what is there.
const ASIDE_MAX: u32 = 9;

/// Puts what cannot be read where nothing writes over it, and says where.
pub(crate) fn put_aside(store: &mut dyn Disk) -> Result<String, DiskError> {
    let Some(bytes) = store.read(Kept::FILE)? else { return Ok(String::new()) };
    for number in 1..=ASIDE_MAX {
        let name = format!("{}.aside-{number}", Kept::FILE);
        match store.read(&name)? {
            // A cut came between the copy and the removal.
            Some(known) if known == bytes => {}
            Some(_) => continue,
            None => store.write(&name, &bytes)?,
        }
        store.remove(Kept::FILE)?;
        return Ok(name);
    }
    let told = format!("{} files of the older licensing are put aside already", ASIDE_MAX);
    Err(DiskError::Other(told))
}

/// The file of it, if it is damaged.
///
/// # Errors
/// When the disk cannot be read.
pub fn damaged_licensing(store: &mut dyn Disk) -> Result<Option<&'static str>, DiskError> {
    Ok(kept(store)?.1.map(|_| Kept::FILE))
}

/// Whether Smart Licensing is enabled by these lines.
pub(crate) fn is_smart(tree: &ConfigTree) -> bool {
    tree.lines.iter().any(|line| line.text == ENABLE.head)
}

impl Older {
    /// Goes on from what was kept, on a release that needs it.
    pub(crate) fn open(
        release: &Release,
        tree: &ConfigTree,
        (kept, is_unreadable): (Kept, bool),
    ) -> Option<Self> {
        if release.has_slp() {
            return None;
        }
        let personality = Personality::open(kept.clone(), is_smart(tree));
        Some(Self { personality, written: kept, is_unreadable, on_its_way: None })
    }
}

/// What holds for the agent while it sleeps: it speaks to nobody.
pub(crate) fn asleep(config: Config) -> Config {
    Config { transport: Transport::Off, ..config }
}

/// What is in use as the older licensing counts it: what is held by the right to use is not (PI-MIG-013).
pub(crate) fn uses(licenses: Vec<LicenseUse>) -> Vec<Use> {
    let is_rtu = |name: &str| Catalogue::nexus().package(name).is_some_and(|package| package.rtu);
    let of = |license: LicenseUse| {
        let LicenseUse { tag, name, description, count } = license;
        Use { tag, name, description, count }
    };
    licenses.into_iter().filter(|license| !is_rtu(&license.name)).map(of).collect()
}

/// The host id that licence files are for.
pub(crate) fn host_id(switch: &Switch) -> String {
    format!("VDH={}", switch.udi.serial)
}

fn failed(what: &str, why: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(format!("{what} failed: {why}"))
}

fn install_file(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let failed = |why: &dyn std::fmt::Display| failed("Installing license", why);
    let name = match FlashPath::parse(call.text("file")) {
        Some(FlashPath::Bootflash(name)) if !name.is_empty() => name,
        _ => return Err(CommandError::failed("% Invalid file name, use bootflash:NAME")),
    };
    let bytes = call.devices.flash.read(&name).map_err(|error| failed(&error))?;
    let bytes = bytes.ok_or_else(|| failed(&format!("bootflash:{name} is not there")))?;
    let kept_as = call.command.get("name").unwrap_or(&name).to_owned();
    let host_id = host_id(switch);
    let Some(older) = &mut switch.older else { return Ok(Outcome::default()) };
    let before = older.personality.keep().files.clone();
    let files = older.personality.files_mut();
    files.install(&kept_as, &bytes, &host_id).map_err(|error| failed(&error))?;
    if let Err(error) = older.keep(call.devices.store) {
        *older.personality.files_mut() = before;
        return Err(failed(&error));
    }
    let told = switch.log_line(call.now, &Message::FileInstalled(kept_as).to_string());
    Ok(Outcome::text("Installing license ..done\n").with(vec![told]))
}

fn clear_file(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = call.text("name").to_owned();
    let Some(older) = &mut switch.older else { return Ok(Outcome::default()) };
    let before = older.personality.keep().files.clone();
    if !older.personality.files_mut().remove(&name) {
        return Err(failed("Clearing license", format!("no license file {name} is installed")));
    }
    if let Err(error) = older.keep(call.devices.store) {
        *older.personality.files_mut() = before;
        return Err(failed("Clearing license", error));
    }
    let told = switch.log_line(call.now, &Message::FileRemoved(name).to_string());
    Ok(Outcome::text("Clearing license ..done\n").with(vec![told]))
}

/// Puts what cannot be read aside where it will be written over, and says what that comes to. On a release with Smart Licensing Using
/// Policy nothing writes there: it stays, for a program that can read it.
pub(crate) fn unreadable_told(
    older: &mut Option<Older>,
    error: &KeptError,
    store: &mut dyn Disk,
) -> String {
    let head = format!("%ASCII-CFG-2-CONF_CONTROL: {error}");
    let Some(older) = older else {
        return format!(
            "{head}: it stays in {}, and what the switch held before is not known",
            Kept::FILE
        );
    };
    let nothing = "the switch is not registered and has no license files";
    match put_aside(store) {
        Ok(name) => {
            older.is_unreadable = false;
            format!("{head}: it is kept as {name}; {nothing}")
        }
        Err(why) => {
            format!("{head}: it cannot be put aside ({why}) and stays in {}; {nothing}", Kept::FILE)
        }
    }
}

impl Older {
    /// Writes what has to last, if it is new.
    fn keep(&mut self, store: &mut dyn Disk) -> Result<(), DiskError> {
        let kept = self.personality.keep();
        if *kept != self.written {
            if self.is_unreadable {
                put_aside(store)?;
                self.is_unreadable = false;
            }
            store.write(Kept::FILE, &kept.write())?;
            self.written = kept.clone();
        }
        Ok(())
    }
}

impl Switch {
    /// Hands an event to the older licensing, where there is one.
    pub(crate) fn older_event(
        &mut self,
        now: Timestamp,
        event: Event,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        let (mut effects, mut events) = (Vec::new(), VecDeque::from([event]));
        while let Some(event) = events.pop_front() {
            let Some(older) = &mut self.older else { break };
            let wanted = older.personality.handle(now, event);
            // What cannot be written now is with the next event. Nothing is lost by what leaves meanwhile: the server says it again.
            let _tried_again = older.keep(devices.store);
            for effect in wanted {
                match effect {
                    Wanted::Tell(message) => effects.push(self.log_line(now, &message.to_string())),
                    Wanted::Call(call) => match self.older_call(now, call, devices) {
                        Ok(effect) => effects.push(effect),
                        Err(why) => {
                            events.push_back(Event::Answered(Answered::Unreachable(why)));
                        }
                    },
                }
            }
        }
        effects
    }

    /// Something happened on a release of before: the agent hears what it must, and says nothing.
    pub(crate) fn older_input(
        &mut self,
        now: Timestamp,
        input: Input,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        let event = match &input {
            Input::Tick => Some(Event::Tick),
            Input::ClockStepped { from, to } => Some(Event::ClockStepped(to.since(*from))),
            Input::Answer { request_id, body } => self.older_heard(now, request_id, Ok(body)),
            Input::Unreachable { request_id, reason } => {
                self.older_heard(now, request_id, Err(reason.to_string()))
            }
            Input::Busy { request_id, .. } => {
                self.older_heard(now, request_id, Err("the server is busy".to_owned()))
            }
            _ => None,
        };
        let agent_hears = match input {
            Input::ClockStepped { .. }
            | Input::Supervisors(_)
            | Input::SupervisorComes(_)
            | Input::Shutdown => Some(input),
            // Nothing was in use that the agent counts: what it counted before ends with the first start here.
            Input::Use(_) => Some(Input::Use(Vec::new())),
            _ => None,
        };
        if let Some(input) = agent_hears {
            let _asleep = self.agent.handle(now, input, &mut devices.agent());
        }
        event.map_or_else(Vec::new, |event| self.older_event(now, event, devices))
    }

    /// Which licences are in use, or whether Smart Licensing is, follows the lines.
    pub(crate) fn older_configured(
        &mut self,
        now: Timestamp,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        if self.older.is_none() {
            return Vec::new();
        }
        let _asleep = self.older_input(now, Input::Use(Vec::new()), devices);
        let is_enabled = is_smart(&self.running);
        let uses = uses(self.in_use.licenses(self.platform));
        let mut effects = self.older_event(now, Event::Uses(uses), devices);
        effects.extend(self.older_event(now, Event::Enabled(is_enabled), devices));
        effects
    }
}
