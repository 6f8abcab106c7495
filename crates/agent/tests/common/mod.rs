//! A switch's agent in virtual time, and a receiver in miniature.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use rumline_agent::*;
use rumline_protocol::*;
use rumline_testkit::Chance;

pub(crate) const START: Timestamp = Timestamp(1_700_000_000);
pub(crate) const MINUTE: i64 = 60;

/// A switch's agent and the CSSM it trusts.
pub(crate) struct Lab {
    pub(crate) now: Timestamp,
    pub(crate) agent: Agent,
    pub(crate) disk: MemoryDisk,
    pub(crate) random: Chance,
    pub(crate) cssm: SigningIdentity,
    pub(crate) root: Vec<u8>,
    pub(crate) config: Config,
    pub(crate) members: Vec<HaMember>,
    pub(crate) log: Vec<String>,
    pub(crate) sent: Vec<(String, Request)>,
}

pub(crate) fn udi() -> Udi {
    Udi::new("N9K-C93180YC-FX3", "RML0000TEST").unwrap()
}

pub(crate) fn lan(count: u32) -> LicenseUse {
    LicenseUse {
        tag: EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_a").unwrap(),
        name: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
        description: "LAN license for Nexus 9300-XF".to_owned(),
        count,
    }
}

pub(crate) fn smart() -> Config {
    Config { transport: Transport::Smart, ..Config::default() }
}

impl Lab {
    pub(crate) fn new(config: Config) -> Self {
        let mut random = Chance::of(1);
        let (root, cssm) = SimulatedSuite::authority(&mut random);
        let mut disk = MemoryDisk::default();
        let members = vec![HaMember { role: Role::Active, sudi: udi() }];
        let agent = Self::open(START, &config, &members, &root, (&mut disk, &mut random));
        let (log, sent) = (Vec::new(), Vec::new());
        Self { now: START, agent, disk, random, cssm, root, config, members, log, sent }
    }

    pub(crate) fn open(
        now: Timestamp,
        config: &Config,
        members: &[HaMember],
        root: &[u8],
        (disk, random): (&mut MemoryDisk, &mut Chance),
    ) -> Agent {
        let profile = Profile {
            members: members.to_vec(),
            software_tag: "regid.2017-11.com.cisco.Nexus_9300,1.0_x".to_owned(),
            software_version: "10.4(3)".to_owned(),
            agent_version: "5.7.30_rel/108".to_owned(),
            root_certificate: root.to_vec(),
        };
        let suite = Arc::new(SimulatedSuite);
        Agent::open(now, profile, config.clone(), suite, &mut Environment { disk, random }).unwrap()
    }

    pub(crate) fn reboot(&mut self) {
        let devices = (&mut self.disk, &mut self.random);
        self.agent = Self::open(self.now, &self.config, &self.members, &self.root, devices);
    }

    pub(crate) fn handle(&mut self, input: Input) {
        let agenda = (input == Input::Tick).then(|| self.agent.agenda());
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let effects = self.agent.handle(self.now, input, &mut environment);
        if let Some(agenda) = agenda {
            let sends = effects.iter().any(|effect| matches!(effect, Effect::Send { .. }));
            // What could not be written down waits for that.
            let was_due = |due: &Due| {
                due.what == Duty::SaveLedger || (due.what.sends() && due.at <= self.now)
            };
            assert!(!sends || agenda.iter().any(was_due), "not on the agenda: {agenda:?}");
        }
        self.carry_out(effects);
    }

    pub(crate) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Syslog(message) => self.log.push(message.to_string()),
                Effect::Send { request_id, body, .. } => {
                    self.sent.push((request_id, serde_json::from_slice(&body).unwrap()));
                }
            }
        }
    }

    /// Lets time pass until `to`, calling the agent whenever it wants.
    pub(crate) fn run_until(
        &mut self,
        to: Timestamp,
        mut answer: impl FnMut(&mut Self, String, Request),
    ) {
        for _ in 0..100_000 {
            while !self.sent.is_empty() {
                let (id, request) = self.sent.remove(0);
                answer(self, id, request);
            }
            match self.agent.next_wake() {
                Some((at, _)) if at <= to => {
                    self.now = self.now.max(at);
                    self.handle(Input::Tick);
                }
                _ => {
                    self.now = to;
                    return;
                }
            }
        }
        panic!("the agent never comes to rest: {:?}", self.agent.next_wake());
    }

    pub(crate) fn answer(
        &mut self,
        id: String,
        request: &Request,
        change: impl FnOnce(&mut Response),
    ) {
        let mut response = Response::new(request, self.now, ResponseStatus::Ok, "");
        change(&mut response);
        let body = serde_json::to_vec(&response).unwrap();
        self.handle(Input::Answer { request_id: id, body });
    }

    pub(crate) fn unreachable(&mut self, id: String) {
        self.handle(Input::Unreachable { request_id: id, reason: Reason::NoRoute });
    }

    pub(crate) fn ack_for(&self, reports: &[SignedReport]) -> String {
        self.ack_with(reports, |_| {})
    }

    pub(crate) fn ack_with(
        &self,
        reports: &[SignedReport],
        change: impl Fn(&mut Acknowledgement),
    ) -> String {
        let mut entries: Vec<Acknowledgement> = reports
            .iter()
            .map(|signed| Acknowledgement {
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
            })
            .collect();
        entries.iter_mut().for_each(change);
        let text = acknowledgement_text(&entries);
        let mut writer = DocumentWriter::new();
        writer.acknowledgement(&Signed::new(text, entries, self.cssm.signer.as_ref()));
        writer.certificate(&self.cssm.certificate).finish()
    }

    /// An ACK with the policy beside it, as CSSM answers where policies end.
    pub(crate) fn ack_and_policy(&self, reports: &[SignedReport], policy: Policy) -> String {
        let ack = self.ack_for(reports);
        let document = Document::parse(ack.as_bytes()).unwrap();
        let mut writer = DocumentWriter::new();
        writer.acknowledgement(&document.acknowledgements[0]);
        writer.policy(&Signed::json(policy, self.cssm.signer.as_ref()));
        writer.certificate(&self.cssm.certificate).finish()
    }

    /// An id token of the CSSM this switch trusts.
    pub(crate) fn token(&mut self) -> String {
        new_id_token(&mut self.random, &cssm_id(&self.root))
    }

    pub(crate) fn policy(&self, change: impl FnOnce(&mut Policy)) -> String {
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

    pub(crate) fn trust_code(&self, change: impl FnOnce(&mut TrustCode)) -> String {
        let mut code = TrustCode {
            trust_id: 1,
            sudi: udi(),
            product_instance_identifier: self.agent.product_instance_identifier().to_owned(),
            public_key: self.agent.public_key().clone(),
            smart_account: "Example".to_owned(),
            virtual_account: "Default".to_owned(),
            issued_at: self.now,
            expires_at: self.now.plus_days(TrustCode::VALID_DAYS),
            purpose: Purpose::TrustCode,
            answers: self.agent.trust_nonces().last().unwrap().clone(),
            conversions: Vec::new(),
        };
        change(&mut code);
        let mut writer = DocumentWriter::new();
        writer.trust_code(&Signed::json(code, self.cssm.signer.as_ref()));
        writer.certificate(&self.cssm.certificate).finish()
    }

    pub(crate) fn import(&mut self, text: &str) -> Result<ImportSummary, String> {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let (summary, effects) = self.agent.import(self.now, text.as_bytes(), &mut environment)?;
        self.carry_out(effects);
        Ok(summary)
    }

    pub(crate) fn save_usage(&mut self) -> Result<String, String> {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let (now, scope) = (self.now, SaveScope::All);
        let mut file = self.agent.begin_usage_file(now, scope, &mut environment)?;
        let mut text = String::new();
        while let Some(piece) = self.agent.usage_file_piece(&mut file, &mut environment)? {
            text.push_str(&piece);
        }
        self.agent.usage_saved(now, &file, &mut environment);
        Ok(text)
    }

    pub(crate) fn trusted(config: Config) -> Self {
        let mut lab = Self::new(config);
        let code = lab.trust_code(|_| {});
        assert_eq!(lab.import(&code).unwrap().installed, ["TRUST CODE"]);
        lab.log.clear();
        lab
    }
}

pub(crate) fn reports_of(request: &Request) -> Vec<SignedReport> {
    let RequestBody::UsageReport { usage, .. } = &request.body else {
        return Vec::new();
    };
    usage
        .iter()
        .map(|item| SignedReport::from_parts(item.payload.clone(), item.signature.clone()).unwrap())
        .collect()
}

/// Answers like a CSSM that acknowledges at once.
#[expect(clippy::needless_pass_by_value, reason = "the shape run_until wants")]
pub(crate) fn accept(lab: &mut Lab, id: String, request: Request) {
    let document = lab.ack_for(&reports_of(&request));
    lab.answer(id, &request, |response| {
        if matches!(request.body, RequestBody::UsageReport { .. }) {
            response.smart_license = Some(document);
        }
    });
}
