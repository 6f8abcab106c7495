#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Users, roles and passwords, and what others may read of what somebody typed.

mod common;
use common::*;

#[test]
fn users_keep_what_is_not_taken_from_them() {
    let mut lab = Lab::new(None);
    let role_of = |lab: &Lab, login: &str| {
        lab.switch
            .running()
            .render()
            .lines()
            .filter(|line| line.starts_with(&format!("username {login} ")))
            .map(|line| {
                format!(
                    "{}{}",
                    if line.contains(" password ") { "password " } else { "" },
                    line.split(" role ").nth(1).unwrap_or("none")
                )
            })
            .collect::<Vec<_>>()
    };
    lab.configure(&[
        "username eve password Nexus9Lab role network-operator",
        "username eve role network-admin",
    ]);
    lab.configure(&["no username eve role network-operator"]);
    assert_eq!(role_of(&lab, "eve"), ["password network-admin"]);
    assert!(lab.switch.may_log_in("eve", "Nexus9Lab"));
    // A new password keeps the role.
    lab.configure(&["username eve password Nexus8Lab"]);
    assert_eq!(role_of(&lab, "eve"), ["password network-admin"]);
    for lines in [
        ["username carl role network-admin", "username carl password Nexus9Lab"],
        [
            "username carl password Nexus9Lab role network-operator",
            "username carl role network-admin",
        ],
    ] {
        lab.configure(&lines);
        assert!(
            role_of(&lab, "carl").iter().any(|role| role.contains("network-admin")),
            "{lines:?}"
        );
        lab.configure(&["no username carl"]);
        assert_eq!(role_of(&lab, "carl"), Vec::<String>::new());
    }
    lab.configure(&[
        "username dan password Nexus9Lab role network-operator",
        "username dan role vdc-operator",
    ]);
    lab.configure(&["no username dan password Nexus9Lab"]);
    assert_eq!(role_of(&lab, "dan"), ["vdc-operator"]);
    // A role stands behind its word.
    lab.configure(&["username kim password Nexus9Lab", "username kim shelltype network-admin"]);
    lab.session = rumline_switch::Session::new("kim");
    assert_eq!(lab.run(&["configure terminal"]), "% Permission denied for the role\n");
}

#[test]
fn a_hash_that_no_password_fits_locks_nobody_out() {
    for line in [
        "username admin password 5 !  role network-admin",
        "username admin password 5 $1$abc$def role network-admin",
    ] {
        let mut lab = Lab::new(Some(&format!("hostname x\n{line}\n")));
        assert!(!lab.switch.has_admin(), "{line}");
        lab.configure(&["username admin password Rumline123"]);
        lab.flash.files.insert("f".to_owned(), format!("hostname y\n{line}\n").into_bytes());
        let told = lab.run(&["configure replace bootflash:f"]);
        assert!(
            told.contains("% Invalid encrypted password") || told.contains("completed"),
            "{told}"
        );
        assert!(lab.switch.may_log_in("admin", "Rumline123"), "{line}");
        let typed = lab.run(&["configure terminal", line]);
        assert!(typed.contains("% Invalid encrypted password, it begins with $5$"), "{typed}");
    }
}

#[test]
fn an_answer_to_a_question_needs_the_role_too_and_is_told_of_when_it_is_done() {
    let mut lab = Lab::new(None);
    lab.configure(&["username ops password Nexus9Lab role network-admin"]);
    lab.run(&["copy running-config startup-config"]);
    let mut ops = rumline_switch::Session::new("ops");
    std::mem::swap(&mut lab.session, &mut ops);
    assert!(lab.execute("write erase").reply.question.is_some());
    std::mem::swap(&mut lab.session, &mut ops);
    lab.configure(&["no username ops"]);
    std::mem::swap(&mut lab.session, &mut ops);
    assert_eq!(lab.run(&["y"]), "% Permission denied for the role\n");
    lab.session = rumline_switch::Session::new("admin");
    assert!(!lab.run(&["show startup-config"]).starts_with("No startup"));
    lab.run(&["write erase", "n"]);
    assert!(!lab.run(&["show accounting log"]).contains("write erase"));
    lab.run(&["write erase", "y"]);
    assert!(lab.run(&["show accounting log"]).contains("cmd=write erase (SUCCESS)"));
    lab.run(&["configure session s", "hostname never", "abort"]);
    let log = lab.run(&["show accounting log"]);
    assert!(log.contains("cmd=configure session s ; hostname never (SUCCESS)"), "{log}");
}

#[test]
fn secrets_stay_out_of_all_that_others_read() {
    let mut lab = Lab::new(None);
    lab.configure(&[
        "feature bgp",
        "cli alias name tok license smart trust idtoken",
        "router bgp 1",
        "neighbor 192.0.2.1",
        "password BgpClear99",
    ]);
    lab.run(&[
        "tok QWERTYUIOP",
        "configure session s",
        "router bgp 1",
        "neighbor 192.0.2.2",
        "password OtherClear99",
        "end",
    ]);
    lab.flash.files.insert(
        "s".to_owned(),
        b"username carl password 0 Carlpw1234\nkey-string KeyClear99\n".to_vec(),
    );
    let told = lab.run(&["copy bootflash:s running-config"]);
    assert!(!told.contains("KeyClear99"), "{told}");
    lab.run(&["copy bootflash:s startup-config"]);
    let seen = lab.run(&[
        "show history",
        "show accounting log",
        "show configuration session",
        "show startup-config",
    ]);
    for secret in ["BgpClear99", "OtherClear99", "QWERTYUIOP", "Carlpw1234"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}

#[test]
fn a_line_that_was_refused_is_not_remembered_if_it_holds_a_secret_and_none_of_a_file_is_swallowed()
{
    let mut lab = Lab::new(None);
    lab.run(&["configure terminal"]);
    let outcome = lab.execute("username x password short1");
    assert!(outcome.reply.text.contains("password is weak") && outcome.reply.forget);
    assert!(lab.execute("username x password").reply.text.contains("% Incomplete"));
    assert!(!lab.execute("hostname plain").reply.forget);
    lab.flash.files.insert("s".to_owned(), b"hostname y\nusername x password short1\n".to_vec());
    let told = lab.run(&["end", "copy bootflash:s startup-config"]);
    assert!(
        told.ends_with(
            "Lines that were not understood:\n  line 2: username x ***: password is weak\n"
        ),
        "{told}"
    );
}

#[test]
fn who_changed_what_is_in_the_accounting_log_and_no_secret_is() {
    let mut lab = Lab::new(None);
    lab.configure(&["hostname leaf", "username eve password Secret4711"]);
    lab.run(&["license smart trust idtoken VeryVerySecret", "show version", "dir"]);
    let log = lab.run(&["show accounting log"]);
    for line in [
        "Mon Mar  4 09:00:00 2024:type=update:id=console0:user=admin:cmd=configure terminal (SUCCESS)\n",
        ":cmd=configure terminal ; hostname leaf (SUCCESS)\n",
        ":cmd=configure terminal ; username eve *** (SUCCESS)\n",
        ":cmd=license smart *** (FAILURE)\n",
    ] {
        assert!(log.contains(line), "{line} in {log}");
    }
    assert!(!log.contains("Secret") && !log.contains("show version"), "{log}");
}

#[test]
fn what_is_taken_away_is_gone_and_a_long_password_is_none() {
    let mut lab = Lab::new(None);
    lab.configure(&[
        "vrf context red",
        "ip route 0.0.0.0/0 192.0.2.1",
        "username ops passphrase  lifetime 99 warntime 7",
    ]);
    let text = lab.switch.running().render();
    assert!(text.contains("vrf context red\n  ip route 0.0.0.0/0 192.0.2.1\n"), "{text}");
    assert!(text.contains("\nusername ops passphrase  lifetime 99 warntime 7\n"), "{text}");
    lab.configure(&["no vrf context red"]);
    assert!(!lab.switch.running().render().contains("vrf context"));
    let long = format!("Aa1{}", "x".repeat(125));
    lab.configure(&[&format!("username long password {long}")]);
    assert!(lab.switch.may_log_in("long", &long));
    for other in [format!("{long}y"), format!("{long}{long}")] {
        assert!(!lab.switch.may_log_in("long", &other));
    }
}
