//! A smart account that is merged into another one loses nothing (CSSM-002).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeMap;

use rumline_agent::Input;
use rumline_cssm::{
    Error, Grant, MIGRATIONS, Only, PartId, Purchase, PurchaseKind, Role, SmartAccountId,
};
use rumline_protocol::Policy;
use rumline_testkit::{Device, Lab, START, admin, at_once, lan, on_every_engine};

const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

fn named(name: &str) -> Policy {
    Policy { policy_name: name.to_owned(), ..Policy::cisco_default() }
}

/// Each table that says whose its rows are, with how many of them are an account's.
fn rows_of(lab: &Lab, id: SmartAccountId) -> BTreeMap<String, i64> {
    let tables =
        MIGRATIONS.iter().flat_map(|migration| migration.sql.split("CREATE TABLE ").skip(1));
    let tables = tables.filter_map(|rest| {
        let (name, columns) = rest.split_once(" (")?;
        let columns = columns.split(");").next()?;
        columns.contains("    smart_account_id ").then(|| name.to_owned())
    });
    let tables: Vec<String> = tables.filter(|name| name != "person").collect();
    assert!(tables.len() > 15, "{tables:?}");
    let count = move |tx: &mut rumline_store::Tx<'_>| {
        let mut all = BTreeMap::new();
        for table in &tables {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE smart_account_id = $1");
            let count = tx.row(&sql, &[id.into()], |row| row.int(0))?.unwrap_or(0);
            all.insert(table.clone(), count);
        }
        Ok::<_, Error>(all)
    };
    lab.cssm.db().read("test.rows", count).unwrap()
}

#[test]
fn all_that_an_account_has_is_the_other_ones() {
    on_every_engine(&at_once(), |lab| {
        let (other, part) = lab.other_account("Other");
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token_of((other, part)), false);
        lab.give(&mut switch, Input::Use(vec![lan(2)]));
        lab.run_until(&mut switch, START.plus_days(40));
        let own = Device::new(&lab.cssm, "SN2");
        lab.register(&own);
        lab.document(&own.usage(&[&own.report(1, START, &[(50, 1)])]));
        // One that was in the other account once, and left its use there.
        let gone = Device::new(&lab.cssm, "SN3");
        lab.document(&gone.trust(lab.now, &lab.token_of((other, part)), false));
        lab.document(&gone.usage(&[&gone.report(1, START, &[(70, 1)])]));
        let all = lab.cssm.instances(other, &Only::All, Default::default(), 10).unwrap();
        let left = all.iter().find(|one| one.serial == "SN3").unwrap().id;
        lab.cssm.remove_instance(lab.now, &admin(), other, left).unwrap();
        lab.register(&gone);
        let purchase = Purchase {
            license: LAN.to_owned(),
            quantity: 5,
            kind: PurchaseKind::Perpetual,
            starts_at: 0,
            ends_at: None,
            order_number: String::new(),
        };
        lab.cssm.add_purchase(lab.now, &admin(), other, part, &purchase).unwrap();
        lab.cssm.set_policy(lab.now, &admin(), other, None, Some((&named("Whole"), None))).unwrap();
        let tag = |lab: &Lab, account| {
            let set = Some((&named("Lan"), None));
            lab.cssm.set_tag_policy(lab.now, &admin(), account, LAN, set).unwrap();
        };
        tag(lab, other);
        let people = lab.cssm.people();
        let whole = Grant::of(Role::User, Some(other.into()));
        let of_part = Grant::of_part(Role::Administrator, other.into(), PartId(part.0));
        let here = Grant::of(Role::Viewer, Some(lab.sa.into()));
        people
            .create(lab.now, &admin(), "eve", Some("correct horse battery"), &[whole, here])
            .unwrap();
        people
            .create(lab.now, &admin(), "ann", Some("correct horse battery"), &[of_part, whole])
            .unwrap();
        // One that turned up in the other account waits there, and so does one that says it is that one.
        let eve = rumline_cssm::Actor::person("eve");
        for device in [&own, &Device::new(&lab.cssm, "SN2")] {
            let file = device.usage_file(lab.now, &[&device.report(9, START + 100, &[(10, 1)])]);
            lab.cssm.upload_usage(lab.now, &eve, other, part, "a", file.as_bytes()).unwrap();
        }
        let claims = lab.cssm.claims(other).unwrap();
        assert!(claims.iter().all(|claim| claim.kind == "other smart account"), "{claims:?}");
        lab.cssm.watch(lab.now).unwrap();
        let id = lab.cssm.instances(other, &Only::All, Default::default(), 10).unwrap()[0].id;
        let counted = |lab: &Lab, sa| -> i64 {
            let reports = lab.cssm.reports(sa, id, 0, 1000).unwrap();
            reports.iter().map(|report| report.count_seconds).sum()
        };
        let seconds = counted(lab, other);
        assert!(seconds > 0);
        let before = rows_of(lab, other);
        let merge =
            |lab: &Lab, from, into| lab.cssm.merge_smart_account(lab.now, &admin(), from, into);
        assert!(matches!(merge(lab, other, other), Err(Error::Invalid(_) | Error::Field { .. })));
        assert!(matches!(merge(lab, other, SmartAccountId(99)), Err(Error::NotFound(_))));
        // What would hold for others than before has to be said first.
        let differs = merge(lab, other, lab.sa).unwrap_err().to_string();
        assert!(differs.contains("has policies of licenses that \"Example\" has not"), "{differs}");
        tag(lab, lab.sa);
        let joined = merge(lab, other, lab.sa).unwrap();
        assert_eq!((joined.id, joined.name.as_str()), (lab.sa, "Example"));
        let left: Vec<_> =
            rows_of(lab, other).into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(left, []);
        assert!(before.values().filter(|count| **count > 0).count() > 10, "{before:?}");
        assert!(matches!(merge(lab, other, lab.sa), Err(Error::NotFound(_))));
        // Its virtual account, with all it has.
        let parts = lab.cssm.virtual_accounts(lab.sa).unwrap();
        let parts: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(parts, ["Default", "Default (Other)"]);
        assert_eq!(counted(lab, lab.sa), seconds);
        let licenses = lab.cssm.licenses(lab.now, lab.sa).unwrap();
        let row = licenses.iter().find(|row| row.virtual_account_id == part).unwrap();
        assert_eq!((row.purchased, row.in_use), (5, 2));
        assert_eq!(lab.cssm.verify_totals().unwrap(), []);
        assert_eq!(lab.cssm.policy(lab.sa, part).unwrap().policy.policy_name, "Whole");
        assert_eq!(
            lab.cssm.policy(lab.sa, lab.va).unwrap().policy.policy_name,
            Policy::CISCO_DEFAULT
        );
        assert_eq!(lab.cssm.tag_policies(lab.sa).unwrap().len(), 1);
        let claims = lab.cssm.claims(lab.sa).unwrap();
        let kinds: Vec<&str> = claims.iter().map(|claim| claim.kind.as_str()).collect();
        assert_eq!(kinds, ["other virtual account", "other key"]);
        let open = lab.cssm.listed_alerts(Some(lab.sa), Some(false), None, 100).unwrap();
        let told: Vec<&str> = open.iter().map(|alert| alert.kind.as_str()).collect();
        assert_eq!(told, ["other key", "other account", "shortage"], "{open:?}");
        assert!(
            open[1].text.contains("of Default turned up in Default (Other)"),
            "{}",
            open[1].text
        );
        // Roles stay what they were, for what they were.
        let there = |role| Grant::of_part(role, lab.sa.into(), PartId(part.0));
        assert_eq!(people.person("eve").unwrap().grants, [here, there(Role::User)]);
        assert_eq!(people.person("ann").unwrap().grants, [there(Role::Administrator)]);
        // The switch learns where it is, and goes on.
        lab.give(&mut switch, Input::Use(vec![lan(3)]));
        lab.run_until(&mut switch, START.plus_days(120));
        let account = switch.agent.account().unwrap();
        assert_eq!(
            (account.smart_account.as_str(), account.virtual_account.as_str()),
            ("Example", "Default (Other)")
        );
        assert_eq!(switch.agent.policy().policy_name, "Lan");
        assert!(counted(lab, lab.sa) > seconds);
        let gaps = &lab.cssm.instance(lab.sa, id).unwrap().gaps;
        assert!(gaps.is_empty(), "{gaps:?}");
        assert_eq!(lab.cssm.verify_totals().unwrap(), []);
    });
}

#[test]
fn what_goes_on_by_its_name_has_to_end_before() {
    on_every_engine(&at_once(), |lab| {
        let (other, _) = lab.other_account("Other");
        let try_it = |lab: &Lab, sql: &'static str| {
            let change =
                move |tx: &mut rumline_store::Tx<'_>| Ok::<_, Error>(tx.execute(sql, &[])?);
            lab.cssm.db().write("test.goes_on", change).unwrap();
            let told = lab.cssm.merge_smart_account(lab.now, &admin(), other, lab.sa);
            told.unwrap_err().to_string()
        };
        let job = try_it(
            lab,
            "INSERT INTO job (smart_account_id, id, kind, search, state, total, total_is_exact,
            asked_at, asked_by, newest_id) VALUES (2, 900, 'remove', 'x', 'running', 0, 1, 5, 'eve', 0)",
        );
        assert!(job.contains("has jobs that go on"), "{job}");
        let file = try_it(
            lab,
            "INSERT INTO usage_file (smart_account_id, id, virtual_account_id, name, uploaded_at,
            uploaded_by, status, message, product_instances, reports_new, reports_known)
            VALUES (2, 900, 2, 'a', 5, 'eve', 'Processing', '', 0, 0, 0)",
        );
        assert!(file.contains("are being taken in"), "{file}");
        let collector = try_it(
            lab,
            "INSERT INTO collector (smart_account_id, id, virtual_account_id, kind, name, public_key,
            registered_at, registered_by) VALUES (2, 900, 2, 'CSLU', 'lab', 'x', 5, 'eve')",
        );
        assert!(collector.contains("speak for it by its name"), "{collector}");
        assert_eq!(lab.cssm.smart_accounts(&Only::All).unwrap().len(), 2);
    });
}
