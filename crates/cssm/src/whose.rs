//! Whose a thing is that a path names: which virtual account it is of.

use crate::ids::{SmartAccountId, VirtualAccountId};
use crate::{Cssm, Error, collectors, files, instances, tokens};

impl Cssm {
    /// The virtual account that one of an account's things is of; `kind` is what the API calls such things.
    ///
    /// # Errors
    /// When the store fails.
    pub fn virtual_account_of(
        &self,
        kind: &str,
        smart_account_id: SmartAccountId,
        id: i64,
    ) -> Result<Option<VirtualAccountId>, Error> {
        let of = match kind {
            "product-instances" => instances::virtual_account_of,
            "tokens" => tokens::virtual_account_of,
            "usage-files" => files::virtual_account_of,
            "collectors" => collectors::virtual_account_of,
            _ => return Ok(None),
        };
        self.db.read("accounts.virtual_of", move |tx| of(tx, smart_account_id, id))
    }
}
