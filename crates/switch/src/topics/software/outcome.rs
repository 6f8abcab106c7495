//! What going to a release before Smart Licensing Using Policy comes to: the guide's table of outcomes (p. 52) for the topology
//! that this switch is in, and what it has that such a release has not (PI-MIG-023 to 026).

use rumline_agent::Transport;
use rumline_catalogue::{Licensing, Release};

use crate::Switch;

const REGISTER: &str = "Action is required: reregister the product instance.";
const REGISTER_ALL: &str = "Action is required: reregister the product instance. Generate an ID token in the CSSM Web UI, and on the \
    product instance enable Smart Licensing with license smart enable and give license smart register idtoken IDTOKEN all.";
const RESTORE: &str = "Action is required: restore licenses to a registered and authorized state by following the procedures of \
    Smart Licensing.";

/// How a switch stands when it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it speaks to CSSM itself.
    pub is_direct: bool,
    pub has_trust: bool,
    /// Whether there is another supervisor.
    pub is_pair: bool,
    pub licenses: usize,
    /// Reports that CSSM has not acknowledged.
    pub waiting_reports: u64,
    pub transport: &'static str,
}

impl Standing {
    pub(super) fn of(switch: &Switch) -> Self {
        let (agent, transport) = (&switch.agent, switch.agent.config().transport);
        let [open, closed, sent, ..] = agent.report_counts();
        Self {
            is_direct: matches!(transport, Transport::Smart | Transport::Callhome),
            has_trust: agent.trust().iter().any(|line| line.code.is_some()),
            is_pair: switch.redundancy.other.is_some(),
            licenses: agent.licenses_in_use().len(),
            waiting_reports: open + closed + sent,
            transport: match transport {
                Transport::Smart => "smart",
                Transport::Callhome => "callhome",
                Transport::Cslu => "cslu",
                Transport::Off => "off",
            },
        }
    }

    /// The rows of the guide's table: where a switch stands, and what is to be done.
    fn row(&self) -> (&'static str, &'static str) {
        match (self.is_direct && self.has_trust, self.is_pair) {
            (true, false) => {
                ("Standalone, connected directly to CSSM, and trust established", REGISTER)
            }
            (true, true) => (
                "High Availability, connected directly to CSSM, and trust established",
                REGISTER_ALL,
            ),
            (false, _) => ("Any other topology", RESTORE),
        }
    }

    /// What it comes to, in words.
    pub(super) fn text(&self, to: &Release) -> String {
        let has_smart_licensing = to.licensing.contains(&Licensing::SmartLicensing);
        let (place, action) = self.row();
        let action = if has_smart_licensing {
            action.to_owned()
        } else {
            format!(
                "Action is required: {} holds licenses by {}.",
                to.version,
                to.licensing_words()
            )
        };
        let reports = match self.waiting_reports {
            0 => "none waits for an ACK.".to_owned(),
            count => format!(
                "{count} wait for an ACK. Have them acknowledged before: license smart sync, or license smart save usage \
                 unreported and the file to CSSM."
            ),
        };
        let Self { licenses, transport, .. } = self;
        format!(
            "Going to {}, a release before Smart Licensing Using Policy:\n  In the SLP environment:     {place}.\n  \
             Outcome and further action: {action}\n  \
             License consumption:        does not change, {licenses} in use.\n  \
             Features:                   what is configured is preserved.\n  \
             RUM reports:                {reports}\n  \
             Trust code and policy:      not used there, as all that is of SLP only.\n  \
             Transport:                  {transport} here; that release has Call Home only.\n\n",
            to.version
        )
    }
}

#[cfg(test)]
mod tests {
    use rumline_catalogue::Catalogue;

    use super::*;

    #[test]
    fn each_row_of_the_table_is_told_where_it_holds() {
        // PI-MIG-023, PI-MIG-024, PI-MIG-025, PI-MIG-026
        let to = |version| Catalogue::nexus().release(version).unwrap();
        let mut standing = Standing {
            is_direct: true,
            has_trust: true,
            is_pair: false,
            licenses: 2,
            waiting_reports: 3,
            transport: "smart",
        };
        let told = standing.text(to("9.3(13)"));
        assert!(told.contains("Standalone") && told.contains("reregister the product instance.\n"));
        assert!(told.contains("does not change, 2 in use") && told.contains("3 wait for an ACK"));
        standing.is_pair = true;
        let told = standing.text(to("10.1(2)"));
        assert!(told.contains("license smart register idtoken IDTOKEN all"), "{told}");
        for (is_direct, has_trust) in [(true, false), (false, true), (false, false)] {
            (standing.is_direct, standing.has_trust) = (is_direct, has_trust);
            let told = standing.text(to("9.3(3)"));
            assert!(
                told.contains("Any other topology") && told.contains("restore licenses"),
                "{told}"
            );
        }
        standing.waiting_reports = 0;
        let told = standing.text(to("9.2(1)"));
        assert!(told.contains("9.2(1) holds licenses by PAK, RTU") && told.contains("none waits"));
    }
}
