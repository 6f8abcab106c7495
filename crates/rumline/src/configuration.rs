//! Configuration files of servers: TOML with the names and values of options. What is typed wins over what stands there. Options and
//! reference come from the one definition of the command line.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, Command};
use rumline_net::{HttpClient, Traces, roots_of};
use toml::Value;

/// What every server takes, whatever it serves.
#[derive(clap::Args)]
pub(crate) struct Process {
    /// A file with the same settings, in TOML; what is typed wins.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How the log on standard error is written.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: rumline_host::log::Format,
    /// Where traces of requests are told, in OTLP over HTTP as JSON: `http://127.0.0.1:4318/v1/traces`.
    #[arg(long)]
    traces_url: Option<String>,
}

/// How long a collector of traces has for an answer.
const TRACES_TIMEOUT: Duration = Duration::from_secs(10);

impl Process {
    /// Where what this server does is to be told, if it is; told it is from now on.
    pub(crate) fn traces(&self, service: &'static str) -> Result<Option<Traces>> {
        let Some(url) = self.traces_url.clone() else { return Ok(None) };
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            bail!(
                "traces are told to an address that begins with http:// or https://, not {url:?}"
            );
        }
        let client = HttpClient::new(&roots_of(None)?, TRACES_TIMEOUT)?;
        let (traces, recorded) = Traces::new();
        tokio::spawn(recorded.tell(client, url, service, env!("CARGO_PKG_VERSION")));
        Ok(Some(traces))
    }
}

/// The commands that take a configuration file.
const SERVERS: [&str; 3] = ["cssm", "cslu", "onprem"];
/// The option that names it.
const OPTION: &str = "--config";
/// More edits than this make another word.
const EDITS_MAX: usize = 3;

/// What may stand in the file of a server.
fn keys(server: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    server.get_arguments().filter_map(|arg| {
        let key = arg.get_long()?;
        let is_one = !arg.is_hide_set()
            && !arg.is_global_set()
            && !["help", "version", "config"].contains(&key);
        is_one.then_some((key, arg))
    })
}

/// What was typed, with what stands in the file that it names put behind the command.
///
/// # Errors
/// When the file cannot be read, or something in it is not to be set there.
pub(crate) fn with_file(typed: Vec<OsString>, program: &Command) -> Result<Vec<OsString>> {
    let Some(server) = typed.get(1).and_then(|word| word.to_str()).filter(|w| SERVERS.contains(w))
    else {
        return Ok(typed);
    };
    let Some(path) = value_of(&typed[2..]) else { return Ok(typed) };
    let Some(server) = program.find_subcommand(server) else { return Ok(typed) };
    let path = Path::new(path);
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    let set = options(&text, server, &typed[2..])
        .with_context(|| format!("the configuration {}", path.display()))?;
    let mut all = typed[..2].to_vec();
    all.extend(set.into_iter().map(OsString::from));
    all.extend_from_slice(&typed[2..]);
    Ok(all)
}

fn value_of(words: &[OsString]) -> Option<&OsStr> {
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == OPTION {
            return words.next().map(OsString::as_os_str);
        }
        let text = word.to_str().and_then(|word| word.strip_prefix(OPTION)?.strip_prefix('='));
        if let Some(path) = text {
            return Some(OsStr::new(path));
        }
    }
    None
}

/// The options that a file sets and nobody typed.
fn options(text: &str, server: &Command, typed: &[OsString]) -> Result<Vec<String>> {
    let table: toml::Table = text.parse().context("is no TOML")?;
    let mut set = Vec::new();
    for (key, value) in &table {
        let Some((_, arg)) = keys(server).find(|(known, _)| known == key) else {
            return Err(unknown(key, server));
        };
        let option = format!("--{key}");
        let is_typed = typed.iter().take_while(|word| *word != "--").any(|word| {
            word.to_str().is_some_and(|word| {
                word.strip_prefix(&option)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            })
        });
        let takes = of_option(key, arg, value)?;
        if is_typed {
            continue;
        }
        for value in &takes {
            // By itself, so that what is said names the file and the key.
            let alone = server.clone().no_binary_name(true).try_get_matches_from([value]);
            if let Err(error) = alone
                && matches!(
                    error.kind(),
                    clap::error::ErrorKind::ValueValidation | clap::error::ErrorKind::InvalidValue
                )
            {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                bail!("{key}: {}", first.strip_prefix("error: ").unwrap_or(first));
            }
        }
        set.extend(takes);
    }
    Ok(set)
}

/// A value as it would be typed.
fn of_option(key: &str, arg: &Arg, value: &Value) -> Result<Vec<String>> {
    if !arg.get_action().takes_values() {
        return match value {
            Value::Boolean(true) => Ok(vec![format!("--{key}")]),
            Value::Boolean(false) => Ok(Vec::new()),
            other => bail!("{key} is true or false, not {other}"),
        };
    }
    let one = |value: &Value| match value {
        Value::String(text) => Ok(format!("--{key}={text}")),
        Value::Integer(number) => Ok(format!("--{key}={number}")),
        other => bail!("{key} is a text in quotes or a whole number, not {other}"),
    };
    match value {
        Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
            values.iter().map(one).collect()
        }
        Value::Array(_) => bail!("{key} has one value, not a list"),
        value => Ok(vec![one(value)?]),
    }
}

fn unknown(key: &str, server: &Command) -> anyhow::Error {
    let nearest = keys(server)
        .map(|(known, _)| (edits(&key.replace('_', "-").to_lowercase(), known), known))
        .min()
        .filter(|(edits, known)| *edits <= EDITS_MAX.min(known.len() / 2));
    match nearest {
        Some((_, known)) => anyhow::anyhow!("knows no {key:?}; did you mean {known:?}?"),
        None => {
            let all: Vec<&str> = keys(server).map(|(known, _)| known).collect();
            anyhow::anyhow!("knows no {key:?}; it knows {}", all.join(", "))
        }
    }
}

/// How many letters are to be put in, taken out or changed to make one word of another.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], index + 1);
        for (place, other) in to.iter().enumerate() {
            let changed = before + usize::from(letter != *other);
            before = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(before + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

fn help_of(arg: &Arg) -> String {
    arg.get_help().map(|help| help.to_string().replace('\n', " ")).unwrap_or_default()
}

fn default_of(arg: &Arg) -> Option<String> {
    let values: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    (arg.get_action().takes_values() && !values.is_empty()).then(|| values.join(", "))
}

/// A default as it stands in a file.
fn in_toml(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return "true".to_owned();
    }
    let value = match default_of(arg) {
        Some(value) if value.parse::<i64>().is_ok() => value,
        Some(value) => format!("{value:?}"),
        None => "\"…\"".to_owned(),
    };
    if matches!(arg.get_action(), ArgAction::Append) { format!("[{value}]") } else { value }
}

/// A name as it stands in a file: a dot would lead into a table.
fn in_file(key: &str) -> String {
    if key.contains('.') { format!("{key:?}") } else { key.to_owned() }
}

/// A file of a server in which nothing is set, with all that could be.
pub(crate) fn example(server: &Command) -> String {
    let mut text = format!(
        "# Configuration of `rumline {}`: TOML, the names are those of its options. What is typed wins.\n",
        server.get_name()
    );
    for (key, arg) in keys(server) {
        // Writing to a string cannot fail.
        let name = in_file(key);
        let _written = write!(text, "\n# {}\n#{name} = {}\n", help_of(arg), in_toml(arg));
    }
    text
}

/// The reference of all servers, docs/configuration.md.
pub(crate) fn reference(program: &Command) -> String {
    let mut text = "\
# Configuration of servers

`rumline cssm`, `cslu` and `onprem` are configured by options, by a file, or both: `--config FILE` names a file in TOML whose names are those of
the options, and what is typed wins over what stands there. A name that is not below is refused, with what may have been meant. Paths are
those of the folder in which the server is started, as in options; a name with a dot stands in quotes. A password or a URL with one is better in a file that only the server
may read than on a command line.

```toml
dir = \"/var/lib/rumline/cssm\"
listen = \"192.0.2.10:8443\"
name = [\"cssm.example.net\"]
ack-delay-seconds = 60
```

What a file says holds for commands that work on the server's folder too: `rumline cssm --config FILE backup FOLDER`. `rumline configuration
cssm` prints a file with everything in it, and nothing set. `RUMLINE_LOG` sets what is logged (`warn` unless it says otherwise; `debug`,
`rumline_web=debug`).

This page is printed by `rumline configuration`.
"
    .to_owned();
    for server in SERVERS {
        let Some(command) = program.find_subcommand(server) else { continue };
        let _written = write!(
            text,
            "\n## rumline {server}\n\n| name | what it is | default |\n|---|---|---|\n"
        );
        for (key, arg) in keys(command) {
            let kind = match arg.get_action() {
                ArgAction::Append => " A list.",
                action if !action.takes_values() => " `true` or `false`.",
                _ => "",
            };
            let choices: Vec<_> = arg
                .get_possible_values()
                .iter()
                .filter(|_| arg.get_action().takes_values())
                .map(|value| format!("`{}`", value.get_name()))
                .collect();
            let choices = match choices.as_slice() {
                [] => String::new(),
                all => format!(" One of {}.", all.join(", ")),
            };
            let default = default_of(arg).map(|value| format!("`{value}`")).unwrap_or_default();
            let help = help_of(arg).replace('|', "\\|");
            let dot = if help.ends_with('.') { "" } else { "." };
            let _written =
                writeln!(text, "| `{}` | {help}{dot}{choices}{kind} | {default} |", in_file(key));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn set(text: &str, typed: &str) -> Result<String> {
        let (program, words) = (crate::Arguments::command(), typed.split(' ').map(OsString::from));
        let server = program.find_subcommand("cssm").unwrap();
        options(text, server, &words.collect::<Vec<_>>()).map(|set| set.join(" "))
    }

    #[test]
    fn what_stands_in_a_file_is_as_if_it_was_typed_and_what_is_typed_wins() {
        let file = "dir = \"a b\"\nname = [\"x\", \"y\"]\nack-delay-seconds = 7\n\"tls-1.3-only\" = true\nwebhooks-to-internal = false";
        let all = "--ack-delay-seconds=7 --dir=a b --name=x --name=y --tls-1.3-only";
        assert_eq!(set(file, "").unwrap(), all);
        assert!(!set(file, "--ack-delay-seconds 9 --dir=z").unwrap().contains("delay"));
        assert!(!set(file, "--ack-delay-seconds 9 --dir=z").unwrap().contains("dir"));
        // Behind -- nothing is an option.
        assert!(set(file, "-- --dir z").unwrap().contains("--dir=a b"));
        assert_eq!(set("name = \"x\"", "").unwrap(), "--name=x");
        assert_eq!(set("", "").unwrap(), "");
    }

    #[test]
    fn what_cannot_be_is_told_with_its_name() {
        for (file, told) in [
            ("listn = \"x\"", "did you mean \"listen\"?"),
            ("ack_delay_seconds = 1", "did you mean \"ack-delay-seconds\"?"),
            ("zzzzzzzz = 1", "it knows log-format, traces-url, dir, listen"),
            ("server = \"x\"", "knows no \"server\""),
            ("lab-clock = \"x\"", "knows no \"lab-clock\""),
            ("config = \"x\"", "knows no \"config\""),
            ("listen = 7.5", "listen is a text in quotes or a whole number"),
            ("listen = [\"x\"]", "listen has one value"),
            ("listen = true", "listen is a text"),
            ("listen = \"nowhere\"", "listen: invalid value 'nowhere'"),
            ("purchase-delay-hours = 97", "purchase-delay-hours: invalid value '97'"),
            ("\"tls-1.3-only\" = \"yes\"", "is true or false"),
            ("[cssm]\ndir = \"x\"", "knows no \"cssm\""),
            ("dir = ", "is no TOML"),
            ("dir = \"a\"\ndir = \"b\"", "is no TOML"),
        ] {
            let error = format!("{:#}", set(file, "").unwrap_err());
            assert!(error.contains(told), "{file}: {error}");
        }
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("listn", "listen", 1), ("abc", "xbz", 2)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn the_reference_is_complete_and_that_of_the_options() {
        let program = crate::Arguments::command();
        let text = reference(&program);
        for name in SERVERS {
            let server = program.find_subcommand(name).unwrap();
            assert!(server.get_arguments().any(|arg| arg.get_long() == Some("config")), "{name}");
            let part =
                text.split("\n## ").find(|part| part.starts_with(&format!("rumline {name}\n")));
            let known: Vec<&str> = keys(server).map(|(key, _)| key).collect();
            assert!(known.len() > 8 && known.contains(&"dir"), "{known:?}");
            for (key, arg) in keys(server) {
                let row = format!("\n| `{}` | ", in_file(key));
                assert!(part.unwrap().contains(&row), "{name} {key}");
                assert!(help_of(arg).len() > 10, "{name} {key}");
            }
            // What an example sets is taken as soon as it is no comment.
            let example = example(server);
            for (key, _) in keys(server) {
                let begin = format!("#{} = ", in_file(key));
                let line = example.lines().find(|line| line.starts_with(&begin));
                let set = line.unwrap_or_else(|| panic!("{key}")).trim_start_matches('#');
                let is_default = !set.contains('…');
                if is_default {
                    options(set, server, &[]).unwrap();
                } else {
                    set.parse::<toml::Table>().unwrap();
                }
            }
            assert!(options(&example, server, &[]).unwrap().is_empty(), "nothing is set");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "docs/configuration.md is of before: run `cargo run -p rumline -- configuration > docs/configuration.md`"
        );
    }
}
