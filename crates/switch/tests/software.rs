//! Images and going from one release to another (PI-MIG-019, PI-MIG-026, F-40, F-63).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::collections::BTreeMap;

use common::*;
use rumline_agent::DiskError;
use rumline_catalogue::Catalogue;
use rumline_protocol::sha256;

const OLD: &str = "10.3(1)F";
const NEW: &str = "10.5(1)F";

impl Lab {
    /// Puts an image on bootflash: and gives its name.
    fn bring(&mut self, release: &str) -> String {
        let name = Catalogue::nexus().release(release).unwrap().image.clone();
        let name = name.rsplit('/').next().unwrap().to_owned();
        let file = image(release, &self.hardware.pid).signed(maker().as_ref());
        self.flash.files.insert(name.clone(), file.into_bytes());
        name
    }

    fn install(&mut self, release: &str) -> String {
        let name = self.bring(release);
        self.run(&[&format!("install all nxos bootflash:{name}"), "y"])
    }

    fn release(&mut self) -> String {
        let version = self.run(&["show version"]);
        let line = version.lines().find_map(|line| line.strip_prefix("  NXOS: version "));
        line.unwrap().to_owned()
    }

    /// The lines of the configuration, without the two that name the release.
    fn lines(&self) -> Vec<String> {
        let running = self.switch.running().render();
        let names = |line: &&str| line.starts_with("version ") || line.starts_with("boot nxos ");
        running.lines().filter(|line| !names(line)).map(str::to_owned).collect()
    }
}

/// Lines that some releases have and others have not, each with the section it is typed in, and lines that all have.
const LINES: &[(&str, &str)] = &[
    ("", "license smart vrf red"),
    ("", "license smart source-interface Ethernet1/1"),
    ("callhome", "source-interface Ethernet1/1"),
    ("", "ip name-server 192.0.2.1 source-interface Ethernet1/1"),
    ("", "logging rfc-strict 5424"),
    ("", "license smart transport smart"),
    ("", "license smart usage interval 40"),
    ("", "feature bgp"),
    ("", "feature itd"),
    ("callhome", "email-contact ops@example.net"),
    ("", "ip name-server 192.0.2.2"),
    ("vlan 10", "name ten"),
];

fn all_lines() -> String {
    let mut text = "hostname leaf\nvrf context red\n".to_owned();
    for (section, line) in LINES {
        text.push_str(&match *section {
            "" => format!("{line}\n"),
            section => format!("{section}\n  {line}\n"),
        });
    }
    text
}

#[test]
fn an_image_is_installed_and_the_switch_comes_up_with_it() {
    let mut lab = Lab::with_release(OLD);
    lab.configure(&["feature bgp"]);
    let name = lab.bring(NEW);
    let asked = lab.run(&[&format!("install all nxos bootflash:{name}")]);
    assert!(
        asked.ends_with("Do you want to continue with the installation (y/n)?  [n] "),
        "{asked}"
    );
    assert!(asked.contains("     1       yes      disruptive         reset  default upgrade"));
    let row = "     1        nxos                                   10.3(1)               10.5(1)           yes";
    assert!(asked.contains(row), "{asked}");
    assert!(asked.contains("All lines of the configuration are there on 10.5(1)F"), "{asked}");
    assert_eq!(lab.run(&["n"]), "");
    assert_eq!((lab.reloads, lab.release().as_str()), (0, "10.3(1)"));
    let told = lab.run(&[&format!("install all nxos bootflash:{name}"), "y"]);
    assert!(told.ends_with("Finishing the upgrade, switch will reboot now.\n"), "{told}");
    assert_eq!((lab.reloads, lab.release().as_str()), (1, "10.5(1)"));
    let version = lab.run(&["show version"]);
    assert!(version.contains(&format!("NXOS image file is: bootflash:///{name}")), "{version}");
    assert!(
        version.contains("Reason: Reset due to upgrade\n  System version: 10.3(1)"),
        "{version}"
    );
    let boot = lab.run(&["show boot"]);
    assert_eq!(
        boot.matches(&format!("NXOS variable = bootflash:///{name}\n")).count(),
        2,
        "{boot}"
    );
    assert!(lab.run(&["show running-config"]).contains("feature bgp"));
    assert!(
        lab.run(&["show running-config"]).contains(&format!("\nboot nxos bootflash:/{name}\n"))
    );
    let status = lab.run(&["show install all status"]);
    assert!(status.ends_with("Install has been successful.\n"), "{status}");
    assert!(
        lab.log.iter().any(|line| line.contains("%BOOTVAR-5-STARTED: the switch runs 10.5(1)F"))
    );
    // It stays, whatever becomes of the image, and however often the switch starts.
    lab.run(&[&format!("delete bootflash:{name} no-prompt")]);
    lab.boot_again("moved");
    assert_eq!(lab.release(), "10.5(1)");
    assert!(lab.run(&["show boot"]).contains("is not there: the switch starts with 10.5(1)F"));
    lab.run(&["write erase", "y", "reload", "y"]);
    assert_eq!(lab.release(), "10.5(1)");
    // Another release that is named at the start is meant.
    lab.hardware.release = "10.4(1)F".to_owned();
    lab.boot_again("moved");
    assert_eq!(lab.release(), "10.4(1)");
}

#[test]
fn a_line_names_the_image_and_a_bad_one_is_told() {
    let mut lab = Lab::with_release(OLD);
    let name = lab.bring(NEW);
    lab.configure(&[&format!("boot nxos bootflash:{name}")]);
    assert!(lab.run(&["show boot"]).contains("10.3.1.F"));
    lab.run(&["copy running-config startup-config"]);
    assert!(
        lab.run(&["show boot"]).ends_with(&format!("bootflash:///{name}\nBoot POAP Disabled\n"))
    );
    lab.run(&["reload", "y"]);
    assert_eq!(lab.release(), "10.5(1)");
    let told = lab.run(&["configure terminal", "boot nxos bootflash:none.bin", "end"]);
    assert!(told.contains("Warning: bootflash:none.bin is not there"), "{told}");
    assert_eq!(lab.run(&["show running-config | include boot"]), "boot nxos bootflash:/none.bin\n");
    // An image that is altered is not started, and the switch goes on with what it ran.
    lab.configure(&[&format!("boot nxos bootflash:{name} sup-1")]);
    lab.run(&["copy running-config startup-config"]);
    lab.flash.files.get_mut(&name).unwrap()[40] ^= 1;
    lab.boot_again("moved");
    assert_eq!(lab.release(), "10.5(1)");
    assert!(lab.log.iter().any(|line| line.contains("%BOOTVAR-2-NOT_STARTED: ")), "{:?}", lab.log);
    lab.configure(&["no boot nxos"]);
    assert_eq!(lab.run(&["show running-config | include boot"]), "");
}

#[test]
fn an_image_that_cannot_be_started_is_refused_with_what_to_do_and_nothing_changes() {
    let mut lab =
        boot(at("Mar 04 09:00:00 2024"), "N9K-C9364C-H1", SERIAL, "10.4(3)F", None).unwrap();
    let good = image(NEW, "N9K-C9364C-H1");
    let by = |image: &rumline_protocol::SoftwareImage| image.signed(maker().as_ref());
    let mut altered = by(&good);
    altered = altered.replacen("10.5(1)F", "10.4(3)F", 1);
    let mut many = good.clone();
    many.platforms = ["A", "B", "C", "D", "E", "F"].map(str::to_owned).to_vec();
    let cases = [
        ("altered", altered, "it was altered, or somebody else made it: copy it again"),
        ("unsigned", good.unsigned(), "is not signed: take one that its maker signed"),
        (
            "other",
            by(&image(NEW, PID)),
            "is for N9K-C93180YC-FX3: take the image for N9K-C9364C-H1",
        ),
        (
            "unknown",
            by(&image("11.1(1)F", "N9K-C9364C-H1")),
            "11.1(1)F, which this switch does not know",
        ),
        (
            "old",
            by(&image("10.4(2)F", "N9K-C9364C-H1")),
            "N9K-C9364C-H1 needs release 10.4(3)F or later",
        ),
        ("text", "hostname leaf\n".to_owned(), "is no software image: name the image"),
        ("cut", by(&good)[..100].to_owned(), "is cut off after 100 bytes: look for room"),
        ("empty", String::new(), "is cut off after 0 bytes"),
    ];
    for (name, text, _) in &cases {
        lab.flash.files.insert((*name).to_owned(), text.clone().into_bytes());
    }
    let before = (lab.store.files.clone(), lab.flash.files.clone());
    let gone = ("none", String::new(), "is not there: copy it");
    for (name, _, why) in cases.iter().chain([&gone]) {
        for command in ["install all", "show install all impact", "show incompatibility-all"] {
            let told = lab.run(&[&format!("{command} nxos bootflash:{name}")]);
            assert!(told.contains("-- FAIL.") && told.contains(why), "{name}: {told}");
            assert!(told.contains("nothing was changed"), "{told}");
        }
    }
    assert!(lab.run(&["install all nxos ftp:x"]).contains("Invalid file name"));
    assert_eq!((&lab.store.files, &lab.flash.files), (&before.0, &before.1));
    // One that was exchanged between the question and its answer is looked at again.
    let name = lab.bring(NEW);
    lab.run(&[&format!("install all nxos bootflash:{name}")]);
    lab.flash.files.insert(name, b"something else".to_vec());
    assert!(lab.run(&["y"]).contains("is no software image"));
    assert_eq!((&lab.store.files, lab.reloads), (&before.0, 0));
    // Without a maker nobody is believed.
    lab.hardware.maker_key = None;
    lab.boot_again("moved");
    let name = lab.bring(NEW);
    assert!(
        lab.run(&[&format!("install all nxos bootflash:{name}")])
            .contains("knows no maker of images")
    );
}

#[test]
fn between_any_two_releases_exactly_the_lines_of_the_table_go() {
    let catalogue = Catalogue::nexus();
    let releases: Vec<&str> = catalogue
        .releases()
        .iter()
        .filter(|release| release.has_slp())
        .map(|release| release.version.as_str())
        .collect();
    let text = all_lines();
    let mut gone_somewhere = BTreeMap::new();
    for pid in [PID, "N9K-C92348GC-X"] {
        for from in &releases {
            let since = at("Mar 04 09:00:00 2024");
            // What a release does not have does nothing there: it stays where it is, up and down.
            let mut started = boot(since, pid, SERIAL, from, None).unwrap();
            let accepted = |lab: &mut Lab, (section, line): &(&str, &str)| {
                let mut lines = vec!["configure terminal", "vrf context red", "exit"];
                if !section.is_empty() {
                    lines.push(section);
                }
                lab.run(&lines);
                let told = lab.run(&[line]);
                lab.run(&["end"]);
                !told.contains('%')
            };
            let had: Vec<_> = LINES.iter().filter(|line| accepted(&mut started, line)).collect();
            // What it first comes with and does not have is told once.
            let mut first = boot(since, pid, SERIAL, from, Some(&text)).unwrap();
            let idle = |lab: &Lab| {
                let all = lab.log.iter().filter(|said| said.ends_with(": the line does nothing"));
                all.cloned().collect::<Vec<_>>()
            };
            let told = idle(&first);
            let lacks = LINES.iter().filter(|line| !had.contains(line));
            for (_, line) in lacks.clone() {
                assert!(told.iter().any(|said| said.contains(line)), "{from}: {line}: {told:?}");
            }
            assert_eq!(told.len(), lacks.count(), "{from}: {told:?}");
            first.log.clear();
            first.boot_again("moved");
            assert_eq!(idle(&first), Vec::<String>::new(), "{from}");
            for to in &releases {
                let mut lab = boot(since, pid, SERIAL, from, Some(&text)).unwrap();
                let before = lab.lines();
                let name = lab.bring(to);
                let listed = lab.run(&[&format!("show incompatibility-all nxos bootflash:{name}")]);
                let told = lab.install(to);
                assert_eq!(lab.reloads, 1, "{told}");
                let after = lab.lines();
                let mut other = boot(since, pid, SERIAL, to, None).unwrap();
                let goes = |line: &(&str, &str)| !accepted(&mut other, line);
                let go: Vec<_> = had.iter().copied().copied().filter(goes_of(goes)).collect();
                let mut wanted = before.clone();
                for (section, line) in &go {
                    let indented =
                        if section.is_empty() { (*line).to_owned() } else { format!("  {line}") };
                    assert!(
                        listed.contains(&format!("{line}\nDescription : ")),
                        "{line}: {listed}"
                    );
                    let place = wanted.iter().position(|known| *known == indented).unwrap();
                    wanted.remove(place);
                    assert!(
                        lab.log.iter().any(|said| said.contains(line)),
                        "{line}: {:?}",
                        lab.log
                    );
                    *gone_somewhere.entry(*line).or_insert(0) += 1;
                }
                assert_eq!(listed.matches(") Line : ").count(), go.len(), "{listed}");
                let none = listed.ends_with("-\nNo incompatible configurations\n");
                assert_eq!(none, go.is_empty(), "{listed}");
                assert_eq!(after, wanted, "{pid}: {from} to {to}");
                let table: usize =
                    catalogue.closed_between(from, to, pid).map(|gate| gate.lines.len()).sum();
                assert_eq!(table == 0, go.is_empty(), "{from} to {to}");
                let kept = lab.flash.files.keys().any(|name| name.starts_with("startup-"));
                assert_eq!(kept, !go.is_empty());
                // What was saved is what runs.
                lab.boot_again("moved");
                assert_eq!(lab.lines(), after);
            }
        }
    }
    assert_eq!(gone_somewhere.len(), 5, "{gone_somewhere:?}");
}

fn goes_of<'a>(
    mut goes: impl FnMut(&(&'a str, &'a str)) -> bool,
) -> impl FnMut(&(&'a str, &'a str)) -> bool {
    move |line| goes(line)
}

#[test]
fn keys_trust_policy_reports_and_features_are_the_same_up_down_and_up_again() {
    // PI-MIG-019, PI-MIG-026
    let mut lab = Lab::with_release(OLD);
    lab.install_trust();
    lab.configure(&["feature bgp", "feature itd"]);
    let digests = |lab: &Lab| {
        let kept = lab.store.files.iter().filter(|(name, _)| {
            name.contains("key") || name.contains("trust") || name.contains("policy")
        });
        kept.map(|(name, bytes)| (name.clone(), sha256(bytes))).collect::<BTreeMap<_, _>>()
    };
    let before = (digests(&lab), lab.run(&["show license usage", "show feature"]));
    let trust = |lab: &mut Lab| {
        let status = lab.run(&["show license status"]);
        let after = status.split_once("Trust Code installed:").unwrap().1;
        let lines = after.lines().take(3).map(str::trim).collect::<Vec<_>>();
        lines.join(" ")
    };
    let trusted = trust(&mut lab);
    assert!(!before.0.is_empty() && trusted.contains("2024"), "{trusted}");
    for release in [NEW, OLD, "10.2(1)F", NEW] {
        lab.now = lab.now + 100;
        lab.install(release);
        assert_eq!(lab.release(), Catalogue::nexus().release(release).unwrap().nxos);
        let after = (digests(&lab), lab.run(&["show license usage", "show feature"]));
        assert_eq!(after, before, "{release}");
        assert_eq!(trust(&mut lab), trusted, "{release}");
    }
}

#[test]
fn power_that_is_cut_anywhere_leaves_the_old_release_or_the_new_one() {
    let mut seen = BTreeMap::new();
    for flash in [false, true] {
        for after in 0..60 {
            for failure in [DiskError::Other("no power".to_owned()), DiskError::Full] {
                let since = at("Mar 04 09:00:00 2024");
                let mut lab = boot(since, PID, SERIAL, NEW, Some(&all_lines())).unwrap();
                let before = lab.lines();
                let name = lab.bring(OLD);
                let disk = if flash { &mut lab.flash } else { &mut lab.store };
                disk.fails_after = Some((after, failure.clone()));
                let told = lab.run(&[&format!("install all nxos bootflash:{name}"), "y"]);
                let failed = lab.store.failure.is_some() || lab.flash.failure.is_some();
                (lab.store.failure, lab.flash.failure) = (None, None);
                (lab.store.fails_after, lab.flash.fails_after) = (None, None);
                lab.boot_again("no power");
                let release = lab.release();
                let lines = lab.lines();
                match release.as_str() {
                    "10.5(1)" => assert_eq!(lines, before, "{flash} {after} {told}"),
                    _ => assert_eq!(
                        lines.len(),
                        before.len() - 4,
                        "{flash} {after} {told} {lines:?}"
                    ),
                }
                *seen.entry((release, failed)).or_insert(0) += 1;
                // It goes on from there.
                lab.install(OLD);
                assert_eq!(lab.release(), "10.3(1)");
            }
        }
    }
    assert!(seen.contains_key(&("10.5(1)".to_owned(), true)), "{seen:?}");
    assert!(seen.contains_key(&("10.3(1)".to_owned(), true)), "{seen:?}");
}

#[test]
fn what_going_to_a_release_of_before_slp_comes_to_is_told_before() {
    // PI-MIG-023, PI-MIG-025, PI-MIG-026
    let mut lab = boot(at("Mar 04 09:00:00 2024"), "N9K-C93180YC-FX", SERIAL, OLD, None).unwrap();
    lab.configure(&["feature bgp"]);
    let name = lab.bring("9.3(13)");
    let before = lab.store.files.clone();
    for command in ["show install all impact", "install all"] {
        let told = lab.run(&[&format!("{command} nxos bootflash:{name}")]);
        for part in [
            "In the SLP environment:     Any other topology.",
            "restore licenses to a registered and authorized state",
            "does not change, 1 in use",
            "1 wait for an ACK",
            "cslu here; that release has Call Home only",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        lab.run(&["n"]);
    }
    assert_eq!((&lab.store.files, lab.reloads), (&before, 0));
    lab.install_trust();
    lab.configure(&["license smart transport smart"]);
    let told = lab.run(&[&format!("show install all impact nxos bootflash:{name}")]);
    assert!(
        told.contains("Standalone, connected directly to CSSM, and trust established"),
        "{told}"
    );
    assert!(told.contains("reregister the product instance.\n"), "{told}");
    assert!(told.contains("  license smart transport smart (10.2(1)F or later)\n"), "{told}");
    // One that is too old for the model is refused, before Smart Licensing Using Policy too.
    let mut lab = Lab::with_release(OLD);
    let name = lab.bring("9.3(13)");
    let told = lab.run(&[&format!("install all nxos bootflash:{name}")]);
    assert!(
        told.contains("cannot run here: N9K-C93180YC-FX3 needs release 10.1(1) or later"),
        "{told}"
    );
}

#[test]
fn a_configuration_of_a_newer_release_is_told_line_by_line() {
    let mut lab = Lab::with_release("10.2(1)F");
    lab.flash.files.insert("new.cfg".to_owned(), all_lines().into_bytes());
    let told = lab.run(&["copy bootflash:new.cfg startup-config"]);
    for (line, since) in [
        ("license smart vrf red", "10.3(2)F"),
        ("license smart source-interface Ethernet1/1", "10.3(3)F"),
        ("callhome: source-interface Ethernet1/1", "10.3(2)F"),
        ("ip name-server 192.0.2.1 source-interface Ethernet1/1", "10.3(3)F"),
        ("logging rfc-strict 5424", "10.3(1)F"),
    ] {
        assert!(told.contains(&format!("  {line} ({since} or later")), "{line}: {told}");
    }
    assert_eq!(told.matches(" or later").count(), 5, "{told}");
    let told = lab.run(&["copy bootflash:new.cfg running-config"]);
    assert!(told.contains("5 lines were not understood"), "{told}");
}
