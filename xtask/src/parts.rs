//! Real parts the tests need: installed, started and stopped here, on loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::root;

/// Debian packages, and a file that shows each is there.
const PACKAGES: &[(&str, &str)] = &[
    ("postgresql", "/usr/lib/postgresql"),
    ("haproxy", "/usr/sbin/haproxy"),
    ("etcd-server", "/usr/bin/etcd"),
    ("patroni", "/usr/bin/patroni"),
    ("python3-psycopg2", "/usr/lib/python3/dist-packages/psycopg2"),
    ("openssl", "/usr/bin/openssl"),
    ("openssh-client", "/usr/bin/ssh"),
    ("openssh-server", "/usr/sbin/sshd"),
    ("iproute2", "/usr/sbin/ip"),
    ("nginx-light", "/usr/sbin/nginx"),
    ("sshpass", "/usr/bin/sshpass"),
    ("python3-venv", "/usr/bin/python3"),
    ("tftpd-hpa", "/usr/sbin/in.tftpd"),
    ("dnsmasq-base", "/usr/sbin/dnsmasq"),
    ("rsyslog", "/usr/sbin/rsyslogd"),
    ("chrony", "/usr/sbin/chronyd"),
    ("squid", "/usr/sbin/squid"),
    ("curl", "/usr/bin/curl"),
    ("chromium", "/usr/bin/chromium"),
    ("chromium-driver", "/usr/bin/chromedriver"),
    ("fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu"),
    ("nodejs", "/usr/bin/node"),
    ("npm", "/usr/bin/npm"),
    ("prometheus", "/usr/bin/promtool"),
    ("systemd", "/usr/bin/systemd-analyze"),
    ("mmdebstrap", "/usr/bin/mmdebstrap"),
];

/// Packages from PyPI in an environment of their own below `target`.
pub(crate) struct Venv {
    folder: &'static str,
    packages: &'static [&'static str],
}

/// Clients, browsers and judges of others.
pub(crate) const CLIENTS: Venv = Venv {
    folder: "venv",
    packages: &[
        "netmiko==4.6.0",
        "selenium==4.51.0",
        "netutils==1.19.2",
        "hier-config==3.7.1",
        "asyncssh==2.24.1",
        "ansible-pylibssh==1.4.0",
        "pynxos==0.0.5",
        "nxapi-plumbing==0.5.2",
        "scrapli==2025.1.30",
        "ssh2-python==1.2.0.post1",
        "python-hcl2==8.1.4",
        "aiosmtpd==1.4.6",
        "opentelemetry-proto==1.45.2",
        "mcssmapi==0.2",
        "requests==2.34.2",
    ],
};

/// Ansible with its collections.
pub(crate) const ANSIBLE: Venv = Venv {
    folder: "venv-ansible",
    packages: &["ansible>=12,<13", "paramiko==5.1.0", "ansible-pylibssh==1.4.0"],
};

/// The newer of the two scraplis, which is another program.
pub(crate) const SCRAPLI: Venv =
    Venv { folder: "venv-scrapli", packages: &["scrapli==2026.10.14", "ntc-templates==9.3.0"] };

/// unicon, genie and napalm, which bring much with them.
pub(crate) const PARSERS: Venv = Venv {
    folder: "venv-parsers",
    packages: &["pyats==26.9", "genie==26.9", "genie.libs.parser==26.9", "napalm==5.2.0"],
};

/// What tries an API by its document, and what makes a client from one.
pub(crate) const SCHEMAS: Venv = Venv {
    folder: "venv-schemas",
    packages: &["schemathesis==4.32.5", "openapi-python-client==0.29.1"],
};

/// Packages from npm in `target/npm`: what drives a browser, what judges pages, and a provider of OpenID Connect.
const NPM: [&str; 3] = ["puppeteer-core@24.43.1", "axe-core@4.14.1", "oidc-provider@9.13.3"];

/// The folder of the packages from npm.
pub(crate) fn npm() -> PathBuf {
    root().join("target/npm")
}

fn npm_is_complete() -> bool {
    fs::read_to_string(npm().join("complete")).unwrap_or_default() == NPM.join("\n")
}

fn install_npm() -> Result<()> {
    if !npm_is_complete() {
        println!("installing {}", NPM.join(", "));
        fs::create_dir_all(npm())?;
        // Without a file of its own it would take the folder for a part of one above it.
        fs::write(npm().join("package.json"), "{}")?;
        run(Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"])
            .args(NPM)
            .current_dir(npm()))?;
        fs::write(npm().join("complete"), NPM.join("\n"))?;
    }
    Ok(())
}

impl Venv {
    fn path(&self) -> PathBuf {
        root().join("target").join(self.folder)
    }

    /// Whether it was filled to the end, and with these packages.
    fn is_complete(&self) -> bool {
        let filled = fs::read_to_string(self.path().join("complete")).unwrap_or_default();
        filled == self.packages.join("\n")
    }

    /// Its Python, with the packages installed if need be.
    pub(crate) fn python(&self) -> Result<PathBuf> {
        if !self.is_complete() {
            println!("installing {}", self.packages.join(", "));
            run(Command::new("python3").args(["-m", "venv"]).arg(self.path()))?;
            run(Command::new(self.path().join("bin/python"))
                .args(["-m", "pip", "install", "--quiet"])
                .args(self.packages))?;
            fs::write(self.path().join("complete"), self.packages.join("\n"))?;
        }
        Ok(self.path().join("bin/python"))
    }
}

/// Says what is needed, and installs what is missing if it may.
pub(crate) fn prepare(install: bool) -> Result<()> {
    let names: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
    println!("The tests need these packages: {}", names.join(", "));
    for venv in [&CLIENTS, &ANSIBLE, &SCRAPLI, &PARSERS, &SCHEMAS] {
        println!("and from PyPI, in target/{}: {}", venv.folder, venv.packages.join(", "));
    }
    println!("and from npm, in target/npm: {}", NPM.join(", "));
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, shown_by)| !Path::new(shown_by).exists())
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        if !install {
            bail!("missing: {}; run without --no-install, or install them", missing.join(", "));
        }
        println!("installing {}", missing.join(", "));
        run(Command::new("apt-get").arg("update"))?;
        // The database's own service is not needed: the tests start their own.
        run(Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "--no-install-recommends"])
            .args(&missing))?;
    }
    for venv in [&CLIENTS, &ANSIBLE, &SCRAPLI, &PARSERS, &SCHEMAS] {
        if !install && !venv.is_complete() {
            bail!("target/{} is missing; run without --no-install", venv.folder);
        }
        venv.python()?;
    }
    if !install && !npm_is_complete() {
        bail!("target/npm is missing; run without --no-install");
    }
    install_npm()
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{:?}", command.get_program()))?;
    if !output.status.success() {
        bail!(
            "{:?} failed:\n{}{}",
            command.get_program(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// A PostgreSQL of its own; ends with the value.
pub(crate) struct Postgres {
    server: Child,
    bin: PathBuf,
    directory: PathBuf,
    pub url: String,
}

impl Postgres {
    /// Makes and starts a server.
    pub(crate) fn start() -> Result<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not there")?;
        let newest = versions.filter_map(|entry| Some(entry.ok()?.path())).max();
        let bin = newest.context("PostgreSQL is not there")?.join("bin");
        let directory =
            std::env::temp_dir().join(format!("rumline-postgres-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&directory))?;
        }
        let data = directory.join("data");
        run(as_postgres(&bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-N"]))?;
        let port = free_port()?;
        let server = as_postgres(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=400",
            ])
            .arg("-c")
            .arg(format!("port={port}"))
            .arg("-c")
            .arg(format!("unix_socket_directories={}", directory.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("PostgreSQL cannot be started")?;
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let postgres = Self { server, bin, directory, url };
        wait_for_port(port)?;
        Ok(postgres)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The process that was started may be runuser, which keeps signals to itself: the server's own command
        // finds the server. Whatever comes of it, nothing waits for ever.
        let mut stop = as_postgres(&self.bin.join("pg_ctl"));
        stop.args(["stop", "--silent", "--mode=fast", "--wait", "--timeout=30", "-D"]);
        let _stopped = stop.arg(self.directory.join("data")).status();
        let _killed = self.server.kill();
        let _ended = self.server.wait();
        let _removed = fs::remove_dir_all(&self.directory);
    }
}

/// The server refuses to run as root: it gets a user of its own.
fn as_postgres(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[expect(clippy::disallowed_methods, reason = "waits for another process, at most half a minute")]
fn wait_for_port(port: u16) -> Result<()> {
    for _ in 0..300 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("nothing listens on port {port}")
}
