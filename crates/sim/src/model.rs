//! What must be true, said much more simply than the code that makes it so.
//!
//! For each switch and licence: how many were in use, second by second. A licence counts from the moment its feature was
//! configured until it was removed; a switch without power goes on counting until it comes up again, with what it saved.
//! Where fate leaves more than one possibility - a command that a power cut interrupted, an older copy that came back -
//! there is a least and a most.

use std::collections::{BTreeMap, BTreeSet};

use rumline_protocol::Timestamp;

/// What uses a licence: how it is turned on and off, the licence, and how many of it.
pub(crate) struct Feature {
    pub on: &'static str,
    pub off: &'static str,
    /// The line of the running configuration that shows it.
    pub line: &'static str,
    pub license: &'static str,
    pub count: u32,
}

const fn feature(on: &'static str, off: &'static str, license: &'static str) -> Feature {
    Feature { on, off, line: on, license, count: 1 }
}

pub(crate) const FEATURES: [Feature; 6] = [
    feature("feature bgp", "no feature bgp", "LAN_"),
    feature("feature ospf", "no feature ospf", "LAN_"),
    feature("feature itd", "no feature itd", "NETWORK_"),
    feature("feature ngmvpn", "no feature ngmvpn", "FAB_"),
    Feature {
        on: "slot 1\nport 1-3 type fc",
        off: "slot 1\nno port 1-3 type fc",
        line: "port 1-3 type fc",
        license: "FC_PORT_",
        count: 3,
    },
    Feature {
        on: "slot 1\nport 7-40 type fc",
        off: "slot 1\nno port 7-40 type fc",
        line: "port 7-40 type fc",
        license: "FC_PORT_",
        count: 34,
    },
];

/// Features that are on, by their places in the list.
pub(crate) type Features = BTreeSet<usize>;

/// Licences in use with these features: one for each package, or one for each port.
fn licenses(features: &Features) -> BTreeMap<&'static str, u32> {
    let mut used = BTreeMap::new();
    for feature in features.iter().map(|index| &FEATURES[*index]) {
        let count = used.entry(feature.license).or_insert(0);
        *count = if feature.count > 1 { *count + feature.count } else { 1 };
    }
    used
}

/// Seconds in which so many were in use, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    least: u32,
    most: u32,
}

/// What was used, in licence seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub least: i64,
    pub most: i64,
}

/// The features that the saved configuration has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    features: Features,
    /// What was being saved when the power failed: each may have taken the place of those.
    or: Vec<Features>,
}

impl Saved {
    /// These, for certain.
    pub(crate) fn new(features: Features) -> Self {
        Self { features, or: Vec::new() }
    }

    /// The features, where nothing is open.
    pub(crate) fn certain(&self) -> Option<&Features> {
        self.or.is_empty().then_some(&self.features)
    }

    fn may_be(&self, features: &Features) -> bool {
        self.features == *features || self.or.contains(features)
    }
}

/// The use of one switch.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Features on now.
    pub running: Features,
    /// Features in the saved configuration.
    pub saved: Saved,
    /// A change that a power cut interrupted: it may have taken.
    interrupted: Option<Features>,
    /// What was on before the last change of a count, and when that was.
    before: (Features, Timestamp),
    since: Timestamp,
    spans: BTreeMap<&'static str, Vec<Span>>,
    /// What CSSM had counted when something of the past got lost: that stays.
    floor: i64,
    /// Licence seconds that may be missing, or too many, for reasons that no span tells.
    pub less: i64,
    pub more: i64,
    /// Whether nothing has happened that makes times uncertain or loses something.
    pub is_exact: bool,
    /// Whether it may come up with any configuration.
    is_anything: bool,
    /// Whether it runs a release before Smart Licensing Using Policy: what is in use then no report tells.
    pub is_older: bool,
    /// Whether the power failed while it came up with the other kind of release: what it began, or ended, may not be written.
    is_between: bool,
}

impl Model {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            running: Features::new(),
            saved: Saved::default(),
            interrupted: None,
            before: (Features::new(), now),
            since: now,
            spans: BTreeMap::new(),
            floor: 0,
            less: 0,
            more: 0,
            is_exact: true,
            is_anything: false,
            is_older: false,
            is_between: false,
        }
    }

    /// Of a switch that runs already, with these features.
    pub(crate) fn with(now: Timestamp, features: Features) -> Self {
        Self { saved: Saved::new(features.clone()), running: features, ..Self::new(now) }
    }

    fn settle(&mut self, now: Timestamp) {
        let from = std::mem::replace(&mut self.since, now);
        if from >= now || self.is_older && !self.is_between {
            return;
        }
        let running = licenses(&self.running);
        let other = self.interrupted.as_ref().map_or_else(|| running.clone(), licenses);
        let names: BTreeSet<&str> = running.keys().chain(other.keys()).copied().collect();
        for name in names {
            let count = |of: &BTreeMap<&str, u32>| of.get(name).copied().unwrap_or(0);
            let (one, two) = (count(&running), count(&other));
            let least = if self.is_between { 0 } else { one.min(two) };
            let span = Span { from, to: now, least, most: one.max(two) };
            self.spans.entry(name).or_default().push(span);
        }
    }

    /// Features changed, and the switch said so.
    pub(crate) fn changed(&mut self, now: Timestamp, features: Features) {
        self.settle(now);
        let before = std::mem::replace(&mut self.running, features);
        // What changes no count is not written down.
        if licenses(&before) != licenses(&self.running) {
            self.before = (before, now);
        }
    }

    /// Features were being changed when the power failed.
    pub(crate) fn change_interrupted(&mut self, now: Timestamp, features: Features) {
        self.settle(now);
        self.interrupted = Some(features);
    }

    /// The configuration was saved.
    pub(crate) fn was_saved(&mut self) {
        self.saved = Saved::new(self.running.clone());
    }

    /// The configuration was being saved when the power failed, of the switch or of one of its supervisors.
    pub(crate) fn save_interrupted(&mut self) {
        self.saved.or.push(self.running.clone());
    }

    /// The last thing that was being saved was not, and the power did not fail.
    pub(crate) fn save_refused(&mut self) {
        self.saved.or.pop();
    }

    /// The switch came up: with its saved configuration, and with no mixture of two.
    pub(crate) fn booted(&mut self, now: Timestamp, features: Features) -> Result<(), String> {
        self.settle(now);
        self.interrupted = None;
        let is_anything = std::mem::take(&mut self.is_anything);
        if !is_anything && !self.saved.may_be(&features) {
            return Err(format!("it came up with {features:?}, and has {:?}", self.saved));
        }
        self.saved = Saved::new(features.clone());
        if features != self.running {
            self.changed(now, features);
        }
        Ok(())
    }

    /// It is up with a release that has Smart Licensing Using Policy, or with one of before: what was in use until now was in use by the
    /// one that ran.
    pub(crate) fn runs_older(&mut self, now: Timestamp, is_older: bool, has_power: bool) {
        self.settle(now);
        self.is_between = !has_power && (self.is_between || is_older != self.is_older);
        self.is_exact &= !self.is_between;
        self.is_older = is_older;
    }

    /// The other supervisor went on with what was configured on the first, saved or not.
    pub(crate) fn took_over(&mut self, now: Timestamp, features: Features) -> Result<(), String> {
        self.settle(now);
        let interrupted = self.interrupted.take();
        if features != self.running && Some(&features) != interrupted.as_ref() {
            return Err(format!(
                "the other supervisor goes on with {features:?}; {:?} was configured, and {interrupted:?} \
                 was being configured",
                self.running
            ));
        }
        if features != self.running {
            self.changed(now, features);
        }
        Ok(())
    }

    /// Nobody can say with which configuration it comes up next.
    pub(crate) fn may_be_anything(&mut self) {
        self.is_anything = true;
        self.is_exact = false;
    }

    /// From some moment until now either this or those features were in use, and from now on those.
    pub(crate) fn or_rather(&mut self, from: Timestamp, now: Timestamp, other: &Features) {
        self.settle(now);
        self.interrupted = None;
        let other = licenses(other);
        for name in FEATURES.iter().map(|feature| feature.license).collect::<BTreeSet<_>>() {
            let count = other.get(name).copied().unwrap_or(0);
            let spans = self.spans.entry(name).or_default();
            let (mut blurred, mut at) = (Vec::new(), from);
            for span in spans.drain(..) {
                if span.to <= from {
                    blurred.push(span);
                    continue;
                }
                if span.from < from {
                    blurred.push(Span { to: from, ..span });
                }
                let begin = span.from.max(from);
                if at < begin {
                    blurred.push(Span { from: at, to: begin, least: 0, most: count });
                }
                let (least, most) = (span.least.min(count), span.most.max(count));
                blurred.push(Span { from: begin, to: span.to, least, most });
                at = span.to;
            }
            if at < now {
                blurred.push(Span { from: at, to: now, least: 0, most: count });
            }
            *spans = blurred;
        }
        self.is_exact = false;
    }

    /// The last change may have been forgotten: it was the last thing written, and a file is damaged.
    pub(crate) fn last_change_is_uncertain(&mut self, now: Timestamp) {
        let (features, changed_at) = self.before.clone();
        let running = self.running.clone();
        self.or_rather(changed_at, now, &features);
        // Until it comes up and says what is on.
        (self.running, self.interrupted) = (running, Some(features));
    }

    /// All that CSSM has not counted yet is lost.
    pub(crate) fn lost(&mut self, now: Timestamp, counted: i64) {
        self.settle(now);
        for span in self.spans.values_mut().flatten() {
            span.least = 0;
        }
        self.floor = self.floor.max(counted);
        self.is_exact = false;
    }

    /// CSSM has forgotten something: what it had counted when something else got lost may be gone as well.
    pub(crate) fn counts_forgotten(&mut self) {
        self.floor = 0;
    }

    /// What is on now, at most, in licences.
    pub(crate) fn licenses_most(&self) -> i64 {
        let other = self
            .interrupted
            .iter()
            .chain([&self.running, &self.saved.features])
            .chain(&self.saved.or);
        other
            .map(|features| licenses(features).values().map(|n| i64::from(*n)).sum())
            .max()
            .unwrap_or(0)
    }

    /// Licence seconds of each licence used so far.
    pub(crate) fn used_of(&mut self, now: Timestamp) -> BTreeMap<&'static str, Bounds> {
        self.settle(now);
        let bounds = |spans: &Vec<Span>| {
            let seconds = |count: u32, span: &Span| i64::from(count) * span.to.since(span.from);
            Bounds {
                least: spans.iter().map(|span| seconds(span.least, span)).sum(),
                most: spans.iter().map(|span| seconds(span.most, span)).sum(),
            }
        };
        self.spans.iter().map(|(name, spans)| (*name, bounds(spans))).collect()
    }

    /// Licence seconds used so far, all licences together.
    pub(crate) fn used(&mut self, now: Timestamp) -> Bounds {
        let of = self.used_of(now);
        let least = of.values().map(|bounds| bounds.least).sum::<i64>() - self.less;
        let most = of.values().map(|bounds| bounds.most).sum::<i64>() + self.more;
        Bounds { least: least.max(self.floor), most }
    }

    /// The seconds in which a licence was in use, as spans of which none touch; none where that is not certain.
    pub(crate) fn seconds_of(&self, license: &str) -> Option<Vec<(Timestamp, Timestamp)>> {
        let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
        for span in self.spans.get(license)? {
            if span.least != span.most {
                return None;
            }
            match joined.last_mut() {
                _ if span.most == 0 => {}
                Some((_, to)) if *to == span.from => *to = span.to,
                _ => joined.push((span.from, span.to)),
            }
        }
        Some(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_copy_leaves_a_least_and_a_most() {
        let at = |seconds: i64| Timestamp(1_000 + seconds);
        let mut model = Model::new(at(0));
        model.changed(at(10), Features::from([0]));
        let copy = model.running.clone();
        model.changed(at(20), Features::from([0, 4]));
        model.or_rather(at(15), at(30), &copy);
        let used = model.used_of(at(30));
        assert_eq!(used["LAN_"], Bounds { least: 20, most: 20 });
        assert_eq!(used["FC_PORT_"], Bounds { least: 0, most: 30 });
        assert_eq!(model.used(at(30)), Bounds { least: 20, most: 50 });
        model.lost(at(30), 7);
        assert_eq!(model.used(at(30)), Bounds { least: 7, most: 50 });
    }
}
