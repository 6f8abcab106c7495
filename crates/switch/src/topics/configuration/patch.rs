//! The lines that lead from one configuration to another.

use std::collections::BTreeMap;

use rumline_cli::Refusal;

use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::Call;
use crate::config::{ConfigTree, Line, Reader, Settings, Source, render_lines};
use crate::topics::files;

/// `show diff rollback-patch`.
pub(super) fn show(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let mut at = call.command.place_of("both");
    let mut words = call.text("both").split(' ').peekable();
    let mut both = Vec::with_capacity(2);
    while let Some(word) = words.next() {
        if both.len() == 2 {
            return Err(CommandError::Syntax { refusal: Refusal::Invalid, at });
        }
        at += word.len() + 1;
        let mut named = || {
            let name = words.next().filter(|name| !name.is_empty());
            let name =
                name.ok_or(CommandError::Syntax { refusal: Refusal::Incomplete, at: at - 1 })?;
            at += name.len() + 1;
            Ok::<_, CommandError>(name)
        };
        both.push(match word {
            "running-config" => switch.running.clone(),
            "startup-config" => {
                switch.startup.as_deref().map(ConfigTree::parse).unwrap_or_default()
            }
            "checkpoint" => switch.checkpoint_tree(named()?)?,
            "file" => {
                let text = files::read_text(named()?, call.devices)?.text;
                let mut tree = ConfigTree::default();
                let settings = Settings::of_a_file(call.devices.random);
                Reader::new(&mut tree, settings, Source::File, &switch.words.grammar).text(&text);
                tree
            }
            _ => {
                let at = at - word.len() - 1;
                return Err(CommandError::Syntax { refusal: Refusal::Invalid, at });
            }
        });
    }
    let [from, to] = &both[..] else {
        return Err(CommandError::Syntax { refusal: Refusal::Incomplete, at: at.max(1) - 1 });
    };
    let patch = patch(&from.lines, &to.lines);
    let mut text = "Collecting Running-Config\n#Generating Rollback Patch\n".to_owned();
    if patch.is_empty() {
        text.push_str("Rollback Patch is Empty\n");
    } else {
        text.push_str("\n!!\n");
        render_lines(&patch, 0, &mut text);
    }
    call.lines(text)
}

/// What is only in the one is taken away, deepest first, and what is only in the other given; in sections that are in both
/// the same below them.
pub(crate) fn patch<'l>(from: &'l [Line], to: &'l [Line]) -> Vec<Line> {
    let by_text = |lines: &'l [Line]| -> BTreeMap<&'l str, &'l Line> {
        lines.iter().map(|line| (line.text.as_str(), line)).collect()
    };
    let (before, after) = (by_text(from), by_text(to));
    let negated = |text: &str| match text.strip_prefix("no ") {
        // Its opposite would be a line as well.
        Some(positive) => format!("default {positive}"),
        None => format!("no {text}"),
    };
    let mut lines = Vec::new();
    for line in from.iter().filter(|line| !line.text.is_empty()) {
        if !after.contains_key(line.text.as_str()) {
            lines.push(Line::of(negated(&line.text)));
        }
    }
    for line in to.iter().filter(|line| !line.text.is_empty()) {
        match before.get(line.text.as_str()) {
            None => lines.push(line.clone()),
            Some(known) => {
                let inner = patch(&known.children, &line.children);
                if !inner.is_empty() {
                    lines.push(Line {
                        children: inner.into_iter().collect(),
                        ..Line::of(line.text.clone())
                    });
                }
            }
        }
    }
    lines
}
