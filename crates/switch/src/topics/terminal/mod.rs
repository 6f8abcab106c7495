//! The session and its terminal: what one person sees, and names of one's own for commands.

use std::collections::BTreeMap;

use rumline_cli::{Fields, Refusal};

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::{ConfigTree, Place, Setting, split_no};
use crate::{Effect, Switch};

/// `cli alias name NAME COMMAND`.
const ALIAS: Setting = Setting::keyed("cli alias name", 4);

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("clear line", |switch, call| {
            let line = call.text("line").to_owned();
            if !switch.seen.contains_key(&line) {
                return Err(CommandError::failed(format!("% There is no session on {line}")));
            }
            Ok(Outcome::default().with(vec![Effect::EndSession(line)]))
        }),
        Command::anyone("explain", explain),
        Command::anyone("no terminal monitor", |_, call| {
            call.session.monitor = false;
            Ok(Outcome::default())
        }),
        // Accepted, and nothing comes of it: there is one mode, and sessions end when their connections do.
        Command::anyone("nothing", |_, _| Ok(Outcome::default())),
        Command::anyone("show banner", |switch, call| {
            let text = switch.banner(if call.has("motd") { "motd" } else { "exec" });
            call.lines(text.unwrap_or_default())
        }),
        Command::anyone("show cli alias", show_aliases),
        Command::anyone("show history", |_, call| {
            let lines = call.session.history.iter().map(|line| format!("{line}\n"));
            call.lines(lines.collect())
        }),
        Command::anyone("terminal dont-ask", |_, call| {
            call.session.dont_ask = true;
            Ok(Outcome::default())
        }),
        Command::anyone("no terminal dont-ask", |_, call| {
            call.session.dont_ask = false;
            Ok(Outcome::default())
        }),
        Command::anyone("terminal length", |_, call| {
            call.session.length = call.number("lines");
            Ok(Outcome::default())
        }),
        Command::anyone("terminal monitor", |_, call| {
            call.session.monitor = true;
            Ok(Outcome::default())
        }),
        Command::anyone("terminal width", |_, call| {
            call.session.width = call.number("columns");
            Ok(Outcome::default())
        }),
    ],
    settings: &[ALIAS],
};

fn explain(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let line = call.text("command");
    let here = call.session.place.as_ref().and_then(Place::prompt);
    match switch.words.explain(here, line) {
        Ok(text) => Ok(Outcome::text(text)),
        Err(Refusal::Invalid) if Place::global().knows(split_no(line).0) => {
            Ok(Outcome::text(format!(
                "{line}\n\nMode: config\nRoles: network-admin\nKept as NX-OS has it; nothing of licensing follows from it.\n"
            )))
        }
        Err(refusal) => Err(CommandError::Failed(refusal.to_string())),
    }
}

fn show_aliases(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = call.command.get("name");
    let mut text = "CLI alias commands\n==================\n".to_owned();
    for (name, command) in &switch.derived.aliases {
        if wanted.is_none_or(|wanted| wanted == name) {
            text.push_str(&format!("{name} :{command}\n"));
        }
    }
    let rows = || {
        let wanted =
            switch.derived.aliases.iter().filter(|(name, _)| wanted.is_none_or(|one| one == *name));
        wanted
            .map(|(name, command)| Fields::new().text("name", name).text("command", command))
            .collect::<Vec<_>>()
    };
    call.shown(|| text.clone(), || Fields::new().table("alias", rows()))
}

/// Names of one's own, and the commands they stand for.
pub(crate) fn aliases(config: &ConfigTree) -> BTreeMap<String, String> {
    let of = |words: Vec<&str>| {
        let (name, command) = words.split_first()?;
        Some(((*name).to_owned(), command.join(" ")))
    };
    ALIAS.values(config).filter_map(of).collect()
}

impl Switch {
    /// The line with the name of one's own that it begins with replaced by what that stands for; how long both are.
    pub(crate) fn without_alias(&self, line: &str) -> Option<(String, usize, usize)> {
        let indent = line.len() - line.trim_start().len();
        let name = line.split_whitespace().next()?;
        let command = self.derived.aliases.get(name)?;
        let rest = &line[indent + name.len()..];
        Some((format!("{command}{rest}"), indent + name.len(), command.len()))
    }
}

impl Switch {
    /// The text of a banner, without its delimiters: `motd` is shown before a login, `exec` behind it.
    #[must_use]
    pub fn banner(&self, kind: &str) -> Option<String> {
        let line = self.running.value(&format!("banner {kind}"))?;
        let delimiter = line.chars().next()?;
        let body = line.strip_prefix(delimiter)?.split(delimiter).next().unwrap_or_default();
        Some(format!("{}\n", body.trim_matches('\n')))
    }
}
