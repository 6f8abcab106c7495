//! Reports into CSSM over HTTPS, durable, one report a request: on SQLite, or on a PostgreSQL that somebody runs.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rumline_net::{HttpClient, OsRandom, pem_to_der};
use rumline_protocol::{
    Acknowledgement, AssetSignature, Authority, Document, EntitlementTag, HaMember, Lineage,
    MESSAGE_VERSION, Measurement, PreviousReport, Purpose, RealSuite, Request, RequestBody,
    Response, ResponseStatus, Role, RumReport, Signed, SignedReport, SignedText, Signer,
    StatusCode, Suite, TerminationReason, Timestamp, TrustRequest, Udi, UsageItem,
    acknowledgement_text, asset_signature, base64, cssm_id, random_hex, sign_report,
};
use serde_json::{Value, json};

use crate::processes::{self, Folder};
use crate::rounds::Rounds;
use crate::{CONNECTIONS, float};

const DEVICES: usize = 16;
const REPORTS: usize = 40_000;

struct Device {
    udi: Udi,
    signer: Box<dyn Signer>,
    reports: Vec<SignedReport>,
}

/// Returns reports taken a second; in a PostgreSQL with nothing in it if one is named, else on SQLite.
pub(crate) async fn run(database: Option<&str>) -> Result<f64> {
    let folder = Folder::new("ingest")?;
    let dir = folder.0.display().to_string();
    let (data, password) = (format!("{dir}/cssm"), format!("{dir}/password"));
    let mut arguments = vec![
        "cssm",
        "--dir",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--requests-per-hour",
        "0",
        "--ack-delay-seconds",
        "0",
        "--admin-password-file",
        &password,
    ];
    arguments.extend(database.into_iter().flat_map(|url| ["--db", url]));
    let engine = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    let (server, line) = processes::start(&arguments, "CSSM listens on ").await?;
    let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
    let roots = pem_to_der(&fs::read(format!("{data}/root.pem"))?)?;
    let http = HttpClient::new(&roots, Duration::from_secs(60))?;
    let token = prepare(&http, &url, &fs::read_to_string(&password)?).await?;
    println!("ingest on {engine}: making {REPORTS} signed reports");
    let cssm = cssm_id(roots.first().context("no root")?);
    let mut devices = make_devices()?;
    for device in &mut devices {
        // As switches do, each says from then on which trust code it holds.
        let trust_id = trust(&http, &url, (&token, &cssm), device).await?;
        sign_reports(device, &cssm, trust_id)?;
    }
    let authority = Authority::create("bench", rumline_net::Clock::real().now())?.identity()?;
    let mut limit = Rounds::default();
    let raw = |_| parse_verify_sign(&devices[0], authority.signer.as_ref());
    limit.measure(raw)?;
    let bodies: Vec<Vec<u8>> = bodies(&devices);
    let before = processes::cpu_seconds(&server)?;
    let beside = processes::cpu_seconds_named("postgres")?;
    let started = crate::wall_seconds();
    send_all(&roots, &url, bodies).await?;
    let wall = crate::wall_seconds() - started;
    let used = processes::cpu_seconds(&server)? - before;
    let beside = processes::cpu_seconds_named("postgres")? - beside;
    limit.measure(raw)?;
    let count = float(REPORTS);
    let wanted = if database.is_some() { "0.30" } else { "0.45" };
    let (raw, each) = (limit.median() / float(devices[0].reports.len()), used / count);
    println!("  raw parse + verify + sign   {:7.1} us CPU a report", raw * 1e6);
    println!("  server, whole               {:7.1} us CPU a report", each * 1e6);
    if database.is_some() {
        println!("  database beside it          {:7.1} us CPU a report", beside / count * 1e6);
    }
    println!("  throughput                  {:7.0} reports/s", count / wall);
    println!("  ratio raw / server          {:7.2}   (wanted: {wanted})", raw / each);
    println!("  server resident             {:7} KiB", processes::resident_kib(&server)?);
    Ok(count / wall)
}

pub(crate) async fn call(
    http: &HttpClient,
    url: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<Value> {
    let body = body.to_string().into_bytes();
    let reply = http.send("POST", url, token, "application/json", body).await?;
    ensure!(reply.status == 200, "{url}: {}", String::from_utf8_lossy(&reply.body));
    Ok(serde_json::from_slice(&reply.body)?)
}

/// A smart account and a registration token.
async fn prepare(http: &HttpClient, url: &str, password: &str) -> Result<String> {
    let api = format!("{url}/api/v1");
    let login = json!({ "login": "admin", "password": password.trim() });
    let answer = call(http, &format!("{api}/login"), None, &login).await?;
    let bearer = answer["token"].as_str().context("no token")?.to_owned();
    let account = json!({ "name": "Bench", "domain": "bench.test" });
    call(http, &format!("{api}/smart-accounts"), Some(&bearer), &account).await?;
    let path = format!("{api}/smart-accounts/1/virtual-accounts/1/tokens");
    let token = call(http, &path, Some(&bearer), &json!({ "description": "bench" })).await?;
    Ok(token["value"].as_str().context("no token")?.to_owned())
}

fn make_devices() -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    for number in 0..DEVICES {
        let signer = RealSuite.generate_device_key(&mut OsRandom)?;
        let udi = Udi::new("N9K-C93180YC-FX3", &format!("BENCH{number:05}"))?;
        devices.push(Device { udi, signer, reports: Vec::new() });
    }
    Ok(devices)
}

/// As switches report: each goes on from the one before.
fn sign_reports(device: &mut Device, cssm: &str, trust_id: u64) -> Result<()> {
    let tag = EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_bench")?;
    let asset = asset_signature(device.signer.as_ref(), &device.udi, "bench");
    for index in 0..REPORTS / DEVICES {
        let start = Timestamp(1_700_000_000 + i64::try_from(index)? * 1000);
        let mut report = report(&device.udi, &tag, &asset, index as u64, start);
        report.previous = device.reports.last().map(|before| PreviousReport {
            report_id: before.report.report_id,
            sha256: base64(&before.sha256()),
        });
        let (audience, position) = (cssm.to_owned(), index as u64 + 1);
        report.lineage = Some(Lineage { audience, position, trust_id, ..Lineage::default() });
        device.reports.push(sign_report(report, device.signer.as_ref()));
    }
    Ok(())
}

/// A report of an hour's use or so.
pub(crate) fn report(
    udi: &Udi,
    tag: &EntitlementTag,
    asset: &AssetSignature,
    index: u64,
    start: Timestamp,
) -> RumReport {
    RumReport {
        software_tag: "regid.2017-11.com.cisco.Nexus_9300,1.0_bench".to_owned(),
        udi: udi.clone(),
        product_instance_identifier: "bench".to_owned(),
        asset_signature: Some(asset.clone()),
        entitlement_tag: tag.clone(),
        report_id: 1_700_000_000 + index,
        software_version: "10.4(3)".to_owned(),
        previous: None,
        lineage: Some(Lineage { position: 1, ..Lineage::default() }),
        ha_udi: vec![HaMember { role: Role::Active, sudi: udi.clone() }],
        measurements: vec![Measurement {
            log_time: start + 1000,
            start_time: start,
            end_time: start + 1000,
            count: 1,
            termination_reason: Some(TerminationReason::CurrentUsageRequested),
            clock_change_delta: None,
            resolution_seconds: None,
        }],
    }
}

pub(crate) fn request(udi: &Udi, body: RequestBody) -> Request {
    Request {
        message_version: MESSAGE_VERSION.to_owned(),
        request_id: random_hex(&mut OsRandom, 16),
        timestamp: 0,
        nonce: random_hex(&mut OsRandom, 8),
        sudi: udi.clone(),
        hostname: Some("bench".to_owned()),
        software_version: Some("10.4(3)".to_owned()),
        customer_tags: Default::default(),
        software_tag_identifier: "bench".to_owned(),
        agent_version: "5.7.30_rel/108".to_owned(),
        public_key: None,
        proof: None,
        body,
    }
}

/// Asks for a trust code with a token; returns its number.
async fn trust(
    http: &HttpClient,
    url: &str,
    (token, cssm): (&str, &str),
    device: &Device,
) -> Result<u64> {
    let request_text = TrustRequest {
        sudi: device.udi.clone(),
        role: Role::Active,
        product_instance_identifier: "bench".to_owned(),
        public_key: device.signer.public_key().clone(),
        timestamp: rumline_net::Clock::real().now(),
        nonce: random_hex(&mut OsRandom, 8),
        purpose: Purpose::TrustRequest,
        audience: cssm.to_owned(),
        token_sha256: Some(TrustRequest::token_digest(token)),
        force: false,
        smart_account: None,
        virtual_account: None,
        conversion: Vec::new(),
        valid_until: rumline_net::Clock::real().now() + TrustRequest::BY_WIRE_SECONDS,
    };
    let signed = Signed::json(request_text, device.signer.as_ref());
    let body = RequestBody::TrustRequest {
        id_token: token.to_owned(),
        force: false,
        trust_requests: vec![SignedText {
            data: signed.text,
            signature: base64(&signed.signature),
        }],
    };
    let message = serde_json::to_value(request(&device.udi, body))?;
    let answer = call(http, &format!("{url}/licservice/license"), None, &message).await?;
    ensure!(answer["status"] == "OK", "trust refused: {answer}");
    let document = answer["smart_license"].as_str().context("no document")?;
    let document = Document::parse(document.as_bytes())?;
    Ok(document.trust_codes.first().context("no trust code")?.value.trust_id)
}

fn bodies(devices: &[Device]) -> Vec<Vec<u8>> {
    let mut all = Vec::with_capacity(REPORTS);
    for index in 0..REPORTS / DEVICES {
        for device in devices {
            let report = &device.reports[index];
            let item =
                UsageItem { payload: report.payload.clone(), signature: report.signature.clone() };
            let body = RequestBody::UsageReport {
                usage: vec![item],
                trust_requests: Vec::new(),
                smart_license: None,
                sync: false,
            };
            all.push(serde_json::to_vec(&request(&device.udi, body)).unwrap_or_default());
        }
    }
    all
}

async fn send_all(roots: &[Vec<u8>], url: &str, bodies: Vec<Vec<u8>>) -> Result<()> {
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let http = HttpClient::new(roots, Duration::from_secs(60))?;
        let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
        let url = format!("{url}/licservice/license");
        senders.push(tokio::spawn(async move {
            loop {
                let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    return Ok(());
                };
                let reply = http.send("POST", &url, None, "application/json", body.clone()).await?;
                let answer: Response = serde_json::from_slice(&reply.body)?;
                let taken = answer.status == ResponseStatus::Ok && answer.smart_license.is_some();
                ensure!(taken, "not acknowledged: {}", answer.status_message);
            }
        }));
    }
    for sender in senders {
        sender.await??;
    }
    Ok(())
}

/// CPU seconds of what no server can leave out.
fn parse_verify_sign(device: &Device, authority: &dyn Signer) -> Result<f64> {
    let started = crate::cpu_seconds();
    for report in &device.reports {
        let mut parsed =
            SignedReport::from_parts(report.payload.clone(), report.signature.clone())?;
        let sha256 = parsed.verified_sha256(&RealSuite, device.signer.public_key());
        let Some(sha256) = sha256 else { anyhow::bail!("must verify") };
        let entry = Acknowledgement {
            status_code: StatusCode::Ok,
            status_message: Acknowledgement::ACCEPTED.to_owned(),
            localized_message: Acknowledgement::ACCEPTED.to_owned(),
            product_instance_identifier: "bench".to_owned(),
            sudi: parsed.report.udi,
            report_id: parsed.report.report_id,
            correlation_id: String::new(),
            subscription_id: None,
            report_sha256: Some(base64(&sha256)),
            reason: None,
            last_report_id: None,
        };
        let signature = authority.sign(acknowledgement_text(&[entry]).as_bytes());
        ensure!(!signature.is_empty(), "must sign");
    }
    Ok(crate::cpu_seconds() - started)
}
