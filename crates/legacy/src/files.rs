//! Licence files (PAK): what was bought, bound to the host id of one switch, as texts of the kind that licence managers read.
//!
//! The mark behind `SIGN=` finds damage and typing errors. It proves nothing of who made a file: no licence on these switches
//! is enforced, and what is converted later is checked by CSSM (PI-MIG-018).

use std::collections::BTreeMap;
use std::fmt;

use rumline_protocol::{Civil, Timestamp, sha256};
use serde::{Deserialize, Serialize};

/// The largest licence file, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;
/// The most licences in one.
const INCREMENTS_MAX: usize = 64;
/// The most licence files on a switch.
const FILES_MAX: usize = 64;
const HEAD: &str = "SERVER this_host ANY\nVENDOR cisco\n";

/// How long a licence holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// For good.
    Permanent,
    /// Until the end of this day.
    Until(Timestamp),
}

/// One licence of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Increment {
    /// The package, e.g. `LAN_ENTERPRISE_SERVICES_PKG`.
    pub name: String,
    /// How many; none where they are not counted.
    pub count: Option<u32>,
    /// How long it holds.
    pub terms: Terms,
    /// The number of the file at whoever made it, and the line in it: together they name what was bought, once.
    pub file_id: String,
    /// The line.
    pub line_id: u32,
    /// The product activation key it was made for.
    pub pak: String,
}

/// A licence file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseFile {
    /// The switch it is for: `VDH=` and the serial number.
    pub host_id: String,
    /// What it holds, at least one.
    pub increments: Vec<Increment>,
}

/// Why a licence file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseFileError {
    /// It is something else.
    #[error("it is no license file")]
    NoLicenseFile,
    /// A line of it was altered, or lost its end.
    #[error("license line {0} is damaged: copy the file again in binary mode")]
    Damaged(usize),
    /// It is for another switch.
    #[error(
        "it is for host id {0}, and this switch has {1}: have the license moved to this switch"
    )]
    OtherHost(String, String),
    /// It is installed.
    #[error("it is installed already, as {0}")]
    Installed(String),
    /// A file of this name is.
    #[error("another license file of the name {0} is installed: copy it under another name")]
    NameTaken(String),
    /// There are too many.
    #[error("there are {FILES_MAX} license files already: remove one with clear license")]
    TooMany,
}

impl Increment {
    /// The line without its mark; the mark is of all of it and of the host.
    fn unmarked(&self, host_id: &str) -> String {
        let Self { name, count, terms, file_id, line_id, pak } = self;
        let count = count.map_or_else(|| "uncounted".to_owned(), |count| count.to_string());
        format!(
            "INCREMENT {name} cisco 1.0 {terms} {count} HOSTID={host_id} \
             NOTICE=\"<LicFileID>{file_id}</LicFileID><LicLineID>{line_id}</LicLineID><PAK>{pak}</PAK>\" SIGN="
        )
    }

    fn mark(&self, host_id: &str) -> String {
        let digest = sha256(self.unmarked(host_id).as_bytes());
        digest.iter().take(6).map(|byte| format!("{byte:02X}")).collect()
    }

    fn read(line: &str) -> Option<(String, Self)> {
        let (head, notice) = line.split_once(" NOTICE=\"")?;
        let (notice, sign) = notice.split_once("\" SIGN=")?;
        let [_, name, "cisco", "1.0", terms, count, host] = head.split(' ').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let host_id = host.strip_prefix("HOSTID=")?;
        let within = |element: &str| {
            let (_, rest) = notice.split_once(&format!("<{element}>"))?;
            rest.split_once(&format!("</{element}>")).map(|(value, _)| value)
        };
        let count = match count {
            "uncounted" => None,
            number => Some(number.parse().ok().filter(|count| *count > 0)?),
        };
        let increment = Self {
            name: name.to_owned(),
            count,
            terms: Terms::read(terms)?,
            file_id: within("LicFileID")?.to_owned(),
            line_id: within("LicLineID")?.parse().ok()?,
            pak: within("PAK")?.to_owned(),
        };
        let is_whole = increment.mark(host_id) == sign && increment.unmarked(host_id).len() < 1024;
        is_whole.then(|| (host_id.to_owned(), increment))
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        match self.terms {
            Terms::Permanent => true,
            Terms::Until(end) => now < end.plus_days(1),
        }
    }
}

impl Terms {
    fn read(text: &str) -> Option<Self> {
        if text == "permanent" {
            return Some(Self::Permanent);
        }
        let [day, month, year] = text.split('-').collect::<Vec<_>>()[..] else { return None };
        let civil = Civil {
            year: year.parse().ok()?,
            month: Civil::month_number(month)?,
            day: day.parse().ok()?,
            ..Timestamp(0).civil()
        };
        Timestamp::from_civil(civil).map(Self::Until)
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permanent => f.write_str("permanent"),
            Self::Until(day) => {
                let civil = day.civil();
                write!(f, "{}-{}-{}", civil.day, civil.month_name(), civil.year)
            }
        }
    }
}

impl LicenseFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is none, or was altered.
    pub fn read(bytes: &[u8]) -> Result<Self, LicenseFileError> {
        let none = LicenseFileError::NoLicenseFile;
        let text = std::str::from_utf8(bytes).map_err(|_| none.clone())?;
        let text = text.replace("\r\n", "\n");
        if text.len() > FILE_BYTES_MAX {
            return Err(none);
        }
        let body = text.strip_prefix(HEAD).ok_or(none.clone())?;
        // A line goes on behind a backslash, however it is indented there.
        let joined = body.split("\\\n").map(str::trim_start).collect::<String>();
        let (mut host, mut increments) = (None, Vec::new());
        for (index, line) in joined.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            if !line.starts_with("INCREMENT ") || increments.len() == INCREMENTS_MAX {
                return Err(none);
            }
            let damaged = LicenseFileError::Damaged(index + 1);
            let (of, increment) = Increment::read(line.trim_end()).ok_or(damaged.clone())?;
            if *host.get_or_insert_with(|| of.clone()) != of {
                return Err(damaged);
            }
            increments.push(increment);
        }
        let host_id = host.ok_or(none)?;
        Ok(Self { host_id, increments })
    }

    /// The file as it is carried, with its marks.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = HEAD.to_owned();
        for increment in &self.increments {
            let line = increment.unmarked(&self.host_id);
            let line = line.replace(" HOSTID=", " \\\n\tHOSTID=");
            let line = line.replace(" NOTICE=", " \\\n\tNOTICE=").replace(" SIGN=", " \\\n\tSIGN=");
            text.push_str(&format!("{line}{}\n", increment.mark(&self.host_id)));
        }
        text
    }
}

/// The licence files of a switch, by name, as they were brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Files(BTreeMap<String, String>);

impl Files {
    /// Installs a file under a name.
    ///
    /// # Errors
    /// With why it is not taken.
    pub fn install(
        &mut self,
        name: &str,
        bytes: &[u8],
        host_id: &str,
    ) -> Result<LicenseFile, LicenseFileError> {
        let file = LicenseFile::read(bytes)?;
        if file.host_id != host_id {
            return Err(LicenseFileError::OtherHost(file.host_id, host_id.to_owned()));
        }
        if let Some((own, _)) = self.read().find(|(_, own)| *own == file) {
            return Err(LicenseFileError::Installed(own.to_owned()));
        }
        if self.0.contains_key(name) {
            return Err(LicenseFileError::NameTaken(name.to_owned()));
        }
        if self.0.len() >= FILES_MAX {
            return Err(LicenseFileError::TooMany);
        }
        self.0.insert(name.to_owned(), file.write());
        Ok(file)
    }

    /// Takes a file away; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Their names and texts.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Their names and what they hold.
    pub fn read(&self) -> impl Iterator<Item = (&str, LicenseFile)> {
        self.texts()
            .filter_map(|(name, text)| Some((name, LicenseFile::read(text.as_bytes()).ok()?)))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The licence that a package is held by at `now`, the one that lasts longest.
    #[must_use]
    pub fn of_package(&self, name: &str, now: Timestamp) -> Option<Increment> {
        let own = self.read().flat_map(|(_, file)| file.increments);
        let own = own.filter(|increment| increment.name == name && increment.holds_at(now));
        own.max_by_key(|increment| match increment.terms {
            Terms::Permanent => i64::MAX,
            Terms::Until(end) => end.seconds(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "VDH=FOX2308PCEN";

    fn file() -> LicenseFile {
        let increment = |name: &str, line_id| Increment {
            name: name.to_owned(),
            count: None,
            terms: Terms::Permanent,
            file_id: "20210716142549123".to_owned(),
            line_id,
            pak: "4XRV7A2".to_owned(),
        };
        LicenseFile {
            host_id: HOST.to_owned(),
            increments: vec![
                increment("LAN_ENTERPRISE_SERVICES_PKG", 1),
                Increment {
                    count: Some(8),
                    terms: Terms::Until(Timestamp(1_640_908_800)),
                    ..increment("FC_PORT_ACTIVATION_PKG", 2)
                },
            ],
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written_and_taken_once() {
        let text = file().write();
        assert!(text.contains("31-Dec-2021 8 \\\n\tHOSTID=VDH=FOX2308PCEN"), "{text}");
        assert_eq!(LicenseFile::read(text.as_bytes()), Ok(file()));
        assert_eq!(LicenseFile::read(text.replace('\n', "\r\n").as_bytes()), Ok(file()));
        let mut files = Files::default();
        files.install("one.lic", text.as_bytes(), HOST).unwrap();
        let again = files.install("two.lic", text.as_bytes(), HOST);
        assert_eq!(again, Err(LicenseFileError::Installed("one.lic".to_owned())));
        let mut other = file();
        other.increments.pop();
        let taken = files.install("one.lic", other.write().as_bytes(), HOST);
        assert_eq!(taken, Err(LicenseFileError::NameTaken("one.lic".to_owned())));
        let at = |seconds| {
            let now = Timestamp(1_640_908_800 + seconds);
            files.of_package("FC_PORT_ACTIVATION_PKG", now).is_some()
        };
        assert!(at(Timestamp::DAY - 1) && !at(Timestamp::DAY));
        assert!(files.remove("one.lic") && !files.remove("one.lic") && files.is_empty());
    }

    #[test]
    fn a_file_of_another_host_is_refused_in_words() {
        let text = file().write();
        let refused = Files::default().install("a.lic", text.as_bytes(), "VDH=OTHER").unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("VDH=FOX2308PCEN") && told.contains("VDH=OTHER"), "{told}");
    }

    #[test]
    fn no_letter_of_a_licence_can_be_another_one() {
        let text = file().write();
        // All but the end of the last line, behind which blanks may stand.
        for at in 0..text.len() - 1 {
            let mut altered = text.clone().into_bytes();
            altered[at] ^= 1;
            let read = LicenseFile::read(&altered);
            assert!(read.is_err(), "letter {at}: {read:?}");
        }
        for end in 0..text.len() - 1 {
            let read = LicenseFile::read(&text.as_bytes()[..end]);
            // What ends behind a whole line is a file with less in it.
            assert!(
                read.is_err()
                    || text[..end].ends_with(char::is_alphanumeric)
                    || text[..end].ends_with('\n')
            );
        }
        assert_eq!(LicenseFile::read(b""), Err(LicenseFileError::NoLicenseFile));
        assert_eq!(LicenseFile::read(&[0xff; 70_000]), Err(LicenseFileError::NoLicenseFile));
    }
}
