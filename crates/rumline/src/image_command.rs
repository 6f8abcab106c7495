//! `rumline image`: makes the image of a release that a switch installs, signed by a maker.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rumline_catalogue::{Catalogue, Platform, Release};
use rumline_net::{Clock, KeptFiles, OsRandom};
use rumline_protocol::{Purpose, RealSuite, Signer, SoftwareImage, Suite};

const KEY: &str = "maker.key";
const PUBLIC: &str = "maker.pem";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The release, e.g. 10.4(3)F.
    #[arg(long)]
    release: String,
    /// A model it is for, by its product id; may be repeated. All models that the release runs on where none is named.
    #[arg(long = "platform", value_name = "PID")]
    platforms: Vec<String>,
    /// Where the image is written; under the name of the release where that is a folder, or nothing is said.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// The folder of the maker's key, made at first use. Switches are started with --maker and the maker.pem in it.
    #[arg(long, value_name = "DIR", default_value = "maker")]
    maker: PathBuf,
    /// Without a signature: no switch takes it, and says why.
    #[arg(long)]
    unsigned: bool,
    #[command(flatten)]
    tables: rumline_host::Tables,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    arguments.tables.load_for_server()?;
    let catalogue = Catalogue::nexus();
    let release = catalogue.release(&arguments.release);
    let release = release.with_context(|| format!("there is no release {}", arguments.release))?;
    let platforms = platforms(catalogue, release, &arguments.platforms)?;
    let image = SoftwareImage {
        purpose: Purpose::SoftwareImage,
        release: release.version.clone(),
        platforms,
        made_at: Clock::real().now(),
    };
    let text = if arguments.unsigned {
        image.unsigned()
    } else {
        image.signed(maker(&arguments.maker)?.as_ref())
    };
    let name = release.image.rsplit('/').next().unwrap_or_default();
    let path = match &arguments.output {
        Some(path) if path.is_dir() => path.join(name),
        Some(path) => path.clone(),
        None => PathBuf::from(name),
    };
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    say!("{}: release {}, for {}", path.display(), release.version, count(image.platforms.len()));
    if !arguments.unsigned {
        say!(
            "Switches take it that were started with --maker {}",
            public_file(&arguments.maker).display()
        );
    }
    Ok(true)
}

fn count(models: usize) -> String {
    if models == 1 { "1 model".to_owned() } else { format!("{models} models") }
}

/// The product ids of the models an image is for.
fn platforms(catalogue: &Catalogue, release: &Release, named: &[String]) -> Result<Vec<String>> {
    let runs = |platform: &Platform| catalogue.runs(platform, release);
    if named.is_empty() {
        let all = catalogue.platforms().iter().filter(|platform| runs(platform));
        let all: Vec<String> = all.map(|platform| platform.pid.clone()).collect();
        ensure!(!all.is_empty(), "no model runs release {}", release.version);
        return Ok(all);
    }
    for pid in named {
        let Some(platform) = catalogue.platform(pid) else {
            bail!("there is no product id {pid} in the catalogue");
        };
        if !runs(platform) {
            say!("Warning: release {} is too old for {pid}, which will refuse it", release.version);
        }
    }
    Ok(named.to_vec())
}

/// Where a maker's public key is, for switches.
pub(crate) fn public_file(folder: &Path) -> PathBuf {
    folder.join(PUBLIC)
}

/// The maker's key, made if there is none.
pub(crate) fn maker(folder: &Path) -> Result<Box<dyn Signer>> {
    crate::server_parts::prepare_directory(folder)?;
    let files = KeptFiles::of(folder);
    let signer = match files.read(KEY)? {
        Some(bytes) => RealSuite.load_device_key(&bytes)?,
        None => {
            let signer = RealSuite.generate_device_key(&mut OsRandom)?;
            files.write(KEY, &signer.private_key())?;
            signer
        }
    };
    let public = public_file(folder);
    if !public.exists() {
        std::fs::write(&public, signer.public_key().to_pem())
            .with_context(|| public.display().to_string())?;
    }
    Ok(signer)
}
