//! The configuration as a whole: ways into it, what is shown of it, checkpoints, and lines that are carried out together.

mod patch;
mod running;
mod saved;

pub(crate) use patch::patch;
pub(crate) use saved::{Checkpoint, Draft};

use crate::Switch;
use crate::answer::{Answer, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::Place;

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("abort", saved::abort),
        Command::administrator("checkpoint", saved::checkpoint),
        Command::administrator("checkpoint file", saved::checkpoint_file),
        Command::administrator("clear checkpoint", |switch, _| {
            switch.checkpoints.clear();
            Ok(Outcome::default())
        }),
        Command::administrator("commit", saved::commit),
        Command::administrator("configure", configure),
        Command::administrator("configure replace", saved::replace),
        Command::administrator("configure session", saved::session),
        Command::anyone("end", |switch, call| {
            let effects = switch.leave_configuration(call, true);
            Ok(Outcome::default().with(effects))
        }),
        Command::anyone("exit", |switch, call| {
            if call.session.place.is_none() {
                let mut outcome = Outcome::default();
                outcome.reply.close = true;
                return Ok(outcome);
            }
            let effects = switch.leave_configuration(call, false);
            Ok(Outcome::default().with(effects))
        }),
        Command::administrator("no checkpoint", saved::forget_checkpoint),
        Command::administrator("no configure session", saved::forget_session),
        Command::administrator("rollback", saved::rollback),
        Command::administrator("rollback file", saved::rollback_to_file),
        Command::anyone("show checkpoint", saved::show_checkpoints),
        Command::anyone("show checkpoint summary", saved::show_summary),
        Command::anyone("show configuration session", saved::show_sessions),
        Command::anyone("show diff rollback-patch", patch::show),
        Command::anyone("show running-config", running::show_running),
        Command::anyone("show running-config diff", running::show_diff),
        Command::anyone("show running-config section", running::show_section),
        Command::anyone("show startup-config", running::show_startup),
        Command::administrator("verify", saved::verify),
        Command::anyone("where", whereabouts),
    ],
    settings: &[],
};

fn configure(_: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.session.place = Some(Place::global());
    call.session.draft = None;
    // PI-CLI-002
    Ok(Outcome::text("Enter configuration commands, one per line. End with CNTL/Z.\n"))
}

/// The lines that lead to where the session is, and who it is.
fn whereabouts(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let session = &call.session;
    let mut text = String::new();
    if let Some(place) = &session.place {
        text.push_str("conf");
        for line in place.trail() {
            text.push_str(&format!("; {line}"));
        }
        text.push_str("    ");
    }
    text.push_str(&format!("{}@{}\n", session.login, switch.hostname()));
    Ok(Outcome::text(text))
}
