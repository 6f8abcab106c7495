//! The names of things: UDI, entitlement tag, supervisor role.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// A PID or serial number that is empty, too long or holds odd characters.
    #[error("{what} must be 1 to {max} printable characters without quotes or commas")]
    Part {
        /// Which part was wrong.
        what: &'static str,
        /// The longest that is accepted.
        max: usize,
    },
    /// Not of the form `regid.YYYY-MM.com.cisco.NAME,VERSION_UUID`.
    #[error("an entitlement tag has the form regid.YYYY-MM.DOMAIN.NAME,VERSION_ID")]
    Tag,
}

/// Unique device identifier: product id and serial number (guide p. 100).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Udi {
    /// Product id, e.g. `N9K-C93180YC-FX3`.
    #[serde(rename = "udi_pid")]
    pub pid: String,
    /// Serial number.
    #[serde(rename = "udi_serial_number")]
    pub serial: String,
}

impl Udi {
    /// The longest PID or serial number accepted, in bytes.
    pub const PART_BYTES_MAX: usize = 64;

    /// Checks both parts.
    ///
    /// # Errors
    /// When a part is empty, too long or holds characters that cannot be part of a UDI.
    pub fn new(pid: &str, serial: &str) -> Result<Self, InvalidIdentity> {
        let udi = Self { pid: pid.trim().to_owned(), serial: serial.trim().to_owned() };
        udi.check()?;
        Ok(udi)
    }

    /// Checks a UDI that came from outside.
    ///
    /// # Errors
    /// As [`Udi::new`].
    pub fn check(&self) -> Result<(), InvalidIdentity> {
        for (what, part) in [("a product id", &self.pid), ("a serial number", &self.serial)] {
            let fine = !part.is_empty()
                && part.len() <= Self::PART_BYTES_MAX
                && part.bytes().all(|b| b.is_ascii_graphic() && !b"\"',<>&\\".contains(&b));
            if !fine {
                return Err(InvalidIdentity::Part { what, max: Self::PART_BYTES_MAX });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Udi {
    /// `PID:N9K-C9504,SN:FOX0000AAAA`, as in messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PID:{},SN:{}", self.pid, self.serial)
    }
}

/// Names what is licensed; opaque, compared exactly (PI-LIC-007).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntitlementTag(String);

impl EntitlementTag {
    /// The longest tag accepted, in bytes.
    pub const BYTES_MAX: usize = 256;
    /// How many of one any platform can use at most: ports of the largest chassis, and some.
    pub const COUNT_MAX: u32 = 1024;

    /// Checks the form `regid.YYYY-MM.domain.NAME,VERSION_ID`.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn new(text: &str) -> Result<Self, InvalidIdentity> {
        let tag = Self(text.to_owned());
        tag.check()?;
        Ok(tag)
    }

    /// Checks a tag that came from outside.
    ///
    /// # Errors
    /// As [`EntitlementTag::new`].
    pub fn check(&self) -> Result<(), InvalidIdentity> {
        let text = &self.0;
        let Some((name, version)) = text.split_once(',') else {
            return Err(InvalidIdentity::Tag);
        };
        let fine = text.len() <= Self::BYTES_MAX
            && name.starts_with("regid.")
            && name.split('.').count() >= 4
            && version.contains('_')
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>&\\".contains(&b));
        if fine { Ok(()) } else { Err(InvalidIdentity::Tag) }
    }

    /// The text of the tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The NAME part: what stands between the last dot and the comma.
    #[must_use]
    pub fn name(&self) -> &str {
        let head = self.0.split(',').next().unwrap_or_default();
        head.rsplit('.').next().unwrap_or_default()
    }
}

impl fmt::Display for EntitlementTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The role of a supervisor.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[schemars(rename = "SupervisorRole")]
pub enum Role {
    /// The one that reports.
    Active,
    /// The one that waits.
    Standby,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "Active",
            Self::Standby => "Standby",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{EntitlementTag, Udi};

    #[test]
    fn a_udi_is_two_plain_words() {
        assert!(Udi::new("N9K-C9504", "FOX2308PCEN").is_ok());
        for (pid, serial) in [("", "A"), ("A", ""), ("A,B", "C"), ("A", "<x>"), ("A", "a\nb")] {
            assert!(Udi::new(pid, serial).is_err(), "{pid:?} {serial:?}");
        }
        assert!(Udi::new("A", &"9".repeat(65)).is_err());
    }

    #[test]
    fn a_tag_has_a_registrar_a_name_and_a_version() {
        let tag =
            EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF2,1.0_ab-cd").unwrap();
        assert_eq!(tag.name(), "LAN_Nexus9300_XF2");
        for bad in
            ["", "regid.2019-06.com.cisco.X", "foo,1.0_a", "regid.x,1.0", "regid.a.b.c,1.0_<"]
        {
            assert!(EntitlementTag::new(bad).is_err(), "{bad:?}");
        }
    }
}
