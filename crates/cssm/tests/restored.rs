//! What is put back from a backup: the same content on both engines is one number, and what comes after is numbered anew (CSSM-033).

use std::cell::RefCell;

use rumline_cssm::{Grant, Role};
use rumline_server::{LEAP, NewApiToken, content, go_on_after_restore};
use rumline_store::Id;
use rumline_testkit::*;

const SECRET: &str = "correct horse battery";

#[test]
fn the_same_content_is_the_same_number_on_every_engine_and_each_change_another() {
    let seen = RefCell::new(Vec::new());
    on_every_engine(&at_once(), |lab| {
        let look = |lab: &Lab| lab.cssm.db().read("content", content).unwrap();
        lab.new_token(lab.va, None);
        let first = look(lab);
        assert_eq!(first, look(lab));
        assert!(first.tables > 20 && first.rows > 10, "{first:?}");
        let change = |sql: &'static str| {
            lab.cssm.db().write("change", move |tx| tx.execute(sql, &[])).unwrap();
            look(lab)
        };
        let changed = change("UPDATE smart_account SET name = 'Examplf'");
        assert_ne!(changed.sha256, first.sha256);
        assert_eq!(changed.rows, first.rows);
        let back = change("UPDATE smart_account SET name = 'Example'");
        assert_eq!(back, first);
        // A value that is missing is none that is there.
        let changed = change("UPDATE registration_token SET uses_max = 0");
        assert_ne!(changed.sha256, first.sha256);
        // What chance made.
        change("UPDATE identity SET name = 'x'");
        seen.borrow_mut().push(change("UPDATE registration_token SET value = 'y'"));
    });
    let seen = seen.into_inner();
    assert!(seen.iter().all(|content| *content == seen[0]), "{seen:?}");
}

#[test]
fn what_is_put_back_gives_out_no_number_again_and_ends_logins() {
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        let own = Grant::of(Role::Administrator, None);
        people.create(lab.now, &admin(), "eve", Some(SECRET), &[own]).unwrap();
        let login = people.log_in(lab.now, "eve", SECRET, HERE).unwrap();
        let new = NewApiToken { name: "nightly".to_owned(), limit: own, expires_after_days: 1 };
        let eve = rumline_cssm::Actor::person("eve");
        let (_, token) = people.create_api_token(lab.now, &eve, SECRET, &new).unwrap();
        let (before, _) = lab.new_token(lab.va, None);
        go_on_after_restore(lab.cssm.db(), lab.now, "backup of yesterday").unwrap();
        assert!(people.caller(lab.now, &login).is_err(), "a login that may have been ended since");
        assert!(people.caller(lab.now, &token).is_ok(), "what programs use goes on");
        let (after, _) = lab.new_token(lab.va, None);
        assert_eq!(after.number(), before.number() + LEAP + 1);
        let counter = |name: &'static str| {
            lab.cssm.db().read("counter", move |tx| tx.last_number(name)).unwrap()
        };
        // What is kept by number stays.
        assert!(counter("audit") < LEAP && counter("registration_token") > LEAP);
        let search = rumline_server::AuditSearch::default();
        let rows = people.audit_rows(None, &search, 100).unwrap();
        assert!(rows.iter().any(|row| row.action == "restored from a backup"), "{rows:?}");
        assert!(rows.iter().any(|row| row.action != "restored from a backup"), "{rows:?}");
    });
}
