//! Checkpoints to come back to, files that become the configuration, and lines that are tried before they count.

use rumline_protocol::Timestamp;

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::Call;
use crate::config::{ConfigTree, Place, Reader, Refusals, Settings, Source};
use crate::topics::{files, users};
use crate::{Devices, Effect, Switch};

/// Checkpoints kept; NX-OS keeps as many.
const CHECKPOINTS_MAX: usize = 10;
/// Configuration sessions kept, and the lines of one.
const DRAFTS_MAX: usize = 32;
const DRAFT_LINES_MAX: usize = 20_000;
const DRAFT_BYTES_MAX: usize = 32 << 20;

/// A configuration as it once was. It is gone after a restart.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    name: String,
    tree: ConfigTree,
    by: String,
    at: Timestamp,
}

/// Lines of `configure session` that wait to be carried out together.
#[derive(Debug)]
pub(crate) struct Draft {
    id: u64,
    /// The configuration as it would be.
    pub(crate) tree: ConfigTree,
    /// Each with the place it was typed at: several people may be at several, and come and go.
    lines: Vec<(Place, String)>,
    bytes: usize,
    by: String,
}

impl Draft {
    /// Remembers a line that was taken.
    pub(crate) fn keep(&mut self, place: Place, line: &str) {
        self.bytes += place.bytes() + line.len();
        self.lines.push((place, line.to_owned()));
    }

    /// Whether it may take another line.
    pub(crate) fn has_room(&self) -> Result<(), CommandError> {
        if self.lines.len() < DRAFT_LINES_MAX && self.bytes < DRAFT_BYTES_MAX {
            Ok(())
        } else {
            Err(CommandError::failed("% The session is full, commit or abort it"))
        }
    }
}

pub(super) fn checkpoint(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = match call.command.get("name") {
        Some(name) => name.to_owned(),
        None => {
            let free =
                |number: &usize| !switch.has_checkpoint(&format!("user-checkpoint-{number}"));
            format!("user-checkpoint-{}", (1..).find(free).unwrap_or(1))
        }
    };
    if switch.has_checkpoint(&name) {
        return Err(CommandError::failed(format!("% A checkpoint {name} exists already")));
    }
    if switch.checkpoints.len() == CHECKPOINTS_MAX {
        switch.checkpoints.remove(0);
    }
    let (tree, by) = (switch.running.clone(), call.session.login.clone());
    let told = if call.command.get("name").is_none() {
        format!("{name} created Successfully\n\n")
    } else {
        String::new()
    };
    switch.checkpoints.push(Checkpoint { name, tree, by, at: call.now });
    Ok(Outcome::text(format!("{told}Done\n")))
}

/// `checkpoint file`: the running configuration in a file that `rollback running-config file` takes.
pub(super) fn checkpoint_file(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let at = switch.derived.zone.config_time(call.now);
    let text =
        format!("!Command: Checkpoint cmd vdc 1\n!Time: {at}\n\n{}", switch.running.render());
    files::write_text(call.text("file"), &text, call.devices)?;
    Ok(Outcome::text("Done\n"))
}

pub(super) fn forget_checkpoint(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let place = switch.checkpoint_place(call.text("name"))?;
    switch.checkpoints.remove(place);
    Ok(Outcome::text("Done\n"))
}

pub(super) fn rollback(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let tree = switch.checkpoint_tree(call.text("name"))?;
    Ok(switch.go_to(tree, call))
}

pub(super) fn rollback_to_file(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let text = files::read_text(call.text("file"), call.devices)?;
    let tree = switch.configuration_of("Rollback", &text.text, call.devices)?;
    let mut outcome = switch.go_to(tree, call);
    outcome.reply.text.push_str(text.warning);
    Ok(outcome)
}

pub(super) fn replace(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let text = files::read_text(call.text("file"), call.devices)?;
    let tree = switch.configuration_of("Configure replace", &text.text, call.devices)?;
    let effects = switch.replace_running(tree, call);
    let told = format!("Configure replace completed successfully.\n{}", text.warning);
    Ok(Outcome::text(told).with(effects))
}

fn not_understood(what: &str, refused: &Refusals) -> CommandError {
    let mut text =
        format!("% {what} failed, nothing was changed. Lines that were not understood:\n");
    files::push_refused(refused, &mut text);
    CommandError::Failed(text.trim_end().to_owned())
}

impl Switch {
    /// The configuration of a checkpoint.
    pub(super) fn checkpoint_tree(&self, name: &str) -> Result<ConfigTree, CommandError> {
        Ok(self.checkpoints[self.checkpoint_place(name)?].tree.clone())
    }

    fn has_checkpoint(&self, name: &str) -> bool {
        self.checkpoints.iter().any(|known| known.name == name)
    }

    fn checkpoint_place(&self, name: &str) -> Result<usize, CommandError> {
        let place = self.checkpoints.iter().position(|known| known.name == name);
        place.ok_or_else(|| CommandError::failed(format!("% There is no checkpoint {name}")))
    }

    /// The configuration that a file is: all of its lines have to be ones that could be typed, or stand there already.
    fn configuration_of(
        &self,
        what: &str,
        text: &str,
        devices: &mut Devices<'_>,
    ) -> Result<ConfigTree, CommandError> {
        let mut strict = ConfigTree::default();
        let settings = self.software().settings(devices.random);
        let mut refused =
            Reader::new(&mut strict, settings, Source::Copied, &self.words.grammar).text(text);
        refused.retain(|(_, line, _)| self.running.lines.place_of(line).is_none());
        if !refused.is_empty() {
            return Err(not_understood(what, &refused));
        }
        let mut tree = ConfigTree::default();
        let settings = Settings::of_a_file(devices.random);
        Reader::new(&mut tree, settings, Source::File, &self.words.grammar).text(text);
        if tree.lines.iter().all(|line| line.text.is_empty()) {
            return Err(CommandError::Failed(format!(
                "% {what} failed, the file holds no configuration"
            )));
        }
        Ok(tree)
    }

    fn go_to(&mut self, tree: ConfigTree, call: &mut Call<'_, '_>) -> Outcome {
        let mut text = "Collecting Running-Config\n#Generating Rollback Patch\n".to_owned();
        if tree == self.running {
            text.push_str("Rollback Patch is Empty\n");
        } else {
            text.push_str("Executing Rollback Patch\nGenerating Running-config for verification\n");
        }
        let effects = self.replace_running(tree, call);
        text.push_str("Rollback completed successfully.\n");
        Outcome::text(text).with(effects)
    }

    /// Puts another configuration in the place of the running one. Whoever has a password here keeps it, where the other has
    /// none for `admin`: nobody is locked out.
    fn replace_running(&mut self, mut tree: ConfigTree, call: &mut Call<'_, '_>) -> Vec<Effect> {
        let admin = "username admin password";
        if !users::has_admin(&tree)
            && let Some(own) = self.running.starting_with(admin).next()
        {
            tree.set(&[], &own.text, 3);
        }
        self.running = tree;
        let mut effects = self.configuration_replaced(call.now, call.devices);
        effects.push(self.configured_by(call.now, call.session));
        effects
    }
}

pub(super) fn session(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = call.text("name").to_owned();
    if !switch.drafts.contains_key(&name) {
        if switch.drafts.len() == DRAFTS_MAX {
            return Err(CommandError::failed("% Too many configuration sessions, abort one"));
        }
        let (tree, by) = (switch.running.clone(), call.session.login.clone());
        switch.last_draft += 1;
        let draft = Draft { id: switch.last_draft, tree, lines: Vec::new(), bytes: 0, by };
        switch.drafts.insert(name.clone(), draft);
    }
    let id = switch.drafts.get(&name).map_or(0, |draft| draft.id);
    call.session.place = Some(Place::global());
    call.session.draft = Some(name);
    Ok(Outcome::text(format!(
        "Config Session started, Session ID is {id}\nEnter configuration commands, one per line.  End with CNTL/Z.\n",
    )))
}

pub(super) fn forget_session(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = call.text("name");
    match switch.drafts.remove(name) {
        Some(_) => Ok(Outcome::default()),
        None => Err(CommandError::failed(format!("% There is no configuration session {name}"))),
    }
}

fn draft_of(call: &Call<'_, '_>) -> Result<String, CommandError> {
    let none =
        || CommandError::failed("% Only in a configuration session (configure session NAME)");
    call.session.draft.clone().ok_or_else(none)
}

pub(super) fn abort(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = draft_of(call)?;
    switch.drafts.remove(&name);
    call.session.end();
    Ok(Outcome::default())
}

impl Switch {
    /// The running configuration with the lines of a session carried out, as it is now.
    fn with_lines(
        &self,
        name: &str,
        devices: &mut Devices<'_>,
    ) -> Result<(ConfigTree, Refusals), CommandError> {
        let gone = || CommandError::failed("% The session was committed or aborted meanwhile");
        let draft = self.drafts.get(name).ok_or_else(gone)?;
        let mut tree = self.running.clone();
        let settings = self.software().settings(devices.random);
        let mut reader = Reader::new(&mut tree, settings, Source::Typed, &self.words.grammar);
        let mut refused = Refusals::new();
        for (index, (place, line)) in draft.lines.iter().enumerate() {
            if let Err(why) = reader.line(&mut place.clone(), line) {
                refused.push((index + 1, line.trim().to_owned(), why));
            }
        }
        Ok((tree, refused))
    }
}

pub(super) fn verify(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = draft_of(call)?;
    match switch.with_lines(&name, call.devices)? {
        (_, refused) if !refused.is_empty() => Err(not_understood("Verification", &refused)),
        _ => Ok(Outcome::text("Verification Successful\n")),
    }
}

pub(super) fn commit(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let name = draft_of(call)?;
    let (tree, refused) = switch.with_lines(&name, call.devices)?;
    if !refused.is_empty() {
        return Err(not_understood("Commit", &refused));
    }
    let effects = switch.replace_running(tree, call);
    switch.drafts.remove(&name);
    call.session.end();
    Ok(Outcome::text("Commit Successful\n").with(effects))
}

pub(super) fn show_checkpoints(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = call.command.get("name");
    if let Some(name) = wanted {
        switch.checkpoint_place(name)?;
    }
    let mut text = String::new();
    for known in &switch.checkpoints {
        if wanted.is_none_or(|wanted| wanted == known.name) {
            let rule = "-".repeat(80);
            text.push_str(&format!("{rule}\nName: {}\n\n{}\n", known.name, known.tree.render()));
        }
    }
    call.lines(text)
}

pub(super) fn show_summary(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let mut text = "User Checkpoint Summary\n".to_owned();
    text.push_str(&format!("{}\n", "-".repeat(80)));
    for (index, known) in switch.checkpoints.iter().enumerate() {
        text.push_str(&format!(
            "{}) {}:\nCreated by {}\nCreated at {}\nSize is {} bytes\nDescription: None\n\n",
            index + 1,
            known.name,
            known.by,
            switch.derived.zone.config_time(known.at),
            known.tree.render().len()
        ));
    }
    call.lines(text)
}

pub(super) fn show_sessions(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let wanted = call.command.get("name");
    let mut text = String::new();
    for (name, draft) in &switch.drafts {
        if wanted.is_some_and(|wanted| wanted != name) {
            continue;
        }
        text.push_str(&format!("config session name {name} (by {})\n", draft.by));
        for (index, (_, line)) in draft.lines.iter().enumerate() {
            let shown = users::without_secret(line);
            text.push_str(&format!("{:04}  {shown}\n", index + 1));
        }
    }
    if text.is_empty() {
        text.push_str("There are no active configuration sessions\n");
    }
    call.lines(text)
}
