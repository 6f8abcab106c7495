//! Device-led conversion of licence files after an upgrade (PI-MIG-018, PI-MIG-021, PI-RUM-010, 029, 030, PI-SHOW-027, CSSM-035, 036,
//! TOPO-6-005, G-35).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
#[path = "common/older.rs"]
mod older;
#[path = "common/reach.rs"]
mod reach;

use common::*;
use older::{Stands, World, license_file, second_license_file};
use reach::{TOPOLOGIES, Topology};
use rumline_agent::DiskError;
use rumline_cssm::{Only, PurchaseView};
use rumline_protocol::Timestamp;

const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

fn state(world: &mut World) -> String {
    world.run(&["show license data conversion"])
}

fn purchases(world: &World) -> Vec<PurchaseView> {
    let cssm = &world.cssm.cssm;
    cssm.purchases(world.cssm.sa, &Only::All, rumline_cssm::PurchaseId::default(), 100).unwrap()
}

/// A switch with a licence file that has just gone up, and reports to CSSM itself.
fn direct() -> World {
    let mut world = World::standing("9.3(2)", Stands::Pak);
    world.install("10.3(2)F");
    assert_eq!(state(&mut world), "");
    world.run(&["configure terminal", "license smart transport smart", "end"]);
    world.run(&["copy running-config startup-config"]);
    let token = world.cssm.token();
    let told = world.run(&[&format!("license smart trust idtoken {token}")]);
    assert_eq!(told, "A trust code was asked for\n");
    assert!(world.run(&["show license status"]).contains("Trust Code installed: Jan 01"));
    world
}

#[test]
fn licence_files_are_converted_by_themselves_within_an_hour_and_booked_once() {
    let mut world = direct();
    world.pass(Timestamp::HOUR - 10);
    assert_eq!(state(&mut world), "", "it is blank until the device knows what there is");
    assert_eq!(purchases(&world), []);
    world.pass(60);
    let done = state(&mut world);
    let at = "    Status: Completed Jan 01 01:00:00 2026 UTC\n";
    assert!(done.ends_with(at) && done.contains("Automatic Conversion Enabled: True"), "{done}");
    let told = "CONVERSION_COMPLETE: 1 traditional licenses were converted, 0 were not";
    assert_eq!(world.switch.log.iter().filter(|line| line.contains(told)).count(), 1);
    // With the papers to show for it, and no other tier (CSSM-036).
    let [bought] = &purchases(&world)[..] else { panic!() };
    assert_eq!(
        (bought.license.as_str(), bought.order_number.as_str()),
        (LAN, "4XRV7A2/20210716142549123/1")
    );
    let events = world.cssm.cssm.events(world.cssm.sa, 100).unwrap();
    let papers = "converted (PAK 4XRV7A2, license file 20210716142549123, line 1)";
    assert_eq!(events.iter().filter(|event| event.text.contains(papers)).count(), 1, "{events:?}");
    // Whatever comes: a restart, syncs, a day, a trust code anew, down and up again.
    world.switch.boot_again("moved");
    world.deliver();
    world.run(&["license smart sync"]);
    world.pass(Timestamp::DAY);
    let token = world.cssm.token();
    world.run(&[&format!("license smart trust idtoken {token} force")]);
    world.install("9.3(2)");
    assert_eq!(world.run(&["show license brief"]), "own.lic\n");
    world.install("10.5(1)F");
    world.pass(2 * Timestamp::HOUR);
    assert!(state(&mut world).ends_with(at));
    assert_eq!(purchases(&world).len(), 1);
    let licenses = world.cssm.cssm.licenses(world.switch.now, world.cssm.sa).unwrap();
    let [lan] = &licenses[..] else { panic!("{licenses:?}") };
    assert_eq!((lan.license.as_str(), lan.purchased, lan.in_use, lan.balance), (LAN, 1, 1, 0));
    // PI-RUM-030: nothing was alarmed.
    assert!(world.cssm.cssm.alerts(world.cssm.sa).unwrap().is_empty());
}

#[test]
fn a_message_that_is_lost_or_a_cut_costs_nothing() {
    let mut world = direct();
    // The request is made, and does not arrive.
    world.switch.now = world.switch.now + Timestamp::HOUR;
    world.cssm.now = world.switch.now;
    world.switch.input(rumline_agent::Input::Tick);
    assert!(!world.switch.sent.is_empty());
    world.switch.sent.clear();
    world.switch.boot_again("no power");
    world.deliver();
    world.pass(3 * Timestamp::HOUR);
    assert!(state(&mut world).contains("    Status: Completed "), "{}", state(&mut world));
    assert_eq!(purchases(&world).len(), 1);
}

#[test]
fn a_cut_anywhere_in_a_later_upgrade_loses_no_licence_file() {
    // PI-MIG-018, PI-MIG-019
    let failures = [DiskError::Other("no power".to_owned()), DiskError::Full];
    for failure in failures {
        let mut is_whole = false;
        for after in 0..60 {
            let at = format!("{failure:?} after {after}");
            let mut world = direct();
            world.pass(2 * Timestamp::HOUR);
            world.install("9.3(2)");
            let file = second_license_file(&format!("VDH={SERIAL}"));
            world.switch.flash.files.insert("second.lic".to_owned(), file);
            world.run(&["install license bootflash:second.lic"]);
            assert_eq!(world.run(&["show license brief"]), "own.lic\nsecond.lic\n");
            world.switch.store.fails_after = Some((after, failure.clone()));
            world.install("10.5(1)F");
            is_whole = world.switch.store.failure.is_none();
            (world.switch.store.failure, world.switch.store.fails_after) = (None, None);
            world.switch.sent.clear();
            world.switch.boot_again("no power");
            world.deliver();
            if world.run(&["show version"]).contains("9.3(2)") {
                world.install("10.5(1)F");
            }
            world.run(&["configure terminal", "license smart transport smart", "end"]);
            world.run(&["copy running-config startup-config"]);
            world.pass(90 * 60);
            let told = state(&mut world);
            assert!(told.contains("    Status: Completed Jan 01 0"), "{at}: {told}");
            assert!(
                !told.contains("Completed Jan 01 01"),
                "{at}: that of the first upgrade: {told}"
            );
            assert_eq!(purchases(&world).len(), 2, "{at}");
            if is_whole {
                break;
            }
        }
        assert!(is_whole, "{failure:?}: there is an end to what is written");
    }
}

#[test]
fn the_first_report_by_file_waits_for_it_and_brings_it() {
    // FAQ 9; TOPO-6-005
    let mut world = World::standing("9.3(2)", Stands::Pak);
    world.install("10.3(2)F");
    world.run(&["configure terminal", "license smart transport off", "end"]);
    world.pass(600);
    let save = "license smart save usage all bootflash:usage.txt";
    let told = world.run(&[save]);
    let why = "Failure: save status: traditional licenses are found until Jan 01 01:00:00 2026 UTC: wait until \
               show license data conversion is not blank\n";
    assert_eq!(told, why);
    world.pass(Timestamp::HOUR);
    assert!(state(&mut world).ends_with("    Status: In progress\n"));
    assert!(world.run(&[save]).starts_with("Saved license usage"));
    let file = world.switch.flash.files["usage.txt"].clone();
    let taken = world.cssm.lab.upload("usage.txt", &file).unwrap();
    assert_eq!((taken.status.as_str(), taken.product_instances), ("No Errors", 1), "{taken:?}");
    assert_eq!(purchases(&world).len(), 1);
    let (_, ack) = world.cssm.cssm.acknowledgement_file(world.cssm.sa, taken.id).unwrap();
    let told = world.switch.import(&ack);
    assert!(told.starts_with("Import Data Successful"), "{told}");
    assert!(state(&mut world).contains("    Status: Completed "));
    // Brought once more it changes nothing.
    world.cssm.lab.upload("again.txt", &file).unwrap();
    assert_eq!(purchases(&world).len(), 1);
}

#[test]
fn one_licence_is_converted_for_one_switch() {
    let mut world = direct();
    world.pass(2 * Timestamp::HOUR);
    assert_eq!(purchases(&world).len(), 1);
    // Somebody made a file for another switch with the numbers of the first.
    let mut lab = boot(world.switch.now, older::MODEL, "FDO00000002", "9.3(2)", None).unwrap();
    lab.hardware.root_certificate.clone_from(&world.cssm.root);
    lab.boot_again("moved");
    lab.flash.files.insert("own.lic".to_owned(), license_file("VDH=FDO00000002"));
    lab.run(&["install license bootflash:own.lic"]);
    lab.configure(&["feature bgp"]);
    world.switch = lab;
    world.install("10.3(2)F");
    world.run(&["configure terminal", "license smart transport smart", "end"]);
    let token = world.cssm.token();
    world.run(&[&format!("license smart trust idtoken {token}")]);
    world.pass(2 * Timestamp::HOUR);
    let told = state(&mut world);
    let why = "    License file 20210716142549123, line 1: it was converted for another product instance\n";
    assert!(told.ends_with(why), "{told}");
    assert_eq!(purchases(&world).len(), 1);
}

#[test]
fn a_term_is_a_term_after_it_and_what_cannot_be_is_told() {
    let mut world = World::standing("9.3(2)", Stands::Rtu { entry: false });
    let file = older::odd_license_file(&format!("VDH={SERIAL}"), world.switch.now);
    world.switch.flash.files.insert("odd.lic".to_owned(), file);
    world.run(&["install license bootflash:odd.lic"]);
    world.install("10.3(2)F");
    world.run(&["configure terminal", "license smart transport smart", "end"]);
    let token = world.cssm.token();
    world.run(&[&format!("license smart trust idtoken {token}")]);
    world.pass(2 * Timestamp::HOUR);
    let told = state(&mut world);
    let why = "    License file 20210716142549124, line 3: a quantity is 1 to 1,000,000,000\n";
    assert!(told.contains("    Status: Completed ") && told.ends_with(why), "{told}");
    let [bought] = &purchases(&world)[..] else { panic!() };
    assert_eq!(
        (bought.kind.to_owned(), bought.order_number.as_str()),
        (rumline_cssm::PurchaseKind::Term, "4XRV7A3/20210716142549124/1")
    );
    assert_eq!(bought.ends_at, Some((rumline_testkit::START + 101 * Timestamp::DAY).seconds()));
}

/// A switch that got one licence file before it went up, and has trust since.
fn gone_up_with(file: impl Fn(Timestamp) -> Vec<u8>, up_seconds_before_midnight: i64) -> World {
    let mut world = World::standing("9.3(2)", Stands::Rtu { entry: false });
    world.switch.flash.files.insert("odd.lic".to_owned(), file(world.switch.now));
    world.run(&["install license bootflash:odd.lic"]);
    assert_eq!(world.run(&["show license brief"]), "odd.lic\n");
    world.pass(Timestamp::DAY - up_seconds_before_midnight);
    world.install("10.3(2)F");
    world.run(&["configure terminal", "license smart transport smart", "end"]);
    let token = world.cssm.token();
    world.run(&[&format!("license smart trust idtoken {token}")]);
    world.pass(2 * Timestamp::HOUR);
    world
}

#[test]
fn it_is_done_where_all_there_is_ends_before_it_was_asked_for() {
    let host = format!("VDH={SERIAL}");
    // It holds to the end of the day on which the switch goes up, ten minutes later.
    let mut world = gone_up_with(|now| older::term_license_file(&host, now, "4XRV7A4"), 600);
    let told = state(&mut world);
    assert!(told.contains("    Status: Completed ") && told.ends_with(" UTC\n"), "{told}");
    let log = world.switch.log.iter();
    let told = "CONVERSION_COMPLETE: 0 traditional licenses were converted, 0 were not";
    assert_eq!(log.filter(|line| line.contains(told)).count(), 1);
    assert_eq!(purchases(&world), []);
}

#[test]
fn a_line_that_stands_in_no_request_is_told_of() {
    let host = format!("VDH={SERIAL}");
    let pak = "P".repeat(65);
    let file = |now: Timestamp| older::term_license_file(&host, now + 100 * Timestamp::DAY, &pak);
    let mut world = gone_up_with(file, 600);
    let told = state(&mut world);
    let why = "    License file 20210716142549125, line 1: a name or number in it is empty, longer than 64 bytes, \
               or no text\n";
    assert!(told.contains("    Status: Completed ") && told.ends_with(why), "{told}");
    let log = world.switch.log.iter();
    let told = "CONVERSION_COMPLETE: 0 traditional licenses were converted, 1 were not";
    assert_eq!(log.filter(|line| line.contains(told)).count(), 1);
    assert_eq!(purchases(&world), []);
    // Once.
    world.switch.boot_again("moved");
    world.pass(Timestamp::DAY);
    assert_eq!(world.switch.log.iter().filter(|line| line.contains(told)).count(), 1);
}

#[test]
fn without_licence_files_there_is_nothing_to_convert() {
    let mut world = World::standing("9.3(5)", Stands::Rtu { entry: true });
    world.install("10.3(2)F");
    assert!(state(&mut world).ends_with("    Status: Not started\n"));
    world.run(&["configure terminal", "license smart transport off", "end"]);
    world.pass(60);
    assert!(world.run(&["license smart save usage all bootflash:a.txt"]).starts_with("Saved"));
}

/// Booked once, with its papers, and said so on the switch.
fn assert_converted_once(world: &mut World, at: &str) {
    let told = state(world);
    assert!(told.contains("    Status: Completed "), "{at}: {told}");
    let [bought] = &purchases(world)[..] else { panic!("{at}: {:?}", purchases(world)) };
    assert_eq!(
        (bought.license.as_str(), bought.order_number.as_str()),
        (LAN, "4XRV7A2/20210716142549123/1"),
        "{at}"
    );
    let events = world.cssm.cssm.events(world.cssm.sa, 1000).unwrap();
    let papers = "converted (PAK 4XRV7A2, license file 20210716142549123, line 1)";
    let told = events.iter().filter(|event| event.text.contains(papers)).count();
    assert_eq!(told, 1, "{at}: {events:?}");
    let licenses = world.cssm.cssm.licenses(world.switch.now, world.cssm.sa).unwrap();
    let [lan] = &licenses[..] else { panic!("{at}: {licenses:?}") };
    assert_eq!((lan.purchased, lan.in_use, lan.balance), (1, 1, 0), "{at}");
    assert_eq!(world.cssm.cssm.verify_totals().unwrap(), [], "{at}");
}

#[test]
fn through_a_cslu_an_on_prem_and_by_file_it_is_booked_once_however_often_it_is_asked_for() {
    // Topologies 1 to 6; PI-MIG-018, PI-RUM-010, CSSM-035, TOPO-6-005
    for topology in TOPOLOGIES {
        let at = format!("{topology:?}");
        let mut world = World::standing("9.3(2)", Stands::Pak);
        world.install("10.3(2)F");
        let server = world.reach(topology);
        world.pass(Timestamp::HOUR + 60);
        assert_eq!(purchases(&world).len(), usize::from(!topology.is_by_file()), "{at}");
        // Asked for, and asked again before there is an answer: by the switch, and by a file that is carried twice.
        world.run(&["license smart sync"]);
        world.run(&["license smart sync"]);
        if topology.is_by_file() {
            assert!(state(&mut world).ends_with("    Status: In progress\n"), "{at}");
        }
        world.days(2, topology, server);
        assert_converted_once(&mut world, &at);
        // The owner removes the product instance, here and there; it is back with what it says next.
        world.cssm.let_go(SERIAL);
        if let Some(server) = server {
            let (tenant, now) = (world.tenant(server), world.switch.now);
            let collector = world.collector(server);
            let id = collector.instances(tenant, "", Default::default(), 1).unwrap()[0].id;
            collector.remove_instance(now, &rumline_testkit::admin(), tenant, id).unwrap();
        }
        world.switch.boot_again("moved");
        world.deliver();
        if topology == Topology::Direct {
            let token = world.cssm.token();
            world.run(&[&format!("license smart trust idtoken {token} force")]);
        }
        world.days(2, topology, server);
        assert_eq!(world.cssm.instances().len(), 1, "{at}");
        assert_converted_once(&mut world, &at);
        // Down and up again.
        world.install("9.3(2)");
        world.install("10.5(1)F");
        world.days(1, topology, server);
        assert_converted_once(&mut world, &at);
    }
}

#[test]
fn two_supervisors_that_ask_are_one_switch() {
    // PI-HA-009, PI-MIG-018: the answer to the first gets lost with it
    const CHASSIS: &str = "N9K-C9504";
    const OTHER: &str = "FOX2308PCEX";
    use rumline_switch::{OtherState, OtherSupervisor, Redundancy, Slot};
    for answered in [true, false] {
        let cssm = rumline_testkit::Estate::new();
        let config = "hostname spine\nfeature bgp\n";
        let mut switch = boot(cssm.now, CHASSIS, SERIAL, "9.3(2)", Some(config)).unwrap();
        switch.hardware.root_certificate.clone_from(&cssm.root);
        switch.boot_again("moved");
        let mut world = World { cssm, switch, servers: Vec::new() };
        let file = license_file(&format!("VDH={SERIAL}"));
        world.switch.flash.files.insert("own.lic".to_owned(), file);
        world.run(&["install license bootflash:own.lic"]);
        world.install("10.3(2)F");
        let pair = |world: &mut World, slot: Slot, other: &str| {
            let udi = rumline_protocol::Udi::new(CHASSIS, other).unwrap();
            let other = Some(OtherSupervisor { udi, state: OtherState::Standby });
            world.switch.redundancy(Redundancy { slot, other, is_copy: false });
            world.deliver();
        };
        pair(&mut world, Slot::One, OTHER);
        world.run(&["configure terminal", "license smart transport smart", "end"]);
        world.run(&["copy running-config startup-config"]);
        let token = world.cssm.token();
        world.run(&[&format!("license smart trust idtoken {token} all")]);
        if answered {
            world.pass(Timestamp::HOUR + 60);
        } else {
            world.pass(Timestamp::HOUR - 60);
            for _ in 0..8 {
                world.switch.now = world.switch.now + 30;
                world.switch.input(rumline_agent::Input::Tick);
                world.arrive_unanswered();
            }
        }
        assert_eq!(purchases(&world).len(), 1, "{answered}");
        world.switch.hardware.serial = OTHER.to_owned();
        world.switch.boot_again("switchover");
        pair(&mut world, Slot::Two, SERIAL);
        world.pass(Timestamp::DAY);
        world.run(&["license smart sync"]);
        world.pass(Timestamp::DAY);
        let told = state(&mut world);
        assert!(told.contains("    Status: Completed ") && !told.contains("another"), "{told}");
        assert_eq!(purchases(&world).len(), 1, "{answered}");
        let events = world.cssm.cssm.events(world.cssm.sa, 1000).unwrap();
        assert!(events.iter().all(|event| !event.text.contains("not converted")), "{events:?}");
    }
}

#[test]
fn what_was_refused_is_not_asked_for_again() {
    let mut world = World::standing("9.3(2)", Stands::Rtu { entry: false });
    let file = older::odd_license_file(&format!("VDH={SERIAL}"), world.switch.now);
    world.switch.flash.files.insert("odd.lic".to_owned(), file);
    world.run(&["install license bootflash:odd.lic"]);
    world.install("10.3(2)F");
    let server = world.reach(Topology::OnPremByFile);
    world.pass(Timestamp::HOUR + 60);
    world.days(3, Topology::OnPremByFile, server);
    let refused = |world: &World| {
        let events = world.cssm.cssm.events(world.cssm.sa, 1000).unwrap();
        events.iter().filter(|event| event.text.contains("not converted")).count()
    };
    let told = state(&mut world);
    assert!(told.contains("    Status: Completed "), "{told}");
    assert_eq!((refused(&world), purchases(&world).len()), (1, 1));
    world.switch.boot_again("moved");
    world.run(&["license smart sync"]);
    world.days(2, Topology::OnPremByFile, server);
    world.install("9.3(2)");
    world.install("10.3(2)F");
    world.days(2, Topology::OnPremByFile, server);
    assert_eq!(state(&mut world), told);
    assert_eq!((refused(&world), purchases(&world).len()), (1, 1));
}
