//! A switch of before beside a CSSM, and the ways it can stand before it goes up.

#![allow(dead_code, reason = "each test file uses a part of it")]

use rumline_agent::{Input, Reason};
use rumline_catalogue::Catalogue;
use rumline_cssm::{Answer, MessageForm};
use rumline_legacy::{Increment, LicenseFile, Terms};
use rumline_protocol::{
    CallHomeAnswer, DocumentWriter, OlderAnswer, OlderCall, OlderResult, Purpose, RequestBody,
    Response, ResponseStatus, Signed, SignedText, Timestamp, base64,
};

use super::{Lab, SERIAL, Sent, boot, image, maker};

/// A model that was there on all trains.
pub(crate) const MODEL: &str = "N9K-C93180YC-EX";
/// Where an SSM On-Prem has its tenant.
pub(crate) const TENANT: &str = "http://onprem.example.net:8182/cslu/v1/pi/tenant-7";

/// A licence file for a host.
pub(crate) fn license_file(host_id: &str) -> Vec<u8> {
    let increment = Increment {
        name: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
        count: None,
        terms: Terms::Permanent,
        file_id: "20210716142549123".to_owned(),
        line_id: 1,
        pak: "4XRV7A2".to_owned(),
    };
    LicenseFile { host_id: host_id.to_owned(), increments: vec![increment] }.write().into_bytes()
}

/// One with three more lines: for a term, for a term that is over, and for too many.
pub(crate) fn odd_license_file(host_id: &str, now: Timestamp) -> Vec<u8> {
    let line = |line_id: u32, count: u32, terms: Terms| Increment {
        name: "FC_PORT_ACTIVATION_PKG".to_owned(),
        count: Some(count),
        terms,
        file_id: "20210716142549124".to_owned(),
        line_id,
        pak: "4XRV7A3".to_owned(),
    };
    let until = |days: i64| Terms::Until(now + days * Timestamp::DAY);
    let increments =
        vec![line(1, 8, until(100)), line(2, 8, until(-100)), line(3, u32::MAX, until(100))];
    LicenseFile { host_id: host_id.to_owned(), increments }.write().into_bytes()
}

/// How a switch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    Direct,
    OnPrem,
    Evaluation,
    Expired,
    Pak,
    Rtu { entry: bool },
}

pub(crate) const ALL: [Stands; 7] = [
    Stands::Direct,
    Stands::OnPrem,
    Stands::Evaluation,
    Stands::Expired,
    Stands::Pak,
    Stands::Rtu { entry: true },
    Stands::Rtu { entry: false },
];

impl Stands {
    pub(crate) fn is_smart(self) -> bool {
        matches!(self, Self::Direct | Self::OnPrem | Self::Evaluation | Self::Expired)
    }
}

/// A switch and a CSSM.
pub(crate) struct World {
    pub(crate) cssm: rumline_testkit::Lab,
    pub(crate) switch: Lab,
}

impl World {
    /// A switch with a release, configured so.
    pub(crate) fn new(release: &str, config: &str) -> Self {
        let cssm = rumline_testkit::Lab::in_memory(&rumline_testkit::at_once());
        let config = format!("{config}callhome\n  email-contact ops@example.net\n  enable\n");
        let mut switch = boot(cssm.now, MODEL, SERIAL, release, Some(&config)).unwrap();
        switch.hardware.root_certificate.clone_from(&cssm.root);
        switch.boot_again("moved");
        Self { cssm, switch }
    }

    /// One that stands so, with BGP, PIM and, where that is held by the right to use, an entry of an access list.
    pub(crate) fn standing(release: &str, stands: Stands) -> Self {
        let mut config = "hostname leaf\nfeature bgp\nfeature pim\n".to_owned();
        if stands == (Stands::Rtu { entry: true }) {
            config.push_str("ip access-list iptest\n  permit ip any any redirect Ethernet1/1\n");
        }
        if stands.is_smart() {
            config.push_str("license smart enable\n");
        }
        let mut world = Self::new(release, &config);
        match stands {
            Stands::Direct => {
                let token = world.cssm.token();
                let told = world.run(&[&format!("license smart register idtoken {token}")]);
                assert!(told.starts_with("Registration process is in progress"), "{told}");
            }
            Stands::OnPrem => {
                let token = world.cssm.token();
                world.switch.run(&[&format!("license smart register idtoken {token}")]);
                world.answer_as_on_prem();
            }
            Stands::Expired => world.pass(91 * Timestamp::DAY),
            Stands::Pak => {
                let file = license_file(&format!("VDH={SERIAL}"));
                world.switch.flash.files.insert("own.lic".to_owned(), file);
                world.run(&["install license bootflash:own.lic"]);
            }
            Stands::Evaluation | Stands::Rtu { .. } => {}
        }
        world
    }

    /// Gives lines, and carries what is sent.
    pub(crate) fn run(&mut self, lines: &[&str]) -> String {
        let text = self.switch.run(lines);
        self.deliver();
        text
    }

    /// Carries messages until it is quiet: those to CSSM arrive, others do not.
    pub(crate) fn deliver(&mut self) {
        while !self.switch.sent.is_empty() {
            let sent = self.switch.sent.remove(0);
            let input = if sent.url.starts_with("https://") {
                self.at_cssm(&sent)
            } else {
                Input::Unreachable { request_id: sent.id, reason: Reason::Timeout }
            };
            self.switch.input(input);
        }
    }

    fn at_cssm(&self, sent: &Sent) -> Input {
        let form = if sent.envelope.is_some() { MessageForm::CallHome } else { MessageForm::Plain };
        let (sender, receiver) = std::sync::mpsc::channel();
        let now = self.switch.now;
        self.cssm.cssm.receive_as(form, (now, "10.0.0.1"), &sent.body, move |taken| {
            sender.send(taken).unwrap();
        });
        let request_id = sent.id.clone();
        match receiver.recv().unwrap().answer() {
            Answer::Message(response) => {
                let body = form.write(now, &response);
                Input::Answer { request_id, body }
            }
            other => panic!("{other:?}"),
        }
    }

    /// An SSM On-Prem answers, with the same root.
    fn answer_as_on_prem(&mut self) {
        while !self.switch.sent.is_empty() {
            let sent = self.switch.sent.remove(0);
            let now = self.switch.now;
            let RequestBody::SmartLicensing { call, .. } = &sent.request.body else { panic!() };
            let result = match call {
                OlderCall::Register => OlderResult::Registered {
                    smart_account: "Example".to_owned(),
                    virtual_account: "Default".to_owned(),
                    expires_at: now.plus_days(365),
                    cslu_url: Some(TENANT.to_owned()),
                },
                _ => OlderResult::Authorized {
                    out_of_compliance: Vec::new(),
                    deadline_at: now.plus_days(90),
                },
            };
            let said = OlderAnswer {
                purpose: Purpose::OlderLicensing,
                sudi: sent.request.sudi.clone(),
                answers: sent.request.nonce.clone(),
                issued_at: now,
                result,
            };
            let signed = Signed::json(said, self.cssm.signing.signer.as_ref());
            let mut response = Response::new(&sent.request, now, ResponseStatus::Ok, "");
            response.smart_licensing = Some(SignedText {
                data: signed.text.clone(),
                signature: base64(&signed.signature),
            });
            let mut writer = DocumentWriter::new();
            response.smart_license =
                Some(writer.certificate(&self.cssm.signing.certificate).finish());
            let message = serde_json::to_vec(&response).unwrap();
            let envelope = CallHomeAnswer { answers: sent.id.clone(), created_at: now, message };
            let body = envelope.write().into_bytes();
            self.switch.input(Input::Answer { request_id: sent.id, body });
        }
    }

    /// Lets time pass, with whatever is due.
    pub(crate) fn pass(&mut self, seconds: i64) {
        let end = self.switch.now + seconds;
        for _ in 0..100_000 {
            match self.switch.switch.next_wake() {
                Some((at, _)) if at <= end => {
                    self.switch.now = self.switch.now.max(at);
                    self.cssm.now = self.switch.now;
                    self.switch.input(Input::Tick);
                    self.deliver();
                }
                _ => {
                    self.switch.now = end;
                    self.cssm.now = end;
                    return;
                }
            }
        }
        panic!("it never comes to rest: {:?}", self.switch.switch.next_wake());
    }

    /// Goes to another release.
    pub(crate) fn install(&mut self, release: &str) -> String {
        let name = Catalogue::nexus().release(release).unwrap().image.clone();
        let name = name.rsplit('/').next().unwrap().to_owned();
        let file = image(release, &self.switch.hardware.pid).signed(maker().as_ref());
        self.switch.flash.files.insert(name.clone(), file.into_bytes());
        self.run(&[&format!("install all nxos bootflash:{name}"), "y"])
    }

    /// The licences in use, by name and count, as the switch has them.
    pub(crate) fn counts(&self) -> Vec<(String, u32)> {
        let licenses = self.switch.switch.agent().licenses_in_use();
        licenses.into_iter().map(|own| (own.name, own.count)).collect()
    }
}
