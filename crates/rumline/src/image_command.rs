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
    // Of another key it would have switches refuse whatever this one signs.
    let (public, pem) = (public_file(folder), signer.public_key().to_pem());
    let is_its = std::fs::read(&public).is_ok_and(|known| known == pem.as_bytes());
    if !is_its {
        let new = folder.join(format!("{PUBLIC}.new"));
        let written = std::fs::write(&new, pem).and_then(|()| std::fs::rename(&new, &public));
        written.with_context(|| public.display().to_string())?;
    }
    Ok(signer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_file_is_that_of_the_key_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let first = maker(folder.path()).unwrap().public_key().to_pem();
        let read = || std::fs::read_to_string(public_file(folder.path())).unwrap();
        assert_eq!(read(), first);
        // Lost, cut off, or of another key.
        for text in [None, Some(""), Some(&first[..40]), Some("-----BEGIN PUBLIC KEY-----")] {
            std::fs::remove_file(public_file(folder.path())).unwrap();
            if let Some(text) = text {
                std::fs::write(public_file(folder.path()), text).unwrap();
            }
            assert_eq!(maker(folder.path()).unwrap().public_key().to_pem(), first);
            assert_eq!(read(), first, "{text:?}");
        }
        std::fs::remove_file(folder.path().join(KEY)).unwrap();
        let second = maker(folder.path()).map(|signer| signer.public_key().to_pem());
        if let Ok(second) = second {
            assert_ne!(second, first);
            assert_eq!(read(), second);
        }
    }
}
