//! Alerts by e-mail (CSSM-007, G-19): each is told once to each who wants and may see it, whatever happens in between.

use std::collections::BTreeSet;

use rumline_cssm::{
    Error, Grant, MailTemplate, MailWish, Outgoing, Pace, PartId, Purchase, PurchaseKind, Role,
};
use rumline_protocol::Timestamp;
use rumline_testkit::{Lab, START, admin, at_once, on_every_engine};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
const PASSWORD: &str = "correct horse battery";
const SERVER: &str = "https://cssm.example";

fn wish(pace: Pace, kinds: &[&str]) -> MailWish {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    MailWish { address: "eve@example.net".to_owned(), kinds, pace }
}

fn add(lab: &Lab, login: &str, grants: &[Grant]) {
    lab.cssm
        .people()
        .create(lab.now, &admin(), login, Some(PASSWORD), grants)
        .expect("somebody is added");
}

fn wants(lab: &Lab, login: &str, wish: &MailWish) {
    lab.cssm.set_mail_wish(lab.now, &admin(), login, wish).expect("it can be wished");
}

/// A purchase that ends within 90 days: an alert.
fn buy_ending(lab: &Lab, days: i64) {
    let purchase = Purchase {
        license: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
        quantity: 1,
        kind: PurchaseKind::Term,
        starts_at: 0,
        ends_at: Some(lab.now.0 + days * DAY),
        order_number: String::new(),
    };
    lab.cssm.add_purchase(lab.now, &admin(), lab.sa, lab.va, &purchase).expect("it is bought");
}

/// Looks for alerts, makes messages, and tells whom they are for.
fn told(lab: &Lab) -> Vec<String> {
    let before: BTreeSet<i64> =
        lab.cssm.mail(None).expect("a list").iter().map(|mail| mail.id).collect();
    lab.cssm.watch(lab.now).expect("a look");
    let made = lab.cssm.make_mail(lab.now, SERVER).expect("made");
    let all = lab.cssm.mail(None).expect("a list");
    let mut new: Vec<String> = all
        .iter()
        .filter(|mail| !before.contains(&mail.id))
        .map(|mail| mail.login.clone())
        .collect();
    new.sort();
    assert_eq!(new.len(), made);
    new
}

/// What is sent within a few hours.
fn sent(lab: &mut Lab) -> Vec<Outgoing> {
    lab.now = lab.now + 3 * HOUR;
    let mut all = Vec::new();
    while let Some(outgoing) = lab.cssm.next_mail(lab.now).expect("the next one") {
        all.push(outgoing);
    }
    all
}

#[test]
fn an_alert_is_told_once_to_those_who_want_it_and_may_see_it() {
    on_every_engine(&at_once(), |lab| {
        let other = lab.cssm.create_smart_account(lab.now, &admin(), "Other", "o.net").unwrap().id;
        add(lab, "all", &[Grant::of(Role::Administrator, None)]);
        add(lab, "eve", &[Grant::of(Role::Viewer, Some(lab.sa.into()))]);
        add(lab, "gaps", &[Grant::of(Role::Viewer, Some(lab.sa.into()))]);
        add(lab, "other", &[Grant::of(Role::Administrator, Some(other.into()))]);
        add(lab, "part", &[Grant::of_part(Role::User, lab.sa.into(), lab.va.into())]);
        add(lab, "silent", &[Grant::of(Role::Viewer, Some(lab.sa.into()))]);
        buy_ending(lab, 80);
        lab.cssm.watch(lab.now).unwrap();
        for login in ["all", "eve", "other", "part"] {
            wants(lab, login, &wish(Pace::AtOnce, &[]));
        }
        wants(lab, "gaps", &wish(Pace::AtOnce, &["gap"]));
        // What was open before is not told.
        assert_eq!(told(lab), Vec::<String>::new());
        buy_ending(lab, 20);
        assert_eq!(told(lab), ["all", "eve"]);
        assert_eq!(told(lab), Vec::<String>::new());
        let out = sent(lab);
        assert_eq!(out.len(), 2);
        assert_eq!(out[0].subject, "Rumline CSSM: expiry: purchase 2, within 30 days");
        assert!(out[0].body.contains("1 new, 1 open from before"), "{}", out[0].body);
        assert!(out[0].body.contains("Alerts for all at https://cssm.example"));
        // Passwords that are tried are for whoever administers everything.
        for _ in 0..5 {
            lab.cssm.people().log_in(lab.now, "eve", "wrong wrong wrong", "here").unwrap_err();
        }
        assert_eq!(told(lab), ["all"]);
        assert!(sent(lab).iter().any(|mail| {
            mail.subject == "Rumline CSSM: failed logins: eve"
                && mail.body.contains("the whole server")
        }));
    });
}

#[test]
fn a_digest_comes_once_a_day_with_what_is_open_still() {
    on_every_engine(&at_once(), |lab| {
        add(lab, "eve", &[Grant::of(Role::Viewer, Some(lab.sa.into()))]);
        lab.now = Timestamp(START.0.div_euclid(DAY) * DAY);
        wants(lab, "eve", &wish(Pace::Daily, &[]));
        buy_ending(lab, 80);
        lab.now = lab.now + 23 * HOUR;
        assert_eq!(told(lab), Vec::<String>::new());
        lab.now = lab.now + HOUR;
        assert_eq!(told(lab), ["eve"]);
        assert_eq!(told(lab), Vec::<String>::new());
        lab.now = lab.now + DAY;
        assert_eq!(told(lab), ["eve"]);
        let out = sent(lab);
        assert!(out[0].body.contains("1 new, 0 open"), "{}", out[0].body);
        assert!(out[1].body.contains("0 new, 1 open"), "{}", out[1].body);
        // On a day with nothing open none comes.
        lab.now = lab.now + 100 * DAY;
        assert_eq!(told(lab), Vec::<String>::new());
    });
}

#[test]
fn a_message_is_tried_until_it_is_taken_or_three_days_are_over() {
    on_every_engine(&at_once(), |lab| {
        add(lab, "eve", &[Grant::of(Role::Viewer, Some(lab.sa.into()))]);
        wants(lab, "eve", &wish(Pace::AtOnce, &[]));
        let id = lab.cssm.test_mail(lab.now, "eve", SERVER).unwrap();
        let again = lab.cssm.test_mail(lab.now + 59, "eve", SERVER);
        assert!(matches!(again, Err(Error::Conflict(_))));
        let (mut now, mut waits) = (lab.now, Vec::new());
        let made = now;
        let next = |now| lab.cssm.next_mail(now).unwrap();
        loop {
            assert_eq!(next(now).unwrap().id, id);
            // Whatever becomes of it, it is not tried again at once.
            assert_eq!(next(now), None);
            lab.cssm.mail_failed(now, id, "nobody\r\nthere", false).unwrap();
            let view = lab.cssm.mail(None).unwrap().remove(0);
            assert_eq!(
                (view.tries, view.problem.as_str()),
                (waits.len() as i64 + 1, "nobody  there")
            );
            if view.given_up_at.is_some() {
                break;
            }
            waits.push(view.next_at - now.0);
            now = Timestamp(view.next_at);
            assert_eq!(next(now + -1), None);
        }
        assert_eq!(waits[..8], [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        let tried = now.since(made);
        assert!((3 * DAY..3 * DAY + HOUR).contains(&tried), "{tried}");
        assert_eq!(next(now + DAY), None);
        // One that a mail server never takes is tried once; one that is taken, no more either.
        let id = lab.cssm.test_mail(now, "eve", SERVER).unwrap();
        assert_eq!(next(now).unwrap().id, id);
        lab.cssm.mail_failed(now, id, "no such user", true).unwrap();
        assert_eq!(lab.cssm.mail(None).unwrap()[0].given_up_at, Some(now.0));
        let id = lab.cssm.test_mail(now + 60, "eve", SERVER).unwrap();
        assert_eq!(next(now + 60).unwrap().id, id);
        lab.cssm.mail_sent(now + 60, id).unwrap();
        let sent = lab.cssm.mail(None).unwrap().remove(0);
        assert_eq!((sent.sent_at, sent.tries), (Some(now.0 + 60), 1));
        assert_eq!(next(now + DAY), None);
        // Old ones go.
        lab.cssm.tidy(now + 31 * DAY).unwrap();
        assert_eq!(lab.cssm.mail(None).unwrap(), []);
    });
}

#[test]
fn nobody_gets_what_was_meant_for_somebody_who_left() {
    on_every_engine(&at_once(), |lab| {
        let viewer = [Grant::of(Role::Viewer, Some(lab.sa.into()))];
        let waiting = |lab: &mut Lab| sent(lab).len();
        add(lab, "eve", &viewer);
        wants(lab, "eve", &wish(Pace::AtOnce, &[]));
        lab.cssm.test_mail(lab.now, "eve", SERVER).unwrap();
        assert_eq!(waiting(lab), 1);
        let people = lab.cssm.people();
        people.set_disabled(lab.now, &admin(), "eve", true).unwrap();
        assert_eq!(waiting(lab), 0);
        buy_ending(lab, 80);
        assert_eq!(told(lab), Vec::<String>::new());
        people.set_disabled(lab.now, &admin(), "eve", false).unwrap();
        assert_eq!(waiting(lab), 1);
        // What was raised meanwhile is told now.
        assert_eq!(told(lab), ["eve"]);
        people.remove(lab.now, &admin(), "eve").unwrap();
        lab.now = lab.now + 1;
        add(lab, "eve", &viewer);
        assert_eq!((waiting(lab), lab.cssm.mail_wish("eve").unwrap()), (0, None));
        buy_ending(lab, 80);
        assert_eq!(told(lab), Vec::<String>::new());
        // Another eve may want it elsewhere.
        wants(lab, "eve", &MailWish { address: "e@x.net".to_owned(), ..wish(Pace::AtOnce, &[]) });
        buy_ending(lab, 80);
        assert_eq!(told(lab), ["eve"]);
        assert_eq!(sent(lab).last().unwrap().address, "e@x.net");
        lab.cssm.remove_mail_wish(lab.now, &admin(), "eve").unwrap();
        assert_eq!(waiting(lab), 0);
        let gone = lab.cssm.remove_mail_wish(lab.now, &admin(), "eve");
        assert!(matches!(gone, Err(Error::NotFound(_))));
        let nobody = lab.cssm.set_mail_wish(lab.now, &admin(), "bob", &wish(Pace::Daily, &[]));
        assert!(matches!(nobody, Err(Error::NotFound(_))));
    });
}

#[test]
fn a_changed_wish_tells_nothing_twice_and_every_change_is_audited() {
    on_every_engine(&at_once(), |lab| {
        add(lab, "eve", &[Grant::of(Role::Viewer, Some(lab.sa.into()))]);
        wants(lab, "eve", &wish(Pace::AtOnce, &["gap"]));
        buy_ending(lab, 80);
        assert_eq!(told(lab), Vec::<String>::new());
        wants(lab, "eve", &wish(Pace::AtOnce, &[]));
        assert_eq!(told(lab), Vec::<String>::new());
        buy_ending(lab, 80);
        assert_eq!(told(lab), ["eve"]);
        let set = MailTemplate { subject: "{count}: {first}".to_owned(), ..Default::default() };
        lab.cssm.set_mail_template(lab.now, &admin(), Some(&set)).unwrap();
        assert_eq!(lab.cssm.mail_template().unwrap(), set);
        buy_ending(lab, 10);
        assert_eq!(told(lab), ["eve"]);
        assert_eq!(
            lab.cssm.mail(None).unwrap()[0].subject,
            "1: expiry: purchase 3, within 14 days"
        );
        let bad = MailTemplate { body: "{nothing}".to_owned(), ..set };
        lab.cssm.set_mail_template(lab.now, &admin(), Some(&bad)).unwrap_err();
        lab.cssm.set_mail_template(lab.now, &admin(), None).unwrap();
        assert_eq!(lab.cssm.mail_template().unwrap(), MailTemplate::default());
        let rows = lab.cssm.people().audit_rows(None, &Default::default(), 100).unwrap();
        let changed: Vec<(&str, Option<&str>)> = rows
            .iter()
            .filter(|row| row.action == "e-mail set")
            .map(|row| (row.subject.as_str(), row.becomes.as_deref()))
            .collect();
        assert_eq!(
            changed,
            [
                ("eve", Some("at once to eve@example.net: all")),
                ("eve", Some("at once to eve@example.net: gap"))
            ]
        );
        assert_eq!(rows.iter().filter(|row| row.action == "e-mail template set").count(), 2);
    });
}

#[test]
fn what_waits_follows_the_address_and_the_clock_and_ends_with_the_role() {
    on_every_engine(&at_once(), |lab| {
        let viewer = Grant::of(Role::Viewer, Some(lab.sa.into()));
        let part = Grant::of_part(Role::Viewer, lab.sa.into(), PartId(lab.va.0));
        add(lab, "eve", &[viewer, part]);
        assert!(lab.cssm.may_be_told("eve").unwrap());
        wants(lab, "eve", &wish(Pace::AtOnce, &[]));
        buy_ending(lab, 80);
        assert_eq!(told(lab), ["eve"]);
        assert_eq!(sent(lab).len(), 1);
        // Mistyped, and put right: nothing that was told is lost.
        wants(lab, "eve", &MailWish { address: "e@x.net".to_owned(), ..wish(Pace::AtOnce, &[]) });
        let now = lab.cssm.next_mail(lab.now).unwrap().unwrap();
        assert_eq!(now.address, "e@x.net");
        // A clock that was a year ahead holds nothing up.
        let ahead = lab.now + 365 * DAY;
        buy_ending(lab, 500);
        let id = lab.cssm.test_mail(ahead, "eve", SERVER).unwrap();
        assert_eq!(lab.cssm.next_mail(lab.now).unwrap().unwrap().id, id);
        assert_eq!(lab.cssm.next_mail(lab.now).unwrap(), None);
        lab.cssm.mail_failed(lab.now, id, "not now", false).unwrap();
        assert_eq!(lab.cssm.mail(None).unwrap()[0].given_up_at, None);
        // Whoever may not see an account any more is told nothing that was made before.
        let people = lab.cssm.people();
        people.take_back(lab.now, &admin(), "eve", Some(lab.sa.into()), None).unwrap();
        let left: Vec<i64> = sent(lab).iter().map(|outgoing| outgoing.id).collect();
        assert_eq!(left, [id], "the test tells nothing");
        assert!(lab.cssm.mail(None).unwrap().iter().all(|mail| mail.id == id));
        assert!(!lab.cssm.may_be_told("eve").unwrap());
    });
}
