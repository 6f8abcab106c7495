//! A forecast is what comes, to the second, where the peer does what is assumed of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
use common::*;
use rumline_agent::*;
use rumline_protocol::*;
use rumline_testkit::Chance;

/// What happens, told in words: when, and what leaves or is said.
type Story = Vec<(Timestamp, String)>;

/// One of several.
fn one_of<T: Copy>(chance: &mut Chance, all: &[T]) -> T {
    let place = chance.below(all.len() as u64);
    all[usize::try_from(place).unwrap()]
}

/// A CSSM that does what a forecast assumes: ACKs after some seconds, a policy that is renewed with each.
struct Peer {
    reports: Vec<SignedReport>,
    poll_seconds: u32,
    away: bool,
    policy: Option<Policy>,
}

struct World {
    lab: Lab,
    peer: Peer,
    story: Story,
}

impl World {
    /// Notes what was said and sent, and answers it.
    fn settle(&mut self) {
        loop {
            let now = self.lab.now;
            self.story.extend(self.lab.log.drain(..).map(|line| (now, line)));
            if self.lab.sent.is_empty() {
                return;
            }
            let (id, request) = self.lab.sent.remove(0);
            self.story.push((now, request.body.class().to_owned()));
            if self.peer.away {
                self.lab.handle(Input::Unreachable { request_id: id, reason: Reason::Timeout });
                continue;
            }
            match &request.body {
                RequestBody::UsageReport { .. } => {
                    self.peer.reports.extend(reports_of(&request));
                    let seconds = self.peer.poll_seconds;
                    self.lab.answer(id, &request, |response| {
                        response.status = ResponseStatus::OkPoll;
                        response.poll_id = Some("1".to_owned());
                        response.poll_interval_seconds = Some(seconds);
                    });
                }
                RequestBody::ResultPoll { .. } => {
                    let document = self.acknowledgement();
                    self.lab
                        .answer(id, &request, |response| response.smart_license = Some(document));
                }
                _ => self.lab.answer(id, &request, |_| {}),
            }
        }
    }

    fn acknowledgement(&mut self) -> String {
        let reports = std::mem::take(&mut self.peer.reports);
        let now = self.lab.now;
        let lasting = self.peer.policy.as_ref().filter(|policy| policy.expires_at.is_some());
        let Some(policy) = lasting else { return self.lab.ack_for(&reports) };
        let seconds = policy.expires_at.unwrap().since(policy.issued_at);
        let renewed = Policy { issued_at: now, expires_at: Some(now + seconds), ..policy.clone() };
        self.lab.ack_and_policy(&reports, renewed)
    }

    fn handle(&mut self, input: Input) {
        self.lab.handle(input);
        self.settle();
    }

    fn run_until(&mut self, to: Timestamp) {
        while let Some((at, _)) = self.lab.agent.next_wake().filter(|(at, _)| *at <= to) {
            self.lab.now = self.lab.now.max(at);
            self.handle(Input::Tick);
        }
        self.lab.now = to;
    }

    fn set_policy(&mut self, chance: &mut Chance) {
        let days = |chance: &mut Chance| one_of(chance, &[0, 1, 7, 30, 60, 90, 180, 365]);
        let class = ClassPolicy {
            first_report_days: days(chance),
            ongoing_report_days: days(chance),
            on_change_report_days: days(chance),
        };
        let acknowledged = chance.below(4) > 0;
        let lasts = chance.below(3) == 0;
        let now = self.lab.now;
        let mut made = None;
        let document = self.lab.policy(|policy| {
            policy.unenforced = class;
            policy.reporting_ack_required = acknowledged;
            if lasts {
                policy.expires_at = Some(now.plus_days(policy.lifetime_days_min() + 30));
            }
            made = Some(policy.clone());
        });
        self.peer.policy = made;
        let mut environment =
            Environment { disk: &mut self.lab.disk, random: &mut self.lab.random };
        let (_, effects) =
            self.lab.agent.import(now, document.as_bytes(), &mut environment).unwrap();
        self.lab.carry_out(effects);
        self.settle();
    }
}

fn told(foreseen: Vec<Foreseen>) -> Story {
    let words = |what| match what {
        Event::Leaves(class) => class.to_owned(),
        Event::Says(message) => message.to_string(),
    };
    foreseen.into_iter().map(|one| (one.at, words(one.what))).collect()
}

/// A switch with a past: policies, changes of use, outages, reloads, synchronizations.
fn with_a_past(chance: &mut Chance) -> World {
    let transport = one_of(chance, &[Transport::Smart, Transport::Cslu, Transport::Callhome]);
    let interval_days = one_of(chance, &[None, Some(1), Some(14), Some(365)]);
    let lab = Lab::trusted(Config { transport, interval_days, ..Config::default() });
    let poll_seconds = one_of(chance, &[1, 300, 900]);
    let peer = Peer { reports: Vec::new(), poll_seconds, away: false, policy: None };
    let mut world = World { lab, peer, story: Vec::new() };
    world.settle();
    world.handle(Input::Use(vec![lan(1)]));
    for _ in 0..3 + chance.below(8) {
        let seconds = i64::try_from(chance.below(40 * 86_400)).unwrap();
        world.run_until(world.lab.now + seconds);
        match chance.below(6) {
            0 | 1 => {
                let count = u32::try_from(chance.below(3)).unwrap();
                let set = if count == 0 { Vec::new() } else { vec![lan(count)] };
                world.handle(Input::Use(set));
            }
            2 => world.set_policy(chance),
            3 => world.peer.away = !world.peer.away,
            4 => world.handle(Input::Sync),
            _ => {
                world.handle(Input::Shutdown);
                world.lab.reboot();
                world.lab.agent.set_hostname("");
            }
        }
    }
    world
}

#[test]
fn a_year_comes_as_it_was_foreseen() {
    let (mut contacts, mut alarms, mut outages) = (0, 0, 0);
    for seed in 0..50 {
        let mut chance = Chance::of(seed);
        let mut world = with_a_past(&mut chance);
        // At the beginning there is an outage, which ends now, or goes on all the year.
        outages += usize::from(world.peer.away);
        let outage = seed % 25 == 0;
        world.peer.away = outage;
        let days = if outage { 60 } else { 365 };
        let (now, until) = (world.lab.now, world.lab.now.plus_days(days));
        let before = world.lab.disk.files.clone();
        let assumed = Assumed { outage, policy: None };
        let forecast = world.lab.agent.forecast(now, until, &assumed, &mut world.lab.disk);
        assert_eq!(forecast.ends_at, None);
        let foreseen = told(forecast.events);
        assert_eq!(world.lab.disk.files, before, "a forecast changes nothing");
        world.story.clear();
        world.handle(Input::Tick);
        world.run_until(until);
        let wrong = foreseen.iter().zip(&world.story).position(|(one, other)| one != other);
        if let Some(place) = wrong {
            let near = place.saturating_sub(3)..(place + 3).min(foreseen.len());
            panic!(
                "seed {seed}, {place}: {:?}\n{:?}",
                &foreseen[near.clone()],
                &world.story[near.start..near.end.min(world.story.len())]
            );
        }
        assert_eq!(foreseen.len(), world.story.len(), "seed {seed}");
        contacts += foreseen.iter().filter(|(_, what)| !what.starts_with('%')).count();
        alarms += foreseen.iter().filter(|(_, what)| what.contains("REPORTING_REQUIRED")).count();
    }
    assert!(contacts > 1_000 && alarms > 20 && outages > 5, "{contacts} {alarms} {outages}");
}

#[test]
fn another_policy_is_tried_without_being_installed() {
    let mut world = with_a_past(&mut Chance::of(1));
    world.peer.away = false;
    world.handle(Input::Use(vec![lan(1)]));
    world.handle(Input::Sync);
    world.run_until(world.lab.now + 3_600);
    let (now, until) = (world.lab.now, world.lab.now.plus_days(100));
    let mut policy = world.lab.agent.policy();
    let class =
        ClassPolicy { first_report_days: 5, ongoing_report_days: 5, on_change_report_days: 5 };
    (policy.unenforced, policy.reporting_ack_required, policy.expires_at) = (class, true, None);
    let mut pushes = |policy: Option<Policy>| {
        let assumed = Assumed { outage: false, policy };
        let all = told(world.lab.agent.forecast(now, until, &assumed, &mut world.lab.disk).events);
        all.iter().filter(|(_, what)| what == "Usage Reporting").count()
    };
    let before = pushes(None);
    assert!(pushes(Some(policy)) >= 20, "every five days at least");
    assert_eq!(pushes(None), before);
}
