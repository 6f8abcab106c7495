//! Logins by a provider of OpenID Connect: the authorization code flow with PKCE. What a provider says is believed once it is
//! checked here; who asks it over the network is elsewhere.

mod flow;
mod groups;
mod keys;
mod metadata;
mod token;

pub use flow::{Flow, FlowKey, UsedFlows};
pub use groups::{GroupRule, grants_of_groups};
pub use keys::{KeyCache, KeySet};
pub use metadata::Metadata;
pub use token::{Claims, Expected, check_id_token, key_named};

/// Why something that a provider says is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Distrust(pub String);

impl Distrust {
    fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
