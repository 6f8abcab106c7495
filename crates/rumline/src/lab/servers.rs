//! The processes of a lab, as they are started: what each is told, and the lines that say it is up.

use std::path::{Path, PathBuf};

use rumline_net::LabClock;

/// Which collector, and whether it may reach CSSM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavour {
    pub topology: u32,
    pub on_prem: bool,
    pub connected: bool,
}

impl Flavour {
    /// The collector of a topology, if it has one.
    pub(crate) fn of(topology: u32) -> Option<Self> {
        let has_one = matches!(topology, 1 | 3 | 4 | 5);
        let (on_prem, connected) = (topology >= 4, matches!(topology, 1 | 4));
        has_one.then_some(Self { topology, on_prem, connected })
    }

    /// The subcommand that is this server, and the key of the lab's description.
    pub(crate) fn command(self) -> &'static str {
        if self.on_prem { "onprem" } else { "cslu" }
    }

    pub(crate) fn title(self) -> &'static str {
        if self.on_prem { "SSM On-Prem" } else { "CSLU" }
    }
}

/// What a CSSM says when it is up.
pub(crate) const CSSM_UP: &[&str] = &["CSSM listens on "];
/// What a collector says.
pub(crate) const COLLECTOR_UP: &[&str] = &[" listens on https", "product instances "];
/// What a switch says.
pub(crate) const SWITCH_UP: &[&str] = &["ssh admin@"];

/// Where a lab's files are.
pub(crate) fn cssm_root(lab: &Path) -> PathBuf {
    lab.join("cssm/root.pem")
}

pub(crate) fn cssm_password_file(lab: &Path) -> PathBuf {
    lab.join("cssm-admin.password")
}

pub(crate) fn collector_password_file(lab: &Path, name: &str) -> PathBuf {
    lab.join(format!("{name}-admin.password"))
}

pub(crate) fn switch_password_file(lab: &Path, name: &str) -> PathBuf {
    lab.join(format!("{name}.password"))
}

fn words(command: &str, options: &[(&str, String)]) -> Vec<String> {
    let pairs = options.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]);
    std::iter::once(command.to_owned()).chain(pairs).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What CSSM is told.
pub(crate) fn cssm(lab: &Path, clock: LabClock, listen: &str) -> Vec<String> {
    // Nobody wants to watch five minutes pass: a second of the world, at any rate.
    let ack_delay = clock.rate.min(300).to_string();
    let options = [
        ("--dir", shown(&lab.join("cssm"))),
        ("--listen", listen.to_owned()),
        ("--ack-delay-seconds", ack_delay),
        // People who try things out in it do not want to wait for the next hour.
        ("--requests-per-hour", "0".to_owned()),
        ("--admin-password-file", shown(&cssm_password_file(lab))),
        ("--lab-clock", clock.to_string()),
    ];
    words("cssm", &options)
}

/// What a collector is told, apart from where it listens; `cssm` is where it may find CSSM.
pub(crate) fn collector(
    lab: &Path,
    clock: LabClock,
    flavour: Flavour,
    name: &str,
    cssm: &str,
) -> Vec<String> {
    let mut options = vec![
        ("--dir", shown(&lab.join(name))),
        ("--cssm", cssm.to_owned()),
        ("--root", shown(&cssm_root(lab))),
        ("--label", name.to_owned()),
        ("--admin-password-file", shown(&collector_password_file(lab, name))),
        ("--lab-clock", clock.to_string()),
    ];
    if flavour.on_prem {
        options.push(("--host", "localhost".to_owned()));
    }
    words(flavour.command(), &options)
}

/// What a switch is told, apart from where SSH listens; `tls_roots` are those of the SSM On-Prem servers.
pub(crate) fn switch(
    lab: &Path,
    clock: LabClock,
    name: &str,
    (pid, serial): (&str, &str),
    tls_roots: impl Iterator<Item = PathBuf>,
) -> Vec<String> {
    let mut options = vec![
        ("--pid", pid.to_owned()),
        ("--serial", serial.to_owned()),
        ("--dir", shown(&lab.join(name))),
        ("--startup-config", shown(&lab.join(format!("{name}.cfg")))),
        ("--root", shown(&cssm_root(lab))),
        ("--admin-password-file", shown(&switch_password_file(lab, name))),
        ("--lab-clock", clock.to_string()),
    ];
    options.extend(tls_roots.map(|root| ("--tls-root", shown(&root))));
    words("switch", &options)
}

/// A configuration under another host name.
pub(crate) fn renamed(config: &str, to: &str) -> String {
    let host = |line: &str| Some(line.strip_prefix("hostname ")?.to_owned());
    match config.lines().find_map(host) {
        Some(name) => config.replace(&format!("hostname {name}"), &format!("hostname {to}")),
        None => format!("hostname {to}\n{config}"),
    }
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn a_configuration_gets_a_host_name() {
        assert_eq!(renamed("feature bgp\n", "a"), "hostname a\nfeature bgp\n");
        assert_eq!(renamed("!x\nhostname b\nvlan 2\n", "a"), "!x\nhostname a\nvlan 2\n");
    }
}
