//! Topologies 1, 3, 4 and 5 in virtual time: the real agent, the real collectors, the real CSSM.

use rumline_agent::Input;
use rumline_collector::{Actor, Collector, InstanceId, Kind, ReportState, ReportView};
use rumline_protocol::Timestamp;
use rumline_testkit::*;

const CSLU: rumline_collector::TenantId = Collector::CSLU_TENANT;

#[test]
fn reports_go_through_a_connected_cslu_and_answers_come_back() {
    // TOPO-1-001, 002, 004, CSLU-001, 003, 005, 006, 025, PI-TRUST-011
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(30 * MINUTE);
        let s = &estate.switches[switch];
        assert!(s.agent.has_trust(), "a trust code came with the first answer: {:?}", s.log);
        assert!(s.log.iter().any(|line| line.contains("TRUST_CODE_INSTALL_SUCCESS")));
        assert!(s.log.iter().any(|line| line.contains("POLICY_INSTALL_SUCCESS")));
        assert_eq!(estate.unacknowledged(switch), 0);
        let counted = estate.counted(switch);
        assert!((30..=40).contains(&counted), "{counted}");
        // A change of use is reported too, and all of it is counted once.
        estate.input(switch, Input::Use(vec![lan(2)]));
        estate.run_for(Timestamp::DAY);
        estate.input(switch, Input::Sync);
        estate.run_for(MINUTE * 30);
        let expected = 30 * MINUTE + 2 * Timestamp::DAY;
        assert_eq!(estate.counted(switch), expected);
        assert_eq!(estate.unacknowledged(switch), 0);
        let view =
            &estate.servers[server].collector.instances(CSLU, "", Default::default(), 10).unwrap()
                [0];
        assert_eq!((view.waiting, view.alert.as_deref()), (0, None));
        assert!(view.last_ack_at.is_some());
        let licenses = estate.servers[server].collector.licenses(CSLU).unwrap();
        assert_eq!((licenses[0].in_use, licenses[0].product_instances), (2, 1)); // ONPREM-015
        let of = estate.servers[server].collector.of_instance(CSLU, view.id, 1).unwrap();
        assert_eq!(of.reports.len(), 1, "the newest");
        assert_eq!(
            (of.uses[0].license.as_str(), of.uses[0].count),
            ("LAN_ENTERPRISE_SERVICES_PKG", 2)
        );
        assert!(of.delivered_at.is_some());
        let missing = estate.servers[server].collector.of_instance(CSLU, InstanceId(99), 1);
        assert!(matches!(missing, Err(rumline_collector::Error::NotFound("product instance"))));
    });
}

#[test]
fn a_disconnected_cslu_exchanges_signed_files_and_never_calls_cssm() {
    // TOPO-3-001, 002, CSLU-010, 016, 017, 018, 019
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(false);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::DAY);
        assert_eq!(estate.unacknowledged(switch), 1);
        let reports = |estate: &Estate| {
            let collector = &estate.servers[server].collector;
            let id = collector.instances(CSLU, "", Default::default(), 10).unwrap()[0].id;
            let of = collector.of_instance(CSLU, id, 50).unwrap();
            let told =
                |one: &ReportView| (one.state, one.says.as_ref().map(|says| says.from < says.to));
            of.reports.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(reports(&estate), [(ReportState::Waits, Some(true))]);
        let (name, bundle) = estate.export(server, CSLU, None);
        assert!(name.starts_with("UD_SA_") && name.ends_with(".tar.gz"), "{name}");
        let file = estate.upload(estate.va, &name, &bundle);
        assert_eq!((file.status.as_str(), file.reports_new), ("No Errors", 1), "{file:?}");
        let answer = estate.download(&file);
        let taken = estate.import(server, CSLU, &format!("ACK_{name}"), &answer).unwrap();
        assert_eq!((taken.status.as_str(), taken.changed), ("Done", 1), "{taken:?}");
        estate.run_for(30 * MINUTE);
        assert_eq!(estate.unacknowledged(switch), 0);
        assert!(estate.switches[switch].agent.has_trust());
        assert_eq!(estate.servers[server].exchanges, 0);
        assert_eq!(reports(&estate), [(ReportState::Acknowledged, None)]);
        // Once more, both ways: found again, nothing new.
        let again = estate.upload(estate.va, "another name.tar.gz", &bundle);
        assert_eq!(again.id, file.id);
        let again = estate.import(server, CSLU, "renamed", &answer).unwrap();
        assert_eq!(again.id, taken.id);
    });
}

#[test]
fn two_tenants_of_an_on_prem_forward_to_their_own_accounts() {
    // TOPO-4-001, 002, 004, ONPREM-002, 005, 006
    Estate::on_every_engine(|mut estate| {
        estate
            .cssm
            .create_virtual_account(START, &Actor::person("admin"), estate.sa, "Lab")
            .unwrap();
        let server = estate.add_server(Kind::OnPrem);
        let one = estate.add_tenant(server, "XYZ-ON-PREM-1", "Default", true);
        let two = estate.add_tenant(server, "XYZ-ON-PREM-2", "Lab", true);
        let a = estate.add_switch("SN1", through(server, Some("XYZ-ON-PREM-1")));
        let b = estate.add_switch("SN2", through(server, Some("XYZ-ON-PREM-2")));
        estate.input(a, Input::Use(vec![lan(1)]));
        estate.input(b, Input::Use(vec![lan(3)]));
        estate.run_for(Timestamp::HOUR);
        for switch in [a, b] {
            assert_eq!(estate.unacknowledged(switch), 0);
            assert!(estate.switches[switch].agent.has_trust());
        }
        let collector = &estate.servers[server].collector;
        let serials = |tenant| -> Vec<String> {
            collector
                .instances(tenant, "", Default::default(), 10)
                .unwrap()
                .into_iter()
                .map(|v| v.serial)
                .collect()
        };
        assert_eq!((serials(one), serials(two)), (vec!["SN1".to_owned()], vec!["SN2".to_owned()]));
        let rows = estate
            .cssm
            .instances(estate.sa, &rumline_server::Only::All, Default::default(), 10)
            .unwrap();
        assert_ne!(rows[0].virtual_account_id, rows[1].virtual_account_id);
    });
}

#[test]
fn a_switch_of_another_on_prem_account_is_refused_and_cured_by_files() {
    // TOPO-5-002, 003, PI-RUM-028, ONPREM-009, 020
    Estate::on_every_engine(|mut estate| {
        let lab = estate
            .cssm
            .create_virtual_account(START, &Actor::person("admin"), estate.sa, "Lab")
            .unwrap()
            .id;
        let server = estate.add_server(Kind::OnPrem);
        estate.add_tenant(server, "ONE", "Default", true);
        let two = estate.add_tenant(server, "TWO", "Lab", true);
        let switch = estate.add_switch("SN1", through(server, Some("ONE")));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::DAY);
        estate.input(switch, Input::Configure(through(server, Some("TWO"))));
        estate.input(switch, Input::Sync);
        estate.run_for(Timestamp::DAY);
        let collector = estate.servers[server].collector.clone();
        let view = &collector.instances(two, "", Default::default(), 10).unwrap()[0];
        let alert = view.alert.clone().unwrap_or_default();
        assert!(alert.contains("already registered"), "{view:?}");
        assert!(alert.contains("SSM On-Prem lab"), "the hop is named: {alert}");
        assert_eq!(estate.unacknowledged(switch), 1);
        let (name, bundle) = estate.export(server, two, Some(&[view.id]));
        let file = estate.upload(lab, &name, &bundle);
        // Nothing moves by itself (T9): whoever may administer both accounts sees what would, and says yes.
        assert_eq!((file.status.as_str(), file.set_aside), ("Errors", 1), "{file:?}");
        assert!(file.message.contains("SN1 belongs to another virtual account"), "{file:?}");
        let moved = estate.cssm.set_aside(estate.sa, file.id).unwrap();
        assert_eq!((moved.len(), moved[0].serial.as_str()), (1, "SN1"));
        let by = Actor::person("eve");
        let file = estate.cssm.move_set_aside(estate.now, &by, estate.sa, file.id).unwrap();
        assert_eq!(file.status, "No Errors", "{file:?}");
        let (name, ack) = estate.cssm.acknowledgement_file(estate.sa, file.id).unwrap();
        estate.import(server, two, &name, ack.as_bytes()).unwrap();
        let events = estate.cssm.events(estate.sa, 10).unwrap();
        assert!(events.iter().any(|event| event.text.contains("moved from Default to Lab")));
        // One that was refused asks again each hour.
        estate.run_for(Timestamp::HOUR + 60);
        assert_eq!(estate.unacknowledged(switch), 0);
        let view = collector.instances(two, "", Default::default(), 10).unwrap().remove(0);
        assert_eq!((view.waiting, view.alert), (0, None));
        // From now on the wire does it.
        estate.input(switch, Input::Sync);
        estate.run_for(Timestamp::HOUR);
        assert_eq!(estate.unacknowledged(switch), 0);
        let used = estate.now.since(START);
        assert!((0..=Timestamp::HOUR + 120).contains(&(used - estate.counted(switch))));
    });
}

#[test]
fn reports_are_kept_while_cssm_is_away_for_a_year() {
    // CSLU-008, CSLU-026
    let mut estate = Estate::new();
    let server = estate.add_cslu(true);
    let switch = estate.add_switch("SN1", through(server, None));
    estate.servers[server].cssm_reachable = false;
    estate.input(switch, Input::Use(vec![lan(1)]));
    estate.run_for(365 * Timestamp::DAY);
    assert_eq!(estate.counted(switch), 0);
    let tenant = estate.servers[server].collector.tenant(CSLU).unwrap();
    assert!(tenant.sync_error.unwrap().contains("Unable to connect"));
    estate.servers[server].cssm_reachable = true;
    estate.run_for(Timestamp::DAY);
    estate.input(switch, Input::Sync);
    estate.run_for(Timestamp::HOUR);
    assert_eq!(estate.counted(switch), 366 * Timestamp::DAY);
    assert_eq!(estate.unacknowledged(switch), 0);
}

#[test]
fn a_switch_without_its_cslu_tries_as_the_guide_says_and_delivers_when_it_is_back() {
    // TOPO-1-003, PI-RUM-018, PI-MSG-008, 010
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.servers[server].up = false;
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(4 * Timestamp::HOUR);
        let failed = |estate: &Estate| {
            let log = &estate.switches[switch].log;
            log.iter().filter(|line| line.contains("COMM_FAILED")).count()
        };
        let first = failed(&estate);
        assert!(first >= 5, "{first}");
        estate.run_for(2 * Timestamp::HOUR);
        assert_eq!(failed(&estate) - first, 8, "every 15 minutes after four hours");
        let text = "Communications failure with the Cisco Smart License utility (CSLU) : Unable to \
                connect to server";
        assert!(estate.switches[switch].log.iter().any(|line| line.contains(text)));
        estate.servers[server].up = true;
        estate.run_for(Timestamp::HOUR);
        let restored = "%LICMGR-3-LOG_SMART_LIC_COMM_RESTORED: Communications with the Cisco Smart \
                    License utility (CSLU) restored.";
        assert_eq!(estate.switches[switch].log.iter().filter(|line| *line == restored).count(), 1);
        assert_eq!(estate.unacknowledged(switch), 0);
        assert!(estate.counted(switch) > 0);
    });
}

#[test]
fn after_a_factory_reset_sync_and_three_file_steps_give_the_policy_back() {
    // TOPO-3-004
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(false);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::DAY);
        estate.input(switch, Input::FactoryReset);
        assert_eq!(estate.switches[switch].agent.policy().policy_id, "default");
        estate.input(switch, Input::Sync);
        let (name, bundle) = estate.export(server, CSLU, None);
        let file = estate.upload(estate.va, &name, &bundle);
        estate.import(server, CSLU, &name, &estate.download(&file)).unwrap();
        estate.switches[switch].log.clear();
        estate.run_for(Timestamp::HOUR);
        let log = &estate.switches[switch].log;
        assert!(log.iter().any(|line| line.contains("POLICY_INSTALL_SUCCESS")), "{log:?}");
    });
}

#[test]
fn a_switch_of_an_on_prem_from_before_policies_says_so_and_keeps_its_reports() {
    // PI-MSG-013, C-13, ONPREM-016
    Estate::on_every_engine(|mut estate| {
        let old = estate.add_server_of(Kind::OnPrem, "8-202102");
        estate.add_tenant(old, "ONE", "Default", true);
        let switch = estate.add_switch("SN1", through(old, Some("ONE")));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(3 * Timestamp::DAY);
        let message = "%LICMGR-4-LOG_SMART_LIC_REPORTING_NOT_SUPPORTED: The CSSM OnPrem that this \
                   product instance is connected to is down rev and does not support the enhanced \
                   policy and usage reporting mode.";
        let log = &estate.switches[switch].log;
        assert!((3..=4).contains(&log.iter().filter(|line| *line == message).count()), "{log:?}");
        assert!(estate.unacknowledged(switch) > 0, "reports are kept on the switch");
        // Brought up to date, it gets everything.
        let new = estate.add_server_of(Kind::OnPrem, "8-202108");
        estate.add_tenant(new, "ONE", "Default", true);
        estate.input(switch, Input::Configure(through(new, Some("ONE"))));
        estate.input(switch, Input::Sync);
        estate.run_for(Timestamp::HOUR);
        assert_eq!(estate.unacknowledged(switch), 0);
        assert_eq!(estate.counted(switch), 3 * Timestamp::DAY);
    });
}

#[test]
fn a_sync_asked_for_while_an_exchange_ends_is_made_at_once() {
    // CSLU-026: whoever asks then does not wait for the schedule
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::HOUR);
        let collector = estate.servers[server].collector.clone();
        let due = |now| collector.sync_state(now, CSLU).unwrap().due_at;
        assert!(
            due(estate.now).is_none() && collector.next_batch(estate.now, CSLU).unwrap().is_none()
        );
        let began = collector.sync_state(estate.now, CSLU).unwrap();
        estate.input(switch, Input::Sync);
        collector.note_synced(estate.now, CSLU, began).unwrap();
        assert!(due(estate.now).is_some_and(|at| at <= estate.now));
    });
}

#[test]
fn a_clock_set_back_holds_no_exchange_up() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::HOUR);
        estate.input(switch, Input::Sync);
        let collector = estate.servers[server].collector.clone();
        let past = estate.now - 365 * Timestamp::DAY;
        let due = |now| collector.sync_state(now, CSLU).unwrap().due_at.unwrap();
        collector.note_sync_failed(estate.now, CSLU, "no route to host").unwrap();
        assert!(due(estate.now) > estate.now);
        assert!(due(past) <= past, "{}", due(past));
    });
}

#[test]
fn a_cssm_that_was_restored_gets_back_what_it_lacks_through_a_collector_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut estate = Estate::in_directory(directory.path());
    let server = estate.add_cslu(true);
    let switch = estate.add_switch("SN1", through(server, None));
    estate.input(switch, Input::Use(vec![lan(1)]));
    estate.run_until(START.plus_days(40));
    let older = directory.path().join("older.db");
    for ending in ["", "-wal"] {
        let from = directory.path().join(format!("cssm.db{ending}"));
        std::fs::copy(from, format!("{}{ending}", older.display())).unwrap();
    }
    estate.run_until(START.plus_days(110));
    let counted = estate.counted(switch);
    estate.lab.go_on_from(&older);
    assert!(estate.counted(switch) < counted);
    for _ in 0..3 {
        estate.input(switch, Input::Sync);
        estate.run_for(2 * Timestamp::DAY);
    }
    let view = estate.instance("SN1");
    let gap: i64 = view.gaps.iter().map(|gap| gap.to - gap.from).sum();
    assert_eq!((view.reports_missing, gap, view.overlap_seconds), (0, 0, 0), "{view:?}");
    assert!(estate.counted(switch) > counted);
    let [_, closed, waiting, ..] = estate.switches[switch].agent.report_counts();
    assert_eq!((closed, waiting), (0, 0));
}
