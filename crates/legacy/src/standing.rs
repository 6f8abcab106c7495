//! By which model a switch holds its licences, and what becomes of that on a release with Smart Licensing Using Policy (guide
//! p. 50-51; PI-MIG-004, PI-MIG-008, PI-MIG-009, PI-MIG-018).

use rumline_protocol::Timestamp;

use crate::kept::Kept;
use crate::registration::Server;

/// The model in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Smart Licensing, registered.
    Registered(Server),
    /// Smart Licensing, in its evaluation period.
    Evaluation,
    /// Smart Licensing, with its evaluation period over.
    Expired,
    /// Licence files.
    Pak,
    /// The right to use.
    Rtu,
}

impl Model {
    /// What it is called in the output of commands.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Registered(Server::Cssm) => "Smart Licensing, registered with CSSM",
            Self::Registered(Server::OnPrem) => "Smart Licensing, registered with SSM On-Prem",
            Self::Evaluation => "Smart Licensing, in evaluation",
            Self::Expired => "Smart Licensing, evaluation expired",
            Self::Pak => "Traditional Licensing (PAK)",
            Self::Rtu => "Right-to-Use (RTU)",
        }
    }

    /// The transport after the upgrade: whether it stays Call Home; if not it is CSLU (guide p. 51). Some releases took CSLU
    /// for registered switches too (PI-MIG-006).
    #[must_use]
    pub fn stays_callhome(self, has_transport_defect: bool) -> bool {
        self == Self::Registered(Server::Cssm) && !has_transport_defect
    }

    /// Whether the registration is turned into a trust code (PI-TRUST-012).
    #[must_use]
    pub fn has_registration(self) -> bool {
        matches!(self, Self::Registered(_))
    }
}

/// How a switch stood on a release before Smart Licensing Using Policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The model.
    pub model: Model,
    /// Whether there are licence files to convert (PI-MIG-018).
    pub has_files: bool,
}

impl Standing {
    /// How a switch stands: what it has kept, and whether Smart Licensing is enabled on it.
    #[must_use]
    pub fn of(kept: &Kept, is_smart: bool, now: Timestamp) -> Self {
        let registration = &kept.registration;
        let held = registration.held.as_ref().filter(|_| registration.leaving.is_none());
        let held = held.filter(|held| now < held.expires_at);
        let has_files = !kept.files.is_empty();
        let model = match (is_smart, held) {
            (true, Some(held)) => Model::Registered(held.server),
            (true, None) if kept.evaluation.remaining_seconds(now) == 0 => Model::Expired,
            (true, None) => Model::Evaluation,
            (false, _) if has_files => Model::Pak,
            (false, _) => Model::Rtu,
        };
        Self { model, has_files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transport_after_the_upgrade_is_that_of_the_table() {
        // PI-MIG-004, C-60
        let rows = [
            (Model::Evaluation, false),
            (Model::Expired, false),
            (Model::Registered(Server::Cssm), true),
            (Model::Pak, false),
            (Model::Rtu, false),
            (Model::Registered(Server::OnPrem), false),
        ];
        for (model, stays) in rows {
            assert_eq!(model.stays_callhome(false), stays, "{model:?}");
            // PI-MIG-006
            assert!(!model.stays_callhome(true), "{model:?}");
        }
    }
}
