//! The console: the terminal the process was started from.

use std::io::{Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// The terminal in raw mode: every key comes as it is typed, nothing is echoed. Restored when dropped.
pub struct RawConsole {
    before: Option<Termios>,
}

impl RawConsole {
    /// Puts the terminal into raw mode; a pipe or file stays as it is.
    #[must_use]
    pub fn enter() -> Self {
        let Ok(before) = tcgetattr(std::io::stdin()) else { return Self { before: None } };
        let mut raw = before.clone();
        raw.make_raw();
        if tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).is_err() {
            return Self { before: None };
        }
        Self { before: Some(before) }
    }
}

impl Drop for RawConsole {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _best_effort = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Asks for a secret on the terminal, without showing what is typed; reads a line from a pipe or file.
///
/// # Errors
/// When standard input cannot be read.
pub fn read_secret(prompt: &str) -> std::io::Result<String> {
    let before = tcgetattr(std::io::stdin()).ok();
    if let Some(before) = &before {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &hidden)?;
        let mut screen = std::io::stderr();
        write!(screen, "{prompt}")?;
        screen.flush()?;
    }
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    if let Some(before) = &before {
        tcsetattr(std::io::stdin(), OptionalActions::Now, before)?;
        writeln!(std::io::stderr())?;
    }
    read?;
    Ok(line)
}

/// What is typed on standard input; the channel closes at its end.
#[must_use]
pub fn read_console() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        let mut input = std::io::stdin().lock();
        while let Ok(count) = input.read(&mut buffer) {
            if count == 0 || sender.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
