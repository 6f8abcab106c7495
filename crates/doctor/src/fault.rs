//! The faults there are.

/// What a fault is about, from the ground up: what is wrong further down is what has to be mended first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// What is kept on this device.
    Store,
    /// Its clock.
    Clock,
    /// The way out of it, as its configuration alone has it.
    Way,
    /// Who is reached by it, or is not.
    Peer,
    /// The trust code.
    Trust,
    /// Smart Account and Virtual Account.
    Account,
    /// Files that were brought.
    File,
    /// Reports, and what CSSM says of them.
    Report,
    /// The policy.
    Policy,
    /// Days that are over, or will be.
    Deadline,
}

macro_rules! faults {
    ($($variant:ident $name:literal $area:ident $guide:literal $title:literal [$($mend:literal)*];)*) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $title] $variant,)*
        }

        impl Fault {
            /// All of them, in the order in which they are to be mended.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is about.
            #[must_use]
            pub fn area(self) -> Area {
                match self { $(Self::$variant => Area::$area,)* }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// Where the guide speaks of it, or the requirement that does.
            #[must_use]
            pub fn guide(self) -> &'static str {
                match self { $(Self::$variant => $guide,)* }
            }

            /// The pages of the guide that speak of it.
            #[must_use]
            pub fn pages(self) -> Option<&'static str> {
                Some(self.guide()).filter(|guide| guide.starts_with("p. "))
            }

            /// What mends it where nothing more exact is known: commands, with what has to be filled in between `<` and `>`, and
            /// lines that begin with `!`, which say what is to be done elsewhere.
            #[must_use]
            pub fn usual_mend(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($mend),*],)* }
            }
        }
    };
}

faults! {
    Storage "storage" Store "PI-RUM-027"
        "What was recorded cannot be written" ["! Make room where the switch keeps its files."];
    Startup "startup" Store "PI-CLI-034"
        "The startup configuration is damaged" ["copy running-config startup-config"];
    Unreadable "unreadable" Store "PI-RUM-027"
        "Reports that were never acknowledged cannot be read"
        ["! Put the files back from a copy before the next reload: rumline check says which."];
    Coarse "coarse" Store "PI-RUM-027"
        "So much waits to be acknowledged that times within a day are no longer kept"
        ["license smart sync all"];

    Clock "clock" Clock "p. 68, 77"
        "The clock differs from that of the licensing peer by an hour or more"
        ["configure terminal" "ntp server <address> prefer" "end" "license smart sync all"];
    CertificateTime "certificate-time" Clock "p. 77"
        "By the clock of the switch the server's certificate does not hold"
        ["! If the clock is right, the server needs a new certificate. If not:" "configure terminal"
         "ntp server <address> prefer" "end" "license smart sync all"];

    TransportOff "transport-off" Way "p. 47"
        "The transport is off, and usage waits that no file was saved of"
        ["configure terminal" "license smart transport <smart|cslu|callhome>" "end" "license smart sync all"];
    Transport "transport" Way "p. 69"
        "The transport is another one than the one that worked"
        ["configure terminal" "license smart transport <smart|cslu|callhome>" "end" "license smart sync all"];
    CallhomeOff "callhome-off" Way "PI-NET-029"
        "The transport is Call Home, which is not enabled"
        ["configure terminal" "callhome" "email-contact <address>" "enable" "end" "license smart sync all"];
    CallhomeByMail "callhome-by-mail" Way "PI-NET-029"
        "Call Home sends by e-mail only, which licensing cannot"
        ["configure terminal" "callhome" "destination-profile xml transport-method http" "end" "license smart sync all"];
    CallhomeSize "callhome-size" Way "PI-NET-026"
        "A message is larger than Call Home may send"
        ["configure terminal" "callhome" "destination-profile xml message-size 5000000" "end" "license smart sync all"];
    VrfMissing "vrf-missing" Way "PI-NET-001"
        "The VRF that licensing leaves by does not exist"
        ["configure terminal" "no license smart vrf" "end" "license smart sync all"];
    VrfDown "vrf-down" Way "PI-NET-001"
        "The VRF that licensing leaves by is shut down"
        ["configure terminal" "vrf context <name>" "no shutdown" "end" "license smart sync all"];
    Vrf "vrf" Way "PI-NET-001"
        "Licensing leaves by another VRF than the one that worked"
        ["configure terminal" "license smart vrf <name>" "end" "license smart sync all"];
    NameSpace "name-space" Peer "PI-NET-001"
        "The VRF cannot be entered on the machine that the switch runs on"
        ["! Start the switch with the right to enter name spaces, or bind the VRF to an address: --vrf <name>=addr:<address>"];
    InterfaceDown "interface-down" Way "PI-NET-004"
        "The source interface is down"
        ["configure terminal" "interface <name>" "no shutdown" "end" "license smart sync all"];
    InterfaceVrf "interface-vrf" Way "PI-NET-005"
        "The source interface is in another VRF"
        ["configure terminal" "no license smart source-interface" "end" "license smart sync all"];
    SourceAddress "source-address" Peer "PI-NET-003"
        "The address of the source interface is none of the machine that the switch runs on"
        ["! Bind the interface: --interface <name>=<address>"];
    LookupOff "lookup-off" Way "p. 68"
        "Names are not looked up"
        ["configure terminal" "ip domain-lookup" "end" "license smart sync all"];
    NameServer "name-server" Peer "p. 68"
        "There is no name server, and no entry for the name of the server"
        ["configure terminal" "vrf context <vrf>" "ip name-server <address>" "end" "license smart sync all"];
    Name "name" Peer "p. 68, 80"
        "The name of the server is not resolved"
        ["configure terminal" "ip host <name> <address>" "end" "license smart sync all"];
    Ipv6 "ipv6" Peer "PI-NET-007"
        "The server has IPv6 addresses only, and only Call Home may use them"
        ["! Give the server an IPv4 address, or use Call Home."];
    Url "url" Peer "p. 69, 79"
        "The URL leads to nothing that takes licensing messages"
        ["configure terminal" "license smart url <smart|cslu> <url>" "end" "license smart sync all"];
    Port "port" Peer "p. 80"
        "Nothing listens where the URL leads"
        ["! Start the server, or correct the port of the URL (a CSLU has 8182)." "license smart sync all"];
    Route "route" Peer "p. 80"
        "There is no route to the server"
        ["configure terminal" "ip route <network>/<length> <next hop>" "end" "license smart sync all"];
    ProxyPort "proxy-port" Way "G-28"
        "The proxy has no port"
        ["configure terminal" "license smart proxy port <port>" "end" "license smart sync all"];
    ProxyName "proxy-name" Peer "PI-NET-017"
        "The name of the proxy is not resolved"
        ["configure terminal" "license smart proxy address <address>" "end" "license smart sync all"];
    ProxyUnreachable "proxy-unreachable" Peer "PI-NET-017"
        "The proxy is not reached"
        ["configure terminal" "no license smart proxy address" "end" "license smart sync all"];
    ProxySilent "proxy-silent" Peer "PI-NET-017"
        "The proxy says nothing"
        ["configure terminal" "no license smart proxy address" "end" "license smart sync all"];
    ProxyAuthentication "proxy-authentication" Peer "PI-NET-020"
        "The proxy asks for a login, which licensing has none for"
        ["! Let the switch through the proxy without a login, or:" "configure terminal"
         "no license smart proxy address" "end" "license smart sync all"];
    ProxyRefuses "proxy-refuses" Peer "PI-NET-017"
        "The proxy does not let the message through"
        ["! Allow CONNECT to the server at the proxy, or:" "configure terminal"
         "no license smart proxy address" "end" "license smart sync all"];
    ProxyNone "proxy-none" Peer "PI-NET-017"
        "What listens where the proxy should be is none"
        ["configure terminal" "no license smart proxy address" "end" "license smart sync all"];

    Connection "connection" Peer "p. 68"
        "The server is not reached"
        ["! Look for firewalls and links on the way." "license smart sync all"];
    Silent "silent" Peer "p. 68"
        "The server does not answer in time"
        ["! Look for firewalls on the way, and whether the server is up." "license smart sync all"];
    Empty "empty-answer" Peer "p. 68"
        "The connection ended before an answer"
        ["! Look at what the server, or a device on the way, says of it." "license smart sync all"];
    NoLicensing "no-licensing" Peer "p. 69"
        "What answers is no licensing peer"
        ["configure terminal" "license smart url <smart|cslu> <url>" "end" "license smart sync all"];
    ServerFails "server-fails" Peer "p. 79"
        "The server fails"
        ["! Look at the log of the server: the switch tries again by itself." "license smart sync all"];
    CertificateName "certificate-name" Peer "PI-NET-006"
        "The server's certificate is for another name"
        ["configure terminal" "license smart url <smart|cslu> <url with the name of the certificate>" "end"
         "license smart sync all"];
    CertificateRoot "certificate-root" Peer "PI-NET-006"
        "The server's certificate is from nobody that the switch trusts"
        ["! Start the switch with the root of the server: --tls-root <file>"];
    TlsVersion "tls-version" Peer "PI-NET-006"
        "Switch and server have no version of TLS in common"
        ["! Install 10.4(3)F or later on the switch, or let the server take TLS 1.2 from devices."];
    Tenant "tenant" Peer "p. 53"
        "The SSM On-Prem knows no such tenant"
        ["configure terminal" "license smart url cslu <url of the tenant>" "end" "license smart sync all"];
    Busy "limit" Peer "G-21"
        "The server has had enough requests for now"
        ["! Reports go again by themselves at the time it said. To ask before that:" "license smart sync all"];
    NoTime "no-time" Peer "PI-RUM-019"
        "The server has no time for reports"
        ["! Reports go again by themselves after 15 minutes. To ask before that:" "license smart sync all"];
    DownRev "down-rev" Peer "p. 82"
        "The SSM On-Prem is older than Smart Licensing Using Policy"
        ["! Upgrade the SSM On-Prem to release 8-202102 or later, or use another topology."];
    Unknown "unknown-instance" Peer "p. 72"
        "The server does not know this product instance"
        ["! Make a token in CSSM, then:" "license smart trust idtoken <token> all force"];
    Refused "refused" Peer "p. 71"
        "The server refuses what the switch sends"
        ["license smart sync all"];

    TokenWay "token-way" Trust "p. 48"
        "A token goes to CSSM over HTTPS only"
        ["configure terminal" "license smart transport smart" "license smart url smart <url>" "end"
         "license smart trust idtoken <token> all force"];
    Token "token" Trust "p. 48"
        "CSSM does not take the token"
        ["! Make a new token in CSSM, then:" "license smart trust idtoken <token> all force"];
    TrustInstalled "trust-installed" Trust "p. 67"
        "A trust code is installed already"
        ["license smart trust idtoken <token> all force"];
    TrustKey "trust-key" Trust "p. 67"
        "CSSM knows this UDI with another key"
        ["license smart trust idtoken <token> all force"];
    TrustRefused "trust-refused" Trust "p. 67"
        "The trust code was not installed"
        ["license smart trust idtoken <token> all force"];
    TrustMissing "trust-missing" Trust "p. 72"
        "There is no trust code, and direct communication needs one"
        ["! Make a token in CSSM, then:" "license smart trust idtoken <token> all force"];

    Account "account" Account "p. 71"
        "The product instance belongs to another account than the one that speaks to it"
        ["! Move it in CSSM, or make a token in the account it is to be in, then:"
         "license smart trust idtoken <token> all force"];

    FileOfOtherAccount "file-other-account" File "p. 71"
        "What was installed last is of another account"
        ["! Download the file from the account of this product instance, then:" "license smart import bootflash:<file>"];
    FileOfOtherDevice "file-other-device" File "PI-TRUST-006"
        "What was installed last is for another device"
        ["! Download the file of this product instance, then:" "license smart import bootflash:<file>"];
    FileStale "file-stale" File "PI-POL-009"
        "What was installed last is older than what is installed"
        ["! Download the file anew, then:" "license smart import bootflash:<file>"];
    FileAltered "file-altered" File "p. 77"
        "What was installed last was altered, or is of another CSSM"
        ["! Download the file anew, then:" "license smart import bootflash:<file>"];
    FileRefused "file-refused" File "p. 77"
        "What was installed last was refused"
        ["! Download the file anew, then:" "license smart import bootflash:<file>"];

    Clone "clone" Report "PI-RUM-024"
        "Two product instances report under this UDI"
        ["! Turn off the one that is the copy and choose in CSSM which history goes on, then:" "license smart sync all"];
    SetBack "set-back" Report "PI-RUM-024"
        "The switch was set back to an older copy; usage goes on under new numbers and waits for an ACK"
        ["license smart sync all"];
    ReportsRefused "reports-refused" Report "p. 71"
        "CSSM refused reports"
        ["! The reason is in the evidence. Reports stay, and are offered again each day:" "license smart sync all"];
    CollectorStuck "collector-stuck" Report "p. 71"
        "The collector takes reports, and no ACK comes back"
        ["! On the CSLU or SSM On-Prem: synchronize with Cisco, or export the usage, upload it to CSSM and import the ACK. Then:"
         "license smart sync all"];
    AckMissing "ack-missing" Report "p. 71"
        "CSSM takes reports, and no ACK comes back"
        ["license smart sync all"];

    PolicyEnded "policy-ended" Policy "PI-POL-009"
        "The policy has ended, and the Cisco default holds"
        ["! Renew it in CSSM, then:" "license smart sync all"];
    PolicyEnds "policy-ends" Policy "PI-POL-009"
        "The policy ends soon"
        ["! Renew it in CSSM, then:" "license smart sync all"];
    PolicyRefused "policy-refused" Policy "p. 77"
        "The policy was not installed"
        ["configure terminal" "ntp server <address> prefer" "end" "license smart sync all"];

    DeadlinePassed "deadline-passed" Deadline "p. 83"
        "An ACK should have come by now" ["license smart sync all"];
    DeadlineNear "deadline-near" Deadline "p. 83"
        "An ACK is needed soon" ["license smart sync all"];
}

impl Fault {
    /// The fault of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// Whether this one is but what another one leads to.
    #[must_use]
    pub fn follows_from(self, other: Self) -> bool {
        use Area::{Account, Clock, Deadline, File, Peer, Policy, Report, Store, Trust, Way};
        let (own, cause) = (self.area(), other.area());
        match (own, cause) {
            _ if self == other => false,
            // Certificates, codes and policies are refused by a wrong clock.
            (Clock, Clock) => other == Self::Clock,
            (File | Policy, Clock) => true,
            (Peer | Trust, Clock) => {
                matches!(self, Self::Refused | Self::TrustRefused)
            }
            // Nobody is reached by a way that leads nowhere, or elsewhere.
            (Peer, Way) => true,
            // One token is as bad as another where none is taken.
            (Peer, Trust) => matches!(self, Self::Refused),
            (Trust, Trust) => {
                self == Self::TrustMissing
                    || (self == Self::TrustRefused && other != Self::TrustMissing)
            }
            (Trust, Way) => self == Self::TrustMissing && other == Self::Transport,
            (Trust, Account) => self != Self::TrustMissing,
            (Peer, Account) => matches!(self, Self::Refused),
            (File, Account) => self == Self::FileOfOtherAccount,
            (Report, Report) => match self {
                Self::SetBack => other == Self::Clone,
                Self::AckMissing | Self::CollectorStuck => {
                    !matches!(other, Self::AckMissing | Self::CollectorStuck)
                }
                _ => false,
            },
            (Report, Way | Peer | Trust | Account) => {
                matches!(self, Self::AckMissing | Self::CollectorStuck)
            }
            (Report, File) => matches!(self, Self::AckMissing | Self::CollectorStuck),
            (Policy, Way | Peer | Trust | Account) => true,
            (Deadline, Deadline) => self == Self::DeadlineNear,
            (Deadline, Store) => other == Self::Unreadable || other == Self::Storage,
            (Deadline, _) => true,
            (Store, Store) => self == Self::Unreadable && other == Self::Storage,
            (Store, Way | Peer) => self == Self::Coarse,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_words_and_each_is_one() {
        let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(names.len() >= 30, "issue: at least 30 faults");
        for fault in Fault::ALL {
            assert!(
                fault
                    .name()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert_eq!(Fault::of(fault.name()), Some(*fault));
            assert!(!fault.usual_mend().is_empty() && !fault.title().ends_with('.'));
        }
        assert_eq!(Fault::of("nothing"), None);
    }

    #[test]
    fn what_follows_from_what() {
        use Fault as F;
        let follows = [
            (F::CertificateTime, F::Clock),
            (F::FileStale, F::Clock),
            (F::PolicyRefused, F::CertificateTime),
            (F::Refused, F::Clock),
            (F::TrustRefused, F::Clock),
            (F::Url, F::VrfMissing),
            (F::Port, F::Transport),
            (F::Refused, F::Token),
            (F::TrustMissing, F::Token),
            (F::TrustMissing, F::TrustRefused),
            (F::TrustRefused, F::Token),
            (F::TrustMissing, F::Transport),
            (F::Token, F::Account),
            (F::Refused, F::Account),
            (F::FileOfOtherAccount, F::Account),
            (F::SetBack, F::Clone),
            (F::AckMissing, F::SetBack),
            (F::CollectorStuck, F::ReportsRefused),
            (F::AckMissing, F::VrfDown),
            (F::CollectorStuck, F::Silent),
            (F::AckMissing, F::TrustMissing),
            (F::CollectorStuck, F::Account),
            (F::CollectorStuck, F::FileAltered),
            (F::PolicyEnded, F::InterfaceDown),
            (F::PolicyEnds, F::Port),
            (F::PolicyEnds, F::TrustMissing),
            (F::PolicyEnds, F::Account),
            (F::DeadlineNear, F::DeadlinePassed),
            (F::DeadlinePassed, F::Storage),
            (F::DeadlinePassed, F::Unreadable),
            (F::DeadlinePassed, F::Clock),
            (F::DeadlineNear, F::CollectorStuck),
            (F::Unreadable, F::Storage),
            (F::Coarse, F::Route),
            (F::Coarse, F::TransportOff),
        ];
        let stands = [
            (F::Clock, F::CertificateTime),
            (F::Url, F::Clock),
            (F::Token, F::Clock),
            (F::CallhomeOff, F::VrfMissing),
            (F::Port, F::Token),
            (F::Token, F::TrustInstalled),
            (F::TrustRefused, F::TrustMissing),
            (F::TrustMissing, F::VrfMissing),
            (F::Token, F::Transport),
            (F::TrustMissing, F::Account),
            (F::Port, F::Account),
            (F::FileStale, F::Account),
            (F::FileStale, F::Port),
            (F::SetBack, F::ReportsRefused),
            (F::Clone, F::SetBack),
            (F::ReportsRefused, F::Clone),
            (F::AckMissing, F::CollectorStuck),
            (F::CollectorStuck, F::AckMissing),
            (F::Clone, F::Port),
            (F::SetBack, F::TrustMissing),
            (F::ReportsRefused, F::FileAltered),
            (F::PolicyEnds, F::FileStale),
            (F::DeadlinePassed, F::DeadlineNear),
            (F::DeadlinePassed, F::Startup),
            (F::DeadlineNear, F::Coarse),
            (F::Unreadable, F::Startup),
            (F::Coarse, F::Storage),
            (F::Startup, F::Storage),
            (F::Storage, F::Port),
            (F::Unreadable, F::VrfMissing),
            (F::Startup, F::Clock),
        ];
        for (fault, cause) in follows {
            assert!(fault.follows_from(cause), "{fault:?} {cause:?}");
        }
        for (fault, other) in stands {
            assert!(!fault.follows_from(other), "{fault:?} {other:?}");
        }
    }

    #[test]
    fn nothing_follows_from_what_follows_from_it() {
        for one in Fault::ALL {
            assert!(!one.follows_from(*one));
            for other in Fault::ALL {
                assert!(
                    !(one.follows_from(*other) && other.follows_from(*one)),
                    "{one:?} and {other:?}"
                );
            }
        }
    }
}
