//! Configuration mode.

use rumline_cli::Refusal;
use rumline_protocol::Timestamp;

use crate::grammar;
use crate::reader::{Reader, Source};
use crate::session::{Outcome, Session};
use crate::settings::{Refused, Settings};
use crate::{Devices, Switch};

impl Switch {
    /// Carries out a line as configuration, or says where it makes no sense.
    pub(crate) fn configure(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Result<Outcome, (Refusal, usize)> {
        let Some(place) = &mut session.place else { return Err((Refusal::Invalid, 0)) };
        let word = line.split_whitespace().next().unwrap_or_default();
        if !place.in_text() && grammar::OF_EXEC.contains(&word) {
            return Err((Refusal::Invalid, 0));
        }
        let settings = Settings::of(&self.release.version, devices.random);
        let mut reader = Reader::new(&mut self.running, settings, Source::Typed);
        match reader.line(place, line) {
            Ok(told) => {
                let effects = self.config_changed(now, devices);
                Ok(Outcome { effects, ..Outcome::text(told) })
            }
            Err(Refused::Mark(refusal, at)) => Err((refusal, at)),
            Err(Refused::Said(text)) => Ok(Outcome::error(&text)),
        }
    }
}
