//! People and programs: added, granted, disabled, removed, and what the audit tells of it (G-01, CSSM-008).

use rumline_cssm::{Actor, Error, Grant, PartId, Role};
use rumline_server::{AuditSearch, Kind, ScopeId};
use rumline_testkit::{Lab, START, at_once, on_every_engine};

const SECRET: &str = "correct horse battery";
const HERE: &str = "192.0.2.7";

fn by() -> Actor {
    Actor::person("admin").at(Some(HERE)).because(Some("ticket 7"))
}

#[test]
fn whoever_is_added_can_be_listed_changed_disabled_and_removed() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::User, Some(lab.sa.into()));
        people.create(now, &by(), "ann", Some(SECRET), &[own]).unwrap();
        let taken = people.create(now, &by(), "ann", Some(SECRET), &[own]);
        assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
        let ann = people.person("ann").unwrap();
        assert_eq!((ann.kind, ann.grants, ann.created_at), (Kind::Person, vec![own], now));
        // Another role for a virtual account; the one for the account stays.
        let part = Grant::of_part(Role::Administrator, lab.sa.into(), PartId(lab.va.0));
        people.grant(now, &by(), "ann", part).unwrap();
        let viewer = Grant::of(Role::Viewer, Some(lab.sa.into()));
        people.grant(now, &by(), "ann", viewer).unwrap();
        assert_eq!(people.person("ann").unwrap().grants, [viewer, part]);
        let token = people.log_in(now, "ann", SECRET, HERE).unwrap();
        assert_eq!(people.caller(now, &token).unwrap().grants, [viewer, part]);
        people.take_back(now, &by(), "ann", Some(lab.sa.into()), None).unwrap();
        assert_eq!(people.caller(now, &token).unwrap().grants, [part], "it holds at once");
        let again = people.take_back(now, &by(), "ann", Some(lab.sa.into()), None);
        assert!(matches!(again, Err(Error::NotFound(_))));
        // Whoever is disabled is not logged in, and may be again.
        let token = people.log_in(now, "ann", SECRET, HERE).unwrap();
        people.set_disabled(now, &by(), "ann", true).unwrap();
        assert!(people.caller(now, &token).is_err());
        assert!(matches!(people.log_in(now, "ann", SECRET, HERE), Err(Error::Unauthenticated)));
        people.set_disabled(now, &by(), "ann", false).unwrap();
        people.log_in(now, "ann", SECRET, HERE).unwrap();
        assert_eq!(people.list(Some(lab.sa.into())).unwrap().len(), 1);
        assert!(people.list(Some(ScopeId(999))).unwrap().is_empty());
        people.remove(now, &by(), "ann").unwrap();
        assert!(matches!(people.person("ann"), Err(Error::NotFound(_))));
        assert!(matches!(people.remove(now, &by(), "ann"), Err(Error::NotFound(_))));
        for outcome in [
            people.set_password(now, &by(), "ann", SECRET),
            people.set_disabled(now, &by(), "ann", true),
            people.grant(now, &by(), "ann", own),
        ] {
            assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
        }
    });
}

#[test]
fn the_secret_of_a_program_may_end_and_somebody_is_told_before() {
    on_every_engine(&at_once(), |lab| {
        let (people, day) = (lab.cssm.people(), 86_400);
        let own = Grant::of(Role::Viewer, Some(lab.sa.into()));
        for wrong in [0, -1, 3_651, i64::MAX] {
            let made = people.create_program(lab.now, &by(), "robot", &[own], Some(wrong));
            assert!(matches!(made, Err(Error::Field { .. })), "{made:?}");
        }
        let secret = people.create_program(lab.now, &by(), "robot", &[own], Some(30)).unwrap();
        people.create_program(lab.now, &by(), "endless", &[own], None).unwrap();
        let ends_at = lab.now + 30 * day;
        assert_eq!(people.person("robot").unwrap().secret_ends_at, Some(ends_at));
        let listed: Vec<_> = people.list(None).unwrap();
        assert!(listed.iter().any(|one| one.secret_ends_at == Some(ends_at)));
        let alerts = |lab: &Lab| {
            let open = lab.cssm.listed_alerts(None, Some(false), None, 100).unwrap();
            open.into_iter().map(|one| (one.kind, one.subject, one.text)).collect::<Vec<_>>()
        };
        lab.cssm.watch(lab.now + 15 * day).unwrap();
        assert_eq!(alerts(lab), []);
        lab.cssm.watch(lab.now + 16 * day).unwrap();
        let told = alerts(lab);
        assert_eq!((told.len(), &*told[0].0, &*told[0].1), (1, "secret ends", "robot"));
        assert!(told[0].2.contains("ends at") && told[0].2.contains("Renew it"), "{told:?}");
        let token = people.log_in_program(ends_at + -1, "robot", &secret, HERE).unwrap();
        people.caller(ends_at + -1, &token).unwrap();
        // It ends, and with it what was given for it. Who does not know it is not told.
        assert!(matches!(people.caller(ends_at, &token), Err(Error::Unauthenticated)));
        let over = people.log_in_program(ends_at, "robot", &secret, HERE);
        assert!(matches!(over, Err(Error::SecretEnded)), "{over:?}");
        let wrong = people.log_in_program(ends_at, "robot", "wrong", HERE);
        assert!(matches!(wrong, Err(Error::Unauthenticated)), "{wrong:?}");
        lab.cssm.watch(ends_at).unwrap();
        assert!(alerts(lab)[0].2.contains("has ended"));
        // Renewed, it holds as long as before, and the alert is settled.
        let renewed = people.renew_secret(ends_at, &by(), "robot").unwrap();
        assert_eq!(people.person("robot").unwrap().secret_ends_at, Some(ends_at + 30 * day));
        people.log_in_program(ends_at, "robot", &renewed, HERE).unwrap();
        lab.cssm.watch(ends_at + 1).unwrap();
        assert_eq!(alerts(lab), []);
        people.renew_secret(ends_at, &by(), "endless").unwrap();
        assert_eq!(people.person("endless").unwrap().secret_ends_at, None);
    });
}

#[test]
fn a_program_has_a_secret_that_is_made_and_renewed() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::Viewer, Some(lab.sa.into()));
        let secret = people.create(now, &by(), "robot", None, &[own]).unwrap().unwrap();
        assert!(secret.len() >= 40);
        let token = people.log_in(now, "robot", &secret, HERE).unwrap();
        assert_eq!(people.person("robot").unwrap().kind, Kind::Client);
        let chosen = people.set_password(now, &by(), "robot", SECRET);
        assert!(matches!(chosen, Err(Error::Conflict(_))), "{chosen:?}");
        let renewed = people.renew_secret(now, &by(), "robot").unwrap();
        assert_ne!(renewed, secret);
        assert!(people.caller(now, &token).is_err());
        assert!(people.log_in(now, "robot", &secret, HERE).is_err());
        people.log_in(now, "robot", &renewed, HERE).unwrap();
        people.create(now, &by(), "ann", Some(SECRET), &[own]).unwrap();
        assert!(matches!(people.renew_secret(now, &by(), "ann"), Err(Error::NotFound(_))));
    });
}

#[test]
fn ones_own_password_takes_the_old_one() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::Viewer, Some(lab.sa.into()));
        people.create(now, &by(), "ann", Some(SECRET), &[own]).unwrap();
        let ann = Actor::person("ann").at(Some(HERE));
        for (old, new) in [("wrong", "another password"), (SECRET, "short"), (SECRET, SECRET)] {
            let outcome = people.change_own_password(now, &ann, old, new);
            assert!(
                matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })),
                "{new}: {outcome:?}"
            );
        }
        people.change_own_password(now, &ann, SECRET, "another password").unwrap();
        people.log_in(now, "ann", "another password", HERE).unwrap();
        // Whoever tries many is made to wait, as at a login.
        let guess = |number: i64| {
            people.change_own_password(now, &ann, &format!("guess {number}"), "yet another one")
        };
        let outcomes: Vec<_> = (0..100).map(guess).collect();
        assert!(outcomes.iter().any(|o| matches!(o, Err(Error::TooManyRequests { .. }))));
        for password in ["", "too short", &"x".repeat(1_001)] {
            let outcome = people.create(now, &by(), "bob", Some(password), &[own]);
            assert!(
                matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })),
                "{}",
                password.len()
            );
        }
        for login in ["", " a", "a\nb", &"x".repeat(101)] {
            let outcome = people.create(now, &by(), login, Some(SECRET), &[own]);
            assert!(matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })), "{login:?}");
        }
        assert!(matches!(
            people.create(now, &by(), "bob", Some(SECRET), &[]),
            Err(Error::Invalid(_) | Error::Field { .. })
        ));
    });
}

#[test]
fn the_last_administrator_of_everything_stays_whatever_is_done() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let all = Grant::of(Role::Administrator, None);
        people.create(now, &by(), "root", Some(SECRET), &[all]).unwrap();
        let only = |outcome: Result<(), Error>| {
            assert!(matches!(outcome, Err(Error::Conflict(_))), "{outcome:?}");
        };
        only(people.remove(now, &by(), "root"));
        only(people.set_disabled(now, &by(), "root", true));
        only(people.take_back(now, &by(), "root", None, None));
        only(people.grant(now, &by(), "root", Grant::of(Role::User, None)));
        only(people.add(now, &by(), "root", SECRET, Role::Administrator, Some(lab.sa.into())));
        people.log_in(now, "root", SECRET, HERE).unwrap();
        people.create(now, &by(), "other", Some(SECRET), &[all]).unwrap();
        people.set_disabled(now, &by(), "other", true).unwrap();
        only(people.remove(now, &by(), "root"));
        people.set_disabled(now, &by(), "other", false).unwrap();
        people.remove(now, &by(), "root").unwrap();
        // Whoever owns the machine has a way back, however it came to this.
        let password = people.reset_password(now, "other").unwrap();
        assert!(people.log_in(now, "other", SECRET, HERE).is_err());
        people.log_in(now, "other", &password, HERE).unwrap();
        assert!(matches!(people.reset_password(now, "nobody"), Err(Error::NotFound(_))));
    });
}

#[test]
fn what_was_done_to_whom_is_told_with_before_and_after() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::User, Some(lab.sa.into()));
        people.create(now, &by(), "ann", Some(SECRET), &[own]).unwrap();
        people.grant(now, &by(), "ann", Grant::of(Role::Viewer, Some(lab.sa.into()))).unwrap();
        people.set_disabled(now, &by(), "ann", true).unwrap();
        people.remove(now, &by(), "ann").unwrap();
        assert!(people.remove(now, &by(), "ann").is_err());
        let rows = people.audit_rows(None, &Default::default(), 4).unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.action.as_str(), row.was.as_deref(), row.becomes.as_deref()))
            .collect();
        let (user, viewer) = ("user of account 1", "viewer of account 1");
        assert_eq!(
            told,
            [
                ("person removed", Some("disabled, viewer of account 1"), None),
                ("person disabled", Some(viewer), Some("disabled, viewer of account 1")),
                ("role granted", Some(user), Some(viewer)),
                ("person added", None, Some(user)),
            ]
        );
        for row in rows {
            assert_eq!((row.actor.as_str(), row.subject.as_str()), ("admin", "ann"));
            assert_eq!(
                (row.address.as_deref(), row.reason.as_deref()),
                (Some(HERE), Some("ticket 7"))
            );
        }
    });
}

#[test]
fn roles_go_with_their_account_and_the_audit_tells_of_each() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let branch = lab.virtual_account("Branch");
        let here = Grant::of_part(Role::User, lab.sa.into(), PartId(lab.va.0));
        let there = Grant::of_part(Role::User, lab.sa.into(), PartId(branch.0));
        people.create(now, &by(), "ann", Some(SECRET), &[there]).unwrap();
        people.create(now, &by(), "bob", Some(SECRET), &[here, there]).unwrap();
        people.create(now, &by(), "cem", Some(SECRET), &[here]).unwrap();
        let token = people.log_in(now, "ann", SECRET, HERE).unwrap();
        lab.cssm.close_virtual_account(now, &by(), lab.sa, branch).unwrap();
        assert!(matches!(people.person("ann"), Err(Error::NotFound(_))));
        assert!(people.caller(now, &token).is_err());
        assert_eq!(people.person("bob").unwrap().grants, [here]);
        assert_eq!(people.person("cem").unwrap().grants, [here]);
        let told = |subject: &str| {
            let rows = people
                .audit_rows(Some(lab.sa.into()), &Default::default(), 100)
                .unwrap()
                .into_iter();
            let mut rows =
                rows.filter(|row| row.subject == subject && row.action == "role taken back");
            let row = rows.next()?;
            Some((row.actor, row.address, row.reason, row.was, row.becomes))
        };
        let was = format!("user of virtual account {branch} of account {}", lab.sa);
        let becomes = format!("user of virtual account {} of account {}", lab.va, lab.sa);
        let text = |text: &str| Some(text.to_owned());
        let who = ("admin".to_owned(), text(HERE), text("ticket 7"));
        let row = |becomes| {
            Some((who.0.clone(), who.1.clone(), who.2.clone(), Some(was.clone()), becomes))
        };
        assert_eq!(told("ann"), row(None));
        assert_eq!(told("bob"), row(Some(becomes)));
        assert_eq!(told("cem"), None);
        lab.cssm.close_smart_account(now, &by(), lab.sa).unwrap();
        assert!(people.person("bob").is_err() && people.person("cem").is_err());
        assert!(told("cem").is_some());
    });
}

#[test]
fn whoever_has_passwords_tried_on_them_is_told_of_to_the_whole_server() {
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        let own = Grant::of(Role::User, Some(lab.sa.into()));
        people.create(lab.now, &by(), "ann", Some(SECRET), &[own]).unwrap();
        let try_on = |lab: &Lab, login: &str, times: i64| {
            for time in 0..times {
                // From everywhere, and slowly: nobody has to wait.
                let address = format!("192.0.2.{}", 10 + time);
                let refused = people.log_in(lab.now + 3_600 * time, login, "wrong", &address);
                assert!(matches!(refused, Err(Error::Unauthenticated)), "{refused:?}");
            }
            lab.cssm.watch(lab.now + 3_600 * times).unwrap();
        };
        let open = |lab: &Lab| {
            let open = lab.cssm.listed_alerts(None, None, None, 1_000).unwrap().into_iter();
            open.filter(|alert| alert.cleared_at.is_none()).collect::<Vec<_>>()
        };
        try_on(lab, "ann", 4);
        assert_eq!(open(lab), []);
        lab.now = lab.now + 4 * 3_600;
        try_on(lab, "ann", 1);
        try_on(lab, "nobody", 6);
        let told = open(lab);
        assert_eq!(told.len(), 2, "{told:?}");
        let (ann, nobody) = (&told[1], &told[0]);
        assert_eq!((ann.kind.as_str(), ann.subject.as_str()), ("failed logins", "ann"));
        assert!(ann.text.starts_with("5 logins") && ann.text.contains("set another password"));
        assert_eq!(nobody.subject, "names that nobody has");
        assert!(
            nobody.text.starts_with("1 names that nobody has were tried within a day, 6 times")
        );
        // Page by page, the open ones and the settled.
        let page = |settled, before| lab.cssm.listed_alerts(None, settled, before, 100);
        assert_eq!(lab.cssm.listed_alerts(None, None, None, 0).unwrap(), told[..1], "one at least");
        assert_eq!(page(Some(false), Some(nobody.id)).unwrap(), std::slice::from_ref(ann));
        assert_eq!(page(Some(false), Some(ann.id)).unwrap(), []);
        assert_eq!(page(Some(true), None).unwrap(), []);
        assert!(matches!(page(None, Some(ann.id)), Err(Error::Invalid(_) | Error::Field { .. })));
        // It is of no account, is acknowledged and told in the audit, and ends by itself.
        assert_eq!(lab.cssm.alerts(lab.sa).unwrap(), []);
        lab.cssm.acknowledge_alert(lab.now, &by(), None, ann.id).unwrap();
        let audit = people.audit_rows(None, &Default::default(), 1).unwrap();
        assert!(audit[0].subject.contains("about ann acknowledged"), "{audit:?}");
        lab.cssm.clear_alert(lab.now, &by(), None, nobody.id).unwrap();
        lab.now = lab.now + 2 * 86_400;
        lab.cssm.watch(lab.now).unwrap();
        assert_eq!(open(lab), []);
    });
}

#[test]
fn names_that_nobody_has_are_told_of_together() {
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        let own = Grant::of(Role::User, Some(lab.sa.into()));
        for number in 0..101 {
            people.create(lab.now, &by(), &format!("p{number:03}"), None, &[own]).unwrap();
        }
        let put = |tx: &mut rumline_store::Tx<'_>| {
            let sql = "INSERT INTO audit (id, at, actor, action, subject, outcome)
                VALUES ($1, $2, '', 'login', $3, 'refused: wrong')";
            for number in 0..1_005_i64 {
                let login = match number {
                    0..500 => format!("a{}", number % 100),
                    _ => format!("p{:03}", number % 101),
                };
                let values = [(10_000 + number).into(), START.0.into(), (&login).into()];
                tx.execute(sql, &values)?;
            }
            Ok::<_, Error>(())
        };
        lab.cssm.db().write("test.refused", put).unwrap();
        lab.cssm.watch(lab.now + 60).unwrap();
        let told = lab.cssm.listed_alerts(None, Some(false), None, i64::MAX).unwrap();
        assert_eq!(told.len(), 102, "a hundred by name");
        assert_eq!(told[0].subject, "names that nobody has");
        assert!(
            told[0]
                .text
                .starts_with("100 names that nobody has were tried within a day, 500 times")
        );
        assert_eq!(told[1].subject, "many people");
        assert!(told[2..].iter().all(|alert| alert.subject.starts_with('p')));
    });
}

#[test]
fn what_people_did_is_found() {
    // G-01: by whom, what, when, and by any of its words
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        let own = Grant::of(Role::User, Some(lab.sa.into()));
        people.create(lab.now, &by(), "ann", Some(SECRET), &[own]).unwrap();
        people
            .create(lab.now + 10, &Actor::person("bob"), "50%_Über", Some(SECRET), &[own])
            .unwrap();
        people.set_disabled(lab.now + 20, &by(), "ann", true).unwrap();
        let found = |search: AuditSearch| -> Vec<(String, String)> {
            let rows = people.audit_rows(None, &search, 100).unwrap().into_iter();
            rows.filter(|row| row.at >= lab.now.0 && row.subject != "admin")
                .map(|row| (row.action, row.subject))
                .collect()
        };
        let added = |login: &str| ("person added".to_owned(), login.to_owned());
        let by_bob = AuditSearch { actor: Some("bob".to_owned()), ..AuditSearch::default() };
        assert_eq!(found(by_bob), [added("50%_Über")]);
        let action = |action: &str| AuditSearch {
            action: Some(action.to_owned()),
            ..AuditSearch::default()
        };
        assert_eq!(found(action("person added")), [added("50%_Über"), added("ann")]);
        // A part of it is enough, in upper or lower case, and signs of patterns are letters.
        assert_eq!(found(action("PERSON add")), [added("50%_Über"), added("ann")]);
        assert_eq!(found(action("pers%n")), []);
        let text =
            |text: &str| AuditSearch { text: Some(text.to_owned()), ..action("person added") };
        for within in ["Über", "50%_ü".trim_end_matches('ü'), "BER", "0%_"] {
            assert_eq!(found(text(within)), [added("50%_Über")], "{within}");
        }
        for not_within in ["5_%", "%%", "xyz", "' OR 1=1"] {
            assert_eq!(found(text(not_within)), [], "{not_within}");
        }
        // The reason is told of what was done by the one who gave it.
        assert_eq!(found(text("TICKET")), [added("ann")]);
        let at = |from_at, to_at| AuditSearch { from_at, to_at, ..action("person added") };
        assert_eq!(found(at(Some(lab.now.0 + 10), None)), [added("50%_Über")]);
        assert_eq!(found(at(None, Some(lab.now.0 + 10))), [added("ann")]);
        let all = people.audit_rows(None, &AuditSearch::default(), 100).unwrap();
        let before = AuditSearch { before: Some(all[0].id), ..AuditSearch::default() };
        assert_eq!(people.audit_rows(None, &before, 1).unwrap(), all[1..2]);
        let scope = people.audit_rows(Some(lab.sa.into()), &text("ann"), 100).unwrap();
        assert_eq!(scope.len(), 1);
        let long = people.audit_rows(None, &text(&"a".repeat(257)), 1);
        assert!(matches!(long, Err(Error::Invalid(_) | Error::Field { .. })));
    });
}
