//! What lies in a store is found out about when it is damaged (T7, T11), whichever bit it is.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
use common::*;
use rumline_agent::*;
use rumline_protocol::*;
use rumline_testkit::Chance;

/// What of a report leaves the switch.
fn reports(disk: &mut MemoryDisk) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in disk.list("rum/").unwrap() {
        let text = String::from_utf8_lossy(&disk.files[&name]).into_owned();
        let envelope = text.split_once('\n').map_or("", |(_, envelope)| envelope);
        if let Ok(report) = SignedReport::parse(envelope) {
            found.push((report.payload, format!("{:?}", report.signature)));
        }
    }
    found
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let mut lab = Lab::trusted(smart());
    for day in 0..6 {
        lab.handle(Input::Use(vec![lan(1 + day)]));
        lab.run_until(START.plus_days(40 * (day + 1)), accept);
    }
    let (files, findings) = check_store(&SimulatedSuite, &mut lab.disk).unwrap();
    assert_eq!(findings, []);
    assert!(files >= 8, "{files}");
    let whole = reports(&mut lab.disk);
    assert!(whole.len() >= 5);
    let names: Vec<String> = lab.disk.files.keys().cloned().collect();
    let (mut found, mut random) = (0, Chance::of(7));
    let mut below = |end: usize| usize::try_from(random.below(end as u64)).unwrap();
    for round in 0..1_000 {
        let mut disk = lab.disk.clone();
        let name = &names[below(names.len())];
        let file = disk.files.get_mut(name).unwrap();
        let place = below(file.len());
        file[place] ^= 1 << below(8);
        let (_, findings) = check_store(&SimulatedSuite, &mut disk).unwrap();
        if findings.is_empty() {
            // The licence's name before a report, or a blank in its layout: what was signed is what leaves.
            assert!(name.starts_with("rum/"), "round {round}: byte {place} of {name}");
            assert_eq!(reports(&mut disk), whole, "round {round}: byte {place} of {name}");
        } else {
            found += 1;
        }
    }
    assert!(found > 800, "{found}");
}

#[test]
fn what_is_found_is_told_with_its_cost_and_its_cure() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(40), accept);
    let check = |disk: &mut MemoryDisk| {
        let (_, findings) = check_store(&SimulatedSuite, disk).unwrap();
        findings.into_iter().map(|f| (f.file, f.costs, f.mend)).collect::<Vec<_>>()
    };
    let mut disk = lab.disk.clone();
    disk.files.get_mut("ledger.a").unwrap().push(b' ');
    let [(file, costs, _)] = &check(&mut disk)[..] else { panic!("one") };
    assert!(file == "ledger.a" && costs.starts_with("at most the last change"), "{file}: {costs}");
    disk.files.get_mut("ledger.b").unwrap().push(b' ');
    let both = check(&mut disk);
    assert!(both.len() == 2 && both[0].1.contains("trust code"), "{both:?}");
    disk.files.remove("device.key");
    let [(file, costs, mend)] = &check(&mut disk)[..] else { panic!("one") };
    assert!(file == "device.key" && costs.contains("does not start") && mend.contains("copy"));
}
