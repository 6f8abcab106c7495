//! Parts of uploaded files that would move a product instance to another virtual account: they wait until somebody who may
//! administer both has seen which, and said yes.

use rumline_protocol::{Timestamp, Udi};
use rumline_store::Tx;
use serde::{Deserialize, Serialize};

use crate::accounts::virtual_account;
use crate::collected::{Hop, VerifiedDevice};
use crate::files::UsageFile;
use crate::{Actor, Cssm, Error, claims, collected, files, instances};

/// A product instance that an uploaded file would move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Product id.
    pub pid: String,
    /// Serial number.
    pub serial: String,
    /// The virtual account it is in.
    pub virtual_account_id: i64,
    /// Its name.
    pub virtual_account: String,
}

/// Sets a device's part of an uploaded file aside.
pub(crate) fn keep(
    tx: &mut Tx<'_>,
    (smart_account_id, usage_file_id): (i64, i64),
    place: i64,
    name: &str,
    device: &VerifiedDevice,
    virtual_account_id: i64,
) -> Result<(), Error> {
    let sql = "INSERT INTO set_aside (smart_account_id, usage_file_id, place, name, document, pid,
        serial, virtual_account_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = [
        smart_account_id.into(),
        usage_file_id.into(),
        place.into(),
        name.into(),
        device.document.as_ref().into(),
        (&device.udi.pid).into(),
        (&device.udi.serial).into(),
        virtual_account_id.into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "UPDATE usage_file SET set_aside = set_aside + 1
        WHERE smart_account_id = $1 AND id = $2";
    tx.execute(sql, &[smart_account_id.into(), usage_file_id.into()])?;
    Ok(())
}

/// What is said of a device that was set aside.
pub(crate) fn words(
    tx: &mut Tx<'_>,
    smart_account_id: i64,
    udi: &Udi,
    virtual_account_id: i64,
) -> Result<String, Error> {
    let name = virtual_account(tx, smart_account_id, virtual_account_id)?.name;
    Ok(format!("{udi} belongs to {name} and stays there unless it is moved"))
}

impl Cssm {
    /// The product instances that an uploaded file would move.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn set_aside(&self, smart_account_id: i64, id: i64) -> Result<Vec<SetAside>, Error> {
        self.db.read("set_aside.list", move |tx| {
            files::one(tx, smart_account_id, id)?;
            let sql = "SELECT set_aside.pid, set_aside.serial, set_aside.virtual_account_id,
                virtual_account.name FROM set_aside JOIN virtual_account
                ON virtual_account.smart_account_id = set_aside.smart_account_id
                AND virtual_account.id = set_aside.virtual_account_id
                WHERE set_aside.smart_account_id = $1 AND usage_file_id = $2 ORDER BY place";
            tx.rows(sql, &[smart_account_id.into(), id.into()], |row| {
                Ok(SetAside {
                    pid: row.text(0)?,
                    serial: row.text(1)?,
                    virtual_account_id: row.int(2)?,
                    virtual_account: row.text(3)?,
                })
            })
        })
    }

    /// Moves the product instances that an uploaded file would move, and takes in what it holds of them: as a file of its
    /// own, with its own ACK.
    ///
    /// # Errors
    /// When there is nothing to move.
    pub fn move_set_aside(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: i64,
        id: i64,
    ) -> Result<UsageFile, Error> {
        let (name, account, kept) = self.db.read("set_aside.read", move |tx| {
            let file = files::one(tx, smart_account_id, id)?;
            let sql = "SELECT name, document FROM set_aside WHERE smart_account_id = $1
                AND usage_file_id = $2 ORDER BY place";
            let kept = tx.rows(sql, &[smart_account_id.into(), id.into()], |row| {
                Ok::<_, Error>((row.text(0)?, row.text(1)?))
            })?;
            Ok::<_, Error>((file.name, (smart_account_id, file.virtual_account_id), kept))
        })?;
        if kept.is_empty() {
            return Err(Error::Conflict("the file moves no product instance".to_owned()));
        }
        let correlation_id = self.random_hex(16);
        let mut devices = Vec::with_capacity(kept.len());
        for (name, document) in kept {
            devices.push(self.verify_file(now, &name, document.as_bytes(), &correlation_id)?);
        }
        let (cssm, actor) = (self.clone(), actor.clone());
        self.db.write("set_aside.move", move |tx| {
            for device in &devices {
                if let Some(mut known) = instances::find(tx, &device.udi)?
                    && !known.removed
                    && known.smart_account_id == account.0
                    && known.public_key == device.key
                    && known.virtual_account_id != account.1
                {
                    claims::move_and_tell(tx, now, &actor, &mut known, account.1)?;
                }
            }
            let sql = "DELETE FROM set_aside WHERE smart_account_id = $1 AND usage_file_id = $2";
            let gone = tx.execute(sql, &[account.0.into(), id.into()])?;
            if gone == 0 {
                return Err(Error::Conflict("the file moves no product instance".to_owned()));
            }
            let sql = "UPDATE usage_file SET set_aside = 0 WHERE smart_account_id = $1 AND id = $2";
            tx.execute(sql, &[account.0.into(), id.into()])?;
            let hop = Hop::Person(None);
            cssm.take_files(tx, now, &actor, account, (&name, &devices, hop), &correlation_id)
        })
    }

    /// Reads and checks one device's file that a person brought.
    pub(crate) fn verify_file(
        &self,
        now: Timestamp,
        name: &str,
        bytes: &[u8],
        correlation_id: &str,
    ) -> Result<VerifiedDevice, Error> {
        let suite = self.suite.as_ref();
        let file = collected::parse(suite, now, &self.id, name, bytes)?;
        let udi = file.udi.clone();
        let known = match file.key {
            Some(_) => None,
            None => {
                let find = move |tx: &mut Tx<'_>| instances::find(tx, &udi);
                self.db.read("files.key", find)?.map(|known| known.public_key)
            }
        };
        let ids = (self.id.as_ref(), correlation_id);
        collected::verify(suite, file, known.as_ref(), Hop::Person(None), ids)
    }
}
