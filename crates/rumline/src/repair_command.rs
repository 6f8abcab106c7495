//! `rumline repair`: what follows from something else is made anew - indexes from tables, what stands beside reports from what they
//! say, totals from their rows. What was accepted is never removed, and what is damaged beyond that is left as it is, and told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rumline_cssm::{Wrong, mend_reports, mend_totals};
use rumline_net::lock_directory;
use rumline_protocol::{RealSuite, Suite};
use rumline_store::{Db, Mended};

use crate::check_command::{databases, is_cssm_of_now, wrong_total};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The data directory of a CSSM or a collector, whose process is stopped.
    dir: PathBuf,
}

/// True if nothing is wrong any more.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let dir = &arguments.dir;
    ensure!(dir.is_dir(), "{} is no directory", dir.display());
    ensure!(
        !crate::backup::is_one(dir),
        "{} is a backup: it is taken whole, or another one is",
        dir.display()
    );
    let databases = databases(dir)?;
    ensure!(
        !databases.is_empty(),
        "{} holds no database; a switch mends what can be mended at its start, see rumline check",
        dir.display()
    );
    let _lock = lock_directory(dir).context("stop the server first")?;
    let mut is_whole = true;
    for path in &databases {
        is_whole &= database(path)?;
    }
    if is_whole {
        say!(
            "What follows from something else is right. Look once more: rumline check {}",
            dir.display()
        );
    }
    Ok(is_whole)
}

fn database(path: &Path) -> Result<bool> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match Db::mend(path, &free_name(path)).with_context(|| path.display().to_string())? {
        Mended::Whole => {}
        Mended::Indexes(aside) => {
            say!(
                "{file}: its indexes were made anew; the file as it was is in {}",
                aside.display()
            );
        }
        Mended::Beyond(what) => {
            say!("{file}: {what}");
            say!(
                "  That follows from nothing else, and nothing was changed. Put the last backup back: what devices reported"
            );
            say!(
                "  since is asked for. If you changed the file yourself: rumline check --accept DIR"
            );
            return Ok(false);
        }
    }
    let db = Db::open_sqlite(path)?;
    if !is_cssm_of_now(&db)? {
        return Ok(true);
    }
    let suite: Arc<dyn Suite> = Arc::new(RealSuite);
    let mut is_whole = true;
    for wrong in mend_reports(&db, &suite)?.wrong {
        let of =
            format!("report {} of product instance {}", wrong.report_id, wrong.product_instance_id);
        match wrong.wrong {
            Wrong::Columns(names) => {
                say!("{file}: {} beside {of} is what it says again", names.join(", "));
            }
            Wrong::Altered | Wrong::NotSigned => {
                is_whole = false;
                say!(
                    "{file}: {of} is not what was signed, and stays as it is: put the last backup back, or leave it"
                );
            }
        }
    }
    for total in mend_totals(&db)? {
        say!("{file}: {}; that is kept now", wrong_total(&total));
    }
    Ok(is_whole)
}

/// A folder beside a file that is not there yet.
fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| PathBuf::from(format!("{}.damaged-{number}", path.display()));
    (1..).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(0))
}
