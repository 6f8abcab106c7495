//! A folder of tables beside the built-in ones: what it brings, and what is said of one that is wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeMap;
use std::path::Path;

use rumline_catalogue::{Catalogue, CatalogueError, Folder};

type Files = BTreeMap<String, String>;

fn example(name: &str) -> Files {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/catalogue").join(name);
    let entries = std::fs::read_dir(&path).unwrap().map(Result::unwrap);
    let text = |path| std::fs::read_to_string(path).unwrap();
    entries.map(|e| (e.file_name().into_string().unwrap(), text(e.path()))).collect()
}

/// The example with a text of a file changed.
fn changed(name: &str, file: &str, from: &str, to: &str) -> Files {
    let mut files = example(name);
    let text = files.get_mut(file).unwrap();
    assert!(text.contains(from), "{from} is not in {file}");
    *text = text.replacen(from, to, 1);
    files
}

fn said(files: &Files) -> String {
    let folder = match Folder::read(files) {
        Ok(folder) => folder,
        Err(error) => return error.to_string(),
    };
    let pid = "AM-S48";
    Catalogue::of_switch(pid, &[folder]).err().map_or("nothing".to_owned(), |e| e.to_string())
}

#[test]
fn a_vendors_products_stand_alone_on_a_switch_and_beside_all_others_on_a_server() {
    let folder = Folder::read(&example("aldermoor")).unwrap();
    assert_eq!((folder.name(), folder.newest_release()), ("Aldermoor", Some("3.2")));
    let folders = [folder];
    let switch = Catalogue::of_switch("AM-M8", &folders).unwrap();
    assert!(switch.platform("N9K-C93180YC-FX3").is_none() && switch.release("10.4(3)F").is_none());
    assert_eq!(switch.package_of_line("feature bgp"), Some("ALDERMOOR_ROUTING"));
    assert_eq!(switch.package_of_line("feature tap-aggregation"), None);
    let lines = "10 permit ip any any redirect Ethernet1/1";
    assert_eq!(switch.package_of_line(lines), Some("ALDERMOOR_TAP"));
    assert!(switch.may_have_standby("AM-M8") && !switch.may_have_standby("AM-S48"));
    let vrf = switch.gate("smart vrf").unwrap();
    assert!(switch.is_open(vrf, "3.1", "AM-S48") && !switch.is_open(vrf, "2.9", "AM-M8"));
    assert!(switch.gate("24 ports").is_none());
    // A Nexus switch beside it has what it had.
    let nexus = Catalogue::of_switch("N9K-C93180YC-FX3", &folders).unwrap();
    assert!(nexus.platform("AM-S48").is_none() && nexus.package("ALDERMOOR_TAP").is_none());
    // A server knows both, each by its own names.
    let server = Catalogue::of_server(&folders).unwrap();
    assert_eq!(server.product_type("AM-S48"), "Aldermoor S");
    assert_eq!(server.product_type("N9K-C9504"), "N9500");
    let tag = switch.variant("ALDERMOOR_FABRIC", "AM-FIXED").unwrap().tag.as_str();
    assert_eq!(server.license_of(tag), "ALDERMOOR_FABRIC");
    let bundle = server.tiers().iter().find(|tier| tier.license == "ALDERMOOR_EVERYTHING").unwrap();
    assert!(bundle.includes.contains(&"ALDERMOOR_TAP".to_owned()));
    assert_eq!(server.releases().len(), Catalogue::built_in().releases().len());
}

#[test]
fn a_folder_may_add_a_model_to_the_built_in_ones() {
    let folders = ["aldermoor", "more-models"].map(|name| Folder::read(&example(name)).unwrap());
    let pid = "N9K-C93000XX-EXAMPLE";
    let switch = Catalogue::of_switch(pid, &folders).unwrap();
    let platform = switch.platform(pid).unwrap();
    assert_eq!(switch.product_type(pid), "N9300");
    assert!(switch.variant("VPN_FABRIC", &platform.class).is_some());
    assert_eq!(switch.platforms().len(), Catalogue::built_in().platforms().len() + 1);
    let server = Catalogue::of_server(&folders).unwrap();
    assert!(server.platform(pid).is_some() && server.platform("AM-S96").is_some());
    assert_eq!(folders[1].newest_release(), None);
}

#[test]
fn without_folders_the_tables_are_the_built_in_ones() {
    let built_in = Catalogue::built_in().products_document();
    assert_eq!(Catalogue::of_server(&[]).unwrap().products_document(), built_in);
    let switch = Catalogue::of_switch("N9K-C9504", &[]).unwrap();
    assert_eq!(switch.products_document(), built_in);
    assert_eq!(switch.releases_document(), Catalogue::built_in().releases_document());
}

#[test]
fn what_is_wrong_with_a_folder_is_said_with_its_file_and_row() {
    let vendor = "aldermoor";
    for (file, from, to, told) in [
        // A file that is no table.
        (
            "platforms.toml",
            "supervisors = 1\n",
            "",
            &["platforms.toml:", "line", "supervisors"][..],
        ),
        (
            "platforms.toml",
            "series = \"S\"",
            "serie = \"S\"",
            &["platforms.toml:", "unknown field `serie`"],
        ),
        (
            "platforms.toml",
            "[[platform]]",
            "[[platforms]]",
            &["platforms.toml:", "unknown field `platforms`"],
        ),
        ("platforms.toml", "[[platform]]", "[[platform]", &["platforms.toml:", "TOML parse error"]),
        ("platforms.toml", "ports = 48", "ports = -1", &["platforms.toml:", "ports"]),
        ("releases.toml", "\"pak\"", "\"pack\"", &["releases.toml:", "`pack`", "`pak`"]),
        ("packages.toml", "rank = 1", "rank = \"low\"", &["packages.toml:", "rank"]),
        // Models.
        (
            "platforms.toml",
            "AM-S96\"",
            "AM-S48\"",
            &["platforms.toml: product id AM-S48 is there twice"],
        ),
        ("platforms.toml", "AM-S96\"", "\"", &["platforms.toml: product id without a name"]),
        ("platforms.toml", "AM-S96\"", "AM S96\"", &["platforms.toml: AM S96:"]),
        (
            "platforms.toml",
            "family = \"Aldermoor_S\"",
            "family = \"S\"",
            &["AM-S48: family \"S\" is in no [[family]] row"],
        ),
        (
            "platforms.toml",
            "since = \"3.2\"",
            "since = \"3.3\"",
            &["AM-S96: since: there is no release 3.3"],
        ),
        (
            "platforms.toml",
            "since = \"3.2\"",
            "since = \"2.9\"",
            &["AM-S96: since: release 2.9 has no \"slp\""],
        ),
        (
            "platforms.toml",
            "runs_from = \"2.9\"",
            "runs_from = \"3.2\"",
            &["AM-M8: runs_from: 3.2 is not before 3.1"],
        ),
        (
            "platforms.toml",
            "runs_from = \"2.9\"",
            "runs_from = \"1.0\"",
            &["AM-M8: runs_from: there is no release 1.0"],
        ),
        (
            "platforms.toml",
            "supervisors = 2",
            "supervisors = 3",
            &["AM-M8: it has 1 or 2 supervisors, not 3"],
        ),
        ("platforms.toml", "ports = 48", "ports = 0", &["AM-S48: it has 1 to 1024 ports, not 0"]),
        (
            "platforms.toml",
            "class = \"AM-MODULAR\"",
            "class = \"BIG\"",
            &[
                "AM-M8: package ALDERMOOR_ROUTING has no variant for its class \"BIG\"",
                "ALDERMOOR_TAP",
            ],
        ),
        (
            "platforms.toml",
            "confidence = \"sure\"",
            "confidence = \"certain\"",
            &["AM-S48: confidence \"certain\" is none of sure, likely, assumed"],
        ),
        (
            "platforms.toml",
            "product_type = \"Aldermoor M\"",
            "",
            &["family Aldermoor_M: product_type is missing"],
        ),
        (
            "platforms.toml",
            "tag = \"regid.",
            "tag = \"",
            &["platforms.toml: family Aldermoor_S: tag"],
        ),
        // Releases.
        (
            "releases.toml",
            "version = \"3.2\"",
            "version = \"3.1\"",
            &["releases.toml: release 3.1 is there twice"],
        ),
        (
            "releases.toml",
            "licensing = [\"pak\"]",
            "licensing = []",
            &["2.9: licensing names no kind"],
        ),
        (
            "releases.toml",
            "[\"pak\"]",
            "[\"slp\", \"pak\"]",
            &["2.9: with \"slp\" there is no other kind"],
        ),
        (
            "releases.toml",
            "agent = \"5.7.30_rel/108\"",
            "",
            &["3.1: with \"slp\" it carries an agent"],
        ),
        // Packages and tiers.
        (
            "packages.toml",
            "tag = \"regid.2026-01.example",
            "tag = \"example",
            &["ALDERMOOR_ROUTING: class AM-FIXED: tag"],
        ),
        (
            "packages.toml",
            "name = \"ALDERMOOR_FABRIC\"",
            "name = \"ALDERMOOR_TAP\"",
            &["package ALDERMOOR_TAP is there twice", "there is no package ALDERMOOR_FABRIC"],
        ),
        (
            "packages.toml",
            "tier = \"base\"",
            "tier = \"basic\"",
            &["ALDERMOOR_ROUTING: tier \"basic\" is in no [[tier]] row"],
        ),
        (
            "packages.toml",
            "includes = [\"ALDERMOOR_ROUTING\"]",
            "includes = [\"ROUTING\"]",
            &["ALDERMOOR_BASE: there is no package ROUTING"],
        ),
        (
            "packages.toml",
            "license = \"ALDERMOOR_FULL\"",
            "license = \"ALDERMOOR_BASE\"",
            &["the licence ALDERMOOR_BASE is there twice"],
        ),
        (
            "packages.toml",
            "license = \"ALDERMOOR_FULL\"",
            "ports = 24\nlicense = \"ALDERMOOR_FULL\"",
            &["ALDERMOOR_FULL: there is no gate \"24 ports\""],
        ),
        (
            "packages.toml",
            "license = \"ALDERMOOR_FULL\"\nincludes = [\"ALDERMOOR_ROUTING\", \"ALDERMOOR_FABRIC\"]\nconfidence = \"sure\"",
            "license = \"ALDERMOOR_FULL\"\nincludes = [\"ALDERMOOR_ROUTING\", \"ALDERMOOR_FABRIC\"]\nconfidence = \"maybe\"",
            &["ALDERMOOR_FULL: confidence \"maybe\" is none of"],
        ),
        // Features, lines, gates.
        (
            "features.toml",
            "name = \"ospf\"",
            "name = \"bgp\"",
            &["features.toml: feature bgp is there twice"],
        ),
        (
            "features.toml",
            "package = \"ALDERMOOR_ROUTING\"",
            "package = \"LAN\"",
            &["features.toml: bgp: there is no package LAN"],
        ),
        (
            "features.toml",
            "default = \"enabled\"",
            "default = \"on\"",
            &["ssh: default is \"enabled\" or left out"],
        ),
        (
            "features.toml",
            "package = \"ALDERMOOR_TAP\"",
            "package = \"TAP\"\nneeds = \"tap\"",
            &["there is no package TAP", "there is no feature tap"],
        ),
        (
            "gates.toml",
            "since = \"3.1\"",
            "since = \"4.0\"",
            &["gates.toml: smart vrf: there is no release 4.0"],
        ),
        (
            "gates.toml",
            "since = \"3.1\"",
            "since = \"3.2\"\nuntil = \"3.1\"",
            &["smart vrf: 3.2 is not before 3.1"],
        ),
        (
            "gates.toml",
            "since = \"3.1\"",
            "pids = [\"AM-S49\"]",
            &["smart vrf: there is no product id AM-S49"],
        ),
        // What the folder is.
        ("catalogue.toml", "name =", "vendor =", &["catalogue.toml:", "unknown field `vendor`"]),
        ("catalogue.toml", "\"Aldermoor\"", "\" \"", &["catalogue.toml: the name is empty"]),
        (
            "catalogue.toml",
            "name =",
            "adds_to = \"ios\"\nname =",
            &["adds_to is \"nexus\" or left out, not \"ios\""],
        ),
    ] {
        let error = said(&changed(vendor, file, from, to));
        for part in told {
            assert!(error.contains(part), "{file}: {from} -> {to}: {part:?} is not in {error:?}");
        }
    }
    // Everything that is wrong is said at once.
    let mut files = changed(vendor, "platforms.toml", "supervisors = 2", "supervisors = 9");
    files.insert(
        "gates.toml".to_owned(),
        "[[gate]]\nname = \"x\"\nsince = \"9\"\nsource = \"\"\n".to_owned(),
    );
    let Err(CatalogueError::Rows(rows)) = Folder::read(&files) else { panic!("it was taken") };
    assert_eq!(rows.len(), 2, "{rows:?}");
}

#[test]
fn a_file_that_is_missing_or_that_nobody_reads_is_told() {
    for missing in ["platforms.toml", "releases.toml", "packages.toml", "features.toml"] {
        let mut files = example("aldermoor");
        files.remove(missing);
        let error = said(&files);
        assert!(error.starts_with(&format!("{missing}: it is missing")), "{error}");
        assert!(error.contains("adds_to = \"nexus\""), "{error}");
    }
    let mut files = example("aldermoor");
    files.remove("gates.toml");
    assert_eq!(said(&files), "nothing");
    files.insert("platform.toml".to_owned(), String::new());
    assert!(said(&files).starts_with("platform.toml: it is none of catalogue.toml"));
    let mut files = example("aldermoor");
    files.remove("catalogue.toml");
    assert!(said(&files).starts_with("catalogue.toml: it is missing"));
}

#[test]
fn what_is_there_already_is_not_taken_twice() {
    let vendor = "aldermoor";
    for (changes, told) in [
        (&[("platforms.toml", "AM-S96", "N9K-C9504")][..], "product id N9K-C9504 is in tables"),
        (&[("platforms.toml", "Aldermoor_S", "Nexus_9300")], "family Nexus_9300 is in tables"),
        (
            &[("platforms.toml", "AM-FIXED", "XF"), ("packages.toml", "AM-FIXED", "XF")],
            "class XF is in",
        ),
        (
            &[
                ("packages.toml", "ALDERMOOR_TAP", "DCN_NDB"),
                ("features.toml", "ALDERMOOR_TAP", "DCN_NDB"),
            ],
            "package DCN_NDB is in tables",
        ),
        (
            &[("packages.toml", "ALDERMOOR_FULL", "NXOS_ADVANTAGE")],
            "the licence NXOS_ADVANTAGE is in",
        ),
    ] {
        let mut files = example(vendor);
        for (file, from, to) in changes {
            let text = files.get_mut(*file).unwrap();
            *text = text.replace(from, to);
        }
        let error = said(&files);
        assert!(error.starts_with("Aldermoor: ") && error.contains(told), "{told}: {error}");
    }
    // The same folder twice.
    let folder = || Folder::read(&example("aldermoor")).unwrap();
    let error = Catalogue::of_server(&[folder(), folder()]).unwrap_err().to_string();
    assert!(
        error.contains(
            "Aldermoor: platforms.toml: product id AM-S48 is in tables that were loaded before it"
        ),
        "{error}"
    );
    assert!(error.contains("tag regid.") && error.contains("class AM-FIXED"), "{error}");
    let more = || Folder::read(&example("more-models")).unwrap();
    assert!(Catalogue::of_switch("N9K-C9504", &[more(), more()]).is_err());
}

#[test]
fn what_a_folder_adds_has_to_go_with_what_it_is_added_to() {
    let name = "more-models";
    for (from, to, told) in [
        (
            "class = \"XF\"",
            "class = \"XXL\"",
            "package VPN_FABRIC has no variant for its class \"XXL\"",
        ),
        (
            "family = \"Nexus_9300\"",
            "family = \"Nexus_1\"",
            "family \"Nexus_1\" is in no [[family]] row",
        ),
        ("since = \"10.4(3)F\"", "since = \"11.1(1)F\"", "there is no release 11.1(1)F"),
        ("since = \"10.4(3)F\"", "since = \"9.3(5)\"", "release 9.3(5) has no \"slp\""),
        ("N9K-C93000XX-EXAMPLE", "N9K-C9504", "product id N9K-C9504 is in tables"),
    ] {
        let error = said(&changed(name, "platforms.toml", from, to));
        assert!(error.contains(told), "{to}: {error}");
        assert!(error.starts_with("More models: platforms.toml: "), "{error}");
    }
}

#[test]
fn tables_are_loaded_once_and_before_they_are_asked() {
    // The only test that loads any; the process is its own under nextest, and under cargo no other here asks for them.
    let folders = [Folder::read(&example("aldermoor")).unwrap()];
    assert!(Catalogue::of_switch("AM-S48", &folders).unwrap().load());
    assert_eq!(Catalogue::nexus().platforms().len(), 3);
    assert!(!Catalogue::built_in().load());
    assert_eq!(Catalogue::nexus().platforms().len(), 3);
}
