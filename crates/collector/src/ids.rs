//! What is named by a number.

rumline_store::id_types! {
    /// A tenant.
    TenantId,
    /// A product instance.
    InstanceId,
    /// A key that claims a UDI.
    ClaimId,
    /// An export or import.
    TransferId,
    /// An id token of a tenant.
    IdTokenId,
}

impl From<TenantId> for rumline_server::ScopeId {
    fn from(id: TenantId) -> Self {
        Self(id.0)
    }
}

impl From<rumline_server::ScopeId> for TenantId {
    fn from(id: rumline_server::ScopeId) -> Self {
        Self(id.0)
    }
}
