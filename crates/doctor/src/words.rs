//! Faults by the words that devices and servers have for them. Words are for what is read from text: a running switch knows kinds.

use crate::Fault;

/// Words that a reason holds, in small letters, and the fault they stand for; the first that fits counts.
type Rows = &'static [(&'static str, Fault)];

/// Why an exchange failed: the second field of `COMM_FAILED` and `Failure Reason` of `show license tech support`.
const EXCHANGE: Rows = &[
    ("identity for the instance", Fault::Unknown),
    ("re-register the instance", Fault::Unknown),
    ("record not found", Fault::Unknown),
    ("unable to resolve proxy", Fault::ProxyName),
    ("unable to connect to proxy", Fault::ProxyUnreachable),
    ("waiting for the proxy", Fault::ProxySilent),
    ("proxy asks for authentication", Fault::ProxyAuthentication),
    ("proxy authentication required", Fault::ProxyAuthentication),
    ("proxy answers with http status", Fault::ProxyRefuses),
    ("proxy answers with something", Fault::ProxyNone),
    ("proxy has no port", Fault::ProxyPort),
    ("resolve", Fault::Name),
    ("invalid host", Fault::Name),
    ("ipv6 is supported only", Fault::Ipv6),
    ("connection refused", Fault::Port),
    ("no route to host", Fault::Route),
    ("source interface", Fault::InterfaceDown),
    ("source address", Fault::SourceAddress),
    ("does not exist", Fault::VrfMissing),
    ("is shut down", Fault::VrfDown),
    ("cannot be entered", Fault::NameSpace),
    ("call home is not enabled", Fault::CallhomeOff),
    ("sends by email only", Fault::CallhomeByMail),
    ("message-size", Fault::CallhomeSize),
    ("url is not valid", Fault::Url),
    ("404 host not found", Fault::Url),
    ("error 404", Fault::Url),
    ("tls cert", Fault::CertificateRoot),
    ("peer certificate", Fault::CertificateRoot),
    ("certificate", Fault::CertificateRoot),
    ("tls versions", Fault::TlsVersion),
    ("too many requests", Fault::Busy),
    ("no time", Fault::NoTime),
    ("insufficient trust", Fault::TrustMissing),
    ("timestamp mismatch", Fault::Clock),
    ("sa/va mismatch", Fault::Account),
    ("another smart account", Fault::Account),
    ("another virtual account", Fault::Account),
    ("timeout", Fault::Silent),
    ("timed out", Fault::Silent),
    ("empty response", Fault::Empty),
    ("invalid response", Fault::NoLicensing),
    ("response does not belong", Fault::NoLicensing),
    ("answer of the server is too large", Fault::NoLicensing),
    ("invalid status code", Fault::NoLicensing),
    ("not supported", Fault::DownRev),
    ("down rev", Fault::DownRev),
    ("http status 5", Fault::ServerFails),
    ("http server error", Fault::ServerFails),
    ("http status", Fault::Url),
    ("unable to connect", Fault::Connection),
    ("fail to send out call home", Fault::Connection),
    ("communication message send", Fault::Connection),
    ("not reachable", Fault::Connection),
];

/// Why trust was not given: the last field of `TRUST_CODE_INSTALL_FAILED`.
const TRUST: Rows = &[
    ("already installed", Fault::TrustInstalled),
    ("another key", Fault::TrustKey),
    ("sa/va mismatch", Fault::Account),
    ("another smart account", Fault::Account),
    ("another virtual account", Fault::Account),
    ("timestamp", Fault::Clock),
    ("check the clock", Fault::Clock),
    ("by https only", Fault::TokenWay),
    ("for transport smart or callhome", Fault::TokenWay),
    ("transport was changed", Fault::Token),
    ("root certificate of cssm is not known", Fault::CertificateRoot),
    ("wrong clock", Fault::Token),
    ("token", Fault::Token),
    ("another device", Fault::FileOfOtherDevice),
    ("signature mismatch", Fault::FileAltered),
    ("identity for the instance", Fault::Unknown),
];

/// Why what came in a file, or in an answer, was not installed.
const DOCUMENT: Rows = &[
    ("check the clock", Fault::Clock),
    ("timestamp mismatch", Fault::Clock),
    ("another smart account", Fault::FileOfOtherAccount),
    ("another virtual account", Fault::FileOfOtherAccount),
    ("another device", Fault::FileOfOtherDevice),
    ("another key", Fault::FileOfOtherDevice),
    ("does not know", Fault::FileOfOtherDevice),
    ("a newer policy", Fault::FileStale),
    ("has ended", Fault::FileStale),
    ("has expired", Fault::FileStale),
    ("was revoked", Fault::FileStale),
    ("answers no request", Fault::FileStale),
    ("signature", Fault::FileAltered),
    ("chain", Fault::FileAltered),
    ("is no ", Fault::FileAltered),
    ("out of range", Fault::FileAltered),
    ("refused the report", Fault::ReportsRefused),
];

fn found(rows: Rows, words: &str) -> Option<Fault> {
    let words = words.to_ascii_lowercase();
    rows.iter().find(|(part, _)| words.contains(part)).map(|(_, fault)| *fault)
}

/// The fault behind a failed exchange.
#[must_use]
pub fn exchange(words: &str) -> Fault {
    found(EXCHANGE, words).unwrap_or(Fault::Refused)
}

/// The fault behind trust that was refused.
#[must_use]
pub fn trust(words: &str) -> Fault {
    found(TRUST, words).unwrap_or(Fault::TrustRefused)
}

/// The fault behind what was not installed.
#[must_use]
pub fn document(words: &str) -> Fault {
    found(DOCUMENT, words).unwrap_or(Fault::FileRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_small_letters_and_none_hides_behind_an_earlier_one() {
        for rows in [EXCHANGE, TRUST, DOCUMENT] {
            for (place, (part, fault)) in rows.iter().enumerate() {
                assert_eq!(*part, part.to_ascii_lowercase());
                assert_eq!(found(rows, part), Some(*fault), "{part}");
                let before = rows[..place].iter().find(|(earlier, _)| part.contains(earlier));
                assert!(
                    before.is_none() || before.is_some_and(|(_, other)| other == fault),
                    "{part}"
                );
            }
        }
    }

    #[test]
    fn words_of_the_guide_and_of_devices_are_known() {
        assert_eq!(exchange("404 host not found"), Fault::Url);
        assert_eq!(exchange("Unable to resolve server hostname/domain name"), Fault::Name);
        let told =
            "The identity for the instance 4040-429a is not valid.Please re-register the instance.";
        assert_eq!(exchange(told), Fault::Unknown);
        assert_eq!(exchange("HTTP Server Error 404 : Not found"), Fault::Url);
        assert_eq!(exchange("Something that nobody ever said"), Fault::Refused);
        assert_eq!(trust("Already Installed"), Fault::TrustInstalled);
        assert_eq!(trust("SA/VA mismatch"), Fault::Account);
        assert_eq!(trust("the token has expired"), Fault::Token);
        assert_eq!(trust("nobody knows"), Fault::TrustRefused);
        assert_eq!(document("signature mismatch, check the clock"), Fault::Clock);
        assert_eq!(
            document("the policy belongs to another Smart Account"),
            Fault::FileOfOtherAccount
        );
        assert_eq!(document("nobody knows"), Fault::FileRefused);
    }
}
