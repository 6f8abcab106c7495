//! What lasts: saved configurations, files on the flash, users, the clock; and the questions asked before it goes.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::{Lab, at, global, license_lines};
use rumline_switch::Session;

#[test]
fn only_a_saved_configuration_survives_a_reload() {
    // PI-CLI-004, PI-CLI-034
    let mut lab = global(&["hostname kept", "license smart transport off"]);
    assert!(lab.run(&["copy running-config startup-config"]).ends_with("Copy complete.\n"));
    assert_eq!(lab.prompt(), "kept(config)# ");
    lab.run(&["license smart usage interval 7", "hostname lost", "feature bgp", "end"]);
    assert_eq!(lab.prompt(), "lost# ");
    lab.boot_again("power loss");
    assert_eq!(lab.prompt(), "kept# ");
    assert_eq!(license_lines(&mut lab), "license smart transport off\n");
    assert_eq!(lab.packages(), Vec::<String>::new());
    let startup = lab.run(&["show startup-config"]);
    assert!(startup.contains("hostname kept\n") && !startup.contains("lost"), "{startup}");
}

#[test]
fn a_reload_asks_and_warns_of_what_is_not_saved() {
    // PI-CLI-034, PI-CLI-035, PI-CLI-036
    let question = "This command will reboot the system. (y/n)?  [n] ";
    let warning = "!!!WARNING! there is unsaved configuration!!!\n";
    let mut lab = global(&["feature bgp"]);
    lab.run(&["end"]);
    assert_eq!(lab.run(&["reload"]), format!("{warning}{question}"));
    assert_eq!((lab.run(&[""]), lab.reloads), (String::new(), 0), "the answer in brackets is no");
    lab.run(&["copy run start"]);
    for line in ["reload", "ascii reload"] {
        assert_eq!(lab.run(&[line]), question, "{line}");
        lab.run(&["n"]);
    }
    lab.run(&["reload", "y"]);
    assert_eq!(lab.reloads, 1);
    assert_eq!(lab.packages(), ["LAN_ENTERPRISE_SERVICES_PKG"]);
    let version = lab.run(&["show version | include Reason"]);
    assert_eq!(version, "  Reason: Reset Requested by CLI command reload\n");
    lab.session = Session::for_program("admin");
    lab.run(&["reload"]);
    assert_eq!(lab.reloads, 2, "a program is not asked");
}

#[test]
fn write_erase_takes_the_configuration_and_leaves_the_licensing_store() {
    // PI-CLI-025
    let mut lab = global(&["hostname kept"]);
    lab.run(&["end", "copy running-config startup-config"]);
    lab.install_trust();
    let asked = lab.run(&["write erase"]);
    assert!(
        asked.contains("erase the startup-configuration") && asked.ends_with("[n] "),
        "{asked}"
    );
    lab.run(&["n"]);
    assert!(lab.run(&["show startup-config"]).contains("hostname kept"));
    lab.run(&["write erase", "y"]);
    assert_eq!(lab.prompt(), "kept# ");
    lab.boot_again("reload");
    assert_eq!(lab.prompt(), "switch# ");
    assert!(lab.switch.agent().has_trust());
}

#[test]
fn a_factory_reset_asks_and_leaves_a_new_device() {
    // PI-CLI-024, PI-POL-010, PI-TRUST-013, PI-MSG-011, G-12
    let mut lab = Lab::new(None);
    let new = lab.run(&["show license status"]);
    lab.install_trust();
    lab.install_policy(|policy| policy.unenforced.ongoing_report_days = 20);
    let asked = lab.run(&["license smart factory reset"]);
    assert!(asked.ends_with("(y/n)?  [n] "), "{asked}");
    lab.run(&[""]);
    assert!(lab.switch.agent().has_trust());
    lab.run(&["license smart factory reset", "y"]);
    assert_eq!(lab.run(&["show license status"]), new);
    let removed = "%LICMGR-3-LOG_SMART_LIC_POLICY_REMOVED: The licensing policy has been removed.";
    assert!(lab.log.last().unwrap().ends_with(removed), "{:?}", lab.log);
}

#[test]
fn users_log_in_with_strong_passwords_only() {
    // PI-CLI-036
    let mut lab = global(&[]);
    for weak in ["short1", "onlyletters", "123456789"] {
        let shown = lab.run(&[&format!("username ops password {weak} role network-admin")]);
        assert!(shown.starts_with("password is weak\n"), "{weak}: {shown}");
        assert!(!lab.switch.may_log_in("ops", weak));
    }
    assert_eq!(lab.run(&["username ops password Nexus9Lab role network-admin"]), "");
    assert!(lab.switch.may_log_in("ops", "Nexus9Lab"));
    assert!(!lab.switch.may_log_in("ops", "nexus9lab") && !lab.switch.may_log_in("admin", ""));
    let shown = lab.run(&["show running-config | include ^username"]);
    assert!(shown.starts_with("username ops password 5 $5$"), "{shown}");
    assert!(shown.ends_with(" role network-admin\n") && !shown.contains("Nexus9Lab"), "{shown}");
    // The line as it is shown makes the same user elsewhere.
    let mut other = global(&[shown.trim()]);
    assert!(other.switch.may_log_in("ops", "Nexus9Lab"));
    assert_eq!(other.run(&["no username ops"]), "");
    assert!(!other.switch.may_log_in("ops", "Nexus9Lab"));
    assert!(other.run(&["no username admin"]).starts_with("% "));
}

#[test]
fn a_secret_does_not_stay_in_the_history() {
    // PI-CLI-036
    let mut lab = global(&["username ops password Nexus9Lab role network-admin", "end"]);
    lab.run(&["license smart trust idtoken NGMwMjk5"]);
    let history = lab.run(&["show history"]);
    assert!(history.contains("configure terminal\n"), "{history}");
    assert!(!history.contains("NGMwMjk5"), "{history}");
    let events = lab.run(&["show license eventlog", "show license tech support", "show logging"]);
    assert!(!events.contains("NGMwMjk5"), "{events}");
    assert!(!history.contains("Nexus9Lab"), "{history}");
}

#[test]
fn the_clock_is_set_and_shown_in_its_zone() {
    // PI-SHOW-012, PI-CLI-026
    let mut lab = Lab::new(None);
    assert_eq!(lab.run(&["clock set 10:30:05 5 July 2024"]), "10:30:05.000 UTC Fri Jul 05 2024\n");
    assert_eq!(lab.now, at("Jul 05 10:30:05 2024"));
    lab.configure(&["clock timezone CET 1 30"]);
    assert!(lab.run(&["show clock"]).starts_with("12:00:05.000 CET Fri Jul 05 2024\n"));
    lab.install_trust();
    let trust = lab.run(&["show license status | include Trust"]);
    assert_eq!(trust, "Trust Code installed: Jul 05 12:00:05 2024 CET\n");
    lab.configure(&["clock timezone EST -5 0"]);
    assert!(lab.run(&["show clock"]).starts_with("05:30:05.000 EST Fri Jul 05 2024\n"));
    lab.configure(&["no clock timezone"]);
    for wrong in ["25:00:00 5 July 2024", "10:00:00 31 June 2024", "10:00 5 July 2024"] {
        let shown = lab.run(&[&format!("clock set {wrong}")]);
        assert!(shown.contains('%'), "{wrong}: {shown}");
    }
    assert_eq!(lab.now, at("Jul 05 10:30:05 2024"));
}

#[test]
fn files_on_the_flash_are_copied_listed_shown_and_deleted() {
    // PI-CLI-023, G-41
    let mut lab = Lab::new(None);
    lab.flash.files.insert("a.txt".to_owned(), b"hello\n".to_vec());
    assert!(lab.run(&["copy bootflash:a.txt bootflash:b.txt"]).ends_with("Copy complete.\n"));
    let listed = lab.run(&["dir bootflash:"]);
    assert!(listed.contains("6  a.txt\n") && listed.contains("6  b.txt\n"), "{listed}");
    assert!(listed.contains("Usage for bootflash://\n"), "{listed}");
    assert!(lab.run(&["dir bootflash:/b.txt"]).contains("b.txt\n"));
    assert_eq!(lab.run(&["dir bootflash:c.txt"]), "No such file or directory\n");
    assert_eq!(lab.run(&["show file bootflash:b.txt"]), "hello\n");
    let sum = lab.run(&["show file bootflash:b.txt sha256sum"]);
    assert!(sum.starts_with("5891b5b522d5df086d0ff0b110fbd9d2"), "{sum}");
    lab.flash.files.insert("a.txt".to_owned(), b"other\n".to_vec());
    let asked = lab.run(&["copy bootflash:a.txt bootflash:b.txt"]);
    assert!(asked.contains("already a file existing with this name"), "{asked}");
    lab.run(&["n"]);
    assert_eq!(lab.run(&["show file bootflash:b.txt"]), "hello\n");
    lab.run(&["copy bootflash:a.txt bootflash:b.txt", "y"]);
    assert_eq!(lab.run(&["show file bootflash:b.txt"]), "other\n");
    assert!(lab.run(&["delete bootflash:b.txt"]).contains("delete \"/b.txt\""));
    lab.run(&["no"]);
    assert!(lab.flash.files.contains_key("b.txt"));
    lab.run(&["delete bootflash:b.txt", "yes"]);
    assert_eq!(lab.run(&["show file bootflash:b.txt"]), "No such file or directory\n");
    for wrong in ["bootflash:../x", "volatile:x", "bootflash:.x"] {
        assert_eq!(lab.run(&[&format!("show file {wrong}")]), "% Invalid file name\n", "{wrong}");
    }
}

#[test]
fn a_file_is_deleted_without_a_question_when_told_so() {
    // G-41
    let mut lab = Lab::new(None);
    lab.flash.files.insert("a.txt".to_owned(), b"hello\n".to_vec());
    assert_eq!(lab.run(&["delete bootflash:a.txt no-prompt"]), "");
    assert!(lab.flash.files.is_empty());
}

#[test]
fn the_flash_may_be_named_with_three_slashes() {
    // PI-CLI-023
    let mut lab = Lab::new(None);
    lab.flash.files.insert("a.txt".to_owned(), b"hello\n".to_vec());
    assert_eq!(lab.run(&["show file bootflash:///a.txt"]), "hello\n");
    lab.run(&["copy bootflash:///a.txt bootflash://b.txt"]);
    assert_eq!(lab.run(&["show file bootflash:b.txt"]), "hello\n");
}

#[test]
fn a_configuration_is_copied_to_a_file_and_back() {
    // PI-CLI-004, PI-CLI-023
    let mut lab = global(&["hostname leaf-7", "feature bgp", "end"]);
    assert!(lab.run(&["copy running-config bootflash:leaf.cfg"]).ends_with("Copy complete.\n"));
    let mut other = Lab::new(None);
    other.flash = lab.flash.clone();
    other.run(&["copy bootflash:leaf.cfg running-config"]);
    assert_eq!(other.packages(), ["LAN_ENTERPRISE_SERVICES_PKG"]);
    assert_eq!(other.prompt(), "leaf-7# ");
    let names = other.run(&["show running-config | include ^hostname"]);
    assert_eq!(names, "hostname leaf-7\n");
}

#[test]
fn a_failed_save_or_import_says_why() {
    // PI-RUM-003, PI-CLI-021, PI-CLI-022, PI-POL-009, PI-LIC-004, G-11
    let mut lab = Lab::new(None);
    let save = "Failure: save status: ";
    for scope in ["all", "unreported", "days 30", "rum-id 1", "all file", "unreported file"] {
        let line = format!("license smart save usage {scope} bootflash:all_rum.txt");
        assert_eq!(
            lab.run(&[&line]),
            format!("{save}The requested item was not found\n"),
            "{line}"
        );
    }
    assert!(lab.flash.files.is_empty());
    lab.configure(&["feature bgp"]);
    for wrong in ["volatile:x", "bootflash:", "bootflash:a/b", "tftp://192.0.2.1/x"] {
        let shown = lab.run(&[&format!("license smart save usage all {wrong}")]);
        assert!(shown.starts_with(save), "{wrong}: {shown}");
    }
    let import = "Failure: import status: ";
    let missing = lab.run(&["license smart import bootflash:none.txt"]);
    assert_eq!(missing, format!("{import}The requested item was not found\n"));
    for text in ["", "no document", "<smartLicense></smartLicense>", "<x/>"] {
        let shown = lab.import(text);
        assert!(shown.starts_with(import) && shown.lines().count() == 1, "{text}: {shown}");
    }
    let altered = lab.policy_document(|_| {}).replace("90", "91");
    assert_eq!(lab.import(&altered), format!("{import}POLICY: signature mismatch\n"));
    assert!(lab.log.last().unwrap().ends_with(
        "%LICMGR-3-LOG_SMART_LIC_POLICY_INSTALL_FAILED: The installation of a new licensing policy \
         has failed: signature mismatch."
    ));
}

#[test]
fn an_operator_may_look_and_nothing_else() {
    let mut lab = Lab::new(None);
    lab.run(&[
        "configure terminal",
        "username eve password Secret123 role network-operator",
        "end",
    ]);
    lab.session = Session::for_program("eve");
    assert!(lab.run(&["show license status"]).contains("Utility:"));
    for line in ["configure terminal", "license smart factory reset", "reload", "write erase"] {
        assert_eq!(lab.run(&[line]), "% Permission denied for the role\n", "{line}");
    }
    lab.session = Session::for_program("nobody");
    assert_eq!(lab.run(&["reload"]), "% Permission denied for the role\n");
}

#[test]
fn a_login_that_fails_is_in_the_log_and_what_was_typed_for_a_name_is_not() {
    let mut lab = Lab::new(None);
    lab.configure(&["username admin password 0 Correct-Horse-9 role network-admin"]);
    lab.install_trust();
    for login in ["admin", "my secret password", "%s"] {
        assert!(!lab.switch.may_log_in(login, "wrong"));
        let now = lab.now;
        let _shown = lab.switch.login_failed(now, login, "10.0.0.9");
    }
    let log = lab.run(&["show logging"]);
    let failed = "%AUTHPRIV-3-SYSTEM_MSG: pam_aaa:Authentication failed for";
    assert!(log.contains(&format!("{failed} user admin from 10.0.0.9 - dcos_sshd")), "{log}");
    assert_eq!(log.matches(&format!("{failed} illegal user from 10.0.0.9")).count(), 2, "{log}");
    assert!(!log.contains("secret"), "{log}");
    // Whoever guesses for hours pushes out nothing but guesses.
    for second in 0..5000 {
        let _shown = lab.switch.login_failed(lab.now + second, "root", "10.0.0.10");
    }
    let log = lab.run(&["show logging"]);
    assert_eq!(log.matches(failed).count(), 50, "{log}");
    assert!(log.contains("TRUST_CODE_INSTALL_SUCCESS"), "{log}");
}
