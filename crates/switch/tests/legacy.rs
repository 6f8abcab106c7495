//! A switch on releases before Smart Licensing Using Policy (C-39, PI-SHOW-030, PI-SHOW-038, PI-MIG-012, PI-MIG-019, PI-MIG-026).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
#[path = "common/older.rs"]
mod older;

use common::*;
use older::{MODEL, license_file as file};
use rumline_catalogue::Catalogue;

fn lab(release: &str, config: &str) -> Lab {
    boot(at("Aug 14 09:00:00 2021"), MODEL, SERIAL, release, Some(config)).unwrap()
}

fn install(lab: &mut Lab, release: &str) -> String {
    let name = Catalogue::nexus().release(release).unwrap().image.clone();
    let name = name.rsplit('/').next().unwrap().to_owned();
    let file = image(release, &lab.hardware.pid).signed(maker().as_ref());
    lab.flash.files.insert(name.clone(), file.into_bytes());
    lab.run(&[&format!("install all nxos bootflash:{name}"), "y"])
}

#[test]
fn it_comes_up_with_each_of_them_and_speaks_to_nobody() {
    // PI-MIG-012
    let catalogue = Catalogue::nexus();
    let old = || catalogue.releases().iter().filter(|row| !row.has_slp());
    assert!(old().count() > 25);
    for release in old() {
        let config = "feature bgp\ncallhome\n  enable\n";
        let mut lab = lab(&release.version, config);
        let version = lab.run(&["show version"]);
        assert!(version.contains(&format!("NXOS: version {}\n", release.nxos)), "{version}");
        let told =
            lab.run(&["show license preview", "license smart sync", "show license rum id all"]);
        let refused = format!("% Not supported on {}, which is of before", release.version);
        assert_eq!(told.matches(&refused).count(), 3, "{told}");
        lab.now = lab.now.plus_days(400);
        lab.input(rumline_agent::Input::Tick);
        assert!(lab.sent.is_empty(), "{}", release.version);
        let has_smart = release.licensing.len() > 2;
        let told = lab.run(&["configure terminal", "license smart enable", "end"]);
        assert_eq!(
            told.contains("needs Cisco NX-OS Release 9.3(3) or later"),
            !has_smart,
            "{told}"
        );
        let status = lab.run(&["show license status"]);
        assert_eq!(status.starts_with("Smart Licensing is ENABLED\n"), has_smart, "{status}");
    }
}

#[test]
fn lines_of_the_one_licensing_are_refused_on_the_other() {
    // REL-001, C-39
    let mut old = lab("9.3(5)", "feature bgp\n");
    for line in [
        "license smart transport smart",
        "license smart url smart https://example.net/",
        "license smart usage interval 40",
        "license smart privacy all",
        "license smart custom_id one",
        "license smart proxy port 80",
        "feature tap-aggregation",
    ] {
        let told = old.run(&["configure terminal", line, "end"]);
        assert!(told.contains("needs Cisco NX-OS Release 10.2(1)F or later"), "{line}: {told}");
    }
    let mut new = Lab::with_release("10.2(1)F");
    let told = new.run(&["configure terminal", "license smart enable", "end"]);
    assert!(told.contains("is not there from Cisco NX-OS Release 10.2(1)F on"), "{told}");
    for line in ["install license bootflash:a.lic", "clear license a.lic", "show license brief"] {
        let told = new.run(&[line]);
        assert!(told.starts_with("% Not supported in Smart Licensing Using Policy"), "{told}");
    }
    for lab in [&mut old, &mut new] {
        for line in ["license smart reservation", "license smart reservation request local"] {
            let told = lab.run(&[line]);
            assert!(told.contains("License reservation is not supported"), "{told}");
        }
    }
}

#[test]
fn an_evaluation_runs_over_restarts_and_ends_in_words_alone() {
    let mut lab = lab("9.3(7)", "feature bgp\nfeature pim\nlicense smart enable\n");
    let status = lab.run(&["show license status"]);
    assert!(status.contains("  Status: UNREGISTERED\n"), "{status}");
    assert!(status.contains("Remaining: 90 days, 0 hours, 0 minutes, 0 seconds\n"), "{status}");
    lab.now = lab.now.plus_days(4);
    lab.boot_again("moved");
    let usage = lab.run(&["show license usage"]);
    assert!(usage.contains("Remaining: 86 days, 0 hours, 0 minutes, 0 seconds\n"), "{usage}");
    assert!(usage.contains("(LAN_ENTERPRISE_SERVICES_PKG):\n  Description: <empty>\n"), "{usage}");
    let (wake, why) = lab.switch.next_wake().unwrap();
    assert_eq!((wake, why), (at("Nov 12 09:00:00 2021"), "older licensing"));
    lab.now = wake;
    lab.input(rumline_agent::Input::Tick);
    assert!(lab.log.iter().any(|line| line.contains("LOG_SMART_LIC_EVAL_EXPIRED")));
    let summary = lab.run(&["show license summary"]);
    assert!(summary.contains("  Status: EVAL EXPIRED on Nov 12 09:00:00 2021 UTC\n"), "{summary}");
    // PI-MIG-002: nothing is turned off.
    assert!(lab.run(&["show running-config"]).contains("feature bgp"));
    let model = lab.run(&["show running-config license all"]);
    assert!(model.contains("!Licensing model: Smart Licensing, evaluation expired\n"), "{model}");
    assert!(model.contains("\nlicense smart enable\n") && !model.contains("transport"), "{model}");
}

#[test]
fn an_evaluation_stands_still_on_releases_with_policy_however_often_it_goes_up_and_down() {
    // PI-MIG-015, PI-MIG-019, PI-MIG-026
    let mut lab = lab("9.3(7)", "feature bgp\nlicense smart enable\n");
    let remaining_days = |lab: &Lab| {
        let kept = rumline_legacy::Kept::read(&lab.store.files["old-licensing"]).unwrap();
        kept.evaluation.remaining_seconds(lab.now) / rumline_protocol::Timestamp::DAY
    };
    let mut left = 90;
    for (release, days) in [
        ("9.3(7)", 4),
        ("10.2(1)F", 100),
        ("9.3(13)", 10),
        ("10.5(1)F", 30),
        ("10.3(2)F", 200),
        ("10.1(2)", 1),
        ("10.2(1)F", 400),
        ("9.3(3)", 70),
    ] {
        install(&mut lab, release);
        let has_policy = Catalogue::nexus().release(release).unwrap().has_slp();
        if !has_policy {
            lab.run(&["configure terminal", "license smart enable", "end"]);
            lab.run(&["copy running-config startup-config"]);
        }
        // A restart in the middle changes nothing.
        lab.now = lab.now.plus_days(days / 2);
        lab.boot_again("moved");
        lab.now = lab.now.plus_days(days - days / 2);
        lab.input(rumline_agent::Input::Tick);
        left -= if has_policy { 0 } else { i64::from(days) };
        assert_eq!(remaining_days(&lab), left, "{release}");
    }
    assert_eq!(left, 5);
    assert!(lab.run(&["show license status"]).contains("Remaining: 5 days, 0 hours"));
}

#[test]
fn an_evaluation_stands_still_also_where_its_first_start_with_policy_is_cut() {
    for failure in
        [rumline_agent::DiskError::Other("no power".to_owned()), rumline_agent::DiskError::Full]
    {
        for after in 0..40 {
            let mut lab = lab("9.3(7)", "feature bgp\nlicense smart enable\n");
            lab.now = lab.now.plus_days(4);
            lab.input(rumline_agent::Input::Tick);
            lab.store.fails_after = Some((after, failure.clone()));
            install(&mut lab, "10.2(1)F");
            (lab.store.failure, lab.store.fails_after) = (None, None);
            if failure == rumline_agent::DiskError::Full {
                lab.input(rumline_agent::Input::Tick);
            } else {
                lab.boot_again("no power");
            }
            if lab.run(&["show version"]).contains("9.3(7)") {
                install(&mut lab, "10.2(1)F");
            }
            lab.now = lab.now.plus_days(100);
            lab.boot_again("moved");
            install(&mut lab, "9.3(7)");
            lab.run(&["configure terminal", "license smart enable", "end"]);
            let told = lab.run(&["show license status"]);
            let left = "Remaining: 86 days, 0 hours, 0 minutes";
            assert!(told.contains(left), "{failure:?} after {after}: {told}");
        }
    }
}

#[test]
fn licence_files_are_installed_for_this_host_only_and_shown() {
    let mut lab = lab("9.3(2)", "feature bgp\n");
    let own = format!("VDH={SERIAL}");
    assert_eq!(lab.run(&["show license host-id"]), format!("License hostid: {own}\n"));
    lab.flash.files.insert("own.lic".to_owned(), file(&own));
    lab.flash.files.insert("other.lic".to_owned(), file("VDH=FOX2308PCEN"));
    lab.flash.files.insert("none.lic".to_owned(), b"no licence".to_vec());
    let usage = lab.run(&["show license usage"]);
    let row = "LAN_ENTERPRISE_SERVICES_PKG  No   -     In use             No license file\n";
    assert!(usage.contains(row), "{usage}");
    assert!(!usage.contains("DCN_NDB"), "{usage}");
    for (name, why) in [
        ("other.lic", "it is for host id VDH=FOX2308PCEN, and this switch has VDH=RML26170001"),
        ("none.lic", "it is no license file"),
        ("gone.lic", "bootflash:gone.lic is not there"),
    ] {
        let told = lab.run(&[&format!("install license bootflash:{name}")]);
        assert!(told.starts_with("Installing license failed: ") && told.contains(why), "{told}");
    }
    assert_eq!(lab.run(&["show license brief"]), "");
    assert_eq!(lab.run(&["install license bootflash:own.lic"]), "Installing license ..done\n");
    lab.boot_again("moved");
    assert_eq!(lab.run(&["show license brief"]), "own.lic\n");
    let shown = lab.run(&["show license file own.lic"]);
    assert_eq!(shown.as_bytes(), [b"own.lic:\n", &file(&own)[..]].concat());
    let usage = lab.run(&["show license usage"]);
    let row = "LAN_ENTERPRISE_SERVICES_PKG  Yes  -     In use never       -\n";
    assert!(usage.contains(row), "{usage}");
    let model = lab.run(&["show running-config license all"]);
    assert!(model.contains("!Licensing model: Traditional Licensing (PAK)\n"), "{model}");
    assert_eq!(lab.run(&["clear license own.lic"]), "Clearing license ..done\n");
    assert!(lab.run(&["clear license own.lic"]).contains("no license file own.lic is installed"));
    // The right to use is the model that nothing is told of (PI-SHOW-030).
    let model = lab.run(&["show running-config license all"]);
    assert!(!model.contains("!Licensing model"), "{model}");
}

#[test]
fn a_full_disk_takes_no_licence_file_and_a_damaged_record_is_told() {
    let mut lab = lab("9.3(2)", "feature bgp\n");
    lab.flash.files.insert("own.lic".to_owned(), file(&format!("VDH={SERIAL}")));
    lab.store.failure = Some(rumline_agent::DiskError::Full);
    let told = lab.run(&["install license bootflash:own.lic"]);
    assert!(told.starts_with("Installing license failed: "), "{told}");
    lab.store.failure = None;
    assert_eq!(lab.run(&["show license brief"]), "");
    lab.run(&["install license bootflash:own.lic"]);
    lab.store.files.get_mut("old-licensing").unwrap()[3] ^= 1;
    assert_eq!(rumline_switch::damaged_licensing(&mut lab.store), Ok(Some("old-licensing")));
    lab.boot_again("moved");
    let told = "what was kept of the older licensing is damaged: it is kept as old-licensing.aside-1; the switch is not \
                registered and has no license files";
    assert!(lab.log.iter().any(|line| line.contains(told)), "{:?}", lab.log);
    assert_eq!(lab.run(&["show license brief"]), "");
    assert_eq!(rumline_switch::damaged_licensing(&mut lab.store), Ok(None));
}

#[test]
fn what_cannot_be_read_is_put_aside_and_never_written_over() {
    // A later program wrote it, or it is damaged; the disk is full, or has too many of them
    let mut lab = lab("9.3(2)", "feature bgp\n");
    lab.flash.files.insert("own.lic".to_owned(), file(&format!("VDH={SERIAL}")));
    lab.run(&["install license bootflash:own.lic"]);
    let good = lab.store.files["old-licensing"].clone();
    let json = "{\"format\":99,\"kept\":{}}";
    let digest: String = rumline_protocol::sha256(json.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let later = format!("{digest}\n{json}").into_bytes();
    lab.store.files.insert("old-licensing".to_owned(), later.clone());
    // While it cannot be put aside nothing is written.
    lab.store.failure = Some(rumline_agent::DiskError::Full);
    lab.boot_again("moved");
    assert!(lab.log.iter().any(|line| {
        line.contains("is of a later form, 99: it cannot be put aside")
            && line.contains("stays in old-licensing")
    }));
    lab.run(&["install license bootflash:own.lic"]);
    assert_eq!(lab.store.files["old-licensing"], later);
    // Once there is room it is, with the first thing that is written.
    lab.store.failure = None;
    lab.run(&["install license bootflash:own.lic"]);
    assert_eq!(lab.store.files["old-licensing.aside-1"], later);
    assert_eq!(lab.run(&["show license brief"]), "own.lic\n");
    // Each keeps its name; there is an end to them, and then all stays as it is.
    for number in 2..=10 {
        let mut damaged = good.clone();
        damaged[number] ^= 1;
        lab.store.files.insert("old-licensing".to_owned(), damaged.clone());
        lab.boot_again("moved");
        let place = if number < 10 {
            format!("old-licensing.aside-{number}")
        } else {
            "old-licensing".to_owned()
        };
        assert_eq!(lab.store.files[&place], damaged, "{number}");
    }
    let told = lab.run(&["install license bootflash:own.lic"]);
    assert!(told.contains("9 files of the older licensing are put aside already"), "{told}");
    // On a release with Smart Licensing Using Policy it stays where it is, and is told.
    lab.log.clear();
    lab.hardware.release = "10.3(2)F".to_owned();
    lab.boot_again("moved");
    let told =
        "is damaged: it stays in old-licensing, and what the switch held before is not known";
    assert!(lab.log.iter().any(|line| line.contains(told)), "{:?}", lab.log);
}

#[test]
fn use_and_features_are_the_same_up_down_and_up_again_and_none_is_counted_twice() {
    // PI-MIG-001, PI-MIG-002, PI-MIG-019, PI-MIG-026, PI-LIC-008
    let mut lab = lab("9.3(5)", "hostname leaf\nfeature bgp\nfeature ospf\nfeature pim\nvlan 10\n");
    let own = format!("VDH={SERIAL}");
    lab.flash.files.insert("own.lic".to_owned(), file(&own));
    lab.run(&["install license bootflash:own.lic"]);
    let features = |lab: &mut Lab| lab.run(&["show feature | include enabled"]);
    let (first, started_at) = (features(&mut lab), lab.now);
    let kept = |lab: &Lab| {
        let kept = rumline_legacy::Kept::read(&lab.store.files["old-licensing"]).unwrap();
        (kept.files, kept.evaluation)
    };
    let first_kept = kept(&lab);
    let key = |lab: &Lab| lab.store.files["device.key"].clone();
    let first_key = key(&lab);
    let mut on_policy_seconds = 0;
    for (release, seconds) in [
        ("10.3(1)F", 5_000),
        ("9.3(13)", 7_000),
        ("10.5(1)F", 3_000),
        ("9.2(1)", 2_000),
        ("10.2(1)F", 100),
    ] {
        let told = install(&mut lab, release);
        assert!(told.contains("Install is in progress"), "{told}");
        assert_eq!(features(&mut lab), first, "{release}");
        assert_eq!((kept(&lab), key(&lab)), (first_kept.clone(), first_key.clone()));
        lab.now = lab.now + seconds;
        lab.input(rumline_agent::Input::Tick);
        if Catalogue::nexus().release(release).unwrap().has_slp() {
            on_policy_seconds += seconds;
            let usage = lab.run(&["show license usage"]);
            assert_eq!(usage.matches("  Status: IN USE\n").count(), 1, "{usage}");
            assert!(usage.contains("(LAN_ENTERPRISE_SERVICES_PKG):"), "{usage}");
        } else {
            let usage = lab.run(&["show license usage"]);
            assert!(
                usage.contains("LAN_ENTERPRISE_SERVICES_PKG  Yes  -     In use never"),
                "{usage}"
            );
            assert!(lab.sent.is_empty());
        }
    }
    lab.run(&["license smart save usage unreported bootflash:usage.txt"]);
    // The agent counts what was used on its releases, and that once.
    let reports = lab.switch.agent().report_summaries(100, &mut lab.store).unwrap();
    let counted: i64 = reports.iter().map(|report| report.count_seconds).sum();
    assert!(lab.now.since(started_at) > on_policy_seconds);
    assert_eq!(counted, on_policy_seconds, "{reports:?}");
}
