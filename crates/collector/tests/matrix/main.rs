//! Every attack on every object that crosses a wire or is carried: what becomes of it, that nothing moves, who reads
//! about it and where, and what it costs.
//!
//! A cell tries its attack on a ground of its own. What must not move is compared as a whole, before and after; what is
//! read is looked for among the lines that are new; the cost is counted in signatures that were checked.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod carried;
mod ground;
mod to_cssm;
mod to_switch;

use ground::{CSLU, EACH, Ground, Place};
use rumline_protocol::SignedReport;
use rumline_testkit::{OpenBundle, START};

/// What may be done to a statement by whoever sees it, holds it up, or writes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attack {
    /// Once more, as it was.
    Replay,
    /// An older one after a newer.
    RollBack,
    /// Held back for long, or an old one shown in place of what is new.
    Freeze,
    /// Parts of two.
    Splice,
    /// Cut off.
    Truncate,
    /// Its parts, or it and the one after it, in another order.
    Reorder,
    /// Of another device.
    WrongUdi,
    /// Of another account.
    WrongAccount,
    /// For another CSSM, or by one.
    WrongReceiver,
    /// Of a time that cannot be.
    WrongTime,
    /// Signed by a key that nobody vouches for.
    UnknownKey,
    /// Signed by a key that holds no more.
    RevokedKey,
}

const ATTACKS: [Attack; 12] = [
    Attack::Replay,
    Attack::RollBack,
    Attack::Freeze,
    Attack::Splice,
    Attack::Truncate,
    Attack::Reorder,
    Attack::WrongUdi,
    Attack::WrongAccount,
    Attack::WrongReceiver,
    Attack::WrongTime,
    Attack::UnknownKey,
    Attack::RevokedKey,
];

/// What a cell of the matrix holds.
#[derive(Clone, Copy, Debug)]
enum Cell {
    /// It moves nothing, and that is read at this place.
    Nothing(Place, &'static str),
    /// It is right all the same and counts, once: the cell has looked. That is read at this place.
    Counts(Place, &'static str),
    /// It cannot be tried, and why.
    Empty(&'static str),
}

/// The most signatures that an attack may have checked, by all whom it reaches.
const CHECKS_MAX: u64 = 40;

/// Tries every attack on an object.
#[expect(clippy::print_stdout, reason = "shows the matrix")]
fn each_attack(object: &str, attack_it: fn(&mut Ground, Attack) -> Cell) {
    let mut wrong = Vec::new();
    for attack in ATTACKS {
        let mut ground = Ground::new();
        let cell = attack_it(&mut ground, attack);
        let complaint = match cell {
            Cell::Empty(reason) => (reason.len() < 30).then(|| format!("{reason:?} is no reason")),
            Cell::Nothing(place, words) => ground.moved().or_else(|| ground.unread(place, words)),
            Cell::Counts(place, words) => ground.unread(place, words),
        };
        let is_tried = !matches!(cell, Cell::Empty(_));
        let complaint =
            complaint.or_else(|| is_tried.then(|| ground.vouched_for(attack)).flatten());
        let checks = ground.checks();
        println!("{object}, {attack:?}: {cell:?}, {checks} checks");
        if let Some(complaint) = complaint {
            wrong.push(format!("{object}, {attack:?}: {complaint}"));
        }
        if checks > CHECKS_MAX {
            wrong.push(format!("{object}, {attack:?}: {checks} signatures were checked"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn trust_requests() {
    each_attack("trust request", to_cssm::trust_request);
}

#[test]
fn reports() {
    each_attack("report", to_cssm::report);
}

#[test]
fn usage_messages() {
    each_attack("usage message", to_cssm::usage_message);
}

#[test]
fn polls() {
    each_attack("poll", to_cssm::poll);
}

#[test]
fn tokens() {
    each_attack("token", to_cssm::token);
}

#[test]
fn trust_codes() {
    each_attack("trust code", to_switch::trust_code);
}

#[test]
fn acks() {
    each_attack("ACK", to_switch::ack);
}

#[test]
fn policies() {
    each_attack("policy", to_switch::policy);
}

#[test]
fn account_information() {
    each_attack("account information", to_switch::account);
}

#[test]
fn bundles() {
    each_attack("bundle", carried::bundle);
}

#[test]
fn ack_bundles() {
    each_attack("ACK bundle", carried::ack_bundle);
}

#[test]
fn uploads() {
    each_attack("upload", carried::uploads);
}

/// Reports of which no signature holds, as many as a message may hold.
fn bad_reports(ground: &Ground, device: &rumline_testkit::Device) -> Vec<SignedReport> {
    let stranger = rumline_testkit::Device::new(&ground.estate.cssm, &device.udi.serial);
    // Each names the key that the device is known by: only the check itself shows that it is of another.
    let one = |id| {
        let mut report = stranger.report(id, START, &[(EACH, 1)]);
        report.signature.key = device.signer.public_key().key_id();
        report
    };
    (1..=rumline_protocol::Request::REPORTS_MAX as u64).map(one).collect()
}

/// Signatures of one device that are checked before it is believed no more, on each core.
const BAD_CHECKED_MAX: u64 = 3;

#[test]
fn a_thousand_bad_signatures_cost_three_checks_and_hold_up_nobody() {
    let mut g = Ground::new();
    let bad = bad_reports(&g, &g.device);
    let all: Vec<&SignedReport> = bad.iter().collect();
    g.begin();
    g.send(&g.device.usage(&all));
    assert_eq!(g.moved(), None);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    assert!(g.checks() <= BAD_CHECKED_MAX * cores, "at CSSM: {} checks", g.checks());
    // At a collector, which knows the device by another key.
    let server = 0;
    let mut message = g.device.usage(&[&g.reports[2]]);
    message.public_key = Some(g.device.signer.public_key().clone());
    g.push(server, &message);
    let mut message = g.device.usage(&all);
    message.public_key = Some(g.device.signer.public_key().clone());
    g.begin();
    g.push(server, &message);
    assert_eq!(g.moved(), None);
    assert!(g.checks() <= BAD_CHECKED_MAX * cores, "at a collector: {} checks", g.checks());
    // In a bundle beside good reports of others.
    let good = g.neighbour.report(9, START, &[(EACH, 1)]);
    let (now, collector) = (g.estate.now, g.estate.servers[server].collector.clone());
    let mut bundle = OpenBundle::of(&collector.next_batch(now, CSLU).unwrap().unwrap().bytes);
    bundle.files = vec![
        ("dev_SN1.txt".to_owned(), g.device.usage_file(now, &all)),
        ("dev_SN2.txt".to_owned(), g.neighbour.usage_file(now, &[&good])),
    ];
    let bundle = bundle.pack(|manifest| manifest.signed_by_collector(collector.signer()));
    g.begin();
    g.estate.cssm.receive_bundle(now, &bundle).unwrap();
    assert_eq!((g.counted("SN2"), g.counted("SN1")), (EACH, 2 * EACH));
    // The manifest, two devices' words about their files, and the good report.
    let others = 4;
    assert!(g.checks() <= BAD_CHECKED_MAX * cores + others, "in a bundle: {} checks", g.checks());
    let waiting =
        g.estate.servers[server].collector.instances(CSLU, "", Default::default(), 10).unwrap();
    assert!(waiting.iter().any(|view| view.serial == "SN1" && view.waiting == 1), "{waiting:?}");
}
