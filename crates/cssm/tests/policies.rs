//! Policies of licences: a product instance that uses one has its policy, one and no other (CSSM-022, 023).

use rumline_agent::{Input, LicenseUse};
use rumline_cssm::{Error, SetFor};
use rumline_protocol::{ClassPolicy, Document, EntitlementTag, Policy};
use rumline_testkit::{Device, Lab, START, admin, at_once, lan, lan_tag, on_every_engine};

const DAY: i64 = 86_400;
const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";
const VPN: &str = "VPN_FABRIC";
const VPN_TAG: &str =
    "regid.2019-06.com.cisco.VPN_Nexus9300_XF,1.0_679b00a2-c6f4-40a1-8c23-42aed9cf93b1";

fn named(name: &str, days: u32) -> Policy {
    let unenforced = ClassPolicy {
        first_report_days: days,
        ongoing_report_days: days,
        on_change_report_days: days,
    };
    Policy { policy_name: name.to_owned(), unenforced, ..Policy::cisco_default() }
}

fn set_tag(lab: &Lab, tag: &str, policy: Option<&Policy>) -> Result<(), Error> {
    let policy = policy.map(|policy| (policy, None));
    lab.cssm.set_tag_policy(lab.now, &admin(), lab.sa, tag, policy)
}

fn set_all(lab: &Lab, policy: Option<&Policy>) {
    let policy = policy.map(|policy| (policy, None));
    lab.cssm.set_policy(lab.now, &admin(), lab.sa, None, policy).expect("it can be set");
}

/// The policy of a product instance, by name, and what it was set for.
fn in_force(lab: &Lab, serial: &str) -> (String, SetFor) {
    let id = lab.instance(serial).id;
    let policy = lab.cssm.instance_policy(lab.sa, id).expect("it is there");
    (policy.policy.policy_name, policy.set_for)
}

fn vpn() -> LicenseUse {
    let tag = EntitlementTag::new(VPN_TAG).expect("a tag");
    LicenseUse { tag, name: VPN.to_owned(), ..lan(1) }
}

fn of_tag(name: &str, tag: &str) -> (String, SetFor) {
    (name.to_owned(), SetFor::Tag(tag.to_owned()))
}

#[test]
fn a_product_instance_has_the_strictest_policy_of_what_it_uses() {
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        let all = ("All".to_owned(), SetFor::SmartAccount);
        let cisco = (Policy::CISCO_DEFAULT.to_owned(), SetFor::CiscoDefault);
        assert_eq!(in_force(lab, "SN1"), cisco);
        set_all(lab, Some(&named("All", 90)));
        set_tag(lab, LAN, Some(&named("Lan", 60))).unwrap();
        set_tag(lab, VPN_TAG, Some(&named("Vpn", 40))).unwrap();
        // Nothing is in use yet.
        assert_eq!(in_force(lab, "SN1"), all);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(40));
        assert_eq!(in_force(lab, "SN1"), of_tag("Lan", LAN));
        assert_eq!(switch.agent.policy().policy_name, "Lan");
        lab.give(&mut switch, Input::Use(vec![lan(1), vpn()]));
        lab.run_until(&mut switch, START.plus_days(80));
        assert_eq!(in_force(lab, "SN1"), of_tag("Vpn", VPN_TAG));
        assert_eq!(switch.agent.policy().policy_name, "Vpn");
        // One licence less, and a policy less: what holds then reaches the switch although it is older.
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(120));
        assert_eq!(switch.agent.policy().policy_name, "Lan");
        set_tag(lab, LAN, None).unwrap();
        lab.run_until(&mut switch, START.plus_days(190));
        assert_eq!(in_force(lab, "SN1"), all);
        assert_eq!(switch.agent.policy().policy_name, "All");
        // The one that is always there comes back too.
        set_all(lab, None);
        lab.run_until(&mut switch, START.plus_days(300));
        assert_eq!(switch.agent.policy().policy_name, Policy::CISCO_DEFAULT);
    });
}

#[test]
fn each_device_is_answered_with_its_own_policy() {
    on_every_engine(&at_once(), |lab| {
        let (one, two) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        lab.register(&one);
        lab.register(&two);
        let policies = |document: &Document| -> Vec<(String, u64)> {
            let of = |policy: &Policy| (policy.policy_name.clone(), policy.version);
            document.policies.iter().map(|signed| of(&signed.value)).collect()
        };
        set_tag(lab, lan_tag().as_str(), Some(&named("Lan", 60))).unwrap();
        lab.now = lab.now + 60;
        let version = START.0.cast_unsigned();
        let told = |lab: &Lab, device: &Device, id, spans: &[(i64, u32)]| {
            policies(&lab.document(&device.usage(&[&device.report(id, START, spans)])))
        };
        let cisco = vec![(Policy::CISCO_DEFAULT.to_owned(), version)];
        // In turns, as answers are signed once for many.
        for round in 0..3 {
            let id = 2 * round + 1;
            let start = i64::try_from(round).unwrap() * 1_000;
            let from = START + start;
            let used = one.report(id, from, &[(50, 1)]);
            let idle = two.report(id, from, &[(50, 1), (50, 0)]);
            let used = policies(&lab.document(&one.usage(&[&used])));
            let idle = policies(&lab.document(&two.usage(&[&idle])));
            assert_eq!((used, idle), (vec![("Lan".to_owned(), version)], cisco.clone()), "{round}");
        }
        set_all(lab, Some(&named("All", 90)));
        lab.now = lab.now + 60;
        let later = lab.now.0.cast_unsigned() - 60;
        assert_eq!(told(lab, &two, 100, &[(1, 1), (1, 0)]), [("All".to_owned(), later)]);
        assert_eq!(told(lab, &one, 100, &[(1, 1)]), [("Lan".to_owned(), later)]);
    });
}

#[test]
fn reports_are_overdue_by_the_policy_of_the_one_that_owes_them() {
    on_every_engine(&at_once(), |lab| {
        for serial in ["SN1", "SN2"] {
            let device = Device::new(&lab.cssm, serial);
            lab.register(&device);
            let spans: &[(i64, u32)] = &[(50, 1)];
            lab.document(&device.usage(&[&device.report(1, START, spans)]));
        }
        let other = Device::new(&lab.cssm, "SN3");
        lab.register(&other);
        let overdue = |lab: &Lab| -> Vec<String> {
            lab.cssm.watch(lab.now).unwrap();
            let all = lab.cssm.alerts(lab.sa).unwrap().into_iter();
            let open = all.filter(|alert| alert.kind == "overdue" && alert.cleared_at.is_none());
            let mut subjects: Vec<String> = open.map(|alert| alert.subject).collect();
            subjects.sort();
            subjects
        };
        let of = |serials: &[&str]| -> Vec<String> {
            serials.iter().map(|serial| format!("PID:N9K-C93180YC-FX3,SN:{serial}")).collect()
        };
        set_all(lab, Some(&named("All", 20)));
        set_tag(lab, LAN, Some(&named("Lan", 60))).unwrap();
        lab.now = START + 30 * DAY;
        assert_eq!(overdue(lab), of(&["SN3"]));
        lab.now = START + 61 * DAY;
        assert_eq!(overdue(lab), of(&["SN1", "SN2", "SN3"]));
        set_tag(lab, LAN, Some(&named("Lan", 0))).unwrap();
        assert_eq!(overdue(lab), of(&["SN3"]));
        set_all(lab, Some(&named("All", 0)));
        assert_eq!(overdue(lab), of(&[]));
        set_tag(lab, LAN, Some(&named("Lan", 10))).unwrap();
        assert_eq!(overdue(lab), of(&["SN1", "SN2"]));
        let lax = Policy { reporting_ack_required: false, ..named("Lan", 10) };
        set_tag(lab, LAN, Some(&lax)).unwrap();
        assert_eq!(overdue(lab), of(&[]));
    });
}

#[test]
fn what_is_no_licence_has_no_policy_and_all_can_be_listed_and_taken_back() {
    on_every_engine(&at_once(), |lab| {
        for wrong in ["", "VPN_FABRC", "vpn_fabric", "regid.x"] {
            let refused = set_tag(lab, wrong, Some(&named("x", 30)));
            assert!(matches!(refused, Err(Error::Invalid(_) | Error::Field { .. })), "{wrong:?}");
        }
        assert!(matches!(set_tag(lab, VPN, None), Err(Error::NotFound(_))));
        assert!(matches!(
            set_tag(lab, VPN, Some(&named("", 30))),
            Err(Error::Invalid(_) | Error::Field { .. })
        ));
        set_tag(lab, VPN, Some(&named("Vpn", 30))).unwrap();
        set_tag(lab, VPN, Some(&named("Again", 40))).unwrap();
        let all = lab.cssm.tag_policies(lab.sa).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].policy.policy_name, "Again");
        assert_eq!(all[0].set_for, SetFor::Tag(VPN.to_owned()));
        let other = lab.other_account("Other").0;
        assert_eq!(lab.cssm.tag_policies(other).unwrap(), []);
        set_tag(lab, VPN, None).unwrap();
        assert_eq!(lab.cssm.tag_policies(lab.sa).unwrap(), []);
        assert!(matches!(set_tag(lab, VPN, None), Err(Error::NotFound(_))));
        let tag = |number: usize| format!("regid.2019-06.com.cisco.T{number},1.0_x");
        for number in 0..100 {
            set_tag(lab, &tag(number), Some(&named("x", 30))).unwrap();
        }
        let more = set_tag(lab, &tag(100), Some(&named("x", 30)));
        assert!(matches!(more, Err(Error::Conflict(_))), "{more:?}");
        set_tag(lab, &tag(7), Some(&named("y", 30))).unwrap();
    });
}

#[test]
fn a_change_reaches_devices_however_busy_they_are() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let told = |lab: &mut Lab, id: u64| -> String {
            lab.now = lab.now + 2;
            let report = device.report(id, lab.now, &[(1, 1)]);
            let document = lab.document(&device.usage(&[&report]));
            document.policies[0].value.policy_name.clone()
        };
        let cisco = Policy::CISCO_DEFAULT;
        assert_eq!([told(lab, 1), told(lab, 2)], [cisco, cisco]);
        set_tag(lab, LAN, Some(&named("Lan", 60))).unwrap();
        assert_eq!(told(lab, 3), "Lan");
        // Somebody else wrote into the database: what was read serves five seconds, and no more.
        let change = |tx: &mut rumline_store::Tx<'_>| {
            Ok::<_, Error>(tx.execute("UPDATE tag_policy SET body = ''", &[])?)
        };
        lab.cssm.db().write("test.change", change).unwrap();
        let names: Vec<String> = (4..9).map(|id| told(lab, id)).collect();
        assert_eq!(names.last().unwrap(), cisco, "{names:?}");
    });
}

#[test]
fn of_two_policies_that_hold_the_one_said_last_counts() {
    on_every_engine(&at_once(), |lab| {
        set_all(lab, Some(&named("All", 90)));
        set_tag(lab, LAN, Some(&named("Lan", 60))).unwrap();
        lab.now = lab.now + 60;
        let before = lab.cssm.policy_file(lab.now, lab.sa, lab.va).unwrap();
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(70));
        assert_eq!(switch.agent.policy().policy_name, "Lan");
        let refused = switch.import(lab.now, &before).refused;
        assert_eq!(refused[0].1, "a newer policy is installed");
        assert_eq!(switch.agent.policy().policy_name, "Lan");
        let after = lab.cssm.policy_file(lab.now, lab.sa, lab.va).unwrap();
        switch.import(lab.now, &after);
        assert_eq!(switch.agent.policy().policy_name, "All", "whoever imports it wants it");
    });
}
