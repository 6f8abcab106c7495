//! Lists, totals and reports of CSSM with a million product instances, against those with ten thousand.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rumline_net::{HttpClient, pem_to_der};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::processes::{self, Folder};

const SMALL: u64 = 10_000;
const LARGE: u64 = 1_000_000;
/// Requests of each kind.
const REQUESTS: usize = 200;

/// An estate, and a server over it.
struct Estate {
    _folder: Folder,
    server: Child,
    http: HttpClient,
    url: String,
    token: String,
}

impl Estate {
    async fn new(instances: u64) -> Result<Self> {
        let folder = Folder::new(&format!("estate-{instances}"))?;
        let data = folder.0.join("cssm").display().to_string();
        let password = folder.0.join("password").display().to_string();
        let started = crate::wall_seconds();
        let seeded = Command::new(crate::rumline()?)
            .args(["cssm", "--dir", &data, "seed-lab", "--instances", &instances.to_string()])
            .output()?;
        ensure!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
        let took = crate::wall_seconds() - started;
        println!("  {instances} product instances made in {took:.1} s");
        let arguments =
            ["cssm", "--dir", &data, "--listen", "127.0.0.1:0", "--admin-password-file", &password];
        let (server, line) = processes::start(&arguments, "CSSM listens on ").await?;
        let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
        let roots = pem_to_der(&fs::read(format!("{data}/root.pem"))?)?;
        let http = HttpClient::new(&roots, Duration::from_secs(60))?;
        let login = json!({ "login": "admin", "password": fs::read_to_string(&password)?.trim() });
        let answer =
            crate::ingest::call(&http, &format!("{url}/api/v1/login"), None, &login).await?;
        let token = answer["token"].as_str().context("no token")?.to_owned();
        let estate = Self { _folder: folder, server, http, url, token };
        estate.at_rest().await?;
        Ok(estate)
    }

    /// Waits until what a start brings with it is done.
    async fn at_rest(&self) -> Result<()> {
        loop {
            let before = processes::cpu_seconds(&self.server)?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if processes::cpu_seconds(&self.server)? - before < 0.02 {
                return Ok(());
            }
        }
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let url = format!("{}/api/v1/smart-accounts/1/{path}", self.url);
        let token = Some(self.token.as_str());
        let reply = self.http.send("GET", &url, token, "application/json", Vec::new()).await?;
        ensure!(reply.status == 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
        Ok(reply.body)
    }

    /// The CPU milliseconds that 99 of 100 requests do not exceed.
    async fn p99_millis(&self, paths: &[String]) -> Result<f64> {
        let mut each = Vec::new();
        for path in paths.iter().cycle().take(REQUESTS) {
            let before = processes::cpu_nanos(&self.server)?;
            self.get(path).await?;
            each.push(processes::cpu_nanos(&self.server)?.saturating_sub(before));
        }
        each.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        Ok(each[REQUESTS * 99 / 100 - 1] as f64 / 1e6)
    }
}

/// What is asked, of an estate with so many product instances.
fn questions(instances: u64, part: i64) -> Vec<(&'static str, Vec<String>)> {
    let license = "LAN_ENTERPRISE_SERVICES_PKG";
    // All over the list.
    let places = || (0..40).map(move |n| n * instances / 40);
    let one = |path: &str| vec![path.to_owned()];
    vec![
        (
            "product-instances",
            places().map(|after| format!("product-instances?limit=100&after={after}")).collect(),
        ),
        ("product instance", places().map(|n| format!("product-instances/{}", n + 1)).collect()),
        ("licenses", one("licenses")),
        ("purchases", one("purchases?limit=100")),
        ("alerts", one("alerts")),
        ("claims", one("claims")),
        ("events", one("events?limit=100")),
        ("usage-files", one("usage-files")),
        ("collectors", one("collectors")),
        ("audit", one("audit")),
        ("reports/use", one("reports/use")),
        ("reports/use by month", one("reports/use?by=month&from=2025-01-01")),
        ("reports/delta", one("reports/delta")),
        ("reports/licenses", one("reports/licenses")),
        ("reports/subscriptions", one("reports/subscriptions?limit=100")),
        (
            "reports/product-instances",
            places().map(|n| format!("reports/product-instances?limit=100&after={n}")).collect(),
        ),
        (
            "use-sources",
            one(&format!("virtual-accounts/{part}/use-sources?license={license}&limit=100")),
        ),
        (
            "license-uses",
            one(&format!("virtual-accounts/{part}/license-uses?license={license}&limit=100")),
        ),
    ]
}

pub(crate) async fn run() -> Result<()> {
    println!("estate: {SMALL} product instances and {LARGE}, {REQUESTS} requests of each kind");
    let (small, large) = (Estate::new(SMALL).await?, Estate::new(LARGE).await?);
    let parts: Value = serde_json::from_slice(&large.get("virtual-accounts").await?)?;
    let part = parts[1]["id"].as_i64().context("there are no virtual accounts")?;
    let asked = questions(SMALL, part).into_iter().zip(questions(LARGE, part));
    println!("  {:28} {:>9} {:>9} {:>6}", "p99 CPU, ms", "10^4", "10^6", "ratio");
    for ((name, few), (_, many)) in asked {
        // Once for whatever is read the first time.
        small.get(&few[0]).await?;
        large.get(&many[0]).await?;
        let (of_small, of_large) = (small.p99_millis(&few).await?, large.p99_millis(&many).await?);
        let ratio = of_large / of_small;
        println!("  {name:28} {of_small:9.2} {of_large:9.2} {ratio:6.2}");
    }
    println!("  (wanted: a ratio of 1.5 at most, and under 50 ms)");
    println!("  server resident, 10^6        {:7} KiB", processes::resident_kib(&large.server)?);
    Ok(())
}
