#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! The book of purchases, and accounts that are renamed, merged and closed (CSSM-002, 004, 005, 026, 027; PI-LIC-005).

use std::collections::BTreeMap;

use rumline_agent::Input;
use rumline_cssm::{
    Correction, Error, InstanceId, JobState, LicenseTransfer, LicenseView, Only, Purchase,
    PurchaseId, PurchaseKind, Settings, SmartAccountId, VirtualAccountId,
};
use rumline_protocol::Random;
use rumline_store::Db;
use rumline_testkit::{Chance, Device, Lab, START, admin, at_once, lan, on_every_engine};

const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";
const FABRIC: &str = "VPN_FABRIC";
const DAY: i64 = 86_400;

fn perpetual(license: &str, quantity: i64) -> Purchase {
    Purchase {
        license: license.to_owned(),
        quantity,
        kind: PurchaseKind::Perpetual,
        starts_at: START.0,
        ends_at: None,
        order_number: "SO-1".to_owned(),
    }
}

fn term(license: &str, quantity: i64, days: i64) -> Purchase {
    let ends_at = Some(START.0 + days * DAY);
    Purchase { kind: PurchaseKind::Term, ends_at, ..perpetual(license, quantity) }
}

fn buy(lab: &Lab, va: VirtualAccountId, purchase: &Purchase) -> PurchaseId {
    lab.cssm.add_purchase(lab.now, &admin(), lab.sa, va, purchase).unwrap().id
}

fn correct(lab: &Lab, id: PurchaseId, va: VirtualAccountId, quantity: i64) -> Result<(), Error> {
    let reason = "counted again".to_owned();
    let correction = Correction { virtual_account_id: va, quantity, reason };
    lab.cssm.correct_purchase(lab.now, &admin(), lab.sa, id, &correction).map(|_| ())
}

fn hand_on(
    lab: &Lab,
    (from, to): (VirtualAccountId, VirtualAccountId),
    quantity: i64,
    is_preview: bool,
) -> Result<Vec<(PurchaseId, i64)>, Error> {
    let transfer =
        LicenseTransfer { license: LAN.to_owned(), quantity, from, to, purchase_id: None };
    let look = lab.cssm.transfer_licenses(lab.now, &admin(), lab.sa, &transfer, true)?;
    let foreseen = lab.cssm.licenses_after(lab.now, lab.sa, &transfer, &look).unwrap();
    let moved = lab.cssm.transfer_licenses(lab.now, &admin(), lab.sa, &transfer, is_preview)?;
    if !is_preview {
        // What was foreseen is so then; what is all gone is listed no more.
        let is_some = |view: &LicenseView| (view.purchased, view.in_use) != (0, 0);
        let now = lab.cssm.licenses(lab.now, lab.sa).unwrap();
        let of = |views: Vec<LicenseView>| views.into_iter().filter(is_some).collect::<Vec<_>>();
        assert_eq!(of(foreseen), of(now));
    }
    Ok(moved.into_iter().map(|part| (part.purchase_id, part.quantity)).collect())
}

/// Purchased of a licence, by virtual account.
fn purchased(lab: &Lab, license: &str) -> BTreeMap<VirtualAccountId, i64> {
    let views = lab.cssm.licenses(lab.now, lab.sa).unwrap().into_iter();
    views
        .filter(|view| view.license == license)
        .map(|view| (view.virtual_account_id, view.purchased))
        .collect()
}

#[test]
fn a_purchase_is_corrected_by_entries_and_never_edited() {
    on_every_engine(&at_once(), |lab| {
        let id = buy(lab, lab.va, &perpetual(LAN, 10));
        correct(lab, id, lab.va, -3).unwrap();
        assert_eq!(purchased(lab, LAN), [(lab.va, 7)].into());
        // A correction of a correction is one more entry.
        correct(lab, id, lab.va, 2).unwrap();
        let too_many = correct(lab, id, lab.va, -10);
        assert!(
            matches!(&too_many, Err(Error::Conflict(text)) if text.contains("there are 9")),
            "{too_many:?}"
        );
        let (view, entries) = lab.cssm.purchase(lab.sa, id).unwrap();
        let told: Vec<_> =
            entries.iter().map(|entry| (entry.kind.as_str(), entry.quantity)).collect();
        assert_eq!(told, [("bought", 10), ("corrected", -3), ("corrected", 2)]);
        assert_eq!(
            (entries[1].login.as_str(), entries[1].reason.as_str()),
            ("admin", "counted again")
        );
        assert_eq!((view.shares[0].quantity, view.order_number.as_str()), (9, "SO-1"));
        for (quantity, reason) in
            [(0, "x"), (1_000_000_001, "x"), (1, ""), (1, " "), (1, "a\nb"), (1, &"x".repeat(501))]
        {
            let correction =
                Correction { virtual_account_id: lab.va, quantity, reason: reason.to_owned() };
            let outcome = lab.cssm.correct_purchase(lab.now, &admin(), lab.sa, id, &correction);
            assert!(
                matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })),
                "{quantity} {reason:?}"
            );
        }
        let (other, _) = lab.other_account("Other");
        assert!(matches!(lab.cssm.purchase(other, id), Err(Error::NotFound(_))));
        assert!(matches!(correct(lab, PurchaseId(999), lab.va, 1), Err(Error::NotFound(_))));
        assert!(matches!(correct(lab, id, VirtualAccountId(999), 1), Err(Error::NotFound(_))));
    });
}

#[test]
fn what_nobody_sells_is_not_bought() {
    let lab = Lab::in_memory(&at_once());
    for license in ["LAN_ENTERPRISE_SERVICE_PKG", "lan_enterprise_services_pkg", "x", "=1", ""] {
        let outcome =
            lab.cssm.add_purchase(lab.now, &admin(), lab.sa, lab.va, &perpetual(license, 1));
        assert!(
            matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })),
            "{license}: {outcome:?}"
        );
    }
    buy(&lab, lab.va, &perpetual("NXOS_ADVANTAGE", 1));
    for wrong in [
        Purchase { starts_at: -1, ..perpetual(LAN, 1) },
        Purchase { starts_at: i64::MAX, ..perpetual(LAN, 1) },
        Purchase { ends_at: Some(i64::MAX), ..term(LAN, 1, 1) },
        Purchase { order_number: "a\u{0}b".to_owned(), ..perpetual(LAN, 1) },
    ] {
        let outcome = lab.cssm.add_purchase(lab.now, &admin(), lab.sa, lab.va, &wrong);
        assert!(matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })), "{wrong:?}");
    }
}

#[test]
fn a_purchase_counts_after_the_delay() {
    // CSSM-026
    let settings = Settings { purchase_delay_seconds: DAY, ..at_once() };
    on_every_engine(&settings, |lab| {
        let id = buy(lab, lab.va, &perpetual(LAN, 10));
        assert_eq!(lab.cssm.purchase(lab.sa, id).unwrap().0.visible_at, lab.now.0 + DAY);
        lab.now = lab.now + (DAY - 1);
        assert_eq!(purchased(lab, LAN), BTreeMap::new());
        lab.now = lab.now + 1;
        assert_eq!(purchased(lab, LAN), [(lab.va, 10)].into());
    });
}

#[test]
fn licences_are_handed_on_those_that_last_longest_first() {
    // CSSM-004
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        let short = buy(lab, lab.va, &term(LAN, 5, 10));
        let long = buy(lab, lab.va, &term(LAN, 5, 100));
        let forever = buy(lab, lab.va, &perpetual(LAN, 2));
        buy(lab, lab.va, &perpetual(FABRIC, 50));
        let later =
            buy(lab, lab.va, &Purchase { starts_at: START.0 + 5 * DAY, ..perpetual(LAN, 3) });
        let both = (lab.va, branch);
        let planned = hand_on(lab, both, 8, true).unwrap();
        assert_eq!(planned, [(forever, 2), (long, 5), (short, 1)]);
        assert_eq!(
            hand_on(lab, both, 15, true).unwrap(),
            [(forever, 2), (long, 5), (short, 5), (later, 3)],
            "those that do not count yet last"
        );
        assert_eq!(purchased(lab, LAN), [(lab.va, 12)].into(), "nothing happened yet");
        assert_eq!(hand_on(lab, both, 8, false).unwrap(), planned);
        assert_eq!(purchased(lab, LAN), [(lab.va, 4), (branch, 8)].into());
        let more = hand_on(lab, both, 8, false);
        assert!(
            matches!(&more, Err(Error::Conflict(text)) if text.contains("holds 7")),
            "{more:?}"
        );
        assert_eq!(purchased(lab, LAN), [(lab.va, 4), (branch, 8)].into());
        // Both sides see it.
        let (_, entries) = lab.cssm.purchase(lab.sa, long).unwrap();
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.virtual_account_id, entry.quantity, entry.reason.as_str()))
            .collect();
        assert_eq!(told, [(lab.va, 5, ""), (lab.va, -5, "Branch"), (branch, 5, "Default")]);
        assert!(lab.cssm.events(lab.sa, 1).unwrap()[0].text.contains("8 x LAN_ENTERPRISE"));
        for (pair, quantity) in [((lab.va, lab.va), 1), (both, 0), (both, -1)] {
            assert!(matches!(
                hand_on(lab, pair, quantity, false),
                Err(Error::Invalid(_) | Error::Field { .. })
            ));
        }
        let gone = hand_on(lab, (lab.va, VirtualAccountId(99)), 1, false);
        assert!(matches!(gone, Err(Error::NotFound(_))));
        // What has ended is nobody's to hand on.
        lab.now = START + 11 * DAY;
        assert_eq!(hand_on(lab, both, 3, true).unwrap(), [(later, 3)]);
        assert!(hand_on(lab, both, 4, true).is_err());
    });
}

#[test]
fn accounts_are_renamed_and_domains_name_one() {
    // CSSM-002
    on_every_engine(&at_once(), |lab| {
        let cssm = &lab.cssm;
        let (other, _) = lab.other_account("Other");
        let rename = |id: SmartAccountId, name: &str, domain: &str| {
            cssm.rename_smart_account(lab.now, &admin(), id, name, domain)
        };
        let renamed = rename(lab.sa, "Bigger Example", "Bigger.Example.NET.").unwrap();
        assert_eq!(
            (renamed.name.as_str(), renamed.domain.as_str()),
            ("Bigger Example", "bigger.example.net")
        );
        rename(lab.sa, "Bigger Example", "bigger.example.net").unwrap();
        assert!(matches!(rename(other, "Bigger Example", "x.net"), Err(Error::Conflict(_))));
        assert!(matches!(rename(other, "X", "BIGGER.example.net"), Err(Error::Conflict(_))));
        for domain in
            ["", "x", "-a.net", "a-.net", "a..net", "a b.net", "\u{e4}.net", &"a.".repeat(130)]
        {
            assert!(
                matches!(rename(other, "X", domain), Err(Error::Invalid(_) | Error::Field { .. })),
                "{domain}"
            );
        }
        let branch = lab.virtual_account("Branch");
        let part = |name: &str| {
            cssm.rename_virtual_account(lab.now, &admin(), lab.sa, branch, name).map(|va| va.name)
        };
        assert_eq!(part("Office").unwrap(), "Office");
        assert!(matches!(part("Default"), Err(Error::Conflict(_))));
        assert!(matches!(part(""), Err(Error::Invalid(_) | Error::Field { .. })));
    });
}

#[test]
fn product_instances_follow_the_names_of_their_accounts() {
    // CSSM-002, PI-TRUST-011: the names stand in trust codes; nobody is shut out by another name.
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START + 100 * DAY);
        let names = [("Bigger Example", "Office"), ("Example & Sons", "Office"), ("E", "Default")];
        for (months, (smart, part)) in (1..).zip(names) {
            lab.cssm.rename_smart_account(lab.now, &admin(), lab.sa, smart, "e.net").unwrap();
            lab.cssm.rename_virtual_account(lab.now, &admin(), lab.sa, lab.va, part).unwrap();
            switch.log.clear();
            lab.run_until(&mut switch, START + (100 + months * 100) * DAY);
            let wrong = switch.log.iter().find(|line| line.contains("FAILED"));
            assert_eq!(wrong, None, "{:?}", switch.log);
            let (code, _) = &switch.agent.trust_codes()[0];
            assert_eq!((code.smart_account.as_str(), code.virtual_account.as_str()), (smart, part));
            let last_push = switch.agent.usage_reporting().last_push_at.unwrap();
            assert!(lab.now.since(last_push) < 100 * DAY);
            assert_eq!(lab.counted("SN1"), last_push.since(START));
        }
    });
}

#[test]
fn what_waits_in_a_virtual_account_goes_with_it() {
    on_every_engine(&at_once(), |lab| {
        let other = lab.other_account("Other");
        let (branch, third) = (lab.virtual_account("Branch"), lab.virtual_account("Third"));
        let turn_up = |lab: &Lab, device: &Device, va: VirtualAccountId| {
            let file = device.usage_file(lab.now, &[&device.report(1, START, &[(50, 3)])]);
            let file = file.as_bytes();
            let told = lab.cssm.upload_usage(lab.now, &admin(), lab.sa, va, "x.txt", file).unwrap();
            assert_eq!(told.status, "Errors");
        };
        let devices = ["SN1", "SN2", "SN3"].map(|serial| Device::new(&lab.cssm, serial));
        for device in &devices {
            lab.document(&device.trust(lab.now, &lab.token_of(other), false));
        }
        for (device, va) in [(0, branch), (1, branch), (1, lab.va), (2, third)] {
            turn_up(lab, &devices[device], va);
        }
        let waiting = |lab: &Lab| -> Vec<(String, VirtualAccountId)> {
            let claims = lab.cssm.claims(lab.sa).unwrap().into_iter();
            claims.map(|claim| (claim.serial, claim.virtual_account_id)).collect()
        };
        let open = |lab: &Lab| {
            let alerts = lab.cssm.alerts(lab.sa).unwrap();
            alerts.iter().filter(|alert| alert.cleared_at.is_none()).count()
        };
        assert_eq!((waiting(lab).len(), open(lab)), (4, 3));
        assert_eq!(lab.merge(branch, lab.va).unwrap().state, JobState::Done);
        let here = |serial: &str, va| (serial.to_owned(), va);
        assert_eq!(waiting(lab), [here("SN1", lab.va), here("SN2", lab.va), here("SN3", third)]);
        assert_eq!(open(lab), 3);
        lab.cssm.close_virtual_account(lab.now, &admin(), lab.sa, third).unwrap();
        assert_eq!(waiting(lab), [here("SN1", lab.va), here("SN2", lab.va)]);
        assert_eq!(open(lab), 2, "nobody can settle what waits nowhere");
    });
}

#[test]
fn an_account_is_closed_when_nothing_is_left_in_it() {
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        let id = buy(lab, branch, &perpetual(LAN, 1));
        buy(lab, branch, &term(LAN, 1, 10));
        let (_, token) = lab.new_token(branch, None);
        let device = Device::new(&lab.cssm, "SN1");
        lab.document(&device.trust(lab.now, &token, false));
        let close = |lab: &Lab, id| lab.cssm.close_virtual_account(lab.now, &admin(), lab.sa, id);
        let told = close(lab, branch).unwrap_err().to_string();
        assert!(told.contains("product instances and licenses"), "{told}");
        let instance = lab.instance("SN1").id;
        lab.cssm.remove_instance(lab.now, &admin(), lab.sa, instance).unwrap();
        assert!(close(lab, branch).is_err());
        correct(lab, id, branch, -1).unwrap();
        assert!(close(lab, branch).is_err());
        // What has ended holds nobody up.
        lab.now = lab.now + 10 * DAY;
        close(lab, branch).unwrap();
        assert!(matches!(close(lab, branch), Err(Error::NotFound(_))));
        assert_eq!(lab.cssm.virtual_accounts(lab.sa).unwrap().len(), 1);
        // Its token lets nobody in, and its name is free.
        let refused = lab.refusal(&Device::new(&lab.cssm, "SN2").trust(lab.now, &token, false));
        assert!(refused.contains("revoked"), "{refused}");
        lab.virtual_account("Branch");
        let last = lab.cssm.close_smart_account(lab.now, &admin(), lab.sa);
        last.unwrap();
        assert!(lab.cssm.smart_accounts(&Only::All).unwrap().is_empty());
        assert!(matches!(lab.cssm.smart_account(lab.sa), Err(Error::NotFound(_))));
    });
}

#[test]
fn a_virtual_account_that_is_merged_loses_nothing() {
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        let (_, token) = lab.new_token(branch, None);
        for serial in ["SN1", "SN2"] {
            let device = Device::new(&lab.cssm, serial);
            lab.document(&device.trust(lab.now, &token, false));
            lab.document(&device.usage(&[&device.report(1, START, &[(50, 3)])]));
        }
        buy(lab, lab.va, &perpetual(LAN, 1));
        let long = buy(lab, branch, &term(LAN, 5, 100));
        let merge = |from, into| lab.merge(from, into);
        assert!(matches!(merge(branch, branch), Err(Error::Invalid(_) | Error::Field { .. })));
        assert!(matches!(merge(branch, VirtualAccountId(99)), Err(Error::NotFound(_))));
        let merged = merge(branch, lab.va).unwrap();
        assert_eq!((merged.state, merged.total, merged.done), (JobState::Done, 2, 2));
        let views = lab.cssm.licenses(lab.now, lab.sa).unwrap();
        assert_eq!((views.len(), views[0].purchased, views[0].in_use), (1, 6, 6));
        assert_eq!(lab.cssm.purchase(lab.sa, long).unwrap().0.shares[0].virtual_account_id, lab.va);
        assert!(lab.instances().iter().all(|instance| instance.virtual_account_id == lab.va));
        assert!(matches!(merge(branch, lab.va), Err(Error::NotFound(_))));
        assert_eq!(lab.counted("SN1"), 150, "its history is its own");
    });
}

#[test]
fn product_instances_are_moved_together_or_not_at_all() {
    // CSSM-005
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        for serial in ["SN1", "SN2"] {
            lab.register(&Device::new(&lab.cssm, serial));
        }
        let ids: Vec<InstanceId> = lab.instances().iter().map(|instance| instance.id).collect();
        let transfer = |ids: &[InstanceId], is_preview| {
            lab.cssm.transfer_instances(lab.now, &admin(), lab.sa, ids, branch, is_preview)
        };
        assert_eq!(transfer(&ids, true).unwrap(), ids);
        assert!(lab.instances().iter().all(|instance| instance.virtual_account_id == lab.va));
        let missing = [ids[0], InstanceId(999)];
        assert!(matches!(transfer(&missing, false), Err(Error::NotFound(_))));
        assert!(lab.instances().iter().all(|instance| instance.virtual_account_id == lab.va));
        assert_eq!(transfer(&[ids[0], ids[0], ids[1]], false).unwrap(), ids);
        assert!(lab.instances().iter().all(|instance| instance.virtual_account_id == branch));
        assert_eq!(transfer(&ids, false).unwrap(), []);
        assert!(matches!(transfer(&[], false), Err(Error::Invalid(_) | Error::Field { .. })));
    });
}

#[test]
fn random_histories_of_the_book_are_those_of_a_simple_model() {
    // Licences are kept: what was bought and corrected is what all virtual accounts hold together.
    for seed in 0..20 {
        let lab = Lab::in_memory(&at_once());
        let mut chance = Chance::of(seed);
        let mut below = |limit: u64| i64::try_from(chance.below(limit)).unwrap();
        let accounts = [lab.va, lab.virtual_account("A"), lab.virtual_account("B")];
        let mut model: BTreeMap<(PurchaseId, VirtualAccountId), i64> = BTreeMap::new();
        let mut bought: Vec<PurchaseId> = Vec::new();
        let mut total = 0;
        for _ in 0..60 {
            let pick =
                |below: &mut dyn FnMut(u64) -> i64| accounts[usize::try_from(below(3)).unwrap()];
            let (one, two) = (pick(&mut below), pick(&mut below));
            let quantity = below(6);
            match below(3) {
                0 => {
                    let days = below(3) * 100;
                    let new = if days == 0 {
                        perpetual(LAN, quantity)
                    } else {
                        term(LAN, quantity, days)
                    };
                    match lab.cssm.add_purchase(lab.now, &admin(), lab.sa, one, &new) {
                        Ok(view) => {
                            bought.push(view.id);
                            model.insert((view.id, one), quantity);
                            total += quantity;
                        }
                        Err(_) => assert_eq!(quantity, 0),
                    }
                }
                1 if !bought.is_empty() => {
                    let id = bought[usize::try_from(below(bought.len() as u64)).unwrap()];
                    let delta = quantity - 3;
                    let held = model.get(&(id, one)).copied().unwrap_or(0);
                    let fits = delta != 0 && held + delta >= 0;
                    assert_eq!(correct(&lab, id, one, delta).is_ok(), fits, "{held} {delta}");
                    if fits {
                        *model.entry((id, one)).or_default() += delta;
                        total += delta;
                    }
                }
                _ => {
                    let held: i64 =
                        model.iter().filter(|((_, va), _)| *va == one).map(|(_, n)| n).sum();
                    let fits = one != two && quantity > 0 && quantity <= held;
                    let outcome = hand_on(&lab, (one, two), quantity, false);
                    assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
                    for (id, moved) in outcome.unwrap_or_default() {
                        *model.entry((id, one)).or_default() -= moved;
                        *model.entry((id, two)).or_default() += moved;
                    }
                }
            }
            let mut expected: BTreeMap<VirtualAccountId, i64> = BTreeMap::new();
            for ((_, va), held) in &model {
                assert!(*held >= 0);
                *expected.entry(*va).or_default() += held;
            }
            expected.retain(|_, held| *held != 0);
            let told = purchased(&lab, LAN);
            assert_eq!(told, expected, "seed {seed}");
            assert_eq!(told.values().sum::<i64>(), total, "seed {seed}");
        }
        for id in bought {
            let (view, entries) = lab.cssm.purchase(lab.sa, id).unwrap();
            let held: i64 = view.shares.iter().map(|share| share.quantity).sum();
            assert_eq!(held, entries.iter().map(|entry| entry.quantity).sum::<i64>());
        }
    }
}

#[test]
fn somebody_is_told_of_what_nobody_does() {
    // CSSM-001, G-19
    on_every_engine(&at_once(), |lab| {
        let open = |lab: &Lab| -> Vec<(String, String)> {
            let all = lab.cssm.alerts(lab.sa).unwrap().into_iter();
            all.filter(|alert| alert.cleared_at.is_none())
                .map(|alert| (alert.kind, alert.subject))
                .collect()
        };
        let told = |kind: &str, subject: &str| (kind.to_owned(), subject.to_owned());
        assert_eq!(lab.cssm.looked_at(lab.sa), None);
        assert_eq!(lab.cssm.watch(lab.now).unwrap().open, 0);
        assert_eq!(lab.cssm.looked_at(lab.sa), Some(lab.now));
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        lab.document(&device.usage(&[&device.report(1, START, &[(50, 3)])]));
        lab.cssm.watch(lab.now).unwrap();
        let short = told("shortage", &format!("{LAN} in Default"));
        assert_eq!(open(lab), std::slice::from_ref(&short));
        // A second look tells nothing twice, and whoever sees to it does not end it.
        let alert = lab.cssm.alerts(lab.sa).unwrap().remove(0);
        assert!(alert.text.contains("3 too few"), "{}", alert.text);
        lab.cssm.acknowledge_alert(lab.now, &admin(), Some(lab.sa), alert.id).unwrap();
        lab.cssm.watch(lab.now).unwrap();
        let alert = lab.cssm.alerts(lab.sa).unwrap().remove(0);
        assert_eq!((open(lab).len(), alert.acknowledged_by.as_deref()), (1, Some("admin")));
        buy(lab, lab.va, &term(LAN, 3, 100));
        lab.cssm.watch(lab.now).unwrap();
        assert_eq!(open(lab), []);
        let gone = lab.cssm.acknowledge_alert(lab.now, &admin(), Some(lab.sa), alert.id);
        assert!(matches!(gone, Err(Error::NotFound(_))));
        // It is spoken of anew at each step to its end, and then there are too few again.
        for (day, within) in [(10, "90 days"), (40, "60 days"), (86, "14 days"), (99, "a day")] {
            lab.now = START + day * DAY;
            lab.cssm.watch(lab.now).unwrap();
            assert_eq!(
                open(lab),
                [told("expiry", &format!("purchase 1, within {within}"))],
                "{day}"
            );
        }
        lab.now = START + 100 * DAY;
        lab.cssm.watch(lab.now).unwrap();
        assert_eq!(open(lab), [short]);
        // Whoever does not report as the policy asks for is named, until it does or is gone.
        lab.now = START + 500 * DAY;
        lab.cssm.watch(lab.now).unwrap();
        assert!(
            open(lab).contains(&told("overdue", "PID:N9K-C93180YC-FX3,SN:SN1")),
            "{:?}",
            open(lab)
        );
        // One that has nothing in use has nothing to report.
        let end = lab.now + -DAY;
        lab.document(&device.usage(&[&device.report(
            2,
            START + 50,
            &[(end.since(START) - 50, 3), (50, 0)],
        )]));
        lab.now = lab.now + 500 * DAY;
        lab.cssm.watch(lab.now).unwrap();
        assert_eq!((open(lab), lab.in_use("SN1")), (vec![], vec![]));
        // Nor is one that is gone; one that never said a word is told of.
        lab.register(&Device::new(&lab.cssm, "SN2"));
        lab.now = lab.now + 500 * DAY;
        lab.cssm.watch(lab.now).unwrap();
        assert_eq!(open(lab), [told("overdue", "PID:N9K-C93180YC-FX3,SN:SN2")]);
        let id = lab.instance("SN2").id;
        lab.cssm.remove_instance(lab.now, &admin(), lab.sa, id).unwrap();
        lab.cssm.watch(lab.now).unwrap();
        assert_eq!(open(lab), []);
    });
}

#[test]
fn what_is_wrong_with_one_account_keeps_no_other_from_being_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cssm.db");
    let lab = Lab::on_file(&file, &at_once());
    let other = lab.other_account("Other");
    let device = Device::new(&lab.cssm, "SN1");
    lab.document(&device.trust(lab.now, &lab.token_of(other), false));
    lab.document(&device.usage(&[&device.report(1, START, &[(50, 3)])]));
    let broken = "INSERT INTO policy (smart_account_id, virtual_account_id, body, changed_at)
        VALUES ($1, $2, '{', 0)";
    let (sa, va) = (lab.sa, lab.va);
    let second = Db::open_sqlite(&file).unwrap();
    second
        .write("a policy that nobody can read", move |tx| {
            tx.execute(broken, &[sa.into(), va.into()]).map(|_| ())
        })
        .unwrap();
    lab.cssm.watch(lab.now).unwrap_err();
    assert_eq!(lab.cssm.alerts(other.0).unwrap()[0].kind, "shortage");
}
