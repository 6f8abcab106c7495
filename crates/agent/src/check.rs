//! What lies in a store, looked at file by file: what is damaged, what that costs, and what to do.

use rumline_protocol::Suite;

use crate::eventlog::EventLog;
use crate::ledger_files::{DeviceKey, LedgerFiles};
use crate::reports::{RUM_PREFIX, ReportStore};
use crate::{Disk, DiskError};

/// A file that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
    /// What it costs.
    pub costs: &'static str,
    /// What to do.
    pub mend: &'static str,
}

/// Looks at everything the agent keeps; says how many files that were, and what is wrong with which.
///
/// # Errors
/// When the disk fails.
pub fn check_store(
    suite: &dyn Suite,
    disk: &mut dyn Disk,
) -> Result<(usize, Vec<Finding>), DiskError> {
    let reports = disk.list(RUM_PREFIX)?;
    let copies = LedgerFiles::on(disk)?;
    let mut files = reports.len() + copies.len();
    let mut findings = Vec::new();
    let mut find = |file: &str, what: &str, costs, mend| {
        findings.push(Finding { file: file.to_owned(), what: what.to_owned(), costs, mend });
    };
    let what = match DeviceKey::read(suite, disk)? {
        DeviceKey::Whole(signer) => Ok(signer),
        DeviceKey::Damaged => Err("it cannot be read"),
        DeviceKey::Missing => Err("it is missing"),
    };
    let signer = match what {
        Ok(signer) => signer,
        Err(what) => {
            let costs = "the switch does not start; without it the other files cannot be checked";
            let mend =
                "put the whole directory back from a copy, or empty it to begin as a new device";
            find("device.key", what, costs, mend);
            return Ok((files, findings));
        }
    };
    files += 2;
    let (logs, damaged) = EventLog::damaged(disk)?;
    files += logs;
    for name in damaged {
        let costs = "that line of show license eventlog: it is left out";
        find(name, "a line of it does not fit its checksum", costs, "license clear eventlog");
    }
    if !DeviceKey::has_sum(disk)? {
        let costs = "nothing: the ledger shows that the key is right";
        find("device.key.sha256", "it does not fit the key", costs, "nothing: it is written anew");
    }
    let damaged: Vec<_> = copies
        .iter()
        .filter(|(_, bytes)| !LedgerFiles::is_whole(signer.as_ref(), bytes))
        .map(|(name, _)| *name)
        .collect();
    for name in &damaged {
        let (costs, mend) = if damaged.len() < copies.len() {
            (
                "at most the last change that was written, and its use since: the other file is used",
                "nothing: it is written anew",
            )
        } else {
            (
                "times, policy, trust code and what is in use; reports that lie here are offered again",
                "put the whole directory back from a copy, or start it and install trust anew",
            )
        };
        find(name, "its checksum does not fit", costs, mend);
    }
    for name in &reports {
        let id = name.strip_prefix(RUM_PREFIX).and_then(|id| id.parse().ok());
        let read = id.map(|id| ReportStore::read(id, disk)).transpose();
        let is_whole = read.is_ok_and(|read| {
            let report =
                read.flatten().map(|(_, mut report)| report.verify(suite, signer.public_key()));
            report == Some(true)
        });
        if !is_whole {
            find(
                name,
                "its signature does not fit",
                "the use it tells, unless CSSM has acknowledged it",
                "put the file back from a copy, or remove it: CSSM then shows a gap",
            );
        }
    }
    Ok((files, findings))
}
