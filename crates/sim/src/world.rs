//! The event loop: one queue of events in order of time, nodes that are the real cores.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rumline_agent::{Disk, Due, Duty, Input};
use rumline_collector::TenantId;
use rumline_cssm::{Actor, Cssm, NewToken, Settings, SmartAccountId, VirtualAccountId};
use rumline_protocol::{Random, SigningIdentity, SimulatedSuite, Suite, Timestamp};
use rumline_store::Db;
use rumline_switch::{Devices, Effect, Hardware, Session, Switch};

use crate::collectors::{Carried, Place, SimCollector};
use crate::disk::SimDisk;
use crate::model::{FEATURES, Model};
use crate::ops::{Op, Step};
use crate::plan::{Outcome, Plan};

/// When every world begins.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600);
/// The healed world has this many days to come to rest.
const HEAL_DAYS: u32 = 40;
/// Before that, what needs no help has so many days to settle by itself.
const SETTLE_DAYS: u32 = 5;

/// Whoever does what people do.
pub(crate) fn person() -> Actor {
    Actor::person("sim")
}

/// Chance, drawn from a seed and a purpose.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&purpose.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }
}

impl Random for Chance {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

pub(crate) enum Event {
    Step(Op),
    Wake,
    Deliver {
        request_id: String,
        url: String,
        body: Vec<u8>,
        number: u64,
    },
    Answered {
        request_id: String,
        body: Vec<u8>,
    },
    Busy {
        request_id: String,
        retry_after_seconds: i64,
    },
    Lost {
        request_id: String,
        reason: &'static str,
    },
    PowerOn,
    DiskFreed,
    Upload {
        file: String,
        back_seconds: i64,
        twice: bool,
    },
    Import {
        file: String,
    },
    /// Of a collector: what is due with CSSM.
    Exchange {
        tenant_id: TenantId,
    },
    Export {
        there_seconds: i64,
        carried: Carried,
    },
    UploadBundle(Carried),
    ImportBundle {
        place: Place,
        bytes: Vec<u8>,
    },
}

pub(crate) struct Node {
    pub(crate) hardware: Hardware,
    pub(crate) switch: Option<Switch>,
    pub(crate) store: SimDisk,
    pub(crate) flash: SimDisk,
    pub(crate) random: Chance,
    pub(crate) clock_offset: i64,
    pub(crate) cut_until: Timestamp,
    /// Without power until then.
    pub(crate) off_until: Timestamp,
    pub(crate) next_wake: Option<Timestamp>,
    pub(crate) model: Model,
    /// Where it was last told to report to.
    pub(crate) place: Place,
    /// Whether it was ever told to report within the other virtual account.
    pub(crate) crossed: bool,
    /// For the fault that rolls back.
    pub(crate) earlier: Option<SimDisk>,
}

/// The world.
pub struct World<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) now: Timestamp,
    pub(crate) queue: BTreeMap<(Timestamp, u64), (usize, Event)>,
    pub(crate) number: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) collectors: Vec<SimCollector>,
    pub(crate) cssm: Cssm,
    pub(crate) db: Arc<Db>,
    pub(crate) suite: Arc<dyn Suite>,
    pub(crate) restarts: u64,
    pub(crate) token: String,
    pub(crate) smart_account: SmartAccountId,
    pub(crate) virtual_account: VirtualAccountId,
    pub(crate) other_virtual_account: VirtualAccountId,
    pub(crate) healed: bool,
    pub(crate) outcome: Outcome,
}

impl<'p> World<'p> {
    /// Runs steps, heals, and checks.
    ///
    /// # Errors
    /// With what did not hold.
    pub fn run(plan: &'p Plan, steps: &[Step]) -> Result<Outcome, String> {
        let mut world = Self::new(plan)?;
        for step in steps {
            let at = START + step.at_seconds;
            world.push(at, step.switch, Event::Step(step.op.clone()));
        }
        world.run_until(START.plus_days(plan.days))?;
        world.heal()?;
        Ok(world.outcome)
    }

    fn issuer(seed: u64) -> (Vec<u8>, SigningIdentity) {
        SimulatedSuite::authority(&mut Chance::new(seed, 1))
    }

    fn open_cssm(&self) -> Result<Cssm, String> {
        open_cssm(&self.db, &self.suite, self.plan.seed, self.restarts)
    }

    fn new(plan: &'p Plan) -> Result<Self, String> {
        let db = Arc::new(Db::in_memory().map_err(|e| e.to_string())?);
        let suite: Arc<dyn Suite> = Arc::new(SimulatedSuite);
        let cssm = open_cssm(&db, &suite, plan.seed, 0)?;
        let say = |error: rumline_cssm::Error| error.to_string();
        let account =
            cssm.create_smart_account(START, &person(), "Sim", "sim.test").map_err(say)?;
        let virtual_account = cssm.virtual_accounts(account.id).map_err(say)?[0].id;
        let new = NewToken { description: String::new(), expires_after_days: 365, uses_max: None };
        let token =
            cssm.create_token(START, &person(), account.id, virtual_account, &new).map_err(say)?;
        let (root, _) = Self::issuer(plan.seed);
        let outcome =
            Outcome { events: 0, messages: 0, reports: 0, license_seconds: 0, hash: plan.seed };
        let mut world = Self {
            plan,
            now: START,
            queue: BTreeMap::new(),
            number: 0,
            nodes: Vec::new(),
            collectors: Vec::new(),
            cssm,
            db,
            suite,
            restarts: 0,
            token: token.value,
            smart_account: account.id,
            virtual_account,
            other_virtual_account: virtual_account,
            healed: false,
            outcome,
        };
        if plan.faults {
            world.make_collectors(&root)?;
        }
        for index in 0..plan.switches {
            let hardware = Hardware {
                pid: "N9K-C93180YC-FX3".to_owned(),
                serial: format!("SIM{index:08}"),
                release: "10.4(3)F".to_owned(),
                root_certificate: root.clone(),
            };
            // In a world with faults there are all topologies.
            let place = if plan.faults { Place::of(plan.seed + index as u64) } else { Place::Cssm };
            world.nodes.push(Node {
                hardware,
                switch: None,
                store: SimDisk::default(),
                flash: SimDisk::default(),
                random: Chance::new(plan.seed, 2_000_000 + index as u64),
                clock_offset: 0,
                cut_until: START,
                off_until: START,
                next_wake: None,
                model: Model::new(START),
                place,
                crossed: place == Place::OnPremFile,
                earlier: None,
            });
            world.power_on(index)?;
            world.move_to(index, place)?;
        }
        Ok(world)
    }

    pub(crate) fn push(&mut self, at: Timestamp, node: usize, event: Event) {
        self.number += 1;
        self.queue.insert((at.max(self.now), self.number), (node, event));
    }

    fn run_until(&mut self, end: Timestamp) -> Result<(), String> {
        while let Some(entry) = self.queue.first_entry() {
            let (at, number) = *entry.key();
            if at > end {
                break;
            }
            let (node, event) = entry.remove();
            self.now = at;
            self.outcome.events += 1;
            self.mix(at.0.unsigned_abs() ^ number.rotate_left(17) ^ node as u64);
            self.carry_out(node, event)?;
        }
        self.now = end;
        Ok(())
    }

    fn mix(&mut self, value: u64) {
        let hash = (self.outcome.hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.outcome.hash = hash ^ (hash >> 29);
    }

    fn carry_out(&mut self, node: usize, event: Event) -> Result<(), String> {
        match event {
            Event::Step(op) => self.step(node, &op),
            Event::Wake => {
                if self.nodes[node].next_wake.is_some_and(|at| at <= self.now) {
                    self.nodes[node].next_wake = None;
                    self.input(node, Input::Tick)?;
                }
                Ok(())
            }
            Event::Deliver { request_id, url, body, number } => {
                self.deliver(node, &request_id, &url, &body, number)
            }
            Event::Exchange { tenant_id } => self.exchange(node, tenant_id),
            Event::Export { there_seconds, carried } => {
                self.export(there_seconds, carried)?;
                Ok(())
            }
            Event::UploadBundle(carried) => self.upload_bundle(node, &carried),
            Event::ImportBundle { place, bytes } => self.import_bundle(place, &bytes),
            Event::Answered { request_id, body } => {
                self.input(node, Input::Answer { request_id, body })
            }
            Event::Busy { request_id, retry_after_seconds } => {
                self.input(node, Input::Busy { request_id, retry_after_seconds })
            }
            Event::Lost { request_id, reason } => {
                self.input(node, Input::Unreachable { request_id, reason: reason.to_owned() })
            }
            // Power cuts may overlap: the last one decides.
            Event::PowerOn if self.now < self.nodes[node].off_until => Ok(()),
            Event::PowerOn => self.power_on(node),
            Event::DiskFreed => {
                self.nodes[node].store.full = false;
                self.input(node, Input::Tick)
            }
            Event::Upload { file, back_seconds, twice } => {
                self.upload(node, &file, back_seconds, twice)
            }
            Event::Import { file } => self.import(node, &file),
        }
    }

    fn step(&mut self, node: usize, op: &Op) -> Result<(), String> {
        let up = self.nodes[node].switch.is_some();
        match *op {
            Op::CssmRestart => {
                self.restarts += 1;
                self.cssm = self.open_cssm()?;
            }
            Op::Partition { seconds } => self.nodes[node].cut_until = self.now + seconds,
            Op::CollectorCut { index, seconds } => {
                if let Some(collector) = self.collectors.get_mut(index) {
                    collector.cut_until = self.now + seconds;
                }
            }
            Op::CollectorRestart { index } => self.restart_collector(index)?,
            Op::Bundle { there_seconds, back_seconds, twice, damaged } => {
                let (place, bytes) = (self.nodes[node].place, Vec::new());
                let carried = Carried { place, bytes, back_seconds, twice, damaged };
                self.export(there_seconds, carried)?;
            }
            _ if !up => {}
            Op::Feature { index, on, save } => self.feature(node, index, on, save)?,
            Op::Sync => self.command(node, "license smart sync all")?,
            Op::Reload => {
                if !self.nodes[node].store.full {
                    self.command(node, "reload")?;
                }
            }
            Op::PowerCut { after_writes, seconds } => {
                self.power_cut(node, after_writes, seconds)?;
            }
            // A power cut while the disk is full would lose what only memory holds: nobody can help that.
            Op::DiskFull { seconds } => {
                if self.nodes[node].store.cut_after.is_none() {
                    self.nodes[node].store.full = true;
                    self.push(self.now + seconds, node, Event::DiskFreed);
                }
            }
            Op::ClockStep { seconds } => self.set_clock(node, seconds)?,
            Op::Courier { there_seconds, back_seconds, twice } => {
                self.save_usage(node, there_seconds, back_seconds, twice)?;
            }
            Op::Move { place } => self.move_to(node, place)?,
            Op::TrustAgain => self.ask_for_trust(node)?,
        }
        Ok(())
    }

    /// What the switch's clock shows.
    pub(crate) fn local(&self, node: usize) -> Timestamp {
        self.now + self.nodes[node].clock_offset
    }

    pub(crate) fn input(&mut self, node: usize, input: Input) -> Result<(), String> {
        let local = self.local(node);
        let Some(mut switch) = self.nodes[node].switch.take() else { return Ok(()) };
        let agenda = (input == Input::Tick).then(|| switch.agent().agenda());
        let effects = {
            let n = &mut self.nodes[node];
            let mut devices =
                Devices { store: &mut n.store, flash: &mut n.flash, random: &mut n.random };
            switch.agent_input(local, input, &mut devices)
        };
        self.nodes[node].switch = Some(switch);
        if let Some(agenda) = agenda {
            // What could not be written down waits for that.
            let was_due =
                |due: &Due| due.what == Duty::SaveLedger || (due.what.sends() && due.at <= local);
            let sends = effects.iter().any(|effect| matches!(effect, Effect::Send { .. }));
            if sends && !agenda.iter().any(was_due) {
                return Err(format!("switch {node} sends what was not on its agenda: {agenda:?}"));
            }
        }
        self.effects(node, effects)
    }

    /// Carries out a command line; returns what it printed.
    pub(crate) fn command_output(&mut self, node: usize, line: &str) -> Result<String, String> {
        let local = self.local(node);
        let Some(mut switch) = self.nodes[node].switch.take() else { return Ok(String::new()) };
        let mut session = Session::for_program("admin");
        let mut text = String::new();
        let mut effects = Vec::new();
        {
            let n = &mut self.nodes[node];
            let mut devices =
                Devices { store: &mut n.store, flash: &mut n.flash, random: &mut n.random };
            for part in line.split('\n') {
                let outcome = switch.execute(local, &mut session, part, &mut devices);
                text.push_str(&outcome.reply.text);
                effects.extend(outcome.effects);
            }
        }
        self.nodes[node].switch = Some(switch);
        self.effects(node, effects)?;
        Ok(text)
    }

    pub(crate) fn command(&mut self, node: usize, line: &str) -> Result<(), String> {
        self.command_output(node, line).map(|_| ())
    }

    pub(crate) fn effects(&mut self, node: usize, effects: Vec<Effect>) -> Result<(), String> {
        if self.nodes[node].store.dead {
            // The power failed in the middle: nothing that was to happen happens.
            return self.lose_power(node);
        }
        for effect in effects {
            match effect {
                Effect::Send { request_id, url, body, .. } => {
                    self.transmit(node, request_id, url, body);
                }
                Effect::Log(line) => self.mix(line.len() as u64),
                Effect::ClockSet(_) | Effect::Copy(_) => {}
                Effect::Reload => {
                    self.nodes[node].switch = None;
                    return self.power_on(node);
                }
            }
        }
        self.schedule_wake(node);
        Ok(())
    }

    fn schedule_wake(&mut self, node: usize) {
        let n = &self.nodes[node];
        let Some((at, _)) = n.switch.as_ref().and_then(Switch::next_wake) else { return };
        let at = (at - n.clock_offset).max(self.now + 1);
        if n.next_wake.is_none_or(|scheduled| at < scheduled || scheduled <= self.now) {
            self.nodes[node].next_wake = Some(at);
            self.push(at, node, Event::Wake);
        }
    }

    fn counted(&self, node: usize) -> Result<(i64, i64), String> {
        let serial = self.nodes[node].hardware.serial.clone();
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(rum_report.count_seconds), 0) AS BIGINT)
            FROM rum_report JOIN product_instance
            ON product_instance.smart_account_id = rum_report.smart_account_id
            AND product_instance.id = rum_report.product_instance_id
            WHERE product_instance.serial = $1";
        let found = self.db.read("sim.counted", move |tx| {
            tx.row(sql, &[(&serial).into()], |row| {
                Ok::<_, rumline_store::StoreError>((row.int(0)?, row.int(1)?))
            })
        });
        found.map_err(|error| error.to_string()).map(|row| row.unwrap_or((0, 0)))
    }

    /// After every step: CSSM has counted nothing that was not used.
    pub(crate) fn check_not_more(&mut self, node: usize) -> Result<(), String> {
        let (_, counted) = self.counted(node)?;
        let (_, most) = self.nodes[node].model.used(self.now);
        if counted > most {
            return Err(format!("switch {node}: CSSM counts {counted} s, {most} s were used"));
        }
        Ok(())
    }

    pub(crate) fn check_all_not_more(&mut self) -> Result<(), String> {
        (0..self.nodes.len()).try_for_each(|node| self.check_not_more(node))
    }

    /// Everything works again; the switches are turned off in an orderly way and report.
    fn heal(&mut self) -> Result<(), String> {
        self.healed = true;
        for collector in &mut self.collectors {
            collector.cut_until = self.now;
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].cut_until = self.now;
            self.nodes[node].store.full = false;
            self.power_on(node)?;
            let offset = self.nodes[node].clock_offset;
            if offset != 0 {
                self.set_clock(node, -offset)?;
            }
        }
        let mut end = self.now.plus_days(1);
        self.run_until(end)?;
        let mut expected = Vec::new();
        for node in 0..self.nodes.len() {
            // Wherever a power cut has left it: where it was told to report to last.
            let place = self.nodes[node].place;
            self.move_to(node, place)?;
            for (index, _) in FEATURES.iter().enumerate() {
                self.feature(node, index, false, true)?;
            }
            expected.push(self.nodes[node].model.used(self.now));
        }
        // One sync; all else the switches, collectors and CSSM do by themselves.
        for node in 0..self.nodes.len() {
            if self.nodes[node].place != Place::Files {
                self.command(node, "license smart sync")?;
            }
        }
        for _ in 0..SETTLE_DAYS {
            for node in 0..self.nodes.len() {
                self.carry(node)?;
            }
            end = end.plus_days(1);
            self.run_until(end)?;
        }
        self.check_settled()?;
        for _ in 0..HEAL_DAYS {
            for node in 0..self.nodes.len() {
                self.report_by_all_means(node)?;
            }
            end = end.plus_days(1);
            self.run_until(end)?;
            if self.all_acknowledged() {
                break;
            }
        }
        self.check_all(&expected)
    }

    /// Whoever never was in another virtual account needs nobody's help (PI-RUM-028).
    fn check_settled(&self) -> Result<(), String> {
        for (number, node) in self.nodes.iter().enumerate().filter(|(_, node)| !node.crossed) {
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
        self.nodes.iter().all(|node| {
            let counts = node.switch.as_ref().map(|switch| switch.agent().report_counts());
            matches!(counts, Some([0, 0, 0, _, _]))
        })
    }

    fn check_all(&mut self, expected: &[(i64, i64)]) -> Result<(), String> {
        for (node, (least, most)) in expected.iter().enumerate() {
            let (reports, counted) = self.counted(node)?;
            if counted < *least || counted > *most {
                return Err(format!(
                    "switch {node}: CSSM counts {counted} s in the end, {least} to {most} s were used"
                ));
            }
            let switch = self.nodes[node].switch.as_ref().ok_or("a switch is off in the end")?;
            let [open, closed, waiting, acknowledged, purged] = switch.agent().report_counts();
            if open + closed + waiting > 0 {
                let last = last_words(&self.nodes[node]);
                return Err(format!(
                    "switch {node}: {open} open, {closed} closed, {waiting} waiting reports in the \
                     end; {last}"
                ));
            }
            let held = i64::try_from(acknowledged + purged).unwrap_or(i64::MAX);
            if held > reports {
                return Err(format!("switch {node}: {held} acknowledged, CSSM holds {reports}"));
            }
            self.outcome.reports += reports;
            self.outcome.license_seconds += counted;
            self.mix(counted.unsigned_abs());
        }
        Ok(())
    }
}

/// The end of a switch's event log.
fn last_words(node: &Node) -> String {
    let told = node.store.clone().read("eventlog").ok().flatten().unwrap_or_default();
    let told = String::from_utf8_lossy(&told).into_owned();
    let last: Vec<&str> = told.lines().rev().take(12).collect();
    format!("what it says, newest first:\n{}", last.join("\n"))
}

fn open_cssm(
    db: &Arc<Db>,
    suite: &Arc<dyn Suite>,
    seed: u64,
    restarts: u64,
) -> Result<Cssm, String> {
    let (_, issuer) = World::issuer(seed);
    let random: rumline_cssm::SharedRandom =
        Arc::new(Mutex::new(Chance::new(seed, 3_000_000 + restarts)));
    // A person in a hurry and a hostile network need more than twelve requests an hour.
    let settings = Settings { requests_per_hour_max: 60, ack_delay_seconds: 300 };
    Cssm::open(Arc::clone(db), Arc::clone(suite), issuer, random, settings)
        .map_err(|error| error.to_string())
}
