//! What has to last of the older licensing, over restarts and over releases that have no use for it (PI-MIG-019, PI-MIG-026).

use rumline_protocol::{Conversion, Timestamp, sha256};
use serde::{Deserialize, Serialize};

use crate::evaluation::Evaluation;
use crate::files::Files;
use crate::registration::{Authorization, Registration};

/// The form of what is written. A later one has another number; earlier ones go on being read: 2 keeps the key of an SSM On-Prem, which
/// 1 did not know.
const FORMAT: u32 = 2;

/// The kept state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The registration of Smart Licensing.
    pub registration: Registration,
    /// What is authorised, while there is a registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// The evaluation period.
    pub evaluation: Evaluation,
    /// The licence files.
    #[serde(default, skip_serializing_if = "Files::is_empty")]
    pub files: Files,
    /// How far the conversion of the licence files is, since the last upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Converting>,
    /// When traditional licences were converted, if they were (guide p. 63).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_at: Option<Timestamp>,
}

/// What is kept of a conversion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converting {
    /// When the upgrade was.
    pub since: Timestamp,
    /// What CSSM has said.
    pub results: Vec<Conversion>,
}

/// Why what was kept cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// It was altered, or lost its end.
    #[error("what was kept of the older licensing is damaged")]
    Damaged,
    /// A later program wrote it.
    #[error("what was kept of the older licensing is of a later form, {0}")]
    Later(u32),
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    kept: Kept,
}

impl Kept {
    /// The switch has come up with Smart Licensing Using Policy at `now`; `is_first` says whether it came from a release of before just now.
    /// The evaluation period stands still from then on, and licence files are to be converted.
    pub fn came_up(&mut self, now: Timestamp, is_first: bool) {
        self.evaluation.runs(now, false);
        self.begin_conversion(now, is_first);
    }

    /// The clock was set, by so many seconds. Each time that was taken from it, and each that is waited for, moves along: no more and no
    /// less passes until then, and none ends for it. What the server says in its own time comes with its next answer.
    pub fn clock_stepped(&mut self, by_seconds: i64) {
        self.evaluation.clock_stepped(by_seconds);
        let Registration { initial, renewal, held, .. } = &mut self.registration;
        let attempts = initial.iter_mut().chain(renewal).map(|own| &mut own.at);
        let held = held.iter_mut().flat_map(|own| [&mut own.renew_at, &mut own.expires_at]);
        let authorization = self.authorization.iter_mut().flat_map(|own| {
            [&mut own.at, &mut own.last.at, &mut own.next_at, &mut own.deadline_at]
        });
        let conversion = self.conversion.iter_mut().map(|own| &mut own.since);
        let converted = conversion.chain(&mut self.converted_at);
        for at in attempts.chain(held).chain(authorization).chain(converted) {
            *at = *at + by_seconds;
        }
    }

    /// The name of the file on a switch's store.
    pub const FILE: &str = "old-licensing";

    /// As it is written: its digest, and JSON.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let written = Written { format: FORMAT, kept: self.clone() };
        let json = serde_json::to_string(&written).expect("texts, times and numbers are JSON");
        format!("{}\n{json}", digest(&json)).into_bytes()
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// When it is damaged, or of a later form.
    pub fn read(bytes: &[u8]) -> Result<Self, KeptError> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let text = std::str::from_utf8(bytes).map_err(|_| KeptError::Damaged)?;
        let (sum, json) = text.split_once('\n').ok_or(KeptError::Damaged)?;
        if digest(json) != sum {
            return Err(KeptError::Damaged);
        }
        let damaged = |_| KeptError::Damaged;
        let Form { format } = serde_json::from_str(json).map_err(damaged)?;
        if format > FORMAT {
            return Err(KeptError::Later(format));
        }
        let written: Written = serde_json::from_str(json).map_err(damaged)?;
        Ok(written.kept)
    }
}

fn digest(text: &str) -> String {
    sha256(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_a_flipped_bit_is_found() {
        let mut kept = Kept { converted_at: Some(Timestamp(1_628_875_147)), ..Kept::default() };
        kept.registration.smart_account = Some("BU Production Test 1".to_owned());
        let written = kept.write();
        assert_eq!(Kept::read(&written), Ok(kept));
        for bit in 0..written.len() * 8 {
            let mut altered = written.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Kept::read(&altered), Err(KeptError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_later_form_is_told_apart_from_damage() {
        let json = r#"{"format":3,"kept":{"something":"new"}}"#;
        let written = format!("{}\n{json}", digest(json));
        assert_eq!(Kept::read(written.as_bytes()), Err(KeptError::Later(3)));
        let text = String::from_utf8(Kept::default().write()).unwrap();
        assert!(text.contains(r#"{"format":2,"#));
        // What an earlier program wrote is read, and written as it is written now.
        let json = text.split_once('\n').unwrap().1.replace(r#""format":2"#, r#""format":1"#);
        let earlier = Kept::read(format!("{}\n{json}", digest(&json)).as_bytes()).unwrap();
        assert_eq!(earlier.write(), text.as_bytes());
    }
}
