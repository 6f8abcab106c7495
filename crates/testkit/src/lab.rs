//! A CSSM on each engine, and switches that talk to it in virtual time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use rumline_agent::{Config, Input, Reason, Transport};
use rumline_cssm::{
    Account, Actor, Answer, Cssm, Error, InstanceId, InstanceView, JobKind, JobView, NewJob,
    NewToken, Only, Settings, SmartAccountId, TokenId, UsageFile, VirtualAccountId,
};
use rumline_protocol::{
    Document, HaMember, Request, Response, ResponseStatus, Role, SigningIdentity, SimulatedSuite,
    StatusCode, Suite, Timestamp,
};
use rumline_store::Db;
#[cfg(feature = "postgres-tests")]
use rumline_store::Postgres;

use crate::{CountingSuite, Device, START, Switch, admin, chance, entries_of, udi};

struct Directory(std::path::PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// A CSSM with the smart account `Example`, and what signs for it.
pub struct Lab {
    pub now: Timestamp,
    pub cssm: Cssm,
    pub root: Vec<u8>,
    /// The smart account `Example`.
    pub sa: SmartAccountId,
    /// Its virtual account `Default`.
    pub va: VirtualAccountId,
    pub suite: CountingSuite,
    /// What signs for CSSM.
    pub signing: SigningIdentity,
    _directory: Option<Directory>,
}

/// No limit of requests, and ACKs at once.
pub fn at_once() -> Settings {
    Settings { requests_per_hour_max: 0, ack_delay_seconds: 0, ..Settings::default() }
}

/// An empty database on each engine there is.
pub fn empty_databases(directory: &std::path::Path) -> Vec<Db> {
    #[cfg_attr(not(feature = "postgres-tests"), expect(unused_mut, reason = "of one engine"))]
    let mut all = vec![Db::open_sqlite(&directory.join("empty.db")).unwrap()];
    #[cfg(feature = "postgres-tests")]
    all.push(own_postgres());
    all
}

/// An empty database of its own on PostgreSQL.
#[cfg(feature = "postgres-tests")]
pub(crate) fn own_postgres() -> Db {
    static COUNTER: AtomicU32 = AtomicU32::new(1_000_000);
    postgres(COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// A database for tests that run on one engine at a time: on PostgreSQL where `RUMLINE_TESTS_ON` is `postgres`, and on SQLite in memory.
///
/// # Panics
/// When it names an engine that these tests were not built for.
#[expect(clippy::disallowed_methods, reason = "the test command says on which engine they run")]
pub fn any_database() -> Db {
    match std::env::var("RUMLINE_TESTS_ON").as_deref() {
        Err(_) => Db::in_memory().unwrap(),
        #[cfg(feature = "postgres-tests")]
        Ok("postgres") => own_postgres(),
        Ok(engine) => panic!("these tests were not built to run on {engine}"),
    }
}

/// Runs a test on SQLite in memory, on a SQLite file and, when asked for, on PostgreSQL.
#[expect(clippy::print_stdout, reason = "says which engine failed")]
pub fn on_every_engine(settings: &Settings, test: impl Fn(&mut Lab)) {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("rumline-cssm-{}-{number}", std::process::id());
    let directory = Directory(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&directory.0).unwrap();
    println!("on SQLite in memory");
    test(&mut Lab::in_memory(settings));
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
    let admin = Db::open_postgres(&Postgres::at(&url).unwrap()).unwrap();
    let create = format!("CREATE SCHEMA {schema}");
    admin.write("test.schema", move |tx| tx.batch(&create)).unwrap();
    let at = Postgres::at(&format!("{url}?options=-csearch_path%3D{schema}")).unwrap();
    Db::open_postgres(&at).unwrap()
}

impl Lab {
    /// On SQLite in memory.
    pub fn in_memory(settings: &Settings) -> Self {
        Self::open(Db::in_memory().unwrap(), settings, None)
    }

    /// On a SQLite file.
    pub fn on_file(path: &std::path::Path, settings: &Settings) -> Self {
        Self::open(Db::open_sqlite(path).unwrap(), settings, None)
    }

    /// CSSM goes on from another database, such as an older copy of its own.
    pub fn go_on_from(&mut self, path: &std::path::Path) {
        let db = Arc::new(Db::open_sqlite(path).unwrap());
        let (suite, random) = (Arc::new(self.suite.clone()), Arc::new(Mutex::new(chance())));
        let settings = self.cssm.settings().clone();
        self.cssm = Cssm::open(db, suite, same(&self.signing), random, settings).unwrap();
    }

    /// Another process of this CSSM, over the same database.
    pub fn other_process(&self) -> Cssm {
        let (suite, random) = (Arc::new(self.suite.clone()), Arc::new(Mutex::new(chance())));
        let (db, settings) = (Arc::clone(self.cssm.db()), self.cssm.settings().clone());
        Cssm::open(db, suite, same(&self.signing), random, settings).unwrap()
    }

    fn open(db: Db, settings: &Settings, directory: Option<Directory>) -> Self {
        let mut random = chance();
        let (root, issuer) = SimulatedSuite::authority(&mut random);
        let (signing, suite) = (same(&issuer), CountingSuite::default());
        let random = Arc::new(Mutex::new(random));
        let shared = Arc::new(suite.clone());
        let cssm = Cssm::open(Arc::new(db), shared, issuer, random, settings.clone()).unwrap();
        let sa = cssm.create_smart_account(START, &admin(), "Example", "example.net").unwrap().id;
        let va = cssm.virtual_accounts(sa).unwrap()[0].id;
        Self { now: START, cssm, root, sa, va, suite, signing, _directory: directory }
    }

    pub fn virtual_account(&self, name: &str) -> VirtualAccountId {
        self.cssm.create_virtual_account(self.now, &admin(), self.sa, name).unwrap().id
    }

    /// Another smart account: its number and that of its virtual account.
    pub fn other_account(&self, name: &str) -> Account {
        let sa = self
            .cssm
            .create_smart_account(
                self.now,
                &admin(),
                name,
                &format!("{}.net", name.to_ascii_lowercase()),
            )
            .unwrap()
            .id;
        (sa, self.cssm.virtual_accounts(sa).unwrap()[0].id)
    }

    pub fn new_token(&self, va: VirtualAccountId, uses_max: Option<u32>) -> (TokenId, String) {
        let new = NewToken { description: "test".to_owned(), expires_after_days: 30, uses_max };
        let token = self.cssm.create_token(self.now, &admin(), self.sa, va, &new).unwrap();
        (token.id, token.value)
    }

    pub fn token(&self) -> String {
        self.new_token(self.va, None).1
    }

    pub fn token_of(&self, (sa, va): Account) -> String {
        let new = NewToken { description: String::new(), expires_after_days: 30, uses_max: None };
        self.cssm.create_token(self.now, &admin(), sa, va, &new).unwrap().value
    }

    pub fn uses_of(&self, id: TokenId) -> i64 {
        let tokens = self.cssm.tokens(self.sa, self.va).unwrap();
        tokens.iter().find(|token| token.id == id).unwrap().uses
    }

    /// Hands a body to the receiver and waits for the answer.
    pub fn receive(&self, body: &[u8]) -> Answer {
        let (sender, receiver) = mpsc::channel();
        self.cssm.receive(self.now, "10.0.0.1", body, move |taken| sender.send(taken).unwrap());
        receiver.recv().unwrap().answer()
    }

    pub fn ask(&self, request: &Request) -> Answer {
        self.receive(&serde_json::to_vec(request).unwrap())
    }

    /// The message with which the receiver answers; anything else is a failure.
    pub fn response(&self, request: &Request) -> Response {
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
    pub fn refusal(&self, request: &Request) -> String {
        let response = self.response(request);
        assert_eq!(response.status, ResponseStatus::Failed, "{response:?}");
        assert_eq!(response.smart_license, None);
        response.status_message
    }

    /// The document of an answer that says OK.
    pub fn document(&self, request: &Request) -> Document {
        let response = self.response(request);
        assert_eq!(response.status, ResponseStatus::Ok, "{}", response.status_message);
        Document::parse(response.smart_license.unwrap().as_bytes()).unwrap()
    }

    /// The ACK entries of an answer that says OK: number, code, words.
    pub fn entries(&self, request: &Request) -> Vec<(u64, StatusCode, String)> {
        entries_of(&self.document(request))
    }

    pub fn instances(&self) -> Vec<InstanceView> {
        self.cssm.instances(self.sa, &Only::All, InstanceId::default(), 1000).unwrap()
    }

    pub fn instance(&self, serial: &str) -> InstanceView {
        let all = self.instances();
        all.into_iter().find(|instance| instance.serial == serial).unwrap()
    }

    /// The owner removes a product instance.
    pub fn let_go(&self, serial: &str) {
        let id = self.instance(serial).id;
        self.cssm.remove_instance(self.now, &admin(), self.sa, id).unwrap();
    }

    /// All use CSSM has counted for a product instance, in licence seconds.
    pub fn counted(&self, serial: &str) -> i64 {
        let id = self.instance(serial).id;
        let reports = self.cssm.reports(self.sa, id, 0, 10_000).unwrap();
        reports.iter().map(|report| report.count_seconds).sum()
    }

    /// Licences in use in the whole account, by tag and count, of one product instance.
    pub fn in_use(&self, serial: &str) -> Vec<(String, i64)> {
        self.instance(serial).licenses.into_iter().map(|l| (l.tag, l.count)).collect()
    }

    pub fn switch(&self, serial: &str) -> Switch {
        let config = Config { transport: Transport::Smart, ..Config::default() };
        self.switch_with(serial, config, "10.4(3)")
    }

    pub fn switch_with(&self, serial: &str, config: Config, version: &str) -> Switch {
        let members = vec![HaMember { role: Role::Active, sudi: udi(serial) }];
        self.switch_of(members, config, version)
    }

    pub fn switch_of(&self, members: Vec<HaMember>, config: Config, version: &str) -> Switch {
        Switch::open(self.now, &self.root, members, config, version, self.suite.clone())
    }

    /// Tells a switch something and carries its messages until it is quiet.
    pub fn give(&self, switch: &mut Switch, input: Input) {
        switch.handle(self.now, input);
        while let Some(sent) = switch.sent.pop_front() {
            let answer = match self.receive(&sent.body) {
                Answer::Message(response) => Ok(serde_json::to_vec(&response).unwrap()),
                Answer::TooManyRequests { retry_after_seconds } => {
                    let request_id = sent.request_id;
                    switch.handle(self.now, Input::Busy { request_id, retry_after_seconds });
                    continue;
                }
                Answer::NotAMessage(text) | Answer::Unavailable(text) => Err(Reason::NoPath(text)),
            };
            switch.answer(self.now, sent.request_id, answer);
        }
    }

    /// Lets time pass, calling the switch whenever it wants.
    pub fn run_until(&mut self, switch: &mut Switch, to: Timestamp) {
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

    pub fn trust(&self, switch: &mut Switch, token: &str, force: bool) {
        let id_token = token.to_owned();
        self.give(switch, Input::Trust { id_token, all: true, force });
    }

    /// Merges a virtual account into another one, to the end.
    pub fn merge(&self, from: VirtualAccountId, into: VirtualAccountId) -> Result<JobView, Error> {
        let new = NewJob {
            kind: JobKind::Merge,
            search: String::new(),
            sort: None,
            virtual_account_id: Some(from),
            into_virtual_account_id: Some(into),
        };
        let job = self.cssm.add_job(self.now, &admin(), self.sa, &new)?;
        while self.cssm.work_on_job(self.now, self.sa, job.id)? {}
        self.cssm.job(self.sa, job.id)
    }

    /// Registers a device by hand.
    pub fn register(&self, device: &Device) {
        let request = device.trust(self.now, &self.token(), false);
        assert_eq!(self.document(&request).trust_codes.len(), 1);
    }

    pub fn upload(&self, name: &str, bytes: &[u8]) -> Result<UsageFile, Error> {
        self.cssm.upload_usage(self.now, &Actor::person("eve"), self.sa, self.va, name, bytes)
    }
}

/// The same identity once more.
pub fn same(identity: &SigningIdentity) -> SigningIdentity {
    SigningIdentity {
        signer: SimulatedSuite.load_device_key(&identity.signer.private_key()).unwrap(),
        certificate: identity.certificate.clone(),
        root_certificate: identity.root_certificate.clone(),
        revocation: identity.revocation.clone(),
    }
}
