//! Names as a switch resolves them: its table, its name servers one after the other, its domains (PI-NET-009 to 016).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use rumline_agent::Reason;
use rumline_protocol::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::Outlet;
use crate::OsRandom;

/// Where DNS listens unless told otherwise.
pub const DNS_PORT: u16 = 53;
/// A server that says nothing for so long, twice, is silent.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 2;
/// How long all of a lookup may take, however many servers and domains there are.
const WHOLE: Duration = Duration::from_secs(30);
/// Names that one name may stand for on the way to its address.
const ALIASES_MAX: usize = 8;
/// The largest datagram that is heard.
const DATAGRAM_BYTES_MAX: usize = 4_096;

/// A name server and where it is asked from; nowhere if its lines lead nowhere.
#[derive(Clone, Debug)]
pub struct NameServerAt {
    /// Its address.
    pub address: IpAddr,
    /// Where it is asked from.
    pub outlet: Option<Outlet>,
}

/// How names are resolved.
#[derive(Clone, Debug, Default)]
pub struct NameLookup {
    /// `ip host`: names and their addresses.
    pub hosts: Vec<(String, IpAddr)>,
    /// `ip name-server`, in their order. While there are none, the machine's own resolver is asked.
    pub servers: Vec<NameServerAt>,
    /// `ip domain-name` and `ip domain-list`: what is put behind a name without a dot, in this order.
    pub domains: Vec<String>,
    /// `no ip domain-lookup`: the table alone.
    pub table_only: bool,
    /// The port of the name servers.
    pub port: u16,
    /// Where the machine's own resolver serves.
    pub has_machine: bool,
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Addresses, of the kind that was asked for; none if the name has other kinds only.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
    /// It does not serve: no other server is asked (PI-NET-010).
    Rejected,
    /// It cannot say: the next one is asked.
    Failed,
    /// The answer does not fit into a datagram.
    Truncated,
}

impl NameLookup {
    /// The first address of a name (PI-NET-016): an IPv4 one, an IPv6 one if there may be one.
    ///
    /// # Errors
    /// [`Reason::Name`], or [`Reason::Ipv6`] if there is an address that may not be used.
    pub async fn address(&self, name: &str, has_ipv6: bool) -> Result<IpAddr, Reason> {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return if address.is_ipv6() && !has_ipv6 { Err(Reason::Ipv6) } else { Ok(address) };
        }
        let kinds: &[RecordType] =
            if has_ipv6 { &[RecordType::A, RecordType::AAAA] } else { &[RecordType::A] };
        let found = self.addresses(name, kinds).await?;
        let fits = |address: &&IpAddr| address.is_ipv4() || has_ipv6;
        let sorted =
            found.iter().filter(|a| a.is_ipv4()).chain(found.iter().filter(|a| a.is_ipv6()));
        match (sorted.clone().find(fits), found.is_empty()) {
            (Some(address), _) => Ok(*address),
            (None, false) => Err(Reason::Ipv6),
            (None, true) => Err(Reason::Name),
        }
    }

    /// The first IPv6 address of a name.
    ///
    /// # Errors
    /// [`Reason::Name`].
    pub async fn ipv6_address(&self, name: &str) -> Result<IpAddr, Reason> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return if address.is_ipv6() { Ok(address) } else { Err(Reason::Name) };
        }
        let found = self.addresses(name, &[RecordType::AAAA]).await?;
        found.into_iter().find(IpAddr::is_ipv6).ok_or(Reason::Name)
    }

    async fn addresses(&self, name: &str, kinds: &[RecordType]) -> Result<Vec<IpAddr>, Reason> {
        timeout(WHOLE, self.looked_up(name, kinds)).await.map_err(|_| Reason::Name)?
    }

    async fn looked_up(&self, name: &str, kinds: &[RecordType]) -> Result<Vec<IpAddr>, Reason> {
        let listed: Vec<IpAddr> = self
            .hosts
            .iter()
            .filter(|(host, _)| host.eq_ignore_ascii_case(name.trim_end_matches('.')))
            .map(|(_, address)| *address)
            .collect();
        if !listed.is_empty() {
            return Ok(listed);
        }
        let is_local = name.eq_ignore_ascii_case("localhost");
        if self.table_only && !is_local {
            return Err(Reason::Name);
        }
        if self.servers.is_empty() || is_local {
            if !self.has_machine {
                return Err(Reason::Name);
            }
            let found = tokio::net::lookup_host((name, 0)).await.map_err(|_| Reason::Name)?;
            return Ok(found.map(|address| address.ip()).collect());
        }
        // Whoever said nothing once is not asked again for another name.
        let mut silent = vec![false; self.servers.len()];
        for candidate in self.candidates(name) {
            // C-53: underscores are not for every kind of name, but they are for these.
            let Ok(candidate) = Name::from_ascii(&candidate) else { continue };
            for kind in kinds {
                let heard = self.ask_in_order(&candidate, *kind, &mut silent).await;
                match heard {
                    Some(Heard::Addresses(found)) if !found.is_empty() => return Ok(found),
                    Some(Heard::Rejected) => return Err(Reason::Name),
                    _ => {}
                }
            }
        }
        Err(Reason::Name)
    }

    /// What the first server that is not silent says.
    async fn ask_in_order(
        &self,
        name: &Name,
        kind: RecordType,
        silent: &mut [bool],
    ) -> Option<Heard> {
        for (server, silent) in self.servers.iter().zip(silent) {
            if *silent {
                continue;
            }
            let heard = match &server.outlet {
                Some(outlet) => {
                    ask(SocketAddr::new(server.address, self.port), outlet, name, kind).await
                }
                None => None,
            };
            match heard {
                None => *silent = true,
                Some(Heard::Failed) => {}
                heard => return heard,
            }
        }
        None
    }

    /// The names to ask for, in order: without a dot the domains come first (G-29).
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let full = |domain: &String| format!("{name}.{}.", domain.trim_matches('.'));
        let mut candidates: Vec<String> = self.domains.iter().map(full).collect();
        let place = if name.contains('.') { 0 } else { candidates.len() };
        candidates.insert(place, format!("{name}."));
        candidates
    }
}

/// Asks one server; nothing if it is silent.
async fn ask(server: SocketAddr, outlet: &Outlet, name: &Name, kind: RecordType) -> Option<Heard> {
    for _ in 0..ATTEMPTS {
        let id = u16::try_from(OsRandom.below(1 << 16)).unwrap_or_default();
        let question = question(id, name, kind)?;
        let socket = outlet.datagrams(server).await.ok()?;
        let end = Instant::now() + PATIENCE;
        if socket.send(&question).await.is_err() {
            continue;
        }
        let mut answer = vec![0; DATAGRAM_BYTES_MAX];
        // What does not answer the question does not end the wait for what does.
        while let Ok(received) = timeout_at(end, socket.recv(&mut answer)).await {
            // The port is closed: nobody is there.
            let Ok(length) = received else { break };
            match heard(&answer[..length], id, name, kind) {
                Some(Heard::Truncated) => {
                    return by_stream(server, outlet, &question, id, name, kind).await;
                }
                Some(heard) => return Some(heard),
                None => {}
            }
        }
    }
    None
}

/// Asks over TCP what did not fit into a datagram.
async fn by_stream(
    server: SocketAddr,
    outlet: &Outlet,
    question: &[u8],
    id: u16,
    name: &Name,
    kind: RecordType,
) -> Option<Heard> {
    let exchange = async {
        let mut stream = outlet.connect(server).await.ok()?;
        let length = u16::try_from(question.len()).ok()?;
        stream.write_all(&length.to_be_bytes()).await.ok()?;
        stream.write_all(question).await.ok()?;
        let length = stream.read_u16().await.ok()?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.ok()?;
        heard(&answer, id, name, kind)
    };
    timeout_at(Instant::now() + PATIENCE, exchange).await.ok()?
}

fn question(id: u16, name: &Name, kind: RecordType) -> Option<Vec<u8>> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.op_code = OpCode::Query;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    message.to_vec().ok()
}

/// What an answer says; nothing if it is none to the question.
fn heard(bytes: &[u8], id: u16, name: &Name, kind: RecordType) -> Option<Heard> {
    let message = Message::from_vec(bytes).ok()?;
    let asked = |query: &Query| query.name() == name && query.query_type() == kind;
    let is_ours = message.metadata.id == id
        && message.metadata.message_type == MessageType::Response
        && message.queries.iter().all(asked);
    if !is_ours {
        return None;
    }
    match message.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Some(Heard::NoSuchName),
        ResponseCode::ServFail => return Some(Heard::Failed),
        _ => return Some(Heard::Rejected),
    }
    if message.metadata.truncation {
        return Some(Heard::Truncated);
    }
    // Only addresses of the name itself, or of what it stands for, are taken.
    let mut owner = name.clone();
    for _ in 0..=ALIASES_MAX {
        let of_owner = || message.answers.iter().filter(|record| record.name == owner);
        let addresses: Vec<IpAddr> = of_owner()
            .filter_map(|record| match &record.data {
                RData::A(address) if kind == RecordType::A => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) if kind == RecordType::AAAA => Some(IpAddr::V6(address.0)),
                _ => None,
            })
            .collect();
        let alias = of_owner().find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.clone()),
            _ => None,
        });
        match alias {
            Some(alias) if addresses.is_empty() => owner = alias,
            _ => return Some(Heard::Addresses(addresses)),
        }
    }
    Some(Heard::Failed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, CNAME};
    use tokio::net::UdpSocket;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// An answer to a question, with what is changed about it.
    fn answer(question: &[u8], change: impl Fn(&mut Message)) -> Vec<u8> {
        let mut message = Message::from_vec(question).unwrap();
        message.metadata.message_type = MessageType::Response;
        change(&mut message);
        message.to_vec().unwrap()
    }

    fn record(owner: &str, data: RData) -> Record {
        Record::from_rdata(name(owner), 60, data)
    }

    /// A server on loopback that answers as it is told, or not at all; how often it was asked.
    async fn server(
        address: &str,
        port: u16,
        says: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> (u16, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind((address, port)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 600];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::Relaxed);
                for said in says(&buffer[..length]) {
                    socket.send_to(&said, from).await.unwrap();
                }
            }
        });
        (port, asked)
    }

    fn lookup(port: u16, servers: &[&str]) -> NameLookup {
        let servers = servers.iter().map(|address| NameServerAt {
            address: address.parse().unwrap(),
            outlet: Some(Outlet::default()),
        });
        NameLookup { servers: servers.collect(), port, ..NameLookup::default() }
    }

    fn with_address(question: &[u8]) -> Vec<Vec<u8>> {
        vec![answer(question, |message| {
            let owner = message.queries[0].name().to_string();
            message.answers.push(record(&owner, RData::A(A::new(192, 0, 2, 7))));
        })]
    }

    #[test]
    fn a_name_without_a_dot_is_looked_for_in_the_domains_first() {
        // PI-NET-012 to 014, G-29
        let mut lookup = NameLookup::default();
        assert_eq!(lookup.candidates("cslu-local"), ["cslu-local."]);
        lookup.domains = vec!["example.net".to_owned(), "lab.test.".to_owned()];
        let with_domains = ["cslu-local.example.net.", "cslu-local.lab.test.", "cslu-local."];
        assert_eq!(lookup.candidates("cslu-local"), with_domains);
        assert_eq!(lookup.candidates("cslu.other.net")[0], "cslu.other.net.");
        assert_eq!(lookup.candidates("cslu."), ["cslu."]);
    }

    #[tokio::test]
    async fn the_table_of_hosts_comes_first_and_may_be_all_there_is() {
        // PI-NET-013, PI-CLI-028; C-53: underscores
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let hosts = vec![
            ("Cisco_SSM_OnPrem".to_owned(), address),
            ("six".to_owned(), "2001:db8::1".parse().unwrap()),
        ];
        let lookup = NameLookup { hosts, table_only: true, ..NameLookup::default() };
        assert_eq!(lookup.address("cisco_ssm_onprem", false).await, Ok(address));
        assert_eq!(lookup.address("cslu-local", false).await, Err(Reason::Name));
        // PI-NET-007
        assert_eq!(lookup.address("six", false).await, Err(Reason::Ipv6));
        assert!(lookup.address("six", true).await.unwrap().is_ipv6());
        assert_eq!(lookup.address("[::1]", false).await, Err(Reason::Ipv6));
        assert_eq!(lookup.address("192.0.2.9", false).await, Ok("192.0.2.9".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_rejection_ends_the_lookup_and_silence_goes_on_to_the_next_server() {
        // PI-NET-010
        let (port, silent) = server("127.0.3.1", 0, |_| Vec::new()).await;
        let (_, good) = server("127.0.3.2", port, with_address).await;
        let refuses = |question: &[u8]| {
            vec![answer(question, |message| {
                message.metadata.response_code = ResponseCode::Refused;
            })]
        };
        let (_, refusing) = server("127.0.3.3", port, refuses).await;
        let failing = |question: &[u8]| {
            vec![answer(question, |message| {
                message.metadata.response_code = ResponseCode::ServFail;
            })]
        };
        let (_, _) = server("127.0.3.4", port, failing).await;
        let found = lookup(port, &["127.0.3.3", "127.0.3.2"]).address("cslu.test", false).await;
        assert_eq!(found, Err(Reason::Name));
        assert_eq!((refusing.load(Ordering::Relaxed), good.load(Ordering::Relaxed)), (1, 0));
        let mut asked = lookup(port, &["127.0.3.1", "127.0.3.4", "127.0.3.2"]);
        asked.domains = vec!["one.test".to_owned(), "two.test".to_owned()];
        assert_eq!(asked.address("cslu-local", false).await, Ok("192.0.2.7".parse().unwrap()));
        assert_eq!(silent.load(Ordering::Relaxed), 2, "it is given up for the whole lookup");
        // Nobody listens there: that is silence too, and a short one.
        let found = lookup(port, &["127.0.3.9", "127.0.3.2"]).address("cslu.test", false).await;
        assert!(found.is_ok());
        // Its lines lead nowhere.
        let mut nowhere = lookup(port, &["127.0.3.2", "127.0.3.2"]);
        nowhere.servers[0].outlet = None;
        assert!(nowhere.address("cslu.test", false).await.is_ok());
    }

    #[tokio::test]
    async fn answers_that_lie_or_loop_give_no_address_and_junk_does_not_end_the_wait() {
        let lies = |question: &[u8]| {
            let good = with_address(question).remove(0);
            let mut other_id = good.clone();
            other_id[0] ^= 1;
            let mut of_another = Message::from_vec(&good).unwrap();
            of_another.queries[0].set_name(name("other.test."));
            let unrelated = |message: &mut Message| {
                message.answers.push(record("other.test.", RData::A(A::new(192, 0, 2, 66))));
                message.answers.push(record("cslu.test.", RData::CNAME(CNAME(name("real.test.")))));
                message.answers.push(record("real.test.", RData::A(A::new(192, 0, 2, 7))));
            };
            vec![
                vec![0; 700],
                b"junk".to_vec(),
                other_id,
                of_another.to_vec().unwrap(),
                answer(question, unrelated),
            ]
        };
        let (port, _) = server("127.0.3.5", 0, lies).await;
        let found = lookup(port, &["127.0.3.5"]).address("cslu.test", false).await;
        assert_eq!(found, Ok("192.0.2.7".parse().unwrap()));
        let circle = |question: &[u8]| {
            vec![answer(question, |message| {
                message.answers.push(record("cslu.test.", RData::CNAME(CNAME(name("b.test.")))));
                message.answers.push(record("b.test.", RData::CNAME(CNAME(name("cslu.test.")))));
            })]
        };
        let (port, _) = server("127.0.3.6", 0, circle).await;
        let found = lookup(port, &["127.0.3.6"]).address("cslu.test", false).await;
        assert_eq!(found, Err(Reason::Name));
    }
}
