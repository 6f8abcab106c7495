//! A switch of before beside a CSSM, and the ways it can stand before it goes up.

#![allow(dead_code, reason = "each test file uses a part of it")]

use rumline_agent::{Input, Reason};
use rumline_catalogue::Catalogue;
use rumline_collector::{Collector, Kind, NewIdToken, OtherWay, TenantId};
use rumline_cssm::Answer;
use rumline_legacy::{Increment, LicenseFile, Terms};
use rumline_protocol::MessageForm;
use rumline_protocol::{OlderAnswer, Timestamp};
use rumline_testkit::Estate;

use super::{Lab, SERIAL, Sent, boot, image, maker};

/// A model that was there on all trains.
pub(crate) const MODEL: &str = "N9K-C93180YC-EX";
/// An SSM On-Prem, and where it has its tenant.
pub(crate) const ON_PREM: &str = "onprem.example.net";
pub(crate) const TENANT: &str = "http://onprem.example.net/cslu/v1/pi/tenant-7";
/// A CSLU, by the name that a switch looks for.
pub(crate) const CSLU: &str = "cslu-local:8182";

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

/// Another one for a host, bought apart.
pub(crate) fn second_license_file(host_id: &str) -> Vec<u8> {
    let mut file = LicenseFile::read(&license_file(host_id)).unwrap();
    file.increments[0].file_id = "20220116142549123".to_owned();
    file.increments[0].pak = "5XRV7A2".to_owned();
    file.write().into_bytes()
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

/// One with a line for a term, and under another PAK.
pub(crate) fn term_license_file(host_id: &str, until: Timestamp, pak: &str) -> Vec<u8> {
    let line = Increment {
        name: "FC_PORT_ACTIVATION_PKG".to_owned(),
        count: Some(8),
        terms: Terms::Until(until),
        file_id: "20210716142549125".to_owned(),
        line_id: 1,
        pak: pak.to_owned(),
    };
    LicenseFile { host_id: host_id.to_owned(), increments: vec![line] }.write().into_bytes()
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

/// A switch, a CSSM, and the servers between them by their host names.
pub(crate) struct World {
    pub(crate) cssm: Estate,
    pub(crate) switch: Lab,
    pub(crate) servers: Vec<(&'static str, usize)>,
}

impl World {
    /// A switch with a release, configured so.
    pub(crate) fn new(release: &str, config: &str) -> Self {
        let cssm = Estate::new();
        let config = format!("{config}callhome\n  email-contact ops@example.net\n  enable\n");
        let mut switch = boot(cssm.now, MODEL, SERIAL, release, Some(&config)).unwrap();
        switch.hardware.root_certificate.clone_from(&cssm.root);
        switch.boot_again("moved");
        Self { cssm, switch, servers: Vec::new() }
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
                let server = world.add_server(ON_PREM, Kind::OnPrem, true);
                world.callhome_on_prem();
                let token = world.on_prem_token(server);
                let told = world.run(&[&format!("license smart register idtoken {token}")]);
                assert!(told.starts_with("Registration process is in progress"), "{told}");
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

    /// A token of the tenant of an SSM On-Prem.
    pub(crate) fn on_prem_token(&self, server: usize) -> String {
        let new =
            NewIdToken { description: "lab".to_owned(), expires_after_days: 30, uses_max: None };
        let (by, tenant) = (rumline_testkit::admin(), self.tenant(server));
        self.collector(server).create_id_token(self.switch.now, &by, tenant, &new).unwrap().value
    }

    /// Gives lines, and carries what is sent.
    pub(crate) fn run(&mut self, lines: &[&str]) -> String {
        let text = self.switch.run(lines);
        self.deliver();
        text
    }

    /// Carries messages until it is quiet: those to CSSM and to servers that are there arrive, others do not.
    pub(crate) fn deliver(&mut self) {
        while !self.switch.sent.is_empty() {
            let sent = self.switch.sent.remove(0);
            self.cssm.now = self.switch.now;
            let host = sent.url.split('/').nth(2).unwrap_or_default();
            let input = match self.servers.iter().find(|(own, _)| *own == host) {
                Some((_, server)) => self.at_server(*server, &sent),
                None if sent.url.starts_with("https://") => self.at_cssm(&sent),
                None => Err(Reason::Timeout),
            };
            let request_id = sent.id;
            self.switch.input(match input {
                Ok(body) => Input::Answer { request_id, body },
                Err(reason) => Input::Unreachable { request_id, reason },
            });
        }
    }

    /// What is sent to CSSM arrives there, and nothing comes back.
    pub(crate) fn arrive_unanswered(&mut self) {
        self.cssm.now = self.switch.now;
        for sent in std::mem::take(&mut self.switch.sent) {
            self.at_cssm(&sent).unwrap();
        }
    }

    fn at_cssm(&self, sent: &Sent) -> Result<Vec<u8>, Reason> {
        let form = if sent.envelope.is_some() { MessageForm::CallHome } else { MessageForm::Plain };
        let (sender, receiver) = std::sync::mpsc::channel();
        let now = self.switch.now;
        self.cssm.cssm.receive_as(form, (now, "10.0.0.1"), &sent.body, move |taken| {
            sender.send(taken).unwrap();
        });
        match receiver.recv().unwrap().answer() {
            Answer::Message(response) => Ok(form.write(now, &response)),
            other => panic!("{other:?}"),
        }
    }

    /// A CSLU or SSM On-Prem takes a message, by the path of its URL, as its pages do.
    fn at_server(&self, server: usize, sent: &Sent) -> Result<Vec<u8>, Reason> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (now, collector) = (self.switch.now, &self.cssm.servers[server].collector);
        let done = move |answer| sender.send(answer).unwrap();
        let (_, rest) = sent.url.split_once("://").unwrap();
        let path = &rest[rest.find('/').unwrap()..];
        let form = if let Some(tenant) = path.strip_prefix("/cslu/v1/pi") {
            let tenant = match tenant.trim_start_matches('/') {
                "" => Collector::CSLU_TENANT,
                name => collector.tenant_named(name).map_err(|_| Reason::Status(404))?,
            };
            collector.receive(now, tenant, "10.0.0.1", &sent.body, done);
            MessageForm::Plain
        } else {
            let way = match path {
                OlderAnswer::ON_PREM_PATH => OtherWay::OnPrem,
                "/SmartTransport" => OtherWay::Smart,
                _ => OtherWay::CallHome,
            };
            let url_of = |name: &str| format!("http://{ON_PREM}/cslu/v1/pi/{name}");
            collector.receive_other(now, (way, "10.0.0.1"), url_of, &sent.body, done);
            way.form()
        };
        match receiver.recv().unwrap() {
            rumline_collector::Answer::Message { response, .. } => Ok(form.write(now, &response)),
            other => panic!("{other:?}"),
        }
    }

    /// A server that is there by this host name from now on.
    pub(crate) fn add_server(&mut self, host: &'static str, kind: Kind, connected: bool) -> usize {
        let server = match kind {
            Kind::Cslu => self.cssm.add_cslu(connected),
            Kind::OnPrem => {
                let server = self.cssm.add_server(kind);
                self.cssm.add_tenant(server, "tenant-7", "Default", connected);
                server
            }
        };
        self.servers.push((host, server));
        server
    }

    /// The collector with this number.
    pub(crate) fn collector(&self, server: usize) -> &Collector {
        &self.cssm.servers[server].collector
    }

    /// The one tenant of a server.
    pub(crate) fn tenant(&self, server: usize) -> TenantId {
        self.collector(server).tenants(&rumline_server::Only::All).unwrap()[0].id
    }

    /// A person carries what waits at a server to CSSM, and the answer back; says what became of it, if there was any.
    pub(crate) fn carry_files(&mut self, server: usize) -> Option<rumline_cssm::UsageFile> {
        self.cssm.now = self.switch.now;
        let (tenant, va) = (self.tenant(server), self.cssm.va);
        let scratch = std::io::Cursor::new(Vec::new());
        let mut bundle = Vec::new();
        let by = rumline_testkit::admin();
        let collector = self.collector(server);
        let exported =
            collector.export(self.switch.now, &by, tenant, None, scratch, &mut bundle).ok()?;
        let file = self.cssm.upload(va, &exported.name, &bundle);
        let answer = self.cssm.download(&file);
        let taken = self.cssm.import(server, tenant, &format!("ACK_{}", exported.name), &answer);
        assert_eq!(taken.unwrap().problems, "");
        Some(file)
    }

    /// Lines of Call Home that lead to the SSM On-Prem.
    pub(crate) fn callhome_on_prem(&mut self) {
        let url = format!("https://{ON_PREM}{}", OlderAnswer::ON_PREM_PATH);
        self.run(&[
            "configure terminal",
            "callhome",
            &format!("destination-profile xml index 1 http {url}"),
            "end",
        ]);
    }

    /// Lets time pass, with whatever is due: at the switch, and between servers and CSSM.
    pub(crate) fn pass(&mut self, seconds: i64) {
        let end = self.switch.now + seconds;
        for _ in 0..100_000 {
            let now = self.switch.now;
            let mut due: Vec<(Timestamp, Option<(usize, TenantId)>)> = Vec::new();
            due.extend(self.switch.switch.next_wake().map(|(at, _)| (at, None)));
            for (_, server) in &self.servers {
                let tenant = self.tenant(*server);
                let state = self.collector(*server).sync_state(now, tenant).unwrap();
                due.extend(state.due_at.map(|at| (at, Some((*server, tenant)))));
            }
            match due.into_iter().min() {
                Some((at, whose)) if at <= end => {
                    self.switch.now = now.max(at);
                    self.cssm.now = self.switch.now;
                    match whose {
                        None => {
                            self.switch.input(Input::Tick);
                            self.deliver();
                        }
                        Some((server, tenant)) => self.cssm.exchange(server, tenant),
                    }
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
