#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! What webhooks are told: made with what it tells of, sent again until it is taken, by one process at a time, and bounded.

use std::collections::BTreeSet;

use rumline_cssm::{Actor, Error};
use rumline_protocol::Timestamp;
use rumline_server::{Due, ScopeId, Webhook};
use rumline_testkit::{Device, Lab, START, at_once, on_every_engine};

fn admin() -> Actor {
    Actor::person("admin")
}

fn make(lab: &Lab, kinds: &[&str]) -> Webhook {
    let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let url = "https://hooks.example.net/";
    let people = lab.cssm.people();
    people.create_webhook(lab.now, &admin(), lab.sa.into(), url, &kinds).unwrap().0
}

/// What is due, with nobody busy.
fn due(lab: &Lab, now: Timestamp) -> Vec<Due> {
    lab.cssm.people().due_deliveries(now, 16, &BTreeSet::new()).unwrap()
}

#[test]
fn what_is_not_taken_is_sent_again_later_and_later_and_given_up_after_three_days() {
    on_every_engine(&at_once(), |lab| {
        let (people, scope): (_, ScopeId) = (lab.cssm.people(), lab.sa.into());
        let hook = make(lab, &["event"]);
        assert!(due(lab, lab.now).is_empty());
        lab.cssm.create_virtual_account(lab.now, &admin(), lab.sa, "Told").unwrap();
        let began = lab.now;
        let mut now = began;
        let mut waits = Vec::new();
        let first = loop {
            let found = due(lab, now);
            let [one] = &found[..] else { panic!("{} are due", found.len()) };
            // Nobody else sends it meanwhile; one that was never heard of again is sent again.
            assert!(due(lab, now).is_empty() && due(lab, now + 59).is_empty());
            let problem = Some("no answer\nin time");
            people.delivery_done(now, (scope, one.id), None, problem).unwrap();
            let told = people.deliveries(scope, hook.id, None).unwrap().remove(0);
            assert_eq!(told.problem, "no answer in time");
            match told.next_at {
                Some(next) => waits.push(next - now.0),
                None => break told,
            }
            now = Timestamp(told.next_at.unwrap());
        };
        assert_eq!(waits[..10], [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]);
        assert!(waits[10..].iter().all(|wait| *wait == 3_600));
        let days = now.since(began);
        assert!((3 * 86_400 - 3_600..=3 * 86_400).contains(&days), "{days}");
        assert_eq!((first.given_up_at, first.delivered_at), (Some(now.0), None));
        assert_eq!(people.webhooks(scope).unwrap()[0].waiting, 0);
        // A try that nobody has told the end of is made again after its lease.
        people.test_webhook(now, &admin(), (scope, "/smart-accounts/1"), hook.id).unwrap();
        let twice = people.test_webhook(now, &admin(), (scope, "/smart-accounts/1"), hook.id);
        assert!(matches!(twice, Err(Error::Conflict(_))), "one at a time: {twice:?}");
        let lost = due(lab, now);
        assert!(due(lab, now + 59).is_empty());
        let again = due(lab, now + 60);
        assert_eq!((again.len(), again[0].id, &again[0].body), (1, lost[0].id, &lost[0].body));
        people.delivery_done(now + 61, (scope, again[0].id), Some(200), None).unwrap();
        // The first of the two tells its end late: it is taken already.
        people.delivery_done(now + 62, (scope, again[0].id), None, Some("late")).unwrap();
        let told = people.deliveries(scope, hook.id, None).unwrap().remove(0);
        assert_eq!((told.delivered_at, told.tries, told.status), (Some(now.0 + 61), 2, Some(200)));
        assert_eq!(people.webhooks(scope).unwrap()[0].waiting, 0);
    });
}

#[test]
fn what_was_not_done_is_not_told_and_what_waits_is_bounded() {
    on_every_engine(&at_once(), |lab| {
        let (people, scope): (_, ScopeId) = (lab.cssm.people(), lab.sa.into());
        let (both, alerts) = (make(lab, &[]), make(lab, &["alert"]));
        lab.cssm.create_virtual_account(lab.now, &admin(), lab.sa, "Once").unwrap();
        // One that is refused in the middle leaves nothing to be told.
        let twice = lab.cssm.create_virtual_account(lab.now, &admin(), lab.sa, "Once");
        assert!(matches!(twice, Err(Error::Conflict(_))));
        assert_eq!(people.deliveries(scope, both.id, None).unwrap().len(), 1);
        assert!(people.deliveries(scope, alerts.id, None).unwrap().is_empty());
        let fill = |tx: &mut rumline_store::Tx<'_>| {
            Ok::<_, Error>(tx.execute("UPDATE webhook SET waiting = 10000", &[])?)
        };
        lab.cssm.db().write("test.fill", fill).unwrap();
        lab.cssm.create_virtual_account(lab.now, &admin(), lab.sa, "Lost").unwrap();
        let of_both = people.webhooks(scope).unwrap().remove(0);
        assert_eq!((of_both.waiting, of_both.lost), (10_000, 1));
        let test = people.test_webhook(lab.now, &admin(), (scope, "/"), both.id);
        assert!(matches!(test, Err(Error::Conflict(_))), "{test:?}");
        // One thing at a time for each, and none for those that are busy.
        let busy = BTreeSet::from([(scope, both.id)]);
        assert!(people.due_deliveries(lab.now, 16, &busy).unwrap().is_empty());
        assert!(people.due_deliveries(lab.now, 0, &BTreeSet::new()).unwrap().is_empty());
        assert_eq!(due(lab, lab.now).len(), 1);
        // Another account's is not there, and one that is removed takes what waited with it.
        let elsewhere = ScopeId(999);
        for outcome in [
            people.remove_webhook(lab.now, &admin(), elsewhere, both.id),
            people.test_webhook(lab.now, &admin(), (elsewhere, "/"), both.id),
            people.deliveries(elsewhere, both.id, None).map(|_| ()),
        ] {
            assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
        }
        people.remove_webhook(lab.now, &admin(), scope, both.id).unwrap();
        assert!(due(lab, lab.now + 3_600).is_empty());
        assert_eq!(people.webhooks(scope).unwrap().len(), 1);
    });
}

#[test]
fn no_account_takes_all_places_from_the_others() {
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        for _ in 0..4 {
            make(lab, &["event"]);
        }
        lab.cssm.create_virtual_account(lab.now, &admin(), lab.sa, "Told").unwrap();
        let first = due(lab, lab.now);
        assert_eq!(first.len(), 2, "two receivers of one account at a time");
        // They are still told: the others of the account wait.
        let busy: BTreeSet<_> = first.iter().map(|one| (one.scope_id, one.webhook_id)).collect();
        assert!(people.due_deliveries(lab.now, 16, &busy).unwrap().is_empty());
        let one: BTreeSet<_> = busy.iter().take(1).copied().collect();
        assert_eq!(people.due_deliveries(lab.now, 16, &one).unwrap().len(), 1);
    });
}

#[test]
fn what_is_in_use_is_told_when_it_changes_to_whoever_asked_for_that() {
    on_every_engine(&at_once(), |lab| {
        let (told, usual) = (make(lab, &["use"]), make(lab, &[]));
        assert_eq!(
            (told.kinds, usual.kinds),
            (vec!["use".to_owned()], vec!["alert".to_owned(), "event".to_owned()])
        );
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let mut number = 0_u32;
        let mut report = |lab: &mut Lab, count: u32| {
            number += 1;
            let from = START + i64::from(number) * 100;
            let report = device.report(u64::from(number), from, &[(100, count)]);
            lab.entries(&device.usage(&[&report]));
        };
        for count in [2, 2, 3, 0] {
            report(lab, count);
        }
        let mut found = Vec::new();
        while let Some(one) =
            due(lab, lab.now + 1).into_iter().find(|one| one.webhook_id == told.id)
        {
            let event: serde_json::Value = serde_json::from_str(&one.body).unwrap();
            assert_eq!(
                (&event["specversion"], &event["type"]),
                (&"1.0".into(), &"rumline.use".into())
            );
            assert!(event["source"].as_str().unwrap().ends_with("/smart-accounts/1"), "{event}");
            assert!(event["subject"].as_str().unwrap().contains("SN:SN1"), "{event}");
            let data = &event["data"];
            assert!(
                data["license"].is_string() && data["product_instance_id"].is_number(),
                "{data}"
            );
            found.push((data["before"].as_i64().unwrap(), data["in_use"].as_i64().unwrap()));
            let which = (lab.sa.into(), one.id);
            lab.cssm.people().delivery_done(lab.now + 1, which, Some(204), None).unwrap();
        }
        assert_eq!(found, [(0, 2), (2, 3), (3, 0)]);
    });
}
