//! `show running-config` and `show startup-config`, whole or in parts.

use std::collections::BTreeMap;

use crate::Switch;
use crate::answer::Answer;
use crate::command::Call;
use crate::config::{ConfigTree, Line, interface_names, render_lines, starts_with_words};
use crate::topics::{callhome, legacy};

pub(super) fn show_running(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let all = call.has("all");
    let mut text = switch.running_head(call, if all { " all" } else { "" });
    text.push('\n');
    if all {
        render_lines(&switch.with_defaults(), 0, &mut text);
    } else {
        text.push_str(&switch.running.render());
    }
    call.lines(text)
}

pub(super) fn show_section(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let section = section_of(call);
    let (section, all) = match section.strip_suffix(" all") {
        Some(section) => (section, true),
        None => (section.as_str(), false),
    };
    // As NX-OS writes it above.
    let written_out = section.strip_prefix("interface ").map(interface_names);
    let section_shown = match written_out.as_deref() {
        Some([one]) => one.clone(),
        _ => section.to_owned(),
    };
    let shown = if all { format!(" {section_shown} all") } else { format!(" {section_shown}") };
    let mut text = switch.running_head(call, &shown);
    text.push_str(&switch.version_line());
    let mut lines = section_lines(&switch.running, section);
    if all {
        switch.add_defaults(section, &mut lines);
        if section == "license" {
            // PI-SHOW-030
            lines.retain(|line| line.text != "license smart enable");
            text.push_str(&legacy::show_model(switch, call.now));
        }
    }
    render_lines(&lines, 0, &mut text);
    call.lines(text)
}

/// A line for each difference, with the lines above it: `-` is in the startup configuration alone, `+` in the running one.
pub(super) fn show_diff(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let startup = switch.startup.as_deref().map(ConfigTree::parse).unwrap_or_default();
    let mut text = String::new();
    push_differences(&startup.lines, &switch.running.lines, 0, &mut text);
    if !text.is_empty() {
        text.insert_str(0, "*** Startup-config\n--- Running-config\n");
    }
    call.lines(text)
}

pub(super) fn show_startup(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let Some(startup) = &switch.startup else {
        return call.lines("No startup configuration\n".to_owned());
    };
    let section =
        if call.command.get("section").is_some() { section_of(call) } else { String::new() };
    let blank = if section.is_empty() { "" } else { " " };
    let mut text = format!(
        "!Command: show startup-config{blank}{section}\n!Time: {}\n!Startup config saved at: {}\n\n",
        switch.derived.zone.config_time(call.now),
        switch.saved_at.map_or_else(
            || "before the last start".to_owned(),
            |at| switch.derived.zone.config_time(at)
        ),
    );
    if section.is_empty() {
        text.push_str(startup);
    } else {
        text.push_str(&switch.version_line());
        render_lines(&section_lines(&ConfigTree::parse(startup), &section), 0, &mut text);
    }
    call.lines(text)
}

/// What was asked for, its words written out where they are known.
fn section_of(call: &Call<'_, '_>) -> String {
    let canonical = call.command.canonical.as_str();
    let mut words = canonical.split_whitespace().skip(2).collect::<Vec<_>>();
    let full = |short: &str| {
        ["interface", "license", "callhome", "router", "vlan"]
            .into_iter()
            .find(|word| short.len() > 2 && word.starts_with(short))
    };
    if let Some(first) = words.first_mut() {
        *first = full(first).unwrap_or(first);
    }
    words.join(" ")
}

/// The lines that begin with these words, or name what they name: an interface however it is written, a feature and its
/// router for a protocol.
fn section_lines(tree: &ConfigTree, section: &str) -> Vec<Line> {
    let mut heads = vec![section.to_owned()];
    match section.split_once(' ') {
        Some(("interface", name)) => heads = interface_names(name),
        None => heads.extend([format!("feature {section}"), format!("router {section}")]),
        Some(_) => {}
    }
    let is_meant = |line: &&Line| {
        let text = line.text.as_str();
        heads.iter().any(|head| {
            starts_with_words(text, head)
                // `snmp` for `snmp-server`.
                || !head.contains(' ') && text.strip_prefix(head.as_str()).is_some_and(|rest| rest.starts_with('-'))
        })
    };
    tree.lines.iter().filter(is_meant).cloned().collect()
}

fn push_differences(old: &[Line], new: &[Line], depth: usize, text: &mut String) {
    let [before, now] = [old, new].map(|lines| {
        lines.iter().map(|line| (line.text.as_str(), line)).collect::<BTreeMap<_, _>>()
    });
    for line in old.iter().filter(|line| !line.text.is_empty()) {
        if !now.contains_key(line.text.as_str()) {
            push_difference('-', line, depth, text);
        }
    }
    for line in new.iter().filter(|line| !line.text.is_empty()) {
        match before.get(line.text.as_str()) {
            None => push_difference('+', line, depth, text),
            Some(other) if other.children != line.children => {
                push_difference(' ', &Line::of(line.text.clone()), depth, text);
                push_differences(&other.children, &line.children, depth + 1, text);
            }
            Some(_) => {}
        }
    }
}

fn push_difference(sign: char, line: &Line, depth: usize, text: &mut String) {
    let mut block = String::new();
    render_lines(std::slice::from_ref(line), depth, &mut block);
    for row in block.lines() {
        text.push_str(&format!("{sign} {row}\n"));
    }
}

impl Switch {
    /// The settings of a section that are not given, as lines.
    fn add_defaults(&self, section: &str, lines: &mut Vec<Line>) {
        if section == callhome::CALLHOME.head {
            return callhome::add_defaults(lines);
        }
        for (head, line) in self.words.default_lines().filter(|(_, line)| self.has_line(line)) {
            let is_of_it = section.is_empty() || starts_with_words(&line, section);
            let no = format!("no {head}");
            let is_given = |known: &Line| starts_with_words(&known.text, head) || known.text == no;
            if is_of_it && !lines.iter().any(is_given) {
                lines.push(Line::of(line));
            }
        }
    }

    /// Whether the release has a line of global configuration.
    fn has_line(&self, line: &str) -> bool {
        self.software().shuts(&[], line).is_none()
    }

    /// The running configuration with all that holds where it is not given.
    fn with_defaults(&self) -> Vec<Line> {
        let mut lines = self.running.lines.to_vec();
        self.add_defaults("", &mut lines);
        let mut section: Vec<Line> =
            lines.iter().filter(|line| line.text == callhome::CALLHOME.head).cloned().collect();
        lines.retain(|line| line.text != callhome::CALLHOME.head);
        callhome::add_defaults(&mut section);
        lines.extend(section);
        lines
    }

    fn running_head(&self, call: &Call<'_, '_>, part: &str) -> String {
        format!(
            "!Command: show running-config{part}\n!Running configuration last done at: {}\n!Time: {}\n",
            self.derived.zone.config_time(self.configured_at),
            self.derived.zone.config_time(call.now)
        )
    }

    fn version_line(&self) -> String {
        format!("version {} Bios:version {}\n", self.release.nxos, self.release.bios)
    }
}
