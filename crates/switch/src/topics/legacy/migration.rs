//! From licensing of before to Smart Licensing Using Policy: what an upgrade makes of it (guide p. 50-64; PI-MIG-001 to 016).

use rumline_catalogue::{Defect, Release};
use rumline_legacy::{Held, Model, Server, Standing};

use super::is_smart;
use crate::Switch;
use crate::config::ConfigTree;
use crate::topics::license::settings::{TRANSPORT, URL_CSLU};
use crate::topics::software::Came;

/// The feature of what is held by the right to use.
const TAP_AGGREGATION: &str = "tap-aggregation";

/// What becomes of a switch on the way up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    standing: Standing,
    /// The registration, if there is one.
    held: Option<Held>,
    /// Whether what is held by the right to use is in use: an entry of an access list needs it (PI-MIG-013).
    uses_rtu: bool,
    /// Whether it goes to CSLU for no reason but a defect (PI-MIG-006).
    goes_to_cslu: bool,
}

impl Migration {
    /// What would become of a switch with this configuration; nothing if it does not come from a release of before.
    pub(crate) fn of(
        (from, to): (&Release, &Release),
        tree: &ConfigTree,
        came: &Came<'_>,
    ) -> Option<Self> {
        if from.has_slp() || !to.has_slp() {
            return None;
        }
        let standing = Standing::of(came.kept, is_smart(tree), came.now);
        let goes_wrong = from.defects.contains(&Defect::RegisteredGoesToCslu);
        let held =
            came.kept.registration.held.clone().filter(|_| standing.model.has_registration());
        let uses_rtu = tree.features_of_entries().any(|feature| feature == TAP_AGGREGATION);
        Some(Self { standing, held, uses_rtu, goes_to_cslu: goes_wrong && came.with_defects })
    }

    fn stays_callhome(&self) -> bool {
        self.standing.model.stays_callhome(self.goes_to_cslu)
    }

    /// Whether nothing leads to CSSM or to a server that is known (PI-MIG-008, C-36).
    fn looks_for_cslu(&self) -> bool {
        !self.stays_callhome() && self.held.as_ref().is_none_or(|held| held.cslu_url.is_none())
    }

    /// The lines that come with it: the transport of the guide's table (PI-MIG-004), and the feature that is in use (PI-MIG-014).
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.stays_callhome() {
            lines.push(format!("{} callhome", TRANSPORT.head));
        }
        // ONPREM-018
        if let Some(url) = self.held.as_ref().and_then(|held| held.cslu_url.as_ref()) {
            lines.push(format!("{} {url}", URL_CSLU.head));
        }
        if self.uses_rtu {
            lines.push(format!("feature {TAP_AGGREGATION}"));
        }
        lines
    }

    /// Puts them into a configuration.
    pub(crate) fn apply(&self, tree: &mut ConfigTree) {
        for line in self.lines() {
            let words = line.split(' ').count();
            if line.starts_with("feature ") {
                tree.set(&[], &line, words);
            } else {
                tree.set(&[], &line, words - 1);
            }
        }
    }

    fn transport(&self) -> String {
        if self.stays_callhome() {
            return "callhome, as before".to_owned();
        }
        match self.held.as_ref().and_then(|held| held.cslu_url.as_ref()) {
            Some(url) => format!("cslu, to {url}: save the configuration after the upgrade"),
            None => "cslu, to cslu-local".to_owned(),
        }
    }

    /// What is said before the upgrade.
    pub(crate) fn told(&self, to: &Release, licenses: usize) -> String {
        let trust = match self.standing.model {
            Model::Registered(Server::Cssm) if self.stays_callhome() => {
                "given by CSSM for the registration, without a token"
            }
            Model::Registered(Server::Cssm) => {
                "none, until the transport is callhome or smart again: then given for the registration"
            }
            Model::Registered(Server::OnPrem) => "comes with reports, through SSM On-Prem",
            _ => "none; one is given for an id token, where the switch reports to CSSM itself",
        };
        let rtu = if self.uses_rtu {
            "\n  Right to use:               DCN_NDB is counted from then on, and feature tap-aggregation is on."
        } else {
            ""
        };
        let mut text = format!(
            "Going to {}, where Smart Licensing Using Policy is the only model:\n  \
             Licensing model now:        {}.\n  \
             License consumption:        does not change, {licenses} in use; no functionality is lost.{rtu}\n  \
             Transport:                  {}.\n  \
             Trust code:                 {trust}.\n  \
             Policy:                     the Cisco default, until CSSM says another; add-ons are to be reported within 90 days.\n\n",
            to.version,
            self.standing.model.label(),
            self.transport(),
        );
        if self.looks_for_cslu() {
            // PI-MIG-006, PI-MIG-008, C-36
            let why = if self.goes_to_cslu && self.held.is_some() {
                "this switch goes to CSLU although it is registered, as its release is known to do"
            } else {
                "this switch is not registered with CSSM"
            };
            text.push_str(&format!(
                "Warning: {why}, so after the upgrade it looks for a CSLU by the name cslu-local.\n\
                 Without one in the network, COMM_FAILED is told until license smart url cslu names one, or another\n\
                 transport is set. Nothing stops working.\n\n"
            ));
        }
        text
    }
}

impl Switch {
    /// What is said at the first start with Smart Licensing Using Policy.
    pub(crate) fn migration_told(&self, migration: &Migration) -> String {
        format!(
            "%LICMGR-6-LOG_SMART_LIC_MIGRATED: licensing was {} before, and is Smart Licensing Using Policy now. Transport: {}",
            migration.standing.model.label(),
            migration.transport()
        )
    }
}
