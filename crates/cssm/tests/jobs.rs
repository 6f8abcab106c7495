//! What is done to many product instances, piece by piece (CSSM-005, 013).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeSet;

use rumline_cssm::{
    Actor, Error, JobKind, JobState, JobView, NewCollector, NewJob, SortBy, VirtualAccountId,
};
use rumline_protocol::{SimulatedSuite, Suite, base64, registration_text};
use rumline_testkit::{Device, Lab, START, admin, at_once, chance, on_every_engine};

/// More than two pieces.
const MANY: usize = 410;

fn registered(lab: &Lab, va: VirtualAccountId, prefix: &str, count: usize) {
    let (_, token) = lab.new_token(va, None);
    for number in 0..count {
        let device = Device::new(&lab.cssm, &format!("{prefix}{number:03}"));
        lab.document(&device.trust(lab.now, &token, false));
    }
}

fn job(kind: JobKind, search: &str) -> NewJob {
    NewJob {
        kind,
        search: search.to_owned(),
        sort: None,
        virtual_account_id: None,
        into_virtual_account_id: None,
    }
}

fn ask(lab: &Lab, new: &NewJob) -> Result<JobView, Error> {
    let eve = Actor::person("eve").at(Some("192.0.2.7")).because(Some("ticket 7"));
    lab.cssm.add_job(lab.now, &eve, lab.sa, new)
}

fn finish(lab: &Lab, begun: &JobView) -> JobView {
    while lab.cssm.work_on_job(lab.now, lab.sa, begun.id).unwrap() {}
    lab.cssm.job(lab.sa, begun.id).unwrap()
}

fn serials(lab: &Lab, va: VirtualAccountId) -> BTreeSet<String> {
    let all = lab.instances().into_iter().filter(|one| one.virtual_account_id == va);
    all.map(|one| one.serial).collect()
}

fn moves_told(lab: &Lab) -> usize {
    let events = lab.cssm.events(lab.sa, 10_000).unwrap();
    events.iter().filter(|event| event.text.contains(" moved from ")).count()
}

#[test]
fn a_job_that_is_cut_short_goes_on_and_does_nothing_twice() {
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        registered(lab, lab.va, "AB", MANY);
        registered(lab, lab.va, "CD", 3);
        let new = NewJob { into_virtual_account_id: Some(branch), ..job(JobKind::Transfer, "ab") };
        let begun = ask(lab, &new).unwrap();
        assert_eq!((begun.state, begun.total, begun.done), (JobState::Running, 410, 200));
        assert_eq!(lab.cssm.running_jobs().unwrap(), [(lab.sa, begun.id)]);
        assert_eq!(serials(lab, branch).len(), 200, "nobody waited for all");
        // Another one who does the opposite at the same time: each goes through what there was.
        let back = NewJob {
            virtual_account_id: Some(branch),
            into_virtual_account_id: Some(lab.va),
            sort: Some(SortBy::Serial),
            ..job(JobKind::Transfer, "AB00")
        };
        let back = finish(lab, &ask(lab, &back).unwrap());
        assert_eq!((back.total, back.done), (10, 10));
        let done = finish(lab, &begun);
        assert_eq!((done.state, done.done, done.ended_at), (JobState::Done, 410, Some(START.0)));
        assert_eq!(serials(lab, branch).len(), MANY - 10);
        assert_eq!(serials(lab, lab.va).len(), 13);
        assert_eq!(moves_told(lab), MANY + 10);
        assert!(!lab.cssm.work_on_job(lab.now, lab.sa, begun.id).unwrap());
        assert_eq!(moves_told(lab), MANY + 10);
        assert_eq!(lab.cssm.running_jobs().unwrap(), []);
        assert_eq!(lab.cssm.verify_totals().unwrap(), []);
        // Who asked did it, from where and why.
        let audit =
            lab.cssm.people().audit_rows(Some(lab.sa.into()), &Default::default(), 1000).unwrap();
        let moved = audit.iter().find(|row| row.subject.contains("moved from")).unwrap();
        assert_eq!((moved.actor.as_str(), moved.address.as_deref()), ("eve", Some("192.0.2.7")));
        assert_eq!(moved.reason.as_deref(), Some("ticket 7"));
        assert_eq!(lab.cssm.jobs(lab.sa, None).unwrap(), [back, done.clone()]);
        assert_eq!(lab.cssm.jobs(lab.sa, Some(2)).unwrap(), [done]);
    });
}

#[test]
fn removal_frees_what_was_in_use_and_can_be_stopped() {
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        registered(lab, branch, "AB", MANY);
        for number in [0, 409] {
            let device = Device::new(&lab.cssm, &format!("XY{number:03}"));
            lab.document(&device.trust(lab.now, &lab.token(), false));
            lab.document(&device.usage(&[&device.report(1, START, &[(50, 3)])]));
        }
        let new = NewJob { virtual_account_id: Some(branch), ..job(JobKind::Remove, "") };
        let begun = ask(lab, &new).unwrap();
        lab.cssm.cancel_job(lab.now, &admin(), lab.sa, begun.id).unwrap();
        let again = lab.cssm.cancel_job(lab.now, &admin(), lab.sa, begun.id);
        assert!(matches!(again, Err(Error::Conflict(_))));
        let stopped = finish(lab, &begun);
        assert_eq!((stopped.state, stopped.done), (JobState::Cancelled, 200));
        assert_eq!(serials(lab, branch).len(), MANY - 200);
        let done = finish(lab, &ask(lab, &new).unwrap());
        assert_eq!((done.state, done.total, done.done), (JobState::Done, 210, 210));
        let done = finish(lab, &ask(lab, &job(JobKind::Remove, "xy")).unwrap());
        assert_eq!(done.done, 2);
        assert!(lab.instances().is_empty());
        let licenses = lab.cssm.licenses(lab.now, lab.sa).unwrap();
        assert!(licenses.iter().all(|row| row.in_use == 0), "{licenses:?}");
        assert_eq!(lab.cssm.verify_totals().unwrap(), []);
    });
}

#[test]
fn what_matches_in_two_columns_is_moved_once() {
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        registered(lab, lab.va, "N9K", 5);
        let new = NewJob { into_virtual_account_id: Some(branch), ..job(JobKind::Transfer, "n9k") };
        let done = finish(lab, &ask(lab, &new).unwrap());
        assert_eq!((done.state, done.total, done.done), (JobState::Done, 5, 5));
        assert_eq!((serials(lab, branch).len(), moves_told(lab)), (5, 5));
    });
}

#[test]
fn a_job_that_cannot_go_on_says_why_and_keeps_what_was_done() {
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        registered(lab, branch, "AB", 250);
        let new = NewJob {
            virtual_account_id: Some(branch),
            into_virtual_account_id: Some(lab.va),
            ..job(JobKind::Merge, "")
        };
        let begun = ask(lab, &new).unwrap();
        assert_eq!((begun.state, begun.done), (JobState::Running, 200));
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
        let text = registration_text("Example", "Branch", "lab");
        let collector = NewCollector {
            kind: "CSLU".to_owned(),
            name: "lab".to_owned(),
            public_key: signer.public_key().clone(),
            proof: base64(&signer.sign(text.as_bytes())),
        };
        let by = Actor::person("eve");
        let collector =
            lab.cssm.register_collector(lab.now, &by, lab.sa, branch, &collector).unwrap();
        let failed = finish(lab, &begun);
        assert_eq!((failed.state, failed.done), (JobState::Failed, 200));
        assert!(failed.problem.contains("collectors speak for"), "{}", failed.problem);
        assert!(matches!(ask(lab, &new), Err(Error::Conflict(_))));
        lab.cssm.remove_collector(lab.now, &by, lab.sa, collector.id).unwrap();
        let done = finish(lab, &ask(lab, &new).unwrap());
        assert_eq!((done.state, done.done), (JobState::Done, 50));
        assert_eq!(lab.cssm.virtual_accounts(lab.sa).unwrap().len(), 1);
    });
}

#[test]
fn a_job_that_makes_no_sense_is_refused() {
    on_every_engine(&at_once(), |lab| {
        let branch = lab.virtual_account("Branch");
        registered(lab, lab.va, "AB", 201);
        let (from, into) = (Some(lab.va), Some(branch));
        let all = |kind| NewJob { virtual_account_id: from, ..job(kind, "") };
        for wrong in [
            job(JobKind::Remove, ""),
            job(JobKind::Transfer, "ab"),
            NewJob { into_virtual_account_id: into, ..job(JobKind::Remove, "ab") },
            NewJob { into_virtual_account_id: into, ..job(JobKind::Transfer, "") },
            NewJob { into_virtual_account_id: from, ..all(JobKind::Transfer) },
            NewJob { into_virtual_account_id: into, ..job(JobKind::Merge, "ab") },
            NewJob {
                search: "ab".to_owned(),
                into_virtual_account_id: into,
                ..all(JobKind::Merge)
            },
            NewJob {
                sort: Some(SortBy::Pid),
                into_virtual_account_id: into,
                ..all(JobKind::Merge)
            },
            job(JobKind::Remove, &"a".repeat(257)),
        ] {
            assert!(
                matches!(ask(lab, &wrong), Err(Error::Invalid(_) | Error::Field { .. })),
                "{wrong:?}"
            );
        }
        let nowhere = Some(VirtualAccountId(99));
        for missing in [
            NewJob { into_virtual_account_id: nowhere, ..all(JobKind::Transfer) },
            NewJob { virtual_account_id: nowhere, ..job(JobKind::Remove, "") },
        ] {
            assert!(matches!(ask(lab, &missing), Err(Error::NotFound(_))), "{missing:?}");
        }
        let new = NewJob { into_virtual_account_id: into, ..all(JobKind::Transfer) };
        ask(lab, &new).unwrap();
        // No more than ten at a time: nine that are as if cut short.
        for _ in 0..9 {
            ask(lab, &job(JobKind::Remove, "none")).unwrap();
        }
        let sql = "UPDATE job SET state = 'running'";
        let cut_short = |tx: &mut rumline_store::Tx<'_>| Ok::<_, Error>(tx.execute(sql, &[])?);
        assert_eq!(lab.cssm.db().write("test.running", cut_short).unwrap(), 10);
        let more = ask(lab, &job(JobKind::Remove, "none"));
        assert!(matches!(more, Err(Error::Conflict(_))), "{more:?}");
        let (other, _) = lab.other_account("Other");
        let id = lab.cssm.running_jobs().unwrap()[0].1;
        assert!(matches!(lab.cssm.job(other, id), Err(Error::NotFound(_))));
        assert!(matches!(
            lab.cssm.cancel_job(lab.now, &admin(), other, id),
            Err(Error::NotFound(_))
        ));
        assert_eq!(lab.cssm.jobs(other, None).unwrap(), []);
    });
}

#[test]
fn merges_that_feed_each_other_are_refused() {
    on_every_engine(&at_once(), |lab| {
        let (branch, third) = (lab.virtual_account("Branch"), lab.virtual_account("Third"));
        registered(lab, lab.va, "AB", 201);
        let merge = |from, into| NewJob {
            virtual_account_id: Some(from),
            into_virtual_account_id: Some(into),
            ..job(JobKind::Merge, "")
        };
        let begun = ask(lab, &merge(lab.va, branch)).unwrap();
        assert_eq!(begun.state, JobState::Running);
        let into_it =
            NewJob { into_virtual_account_id: Some(lab.va), ..job(JobKind::Transfer, "xyz") };
        for other in [merge(branch, lab.va), merge(third, lab.va), merge(branch, third), into_it] {
            let told = ask(lab, &other).unwrap_err().to_string();
            assert!(told.contains("job 1 (merge) goes on there"), "{told}");
        }
        ask(lab, &job(JobKind::Remove, "xyz")).unwrap();
        finish(lab, &begun);
        ask(lab, &merge(branch, third)).unwrap();
    });
}

#[test]
fn a_job_is_about_what_there_was_when_it_was_asked_for() {
    on_every_engine(&at_once(), |lab| {
        registered(lab, lab.va, "AB", 201);
        let begun = ask(lab, &job(JobKind::Remove, " ab ")).unwrap();
        assert_eq!((begun.state, begun.total, begun.done), (JobState::Running, 201, 200));
        let late = Device::new(&lab.cssm, "ABZZZ");
        lab.register(&late);
        let done = finish(lab, &begun);
        assert_eq!((done.state, done.done), (JobState::Done, 201));
        assert_eq!(serials(lab, lab.va), ["ABZZZ".to_owned()].into());
    });
}
