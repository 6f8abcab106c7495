//! Which release a switch starts with: that of the image its startup configuration names, or, where that cannot be, the one it
//! ran last. So a power cut at any point of an installation leaves one or the other, and so does an image that is gone.

use std::sync::Arc;

use rumline_agent::{Disk, DiskError};
use rumline_catalogue::{Catalogue, Platform, Release};
use rumline_legacy::Kept;
use rumline_protocol::{PublicKey, Suite, Timestamp};

use super::image::{name_of, release_of};
use super::lines::{self, Gone};
use super::record::{Record, Started};
use crate::config::ConfigTree;
use crate::topics::files::write_startup;
use crate::topics::legacy::Migration;
use crate::{Devices, Hardware};

/// The head of the line that names the image.
pub(crate) const BOOT: &str = "boot nxos";

/// What a start follows from, beside what lies on the disks.
#[derive(Clone)]
pub(crate) struct Origin {
    pub platform: &'static Platform,
    /// The release that was named for the switch.
    pub given: &'static Release,
    /// Whose images it takes.
    pub maker: Option<PublicKey>,
    pub suite: Arc<dyn Suite>,
    /// Whether what is known to go wrong with a release does.
    pub with_defects: bool,
}

/// What a start finds of licensing of before.
pub(crate) struct Came<'a> {
    pub now: Timestamp,
    pub kept: &'a Kept,
    pub with_defects: bool,
}

/// What the switch starts with, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub release: &'static Release,
    /// The image on bootflash: that this is.
    image: Option<String>,
    /// The release it ran before, where that is known.
    pub before: Option<&'static Release>,
    /// Whether the line that names an image counts no more, since another release was named for the switch.
    is_passed_over: bool,
    /// Why it does not start with the image that is named, if it does not.
    pub refused: Option<String>,
}

impl Start {
    /// The image as the switch names it.
    pub(crate) fn image(&self) -> String {
        match &self.image {
            Some(name) => format!("bootflash:///{name}"),
            None => self.release.image.clone(),
        }
    }

    /// The release it ran before, if that was another one.
    pub(crate) fn changed_from(&self) -> Option<&'static Release> {
        self.before.filter(|before| before.version != self.release.version)
    }

    /// Brings a configuration in line with the release: what goes from it.
    pub(crate) fn convert(&self, tree: &mut ConfigTree, pid: &str, came: &Came<'_>) -> Vec<Gone> {
        if self.is_passed_over {
            tree.remove(&[], BOOT, 2);
        }
        let Some(before) = self.changed_from() else { return Vec::new() };
        let migration = self.migration(tree, came);
        let gone = lines::between(tree, &before.version, &self.release.version, pid);
        lines::take(tree, &gone, self.release);
        if let Some(migration) = migration {
            migration.apply(tree);
        }
        gone
    }

    /// What becomes of licensing of before, if the switch comes from there.
    pub(crate) fn migration(&self, tree: &ConfigTree, came: &Came<'_>) -> Option<Migration> {
        Migration::of((self.changed_from()?, self.release), tree, came)
    }

    /// Whether there is something to bring in line.
    pub(crate) fn changes_lines(&self) -> bool {
        self.is_passed_over || self.changed_from().is_some()
    }

    /// Remembers it.
    pub(crate) fn keep(&self, came_with: &Release, store: &mut dyn Disk) -> Result<(), DiskError> {
        let (came_with, release) = (came_with.version.clone(), self.release.version.clone());
        let started = Started { came_with, release, image: self.image.clone() };
        // Nothing is written where nothing is new.
        if Started::read(store)?.as_ref() == Some(&started) {
            return Ok(());
        }
        started.write(store)
    }
}

/// The file of the image that a configuration names.
pub(crate) fn named(config: &str) -> Option<&str> {
    let line = config.lines().rev().find_map(|line| line.strip_prefix(BOOT))?;
    line.split_whitespace().next()
}

impl Origin {
    /// What a switch with this startup configuration starts with.
    ///
    /// # Errors
    /// When a disk fails.
    pub(crate) fn start(
        &self,
        startup: Option<&str>,
        devices: &mut Devices<'_>,
    ) -> Result<Start, DiskError> {
        let catalogue = Catalogue::nexus();
        let last = Started::read(devices.store)?;
        let last = last.and_then(|last| Some((catalogue.release(&last.release)?, last)));
        let before = last.as_ref().map(|(release, _)| *release);
        let file = startup.and_then(named);
        // Whoever names another release than before wants that one, as from the loader.
        let is_same = last.as_ref().is_none_or(|(_, last)| last.came_with == self.given.version);
        let own = Start {
            release: before.filter(|_| is_same).unwrap_or(self.given),
            image: last.as_ref().and_then(|(_, last)| last.image.clone()).filter(|_| is_same),
            before,
            is_passed_over: !is_same && file.is_some(),
            refused: None,
        };
        let Some(file) = file.filter(|_| is_same) else { return Ok(own) };
        let name = match name_of(file) {
            Some(name) => devices.flash.size_bytes(&name)?.map(|_| name),
            None => None,
        };
        let Some(name) = name else {
            // One that was never here is of the switch that the configuration is from.
            let was_here = own.image.is_some() && own.image == name_of(file);
            let why =
                format!("{file} is not there: the switch starts with {}", own.release.version);
            return Ok(Start { refused: was_here.then_some(why), ..own });
        };
        match self.image(&name, devices)? {
            Ok(release) => Ok(Start { release, image: Some(name), ..own }),
            Err(why) => {
                let version = &own.release.version;
                let why = format!("bootflash:{name} {why}. The switch starts with {version}");
                Ok(Start { refused: Some(why), ..own })
            }
        }
    }

    /// The release that an image on bootflash: is, or what is wrong with it.
    pub(crate) fn image(
        &self,
        name: &str,
        devices: &mut Devices<'_>,
    ) -> Result<Result<&'static Release, String>, DiskError> {
        let Some(bytes) = devices.flash.read(name)? else {
            return Ok(Err("is not there: copy it, dir shows what is".to_owned()));
        };
        let read = release_of(&bytes, self.suite.as_ref(), self.maker.as_ref(), self.platform);
        let runs = |release| {
            let runs = Hardware::runs(self.platform, release);
            runs.map_err(|error| format!("cannot run here: {error}")).map(|()| release)
        };
        Ok(read.and_then(runs))
    }
}

/// The name under which a configuration that lost lines is kept.
pub(crate) fn kept_name(release: &Release) -> String {
    let letters = release.version.replace(['(', ')'], ".");
    format!("startup-{}.cfg", letters.trim_end_matches('.'))
}

/// Brings the startup configuration in line with another release. One that loses lines is kept as it was on bootflash:, and
/// where there is no room for that, or for the new one, it stays: what a release does not have does nothing on it.
pub(crate) fn convert_startup(
    text: String,
    (start, came): (&Start, &Came<'_>),
    pid: &str,
    devices: &mut Devices<'_>,
) -> Result<String, (String, DiskError)> {
    let mut tree = ConfigTree::parse(&text);
    let gone = start.convert(&mut tree, pid, came);
    let new = tree.render();
    if new == text {
        return Ok(text);
    }
    if let Some(before) = start.changed_from().filter(|_| !gone.is_empty()) {
        let kept = devices.flash.write(&kept_name(before), text.as_bytes());
        kept.map_err(|error| (text.clone(), error))?;
    }
    write_startup(&new, devices.store).map_err(|error| (text, error))?;
    Ok(new)
}
