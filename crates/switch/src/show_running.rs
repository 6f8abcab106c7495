//! `show running-config`, whole or in parts.

use rumline_protocol::Timestamp;

use crate::Switch;
use crate::config::{Line, render_lines, starts_with_words};

/// The order of Call Home lines (PI-SHOW-031).
const CALLHOME_ORDER: [&str; 12] = [
    "email-contact",
    "phone-contact",
    "destination-profile xml transport-method",
    "destination-profile xml message-size",
    "destination-profile xml index 1 email-addr",
    "destination-profile xml index 1 http",
    "destination-profile",
    "source-interface",
    "transport email",
    "transport http",
    "enable",
    "periodic-inventory",
];

impl Switch {
    pub(crate) fn show_running(&self, now: Timestamp, part: &str, all: bool) -> String {
        let command = [part, if all { "all" } else { "" }]
            .iter()
            .filter(|word| !word.is_empty())
            .fold("show running-config".to_owned(), |text, word| format!("{text} {word}"));
        let mut text = format!(
            "!Command: {command}\n!Running configuration last done at: {}\n!Time: {}\n",
            self.zone.config_time(self.configured_at),
            self.zone.config_time(now)
        );
        if part.is_empty() {
            text.push('\n');
            text.push_str(&self.running.render());
            return text;
        }
        text.push_str(&format!(
            "version {} Bios:version {}\n",
            self.release.nxos, self.release.bios
        ));
        let mut lines: Vec<Line> = self.running.starting_with(part).cloned().collect();
        if part == "license" && all {
            self.add_license_defaults(&mut lines);
        }
        if part == "callhome" && all {
            add_callhome_defaults(&mut lines);
        }
        render_lines(&lines, 0, &mut text);
        text
    }

    fn add_license_defaults(&self, lines: &mut Vec<Line>) {
        let config = self.agent.config();
        let cslu = config.cslu_url.as_deref().unwrap_or(rumline_agent::DEFAULT_CSLU_HOST);
        let smart = config.smart_url.as_deref().unwrap_or(rumline_agent::DEFAULT_SMART_URL);
        let interval = config.interval_days.unwrap_or(rumline_agent::DEFAULT_INTERVAL_DAYS);
        let defaults = [
            ("license smart transport", "cslu".to_owned()),
            ("license smart url cslu", cslu.to_owned()),
            ("license smart url smart", smart.to_owned()),
            ("license smart usage interval", interval.to_string()),
        ];
        for (head, value) in defaults {
            if !lines.iter().any(|line| starts_with_words(&line.text, head)) {
                lines.push(Line { text: format!("{head} {value}"), children: Vec::new() });
            }
        }
    }
}

fn add_callhome_defaults(lines: &mut Vec<Line>) {
    let url = rumline_agent::DEFAULT_CALLHOME_URL;
    let defaults = [
        "destination-profile xml transport-method http".to_owned(),
        format!("destination-profile xml index 1 http {url}"),
    ];
    if lines.is_empty() {
        lines.push(Line { text: "callhome".to_owned(), children: Vec::new() });
    }
    let section = &mut lines[0].children;
    for text in defaults {
        let head = text.rsplit_once(' ').map_or("", |(head, _)| head);
        if !section.iter().any(|line| starts_with_words(&line.text, head)) {
            section.push(Line { text, children: Vec::new() });
        }
    }
    let rank = |text: &str| {
        CALLHOME_ORDER.iter().position(|head| starts_with_words(text, head)).unwrap_or(usize::MAX)
    };
    section.sort_by_key(|line| rank(&line.text));
}
