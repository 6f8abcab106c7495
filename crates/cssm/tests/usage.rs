#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Use over time, and the signed reports that each of its numbers opens to (CSSM-001, 006, 027).

use std::collections::BTreeMap;

use rumline_cssm::{
    Correction, Error, InstanceId, LicenseTransfer, Only, Period, Purchase, PurchaseKind, Step,
    VirtualAccountId,
};
use rumline_protocol::{
    ClassPolicy, EntitlementTag, Lineage, Random, StatusCode, Timestamp, sign_report,
};
use rumline_testkit::*;

const DAY: i64 = Timestamp::DAY;

fn period(lab: &Lab, from: &str, to: &str) -> Period {
    Period::read(lab.now, Some(from), Some(to)).unwrap()
}

/// Licence seconds of a period, by virtual account.
fn used(lab: &Lab, period: Period) -> BTreeMap<VirtualAccountId, i64> {
    let rows = lab.cssm.use_over_time(lab.now, lab.sa, &Only::All, period, Step::Day).unwrap();
    let mut used = BTreeMap::new();
    for row in rows {
        *used.entry(row.virtual_account_id).or_default() += row.license_seconds;
    }
    used
}

/// The same, of the reports that it opens to, a few at a time.
fn opened(lab: &Lab, va: VirtualAccountId, period: Period) -> i64 {
    let (mut after, mut sum, mut seen) = (String::new(), 0, Vec::new());
    loop {
        let page = lab.cssm.use_sources((lab.sa, va), LAN, period, &after, 2).unwrap();
        let Some(last) = page.last() else { return sum };
        after.clone_from(&last.next);
        for source in page {
            assert!(source.license_seconds > 0, "{source:?} adds nothing");
            let key = (source.product_instance_id, source.report_id);
            assert!(!seen.contains(&key), "{source:?} twice");
            seen.push(key);
            sum += source.license_seconds;
            let signed = lab.cssm.signed_report((lab.sa, va), key.0, key.1).unwrap();
            assert!(signed.verifies && signed.count_seconds >= source.license_seconds);
        }
    }
}

#[test]
fn each_number_is_the_sum_of_the_signed_reports_it_opens_to() {
    for seed in 0..10 {
        let mut lab = Lab::in_memory(&at_once());
        let mut chance = Chance::of(seed);
        let mut below = |limit: u64| i64::try_from(chance.below(limit)).unwrap();
        let parts = [lab.va, lab.virtual_account("A"), lab.virtual_account("B")];
        let devices: Vec<Device> =
            (0..3).map(|n| Device::new(&lab.cssm, &format!("SN{n}"))).collect();
        let mut next = [1_u64; 3];
        for _ in 0..60 {
            let one = usize::try_from(below(3)).unwrap();
            let part = parts[usize::try_from(below(3)).unwrap()];
            let there = lab.instances().into_iter().find(|i| i.serial == format!("SN{one}"));
            lab.now = lab.now + below(3 * 86_400);
            match (below(8), there) {
                (0, Some(instance)) => {
                    lab.cssm.remove_instance(lab.now, &admin(), lab.sa, instance.id).unwrap();
                }
                (1, Some(instance)) => {
                    lab.cssm
                        .transfer_instance(lab.now, &admin(), lab.sa, instance.id, part)
                        .unwrap();
                }
                (_, None) => {
                    let token = lab.token_of((lab.sa, part));
                    lab.document(&devices[one].trust(lab.now, &token, false));
                }
                (_, Some(_)) => {
                    let id = next[one];
                    next[one] += 1;
                    // Some of it is told again, some is days long, and some begins where a day does.
                    let spans: Vec<(i64, u32)> = (0..1 + below(3))
                        .map(|_| {
                            let longest = 40_000 << below(6);
                            (1 + below(longest), u32::try_from(below(5)).unwrap())
                        })
                        .collect();
                    let length: i64 = spans.iter().map(|(seconds, _)| seconds).sum();
                    let later = [0, 200_000][usize::try_from(below(2)).unwrap()];
                    let back = length + below(1 + later);
                    let from = Timestamp(match below(4) {
                        0 => (lab.now.0 - back).div_euclid(DAY) * DAY,
                        _ => lab.now.0 - back,
                    });
                    let report = devices[one].report(id, from, &spans);
                    lab.document(&devices[one].usage(&[&report]));
                }
            }
            assert_eq!(lab.cssm.verify_totals().unwrap(), [], "seed {seed}");
        }
        let all = period(&lab, "2025-06-01", "2026-06-01");
        let counted = lab.cssm.db().read("test.counted", |tx| {
            tx.row("SELECT SUM(count_seconds) FROM rum_report", &[], |row| row.int(0))
        });
        let counted: Result<_, Error> = counted.map_err(Error::from);
        assert_eq!(used(&lab, all).values().sum::<i64>(), counted.unwrap().unwrap(), "seed {seed}");
        for _ in 0..20 {
            let first = lab.now.0 - below(150 * 86_400);
            let end = first + below(20 * 86_400);
            let day = |at: i64| Timestamp(at).to_string()[..10].to_owned();
            let some = period(&lab, &day(first), &day(end));
            let used = used(&lab, some);
            for part in parts {
                let number = used.get(&part).copied().unwrap_or(0);
                assert_eq!(opened(&lab, part, some), number, "seed {seed}, {some:?}");
            }
        }
        // What is in use now opens to who uses it.
        for view in lab.cssm.licenses(lab.now, lab.sa).unwrap() {
            let (va, mut after, mut sum) = (view.virtual_account_id, String::new(), 0);
            loop {
                let page = lab.cssm.uses_now((lab.sa, va), &view.license, &after, 1).unwrap();
                let Some(last) = page.last() else { break };
                after.clone_from(&last.next);
                sum += page.iter().map(|uses| uses.count).sum::<i64>();
            }
            assert_eq!(sum, view.in_use);
        }
    }
}

#[test]
fn a_report_opens_to_what_was_signed_where_it_was_received() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let report = device.report(7, START, &[(2 * DAY, 3)]);
        lab.now = START + 2 * DAY;
        lab.document(&device.usage(&[&report]));
        let id = lab.instances()[0].id;
        let other = lab.virtual_account("Other");
        lab.cssm.transfer_instance(lab.now, &admin(), lab.sa, id, other).unwrap();
        // Told once more, half of it is known.
        let again = device.report(8, START + DAY, &[(2 * DAY, 3)]);
        lab.now = START + 3 * DAY;
        lab.document(&device.usage(&[&again]));
        let period = period(lab, "2026-01-01", "2026-01-03");
        let both = BTreeMap::from([(lab.va, 6 * DAY), (other, 3 * DAY)]);
        assert_eq!(used(lab, period), both);
        assert_eq!(opened(lab, lab.va, period), 6 * DAY);
        assert_eq!(opened(lab, other, period), 3 * DAY);
        let signed = lab.cssm.signed_report((lab.sa, lab.va), id, 7).unwrap();
        assert!(signed.verifies && signed.document.contains("<RUMReport>"));
        assert_eq!((signed.count_seconds, signed.overlap_seconds), (6 * DAY, 0));
        let signed = lab.cssm.signed_report((lab.sa, other), id, 8).unwrap();
        assert_eq!((signed.count_seconds, signed.overlap_seconds), (3 * DAY, 3 * DAY));
        // Not by the account that it was moved to, and no other report.
        assert!(lab.cssm.signed_report((lab.sa, other), id, 7).is_err());
        assert!(lab.cssm.signed_report((lab.sa, lab.va), id, 9).is_err());
        // By month, and of one virtual account only.
        let only = Only::These([lab.va.into()].into());
        let rows = lab.cssm.use_over_time(lab.now, lab.sa, &only, period, Step::Month).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].license.as_str(), rows[0].in_use_average), (LAN, 2.0));
        for wrong in ["x", "1~2", "1~2~3~4"] {
            assert!(lab.cssm.use_sources((lab.sa, lab.va), LAN, period, wrong, 9).is_err());
        }
        assert!(lab.cssm.uses_now((lab.sa, lab.va), LAN, "x", 9).is_err());
        let years = Period::read(lab.now, Some("2020-01-01"), Some("2026-01-03")).unwrap();
        let by_day = lab.cssm.use_over_time(lab.now, lab.sa, &only, years, Step::Day);
        assert!(
            matches!(by_day, Err(Error::Invalid(text) | Error::Field { text, .. }) if text.contains("by=month"))
        );
        assert_eq!(
            lab.cssm.use_over_time(lab.now, lab.sa, &only, years, Step::Month).unwrap().len(),
            1
        );
    });
}

#[test]
fn use_is_of_the_day_that_the_clock_told_though_it_was_set() {
    let mut lab = Lab::in_memory(&at_once());
    let device = Device::new(&lab.cssm, "SN1");
    lab.register(&device);
    // It began in 2015 by its clock, which was set to what it is after an hour.
    let (began, set) = (Timestamp(1_420_070_400), START - Timestamp(1_420_070_400).0);
    let mut first = device.unsigned_report(1, began, &[(3_600, 1)]);
    first.measurements[0].clock_change_delta = Some(set.0 - 3_600);
    let mut second = device.unsigned_report(2, START, &[(7_200, 1)]);
    let offset = |seconds| Lineage { clock_offset_seconds: seconds, ..Lineage::default() };
    first.lineage = Some(Lineage { position: 1, ..offset(0) });
    second.lineage = Some(Lineage { position: 2, ..offset(set.0 - 3_600) });
    // One that is a year ahead is of now.
    let mut third = device.unsigned_report(3, START + 7_200 + 365 * DAY, &[(600, 1)]);
    third.lineage = Some(Lineage { position: 3, ..offset(set.0 - 3_600 + 365 * DAY) });
    lab.now = START + 7_800;
    for report in [first, second, third] {
        let signed = sign_report(report, device.signer.as_ref());
        let entries = lab.entries(&device.usage(&[&signed]));
        assert!(entries.iter().all(|(_, status, _)| *status == StatusCode::Ok), "{entries:?}");
    }
    let told = |from: &str, to: &str| {
        let period = period(&lab, from, to);
        let rows = lab.cssm.use_over_time(lab.now, lab.sa, &Only::All, period, Step::Day).unwrap();
        let told = rows.iter().map(|row| (row.from.clone(), row.license_seconds));
        assert_eq!(opened(&lab, lab.va, period), used(&lab, period).values().sum::<i64>());
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        told("2025-12-31", "2027-01-02"),
        [("2025-12-31".to_owned(), 3_600), ("2026-01-01".to_owned(), 7_800),]
    );
    assert_eq!(lab.cssm.verify_totals().unwrap(), []);
    let class = ClassPolicy { first_report_days: 30, ..ClassPolicy::NONE };
    let trials = lab.cssm.try_policy(lab.now, (lab.sa, lab.va), class, InstanceId(0), 9).unwrap();
    assert_eq!((trials[0].reports_wanted, trials[0].late_count), (0, 0));
}

#[test]
fn what_was_corrected_and_handed_on_is_short_of_nothing_that_was_there() {
    let mut lab = Lab::in_memory(&at_once());
    let b = lab.virtual_account("B");
    let bought = Purchase {
        license: LAN.to_owned(),
        quantity: 10,
        kind: PurchaseKind::Perpetual,
        starts_at: START.0,
        ends_at: None,
        order_number: String::new(),
    };
    let id = lab.cssm.add_purchase(lab.now, &admin(), lab.sa, lab.va, &bought).unwrap().id;
    let hand_on = |lab: &Lab, from, to, quantity| {
        let license = LAN.to_owned();
        let transfer = LicenseTransfer { license, quantity, from, to, purchase_id: None };
        lab.cssm.transfer_licenses(lab.now, &admin(), lab.sa, &transfer, false).unwrap();
    };
    let correct = |lab: &Lab, virtual_account_id, quantity| {
        let correction = Correction { virtual_account_id, quantity, reason: "x".to_owned() };
        lab.cssm.correct_purchase(lab.now, &admin(), lab.sa, id, &correction).unwrap();
    };
    lab.now = START + 10 * DAY;
    hand_on(&lab, lab.va, b, 4);
    lab.now = START + 12 * DAY;
    correct(&lab, b, -4);
    lab.now = START + 20 * DAY;
    let delta = |lab: &Lab| {
        let period = period(lab, "2026-01-01", "2026-01-20");
        let rows = lab.cssm.delta(lab.now, lab.sa, &Only::All, period).unwrap();
        assert!(rows.iter().all(|row| row.short_seconds == 0 && row.short_days == 0), "{rows:?}");
        let told = rows.iter().map(|row| (row.virtual_account_id, row.purchased_seconds / DAY));
        told.collect::<Vec<_>>()
    };
    assert_eq!(delta(&lab), [(lab.va, 10 * 10 + 6 * 10)]);
    // There and back again, and then corrected.
    hand_on(&lab, lab.va, b, 6);
    hand_on(&lab, b, lab.va, 6);
    correct(&lab, lab.va, -6);
    assert_eq!(delta(&lab), [(lab.va, 4 * 10)]);
}

#[test]
fn what_was_reported_in_a_closed_account_can_still_be_opened() {
    on_every_engine(&at_once(), |lab| {
        let part = lab.virtual_account("A~");
        let device = Device::new(&lab.cssm, "SN1");
        let token = lab.token_of((lab.sa, part));
        lab.document(&device.trust(lab.now, &token, false));
        lab.now = START + DAY;
        // A tag may hold the sign that stands between the parts of where a list goes on.
        for (id, tag) in [(1, "A"), (2, "A~B"), (3, "A~C")] {
            let mut report = device.unsigned_report(id, START, &[(600, 1)]);
            let tag = format!("regid.2019-06.com.example.{tag},1.0_x");
            report.entitlement_tag = EntitlementTag::new(&tag).unwrap();
            let signed = sign_report(report, device.signer.as_ref());
            lab.document(&device.usage(&[&signed]));
        }
        lab.merge(part, lab.va).unwrap();
        let period = period(lab, "2026-01-01", "2026-01-02");
        let rows = lab.cssm.use_over_time(lab.now, lab.sa, &Only::All, period, Step::Day).unwrap();
        assert_eq!(rows.iter().map(|row| row.license_seconds).sum::<i64>(), 3 * 600);
        assert!(rows.iter().all(|row| row.virtual_account_id == part));
        for row in rows {
            let (mut next, mut sum) = (String::new(), 0);
            for _ in 0..4 {
                let page =
                    lab.cssm.use_sources((lab.sa, part), &row.license, period, &next, 1).unwrap();
                let Some(last) = page.last() else { break };
                next.clone_from(&last.next);
                sum += last.license_seconds;
                let (id, report_id) = (last.product_instance_id, last.report_id);
                assert!(lab.cssm.signed_report((lab.sa, part), id, report_id).unwrap().verifies);
            }
            assert_eq!(sum, row.license_seconds, "{row:?}");
        }
    });
}

#[test]
fn use_of_days_that_is_wrong_is_named_and_put_right() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        lab.document(&device.usage(&[&device.report(1, START, &[(50, 3)])]));
        let spoil = "UPDATE use_day SET change = 7 WHERE change > 0";
        let spoiled = lab.cssm.db().write("test.spoil", move |tx| tx.execute(spoil, &[]));
        assert_eq!(spoiled.unwrap(), 1);
        let wrong = lab.cssm.verify_totals().unwrap();
        assert_eq!((wrong.len(), wrong[0].kept, wrong[0].counted), (1, 7, 150));
        assert!(wrong[0].of.ends_with(" on 2026-01-01"), "{wrong:?}");
        assert_eq!(lab.cssm.rebuild_totals().unwrap(), wrong);
        assert_eq!(lab.cssm.verify_totals().unwrap(), []);
    });
}

#[test]
fn a_seed_lab_is_an_estate_like_any_other() {
    let lab = Lab::in_memory(&at_once());
    let device = Device::new(&lab.cssm, "SN1");
    let mut told = Vec::new();
    let mut heard = |made| told.push(made);
    let signer = device.signer.as_ref();
    let sa = lab.cssm.seed_lab(lab.now, &admin(), 2_500, signer, &mut heard).unwrap();
    assert_eq!(told, [1_000, 2_000, 2_500]);
    assert_eq!(lab.cssm.verify_totals().unwrap(), []);
    let all = lab.cssm.instances(sa, &Only::All, InstanceId(0), 1_000).unwrap();
    assert!(all.iter().all(|one| one.name.contains(".rack-") || one.name.starts_with("UDI_PID")));
    assert!(all.iter().any(|one| one.reports_missing > 0) && all.iter().any(|one| one.reports > 1));
    let licenses = lab.cssm.licenses(lab.now, sa).unwrap();
    assert!(licenses.iter().any(|view| view.balance < 0), "{licenses:?}");
    assert!(licenses.iter().any(|view| view.balance > 0 && view.in_use > 50));
    let parts = lab.cssm.virtual_accounts(sa).unwrap();
    let used = parts.iter().filter(|part| licenses.iter().any(|l| l.virtual_account_id == part.id));
    assert!(used.count() > 8);
    let signed = lab.cssm.reports(sa, all[0].id, 0, 9).unwrap()[0].clone();
    let account = (sa, all[0].virtual_account_id);
    assert!(lab.cssm.signed_report(account, all[0].id, signed.report_id).unwrap().verifies);
    lab.cssm.watch(lab.now).unwrap();
    let kinds: std::collections::BTreeSet<String> =
        lab.cssm.alerts(sa).unwrap().into_iter().map(|alert| alert.kind).collect();
    assert!(["shortage", "overdue"].iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
    // One is enough.
    let again = lab.cssm.seed_lab(lab.now, &admin(), 1, signer, &mut |_| ());
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    for wrong in [0, 10_000_001] {
        assert!(lab.cssm.seed_lab(lab.now, &admin(), wrong, signer, &mut |_| ()).is_err());
    }
}
