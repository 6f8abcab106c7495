//! The system messages of the guide (p. 77-83; PI-MSG). The authorization messages are not here: Nexus has
//! no authorization codes, so they are never emitted (PI-MSG-007, 015, 016).

use std::fmt;

use rumline_protocol::Udi;

use crate::config::Peer;

/// A system message of facility LICMGR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogMessage {
    /// PI-MSG-006.
    PolicyInstallFailed {
        /// What was wrong.
        reason: String,
    },
    /// PI-MSG-008.
    CommFailed {
        /// Whom the switch tried to reach.
        peer: Peer,
        /// What went wrong.
        reason: String,
    },
    /// PI-MSG-010.
    CommRestored {
        /// Who answers again.
        peer: Peer,
    },
    /// PI-MSG-011.
    PolicyRemoved,
    /// PI-MSG-012.
    TrustCodeInstallFailed {
        /// The supervisor.
        udi: Udi,
        /// What was wrong.
        reason: String,
    },
    /// PI-MSG-013.
    ReportingNotSupported,
    /// PI-MSG-014.
    PolicyInstallSuccess,
    /// PI-MSG-017.
    ReportingRequired {
        /// Days left.
        days: i64,
    },
    /// PI-MSG-018.
    TrustCodeInstallSuccess {
        /// The supervisor.
        udi: Udi,
    },
    /// Our own, PI-CLI-022: a file was imported that no other message tells of.
    FileInstalled {
        /// The kind of what was in it, e.g. `RUM ACK`.
        kind: &'static str,
    },
    /// Our own: CSSM refused reports.
    ReportsRefused {
        /// How many.
        count: u64,
        /// What CSSM said of the first.
        reason: String,
    },
    /// Our own: CSSM holds reports that this product instance does not know.
    SetBack,
    /// Our own: CSSM lacks reports that it had acknowledged.
    ReportsRequested {
        /// How many are sent again.
        count: u64,
    },
    /// Our own: the policy in force ends soon.
    PolicyEnding {
        /// Days left.
        days: i64,
    },
    /// Our own: the policy in force has ended.
    PolicyExpired,
    /// Our own: reports that were never acknowledged cannot be read any more.
    ReportsUnreadable {
        /// How many.
        count: u64,
    },
    /// Our own: so much waits that times within a day are no longer kept.
    UsageCoarsened {
        /// Reports that wait.
        reports: u64,
    },
}

impl SyslogMessage {
    /// The severity digit: 3 error, 4 warning, 6 informational.
    #[must_use]
    pub fn severity(&self) -> u8 {
        match self {
            Self::PolicyInstallFailed { .. }
            | Self::CommFailed { .. }
            | Self::CommRestored { .. } // C-15: as printed, though nothing is wrong
            | Self::PolicyRemoved
            | Self::TrustCodeInstallFailed { .. }
            | Self::ReportsRefused { .. }
            | Self::SetBack
            | Self::ReportsUnreadable { .. }
            | Self::PolicyExpired => 3,
            Self::ReportingNotSupported
            | Self::ReportsRequested { .. }
            | Self::UsageCoarsened { .. }
            | Self::PolicyEnding { .. } => 4,
            Self::PolicyInstallSuccess
            | Self::ReportingRequired { .. }
            | Self::FileInstalled { .. }
            | Self::TrustCodeInstallSuccess { .. } => 6,
        }
    }

    /// The mnemonic.
    #[must_use]
    pub fn mnemonic(&self) -> &'static str {
        match self {
            Self::PolicyInstallFailed { .. } => "LOG_SMART_LIC_POLICY_INSTALL_FAILED",
            Self::CommFailed { .. } => "LOG_SMART_LIC_COMM_FAILED",
            Self::CommRestored { .. } => "LOG_SMART_LIC_COMM_RESTORED",
            Self::PolicyRemoved => "LOG_SMART_LIC_POLICY_REMOVED",
            Self::TrustCodeInstallFailed { .. } => "LOG_SMART_LIC_TRUST_CODE_INSTALL_FAILED",
            Self::ReportingNotSupported => "LOG_SMART_LIC_REPORTING_NOT_SUPPORTED",
            Self::PolicyInstallSuccess => "LOG_SMART_LIC_POLICY_INSTALL_SUCCESS",
            Self::ReportingRequired { .. } => "LOG_SMART_LIC_REPORTING_REQUIRED",
            Self::TrustCodeInstallSuccess { .. } => "LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS",
            Self::FileInstalled { .. } => "LOG_SMART_LIC_FILE_INSTALL_SUCCESS",
            Self::ReportsRefused { .. } => "LOG_SMART_LIC_USAGE_REPORT_REFUSED",
            Self::SetBack => "LOG_SMART_LIC_USAGE_SET_BACK",
            Self::ReportsRequested { .. } => "LOG_SMART_LIC_USAGE_REPORT_REQUESTED",
            Self::PolicyEnding { .. } => "LOG_SMART_LIC_POLICY_ENDING",
            Self::PolicyExpired => "LOG_SMART_LIC_POLICY_EXPIRED",
            Self::ReportsUnreadable { .. } => "LOG_SMART_LIC_USAGE_REPORT_UNREADABLE",
            Self::UsageCoarsened { .. } => "LOG_SMART_LIC_USAGE_COARSENED",
        }
    }

    /// The message text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::PolicyInstallFailed { reason } => {
                format!("The installation of a new licensing policy has failed: {reason}.")
            }
            Self::CommFailed { peer, reason } => {
                format!("Communications failure with the {} : {reason}", peer.name())
            }
            Self::CommRestored { peer } => {
                format!("Communications with the {} restored.", peer.name())
            }
            Self::PolicyRemoved => "The licensing policy has been removed.".to_owned(),
            Self::TrustCodeInstallFailed { udi, reason } => {
                format!("The install of a new licensing trust code has failed on {udi}: {reason}.")
            }
            Self::ReportingNotSupported => {
                "The CSSM OnPrem that this product instance is connected \
                 to is down rev and does not support the enhanced policy and usage reporting mode."
                    .to_owned()
            }
            Self::PolicyInstallSuccess => {
                "A new licensing policy was successfully installed.".to_owned()
            }
            Self::ReportingRequired { days } => {
                format!("A Usage report acknowledgement will be required in {days} days.")
            }
            Self::TrustCodeInstallSuccess { udi } => {
                format!("A new licensing trust code was successfully installed on {udi}.")
            }
            Self::FileInstalled { kind } => {
                format!("A {kind} was successfully installed from a file.")
            }
            Self::ReportsRefused { count, reason } => {
                format!("{count} usage reports were refused by CSSM: {reason}.")
            }
            Self::SetBack => "CSSM holds usage reports that this product instance does not know: \
                              it was set back to an older copy, or another one speaks in its name. \
                              Usage goes on under new report numbers."
                .to_owned(),
            Self::ReportsRequested { count } => {
                format!(
                    "CSSM lacks {count} usage reports that it had acknowledged; they are sent again."
                )
            }
            Self::PolicyEnding { days } => {
                format!("The licensing policy ends in {days} days unless it is renewed.")
            }
            Self::PolicyExpired => {
                "The licensing policy has ended; the Cisco default policy is in force.".to_owned()
            }
            Self::ReportsUnreadable { count } => format!(
                "{count} usage reports cannot be read and are not sent: their files are damaged or missing. \
                 What they tell is lost, unless the files are put back from a copy before the next reload."
            ),
            Self::UsageCoarsened { reports } => format!(
                "{reports} usage reports wait to be acknowledged: of further use each day's sum is kept, \
                 and no longer when in the day it was."
            ),
        }
    }
}

impl fmt::Display for SyslogMessage {
    /// `%FACILITY-SEVERITY-MNEMONIC: Message-text` (PI-MSG-001).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%LICMGR-{}-{}: {}", self.severity(), self.mnemonic(), self.text())
    }
}
