//! `rumline help`: of a command, or a topic of the help inside (FAQ, GLOSS, TSHOOT, PI-MSG-019).

use std::ffi::OsString;

use anyhow::{Result, bail};
use rumline_help::{Document, Topic, search, terminal, topic};

/// Topics that are named when several match.
const NAMED_MAX: usize = 20;
/// The widest that text is set, in columns.
const WIDTH_MAX: usize = 100;

/// What `rumline help` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A command, a topic like `topology-3` or `COMM_FAILED`, or words to look for.
    words: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, mut program: clap::Command) -> Result<bool> {
    let words = &arguments.words;
    if words.is_empty() {
        say!("{}", program.render_help());
        say!("Help inside, by `rumline help TOPIC` or words of it:");
        for document in Document::ALL {
            for first in document.topics().take(1) {
                say!("  {:24} {}", first.id, first.title);
            }
        }
        return Ok(true);
    }
    if let Some(text) = of_command(&mut program, words) {
        say!("{text}");
        return Ok(true);
    }
    let asked = words.join(" ");
    if let Some(found) = topic(&asked).or_else(|| topic(&words.join("-").to_lowercase())) {
        return Ok(show(found));
    }
    match search(&asked, NAMED_MAX).as_slice() {
        [] => bail!("no topic holds all of {asked:?}; `rumline help` names what there is"),
        [found] => Ok(show(found)),
        found => {
            for one in found {
                say!("{:36} {}", one.id, one.title);
            }
            say!("\n`rumline help NAME` shows one of them.");
            Ok(true)
        }
    }
}

/// What was typed, with a `help` among commands put in front of them: `rumline cssm help alerts` is `rumline help cssm alerts`.
pub(crate) fn in_front(mut typed: Vec<OsString>, program: &clap::Command) -> Vec<OsString> {
    let Some(place) = typed.iter().position(|word| word == "help").filter(|place| *place > 1)
    else {
        return typed;
    };
    let mut command = Some(program);
    for word in typed.iter().take(place).skip(1) {
        command = command.and_then(|command| command.find_subcommand(word));
    }
    if command.is_some_and(clap::Command::has_subcommands) {
        let help = typed.remove(place);
        typed.insert(1, help);
    }
    typed
}

fn show(topic: &Topic) -> bool {
    // What is written to a file is set as for a terminal of the usual width.
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let columns = size.map(|size| usize::from(size.ws_col)).ok().filter(|columns| *columns > 0);
    say!("{}", terminal(topic, columns.unwrap_or(80).clamp(40, WIDTH_MAX)).trim_end());
    true
}

/// The help of a command, if the words name one.
fn of_command(program: &mut clap::Command, words: &[String]) -> Option<String> {
    program.build();
    let mut command = program;
    for word in words {
        command = command.find_subcommand_mut(word)?;
    }
    Some(command.render_long_help().to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// The help of a command and of all below it.
    fn all(command: &mut clap::Command, texts: &mut Vec<String>) {
        texts.push(command.render_long_help().to_string());
        for below in command.get_subcommands_mut() {
            all(below, texts);
        }
    }

    #[test]
    fn the_help_of_commands_names_no_requirements_and_no_documents() {
        let (mut program, mut texts) = (crate::Arguments::command(), Vec::new());
        program.build();
        all(&mut program, &mut texts);
        assert!(texts.len() > 80, "{}", texts.len());
        for text in texts {
            let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            let number = |word: &&str| {
                let parts = word.rsplit_once('-');
                let is_short = |area: &str| matches!(area, "C" | "G");
                parts.is_some_and(|(area, digits)| {
                    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                    let is_area =
                        area.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
                    is_number
                        && is_area
                        && !area.is_empty()
                        && (digits.len() == 3 || is_short(area) && digits.len() == 2)
                })
            };
            assert_eq!(words.find(number), None, "{text}");
            assert!(!text.contains("docs/") && !text.contains(".md"), "{text}");
        }
    }

    #[test]
    fn words_that_name_a_command_are_that_command() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let of = |text: &str| of_command(&mut crate::Arguments::command(), &words(text));
        assert!(of("cssm alerts").is_some_and(|text| text.contains("Usage: rumline cssm alerts")));
        let moved = |text: &str| {
            let typed = text.split(' ').map(OsString::from).collect();
            let moved = in_front(typed, &crate::Arguments::command());
            moved.join(std::ffi::OsStr::new(" ")).into_string().unwrap_or_default()
        };
        assert_eq!(moved("rumline cssm help alerts"), "rumline help cssm alerts");
        for stays in
            ["rumline help cssm", "rumline cssm alerts help", "rumline sim help", "rumline"]
        {
            assert_eq!(moved(stays), stays);
        }
        assert!(of("sim").is_some() && of("topology 3").is_none() && of("cssm nothing").is_none());
    }
}
