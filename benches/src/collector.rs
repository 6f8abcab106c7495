//! A CSLU with many product instances: taking reports in, forwarding them by wire and by file, starting anew.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rumline_collector::MIGRATIONS;
use rumline_net::{HttpClient, OsRandom, pem_to_der};
use rumline_protocol::{
    EntitlementTag, PublicKey, RealSuite, ReportSignature, Request, RequestBody, Response,
    ResponseStatus, SignedReport, Signer, Suite, Timestamp, Udi, UsageItem, asset_signature,
    sign_report,
};
use rumline_store::{Db, StoreError};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::ingest::{call, report, request};
use crate::processes::{self, Folder};
use crate::rounds::Rounds;
use crate::{CONNECTIONS, float};

/// The original's stated limit (CSLU-021), and ten times that.
const FIRST: usize = 10_000;
const ALL: usize = 100_000;
/// Keys are dear to make: many devices share one.
const KEYS: usize = 16;
/// Of others, before anything is measured: so that neither side counts its start.
const WARM_UP: usize = 1_000;
/// Rows in a commit, where the limit is measured.
const GROUP: usize = 64;

/// A server under test and how it is called.
pub(crate) struct Server {
    pub process: Child,
    url: String,
    http: HttpClient,
    token: String,
}

impl Server {
    async fn start(arguments: &[&str], up: &str, dir: &str, password: &str) -> Result<Self> {
        let (process, line) = processes::start(arguments, up).await?;
        let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
        let roots = pem_to_der(&fs::read(format!("{dir}/root.pem"))?)?;
        let http = HttpClient::new(&roots, Duration::from_secs(600))?.with_answers_up_to(1 << 30);
        let password = fs::read_to_string(password)?;
        let login = json!({ "login": "admin", "password": password.trim() });
        let answer = call(&http, &format!("{url}/api/v1/login"), None, &login).await?;
        let token = answer["token"].as_str().context("no token")?.to_owned();
        Ok(Self { process, url, http, token })
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let url = format!("{}/api/v1{path}", self.url);
        let kind = "application/json";
        let reply = self.http.send(method, &url, Some(&self.token), kind, body).await?;
        let text = || String::from_utf8_lossy(&reply.body).chars().take(300).collect::<String>();
        ensure!(reply.status == 200, "{path}: {} {}", reply.status, text());
        Ok(reply.body)
    }

    async fn json(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Ok(serde_json::from_slice(&self.send(method, path, body).await?)?)
    }
}

pub(crate) async fn start_cssm(dir: &str) -> Result<Server> {
    let password = format!("{dir}.password");
    let arguments =
        ["cssm", "--dir", dir, "--listen", "127.0.0.1:0", "--admin-password-file", &password];
    let server = Server::start(&arguments, "CSSM listens on ", dir, &password).await?;
    let account = json!({ "name": "Bench", "domain": "bench.test" });
    server.json("POST", "/smart-accounts", &account).await?;
    Ok(server)
}

/// Where product instances reach the CSLU.
const DEVICE_LISTEN: &str = "127.77.0.9:8182";
/// The CSLUs that take in the first: what one of them needs is soon over, and not every minute is like another.
const COLLECTORS: usize = 3;

fn cslu_arguments<'a>(data: &'a str, password: &'a str) -> Vec<&'a str> {
    vec![
        "cslu",
        "--dir",
        data,
        "--listen",
        "127.0.0.1:0",
        "--device-listen",
        DEVICE_LISTEN,
        "--admin-password-file",
        password,
    ]
}

fn settings(connected: bool) -> Value {
    json!({ "smart_account": "Bench", "virtual_account": "Default", "connected": connected,
        "sync_minutes": 0 })
}

pub(crate) async fn run(own_ingest_per_second: Option<f64>) -> Result<()> {
    let folder = Folder::new("collector")?;
    let dir = folder.0.display().to_string();
    let password = format!("{dir}/cslu.password");
    println!("collector: making {ALL} signed reports of {ALL} product instances");
    let bodies = make_bodies()?;
    let device_url = format!("http://{DEVICE_LISTEN}/cslu/v1/pi");
    let (warm_up, rest) = bodies.split_at(WARM_UP);
    let (first, rest) = rest.split_at(FIRST);
    let (mut limit, mut taking_in) = (Rounds::default(), Rounds::default());
    let raw = |round| parse_and_commit(first, &format!("{dir}/raw-{round}.db"));
    limit.measure(raw)?;
    let mut round = 1;
    let (data, mut cslu, fleet) = loop {
        let data = format!("{dir}/cslu-{round}");
        let arguments = cslu_arguments(&data, &password);
        let mut cslu = Server::start(&arguments, "CSLU listens on ", &data, &password).await?;
        cslu.json("PUT", "/tenants/1/settings", &settings(false)).await?;
        let fleet = Fleet::new()?;
        push_all(&fleet, &device_url, warm_up.to_vec()).await?;
        let before = processes::cpu_seconds(&cslu.process)?;
        push_all(&fleet, &device_url, first.to_vec()).await?;
        taking_in.add(processes::cpu_seconds(&cslu.process)? - before);
        limit.measure(raw)?;
        if round == COLLECTORS {
            break (data, cslu, fleet);
        }
        cslu.process.kill().await?;
        round += 1;
    };
    let first_cpu = taking_in.median() / float(FIRST);
    let raw = limit.median() / float(FIRST);
    let first_kib = processes::resident_kib(&cslu.process)?;
    let before = processes::cpu_seconds(&cslu.process)?;
    let started = crate::wall_seconds();
    push_all(&fleet, &device_url, rest.to_vec()).await?;
    let wall = crate::wall_seconds() - started;
    let rest_cpu = (processes::cpu_seconds(&cslu.process)? - before) / float(rest.len());
    println!("  raw parse + group commit    {:7.1} us CPU a report", raw * 1e6);
    println!(
        "  first {FIRST:>6}: server      {:7.1} us CPU a report, {:.1} x raw (wanted: 3.0), {first_kib} KiB resident",
        first_cpu * 1e6,
        first_cpu / raw
    );
    println!(
        "  up to {ALL:>6}: server      {:7.1} us CPU a report, {:.2} x the first (wanted: 1.15), {} KiB resident",
        rest_cpu * 1e6,
        rest_cpu / first_cpu,
        processes::resident_kib(&cslu.process)?
    );
    println!("  throughput                  {:7.0} reports/s", float(rest.len()) / wall);
    let by_file = by_file(&cslu, &dir).await?;
    cslu.process.kill().await?;
    let b = start_cssm(&format!("{dir}/cssm-b")).await?;
    let started = crate::wall_seconds();
    let root = format!("{dir}/cssm-b/root.pem");
    let mut online = cslu_arguments(&data, &password);
    online.extend(["--cssm", &b.url, "--root", &root]);
    let cslu = Server::start(&online, "CSLU listens on ", &data, &password).await?;
    push_all(&Fleet::new()?, &device_url, vec![bodies[0].clone()]).await?;
    let start = crate::wall_seconds() - started;
    println!("  start to first answer       {start:7.2} s with {ALL} known (wanted: 1.00)");
    cslu.json("PUT", "/tenants/1/settings", &settings(true)).await?;
    let cssm_password = fs::read_to_string(format!("{dir}/cssm-b.password"))?;
    let login = json!({ "login": "admin", "password": cssm_password.trim() });
    let started = crate::wall_seconds();
    cslu.json("POST", "/tenants/1/cisco-login", &login).await?;
    loop {
        let tenant = cslu.json("GET", "/tenants/1", &Value::Null).await?;
        ensure!(tenant["sync_error"].is_null(), "{tenant}");
        if tenant["last_sync_at"].is_i64() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let online = crate::wall_seconds() - started;
    println!("  forwarded by wire           {online:7.1} s for {ALL} reports");
    if let Some(own) = own_ingest_per_second {
        let own = float(ALL) / own;
        println!("    against CSSM's own ingest {:7.2} x {own:.1} s (wanted: 1.50)", online / own);
    }
    println!("  the same by one bundle      {:7.2} x that (wanted: below 1)", by_file / online);
    Ok(())
}

/// Exports everything, uploads it at a CSSM, and once more; returns the seconds of export and first upload.
async fn by_file(cslu: &Server, dir: &str) -> Result<f64> {
    let cssm = start_cssm(&format!("{dir}/cssm-a")).await?;
    let started = crate::wall_seconds();
    let bundle = cslu.send("POST", "/tenants/1/export", Vec::new()).await?;
    let exported = crate::wall_seconds() - started;
    let upload = "/smart-accounts/1/virtual-accounts/1/usage-files?name=UD_SA.tar.gz";
    let started = crate::wall_seconds();
    let mut file: Value =
        serde_json::from_slice(&cssm.send("POST", upload, bundle.clone()).await?)?;
    let path = format!("/smart-accounts/1/usage-files/{}", file["id"]);
    while file["status"] == "Processing" {
        tokio::time::sleep(Duration::from_millis(50)).await;
        file = cssm.json("GET", &path, &Value::Null).await?;
    }
    let uploaded = crate::wall_seconds() - started;
    ensure!(file["reports_new"] == ALL && file["status"] == "No Errors", "{file}");
    let size = bundle.len() >> 20;
    let started = crate::wall_seconds();
    let again: Value = serde_json::from_slice(&cssm.send("POST", upload, bundle).await?)?;
    let repeated = crate::wall_seconds() - started;
    ensure!(again["id"] == file["id"], "{again}");
    println!("  bundle of {size} MiB: export {exported:.1} s, upload {uploaded:.1} s");
    println!(
        "  uploaded again              {:7.1} x faster (wanted: 10), no new row; CSSM {} KiB resident",
        uploaded / repeated,
        processes::resident_kib(&cssm.process)?
    );
    Ok(exported + uploaded)
}

fn make_bodies() -> Result<Vec<Vec<u8>>> {
    let tag = EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_bench")?;
    let signers: Result<Vec<Box<dyn Signer>>, _> =
        (0..KEYS).map(|_| RealSuite.generate_device_key(&mut OsRandom)).collect();
    let signers = signers?;
    let mut bodies = Vec::with_capacity(ALL);
    for number in 0..ALL {
        let signer = signers[number % KEYS].as_ref();
        let udi = Udi::new("N9K-C93180YC-FX3", &format!("BENCH{number:07}"))?;
        let asset = asset_signature(signer, &udi, "bench");
        let signed = sign_report(report(&udi, &tag, &asset, 0, Timestamp(1_700_000_000)), signer);
        let (payload, signature) = (signed.payload, signed.signature);
        let usage = vec![UsageItem { payload, signature }];
        let body = RequestBody::UsageReport {
            usage,
            trust_requests: Vec::new(),
            smart_license: None,
            sync: false,
        };
        let mut message = request(&udi, body);
        message.public_key = Some(signer.public_key().clone());
        bodies.push(serde_json::to_vec(&message)?);
    }
    Ok(bodies)
}

/// Product instances on their connections.
struct Fleet(Vec<HttpClient>);

impl Fleet {
    fn new() -> Result<Self> {
        let client = |_| HttpClient::new(&[], Duration::from_secs(60));
        Ok(Self((0..CONNECTIONS).map(client).collect::<Result<_, _>>()?))
    }
}

async fn push_all(fleet: &Fleet, url: &str, bodies: Vec<Vec<u8>>) -> Result<()> {
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    let mut senders = Vec::new();
    for http in &fleet.0 {
        let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
        let (http, url) = (http.clone(), url.to_owned());
        senders.push(tokio::spawn(async move {
            loop {
                let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    return Ok(());
                };
                let reply = http.send("POST", &url, None, "application/json", body.clone()).await?;
                let answer: Response = serde_json::from_slice(&reply.body)?;
                let taken = matches!(answer.status, ResponseStatus::Ok | ResponseStatus::OkPoll);
                ensure!(taken, "not taken: {}", answer.status_message);
            }
        }));
    }
    for sender in senders {
        sender.await??;
    }
    Ok(())
}

/// CPU seconds of what a CSLU cannot leave out: read the message and the report in it, and write the rows that are left
/// of them, in its own tables and a commit with others.
fn parse_and_commit(bodies: &[Vec<u8>], file: &str) -> Result<f64> {
    const INSTANCE: &str = "INSERT INTO instance (tenant_id, id, pid, serial, public_key, hostname,
        software_version, software_tag, added_at, added_by, last_contact_at, last_report_at,
        wants_answer, waiting, refused, undelivered, policy_at, removed_id)
        VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, 'first contact', $8, $8, 0, 1, 0, 0, 0, 0)";
    const REPORT: &str = "INSERT INTO report (tenant_id, instance_id, report_id, rival, state,
        received_at, sha256, payload, signature) VALUES (1, $1, $2, 0, 0, $3, $4, $5, $6)";
    const USE: &str = "INSERT INTO license_use (tenant_id, instance_id, tag, count, as_of,
        report_id) VALUES (1, $1, $2, $3, $4, $5)";
    let db = Db::open_sqlite(std::path::Path::new(file))?;
    db.migrate(MIGRATIONS)?;
    let started = crate::cpu_seconds();
    for (index, group) in bodies.chunks(GROUP).enumerate() {
        let mut parsed = Vec::with_capacity(group.len());
        for body in group {
            let mut message: Request = serde_json::from_slice(body)?;
            let body = std::mem::replace(&mut message.body, RequestBody::SYNC);
            let RequestBody::UsageReport { mut usage, .. } = body else { continue };
            let item = usage.remove(0);
            parsed.push((message, SignedReport::from_parts(item.payload, item.signature)?));
        }
        let first = i64::try_from(index * GROUP)?;
        let now = rumline_net::Clock::real().now().0;
        db.write("bench.group", move |tx| {
            for (id, (message, signed)) in (first..).zip(&parsed) {
                let SignedReport { report, payload, signature } = signed;
                let key = message.public_key.as_ref().map(PublicKey::to_text);
                let values = [
                    id.into(),
                    (&report.udi.pid).into(),
                    (&report.udi.serial).into(),
                    key.as_deref().into(),
                    message.hostname.as_deref().into(),
                    message.software_version.as_deref().into(),
                    (&message.software_tag_identifier).into(),
                    now.into(),
                ];
                tx.execute(INSTANCE, &values)?;
                let number = i64::try_from(report.report_id).unwrap_or_default();
                let sha256 = signed.sha256();
                let ReportSignature { signing_type, key, value, .. } = signature;
                let signature = format!("{signing_type} {key} {value}");
                let values = [
                    id.into(),
                    number.into(),
                    now.into(),
                    sha256[..].into(),
                    payload.into(),
                    (&signature).into(),
                ];
                tx.execute(REPORT, &values)?;
                let tag = report.entitlement_tag.as_str();
                let (count, end_at) = (i64::from(report.last_count()), report.end_at().0);
                let values = [id.into(), tag.into(), count.into(), end_at.into(), number.into()];
                tx.execute(USE, &values)?;
            }
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(crate::cpu_seconds() - started)
}
