//! One owner at any instant: product instances that move between tenants, are removed and come back, or whose files are
//! made twice (G-23, ONPREM-015, ONPREM-020, TOPO-3-003, PI-TRUST-006).

use rumline_agent::Input;
use rumline_collector::{Collector, Kind};
use rumline_protocol::*;
use rumline_testkit::*;

const CSLU: rumline_collector::TenantId = Collector::CSLU_TENANT;

#[test]
fn a_switch_that_moved_between_tenants_is_counted_in_one() {
    Estate::on_every_engine(|mut estate| {
        estate.virtual_account("Lab");
        let server = estate.add_server(Kind::OnPrem);
        let one = estate.add_tenant(server, "ONE", "Default", true);
        let two = estate.add_tenant(server, "TWO", "Lab", true);
        let switch = estate.add_switch("SN1", through(server, Some("ONE")));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::DAY);
        let collector = estate.servers[server].collector.clone();
        let in_use = |tenant| -> i64 {
            collector.licenses(tenant).unwrap().iter().map(|license| license.in_use).sum()
        };
        assert_eq!((in_use(one), in_use(two)), (1, 0));
        estate.input(switch, Input::Configure(through(server, Some("TWO"))));
        estate.input(switch, Input::Sync);
        estate.run_for(Timestamp::DAY);
        assert_eq!((in_use(one), in_use(two)), (0, 1), "it reports to the second now");
        let view = &collector.instances(one, "", Default::default(), 10).unwrap()[0];
        assert_eq!(view.state, "Reports to another tenant");
        let told = collector.events(one, 100).unwrap();
        assert!(told.iter().any(|event| event.text.contains("another tenant")), "{told:?}");
        // And back.
        estate.input(switch, Input::Configure(through(server, Some("ONE"))));
        estate.input(switch, Input::Sync);
        estate.run_for(Timestamp::DAY);
        assert_eq!((in_use(one), in_use(two)), (1, 0), "and to the first again");
    });
}

#[test]
fn a_switch_that_was_removed_and_comes_back_through_a_collector_is_trusted_again() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::DAY);
        let trusted = |estate: &Estate| estate.instance("SN1").trusted;
        assert!(trusted(&estate) && estate.switches[switch].agent.has_trust());
        estate.let_go("SN1");
        assert!(estate.instances().is_empty());
        estate.input(switch, Input::Sync);
        estate.run_for(Timestamp::DAY);
        assert!(trusted(&estate), "{:?}", estate.instances());
        assert!(estate.switches[switch].agent.has_trust());
        assert_eq!(estate.unacknowledged(switch), 0);
    });
}

#[test]
fn a_file_that_is_made_again_asks_for_no_new_trust_and_a_whole_round_ends_acknowledged() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(false);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::HOUR);
        let codes = |answer: &[u8]| -> Vec<u64> {
            let files = OpenBundle::of(answer).files;
            let documents = files.iter().map(|(_, text)| Document::parse(text.as_bytes()).unwrap());
            documents
                .flat_map(|document| document.trust_codes)
                .map(|code| code.value.trust_id)
                .collect()
        };
        let round = |estate: &Estate, name: &str| {
            let (_, bundle) = estate.export(server, CSLU, None);
            estate.download(&estate.upload(estate.va, name, &bundle))
        };
        let first = round(&estate, "first.tar.gz");
        estate.run_for(MINUTE);
        let second = round(&estate, "second.tar.gz");
        assert_eq!(codes(&first).len(), 1);
        assert_eq!(codes(&first), codes(&second), "the same trust code");
        estate.import(server, CSLU, "ACK", &second).unwrap();
        estate.run_for(Timestamp::HOUR);
        assert!(estate.switches[switch].agent.has_trust());
        let state = |estate: &Estate| {
            estate.servers[server].collector.instances(CSLU, "", Default::default(), 10).unwrap()[0]
                .state
                .clone()
        };
        assert_eq!(state(&estate), "Acknowledged");
        // What is exported from now on asks for no trust at all.
        estate.input(switch, Input::Sync);
        estate.run_for(MINUTE);
        let (_, bundle) = estate.export(server, CSLU, None);
        let files = OpenBundle::of(&bundle).files;
        for (_, text) in &files {
            let asks = !Document::parse(text.as_bytes()).unwrap().trust_requests.is_empty();
            assert!(!asks, "a file with trust asks for trust: {text}");
        }
        let third = round(&estate, "third.tar.gz");
        estate.import(server, CSLU, "ACK", &third).unwrap();
        estate.run_for(Timestamp::HOUR);
        assert_eq!((state(&estate).as_str(), estate.unacknowledged(switch)), ("Acknowledged", 0));
    });
}

#[test]
fn who_repeats_what_others_sent_pays_for_it_and_nobody_else_does() {
    // CSSM-029, G-21
    let mut estate = Estate::of(&rumline_cssm::Settings {
        requests_per_hour_max: 12,
        ack_delay_seconds: 0,
        ..rumline_cssm::Settings::default()
    });
    let device = Device::new(&estate.cssm, "SN1");
    estate.register(&device);
    let span: &[(i64, u32)] = &[(100, 1)];
    let reports = device.chain(&[(START, span), (START + 100, span)]);
    estate.now = START + 1000;
    estate.entries(&device.usage(&[&reports[0]]));
    let seen = serde_json::to_vec(&device.usage(&[&reports[0]])).unwrap();
    let mut turned_away = 0;
    for _ in 0..300 {
        let answer = estate.receive(&seen);
        turned_away += u32::from(matches!(answer, rumline_cssm::Answer::TooManyRequests { .. }));
    }
    assert!(turned_away > 100, "whoever repeats it is turned away: {turned_away}");
    assert_eq!(estate.entries(&device.usage(&[&reports[1]])), [accepted(102)]);
    assert_eq!(estate.lab.counted("SN1"), 200);
}

#[test]
fn what_cssm_asks_for_goes_at_once_whatever_the_policy_says_about_intervals() {
    Estate::on_every_engine(|mut estate| {
        let smart = rumline_agent::Config {
            transport: rumline_agent::Transport::Smart,
            smart_url: Some("https://cssm".to_owned()),
            ..Default::default()
        };
        let switch = estate.add_switch("SN1", smart);
        let id_token = estate.token();
        estate.input(switch, Input::Trust { id_token, all: true, force: false });
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::DAY);
        estate.input(switch, Input::Sync);
        let [_, _, _, acknowledged, _] = estate.switches[switch].agent.report_counts();
        assert!(acknowledged > 0 && estate.unacknowledged(switch) == 0);
        let asked = ReportRequest {
            purpose: Purpose::ReportRequest,
            sudi: udi("SN1"),
            issued_at: estate.now,
            epoch: String::new(),
            positions: vec![(1, 1)],
        };
        let mut file = DocumentWriter::new();
        file.report_request(&Signed::json(asked, estate.signing.signer.as_ref()));
        file.certificate(&estate.signing.certificate);
        let now = estate.now;
        estate.switches[switch].import(now, &file.finish());
        assert_eq!(estate.unacknowledged(switch), 1, "it is offered again");
        let told = |line: &String| line.contains("USAGE_REPORT_REQUESTED");
        assert!(estate.switches[switch].log.iter().any(told));
        estate.input(switch, Input::Tick);
        assert_eq!(estate.unacknowledged(switch), 0, "and acknowledged in the same moment");
    });
}
