//! Collectors - CSLU and SSM On-Prem - that speak for a virtual account (CSLU-001, ONPREM-001).

use rumline_protocol::{PublicKey, Timestamp, from_base64, registration_text};
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::ids::{CollectorId, SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error};
use rumline_server::{check_name, next_id};

/// A registered collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Collector {
    /// Its number.
    pub id: CollectorId,
    /// `CSLU` or `SSM On-Prem`.
    pub kind: String,
    /// The name it gave itself.
    pub name: String,
    /// The virtual account it speaks for.
    pub virtual_account_id: VirtualAccountId,
    /// When it was registered.
    pub registered_at: i64,
    /// By whom.
    pub registered_by: String,
    /// When it last brought something.
    pub last_contact_at: Option<i64>,
}

/// What a collector says to be registered.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCollector {
    /// `CSLU` or `SSM On-Prem`.
    #[schemars(length(min = 1, max = rumline_server::NAME_LETTERS_MAX))]
    pub kind: String,
    /// A name for people.
    #[schemars(length(min = 1, max = rumline_server::NAME_LETTERS_MAX))]
    pub name: String,
    /// The key it signs its bundles with.
    pub public_key: PublicKey,
    /// Its signature over the registration text, base64: it holds the key.
    pub proof: String,
}

/// A collector as bundles need it.
pub(crate) struct Registered {
    pub smart_account_id: SmartAccountId,
    pub virtual_account_id: VirtualAccountId,
    pub id: CollectorId,
    pub title: String,
}

/// The virtual account of one of them.
pub(crate) fn virtual_account_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: i64,
) -> Result<Option<VirtualAccountId>, Error> {
    let sql = "SELECT virtual_account_id FROM collector WHERE smart_account_id = $1
        AND id = $2 AND removed_at IS NULL";
    Ok(tx.row(sql, &[smart_account_id.into(), id.into()], |row| row.id(0))?)
}

impl Cssm {
    /// Registers a collector for a virtual account, again if it is known.
    ///
    /// # Errors
    /// When it does not show that it holds the key.
    pub fn register_collector(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
        new: &NewCollector,
    ) -> Result<Collector, Error> {
        check_name("kind", "a collector's kind", &new.kind)?;
        check_name("name", "a collector's name", &new.name)?;
        let (cssm, actor, new) = (self.clone(), actor.clone(), new.clone());
        self.db.write("collectors.register", move |tx| {
            let sa = smart_account(tx, smart_account_id)?;
            let va = virtual_account(tx, smart_account_id, virtual_account_id)?;
            let text = registration_text(&sa.name, &va.name, &new.name);
            let proof = from_base64(&new.proof).unwrap_or_default();
            if !cssm.suite.verify(&new.public_key, text.as_bytes(), &proof) {
                return Err(Error::field("proof", "the collector does not hold the key it names"));
            }
            let sql = "INSERT INTO collector (smart_account_id, id, virtual_account_id, kind, name,
                public_key, registered_at, registered_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (public_key, smart_account_id, virtual_account_id) DO UPDATE SET
                kind = excluded.kind, name = excluded.name,
                registered_at = excluded.registered_at, registered_by = excluded.registered_by,
                removed_at = NULL";
            let key = new.public_key.to_text();
            let id: CollectorId = next_id(tx, "collector")?;
            let values = [
                smart_account_id.into(),
                id.into(),
                virtual_account_id.into(),
                (&new.kind).into(),
                (&new.name).into(),
                (&key).into(),
                now.0.into(),
                actor.name().into(),
            ];
            tx.execute(sql, &values)?;
            let text = format!("{} {:?} registered for {}", new.kind, new.name, va.name);
            add_event(tx, now, smart_account_id, &actor, &text)?;
            let id = by_key(tx, &new.public_key, &sa.name, &va.name)?.map(|found| found.id);
            list(tx, smart_account_id)?
                .into_iter()
                .find(|row| Some(row.id) == id)
                .ok_or(Error::NotFound("collector"))
        })
    }

    /// The collectors of a smart account.
    ///
    /// # Errors
    /// When the store fails.
    pub fn collectors(&self, smart_account_id: SmartAccountId) -> Result<Vec<Collector>, Error> {
        self.db.read("collectors.list", move |tx| {
            smart_account(tx, smart_account_id)?;
            list(tx, smart_account_id)
        })
    }

    /// Removes a collector: what it brings is refused from now on.
    ///
    /// # Errors
    /// When there is no such collector.
    pub fn remove_collector(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: CollectorId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("collectors.remove", move |tx| {
            let sql = "UPDATE collector SET removed_at = $1
                WHERE smart_account_id = $2 AND id = $3 AND removed_at IS NULL";
            let known = list(tx, smart_account_id)?.into_iter().find(|known| known.id == id);
            let known = known.ok_or(Error::NotFound("collector"))?;
            tx.execute(sql, &[now.0.into(), smart_account_id.into(), id.into()])?;
            let text = format!("{} {:?} removed", known.kind, known.name);
            add_event(tx, now, smart_account_id, &actor, &text)
        })
    }
}

fn list(tx: &mut Tx<'_>, smart_account_id: SmartAccountId) -> Result<Vec<Collector>, Error> {
    let sql = "SELECT id, kind, name, virtual_account_id, registered_at, registered_by,
        last_contact_at FROM collector WHERE smart_account_id = $1 AND removed_at IS NULL
        ORDER BY id";
    tx.rows(sql, &[smart_account_id.into()], |row: &Row<'_>| {
        Ok(Collector {
            id: row.id(0)?,
            kind: row.text(1)?,
            name: row.text(2)?,
            virtual_account_id: row.id(3)?,
            registered_at: row.int(4)?,
            registered_by: row.text(5)?,
            last_contact_at: row.opt_int(6)?,
        })
    })
}

/// The collector that holds a key and speaks for the accounts with these names, case-sensitively (CSLU-012).
pub(crate) fn by_key(
    tx: &mut Tx<'_>,
    key: &PublicKey,
    smart_account: &str,
    virtual_account: &str,
) -> Result<Option<Registered>, Error> {
    let sql = "SELECT collector.smart_account_id, collector.virtual_account_id, collector.id,
        collector.kind, collector.name FROM collector
        JOIN smart_account ON smart_account.id = collector.smart_account_id
        JOIN virtual_account ON virtual_account.smart_account_id = collector.smart_account_id
        AND virtual_account.id = collector.virtual_account_id
        WHERE collector.public_key = $1 AND smart_account.name = $2 AND virtual_account.name = $3
        AND collector.removed_at IS NULL";
    let key = key.to_text();
    tx.row(sql, &[(&key).into(), smart_account.into(), virtual_account.into()], |row| {
        Ok(Registered {
            smart_account_id: row.id(0)?,
            virtual_account_id: row.id(1)?,
            id: row.id(2)?,
            title: format!("{} {}", row.text(3)?, row.text(4)?),
        })
    })
}
