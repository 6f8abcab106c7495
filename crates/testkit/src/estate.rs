//! Switches, collectors and a CSSM in virtual time.

use std::collections::VecDeque;
use std::io::Cursor;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use rumline_agent::{Config, Input, Reason, Transport};
use rumline_collector::{
    Answer, Collector, Done, Error, Exchange, Kind, Settings, Tenant, TenantId, TenantSettings,
    Transfer, Work,
};
use rumline_cssm::{Actor, InstanceId, NewCollector, Only, UsageFile, VirtualAccountId};
use rumline_protocol::{SimulatedSuite, Suite, Timestamp, base64, registration_text};
use rumline_store::Db;

use crate::{Lab, Switch, admin, chance, udi};

/// A collector and whether it runs and reaches CSSM.
pub struct Server {
    pub collector: Collector,
    pub up: bool,
    pub cssm_reachable: bool,
    /// Exchanges with CSSM that were made.
    pub exchanges: u32,
    /// Damages what comes from CSSM or goes there.
    pub tamper: Option<fn(Vec<u8>) -> Vec<u8>>,
    /// Alters what a switch is answered.
    pub tamper_answer: Option<fn(Vec<u8>) -> Vec<u8>>,
}

pub struct Estate {
    pub lab: Lab,
    pub servers: Vec<Server>,
    pub switches: Vec<Switch>,
    directory: Option<PathBuf>,
    /// Whether collectors keep all in PostgreSQL.
    #[cfg_attr(not(feature = "postgres-tests"), expect(dead_code, reason = "of one engine"))]
    on_postgres: bool,
}

pub fn account(virtual_account: &str, connected: bool) -> TenantSettings {
    TenantSettings {
        smart_account: "Example".to_owned(),
        virtual_account: virtual_account.to_owned(),
        connected,
        sync_minutes: 15,
    }
}

impl Deref for Estate {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl DerefMut for Estate {
    fn deref_mut(&mut self) -> &mut Lab {
        &mut self.lab
    }
}

impl Default for Estate {
    fn default() -> Self {
        Self::new()
    }
}

impl Estate {
    pub fn new() -> Self {
        Self::of(&crate::at_once())
    }

    /// Around a CSSM with these settings.
    pub fn of(settings: &rumline_cssm::Settings) -> Self {
        let (servers, switches) = (Vec::new(), Vec::new());
        Self {
            lab: Lab::in_memory(settings),
            servers,
            switches,
            directory: None,
            on_postgres: false,
        }
    }

    /// Runs a test with collectors on SQLite in memory and, when asked for, on PostgreSQL.
    #[expect(clippy::print_stdout, reason = "says which engine failed")]
    pub fn on_every_engine(test: impl Fn(Self)) {
        println!("on SQLite in memory");
        test(Self::new());
        #[cfg(feature = "postgres-tests")]
        {
            println!("on PostgreSQL");
            test(Self { on_postgres: true, ..Self::new() });
        }
    }

    /// With databases on SQLite files in a directory: `cssm.db`, `collector-0.db` and so on.
    pub fn in_directory(directory: &Path) -> Self {
        let lab = Lab::on_file(&directory.join("cssm.db"), &crate::at_once());
        let (servers, switches) = (Vec::new(), Vec::new());
        Self { lab, servers, switches, directory: Some(directory.to_owned()), on_postgres: false }
    }

    pub fn add_server(&mut self, kind: Kind) -> usize {
        self.add_server_of(kind, Settings::ON_PREM_VERSION)
    }

    pub fn add_server_of(&mut self, kind: Kind, version: &str) -> usize {
        let db = match &self.directory {
            Some(directory) => {
                Db::open_sqlite(&directory.join(format!("collector-{}.db", self.servers.len())))
            }
            #[cfg(feature = "postgres-tests")]
            None if self.on_postgres => Ok(crate::lab::own_postgres()),
            None => Db::in_memory(),
        };
        let db = db.unwrap();
        let settings = Settings {
            kind,
            name: "lab".to_owned(),
            version: version.to_owned(),
            root_certificate: self.root.clone(),
        };
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap().into();
        let (suite, random) = (Arc::new(self.suite.clone()), Arc::new(Mutex::new(chance())));
        let collector = Collector::open(Arc::new(db), suite, signer, random, settings).unwrap();
        let (tamper, tamper_answer) = (None, None);
        let (up, cssm_reachable, exchanges) = (true, true, 0);
        let server = Server { collector, up, cssm_reachable, exchanges, tamper, tamper_answer };
        self.servers.push(server);
        self.servers.len() - 1
    }

    /// A CSLU for `Example` / `Default`; known to CSSM if it is connected.
    pub fn add_cslu(&mut self, connected: bool) -> usize {
        let server = self.add_server(Kind::Cslu);
        let collector = self.servers[server].collector.clone();
        let id = Collector::CSLU_TENANT;
        collector.set_tenant(self.now, &admin(), id, &account("Default", connected)).unwrap();
        if connected {
            self.register_collector(server, id, self.va);
        }
        server
    }

    /// A tenant of an SSM On-Prem for a virtual account of `Example`.
    pub fn add_tenant(&mut self, server: usize, name: &str, va: &str, connected: bool) -> TenantId {
        let collector = self.servers[server].collector.clone();
        let settings = account(va, connected);
        let id = collector.create_tenant(self.now, &admin(), name, &settings).unwrap().id;
        let found = self.cssm.virtual_accounts(self.sa).unwrap();
        let va = found.into_iter().find(|known| known.name == va).unwrap().id;
        if connected {
            self.register_collector(server, id, va);
        }
        id
    }

    pub fn register_collector(&mut self, server: usize, tenant_id: TenantId, va: VirtualAccountId) {
        let collector = &self.servers[server].collector;
        let tenant = collector.tenant(tenant_id).unwrap();
        let new = registration(collector, &tenant);
        self.cssm.register_collector(self.now, &admin(), self.sa, va, &new).unwrap();
        collector.note_registered(self.now, &admin(), tenant_id).unwrap();
    }

    pub fn add_switch(&mut self, serial: &str, config: Config) -> usize {
        let (root, suite) = (&self.root, self.suite.clone());
        let mut switch = Switch::single(self.now, root, udi(serial), config, suite);
        switch.agent.set_hostname(&format!("leaf-{serial}"));
        self.switches.push(switch);
        self.switches.len() - 1
    }

    pub fn input(&mut self, switch: usize, input: Input) {
        let now = self.now;
        self.switches[switch].handle(now, input);
        while let Some(sent) = self.switches[switch].sent.pop_front() {
            let answer = self.deliver(&sent.url, &sent.body);
            self.switches[switch].answer(now, sent.request_id, answer);
        }
    }

    /// Carries a message to the server its URL names: `http://NUMBER/cslu/v1/pi[/TENANT]`, or `https://cssm`.
    pub fn deliver(&self, url: &str, body: &[u8]) -> Result<Vec<u8>, Reason> {
        if url.starts_with("https://cssm") {
            let (sender, receiver) = mpsc::channel();
            self.cssm.receive(self.now, "10.0.0.1", body, move |taken| sender.send(taken).unwrap());
            let answer = receiver.recv().unwrap().answer();
            let rumline_cssm::Answer::Message(response) = answer else {
                return Err(Reason::NoPath(format!("{answer:?}")));
            };
            return Ok(serde_json::to_vec(&response).unwrap());
        }
        let rest = url.split_once("://").unwrap().1;
        let (number, path) = rest.split_once('/').unwrap();
        let server = &self.servers[number.parse::<usize>().unwrap()];
        if !server.up {
            return Err(Reason::Connect);
        }
        let tenant = match path.strip_prefix("cslu/v1/pi/") {
            Some(name) => server.collector.tenant_named(name).map_err(|_| Reason::Status(404))?,
            None => Collector::CSLU_TENANT,
        };
        match push(&server.collector, self.now, tenant, body) {
            Answer::Message { response, .. } => {
                let bytes = serde_json::to_vec(&response).unwrap();
                Ok(server.tamper_answer.map_or(bytes.clone(), |tamper| tamper(bytes)))
            }
            other => Err(Reason::NoPath(format!("{other:?}"))),
        }
    }

    /// Exchanges with CSSM whatever a tenant has, one thing after the other.
    pub fn exchange(&mut self, server: usize, tenant_id: TenantId) {
        let now = self.lab.now;
        let s = &mut self.servers[server];
        let collector = s.collector.clone();
        let began = collector.sync_state(now, tenant_id).unwrap();
        let (mut exchange, works) = Exchange::begin(began);
        let mut works = VecDeque::from(works);
        while let Some(work) = works.pop_front() {
            let done = match work {
                Work::Bring(_) if !s.cssm_reachable => {
                    Done::Brought(Err(Reason::Connect.to_string()))
                }
                Work::Bring(bytes) => {
                    s.exchanges += 1;
                    let sent =
                        s.tamper.map_or_else(|| bytes.clone(), |tamper| tamper(bytes.clone()));
                    let answer = self.lab.cssm.receive_bundle(now, &sent);
                    Done::Brought(answer.map_err(|error| error.to_string()))
                }
                Work::Here(work) => collector.carry_out(now, tenant_id, work).unwrap(),
            };
            works.extend(exchange.done(done));
        }
    }

    /// Lets time pass until `to`.
    pub fn run_until(&mut self, to: Timestamp) {
        for _ in 0..1_000_000 {
            let wakes = self.switches.iter().enumerate().filter_map(|(index, switch)| {
                switch.agent.next_wake().map(|(at, _)| (at, true, index, TenantId::default()))
            });
            let mut next = wakes.min();
            for (index, server) in self.servers.iter().enumerate().filter(|(_, s)| s.up) {
                for tenant in server.collector.tenants(&Only::All).unwrap() {
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
                    self.lab.now = self.lab.now.max(at);
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

    pub fn run_for(&mut self, seconds: i64) {
        self.run_until(self.now + seconds);
    }

    /// A file for CSSM, as people download it.
    pub fn export(
        &self,
        server: usize,
        tenant: TenantId,
        only: Option<&[rumline_collector::InstanceId]>,
    ) -> (String, Vec<u8>) {
        let mut out = Vec::new();
        let scratch = Cursor::new(Vec::new());
        let collector = &self.servers[server].collector;
        let transfer = collector
            .export(self.now, &Actor::person("eve"), tenant, only, scratch, &mut out)
            .unwrap();
        (transfer.name, out)
    }

    pub fn upload(&self, va: VirtualAccountId, name: &str, bytes: &[u8]) -> UsageFile {
        self.cssm.upload_usage(self.now, &Actor::person("eve"), self.sa, va, name, bytes).unwrap()
    }

    /// The answer to an uploaded bundle.
    pub fn download(&self, file: &UsageFile) -> Vec<u8> {
        let mut out = Vec::new();
        let scratch = Cursor::new(Vec::new());
        self.cssm.write_answer(self.now, self.sa, file.id, scratch, &mut out).unwrap();
        out
    }

    pub fn import(
        &self,
        server: usize,
        tenant: TenantId,
        name: &str,
        bytes: &[u8],
    ) -> Result<Transfer, Error> {
        let collector = &self.servers[server].collector;
        let mut reader = Cursor::new(bytes);
        let begun =
            collector.begin_import(self.now, &Actor::person("eve"), tenant, name, &mut reader)?;
        let mut again = bytes;
        collector.work_on_import(self.now, tenant, begun.id, &mut again, &mut |_| {})
    }

    /// Licence seconds CSSM has counted for a switch.
    pub fn counted(&self, switch: usize) -> i64 {
        let udi = &self.switches[switch].udi;
        let all = self.cssm.instances(self.sa, &Only::All, InstanceId::default(), 1000).unwrap();
        let Some(found) = all.iter().find(|row| row.serial == udi.serial) else { return 0 };
        let reports = self.cssm.reports(self.sa, found.id, 0, 10_000).unwrap();
        reports.iter().map(|report| report.count_seconds).sum()
    }

    #[must_use]
    pub fn event_log(&self, switch: usize) -> String {
        self.switches[switch].event_log()
    }

    #[must_use]
    pub fn unacknowledged(&self, switch: usize) -> u64 {
        self.switches[switch].unacknowledged()
    }
}

pub fn push(collector: &Collector, now: Timestamp, tenant: TenantId, body: &[u8]) -> Answer {
    let (sender, receiver) = mpsc::channel();
    collector.receive(now, tenant, "10.0.0.1", body, move |answer| sender.send(answer).unwrap());
    receiver.recv().unwrap()
}

pub fn registration(collector: &Collector, tenant: &Tenant) -> NewCollector {
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
pub fn through(server: usize, tenant: Option<&str>) -> Config {
    let tenant = tenant.map(|name| format!("/{name}")).unwrap_or_default();
    let url = format!("http://{server}/cslu/v1/pi{tenant}");
    Config { transport: Transport::Cslu, cslu_url: Some(url), ..Config::default() }
}
