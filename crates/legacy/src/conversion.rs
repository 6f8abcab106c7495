//! Device-led conversion, as the device sees it: what its licence files hold is asked to be converted after an upgrade, by itself (guide
//! p. 50, 53, 94; PI-MIG-018, PI-MIG-021, PI-RUM-029, G-35).

use rumline_protocol::{Conversion, Timestamp, Traditional};

use crate::files::{Increment, Terms};
use crate::kept::{Converting, Kept};

/// Seconds from the upgrade until the device knows what it has to convert; till then it shows nothing (guide p. 94).
pub const GATHERED_SECONDS: i64 = Timestamp::HOUR;

/// How far a conversion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionState {
    /// There is nothing to convert.
    NotStarted,
    /// The device finds out what there is, until then.
    Gathering(Timestamp),
    /// CSSM is to be asked, or was.
    InProgress,
    /// CSSM said what became of all of it, then.
    Completed(Timestamp),
}

/// A line of a licence file, as it is asked for.
fn traditional(own: Increment) -> Traditional {
    Traditional {
        license: own.name,
        count: own.count.unwrap_or(1),
        file_id: own.file_id,
        line_id: own.line_id,
        pak: own.pak,
        ends_at: match own.terms {
            Terms::Permanent => None,
            Terms::Until(day) => Some(day.plus_days(1)),
        },
    }
}

impl Kept {
    /// What is to be converted: what licence files hold, has not ended, and CSSM has said nothing of yet.
    #[must_use]
    pub fn to_convert(&self, now: Timestamp) -> Vec<Traditional> {
        let results = self.conversion.as_ref().map_or(&[][..], |own| &own.results);
        let increments = self.files.read().flat_map(|(_, file)| file.increments);
        let left = increments.filter(|own| {
            let is_it = |result: &&Conversion| {
                result.file_id == own.file_id && result.line_id == own.line_id
            };
            own.holds_at(now) && !results.iter().any(|result| is_it(&result))
        });
        Traditional::fitting(left.map(traditional).filter(Traditional::is_sound))
    }

    /// The switch has come up with Smart Licensing Using Policy; `is_first` says whether it came from a release of before just now. One that
    /// is under way goes on; one that was done begins anew where there is more to convert, also if what the first start wrote was lost.
    pub(crate) fn begin_conversion(&mut self, now: Timestamp, is_first: bool) {
        let is_under_way = self.conversion.is_some() && self.converted_at.is_none();
        // What cannot be asked for is told of once.
        let is_told = self.conversion.is_none() && !self.not_convertible(now).is_empty();
        if self.to_convert(now).is_empty() && !is_told || is_under_way && !is_first {
            return;
        }
        let results = self.conversion.take().map_or_else(Vec::new, |own| own.results);
        self.conversion = Some(Converting { since: now, results });
        self.converted_at = None;
    }

    /// Lines that hold and cannot be asked for: a field of them is too long or no text. They stand in no request, and are shown.
    #[must_use]
    pub fn not_convertible(&self, now: Timestamp) -> Vec<Traditional> {
        let all = self.files.read().flat_map(|(_, file)| file.increments);
        let own = all.filter(|own| own.holds_at(now)).map(traditional);
        own.filter(|own| !own.is_sound()).collect()
    }

    /// It is done where nothing is left, also if CSSM was not asked for the last of it: that ended before. Whether this is new.
    pub fn complete(&mut self, now: Timestamp) -> bool {
        let is_open = self.conversion_state(now) == ConversionState::InProgress;
        if is_open && self.to_convert(now).is_empty() {
            self.converted_at = Some(now);
            return true;
        }
        false
    }

    /// CSSM said what became of some; whether that is new.
    pub fn converted(&mut self, now: Timestamp, said: &[Conversion]) -> bool {
        let Some(own) = &mut self.conversion else { return false };
        let is_known = |result: &Conversion| {
            own.results
                .iter()
                .any(|known| known.file_id == result.file_id && known.line_id == result.line_id)
        };
        let new: Vec<Conversion> = said.iter().filter(|own| !is_known(own)).cloned().collect();
        if new.is_empty() {
            return false;
        }
        own.results.extend(new);
        self.complete(now);
        true
    }

    /// How far it is.
    #[must_use]
    pub fn conversion_state(&self, now: Timestamp) -> ConversionState {
        let Some(own) = &self.conversion else { return ConversionState::NotStarted };
        let gathered_at = own.since + GATHERED_SECONDS;
        match self.converted_at {
            Some(at) => ConversionState::Completed(at),
            None if now < gathered_at => ConversionState::Gathering(gathered_at),
            None => ConversionState::InProgress,
        }
    }
}
