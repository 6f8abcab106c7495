//! Processes that go on when the command that started them has ended: each with a file that names it, and a log.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumline_net::write_private;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// A process must be up within this.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// One that is asked to end must have ended within this.
const END_TIMEOUT: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(40);

/// A process by its number and when it began: numbers come again, both together do not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Running {
    number: i32,
    began: String,
}

impl Running {
    fn of(number: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        let (state, began) = state_and_beginning(&stat)?;
        // One that has ended and that nobody has asked about yet runs no more.
        (state != "Z" && state != "X").then(|| Self { number, began: began.to_owned() })
    }

    fn is_still_there(&self) -> bool {
        Self::of(self.number).as_ref() == Some(self)
    }

    fn signal(&self, signal: Signal) {
        if let Some(number) = Pid::from_raw(self.number).filter(|_| self.is_still_there()) {
            // One that has just ended needs no signal.
            let _sent = kill_process(number, signal);
        }
    }
}

/// Fields 3 and 22; the name before them may hold anything.
fn state_and_beginning(stat: &str) -> Option<(&str, &str)> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?, fields.nth(18)?))
}

/// The processes of a lab, by their names.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    run: PathBuf,
    log: PathBuf,
}

impl Processes {
    pub(super) fn of(lab: &Path) -> Self {
        Self { run: lab.join("run"), log: lab.join("log") }
    }

    pub(super) fn log_file(&self, name: &str) -> PathBuf {
        self.log.join(format!("{name}.log"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.run.join(name)
    }

    fn known(&self, name: &str) -> Option<Running> {
        let text = std::fs::read_to_string(self.file(name)).ok()?;
        let (number, began) = text.lines().next()?.split_once(' ')?;
        let known = Running { number: number.parse().ok()?, began: began.to_owned() };
        known.is_still_there().then_some(known)
    }

    /// The number of a process that runs.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.known(name).map(|running| running.number)
    }

    /// Whether a process runs, and was started with just these words.
    pub(super) fn runs_as(&self, name: &str, words: &[String]) -> bool {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
        let same = text.split_once('\n').is_some_and(|(_, rest)| rest == words.join("\n"));
        same && self.known(name).is_some()
    }

    /// All that were started and not stopped.
    pub(super) fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.run).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        // Half-written ones have a dot, names have none.
        names.retain(|name| !name.contains('.'));
        names.sort();
        names
    }

    /// Starts this very program with these words.
    pub(super) fn start(&self, name: &str, words: &[String]) -> Result<()> {
        std::fs::create_dir_all(&self.run)?;
        std::fs::create_dir_all(&self.log)?;
        let log = self.log_file(name);
        write_private(&log, b"").with_context(|| log.display().to_string())?;
        let log = std::fs::OpenOptions::new().append(true).open(&log)?;
        let child = Command::new(std::env::current_exe()?)
            .args(words)
            .env_remove(crate::WITH_PARENT)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // What a terminal sends to whoever started it is not meant for it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let number = i32::try_from(child.id())?;
        let began = Running::of(number).map(|running| running.began).unwrap_or_default();
        let text = format!("{number} {began}\n{}", words.join("\n"));
        write_private(&self.file(name), text.as_bytes())?;
        Ok(())
    }

    /// Waits for the lines that say a process is up, in this order.
    pub(super) async fn wait(&self, name: &str, up: &[&str]) -> Result<Vec<String>> {
        let until = Instant::now() + START_TIMEOUT;
        loop {
            let log = std::fs::read_to_string(self.log_file(name)).unwrap_or_default();
            let found = said(&log, up);
            if found.len() == up.len() {
                return Ok(found);
            }
            if self.known(name).is_none() {
                let is_taken = log.contains("Address already in use");
                let cure = if is_taken { "\nGive the lab another base_port." } else { "" };
                bail!("{name} ended before it was up; it said:\n{}{cure}", last_lines(&log));
            }
            if Instant::now() > until {
                bail!("{name} did not come up in time; it said:\n{}", last_lines(&log));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends these in an orderly way, all at once, and insists after a while.
    pub(super) async fn stop(&self, names: &[String]) {
        let all: Vec<Running> = names.iter().filter_map(|name| self.known(name)).collect();
        all.iter().for_each(|running| running.signal(Signal::TERM));
        let until = Instant::now() + END_TIMEOUT;
        while all.iter().any(Running::is_still_there) && Instant::now() < until {
            sleep(LOOK_AGAIN).await;
        }
        all.iter().for_each(|running| running.signal(Signal::KILL));
        while all.iter().any(Running::is_still_there) && Instant::now() < until + END_TIMEOUT {
            sleep(LOOK_AGAIN).await;
        }
        for name in names {
            let _gone = std::fs::remove_file(self.file(name));
        }
    }
}

/// The lines of a log that were looked for, as far as they are there.
fn said(log: &str, up: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // A line without its end is not all there yet.
    for line in log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if up.get(found.len()).is_some_and(|wanted| line.contains(wanted)) {
            found.push(line.to_owned());
        }
    }
    found
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let first = lines.len().saturating_sub(5);
    lines.get(first..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Running, said, state_and_beginning};

    #[test]
    fn a_process_is_known_by_when_it_began() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 9";
        assert_eq!(state_and_beginning(stat), Some(("S", "4711")));
        let own = Running::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_still_there());
        let other = Running { began: "1".to_owned(), ..own };
        assert!(!other.is_still_there());
    }

    #[test]
    fn lines_are_waited_for_in_their_order_and_whole() {
        let up = ["listens", "devices"];
        assert_eq!(said("x\nit listens on 1\n devices 2", &up), ["it listens on 1"]);
        assert_eq!(said("devices 1\nlistens\ndevices 2\n", &up), ["listens", "devices 2"]);
    }
}
