//! Switches, collectors and a CSSM in virtual time.
#![allow(dead_code, reason = "each test file uses its part")]

use rumline_collector::Actor;
use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use rumline_agent::*;
use rumline_collector::{Answer, Collector, Kind, Settings, Tenant, TenantSettings, Transfer};
use rumline_cssm::{Cssm, NewCollector, UsageFile};
use rumline_protocol::*;
use rumline_store::Db;

pub(crate) const START: Timestamp = Timestamp(1_767_225_600);
pub(crate) const MINUTE: i64 = 60;
pub(crate) const PID: &str = "N9K-C93180YC-FX3";

/// Chance that repeats from run to run and never within one.
pub(crate) struct Chance(u64);

impl Random for Chance {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = z.to_be_bytes()[0];
        }
    }
}

pub(crate) fn chance() -> Chance {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Chance(u64::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 32)
}

/// A switch's agent, its disk, and what it said.
pub(crate) struct Switch {
    pub(crate) agent: Agent,
    pub(crate) disk: MemoryDisk,
    pub(crate) random: Chance,
    pub(crate) udi: Udi,
    pub(crate) log: Vec<String>,
    sent: VecDeque<(String, String, Vec<u8>)>,
}

/// A collector and whether it runs and reaches CSSM.
pub(crate) struct Server {
    pub(crate) collector: Collector,
    pub(crate) up: bool,
    pub(crate) cssm_reachable: bool,
    /// Exchanges with CSSM that were made.
    pub(crate) exchanges: u32,
    /// Damages what comes from CSSM or goes there.
    pub(crate) tamper: Option<fn(Vec<u8>) -> Vec<u8>>,
    /// Alters what a switch is answered.
    pub(crate) tamper_answer: Option<fn(Vec<u8>) -> Vec<u8>>,
}

pub(crate) struct Estate {
    pub(crate) now: Timestamp,
    pub(crate) cssm: Cssm,
    pub(crate) root: Vec<u8>,
    pub(crate) sa: i64,
    pub(crate) va: i64,
    pub(crate) servers: Vec<Server>,
    pub(crate) switches: Vec<Switch>,
}

pub(crate) fn lan(count: u32) -> LicenseUse {
    LicenseUse {
        tag: EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_a").unwrap(),
        name: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
        description: "LAN license for Nexus 9300-XF".to_owned(),
        count,
    }
}

pub(crate) fn account(virtual_account: &str, connected: bool) -> TenantSettings {
    TenantSettings {
        smart_account: "Example".to_owned(),
        virtual_account: virtual_account.to_owned(),
        connected,
        sync_minutes: 15,
    }
}

impl Estate {
    pub(crate) fn new() -> Self {
        let mut random = chance();
        let (root, issuer) = SimulatedSuite::authority(&mut random);
        let settings = rumline_cssm::Settings { requests_per_hour_max: 0, ack_delay_seconds: 0 };
        let random = Arc::new(Mutex::new(random));
        let db = Arc::new(Db::in_memory().unwrap());
        let cssm = Cssm::open(db, Arc::new(SimulatedSuite), issuer, random, settings).unwrap();
        let sa = cssm
            .create_smart_account(START, &Actor::person("admin"), "Example", "example.net")
            .unwrap()
            .id;
        let va = cssm.virtual_accounts(sa).unwrap()[0].id;
        let (servers, switches) = (Vec::new(), Vec::new());
        Self { now: START, cssm, root, sa, va, servers, switches }
    }

    pub(crate) fn add_server(&mut self, kind: Kind) -> usize {
        self.add_server_of(kind, Settings::ON_PREM_VERSION)
    }

    pub(crate) fn add_server_of(&mut self, kind: Kind, version: &str) -> usize {
        let db = Db::in_memory().unwrap();
        let settings = Settings {
            kind,
            name: "lab".to_owned(),
            version: version.to_owned(),
            root_certificate: self.root.clone(),
        };
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap().into();
        let (suite, random) = (Arc::new(SimulatedSuite), Arc::new(Mutex::new(chance())));
        let collector = Collector::open(Arc::new(db), suite, signer, random, settings).unwrap();
        let (tamper, tamper_answer) = (None, None);
        let (up, cssm_reachable, exchanges) = (true, true, 0);
        let server = Server { collector, up, cssm_reachable, exchanges, tamper, tamper_answer };
        self.servers.push(server);
        self.servers.len() - 1
    }

    /// A CSLU for `Example` / `Default`; known to CSSM if it is connected.
    pub(crate) fn add_cslu(&mut self, connected: bool) -> usize {
        let server = self.add_server(Kind::Cslu);
        let collector = self.servers[server].collector.clone();
        let id = Collector::CSLU_TENANT;
        collector
            .set_tenant(self.now, &Actor::person("admin"), id, &account("Default", connected))
            .unwrap();
        if connected {
            self.register(server, id, self.va);
        }
        server
    }

    /// A tenant of an SSM On-Prem for a virtual account of `Example`.
    pub(crate) fn add_tenant(
        &mut self,
        server: usize,
        name: &str,
        va: &str,
        connected: bool,
    ) -> i64 {
        let collector = self.servers[server].collector.clone();
        let settings = account(va, connected);
        let id =
            collector.create_tenant(self.now, &Actor::person("admin"), name, &settings).unwrap().id;
        let found = self.cssm.virtual_accounts(self.sa).unwrap();
        let va = found.into_iter().find(|known| known.name == va).unwrap().id;
        if connected {
            self.register(server, id, va);
        }
        id
    }

    pub(crate) fn register(&mut self, server: usize, tenant_id: i64, va: i64) {
        let collector = &self.servers[server].collector;
        let tenant = collector.tenant(tenant_id).unwrap();
        let new = registration(collector, &tenant);
        self.cssm.register_collector(self.now, &Actor::person("admin"), self.sa, va, &new).unwrap();
        collector.note_registered(self.now, &Actor::person("admin"), tenant_id).unwrap();
    }

    pub(crate) fn add_switch(&mut self, serial: &str, config: Config) -> usize {
        let udi = Udi::new(PID, serial).unwrap();
        let profile = Profile {
            members: vec![HaMember { role: Role::Active, sudi: udi.clone() }],
            software_tag: "regid.2017-11.com.cisco.Nexus_9300,1.0_x".to_owned(),
            software_version: "10.4(3)".to_owned(),
            agent_version: "5.7.30_rel/108".to_owned(),
            root_certificate: self.root.clone(),
        };
        let (mut disk, mut random) = (MemoryDisk::default(), chance());
        let mut environment = Environment { disk: &mut disk, random: &mut random };
        let suite = Arc::new(SimulatedSuite);
        let mut agent = Agent::open(self.now, profile, config, suite, &mut environment).unwrap();
        agent.set_hostname(&format!("leaf-{serial}"));
        let (log, sent) = (Vec::new(), VecDeque::new());
        self.switches.push(Switch { agent, disk, random, udi, log, sent });
        self.switches.len() - 1
    }

    pub(crate) fn input(&mut self, switch: usize, input: Input) {
        let now = self.now;
        let s = &mut self.switches[switch];
        let mut environment = Environment { disk: &mut s.disk, random: &mut s.random };
        for effect in s.agent.handle(now, input, &mut environment) {
            match effect {
                Effect::Syslog(message) => s.log.push(message.to_string()),
                Effect::Send { request_id, url, body, .. } => {
                    s.sent.push_back((request_id, url, body));
                }
            }
        }
        while let Some((id, url, body)) = self.switches[switch].sent.pop_front() {
            let answer = self.deliver(&url, &body);
            let input = match answer {
                Ok(body) => Input::Answer { request_id: id, body },
                Err(reason) => Input::Unreachable { request_id: id, reason },
            };
            self.input(switch, input);
        }
    }

    /// Carries a message to the server its URL names: `http://NUMBER/cslu/v1/pi[/TENANT]`, or `https://cssm`.
    pub(crate) fn deliver(&self, url: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        if url.starts_with("https://cssm") {
            let (sender, receiver) = mpsc::channel();
            self.cssm.receive(self.now, "10.0.0.1", body, move |taken| sender.send(taken).unwrap());
            let answer = receiver.recv().unwrap().answer();
            let rumline_cssm::Answer::Message(response) = answer else {
                return Err(format!("{answer:?}"));
            };
            return Ok(serde_json::to_vec(&response).unwrap());
        }
        let rest = url.split_once("://").unwrap().1;
        let (number, path) = rest.split_once('/').unwrap();
        let server = &self.servers[number.parse::<usize>().unwrap()];
        if !server.up {
            return Err("Unable to connect to server".to_owned());
        }
        let tenant = match path.strip_prefix("cslu/v1/pi/") {
            Some(name) => server.collector.tenant_named(name).map_err(|_| "404 host not found")?,
            None => Collector::CSLU_TENANT,
        };
        match push(&server.collector, self.now, tenant, body) {
            Answer::Message { response, .. } => {
                let bytes = serde_json::to_vec(&response).unwrap();
                Ok(server.tamper_answer.map_or(bytes.clone(), |tamper| tamper(bytes)))
            }
            other => Err(format!("{other:?}")),
        }
    }

    /// Exchanges with CSSM whatever a tenant has, as the server's own loop does.
    pub(crate) fn exchange(&mut self, server: usize, tenant_id: i64) {
        let s = &mut self.servers[server];
        let collector = s.collector.clone();
        let began = collector.sync_state(self.now, tenant_id).unwrap();
        while let Some(batch) = collector.next_batch(self.now, tenant_id).unwrap() {
            s.exchanges += 1;
            if !s.cssm_reachable {
                let why = "Unable to connect to server";
                collector.note_sync_failed(self.now, tenant_id, why).unwrap();
                return;
            }
            let sent = match s.tamper {
                Some(tamper) => tamper(batch.bytes.clone()),
                None => batch.bytes.clone(),
            };
            let answer = self.cssm.receive_bundle(self.now, &sent);
            let taken =
                answer.and_then(|bytes| collector.take_answer(self.now, tenant_id, &batch, &bytes));
            if let Err(error) = taken {
                collector.note_sync_failed(self.now, tenant_id, &error.to_string()).unwrap();
                return;
            }
        }
        collector.note_synced(self.now, tenant_id, began).unwrap();
    }

    /// Lets time pass until `to`.
    pub(crate) fn run_until(&mut self, to: Timestamp) {
        for _ in 0..1_000_000 {
            let wakes = self.switches.iter().enumerate().filter_map(|(index, switch)| {
                switch.agent.next_wake().map(|(at, _)| (at, true, index, 0))
            });
            let mut next = wakes.min();
            for (index, server) in self.servers.iter().enumerate().filter(|(_, s)| s.up) {
                for tenant in server.collector.tenants(None).unwrap() {
                    if let Some(at) =
                        server.collector.sync_state(self.now, tenant.id).unwrap().due_at
                    {
                        let due = Some((at, false, index, tenant.id));
                        next = next.into_iter().chain(due).min();
                    }
                }
            }
            match next {
                Some((at, is_switch, index, tenant)) if at <= to => {
                    self.now = self.now.max(at);
                    if is_switch {
                        self.input(index, Input::Tick);
                    } else {
                        self.exchange(index, tenant);
                    }
                }
                _ => {
                    self.now = to;
                    return;
                }
            }
        }
        panic!("the estate does not come to rest");
    }

    pub(crate) fn run_for(&mut self, seconds: i64) {
        self.run_until(self.now + seconds);
    }

    /// A file for CSSM, as people download it.
    pub(crate) fn export(
        &self,
        server: usize,
        tenant: i64,
        only: Option<&[i64]>,
    ) -> (String, Vec<u8>) {
        let mut out = Vec::new();
        let scratch = Cursor::new(Vec::new());
        let collector = &self.servers[server].collector;
        let transfer = collector
            .export(self.now, &Actor::person("eve"), tenant, only, scratch, &mut out)
            .unwrap();
        (transfer.name, out)
    }

    pub(crate) fn upload(&self, va: i64, name: &str, bytes: &[u8]) -> UsageFile {
        self.cssm.upload_usage(self.now, &Actor::person("eve"), self.sa, va, name, bytes).unwrap()
    }

    /// The answer to an uploaded bundle.
    pub(crate) fn download(&self, file: &UsageFile) -> Vec<u8> {
        let mut out = Vec::new();
        let scratch = Cursor::new(Vec::new());
        self.cssm.write_answer(self.now, self.sa, file.id, scratch, &mut out).unwrap();
        out
    }

    pub(crate) fn import(
        &self,
        server: usize,
        tenant: i64,
        name: &str,
        bytes: &[u8],
    ) -> Result<Transfer, rumline_collector::Error> {
        let collector = &self.servers[server].collector;
        let mut reader = Cursor::new(bytes);
        let begun =
            collector.begin_import(self.now, &Actor::person("eve"), tenant, name, &mut reader)?;
        let mut again = bytes;
        collector.work_on_import(self.now, tenant, begun.id, &mut again, &mut |_| {})
    }

    /// Licence seconds CSSM has counted for a switch.
    pub(crate) fn counted(&self, switch: usize) -> i64 {
        let udi = &self.switches[switch].udi;
        let all = self.cssm.instances(self.sa, 0, 1000).unwrap();
        let Some(found) = all.iter().find(|row| row.serial == udi.serial) else { return 0 };
        let reports = self.cssm.reports(self.sa, found.id, 0, 10_000).unwrap();
        reports.iter().map(|report| report.count_seconds).sum()
    }

    pub(crate) fn event_log(&self, switch: usize) -> String {
        let bytes = self.switches[switch].disk.clone().read("eventlog").unwrap().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    pub(crate) fn unacknowledged(&self, switch: usize) -> u64 {
        let [_, closed, unacknowledged, _, _] = self.switches[switch].agent.report_counts();
        closed + unacknowledged
    }
}

pub(crate) fn push(collector: &Collector, now: Timestamp, tenant: i64, body: &[u8]) -> Answer {
    let (sender, receiver) = mpsc::channel();
    collector.receive(now, tenant, "10.0.0.1", body, move |answer| sender.send(answer).unwrap());
    receiver.recv().unwrap()
}

pub(crate) fn registration(collector: &Collector, tenant: &Tenant) -> NewCollector {
    let name = collector.settings().name.clone();
    let text = registration_text(&tenant.smart_account, &tenant.virtual_account, &name);
    NewCollector {
        kind: collector.settings().kind.title().to_owned(),
        name,
        public_key: collector.signer().public_key().clone(),
        proof: base64(&collector.signer().sign(text.as_bytes())),
    }
}

/// Transport cslu to a server of the estate.
pub(crate) fn through(server: usize, tenant: Option<&str>) -> Config {
    let tenant = tenant.map(|name| format!("/{name}")).unwrap_or_default();
    let url = format!("http://{server}/cslu/v1/pi{tenant}");
    Config { transport: Transport::Cslu, cslu_url: Some(url), ..Config::default() }
}
