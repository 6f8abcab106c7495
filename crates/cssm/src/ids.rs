//! What is named by a number.

rumline_store::id_types! {
    /// A smart account.
    SmartAccountId,
    /// A virtual account.
    VirtualAccountId,
    /// A product instance.
    InstanceId,
    /// A registered collector.
    CollectorId,
    /// A registration token.
    TokenId,
    /// An uploaded usage file.
    UsageFileId,
    /// A key that claims a UDI.
    ClaimId,
    /// An alert.
    AlertId,
    /// A purchase.
    PurchaseId,
    /// An entry of the book of purchases.
    EntryId,
    /// What is done to many product instances.
    JobId,
}

/// A virtual account, with the smart account it is of.
pub type Account = (SmartAccountId, VirtualAccountId);

impl From<SmartAccountId> for rumline_server::ScopeId {
    fn from(id: SmartAccountId) -> Self {
        Self(id.0)
    }
}

impl From<VirtualAccountId> for rumline_server::PartId {
    fn from(id: VirtualAccountId) -> Self {
        Self(id.0)
    }
}

impl From<rumline_server::PartId> for VirtualAccountId {
    fn from(id: rumline_server::PartId) -> Self {
        Self(id.0)
    }
}

impl From<rumline_server::ScopeId> for SmartAccountId {
    fn from(id: rumline_server::ScopeId) -> Self {
        Self(id.0)
    }
}
