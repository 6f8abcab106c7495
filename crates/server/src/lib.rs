//! What every server needs, whatever it serves: people and their logins, refusals, names and numbers.
//!
//! A *scope* is what a person may be bound to: a smart account at CSSM, a tenant at SSM On-Prem. Functions take
//! `now` and randomness as arguments and know nothing of HTTP.

#![warn(missing_docs)]

mod actor;
mod api_tokens;
mod audit;
mod content;
mod error;
mod factors;
mod gauge;
mod grants;
mod idempotency;
mod identity;
mod kept_files;
mod logins;
mod names;
mod oidc;
mod people;
mod provided;
mod provided_login;
mod ready;
mod restored;
mod second_factor;
mod throttle;
mod totp;
mod webhooks;
mod work;

use std::sync::{Arc, Mutex};

use rumline_protocol::Random;

pub use actor::Actor;
pub use api_tokens::{Login, NewApiToken, Which};
pub use audit::{
    AUDIT_API_TOKEN, AUDIT_CHANGES, AUDIT_TABLE, Act, AuditRow, AuditSearch, REFUSED_LOGINS_INDEX,
    RefusedLogins, audit, audit_rows, refused_logins,
};
pub use content::{Content, content};
pub use error::Error;
pub use factors::{Enrolment, FactorState, SECOND_FACTOR_BEGUN_BY, SECOND_FACTOR_TABLES};
pub use gauge::{Counted, Gauge, count};
pub use grants::{Action, Caller, Grant, Only, PartId, Role, ScopeId, narrowed};
pub use idempotency::{KEPT_ANSWERS_TABLE, KeptAnswer, Known};
pub use identity::{IDENTITY_TABLE, check_identity, owner_of, refuse_stranger};
pub use kept_files::{KEPT_FILE_TABLES, KeptInDb, KeptReader};
pub use logins::Begun;
pub use names::{LoginId, NAME_LETTERS_MAX, check_name, next_id, random_hex};
pub use oidc::{
    Claims, Distrust, Expected, Flow, FlowKey, GroupRule, KeyCache, KeySet, Metadata, UsedFlows,
    check_id_token, grants_of_groups, key_named,
};
pub use people::{
    GRANTS_TABLE, Kind, PASSWORD_BYTES_MAX, PASSWORD_LETTERS_MIN, People, Person, SECRET_DAYS_MAX,
    SECRET_ENDS, forget, grants_of, regrant, secrets_that_end,
};
pub use provided::PROVIDED_TABLE;
pub use provided_login::Provided;
pub use ready::{NotReady, probe};
pub use restored::{LEAP, go_on_after_restore};
pub use rumline_store::Id;
pub use throttle::Throttle;
pub use totp::{STEP_SECONDS, TotpSecret, step_at};
pub use webhooks::{
    DELIVERY_NUMBERS, Delivery, DeliveryId, Due, News, USUAL_WEBHOOK_KINDS, WEBHOOK_KINDS,
    WEBHOOK_TABLES, WEBHOOK_URL_BYTES_MAX, Webhook, WebhookId, announce,
};
pub use work::{BEAT, LEASE, WORK_TABLE, Works};

/// A source of randomness that several threads share.
pub type SharedRandom = Arc<Mutex<dyn Random + Send>>;
