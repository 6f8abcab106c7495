//! What becomes of licensing of before on a release with Smart Licensing Using Policy: the registration is a trust code, licence files are
//! converted (PI-TRUST-012, PI-MIG-018).

use rumline_agent::{Disk, Input};
use rumline_legacy::{ConversionState, GATHERED_SECONDS, Kept, Server};
use rumline_protocol::{Timestamp, Traditional};

use crate::answer::Answer;
use crate::command::Call;
use crate::{Devices, Effect, Switch};

/// Why a line of a licence file is never asked for.
const NOT_CONVERTIBLE: &str = "a name or number in it is empty, longer than 64 bytes, or no text";

impl Switch {
    /// On a release with Smart Licensing Using Policy: a registration of before stands for a token until there is a trust code
    /// (PI-TRUST-012).
    pub(crate) fn convert_registration(
        &mut self,
        now: Timestamp,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        let registration = self.before.as_ref().map(|kept| &kept.registration);
        let stays = registration.filter(|registration| registration.leaving.is_none());
        let held = stays.and_then(|registration| registration.held.as_ref());
        if held.is_none_or(|held| held.server != Server::Cssm) {
            return Vec::new();
        }
        self.agent_input(now, Input::Registered, devices)
    }

    /// The clock was set: what is kept of before moves along.
    pub(crate) fn before_stepped(&mut self, by_seconds: i64) {
        let Some(kept) = &mut self.before else { return };
        let was = kept.clone();
        kept.clock_stepped(by_seconds);
        // It is written with the next thing that happens.
        self.is_before_written &= *kept == was;
    }

    /// The registration is a trust code now: on a release of before the switch has to be registered anew (PI-MIG-023).
    pub(crate) fn settle_registration(&mut self, store: &mut dyn Disk) {
        if let Some(kept) = self.before.as_ref().filter(|_| !self.is_before_written) {
            self.is_before_written = store.write(Kept::FILE, &kept.write()).is_ok();
        }
        let has_trust = self.agent.has_trust();
        let held = |kept: &&mut Kept| kept.registration.held.is_some();
        let Some(kept) = self.before.as_mut().filter(held).filter(|_| has_trust) else { return };
        let mut settled = kept.clone();
        settled.registration.end();
        settled.authorization = None;
        // Where it cannot be written it is tried with the next thing that happens.
        if store.write(Kept::FILE, &settled.write()).is_ok() {
            *kept = settled;
        }
    }

    /// When the device knows what it has to convert.
    pub(crate) fn next_conversion(&self) -> Option<(Timestamp, &'static str)> {
        let own = self.before.as_ref()?.conversion.as_ref().filter(|_| !self.is_converting)?;
        let is_done = self.before.as_ref().is_some_and(|kept| kept.converted_at.is_some());
        (!is_done).then(|| (own.since + GATHERED_SECONDS, "device-led conversion"))
    }

    /// Asks for the conversion of what licence files held, and hears what became of it (PI-MIG-018).
    pub(crate) fn convert_licenses(
        &mut self,
        now: Timestamp,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        let Some(kept) = &self.before else { return Vec::new() };
        if kept.conversion_state(now) != ConversionState::InProgress {
            return Vec::new();
        }
        let mut after = kept.clone();
        let is_new = self.is_converting && after.converted(now, self.agent.conversions());
        if after.complete(now) || is_new {
            if devices.store.write(Kept::FILE, &after.write()).is_err() {
                return Vec::new();
            }
            self.before = Some(after.clone());
        } else if self.is_converting {
            return Vec::new();
        }
        self.is_converting = true;
        // Nothing more, or what is left: there may be more than one request holds.
        let input = Input::Convert(after.to_convert(now));
        let effects = self.agent.handle(now, input, &mut devices.agent());
        let mut effects = self.take_effects(now, effects, devices);
        if after.converted_at.is_some() {
            let results = after.conversion.iter().flat_map(|own| &own.results);
            let (refused, done): (Vec<_>, Vec<_>) = results.partition(|own| own.refusal.is_some());
            let told = format!(
                "%LICMGR-6-LOG_SMART_LIC_CONVERSION_COMPLETE: {} traditional licenses were converted, {} were not",
                done.len(),
                refused.len() + after.not_convertible(now).len()
            );
            effects.push(self.log_line(now, &told));
        }
        effects
    }

    /// Why no report may be taken to CSSM by hand yet (PI-MIG-021, PI-RUM-029).
    pub(crate) fn waits_for_conversion(&self, now: Timestamp) -> Option<String> {
        let is_off = self.agent.config().destination().is_none();
        match self.before.as_ref()?.conversion_state(now) {
            ConversionState::Gathering(until) if is_off => Some(format!(
                "traditional licenses are found until {}: wait until show license data conversion is not blank",
                self.derived.zone.license_time(until)
            )),
            _ => None,
        }
    }
}

/// `show license data conversion` (PI-SHOW-027, G-35).
pub(crate) fn show_conversion(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let now = call.now;
    call.text_only(|| switch.conversion_text(now))
}

impl Switch {
    /// One line for each that was not converted, and why. What licence files hold is shown as text, whatever it is.
    fn refused_text(&self, now: Timestamp) -> String {
        let Some(kept) = &self.before else { return String::new() };
        let results = kept.conversion.iter().flat_map(|own| &own.results);
        let refused = results
            .filter_map(|own| Some((own.file_id.clone(), own.line_id, own.refusal.clone()?)));
        let unsound = kept.not_convertible(now).into_iter();
        let unsound = unsound.map(|own| (own.file_id, own.line_id, NOT_CONVERTIBLE.to_owned()));
        let line = |(file, line, why): (String, u32, String)| {
            let file: String =
                file.chars().filter(|c| !c.is_control()).take(Traditional::BYTES_MAX).collect();
            format!("    License file {file}, line {line}: {why}\n")
        };
        refused.chain(unsound).map(line).collect()
    }

    fn conversion_text(&self, now: Timestamp) -> String {
        let state = self.before.as_ref().map(|kept| kept.conversion_state(now));
        let (automatic, status) = match state.unwrap_or(ConversionState::NotStarted) {
            ConversionState::NotStarted => ("False", "Not started".to_owned()),
            ConversionState::Gathering(_) => return String::new(),
            ConversionState::InProgress => ("True", "In progress".to_owned()),
            ConversionState::Completed(at) => {
                ("True", format!("Completed {}", self.derived.zone.license_time(at)))
            }
        };
        let mut text = format!(
            "License Conversion:\n  Automatic Conversion Enabled: {automatic}\n  Active: PID: {}, SN: {}\n    \
             Status: {status}\n",
            self.udi.pid, self.udi.serial
        );
        text.push_str(&self.refused_text(now));
        text
    }
}
