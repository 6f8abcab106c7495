//! How a switch finds its collector: by the table of hosts, by a name server, by a name server and a domain (PI-NET-013 to
//! 015, guide p. 20, 25, 28, 30).

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};

use super::checks::Checks;
use super::lab::Lab;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DOMAIN: &str = "lab.example.net";
const FAILED: &str = "Unable to resolve server hostname/domain name";
const RESTORED: &str = "LOG_SMART_LIC_COMM_RESTORED";

const SERVER: [&str; 2] = ["ip name-server 127.0.0.1", "no ip name-server 127.0.0.1"];

/// Each variant is tried twice: while the name is not known, which has to fail in the guide's words, and then as it should be.
pub(super) async fn run(
    lab: &mut Lab,
    server: usize,
    switch: usize,
    checks: &mut Checks,
) -> Result<()> {
    let flavour = lab.collectors[server].flavour;
    let (t, name) = (flavour.topology, lab.switches[switch].name.clone());
    let host = if flavour.on_prem { "Cisco_SSM_OnPrem" } else { "cslu-local" };
    let before = lab.collectors[server].device_url.clone();
    let url = with_host(&before, host).context("the URL of a collector has a host")?;
    let (table, no_table) = (format!("ip host {host} 127.0.0.1"), format!("no ip host {host}"));
    let with_domain = format!("ip name-server 127.0.0.1\nip domain-name {DOMAIN}");
    let no_domain = "no ip name-server 127.0.0.1\nno ip domain-name";
    let full = format!("{host}.{DOMAIN}");
    let variants = [
        ("by its table of hosts", None, table.as_str(), no_table.as_str()),
        ("by a name server", Some(host), SERVER[0], SERVER[1]),
        ("by a name server and a domain", Some(full.as_str()), &with_domain, no_domain),
    ];
    // Nobody knows the name: the machine's own resolver is not asked.
    configure(lab, switch, &format!("{}\nlicense smart url cslu {url}", SERVER[0])).await?;
    for (what, served, lines, back) in variants {
        lab.doing(&format!("{name} looks for {host} {what}"));
        lab.names.know(&[]);
        let failed = sync_until(lab, switch, FAILED).await?;
        checks.add(t, &format!("{name}: {host} is not found before"), failed, "no COMM_FAILED");
        lab.names.know(&served.map(|name| (name, LOOPBACK)).into_iter().collect::<Vec<_>>());
        configure(lab, switch, lines).await?;
        let found = sync_until(lab, switch, RESTORED).await?;
        checks.add(t, &format!("{name}: {host} is found {what}"), found, "no COMM_RESTORED");
        configure(lab, switch, &format!("{back}\n{}", SERVER[0])).await?;
    }
    configure(lab, switch, &format!("{}\nlicense smart url cslu {before}", SERVER[1])).await?;
    lab.say(&format!(
        "{name}: found {host} by table, by name server, and by name server and domain"
    ));
    Ok(())
}

/// A URL with another host.
fn with_host(url: &str, host: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    let port = authority.rsplit_once(':').map_or(String::new(), |(_, port)| format!(":{port}"));
    Some(format!("{scheme}://{host}{port}/{path}"))
}

async fn configure(lab: &Lab, switch: usize, lines: &str) -> Result<()> {
    lab.run(switch, &format!("configure terminal\n{lines}\nend")).await?;
    Ok(())
}

/// Whether a sync brings one more line of a kind to the log.
async fn sync_until(lab: &Lab, switch: usize, kind: &str) -> Result<bool> {
    let count = |text: &str| text.matches(kind).count();
    let before = count(&lab.run(switch, "show logging").await?);
    lab.run(switch, "license smart sync all").await?;
    let log = lab.wait_for(switch, "show logging", |text| count(text) > before).await?;
    Ok(count(&log) > before)
}

#[cfg(test)]
mod tests {
    use super::with_host;

    #[test]
    fn the_host_of_a_url_is_another() {
        let url = with_host("https://localhost:8444/cslu/v1/pi/T", "Cisco_SSM_OnPrem");
        assert_eq!(url.as_deref(), Some("https://Cisco_SSM_OnPrem:8444/cslu/v1/pi/T"));
        assert_eq!(with_host("http://a/b", "c").as_deref(), Some("http://c/b"));
        assert_eq!(with_host("nothing", "c"), None);
    }
}
