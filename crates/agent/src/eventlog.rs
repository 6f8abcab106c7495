//! `show license eventlog`: what happened to licensing on this switch.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rumline_protocol::Timestamp;

use crate::disk::Disk;

const FILE: &str = "eventlog";
const OLD_FILE: &str = "eventlog.old";
/// A file is set aside at this size, so two of them bound the space used.
const FILE_BYTES_MAX: usize = 256 << 10;
const LINES_SHOWN_MAX: usize = 2_000;

/// The last events, in memory and, but for the very last before a power cut, on disk.
pub(crate) struct EventLog {
    lines: VecDeque<String>,
    file_bytes: usize,
}

impl EventLog {
    pub(crate) fn open(disk: &mut dyn Disk) -> Self {
        let mut log = Self { lines: VecDeque::new(), file_bytes: 0 };
        for name in [OLD_FILE, FILE] {
            let Ok(Some(bytes)) = disk.read(name) else {
                continue;
            };
            log.file_bytes = bytes.len();
            for line in String::from_utf8_lossy(&bytes).lines() {
                log.push(line.to_owned());
            }
        }
        log
    }

    fn push(&mut self, line: String) {
        if self.lines.len() == LINES_SHOWN_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn add(&mut self, now: Timestamp, event: &str, detail: &str, disk: &mut dyn Disk) {
        // `2021-11-17T03:31:32Z` becomes `2021-11-17 03:31:32.000 UTC`.
        let stamp = now.to_string();
        let mut line = format!("{} {}.000 UTC {event}", &stamp[..10], &stamp[11..19]);
        if !detail.is_empty() {
            write!(line, " {detail}").expect("writing to a String cannot fail");
        }
        let bytes = format!("{line}\n");
        self.push(line);
        if self.file_bytes + bytes.len() > FILE_BYTES_MAX {
            if let Ok(Some(old)) = disk.read(FILE) {
                // A log that cannot be set aside or added to is no reason to stop licensing.
                let _best_effort = disk.write(OLD_FILE, &old).and_then(|()| disk.remove(FILE));
            }
            self.file_bytes = 0;
        }
        if disk.append(FILE, bytes.as_bytes()).is_ok() {
            self.file_bytes += bytes.len();
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    pub(crate) fn clear(&mut self, disk: &mut dyn Disk) {
        self.lines.clear();
        self.file_bytes = 0;
        for name in [OLD_FILE, FILE] {
            let _best_effort = disk.remove(name);
        }
    }
}
