//! Everything a switch keeps, cut at each change of its disks and on a full disk: each file is old or new, and no use is lost
//! (T7, T11).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
use common::*;
use rumline_agent::{Disk, DiskError, MemoryDisk, check_store};
use rumline_protocol::*;

/// What is done, one after the other, each a second later.
const STEPS: [&str; 12] = [
    "configure terminal",
    "feature bgp",
    "end",
    "copy running-config startup-config",
    "license smart save usage all file bootflash:one.txt",
    "license smart import bootflash:policy.txt",
    "configure terminal",
    "feature itd",
    "hostname renamed",
    "end",
    "copy running-config startup-config",
    "license smart save usage all file bootflash:one.txt",
];

/// Which of the two disks fails, after how many changes, and how.
#[derive(Clone, Debug)]
struct Cut {
    flash: bool,
    after: u64,
    failure: DiskError,
}

fn lab(cut: Option<&Cut>) -> (Lab, Timestamp) {
    let mut lab = Lab::new(None);
    lab.install_trust();
    let policy = lab.policy_document(|policy| policy.policy_name = "Ours".to_owned());
    lab.flash.files.insert("policy.txt".to_owned(), policy.into_bytes());
    if let Some(cut) = cut {
        let disk = if cut.flash { &mut lab.flash } else { &mut lab.store };
        disk.fails_after = Some((cut.after, cut.failure.clone()));
    }
    let mut used_since = None;
    for step in STEPS {
        lab.now = lab.now + 1;
        lab.run(&[step]);
        let in_use = !lab.switch.agent().licenses_in_use().is_empty();
        used_since = used_since.or(in_use.then_some(lab.now));
        if lab.store.failure.is_some() || lab.flash.failure.is_some() {
            break;
        }
    }
    let since = used_since.unwrap_or(lab.now);
    (lab, since)
}

fn feature_lines(lab: &mut Lab) -> (bool, bool) {
    let running = lab.run(&["show running-config"]);
    (running.contains("feature bgp"), running.contains("feature itd"))
}

/// What the switch goes on with is whole, and it has counted since use began.
fn goes_on(lab: &mut Lab, since: Timestamp, what: &str) {
    (lab.store.failure, lab.flash.failure) = (None, None);
    (lab.store.fails_after, lab.flash.fails_after) = (None, None);
    let uses = feature_lines(lab).0;
    lab.now = lab.now + 1_000;
    lab.run(&["end", "copy running-config startup-config"]);
    let saved = lab.run(&["license smart save usage all file bootflash:last.txt"]);
    let file = lab.flash.read("last.txt").unwrap();
    let (_, damaged) = check_store(&SimulatedSuite, &mut lab.store).unwrap();
    assert_eq!(damaged, [], "{what}");
    let Some(file) = file else {
        assert!(!uses, "{what}: {saved}");
        return;
    };
    let reports = Document::parse(&file).unwrap().reports;
    let bgp = reports.iter().filter(|r| r.report.entitlement_tag.to_string().contains("LAN_"));
    let counted: i64 = bgp.map(|signed| signed.report.count_seconds()).sum();
    if uses {
        let used = lab.now.since(since);
        assert!((used - 2..=used + 2).contains(&counted), "{what}: {counted} s of {used}");
    }
}

#[test]
fn each_change_that_is_cut_leaves_the_old_or_the_new() {
    let (whole, _) = lab(None);
    assert_eq!(whole.store.failure, None);
    let (mut boots, mut full) = (0, 0);
    for flash in [false, true] {
        for after in 0..200 {
            for failure in [DiskError::Other("no power".to_owned()), DiskError::Full] {
                let cut = Cut { flash, after, failure };
                let what = format!("{cut:?}");
                let (mut lab, since) = lab(Some(&cut));
                if lab.store.failure.is_none() && lab.flash.failure.is_none() {
                    continue;
                }
                let old = |disk: &mut MemoryDisk| disk.read("one.txt").unwrap();
                if let Some(file) = old(&mut lab.flash) {
                    assert!(Document::parse(&file).is_ok(), "{what}: half a file");
                }
                if cut.failure == DiskError::Full {
                    full += 1;
                    goes_on(&mut lab, since, &what);
                    continue;
                }
                boots += 1;
                (lab.store.failure, lab.flash.failure) = (None, None);
                lab.boot_again("no power");
                let lines = feature_lines(&mut lab);
                assert!([(false, false), (true, false), (true, true)].contains(&lines), "{what}");
                goes_on(&mut lab, since, &what);
            }
        }
    }
    assert!(boots >= 20 && full == boots, "{boots} {full}");
}

#[test]
fn a_first_start_that_is_cut_is_done_again() {
    let hardware = Lab::new(None).hardware;
    let now = at("Mar 04 09:00:00 2024");
    let config = Some("hostname first\nfeature bgp\n");
    let mut cuts = 0;
    for after in 0..50 {
        let (mut store, mut flash) = (MemoryDisk::default(), MemoryDisk::default());
        store.fails_after = Some((after, DiskError::Other("no power".to_owned())));
        let mut random = Chance(after);
        let first = start(now, &hardware, config, "", &mut store, &mut flash, &mut random);
        if store.failure.take().is_none() {
            assert!(first.is_ok());
            break;
        }
        cuts += 1;
        let again = start(now, &hardware, config, "", &mut store, &mut flash, &mut random);
        let (switch, _) = again.unwrap_or_else(|error| panic!("after {after}: {error}"));
        assert!(!switch.agent().licenses_in_use().is_empty(), "after {after}");
        let (_, damaged) = check_store(&SimulatedSuite, &mut store).unwrap();
        assert_eq!(damaged, [], "after {after}");
    }
    assert!(cuts >= 4, "{cuts}");
}
