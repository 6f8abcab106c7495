//! What the two supervisors say to each other: the heads of messages on their link.

use anyhow::{Context, Result, ensure};
use rumline_net::PeerLink;
use rumline_protocol::Udi;
use rumline_switch::Slot;
use rumline_switch::pair::{ChangeKind, Place};
use serde::{Deserialize, Serialize};

/// Of these words. Another version is refused by name.
pub(crate) const VERSION: u32 = 2;

/// The first word of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub version: u32,
    pub slot: u8,
    pub udi: Udi,
    /// The NX-OS release it runs.
    pub release: String,
}

impl Hello {
    /// Whether two of these can be a pair; if not, what is wrong.
    pub(crate) fn check(&self, other: &Self) -> Result<Slot> {
        ensure!(
            self.version == other.version,
            "it speaks version {} of the link, and this one version {}: run the same Rumline on both",
            other.version,
            self.version
        );
        ensure!(
            self.udi.pid == other.udi.pid,
            "it is of a {}, and this one of a {}",
            other.udi.pid,
            self.udi.pid
        );
        ensure!(self.udi != other.udi, "it has the serial number of this one, {}", self.udi.serial);
        let slot = Slot::of(other.slot).context("it names a slot that no chassis has")?;
        ensure!(self.slot != other.slot, "it is in slot {} too", self.slot);
        ensure!(
            self.release == other.release,
            "it runs {}, and this one {}",
            other.release,
            self.release
        );
        Ok(slot)
    }
}

/// What the active one says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub(crate) enum ToStandby {
    /// It is not taken.
    Refused { why: String },
    /// All is given from the beginning: what lies there counts no more.
    Begin {
        active: Hello,
        /// The number of what is written down of the two.
        written: u64,
    },
    /// A piece of a file; the first replaces what was there.
    Put { number: u64, place: Place, name: String, is_first: bool },
    /// A change.
    Change { number: u64, place: Place, kind: ChangeKind, name: String },
    /// That was all of it: what was not given is removed, and all is made durable.
    Filled {
        number: u64,
        /// What the folder is called from now on.
        name: String,
        written: u64,
    },
    /// It can take over from now on.
    InStep,
    /// Still here; and what its clock shows, in milliseconds since 1970.
    Beat { number: u64, now_millis: i64 },
    /// Restart.
    Restart,
}

/// What the other one says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub(crate) enum ToActive {
    /// Who it is.
    Here(Hello),
    /// All up to this number that is waited for is durable there.
    Done { number: u64 },
    /// It could not do what was given.
    Failed { why: String },
}

/// Sends a word.
pub(crate) fn say<W: Serialize>(link: &mut PeerLink, word: &W, body: &[u8]) -> std::io::Result<()> {
    let head = serde_json::to_vec(word).map_err(std::io::Error::other)?;
    link.send(&head, body)
}

/// Sends a word with the next one.
pub(crate) fn say_later<W: Serialize>(
    link: &mut PeerLink,
    word: &W,
    body: &[u8],
) -> std::io::Result<()> {
    let head = serde_json::to_vec(word).map_err(std::io::Error::other)?;
    link.send_later(&head, body)
}

/// Why the other one is not heard any more.
pub(crate) fn cut_off(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
            "it is gone".to_owned()
        }
        _ => format!("its link is cut: {error}"),
    }
}

/// Reads a word; one that is none ends the link.
pub(crate) fn read<W: for<'d> Deserialize<'d>>(head: &[u8]) -> std::io::Result<W> {
    serde_json::from_slice(head)
        .map_err(|error| std::io::Error::other(format!("it says what no supervisor says: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_mate_is_told_why() {
        let hello = |slot, serial: &str| Hello {
            version: VERSION,
            slot,
            udi: Udi::new("N9K-C9504", serial).unwrap(),
            release: "10.4(3)F".to_owned(),
        };
        let own = hello(1, "A");
        assert_eq!(own.check(&hello(2, "B")).unwrap(), Slot::Two);
        let chassis = Udi::new("N9K-C9508", "B").unwrap();
        for (other, why) in [
            (Hello { version: 1, ..hello(2, "B") }, "speaks version 1"),
            (Hello { udi: chassis, ..hello(2, "B") }, "it is of a N9K-C9508"),
            (hello(2, "A"), "serial number of this one"),
            (hello(1, "B"), "in slot 1 too"),
            (hello(3, "B"), "a slot that no chassis has"),
            (Hello { release: "10.3(1)F".to_owned(), ..hello(2, "B") }, "it runs 10.3(1)F"),
        ] {
            let told = own.check(&other).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
