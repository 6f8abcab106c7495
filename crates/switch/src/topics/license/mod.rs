//! Licensing: what the switch does with the agent.

mod data;
pub(crate) mod settings;
mod show;
mod support;
mod uses;

use rumline_agent::{DiskError, Effect, Environment, Input, SaveScope, SyslogMessage};
use rumline_cli::Fields;

pub(crate) use settings::{free_form, licensing, transport_word};
pub(crate) use uses::InUse;

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Command, Topic};
use crate::session::Question;
use crate::topics::files::FlashPath;
use crate::topics::legacy;
use crate::{Devices, Switch};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("license smart clear eventlog", |switch, call| {
            switch.agent.clear_event_log(call.devices.store);
            Ok(Outcome::default())
        })
        .of_policy(),
        Command::administrator("license smart factory reset", |switch, call| {
            switch.ask("", Question::FactoryReset, call)
        })
        .of_policy(),
        Command::administrator("license smart import", import).of_policy(),
        Command::administrator("license smart save usage all", |switch, call| {
            save(switch, call, SaveScope::All)
        })
        .of_policy(),
        Command::administrator("license smart save usage days", |switch, call| {
            let days = call.number("days");
            save(switch, call, SaveScope::Days(days))
        })
        .of_policy(),
        Command::administrator("license smart save usage rum-id", |switch, call| {
            let id = call.number("id");
            save(switch, call, SaveScope::Report(id))
        })
        .of_policy(),
        Command::administrator("license smart save usage unreported", |switch, call| {
            save(switch, call, SaveScope::Unreported)
        })
        .of_policy(),
        Command::administrator("license smart sync", sync).of_policy(),
        Command::administrator("license smart trust idtoken", trust).of_policy(),
        Command::anyone("show license all", |switch, call| {
            call.shown(|| switch.license_all(), || switch.all_fields())
        })
        .before(legacy::show_all),
        Command::anyone("show license data conversion", legacy::show_conversion).of_policy(),
        Command::anyone("show license eventlog", |switch, call| {
            call.text_only(|| switch.license_eventlog())
        })
        .of_policy(),
        Command::anyone("show license history message", |switch, call| {
            call.text_only(|| switch.license_history())
        })
        .of_policy(),
        Command::anyone("show license host-id", |switch, call| {
            let id = format!("VDH={}", switch.udi.serial);
            call.shown(|| format!("License hostid: {id}\n"), || Fields::new().text("host_id", &id))
        }),
        Command::anyone("show license rum id", Switch::license_rum).of_policy(),
        Command::anyone("show license status", |switch, call| {
            call.shown(|| switch.license_status(), || switch.status_fields())
        })
        .before(legacy::show_status),
        Command::anyone("show license summary", |switch, call| {
            call.shown(|| switch.license_summary(), || switch.summary_rows())
        })
        .before(legacy::show_summary),
        Command::anyone("show license tech support", |switch, call| {
            call.text_only(|| switch.license_tech_support(call.now))
        })
        .of_policy(),
        Command::anyone("show license udi", |switch, call| {
            call.shown(|| switch.license_udi(), || switch.udi_fields())
        })
        .before(legacy::show_udi),
        Command::anyone("show license usage", |switch, call| {
            call.shown(|| switch.license_usage(), || switch.usage_rows())
        })
        .before(legacy::show_usage),
    ],
    settings: &[
        settings::CUSTOM_ID,
        settings::PRIVACY,
        settings::PROXY_ADDRESS,
        settings::PROXY_PORT,
        settings::SOURCE_INTERFACE,
        settings::TRANSPORT,
        settings::URL_CSLU,
        settings::URL_SMART,
        settings::CUSTOMER_TAGS,
        settings::FREE_FORM,
        settings::INTERVAL,
        settings::VRF,
    ],
};

/// A failure in the form that NX-OS has for them (G-11).
fn failure(what: &str, reason: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(format!("Failure: {what} status: {reason}"))
}

/// G-10: a line of success; what comes of it is in the status and in system messages.
fn sync(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let is_off = switch.agent.config().destination().is_none();
    let effects = switch.agent_input(call.now, Input::Sync, call.devices);
    let outcome = if is_off {
        let reason = "the transport is off, use license smart save usage";
        Outcome::failed(failure("sync", reason))
    } else {
        Outcome::text("Synchronization with the licensing server was started\n")
    };
    Ok(outcome.with(effects))
}

fn trust(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let input = Input::Trust {
        id_token: call.text("token").to_owned(),
        all: call.has("all"),
        force: call.has("force"),
    };
    let effects = switch.agent.handle(call.now, input, &mut call.devices.agent());
    let refused = effects.iter().find_map(|effect| match effect {
        Effect::Syslog(SyslogMessage::TrustCodeInstallFailed { reason, .. }) => Some(reason),
        _ => None,
    });
    let outcome = match refused {
        Some(reason) => Outcome::failed(failure("trust", reason)),
        None => Outcome::text("A trust code was asked for\n"),
    };
    let effects = switch.take_effects(call.now, effects, call.devices);
    Ok(outcome.with(effects))
}

/// The name on bootflash: of a file to write or read.
fn file_name(what: &str, call: &Call<'_, '_>) -> Result<String, CommandError> {
    match FlashPath::parse(call.text("file")) {
        Some(FlashPath::Bootflash(name)) if name.is_empty() => {
            Err(failure(what, "The file name is missing, use bootflash:NAME"))
        }
        Some(FlashPath::Bootflash(name)) => Ok(name),
        _ => Err(failure(what, "The file name is not valid, use bootflash:NAME")),
    }
}

fn save(switch: &mut Switch, call: &mut Call<'_, '_>, scope: SaveScope) -> Answer {
    let failure = |reason: String| failure("save", reason);
    let name = file_name("save", call)?;
    if let Some(why) = switch.waits_for_conversion(call.now) {
        return Err(failure(why));
    }
    let agent = &mut switch.agent;
    let mut file =
        agent.begin_usage_file(call.now, scope, &mut call.devices.agent()).map_err(failure)?;
    let Devices { store, flash, random } = &mut *call.devices;
    let mut next_piece = || {
        let mut environment = Environment { disk: &mut **store, random: &mut **random };
        let piece = agent.usage_file_piece(&mut file, &mut environment);
        piece.map(|piece| piece.map(String::into_bytes)).map_err(DiskError::Other)
    };
    flash.write_pieces(&name, &mut next_piece).map_err(|error| failure(error.to_string()))?;
    agent.usage_saved(call.now, &file, &mut call.devices.agent());
    Ok(Outcome::text(format!("Saved license usage to bootflash:{name}\n")))
}

/// PI-CLI-022.
fn import(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let failure = |reason: &str| failure("import", reason);
    let name = file_name("import", call)?;
    let bytes = match call.devices.flash.read(&name) {
        Ok(bytes) => bytes.ok_or_else(|| failure("The requested item was not found"))?,
        Err(error) => return Err(failure(&error.to_string())),
    };
    let imported = switch.agent.import(call.now, &bytes, &mut call.devices.agent());
    let (summary, effects) = imported.map_err(|reason| failure(&reason))?;
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
        return Err(failure("The file holds nothing for this device"));
    }
    let mut effects = switch.take_effects(call.now, effects, call.devices);
    effects.extend(switch.convert_licenses(call.now, call.devices));
    Ok(Outcome::text(text).with(effects))
}
