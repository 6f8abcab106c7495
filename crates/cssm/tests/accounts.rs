//! Accounts, licences, inventory, people (CSSM-002, 005, 008, 013, 014, 015, 022, 027; C-20; G-01).

use rumline_agent::{Config, Input, Transport};
use rumline_cssm::{
    Actor, Caller, Error, Grant, InstanceId, LicenseView, Only, Purchase, PurchaseKind, Role,
    SmartAccountId, VirtualAccountId,
};
use rumline_protocol::{Policy, Timestamp, sign_report};
use rumline_server::ScopeId;
use rumline_testkit::*;

fn purchase(quantity: i64) -> Purchase {
    Purchase {
        license: LAN.to_owned(),
        quantity,
        kind: PurchaseKind::Perpetual,
        starts_at: START.0,
        ends_at: None,
        order_number: String::new(),
    }
}

fn line(va: VirtualAccountId, purchased: i64, in_use: i64) -> LicenseView {
    let balance = purchased - in_use;
    let runs_short_at = (balance < 0).then_some(START.0);
    let license = LAN.to_owned();
    let virtual_account_id = va;
    LicenseView {
        virtual_account_id,
        license,
        purchased,
        in_use,
        substituted: 0,
        balance,
        runs_short_at,
    }
}

#[test]
fn names_are_unique_and_case_counts() {
    // CSSM-002; PI-TRUST-006 tells accounts by name
    on_every_engine(&at_once(), |lab| {
        let cssm = &lab.cssm;
        let account = |name: &str| {
            let domain = format!("{}.x.net", name.len());
            cssm.create_smart_account(lab.now, &Actor::person("admin"), name, &domain)
        };
        assert!(matches!(account("Example"), Err(Error::Conflict(_))));
        let second = account("example").unwrap();
        assert_ne!(second.id, lab.sa);
        for bad in ["", " a", "a ", "a\tb", "a\0b", &"x".repeat(101)] {
            assert!(
                matches!(account(bad), Err(Error::Invalid(_) | Error::Field { .. })),
                "{bad:?}"
            );
            let virtual_account =
                cssm.create_virtual_account(lab.now, &Actor::person("admin"), lab.sa, bad);
            assert!(
                matches!(virtual_account, Err(Error::Invalid(_) | Error::Field { .. })),
                "{bad:?}"
            );
        }
        assert!(account(&"é".repeat(100)).is_ok());
        assert!(cssm.create_smart_account(lab.now, &Actor::person("admin"), "New", "").is_err());
        let make = |sa: SmartAccountId, name: &str| {
            cssm.create_virtual_account(lab.now, &Actor::person("admin"), sa, name)
        };
        assert!(matches!(make(lab.sa, "Default"), Err(Error::Conflict(_))));
        for name in ["default", "Lab", "lab"] {
            make(lab.sa, name).unwrap();
        }
        assert!(matches!(make(lab.sa, "Lab"), Err(Error::Conflict(_))));
        // Another account has names of its own.
        make(second.id, "Lab").unwrap();
        assert!(matches!(make(SmartAccountId(999), "Lab"), Err(Error::NotFound(_))));
        let list = cssm.virtual_accounts(lab.sa).unwrap();
        let names: Vec<&str> = list.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(names, ["Default", "default", "Lab", "lab"]);
        assert!(cssm.virtual_accounts(SmartAccountId(999)).is_err());
        assert_eq!(cssm.smart_accounts(&Only::All).unwrap().len(), 3);
        assert_eq!(cssm.smart_accounts(&Only::These([second.id.into()].into())).unwrap(), [second]);
        assert!(cssm.smart_accounts(&Only::These([ScopeId(0)].into())).unwrap().is_empty());
    });
}

#[test]
fn an_account_is_found_by_its_domain_and_says_what_its_virtual_accounts_are_for() {
    // CSSM-002, CSSM-033
    on_every_engine(&at_once(), |lab| {
        let (cssm, admin) = (&lab.cssm, Actor::person("admin"));
        let of = cssm.create_smart_account(lab.now, &admin, "Named", "named.example").unwrap();
        let say = |name: &str, text: &str| {
            cssm.create_described_virtual_account(lab.now, &admin, of.id, name, text)
        };
        let made = say("Lab 1", "for trying, and nothing else").unwrap();
        assert_eq!(cssm.virtual_accounts(of.id).unwrap()[1], made);
        assert_eq!(made.description, "for trying, and nothing else");
        assert!(say("Lab 2", &"é".repeat(1_000)).is_ok());
        for bad in ["a\nb", "\0", &"x".repeat(1_001)] {
            assert!(
                matches!(say("Lab 3", bad), Err(Error::Invalid(_) | Error::Field { .. })),
                "{bad:?}"
            );
        }
        assert_eq!(cssm.account_named("named.example", None).unwrap(), (of.id, None));
        let both = cssm.account_named("NAMED.example", Some("Lab 1")).unwrap();
        assert_eq!(both, (of.id, Some(made.id)));
        for (domain, name) in [
            ("named.example", Some("lab 1")),
            ("named.example", Some("")),
            ("named.example", Some("Lab\0")),
            ("other.example", None),
            ("named", None),
            ("", None),
            ("named.example\0", None),
        ] {
            let found = cssm.account_named(domain, name);
            assert!(matches!(found, Err(Error::NotFound("account"))), "{domain:?} {name:?}");
        }
        cssm.close_virtual_account(lab.now, &admin, of.id, made.id).unwrap();
        assert!(cssm.account_named("named.example", Some("Lab 1")).is_err());
    });
}

#[test]
fn a_perpetual_purchase_has_no_end_and_a_subscription_ends_after_it_starts() {
    // PI-LIC-005
    on_every_engine(&at_once(), |lab| {
        let buy = |change: &dyn Fn(&mut Purchase)| {
            let mut new = purchase(1);
            change(&mut new);
            lab.cssm.add_purchase(lab.now, &Actor::person("admin"), lab.sa, lab.va, &new)
        };
        let subscription = PurchaseKind::Subscription;
        type Change<'a> = &'a dyn Fn(&mut Purchase);
        let refused: [(&str, Change<'_>); 8] = [
            ("perpetual with an end", &|p| p.ends_at = Some(START.0 + 1)),
            ("subscription without end", &|p| p.kind = subscription),
            ("ends as it starts", &|p| (p.kind, p.ends_at) = (subscription, Some(START.0))),
            ("ends before", &|p| (p.kind, p.ends_at) = (subscription, Some(START.0 - 1))),
            ("none", &|p| p.quantity = 0),
            ("fewer than none", &|p| p.quantity = -1),
            ("too many", &|p| p.quantity = 1_000_000_001),
            ("no name", &|p| p.license.clear()),
        ];
        let mut told = Vec::new();
        for (what, change) in refused {
            let Err(Error::Invalid(why) | Error::Field { text: why, .. }) = buy(change) else {
                panic!("{what}")
            };
            told.push(why);
        }
        // Each says what is wrong with it.
        assert!(told[0].starts_with("a perpetual purchase has no end"), "{told:?}");
        assert!(told[1].contains("needs its end"), "{told:?}");
        assert!(told[2].starts_with("the end is in the past") && told[3] == told[2], "{told:?}");
        let early = |p: &mut Purchase| {
            (p.kind, p.starts_at, p.ends_at) = (subscription, START.0 + 9, Some(START.0 + 5));
        };
        let Err(Error::Invalid(why) | Error::Field { text: why, .. }) = buy(&early) else {
            panic!("it ends before it starts")
        };
        assert_eq!(why, "the end is before the start");
        assert!(lab.cssm.licenses(lab.now, lab.sa).unwrap().is_empty());
        buy(&|_| {}).unwrap();
        buy(&|p| (p.kind, p.ends_at) = (subscription, Some(START.0 + 1))).unwrap();
        let (other, other_va) = lab.other_account("Other");
        for (sa, va) in [(lab.sa, other_va), (other, lab.va), (lab.sa, VirtualAccountId(999))] {
            let outcome =
                lab.cssm.add_purchase(lab.now, &Actor::person("admin"), sa, va, &purchase(1));
            assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
        }
    });
}

#[test]
fn licences_show_what_was_bought_what_is_used_and_what_is_left() {
    // CSSM-015, CSSM-027, CSSM-013
    on_every_engine(&at_once(), |lab| {
        let lab_va = lab.virtual_account("Lab");
        let buy = |va: VirtualAccountId, new: &Purchase| {
            lab.cssm.add_purchase(lab.now, &Actor::person("admin"), lab.sa, va, new).unwrap();
        };
        buy(lab.va, &purchase(10));
        buy(lab.va, &purchase(5));
        let term = Purchase {
            kind: PurchaseKind::Subscription,
            quantity: 3,
            starts_at: START.0 + 100,
            ends_at: Some(START.0 + 200),
            ..purchase(3)
        };
        buy(lab.va, &term);
        let at = |now: Timestamp| lab.cssm.licenses(now, lab.sa).unwrap();
        assert_eq!(at(START - 1), []);
        assert_eq!(at(START + 99), [line(lab.va, 15, 0)]);
        assert_eq!(at(START + 100), [line(lab.va, 18, 0)]);
        assert_eq!(at(START + 199), [line(lab.va, 18, 0)]);
        assert_eq!(at(START + 200), [line(lab.va, 15, 0)]);
        for (serial, count) in [("SN1", 9), ("SN2", 8)] {
            let device = Device::new(&lab.cssm, serial);
            lab.register(&device);
            lab.document(&device.usage(&[&device.report(1, START, &[(50, count)])]));
        }
        assert_eq!(at(START), [line(lab.va, 15, 17)], "below zero is a shortage");
        // In the other virtual account nothing was bought, and one is in use.
        let device = Device::new(&lab.cssm, "SN3");
        let (_, token) = lab.new_token(lab_va, None);
        lab.document(&device.trust(lab.now, &token, false));
        let own = device.report(1, START, &[(50, 1)]);
        let mut other = device.unsigned_report(2, START, &[(50, 2)]);
        let tag = "regid.2030-01.com.cisco.SOMETHING_NEW,1.0_x";
        other.entitlement_tag = rumline_protocol::EntitlementTag::new(tag).unwrap();
        let other = sign_report(other, device.signer.as_ref());
        lab.document(&device.usage(&[&own, &other]));
        let new = LicenseView { license: "SOMETHING_NEW".to_owned(), ..line(lab_va, 0, 2) };
        assert_eq!(at(START), [line(lab.va, 15, 17), line(lab_va, 0, 1), new]);
        let mut used = lab.instance("SN3").licenses;
        used.sort_by(|a, b| a.license.cmp(&b.license));
        assert_eq!((used[0].license.as_str(), used[0].count), (LAN, 1));
        assert_eq!((used[1].license.as_str(), used[1].as_of), ("SOMETHING_NEW", START.0 + 50));
        assert!(lab.cssm.licenses(lab.now, SmartAccountId(999)).is_err());
    });
}

#[test]
fn an_instance_shows_its_host_name_from_10_3_2_on_unless_hidden() {
    // CSSM-014, C-20; PI-SHOW privacy
    on_every_engine(&at_once(), |lab| {
        let smart = Config { transport: Transport::Smart, ..Config::default() };
        let hidden = Config { hide_hostname: true, ..smart.clone() };
        let udi_name = |serial: &str| format!("UDI_PID:{PID}, UDI_SN:{serial}");
        for (serial, version, config, named) in [
            ("SN1", "10.2(4)", &smart, false),
            ("SN2", "10.3(1)", &smart, false),
            ("SN3", "10.3(2)", &smart, true),
            ("SN4", "10.4(3)F", &smart, true),
            ("SN5", "10.5(1)", &hidden, false),
        ] {
            let mut switch = lab.switch_with(serial, config.clone(), version);
            switch.agent.set_hostname("leaf-101");
            lab.trust(&mut switch, &lab.token(), false);
            lab.give(&mut switch, Input::Use(vec![lan(1)]));
            lab.now = lab.now + 37;
            lab.give(&mut switch, Input::Tick);
            let instance = lab.instance(serial);
            assert_eq!(instance.reports, 1);
            let expected = if named { "leaf-101".to_owned() } else { udi_name(serial) };
            assert_eq!(instance.name, expected, "{version}");
            assert_eq!(instance.software_version.as_deref(), Some(version));
        }
        // The name follows the newest report, and goes when it is hidden.
        let mut device = Device::new(&lab.cssm, "SN6");
        lab.register(&device);
        for (id, hostname, expected) in
            [(1, Some("a"), "a"), (2, Some("b"), "b"), (3, None, &*udi_name("SN6"))]
        {
            device.hostname = hostname;
            lab.document(&device.usage(&[&device.report(id, START, &[(1, 1)])]));
            assert_eq!(lab.instance("SN6").name, expected);
        }
        let mut unknown = Device::new(&lab.cssm, "SN7");
        unknown.udi.pid = "N9K-UNKNOWN".to_owned();
        lab.register(&unknown);
        assert_eq!(lab.instance("SN7").product_type, "Other");
    });
}

#[test]
fn a_release_newer_than_the_catalogue_shows_its_host_name_too() {
    // C-20: "from a release >= 10.3(2)F"
    on_every_engine(&at_once(), |lab| {
        for (serial, version, named) in
            [("SN1", "10.5(2)", true), ("SN2", "10.6(1)F", true), ("SN3", "10.2(4)", false)]
        {
            let mut device = Device::new(&lab.cssm, serial);
            device.version = version;
            lab.register(&device);
            lab.document(&device.usage(&[&device.report(1, START, &[(1, 1)])]));
            assert_eq!(lab.instance(serial).name == "leaf-101", named, "{version}");
        }
    });
}

#[test]
fn removing_an_instance_frees_its_licences_and_keeps_its_reports() {
    // CSSM-005, CSSM-013, CSSM-019
    on_every_engine(&at_once(), |lab| {
        lab.cssm
            .add_purchase(lab.now, &Actor::person("admin"), lab.sa, lab.va, &purchase(3))
            .unwrap();
        let devices = ["SN1", "SN2"].map(|serial| Device::new(&lab.cssm, serial));
        for device in &devices {
            lab.register(device);
            lab.document(&device.usage(&[&device.report(1, START, &[(50, 2)])]));
        }
        assert_eq!(lab.cssm.licenses(lab.now, lab.sa).unwrap(), [line(lab.va, 3, 4)]);
        let id = lab.instance("SN1").id;
        let (other, _) = lab.other_account("Other");
        assert!(lab.cssm.remove_instance(lab.now, &Actor::person("eve"), other, id).is_err());
        assert!(lab.cssm.instance(other, id).is_err());
        assert!(lab.cssm.reports(other, id, 0, 10).unwrap().is_empty());
        lab.cssm.remove_instance(lab.now, &Actor::person("eve"), lab.sa, id).unwrap();
        assert_eq!(lab.cssm.licenses(lab.now, lab.sa).unwrap(), [line(lab.va, 3, 2)]);
        assert_eq!(lab.instances().len(), 1);
        assert!(matches!(lab.cssm.instance(lab.sa, id), Err(Error::NotFound(_))));
        assert_eq!(lab.cssm.reports(lab.sa, id, 0, 10).unwrap().len(), 1);
        assert!(lab.cssm.remove_instance(lab.now, &Actor::person("eve"), lab.sa, id).is_err());
        // Pages of the list follow one another.
        for number in 3..10 {
            lab.register(&Device::new(&lab.cssm, &format!("SN{number}")));
        }
        let mut seen = Vec::new();
        let mut after = InstanceId::default();
        loop {
            let page = lab.cssm.instances(lab.sa, &Only::All, after, 3).unwrap();
            let Some(last) = page.last() else { break };
            after = last.id;
            seen.extend(page.into_iter().map(|instance| instance.serial));
        }
        assert_eq!(seen, (2..10).map(|n| format!("SN{n}")).collect::<Vec<_>>());
    });
}

#[test]
fn a_login_takes_the_right_password_of_a_known_person() {
    // G-01
    on_every_engine(&at_once(), |lab| {
        let cssm = &lab.cssm;
        let secret = "correct horse battery";
        cssm.people()
            .add(lab.now, &admin(), "eve", secret, Role::User, Some(lab.sa.into()))
            .unwrap();
        for (login, password) in [
            ("eve", "correct horse batterz"),
            ("eve", ""),
            ("Eve", secret),
            ("mallory", secret),
            ("", ""),
            ("e\0ve", secret),
        ] {
            let outcome = cssm.people().log_in(lab.now, login, password, HERE);
            assert!(matches!(outcome, Err(Error::Unauthenticated)), "{login:?}: {outcome:?}");
        }
        let token = cssm.people().log_in(lab.now, "eve", secret, HERE).unwrap();
        let caller = cssm.people().caller(lab.now, &token).unwrap();
        let expected = Caller::new("eve", vec![Grant::of(Role::User, Some(lab.sa.into()))]);
        assert_eq!((caller.login, caller.grants), (expected.login, expected.grants));
        let second = cssm.people().log_in(lab.now, "eve", secret, HERE).unwrap();
        assert_ne!(token, second);
        for wrong in ["", "x", &token[1..], &token.to_uppercase()] {
            assert!(matches!(cssm.people().caller(lab.now, wrong), Err(Error::Unauthenticated)));
        }
        cssm.people().log_out(&token).unwrap();
        cssm.people().log_out("unknown").unwrap();
        assert!(cssm.people().caller(lab.now, &token).is_err());
        assert!(cssm.people().caller(lab.now, &second).is_ok(), "other logins stay");
        // It ends by itself.
        let hours = |hours: i64| lab.now + hours * Timestamp::HOUR;
        assert!(cssm.people().caller(hours(12) - 1, &second).is_ok());
        assert!(matches!(cssm.people().caller(hours(12), &second), Err(Error::Unauthenticated)));
        for (login, password) in [("new", "too short"), ("", secret), ("a\nb", secret)] {
            let outcome = cssm.people().add(lab.now, &admin(), login, password, Role::Viewer, None);
            assert!(matches!(outcome, Err(Error::Invalid(_) | Error::Field { .. })), "{login:?}");
        }
    });
}

#[test]
fn a_new_password_or_role_ends_the_logins_under_the_old_one() {
    // G-01
    on_every_engine(&at_once(), |lab| {
        let cssm = &lab.cssm;
        cssm.people()
            .add(lab.now, &admin(), "eve", "first password", Role::Viewer, Some(lab.sa.into()))
            .unwrap();
        cssm.people()
            .add(lab.now, &admin(), "bob", "bobs password", Role::Viewer, Some(lab.sa.into()))
            .unwrap();
        let token = cssm.people().log_in(lab.now, "eve", "first password", HERE).unwrap();
        let bob = cssm.people().log_in(lab.now, "bob", "bobs password", HERE).unwrap();
        cssm.people().add(lab.now, &admin(), "eve", "second password", Role::User, None).unwrap();
        assert!(matches!(cssm.people().caller(lab.now, &token), Err(Error::Unauthenticated)));
        assert!(cssm.people().log_in(lab.now, "eve", "first password", HERE).is_err());
        let token = cssm.people().log_in(lab.now, "eve", "second password", HERE).unwrap();
        let caller = cssm.people().caller(lab.now, &token).unwrap();
        assert_eq!(caller.grants, [Grant::of(Role::User, None)]);
        assert!(cssm.people().caller(lab.now, &bob).is_ok());
    });
}

#[test]
fn the_first_administrator_is_made_once() {
    // G-01
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        let nobody = |_: &str| panic!("there is an administrator");
        // A password that cannot be shown is nobody's.
        let full = |_: &str| Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert!(people.first_administrator(lab.now, full).is_err());
        let mut password = String::new();
        let show = |shown: &str| {
            shown.clone_into(&mut password);
            Ok(())
        };
        people.first_administrator(lab.now, show).unwrap();
        assert!(password.len() >= 20);
        people.first_administrator(lab.now, nobody).unwrap();
        let token = lab.cssm.people().log_in(lab.now, "admin", &password, HERE).unwrap();
        let caller = lab.cssm.people().caller(lab.now, &token).unwrap();
        assert_eq!(caller.grants, [Grant::of(Role::Administrator, None)]);
        let other = "another password";
        lab.cssm
            .people()
            .add(lab.now, &admin(), "admin", other, Role::Administrator, None)
            .unwrap();
        people.first_administrator(lab.now, nobody).unwrap();
        assert!(lab.cssm.people().log_in(lab.now, "admin", other, HERE).is_ok());
    });
}

#[test]
fn what_people_do_is_recorded_newest_first() {
    // CSSM-001
    on_every_engine(&at_once(), |lab| {
        let mut policy = Policy::cisco_default();
        policy.policy_name = "Quarterly".to_owned();
        let device = Device::new(&lab.cssm, "SN1");
        let text = device.usage_file(lab.now, &[&device.report(1, START, &[(100, 1)])]);
        lab.now = START + 1;
        lab.virtual_account("Lab");
        lab.cssm
            .add_purchase(lab.now, &Actor::person("bob"), lab.sa, lab.va, &purchase(7))
            .unwrap();
        let (token, _) = lab.new_token(lab.va, None);
        lab.cssm.revoke_token(lab.now, &Actor::person("bob"), lab.sa, token).unwrap();
        lab.cssm
            .set_policy(lab.now, &Actor::person("bob"), lab.sa, None, Some((&policy, None)))
            .unwrap();
        lab.cssm.set_policy(lab.now, &Actor::person("bob"), lab.sa, None, None).unwrap();
        lab.upload("all_rum.txt", text.as_bytes()).unwrap();
        let id = lab.instance("SN1").id;
        lab.cssm.remove_instance(lab.now, &Actor::person("bob"), lab.sa, id).unwrap();
        // What is refused leaves no trace.
        assert!(lab.cssm.remove_instance(lab.now, &Actor::person("bob"), lab.sa, id).is_err());
        let events = lab.cssm.events(lab.sa, 1000).unwrap();
        let told: Vec<(&str, &str)> =
            events.iter().map(|event| (event.login.as_str(), event.text.as_str())).collect();
        assert_eq!(
            told,
            [
                ("bob", "PID:N9K-C93180YC-FX3,SN:SN1 removed"),
                ("eve", "usage file \"all_rum.txt\" uploaded: 1 reports accepted."),
                ("bob", "policy of Example taken back"),
                ("bob", "policy \"Quarterly\" set for Example"),
                ("bob", "token \"test\" revoked"),
                ("admin", "token \"test\" created"),
                ("bob", format!("7 x {LAN} purchased").as_str()),
                ("admin", "virtual account \"Lab\" created"),
                ("admin", "smart account created"),
            ]
        );
        assert_eq!((events[0].at, events[8].at), (START.0 + 1, START.0));
        let two = lab.cssm.events(lab.sa, 2).unwrap();
        assert_eq!(two, events[..2]);
        assert_eq!(lab.cssm.events(lab.sa, -5).unwrap().len(), 1);
        let (other, _) = lab.other_account("Other");
        assert_eq!(lab.cssm.events(other, 1000).unwrap().len(), 1);
    });
}

#[test]
fn the_nearest_policy_counts_and_the_cisco_default_when_there_is_none() {
    // CSSM-022, CSSM-023
    on_every_engine(&at_once(), |lab| {
        let lab_va = lab.virtual_account("Lab");
        let named = |name: &str| {
            let mut policy = Policy::cisco_default();
            policy.policy_name = name.to_owned();
            policy
        };
        let set = |va: Option<VirtualAccountId>, policy: Option<&Policy>| {
            let policy = policy.map(|policy| (policy, None));
            lab.cssm.set_policy(lab.now, &admin(), lab.sa, va, policy)
        };
        let in_force = |va| lab.cssm.policy(lab.sa, va).unwrap();
        let names = || [lab.va, lab_va].map(|va| in_force(va).policy.policy_name);
        let cisco = Policy::CISCO_DEFAULT;
        assert_eq!(names(), [cisco, cisco]);
        set(None, Some(&named("All"))).unwrap();
        assert_eq!(names(), ["All", "All"]);
        set(Some(lab_va), Some(&named("Own"))).unwrap();
        assert_eq!(names(), ["All", "Own"]);
        set(None, None).unwrap();
        assert_eq!(names(), [cisco, "Own"]);
        set(Some(lab_va), None).unwrap();
        assert_eq!(names(), [cisco, cisco]);
        // A lifetime is told as it was set, and goes with its policy.
        let brief = Some((&named("Brief"), Some(730)));
        lab.cssm.set_policy(lab.now, &admin(), lab.sa, Some(lab_va), brief).unwrap();
        assert_eq!(in_force(lab_va).lifetime_days, Some(730));
        assert_eq!(in_force(lab.va).lifetime_days, None);
        set(Some(lab_va), None).unwrap();
        assert_eq!(in_force(lab_va).lifetime_days, None);
        let mut mad = named("Mad");
        mad.enforced.ongoing_report_days = 3651;
        assert!(matches!(set(None, Some(&mad)), Err(Error::Invalid(_) | Error::Field { .. })));
        assert!(matches!(
            set(None, Some(&named(""))),
            Err(Error::Invalid(_) | Error::Field { .. })
        ));
        assert!(matches!(
            set(Some(VirtualAccountId(999)), Some(&named("x"))),
            Err(Error::NotFound(_))
        ));
        assert_eq!(names(), [cisco, cisco]);
    });
}

#[test]
fn a_policy_that_was_taken_back_leaves_the_switches_with_the_next_ack() {
    // CSSM-022: the policy comes with the ACK
    on_every_engine(&at_once(), |lab| {
        let mut policy = Policy::cisco_default();
        policy.policy_name = "Quarterly".to_owned();
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(1));
        let change = |policy: Option<&Policy>| {
            let policy = policy.map(|policy| (policy, None));
            lab.cssm.set_policy(lab.now, &admin(), lab.sa, None, policy).unwrap();
        };
        change(Some(&policy));
        lab.run_until(&mut switch, START.plus_days(32));
        assert_eq!(switch.agent.policy().policy_name, "Quarterly");
        lab.cssm.set_policy(lab.now, &Actor::person("admin"), lab.sa, None, None).unwrap();
        lab.run_until(&mut switch, START.plus_days(64));
        assert_eq!(switch.agent.policy().policy_name, Policy::CISCO_DEFAULT);
    });
}

#[test]
fn the_last_administrator_of_everything_stays_one() {
    on_every_engine(&at_once(), |lab| {
        let people = lab.cssm.people();
        let secret = "a password of some length";
        let add =
            |login: &str, role, scope| people.add(lab.now, &admin(), login, secret, role, scope);
        add("root", Role::Administrator, None).unwrap();
        for (role, scope) in [(Role::Viewer, None), (Role::Administrator, Some(lab.sa.into()))] {
            let refused = add("root", role, scope).unwrap_err().to_string();
            assert!(refused.contains("last administrator"), "{refused}");
        }
        add("second", Role::Administrator, None).unwrap();
        add("root", Role::Viewer, None).unwrap();
    });
}
