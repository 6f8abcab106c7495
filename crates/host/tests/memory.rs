#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! A host over a network in memory: logins, terminals, commands, and what the first bytes of a shell look like to the patterns
//! of programs (clients.md, sections 1, 3, 4 and 6).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use regex_lite::Regex;
use rumline_host::{Host, Setup};
use rumline_net::{Clock, SshServer};
use rumline_switch::Hardware;
use russh::ChannelMsg;
use russh::client::{Config, Handle, Handler, connect_stream};
use russh::keys::PublicKeyOrCertificate;
use tokio::sync::oneshot;

struct AnyHost;

impl Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

struct Lab {
    ssh: SshServer,
    password: String,
}

impl Lab {
    /// Runs `test` beside a switch.
    fn run<T>(test: impl AsyncFnOnce(Lab) -> T) -> T {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("switch")).unwrap();
        let file = dir.path().join("password");
        // Nobody answers there.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let setup = Setup {
            dir: dir.path().join("switch"),
            hardware: Hardware {
                pid: "N9K-C93180YC-FX3".to_owned(),
                serial: "RML26170001".to_owned(),
                release: "10.4(3)F".to_owned(),
                root_certificate: Vec::new(),
                maker_key: None,
                links: std::collections::BTreeSet::new(),
                with_defects: false,
            },
            tls_roots: Vec::new(),
            outlets: rumline_net::Outlets::default(),
            dns_port: silent.local_addr().unwrap().port(),
            syslog_port: 514,
            ntp_port: 123,
            first_config: Some("hostname leaf-1\nbanner motd #\nHands off\n#\n".to_owned()),
            ssh: None,
            nxapi_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            nxapi_http: None,
            nxapi_https: None,
            console: false,
            admin_password_file: Some(file.clone()),
            clock: Clock::real(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let host = Host::start(setup).unwrap();
            let password = std::fs::read_to_string(file).unwrap().trim().to_owned();
            let lab = Lab { ssh: host.ssh(), password };
            let (stop, stopped) = oneshot::channel::<()>();
            let serving = host.serve(async move {
                let _dropped = stopped.await;
            });
            let testing = async {
                let told = tokio::time::timeout(Duration::from_secs(60), test(lab)).await;
                drop(stop);
                told.expect("an answer in time")
            };
            tokio::join!(serving, testing).1
        })
    }

    async fn connect(&self) -> Handle<AnyHost> {
        let (near, far) = tokio::io::duplex(64 << 10);
        self.ssh.serve(far, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
        connect_stream(Arc::new(Config::default()), near, AnyHost).await.unwrap()
    }

    async fn logged_in(&self) -> Handle<AnyHost> {
        let mut handle = self.connect().await;
        let told = handle.authenticate_password("admin", self.password.as_str()).await.unwrap();
        assert!(told.success());
        handle
    }
}

/// What commands say, and their status.
async fn exec(handle: &Handle<AnyHost>, command: &str) -> (String, u32) {
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, command).await.unwrap();
    let (mut said, mut status) = (Vec::new(), u32::MAX);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => said.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = exit_status,
            _ => {}
        }
    }
    (String::from_utf8(said).unwrap(), status)
}

/// What a shell shows after what is typed, until it ends so.
async fn shell(handle: &Handle<AnyHost>, typed: &str, end: &str) -> String {
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.request_pty(false, "vt100", 511, 1_000, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    if !typed.is_empty() {
        channel.data(typed.as_bytes()).await.unwrap();
    }
    let mut shown = String::new();
    while !shown.ends_with(end) {
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => shown.push_str(std::str::from_utf8(&data).unwrap()),
            Some(_) => {}
            None => break,
        }
    }
    shown
}

#[test]
fn the_first_bytes_of_a_shell_are_a_prompt_to_everybody() {
    let shown = Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        shell(&handle, "", "# ").await
    });
    // What went before the login is not shown again behind it.
    assert_eq!(shown, "\r\nleaf-1# ");
    for (who, pattern) in [
        ("network_cli", r"[\r\n](?:[a-zA-Z0-9_][a-zA-Z0-9_.\-]*(?:\([^)]*\))?)[>#]\s*$"),
        ("unicon", r"^(.*?)(leaf-1)(\(maint-mode\))?#\s?$"),
        ("scrapli", r"(?m)^[\w.\-]{1,63}(\(maint-mode\))?#\s?$"),
        ("netmiko", r"[>#]\s*$"),
    ] {
        let text = if who == "unicon" { shown.trim_start() } else { &shown };
        assert!(Regex::new(pattern).unwrap().is_match(text), "{who}: {shown:?}");
    }
}

#[test]
fn prompts_of_modes_are_those_that_programs_know() {
    let shown = Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        let typed = "term length 0\rterm width 511\rterminal session-timeout 0\rconfig term\rno logging console\r\
                     line console\rexec-timeout 0\rline vty\rexec-timeout 0\rterminal width 511\rend\rexit\r";
        shell(&handle, typed, "exit\r\n").await
    });
    for prompt in ["leaf-1(config)# ", "leaf-1(config-console)# ", "leaf-1(config-line)# "] {
        assert!(shown.contains(&format!("\r\n{prompt}")), "{prompt} in {shown}");
    }
    assert!(!shown.contains('%'), "{shown}");
    assert!(!shown.replace("\r\n", "").contains('\n'), "{shown:?}");
}

#[test]
fn commands_have_their_answers_and_statuses() {
    Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        assert_eq!(exec(&handle, "show hostname").await, ("leaf-1\n".to_owned(), 0));
        let (said, status) = exec(&handle, &["show hostname"; 500].join(" ; ")).await;
        assert_eq!((said.lines().count(), status), (500, 0));
        let (said, status) = exec(&handle, "show nonsense ; show hostname").await;
        assert!(said.contains("% Invalid command") && said.ends_with("leaf-1\n"), "{said}");
        assert_eq!(status, 1);
        assert_eq!(exec(&handle, "exit ; show hostname").await, (String::new(), 0));
        // Several channels of one connection stand beside each other.
        let (one, two) = tokio::join!(exec(&handle, "show users"), exec(&handle, "show hostname"));
        assert!(one.0.contains("(192.0.2.7) session=ssh *"), "{}", one.0);
        assert_eq!(two.0, "leaf-1\n");
        let (users, _) = exec(&handle, "show users | count").await;
        assert_eq!(users, "2\n", "sessions that are over are gone");
    });
}

#[test]
fn three_wrong_passwords_end_it_and_keys_are_none() {
    Lab::run(async |lab: Lab| {
        let mut handle = lab.connect().await;
        let none = handle.authenticate_none("admin").await.unwrap();
        assert!(!none.success());
        for _ in 0..2 {
            assert!(!handle.authenticate_password("admin", "wrong").await.unwrap().success());
        }
        let right = handle.authenticate_password("admin", lab.password.as_str()).await.unwrap();
        assert!(right.success(), "the third one counts");
        let mut handle = lab.connect().await;
        for _ in 0..3 {
            assert!(!handle.authenticate_password("admin", "wrong").await.unwrap().success());
        }
        let late = handle.authenticate_password("admin", lab.password.as_str()).await;
        assert!(!late.is_ok_and(|told| told.success()), "a fourth one");
        let mut unknown = lab.connect().await;
        assert!(!unknown.authenticate_password("nobody", "x").await.unwrap().success());
    });
}

#[test]
fn a_copy_that_waits_keeps_no_other_channel_waiting_and_ends_by_ctrl_c() {
    Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let url = format!("tftp://{}/x", server.local_addr().unwrap());
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.request_shell(true).await.unwrap();
        channel.data(format!("copy {url} bootflash:x\rshow hostname\r").as_bytes()).await.unwrap();
        // The server was asked, and says nothing.
        let mut asked = [0; 600];
        server.recv_from(&mut asked).await.unwrap();
        let quick = tokio::time::timeout(Duration::from_secs(5), exec(&handle, "show hostname"));
        assert_eq!(quick.await.unwrap().0, "leaf-1\n");
        channel.data(&b"\x03"[..]).await.unwrap();
        let mut shown = String::new();
        while !shown.contains("Copy failed: it was interrupted") || !shown.contains("\nleaf-1\r\n")
        {
            if let Some(ChannelMsg::Data { data }) = channel.wait().await {
                shown.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    });
}

#[test]
fn a_session_that_is_cleared_ends() {
    Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.request_shell(true).await.unwrap();
        while let Some(message) = channel.wait().await {
            if matches!(message, ChannelMsg::Data { .. }) {
                break;
            }
        }
        assert_eq!(exec(&handle, "clear line pts/0").await, (String::new(), 0));
        while let Some(message) = channel.wait().await {
            if matches!(message, ChannelMsg::Close) {
                break;
            }
        }
        let (said, status) = exec(&handle, "clear line pts/7").await;
        assert_eq!((said.as_str(), status), ("% There is no session on pts/7\n", 1));
    });
}

#[test]
fn a_login_from_before_a_restart_is_none_after_it() {
    Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        let other = lab.logged_in().await;
        let early = other.channel_open_session().await.unwrap();
        let (said, status) = exec(&handle, "show hostname ; reload ; show clock").await;
        assert_eq!((said.starts_with("leaf-1\n"), status), (true, 1), "{said}");
        assert!(handle.channel_open_session().await.is_err());
        // Nor does a channel do that was opened before, and the connections end without anybody's doing.
        early.exec(true, "configure terminal ; hostname taken").await.unwrap();
        while !handle.is_closed() || !other.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let handle = lab.logged_in().await;
        assert_eq!(exec(&handle, "show hostname").await.0, "leaf-1\n");
    });
}

#[test]
fn pages_are_as_long_as_the_window_unless_it_was_said() {
    Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.request_pty(false, "vt100", 80, 1_000, 0, 0, &[]).await.unwrap();
        channel.request_shell(true).await.unwrap();
        let mut until = async |typed: &str, rows: u32, end: &str| {
            channel.window_change(80, rows, 0, 0).await.unwrap();
            channel.data(typed.as_bytes()).await.unwrap();
            let mut shown = String::new();
            while !shown.ends_with(end) {
                match channel.wait().await {
                    Some(ChannelMsg::Data { data }) => {
                        shown.push_str(&String::from_utf8_lossy(&data));
                    }
                    Some(_) => {}
                    None => panic!("it ended: {shown}"),
                }
            }
            shown
        };
        let paged = until("show feature\r", 10, "--More--").await;
        assert!((9..=12).contains(&paged.matches("\r\n").count()), "{paged}");
        until("q", 10, "# ").await;
        until("terminal length 0\r", 10, "# ").await;
        let whole = until("show feature\r", 20, "# ").await;
        assert!(whole.lines().count() > 90 && !whole.contains("--More--"), "{whole}");
    });
}

#[test]
fn a_syslog_server_that_is_not_found_holds_up_nothing_and_costs_no_more_than_its_queue() {
    // PI-MSG-002
    Lab::run(async |lab| {
        let handle = lab.logged_in().await;
        let lines =
            "configure terminal\nip name-server 127.0.0.1\nlogging server log.test 6\nend\n";
        exec(&handle, lines).await;
        exec(&handle, &"configure terminal\nend\n".repeat(320)).await;
        let (shown, _) = exec(&handle, "show logging server").await;
        let lost = shown.lines().find_map(|line| line.trim().strip_prefix("messages lost:"));
        // Those that are looked for take four seconds each: it is the queue that lost them.
        assert!(lost.unwrap().trim().parse::<u32>().unwrap() >= 50, "{shown}");
        assert!(shown.contains("This server is temporarily unreachable"), "{shown}");
    });
}

#[test]
fn a_ping_shows_each_answer_as_it_comes_and_ends_by_ctrl_c() {
    // PI-CLI-031: whatever this process may send, the loopback answers.
    Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        let (said, status) = exec(&handle, "ping 127.0.0.1 count 3 ; show hostname").await;
        assert!(
            said.contains("PING 127.0.0.1 (127.0.0.1): 56 data bytes\n64 bytes from"),
            "{said}"
        );
        let ended = "3 packets transmitted, 3 packets received, 0.00% packet loss\nround-trip ";
        assert!(said.contains(ended) && said.ends_with("leaf-1\n"), "{said}");
        assert_eq!(status, 0);
        let (said, status) = exec(&handle, "ping no-such-host.invalid").await;
        assert_eq!((said.as_str(), status), ("% Invalid host/interface no-such-host.invalid\n", 1));
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.request_shell(true).await.unwrap();
        channel.data(&b"ping 127.0.0.1 count unlimited\r"[..]).await.unwrap();
        let mut shown = String::new();
        let mut is_ended = false;
        while !shown.ends_with("leaf-1# ") || !shown.contains("round-trip") {
            if let Some(ChannelMsg::Data { data }) = channel.wait().await {
                shown.push_str(std::str::from_utf8(&data).unwrap());
            }
            if !is_ended && shown.contains("icmp_seq=4") {
                is_ended = true;
                channel.data(&b"\x03"[..]).await.unwrap();
            }
        }
        assert!(shown.contains("\r\n\r\n--- 127.0.0.1 ping statistics ---\r\n"), "{shown}");
        assert!(shown.contains(" packets transmitted, "), "{shown}");
    });
}

#[test]
fn a_traceroute_finds_the_host_itself() {
    Lab::run(async |lab: Lab| {
        let handle = lab.logged_in().await;
        let (said, status) = exec(&handle, "traceroute 127.0.0.1").await;
        assert!(said.contains("traceroute to 127.0.0.1 (127.0.0.1), 30 hops max"), "{said}");
        assert!(said.contains("\n 1  127.0.0.1 (127.0.0.1)  "), "{said}");
        assert_eq!(status, 0);
    });
}
