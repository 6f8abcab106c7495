//! `rumline check`: what lies in a data directory, file by file and report by report, and what to do about what is damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rumline_agent::{Finding, check_store};
use rumline_cssm::{KeptReports, Wrong, WrongReport, WrongTotal, check_reports, check_totals};
use rumline_net::{FileDisk, KeptFiles};
use rumline_protocol::{RealSuite, Suite, sha256};
use rumline_store::{Db, Look, StoreError};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The data directory of a switch, a CSSM or a collector, whose process is stopped; or a backup.
    dir: PathBuf,
    /// Take databases as they are: for one that you have changed yourself.
    #[arg(long)]
    accept: bool,
}

/// A report in a server's database.
const REPORTS: [(&str, &str); 2] = [
    (
        "rum_report",
        "SELECT product_instance_id, report_id, payload, sha256 FROM rum_report
        ORDER BY product_instance_id, report_id",
    ),
    (
        "report",
        // Of one that was acknowledged the text is gone.
        "SELECT instance_id, report_id, payload, sha256 FROM report WHERE payload <> ''
        ORDER BY tenant_id, instance_id, report_id, rival",
    ),
];

/// True if nothing is damaged.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let dir = &arguments.dir;
    ensure!(dir.is_dir(), "{} is no directory", dir.display());
    if crate::backup::is_one(dir) {
        return crate::backup::check(dir);
    }
    let store = if dir.join("store").is_dir() { dir.join("store") } else { dir.clone() };
    let is_switch =
        ["device.key", "ledger.a", "ledger.b", "rum"].iter().any(|name| store.join(name).exists());
    let databases = databases(dir)?;
    ensure!(
        is_switch || !databases.is_empty(),
        "{} holds neither a switch's store nor a database",
        dir.display()
    );
    let mut findings = Vec::new();
    if is_switch {
        findings.extend(switch(&store)?);
    }
    findings.extend(kept_files(dir)?);
    for path in &databases {
        if arguments.accept {
            Db::accept(path)?;
        }
        findings.extend(database(path)?);
    }
    for Finding { file, what, costs, mend } in &findings {
        say!("DAMAGED  {file}: {what}\n         costs: {costs}\n         do:    {mend}");
    }
    Ok(findings.is_empty())
}

pub(crate) fn databases(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "db") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn switch(store: &Path) -> Result<Vec<Finding>> {
    let mut disk = FileDisk::open(store)?;
    let (files, mut findings) = check_store(&RealSuite, &mut disk)?;
    findings.extend(rumline_switch::damaged_startup(&mut disk)?.into_iter().map(|file| Finding {
        file: file.to_owned(),
        what: "its checksum does not fit".to_owned(),
        costs: "nothing, while the other copy is whole: it is used, and this one written anew",
        mend: "nothing; where both are damaged: copy running-config startup-config",
    }));
    findings.extend(rumline_switch::damaged_way(&mut disk)?.map(|file| Finding {
        file: file.to_owned(),
        what: "its checksum does not fit".to_owned(),
        costs: "nothing: show license doctor proposes no lines that worked before",
        mend: "nothing: the next answer of the licensing peer writes it anew",
    }));
    findings.extend(rumline_switch::damaged_software(&mut disk)?.into_iter().map(|file| Finding {
        file: file.to_owned(),
        what: "its checksum does not fit".to_owned(),
        costs: "nothing: the release that is named for the switch, or its image, is what it starts with",
        mend: "nothing: the next start, or installation, writes it anew",
    }));
    findings.extend(rumline_switch::damaged_licensing(&mut disk)?.map(|file| Finding {
        file: file.to_owned(),
        what: "its checksum does not fit".to_owned(),
        costs: "the registration, the license files and the evaluation of before Smart Licensing Using Policy, on such a release",
        mend: "on such a release: license smart register idtoken TOKEN, install license; else nothing",
    }));
    say!("switch store {}: {files} files of the agent", store.display());
    Ok(findings)
}

fn kept_files(dir: &Path) -> Result<Vec<Finding>> {
    let (files, damaged) = KeptFiles::of(dir).damaged()?;
    say!("{files} keys and settings");
    let finding = |file: String| {
        let (costs, mend) = match file.as_str() {
            "files.sha256" => ("nothing: it is written anew", "nothing"),
            "label.json" => (
                "the switch does not start",
                "put it back from a copy, or write it: pid and serial",
            ),
            "clock" => (
                "the switch does not start",
                "remove it and files.sha256: the clock is the machine's then",
            ),
            "ssh_host_key" => {
                ("the switch does not start", "remove it: clients are asked about another key")
            }
            "revoked.json" => ("the server does not start", "put it back from a copy"),
            _ => ("the server does not start", "put all keys back from a copy of them"),
        };
        Finding { file, what: "its checksum does not fit".to_owned(), costs, mend }
    };
    Ok(damaged.into_iter().map(finding).collect())
}

fn database(path: &Path) -> Result<Vec<Finding>> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let finding = |what: String, costs, mend| Finding { file: file.clone(), what, costs, mend };
    let Look { damage, compared_pages, not_compared } =
        Db::look(path).with_context(|| path.display().to_string())?;
    if !damage.is_empty() {
        say!("database {file}: damaged");
        let costs = "the server does not start, or stops when it meets it";
        let mend = "rumline repair DIR, which makes indexes anew; where it is more: put the last backup back; what devices \
                    reported since is asked for. If you changed the file yourself: rumline check --accept DIR";
        return Ok(damage.into_iter().map(|line| finding(line, costs, mend)).collect());
    }
    let db = Db::open_sqlite(path)?;
    let (count, findings) = if is_cssm_of_now(&db)? {
        let (count, told) = of_cssm(&db)?;
        (count, told.into_iter().map(|(what, costs, mend)| finding(what, costs, mend)).collect())
    } else {
        let (mut count, mut findings) = (0, Vec::new());
        for (table, sql) in REPORTS {
            let (looked_at, altered) = digests(&db, table, sql)?;
            count += looked_at;
            findings.extend(altered.into_iter().map(|(device, report)| {
                let (what, costs, mend) = altered_report(table, report, device);
                finding(what, costs, mend)
            }));
        }
        (count, findings)
    };
    let pages = match not_compared {
        None => format!("{compared_pages} pages as they were written"),
        Some(why) => format!("pages not compared ({why}; it gets them at the next start)"),
    };
    say!("database {file}: structure whole, {pages}, {count} reports looked at");
    Ok(findings)
}

/// What was found, what it costs, what to do.
type Told = (String, &'static str, &'static str);

fn altered_report(table: &str, report: i64, device: i64) -> Told {
    let what = format!("{table}: report {report} of product instance {device} was altered");
    let costs = "its text is not what was signed; what it counted stays counted";
    (what, costs, "put the last backup back, or leave it: views do not read the text again")
}

/// How many reports a table has, and which are not those that were received.
fn digests(db: &Db, table: &'static str, sql: &'static str) -> Result<(u64, Vec<(i64, i64)>)> {
    let found = db.read("check.reports", move |tx| {
        let is_there = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = $1";
        let mut found = (0_u64, Vec::new());
        if tx.row(is_there, &[table.into()], |row| row.text(0))?.is_none() {
            return Ok::<_, StoreError>(found);
        }
        tx.each(sql, &[], |row| {
            found.0 += 1;
            if sha256(row.text(2)?.as_bytes())[..] != row.bytes(3)?[..] {
                found.1.push((row.int(0)?, row.int(1)?));
            }
            Ok::<_, StoreError>(true)
        })?;
        Ok(found)
    });
    Ok(found?)
}

/// Whether it is a CSSM's, with tables of this release.
pub(crate) fn is_cssm_of_now(db: &Db) -> Result<bool> {
    let version = rumline_cssm::MIGRATIONS.last().map_or(0, |last| last.version);
    let is_it = db.read("check.whose", move |tx| {
        let is_there =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'rum_report'";
        if tx.row(is_there, &[], |row| row.text(0))?.is_none() {
            return Ok::<_, StoreError>(false);
        }
        let newest = "SELECT version FROM schema_version ORDER BY version DESC LIMIT 1";
        Ok(tx.row(newest, &[], |row| row.int(0))? == Some(version))
    });
    Ok(is_it?)
}

/// Looks at the reports of a CSSM, at what stands beside them, and at the totals.
fn of_cssm(db: &Db) -> Result<(u64, Vec<Told>)> {
    let suite: Arc<dyn Suite> = Arc::new(RealSuite);
    let KeptReports { count, wrong } = check_reports(db, &suite)?;
    let mut told: Vec<Told> = wrong
        .iter()
        .map(|WrongReport { product_instance_id, report_id, wrong }| {
            let of = format!("rum_report: report {report_id} of product instance {product_instance_id}");
            match wrong {
                Wrong::Altered => altered_report("rum_report", *report_id, product_instance_id.0),
                Wrong::NotSigned => (
                    format!("{of} is not signed by it"),
                    "nobody can be shown who reported it; what it counted stays counted",
                    "put the last backup back, or leave it: views do not look at the signature again",
                ),
                Wrong::Columns(names) => (
                    format!("{of}: {} beside it is not what it says", names.join(", ")),
                    "views tell something else than what was reported",
                    REPAIR,
                ),
            }
        })
        .collect();
    told.extend(check_totals(db)?.iter().map(|total| {
        (wrong_total(total), "views tell another sum than that of their rows", REPAIR)
    }));
    Ok((count, told))
}

const REPAIR: &str = "rumline repair DIR";

/// A total that is not what counting says.
pub(crate) fn wrong_total(total: &WrongTotal) -> String {
    let WrongTotal { kind, smart_account_id, virtual_account_id, of, kept, counted } = total;
    let of = if of.is_empty() { String::new() } else { format!(" of {of}") };
    format!(
        "{kind}{of} in virtual account {virtual_account_id} of smart account {smart_account_id}: \
         {kept} is kept, {counted} is counted"
    )
}
