//! System messages of the older licensing.

use std::fmt;

/// What is told on the console and to servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The switch is registered.
    Registered,
    /// It is not, and why.
    RegistrationFailed(String),
    /// The registration went, as was asked.
    Deregistered,
    /// The server did not hear that it is to go, and why; that is tried again.
    DeregistrationFailed(String),
    /// The registration was renewed.
    Renewed,
    /// It was not, and why.
    RenewalFailed(String),
    /// The server knows no such registration, which is gone here too, and what to do.
    RegistrationUnknown(&'static str),
    /// The registration ended.
    RegistrationExpired,
    /// All that is in use was bought.
    InCompliance,
    /// Some was not: these.
    OutOfCompliance(Vec<String>),
    /// The server was not heard of for ninety days.
    AuthorizationExpired,
    /// The server cannot be reached, and why.
    CommunicationFailed(String),
    /// It can again.
    CommunicationRestored,
    /// The evaluation period ended.
    EvaluationExpired,
    /// A licence file was installed.
    FileInstalled(String),
    /// One was taken away.
    FileRemoved(String),
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => f.write_str(
                "%LICMGR-6-LOG_SMART_LIC_AGENT_REG_SUCCESS: Smart Agent for Licensing registration with the server was successful",
            ),
            Self::RegistrationFailed(why) => write!(
                f,
                "%LICMGR-3-LOG_SMART_LIC_AGENT_REG_FAILED: Smart Agent for Licensing registration with the server failed: {why}"
            ),
            Self::Deregistered => f.write_str(
                "%LICMGR-6-LOG_SMART_LIC_AGENT_DEREG_SUCCESS: Smart Agent for Licensing de-registration with the server was successful",
            ),
            Self::DeregistrationFailed(why) => write!(
                f,
                "%LICMGR-3-LOG_SMART_LIC_AGENT_DEREG_FAILED: Smart Agent for Licensing de-registration with the server failed: {why}"
            ),
            Self::Renewed => f.write_str(
                "%LICMGR-6-LOG_SMART_LIC_ID_CERT_RENEW_SUCCESS: Identity certificate renewal successful",
            ),
            Self::RenewalFailed(why) => write!(
                f,
                "%LICMGR-4-LOG_SMART_LIC_ID_CERT_RENEW_FAILED: Identity certificate renewal failed: {why}"
            ),
            Self::RegistrationUnknown(what_to_do) => write!(
                f,
                "%LICMGR-3-LOG_SMART_LIC_REGISTRATION_UNKNOWN: The server knows no registration of this switch, which is registered no more: {what_to_do}"
            ),
            Self::RegistrationExpired => f.write_str(
                "%LICMGR-3-LOG_SMART_LIC_ID_CERT_EXPIRED: Identity certificate has expired, the switch is no longer registered",
            ),
            Self::InCompliance => f.write_str(
                "%LICMGR-6-LOG_SMART_LIC_IN_COMPLIANCE: All entitlements are authorized",
            ),
            Self::OutOfCompliance(names) => write!(
                f,
                "%LICMGR-3-LOG_SMART_LIC_OUT_OF_COMPLIANCE: Entitlements are out of compliance: {}",
                names.join(", ")
            ),
            Self::AuthorizationExpired => f.write_str(
                "%LICMGR-3-LOG_SMART_LIC_AUTH_EXPIRED: The authorization of the entitlements has expired",
            ),
            Self::CommunicationFailed(why) => write!(
                f,
                "%LICMGR-3-LOG_SMART_LIC_COMM_FAILED: Communications failure with the Cisco Smart Software Manager (CSSM) : {why}"
            ),
            Self::CommunicationRestored => f.write_str(
                "%LICMGR-3-LOG_SMART_LIC_COMM_RESTORED: Communications with the Cisco Smart Software Manager (CSSM) restored.",
            ),
            Self::EvaluationExpired => f.write_str(
                "%LICMGR-3-LOG_SMART_LIC_EVAL_EXPIRED: The evaluation period has expired; features go on as they are",
            ),
            Self::FileInstalled(name) => {
                write!(f, "%LICMGR-6-LOG_LIC_FILE_INSTALLED: License file {name} was installed")
            }
            Self::FileRemoved(name) => {
                write!(f, "%LICMGR-6-LOG_LIC_FILE_REMOVED: License file {name} was removed")
            }
        }
    }
}
