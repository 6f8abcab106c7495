//! The files that went out and came in.

use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{TenantId, TransferId};
use crate::{Collector, Error};

/// A file that went out or came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// Its number.
    pub id: TransferId,
    /// `Export` or `Import`.
    pub kind: String,
    /// The file's name.
    pub name: String,
    /// When.
    pub at: i64,
    /// By whom.
    pub login: String,
    /// `Processing`, `Done` or `Errors`.
    pub status: String,
    /// The devices in it.
    pub members: i64,
    /// Those that are done.
    pub members_done: i64,
    /// Of an import: the devices it brought something new for. Of an export: the reports in it.
    pub changed: i64,
    /// What could not be taken, in words.
    pub problems: String,
}

impl Transfer {
    /// The status while a file is worked on.
    pub const PROCESSING: &'static str = "Processing";
    /// The kind of what goes out.
    pub const EXPORT: &'static str = "Export";
    pub(crate) const COLUMNS: &'static str =
        "id, kind, name, at, login, status, members, members_done, changed, problems";

    pub(crate) fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.id(0)?,
            kind: row.text(1)?,
            name: row.text(2)?,
            at: row.int(3)?,
            login: row.text(4)?,
            status: row.text(5)?,
            members: row.int(6)?,
            members_done: row.int(7)?,
            changed: row.int(8)?,
            problems: row.text(9)?,
        })
    }

    /// The import of a file with this digest, unless it failed.
    pub(crate) fn of_file(
        tx: &mut Tx<'_>,
        tenant_id: TenantId,
        digest: &[u8],
    ) -> Result<Option<Self>, Error> {
        let sql = format!(
            "SELECT {} FROM transfer WHERE tenant_id = $1 AND sha256 = $2 AND status <> 'Errors'
            ORDER BY id DESC LIMIT 1",
            Self::COLUMNS
        );
        tx.row(&sql, &[tenant_id.into(), digest.into()], Self::from_row)
    }

    /// The status in a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { members, members_done, changed, .. } = self;
        if self.kind == Self::EXPORT {
            return format!("Reports: {changed}. Product instances: {members}.");
        }
        let text = match (self.status.as_str(), changed) {
            (Self::PROCESSING, _) => format!("Devices: {members_done} of {members}."),
            ("Done", 0) => "Nothing in this file is new here.".to_owned(),
            _ => format!(
                "Devices with a new answer: {changed}. It is handed over at their next contact."
            ),
        };
        if self.problems.is_empty() { text } else { format!("{text} {}.", self.problems) }
    }
}

pub(crate) fn insert_transfer(
    tx: &mut Tx<'_>,
    tenant_id: TenantId,
    transfer: &Transfer,
    digest: Option<&[u8]>,
) -> Result<(), Error> {
    let sql = "INSERT INTO transfer (tenant_id, id, kind, name, sha256, at, login, status, changed,
        problems, members, members_done) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values = [
        tenant_id.into(),
        transfer.id.into(),
        (&transfer.kind).into(),
        (&transfer.name).into(),
        digest.into(),
        transfer.at.into(),
        (&transfer.login).into(),
        (&transfer.status).into(),
        transfer.changed.into(),
        (&transfer.problems).into(),
        transfer.members.into(),
        transfer.members_done.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

impl Collector {
    /// One transfer.
    ///
    /// # Errors
    /// When there is no such transfer.
    pub fn transfer(&self, tenant_id: TenantId, id: TransferId) -> Result<Transfer, Error> {
        self.db.read("import.transfer", move |tx| {
            let sql = format!(
                "SELECT {} FROM transfer WHERE tenant_id = $1 AND id = $2",
                Transfer::COLUMNS
            );
            tx.row(&sql, &[tenant_id.into(), id.into()], Transfer::from_row)?
                .ok_or(Error::NotFound("transfer"))
        })
    }

    /// The files that went out and came in, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn transfers(&self, tenant_id: TenantId) -> Result<Vec<Transfer>, Error> {
        self.db.read("import.transfers", move |tx| {
            let sql = format!(
                "SELECT {} FROM transfer WHERE tenant_id = $1 ORDER BY id DESC LIMIT 100",
                Transfer::COLUMNS
            );
            tx.rows(&sql, &[tenant_id.into()], Transfer::from_row)
        })
    }
}
