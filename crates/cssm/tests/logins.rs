#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Second factors, logins and API tokens: asked for, used once, listed, narrowed, ended, and told in the audit (G-01).

use std::sync::Arc;

use rumline_cssm::{Action, Actor, Error, Grant, Role};
use rumline_protocol::Timestamp;
use rumline_server::{
    AuditSearch, Begun, Enrolment, LoginId, NewApiToken, People, Provided, ScopeId, Which, step_at,
};
use rumline_testkit::{at_once, on_every_engine};

const SECRET: &str = "correct horse battery";
const HERE: &str = "192.0.2.7";

fn eve() -> Actor {
    Actor::person("eve").at(Some(HERE))
}

fn admin() -> Actor {
    Actor::person("admin").at(Some(HERE))
}

/// Eve, with a second factor that was set a while ago.
fn with_factor(people: &People, now: Timestamp) -> Enrolment {
    let own = Grant::of(Role::Administrator, None);
    people.create(now, &admin(), "eve", Some(SECRET), &[own]).unwrap();
    let begun = people.begin_second_factor(now, &eve(), SECRET, LoginId(0)).unwrap();
    let code = begun.secret.code(step_at(now));
    people.confirm_second_factor(now, &eve(), &code, LoginId(0)).unwrap();
    begun
}

fn log_in(people: &People, now: Timestamp, code: Option<&str>) -> Result<String, Error> {
    people.log_in_with(now, "eve", SECRET, code, HERE)
}

fn told(people: &People, action: &str) -> Vec<String> {
    let search = AuditSearch { action: Some(action.to_owned()), ..AuditSearch::default() };
    let rows = people.audit_rows(None, &search, 100).unwrap();
    rows.into_iter().map(|row| format!("{} {} {}", row.actor, row.subject, row.outcome)).collect()
}

#[test]
fn a_second_factor_is_asked_for_once_it_is_confirmed_and_each_code_counts_once() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::Viewer, Some(lab.sa.into()));
        people.create(now, &admin(), "eve", Some(SECRET), &[own]).unwrap();
        let wrong = people.begin_second_factor(now, &eve(), "wrong password", LoginId(0));
        assert!(matches!(wrong, Err(Error::Invalid(_) | Error::Field { .. })), "{wrong:?}");
        let early = people.confirm_second_factor(now, &eve(), "123456", LoginId(0));
        assert!(matches!(early, Err(Error::Conflict(_))), "{early:?}");
        let (kept, other) =
            (log_in(&people, now, None).unwrap(), log_in(&people, now, None).unwrap());
        let id_of = |token: &str| people.caller(now, token).unwrap().login_id;
        let (keep, end) = (id_of(&kept), id_of(&other));
        let first = people.begin_second_factor(now, &eve(), SECRET, keep).unwrap();
        let begun = people.begin_second_factor(now, &eve(), SECRET, keep).unwrap();
        assert_ne!(first.secret.as_bytes(), begun.secret.as_bytes());
        assert_eq!(people.second_factor(now, "eve", keep).unwrap().begun, Some(begun.clone()));
        // Another login is not shown what would let it in for good, and confirms nothing.
        assert_eq!(people.second_factor(now, "eve", end).unwrap().begun, None);
        let elsewhere = begun.secret.code(step_at(now));
        let elsewhere = people.confirm_second_factor(now, &eve(), &elsewhere, end);
        assert!(matches!(elsewhere, Err(Error::Conflict(_))), "{elsewhere:?}");
        // What was only begun is asked of nobody.
        log_in(&people, now, None).unwrap();
        let of_first = first.secret.code(step_at(now));
        let wrong = people.confirm_second_factor(now, &eve(), &of_first, keep);
        assert!(matches!(wrong, Err(Error::Invalid(_) | Error::Field { .. })), "{wrong:?}");
        let code = begun.secret.code(step_at(now));
        people.confirm_second_factor(now, &eve(), &code, keep).unwrap();
        assert!(people.caller(now, &kept).is_ok() && people.caller(now, &other).is_err());
        let state = people.second_factor(now, "eve", LoginId(0)).unwrap();
        assert_eq!((state.since, state.recovery_codes, state.begun), (Some(now), 10, None));
        assert_eq!(people.person("eve").unwrap().second_factor_at, Some(now));
        assert_eq!(people.list(None).unwrap()[0].second_factor_at, Some(now));
        let twice = people.begin_second_factor(now, &eve(), SECRET, LoginId(0));
        assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
        // The code that confirmed it is used.
        assert!(matches!(log_in(&people, now, None), Err(Error::CodeMissing)));
        let known = "eve eve refused: the password is right, and no code came yet";
        assert_eq!(told(&people, "login")[0], known);
        assert!(matches!(log_in(&people, now, Some(&code)), Err(Error::CodeWrong)));
        let later = now + 30;
        let next = begun.secret.code(step_at(later));
        log_in(&people, later, Some(&next)).unwrap();
        for again in [later, later + 1, later + 29, later + 30] {
            let outcome = log_in(&people, again, Some(&next));
            assert!(matches!(outcome, Err(Error::CodeWrong)), "{outcome:?}");
        }
        // A clock that was set back shows codes again, and none counts again.
        let ahead = later + Timestamp::DAY;
        log_in(&people, ahead, Some(&begun.secret.code(step_at(ahead)))).unwrap();
        log_in(&people, later + 90, Some(&begun.secret.code(step_at(later + 90)))).unwrap();
        let outcome = log_in(&people, later, Some(&next));
        assert!(matches!(outcome, Err(Error::CodeWrong)), "{outcome:?}");
        // The wrong password tells nothing of a code.
        let outcome = people.log_in_with(later, "eve", "wrong password", Some(&next), HERE);
        assert!(matches!(outcome, Err(Error::Unauthenticated)));
        assert_eq!(told(&people, "second factor"), ["eve eve done"]);
        assert!(told(&people, "login").contains(&"eve eve refused: wrong code".to_owned()));
    });
}

#[test]
fn of_two_that_come_with_one_code_at_once_one_is_let_in() {
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        let begun = with_factor(&people, lab.now - 300);
        for round in 0..3 {
            let now = lab.now + round * 30;
            let code = begun.secret.code(step_at(now));
            let gate = Arc::new(std::sync::Barrier::new(2));
            let come = || {
                let (people, code, gate) = (people.clone(), code.clone(), Arc::clone(&gate));
                std::thread::spawn(move || {
                    gate.wait();
                    log_in(&people, now, Some(&code)).is_ok()
                })
            };
            let both = [come(), come()].map(|one| one.join().unwrap());
            assert!(both[0] != both[1], "{both:?}");
        }
    });
}

#[test]
fn a_recovery_code_counts_once_also_while_guessing_is_slowed() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let begun = with_factor(&people, now - 300);
        // Each from another place: what is counted is counted in the database, for all of them.
        let guess = |at: Timestamp, code: &str, place: i64| {
            people.log_in_with(at, "eve", SECRET, Some(code), &format!("198.51.100.{place}"))
        };
        let right = begun.secret.code(step_at(now));
        let wrong = if right == "000000" { "000001" } else { "000000" };
        for place in 0..5 {
            assert!(matches!(guess(now, wrong, place), Err(Error::CodeWrong)));
        }
        let outcome = guess(now, &right, 6);
        let slowed = matches!(outcome, Err(Error::TooManyRequests { retry_after_seconds: 30 }));
        assert!(slowed, "{outcome:?}");
        // So it is for whoever starts the server anew.
        let random = Arc::new(std::sync::Mutex::new(rumline_testkit::chance()));
        let anew = People::new(Arc::clone(lab.cssm.db()), random);
        let outcome = anew.log_in_with(now, "eve", SECRET, Some(&right), HERE);
        assert!(matches!(outcome, Err(Error::TooManyRequests { .. })), "{outcome:?}");
        let typed = begun.recovery_codes[3].to_uppercase().replace('-', " ");
        log_in(&people, now, Some(&typed)).unwrap();
        assert!(matches!(log_in(&people, now, Some(&typed)), Err(Error::CodeWrong)));
        assert_eq!(people.second_factor(now, "eve", LoginId(0)).unwrap().recovery_codes, 9);
        log_in(&people, now, Some(&right)).unwrap();
        assert_eq!(told(&people, "recovery code"), ["eve eve done"]);
        for nothing in ["", " "] {
            let outcome = guess(now + 3_600, nothing, 9);
            assert!(matches!(outcome, Err(Error::CodeMissing)), "{outcome:?}");
        }
        for nonsense in ["0", "٣٣٣٣٣٣", "\0", &"7".repeat(10_000), "' OR 1=1 --"] {
            let outcome = guess(now + 3_600, nonsense, 9);
            let refused = matches!(outcome, Err(Error::CodeWrong | Error::TooManyRequests { .. }));
            assert!(refused, "{nonsense:?}: {outcome:?}");
        }
    });
}

#[test]
fn a_ticket_stands_for_a_password_until_its_code_comes_and_for_nothing_else() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let begun = with_factor(&people, now - 300);
        let ticket = |at| match people.begin_login(at, "eve", SECRET, HERE).unwrap() {
            Begun::NeedsCode(ticket) => ticket,
            Begun::Done(_) => panic!("no code was asked for"),
        };
        let waits = ticket(now);
        assert!(matches!(people.caller(now, &waits), Err(Error::Unauthenticated)));
        assert!(people.logins(now, "eve").unwrap().is_empty());
        let finish = |at, ticket: &str, code: &str| people.finish_login(at, ticket, code, HERE);
        assert!(matches!(finish(now, &waits, "000"), Err(Error::CodeWrong)));
        let token = finish(now, &waits, &begun.secret.code(step_at(now))).unwrap();
        assert_eq!(people.caller(now, &token).unwrap().login, "eve");
        // It is used up, a login is no ticket, and one that is late has ended.
        let later = now + 30;
        let code = begun.secret.code(step_at(later));
        for none in [waits.as_str(), &token, "", "x"] {
            let outcome = finish(later, none, &code);
            assert!(matches!(outcome, Err(Error::Unauthenticated)), "{outcome:?}");
        }
        let late = ticket(now);
        assert!(matches!(finish(now + 300, &late, &code), Err(Error::Unauthenticated)));
        // With the password it goes.
        let waits = ticket(later);
        people.set_password(later, &admin(), "eve", "another password").unwrap();
        assert!(matches!(finish(later, &waits, &code), Err(Error::Unauthenticated)));
    });
}

#[test]
fn a_second_factor_is_taken_away_by_its_code_or_by_an_administrator() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let begun = with_factor(&people, now - 300);
        let code = begun.secret.code(step_at(now));
        let remove =
            |password: &str, code: &str| people.remove_second_factor(now, &eve(), password, code);
        assert!(matches!(
            remove("wrong password", &code),
            Err(Error::Invalid(_) | Error::Field { .. })
        ));
        assert!(matches!(remove(SECRET, "123"), Err(Error::Invalid(_) | Error::Field { .. })));
        remove(SECRET, &begun.recovery_codes[0]).unwrap();
        let token = log_in(&people, now, None).unwrap();
        assert!(matches!(remove(SECRET, &code), Err(Error::NotFound(_))));
        let none = people.reset_second_factor(now, &admin(), "eve");
        assert!(matches!(none, Err(Error::NotFound(_))), "{none:?}");
        let keep = people.caller(now, &token).unwrap().login_id;
        let begun = people.begin_second_factor(now, &eve(), SECRET, keep).unwrap();
        // A code of the secret before is none of this one, and what was used before was another's.
        let first = begun.secret.code(step_at(now));
        people.confirm_second_factor(now, &eve(), &first, keep).unwrap();
        people.reset_second_factor(now, &admin(), "eve").unwrap();
        assert!(people.caller(now, &token).is_err(), "logins end");
        assert!(matches!(
            people.reset_second_factor(now, &admin(), "nobody"),
            Err(Error::NotFound(_))
        ));
        log_in(&people, now, None).unwrap();
        assert_eq!(told(&people, "second factor")[..2], ["admin eve done", "eve eve done"]);
        // A program has none; whoever owns the machine lets somebody in again.
        let own = Grant::of(Role::Viewer, Some(lab.sa.into()));
        let secret = people.create(now, &admin(), "robot", None, &[own]).unwrap().unwrap();
        let robot = people.begin_second_factor(now, &Actor::person("robot"), &secret, LoginId(0));
        assert!(matches!(robot, Err(Error::Conflict(_))), "{robot:?}");
        let begun = people.begin_second_factor(now, &eve(), SECRET, LoginId(0)).unwrap();
        let code = begun.secret.code(step_at(now));
        people.confirm_second_factor(now, &eve(), &code, LoginId(0)).unwrap();
        let password = people.reset_password(now, "eve").unwrap();
        people.log_in(now, "eve", &password, HERE).unwrap();
    });
}

#[test]
fn an_api_token_may_do_no_more_than_its_limit_and_its_owner() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let scope: ScopeId = lab.sa.into();
        let own = Grant::of(Role::User, Some(scope));
        people.create(now, &admin(), "eve", Some(SECRET), &[own]).unwrap();
        let new = |name: &str, role, scope_id, days| NewApiToken {
            name: name.to_owned(),
            limit: Grant::of(role, scope_id),
            expires_after_days: days,
        };
        let make = |new: &NewApiToken| people.create_api_token(now, &eve(), SECRET, new);
        let wrong = people.create_api_token(
            now,
            &eve(),
            "wrong password",
            &new("x", Role::Viewer, None, 1),
        );
        assert!(matches!(wrong, Err(Error::Invalid(_) | Error::Field { .. })), "{wrong:?}");
        let (made, text) = make(&new("nightly", Role::Viewer, None, 30)).unwrap();
        assert!(text.starts_with("rumline_") && text.len() == 72, "{text}");
        assert_eq!((made.is_token, made.expires_at), (true, now + 30 * Timestamp::DAY));
        let caller = people.caller(now, &text).unwrap();
        assert!(caller.api_token.is_some() && caller.login == "eve");
        assert!(caller.may(Action::View, scope, None).is_ok());
        assert!(matches!(caller.may(Action::Operate, scope, None), Err(Error::Forbidden)));
        let (_, wide) = make(&new("wide", Role::Administrator, None, 1)).unwrap();
        let caller = people.caller(now, &wide).unwrap();
        assert!(caller.may(Action::Operate, scope, None).is_ok());
        assert!(matches!(caller.may(Action::Administer, scope, None), Err(Error::Forbidden)));
        // What its owner may do counts at each call.
        people.grant(now, &admin(), "eve", Grant::of(Role::Viewer, Some(scope))).unwrap();
        let caller = people.caller(now, &wide).unwrap();
        assert!(matches!(caller.may(Action::Operate, scope, None), Err(Error::Forbidden)));
        let (_, elsewhere) = make(&new("other", Role::Viewer, Some(ScopeId(999)), 1)).unwrap();
        let caller = people.caller(now, &elsewhere).unwrap();
        assert!(matches!(caller.may(Action::View, scope, None), Err(Error::NotFound(_))));
        // It ends on its day, and a password that changes ends it.
        let day = now + Timestamp::DAY;
        assert!(people.caller(day - 1, &wide).is_ok() && people.caller(day, &wide).is_err());
        people.set_password(now, &admin(), "eve", "another password").unwrap();
        assert!(people.caller(now, &text).is_err());
        let make =
            |new: &NewApiToken| people.create_api_token(now, &eve(), "another password", new);
        for (name, days) in [("", 1), ("x", 0), ("x", -1), ("x", 366), ("x", i64::MAX)] {
            let outcome = make(&new(name, Role::Viewer, None, days));
            assert!(matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })), "{outcome:?}");
        }
        for _ in 0..100 {
            make(&new("many", Role::Viewer, None, 1)).unwrap();
        }
        let outcome = make(&new("too many", Role::Viewer, None, 1));
        assert!(matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })), "{outcome:?}");
    });
}

#[test]
fn logins_are_listed_and_ended_by_their_owner_and_nobody_elses_is() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::Viewer, Some(lab.sa.into()));
        for login in ["eve", "ann"] {
            people.create(now, &admin(), login, Some(SECRET), &[own]).unwrap();
        }
        let first = people.log_in(now, "eve", SECRET, HERE).unwrap();
        let second = people.log_in(now + 5, "eve", SECRET, "192.0.2.8").unwrap();
        let ann = people.log_in(now, "ann", SECRET, HERE).unwrap();
        let new = NewApiToken { name: "nightly".to_owned(), limit: own, expires_after_days: 1 };
        let (token, text) = people.create_api_token(now, &eve(), SECRET, &new).unwrap();
        let listed = people.logins(now + 6, "eve").unwrap();
        let told: Vec<_> = listed
            .iter()
            .map(|one| (one.is_token, one.name.as_str(), one.address.as_str()))
            .collect();
        assert_eq!(told, [(true, "nightly", HERE), (false, "", "192.0.2.8"), (false, "", HERE)]);
        assert_eq!((listed[0].id, listed[2].used_at), (token.id, now));
        // Of when it was used no more is told than ten minutes.
        let used = |at| {
            people.caller(at, &first).unwrap();
            people.logins(at, "eve").unwrap()[2].used_at
        };
        assert_eq!(
            [used(now + 599), used(now + 600), used(now + 700)],
            [now, now + 600, now + 600]
        );
        let of_ann = people.caller(now, &ann).unwrap().login_id;
        let end = |which| people.end_logins(now + 6, &eve(), "eve", which);
        for none in [Which::One(of_ann), Which::One(LoginId(0)), Which::Token(listed[1].id)] {
            assert!(matches!(end(none), Err(Error::NotFound(_))), "{none:?}");
        }
        assert_eq!(end(Which::One(listed[1].id)).unwrap(), 1);
        assert!(people.caller(now + 6, &second).is_err() && people.caller(now + 6, &first).is_ok());
        let third = people.log_in(now + 6, "eve", SECRET, HERE).unwrap();
        assert_eq!(end(Which::Others(listed[2].id)).unwrap(), 1);
        assert!(people.caller(now + 6, &third).is_err());
        assert!(people.caller(now + 6, &first).is_ok() && people.caller(now + 6, &text).is_ok());
        assert_eq!(people.end_logins(now + 7, &admin(), "eve", Which::All).unwrap(), 2);
        assert!(people.caller(now + 7, &first).is_err() && people.caller(now + 7, &text).is_err());
        assert!(people.caller(now + 7, &ann).is_ok());
        // What was done by an API token is told with its name.
        let (_, text) = people.create_api_token(now + 8, &eve(), SECRET, &new).unwrap();
        let by = people.caller(now + 8, &text).unwrap().actor();
        people.grant(now + 8, &by, "ann", own).unwrap();
        let rows = people.audit_rows(None, &AuditSearch::default(), 1).unwrap();
        assert_eq!(
            (rows[0].actor.as_str(), rows[0].api_token.as_deref()),
            ("eve", Some("nightly"))
        );
        let nobody = people.end_logins(now, &admin(), "nobody", Which::All);
        assert!(matches!(nobody, Err(Error::NotFound(_))), "{nobody:?}");
        assert_eq!(told_ends(&people), ["admin eve", "eve eve", "eve eve"]);
    });
}

fn told_ends(people: &People) -> Vec<String> {
    told(people, "logins ended").iter().map(|row| row.replace(" done", "")).collect()
}

#[test]
fn answers_that_are_kept_are_bounded_and_end() {
    use rumline_server::{KeptAnswer, Known};
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::Viewer, Some(lab.sa.into()));
        people.create(now, &admin(), "eve", Some(SECRET), &[own]).unwrap();
        let call = |at: Timestamp, login: &str, key: &str, of: u8| {
            people.call_with_key(at, login, key, &[of; 32]).unwrap()
        };
        assert_eq!(call(now, "eve", "a", 1), Known::New);
        assert_eq!(call(now, "eve", "a", 1), Known::Unanswered);
        let answer = |length| KeptAnswer {
            status: 200,
            content_type: "application/json".to_owned(),
            body: Some(vec![b'x'; length]),
        };
        people.answered("eve", "a", Some(&answer(5))).unwrap();
        assert_eq!(call(now, "eve", "a", 1), Known::Done(answer(5)));
        assert_eq!(call(now, "eve", "a", 2), Known::OtherCall);
        assert_eq!(call(now, "ann", "a", 2), Known::New);
        // One that is long is known to be done; one that was refused is forgotten.
        assert_eq!(call(now, "eve", "b", 1), Known::New);
        people.answered("eve", "b", Some(&answer((64 << 10) + 1))).unwrap();
        let long = KeptAnswer { body: None, ..answer(0) };
        assert_eq!(call(now, "eve", "b", 1), Known::Done(long));
        assert_eq!(call(now, "eve", "c", 1), Known::New);
        people.answered("eve", "c", None).unwrap();
        assert_eq!(call(now, "eve", "c", 2), Known::New);
        let day = now + Timestamp::DAY;
        assert_eq!(call(day - 1, "eve", "a", 1), Known::Done(answer(5)));
        assert_eq!(call(day, "eve", "a", 2), Known::New);
        // Of many the oldest goes.
        for number in 0..1_000 {
            assert_eq!(call(day + 1 + number, "eve", &format!("n-{number}"), 1), Known::New);
        }
        assert_eq!(call(day + 1_001, "eve", "a", 3), Known::New);
        assert_eq!(call(day + 1_001, "eve", "n-999", 1), Known::Unanswered);
        // With a person they go.
        people.remove(day, &admin(), "eve").unwrap();
        people.create(day, &admin(), "eve", Some(SECRET), &[own]).unwrap();
        assert_eq!(call(day, "eve", "n-999", 9), Known::New);
    });
}

#[test]
fn logins_of_before_the_upgrade_go_on_and_are_numbered() {
    let directory = tempfile::tempdir().unwrap();
    for db in rumline_testkit::empty_databases(directory.path()) {
        let db = Arc::new(db);
        db.migrate(&rumline_cssm::MIGRATIONS[..19]).unwrap();
        db.write("test.rows", |tx| {
            let sql = "INSERT INTO person (login, password_hash, created_at)
                VALUES ('eve', 'x', 5)";
            tx.execute(sql, &[])?;
            for (token, at) in [("one", 100), ("two", 200)] {
                let digest = rumline_protocol::sha256(token.as_bytes());
                let sql = "INSERT INTO api_token (hash, login, created_at, expires_at)
                    VALUES ($1, 'eve', $2, 5000)";
                tx.execute(sql, &[digest[..].into(), i64::from(at).into()])?;
            }
            Ok::<_, Error>(())
        })
        .unwrap();
        db.migrate(rumline_cssm::MIGRATIONS).unwrap();
        let random = Arc::new(std::sync::Mutex::new(rumline_testkit::chance()));
        let people = People::new(Arc::clone(&db), random);
        let now = Timestamp(1_000);
        let own = Grant::of(Role::Viewer, None);
        people.grant(now, &admin(), "eve", own).unwrap();
        assert_eq!(people.caller(now, "one").unwrap().grants, [own]);
        let all = people.logins(now, "eve").unwrap();
        let mut numbers: Vec<i64> = all.iter().map(|one| one.id.0).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2]);
        people.set_password(now, &admin(), "eve", SECRET).unwrap();
        let new = NewApiToken { name: "x".to_owned(), limit: own, expires_after_days: 1 };
        assert_eq!(people.create_api_token(now, &eve(), SECRET, &new).unwrap().0.id, LoginId(3));
        // No number of logins hides an API token from whoever looks for it, and none that is not listed goes on for ever.
        db.write("test.logins", move |tx| {
            for number in 0..1_001_i64 {
                let sql = "INSERT INTO api_token (hash, login, created_at, expires_at, id)
                    VALUES ($1, 'eve', $2, $3, $4)";
                let digest = rumline_protocol::sha256(number.to_string().as_bytes());
                let ends = now.0 + 99;
                let values = [digest[..].into(), now.0.into(), ends.into(), (10 + number).into()];
                tx.execute(sql, &values)?;
            }
            Ok::<_, Error>(())
        })
        .unwrap();
        let all = people.logins(now, "eve").unwrap();
        assert_eq!((all.len(), all.last().unwrap().id), (1_001, LoginId(3)));
        let oldest = Which::One(LoginId(10));
        assert_eq!(people.end_logins(now, &eve(), "eve", oldest).unwrap(), 1);
    }
}

#[test]
fn whom_a_provider_names_is_known_by_that_on_every_engine() {
    on_every_engine(&at_once(), |lab| {
        let (people, now) = (lab.cssm.people(), lab.now);
        let own = Grant::of(Role::User, Some(lab.sa.into()));
        let named = |subject: &str, login: &str, grants: &[Grant]| Provided {
            issuer: "https://id.example.net".to_owned(),
            subject: subject.to_owned(),
            login: login.to_owned(),
            grants: grants.to_vec(),
        };
        let log_in = |who: &Provided| people.log_in_provided(now, who, HERE);
        let Begun::Done(token) = log_in(&named("1", "ann", &[own])).unwrap() else { panic!() };
        assert_eq!(people.caller(now, &token).unwrap().grants, [own]);
        assert_eq!(people.person("ann").unwrap().issuer.as_deref(), Some("https://id.example.net"));
        // The same subject under another name is the same; another subject under the same name is not.
        let viewer = Grant::of(Role::Viewer, None);
        log_in(&named("1", "bob", &[viewer])).unwrap();
        assert_eq!(people.caller(now, &token).unwrap().grants, [viewer]);
        let taken = log_in(&named("2", "ann", &[own]));
        assert!(
            matches!(&taken, Err(Error::Conflict(why)) if why.contains("somebody else")),
            "{taken:?}"
        );
        let refused = log_in(&named("1", "ann", &[]));
        assert!(
            matches!(&refused, Err(Error::Conflict(why)) if why.contains("groups")),
            "{refused:?}"
        );
        assert!(matches!(people.caller(now, &token), Err(Error::Unauthenticated)));
        // It may be that nobody else administers: then the role stays, and logins end all the same.
        let all = Grant::of(Role::Administrator, None);
        let Begun::Done(token) = log_in(&named("3", "eve", &[all])).unwrap() else { panic!() };
        for grants in [&[viewer][..], &[]] {
            let last = log_in(&named("3", "eve", grants));
            assert!(
                matches!(&last, Err(Error::Conflict(why)) if why.contains("nobody else does")),
                "{last:?}"
            );
        }
        assert!(matches!(people.caller(now, &token), Err(Error::Unauthenticated)));
        assert_eq!(people.person("eve").unwrap().grants, [all]);
        // One who is known may be called by the provider what could be no name here; who is new may not.
        assert!(
            log_in(&named("3", "", &[all])).is_ok() && log_in(&named("4", "", &[own])).is_err()
        );
        // What a stranger is called is told as nobody's of here.
        let rows = people.audit_rows(None, &AuditSearch::default(), 100).unwrap();
        let refused = |who: &str| {
            let of = rows.iter().filter(|row| row.subject == who && row.outcome != "done");
            of.map(|row| row.actor.clone()).collect::<Vec<_>>()
        };
        assert_eq!(refused("ann"), ["ann"], "no group was left");
        assert_eq!(refused("eve"), ["eve", "eve"]);
        assert_eq!(refused("by the provider"), ["system", "system"]);
        // Who is disabled stays so, though what they were for is gone.
        let va = lab.cssm.create_virtual_account(now, &admin(), lab.sa, "Gone").unwrap().id;
        let part = Grant::of_part(Role::User, lab.sa.into(), va.into());
        for (subject, login, is_disabled) in [("5", "joe", true), ("6", "zoe", false)] {
            log_in(&named(subject, login, &[part])).unwrap();
            people.set_disabled(now, &admin(), login, is_disabled).unwrap();
        }
        lab.cssm.close_virtual_account(now, &admin(), lab.sa, va).unwrap();
        assert!(people.person("zoe").is_err());
        let back = log_in(&named("5", "joe", &[own]));
        assert!(matches!(&back, Err(Error::Conflict(why)) if why.contains("disabled")), "{back:?}");
        assert!(log_in(&named("6", "zoe", &[own])).is_ok());
        people.distrusted(now, "a lie", HERE).unwrap();
        people.remove(now, &admin(), "ann").unwrap();
        log_in(&named("2", "ann", &[own])).unwrap();
    });
}
