//! What goes to the log, which is standard error: as lines for people, or as JSON for programs.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line: `timestamp`, `level`, `target`, `fields` with `message`, and `span` with `trace_id` where traces are told.
    Json,
}

/// Begins the log; `RUMLINE_LOG` says what goes there.
#[expect(clippy::disallowed_methods, reason = "the one setting that is taken from the environment")]
pub fn start(format: Format) {
    let levels = levels(&std::env::var("RUMLINE_LOG").unwrap_or_default());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(levels);
    match format {
        Format::Text => registry.with(lines).init(),
        Format::Json => registry.with(lines.json().with_span_list(false)).init(),
    }
}

/// What is logged: warnings, and by `LEVEL` or `TARGET=LEVEL`, with commas between, more or less. What cannot be read is left out.
fn levels(said: &str) -> Targets {
    let mut levels = Targets::new().with_default(LevelFilter::WARN);
    for one in said.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        if let Ok(level) = one.parse::<LevelFilter>() {
            levels = levels.with_default(level);
        } else if let Some((target, level)) = one.split_once('=')
            && let Ok(level) = level.parse::<LevelFilter>()
        {
            levels = levels.with_target(target, level);
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn more_or_less_is_logged_of_all_and_of_parts() {
        let logs = |said, target, level| levels(said).would_enable(target, &level);
        assert!(logs("", "rumline_web", Level::WARN) && !logs("", "rumline_web", Level::INFO));
        assert!(logs("info", "hyper", Level::INFO) && !logs("info", "hyper", Level::DEBUG));
        let parts = "error, rumline_web=debug,hyper=off,nonsense,x=y";
        assert!(logs(parts, "rumline_web::site", Level::DEBUG));
        assert!(!logs(parts, "hyper", Level::ERROR));
        assert!(logs(parts, "rustls", Level::ERROR) && !logs(parts, "rustls", Level::WARN));
    }
}
