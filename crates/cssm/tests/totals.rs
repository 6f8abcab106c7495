#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Totals are kept, and are what counting says, whatever happens (CSSM-013, 027).

use std::collections::{BTreeMap, BTreeSet};

use rumline_cssm::{Error, VirtualAccountId};
use rumline_protocol::{Random, SignedReport};
use rumline_testkit::*;

fn in_use(lab: &Lab) -> Vec<(VirtualAccountId, i64)> {
    let views = lab.cssm.licenses(lab.now, lab.sa).unwrap().into_iter();
    views.map(|view| (view.virtual_account_id, view.in_use)).filter(|(_, n)| *n != 0).collect()
}

/// What a webhook was told is in use, by virtual account, product instance and licence.
type Told = BTreeMap<(i64, i64, String), i64>;

/// Hears what is new; each says rightly what was told before.
fn hear(lab: &Lab, told: &mut Told) {
    let people = lab.cssm.people();
    loop {
        let mut due = people.due_deliveries(lab.now, 16, &BTreeSet::new()).unwrap();
        due.sort_by_key(|one| one.id);
        if due.is_empty() {
            return;
        }
        for one in due {
            let event: serde_json::Value = serde_json::from_str(&one.body).unwrap();
            let data = &event["data"];
            let number = |name: &str| data[name].as_i64().unwrap();
            let license = data["license"].as_str().unwrap().to_owned();
            let of = (number("virtual_account_id"), number("product_instance_id"), license);
            let before = told.insert(of, number("in_use")).unwrap_or(0);
            assert_eq!(before, number("before"), "{event}");
            people.delivery_done(lab.now, (lab.sa.into(), one.id), Some(204), None).unwrap();
        }
    }
}

#[test]
fn totals_follow_whatever_becomes_of_product_instances() {
    for seed in 0..12 {
        let mut lab = Lab::in_memory(&at_once());
        let url = "https://hooks.example.net/";
        let kinds = ["use".to_owned()];
        lab.cssm.people().create_webhook(lab.now, &admin(), lab.sa.into(), url, &kinds).unwrap();
        let mut told = Told::new();
        let mut chance = Chance::of(seed);
        let mut below = |limit: u64| usize::try_from(chance.below(limit)).unwrap();
        let parts = [lab.va, lab.virtual_account("A"), lab.virtual_account("B")];
        let devices: Vec<Device> =
            (0..4).map(|n| Device::new(&lab.cssm, &format!("SN{n}"))).collect();
        let mut next = [1_u64; 4];
        for _ in 0..80 {
            let (one, part) = (below(4), parts[below(3)]);
            let there = lab.instances().into_iter().find(|i| i.serial == format!("SN{one}"));
            lab.now = lab.now + 1_000;
            match (below(6), there) {
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
                    let count = u32::try_from(below(5)).unwrap();
                    let from = lab.now + -500;
                    let report = devices[one].report(id, from, &[(400, count)]);
                    lab.document(&devices[one].usage(&[&report]));
                    assert_eq!(
                        lab.in_use(&format!("SN{one}")).first().map_or(0, |(_, n)| *n),
                        i64::from(count)
                    );
                }
            }
            assert_eq!(lab.cssm.verify_totals().unwrap(), [], "seed {seed}");
            let counted: i64 =
                lab.instances().iter().flat_map(|i| &i.licenses).map(|l| l.count).sum();
            assert_eq!(in_use(&lab).iter().map(|(_, n)| n).sum::<i64>(), counted);
            // Whoever adds up what webhooks told has the same.
            hear(&lab, &mut told);
            for part in parts {
                let of_part = told.iter().filter(|((va, ..), _)| *va == part.0);
                let there = in_use(&lab).into_iter().filter(|(va, _)| *va == part);
                let (all, there) = (of_part.map(|(_, n)| n), there.map(|(_, n)| n));
                assert_eq!(all.sum::<i64>(), there.sum::<i64>(), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_total_that_is_wrong_is_named_and_put_right() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        lab.document(&device.usage(&[&device.report(1, START, &[(50, 3)])]));
        assert_eq!((in_use(lab), lab.cssm.rebuild_totals().unwrap()), (vec![(lab.va, 3)], vec![]));
        let spoil = [
            "UPDATE use_total SET count = 7",
            "INSERT INTO instance_total (smart_account_id, virtual_account_id, count)
             VALUES (99, 99, 2)",
            "INSERT INTO holding (smart_account_id, purchase_id, virtual_account_id, quantity)
             VALUES (1, 9, 1, 4)",
        ];
        lab.cssm
            .db()
            .write("test.spoil", move |tx| {
                spoil.iter().try_for_each(|sql| tx.execute(sql, &[]).map(drop).map_err(Error::from))
            })
            .unwrap();
        let wrong = lab.cssm.verify_totals().unwrap();
        let told: Vec<_> =
            wrong.iter().map(|w| (w.kind.as_str(), w.of.as_str(), w.kept, w.counted)).collect();
        assert!(matches!(told[0], ("in use", _, 7, 3)), "{told:?}");
        assert_eq!(told[1..], [("product instances", "", 2, 0), ("holding", "9", 4, 0)]);
        // Looking changes nothing.
        assert_eq!(lab.cssm.verify_totals().unwrap(), wrong);
        assert_eq!(lab.cssm.rebuild_totals().unwrap(), wrong);
        assert_eq!((lab.cssm.verify_totals().unwrap(), in_use(lab)), (vec![], vec![(lab.va, 3)]));
    });
}

#[test]
fn whoever_keeps_reports_back_is_told_of() {
    // CSSM-001: a gap is told once it was asked for and did not close.
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let parts: [(_, &[(i64, u32)]); 3] =
            [(START, &[(50, 3)]), (START + 50, &[(50, 3)]), (START + 100, &[(50, 3)])];
        let chain: Vec<SignedReport> = device.chain(&parts);
        lab.now = START + 1_000;
        lab.document(&device.usage(&[&chain[0], &chain[2]]));
        let gaps = |lab: &Lab| {
            lab.cssm.watch(lab.now).unwrap();
            let all = lab.cssm.alerts(lab.sa).unwrap().into_iter();
            all.filter(|alert| alert.kind == "gap" && alert.cleared_at.is_none())
                .map(|alert| alert.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(gaps(lab), Vec::<String>::new());
        lab.now = lab.now + 1_801;
        let told = gaps(lab);
        assert!(told.len() == 1 && told[0].starts_with("1 of its reports"), "{told:?}");
        // To be asked once more ends nothing.
        lab.document(&device.sync(lab.now));
        lab.now = lab.now + 60;
        assert_eq!(gaps(lab), told);
        lab.document(&device.usage(&[&chain[1]]));
        assert_eq!(gaps(lab), Vec::<String>::new());
        assert_eq!(lab.instances()[0].reports_missing, 0);
    });
}
