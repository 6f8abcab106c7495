//! Account information: which Smart Account and Virtual Account an answer speaks for (FILE-006, 008).

use serde::{Deserialize, Serialize};

use crate::text::xml_escape;

/// The `customerInfo` of an ACK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// When it was written, in milliseconds since 1970.
    pub timestamp_millis: i64,
    /// Name of the Smart Account.
    pub smart_account: String,
    /// Name of the Virtual Account.
    pub virtual_account: String,
    /// Number of the Smart Account.
    pub smart_account_id: i64,
    /// Number of the Virtual Account.
    pub virtual_account_id: i64,
    /// Domain of the Smart Account.
    pub smart_account_domain: String,
}

impl AccountInfo {
    /// What stands between `<customerInfo>` and `</customerInfo>`: the bytes its signature covers.
    #[must_use]
    pub fn signed_text(&self) -> String {
        format!(
            "\n    <timestamp>{}</timestamp>\
             \n    <smartAccount>{}</smartAccount>\
             \n    <virtualAccount>{}</virtualAccount>\
             \n    <smartAccountId>{}</smartAccountId>\
             \n    <virtualAccountId>{}</virtualAccountId>\
             \n    <smartAccountDomain>{}</smartAccountDomain>\n  ",
            self.timestamp_millis,
            xml_escape(&self.smart_account),
            xml_escape(&self.virtual_account),
            self.smart_account_id,
            self.virtual_account_id,
            xml_escape(&self.smart_account_domain),
        )
    }
}
