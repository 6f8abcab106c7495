//! The event loop: one queue of events in order of time, nodes that are the real cores.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rumline_agent::{Due, Duty, Input, Reason};
use rumline_collector::TenantId;
use rumline_cssm::{Actor, Cssm, Settings, SmartAccountId, VirtualAccountId};
use rumline_protocol::{Signer, SigningIdentity, SimulatedSuite, Suite, Timestamp};
use rumline_store::Db;
use rumline_switch::{Effect, Hardware, Session, Switch};

use crate::chance::Chance;
use crate::collectors::{Carried, Place, SimCollector};
use crate::disk::{Copy, SimDisk};
use crate::model::{Features, Model};
use crate::ops::{Op, Step};
use crate::pair::{Pair, PairEvent};
use crate::plan::{Fate, Outcome, Plan};

/// When every world begins.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600);
/// Whoever does what people do.
pub(crate) fn person() -> Actor {
    Actor::person("sim")
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
        reason: Reason,
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
    /// An older copy of a switch's store is put in place.
    PutBack(Box<Copy>),
    /// A clone is turned off.
    CloneGoes {
        index: usize,
        running: Features,
        since: Timestamp,
    },
    /// Of a collector, or of CSSM where the number is that of no collector.
    PutDbBack(Arc<Db>),
    OldToken {
        token: String,
    },
    /// Somebody looks at a switch once a day.
    Look,
    Pair(PairEvent),
}

pub(crate) struct Node {
    pub(crate) hardware: Hardware,
    pub(crate) switch: Option<Switch>,
    pub(crate) store: SimDisk,
    pub(crate) flash: SimDisk,
    pub(crate) random: Chance,
    pub(crate) clock_offset: i64,
    /// What that was in the beginning.
    pub(crate) first_offset: i64,
    /// By how much it was set last.
    pub(crate) last_step_seconds: i64,
    /// By how much it was put back while nobody looked.
    pub(crate) put_back_seconds: i64,
    /// Whether it was moved, by a file, since healing began.
    pub(crate) was_moved: bool,
    pub(crate) cut_until: Timestamp,
    /// Without power until then.
    pub(crate) off_until: Timestamp,
    pub(crate) next_wake: Option<Timestamp>,
    pub(crate) model: Model,
    /// Where it was last told to report to.
    pub(crate) place: Place,
    /// The Smart Account it is in: the first or the other one.
    pub(crate) account: usize,
    /// Whether it was ever told to report within another account, or lost something: then somebody has to help.
    pub(crate) crossed: bool,
    /// Since when it is up.
    pub(crate) up_since: Timestamp,
    /// Since when its store was not emptied: older copies are of another device.
    pub(crate) stands_since: Timestamp,
    /// Whether CSSM may have been told of use whose end nobody can tell it any more.
    pub(crate) end_is_lost: bool,
    /// Whether a copy of its store ever came back, or ran beside it.
    pub(crate) was_copied: bool,
    /// Whose clone it is.
    pub(crate) clone_of: Option<usize>,
    pub(crate) has_clone: bool,
    /// When it last warned that a report is required.
    pub(crate) last_alert_at: Option<Timestamp>,
    /// The hour in which it sent its last message, and how many in it.
    pub(crate) messages_of: (i64, u32),
    /// What it was answered last, and what it said last and to whom: for attacks.
    pub(crate) last_answer: Option<Vec<u8>>,
    pub(crate) last_body: Option<(String, Vec<u8>)>,
    /// For the fault that rolls back.
    pub(crate) earlier: Option<SimDisk>,
    /// Where there are two supervisors.
    pub(crate) pair: Option<Pair>,
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
    /// By how much its clock is ahead.
    pub(crate) cssm_skew: i64,
    pub(crate) smart_account: SmartAccountId,
    pub(crate) virtual_account: VirtualAccountId,
    pub(crate) other_virtual_account: VirtualAccountId,
    pub(crate) other_smart_account: (SmartAccountId, VirtualAccountId),
    /// A bundle that a collector sent: for attacks.
    pub(crate) last_bundle: Option<Vec<u8>>,
    pub(crate) healed: bool,
    /// What a process said whose commit failed.
    pub(crate) told_too_early: Option<String>,
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

    pub(crate) fn open_cssm(&self) -> Result<Cssm, String> {
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
        let other =
            cssm.create_smart_account(START, &person(), "Other", "other.test").map_err(say)?;
        let other = (other.id, cssm.virtual_accounts(other.id).map_err(say)?[0].id);
        let (root, _) = Self::issuer(plan.seed);
        let outcome = Outcome {
            events: 0,
            messages: 0,
            reports: 0,
            license_seconds: 0,
            met: BTreeMap::new(),
            hash: plan.seed,
        };
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
            cssm_skew: 0,
            smart_account: account.id,
            virtual_account,
            other_virtual_account: virtual_account,
            other_smart_account: other,
            last_bundle: None,
            healed: false,
            told_too_early: None,
            outcome,
        };
        if plan.faults {
            world.make_collectors(&root)?;
        }
        for index in 0..plan.switches {
            let hardware = Hardware {
                pid: "N9K-C93180YC-FX".to_owned(),
                serial: format!("SIM{index:08}"),
                release: "10.4(3)F".to_owned(),
                root_certificate: root.clone(),
                maker_key: Some(maker(plan.seed).public_key().clone()),
                links: std::collections::BTreeSet::new(),
                with_defects: false,
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
                first_offset: 0,
                last_step_seconds: 0,
                put_back_seconds: 0,
                was_moved: false,
                cut_until: START,
                off_until: START,
                next_wake: None,
                model: Model::new(START),
                place,
                account: 0,
                crossed: place == Place::OnPremFile,
                up_since: START,
                stands_since: START,
                end_is_lost: false,
                was_copied: false,
                clone_of: None,
                has_clone: false,
                last_alert_at: None,
                messages_of: (0, 0),
                last_answer: None,
                last_body: None,
                earlier: None,
                pair: None,
            });
        }
        if plan.has(Fate::ClocksApart) {
            world.set_clocks_apart();
        }
        for index in 0..plan.switches {
            let place = world.nodes[index].place;
            if plan.pairs.contains(&index) {
                world.make_pair(index);
            }
            world.power_on(index)?;
            world.move_to(index, place)?;
            world.push(START.plus_days(1), index, Event::Look);
        }
        Ok(world)
    }

    pub(crate) fn push(&mut self, at: Timestamp, node: usize, event: Event) {
        self.number += 1;
        self.queue.insert((at.max(self.now), self.number), (node, event));
    }

    pub(crate) fn run_until(&mut self, end: Timestamp) -> Result<(), String> {
        while let Some(entry) = self.queue.first_entry() {
            let (at, number) = *entry.key();
            if at > end {
                break;
            }
            let (node, event) = entry.remove();
            self.now = at;
            self.outcome.events += 1;
            self.mix(at.0.unsigned_abs() ^ number.rotate_left(17) ^ node as u64);
            let carried_out = self.carry_out(node, event);
            // What a process that ended was asked for is lost; whoever asked tries again another time.
            if !self.restart_ended()? {
                carried_out?;
            }
        }
        self.now = end;
        Ok(())
    }

    pub(crate) fn mix(&mut self, value: u64) {
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
            // What is healed is left alone.
            Event::PutBack(_) | Event::PutDbBack(_) | Event::CloneGoes { .. } if self.healed => {
                Ok(())
            }
            Event::PutBack(copy) => self.put_back(node, *copy),
            Event::CloneGoes { index, running, since } => {
                self.clone_goes(node, index, &running, since)
            }
            Event::PutDbBack(db) if node < self.collectors.len() => {
                self.restore_collector(node, db)
            }
            Event::PutDbBack(db) => self.restore_cssm(db),
            Event::OldToken { token } => self.use_old_token(node, &token),
            Event::Look => self.look(node),
            Event::Answered { request_id, body } => {
                self.nodes[node].last_answer = Some(body.clone());
                self.input(node, Input::Answer { request_id, body })
            }
            Event::Busy { request_id, retry_after_seconds } => {
                self.input(node, Input::Busy { request_id, retry_after_seconds })
            }
            Event::Lost { request_id, reason } => {
                self.input(node, Input::Unreachable { request_id, reason })
            }
            // Power cuts may overlap: the last one decides.
            Event::PowerOn if self.now < self.nodes[node].off_until => Ok(()),
            Event::PowerOn => self.power_on(node),
            Event::Pair(event) => self.carry_out_pair(node, event),
            Event::DiskFreed => {
                self.nodes[node].disks_freed();
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
            Op::CssmCopy { after_seconds } => {
                let copy = self.db.copy().map_err(|error| error.to_string())?;
                let none = self.collectors.len();
                self.push(self.now + after_seconds, none, Event::PutDbBack(Arc::new(copy)));
            }
            Op::CollectorCopy { index, after_seconds } => {
                if let Some(collector) = self.collectors.get(index) {
                    let copy = collector.db.copy().map_err(|error| error.to_string())?;
                    self.push(self.now + after_seconds, index, Event::PutDbBack(Arc::new(copy)));
                }
            }
            Op::CommitCrash { whose, after_commits, kept } => {
                let db = self.collectors.get(whose).map_or(&self.db, |collector| &collector.db);
                db.end_in_commit(Some((after_commits, kept)));
            }
            Op::Policy { kind } => self.set_policy(kind)?,
            Op::OldToken => self.keep_token(node)?,
            Op::Remove => {
                self.remove(node)?;
                self.meet("removed and back");
            }
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
            Op::Pair(ref op) => self.pair_op(node, op)?,
            _ if !up => {}
            // Behind the back of a pair, or with an older copy of it, is not modelled.
            Op::BitRot { .. }
            | Op::SwitchCopy { .. }
            | Op::Clone { .. }
            | Op::KeyLoss
            | Op::FactoryReset
            | Op::ClockWhileOff { .. }
            | Op::OtherAccount
                if self.nodes[node].pair.is_some() => {}
            Op::Feature { index, on, save } => self.feature(node, index, on, save)?,
            Op::Sync => {
                // Of those who look first, what they saw is what leaves.
                if self.now.0 % 2 == 0 {
                    self.command(node, "show license preview")?;
                }
                self.command(node, "license smart sync all")?;
                // And some look at what comes next, which may be another thing when it does.
                if self.now.0 % 3 == 0 {
                    self.command(node, "show license preview")?;
                }
            }
            Op::Reload => {
                if !self.nodes[node].store.full {
                    self.command(node, "reload")?;
                }
            }
            Op::Install { release, after_writes, seconds } => {
                self.install(node, release, after_writes, seconds)?;
            }
            Op::Register => self.register(node)?,
            Op::PowerCut { after_writes, seconds } => {
                self.power_cut(node, after_writes, seconds)?;
            }
            // A power cut while the disk is full would lose what only memory holds: nobody can help that.
            Op::DiskFull { seconds } => {
                if self.nodes[node].store.cut_after.is_none() {
                    self.nodes[node].store.full = true;
                    self.meet("disk full");
                    self.push(self.now + seconds, node, Event::DiskFreed);
                }
            }
            Op::ClockStep { seconds } => self.set_clock(node, seconds)?,
            Op::Courier { there_seconds, back_seconds, twice } => {
                self.save_usage(node, there_seconds, back_seconds, twice)?;
            }
            Op::Move { place } => self.move_to(node, place)?,
            Op::TrustAgain => self.ask_for_trust(node)?,
            Op::BitRot { file, bit } => self.rot(node, file, bit)?,
            Op::SwitchCopy { after_seconds } => {
                // What a copy with another licensing tells is not modelled.
                let n = &self.nodes[node];
                if n.store.cut_after.is_none() && !n.model.is_older {
                    let copy = Event::PutBack(Box::new(self.copy_of(node)));
                    self.push(self.now + after_seconds, node, copy);
                }
            }
            Op::Clone { .. } if self.nodes[node].model.is_older => {}
            Op::Clone { seconds } => self.clone_switch(node, seconds)?,
            Op::KeyLoss => self.lose_key(node)?,
            Op::FactoryReset => self.factory_reset(node)?,
            Op::ClockWhileOff { off_seconds, by_seconds } => {
                self.set_clock_while_off(node, off_seconds, by_seconds)?;
            }
            Op::OtherAccount => self.change_account(node)?,
            Op::Attack { kind } => self.attack(node, kind)?,
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
        // On a release of before the agent sleeps, and it is not the one that sends.
        let agenda = (input == Input::Tick && switch.has_slp()).then(|| switch.agent().agenda());
        let effects =
            self.nodes[node].on_devices(|devices| switch.agent_input(local, input, devices));
        self.nodes[node].switch = Some(switch);
        if let Some(agenda) = agenda {
            // What could not be written down waits for that, and with a policy its schedule ends.
            let was_due = |due: &Due| {
                due.what == Duty::SaveLedger
                    || due.at <= local && (due.what.sends() || due.what == Duty::PolicyEnd)
            };
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
        self.nodes[node].on_devices(|devices| {
            for part in line.split('\n') {
                let outcome = switch.execute(local, &mut session, part, devices);
                text.push_str(&outcome.reply.text);
                effects.extend(outcome.effects);
            }
        });
        self.nodes[node].switch = Some(switch);
        self.effects(node, effects)?;
        Ok(text)
    }

    pub(crate) fn command(&mut self, node: usize, line: &str) -> Result<(), String> {
        self.command_output(node, line).map(|_| ())
    }

    pub(crate) fn effects(&mut self, node: usize, effects: Vec<Effect>) -> Result<(), String> {
        if self.nodes[node].pair.is_some() {
            // What was done may have turned off either.
            self.look_at_power(node)?;
            if self.nodes[node].switch.is_none() {
                return Ok(());
            }
        } else if self.nodes[node].store.dead {
            // The power failed in the middle: nothing that was to happen happens.
            return self.lose_power(node);
        }
        for effect in effects {
            match effect {
                Effect::Send { request_id, url, body, .. } => {
                    self.transmit(node, request_id, url, body)?;
                }
                Effect::Log(line) => {
                    if line.text.contains("LOG_SMART_LIC_REPORTING_REQUIRED") {
                        self.nodes[node].last_alert_at = Some(self.now);
                    }
                    self.mix(line.text.len() as u64);
                }
                Effect::ClockSet(_)
                | Effect::ClockMoved { .. }
                | Effect::AskTime(_)
                | Effect::Copy(_)
                | Effect::Ping(_)
                | Effect::Trace(_)
                | Effect::EndSession(_) => {}
                Effect::Switchover => return self.hands_over(node),
                Effect::ReloadStandby => self.standby_restarts(node)?,
                Effect::Reload => {
                    self.nodes[node].switch = None;
                    if self.nodes[node].pair.is_some() {
                        return self.pair_restarts(node);
                    }
                    return self.power_on(node);
                }
            }
        }
        self.schedule_wake(node);
        self.look_at_pair(node)
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
}

/// Whoever makes the images that switches take.
pub(crate) fn maker(seed: u64) -> Box<dyn Signer> {
    let key = SimulatedSuite.generate_device_key(&mut Chance::new(seed, 9_000_000));
    key.expect("a simulated key can be made of any numbers")
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
    let settings =
        Settings { requests_per_hour_max: 60, ack_delay_seconds: 300, ..Settings::default() };
    Cssm::open(Arc::clone(db), Arc::clone(suite), issuer, random, settings)
        .map_err(|error| error.to_string())
}
