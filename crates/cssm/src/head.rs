//! The head of a chain of reports: what the next one goes on from.

use rumline_store::Row;

use crate::Error;

/// The head of the chain: the last report of the epoch that speaks now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub epoch: String,
    /// When it began, and the end of its last report, on the product instance's even time.
    pub began_at: i64,
    pub last_end_at: i64,
    /// The highest place in the epoch that is known of, and how many of its reports are here.
    pub position: i64,
    pub present: i64,
    /// The report in the highest place.
    pub report_id: i64,
    pub sha256: String,
}

impl Head {
    pub(crate) fn missing(&self) -> i64 {
        (self.position - self.present).max(0)
    }
}

/// Reads a head from seven columns.
pub(crate) fn head_from(row: &Row<'_>, from: usize) -> Result<Head, Error> {
    Ok(Head {
        epoch: row.text(from)?,
        began_at: row.int(from + 1)?,
        last_end_at: row.int(from + 2)?,
        position: row.int(from + 3)?,
        present: row.int(from + 4)?,
        report_id: row.int(from + 5)?,
        sha256: row.text(from + 6)?,
    })
}
