//! Configurations: of IOS XE what is said of the way out; those of NX-OS are for a switch to be started with.

use super::{Platform, Reading};
use crate::{Fault, Sign};

pub(super) fn read(lines: &[&str], reading: &mut Reading) {
    let is_config = lines.iter().any(|line| line.starts_with("version "))
        && lines.iter().any(|line| {
            let first = line.split(' ').next().unwrap_or_default();
            ["hostname", "switchname"].contains(&first)
                || line.starts_with("!Command: show running-config")
        });
    if !is_config {
        return;
    }
    // Of a part of one nothing follows from what is not there.
    let is_part = lines.iter().any(|line| {
        let words = line.strip_prefix("!Command: show running-config").map(str::trim);
        words.is_some_and(|words| !["", "all"].contains(&words))
    });
    if is_part {
        reading.has("a part of a configuration");
        return;
    }
    reading.has("configuration");
    let is_nxos = lines.iter().any(|line| {
        let version = line.strip_prefix("version ").unwrap_or_default();
        version.contains('(') || version.contains("Bios:")
    });
    if is_nxos {
        reading.platform = Platform::NxOs;
        reading.is_nxos_config = true;
        return;
    }
    reading.platform = Platform::IosXe;
    let signs = ios_xe(lines);
    reading.signs.extend(signs);
}

/// The value behind the first words of a line.
fn value<'t>(lines: &[&'t str], head: &str) -> Option<(&'t str, &'t str)> {
    lines.iter().find_map(|line| Some((*line, line.strip_prefix(head)?.trim())))
}

fn ios_xe(lines: &[&str]) -> Vec<Sign> {
    let mut signs = Vec::new();
    let has = |wanted: &str| lines.contains(&wanted);
    let url = value(lines, "license smart url smart ")
        .or_else(|| value(lines, "license smart url cslu "))
        .or_else(|| value(lines, "license smart url "));
    let by_name = url.is_none_or(|(_, url)| {
        let host = url.split("://").nth(1).unwrap_or(url).split(['/', ':']).next();
        host.is_some_and(|host| host.parse::<std::net::IpAddr>().is_err())
    });
    let transport = value(lines, "license smart transport ");
    if transport.is_some_and(|(_, word)| word == "off") {
        return signs;
    }
    let off = ["no ip domain lookup", "no ip domain-lookup"].into_iter().find(|line| has(line));
    let is_listed = lines.iter().any(|line| line.starts_with("ip host "));
    if by_name && !is_listed {
        if let Some(line) = off {
            let sign = Sign::new(Fault::LookupOff, line);
            signs.push(sign.mended_by(vec![
                "configure terminal".to_owned(),
                "ip domain lookup".to_owned(),
                "end".to_owned(),
                "license smart sync all".to_owned(),
            ]));
        } else if !lines.iter().any(|line| line.starts_with("ip name-server ")) {
            let evidence = url.map_or("no line begins with ip name-server", |(line, _)| line);
            signs.push(Sign::new(Fault::NameServer, evidence));
        }
    }
    if let Some((line, name)) = value(lines, "ip http client source-interface ")
        && is_shut(lines, name)
    {
        signs.push(Sign::new(Fault::InterfaceDown, line).mended_by(vec![
            "configure terminal".to_owned(),
            format!("interface {name}"),
            "no shutdown".to_owned(),
            "end".to_owned(),
            "license smart sync all".to_owned(),
        ]));
    }
    signs
}

fn is_shut(lines: &[&str], name: &str) -> bool {
    let head = format!("interface {name}");
    let own = lines.iter().skip_while(|line| **line != head).skip(1);
    own.take_while(|line| line.starts_with(' ')).any(|line| line.trim() == "shutdown")
}

#[cfg(test)]
mod tests {
    use super::super::{Platform, read as read_all};

    fn faults(text: &str) -> Vec<(&'static str, Vec<String>)> {
        let signs = read_all(text.as_bytes()).signs;
        signs.into_iter().map(|sign| (sign.fault.name(), sign.mend)).collect()
    }

    const HEAD: &str = "version 17.9\nhostname edge\n";

    #[test]
    fn names_need_somebody_to_ask() {
        assert_eq!(faults(HEAD)[0].0, "name-server");
        assert_eq!(faults(&format!("{HEAD}ip name-server 192.0.2.1\n")), []);
        assert_eq!(faults(&format!("{HEAD}ip host cslu-local 192.0.2.1\n")), []);
        assert_eq!(
            faults(&format!("{HEAD}license smart url http://192.0.2.1:8182/cslu/v1/pi\n")),
            []
        );
        assert_eq!(
            faults(&format!("{HEAD}license smart url cslu http://cslu:8182/cslu/v1/pi\n"))[0].0,
            "name-server"
        );
        let off = faults(&format!("{HEAD}no ip domain lookup\nip name-server 192.0.2.1\n"));
        assert_eq!((off[0].0, off[0].1[1].as_str()), ("lookup-off", "ip domain lookup"));
        assert_eq!(faults(&format!("{HEAD}license smart transport off\n")), []);
    }

    #[test]
    fn a_source_interface_that_is_shut_is_told() {
        let shut = |inside: &str| {
            faults(&format!(
                "{HEAD}ip name-server 192.0.2.1\nip http client source-interface Vlan7\ninterface Vlan7\n{inside}interface Vlan8\n shutdown\n"
            ))
        };
        assert_eq!(shut(" ip address 192.0.2.9 255.255.255.0\n"), []);
        let found = shut(" shutdown\n");
        assert_eq!((found[0].0, found[0].1[1].as_str()), ("interface-down", "interface Vlan7"));
    }

    #[test]
    fn a_configuration_of_nxos_is_for_a_switch() {
        let reading = read_all(
            b"!Command: show running-config\nversion 10.3(1) Bios:version 05.45\nhostname leaf\n",
        );
        assert!(reading.is_nxos_config && reading.platform == Platform::NxOs);
        assert_eq!(reading.parts, ["configuration"]);
        let short = read_all(b"version 10.3(1)\nhostname leaf\n");
        assert!(short.is_nxos_config);
        let other = read_all(HEAD.as_bytes());
        assert!(!other.is_nxos_config && other.platform == Platform::IosXe);
        assert!(read_all(b"version 17.9\n").parts.is_empty());
        let part = read_all(
            b"!Command: show running-config callhome all\nversion 10.3(1) Bios:version 05.45\n",
        );
        assert!(!part.is_nxos_config && part.parts == ["a part of a configuration"]);
    }
}
