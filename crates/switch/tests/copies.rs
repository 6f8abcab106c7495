#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Copies from and to servers over SSH: the key of a server is accepted once, its password asked for each time
//! (clients.md, section 4).

mod common;

use common::*;
use rumline_cli::Reply;
use rumline_switch::{Copied, Devices, Effect, RemoteCopy, Session};

const COPY: &str =
    "copy scp://ann@192.0.2.9:2222/bootflash/kept.txt bootflash:/pulled.txt vrf management";

/// What a line asks for, and the copy it begins.
fn give(lab: &mut Lab, line: &str) -> (Reply, Option<RemoteCopy>) {
    let mut devices =
        Devices { store: &mut lab.store, flash: &mut lab.flash, random: &mut lab.random };
    let outcome = lab.switch.execute(lab.now, &mut lab.session, line, &mut devices);
    let copy = outcome.effects.into_iter().find_map(|effect| match effect {
        Effect::Copy(copy) => Some(copy),
        _ => None,
    });
    assert_eq!(outcome.reply.pending, copy.is_some(), "{line}");
    (outcome.reply, copy)
}

fn told(lab: &mut Lab, copy: &RemoteCopy, outcome: Result<Copied, String>) -> Reply {
    let mut devices =
        Devices { store: &mut lab.store, flash: &mut lab.flash, random: &mut lab.random };
    lab.switch.copied(lab.now, &mut lab.session, copy, outcome, &mut devices)
}

fn key(text: &str) -> Result<Copied, String> {
    Ok(Copied::HostKey { text: text.to_owned(), fingerprint: "SHA256:abc".to_owned() })
}

#[test]
fn a_server_is_accepted_once_and_its_password_asked_for_each_time() {
    let mut lab = Lab::new(None);
    let (_, copy) = give(&mut lab, COPY);
    let copy = copy.expect("the key of the server is wanted first");
    assert_eq!(
        (copy.url.as_str(), &copy.access),
        ("scp://ann@192.0.2.9:2222/bootflash/kept.txt", &None)
    );
    let asked = told(&mut lab, &copy, key("ssh-ed25519 AAAA"));
    let question = asked.question.unwrap_or_default();
    assert!(question.contains("'192.0.2.9:2222'") && question.contains("SHA256:abc"), "{question}");
    assert!(question.ends_with("sure you want to continue connecting (yes/no)? ") && !asked.secret);
    // Whoever does not say yes leaves it.
    assert_eq!(give(&mut lab, "no"), (Reply::default(), None));
    let copy = give(&mut lab, COPY).1.expect("it begins anew");
    assert!(told(&mut lab, &copy, key("ssh-ed25519 AAAA")).question.is_some());
    let (asked, _) = give(&mut lab, "yes");
    assert_eq!((asked.question.as_deref(), asked.secret), (Some("Password: "), true));
    let (_, opened) = give(&mut lab, "S3cret word");
    let opened = opened.expect("now it can be copied");
    let access = opened.access.clone().expect("with what opens the server");
    assert_eq!(
        (access.host_key.as_str(), access.password.as_str()),
        ("ssh-ed25519 AAAA", "S3cret word")
    );
    assert!(!format!("{opened:?}").contains("S3cret"), "{opened:?}");
    let done = told(&mut lab, &opened, Ok(Copied::Read(b"text".to_vec())));
    assert!(done.text.contains("Copy complete") && done.question.is_none(), "{}", done.text);
    assert_eq!(lab.run(&["show file bootflash:pulled.txt"]), "text\n");
    // It is there now, and the server known.
    let (asked, _) = give(&mut lab, COPY);
    assert!(asked.question.is_some_and(|asked| asked.contains("file existing with this name")));
    let copy = give(&mut lab, "y").1.expect("it is written over");
    let asked = told(&mut lab, &copy, key("ssh-ed25519 AAAA"));
    assert_eq!((asked.question.as_deref(), asked.secret), (Some("Password: "), true));
    let opened = give(&mut lab, "wrong").1.expect("a password is a password");
    let done = told(&mut lab, &opened, Err("Permission denied".to_owned()));
    assert_eq!(done.text, "% Copy failed: Permission denied\n");
    let log = lab.run(&["show accounting log", "show history"]);
    assert!(!log.contains("S3cret") && !log.contains("wrong"), "{log}");
    let short = "scp://ann@192.0.2.9:2222/bootflash/kept.txt bootflash:/pulled.txt";
    let ends = |what: &str| log.lines().filter(|l| l.contains(short) && l.ends_with(what)).count();
    // What was left, what was done, what was refused.
    assert_eq!((ends("(SUCCESS)"), ends("(FAILURE)")), (1, 2), "{log}");
    assert!(log.contains("cmd=ssh host 192.0.2.9:2222 accepted (SUCCESS)"), "{log}");
}

#[test]
fn a_server_with_another_key_is_not_opened_until_the_old_one_is_forgotten() {
    let mut lab = Lab::new(None);
    let copy = give(&mut lab, COPY).1.expect("a copy");
    told(&mut lab, &copy, key("ssh-ed25519 AAAA"));
    give(&mut lab, "yes");
    give(&mut lab, "S3cret word");
    // It is remembered over a restart.
    lab.boot_again("restart");
    let copy = give(&mut lab, COPY).1.expect("a copy");
    let refused = told(&mut lab, &copy, key("ssh-ed25519 BBBB"));
    assert!(refused.question.is_none());
    assert!(
        refused.text.contains("has changed; clear it with clear ssh hosts"),
        "{}",
        refused.text
    );
    assert_eq!(lab.run(&["clear ssh hosts"]), "");
    let copy = give(&mut lab, COPY).1.expect("a copy");
    assert!(told(&mut lab, &copy, key("ssh-ed25519 BBBB")).question.is_some());
}

#[test]
fn programs_are_asked_nothing_whatever_they_say() {
    let mut lab = Lab::new(None);
    lab.session = Session::for_program("admin");
    assert_eq!(lab.run(&["no terminal dont-ask"]), "");
    let copy = give(&mut lab, COPY).1.expect("a copy");
    let refused = told(&mut lab, &copy, key("ssh-ed25519 AAAA"));
    assert_eq!(
        refused.text,
        "% Copy failed: The server asks for a password: give it in a session\n"
    );
    assert_eq!(refused.question, None);
    assert_eq!(lab.run(&["checkpoint file a", "delete bootflash:a"]), "Done\n");
}

#[test]
fn names_that_prompts_cannot_begin_with_are_refused() {
    let mut lab = Lab::new(None);
    for name in ["-leaf", ".leaf", "_leaf"] {
        let said = lab.run(&["configure terminal", &format!("hostname {name}"), "end"]);
        assert!(said.contains("% Invalid name"), "{name}: {said}");
    }
    lab.configure(&["hostname 9leaf"]);
    assert_eq!(lab.prompt(), "9leaf# ");
    // A width is no secret.
    let history = lab.run(&["terminal width 511", "show history"]);
    assert!(history.contains("terminal width 511"), "{history}");
}

#[test]
fn copies_take_the_way_of_their_vrf() {
    // PI-CLI-023, G-41: management where none is named
    let mut lab = Lab::new(None);
    lab.configure(&["vrf context blue", "exit", "ip host files 192.0.2.8"]);
    for (line, vrf) in [
        ("copy tftp://files/a bootflash:a", "management"),
        ("copy tftp://files/a bootflash:a vrf default", "default"),
        ("copy running-config http://files/a vrf blue", "blue"),
        ("copy running-config sftp://ann@files/a vrf blue", "blue"),
    ] {
        let copy = give(&mut lab, line).1.expect(line);
        assert_eq!((copy.path.way.vrf.as_str(), copy.path.names.hosts.len()), (vrf, 1), "{line}");
    }
    for (line, told) in [
        ("copy tftp://files/a bootflash:a vrf red", "% Copy failed: VRF red does not exist\n"),
        (
            "copy ftp://files/a bootflash:a",
            "% Only tftp://, scp://, sftp://, http:// and https:// servers are supported\n",
        ),
    ] {
        assert_eq!(lab.run(&[line]), told, "{line}");
    }
    // What is there already is asked about with its way.
    lab.run(&["checkpoint file a"]);
    let (asked, _) = give(&mut lab, "copy tftp://files/a bootflash:a vrf blue");
    assert!(asked.question.is_some());
    let copy = give(&mut lab, "y").1.expect("a copy");
    assert_eq!(copy.path.way.vrf, "blue");
    // Nothing of a server's reaches a terminal as it came, and how far it is shows in one line.
    let why = Err(format!("\u{1b}[2Jno\r\n{}", "x".repeat(300)));
    let told = told(&mut lab, &copy, why).text;
    assert_eq!(told, format!("% Copy failed: [2Jno{}\n", "x".repeat(195)));
    assert_eq!(copy.progress(4_608), format!("\r[{:<25}] {:>15}", "#", "4.50KB"));
}

#[test]
fn a_server_is_the_same_however_its_name_is_typed() {
    let mut lab = Lab::new(None);
    let spelled = |host: &str| format!("copy scp://ann@{host}/kept.txt bootflash:/pulled.txt");
    let copy = give(&mut lab, &spelled("files.example.net")).1.expect("a copy");
    told(&mut lab, &copy, key("ssh-ed25519 AAAA"));
    give(&mut lab, "yes");
    give(&mut lab, "S3cret word");
    for host in ["FILES.example.net", "files.example.net:22", "files.example.net."] {
        let copy = give(&mut lab, &spelled(host)).1.expect("a copy");
        let refused = told(&mut lab, &copy, key("ssh-ed25519 BBBB"));
        assert!(refused.text.contains("has changed"), "{host}: {}", refused.text);
    }
}
