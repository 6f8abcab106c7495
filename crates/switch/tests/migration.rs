//! From licensing of before to Smart Licensing Using Policy and back, with the real CSSM (PI-MIG-001 to 026, F-36 to F-38, F-40).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
#[path = "common/older.rs"]
mod older;

use common::*;
use older::{ALL, MODEL, Stands, TENANT, World};
use rumline_agent::DiskError;
use rumline_catalogue::{Catalogue, Licensing};
use rumline_protocol::{Timestamp, Udi};
use rumline_switch::{OtherState, OtherSupervisor, Redundancy, Slot};

const RELEASES: [&str; 6] = ["7.0(3)I7(8)", "9.2(4)", "9.3(3)", "9.3(4)", "9.3(13)", "10.1(2)"];

fn status(world: &mut World) -> String {
    world.run(&["show license status"])
}

#[test]
fn a_switch_registers_with_cssm_over_call_home_is_authorised_and_goes() {
    // PI-MIG-020, CSSM-034, PI-SHOW-038
    let mut world = World::standing("9.3(5)", Stands::Direct);
    let told = status(&mut world);
    for part in [
        "  Status: REGISTERED\n  Smart Account: Example\n  Virtual Account: Default\n",
        "  Initial Registration: SUCCEEDED on Jan 01 00:00:00 2026 UTC\n",
        "  Next Renewal Attempt: Jun 30 00:00:00 2026 UTC\n",
        "  Registration Expires: Jan 01 00:00:00 2027 UTC\n",
        "  Communication Deadline: Apr 01 00:00:00 2026 UTC\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Nothing was bought.
    assert!(told.contains("  Status: OUT OF COMPLIANCE on Jan 01 00:00:00 2026 UTC\n"), "{told}");
    let [instance] = &world.cssm.instances()[..] else { panic!() };
    assert_eq!(
        (instance.name.as_str(), instance.software_version.as_deref()),
        ("leaf", Some("9.3(5)"))
    );
    assert!(!instance.trusted && instance.last_report_at.is_none());
    let used: Vec<_> =
        instance.licenses.iter().map(|own| (own.license.as_str(), own.count)).collect();
    assert_eq!(used, [("LAN_ENTERPRISE_SERVICES_PKG", 1)]);
    // Another feature is told at once, and one that goes too.
    world.run(&["configure terminal", "feature nv overlay", "end"]);
    assert_eq!(world.cssm.instance(SERIAL).licenses.len(), 1, "the same package");
    world.run(&[
        "configure terminal",
        "no feature bgp",
        "no feature pim",
        "no feature nv overlay",
        "end",
    ]);
    assert!(world.cssm.instance(SERIAL).licenses.is_empty());
    // Half a year later it is renewed, and was heard of each month.
    world.pass(200 * Timestamp::DAY);
    let told = status(&mut world);
    assert!(
        told.contains("  Last Renewal Attempt: SUCCEEDED on Jun 30 00:00:00 2026 UTC\n"),
        "{told}"
    );
    assert!(world.run(&["license smart renew auth"]).starts_with("Renewal was started"));
    let told = world.run(&["license smart deregister"]);
    assert_eq!(told, "Deregistration was started\n");
    assert!(world.cssm.instances().is_empty());
    let told = status(&mut world);
    assert!(told.contains("  Status: UNREGISTERED\n  Smart Account: Example\n"), "{told}");
}

#[test]
fn what_cannot_be_registered_is_told_why_in_both_modes() {
    // C-39, PI-MIG-024
    let mut world = World::new("9.3(5)", "hostname leaf\nfeature bgp\n");
    let token = world.cssm.token();
    let register = format!("license smart register idtoken {token}");
    let told = world.run(&[&register]);
    assert!(told.contains("configure license smart enable first"), "{told}");
    world.run(&["configure terminal", "license smart enable"]);
    let told = world.run(&["license smart register idtoken nonsense"]);
    assert_eq!(told, "Failure: register status: the token is not valid\n");
    // In configuration mode, as the guide has it for two supervisors.
    let told = world.run(&[&format!("{register} all"), "end"]);
    assert!(told.starts_with("Registration process is in progress"), "{told}");
    let told = status(&mut world);
    assert!(told.contains("  Status: REGISTERED\n"), "{told}");
    let told = world.run(&[&register]);
    assert!(told.contains("registered already"), "{told}");
    let lines = world.run(&["show running-config | include idtoken", "show cli history"]);
    assert!(!lines.contains(&token), "{lines}");
    // The owner takes it away: the switch hears of it.
    world.cssm.let_go(SERIAL);
    world.run(&["license smart renew auth"]);
    assert!(status(&mut world).contains("  Status: UNREGISTERED\n"));
    let told = "REGISTRATION_UNKNOWN: The server knows no registration of this switch, which is registered no more: register it again";
    assert!(world.switch.log.iter().any(|line| line.contains(told)), "{:?}", world.switch.log);
    // A token that was revoked is refused by CSSM, and that is all that happens.
    let (id, token) = world.cssm.new_token(world.cssm.va, None);
    let (cssm, sa) = (&world.cssm.cssm, world.cssm.sa);
    cssm.revoke_token(world.cssm.now, &rumline_testkit::admin(), sa, id).unwrap();
    world.run(&[&format!("license smart register idtoken {token}")]);
    let told = status(&mut world);
    assert!(told.contains("UNREGISTERED - REGISTRATION FAILED"), "{told}");
    assert!(told.contains("    Failure reason: the token has been revoked\n"), "{told}");
    assert!(world.switch.log.iter().any(|line| line.contains("LOG_SMART_LIC_AGENT_REG_FAILED")));
}

#[test]
fn each_start_on_each_release_comes_to_what_the_tables_say() {
    // PI-MIG-001, 002, 004, 008, 009, 011, 013 to 017, 019, 023, 026; PI-LIC-008; PI-TRUST-012; ONPREM-018
    let catalogue = Catalogue::nexus();
    let mut cells = 0;
    for from in RELEASES {
        let has_smart =
            catalogue.release(from).unwrap().licensing.contains(&Licensing::SmartLicensing);
        for stands in ALL.into_iter().filter(|stands| has_smart || !stands.is_smart()) {
            for to in ["10.2(1)F", "10.3(2)F", "10.5(1)F"] {
                cell(stands, (from, has_smart), to);
                cells += 1;
            }
        }
    }
    assert_eq!(cells, (4 * 7 + 2 * 3) * 3);
}

fn cell(stands: Stands, (from, has_smart): (&str, bool), to: &str) {
    let at = format!("{stands:?} from {from} to {to}");
    let mut world = World::standing(from, stands);
    let features = world.run(&["show feature | include enabled"]);
    // CSSM knows both kinds that are registered: one told it so itself, the other by its SSM On-Prem.
    let is_registered = matches!(stands, Stands::Direct | Stands::OnPrem);
    if stands == Stands::OnPrem {
        world.pass(Timestamp::HOUR);
    }
    let before = world.cssm.instances();
    assert_eq!(before.len(), usize::from(is_registered), "{at}");
    let told = world.install(to);
    // C-36, PI-MIG-008
    assert_eq!(told.contains("COMM_FAILED is told until"), !is_registered, "{at}: {told}");
    assert_eq!(world.switch.reloads, 1, "{at}: {told}");
    assert!(world.switch.log.iter().any(|line| line.contains("LOG_SMART_LIC_MIGRATED")), "{at}");
    // Features and counts.
    let has_ndb = stands == Stands::Rtu { entry: true };
    let now = world.run(&["show feature | include enabled"]);
    assert_eq!(now, features, "{at}");
    assert_eq!(now.contains("tap-aggregation      1          enabled"), has_ndb, "{at}: {now}");
    let lines = world.run(&["show running-config"]);
    assert_eq!(lines.contains("\nfeature tap-aggregation\n"), has_ndb, "{at}: {lines}");
    assert!(!lines.contains("license smart enable"), "{at}: {lines}");
    let mut counts = vec![("LAN_ENTERPRISE_SERVICES_PKG".to_owned(), 1)];
    if has_ndb {
        counts.insert(0, ("DCN_NDB".to_owned(), 1));
    }
    let mut own = world.counts();
    own.sort();
    assert_eq!(own, counts, "{at}");
    let usage = world.run(&["show license usage"]);
    assert_eq!(
        usage.matches("  Status: IN USE\n  Enforcement Type: NOT ENFORCED\n").count(),
        counts.len()
    );
    // Transport, as in the guide's table, and in what is saved.
    let told = status(&mut world);
    let transport = match stands {
        Stands::Direct => "Transport:\n  Type: Callhome\n".to_owned(),
        Stands::OnPrem => format!("Transport:\n  Type: CSLU\n  Cslu address: {TENANT}\n"),
        _ => "Transport:\n  Type: CSLU\n  Cslu address: cslu-local\n".to_owned(),
    };
    assert!(told.contains(&transport), "{at}: {told}");
    assert!(told.contains("  Policy in use: Merged from multiple sources\n"), "{at}");
    assert!(told.contains("    First report requirement (days): 90 (CISCO default)\n"), "{at}");
    // Trust, from the registration alone.
    assert_eq!(
        told.contains("Trust Code installed: <none>"),
        stands != Stands::Direct,
        "{at}: {told}"
    );
    let started = world.switch.now;
    if is_registered {
        // Until its first report it counts as it did (PI-MIG-017 says so of all others, who are not there at all).
        let [mut instance] = <[_; 1]>::try_from(world.cssm.instances()).unwrap();
        instance.trusted &= stands != Stands::Direct;
        instance.last_contact_at = before[0].last_contact_at;
        // A page says since when the registration is a trust code.
        if let Some(own) = &mut instance.smart_licensing {
            assert_eq!(own.trusted_at.is_some(), stands == Stands::Direct, "{at}");
            own.trusted_at = None;
        }
        assert_eq!([instance], before[..], "{at}");
    } else {
        assert!(world.cssm.instances().is_empty(), "{at}");
        let deadline = told.lines().find(|line| line.contains("Next ACK deadline")).unwrap();
        let wanted = format!("  Next ACK deadline: {}", time(started.plus_days(90)));
        assert_eq!(deadline, wanted, "{at}");
    }
    // It goes on by itself: a report to CSSM, or a CSLU that is not there.
    let hours = if is_registered { 48 } else { 5 };
    world.pass(hours * Timestamp::HOUR);
    let failed = world.switch.log.iter().any(|line| line.contains("LOG_SMART_LIC_COMM_FAILED"));
    assert_eq!(failed, !is_registered, "{at}");
    if is_registered {
        let instance = world.cssm.instance(SERIAL);
        assert!(instance.trusted && instance.reports > 0, "{at}: {instance:?}");
        let used: Vec<_> = instance.licenses.iter().map(|l| (l.license.clone(), l.count)).collect();
        assert_eq!(used, [("LAN_ENTERPRISE_SERVICES_PKG".to_owned(), 1)], "{at}");
        // The name is that of the release (PI-MIG-011, C-20).
        let udi = format!("UDI_PID:{MODEL}, UDI_SN:{SERIAL}");
        assert_eq!(instance.name, if to == "10.2(1)F" { udi.as_str() } else { "leaf" }, "{at}");
        // No second of before is counted.
        assert!(world.cssm.lab.counted(SERIAL) <= 2 * Timestamp::DAY, "{at}");
        assert_eq!(world.cssm.cssm.verify_totals().unwrap(), [], "{at}");
    }
    // Down: it has to be registered anew, and nothing else is missing. And up again.
    let told = world.install(from);
    let row = match stands {
        _ if !has_smart => "holds licenses by PAK, RTU",
        Stands::Direct => "reregister the product instance",
        _ => "restore licenses",
    };
    assert!(told.contains(row), "{at}: {told}");
    assert_eq!(world.run(&["show feature | include enabled"]), features, "{at}");
    if stands == Stands::Pak {
        assert_eq!(world.run(&["show license brief"]), "own.lic\n", "{at}");
    }
    if stands == Stands::Direct {
        world.run(&["configure terminal", "license smart enable", "end"]);
        assert!(status(&mut world).contains("  Status: UNREGISTERED\n"), "{at}");
        let token = world.cssm.token();
        world.run(&[&format!("license smart register idtoken {token} all")]);
        assert!(status(&mut world).contains("  Status: REGISTERED\n"), "{at}");
        assert_eq!(world.cssm.instance(SERIAL).name, "leaf", "{at}");
        assert_eq!(world.cssm.instances().len(), 1, "{at}");
    }
    world.install(to);
    assert_eq!(world.run(&["show feature | include enabled"]), features, "{at}");
    let mut own = world.counts();
    own.sort();
    assert_eq!(own, counts, "{at}");
    if stands == Stands::Direct {
        world.pass(40 * Timestamp::DAY);
        let told = status(&mut world);
        assert!(
            told.contains("Type: Callhome") && !told.contains("installed: <none>"),
            "{at}: {told}"
        );
        assert_eq!(world.cssm.instance(SERIAL).licenses.len(), 1, "{at}");
        assert_eq!(world.cssm.cssm.verify_totals().unwrap(), [], "{at}");
    }
}

#[test]
fn a_registered_switch_goes_to_cslu_from_two_releases_where_that_is_asked_for() {
    // PI-MIG-006, C-60
    for (from, goes) in [("9.3(3)", true), ("9.3(4)", true), ("9.3(5)", false), ("10.1(2)", false)]
    {
        let mut world = World::standing(from, Stands::Direct);
        world.switch.hardware.with_defects = true;
        world.switch.boot_again("moved");
        // What is said before is what comes.
        let said = world.install("10.2(1)F");
        assert_eq!(said.contains("COMM_FAILED is told until"), goes, "{from}: {said}");
        assert_eq!(said.contains("given by CSSM for the registration"), !goes, "{from}: {said}");
        assert!(!said.contains("not registered with CSSM"), "{from}: {said}");
        let told = status(&mut world);
        assert_eq!(told.contains("  Type: CSLU\n"), goes, "{from}: {told}");
        assert_eq!(told.contains("Trust Code installed: <none>"), goes, "{from}: {told}");
        // The way out is that of the guide: Call Home by hand, and trust; here the registration stands for it.
        world.run(&["configure terminal", "license smart transport callhome", "end"]);
        world.run(&["copy running-config startup-config"]);
        world.pass(Timestamp::DAY);
        let told = status(&mut world);
        assert!(told.contains("  Type: Callhome\n"), "{from}: {told}");
        assert!(!told.contains("Trust Code installed: <none>"), "{from}: {told}");
        assert!(world.cssm.instance(SERIAL).reports > 0, "{from}");
        // PI-MIG-007: it is one product instance, whatever its name.
        assert_eq!(world.cssm.instances().len(), 1, "{from}");
    }
}

fn time(at: Timestamp) -> String {
    let t = at.civil();
    let (hour, minute, second) = (t.hour, t.minute, t.second);
    format!("{} {:02} {hour:02}:{minute:02}:{second:02} {} UTC", t.month_name(), t.day, t.year)
}

#[test]
fn power_that_is_cut_anywhere_leaves_a_registered_switch_on_one_side_or_the_other() {
    // PI-MIG-004, PI-MIG-019, PI-TRUST-012
    let mut seen = std::collections::BTreeSet::new();
    for after in 0..40 {
        for failure in [DiskError::Other("no power".to_owned()), DiskError::Full] {
            let mut world = World::standing("9.3(5)", Stands::Direct);
            world.switch.store.fails_after = Some((after, failure));
            world.install("10.2(1)F");
            (world.switch.store.failure, world.switch.store.fails_after) = (None, None);
            world.switch.sent.clear();
            world.switch.boot_again("no power");
            world.deliver();
            // What could not be written the first time is at a later start.
            world.switch.boot_again("moved");
            world.deliver();
            world.pass(2 * Timestamp::HOUR);
            let told = status(&mut world);
            let is_old = told.contains("  Status: REGISTERED\n");
            let is_new = told.contains("  Type: Callhome\n")
                && told.contains("Trust Code installed: Jan 01");
            assert!(is_old != is_new, "{after}: {told}");
            assert_eq!(world.cssm.instances().len(), 1, "{after}");
            seen.insert(is_old);
        }
    }
    assert_eq!(seen.len(), 2, "both were there");
}

#[test]
fn the_guides_lines_register_a_chassis_after_a_downgrade() {
    // Table 3 (p. 52): PI-MIG-024, C-39
    let Some(path) = shared("spec/golden/config/downgrade_register.txt") else { return };
    let mut world = World::standing("9.3(7)", Stands::Direct);
    world.install("10.2(1)F");
    world.install("9.3(7)");
    assert!(!status(&mut world).contains("  Status: REGISTERED\n"));
    let token = world.cssm.token();
    world.run(&["configure terminal"]);
    for line in read(&path).lines() {
        let told = world.run(&[&line.replace("idtoken idtoken", &format!("idtoken {token}"))]);
        assert!(!told.starts_with('%') && !told.starts_with("Failure"), "{line}: {told}");
    }
    assert!(status(&mut world).contains("  Status: REGISTERED\n"));
}

/// The lines of a sample without its prompt, without regard to blanks.
fn fields(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let is_told = |line: &String| !line.is_empty() && !line.starts_with("Device#");
    lines.filter(is_told).collect()
}

#[test]
fn the_guides_chassis_with_two_supervisors_comes_to_the_guides_outputs() {
    // Table 4 and figures 8 to 10 (p. 53-60): PI-MIG-009, PI-MIG-010, PI-MIG-011, PI-SHOW-019, PI-SHOW-038, C-18
    const CHASSIS: &str = "N9K-C9504";
    let config = "hostname Device\nfeature bgp\nfeature itd\nlicense smart enable\nip access-list iptest\n  permit ip any any \
                  redirect Ethernet1/1\ncallhome\n  email-contact ops@example.net\n  enable\n";
    let cssm = rumline_testkit::Estate::new();
    let mut switch = boot(cssm.now, CHASSIS, "FOX2308PCEN", "9.3(7)", Some(config)).unwrap();
    switch.hardware.root_certificate.clone_from(&cssm.root);
    switch.boot_again("moved");
    let mut world = World { cssm, switch, servers: Vec::new() };
    let pair = |world: &mut World| {
        let udi = Udi::new(CHASSIS, "FOX2308PCEX").unwrap();
        let other = Some(OtherSupervisor { udi, state: OtherState::Standby });
        world.switch.redundancy(Redundancy { slot: Slot::One, other, is_copy: false });
        world.deliver();
    };
    pair(&mut world);
    let purchase = |license: &str| rumline_cssm::Purchase {
        license: license.to_owned(),
        quantity: 2,
        kind: rumline_cssm::PurchaseKind::Perpetual,
        starts_at: 0,
        ends_at: None,
        order_number: String::new(),
    };
    for license in ["LAN_ENTERPRISE_SERVICES_PKG", "NETWORK_SERVICES_PKG"] {
        let (sa, va) = (world.cssm.sa, world.cssm.va);
        let actor = rumline_testkit::admin();
        world.cssm.cssm.add_purchase(world.cssm.now, &actor, sa, va, &purchase(license)).unwrap();
    }
    let token = world.cssm.token();
    world.run(&[&format!("license smart register idtoken {token} all")]);
    let before = world.run(&["show license usage"]);
    assert_eq!(world.run(&["show license udi"]), "UDI: PID:N9K-C9504, SN:FOX2308PCEN\n");
    let [instance] = &world.cssm.instances()[..] else { panic!() };
    assert_eq!(instance.name, "Device");
    world.install("10.2(1)F");
    pair(&mut world);
    world.pass(Timestamp::DAY);
    let after = world.run(&["show license usage"]);
    for (own, name) in [
        (&before, "license_usage__legacy_sl_registered.txt"),
        (&after, "license_usage__slp_ha_after_sl_migration.txt"),
    ] {
        let Some(path) = shared(&format!("spec/golden/show/{name}")) else { continue };
        let told = own.replace("Jan 01 00:00:00 2026", "Jul 16 14:26:01 2021");
        assert_eq!(fields(&told), fields(&read(&path)), "{name}");
    }
    let udi = world.run(&["show license udi"]);
    assert!(udi.contains("  Active: PID:N9K-C9504, SN:FOX2308PCEN\n"), "{udi}");
    assert!(udi.contains("  Standby: PID:N9K-C9504, SN:FOX2308PCEX\n"), "{udi}");
    let told = status(&mut world);
    assert_eq!(told.matches("tandby: PID: N9K-C9504, SN: FOX2308PCEX").count(), 1, "{told}");
    // All UDIs are there, by their names; what is used is at the active one alone.
    let mut names: Vec<_> =
        world.cssm.instances().into_iter().map(|own| (own.name, own.licenses.len())).collect();
    names.sort();
    let name = |serial: &str| format!("UDI_PID:N9K-C9504, UDI_SN:{serial}");
    assert_eq!(names, [(name("FOX2308PCEN"), 3), (name("FOX2308PCEX"), 0)]);
    // Figure 10: who uses a license, of what type, and how many.
    if let Some(path) = shared("spec/golden/cssm/license_product_instances_fig10.txt") {
        let text = read(&path);
        let row = text.lines().nth(1).unwrap();
        let instance = world.cssm.instance("FOX2308PCEN");
        let used = instance.licenses.iter().find(|l| l.license == "NETWORK_SERVICES_PKG").unwrap();
        let own = format!("{} | {} | {}", instance.name, instance.product_type, used.count);
        assert_eq!(own, row.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    assert_eq!(world.cssm.cssm.verify_totals().unwrap(), []);
}

#[test]
fn an_evaluation_comes_to_the_guides_outputs() {
    // Table 5 (p. 61-64): PI-MIG-015, PI-MIG-016, PI-MIG-017, PI-SHOW-038
    let config = "hostname leaf\nfeature bgp\nfeature itd\nfeature plb\n\
         license smart enable\n";
    let mut world = World::new("9.3(7)", config);
    world.pass(3 * Timestamp::DAY);
    let before = world.run(&["show license usage"]);
    world.install("10.2(1)F");
    // What stands in a summary beside the times of the guide's day.
    let masked = |text: &str| {
        let is_time = |line: &String| line.contains(" UTC") || line.contains("Remaining:");
        fields(text).into_iter().filter(|line| !is_time(line)).collect::<Vec<_>>()
    };
    let (usage, summary) =
        (world.run(&["show license usage"]), world.run(&["show license summary"]));
    let told = status(&mut world);
    for (own, name) in [
        (&before, "license_usage__legacy_sl_eval.txt"),
        (&usage, "license_usage__slp_after_eval_migration.txt"),
        (&summary, "license_summary__slp_after_eval_migration.txt"),
        (&told, "license_status__slp_cslu_after_eval_migration.txt"),
    ] {
        let Some(path) = shared(&format!("spec/golden/show/{name}")) else { continue };
        let sample = read(&path);
        let sample = sample.split_once('\n').unwrap().1;
        assert_eq!(masked(own), masked(sample), "{name}");
    }
    assert_eq!(usage.matches("  Status: IN USE\n").count(), 3, "{usage}");
    assert!(before.contains("  Description: <empty>\n") && !usage.contains("<empty>"));
}
