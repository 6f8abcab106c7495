//! What happened: events of a tenant for its people, and the log of the whole server for its administrator.

use rumline_protocol::Timestamp;
use rumline_server::next_id;
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::TenantId;
use crate::{Actor, Collector, Error};

/// The newest lines of the log that are kept.
const LOG_LINES_MAX: i64 = 100_000;

/// Something that happened to a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When.
    pub at: i64,
    /// By whom.
    pub login: String,
    /// What.
    pub text: String,
}

pub(crate) fn add_event(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    actor: &Actor,
    text: &str,
) -> Result<(), Error> {
    let id: i64 = next_id(tx, "event")?;
    let sql = "INSERT INTO event (tenant_id, id, at, login, text) VALUES ($1, $2, $3, $4, $5)";
    let values = [tenant_id.into(), id.into(), now.0.into(), actor.name().into(), text.into()];
    tx.execute(sql, &values)?;
    Ok(())
}

/// Writes a line of the server's log.
pub(crate) fn log(tx: &mut Tx<'_>, now: Timestamp, level: &str, text: &str) -> Result<(), Error> {
    let id: i64 = next_id(tx, "log_line")?;
    let sql = "INSERT INTO log_line (id, at, level, text) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, &[id.into(), now.0.into(), level.into(), text.into()])?;
    if id % 1000 == 0 {
        let oldest = id - LOG_LINES_MAX;
        tx.execute("DELETE FROM log_line WHERE id < $1", &[oldest.into()])?;
    }
    Ok(())
}

impl Collector {
    /// What happened to a tenant, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn events(&self, tenant_id: TenantId, limit: i64) -> Result<Vec<Event>, Error> {
        self.db.read("journal.events", move |tx| {
            let sql = "SELECT at, login, text FROM event WHERE tenant_id = $1 ORDER BY id DESC
                LIMIT $2";
            tx.rows(sql, &[tenant_id.into(), limit.clamp(1, 10_000).into()], |row| {
                Ok(Event { at: row.int(0)?, login: row.text(1)?, text: row.text(2)? })
            })
        })
    }

    /// The server's log as the file `messages` (ONPREM-013, ONPREM-014).
    ///
    /// # Errors
    /// When the store fails.
    pub fn messages(&self, host: &str) -> Result<String, Error> {
        let lines = self.db.read("journal.messages", |tx| {
            tx.rows("SELECT at, level, text FROM log_line ORDER BY id", &[], |row| {
                Ok::<_, Error>((Timestamp(row.int(0)?), row.text(1)?, row.text(2)?))
            })
        })?;
        let host: String = host.split_whitespace().collect();
        let mut text = String::new();
        for (at, level, line) in lines {
            let t = at.civil();
            text.push_str(&format!(
                "{} {} {:02}:{:02}:{:02} {host} rumline: {}/{:02}/{:02} {:02}:{:02}:{:02}\
                 #011[{level}]#011receiver#011 {line}\n",
                t.month_name(),
                t.day,
                t.hour,
                t.minute,
                t.second,
                t.year,
                t.month,
                t.day,
                t.hour,
                t.minute,
                t.second
            ));
        }
        Ok(text)
    }
}
