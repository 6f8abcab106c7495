//! Configurations of real and imagined switches: they load, come out as they went in, and use the licences they should.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::path::{Path, PathBuf};

use common::{Lab, at, boot, local, read, shared};
use rumline_agent::Disk;
use rumline_switch::{ConfigTree, Line};
use std::collections::BTreeSet;

const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

/// The packages the project's own configurations use.
const OWN: &[(&str, &[&str])] = &[
    ("aggregation.cfg", &[]),
    ("border.cfg", &[LAN, "VPN_FABRIC"]),
    ("chassis.cfg", &[]),
    ("core.cfg", &[LAN, "NETWORK_SERVICES_PKG"]),
    ("leaf.cfg", &[LAN]),
    ("spine.cfg", &[LAN]),
    ("tap.cfg", &["DCN_NDB"]),
];

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cfg"))
        .collect();
    files.sort();
    files
}

fn own_files() -> Vec<PathBuf> {
    files_in(&local("../rumline/configs"))
}

fn foreign_files() -> Vec<PathBuf> {
    shared("data/nxos-configs").map(|directory| files_in(&directory)).unwrap_or_default()
}

fn all_files() -> Vec<PathBuf> {
    [own_files(), foreign_files()].concat()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn load(text: &str) -> Lab {
    boot(at("Mar 04 09:00:00 2024"), common::PID, common::SERIAL, common::RELEASE, Some(text))
        .unwrap()
}

/// `show running-config` without its head of comments.
fn running(lab: &mut Lab) -> String {
    let text = lab.run(&["show running-config"]);
    let head = |line: &&str| line.starts_with('!');
    assert_eq!(text.lines().filter(head).count(), 3, "{text}");
    text.lines().skip(4).map(|line| format!("{line}\n")).collect()
}

/// Indentation and text of the lines that count, in order; those a later `no` takes away are gone, and so is the `no`.
fn lines_that_count(text: &str) -> Vec<(usize, String)> {
    let mut kept: Vec<(usize, String)> = Vec::new();
    for raw in text.trim_start_matches('\u{feff}').lines() {
        // One setting under two names, and one that is written out.
        let line = match raw.trim() {
            "no shut" => "no shutdown",
            line => line,
        };
        let line = &line.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = &line.replace("switchname ", "hostname ");
        if line.is_empty() || line.starts_with('!') || line.starts_with('#') {
            continue;
        }
        let indent = raw.len() - raw.trim_start().len();
        if let Some(target) = line.strip_prefix("no ") {
            // Siblings lie between here and the line that opened this block.
            let block = kept.iter().rposition(|(outer, _)| *outer < indent).map_or(0, |at| at + 1);
            let same = |(other, text): &(usize, String)| {
                *other == indent && (text == target || text.starts_with(&format!("{target} ")))
            };
            if let Some(found) = kept[block..].iter().position(same) {
                let from = block + found;
                let below = kept[from + 1..].iter().take_while(|(i, _)| *i > indent).count();
                kept.drain(from..=from + below);
                continue;
            }
        }
        kept.push((indent, line.to_owned()));
    }
    kept
}

#[test]
fn every_line_of_a_configuration_is_kept_in_its_order() {
    // PI-SHOW-029, PI-CLI-036
    let mut problems = Vec::new();
    for path in all_files() {
        let text = read(&path);
        let shown = running(&mut load(&text));
        let shown = lines_that_count(&shown);
        let mut output = shown.iter().map(|(_, line)| line);
        for (_, line) in lines_that_count(&text) {
            if !output.any(|other| *other == line) {
                problems.push(format!("{}: {line}", name(&path)));
                break;
            }
        }
    }
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn nothing_is_added_to_a_configuration_and_its_levels_stay() {
    // PI-SHOW-029
    let mut problems = Vec::new();
    for path in all_files() {
        let text = read(&path);
        let shown = running(&mut load(&text));
        let (before, after) = (lines_that_count(&text), lines_that_count(&shown));
        let texts = |lines: &[(usize, String)]| -> Vec<String> {
            lines.iter().map(|(_, line)| line.clone()).collect()
        };
        if texts(&before) != texts(&after) {
            let at = before.iter().zip(&after).position(|(a, b)| a.1 != b.1);
            problems.push(format!("{}: {:?}", name(&path), at.map(|at| &after[at])));
            continue;
        }
        // Two blanks a level; files that follow this come out with the same indentation.
        let regular = before.iter().all(|(indent, _)| indent.is_multiple_of(2))
            && before.windows(2).all(|pair| pair[1].0 <= pair[0].0 + 2);
        if regular && before != after {
            let at = before.iter().zip(&after).position(|(a, b)| a != b);
            problems.push(format!("{}: {:?}", name(&path), at.map(|at| (&before[at], &after[at]))));
        }
    }
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn what_was_shown_loads_again_and_looks_the_same() {
    // PI-LIC-014
    for path in all_files() {
        let first = running(&mut load(&read(&path)));
        let second = running(&mut load(&first));
        assert_eq!(first, second, "{}", name(&path));
    }
}

#[test]
fn a_saved_configuration_is_the_same_after_a_reload() {
    // PI-CLI-004
    for path in all_files() {
        let mut lab = load(&read(&path));
        let before = running(&mut lab);
        let saved = lab.run(&["copy running-config startup-config"]);
        assert!(saved.ends_with("Copy complete.\n"), "{}: {saved}", name(&path));
        lab.first_config = None;
        lab.boot_again("reload");
        assert_eq!(running(&mut lab), before, "{}", name(&path));
    }
}

#[test]
fn the_host_name_of_a_configuration_is_in_the_prompt() {
    // PI-CLI-001
    for path in all_files() {
        let text = read(&path);
        let named = |line: &str| {
            line.strip_prefix("hostname ").or(line.strip_prefix("switchname ")).map(str::to_owned)
        };
        let expected = text.lines().rev().find_map(named).unwrap_or("switch".to_owned());
        assert_eq!(load(&text).prompt(), format!("{}# ", expected.trim()), "{}", name(&path));
    }
}

#[test]
fn own_configurations_use_the_licences_they_should() {
    // PI-LIC-001, PI-LIC-008
    assert_eq!(own_files().len(), OWN.len());
    for (file, expected) in OWN {
        let mut lab = load(&read(&local("../rumline/configs").join(file)));
        let mut packages = lab.packages();
        packages.sort();
        assert_eq!(packages, *expected, "{file}");
        let usage = lab.run(&["show license usage"]);
        assert_eq!(usage.matches("  Count: 1\n").count(), expected.len(), "{file}: {usage}");
    }
}

/// File and packages, from the table of expected packages.
fn expected_of_foreign() -> Vec<(String, Vec<String>)> {
    let Some(index) = shared("data/nxos-configs/INDEX.md") else { return Vec::new() };
    let text = read(&index);
    let table = text.split("## Packages expected").nth(1).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, file, packages, _] = cells[..] else { return None };
        let words = packages.split([',', ' ']).filter(|w| !w.is_empty() && *w != "none");
        file.ends_with(".cfg").then(|| (file.to_owned(), words.map(str::to_owned).collect()))
    };
    table.lines().filter_map(row).collect()
}

#[test]
fn foreign_configurations_use_the_licences_they_should() {
    // PI-LIC-001, PI-LIC-008, PI-MIG-010
    let expected = expected_of_foreign();
    for path in foreign_files() {
        let mut packages = load(&read(&path)).packages();
        packages.sort();
        let row = expected.iter().find(|(file, _)| *file == name(&path));
        let (_, expected) = row.unwrap_or_else(|| panic!("no row for {}", name(&path)));
        assert_eq!(packages, *expected, "{}", name(&path));
    }
    println!("{} foreign configurations ran", foreign_files().len());
}

#[test]
fn licences_follow_the_class_of_the_switch() {
    // PI-LIC-006
    let text = read(&local("../rumline/configs/leaf.cfg"));
    let cases = [
        ("N9K-C93180YC-FX3", "LAN license for Nexus 9300-XF"),
        ("N9K-C9504", "LAN license for Nexus 9500-M4"),
    ];
    for (pid, description) in cases {
        let start = at("Mar 04 09:00:00 2024");
        let mut lab = boot(start, pid, "RML26170002", "10.4(3)F", Some(&text)).unwrap();
        let usage = lab.run(&["show license usage | include Description"]);
        assert_eq!(usage, format!("  Description: {description}\n"));
    }
}

/// Each line with the lines that lead to it; what a switch says of itself, and may decide, apart.
fn tree(lab: &Lab) -> BTreeSet<(Vec<String>, String)> {
    fn walk(lines: &[Line], path: &[String], found: &mut BTreeSet<(Vec<String>, String)>) {
        for line in lines {
            let own = ["version ", "no feature ", "boot ", "username admin"];
            if line.text.is_empty() || own.iter().any(|head| line.text.starts_with(head)) {
                continue;
            }
            found.insert((path.to_vec(), line.text.clone()));
            walk(&line.children, &[path, std::slice::from_ref(&line.text)].concat(), found);
        }
    }
    let mut found = BTreeSet::new();
    walk(&lab.switch.running().lines, &[], &mut found);
    found.remove(&(Vec::new(), "hostname switch".to_owned()));
    found
}

/// A switch to which lines were given one by one, and those it refused.
fn typed<'t>(lines: impl Iterator<Item = &'t str>) -> (Lab, Vec<String>) {
    let mut lab = Lab::new(None);
    lab.run(&["configure terminal"]);
    let mut refused = Vec::new();
    for line in lines {
        let shown = lab.run(&[line]);
        if shown.contains("% ") {
            refused.push(format!("{line}: {}", shown.trim()));
        }
    }
    lab.run(&["end"]);
    (lab, refused)
}

#[test]
fn however_a_configuration_comes_it_is_one_tree_with_one_set_of_licences() {
    // PI-CLI-001, PI-CLI-003, PI-SHOW-029
    for path in all_files() {
        let (name, text) = (name(&path), read(&path));
        let loaded = load(&text);
        let count = text.lines().count();
        let copied = {
            let mut lab = Lab::new(None);
            lab.flash.files.insert("t.cfg".to_owned(), text.clone().into_bytes());
            let told = lab.run(&["copy bootflash:t.cfg running-config"]);
            let refused =
                told.lines().filter(|line| line.starts_with("  line ")).map(str::to_owned);
            let refused = refused.collect();
            (lab, refused)
        };
        let ways = [
            ("pasted", typed(text.lines())),
            ("flat", typed(text.lines().map(str::trim_start))),
            ("copied", copied),
        ];
        for (way, (mut lab, refused)) in ways {
            assert!(refused.len() <= 1.max(count / 50), "{name} {way}: {refused:#?}");
            let (want, got) = (tree(&loaded), tree(&lab));
            let strange: Vec<_> = got.difference(&want).collect();
            let missing: Vec<_> = want.difference(&got).collect();
            // Without indentation a line that two modes take may rightly stay in the inner one.
            let is_flat = way == "flat";
            assert!(is_flat || strange.is_empty(), "{name} {way}: strange {strange:#?}");
            assert!(
                is_flat || missing.len() <= refused.len(),
                "{name} {way}: missing {missing:#?}"
            );
            assert_eq!(strange.len(), missing.len().min(strange.len()), "{name} {way}");
            assert_eq!(lab.packages(), loaded.packages(), "{name} {way}");
            // And it is so after a restart.
            lab.run(&["copy running-config startup-config"]);
            lab.boot_again("reload");
            assert_eq!(tree(&lab), got, "{name} {way} after a restart");
        }
    }
}

/// Lines of real configurations in any order, without indentation, some of them taken back.
fn any_lines(all: &[String], seed: u64) -> Vec<String> {
    let mut random = common::Chance(seed);
    let mut below = |end: usize| {
        let mut bytes = [0; 4];
        rumline_protocol::Random::fill(&mut random, &mut bytes);
        u32::from_be_bytes(bytes) as usize % end
    };
    let mut lines: Vec<String> = Vec::new();
    for _ in 0..40 {
        let at = below(all.len());
        // A stretch of one file, so that modes have something in them.
        let stretch = all[at..(at + 1 + below(4)).min(all.len())].iter().cloned();
        lines.extend(stretch);
        if below(5) == 0 {
            let line = lines[below(lines.len())].clone();
            let words: Vec<&str> = line.trim_start_matches("no ").split(' ').collect();
            lines.push(format!("no {}", words[..1 + below(words.len())].join(" ")));
        }
    }
    lines
}

/// Two texts are the same; otherwise where they are not.
fn same(what: &str, one: &str, other: &str) {
    let [one, other] = [one, other].map(|text| text.lines().collect::<Vec<_>>());
    let at = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let around = |lines: &[&str]| lines[at.saturating_sub(4)..(at + 3).min(lines.len())].join("\n");
    assert!(one == other, "{what}, line {at}:\n{}\n-- and\n{}", around(&one), around(&other));
}

#[test]
fn any_lines_give_one_tree_typed_or_copied_and_what_is_rendered_is_read_as_it_was() {
    let is_plain = |line: &String| {
        let heads = ["banner", "scheduler job name", "username", "copy", "exit", "end", "password"];
        // Typed, an entry that needs a feature is refused without it; in a file it is kept (PI-CLI-033).
        !line.contains(" redirect ") && !heads.iter().any(|head| line.starts_with(head))
    };
    let mut all: Vec<String> = Vec::new();
    for path in all_files() {
        let mut in_text = false;
        for (_, line) in lines_that_count(&read(&path)) {
            in_text |= line.starts_with("banner");
            if !in_text {
                all.push(line);
            }
        }
    }
    all.retain(is_plain);
    for seed in 0..60 {
        let lines = any_lines(&all, seed);
        let (mut lab, _) = typed(lines.iter().map(String::as_str));
        let mut other = Lab::new(None);
        other.flash.files.insert("t.cfg".to_owned(), lines.join("\n").into_bytes());
        other.run(&["copy bootflash:t.cfg running-config"]);
        let text = lab.switch.running().render();
        same(&format!("seed {seed}, copied"), &text, &other.switch.running().render());
        same(&format!("seed {seed}, read"), &text, &ConfigTree::parse(&text).render());
        assert_eq!(lab.packages(), other.packages(), "seed {seed}");
        lab.run(&["copy running-config startup-config"]);
        lab.boot_again("reload");
        assert_eq!(lab.switch.running().render(), text, "seed {seed} after a restart");
        assert_eq!(lab.packages(), other.packages(), "seed {seed} after a restart");
    }
}

#[test]
fn whatever_is_in_a_file_it_is_taken_or_told_of() {
    let mut random = common::Chance(5);
    let mut binary = vec![0; 60_000];
    rumline_protocol::Random::fill(&mut random, &mut binary);
    let files = [
        binary,
        vec![b'x'; 1 << 20],
        "interface Ethernet1/1\n".repeat(2_000).into_bytes(),
        b"banner motd ^\nfeature bgp\n".to_vec(),
        b"interface Ethernet1/1-4000000000\n mtu 9216\ninterface ,,-/\nvlan\nno\nno no no\n"
            .to_vec(),
        (0..2_000).map(|n| format!("{:n$}x\n", "")).collect::<String>().into_bytes(),
    ];
    for bytes in files {
        let mut lab = Lab::new(None);
        lab.flash.files.insert("t.cfg".to_owned(), bytes.clone());
        let told = lab.run(&["copy bootflash:t.cfg running-config"]);
        let is_text = !bytes.contains(&0);
        let wanted = if is_text { "Copy complete" } else { "% The file is " };
        assert!(told.starts_with(wanted), "{told}");
        let is_utf8 = std::str::from_utf8(&bytes).is_ok();
        assert_eq!(told.contains("Warning: the file is not UTF-8"), is_text && !is_utf8, "{told}");
        let (before, packages) = (lab.switch.running().render(), lab.packages());
        lab.run(&["copy running-config startup-config"]);
        lab.boot_again("reload");
        assert_eq!((lab.switch.running().render(), lab.packages()), (before, packages));
    }
}

#[test]
fn the_lines_between_two_configurations_lead_from_one_to_the_other() {
    // As programs do it: a checkpoint in a file, another file beside it, and what lies between them.
    let sides = [
        "hostname a\nfeature bgp\ninterface Ethernet1/1\n  description one\n  no switchport\nvlan 7\n  name seven\n",
        "hostname b\nfeature lacp\ninterface Ethernet1/1\n  description two\n  mtu 9216\nno ip domain-lookup\n",
        "hostname a\nrouter bgp 65001\n  neighbor 10.0.0.1\n    remote-as 65002\nfeature bgp\nvlan 7\n",
    ];
    for from in sides {
        for to in sides {
            let mut lab = Lab::new(Some(from));
            let done = lab.run(&["checkpoint file sot"]);
            assert!(done.ends_with("Done\n"), "{done}");
            let mut other = Lab::new(Some(to));
            other.run(&["checkpoint file goal"]);
            let goal = other.flash.read("goal").unwrap().unwrap();
            lab.flash.write("goal", &goal).unwrap();
            // Passwords of two switches are two: they are not what is looked at.
            let patch = lab.run(&["show diff rollback-patch file sot file bootflash:goal"]);
            let (head, lines) = patch.split_once("\n!!\n").unwrap_or((&patch, ""));
            assert!(head.contains("#Generating Rollback Patch"), "{patch}");
            assert_eq!(head.contains("Rollback Patch is Empty"), from == to, "{patch}");
            let lines: Vec<&str> = lines.lines().collect();
            lab.configure(&lines);
            let left = lab.run(&["show diff rollback-patch running-config file goal"]);
            assert!(left.contains("Rollback Patch is Empty"), "{patch}\n{left}");
            // Not only by its own words: the lines are the same, in whatever order.
            let lines = |lab: &mut Lab| -> BTreeSet<String> {
                let text = lab.run(&["show running-config"]);
                let own = |line: &&str| !line.starts_with('!') && !line.starts_with("username");
                text.lines().filter(own).map(str::to_owned).collect()
            };
            assert_eq!(lines(&mut lab), lines(&mut other), "{patch}");
        }
    }
    let mut lab = Lab::new(None);
    lab.run(&["checkpoint one"]);
    let same = lab.run(&["show diff rollback-patch checkpoint one running-config"]);
    assert!(same.contains("Rollback Patch is Empty"), "{same}");
    for (line, told) in [
        ("show diff rollback-patch checkpoint", "% Incomplete command"),
        ("show diff rollback-patch running-config", "% Incomplete command"),
        ("show diff rollback-patch running-config nonsense", "% Invalid command"),
        ("show diff rollback-patch checkpoint two running-config", "% There is no checkpoint two"),
        ("show diff rollback-patch file x running-config", "No such file or directory"),
        ("checkpoint file running-config", "% Invalid file name"),
    ] {
        let said = lab.run(&[line]);
        assert!(said.contains(told), "{line}: {said}");
    }
    // The mark stands below the word that is wrong, or behind the last one.
    for (line, wrong) in [
        ("show diff rollback-patch running-config nonsense", "nonsense"),
        ("show diff rollback-patch checkpoint one running-config more", "more"),
        ("show diff rollback-patch nonsense", "nonsense"),
    ] {
        let at = "switch# ".len() + line.find(wrong).unwrap();
        assert_eq!(lab.run(&[line]).find('^'), Some(at), "{line}");
    }
    let line = "show diff rollback-patch checkpoint";
    assert_eq!(lab.run(&[line]).find('^'), Some("switch# ".len() + line.len()));
}

#[test]
fn a_word_that_several_lines_begin_with_is_ambiguous() {
    let mut lab = Lab::new(None);
    for typed in ["l", "i", "f"] {
        let said = lab.run(&["configure terminal", typed, "end"]);
        assert!(said.contains("% Ambiguous command"), "{typed}: {said}");
    }
    let said = lab.run(&["show interface Ethernet1/99"]);
    assert!(said.contains("% Invalid command at '^' marker."), "{said}");
}
