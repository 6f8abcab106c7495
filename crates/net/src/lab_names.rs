//! A name server for labs: it knows the names it is told, and no others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// How long its answers hold, in seconds: the next one may be another.
const TTL_SECONDS: u32 = 0;
/// The longest question.
const QUESTION_BYTES_MAX: usize = 512;

type Known = Arc<Mutex<BTreeMap<String, IpAddr>>>;

/// A name server on loopback. It ends with this value.
#[derive(Debug)]
pub struct LabNames {
    port: u16,
    known: Known,
    work: AbortHandle,
}

impl LabNames {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> std::io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = socket.local_addr()?.port();
        let known = Known::default();
        let work = tokio::spawn(serve(socket, Arc::clone(&known))).abort_handle();
        Ok(Self { port, known, work })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tells it all it knows: full names with their addresses.
    pub fn know(&self, names: &[(&str, IpAddr)]) {
        let names = names.iter().map(|(name, address)| (name.to_ascii_lowercase(), *address));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = names.collect();
    }
}

impl Drop for LabNames {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn serve(socket: UdpSocket, known: Known) {
    let mut question = [0; QUESTION_BYTES_MAX];
    // What is no question gets no answer.
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        if let Some(answer) = answer(&question[..length], &known) {
            let _gone = socket.send_to(&answer, from).await;
        }
    }
}

fn answer(question: &[u8], known: &Known) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).ok()?;
    let [query] = &message.queries[..] else { return None };
    if message.metadata.message_type != MessageType::Query {
        return None;
    }
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let address = known.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
    let data = match (address, query.query_type()) {
        (Some(IpAddr::V4(address)), RecordType::A) => Some(RData::A(A(address))),
        (Some(IpAddr::V6(address)), RecordType::AAAA) => Some(RData::AAAA(AAAA(address))),
        _ => None,
    };
    message.answers = data
        .map(|data| Record::from_rdata(query.name().clone(), TTL_SECONDS, data))
        .into_iter()
        .collect();
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    if address.is_none() {
        message.metadata.response_code = ResponseCode::NXDomain;
    }
    message.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use rumline_agent::Reason;

    use super::*;
    use crate::{NameLookup, NameServerAt, Outlet};

    #[tokio::test]
    async fn it_answers_for_what_it_knows() {
        // PI-NET-013 to 015; C-53: underscores
        let server = LabNames::start().await.unwrap();
        let address: IpAddr = "127.0.0.9".parse().unwrap();
        server.know(&[("Cisco_SSM_OnPrem", address), ("cslu-local.lab.test", address)]);
        let outlet = Some(Outlet::default());
        let mut lookup = NameLookup {
            servers: vec![NameServerAt { address: Ipv4Addr::LOCALHOST.into(), outlet }],
            port: server.port(),
            ..NameLookup::default()
        };
        assert_eq!(lookup.address("cisco_ssm_onprem", false).await, Ok(address));
        assert_eq!(lookup.address("cslu-local", false).await, Err(Reason::Name));
        lookup.domains = vec!["lab.test".to_owned()];
        assert_eq!(lookup.address("cslu-local", false).await, Ok(address));
        server.know(&[]);
        assert_eq!(lookup.address("cslu-local", true).await, Err(Reason::Name));
    }
}
