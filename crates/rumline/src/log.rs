//! What goes to the log, which is standard error: as lines for people, or as JSON for programs.

use std::io::IsTerminal as _;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line: `timestamp`, `level`, `target`, `fields` with `message`.
    Json,
}

/// What every server takes, whatever it serves.
#[derive(clap::Args)]
pub(crate) struct Process {
    /// A file with the same settings, in TOML; what is typed wins.
    #[arg(long)]
    config: Option<std::path::PathBuf>,
    /// How the log on standard error is written.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: Format,
}

/// Begins the log.
pub(crate) fn start(format: Format) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("RUMLINE_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        Format::Text => log.init(),
        Format::Json => log.json().with_current_span(false).init(),
    }
}
