//! Tokens and trust codes (CSSM-003, 012, 024; PI-TRUST; PI-NET-032; TOPO-2).

use rumline_agent::{Config, Input, Reason, Transport};
use rumline_cssm::{Actor, Answer, InstanceId, NewToken, Only, Settings, SmartAccountId};
use rumline_protocol::*;
use rumline_testkit::*;

const FAILED: &str = "%LICMGR-3-LOG_SMART_LIC_TRUST_CODE_INSTALL_FAILED: The install of a new \
    licensing trust code has failed on PID:N9K-C93180YC-FX3,SN:";
const INSTALLED: &str = "%LICMGR-6-LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS: A new licensing \
    trust code was successfully installed on PID:N9K-C93180YC-FX3,SN:";

#[test]
fn a_good_token_brings_trust_policy_and_account_to_the_switch() {
    // TOPO-2-002, TOPO-2-003, PI-TRUST-008, CSSM-022, CSSM-023
    on_every_engine(&Settings::default(), |lab| {
        let mut policy = Policy::cisco_default();
        policy.policy_name = "Quarterly".to_owned();
        policy.unenforced.ongoing_report_days = 20;
        lab.cssm
            .set_policy(lab.now, &Actor::person("admin"), lab.sa, None, Some((&policy, None)))
            .unwrap();
        let (id, token) = lab.new_token(lab.va, None);
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &token, false);
        assert_eq!(
            switch.log,
            [
                format!("{INSTALLED}SN1."),
                "%LICMGR-6-LOG_SMART_LIC_POLICY_INSTALL_SUCCESS: A new licensing policy was \
                 successfully installed."
                    .to_owned()
            ]
        );
        let (code, at) = &switch.agent.trust_codes()[0];
        assert_eq!(
            (code.smart_account.as_str(), code.virtual_account.as_str()),
            ("Example", "Default")
        );
        assert_eq!((code.issued_at, *at), (lab.now, lab.now));
        assert_eq!(code.expires_at, lab.now.plus_days(TrustCode::VALID_DAYS));
        let installed = switch.agent.policy_in_use().policy;
        assert_eq!(installed.policy_name, "Quarterly");
        assert_eq!(installed.smart_account, "Example");
        assert_eq!(installed.unenforced, policy.unenforced);
        let account = switch.agent.account().unwrap();
        assert_eq!(account.smart_account, "Example");
        assert_eq!(account.smart_account_domain, "example.net");
        assert_eq!((account.smart_account_id, account.virtual_account_id), (lab.sa.0, lab.va.0));
        assert_eq!(lab.uses_of(id), 1);
        let instance = lab.instance("SN1");
        assert!(instance.trusted);
        assert_eq!(instance.virtual_account_id, lab.va);
        assert_eq!(instance.product_type, "N9300");
        assert_eq!(instance.registered_at, lab.now.0);
    });
}

#[test]
fn a_token_that_is_not_good_is_refused_with_its_reason() {
    // CSSM-012, PI-MSG-012, G-18
    on_every_engine(&Settings::default(), |lab| {
        let (once, used_up) = lab.new_token(lab.va, Some(1));
        lab.trust(&mut lab.switch("SN1"), &used_up, false);
        let (revoked_id, revoked) = lab.new_token(lab.va, None);
        lab.cssm.revoke_token(lab.now, &Actor::person("admin"), lab.sa, revoked_id).unwrap();
        let expired = lab.token();
        lab.now = lab.now.plus_days(30);
        let mut switch = lab.switch("SN2");
        for (token, reason) in [
            ("nonsense", "the token is not valid"),
            ("", "the token is not valid"),
            (&expired, "the token has expired"),
            (&used_up, "the token has expired"),
            (&revoked, "the token has been revoked"),
        ] {
            lab.trust(&mut switch, token, true);
            assert_eq!(switch.last_log(), format!("{FAILED}SN2: {reason}."));
            assert!(!switch.agent.has_trust());
        }
        assert_eq!(lab.uses_of(once), 1);
        // Before its last second a token is good.
        lab.now = lab.now - 1;
        lab.trust(&mut switch, &used_up, true);
        let reason = "the token has been used as often as it may be";
        assert_eq!(switch.last_log(), format!("{FAILED}SN2: {reason}."));
        assert_eq!(lab.instances().len(), 1);
        lab.trust(&mut switch, &expired, false);
        assert!(switch.agent.has_trust());
    });
}

#[test]
fn a_token_lasts_1_to_365_days_and_serves_at_least_once() {
    // CSSM-010, CSSM-012, G-18
    on_every_engine(&at_once(), |lab| {
        let new = NewToken { description: "x".to_owned(), expires_after_days: 30, uses_max: None };
        let make = |new: &NewToken| {
            lab.cssm.create_token(lab.now, &Actor::person("eve"), lab.sa, lab.va, new)
        };
        for days in [0, 366, u32::MAX] {
            assert!(make(&NewToken { expires_after_days: days, ..new.clone() }).is_err());
        }
        assert!(make(&NewToken { uses_max: Some(0), ..new.clone() }).is_err());
        assert!(make(&NewToken { description: "a\nb".to_owned(), ..new.clone() }).is_err());
        assert!(make(&NewToken { description: "x".repeat(256), ..new.clone() }).is_err());
        for days in [1, 365] {
            let token = make(&NewToken { expires_after_days: days, ..new.clone() }).unwrap();
            assert_eq!(token.expires_at, lab.now.plus_days(days).0);
            assert_eq!((token.created_by.as_str(), token.uses), ("eve", 0));
            assert!(token.value.chars().all(|c| c.is_ascii_alphanumeric()), "{}", token.value);
        }
        let tokens = lab.cssm.tokens(lab.sa, lab.va).unwrap();
        assert_eq!(tokens.len(), 2);
        assert!(tokens[0].id > tokens[1].id, "newest first");
        assert_ne!(tokens[0].value, tokens[1].value);
        // Of another account nobody sees or revokes it.
        let (other, other_va) = lab.other_account("Other");
        assert!(lab.cssm.tokens(other, lab.va).is_err());
        assert!(
            lab.cssm.revoke_token(lab.now, &Actor::person("eve"), other, tokens[0].id).is_err()
        );
        assert!(lab.cssm.tokens(other, other_va).unwrap().is_empty());
    });
}

#[test]
fn a_token_of_another_virtual_account_moves_a_switch_only_with_force() {
    // PI-TRUST-006, PI-TRUST-007, TOPO-2-005, CSSM-024
    on_every_engine(&Settings::default(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        let va = lab.virtual_account("Lab");
        let (_, token) = lab.new_token(va, None);
        lab.now = lab.now + 10;
        lab.trust(&mut switch, &token, false);
        assert_eq!(switch.last_log(), format!("{FAILED}SN1: SA/VA mismatch."));
        assert_eq!(lab.instance("SN1").virtual_account_id, lab.va);
        lab.trust(&mut switch, &token, true);
        assert_eq!(lab.instance("SN1").virtual_account_id, va);
        assert_eq!(switch.agent.trust_codes()[0].0.virtual_account, "Lab");
        assert_eq!(lab.instances().len(), 1);
    });
}

#[test]
fn a_second_registration_needs_force() {
    // PI-TRUST-004, PI-TRUST-005, PI-TRUST-007, TOPO-2-005
    on_every_engine(&Settings::default(), |lab| {
        let (id, token) = lab.new_token(lab.va, None);
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &token, false);
        let first = switch.agent.trust_codes()[0].0.trust_id;
        lab.now = lab.now + 10;
        lab.trust(&mut switch, &token, false);
        assert_eq!(switch.last_log(), format!("{FAILED}SN1: already installed."));
        assert_eq!(lab.uses_of(id), 1);
        lab.trust(&mut switch, &token, true);
        assert_eq!(switch.last_log(), format!("{INSTALLED}SN1."));
        assert!(switch.agent.trust_codes()[0].0.trust_id > first);
        assert_eq!(switch.agent.trust_codes().len(), 1);
        assert_eq!((lab.uses_of(id), lab.instances().len()), (2, 1));
    });
}

#[test]
fn the_same_request_is_answered_again_without_using_the_token_up() {
    on_every_engine(&Settings::default(), |lab| {
        let (id, token) = lab.new_token(lab.va, None);
        let device = Device::new(&lab.cssm, "SN1");
        let request = device.trust(lab.now, &token, false);
        for seconds in [0, 5, 3000] {
            lab.now = START + seconds;
            let code = lab.document(&request).trust_codes.remove(0).value;
            assert_eq!(code.public_key, *device.signer.public_key());
            // The same code, whenever its answer got lost.
            assert_eq!((code.sudi, code.issued_at), (device.udi.clone(), START));
            assert_eq!(lab.uses_of(id), 1);
        }
        // A trust code that is issued again does not bring back rights of another key.
        let mut foreign = device.token_request(lab.now, &token, false);
        let RequestBody::TrustRequest { trust_requests, .. } = &request.body else { panic!() };
        let first: TrustRequest = serde_json::from_str(&trust_requests[0].data).unwrap();
        foreign.nonce = first.nonce;
        let thief = Device::new(&lab.cssm, "SN1");
        foreign.public_key = thief.signer.public_key().clone();
        let mut again = request.clone();
        again.body = RequestBody::TrustRequest {
            id_token: token.clone(),
            force: false,
            trust_requests: vec![thief.signed(foreign)],
        };
        assert_eq!(lab.refusal(&again), "already installed");
    });
}

#[test]
fn a_single_use_token_answers_the_same_request_again() {
    on_every_engine(&Settings::default(), |lab| {
        let (id, token) = lab.new_token(lab.va, Some(1));
        let device = Device::new(&lab.cssm, "SN1");
        let request = device.trust(lab.now, &token, false);
        assert_eq!(lab.document(&request).trust_codes.len(), 1);
        // The answer was lost; the device asks again.
        assert_eq!(lab.document(&request).trust_codes.len(), 1);
        assert_eq!(lab.uses_of(id), 1);
        // It serves nobody else.
        let other = Device::new(&lab.cssm, "SN2");
        let refusal = lab.refusal(&other.trust(lab.now, &token, false));
        assert_eq!(refusal, "the token has been used as often as it may be");
    });
}

#[test]
fn a_switch_whose_answer_was_lost_gets_its_trust_code_when_it_asks_again() {
    // The device promises to ask again, CSSM to answer the same request again.
    on_every_engine(&Settings::default(), |lab| {
        let token = lab.token();
        let mut switch = lab.switch("SN1");
        switch.handle(lab.now, Input::Trust { id_token: token, all: false, force: false });
        let Sent { request_id, body, .. } = switch.sent.pop_front().unwrap();
        assert!(matches!(lab.receive(&body), Answer::Message(_)));
        let reason = Reason::Timeout;
        switch.handle(lab.now, Input::Unreachable { request_id, reason });
        lab.run_until(&mut switch, START + 30 * MINUTE);
        assert!(switch.agent.has_trust(), "{:?}", switch.log);
    });
}

#[test]
fn clocks_may_differ_by_less_than_an_hour_either_way() {
    // PI-NET-032, PI-TRUST-007, TOPO-2-005, G-22
    on_every_engine(&Settings::default(), |lab| {
        let (id, token) = lab.new_token(lab.va, None);
        for (serial, minutes, fine) in
            [("SN1", 59, true), ("SN2", -59, true), ("SN3", 61, false), ("SN4", -61, false)]
        {
            let mut switch = lab.switch(serial);
            switch.skew = minutes * MINUTE;
            lab.trust(&mut switch, &token, false);
            assert_eq!(switch.agent.has_trust(), fine, "{minutes}: {:?}", switch.log);
            if !fine {
                assert_eq!(switch.last_log(), format!("{FAILED}{serial}: timestamp mismatch."));
            }
        }
        assert_eq!((lab.uses_of(id), lab.instances().len()), (2, 2));
        // Times at the edge of what a number holds are only wrong.
        for at in [i64::MIN, i64::MAX, 0] {
            let request = Device::new(&lab.cssm, "SN5").trust(Timestamp(at), &token, false);
            assert_eq!(lab.refusal(&request), "timestamp mismatch");
        }
        for (seconds, fine) in [(3599, true), (3600, false)] {
            let request = Device::new(&lab.cssm, "SN6").trust(lab.now + seconds, &token, true);
            let status = lab.response(&request).status;
            assert_eq!(status == ResponseStatus::Ok, fine, "{seconds}");
        }
    });
}

#[test]
fn a_trust_request_that_was_changed_on_its_way_is_refused() {
    // PI-TRUST-007
    on_every_engine(&Settings::default(), |lab| {
        let (id, token) = lab.new_token(lab.va, None);
        let device = Device::new(&lab.cssm, "SN1");
        let good = device.signed(device.trust_request(lab.now));
        let ask = |text: SignedText| {
            let trust_requests = vec![text];
            let id_token = token.clone();
            let body = RequestBody::TrustRequest { id_token, force: true, trust_requests };
            lab.refusal(&device.request(body))
        };
        let other_serial = good.data.replace("SN1", "SN2");
        let signature = good.signature.clone();
        assert_eq!(ask(SignedText { data: other_serial, signature }), "signature mismatch");
        let mut bytes = from_base64(&good.signature).unwrap();
        bytes[7] ^= 1;
        let signature = base64(&bytes);
        assert_eq!(ask(SignedText { data: good.data.clone(), signature }), "signature mismatch");
        let signature = "no base64!".to_owned();
        assert!(ask(SignedText { data: good.data.clone(), signature }).contains("not base64"));
        ask(SignedText { data: "{}".to_owned(), signature: good.signature.clone() });
        // A good one beside a bad one does not help it.
        let data = good.data.replace("SN1", "SN2");
        let trust_requests = vec![good.clone(), SignedText { data, signature: good.signature }];
        let id_token = token.clone();
        let body = RequestBody::TrustRequest { id_token, force: true, trust_requests };
        assert_eq!(lab.refusal(&device.request(body)), "signature mismatch");
        let body = RequestBody::TrustRequest {
            id_token: token.clone(),
            force: true,
            trust_requests: Vec::new(),
        };
        assert_eq!(lab.refusal(&device.request(body)), "the message holds no trust request");
        assert!(lab.instances().is_empty());
        assert_eq!(lab.uses_of(id), 0);
    });
}

#[test]
fn another_key_for_a_known_device_needs_force() {
    // PI-TRUST-001, PI-TRUST-004, CSSM-024
    on_every_engine(&at_once(), |lab| {
        let token = lab.token();
        // One that has a trust code, and one that is known from a file only.
        let (first, by_file) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        lab.register(&first);
        let report = by_file.report(1, lab.now - 100, &[(100, 1)]);
        let file = by_file.usage_file(lab.now, &[&report]);
        lab.upload("usage.txt", file.as_bytes()).unwrap();
        for (serial, reason) in
            [("SN1", "already installed"), ("SN2", "the device is known with another key")]
        {
            let thief = Device::new(&lab.cssm, serial);
            assert_eq!(lab.refusal(&thief.trust(lab.now, &token, false)), reason);
            // Its reports are not taken either.
            let report = thief.report(7, lab.now - 100, &[(100, 1)]);
            assert!(lab.refusal(&thief.usage(&[&report])).contains("does not verify"));
            assert_eq!(lab.document(&thief.trust(lab.now, &token, true)).trust_codes.len(), 1);
            assert_eq!(lab.entries(&thief.usage(&[&report])), [accepted(7)]);
        }
        let report = first.report(8, lab.now - 100, &[(100, 1)]);
        assert!(lab.refusal(&first.usage(&[&report])).contains("does not verify"));
        // Known from a file with the same key: no force is needed.
        let by_file = Device::new(&lab.cssm, "SN3");
        let report = by_file.report(1, lab.now - 100, &[(100, 1)]);
        let file = by_file.usage_file(lab.now, &[&report]);
        lab.upload("usage.txt", file.as_bytes()).unwrap();
        assert!(!lab.instance("SN3").trusted);
        assert_eq!(lab.document(&by_file.trust(lab.now, &token, false)).trust_codes.len(), 1);
        assert_eq!((lab.instance("SN3").reports, lab.instances().len()), (1, 3));
    });
}

#[test]
fn one_token_serves_all_switches_of_a_virtual_account() {
    // PI-TRUST-003
    on_every_engine(&Settings::default(), |lab| {
        let (id, token) = lab.new_token(lab.va, Some(20));
        for number in 0..20 {
            let mut switch = lab.switch(&format!("SN{number}"));
            lab.trust(&mut switch, &token, false);
            assert!(switch.agent.has_trust(), "{number}");
        }
        assert_eq!((lab.uses_of(id), lab.instances().len()), (20, 20));
    });
}

#[test]
fn both_supervisors_get_a_trust_code_for_one_use_of_the_token() {
    // PI-TRUST-010, PI-HA-010, PI-MIG-011: both are listed, usage only at the active one
    on_every_engine(&Settings::default(), |lab| {
        let (id, token) = lab.new_token(lab.va, Some(1));
        let members = [(Role::Active, "SN1"), (Role::Standby, "SN2")];
        let modular = |serial| Udi::new("N9K-C9504", serial).unwrap();
        let members = members.map(|(role, serial)| HaMember { role, sudi: modular(serial) });
        let config = Config { transport: Transport::Smart, ..Config::default() };
        let mut switch = lab.switch_of(members.to_vec(), config, "10.4(3)");
        lab.trust(&mut switch, &token, false);
        let installed = INSTALLED.replace(PID, "N9K-C9504");
        assert_eq!(switch.log[..2], ["SN1", "SN2"].map(|serial| format!("{installed}{serial}.")));
        assert_eq!((switch.agent.trust_codes().len(), lab.uses_of(id)), (2, 1));
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(1));
        assert_eq!(lab.instance("SN1").licenses.len(), 1);
        assert!(lab.instance("SN2").licenses.is_empty());
        // The active one reports for both: nobody waits for reports of the standby, until none come of the switch at all.
        let overdue = |lab: &Lab| {
            lab.cssm.watch(lab.now).unwrap();
            let all = lab.cssm.alerts(lab.sa).unwrap().into_iter();
            all.filter(|alert| alert.kind == "overdue" && alert.cleared_at.is_none()).count()
        };
        lab.run_until(&mut switch, START.plus_days(800));
        assert_eq!(overdue(lab), 0);
        lab.now = lab.now.plus_days(400);
        assert_eq!(overdue(lab), 2);
    });
}

#[test]
fn a_switchover_moves_use_to_the_other_supervisor() {
    // PI-HA-004, PI-HA-006, PI-HA-010
    on_every_engine(&at_once(), |lab| {
        let modular = |serial: &&str| Udi::new("N9K-C9504", serial).unwrap();
        let members = |serials: &[&str]| -> Vec<HaMember> {
            let roles = [Role::Active, Role::Standby].into_iter();
            let member = |(serial, role)| HaMember { role, sudi: modular(serial) };
            serials.iter().zip(roles).map(member).collect()
        };
        let config = Config { transport: Transport::Smart, ..Config::default() };
        let mut switch = lab.switch_of(members(&["SN1", "SN2"]), config, "10.4(3)");
        let token = lab.token();
        lab.trust(&mut switch, &token, false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        let began_at = lab.now;
        let sync = |lab: &mut Lab, switch: &mut Switch| {
            lab.give(switch, Input::Sync);
            lab.run_until(switch, lab.now + 3_600);
        };
        lab.run_until(&mut switch, START.plus_days(1));
        sync(lab, &mut switch);
        let roles = |lab: &Lab| -> Vec<(String, Role)> {
            let told = lab.instance("SN1").supervisors;
            told.into_iter().map(|one| (one.serial, one.role)).collect()
        };
        let told = |one, two| vec![("SN1".to_owned(), one), ("SN2".to_owned(), two)];
        assert_eq!(roles(lab), told(Role::Active, Role::Standby));
        // The other one takes over in the midst of use that nobody reported yet.
        lab.run_until(&mut switch, START.plus_days(2));
        switch.take_over(lab.now, members(&["SN2", "SN1"]));
        lab.run_until(&mut switch, START.plus_days(3));
        sync(lab, &mut switch);
        assert_eq!(roles(lab), told(Role::Standby, Role::Active));
        assert!(lab.instance("SN1").licenses.is_empty());
        assert_eq!(lab.instance("SN2").licenses.len(), 1);
        // And a third takes the place of the first, which is gone for good.
        lab.give(&mut switch, Input::Supervisors(members(&["SN2"])));
        lab.give(&mut switch, Input::Supervisors(members(&["SN2", "SN3"])));
        lab.run_until(&mut switch, lab.now + 3_600);
        assert!(lab.instance("SN3").trusted);
        switch.take_over(lab.now, members(&["SN3"]));
        lab.run_until(&mut switch, START.plus_days(4));
        sync(lab, &mut switch);
        let ended_at = lab.cssm.reports(lab.sa, lab.instance("SN3").id, 0, 100).unwrap();
        let ended_at = ended_at.last().unwrap().end_at;
        let seconds: i64 = ["SN1", "SN2", "SN3"]
            .into_iter()
            .flat_map(|serial| {
                let view = lab.instance(serial);
                assert_eq!((view.reports_missing, view.overlap_seconds), (0, 0), "{serial}");
                assert_eq!(view.gaps, Vec::new(), "{serial}");
                lab.cssm.reports(lab.sa, view.id, 0, 100).unwrap()
            })
            .map(|report| report.count_seconds)
            .sum();
        assert_eq!(seconds, ended_at - began_at.0);
        assert!(lab.instance("SN2").licenses.is_empty());
        assert_eq!(lab.instance("SN3").licenses.len(), 1);
    });
}

#[test]
fn a_removed_switch_registers_anew_without_force() {
    // G-23, CSSM-013
    on_every_engine(&at_once(), |lab| {
        let (device, token) = (Device::new(&lab.cssm, "SN1"), lab.token());
        let request = device.trust(lab.now, &token, false);
        lab.document(&request);
        let report = device.report(1, lab.now - 100, &[(100, 1)]);
        lab.document(&device.usage(&[&report]));
        let id = lab.instance("SN1").id;
        lab.cssm.remove_instance(lab.now, &Actor::person("eve"), lab.sa, id).unwrap();
        // Even the very request it registered with, come late, must not leave it half registered.
        lab.now = lab.now + 10;
        assert_eq!(lab.document(&request).trust_codes.len(), 1);
        assert!(lab.instance("SN1").trusted);
        assert_eq!(lab.document(&device.sync(lab.now)).trust_codes.len(), 0);
        lab.cssm.remove_instance(lab.now, &Actor::person("eve"), lab.sa, id).unwrap();
        lab.document(&device.trust(lab.now, &token, false));
        let instance = lab.instance("SN1");
        assert_eq!((instance.id, instance.reports), (id, 1));
    });
}

#[test]
fn a_switch_moved_to_another_smart_account_leaves_nothing_in_use_behind() {
    // CSSM-013, CSSM-027: what is in use is in use in one account
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        lab.document(&device.usage(&[&device.report(1, lab.now - 100, &[(100, 1)])]));
        assert_eq!(lab.cssm.licenses(lab.now, lab.sa).unwrap()[0].in_use, 1);
        let other = lab.other_account("Other");
        let token = lab.token_of(other);
        // Not even force moves it: its owner has to let it go (T16).
        for force in [false, true] {
            let refusal = lab.refusal(&device.trust(lab.now, &token, force));
            assert!(refusal.starts_with("SA/VA mismatch: "), "{refusal}");
        }
        lab.let_go("SN1");
        lab.document(&device.trust(lab.now, &token, false));
        lab.document(&device.usage(&[&device.report(2, lab.now, &[(100, 1)])]));
        let licenses = lab.cssm.licenses(lab.now, other.0).unwrap();
        assert_eq!((licenses.len(), licenses[0].in_use), (1, 1));
        assert!(lab.instances().is_empty());
        let left = lab.cssm.licenses(lab.now, lab.sa).unwrap();
        assert!(left.iter().all(|license| license.in_use == 0), "{left:?}");
    });
}

#[test]
fn a_report_whose_ack_was_lost_before_a_move_counts_once() {
    // CSSM-027: sent to one account, sent again to the next
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let report = device.report(1, lab.now - 100, &[(100, 1)]);
        lab.document(&device.usage(&[&report]));
        let other = lab.other_account("Other");
        lab.let_go("SN1");
        lab.document(&device.trust(lab.now, &lab.token_of(other), true));
        lab.document(&device.usage(&[&report]));
        let id = lab.cssm.instances(other.0, &Only::All, InstanceId::default(), 10).unwrap()[0].id;
        let counted = |account: SmartAccountId| -> i64 {
            let rows = lab.cssm.reports(account, id, 0, 10).unwrap();
            rows.iter().map(|row| row.count_seconds).sum()
        };
        assert_eq!((counted(lab.sa), counted(other.0)), (100, 0));
        assert_eq!(lab.cssm.licenses(lab.now, other.0).unwrap()[0].in_use, 1);
        // The next report names the one before it; nothing is missing.
        let mut next = device.unsigned_report(2, lab.now, &[(50, 1)]);
        let sha256 = base64(&report.sha256());
        next.previous = Some(PreviousReport { report_id: 1, sha256 });
        let next = sign_report(next, device.signer.as_ref());
        lab.document(&device.usage(&[&next]));
        let moved = lab.cssm.instance(other.0, id).unwrap();
        assert_eq!((moved.reports, moved.reports_missing), (1, 0));
        assert_eq!((counted(lab.sa), counted(other.0)), (100, 50));
    });
}

#[test]
fn a_switch_moved_to_another_smart_account_takes_that_accounts_policy() {
    // PI-TRUST-008
    on_every_engine(&Settings::default(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        let other = lab.other_account("Other");
        lab.let_go("SN1");
        lab.now = lab.now + 10;
        switch.log.clear();
        lab.trust(&mut switch, &lab.token_of(other), true);
        assert_eq!(switch.agent.account().unwrap().smart_account, "Other");
        assert_eq!(switch.agent.policy().smart_account, "Other", "{:?}", switch.log);
        assert!(switch.log.iter().all(|line| !line.contains("FAILED")), "{:?}", switch.log);
    });
}

#[test]
fn strange_texts_are_refused_alike_on_every_engine() {
    // A text no database column holds is the sender's mistake, never "try again later".
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        for token in ["\0", "a\0b", "\u{feff}", "'; DROP TABLE person; --"] {
            let refusal = lab.refusal(&device.trust(lab.now, token, true));
            assert_eq!(refusal, "the token is not valid");
        }
        let token = lab.token();
        let ask = |change: fn(&mut TrustRequest)| {
            let mut request = device.trust_request(lab.now);
            change(&mut request);
            let trust_requests = vec![device.signed(request)];
            let id_token = token.clone();
            let body = RequestBody::TrustRequest { id_token, force: true, trust_requests };
            lab.response(&device.request(body))
        };
        ask(|request| request.nonce = "a\0b".to_owned());
        ask(|request| request.product_instance_identifier = "a\0b".to_owned());
        ask(|request| request.product_instance_identifier = "é\u{1f600}'\"<>&".to_owned());
        let long = ask(|request| request.nonce = "x".repeat(65));
        assert_eq!(long.status, ResponseStatus::Failed);
    });
}
