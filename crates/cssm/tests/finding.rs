#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Product instances are found among many as a look at each of them finds them (CSSM-013).

use rumline_cssm::{Error, InstanceId, InstanceView, Only, PartId, Search, SmartAccountId, SortBy};
use rumline_testkit::*;

fn key(view: &InstanceView, by: SortBy) -> String {
    match by {
        SortBy::Name => view.name.to_lowercase(),
        SortBy::Serial => view.serial.to_lowercase(),
        SortBy::Pid => view.pid.to_lowercase(),
    }
}

/// What a look at each of them finds.
fn model(all: &[InstanceView], only: &Only<PartId>, search: &Search) -> Vec<InstanceId> {
    let text = search.text.to_lowercase();
    let here: Vec<&InstanceView> =
        all.iter().filter(|view| only.has(&view.virtual_account_id.into())).collect();
    let mut found: Vec<InstanceId> = Vec::new();
    let columns = match search.sort_by {
        Some(by) => vec![by],
        None => vec![SortBy::Name, SortBy::Serial, SortBy::Pid],
    };
    for by in columns {
        let matches = |view: &InstanceView| {
            let of_type = by == SortBy::Pid && view.product_type.to_lowercase() == text;
            key(view, by).starts_with(&text) || of_type
        };
        let mut rows: Vec<(String, InstanceId)> =
            here.iter().filter(|v| matches(v)).map(|v| (key(v, by), v.id)).collect();
        rows.sort();
        if search.descending {
            rows.reverse();
        }
        let new: Vec<InstanceId> =
            rows.into_iter().map(|(_, id)| id).filter(|id| !found.contains(id)).collect();
        found.extend(new);
    }
    if search.text.is_empty() && search.sort_by.is_none() {
        found.sort();
    }
    found
}

fn found(
    lab: &Lab,
    sa: SmartAccountId,
    only: &Only<PartId>,
    search: &Search,
    limit: i64,
) -> Vec<InstanceId> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = lab.cssm.find_instances(sa, only, search, &next, limit).unwrap();
        let Some(last) = page.last() else { return all };
        assert!(page.len() <= usize::try_from(limit).unwrap());
        next.clone_from(&last.next);
        all.extend(page.into_iter().map(|found| found.instance.id));
    }
}

fn on_lab(lab: &mut Lab) {
    let device = Device::new(&lab.cssm, "SN1");
    let sa =
        lab.cssm.seed_lab(lab.now, &admin(), 400, device.signer.as_ref(), &mut |_| ()).unwrap();
    let parts = lab.cssm.virtual_accounts(sa).unwrap();
    let list =
        |lab: &Lab| lab.cssm.instances(sa, &Only::All, InstanceId::default(), 1_000).unwrap();
    let all = list(lab);
    // Some go, some move, and one is called otherwise.
    lab.cssm.remove_instance(lab.now, &admin(), sa, all[3].id).unwrap();
    let (first, last) = (parts[0].id, parts.last().unwrap().id);
    lab.cssm.transfer_instance(lab.now, &admin(), sa, all[4].id, first).unwrap();
    lab.cssm.transfer_instance(lab.now, &admin(), sa, all[5].id, last).unwrap();
    let all = list(lab);
    assert_eq!(all.len(), 399);
    let some = |ids: &[usize]| -> Only<PartId> {
        Only::These(ids.iter().map(|place| parts[*place].id.into()).collect())
    };
    let several = all.iter().filter(|view| view.product_type == "N9300").count();
    assert!(several > 20, "{several} of a type");
    let texts = [
        "",
        "s",
        "leaf-1",
        "LEAF-10",
        "spine",
        "SEED00001",
        "seed0000123",
        "N9K-C93",
        "n9300",
        "N9500",
        "udi_pid:",
        "nothing",
        "\u{ff}",
        "%",
        "leaf_",
        "\u{e9}",
    ];
    for text in texts {
        for sort_by in [None, Some(SortBy::Name), Some(SortBy::Serial), Some(SortBy::Pid)] {
            for descending in [false, true] {
                if descending && text.is_empty() && sort_by.is_none() {
                    continue;
                }
                let search = Search { text: text.to_owned(), sort_by, descending };
                for only in [Only::All, some(&[1, 2]), some(&[0, 1, 3, 9]), some(&[])] {
                    let expected = model(&all, &only, &search);
                    for limit in [7, 1_000] {
                        let what = format!("{search:?} {only:?} {limit}");
                        assert_eq!(found(lab, sa, &only, &search, limit), expected, "{what}");
                    }
                    let count = lab.cssm.count_instances(sa, &only, &search).unwrap();
                    let expected = i64::try_from(expected.len()).unwrap();
                    assert_eq!(
                        (count.count, count.is_exact),
                        (expected, true),
                        "{search:?} {only:?}"
                    );
                }
            }
        }
    }
    let search = Search { descending: true, ..Search::default() };
    assert!(lab.cssm.find_instances(sa, &Only::All, &search, "", 9).is_err());
    let search = Search { text: "x".repeat(257), ..Search::default() };
    assert!(lab.cssm.find_instances(sa, &Only::All, &search, "", 9).is_err());
    let search = Search { sort_by: Some(SortBy::Name), ..Search::default() };
    for wrong in ["x", "3~1~", "0~1~f", "0~1~zz", "0~x~00", "0", "\u{e9}~1~00", "0~1~\u{e9}"] {
        let refused = lab.cssm.find_instances(sa, &Only::All, &search, wrong, 9);
        assert!(
            matches!(refused, Err(Error::Invalid(_) | Error::Field { .. })),
            "{wrong}: {refused:?}"
        );
    }
}

#[test]
fn whatever_is_looked_for_is_what_a_look_at_each_finds() {
    on_every_engine(&at_once(), on_lab);
}

#[test]
fn another_host_name_is_found_at_once_and_the_one_before_is_not() {
    on_every_engine(&at_once(), |lab| {
        let mut device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let found = |lab: &Lab, text: &str| {
            let search = Search { text: text.to_owned(), ..Search::default() };
            lab.cssm.count_instances(lab.sa, &Only::All, &search).unwrap().count
        };
        for (id, version) in [(1, "10.4(3)"), (2, "9.3(5)"), (3, "10.4(3)")] {
            let before = lab.instances()[0].name.clone();
            device.version = version;
            let mut usage = device.usage(&[&device.report(id, START + -100 * 86_400, &[(50, 1)])]);
            usage.hostname = Some(format!("Leaf-{id}"));
            lab.document(&usage);
            let name = lab.instances()[0].name.clone();
            assert_ne!(name, before);
            assert_eq!((found(lab, &name), found(lab, &before)), (1, 0), "{before} is {name}");
        }
    });
}

#[test]
fn more_than_ten_thousand_matches_are_only_more() {
    let lab = Lab::in_memory(&at_once());
    let (sa, va) = (lab.sa, lab.va);
    let add = move |tx: &mut rumline_store::Tx<'_>| {
        let sql =
            "INSERT INTO product_instance (id, smart_account_id, virtual_account_id, pid, serial,
            identifier, public_key, software_tag, registered_at, last_contact_at,
            window_started_at, window_requests, name_key, serial_key, pid_key)
            VALUES ($1, $2, $3, 'X', $4, '', '', '', 5, 5, 5, 0, $5, $5, $5)";
        for id in 1..=10_001_i64 {
            let serial = format!("s{id}");
            let values =
                [id.into(), sa.into(), va.into(), (&serial).into(), serial.as_bytes().into()];
            tx.execute(sql, &values)?;
        }
        Ok::<_, Error>(())
    };
    lab.cssm.db().write("test.many", add).unwrap();
    let count = |text: &str| {
        let search = Search { text: text.to_owned(), ..Search::default() };
        let count = lab.cssm.count_instances(lab.sa, &Only::All, &search).unwrap();
        (count.count, count.is_exact)
    };
    assert_eq!(count("s"), (10_000, false));
    assert_eq!(count("s1000"), (3, true));
}
