//! What has to hold: after every step, once a day, and in the end.

use std::collections::BTreeMap;

use rumline_agent::{Disk, ReportState};
use rumline_collector::InstanceId;
use rumline_protocol::{SignedReport, SimulatedSuite, Timestamp};

use crate::collectors::Place;
use crate::model::{Bounds, FEATURES};
use crate::world::{Event, Node, START, World};

/// The healed world has this many days to come to rest.
const HEAL_DAYS: u32 = 40;
/// Before that, what needs no help has so many days to settle by itself.
const SETTLE_DAYS: u32 = 5;

/// Seconds, as spans in order.
type Known = Vec<(i64, i64)>;

impl World<'_> {
    /// Licence seconds that CSSM has counted for a switch.
    pub(crate) fn counted(&self, node: usize) -> Result<i64, String> {
        Ok(self.counted_of(node)?.iter().map(|(_, seconds)| seconds).sum())
    }

    /// The same for each entitlement tag.
    fn counted_of(&self, node: usize) -> Result<Vec<(String, i64)>, String> {
        let mut all: BTreeMap<String, i64> = BTreeMap::new();
        for serial in self.nodes[node].serials() {
            for (tag, seconds) in self.counted_under(serial)? {
                *all.entry(tag).or_default() += seconds;
            }
        }
        Ok(all.into_iter().collect())
    }

    fn counted_under(&self, serial: String) -> Result<Vec<(String, i64)>, String> {
        let sql = "SELECT rum_report.tag, CAST(SUM(rum_report.count_seconds) AS BIGINT)
            FROM rum_report JOIN product_instance
            ON product_instance.id = rum_report.product_instance_id
            WHERE product_instance.serial = $1 GROUP BY rum_report.tag ORDER BY rum_report.tag";
        let found = self.db.read("sim.counted", move |tx| {
            tx.rows(sql, &[(&serial).into()], |row| {
                Ok::<_, rumline_store::StoreError>((row.text(0)?, row.int(1)?))
            })
        });
        found.map_err(|error| error.to_string())
    }

    /// What CSSM holds of a switch, a line each report.
    fn held_by_cssm(&self, node: usize) -> Result<String, String> {
        let mut rows = Vec::new();
        for serial in self.nodes[node].serials() {
            rows.push(format!("{serial}:"));
            rows.extend(self.held_under(serial)?);
        }
        for account in self.accounts() {
            for view in self.instances_of_node(account, node)? {
                rows.push(format!("held since {:?}, epochs {:?}", view.held_at, view.epochs));
            }
        }
        let agent = self.nodes[node].switch.as_ref().map(rumline_switch::Switch::agent);
        let counts = agent.map(rumline_agent::Agent::report_counts);
        rows.push(format!("the switch: epoch {:?}, reports {counts:?}", agent.map(|a| a.epoch())));
        Ok(format!("CSSM holds:\n{}", rows.join("\n")))
    }

    fn held_under(&self, serial: String) -> Result<Vec<String>, String> {
        let sql = "SELECT rum_report.report_id, rum_report.epoch, rum_report.position,
            rum_report.start_at, rum_report.end_at, rum_report.last_count, rum_report.count_seconds,
            rum_report.overlap_seconds, rum_report.received_at
            FROM rum_report JOIN product_instance
            ON product_instance.id = rum_report.product_instance_id
            WHERE product_instance.serial = $1 ORDER BY rum_report.received_at LIMIT 60";
        let found = self.db.read("sim.held", move |tx| {
            tx.rows(sql, &[(&serial).into()], |row| {
                let since = |place| row.int(place).map(|at| at - START.0);
                Ok::<_, rumline_store::StoreError>(format!(
                    "{} epoch {:?} place {:?}: {} to {}, ends with {}, counted {}, overlap {}, at {}",
                    row.int(0)?,
                    row.text(1)?,
                    row.opt_int(2)?,
                    since(3)?,
                    since(4)?,
                    row.int(5)?,
                    row.int(6)?,
                    row.int(7)?,
                    since(8)?
                ))
            })
        });
        found.map_err(|error| error.to_string())
    }

    /// The very seconds, for each entitlement tag.
    fn seconds_counted(&self, node: usize) -> Result<Vec<(String, Known)>, String> {
        let mut all: BTreeMap<String, Known> = BTreeMap::new();
        for serial in self.nodes[node].serials() {
            for (tag, spans) in self.seconds_under(serial)? {
                let known = spans.split(',').filter_map(|span| span.split_once(':'));
                let known =
                    known.filter_map(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
                all.entry(tag).or_default().extend(known);
            }
        }
        for spans in all.values_mut() {
            spans.sort_unstable();
            let mut joined: Known = Vec::new();
            for (from, to) in spans.drain(..) {
                match joined.last_mut() {
                    // Of two supervisors one may know that there was no use under it.
                    Some(last) if last.1 >= from => last.1 = last.1.max(to),
                    _ => joined.push((from, to)),
                }
            }
            *spans = joined;
        }
        Ok(all.into_iter().collect())
    }

    fn seconds_under(&self, serial: String) -> Result<Vec<(String, String)>, String> {
        let sql = "SELECT license_use.tag, license_use.spans FROM license_use JOIN product_instance
            ON product_instance.id = license_use.product_instance_id
            WHERE product_instance.serial = $1 ORDER BY license_use.tag";
        let found = self.db.read("sim.seconds", move |tx| {
            tx.rows(sql, &[(&serial).into()], |row| {
                Ok::<_, rumline_store::StoreError>((row.text(0)?, row.text(1)?))
            })
        });
        found.map_err(|error| error.to_string())
    }

    /// After every step: CSSM has counted nothing that was not used.
    pub(crate) fn check_not_more(&mut self, node: usize) -> Result<(), String> {
        if self.db.has_ended() {
            return Ok(());
        }
        let node = self.nodes[node].clone_of.unwrap_or(node);
        // While a clone runs nobody can say what is too much.
        if self.nodes[node].has_clone {
            return Ok(());
        }
        let counted = self.counted(node)?;
        let most = self.nodes[node].model.used(self.now).most;
        if counted > most {
            return Err(format!("switch {node}: CSSM counts {counted} s, {most} s were used"));
        }
        Ok(())
    }

    pub(crate) fn check_all_not_more(&mut self) -> Result<(), String> {
        (0..self.nodes.len()).try_for_each(|node| self.check_not_more(node))
    }

    /// Once a day: what is owed is on its way, and who is late is told.
    pub(crate) fn look(&mut self, node: usize) -> Result<(), String> {
        if self.healed {
            return Ok(());
        }
        self.push(self.now + Timestamp::DAY, node, Event::Look);
        let n = &self.nodes[node];
        let (Some(switch), true) = (&n.switch, n.model.is_exact && !n.model.is_older) else {
            return Ok(());
        };
        if n.store.full || self.now.since(n.up_since) < 2 * Timestamp::DAY {
            return Ok(());
        }
        let local = self.local(node);
        let told = switch.agent().usage_reporting();
        if let Some(deadline) = told.next_ack_deadline_at
            && local.since(deadline) > 2 * Timestamp::DAY
            && n.last_alert_at.is_none_or(|at| self.now.since(at) > Timestamp::DAY + 3_600)
        {
            return Err(format!("switch {node} does not say that a report was due at {deadline}"));
        }
        let in_use = !switch.agent().licenses_in_use().is_empty();
        let trusted =
            n.place != Place::Cssm || switch.agent().trust().iter().all(|t| t.code.is_some());
        if let (Some(days @ 1..), true, true) = (told.push_interval_days, in_use, trusted)
            // A power cut may have left it anywhere.
            && switch.agent().config().destination().is_some()
        {
            let latest = local.plus_days(days) + Timestamp::DAY;
            if told.next_push_at.is_none_or(|at| at > latest) {
                return Err(format!(
                    "switch {node} reports every {days} days, and next at {:?}",
                    told.next_push_at
                ));
            }
        }
        Ok(())
    }

    /// Everything works again; the switches are turned off in an orderly way and report.
    pub(crate) fn heal(&mut self) -> Result<(), String> {
        self.healed = true;
        self.db.end_in_commit(None);
        for collector in &mut self.collectors {
            collector.cut_until = self.now;
            collector.db.end_in_commit(None);
        }
        let mut real = Vec::new();
        for node in 0..self.nodes.len() {
            if let Some(original) = self.nodes[node].clone_of {
                self.nodes[node].switch = None;
                let (running, since) =
                    (self.nodes[node].model.running.clone(), self.nodes[node].stands_since);
                if self.nodes[original].has_clone {
                    self.clone_goes(original, node, &running, since)?;
                }
                continue;
            }
            real.push(node);
            self.nodes[node].cut_until = self.now;
            self.nodes[node].store.full = false;
            self.power_on(node)?;
            let offset = self.nodes[node].clock_offset;
            if offset != 0 {
                self.set_clock(node, -offset)?;
            }
        }
        let mut end = self.now + Timestamp::HOUR;
        self.run_until(end)?;
        // Whoever has a release of before goes up: what is checked are reports.
        for node in &real {
            if self.nodes[*node].model.is_older {
                self.install(*node, 1, None, 0)?;
            }
        }
        end = self.now.plus_days(1);
        self.run_until(end)?;
        // A CSSM that was restored hears of what it lacks from whoever has something to say.
        for node in &real {
            self.feature(*node, 0, true, false)?;
        }
        end = end + Timestamp::HOUR;
        self.run_until(end)?;
        self.check_use_under_active()?;
        let mut expected = Vec::new();
        for node in &real {
            // Wherever a power cut has left it: where it was told to report to last.
            let place = self.nodes[*node].place;
            self.move_to(*node, place)?;
            for index in 0..FEATURES.len() {
                self.feature(*node, index, false, true)?;
            }
            expected.push((*node, self.nodes[*node].model.used(self.now)));
        }
        // One sync; all else the switches, collectors and CSSM do by themselves.
        for node in &real {
            if self.nodes[*node].place != Place::Files {
                self.command(*node, "license smart sync")?;
            }
        }
        for _ in 0..SETTLE_DAYS {
            for node in &real {
                self.carry(*node)?;
            }
            end = end.plus_days(1);
            self.run_until(end)?;
        }
        self.check_settled()?;
        for _ in 0..HEAL_DAYS {
            self.decide_claims()?;
            for node in &real {
                self.choose(*node)?;
                self.transfer(*node)?;
                self.report_by_all_means(*node)?;
            }
            end = end.plus_days(1);
            self.run_until(end)?;
            if self.all_acknowledged() && self.check_owners().is_ok() && !self.any_waits()? {
                break;
            }
        }
        self.check_owners()?;
        self.check_in_use()?;
        self.check_tokens()?;
        self.check_pairs()?;
        self.check_all(&expected)
    }

    fn real(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.clone_of.is_none())
    }

    /// Whoever never was in another virtual account needs nobody's help (PI-RUM-028).
    fn check_settled(&self) -> Result<(), String> {
        for (number, node) in self.real().filter(|(_, node)| !node.crossed) {
            // Somebody else spoke under its UDI before it did: its owner is asked.
            if self.has_claim(number)? {
                continue;
            }
            let counts = node.switch.as_ref().map(|switch| switch.agent().report_counts());
            let Some([0, 0, 0, _, _]) = counts else {
                let (place, last) = (node.place, last_words(node));
                return Err(format!(
                    "switch {number} at {place:?} does not settle: {counts:?}; {last}"
                ));
            };
        }
        Ok(())
    }

    fn all_acknowledged(&self) -> bool {
        self.real().all(|(_, node)| {
            let counts = node.switch.as_ref().map(|switch| switch.agent().report_counts());
            matches!(counts, Some([0, 0, 0, _, _]))
        })
    }

    /// Whether a report lies at the collector that its switch reports to: where the policy asks for no ACK, the switch is
    /// done with it.
    fn any_waits(&self) -> Result<bool, String> {
        for (_, node) in self.real() {
            let Some((index, tenant_id)) = node.place.tenant() else { continue };
            let collector = &self.collectors[index].collector;
            for serial in node.serials() {
                let found = collector.instances(tenant_id, &serial, InstanceId::default(), 10);
                if found.map_err(|error| error.to_string())?.iter().any(|view| view.waiting > 0) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn check_all(&mut self, expected: &[(usize, Bounds)]) -> Result<(), String> {
        let wrong = self.cssm.verify_totals().map_err(|error| error.to_string())?;
        if !wrong.is_empty() {
            return Err(format!("totals that are kept are not those that are counted: {wrong:?}"));
        }
        for (node, Bounds { least, most }) in expected {
            self.check_bytes(*node)?;
            let counted = self.counted(*node)?;
            if counted < *least || counted > *most {
                let (held, last) = (self.held_by_cssm(*node)?, last_words(&self.nodes[*node]));
                return Err(format!(
                    "switch {node}: CSSM counts {counted} s in the end, {least} to {most} s were used; \
                     {held}; {last}"
                ));
            }
            let switch = self.nodes[*node].switch.as_ref().ok_or("a switch is off in the end")?;
            let [open, closed, waiting, ..] = switch.agent().report_counts();
            if open + closed + waiting > 0 {
                let last = last_words(&self.nodes[*node]);
                return Err(format!(
                    "switch {node}: {open} open, {closed} closed, {waiting} waiting reports in the \
                     end; {last}"
                ));
            }
            if self.nodes[*node].model.is_exact {
                self.check_exactly(*node)?;
            }
            self.outcome.license_seconds += counted;
            self.mix(counted.unsigned_abs());
        }
        Ok(())
    }

    /// What was acknowledged lies at CSSM, byte for byte.
    fn check_bytes(&mut self, node: usize) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let Some(switch) = &n.switch else { return Ok(()) };
        let summaries = switch.agent().report_summaries(10_000, &mut n.store);
        let summaries = summaries.map_err(|error| error.to_string())?;
        let acknowledged = summaries.iter().filter(|s| s.state == ReportState::Acknowledged);
        let mut digests = Vec::new();
        for summary in acknowledged {
            let text = n.store.read(&format!("rum/{}", summary.report_id)).ok().flatten();
            let text = text.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
            let envelope = text.split_once('\n').map_or("", |(_, envelope)| envelope);
            // One whose file is damaged now is not what was acknowledged.
            let Ok(mut report) = SignedReport::parse(envelope) else { continue };
            if !report.verify(&SimulatedSuite, switch.agent().public_key()) {
                continue;
            }
            digests.push((summary.report_id, report.sha256().to_vec()));
        }
        let here = digests.len();
        let serials = n.serials();
        let missing = self.db.read("sim.acknowledged", move |tx| {
            let mut missing = Vec::new();
            for (id, digest) in &digests {
                let sql = "SELECT report_id FROM rum_report WHERE product_instance_id IN
                    (SELECT id FROM product_instance WHERE serial = $1)
                    AND report_id = $2 AND sha256 = $3";
                let id = i64::try_from(*id).unwrap_or(0);
                let mut is_there = false;
                for serial in &serials {
                    let values = [serial.into(), id.into(), digest.into()];
                    is_there |= tx.row(sql, &values, |row| row.int(0))?.is_some();
                }
                if !is_there {
                    missing.push(id);
                }
            }
            Ok::<_, rumline_store::StoreError>(missing)
        });
        let missing = missing.map_err(|error| error.to_string())?;
        if !missing.is_empty() {
            let held = self.held_by_cssm(node)?;
            return Err(format!(
                "switch {node}: acknowledged and not at CSSM: {missing:?}; {held}"
            ));
        }
        self.outcome.reports += i64::try_from(here).unwrap_or(0);
        Ok(())
    }

    /// Of a switch whose each second is known: each licence's seconds are those that CSSM has, none are missing between, and
    /// its chain is whole.
    fn check_exactly(&mut self, node: usize) -> Result<(), String> {
        let mut used = self.nodes[node].model.used_of(self.now);
        for (tag, counted) in self.counted_of(node)? {
            let license = used.keys().copied().find(|license| tag.contains(license));
            let Some(bounds) = license.and_then(|license| used.remove(license)) else {
                return Err(format!("switch {node}: CSSM counts {counted} s of {tag}, never used"));
            };
            if counted < bounds.least || counted > bounds.most {
                return Err(format!("switch {node}: CSSM counts {counted} s of {tag}: {bounds:?}"));
            }
        }
        if let Some((license, bounds)) = used.iter().find(|(_, bounds)| bounds.least > 0) {
            return Err(format!("switch {node}: CSSM counts nothing of {license}: {bounds:?}"));
        }
        for (tag, spans) in self.seconds_counted(node)? {
            let n = &self.nodes[node];
            let license = FEATURES.iter().map(|feature| feature.license).find(|l| tag.contains(l));
            let wanted = license.and_then(|license| n.model.seconds_of(license));
            for (from, to) in wanted.into_iter().flatten() {
                let (from, to) = ((from + n.first_offset).0, (to + n.first_offset).0);
                // Seconds in which it is known that there was no use may be there too.
                if !spans.iter().any(|span| span.0 <= from && to <= span.1) {
                    return Err(format!(
                        "switch {node}: {from}:{to} of {tag} are not in {spans:?}"
                    ));
                }
            }
        }
        for account in self.accounts() {
            for view in self.instances_of_node(account, node)? {
                if view.reports_missing != 0 || view.overlap_seconds != 0 || view.epochs.len() > 1 {
                    return Err(format!("switch {node}: its chain is not whole: {view:?}"));
                }
            }
        }
        Ok(())
    }
}

/// The end of a switch's event log.
pub(crate) fn last_words(node: &Node) -> String {
    let told = node.store.clone().read("eventlog").ok().flatten().unwrap_or_default();
    let told = String::from_utf8_lossy(&told).into_owned();
    let last: Vec<&str> = told.lines().rev().take(12).collect();
    format!("what it says, newest first:\n{}", last.join("\n"))
}
