//! From each licensing of before to each topology after the upgrade, by the guide's commands, with the real servers and CSSM: features,
//! counts, trust, policy, transport and the books of all in every cell (guide p. 17-32, 50-64; PI-MIG-001 to 017; issue 22, "Must be
//! shown" 2).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
#[path = "common/older.rs"]
mod older;
#[path = "common/reach.rs"]
mod reach;

use common::*;
use older::{ALL, Stands, World};
use reach::{TOPOLOGIES, Topology};
use rumline_catalogue::{Catalogue, Licensing};
use rumline_cssm::Only;
use rumline_protocol::Timestamp;

const RELEASES: [&str; 6] = ["7.0(3)I7(8)", "9.2(4)", "9.3(3)", "9.3(4)", "9.3(13)", "10.1(2)"];
const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

/// What a switch has configured to speak by before the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransportBefore {
    CallHome,
    Nothing,
}

/// Every cell of a topology; in a test of its own, so that they run side by side.
fn cells(after: Topology) {
    let catalogue = Catalogue::nexus();
    let mut cells = 0;
    for from in RELEASES {
        let has_smart =
            catalogue.release(from).unwrap().licensing.contains(&Licensing::SmartLicensing);
        for stands in ALL.into_iter().filter(|stands| has_smart || !stands.is_smart()) {
            for before in [TransportBefore::CallHome, TransportBefore::Nothing] {
                // Without Call Home nothing is registered.
                let registered = matches!(stands, Stands::Direct | Stands::OnPrem);
                if registered && before == TransportBefore::Nothing {
                    continue;
                }
                cell((from, stands, before), after);
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 4 * (2 + 5 * 2) + 2 * 3 * 2);
}

#[test]
fn to_a_cslu_that_reaches_cssm() {
    cells(Topology::Cslu);
}

#[test]
fn to_cssm_itself() {
    cells(Topology::Direct);
}

#[test]
fn to_a_cslu_with_files() {
    cells(Topology::CsluByFile);
}

#[test]
fn to_an_on_prem_that_reaches_cssm() {
    cells(Topology::OnPrem);
}

#[test]
fn to_an_on_prem_with_files() {
    cells(Topology::OnPremByFile);
}

#[test]
fn to_files_of_the_switch() {
    cells(Topology::Files);
    assert_eq!(TOPOLOGIES.len(), 6);
}

fn cell((from, stands, before): (&str, Stands, TransportBefore), after: Topology) {
    let at = format!("{stands:?} from {from} with {before:?} to {after:?}");
    let mut world = World::standing(from, stands);
    if before == TransportBefore::Nothing {
        world.run(&["configure terminal", "callhome", "no enable", "exit", "no callhome", "end"]);
    }
    if stands == Stands::OnPrem {
        // CSSM has heard of it.
        world.pass(Timestamp::HOUR);
    }
    let features = world.run(&["show feature | include enabled"]);
    world.install("10.3(2)F");
    let started = world.switch.now;
    let server = world.reach(after);
    if after.is_by_file() && stands == Stands::Pak {
        world.pass(Timestamp::HOUR);
    }
    world.days(2, after, server);
    // Features and counts on the switch.
    assert_eq!(world.run(&["show feature | include enabled"]), features, "{at}");
    let has_ndb = stands == Stands::Rtu { entry: true };
    let mut counts = vec![(LAN.to_owned(), 1_i64)];
    if has_ndb {
        counts.insert(0, ("DCN_NDB".to_owned(), 1));
    }
    let mut own: Vec<_> =
        world.counts().into_iter().map(|(name, count)| (name, i64::from(count))).collect();
    own.sort();
    assert_eq!(own, counts, "{at}");
    // Trust, policy, transport.
    let told = world.run(&["show license status"]);
    assert!(!told.contains("Trust Code installed: <none>"), "{at}: {told}");
    assert!(told.contains(&format!("Transport:\n{}", after.transport())), "{at}: {told}");
    assert!(told.contains("  Policy in use: Merged from multiple sources\n"), "{at}: {told}");
    assert!(!told.contains("Last ACK received: <none>"), "{at}: {told}");
    // Nothing was told as failed since it had a way.
    let failed = world.switch.log.iter().filter(|line| line.contains("COMM_FAILED")).count();
    let restored = world.switch.log.iter().filter(|line| line.contains("COMM_RESTORED")).count();
    assert!(failed <= restored || after == Topology::Files, "{at}: {:?}", world.switch.log);
    // CSSM: one product instance, each license once, and no second of before the upgrade.
    let [instance] = &world.cssm.instances()[..] else {
        panic!("{at}: {:?}", world.cssm.instances())
    };
    assert_eq!((instance.name.as_str(), instance.smart_licensing.as_ref()), ("leaf", None), "{at}");
    let mut used: Vec<_> =
        instance.licenses.iter().map(|own| (own.license.clone(), own.count)).collect();
    used.sort();
    assert_eq!(used, counts, "{at}");
    let books = world.cssm.cssm.licenses(world.switch.now, world.cssm.sa).unwrap();
    let mut in_use: Vec<_> = books
        .iter()
        .filter(|own| own.in_use > 0)
        .map(|own| (own.license.clone(), own.in_use))
        .collect();
    in_use.sort();
    assert_eq!(in_use, counts, "{at}");
    let (counted, most) = (world.cssm.lab.counted(SERIAL), world.switch.now.since(started));
    let licenses = i64::try_from(counts.len()).unwrap();
    assert!(counted > licenses * Timestamp::DAY && counted <= licenses * most, "{at}: {counted}");
    assert_eq!(world.cssm.cssm.verify_totals().unwrap(), [], "{at}");
    // What was held by a license file was bought once, and nothing else was.
    let all = rumline_cssm::PurchaseId::default();
    let bought = world.cssm.cssm.purchases(world.cssm.sa, &Only::All, all, 10).unwrap();
    let converted = usize::from(stands == Stands::Pak);
    assert_eq!(bought.len(), converted, "{at}: {bought:?}");
    let told = world.run(&["show license data conversion"]);
    let word =
        if stands == Stands::Pak { "    Status: Completed " } else { "    Status: Not started\n" };
    assert!(told.contains(word), "{at}: {told}");
    // The server on the way: one product instance, each license once.
    if let Some(server) = server {
        let (tenant, collector) = (world.tenant(server), world.collector(server));
        let rows = collector.instances(tenant, "", Default::default(), 10).unwrap();
        assert_eq!((rows.len(), rows[0].registered_until), (1, None), "{at}: {rows:?}");
        let mut in_use: Vec<_> = collector
            .licenses(tenant)
            .unwrap()
            .into_iter()
            .map(|own| (own.license, own.in_use))
            .collect();
        in_use.sort();
        assert_eq!(in_use, counts, "{at}");
    }
}
