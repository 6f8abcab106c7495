//! The router over a CSSM in memory, with people, a product instance and a usage file.

use crate::engine::answer;
use rumline_server::Actor;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, header};
use rumline_agent::{
    Agent, Config, Disk, Effect, Environment, Input, LicenseUse, MemoryDisk, Profile, SaveScope,
    Transport,
};
use rumline_cssm::{
    Cssm, Grant, NewToken, Only, PartId, Purchase, PurchaseKind, Role, Settings, SmartAccountId,
    UsageFileId, VirtualAccountId,
};
use rumline_net::{Clock, Secured};
use rumline_protocol::{
    BundleWriter, CallHomeRequest, Document, EntitlementTag, HaMember, Manifest,
    Request as Message, RequestBody, Role as Supervisor, Signer, SimulatedSuite, Suite, Timestamp,
    Udi, base64, registration_text,
};
use rumline_store::Db;
use rumline_testkit::{Chance, any_database};
use rumline_web::{Background, CssmSite, Gates, Provider, Readiness, Refusal, Spool, cssm_router};

pub(crate) type Route = rumline_web::Route<CssmSite>;

/// The first smart account and its virtual account.
pub(crate) const SA: SmartAccountId = SmartAccountId(1);
const VA: VirtualAccountId = VirtualAccountId(1);
/// A virtual account that is merged into the first, and one that is closed; both are empty.
pub(crate) const SPARE: VirtualAccountId = VirtualAccountId(4);
pub(crate) const EMPTY: VirtualAccountId = VirtualAccountId(5);
/// A smart account that is closed.
const CLOSING: SmartAccountId = SmartAccountId(3);
/// One that is merged into the first.
const JOINING: SmartAccountId = SmartAccountId(4);
/// The same of the pages' forms: each is done to one of its own.
const CLOSING_TOO: SmartAccountId = SmartAccountId(5);
const JOINING_TOO: SmartAccountId = SmartAccountId(6);
const SPARE_TOO: VirtualAccountId = VirtualAccountId(10);
/// One that the public API closes.
const EMPTY_PUBLIC: VirtualAccountId = VirtualAccountId(12);
const EMPTY_TOO: VirtualAccountId = VirtualAccountId(11);
/// A product instance as which two speak.
const HELD: i64 = 904;
/// The smart account of others.
const OTHER: SmartAccountId = SmartAccountId(2);
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const ROOT_PEM: &str = "-----BEGIN CERTIFICATE-----\n";

/// The document, against which each answer of each test is held.
fn document() -> &'static crate::document::Document {
    static DOCUMENT: std::sync::OnceLock<crate::document::Document> = std::sync::OnceLock::new();
    DOCUMENT.get_or_init(|| {
        crate::document::Document(rumline_web::openapi("CSSM", &rumline_web::cssm_routes()))
    })
}

/// A switch that has used a licence for a while.
struct Switch {
    agent: Agent,
    disk: MemoryDisk,
    random: Chance,
    now: Timestamp,
}

impl Switch {
    fn new(root: &[u8], serial: &str, now: Timestamp, seed: u64) -> Self {
        let sudi = Udi::new("N9K-C93180YC-FX3", serial).unwrap();
        let profile = Profile {
            members: vec![HaMember { role: Supervisor::Active, sudi }],
            software_tag: "regid.2017-11.com.cisco.Nexus_9300,1.0_x".to_owned(),
            software_version: "10.4(3)".to_owned(),
            agent_version: "5.7.30_rel/108".to_owned(),
            root_certificate: root.to_vec(),
        };
        let config = Config { transport: Transport::Smart, ..Config::default() };
        let (mut disk, mut random) = (MemoryDisk::default(), Chance::of(seed));
        let mut environment = Environment { disk: &mut disk, random: &mut random };
        let suite = Arc::new(SimulatedSuite);
        let agent = Agent::open(now, profile, config, suite, &mut environment).unwrap();
        Self { agent, disk, random, now }
    }

    fn handle(&mut self, input: Input) -> Vec<u8> {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let effects = self.agent.handle(self.now, input, &mut environment);
        let sent = effects.into_iter().find_map(|effect| match effect {
            Effect::Send { body, .. } => Some(body),
            Effect::Syslog(_) => None,
        });
        sent.unwrap_or_default()
    }

    /// A usage file.
    fn usage_file(mut self) -> String {
        let uuid = "679b00a2-c6f4-40a1-8c23-42aed9cf93b1";
        let tag = format!("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_{uuid}");
        let tag = EntitlementTag::new(&tag).unwrap();
        let name = "LAN_ENTERPRISE_SERVICES_PKG".to_owned();
        let license = LicenseUse { tag, name, description: String::new(), count: 1 };
        self.handle(Input::Use(vec![license]));
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let now = self.now + 100;
        rumline_testkit::saved_usage(&mut self.agent, now, SaveScope::All, &mut environment)
            .unwrap()
    }
}

/// A message in the envelope of Call Home.
pub(crate) fn enveloped(message: &[u8]) -> CallHomeRequest {
    let request: Message = serde_json::from_slice(message).unwrap();
    CallHomeRequest {
        message_id: request.request_id,
        created_at: Timestamp::from_millis(request.timestamp),
        subtype: request.body.class().to_owned(),
        sudi: request.sudi,
        hostname: None,
        contact_email: None,
        message: message.to_vec(),
    }
}

fn collector_key() -> Box<dyn Signer> {
    SimulatedSuite.generate_device_key(&mut Chance::of(77)).unwrap()
}

/// A CSSM over a database.
pub(crate) fn cssm_over(db: Arc<Db>) -> Cssm {
    let mut random = Chance::of(1);
    let (_, issuer) = SimulatedSuite::authority(&mut random);
    let (suite, random) = (Arc::new(SimulatedSuite), Arc::new(Mutex::new(random)));
    Cssm::open(db, suite, issuer, random, Settings::default()).unwrap()
}

/// A form with a file, as a browser sends it.
fn form(name: &str, text: &str) -> Vec<u8> {
    format!(
        "--edge\r\ncontent-disposition: form-data; name=\"virtual_account\"\r\n\r\n1\r\n\
         --edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n\
         {text}\r\n--edge--\r\n"
    )
    .into_bytes()
}

pub(crate) struct Server {
    pub(crate) cssm: Cssm,
    router: Router,
    now: Timestamp,
    root: Vec<u8>,
    pub(crate) token: String,
    _spool: tempfile::TempDir,
}

impl Server {
    /// Smart accounts 1 and 2; in the first a registration token, a product instance and a usage file, all number 1.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self::with_provider(settings, None)
    }

    /// The same with a provider by which people log in.
    pub(crate) fn with_provider(settings: &Settings, provider: Option<Provider>) -> Self {
        let clock = Clock::real();
        let now = clock.now();
        let mut random = Chance::of(1);
        let (root, issuer) = SimulatedSuite::authority(&mut random);
        let db = Arc::new(any_database());
        let random = Arc::new(Mutex::new(random));
        let suite = Arc::new(SimulatedSuite);
        let cssm = Cssm::open(db, suite, issuer, random, settings.clone()).unwrap();
        for (name, domain) in [("Example", "example.net"), ("Other", "other.net")] {
            cssm.create_smart_account(now, &Actor::person("admin"), name, domain).unwrap();
        }
        let new = NewToken {
            description: "of Example".to_owned(),
            expires_after_days: 30,
            uses_max: None,
        };
        let token = cssm.create_token(now, &Actor::person("admin"), SA, VA, &new).unwrap();
        let file = Switch::new(&root, "SECRETSERIAL", now - 1000, 7).usage_file();
        let purchase = Purchase {
            license: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
            quantity: 5,
            kind: PurchaseKind::Perpetual,
            starts_at: 0,
            ends_at: None,
            order_number: String::new(),
        };
        cssm.add_purchase(now, &Actor::person("admin"), SA, VA, &purchase).unwrap();
        let upload = cssm
            .upload_usage(now, &Actor::person("admin"), SA, VA, "all_rum.txt", file.as_bytes())
            .unwrap();
        let instance = cssm.instances(SA, &Only::All, Default::default(), 10).unwrap().remove(0);
        assert_eq!((token.id.0, upload.id.0, instance.id.0), (1, 1, 1));
        let spool = tempfile::tempdir().unwrap();
        let state = CssmSite {
            chosen: Default::default(),
            people: cssm.people(),
            cssm: cssm.clone(),
            clock: Arc::new(clock),
            base_url: "https://cssm.example".into(),
            cookie: "rumline-443".into(),
            root_pem: ROOT_PEM.into(),
            sends_mail: true,
            webhooks_to_internal: true,
            provider: provider.map(Arc::new),
            spool: Spool::open(spool.path().to_owned(), cssm.kept_files()).unwrap(),
            background: Background::of(cssm.works(&[])),
            gates: Gates::default(),
            readiness: Readiness::new(|| Ok(())),
            metrics: Default::default(),
        };
        Self { cssm, router: cssm_router(state), now, root, token: token.value, _spool: spool }
    }

    /// The time at which it began.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// An API token of whoever may do everything, limited to what a caller may do.
    pub(crate) fn api_token(&self, caller: &str) -> String {
        self.log_in("global");
        let (people, by) = (self.cssm.people(), Actor::person("global"));
        let limit = Self::grant_of(caller).unwrap();
        let new =
            rumline_server::NewApiToken { name: caller.to_owned(), limit, expires_after_days: 1 };
        people.create_api_token(self.now, &by, PASSWORD, &new).unwrap().1
    }

    /// What a caller of the tests may do; nobody, nothing.
    fn grant_of(caller: &str) -> Option<Grant> {
        Some(match caller {
            "nobody" => return None,
            "other" => Grant::of(Role::Administrator, Some(OTHER.into())),
            "other part" => Grant::of_part(Role::Administrator, SA.into(), PartId(9)),
            "part viewer" => Grant::of_part(Role::Viewer, SA.into(), VA.into()),
            "part user" => Grant::of_part(Role::User, SA.into(), VA.into()),
            "part administrator" => Grant::of_part(Role::Administrator, SA.into(), VA.into()),
            "viewer" => Grant::of(Role::Viewer, Some(SA.into())),
            "user" => Grant::of(Role::User, Some(SA.into())),
            "administrator" => Grant::of(Role::Administrator, Some(SA.into())),
            _ => Grant::of(Role::Administrator, None),
        })
    }

    /// Makes a person and logs in; none for nobody.
    pub(crate) fn log_in(&self, caller: &str) -> Option<String> {
        let grant = Self::grant_of(caller)?;
        let (people, by) = (self.cssm.people(), Actor::person("admin"));
        if people.person(caller).is_err() {
            people.create(self.now, &by, caller, Some(PASSWORD), &[grant]).unwrap();
        }
        Some(self.cssm.people().log_in(self.now, caller, PASSWORD, "here").unwrap())
    }

    /// What waits for a decision in the first account: two product instances with another key (claims and an alert), and
    /// two usage files that would move one (numbers 4 and 5).
    pub(crate) fn with_decisions(settings: &Settings) -> Self {
        let server = Self::new(settings);
        let (cssm, now, admin) = (&server.cssm, server.now, Actor::person("admin"));
        let lab = cssm.create_virtual_account(now, &admin, SA, "Branch").unwrap().id;
        for spare in [SPARE, EMPTY] {
            let made = cssm.create_virtual_account(now, &admin, SA, &spare.to_string()).unwrap();
            assert_eq!(made.id, spare);
        }
        let closing = cssm.create_smart_account(now, &admin, "Closing", "closing.net").unwrap();
        assert_eq!(closing.id, CLOSING);
        let joining = cssm.create_smart_account(now, &admin, "Joining", "joining.net").unwrap();
        assert_eq!(joining.id, JOINING);
        for (name, domain, id) in
            [("Closing 2", "closing2.net", CLOSING_TOO), ("Joining 2", "joining2.net", JOINING_TOO)]
        {
            assert_eq!(cssm.create_smart_account(now, &admin, name, domain).unwrap().id, id);
        }
        for spare in [SPARE_TOO, EMPTY_TOO, EMPTY_PUBLIC] {
            let made = cssm.create_virtual_account(now, &admin, SA, &spare.to_string()).unwrap();
            assert_eq!(made.id, spare);
        }
        for (key, va) in [(8, VA), (10, VA), (7, lab), (7, lab)] {
            let file = Switch::new(&server.root, "SECRETSERIAL", now - 1000, key).usage_file();
            cssm.upload_usage(now, &admin, SA, va, "decide.txt", file.as_bytes()).unwrap();
        }
        let (claims, alerts) = (cssm.claims(SA).unwrap(), cssm.alerts(SA).unwrap());
        assert_eq!((claims.len(), alerts.len()), (2, 1));
        // What the pages' forms are about.
        let alert = |tx: &mut rumline_store::Tx<'_>| {
            let sql = "INSERT INTO alert (smart_account_id, id, kind, subject, text, raised_at,
                last_at) VALUES (1, 901, 'gap', 'x', '', 5, 5)";
            Ok::<_, rumline_cssm::Error>(tx.execute(sql, &[])?)
        };
        cssm.db().write("test.alert", alert).unwrap();
        let job = |tx: &mut rumline_store::Tx<'_>| {
            let sql = "INSERT INTO job (smart_account_id, id, kind, search, state, total,
                total_is_exact, asked_at, asked_by, newest_id) VALUES (1, 901, 'remove', 'none',
                'running', 0, 1, 5, 'eve', 0)";
            Ok::<_, rumline_cssm::Error>(tx.execute(sql, &[])?)
        };
        cssm.db().write("test.job", job).unwrap();
        let collector = |tx: &mut rumline_store::Tx<'_>| {
            let sql = "INSERT INTO collector (smart_account_id, id, virtual_account_id, kind, name,
                public_key, registered_at, registered_by) VALUES (1, 903, 1, 'CSLU', 'typed', 'x',
                5, 'eve')";
            Ok::<_, rumline_cssm::Error>(tx.execute(sql, &[])?)
        };
        cssm.db().write("test.collector", collector).unwrap();
        server.add_product_instances(902..905);
        let rival = |tx: &mut rumline_store::Tx<'_>| {
            let sql = "INSERT INTO lineage (product_instance_id, epoch, began_at, last_end_at,
                position, present, report_id, sha256, state) VALUES ($1, 'other', 5, 5, 1, 1, 1, '',
                'rival')";
            tx.execute(sql, &[HELD.into()])?;
            let sql =
                "INSERT INTO claim (smart_account_id, id, virtual_account_id, kind, pid, serial,
                public_key, through, first_at, last_at, reports) SELECT 1, $1, 1, 'other key',
                'N9K-C9504', $2, public_key, 'a test', 5, 5, 1 FROM product_instance WHERE id = 1";
            for (id, serial) in [(901, "TYPED1"), (902, "TYPED2")] {
                tx.execute(sql, &[id.into(), serial.into()])?;
            }
            Ok::<_, rumline_cssm::Error>(())
        };
        cssm.db().write("test.rival", rival).unwrap();
        assert!(
            [4, 5].iter().all(|id| cssm.usage_file(SA, UsageFileId(*id)).unwrap().set_aside == 1)
        );
        server
    }

    /// How a statement is carried out.
    pub(crate) fn plan(&self, sql: &str) -> Vec<String> {
        let count = (1..20).take_while(|number| sql.contains(&format!("${number}"))).count();
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let work = move |tx: &mut rumline_store::Tx<'_>| {
            let values = vec![rumline_store::Value::NullInt; count];
            tx.rows(&explain, &values, |row| row.text(3))
        };
        self.cssm.db().write("test.plan", work).unwrap()
    }

    /// All that a caller without rights could have changed.
    pub(crate) fn state(&self) -> String {
        let cssm = &self.cssm;
        format!(
            "{:?}",
            (
                cssm.smart_accounts(&Only::All).unwrap(),
                [SA, OTHER].map(|sa| cssm.events(sa, 1000).unwrap()),
                [SA, OTHER].map(|sa| cssm.virtual_accounts(sa).unwrap()),
                cssm.tokens(SA, VA).unwrap(),
                cssm.policy(SA, VA).unwrap(),
                cssm.instances(SA, &Only::All, Default::default(), 1000).unwrap(),
                cssm.licenses(self.now, SA).unwrap(),
                cssm.usage_files(SA, &Only::All).unwrap(),
                (cssm.alerts(SA).unwrap(), cssm.claims(SA).unwrap()),
            )
        )
    }

    /// What nobody outside the first account may read.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let secrets = [&*self.token, "SECRETSERIAL", "all_rum.txt", "of Example"];
        secrets.map(str::to_owned).to_vec()
    }

    /// A call that a route's row describes and that succeeds for whoever may make it.
    /// Many product instances, with a host name that a spreadsheet would take for a formula.
    pub(crate) fn add_product_instances(&self, ids: std::ops::Range<i64>) {
        let add = move |tx: &mut rumline_store::Tx<'_>| {
            let sql = "INSERT INTO product_instance (id, smart_account_id, virtual_account_id, pid,
                serial, identifier, public_key, software_tag, registered_at, last_contact_at,
                window_started_at, window_requests, hostname, software_version, name_key,
                serial_key, pid_key) VALUES ($1, 1, 1, 'N9K-C9504', $2, '', $3, '', 5, 5, 5, 0,
                '=cmd()', '10.4(3)', $4, $5, $6)";
            let key = "SELECT public_key FROM product_instance WHERE id = 1";
            let key: String = tx.row(key, &[], |row| row.text(0))?.unwrap();
            for id in ids.clone() {
                let serial = format!("SN{id}");
                let lower = serial.to_lowercase();
                let keys = [b"=cmd()".as_slice(), lower.as_bytes(), b"n9k-c9504"];
                let [name, serial_key, pid] = keys.map(Into::into);
                let values = [id.into(), (&serial).into(), (&key).into(), name, serial_key, pid];
                tx.execute(sql, &values)?;
            }
            Ok::<_, rumline_cssm::Error>(())
        };
        self.cssm.db().write("test.many", add).unwrap();
    }

    /// The same for whoever administers everything: of what is done to a smart account as a whole, to one that may go.
    pub(crate) fn example_for_global(&self, route: &Route) -> (String, Vec<u8>) {
        let (path, body) = self.example(route);
        let id = match (route.method, route.path) {
            ("delete", "/api/v1/smart-accounts/{sa}") => CLOSING,
            ("post", "/api/v1/smart-accounts/{sa}/merge") => JOINING,
            ("post", "/smart-accounts/{sa}/close") => CLOSING_TOO,
            ("post", "/smart-accounts/{sa}/merge") => JOINING_TOO,
            _ => return (path, body),
        };
        (route.path.replace("{sa}", &id.to_string()), body)
    }

    /// The same, where the plain one leaves all as it is.
    pub(crate) fn example_that_changes(&self, route: &Route) -> (String, Vec<u8>) {
        if route.path.ends_with("{va}/rename") {
            return (route.path.replace("{sa}", "1").replace("{va}", "3"), b"name=Typed".to_vec());
        }
        self.example_for_global(route)
    }

    pub(crate) fn example(&self, route: &Route) -> (String, Vec<u8>) {
        let path = route.path.replace("{sa}", "1").replace("{va}", "1").replace("{id}", "1");
        let path = path.replace("{login}", self.somebody(route.path));
        let path = path.replace("{tag}", "LAN_ENTERPRISE_SERVICES_PKG").replace("{topic}", "faq-1");
        let path = path.replace("{of}", "account").replace("{domain}", "example.net");
        let path = path.replace("{virtual_account}", "Default");
        let path = path.replace("{license}", "LAN_ENTERPRISE_SERVICES_PKG");
        let report =
            || self.cssm.reports(SA, rumline_cssm::InstanceId(1), 0, 1).unwrap()[0].report_id;
        let path = if path.contains("{report}") {
            path.replace("{report}", &report().to_string())
        } else {
            path
        };
        let example = route.request.unwrap_or_default().as_bytes().to_vec();
        let numbered = |id: &str| route.path.replace("{sa}", "1").replace("{id}", id);
        if let Some(example) = self.example_of_page(route) {
            return example;
        }
        if let Some(body) = self.example_of_public(route) {
            let close = route.path.ends_with("/delete");
            let path =
                if close { path.replace("Default", &EMPTY_PUBLIC.to_string()) } else { path };
            return (path, body);
        }
        if route.path.contains("/webhooks/{id}") {
            return (numbered(&self.webhook()), example);
        }
        match (route.method, route.path.rsplit('/').next().unwrap()) {
            ("post", "second-factor" | "remove" | "tokens") if path.contains("/api/v1/me/") => {
                let body = String::from_utf8(example).unwrap().replace('…', PASSWORD);
                (path, body.into_bytes())
            }
            ("post", "reset") => {
                self.set_factor("victim");
                (path, example)
            }
            ("delete", "{id}") if path.contains("/people/victim/logins") => (
                route.path.replace("{login}", "victim").replace("{id}", &self.login_of("victim")),
                example,
            ),
            ("delete", "{id}") if path.contains("/me/logins") || path.contains("/me/tokens") => {
                (route.path.replace("{id}", &self.login_of_caller()), example)
            }
            ("get", "use-sources" | "license-uses") => {
                (format!("{path}?license=LAN_ENTERPRISE_SERVICES_PKG"), example)
            }
            ("post", "acknowledge" | "clear") if route.path.starts_with("/api/v1/alerts/") => {
                let alert = |tx: &mut rumline_store::Tx<'_>| {
                    let sql = "INSERT INTO alert (smart_account_id, id, kind, subject, text,
                        raised_at, last_at) VALUES (0, 900, 'failed logins', 'eve', '', 5, 5)
                        ON CONFLICT DO NOTHING";
                    Ok::<_, rumline_cssm::Error>(tx.execute(sql, &[])?)
                };
                self.cssm.db().write("test.alert", alert).unwrap();
                (route.path.replace("{id}", "900"), example)
            }
            ("get" | "delete", "{id}") if route.path.contains("/jobs/") => {
                let job = |tx: &mut rumline_store::Tx<'_>| {
                    let sql = "INSERT INTO job (smart_account_id, id, kind, search, state, total,
                        total_is_exact, asked_at, asked_by, newest_id) VALUES (1, 900, 'remove',
                        'none', 'running', 0, 1, 5, 'eve', 0) ON CONFLICT DO NOTHING";
                    Ok::<_, rumline_cssm::Error>(tx.execute(sql, &[])?)
                };
                self.cssm.db().write("test.job", job).unwrap();
                (numbered("900"), example)
            }
            ("post", "dismiss") => (numbered("2"), example),
            ("post", "move") if route.summary.is_empty() => (numbered("5"), example),
            (_, "set-aside" | "move") => (numbered("4"), example),
            ("post", "license") => (path, self.trust_message()),
            ("post", "DDCEService" | "DCCEService") => {
                (path, enveloped(&self.trust_message()).write().into_bytes())
            }
            ("post", "login") if route.summary.is_empty() => {
                self.cssm
                    .people()
                    .add(
                        self.now,
                        &Actor::person("admin"),
                        "eve",
                        PASSWORD,
                        Role::Viewer,
                        Some(SA.into()),
                    )
                    .unwrap();
                (path, format!("login=eve&password={}", PASSWORD.replace(' ', "+")).into_bytes())
            }
            ("post", "collect") => (path, self.bundle("Default")),
            ("post", "collectors") => (path, self.registration("Default").to_string().into_bytes()),
            ("post", "login") => {
                self.cssm
                    .people()
                    .add(
                        self.now,
                        &Actor::person("admin"),
                        "eve",
                        PASSWORD,
                        Role::Viewer,
                        Some(SA.into()),
                    )
                    .unwrap();
                let body = serde_json::json!({ "login": "eve", "password": PASSWORD });
                (path, body.to_string().into_bytes())
            }
            ("post", "people") => {
                static NUMBER: AtomicI64 = AtomicI64::new(0);
                let login = format!("new-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
                let body = String::from_utf8(example).unwrap().replace('…', PASSWORD);
                (path, body.replace("eve", &login).replace("ann", &login).into_bytes())
            }
            ("post", "password") if path.contains("/me/") => {
                let body = serde_json::json!({ "old": PASSWORD, "new": "another password" });
                (path, body.to_string().into_bytes())
            }
            ("post", "password") => {
                (path, serde_json::json!({ "password": PASSWORD }).to_string().into_bytes())
            }
            ("post", "merge") if !route.path.contains("{va}") => (path, example),
            ("post", "merge") => {
                (route.path.replace("{sa}", "1").replace("{va}", &SPARE.to_string()), example)
            }
            ("delete", "{va}") => {
                (route.path.replace("{sa}", "1").replace("{va}", &EMPTY.to_string()), example)
            }
            ("post", "license-transfers") => {
                let body = String::from_utf8(example).unwrap();
                (path, body.replace("\"to\":1", &format!("\"to\":{EMPTY}")).into_bytes())
            }
            ("delete", "roles") => (format!("{path}?smart_account_id=1"), example),
            ("post", "smart-accounts") => {
                let body = String::from_utf8(example).unwrap();
                (path, body.replace("Example", "New").replace("example", "new").into_bytes())
            }
            ("post", "usage-files") => {
                let switch = Switch::new(&self.root, "SECRETSERIAL", self.now - 1000, 7);
                (format!("{path}?name=again.txt"), switch.usage_file().into_bytes())
            }
            _ => (path, example),
        }
    }

    /// What is sent to the public API, where the example of the row is not enough.
    fn example_of_public(&self, route: &Route) -> Option<Vec<u8>> {
        if route.refusal == Refusal::Problem {
            return None;
        }
        let example = route.request.unwrap_or_default().to_owned();
        let body = match route.path.rsplit('/').next().unwrap() {
            "token.oauth2" | "token" => {
                format!(
                    "grant_type=client_credentials&client_id=oauth&client_secret={}",
                    self.secret("oauth", Grant::of(Role::Viewer, Some(SA.into())))
                )
            }
            "virtual-accounts" if route.method == "post" => {
                static NUMBER: AtomicI64 = AtomicI64::new(0);
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                example.replace("Lab", &format!("Lab {number}"))
            }
            // No claim is about this one.
            "reportusage" => self.reported("NETWORK", 9).to_string(),
            _ => example,
        };
        Some(body.into_bytes())
    }

    /// A program with a role, and its secret; one that is there gets another secret.
    pub(crate) fn secret(&self, login: &str, grant: Grant) -> String {
        let (people, by) = (self.cssm.people(), Actor::person("admin"));
        match people.create(self.now, &by, login, None, &[grant]) {
            Ok(secret) => secret.unwrap(),
            Err(_) => people.renew_secret(self.now, &by, login).unwrap(),
        }
    }

    /// What a product instance reports, as a call of the public API brings it.
    pub(crate) fn reported(&self, serial: &str, key: u64) -> serde_json::Value {
        let file = Switch::new(&self.root, serial, self.now - 1000, key).usage_file();
        let document = Document::parse(file.as_bytes()).unwrap();
        let usage: Vec<_> = document
            .reports
            .iter()
            .map(|report| {
                serde_json::json!({ "payload": report.payload, "signature": report.signature })
            })
            .collect();
        let sudi = &document.reports[0].report.udi;
        serde_json::json!({ "data": {
            "timestamp": self.now.millis(),
            "nonce": "nonce-of-a-call",
            "reports": [{ "sudi": sudi, "usage": usage }],
        } })
    }

    /// What is typed into the forms of CSSM's pages, about things that nothing else is done to.
    fn example_of_page(&self, route: &Route) -> Option<(String, Vec<u8>)> {
        if !route.summary.is_empty() || route.method != "post" {
            return None;
        }
        let numbered = |id: &str| {
            let path = route.path.replace("{sa}", "1").replace("{va}", "1").replace("{id}", id);
            path.replace("{login}", "typed").replace("{of}", "account")
        };
        let of_part =
            |va: VirtualAccountId| route.path.replace("{sa}", "1").replace("{va}", &va.to_string());
        if route.path.contains("/webhooks/{id}") {
            return Some((numbered(&self.webhook()), Vec::new()));
        }
        if route.path.starts_with("/me/logins/") {
            return Some((numbered("1"), format!("id={}", self.login_of_caller()).into_bytes()));
        }
        if route.path.starts_with("/people/{login}") {
            let (people, by) = (self.cssm.people(), Actor::person("admin"));
            let grant = Grant::of(Role::Viewer, Some(SA.into()));
            let _made = people.create(self.now, &by, "typed", Some(PASSWORD), &[grant]);
            let _granted = people.grant(self.now, &by, "typed", grant);
        }
        let password = PASSWORD.replace(' ', "+");
        if route.path == "/people/{login}/reset-second-factor" {
            self.set_factor("typed");
        }
        let (id, body) = match (route.path, route.path.rsplit('/').next().unwrap()) {
            ("/smart-accounts/{sa}/virtual-accounts/{va}/transfer", _) => {
                ("1", "license=LAN_ENTERPRISE_SERVICES_PKG&quantity=1&to=3".to_owned())
            }
            ("/smart-accounts/{sa}/rename", _) => {
                ("1", "name=Example&domain=renamed.example.net".to_owned())
            }
            ("/me/second-factor", _) => ("1", format!("password={password}")),
            ("/me/second-factor/confirm", _) => ("1", "code=1".to_owned()),
            ("/me/second-factor/remove", _) => ("1", format!("password={password}&code=1")),
            ("/me/tokens", _) => {
                let new = "name=of+a+form&role=viewer&scope_id=&expires_after_days=30";
                ("1", format!("{new}&password={password}"))
            }
            (_, "end-login") => ("1", format!("id={}", self.login_of("typed"))),
            (_, "end-logins" | "reset-second-factor") => ("1", String::new()),
            (_, "webhooks") => ("1", "url=https://hooks.example.net/&kinds=alert".to_owned()),
            (_, "rename") => ("1", "name=Default".to_owned()),
            (_, "merge") => {
                return Some((of_part(SPARE_TOO), b"into=1".to_vec()));
            }
            (_, "close") => return Some((of_part(EMPTY_TOO), Vec::new())),
            (_, "accept") => ("901", String::new()),
            (_, "dismiss") => ("902", String::new()),
            (_, "epoch") => ("904", "epoch=".to_owned()),
            (_, "{of}") => {
                let days = "first_report_days=30&ongoing_report_days=90&on_change_report_days=31";
                ("1", format!("policy_name=Typed&reporting_ack_required=on&{days}&lifetime_days="))
            }
            (_, "back") => ("1", String::new()),
            (_, "acknowledge" | "settle" | "cancel") => ("901", String::new()),
            ("/smart-accounts/{sa}/collectors/{id}/remove", _) => ("903", String::new()),
            (_, "remove") => ("902", String::new()),
            (_, "transfer") => ("1", "ids=903&into=3".to_owned()),
            (_, "transfer-all") => ("1", "search=nothing+of+that+name&into=3".to_owned()),
            (_, "tokens") => ("1", "description=of+a+form&expires_after_days=30".to_owned()),
            (_, "revoke" | "disable" | "enable" | "test") => ("1", String::new()),
            ("/me/password", _) => ("1", "old=wrong&new=another+password".to_owned()),
            ("/me/mail", _) => ("1", "address=eve@example.net&pace=daily&kinds=".to_owned()),
            ("/people", _) => {
                static NUMBER: AtomicI64 = AtomicI64::new(0);
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                ("1", format!("login=typed-{number}&password={password}&role=viewer&scope_id="))
            }
            ("/smart-accounts/{sa}/people/grant", _) => {
                self.somebody("/{login}");
                ("1", format!("login=victim&role=user&password={password}"))
            }
            ("/smart-accounts/{sa}/people/take-back", _) => {
                self.somebody("/{login}");
                ("1", "login=victim&part_id=".to_owned())
            }
            (_, "password") => ("1", format!("password={password}")),
            (_, "grant") => ("1", "role=user&scope_id=1".to_owned()),
            (_, "take-back") => ("1", "scope_id=1&part_id=".to_owned()),
            ("/smart-accounts", _) => ("1", "name=Typed&domain=typed.example.net".to_owned()),
            (_, "virtual-accounts") => ("1", "name=Typed".to_owned()),
            (_, "purchases") => {
                let of = "license=LAN_ENTERPRISE_SERVICES_PKG&virtual_account_id=1&quantity=3";
                ("1", format!("{of}&kind=perpetual"))
            }
            ("/smart-accounts/{sa}/reports/purchases/{id}", _) => {
                ("1", "virtual_account_id=1&quantity=1&reason=typed".to_owned())
            }
            (_, "files") => {
                let switch = Switch::new(&self.root, "SECRETSERIAL", self.now - 1000, 7);
                return Some((numbered("1"), form("again.txt", &switch.usage_file())));
            }
            (_, "{chosen}") => ("1", "virtual_account_id=1".to_owned()),
            _ => return None,
        };
        Some((numbered(id), body.into_bytes()))
    }

    /// Gives somebody a second factor.
    pub(crate) fn set_factor(&self, login: &str) -> rumline_server::Enrolment {
        let (people, by) = (self.cssm.people(), Actor::person(login));
        people.set_password(self.now, &by, login, PASSWORD).unwrap();
        if people.second_factor(self.now, login, Default::default()).unwrap().since.is_some() {
            let other = Actor::person("who-administers");
            people.reset_second_factor(self.now, &other, login).unwrap();
        }
        let begun =
            people.begin_second_factor(self.now, &by, PASSWORD, Default::default()).unwrap();
        let code = begun.secret.code(rumline_server::step_at(self.now));
        people.confirm_second_factor(self.now, &by, &code, Default::default()).unwrap();
        begun
    }

    /// The number of a webhook of the first account.
    fn webhook(&self) -> String {
        let people = self.cssm.people();
        if let Some(one) = people.webhooks(SA.into()).unwrap().first() {
            return one.id.to_string();
        }
        let by = Actor::person("admin");
        let url = "https://hooks.example.net/x";
        let made = people.create_webhook(self.now, &by, SA.into(), url, &[]).unwrap();
        made.0.id.to_string()
    }

    /// The number of an API token of somebody, which is ended as a login is.
    fn login_of(&self, login: &str) -> String {
        let limit = Grant::of(Role::Viewer, None);
        let new =
            rumline_server::NewApiToken { name: "x".to_owned(), limit, expires_after_days: 1 };
        let by = Actor::person(login);
        self.cssm.people().create_api_token(self.now, &by, PASSWORD, &new).unwrap().0.id.to_string()
    }

    /// The same of whoever calls.
    fn login_of_caller(&self) -> String {
        let is_here = |login: &&&str| self.cssm.people().person(login).is_ok();
        crate::CALLERS.iter().find(is_here).map_or("1".to_owned(), |login| self.login_of(login))
    }

    /// Somebody whom a path may name: a program where its secret is renewed, else a person with a role in the first account.
    fn somebody(&self, path: &str) -> &'static str {
        let (people, by) = (self.cssm.people(), Actor::person("admin"));
        let (login, password) =
            if path.ends_with("/secret") { ("robot", None) } else { ("victim", Some(PASSWORD)) };
        let grant = Grant::of(Role::Viewer, Some(SA.into()));
        if path.contains("{login}")
            && people.create(self.now, &by, login, password, &[grant]).is_err()
        {
            people.grant(self.now, &by, login, grant).unwrap();
        }
        login
    }

    /// A collector's registration for a virtual account of the first smart account.
    fn registration(&self, virtual_account: &str) -> serde_json::Value {
        let signer = collector_key();
        let text = registration_text("Example", virtual_account, "lab");
        serde_json::json!({
            "kind": "CSLU",
            "name": "lab",
            "public_key": signer.public_key().to_text(),
            "proof": base64(&signer.sign(text.as_bytes())),
        })
    }

    /// A bundle with nothing inside, of a collector that is registered.
    pub(crate) fn bundle(&self, virtual_account: &str) -> Vec<u8> {
        if self.cssm.collectors(SA).unwrap().iter().all(|one| one.name != "lab") {
            let new = serde_json::from_value(self.registration("Default")).unwrap();
            self.cssm.register_collector(self.now, &Actor::person("admin"), SA, VA, &new).unwrap();
        }
        let manifest = Manifest {
            id: "1".to_owned(),
            created_by: "CSLU lab".to_owned(),
            smart_account: "Example".to_owned(),
            smart_account_id: None,
            parts: Vec::new(),
        };
        let scratch = std::io::Cursor::new(Vec::new());
        let writer = BundleWriter::new(scratch, "UD_VA_1.tar.gz".to_owned(), self.now);
        let sign = |manifest: &Manifest| manifest.signed_by_collector(collector_key().as_ref());
        writer.finish(manifest, (virtual_account, None), sign, Vec::new()).unwrap()
    }

    pub(crate) fn trust_message(&self) -> Vec<u8> {
        self.switch_and_trust_message().1
    }

    fn switch_and_trust_message(&self) -> (Switch, Vec<u8>) {
        let id_token = self.token.clone();
        let mut switch = Switch::new(&self.root, "NETWORK", self.now, 9);
        let message = switch.handle(Input::Trust { id_token, all: false, force: true });
        (switch, message)
    }

    /// The same device asks for what it misses.
    pub(crate) fn sync_message(&self) -> Vec<u8> {
        let (mut switch, message) = self.switch_and_trust_message();
        let mut request: Message = serde_json::from_slice(&message).unwrap();
        request.body = RequestBody::SYNC;
        // Each is later than the one before: the same again would be a repetition, which costs the device nothing.
        static MILLIS: AtomicI64 = AtomicI64::new(0);
        request.timestamp = self.now.millis() + MILLIS.fetch_add(1, Ordering::Relaxed);
        let key = switch.disk.read("device.key").unwrap().unwrap();
        let signer = SimulatedSuite.load_device_key(&key).unwrap();
        request.proof = Some(base64(&signer.sign(request.proof_text(self.cssm.id()).as_bytes())));
        serde_json::to_vec(&request).unwrap()
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: impl Into<Body>,
    ) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers: Vec<(&str, &str)> =
            bearer.iter().map(|value| (header::AUTHORIZATION.as_str(), value.as_str())).collect();
        if path.starts_with("/services/") {
            headers.extend([("x-csw-smart-account-id", "1"), ("x-csw-virtual-account-id", "1")]);
        }
        self.send(method, path, &headers, body).await
    }

    /// The status of a request over a connection that is secured so.
    pub(crate) async fn status_over(&self, secured: Secured, method: &str, path: &str) -> u16 {
        let request = Request::builder().method(&*method.to_uppercase()).uri(path);
        let request = request.extension(secured).body(Body::empty()).unwrap();
        answer(&self.router, request).await.status().as_u16()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(&*method.to_uppercase()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body: Body = body.into();
        // Pages take forms; what is sent by the tests of the API needs no type.
        let is_page = !["/api", "/licservice", "/its"].iter().any(|start| path.starts_with(start));
        if method == "post" && is_page {
            let kind = if path.ends_with("/reports/files") {
                "multipart/form-data; boundary=edge"
            } else {
                "application/x-www-form-urlencoded"
            };
            request = request.header("content-type", kind);
        }
        let request = request.body(body).unwrap();
        let response = answer(&self.router, request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), 64 << 20).await.unwrap().to_vec();
        let answer = Answer { status, headers, body };
        let asked = crate::document::Asked { method, path };
        let answered = crate::document::Answered {
            status,
            content_type: answer.header("content-type"),
            body: answer.bytes(),
        };
        if answer.header("content-encoding").is_empty() {
            let undocumented = document().undocumented(&asked, &answered);
            assert_eq!(undocumented, None, "an answer that the document does not tell of");
        }
        answer
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// The cookies it sets.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = &str> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        all.filter_map(|value| value.to_str().ok())
    }

    /// The status as a program would see it: a page sends people on, to the way in or back to a page.
    pub(crate) fn plain_status(&self) -> u16 {
        match (self.status, self.headers.get(header::LOCATION)) {
            (303, Some(to)) if to.to_str().unwrap().starts_with("/login?") => 401,
            (303, Some(_)) => 200,
            (status, _) => status,
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Why this is no problem document, if it is none.
    pub(crate) fn no_problem(&self) -> Option<String> {
        let content_type = self.header("content-type");
        if content_type != "application/problem+json" {
            return Some(format!("is {content_type:?}: {}", self.text()));
        }
        let value: serde_json::Value = serde_json::from_str(&self.text()).unwrap();
        let whole = value["type"] == "about:blank"
            && value["status"] == self.status
            && value["title"].is_string()
            && value["detail"].as_str().is_some_and(|detail| !detail.is_empty());
        (!whole).then(|| value.to_string())
    }

    /// Why this is no refusal in the form of a route, if it is none.
    pub(crate) fn no_refusal(&self, refusal: Refusal) -> Option<String> {
        let members: &[&str] = match refusal {
            Refusal::Problem => return self.no_problem(),
            Refusal::Account => &["status", "statusMessage"],
            Refusal::Device => &["message", "message_code", "status"],
            Refusal::Token => &["error", "error_description"],
        };
        let value: serde_json::Value = serde_json::from_str(&self.text()).unwrap_or_default();
        let found: Vec<&String> =
            value.as_object().into_iter().flat_map(|all| all.keys()).collect();
        let text = ["statusMessage", "message", "error_description"];
        let is_told =
            text.iter().any(|name| value[*name].as_str().is_some_and(|it| !it.is_empty()));
        let whole =
            found == members && is_told && self.header("content-type") == "application/json";
        (!whole).then(|| self.text())
    }

    pub(crate) fn assert_problem(&self) {
        assert_eq!(self.no_problem(), None);
    }
}

/// Compares with a golden file; what was found instead is left beside the build.
pub(crate) fn assert_golden(name: &str, golden: &str, found: &str) {
    if golden != found {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, found).unwrap();
        panic!("golden/{name} says something else than {}", path.display());
    }
}
