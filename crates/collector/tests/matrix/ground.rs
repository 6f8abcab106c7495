//! The ground of one cell: an estate at work, what it holds, and what people read of it.

use rumline_cssm::Account;
use std::fmt::Write as _;

use rumline_agent::{Input, Reason};
use rumline_collector::Collector;
use rumline_protocol::*;
use rumline_testkit::*;

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The answer to whoever sent it.
    Sender,
    /// System messages and event log of the switch.
    Switch,
    /// Device page, events and files of the collector.
    Collector,
    /// Events, alerts and lists of the account at CSSM.
    Owner,
}

/// What was when the attack began.
struct Begin {
    state: String,
    lines: [Vec<String>; 4],
    checks: u64,
}

/// An account `Example` with devices by hand (`SN1`, which has reported twice, and `SN2`), a switch that speaks to CSSM
/// (`SN7`), one behind a CSLU (`SN8`), an account `Other`, and another CSSM altogether.
pub(crate) struct Ground {
    pub(crate) estate: Estate,
    pub(crate) other: Account,
    pub(crate) elsewhere: Lab,
    pub(crate) device: Device,
    pub(crate) neighbour: Device,
    /// Of [`Ground::device`]: one chain, of which CSSM has the first two.
    pub(crate) reports: Vec<SignedReport>,
    /// Reports in the usage file of the first switch.
    pub(crate) saved: Vec<SignedReport>,
    /// Files that were handed over since the attack began.
    files: Vec<Vec<u8>>,
    said: Vec<String>,
    begin: Option<Begin>,
}

pub(crate) const DIRECT: usize = 0;
pub(crate) const BEHIND: usize = 1;
pub(crate) const CSLU: rumline_collector::TenantId = Collector::CSLU_TENANT;
/// What [`Ground::device`] used in each report, in licence seconds.
pub(crate) const EACH: i64 = 1000;

impl Ground {
    pub(crate) fn new() -> Self {
        Self::of(&at_once())
    }

    pub(crate) fn of(settings: &rumline_cssm::Settings) -> Self {
        let mut estate = Estate::of(settings);
        let other = estate.other_account("Other");
        let elsewhere = Lab::in_memory(settings);
        let device = Device::new(&estate.cssm, "SN1");
        let neighbour = Device::new(&estate.cssm, "SN2");
        estate.register(&device);
        estate.register(&neighbour);
        let span: &[(i64, u32)] = &[(EACH, 1)];
        let parts: Vec<_> = (0..4).map(|part| (START + part * EACH, span)).collect();
        let reports = device.chain(&parts);
        let server = estate.add_cslu(true);
        let smart = rumline_agent::Config {
            transport: rumline_agent::Transport::Smart,
            smart_url: Some("https://cssm".to_owned()),
            ..Default::default()
        };
        assert_eq!(estate.add_switch("SN7", smart), DIRECT);
        assert_eq!(estate.add_switch("SN8", through(server, None)), BEHIND);
        let id_token = estate.token();
        estate.input(DIRECT, Input::Trust { id_token, all: true, force: false });
        estate.run_for(5 * EACH);
        let first: Vec<&SignedReport> = reports[..2].iter().collect();
        estate.ask(&device.usage(&first));
        for switch in [DIRECT, BEHIND] {
            estate.input(switch, Input::Use(vec![lan(1)]));
        }
        estate.run_for(Timestamp::DAY);
        for switch in [DIRECT, BEHIND] {
            estate.input(switch, Input::Sync);
        }
        estate.run_for(2 * Timestamp::HOUR);
        // From here on what the one behind the collector reports waits there.
        estate.servers[0].cssm_reachable = false;
        estate.run_for(Timestamp::DAY);
        estate.input(BEHIND, Input::Sync);
        let (saved, files, said, begin) = (Vec::new(), Vec::new(), Vec::new(), None);
        Self { estate, other, elsewhere, device, neighbour, reports, saved, files, said, begin }
    }

    /// Here the attack begins: what is, and what has been said, is noted.
    pub(crate) fn begin(&mut self) {
        let lines = [Place::Sender, Place::Switch, Place::Collector, Place::Owner];
        let lines = lines.map(|place| self.lines(place));
        let checks = self.estate.suite.checks();
        self.files.clear();
        self.begin = Some(Begin { state: self.state(), lines, checks });
    }

    fn begun(&self) -> &Begin {
        self.begin.as_ref().expect("a cell says where its attack begins")
    }

    pub(crate) fn checks(&self) -> u64 {
        self.begin.as_ref().map_or(0, |begin| self.estate.suite.checks() - begin.checks)
    }

    /// What has moved, if anything.
    pub(crate) fn moved(&self) -> Option<String> {
        let (before, after) = (&self.begun().state, self.state());
        if *before == after {
            return None;
        }
        let changed = before.lines().zip(after.lines()).filter(|(old, new)| old != new);
        let mut text = "something moved:".to_owned();
        for (old, new) in changed {
            write!(text, "\n  - {old}\n  + {new}").unwrap();
        }
        Some(text)
    }

    /// What is read instead, if these words are not read at a place.
    pub(crate) fn unread(&self, place: Place, words: &str) -> Option<String> {
        let mut new = self.lines(place);
        for old in &self.begun().lines[place as usize] {
            if let Some(at) = new.iter().position(|line| line == old) {
                new.remove(at);
            }
        }
        let found = new.iter().any(|line| line.contains(words));
        (!found).then(|| {
            let all = [Place::Sender, Place::Switch, Place::Collector, Place::Owner];
            let all = all.map(|place| {
                let mut lines = self.lines(place);
                let before = &self.begun().lines[place as usize];
                lines.retain(|line| !before.contains(line));
                format!("{place:?}: {lines:#?}")
            });
            format!("{words:?} is not read at {place:?}; new are\n{}", all.join("\n"))
        })
    }

    /// All that a statement could move.
    pub(crate) fn state(&self) -> String {
        let mut out = String::new();
        let estate = &self.estate;
        for sa in [estate.sa, self.other.0] {
            for view in estate
                .cssm
                .instances(sa, &rumline_server::Only::All, Default::default(), 1000)
                .unwrap()
            {
                let reports = estate.cssm.reports(sa, view.id, 0, 10_000).unwrap();
                let counted: i64 = reports.iter().map(|report| report.count_seconds).sum();
                writeln!(
                    out,
                    "CSSM {sa}: {} in {}, trusted {}, {} reports, {} missing, {counted} s, held {:?}, {:?}",
                    view.serial,
                    view.virtual_account_id,
                    view.trusted,
                    view.reports,
                    view.reports_missing,
                    view.held_at,
                    view.licenses.iter().map(|l| (&l.tag, l.count)).collect::<Vec<_>>(),
                )
                .unwrap();
            }
            for va in estate.cssm.virtual_accounts(sa).unwrap() {
                for token in estate.cssm.tokens(sa, va.id).unwrap() {
                    writeln!(out, "token {}: {} uses", token.id, token.uses).unwrap();
                }
            }
        }
        for server in &estate.servers {
            for tenant in server.collector.tenants(&rumline_server::Only::All).unwrap() {
                for view in
                    server.collector.instances(tenant.id, "", Default::default(), 100).unwrap()
                {
                    let name = &tenant.name;
                    writeln!(out, "collector {name}: {}, {} wait", view.serial, view.waiting)
                        .unwrap();
                }
            }
        }
        for switch in &estate.switches {
            let agent = &switch.agent;
            writeln!(
                out,
                "{}: codes {:?}, policy {:?}, account {:?}, reports {:?}",
                switch.udi,
                agent.trust_codes().iter().map(|(code, _)| code.trust_id).collect::<Vec<_>>(),
                (&agent.policy().policy_name, agent.policy().version),
                agent.account().map(|account| (&account.smart_account, &account.virtual_account)),
                agent.report_counts(),
            )
            .unwrap();
        }
        out
    }

    fn lines(&self, place: Place) -> Vec<String> {
        let estate = &self.estate;
        match place {
            Place::Sender => self.said.clone(),
            Place::Switch => {
                let log = estate.switches.iter().flat_map(|switch| switch.log.clone());
                let events = estate.switches.iter().map(Switch::event_log);
                let events: Vec<String> = events
                    .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
                    .collect();
                log.chain(events).collect()
            }
            Place::Collector => {
                let mut lines = Vec::new();
                for server in &estate.servers {
                    let collector = &server.collector;
                    for tenant in collector.tenants(&rumline_server::Only::All).unwrap() {
                        let instances =
                            collector.instances(tenant.id, "", Default::default(), 100).unwrap();
                        lines.extend(instances.into_iter().filter_map(|view| view.alert));
                        let events = collector.events(tenant.id, 1000).unwrap();
                        lines.extend(events.into_iter().map(|event| event.text));
                        let files = collector.transfers(tenant.id).unwrap();
                        lines.extend(files.into_iter().map(|file| file.problems));
                        lines.extend(tenant.sync_error);
                        let claims = collector.claims(tenant.id).unwrap();
                        lines.extend(
                            claims.into_iter().map(|claim| format!("claim {}", claim.serial)),
                        );
                    }
                }
                lines
            }
            Place::Owner => {
                let (cssm, sa) = (&estate.cssm, estate.sa);
                let events = cssm.events(sa, 1000).unwrap().into_iter().map(|event| event.text);
                let alerts = cssm.alerts(sa).unwrap().into_iter();
                let alerts = alerts.map(|alert| format!("{} {}", alert.text, alert.last_at));
                let claims = cssm.claims(sa).unwrap().into_iter();
                let claims = claims.map(|claim| format!("claim {}: {}", claim.serial, claim.kind));
                let files = cssm
                    .usage_files(sa, &rumline_server::Only::All)
                    .unwrap()
                    .into_iter()
                    .map(|file| file.message);
                events.chain(alerts).chain(claims).chain(files).collect()
            }
        }
    }

    /// Sends a message to CSSM; the answer is what its sender reads.
    pub(crate) fn send(&mut self, request: &Request) {
        self.send_bytes(&serde_json::to_vec(request).unwrap());
    }

    pub(crate) fn send_bytes(&mut self, body: &[u8]) {
        use rumline_cssm::Answer;
        let answer = match self.estate.receive(body) {
            Answer::Message(response) => {
                let document = response.smart_license.as_ref();
                let document = document.map(|text| Document::parse(text.as_bytes()).unwrap());
                let entries = document.iter().flat_map(entries_of);
                let entries: Vec<String> =
                    entries.map(|(id, code, text)| format!("{id} {code:?}: {text}")).collect();
                let (status, text) = (response.status.label(), &response.status_message);
                format!("{status} {text} [{}]", entries.join("; "))
            }
            Answer::NotAMessage(text) => format!("not a message: {text}"),
            other => format!("{other:?}"),
        };
        self.said.push(answer);
    }

    /// Notes what whoever sent something reads.
    pub(crate) fn read<T>(&mut self, outcome: Result<T, impl std::fmt::Display>) -> Option<T> {
        match outcome {
            Ok(taken) => {
                self.said.push("taken".to_owned());
                Some(taken)
            }
            Err(error) => {
                self.said.push(error.to_string());
                None
            }
        }
    }

    /// A file is handed over.
    pub(crate) fn hand_over(&mut self, bytes: &[u8]) {
        self.files.push(bytes.to_vec());
    }

    /// Whether `verify` says of a forged file that CSSM vouches for it, and of which. What CSSM signed for another, or
    /// long ago, is still CSSM's; what a device or a collector signed is never.
    pub(crate) fn vouched_for(&self, attack: crate::Attack) -> Option<String> {
        use crate::Attack;
        let is_forged = |bytes: &[u8]| {
            let by_cssm = bytes.windows(11).any(|part| part == b"Certificate")
                || bytes.starts_with(&[0x1f, 0x8b]);
            !by_cssm
                || matches!(
                    attack,
                    Attack::Splice
                        | Attack::Truncate
                        | Attack::WrongReceiver
                        | Attack::WrongTime
                        | Attack::UnknownKey
                )
        };
        let roots = [self.estate.root.clone()];
        let trusted =
            Trusted { suite: &SimulatedSuite, roots: &roots, keys: &[], now: self.estate.now };
        let forged = self.files.iter().filter(|bytes| is_forged(bytes));
        let verdicts = forged.map(|bytes| verify_bytes(bytes, trusted));
        let vouched = verdicts.filter(Verdict::verified).map(|verdict| format!("{verdict:?}"));
        vouched.reduce(|all, one| all + &one).map(|all| format!("verify vouches for {all}"))
    }

    /// Imports a file at a switch; what is refused is what its operator reads.
    pub(crate) fn import(&mut self, switch: usize, text: &str) {
        let now = self.estate.now;
        self.hand_over(text.as_bytes());
        let summary = self.estate.switches[switch].try_import(now, text.as_bytes());
        if let Some(summary) = self.read(summary) {
            self.said.extend(summary.installed.iter().map(|kind| format!("{kind}: installed")));
            self.said.extend(summary.refused.iter().map(|(kind, why)| format!("{kind}: {why}")));
        }
    }

    /// What CSSM has counted of a device, in licence seconds.
    pub(crate) fn counted(&self, serial: &str) -> i64 {
        self.estate.lab.counted(serial)
    }

    /// The switch that speaks to CSSM is told to keep quiet and saves its reports to a file.
    pub(crate) fn save(&mut self) {
        let config = rumline_agent::Config {
            transport: rumline_agent::Transport::Off,
            ..Default::default()
        };
        let now = self.estate.now;
        self.estate.input(DIRECT, Input::Configure(config));
        let text = self.estate.switches[DIRECT].save_usage(now);
        self.saved = Document::parse(text.as_bytes()).unwrap().reports;
    }

    /// The answer to a message of the switch, with this document in it.
    pub(crate) fn frozen_answer(&mut self, document: &str) -> Response {
        let sent = self.next_message();
        let request: Request = serde_json::from_slice(&sent.body).unwrap();
        let now = self.estate.now;
        let mut response = Response::new(&request, now, ResponseStatus::Ok, "");
        response.smart_license = Some(document.to_owned());
        let lost = Err(Reason::Timeout);
        self.estate.switches[DIRECT].answer(now, sent.request_id, lost);
        response
    }

    /// A message of the switch gets this answer.
    pub(crate) fn answer_with(&mut self, response: &Response) {
        let (sent, now) = (self.next_message(), self.estate.now);
        let body = serde_json::to_vec(response).unwrap();
        self.estate.switches[DIRECT].answer(now, sent.request_id, Ok(body));
    }

    fn next_message(&mut self) -> Sent {
        let now = self.estate.now;
        let switch = &mut self.estate.switches[DIRECT];
        let config = rumline_agent::Config {
            transport: rumline_agent::Transport::Smart,
            ..Default::default()
        };
        switch.handle(now, Input::Configure(config));
        switch.handle(now, Input::Sync);
        switch.sent.pop_front().expect("a message")
    }

    /// The owner lets the device go and it registers with another key: what signs for [`Ground::device`] holds no more.
    pub(crate) fn rekey(&mut self) {
        self.estate.let_go("SN1");
        let anew = Device::new(&self.estate.cssm, "SN1");
        self.estate.register(&anew);
    }

    /// A CSLU that is registered for the account `Other`.
    pub(crate) fn collector_of_other(&mut self) -> usize {
        let server = self.estate.add_server(rumline_collector::Kind::Cslu);
        let collector = self.estate.servers[server].collector.clone();
        let mut settings = account("Default", true);
        "Other".clone_into(&mut settings.smart_account);
        collector.set_tenant(self.estate.now, &admin(), CSLU, &settings).unwrap();
        let new = registration(&collector, &collector.tenant(CSLU).unwrap());
        let (sa, va) = self.other;
        self.estate.cssm.register_collector(self.estate.now, &admin(), sa, va, &new).unwrap();
        collector.note_registered(self.estate.now, &admin(), CSLU).unwrap();
        server
    }

    /// Sends a message to a collector; the answer is what its sender reads.
    pub(crate) fn push(&mut self, server: usize, request: &Request) {
        let body = serde_json::to_vec(request).unwrap();
        let answer = push(&self.estate.servers[server].collector, self.estate.now, CSLU, &body);
        self.said.push(match answer {
            rumline_collector::Answer::Message { response, .. } => {
                format!("{} {}", response.status.label(), response.status_message)
            }
            other => format!("{other:?}"),
        });
    }
}
