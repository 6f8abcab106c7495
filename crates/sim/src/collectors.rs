//! The collectors of the world: one CSLU that reaches CSSM and one that does not, and an SSM On-Prem with a tenant of
//! each kind. People carry files for all of them.

use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use rumline_agent::Input;
use rumline_collector::{
    Answer, Collector, Done, Exchange, Kind, Settings, TenantId, TenantSettings, Work,
};
use rumline_cssm::{NewCollector, UsageFile, UsageFileId};
use rumline_protocol::{
    Random, Signer, SimulatedSuite, Suite, Timestamp, base64, registration_text,
};
use rumline_store::Db;

use crate::chance::Chance;
use crate::plan::Fate;
use crate::world::{Event, START, World, person};

/// Where a switch reports to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Topology 1: a CSLU that reaches CSSM.
    CsluOnline,
    /// Topology 2: CSSM.
    Cssm,
    /// Topology 3: a CSLU that does not.
    CsluFile,
    /// Topology 4: a tenant of SSM On-Prem that reaches CSSM.
    OnPremOnline,
    /// Topology 5: a tenant that does not, for another virtual account.
    OnPremFile,
    /// Topology 6: nobody; files of its own.
    Files,
}

impl Place {
    const ALL: [Self; 6] = [
        Self::CsluOnline,
        Self::Cssm,
        Self::CsluFile,
        Self::OnPremOnline,
        Self::OnPremFile,
        Self::Files,
    ];

    /// The place of a topology, counted from any number.
    #[must_use]
    pub fn of(number: u64) -> Self {
        Self::ALL[usize::try_from(number % 6).unwrap_or(0)]
    }

    /// The lines that point a switch there.
    pub(crate) fn lines(self) -> String {
        let cslu =
            |url: &str| format!("license smart transport cslu\nlicense smart url cslu {url}");
        match self {
            Self::CsluOnline => cslu("http://cslu-0:8182/cslu/v1/pi"),
            Self::Cssm => "license smart transport smart".to_owned(),
            Self::CsluFile => cslu("http://cslu-1:8182/cslu/v1/pi"),
            Self::OnPremOnline => cslu("https://Cisco_SSM_OnPrem/cslu/v1/pi/ONLINE"),
            Self::OnPremFile => cslu("https://Cisco_SSM_OnPrem/cslu/v1/pi/FILE"),
            Self::Files => "license smart transport off".to_owned(),
        }
    }

    /// The tenant behind it: the collector's place in the list and the tenant's number there.
    pub(crate) fn tenant(self) -> Option<(usize, TenantId)> {
        match self {
            Self::CsluOnline => Some((0, TenantId(1))),
            Self::CsluFile => Some((1, TenantId(1))),
            Self::OnPremOnline => Some((2, TenantId(1))),
            Self::OnPremFile => Some((2, TenantId(2))),
            Self::Cssm | Self::Files => None,
        }
    }
}

/// A collector of the world; its store outlives it.
pub(crate) struct SimCollector {
    pub(crate) collector: Collector,
    pub(crate) db: Arc<Db>,
    signer: Arc<dyn Signer>,
    settings: Settings,
    /// By how much its clock is ahead.
    pub(crate) skew: i64,
    /// Without a way to CSSM until then.
    pub(crate) cut_until: Timestamp,
}

/// A file between a collector and CSSM, on its way in someone's pocket.
pub(crate) struct Carried {
    pub place: Place,
    pub bytes: Vec<u8>,
    pub back_seconds: i64,
    pub twice: bool,
    /// Whether a byte of it was changed: then it must be refused, or change nothing.
    pub damaged: bool,
}

/// A collector looks this often whether something is due.
const EXCHANGE_SECONDS: i64 = 2 * Timestamp::HOUR;
/// The virtual accounts of the world: that of almost everybody, and another one.
const VIRTUAL_ACCOUNTS: [&str; 2] = ["Default", "Lab"];

impl World<'_> {
    /// Makes the collectors, and makes those known to CSSM that reach it.
    pub(crate) fn make_collectors(&mut self, root: &[u8]) -> Result<(), String> {
        let say = |error: rumline_collector::Error| error.to_string();
        let (account, name) = (self.smart_account, VIRTUAL_ACCOUNTS[1]);
        let other = self.cssm.create_virtual_account(START, &person(), account, name);
        self.other_virtual_account = other.map_err(say)?.id;
        for (index, kind) in [Kind::Cslu, Kind::Cslu, Kind::OnPrem].into_iter().enumerate() {
            let mut chance = Chance::new(self.plan.seed, 4_000_000 + index as u64);
            let signer = SimulatedSuite.generate_device_key(&mut chance);
            let signer: Arc<dyn Signer> = signer.map_err(|error| error.to_string())?.into();
            let settings = Settings {
                kind,
                name: format!("sim-{index}"),
                version: Settings::ON_PREM_VERSION.to_owned(),
                root_certificate: root.to_vec(),
            };
            let db = Arc::new(Db::in_memory().map_err(|error| error.to_string())?);
            let collector = open(&db, &signer, &settings, chance)?;
            let cut_until = START;
            self.collectors.push(SimCollector {
                collector,
                db,
                signer,
                settings,
                skew: 0,
                cut_until,
            });
        }
        self.set_up(Place::CsluOnline, "", VIRTUAL_ACCOUNTS[0], true)?;
        self.set_up(Place::CsluFile, "", VIRTUAL_ACCOUNTS[0], false)?;
        self.set_up(Place::OnPremOnline, "ONLINE", VIRTUAL_ACCOUNTS[0], true)?;
        self.set_up(Place::OnPremFile, "FILE", VIRTUAL_ACCOUNTS[1], false)
    }

    fn set_up(
        &mut self,
        place: Place,
        name: &str,
        va: &str,
        connected: bool,
    ) -> Result<(), String> {
        let say = |error: rumline_collector::Error| error.to_string();
        let Some((index, tenant_id)) = place.tenant() else { return Ok(()) };
        let c = &self.collectors[index];
        let settings = TenantSettings {
            smart_account: "Sim".to_owned(),
            virtual_account: va.to_owned(),
            connected,
            sync_minutes: 15,
        };
        if name.is_empty() {
            c.collector.set_tenant(START, &person(), tenant_id, &settings).map_err(say)?;
        } else {
            c.collector.create_tenant(START, &person(), name, &settings).map_err(say)?;
        }
        if connected {
            let text = registration_text("Sim", va, &c.settings.name);
            let new = NewCollector {
                kind: c.settings.kind.title().to_owned(),
                name: c.settings.name.clone(),
                public_key: c.signer.public_key().clone(),
                proof: base64(&c.signer.sign(text.as_bytes())),
            };
            let va = self.virtual_account;
            self.cssm
                .register_collector(START, &person(), self.smart_account, va, &new)
                .map_err(say)?;
            c.collector.note_registered(START, &person(), tenant_id).map_err(say)?;
            self.push(START + EXCHANGE_SECONDS, index, Event::Exchange { tenant_id });
        }
        Ok(())
    }

    /// A collector's process ends and comes up again.
    pub(crate) fn restart_collector(&mut self, index: usize) -> Result<(), String> {
        self.restarts += 1;
        let purpose = 5_000_000 + self.restarts * 10 + index as u64;
        let chance = Chance::new(self.plan.seed, purpose);
        if let Some(c) = self.collectors.get_mut(index) {
            c.collector = open(&c.db, &c.signer, &c.settings, chance)?;
        }
        Ok(())
    }

    /// What the collector behind a URL answers a switch; none for a URL that is not a collector's.
    pub(crate) fn ask_collector(&self, url: &str, body: &[u8]) -> Option<Result<Vec<u8>, String>> {
        let place = Place::ALL.into_iter().find(|place| {
            place.tenant().is_some() && place.lines().ends_with(&format!(" {url}"))
        })?;
        let (index, tenant_id) = place.tenant()?;
        let answer: Arc<Mutex<Option<Answer>>> = Arc::default();
        let slot = Arc::clone(&answer);
        self.collectors.get(index)?.collector.receive(
            self.collector_now(index),
            tenant_id,
            "switch",
            body,
            move |answer| {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            },
        );
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        Some(match answer {
            Some(Answer::Message { response, .. }) => {
                serde_json::to_vec(&response).map_err(|error| error.to_string())
            }
            _ if self.collectors.get(index)?.db.has_ended() => {
                Err("its process has ended".to_owned())
            }
            other => Err(format!("the collector answers {other:?}")),
        })
    }

    /// Exchanges with CSSM what is due; batches and answers may get lost.
    pub(crate) fn exchange(&mut self, index: usize, tenant_id: TenantId) -> Result<(), String> {
        let say = |error: rumline_collector::Error| error.to_string();
        self.push(self.now + EXCHANGE_SECONDS, index, Event::Exchange { tenant_id });
        let collector = self.collectors[index].collector.clone();
        let here = self.collector_now(index);
        let began = collector.sync_state(here, tenant_id).map_err(say)?;
        if began.due_at.is_none_or(|at| at > here) {
            return Ok(());
        }
        let hostile = self.plan.faults && !self.healed;
        let purpose = 6_000_000_000 + self.now.0.unsigned_abs() * 16 + index as u64;
        let mut chance = Chance::new(self.plan.seed, purpose);
        let cut = self.now < self.collectors[index].cut_until;
        let (mut exchange, mut works) = Exchange::begin(began);
        while !works.is_empty() {
            // What a server does side by side ends in any order.
            let any = chance.below(works.len() as u64);
            let done = match works.swap_remove(usize::try_from(any).unwrap_or(0)) {
                Work::Bring(_) if cut || (hostile && chance.below(8) == 0) => {
                    Done::Brought(Err("no route to host".to_owned()))
                }
                Work::Bring(bytes) => {
                    self.last_bundle = Some(bytes.clone());
                    let answer = self.cssm.receive_bundle(self.cssm_now(), &bytes);
                    if self.db.has_ended() {
                        works.extend(exchange.done(Done::Brought(Err("reset".to_owned()))));
                        continue;
                    }
                    self.check_all_not_more()?;
                    let answer =
                        answer.map_err(|error| format!("CSSM refuses a batch: {error}"))?;
                    let is_lost = hostile && chance.below(8) == 0;
                    Done::Brought(if is_lost { Err("timeout".to_owned()) } else { Ok(answer) })
                }
                Work::Here(work) => collector.carry_out(here, tenant_id, work).map_err(say)?,
            };
            if let Done::Taken(Err(why)) = &done {
                return Err(format!("a collector refuses CSSM's answer: {why}"));
            }
            works.extend(exchange.done(done));
        }
        Ok(())
    }

    /// A person exports a bundle; it reaches CSSM after a while.
    pub(crate) fn export(
        &mut self,
        there_seconds: i64,
        mut carried: Carried,
    ) -> Result<(), String> {
        let Some((index, tenant_id)) = carried.place.tenant() else { return Ok(()) };
        let c = &self.collectors[index];
        let scratch = Cursor::new(Vec::new());
        let here = self.collector_now(index);
        match c.collector.export(here, &person(), tenant_id, None, scratch, &mut carried.bytes) {
            Ok(_) => {}
            // With nothing to export the person goes home.
            Err(rumline_collector::Error::Conflict(_)) => return Ok(()),
            Err(error) => return Err(format!("a collector exports nothing: {error}")),
        }
        if carried.damaged {
            let middle = carried.bytes.len() / 2;
            carried.bytes[middle] ^= 0x10;
        }
        let rounds = if carried.twice { 2 } else { 1 };
        for round in 1..=rounds {
            let (bytes, twice) = (carried.bytes.clone(), carried.twice);
            let event = Event::UploadBundle(Carried { bytes, twice, ..carried });
            self.push(self.now + there_seconds * round, index, event);
        }
        Ok(())
    }

    pub(crate) fn upload_bundle(&mut self, index: usize, carried: &Carried) -> Result<(), String> {
        let va = match carried.place {
            Place::OnPremFile => self.other_virtual_account,
            _ => self.virtual_account,
        };
        let taken = self.cssm.upload_usage(
            self.cssm_now(),
            &person(),
            self.smart_account,
            va,
            "UD_SA.tar.gz",
            &carried.bytes,
        );
        self.check_all_not_more()?;
        let file = match taken {
            Err(_) if carried.damaged => return Ok(()),
            Err(error) => return Err(format!("CSSM refuses a bundle: {error}")),
            Ok(_) if carried.damaged => return Err("CSSM takes a damaged bundle".to_owned()),
            Ok(file) => file,
        };
        if file.status == UsageFile::PROCESSING {
            return Err(format!("a bundle is not done: {file:?}"));
        }
        if file.status != "No Errors" && file.set_aside == 0 && self.is_orderly() {
            return Err(format!("a bundle was not taken whole: {file:?}"));
        }
        if file.set_aside > 0 && !self.was_moved_before(file.id)? {
            // Some belong elsewhere; whoever administers both accounts says yes to moving them.
            let now = self.cssm_now();
            let moved = self.cssm.move_set_aside(now, &person(), self.smart_account, file.id);
            self.check_all_not_more()?;
            let moved = moved.map_err(|error| format!("CSSM moves nothing: {error}"))?;
            let ack = self.cssm.acknowledgement_file(self.smart_account, moved.id);
            let bytes = ack.map_err(|error| error.to_string())?.1.into_bytes();
            let event = Event::ImportBundle { place: carried.place, bytes };
            self.push(self.now + carried.back_seconds, index, event);
        }
        if file.set_aside == file.product_instances {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let scratch = Cursor::new(Vec::new());
        let written = self.cssm.write_answer(
            self.cssm_now(),
            self.smart_account,
            file.id,
            scratch,
            &mut bytes,
        );
        written.map_err(|error| error.to_string())?;
        let rounds = if carried.twice { 2 } else { 1 };
        for round in 1..=rounds {
            let event = Event::ImportBundle { place: carried.place, bytes: bytes.clone() };
            self.push(self.now + carried.back_seconds * round, index, event);
        }
        Ok(())
    }

    /// Whether a file brings nobody but switches that were moved once in healing, and back by their owner: no more than that
    /// is agreed to.
    fn was_moved_before(&mut self, file: UsageFileId) -> Result<bool, String> {
        let aside = self.cssm.set_aside(self.smart_account, file).map_err(|e| e.to_string())?;
        let mut all = self.healed;
        for node in &mut self.nodes {
            let serials = node.serials();
            if aside.iter().any(|device| serials.contains(&device.serial)) {
                all &= std::mem::replace(&mut node.was_moved, self.healed);
            }
        }
        Ok(all)
    }

    pub(crate) fn import_bundle(&mut self, place: Place, bytes: &[u8]) -> Result<(), String> {
        let Some((index, tenant_id)) = place.tenant() else { return Ok(()) };
        let collector = self.collectors[index].collector.clone();
        let here = self.collector_now(index);
        let begun = collector.begin_import(
            here,
            &person(),
            tenant_id,
            "ACK.tar.gz",
            &mut Cursor::new(bytes),
        );
        let begun = match begun {
            // One that was set back does not know who had come since.
            Err(rumline_collector::Error::Conflict(text))
                if self.plan.has(Fate::CollectorCopy)
                    && text.contains("is not a product instance") =>
            {
                return Ok(());
            }
            begun => begun.map_err(|error| format!("a collector refuses an ACK: {error}"))?,
        };
        let mut reader = bytes;
        let done = collector.work_on_import(here, tenant_id, begun.id, &mut reader, &mut |_| {});
        let done = done.map_err(|error| error.to_string())?;
        if done.status != "Done" && self.is_orderly() {
            return Err(format!("an ACK was not taken in whole: {done:?}"));
        }
        Ok(())
    }

    /// What a collector's clock shows.
    pub(crate) fn collector_now(&self, index: usize) -> Timestamp {
        (self.now + self.collectors.get(index).map_or(0, |collector| collector.skew)).max(START)
    }

    /// A switch is pointed somewhere else; the configuration is saved.
    pub(crate) fn move_to(&mut self, node: usize, place: Place) -> Result<(), String> {
        if self.nodes[node].account == 1 && !matches!(place, Place::Cssm | Place::Files) {
            // Collectors are of the first account: the owner of the other one lets it go.
            self.remove(node)?;
            self.nodes[node].account = 0;
        }
        self.nodes[node].place = place;
        self.nodes[node].crossed |= place == Place::OnPremFile;
        self.command(node, &format!("configure terminal\n{}", place.lines()))?;
        let text = self.command_output(node, "copy running-config startup-config")?;
        if text.contains("Copy complete.\n") && self.nodes[node].switch.is_some() {
            self.nodes[node].model.was_saved();
        }
        if place == Place::Cssm {
            self.ask_for_trust(node)?;
        }
        Ok(())
    }

    /// What people carry: the files of switches that report to nobody, and the bundles of those whose collector is not
    /// connected.
    pub(crate) fn carry(&mut self, node: usize) -> Result<(), String> {
        match self.nodes[node].place {
            Place::Files => self.save_usage(node, 60, 60, false),
            place @ (Place::CsluFile | Place::OnPremFile) => {
                self.carry_bundle(node, place);
                Ok(())
            }
            Place::Cssm | Place::CsluOnline | Place::OnPremOnline => Ok(()),
        }
    }

    /// Beside that, what cures a switch of another account: a bundle also where the wire works (PI-RUM-028).
    pub(crate) fn report_by_all_means(&mut self, node: usize) -> Result<(), String> {
        let place = self.nodes[node].place;
        if place == Place::Files {
            return self.save_usage(node, 60, 60, false);
        }
        let trust = self.nodes[node].switch.as_ref().map(|switch| switch.agent().trust());
        let has_none = trust.is_some_and(|lines| lines.iter().any(|l| l.code.is_none()));
        // One that was let go by the account it was in says that its identity is not valid.
        if place == Place::Cssm && (has_none || self.nodes[node].crossed) {
            self.ask_for_trust(node)?;
        }
        self.input(node, Input::Tick)?;
        self.command(node, "license smart sync all")?;
        self.carry_bundle(node, place);
        Ok(())
    }

    fn carry_bundle(&mut self, node: usize, place: Place) {
        let (bytes, back_seconds) = (Vec::new(), 600);
        let carried = Carried { place, bytes, back_seconds, twice: false, damaged: false };
        self.push(self.now + 7200, node, Event::Export { there_seconds: 600, carried });
    }
}

fn open(
    db: &Arc<Db>,
    signer: &Arc<dyn Signer>,
    settings: &Settings,
    chance: Chance,
) -> Result<Collector, String> {
    let random = Arc::new(Mutex::new(chance));
    let suite: Arc<dyn Suite> = Arc::new(SimulatedSuite);
    Collector::open(Arc::clone(db), suite, Arc::clone(signer), random, settings.clone())
        .map_err(|error| error.to_string())
}
