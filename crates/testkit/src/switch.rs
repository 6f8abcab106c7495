//! A switch: its agent, its disk, its clock, and what it said.

use std::collections::VecDeque;
use std::sync::Arc;

use rumline_agent::{
    Agent, Config, Disk, Effect, Environment, ImportSummary, Input, MemoryDisk, Profile, Reason,
    SaveScope,
};
use rumline_protocol::{HaMember, Role, Signer, Suite, Timestamp, Udi};

use crate::{Chance, CountingSuite, SOFTWARE_TAG, chance};

/// A message on its way.
pub struct Sent {
    pub request_id: String,
    pub url: String,
    pub body: Vec<u8>,
}

/// A switch in virtual time.
pub struct Switch {
    pub agent: Agent,
    pub disk: MemoryDisk,
    pub udi: Udi,
    /// By how many seconds its clock is ahead.
    pub skew: i64,
    /// System messages so far.
    pub log: Vec<String>,
    /// Messages on their way.
    pub sent: VecDeque<Sent>,
    random: Chance,
    profile: Profile,
    suite: CountingSuite,
}

impl Switch {
    /// A new switch; the first member is its active supervisor.
    #[must_use]
    pub fn open(
        now: Timestamp,
        root: &[u8],
        members: Vec<HaMember>,
        config: Config,
        version: &str,
        suite: CountingSuite,
    ) -> Self {
        let profile = Profile {
            members,
            software_tag: SOFTWARE_TAG.to_owned(),
            software_version: version.to_owned(),
            agent_version: "5.7.30_rel/108".to_owned(),
            root_certificate: root.to_vec(),
        };
        let (mut disk, mut random) = (MemoryDisk::default(), chance());
        let mut environment = Environment { disk: &mut disk, random: &mut random };
        let (known, shared) = (profile.clone(), Arc::new(suite.clone()));
        let agent = Agent::open(now, known, config, shared, &mut environment).unwrap();
        let (udi, skew) = (profile.udi().clone(), 0);
        let (log, sent) = (Vec::new(), VecDeque::new());
        Self { agent, disk, udi, skew, log, sent, random, profile, suite }
    }

    /// With one supervisor.
    #[must_use]
    pub fn single(
        now: Timestamp,
        root: &[u8],
        udi: Udi,
        config: Config,
        suite: CountingSuite,
    ) -> Self {
        let members = vec![HaMember { role: Role::Active, sudi: udi }];
        Self::open(now, root, members, config, "10.4(3)", suite)
    }

    /// The supervisors of the chassis are others, or have other roles: the first takes over what lies on the disk.
    pub fn take_over(&mut self, now: Timestamp, members: Vec<HaMember>) {
        self.profile.members = members;
        self.udi = self.profile.udi().clone();
        self.restart(now, self.disk.clone());
    }

    /// Starts again from what lies on a disk, maybe another one.
    pub fn restart(&mut self, now: Timestamp, disk: MemoryDisk) {
        self.disk = disk;
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let (profile, config) = (self.profile.clone(), self.agent.config().clone());
        let suite = Arc::new(self.suite.clone());
        let now = now + self.skew;
        self.agent = Agent::open(now, profile, config, suite, &mut environment).unwrap();
        self.sent.clear();
    }

    pub fn handle(&mut self, now: Timestamp, input: Input) {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let effects = self.agent.handle(now + self.skew, input, &mut environment);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Syslog(message) => self.log.push(message.to_string()),
                Effect::Send { request_id, url, body, .. } => {
                    self.sent.push_back(Sent { request_id, url, body });
                }
            }
        }
    }

    /// What came back for a message: the body of an answer, or why there is none.
    pub fn answer(&mut self, now: Timestamp, request_id: String, answer: Result<Vec<u8>, Reason>) {
        let input = match answer {
            Ok(body) => Input::Answer { request_id, body },
            Err(reason) => Input::Unreachable { request_id, reason },
        };
        self.handle(now, input);
    }

    pub fn save_usage(&mut self, now: Timestamp) -> String {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let now = now + self.skew;
        saved_usage(&mut self.agent, now, SaveScope::All, &mut environment).unwrap()
    }

    /// `license smart import` of a file.
    ///
    /// # Errors
    /// When the file is no licensing document.
    pub fn try_import(&mut self, now: Timestamp, bytes: &[u8]) -> Result<ImportSummary, String> {
        let mut environment = Environment { disk: &mut self.disk, random: &mut self.random };
        let imported = self.agent.import(now + self.skew, bytes, &mut environment);
        let (summary, effects) = imported?;
        self.carry_out(effects);
        Ok(summary)
    }

    pub fn import(&mut self, now: Timestamp, text: &str) -> ImportSummary {
        self.try_import(now, text.as_bytes()).unwrap()
    }

    /// What signs for it.
    #[must_use]
    pub fn signer(&self) -> Box<dyn Signer> {
        let key = self.disk.clone().read("device.key").unwrap().unwrap();
        self.suite.load_device_key(&key).unwrap()
    }

    #[must_use]
    pub fn last_log(&self) -> &str {
        self.log.last().map_or("", String::as_str)
    }

    #[must_use]
    pub fn event_log(&self) -> String {
        let bytes = self.disk.clone().read("eventlog").unwrap().unwrap_or_default();
        String::from_utf8(bytes).unwrap()
    }

    /// Reports that CSSM has not acknowledged yet, those that still grow left out.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        let [_, closed, unacknowledged, _, _] = self.agent.report_counts();
        closed + unacknowledged
    }
}

/// The text of a usage file, whole.
///
/// # Errors
/// When there is nothing to report.
pub fn saved_usage(
    agent: &mut Agent,
    now: Timestamp,
    scope: SaveScope,
    environment: &mut Environment<'_>,
) -> Result<String, String> {
    let mut file = agent.begin_usage_file(now, scope, environment)?;
    let mut text = String::new();
    while let Some(piece) = agent.usage_file_piece(&mut file, environment)? {
        text.push_str(&piece);
    }
    agent.usage_saved(now, &file, environment);
    Ok(text)
}
