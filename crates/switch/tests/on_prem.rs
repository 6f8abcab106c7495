//! Switches of before Smart Licensing Using Policy that are registered with an SSM On-Prem, with the real one and the real CSSM
//! (guide p. 27, 29, 51-52; ONPREM-004, ONPREM-018, C-39).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
#[path = "common/older.rs"]
mod older;

use common::*;
use older::{CSLU, ON_PREM, Stands, TENANT, World};
use rumline_collector::Kind;
use rumline_protocol::Timestamp;
use rumline_testkit::admin;

fn status(world: &mut World) -> String {
    world.run(&["show license status"])
}

fn purchase(world: &World, license: &str) {
    let bought = rumline_cssm::Purchase {
        license: license.to_owned(),
        quantity: 5,
        kind: rumline_cssm::PurchaseKind::Perpetual,
        starts_at: 0,
        ends_at: None,
        order_number: String::new(),
    };
    let (sa, va) = (world.cssm.sa, world.cssm.va);
    world.cssm.cssm.add_purchase(world.cssm.now, &admin(), sa, va, &bought).unwrap();
}

/// At the SSM On-Prem: licences with how many are in use, and by how many. At CSSM: how many are in use.
type Books = (Vec<(String, i64, i64)>, Vec<(String, i64)>);

/// What is in use at the SSM On-Prem, and what CSSM has.
fn books(world: &World) -> Books {
    let tenant = world.tenant(0);
    let here = world.collector(0).licenses(tenant).unwrap();
    let here = here.into_iter().map(|own| (own.license, own.in_use, own.product_instances));
    let there = world.cssm.cssm.licenses(world.cssm.now, world.cssm.sa).unwrap();
    let there = there.into_iter().filter(|own| own.in_use > 0);
    (here.collect(), there.map(|own| (own.license, own.in_use)).collect())
}

const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

#[test]
fn it_registers_is_authorised_renewed_and_goes_and_cssm_hears_of_it_each_time() {
    // ONPREM-018, C-39, PI-MIG-020, CSSM-034
    for connected in [true, false] {
        let mut world =
            World::new("9.3(5)", "hostname leaf\nfeature bgp\nfeature pim\nlicense smart enable\n");
        world.add_server(ON_PREM, Kind::OnPrem, connected);
        world.callhome_on_prem();
        let token = world.on_prem_token(0);
        let exchange = |world: &mut World| {
            if connected {
                world.pass(Timestamp::HOUR);
            } else {
                world.carry_files(0);
            }
        };
        // In configuration mode too, and for both supervisors.
        world.run(&[
            "configure terminal",
            &format!("license smart register idtoken {token} all"),
            "end",
        ]);
        let told = status(&mut world);
        for part in [
            "  Status: REGISTERED\n  Smart Account: Example\n  Virtual Account: Default\n",
            "  Initial Registration: SUCCEEDED on Jan 01 00:00:00 2026 UTC\n",
            "  Registration Expires: Jan 01 00:00:00 2027 UTC\n",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        // What the account holds is not known yet, so nothing is said to be missing.
        assert!(told.contains("  Status: AUTHORIZED"), "{told}");
        let row = |world: &World| {
            let tenant = world.tenant(0);
            world.collector(0).instances(tenant, "", Default::default(), 10).unwrap()
        };
        let [own] = &row(&world)[..] else { panic!() };
        assert_eq!((own.name.as_str(), own.software_version.as_deref()), ("leaf", Some("9.3(5)")));
        assert_eq!(
            own.state,
            "Registered by Smart Licensing, CSSM hears of it with the next exchange"
        );
        assert_eq!(own.registered_until, Some(world.switch.now.plus_days(365).0));
        let used = vec![(LAN.to_owned(), 1, 1)];
        assert_eq!(books(&world), (used.clone(), Vec::new()));
        exchange(&mut world);
        assert_eq!(books(&world), (used.clone(), vec![(LAN.to_owned(), 1)]));
        assert_eq!(row(&world)[0].state, "Registered by Smart Licensing");
        let [instance] = &world.cssm.instances()[..] else { panic!() };
        assert_eq!((instance.name.as_str(), instance.last_report_at), ("leaf", None));
        // Nothing was bought: with the next authorization that is known here too.
        world.run(&["license smart renew auth"]);
        let told = status(&mut world);
        assert!(told.contains("  Status: OUT OF COMPLIANCE"), "{told}");
        purchase(&world, LAN);
        exchange(&mut world);
        world.run(&["license smart renew auth"]);
        let told = status(&mut world);
        assert!(told.contains("  Status: AUTHORIZED"), "{told}");
        // Another supervisor's worth of features goes, and comes.
        world.run(&["configure terminal", "no feature bgp", "no feature pim", "end"]);
        assert_eq!(books(&world).0, []);
        exchange(&mut world);
        assert_eq!(books(&world), (Vec::new(), Vec::new()));
        world.run(&["configure terminal", "feature bgp", "end"]);
        // Half a year later it was renewed, and CSSM knows it all the same, without an alarm.
        world.pass(200 * Timestamp::DAY);
        exchange(&mut world);
        let told = status(&mut world);
        assert!(told.contains("  Last Renewal Attempt: SUCCEEDED on Jun 30"), "{told}");
        world.cssm.cssm.watch(world.switch.now).unwrap();
        let alerts = world.cssm.cssm.alerts(world.cssm.sa).unwrap();
        assert!(alerts.iter().all(|alert| alert.kind != "overdue"), "{alerts:?}");
        world.pass(200 * Timestamp::DAY);
        exchange(&mut world);
        assert_eq!(books(&world), (used, vec![(LAN.to_owned(), 1)]));
        // It goes.
        assert_eq!(world.run(&["license smart deregister"]), "Deregistration was started\n");
        assert!(status(&mut world).contains("  Status: UNREGISTERED\n  Smart Account: Example\n"));
        assert!(row(&world).is_empty());
        assert_eq!(world.cssm.instances().len(), 1, "until the next exchange");
        exchange(&mut world);
        assert!(world.cssm.instances().is_empty());
        assert_eq!(books(&world), (Vec::new(), Vec::new()));
        assert_eq!(world.cssm.cssm.verify_totals().unwrap(), []);
        // And comes back, with another token: that one has expired.
        let token = world.on_prem_token(0);
        world.run(&[&format!("license smart register idtoken {token}")]);
        exchange(&mut world);
        assert_eq!(world.cssm.instances().len(), 1);
        let tokens = world.collector(0).id_tokens(world.tenant(0)).unwrap();
        assert_eq!((tokens.len(), tokens[0].uses, tokens[1].uses), (2, 1, 1));
    }
}

#[test]
fn after_the_upgrade_it_reports_to_the_tenant_and_nothing_is_counted_twice() {
    // ONPREM-018, PI-MIG-004, PI-MIG-011; guide p. 27, 29
    for connected in [true, false] {
        for told_before in [true, false] {
            let at = format!("connected {connected}, told before {told_before}");
            let mut world =
                World::new("9.3(7)", "hostname leaf\nfeature bgp\nlicense smart enable\n");
            world.add_server(ON_PREM, Kind::OnPrem, connected);
            world.callhome_on_prem();
            let token = world.on_prem_token(0);
            world.run(&[&format!("license smart register idtoken {token}")]);
            let exchange = |world: &mut World| {
                if connected {
                    world.pass(Timestamp::HOUR);
                } else {
                    world.carry_files(0);
                }
            };
            if told_before {
                exchange(&mut world);
            }
            let told = world.install("10.3(2)F");
            assert!(told.contains(&format!("cslu, to {TENANT}: save the configuration")), "{told}");
            let started = world.switch.now;
            let lines = world.run(&["show running-config license all", "show license status"]);
            assert!(lines.contains(&format!("license smart url cslu {TENANT}\n")), "{at}: {lines}");
            assert!(lines.contains("  Type: CSLU\n"), "{at}: {lines}");
            for _ in 0..4 {
                world.pass(Timestamp::DAY);
                exchange(&mut world);
            }
            world.run(&["license smart sync"]);
            exchange(&mut world);
            world.pass(Timestamp::HOUR);
            let told = status(&mut world);
            assert!(!told.contains("Trust Code installed: <none>"), "{at}: {told}");
            let log = &world.switch.log;
            assert!(!log.iter().any(|line| line.contains("COMM_FAILED")), "{at}: {log:?}");
            let used = (vec![(LAN.to_owned(), 1, 1)], vec![(LAN.to_owned(), 1)]);
            assert_eq!(books(&world), used, "{at}");
            let tenant = world.tenant(0);
            let rows = world.collector(0).instances(tenant, "", Default::default(), 10).unwrap();
            assert_eq!((rows.len(), rows[0].registered_until), (1, None), "{at}: {rows:?}");
            assert_eq!(world.cssm.instances().len(), 1, "{at}");
            let instance = world.cssm.instance(SERIAL);
            assert!(instance.reports > 0 && instance.trusted, "{at}: {instance:?}");
            let counted = world.cssm.lab.counted(SERIAL);
            assert!(
                counted > 3 * Timestamp::DAY && counted <= world.switch.now.since(started),
                "{at}"
            );
            // What was said before the upgrade comes late, once more: nothing of it counts.
            assert_eq!(world.cssm.cssm.verify_totals().unwrap(), [], "{at}");
            // Down: it has to be registered anew, here, and counts once all the same.
            world.install("9.3(7)");
            world.run(&["configure terminal", "license smart enable", "end"]);
            world.callhome_on_prem();
            world.run(&[&format!("license smart register idtoken {token}")]);
            assert!(status(&mut world).contains("  Status: REGISTERED\n"), "{at}");
            exchange(&mut world);
            assert_eq!(books(&world), used, "{at}");
            world.install("10.3(2)F");
            for _ in 0..4 {
                world.pass(Timestamp::DAY);
                exchange(&mut world);
            }
            assert_eq!(books(&world), used, "{at}");
            assert_eq!(world.cssm.instances().len(), 1, "{at}");
            assert_eq!(world.cssm.cssm.verify_totals().unwrap(), [], "{at}");
        }
    }
}

#[test]
fn what_cannot_be_registered_there_is_told_why() {
    // C-39, ONPREM-018
    let mut world = World::new("9.3(5)", "hostname leaf\nfeature bgp\nlicense smart enable\n");
    world.add_server(ON_PREM, Kind::OnPrem, true);
    world.callhome_on_prem();
    let refused = |world: &mut World, token: &str, why: &str| {
        world.run(&[&format!("license smart register idtoken {token}")]);
        let told = status(world);
        assert!(told.contains(&format!("    Failure reason: {why}\n")), "{why}: {told}");
    };
    // Of CSSM, whose tokens are of no use here.
    let cssm_token = world.cssm.token();
    refused(&mut world, &cssm_token, "the token is not valid");
    let (tenant, by) = (world.tenant(0), admin());
    let new = |uses_max| rumline_collector::NewIdToken {
        description: String::new(),
        expires_after_days: 1,
        uses_max,
    };
    let make = |world: &World, uses_max| {
        world.collector(0).create_id_token(world.switch.now, &by, tenant, &new(uses_max)).unwrap()
    };
    let revoked = make(&world, None);
    world.collector(0).revoke_id_token(world.switch.now, &by, tenant, revoked.id).unwrap();
    refused(&mut world, &revoked.value, "the token has been revoked");
    let ended = make(&world, None);
    world.pass(2 * Timestamp::DAY);
    refused(&mut world, &ended.value, "the token has expired");
    let once = make(&world, Some(1));
    world.run(&[&format!("license smart register idtoken {}", once.value)]);
    assert!(status(&mut world).contains("  Status: REGISTERED\n"));
    // Not in the second in which it registered.
    world.pass(1);
    world.run(&["license smart deregister"]);
    refused(&mut world, &once.value, "the token has been used as often as it may be");
    // A CSLU makes none, and says so to whoever asks.
    world.add_server(CSLU, Kind::Cslu, true);
    let cslu = world.collector(1);
    let told = cslu.create_id_token(world.switch.now, &by, world.tenant(1), &new(None));
    assert!(told.unwrap_err().to_string().contains("a CSLU registers no switches"));
}

#[test]
fn one_that_is_taken_away_hears_of_it_and_nobody_else_can_say_so() {
    // ONPREM-018
    let mut world = World::standing("9.3(5)", Stands::OnPrem);
    let tenant = world.tenant(0);
    // Another server answers in its place: its key is not the one that the switch keeps.
    world.add_server("other.example.net", Kind::OnPrem, true);
    let (own, other) = (world.servers[0], world.servers[1]);
    world.servers = vec![(own.0, other.1)];
    world.run(&["license smart renew auth"]);
    assert!(status(&mut world).contains("  Status: REGISTERED\n"));
    world.servers = vec![own];
    world.pass(Timestamp::HOUR);
    let row = &world.collector(0).instances(tenant, "", Default::default(), 10).unwrap()[0];
    let id = row.id;
    world.collector(0).remove_instance(world.switch.now, &admin(), tenant, id).unwrap();
    assert_eq!(books(&world).0, []);
    world.run(&["license smart renew auth"]);
    assert!(status(&mut world).contains("  Status: UNREGISTERED\n"));
    // Removed at CSSM: it hears of it by its SSM On-Prem.
    let token = world.on_prem_token(0);
    world.run(&[&format!("license smart register idtoken {token}")]);
    world.pass(Timestamp::HOUR);
    assert!(status(&mut world).contains("  Status: REGISTERED\n"));
    world.cssm.let_go(SERIAL);
    // It is not registered anew by what it had said before.
    assert!(world.cssm.instances().is_empty());
    assert_eq!(world.cssm.cssm.verify_totals().unwrap(), []);
}

#[test]
fn one_with_smart_licensing_using_policy_is_told_that_cslu_is_the_transport() {
    // ONPREM-004, L-08
    for way in ["callhome", "smart"] {
        let mut world = World::new("10.3(2)F", "hostname leaf\nfeature bgp\n");
        let server = world.add_server(ON_PREM, Kind::OnPrem, true);
        // It has trust, from CSSM: it speaks to whom it is told.
        let token = world.cssm.token();
        world.run(&["configure terminal", &format!("license smart transport {way}"), "end"]);
        world.run(&[&format!("license smart trust idtoken {token} all")]);
        world.callhome_on_prem();
        world.run(&[
            "configure terminal",
            &format!("license smart transport {way}"),
            &format!("license smart url smart https://{ON_PREM}/SmartTransport"),
            "end",
            "license smart sync",
        ]);
        world.pass(2 * Timestamp::DAY);
        let told = world.switch.log.iter().find(|line| line.contains("LOG_SMART_LIC_COMM_FAILED"));
        let told = told.unwrap_or_else(|| panic!("{way}: {:?}", world.switch.log));
        assert!(told.contains("only the cslu transport is supported here"), "{way}: {told}");
        let tenant = world.tenant(server);
        let rows = world.collector(server).instances(tenant, "", Default::default(), 10).unwrap();
        assert!(rows.is_empty(), "{way}");
        // A token is refused in the same words.
        let token = world.on_prem_token(server);
        world.run(&[&format!("license smart trust idtoken {token} all force")]);
        let told = world.switch.log.iter().find(|line| line.contains("TRUST_CODE_INSTALL_FAILED"));
        assert!(
            told.is_some_and(|line| line.contains("only the cslu transport")),
            "{way}: {told:?}"
        );
        // The way out is that of the words.
        world.run(&[
            "configure terminal",
            "license smart transport cslu",
            &format!("license smart url cslu {TENANT}"),
            "end",
        ]);
        world.pass(2 * Timestamp::DAY);
        assert!(world.cssm.instance(SERIAL).reports > 0, "{way}");
    }
}
