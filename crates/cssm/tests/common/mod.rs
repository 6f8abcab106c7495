//! A CSSM on each engine, and switches that talk to it in virtual time.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use rumline_agent::{
    Agent, Config, Effect, Environment, ImportSummary, Input, LicenseUse, MemoryDisk, Profile,
    SaveScope, Transport,
};
use rumline_cssm::{Actor, Answer, Cssm, InstanceView, NewToken, Settings};
use rumline_protocol::*;
use rumline_store::Db;

mod device;
pub(crate) use device::Device;

pub(crate) const START: Timestamp = Timestamp(1_767_225_600);
pub(crate) const MINUTE: i64 = 60;
pub(crate) const PID: &str = "N9K-C93180YC-FX3";
pub(crate) const SOFTWARE_TAG: &str = "regid.2017-11.com.cisco.Nexus_9300,1.0_x";

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

struct Directory(std::path::PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// A CSSM with the smart account `Example`, and what signs for it.
pub(crate) struct Lab {
    pub(crate) now: Timestamp,
    pub(crate) cssm: Cssm,
    pub(crate) root: Vec<u8>,
    /// The smart account `Example`.
    pub(crate) sa: i64,
    /// Its virtual account `Default`.
    pub(crate) va: i64,
    _directory: Option<Directory>,
}

/// Where people log in from.
pub(crate) const HERE: &str = "10.0.0.2";

/// Whoever administers everything.
pub(crate) fn admin() -> Actor {
    Actor::person("admin")
}

/// No limit of requests, and ACKs at once.
pub(crate) fn at_once() -> Settings {
    Settings { requests_per_hour_max: 0, ack_delay_seconds: 0 }
}

/// Runs a test on SQLite in memory, on a SQLite file and, when asked for, on PostgreSQL.
#[expect(clippy::print_stdout, reason = "says which engine failed")]
pub(crate) fn on_every_engine(settings: &Settings, test: impl Fn(&mut Lab)) {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("rumline-cssm-{}-{number}", std::process::id());
    let directory = Directory(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&directory.0).unwrap();
    println!("on SQLite in memory");
    test(&mut Lab::open(Db::in_memory().unwrap(), settings, None));
    println!("on a SQLite file");
    let db = Db::open_sqlite(&directory.0.join("cssm.db")).unwrap();
    test(&mut Lab::open(db, settings, Some(directory)));
    #[cfg(feature = "postgres-tests")]
    {
        println!("on PostgreSQL");
        test(&mut Lab::open(postgres(number), settings, None));
    }
}

#[cfg(feature = "postgres-tests")]
#[expect(clippy::disallowed_methods, reason = "the test command says where PostgreSQL listens")]
fn postgres(number: u32) -> Db {
    let url = std::env::var("RUMLINE_POSTGRES_URL").expect("RUMLINE_POSTGRES_URL names a server");
    let schema = format!("cssm_{}_{number}", std::process::id());
    let admin = Db::open_postgres(&url).unwrap();
    let create = format!("CREATE SCHEMA {schema}");
    admin.write("test.schema", move |tx| tx.batch(&create)).unwrap();
    Db::open_postgres(&format!("{url}?options=-csearch_path%3D{schema}")).unwrap()
}

impl Lab {
    fn open(db: Db, settings: &Settings, directory: Option<Directory>) -> Self {
        let mut random = chance();
        let (root, issuer) = SimulatedSuite::authority(&mut random);
        let random = Arc::new(Mutex::new(random));
        let suite = Arc::new(SimulatedSuite);
        let cssm = Cssm::open(Arc::new(db), suite, issuer, random, settings.clone()).unwrap();
        let sa = cssm
            .create_smart_account(START, &Actor::person("admin"), "Example", "example.net")
            .unwrap()
            .id;
        let va = cssm.virtual_accounts(sa).unwrap()[0].id;
        Self { now: START, cssm, root, sa, va, _directory: directory }
    }

    pub(crate) fn virtual_account(&self, name: &str) -> i64 {
        self.cssm
            .create_virtual_account(self.now, &Actor::person("admin"), self.sa, name)
            .unwrap()
            .id
    }

    /// Another smart account: its number and that of its virtual account.
    pub(crate) fn other_account(&self, name: &str) -> (i64, i64) {
        let sa = self
            .cssm
            .create_smart_account(self.now, &Actor::person("admin"), name, "other.net")
            .unwrap()
            .id;
        (sa, self.cssm.virtual_accounts(sa).unwrap()[0].id)
    }

    pub(crate) fn new_token(&self, va: i64, uses_max: Option<u32>) -> (i64, String) {
        let new = NewToken { description: "test".to_owned(), expires_after_days: 30, uses_max };
        let token =
            self.cssm.create_token(self.now, &Actor::person("admin"), self.sa, va, &new).unwrap();
        (token.id, token.value)
    }

    pub(crate) fn token(&self) -> String {
        self.new_token(self.va, None).1
    }

    pub(crate) fn token_of(&self, (sa, va): (i64, i64)) -> String {
        let new = NewToken { description: String::new(), expires_after_days: 30, uses_max: None };
        self.cssm.create_token(self.now, &Actor::person("admin"), sa, va, &new).unwrap().value
    }

    pub(crate) fn uses_of(&self, id: i64) -> i64 {
        let tokens = self.cssm.tokens(self.sa, self.va).unwrap();
        tokens.iter().find(|token| token.id == id).unwrap().uses
    }

    /// Hands a body to the receiver and waits for the answer.
    pub(crate) fn receive(&self, body: &[u8]) -> Answer {
        let (sender, receiver) = mpsc::channel();
        self.cssm.receive(self.now, "10.0.0.1", body, move |taken| sender.send(taken).unwrap());
        receiver.recv().unwrap().answer()
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.receive(&serde_json::to_vec(request).unwrap())
    }

    /// The message with which the receiver answers; anything else is a failure.
    pub(crate) fn response(&self, request: &Request) -> Response {
        match self.ask(request) {
            Answer::Message(response) => {
                assert_eq!(response.request_id, request.request_id);
                assert_eq!(response.nonce, request.nonce);
                assert_eq!(response.timestamp, self.now.millis());
                *response
            }
            other => panic!("{other:?}"),
        }
    }

    /// The words of a refusal.
    pub(crate) fn refusal(&self, request: &Request) -> String {
        let response = self.response(request);
        assert_eq!(response.status, ResponseStatus::Failed, "{response:?}");
        assert_eq!(response.smart_license, None);
        response.status_message
    }

    /// The document of an answer that says OK.
    pub(crate) fn document(&self, request: &Request) -> Document {
        let response = self.response(request);
        assert_eq!(response.status, ResponseStatus::Ok, "{}", response.status_message);
        Document::parse(response.smart_license.unwrap().as_bytes()).unwrap()
    }

    /// The ACK entries of an answer that says OK: number, code, words.
    pub(crate) fn entries(&self, request: &Request) -> Vec<(u64, StatusCode, String)> {
        entries_of(&self.document(request))
    }

    pub(crate) fn instances(&self) -> Vec<InstanceView> {
        self.cssm.instances(self.sa, 0, 1000).unwrap()
    }

    pub(crate) fn instance(&self, serial: &str) -> InstanceView {
        let all = self.instances();
        all.into_iter().find(|instance| instance.serial == serial).unwrap()
    }

    /// The owner removes a product instance.
    pub(crate) fn let_go(&self, serial: &str) {
        let id = self.instance(serial).id;
        self.cssm.remove_instance(self.now, &admin(), self.sa, id).unwrap();
    }

    /// All use CSSM has counted for a product instance, in licence seconds.
    pub(crate) fn counted(&self, serial: &str) -> i64 {
        let id = self.instance(serial).id;
        let reports = self.cssm.reports(self.sa, id, 0, 10_000).unwrap();
        reports.iter().map(|report| report.count_seconds).sum()
    }

    /// Licences in use in the whole account, by tag and count, of one product instance.
    pub(crate) fn in_use(&self, serial: &str) -> Vec<(String, i64)> {
        self.instance(serial).licenses.into_iter().map(|l| (l.tag, l.count)).collect()
    }

    pub(crate) fn switch(&self, serial: &str) -> Switch {
        let config = Config { transport: Transport::Smart, ..Config::default() };
        self.switch_with(serial, config, "10.4(3)")
    }

    pub(crate) fn switch_with(&self, serial: &str, config: Config, version: &str) -> Switch {
        let active = HaMember { role: Role::Active, sudi: udi(serial) };
        Switch::open(self, vec![active], config, version)
    }

    /// Tells a switch something and carries its messages until it is quiet.
    pub(crate) fn give(&self, switch: &mut Switch, input: Input) {
        switch.handle(self.now, input);
        while let Some((request_id, body)) = switch.sent.pop_front() {
            let answer = self.receive(&body);
            switch.answer(self.now, request_id, answer);
        }
    }

    /// Lets time pass, calling the switch whenever it wants.
    pub(crate) fn run_until(&mut self, switch: &mut Switch, to: Timestamp) {
        for _ in 0..10_000 {
            match switch.agent.next_wake() {
                Some((at, _)) if at - switch.skew <= to => {
                    self.now = self.now.max(at - switch.skew);
                    self.give(switch, Input::Tick);
                }
                _ => {
                    self.now = to;
                    return;
                }
            }
        }
        panic!("the agent never comes to rest: {:?}", switch.agent.next_wake());
    }

    pub(crate) fn trust(&self, switch: &mut Switch, token: &str, force: bool) {
        let id_token = token.to_owned();
        self.give(switch, Input::Trust { id_token, all: true, force });
    }

    /// Registers a device by hand.
    pub(crate) fn register(&self, device: &Device) {
        let request = device.trust(self.now, &self.token(), false);
        assert_eq!(self.document(&request).trust_codes.len(), 1);
    }

    pub(crate) fn upload(
        &self,
        name: &str,
        bytes: &[u8],
    ) -> Result<rumline_cssm::UsageFile, rumline_cssm::Error> {
        self.cssm.upload_usage(self.now, &Actor::person("eve"), self.sa, self.va, name, bytes)
    }
}

pub(crate) fn entries_of(document: &Document) -> Vec<(u64, StatusCode, String)> {
    let signed = document.acknowledgements.iter().flat_map(|signed| &signed.value);
    signed.map(|e| (e.report_id, e.status_code, e.status_message.clone())).collect()
}

pub(crate) fn accepted(id: u64) -> (u64, StatusCode, String) {
    (id, StatusCode::Ok, "Rum Report is accepted.".to_owned())
}

pub(crate) fn udi(serial: &str) -> Udi {
    Udi::new(PID, serial).unwrap()
}

pub(crate) fn lan_tag() -> EntitlementTag {
    let uuid = "679b00a2-c6f4-40a1-8c23-42aed9cf93b1";
    EntitlementTag::new(&format!("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_{uuid}")).unwrap()
}

pub(crate) const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

pub(crate) fn lan(count: u32) -> LicenseUse {
    LicenseUse {
        tag: lan_tag(),
        name: LAN.to_owned(),
        description: "LAN license for Nexus 9300-XF".to_owned(),
        count,
    }
}

fn profile(lab: &Lab, members: Vec<HaMember>, version: &str) -> Profile {
    Profile {
        members,
        software_tag: SOFTWARE_TAG.to_owned(),
        software_version: version.to_owned(),
        agent_version: "5.7.30_rel/108".to_owned(),
        root_certificate: lab.root.clone(),
    }
}

/// A switch's agent, its disk and its clock.
pub(crate) struct Switch {
    pub(crate) agent: Agent,
    pub(crate) disk: MemoryDisk,
    random: Chance,
    /// By how many seconds its clock is ahead.
    pub(crate) skew: i64,
    /// System messages so far.
    pub(crate) log: Vec<String>,
    /// Messages on their way.
    pub(crate) sent: VecDeque<(String, Vec<u8>)>,
}

impl Switch {
    pub(crate) fn open(lab: &Lab, members: Vec<HaMember>, config: Config, version: &str) -> Self {
        let profile = profile(lab, members, version);
        let (mut disk, mut random) = (MemoryDisk::default(), chance());
        let mut environment = Environment { disk: &mut disk, random: &mut random };
        let suite = Arc::new(SimulatedSuite);
        let agent = Agent::open(lab.now, profile, config, suite, &mut environment).unwrap();
        let (log, sent) = (Vec::new(), VecDeque::new());
        Self { agent, disk, random, skew: 0, log, sent }
    }

    /// Starts again from what lies on a disk, maybe another one.
    pub(crate) fn restart(&mut self, lab: &Lab, serial: &str, disk: MemoryDisk) {
        self.disk = disk;
        let members = vec![HaMember { role: Role::Active, sudi: udi(serial) }];
        let config = Config { transport: Transport::Smart, ..Config::default() };
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let profile = profile(lab, members, "10.4(3)");
        let suite = Arc::new(SimulatedSuite);
        let now = lab.now + self.skew;
        self.agent = Agent::open(now, profile, config, suite, &mut environment).unwrap();
        self.sent.clear();
    }

    pub(crate) fn handle(&mut self, now: Timestamp, input: Input) {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let effects = self.agent.handle(now + self.skew, input, &mut environment);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Syslog(message) => self.log.push(message.to_string()),
                Effect::Send { request_id, body, .. } => self.sent.push_back((request_id, body)),
            }
        }
    }

    fn answer(&mut self, now: Timestamp, request_id: String, answer: Answer) {
        let lost = |request_id, reason: String| Input::Unreachable { request_id, reason };
        let input = match answer {
            Answer::Message(response) => {
                Input::Answer { request_id, body: serde_json::to_vec(&response).unwrap() }
            }
            Answer::TooManyRequests { .. } => lost(request_id, "429".to_owned()),
            Answer::NotAMessage(text) | Answer::Unavailable(text) => lost(request_id, text),
        };
        self.handle(now, input);
    }

    pub(crate) fn save_usage(&mut self, now: Timestamp) -> String {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let now = now + self.skew;
        let saved = self.agent.save_usage(now, SaveScope::All, &mut environment).unwrap();
        self.agent.usage_saved(now, &saved.report_ids, &mut environment);
        saved.text
    }

    pub(crate) fn import(&mut self, now: Timestamp, text: &str) -> ImportSummary {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let imported = self.agent.import(now + self.skew, text.as_bytes(), &mut environment);
        let (summary, effects) = imported.unwrap();
        self.carry_out(effects);
        summary
    }

    pub(crate) fn last_log(&self) -> &str {
        self.log.last().map_or("", String::as_str)
    }
}
