//! Ways to CSSM after an upgrade: the six topologies of the guide, reached by its commands (guide p. 17-32).

#![allow(dead_code, reason = "each test file uses a part of it")]

use rumline_collector::Kind;
use rumline_protocol::Timestamp;
use rumline_testkit::{account, admin};

use super::older::{CSLU, ON_PREM, TENANT, World};

/// A topology, by its number in chapter 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// 1: a CSLU that reaches CSSM.
    Cslu,
    /// 2: CSSM itself.
    Direct,
    /// 3: a CSLU with files.
    CsluByFile,
    /// 4: an SSM On-Prem that reaches CSSM.
    OnPrem,
    /// 5: an SSM On-Prem with files.
    OnPremByFile,
    /// 6: files of the switch.
    Files,
}

pub(crate) const TOPOLOGIES: [Topology; 6] = [
    Topology::Cslu,
    Topology::Direct,
    Topology::CsluByFile,
    Topology::OnPrem,
    Topology::OnPremByFile,
    Topology::Files,
];

impl Topology {
    pub(crate) fn is_by_file(self) -> bool {
        matches!(self, Self::CsluByFile | Self::OnPremByFile | Self::Files)
    }

    /// What `show license status` says of the transport there.
    pub(crate) fn transport(self) -> String {
        match self {
            Self::Cslu | Self::CsluByFile => {
                "  Type: CSLU\n  Cslu address: cslu-local\n".to_owned()
            }
            Self::Direct => "  Type: Smart\n".to_owned(),
            Self::OnPrem | Self::OnPremByFile => {
                format!("  Type: CSLU\n  Cslu address: {TENANT}\n")
            }
            Self::Files => "  Type: Transport Off\n".to_owned(),
        }
    }
}

impl World {
    /// Puts the servers there and gives the commands of a topology; says which server is on the way.
    pub(crate) fn reach(&mut self, topology: Topology) -> Option<usize> {
        self.cssm.now = self.switch.now;
        let connected = matches!(topology, Topology::Cslu | Topology::OnPrem);
        let server = match topology {
            Topology::Cslu | Topology::CsluByFile => {
                Some(self.add_server(CSLU, Kind::Cslu, connected))
            }
            Topology::OnPrem | Topology::OnPremByFile => Some(self.on_prem(connected)),
            Topology::Direct | Topology::Files => None,
        };
        let transport = match topology {
            Topology::Direct => "smart",
            Topology::Files => "off",
            _ => "cslu",
        };
        let url = match topology {
            Topology::Cslu | Topology::CsluByFile => "license smart url cslu cslu-local".to_owned(),
            Topology::OnPrem | Topology::OnPremByFile => format!("license smart url cslu {TENANT}"),
            Topology::Direct => "license smart url default".to_owned(),
            Topology::Files => String::new(),
        };
        let transport = format!("license smart transport {transport}");
        self.run(&["configure terminal", &transport, &url, "end"]);
        self.run(&["copy running-config startup-config"]);
        let has_trust =
            !self.run(&["show license status"]).contains("Trust Code installed: <none>");
        if topology == Topology::Direct && !has_trust {
            let token = self.cssm.token();
            self.run(&[&format!("license smart trust idtoken {token} all")]);
        }
        server
    }

    /// The SSM On-Prem that is there, or one from now on.
    fn on_prem(&mut self, connected: bool) -> usize {
        let known = self.servers.iter().find(|(host, _)| *host == ON_PREM).map(|(_, own)| *own);
        let Some(server) = known else { return self.add_server(ON_PREM, Kind::OnPrem, connected) };
        let (tenant, settings) = (self.tenant(server), account("Default", connected));
        self.collector(server).set_tenant(self.switch.now, &admin(), tenant, &settings).unwrap();
        server
    }

    /// What somebody carries once a day in this topology, if anything: files of the switch, or of a server.
    pub(crate) fn carry(&mut self, topology: Topology, server: Option<usize>) {
        match (topology, server) {
            (Topology::Files, _) => {
                let told = self.run(&["license smart save usage all bootflash:usage.txt"]);
                assert!(told.starts_with("Saved license usage"), "{told}");
                self.carry_usage();
            }
            (_, Some(server)) if topology.is_by_file() => {
                self.carry_files(server);
            }
            _ => {}
        }
    }

    /// Takes the saved usage of the switch to CSSM, and the answer back.
    pub(crate) fn carry_usage(&mut self) {
        self.cssm.now = self.switch.now;
        let file = self.switch.flash.files["usage.txt"].clone();
        let taken = self.cssm.lab.upload("usage.txt", &file).unwrap();
        assert_eq!(taken.status, "No Errors", "{taken:?}");
        let (_, ack) = self.cssm.cssm.acknowledgement_file(self.cssm.sa, taken.id).unwrap();
        let told = self.switch.import(&ack);
        assert!(told.starts_with("Import Data Successful"), "{told}");
    }

    /// Lets days pass, with a sync on each of them and whatever is carried.
    pub(crate) fn days(&mut self, days: i64, topology: Topology, server: Option<usize>) {
        for _ in 0..days {
            self.pass(Timestamp::DAY);
            if topology != Topology::Files {
                self.run(&["license smart sync"]);
            }
            self.carry(topology, server);
        }
        // What was carried is fetched.
        self.pass(Timestamp::HOUR);
    }
}
