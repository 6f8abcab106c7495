//! Where a switch's messages leave the machine: its VRFs and interfaces stand for name spaces and addresses of it.

mod contact;
mod dns;
mod name_space;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rumline_agent::Reason;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

pub(crate) use contact::tls_reason;
pub use contact::{Contact, Progress, Reply as ContactReply};
pub use dns::{DNS_PORT, NameLookup, NameServerAt};
pub use name_space::{NameSpace, NameSpaceError};

/// A connection that takes longer is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// What a VRF stands for.
#[derive(Clone, Debug)]
pub enum Binding {
    /// A network name space.
    NameSpace(NameSpace),
    /// An address of the machine that all of it comes from.
    Address(IpAddr),
}

/// What a VRF is to stand for, as it is typed: `NAME=netns:N` or `NAME=addr:IP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrfBinding {
    vrf: String,
    to: BindingTo,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum BindingTo {
    NameSpace(PathBuf),
    Address(IpAddr),
}

impl FromStr for VrfBinding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it is NAME=netns:N or NAME=addr:IP, such as management=addr:127.0.0.5";
        let (vrf, to) = text.split_once('=').ok_or_else(wrong)?;
        if vrf.is_empty() || vrf.len() > 32 || !vrf.chars().all(|c| c.is_ascii_graphic()) {
            return Err("a VRF's name has 1 to 32 letters".to_owned());
        }
        let to = match to.split_once(':').ok_or_else(wrong)? {
            ("netns", name) if !name.is_empty() => BindingTo::NameSpace(name_space::path_of(name)),
            ("addr", address) => BindingTo::Address(
                address.parse().map_err(|_| format!("{address} is no IP address"))?,
            ),
            _ => return Err(wrong().to_owned()),
        };
        Ok(Self { vrf: vrf.to_owned(), to })
    }
}

/// What an interface is to stand for, as it is typed: `NAME=IP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceBinding {
    /// The interface, its name in full.
    pub name: String,
    /// An address of the machine, or of the name space of its VRF.
    pub address: IpAddr,
}

impl FromStr for InterfaceBinding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not NAME=IP, such as Ethernet1/22=127.0.0.22");
        let (name, address) = text.split_once('=').ok_or_else(wrong)?;
        let address = address.parse().map_err(|_| format!("{address} is no IP address"))?;
        if name.is_empty() { Err(wrong()) } else { Ok(Self { name: name.to_owned(), address }) }
    }
}

/// The VRFs and interfaces of a switch that stand for something of the machine. A VRF that stands for nothing is the
/// machine's own network.
#[derive(Clone, Debug, Default)]
pub struct Outlets {
    vrfs: BTreeMap<String, Binding>,
    interfaces: BTreeMap<String, Vec<IpAddr>>,
}

impl Outlets {
    /// Enters the name spaces that are bound.
    ///
    /// # Errors
    /// When one cannot be entered: there is none of the name, or the right is missing.
    pub fn open(
        vrfs: &[VrfBinding],
        interfaces: &[InterfaceBinding],
    ) -> Result<Self, NameSpaceError> {
        let mut outlets = Self::default();
        for VrfBinding { vrf, to } in vrfs {
            let binding = match to {
                BindingTo::Address(address) => Binding::Address(*address),
                BindingTo::NameSpace(path) => Binding::NameSpace(NameSpace::enter(path)?),
            };
            outlets.vrfs.insert(vrf.clone(), binding);
        }
        for InterfaceBinding { name, address } in interfaces {
            outlets.interfaces.entry(name.clone()).or_default().push(*address);
        }
        Ok(outlets)
    }

    /// Where messages of a VRF leave, those of an interface with its addresses if one is named.
    #[must_use]
    pub fn outlet(&self, vrf: &str, source: Option<(&str, &[IpAddr])>) -> Outlet {
        let (name_space, of_vrf) = match self.vrfs.get(vrf) {
            Some(Binding::NameSpace(name_space)) => (Some(name_space.clone()), None),
            Some(Binding::Address(address)) => (None, Some(*address)),
            None => (None, None),
        };
        let sources = match source {
            Some((name, own)) => self.interfaces.get(name).map_or(own, Vec::as_slice).to_vec(),
            None => Vec::new(),
        };
        Outlet { name_space, sources, vrf_address: of_vrf }
    }
}

/// Where sockets are opened.
#[derive(Clone, Debug, Default)]
pub struct Outlet {
    name_space: Option<NameSpace>,
    /// The addresses they come from: for each family the first of it, if there is one.
    sources: Vec<IpAddr>,
    /// The address that the VRF stands for, if it does for one.
    vrf_address: Option<IpAddr>,
}

impl Outlet {
    /// Whether names may be asked of the machine's own resolver.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        self.name_space.is_none()
    }

    /// The address that what goes to another one comes from: one of the interface, else what the VRF stands for (PI-NET-003).
    /// A VRF that stands for an address has no other family.
    fn source(&self, towards: IpAddr) -> std::io::Result<SocketAddr> {
        let same = |source: &&IpAddr| source.is_ipv4() == towards.is_ipv4();
        let any = if towards.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let own = self.sources.iter().chain(&self.vrf_address).find(same);
        match (own, self.vrf_address) {
            (Some(address), _) => Ok(SocketAddr::new(*address, 0)),
            (None, None) => Ok(SocketAddr::new(any, 0)),
            (None, Some(_)) => Err(ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// A socket that comes from here.
    pub(crate) async fn socket(
        &self,
        towards: IpAddr,
        kind: Type,
        protocol: Option<Protocol>,
    ) -> std::io::Result<Socket> {
        let domain = if towards.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let source = self.source(towards)?;
        let open = move || {
            let socket = Socket::new(domain, kind, protocol)?;
            socket.set_nonblocking(true)?;
            if !source.ip().is_unspecified() {
                socket.bind(&source.into())?;
            }
            Ok(socket)
        };
        match &self.name_space {
            Some(name_space) => name_space.run(open).await?,
            None => open(),
        }
    }

    /// A connection.
    ///
    /// # Errors
    /// With why there is none.
    pub async fn connect(&self, to: SocketAddr) -> Result<TcpStream, Reason> {
        let socket = self.socket(to.ip(), Type::STREAM, None).await.map_err(|e| reason_of(&e))?;
        let socket = TcpSocket::from_std_stream(socket.into());
        match timeout(CONNECT_TIMEOUT, socket.connect(to)).await {
            Ok(Ok(stream)) => {
                // An answer is worth more than a full packet.
                let _without = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(error)) => Err(reason_of(&error)),
            Err(_) => Err(Reason::Timeout),
        }
    }

    /// A socket for datagrams that hears whoever answers.
    pub(crate) async fn unconnected(&self, towards: IpAddr) -> Result<UdpSocket, Reason> {
        let socket = self.socket(towards, Type::DGRAM, None).await;
        let socket = socket.and_then(|socket| UdpSocket::from_std(socket.into()));
        socket.map_err(|error| reason_of(&error))
    }

    /// A socket for datagrams to an address.
    ///
    /// # Errors
    /// With why there is none.
    pub async fn datagrams(&self, to: SocketAddr) -> Result<UdpSocket, Reason> {
        let open = async {
            let socket = self.socket(to.ip(), Type::DGRAM, None).await?;
            let socket = UdpSocket::from_std(socket.into())?;
            // Only what comes from there is heard.
            socket.connect(to).await?;
            Ok(socket)
        };
        open.await.map_err(|error| reason_of(&error))
    }
}

/// The kind of what went wrong with a socket.
#[must_use]
pub fn reason_of(error: &std::io::Error) -> Reason {
    match error.kind() {
        ErrorKind::AddrNotAvailable => Reason::SourceAddress,
        ErrorKind::ConnectionRefused => Reason::Refused,
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
            Reason::NoRoute
        }
        ErrorKind::TimedOut => Reason::Timeout,
        // No socket says so: it is the name space that is gone.
        ErrorKind::NotFound => Reason::Vrf,
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => Reason::Empty,
        _ => Reason::Connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_read_as_they_are_typed() {
        let ours: VrfBinding = "management=addr:127.0.0.5".parse().unwrap();
        assert_eq!(ours.to, BindingTo::Address("127.0.0.5".parse().unwrap()));
        let named: VrfBinding = "blue=netns:lab".parse().unwrap();
        assert_eq!(named.to, BindingTo::NameSpace("/run/netns/lab".into()));
        for wrong in ["blue", "=netns:lab", "blue=netns:", "blue=addr:x", "blue=dev:eth0"] {
            assert!(wrong.parse::<VrfBinding>().is_err(), "{wrong}");
        }
        let interface: InterfaceBinding = "Ethernet1/22=127.0.0.22".parse().unwrap();
        assert_eq!(interface.name, "Ethernet1/22");
        for wrong in ["Ethernet1/22", "=127.0.0.1", "Ethernet1/22=x"] {
            assert!(wrong.parse::<InterfaceBinding>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_address_of_the_interface_or_of_the_vrf() {
        // PI-CLI-017, PI-NET-003
        let vrf = "blue=addr:127.0.0.5".parse().unwrap();
        let interface = "Ethernet1/22=127.0.0.22".parse().unwrap();
        let outlets = Outlets::open(&[vrf], &[interface]).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let own = ["192.0.2.1".parse().unwrap()];
        let loopback = ["127.0.0.9".parse().unwrap()];
        for (vrf, source, from) in [
            ("blue", None, "127.0.0.5"),
            ("management", None, "127.0.0.1"),
            ("blue", Some(("Ethernet1/22", &own[..])), "127.0.0.22"),
            ("blue", Some(("loopback0", &loopback[..])), "127.0.0.9"),
        ] {
            let _stream = outlets.outlet(vrf, source).connect(to).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.ip().to_string(), from);
        }
        // PI-NET-003: no address of the family, and the VRF decides; one that stands for an address has no other family.
        let six = ["2001:db8::1".parse().unwrap()];
        let _stream =
            outlets.outlet("blue", Some(("loopback2", &six[..]))).connect(to).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1.ip().to_string(), "127.0.0.5");
        let to_six = "[::1]:9".parse().unwrap();
        let refused = outlets.outlet("blue", None).connect(to_six).await.unwrap_err();
        assert_eq!(refused, Reason::SourceAddress);
        let elsewhere = outlets.outlet("blue", Some(("loopback1", &own[..])));
        assert_eq!(elsewhere.connect(to).await.unwrap_err(), Reason::SourceAddress);
    }
}
