//! A switch in a lab: its disks, its chance and its clock, and a CSSM in miniature.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rumline_agent::{Input, MemoryDisk};
use rumline_protocol::*;
use rumline_switch::{
    BootError, Copied, Devices, Effect, Hardware, NoAnswer, Outcome, Session, Switch,
    SyslogDatagram, TimeAnswer, TimeQuestion,
};

/// A fixed switch of the 9300 range.
pub(crate) const PID: &str = "N9K-C93180YC-FX3";
pub(crate) const SERIAL: &str = "RML26170001";
pub(crate) const RELEASE: &str = "10.4(3)F";

/// Chance that is the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Random for Chance {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = self.0.to_be_bytes()[0];
        }
    }
}

/// A message on its way to the peer.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) content_type: &'static str,
    /// What it came in, with Call Home.
    pub(crate) envelope: Option<CallHomeRequest>,
    pub(crate) envelope_bytes: usize,
    /// As it left.
    pub(crate) body: Vec<u8>,
    pub(crate) request: Request,
}

pub(crate) struct Lab {
    pub(crate) now: Timestamp,
    pub(crate) hardware: Hardware,
    pub(crate) first_config: Option<String>,
    pub(crate) store: MemoryDisk,
    pub(crate) flash: MemoryDisk,
    pub(crate) random: Chance,
    pub(crate) cssm: SigningIdentity,
    pub(crate) switch: Switch,
    pub(crate) session: Session,
    /// Lines shown on the console.
    pub(crate) log: Vec<String>,
    /// What went to syslog servers.
    pub(crate) datagrams: Vec<SyslogDatagram>,
    /// What time servers are asked.
    pub(crate) questions: Vec<TimeQuestion>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) reloads: u32,
    /// What the other supervisor is told.
    pub(crate) to_standby: Vec<&'static str>,
}

/// The instant written like `Nov 15 02:51:57 2022`, UTC.
pub(crate) fn at(text: &str) -> Timestamp {
    let words: Vec<&str> = text.split_whitespace().collect();
    let time: Vec<i64> = words[2].split(':').map(|part| part.parse().unwrap()).collect();
    let civil = Civil {
        year: words[3].parse().unwrap(),
        month: Civil::month_number(words[0]).unwrap(),
        day: words[1].parse().unwrap(),
        hour: time[0],
        minute: time[1],
        second: time[2],
        weekday: 0,
    };
    Timestamp::from_civil(civil).unwrap()
}

/// Whoever makes images.
pub(crate) fn maker() -> Box<dyn Signer> {
    SimulatedSuite.generate_device_key(&mut Chance(99)).unwrap()
}

/// An image of a release for a model.
pub(crate) fn image(release: &str, pid: &str) -> SoftwareImage {
    SoftwareImage {
        purpose: Purpose::SoftwareImage,
        release: release.to_owned(),
        platforms: vec![pid.to_owned()],
        made_at: at("Mar 01 09:00:00 2024"),
    }
}

/// A file below the crate.
pub(crate) fn local(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file or directory that may lie beside the project.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let path = local("../../../shared").join(path);
    path.exists().then_some(path)
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn start(
    now: Timestamp,
    hardware: &Hardware,
    config: Option<&str>,
    reason: &str,
    store: &mut MemoryDisk,
    flash: &mut MemoryDisk,
    random: &mut Chance,
) -> Result<(Switch, Vec<Effect>), BootError> {
    let mut devices = Devices { store, flash, random };
    Switch::boot(now, hardware, Arc::new(SimulatedSuite), config, reason, &mut devices)
}

/// Brings a switch up with empty disks.
pub(crate) fn boot(
    now: Timestamp,
    pid: &str,
    serial: &str,
    release: &str,
    config: Option<&str>,
) -> Result<Lab, BootError> {
    boot_with_links(now, pid, serial, release, config, BTreeSet::new())
}

/// The same, with something on the other side of interfaces.
pub(crate) fn boot_with_links(
    now: Timestamp,
    pid: &str,
    serial: &str,
    release: &str,
    config: Option<&str>,
    links: BTreeSet<String>,
) -> Result<Lab, BootError> {
    let mut random = Chance(7);
    let (root, cssm) = SimulatedSuite::authority(&mut random);
    let hardware = Hardware {
        pid: pid.to_owned(),
        serial: serial.to_owned(),
        release: release.to_owned(),
        root_certificate: root,
        maker_key: Some(maker().public_key().clone()),
        links,
        with_defects: false,
    };
    let (mut store, mut flash) = (MemoryDisk::default(), MemoryDisk::default());
    let (switch, effects) =
        start(now, &hardware, config, "Unknown", &mut store, &mut flash, &mut random)?;
    let mut lab = Lab {
        now,
        hardware,
        first_config: config.map(str::to_owned),
        store,
        flash,
        random,
        cssm,
        switch,
        session: Session::new("admin"),
        log: Vec::new(),
        datagrams: Vec::new(),
        questions: Vec::new(),
        sent: Vec::new(),
        reloads: 0,
        to_standby: Vec::new(),
    };
    lab.carry_out(effects);
    Ok(lab)
}

impl Lab {
    /// A usual switch at a usual time.
    pub(crate) fn new(config: Option<&str>) -> Self {
        boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, RELEASE, config).unwrap()
    }

    pub(crate) fn with_release(release: &str) -> Self {
        boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, release, None).unwrap()
    }

    /// Why the switch does not come up over the disks it has.
    pub(crate) fn boot_refused(&mut self) -> String {
        let (config, reason) = (self.first_config.as_deref(), "moved");
        let (store, flash) = (&mut self.store, &mut self.flash);
        let refused =
            start(self.now, &self.hardware, config, reason, store, flash, &mut self.random);
        refused.err().unwrap().to_string()
    }

    /// The switch comes up again over the disks it has; nobody told it to go down.
    pub(crate) fn boot_again(&mut self, reason: &str) {
        let (switch, effects) = start(
            self.now,
            &self.hardware,
            self.first_config.as_deref(),
            reason,
            &mut self.store,
            &mut self.flash,
            &mut self.random,
        )
        .unwrap();
        self.switch = switch;
        self.session = Session::new("admin");
        self.sent.clear();
        self.carry_out(effects);
    }

    pub(crate) fn execute(&mut self, line: &str) -> Outcome {
        let mut devices =
            Devices { store: &mut self.store, flash: &mut self.flash, random: &mut self.random };
        let outcome = self.switch.execute(self.now, &mut self.session, line, &mut devices);
        self.carry_out(outcome.effects.clone());
        outcome
    }

    /// Gives lines one after the other; returns all that was shown.
    pub(crate) fn run(&mut self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let reply = self.execute(line).reply;
            text.push_str(&reply.text);
            if let Some(question) = reply.question {
                text.push_str(&question);
            }
        }
        text
    }

    /// Gives lines of global configuration from EXEC and comes back; nothing may be refused.
    pub(crate) fn configure(&mut self, lines: &[&str]) {
        self.run(&["configure terminal"]);
        for line in lines {
            assert_eq!(self.run(&[line]), "", "{line}");
        }
        self.run(&["end"]);
    }

    pub(crate) fn prompt(&self) -> String {
        self.switch.prompt(&self.session)
    }

    pub(crate) fn input(&mut self, input: Input) {
        let mut devices =
            Devices { store: &mut self.store, flash: &mut self.flash, random: &mut self.random };
        let effects = self.switch.agent_input(self.now, input, &mut devices);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Log(line) => {
                    if line.on_console {
                        self.log.push(line.text);
                    }
                    self.datagrams.extend(line.datagrams);
                }
                // A server that takes and gives whatever is asked.
                Effect::Copy(copy) => {
                    let mut devices = Devices {
                        store: &mut self.store,
                        flash: &mut self.flash,
                        random: &mut self.random,
                    };
                    let got = Ok(Copied::Read(b"from the server".to_vec()));
                    self.switch.copy_ended(self.now, &copy, got, &mut devices);
                }
                Effect::Send { request_id, url, content_type, body, .. } => {
                    let envelope = CallHomeRequest::read(&body).ok();
                    let message = envelope.as_ref().map_or(&body, |envelope| &envelope.message);
                    let request = serde_json::from_slice(message).unwrap();
                    let envelope_bytes = body.len();
                    let id = request_id;
                    self.sent.push(Sent {
                        id,
                        url,
                        content_type,
                        envelope,
                        envelope_bytes,
                        body,
                        request,
                    });
                }
                Effect::Ping(_) | Effect::Trace(_) => {}
                Effect::EndSession(line) => assert_ne!(line, self.session.line, "its own session"),
                Effect::Reload => {
                    self.reloads += 1;
                    self.boot_again("Reset Requested by CLI command reload");
                }
                Effect::Switchover => self.to_standby.push("take over"),
                Effect::ReloadStandby => self.to_standby.push("reload"),
                Effect::ClockSet(to) => self.clock_set(to),
                Effect::ClockMoved { by_millis } => self.clock_set(self.now + by_millis / 1_000),
                Effect::AskTime(question) => self.questions.push(question),
            }
        }
    }

    /// The other supervisor came, went, or stands otherwise.
    pub(crate) fn redundancy(&mut self, redundancy: rumline_switch::Redundancy) {
        let mut devices =
            Devices { store: &mut self.store, flash: &mut self.flash, random: &mut self.random };
        let effects = self.switch.redundancy_changed(self.now, redundancy, &mut devices);
        self.carry_out(effects);
    }

    fn clock_set(&mut self, to: Timestamp) {
        let from = std::mem::replace(&mut self.now, to);
        self.input(Input::ClockStepped { from, to });
    }

    /// Somebody tells what came of a question for a time server.
    pub(crate) fn time_heard(&mut self, number: u64, outcome: Result<TimeAnswer, NoAnswer>) {
        let effects = self.switch.time_heard(self.now, number, outcome);
        self.carry_out(effects);
    }

    /// Lets time pass until `to`; whatever is sent goes to `answer`.
    pub(crate) fn pass_until(&mut self, to: Timestamp, mut answer: impl FnMut(&mut Self, Sent)) {
        for _ in 0..100_000 {
            while !self.sent.is_empty() {
                let sent = self.sent.remove(0);
                answer(self, sent);
            }
            match self.switch.next_wake() {
                Some((at, _)) if at <= to => {
                    self.now = self.now.max(at);
                    self.input(Input::Tick);
                }
                _ => {
                    self.now = self.now.max(to);
                    return;
                }
            }
        }
        panic!("the switch never comes to rest: {:?}", self.switch.next_wake());
    }

    pub(crate) fn answer(&mut self, sent: Sent, change: impl FnOnce(&mut Response)) {
        let mut response = Response::new(&sent.request, self.now, ResponseStatus::Ok, "");
        change(&mut response);
        let mut body = serde_json::to_vec(&response).unwrap();
        if let Some(envelope) = sent.envelope {
            let answer = CallHomeAnswer {
                answers: envelope.message_id,
                created_at: self.now,
                message: body,
            };
            body = answer.write().into_bytes();
        }
        self.input(Input::Answer { request_id: sent.id, body });
    }

    /// CSSM's ACK for reports, as a file.
    pub(crate) fn ack_document(&self, reports: &[SignedReport]) -> String {
        let entry = |signed: &SignedReport| Acknowledgement {
            status_code: StatusCode::Ok,
            status_message: Acknowledgement::ACCEPTED.to_owned(),
            localized_message: Acknowledgement::ACCEPTED.to_owned(),
            product_instance_identifier: String::new(),
            sudi: signed.report.udi.clone(),
            report_id: signed.report.report_id,
            correlation_id: "c".to_owned(),
            subscription_id: None,
            report_sha256: Some(base64(&signed.sha256())),
            reason: None,
            last_report_id: None,
        };
        let entries: Vec<Acknowledgement> = reports.iter().map(entry).collect();
        let text = acknowledgement_text(&entries);
        let mut writer = DocumentWriter::new();
        writer.acknowledgement(&Signed::new(text, entries, self.cssm.signer.as_ref()));
        writer.certificate(&self.cssm.certificate).finish()
    }

    /// CSSM's refusal of reports, as it answers.
    pub(crate) fn refusal_document(
        &self,
        reports: &[SignedReport],
        reason: Option<RefusalReason>,
    ) -> String {
        let document = self.ack_document(reports);
        let document = Document::parse(document.as_bytes()).unwrap();
        let mut entries = document.acknowledgements[0].value.clone();
        for entry in &mut entries {
            entry.status_code = StatusCode::Failed;
            entry.status_message = "it does not count".to_owned();
            entry.reason = reason;
        }
        let text = acknowledgement_text(&entries);
        let mut writer = DocumentWriter::new();
        writer.acknowledgement(&Signed::new(text, entries, self.cssm.signer.as_ref()));
        writer.certificate(&self.cssm.certificate).finish()
    }

    /// A policy of CSSM, as a file.
    pub(crate) fn policy_document(&self, change: impl FnOnce(&mut Policy)) -> String {
        let mut policy = Policy::cisco_default();
        policy.issued_at = self.now;
        policy.version = self.now.0.unsigned_abs();
        policy.smart_account = "Example".to_owned();
        policy.virtual_account = "Default".to_owned();
        change(&mut policy);
        let mut writer = DocumentWriter::new();
        writer.policy(&Signed::json(policy, self.cssm.signer.as_ref()));
        writer.certificate(&self.cssm.certificate).finish()
    }

    /// A trust code for this switch, as a file.
    pub(crate) fn trust_document(&self) -> String {
        let agent = self.switch.agent();
        let code = TrustCode {
            trust_id: 1,
            sudi: self.switch.udi().clone(),
            product_instance_identifier: agent.product_instance_identifier().to_owned(),
            public_key: agent.public_key().clone(),
            smart_account: "Example".to_owned(),
            virtual_account: "Default".to_owned(),
            issued_at: self.now,
            expires_at: self.now.plus_days(TrustCode::VALID_DAYS),
            purpose: Purpose::TrustCode,
            answers: agent.trust_nonces().last().unwrap().clone(),
            conversions: Vec::new(),
        };
        let mut writer = DocumentWriter::new();
        writer.trust_code(&Signed::json(code, self.cssm.signer.as_ref()));
        writer.certificate(&self.cssm.certificate).finish()
    }

    /// Puts a file on the flash and imports it.
    pub(crate) fn import(&mut self, text: &str) -> String {
        self.flash.files.insert("from_cssm.txt".to_owned(), text.as_bytes().to_vec());
        self.run(&["license smart import bootflash:from_cssm.txt"])
    }

    pub(crate) fn install_trust(&mut self) {
        let document = self.trust_document();
        let text = self.import(&document);
        assert!(text.starts_with("Import Data Successful"), "{text}");
    }

    pub(crate) fn install_policy(&mut self, change: impl FnOnce(&mut Policy)) {
        let document = self.policy_document(change);
        let text = self.import(&document);
        assert!(text.starts_with("Import Data Successful"), "{text}");
    }

    /// Answers the push that is due and later the question for its ACK, as CSSM does.
    pub(crate) fn report_and_acknowledge(&mut self, answer_seconds: i64, poll_seconds: u32) {
        let end = self.now + Timestamp::HOUR;
        let mut reports = Vec::new();
        self.pass_until(end, |lab, sent| {
            lab.now = lab.now + answer_seconds;
            if matches!(sent.request.body, RequestBody::UsageReport { .. }) {
                reports = reports_of(&sent.request);
                lab.answer(sent, |response| {
                    response.status = ResponseStatus::OkPoll;
                    response.poll_id = Some("p1".to_owned());
                    response.poll_interval_seconds = Some(poll_seconds);
                });
            } else {
                lab.now = lab.now - answer_seconds;
                let document = lab.ack_document(&reports);
                lab.answer(sent, |response| response.smart_license = Some(document));
            }
        });
    }

    /// The short names of the licences in use.
    pub(crate) fn packages(&self) -> Vec<String> {
        self.switch.agent().licenses_in_use().into_iter().map(|license| license.name).collect()
    }
}

/// The reports a message carries.
pub(crate) fn reports_of(request: &Request) -> Vec<SignedReport> {
    let RequestBody::UsageReport { usage, .. } = &request.body else { return Vec::new() };
    let read = |item: &UsageItem| {
        SignedReport::from_parts(item.payload.clone(), item.signature.clone()).unwrap()
    };
    usage.iter().map(read).collect()
}

/// A new switch in global configuration, after lines that were taken.
pub(crate) fn global(lines: &[&str]) -> Lab {
    let mut lab = Lab::new(None);
    lab.run(&["configure terminal"]);
    for line in lines {
        assert_eq!(lab.run(&[line]), "", "{line}");
    }
    lab
}

/// The licensing lines of the running configuration.
pub(crate) fn license_lines(lab: &mut Lab) -> String {
    lab.run(&["show running-config | include ^license"])
}
