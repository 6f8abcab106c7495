//! What is counted when somebody asks how a server does.

use rumline_store::Tx;

use crate::Error;

/// A number with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Its name, without that of the program, e.g. `open_alerts`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// How many.
    pub value: i64,
}

/// A number and the query that counts it. It looks at few rows, or says itself at how many it stops.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// One row with one number.
    pub sql: &'static str,
}

/// What every server counts.
const OF_ALL: [Counted; 2] = [
    Counted {
        name: "webhook_deliveries_waiting",
        help: "Deliveries that wait for their webhooks",
        sql: "SELECT CAST(COALESCE(SUM(waiting), 0) AS BIGINT) FROM webhook",
    },
    Counted {
        name: "webhook_deliveries_lost",
        help: "Deliveries that were not made, as too many waited",
        sql: "SELECT CAST(COALESCE(SUM(lost), 0) AS BIGINT) FROM webhook",
    },
];

/// Counts.
///
/// # Errors
/// When the store fails.
pub fn count(tx: &mut Tx<'_>, own: &[Counted]) -> Result<Vec<Gauge>, Error> {
    let mut gauges = Vec::new();
    for Counted { name, help, sql } in own.iter().chain(&OF_ALL) {
        let value = tx.row(sql, &[], |row| row.int(0))?.unwrap_or(0);
        gauges.push(Gauge { name, help, value });
    }
    Ok(gauges)
}
