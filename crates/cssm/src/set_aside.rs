//! Parts of uploaded files that would move a product instance to another virtual account: they wait until somebody who may
//! administer both has seen which, and said yes.

use rumline_protocol::Udi;
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::collected::VerifiedDevice;
use crate::ids::{SmartAccountId, UsageFileId, VirtualAccountId};

/// A product instance that an uploaded file would move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetAside {
    /// Product id.
    pub pid: String,
    /// Serial number.
    pub serial: String,
    /// The virtual account it is in.
    pub virtual_account_id: VirtualAccountId,
    /// Its name.
    pub virtual_account: String,
}

/// Sets a device's part of an uploaded file aside.
pub(crate) fn keep(
    tx: &mut Tx<'_>,
    (smart_account_id, usage_file_id): (SmartAccountId, UsageFileId),
    place: i64,
    name: &str,
    device: &VerifiedDevice,
    virtual_account_id: VirtualAccountId,
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

/// What is said of a device that was set aside. Which virtual account it is in is for those who may see all of them.
pub(crate) fn words(udi: &Udi) -> String {
    format!("{udi} belongs to another virtual account and stays there unless it is moved")
}
