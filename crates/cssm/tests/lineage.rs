#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Switches that were set back, cloned, or booted in 1970; reports that overtake each other (G-17, PI-RUM-014).

use rumline_agent::Input;
use rumline_protocol::*;
use rumline_testkit::*;

fn epochs(lab: &Lab) -> Vec<rumline_cssm::EpochView> {
    lab.instance("SN1").epochs
}

fn alerts(lab: &Lab) -> Vec<String> {
    lab.cssm.alerts(lab.sa).unwrap().into_iter().map(|alert| alert.text).collect()
}

fn settled(switch: &Switch) -> bool {
    let [_, closed, unacknowledged, _, _] = switch.agent.report_counts();
    closed == 0 && unacknowledged == 0
}

#[test]
fn a_switch_that_was_set_back_goes_on_and_no_second_counts_twice() {
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(65));
        let copy = switch.disk.clone();
        lab.run_until(&mut switch, START.plus_days(130));
        let counted = lab.counted("SN1");
        assert!(counted > 100 * Timestamp::DAY);
        switch.restart(lab.now, copy);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(260));
        assert!(settled(&switch), "{:?}", switch.agent.report_counts());
        let after = lab.counted("SN1");
        let last_push = switch.agent.usage_reporting().last_push_at.unwrap();
        assert!(after > counted + 100 * Timestamp::DAY, "use goes on: {after}");
        assert!(after <= last_push.since(START), "no second counts twice: {after}");
        assert!(alerts(lab).iter().any(|text| text.contains("set back")), "{:?}", alerts(lab));
        assert!(switch.log.iter().any(|line| line.contains("SET_BACK")), "{:?}", switch.log);
        assert_eq!(lab.instance("SN1").reports_missing, 0);
    });
}

#[test]
fn of_two_clones_the_chosen_one_counts_and_the_other_stays_out() {
    for chosen in ["rival", "present"] {
        one_of_two_is_chosen(chosen);
    }
}

fn one_of_two_is_chosen(chosen: &str) {
    on_every_engine(&at_once(), |lab| {
        let mut right = lab.switch("SN1");
        lab.trust(&mut right, &lab.token(), false);
        lab.give(&mut right, Input::Use(vec![lan(1)]));
        lab.run_until(&mut right, START.plus_days(65));
        let mut clone = lab.switch("SN1");
        clone.restart(lab.now, right.disk.clone());
        lab.give(&mut clone, Input::Use(vec![lan(1)]));
        let mut days = 65_u32;
        let both = |lab: &mut Lab, days: &mut u32, right: &mut Switch, clone: &mut Switch| {
            for _ in 0..2 {
                *days += 70;
                lab.run_until(right, START.plus_days(*days));
                lab.run_until(clone, START.plus_days(*days) + MINUTE);
            }
        };
        both(lab, &mut days, &mut right, &mut clone);
        assert!(alerts(lab).iter().any(|text| text.contains("choose")), "{:?}", alerts(lab));
        let held = lab.counted("SN1");
        assert!(held <= lab.now.since(START));
        let all = epochs(lab);
        assert!(all.iter().any(|epoch| epoch.state == "rival"), "{all:?}");
        let rival = all.iter().find(|epoch| epoch.state == chosen).unwrap().epoch.clone();
        let id = lab.instance("SN1").id;
        lab.cssm.choose_epoch(lab.now, &admin(), lab.sa, id, &rival).unwrap();
        both(lab, &mut days, &mut right, &mut clone);
        let all = epochs(lab);
        let present: Vec<_> = all.iter().filter(|epoch| epoch.state == "present").collect();
        assert_eq!((present.len(), &present[0].epoch), (1, &rival), "{all:?}");
        assert!(present[0].reports > 0, "{all:?}");
        assert!(lab.counted("SN1") > held && lab.counted("SN1") <= lab.now.since(START));
        assert_ne!(settled(&right), settled(&clone), "one is taken, the other waits");
    });
}

#[test]
fn a_cssm_that_was_restored_gets_back_what_it_lacks_of_every_life_of_a_switch() {
    // Of all but the first life the copy has never heard.
    for set_backs in [1, 2, 3, 12] {
        restored_behind(set_backs);
    }
}

fn restored_behind(set_backs: usize) {
    let directory = tempfile::tempdir().unwrap();
    let (file, older) = (directory.path().join("cssm.db"), directory.path().join("older.db"));
    let mut lab = Lab::on_file(&file, &at_once());
    let lab = &mut lab;
    let mut switch = lab.switch("SN1");
    lab.trust(&mut switch, &lab.token(), false);
    lab.give(&mut switch, Input::Use(vec![lan(1)]));
    let sync = |lab: &mut Lab, switch: &mut Switch| {
        let later = lab.now + Timestamp::DAY;
        lab.run_until(switch, later);
        lab.give(switch, Input::Sync);
    };
    sync(lab, &mut switch);
    for ending in ["", "-wal"] {
        let name = |path: &std::path::Path| format!("{}{ending}", path.display());
        std::fs::copy(name(&file), name(&older)).unwrap();
    }
    // The first life goes on, which the copy knows nothing of; the switch is set back behind a part of it.
    sync(lab, &mut switch);
    let mut there = Vec::new();
    for _ in 0..set_backs {
        let disk = switch.disk.clone();
        there.push(epochs(lab).last().unwrap().reports);
        for _ in 0..2 {
            sync(lab, &mut switch);
        }
        switch.restart(lab.now, disk);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        for _ in 0..3 {
            sync(lab, &mut switch);
        }
    }
    assert_eq!(epochs(lab).len(), set_backs + 1, "{:?}", epochs(lab));
    let counted = lab.counted("SN1");
    let last_end_at = lab.instance("SN1").epochs.iter().map(|epoch| epoch.last_end_at).max();
    assert_eq!(counted, last_end_at.unwrap() - START.0, "every second once");
    lab.go_on_from(&older);
    assert!(lab.counted("SN1") < counted);
    for _ in 0..3 + set_backs {
        sync(lab, &mut switch);
    }
    let view = lab.instance("SN1");
    assert_eq!(view.reports_missing, 0, "{:?}", view.epochs);
    let last_end_at = view.epochs.iter().map(|epoch| epoch.last_end_at).max().unwrap();
    let gap: i64 = view.gaps.iter().map(|gap| gap.to - gap.from).sum();
    assert_eq!(lab.counted("SN1") + gap, last_end_at - START.0, "{:?}", view.gaps);
    let reports: Vec<_> = view.epochs.iter().map(|epoch| epoch.reports).collect();
    assert_eq!(reports[..set_backs], there, "all that the switch still has: {view:?}");
}

#[test]
fn a_choice_stands_however_often_the_other_one_begins_anew() {
    // Both report every few seconds: numbers collide all the time, and each collision begins an epoch.
    on_every_engine(&at_once(), |lab| {
        let mut right = lab.switch("SN1");
        lab.trust(&mut right, &lab.token(), false);
        lab.give(&mut right, Input::Use(vec![lan(1)]));
        lab.run_until(&mut right, START + 60);
        lab.give(&mut right, Input::Sync);
        let mut clone = lab.switch("SN1");
        clone.restart(lab.now, right.disk.clone());
        let round = |lab: &mut Lab, right: &mut Switch, clone: &mut Switch, count: u32| {
            for switch in [right, clone] {
                lab.give(switch, Input::Use(vec![lan(count)]));
                lab.now = lab.now + 2;
                lab.give(switch, Input::Sync);
            }
        };
        for count in 1..40 {
            round(lab, &mut right, &mut clone, count);
        }
        assert!(lab.instance("SN1").held_at.is_some(), "{:?}", epochs(lab));
        let present = epochs(lab).into_iter().find(|epoch| epoch.state == "present").unwrap();
        let id = lab.instance("SN1").id;
        lab.cssm.choose_epoch(lab.now, &admin(), lab.sa, id, &present.epoch).unwrap();
        for count in 1..20 {
            round(lab, &mut right, &mut clone, count);
            let held = lab.instance("SN1").held_at;
            assert_eq!(held, None, "after {count} rounds: {:?}", epochs(lab));
        }
        lab.give(&mut right, Input::Sync);
        lab.give(&mut clone, Input::Sync);
        assert_ne!(settled(&right), settled(&clone), "{:?}", epochs(lab));
        assert!(lab.counted("SN1") <= 40 * lab.now.since(START), "each second once");
    });
}

#[test]
fn what_goes_on_from_an_ended_life_is_ended_too_and_what_goes_on_from_the_present_one_is_not() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let span: &[(i64, u32)] = &[(100, 1)];
        let first = device.chain(&[(START, span), (START + 100, span)]);
        lab.now = START + 5000;
        lab.entries(&device.usage(&[&first[0], &first[1]]));
        let life =
            |epoch: &str, parent_epoch: &str, began_at: Timestamp, id: u64, at: Timestamp| {
                let mut report = device.unsigned_report(id, at, span);
                report.lineage = Some(Lineage {
                    audience: device.cssm.clone(),
                    epoch: epoch.to_owned(),
                    parent_epoch: parent_epoch.to_owned(),
                    epoch_began_at: began_at.0,
                    position: 1,
                    ..Lineage::default()
                });
                sign_report(report, device.signer.as_ref())
            };
        let said = |lab: &Lab, report: &SignedReport| {
            let (_, code, text) = lab.entries(&device.usage(&[report])).remove(0);
            (code, text)
        };
        // Another one speaks of the same time.
        let rival = life("b", "", START + 150, 500, START + 150);
        assert_eq!(said(lab, &rival).0, StatusCode::Failed);
        assert!(lab.instance("SN1").held_at.is_some());
        let id = lab.instance("SN1").id;
        lab.cssm.choose_epoch(lab.now, &admin(), lab.sa, id, "").unwrap();
        // It begins anew, later than all that the chosen one said.
        let again = life("c", "b", START + 1000, 600, START + 1000);
        let (code, text) = said(lab, &again);
        assert!(code == StatusCode::Failed && text.contains("ended"), "{text}");
        // And once more, from there.
        let (code, text) = said(lab, &life("d", "c", START + 2000, 700, START + 2000));
        assert!(code == StatusCode::Failed && text.contains("ended"), "{text}");
        assert_eq!((lab.instance("SN1").held_at, lab.counted("SN1")), (None, 200));
        // The chosen one is set back, and goes on from what it was.
        assert_eq!(said(lab, &life("e", "", START + 3000, 800, START + 3000)).0, StatusCode::Ok);
        assert_eq!((lab.instance("SN1").held_at, lab.counted("SN1")), (None, 300));
    });
}

#[test]
fn a_switch_that_asked_in_vain_still_follows_its_transfer() {
    // PI-TRUST-011, G-23: what was installed answers a request that was made long ago.
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        // Tokens of an account that it does not belong to.
        let other = lab.other_account("Other");
        for _ in 0..20 {
            lab.now = lab.now + MINUTE;
            let id_token = lab.token_of(other);
            lab.give(&mut switch, Input::Trust { id_token, all: true, force: true });
            assert!(switch.last_log().contains("SA/VA mismatch"), "{}", switch.last_log());
        }
        let (va, id) = (lab.virtual_account("Elsewhere"), lab.instance("SN1").id);
        lab.cssm.transfer_instance(lab.now, &admin(), lab.sa, id, va).unwrap();
        switch.log.clear();
        lab.run_until(&mut switch, START.plus_days(130));
        assert!(settled(&switch), "{:?}", switch.log);
        assert_eq!(switch.agent.trust_codes()[0].0.virtual_account, "Elsewhere");
        let last_push = switch.agent.usage_reporting().last_push_at.unwrap();
        assert_eq!(lab.counted("SN1"), last_push.since(START));
    });
}

#[test]
fn seconds_before_the_clock_was_set_count_too() {
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch("SN1");
        switch.skew = 1000 - START.0;
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.now = lab.now + 20;
        let from = lab.now + switch.skew;
        switch.skew = 0;
        let to = lab.now;
        lab.give(&mut switch, Input::ClockStepped { from, to });
        lab.trust(&mut switch, &lab.token(), false);
        lab.run_until(&mut switch, START.plus_days(130));
        assert!(settled(&switch), "{:?}", switch.log);
        let last_push = switch.agent.usage_reporting().last_push_at.unwrap();
        assert_eq!(lab.counted("SN1"), last_push.since(START));
        assert_eq!(lab.instance("SN1").reports_missing, 0);
    });
}

#[test]
fn what_comes_late_counts_also_after_a_licence_went_out_of_use() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let reports = device.chain(&[
            (START, &[(100, 1), (0, 0)]),
            (START + 500, &[(100, 1), (0, 0)]),
            (START + 900, &[(100, 1)]),
            (START + 1000, &[(100, 1)]),
        ]);
        lab.now = START + 2000;
        for (index, counted) in [(0, 100), (2, 200), (1, 300), (3, 400), (2, 400)] {
            lab.entries(&device.usage(&[&reports[index]]));
            assert_eq!(lab.counted("SN1"), counted, "after report {index}");
        }
        assert_eq!(lab.instance("SN1").reports_missing, 0);
    });
}

#[test]
fn in_use_is_what_the_life_that_goes_on_says() {
    // A switch comes back from a copy of before a licence was turned on, and never speaks of that one again.
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(40));
        let copy = switch.disk.clone();
        let mut other = lan(3);
        other.tag =
            EntitlementTag::new("regid.2019-06.com.cisco.OTHER_Nexus9300_XF,1.0_b").unwrap();
        lab.give(&mut switch, Input::Use(vec![lan(1), other]));
        lab.run_until(&mut switch, START.plus_days(80));
        let in_use = |lab: &Lab| {
            let licenses = lab.instance("SN1").licenses;
            licenses.iter().map(|license| license.count).collect::<Vec<_>>()
        };
        assert_eq!(in_use(lab), [1, 3]);
        switch.restart(lab.now, copy);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(120));
        assert!(settled(&switch), "{:?}", switch.agent.report_counts());
        assert_eq!(in_use(lab), [1], "of the other nothing is known any more");
    });
}

#[test]
fn a_report_that_comes_again_in_its_place_neither_fills_another_nor_says_what_is_in_use() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let reports = device.chain(&[
            (START, &[(100, 1)]),
            (START + 100, &[(100, 1)]),
            (START + 200, &[(100, 1)]),
            (START + 300, &[(100, 1), (0, 0)]),
        ]);
        lab.now = START + 2000;
        // The second never arrives; the third comes twice, under two numbers.
        for index in [0, 2, 3] {
            lab.entries(&device.usage(&[&reports[index]]));
        }
        let again = RumReport { report_id: 900, ..reports[2].report.clone() };
        let again =
            sign_report(RumReport { asset_signature: None, ..again }, device.signer.as_ref());
        lab.entries(&device.usage(&[&again]));
        let view = lab.instance("SN1");
        assert_eq!(view.reports_missing, 1);
        assert!(view.licenses.is_empty(), "nothing is in use: {:?}", view.licenses);
        assert_eq!(lab.counted("SN1"), 300);
    });
}

#[test]
fn what_the_chosen_life_goes_on_from_may_still_arrive() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let span: &[(i64, u32)] = &[(100, 1)];
        let first = device.chain(&[(START, span), (START + 100, span), (START + 200, span)]);
        lab.now = START + 5000;
        lab.entries(&device.usage(&[&first[0]]));
        // It goes on from there, and another one as well: the owner chooses, while reports of before are under way.
        let mut chosen = device.unsigned_report(500, START + 300, span);
        chosen.lineage = Some(Lineage {
            audience: device.cssm.clone(),
            epoch: "b".to_owned(),
            epoch_began_at: (START + 250).0,
            position: 1,
            ..Lineage::default()
        });
        let chosen = sign_report(chosen, device.signer.as_ref());
        let said =
            |lab: &Lab, report: &SignedReport| lab.entries(&device.usage(&[report])).remove(0);
        assert_eq!(said(lab, &chosen).1, StatusCode::Ok);
        let late = device.unsigned_report(first[2].report.report_id + 1, START + 400, span);
        let mut late = late;
        late.lineage = first[2].report.lineage.clone();
        late.lineage.as_mut().unwrap().position += 1;
        assert_eq!(said(lab, &sign_report(late, device.signer.as_ref())).1, StatusCode::Failed);
        let id = lab.instance("SN1").id;
        lab.cssm.choose_epoch(lab.now, &admin(), lab.sa, id, "b").unwrap();
        // Before the chosen one began; not what reaches into its time.
        assert_eq!(said(lab, &first[1]).1, StatusCode::Ok);
        let (_, code, text) = said(lab, &first[2]);
        assert!(code == StatusCode::Failed && text.contains("ended"), "{text}");
        assert_eq!((lab.instance("SN1").held_at, lab.counted("SN1")), (None, 300));
    });
}
