//! What switches of before Smart Licensing Using Policy said, said again, by others, or by the other supervisor of a chassis
//! (PI-MIG-011, PI-MIG-024, PI-TRUST-012, CSSM-034).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
#[path = "common/older.rs"]
mod older;

use common::*;
use older::{MODEL, ON_PREM, World};
use rumline_collector::Kind;
use rumline_protocol::{RequestBody, Timestamp, Udi};
use rumline_switch::{OtherState, OtherSupervisor, Redundancy, Slot};

const CHASSIS: &str = "N9K-C9504";
const SECOND: &str = "FOX2308PCEX";
const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

/// A switch that is registered with CSSM, or with an SSM On-Prem.
fn registered(pid: &str, on_prem: bool) -> World {
    let mut world = World::new("9.3(7)", "hostname leaf\nfeature bgp\nlicense smart enable\n");
    let config = world.switch.switch.running().render();
    world.switch = boot(world.cssm.now, pid, SERIAL, "9.3(7)", Some(&config)).unwrap();
    world.switch.hardware.root_certificate.clone_from(&world.cssm.root);
    world.switch.boot_again("moved");
    world.run(&["copy running-config startup-config"]);
    let token = if on_prem {
        let server = world.add_server(ON_PREM, Kind::OnPrem, true);
        world.callhome_on_prem();
        world.on_prem_token(server)
    } else {
        world.cssm.token()
    };
    world.run(&["copy running-config startup-config"]);
    world.run(&[&format!("license smart register idtoken {token} all")]);
    assert!(world.run(&["show license status"]).contains("  Status: REGISTERED\n"));
    world.pass(2 * Timestamp::HOUR);
    world
}

/// The other supervisor of the chassis is there.
fn pair(world: &mut World, slot: Slot, other: &str) {
    let udi = Udi::new(CHASSIS, other).unwrap();
    let other = Some(OtherSupervisor { udi, state: OtherState::Standby });
    world.switch.redundancy(Redundancy { slot, other, is_copy: false });
    world.deliver();
}

/// The other supervisor is the active one from now on.
fn switch_over(world: &mut World, (serial, other): (&str, &str), slot: Slot) {
    world.switch.hardware.serial = serial.to_owned();
    world.switch.boot_again("switchover");
    pair(world, slot, other);
}

/// How many of a license are in use, at CSSM and at the SSM On-Prem where there is one.
fn in_use(world: &World) -> Vec<i64> {
    let there = world.cssm.cssm.licenses(world.cssm.now, world.cssm.sa).unwrap();
    let mut all = vec![there.iter().filter(|own| own.license == LAN).map(|own| own.in_use).sum()];
    for (_, server) in &world.servers {
        let here = world.collector(*server).licenses(world.tenant(*server)).unwrap();
        all.push(here.iter().filter(|own| own.license == LAN).map(|own| own.in_use).sum());
    }
    all
}

/// Gives lines, and hands out what they send instead of carrying it.
fn said(world: &mut World, line: &str) -> Sent {
    world.switch.run(&[line]);
    assert_eq!(world.switch.sent.len(), 1, "{line}");
    world.switch.sent.remove(0)
}

/// What arrives once more, from whoever it is.
fn again(world: &mut World, sent: &Sent) {
    world.switch.sent.insert(0, sent.clone());
    world.deliver();
}

#[test]
fn the_other_supervisor_takes_the_registration_over_and_its_chassis_counts_once() {
    for on_prem in [false, true] {
        let mut world = registered(CHASSIS, on_prem);
        assert!(in_use(&world).iter().all(|count| *count == 1), "{on_prem}");
        pair(&mut world, Slot::One, SECOND);
        for (serial, other, slot) in
            [(SECOND, SERIAL, Slot::Two), (SERIAL, SECOND, Slot::One), (SECOND, SERIAL, Slot::Two)]
        {
            switch_over(&mut world, (serial, other), slot);
            world.run(&["license smart renew auth"]);
            world.pass(2 * Timestamp::HOUR);
            let told = world.run(&["show license status"]);
            assert!(told.contains("  Status: REGISTERED\n"), "{on_prem} {serial}: {told}");
            assert_eq!(in_use(&world), vec![1; world.servers.len() + 1], "{on_prem} {serial}");
            assert_eq!(world.cssm.instance(serial).licenses.len(), 1, "{on_prem} {serial}");
            assert_eq!(world.cssm.cssm.verify_totals().unwrap(), []);
        }
        // After the upgrade reports say it, of whichever supervisor.
        world.install("10.3(2)F");
        world.pass(4 * Timestamp::DAY);
        assert_eq!(in_use(&world), vec![1; world.servers.len() + 1], "{on_prem}");
        assert!(world.cssm.instance(SECOND).trusted, "{on_prem}: by its registration");
    }
}

#[test]
fn a_chassis_that_is_registered_by_the_other_supervisor_too_counts_once() {
    for on_prem in [false, true] {
        let mut world = registered(CHASSIS, on_prem);
        pair(&mut world, Slot::One, SECOND);
        world.switch.hardware.serial = SECOND.to_owned();
        world.switch.boot_again("switchover");
        let token = if on_prem { world.on_prem_token(0) } else { world.cssm.token() };
        world.run(&[&format!("license smart register idtoken {token} all force")]);
        world.pass(2 * Timestamp::HOUR);
        assert_eq!(in_use(&world), vec![1; world.servers.len() + 1], "{on_prem}");
        assert_eq!(world.cssm.cssm.verify_totals().unwrap(), []);
    }
}

#[test]
fn a_chassis_whose_other_supervisor_reports_after_the_upgrade_counts_once() {
    for on_prem in [false, true] {
        let mut world = registered(CHASSIS, on_prem);
        // No word of before is said by the one that comes up.
        pair(&mut world, Slot::One, SECOND);
        world.switch.hardware.serial = SECOND.to_owned();
        world.install("10.3(2)F");
        pair(&mut world, Slot::Two, SERIAL);
        let token = world.cssm.token();
        if !on_prem {
            world.run(&[&format!("license smart trust idtoken {token} all")]);
        }
        world.pass(4 * Timestamp::DAY);
        assert!(world.cssm.instance(SECOND).reports > 0, "{on_prem}");
        assert_eq!(in_use(&world), vec![1; world.servers.len() + 1], "{on_prem}");
        assert_eq!(world.cssm.cssm.verify_totals().unwrap(), []);
    }
}

#[test]
fn what_ended_a_registration_ends_no_later_one_and_old_counts_do_not_come_back() {
    for on_prem in [false, true] {
        let mut world = registered(MODEL, on_prem);
        let one = said(&mut world, "license smart renew auth");
        world.switch.sent.clear();
        again(&mut world, &one);
        world.pass(2 * Timestamp::HOUR);
        let old_count = one;
        world.run(&["configure terminal", "no feature bgp", "end"]);
        world.pass(20 * 60);
        again(&mut world, &old_count);
        world.pass(2 * Timestamp::HOUR);
        assert_eq!(in_use(&world), vec![0; world.servers.len() + 1], "{on_prem}");
        world.run(&["configure terminal", "feature bgp", "end"]);
        world.pass(2 * Timestamp::HOUR);
        let farewell = said(&mut world, "license smart deregister");
        again(&mut world, &farewell);
        let token = if on_prem { world.on_prem_token(0) } else { world.cssm.token() };
        world.pass(10 * 60);
        world.run(&[&format!("license smart register idtoken {token}")]);
        again(&mut world, &farewell);
        again(&mut world, &old_count);
        world.pass(2 * Timestamp::HOUR);
        world.run(&["license smart renew auth"]);
        world.pass(2 * Timestamp::HOUR);
        assert!(world.run(&["show license status"]).contains("  Status: REGISTERED\n"));
        assert_eq!(in_use(&world), vec![1; world.servers.len() + 1], "{on_prem}");
        assert_eq!(world.cssm.instances().len(), 1, "{on_prem}");
        assert_eq!(world.cssm.cssm.verify_totals().unwrap(), []);
    }
}

#[test]
fn what_a_switch_writes_beside_what_it_signs_goes_no_further_and_holds_nobody_up() {
    let mut world = registered(MODEL, true);
    let mut sent = said(&mut world, "license smart renew auth");
    let mut request = sent.request.clone();
    request.agent_version = "\"".repeat(12 << 20);
    request.software_tag_identifier = "x".repeat(1 << 20);
    let mut envelope = sent.envelope.clone().unwrap();
    envelope.message = serde_json::to_vec(&request).unwrap();
    sent.body = envelope.write().into_bytes();
    again(&mut world, &sent);
    let (tenant, now) = (world.tenant(0), world.switch.now);
    let batch = world.collector(0).next_batch(now, tenant).unwrap().unwrap();
    assert!(batch.bytes.len() < 64 << 10, "{}", batch.bytes.len());
    world.pass(2 * Timestamp::HOUR);
    assert_eq!(in_use(&world), [1, 1]);
}

#[test]
fn counts_that_no_switch_has_are_refused_with_what_is_wrong() {
    for on_prem in [false, true] {
        let mut world = registered(MODEL, on_prem);
        let sent = said(&mut world, "license smart renew auth");
        let RequestBody::SmartLicensing { uses, .. } = &sent.request.body else { panic!() };
        let own = uses[0].clone();
        let with = |count| rumline_protocol::OlderUse { count, ..own.clone() };
        for (uses, why) in [
            (vec![with(0)], "is said to be in use 0 times: 1 to 1024"),
            (vec![with(u32::MAX)], "4294967295 times"),
            (vec![with(1), with(1)], "twice"),
            (vec![with(1); 257], "names too many licenses"),
        ] {
            let checked = rumline_protocol::OlderUse::check_all(&uses).unwrap_err();
            assert!(checked.contains(why), "{checked}");
        }
        assert_eq!(rumline_protocol::OlderUse::check_all(&[with(1024)]), Ok(()));
        again(&mut world, &sent);
        assert_eq!(in_use(&world), vec![1; world.servers.len() + 1]);
    }
}
