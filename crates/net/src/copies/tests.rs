//! Servers that do as they should, and some that do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

use super::*;
use crate::outlets::{NameLookup, Outlets, Progress};
use crate::tls::client_config;

/// The way of a VRF that is bound to 127.0.0.5.
fn contact(seconds: u64) -> Contact {
    let binding = "management=addr:127.0.0.5".parse().unwrap();
    Contact {
        outlet: Outlets::open(&[binding], &[]).unwrap().outlet("management", None),
        proxy: None,
        names: NameLookup {
            hosts: vec![("files".to_owned(), "127.0.0.1".parse().unwrap())],
            table_only: true,
            ..NameLookup::default()
        },
        tls: Arc::new(client_config(&[]).unwrap()),
        has_ipv6: true,
        answer_bytes_max: 1 << 20,
        patience: Duration::from_secs(seconds),
        progress: Progress::default(),
    }
}

async fn read(contact: &Contact, url: &str) -> Result<Vec<u8>, String> {
    let copy = Copy { contact, url, access: None };
    copy.read().await.map_err(|error| error.to_string())
}

/// A TFTP server that says what it is told to each packet; where it is, and who asked first.
async fn tftp(
    says: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (String, tokio::sync::oneshot::Receiver<SocketAddr>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let (asked, first) = tokio::sync::oneshot::channel();
    let mut asked = Some(asked);
    tokio::spawn(async move {
        let mut buffer = [0; 600];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(asked) = asked.take() {
                let _gone = asked.send(from);
            }
            for said in says(&buffer[..length]) {
                socket.send_to(&said, from).await.unwrap();
            }
        }
    });
    (format!("tftp://files:{port}/a"), first)
}

fn block(number: u16, data: &[u8]) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    [&[0, 3, high, low][..], data].concat()
}

/// The number of the block that is to come after a packet.
fn next(packet: &[u8]) -> u16 {
    if packet[1] == 4 { u16::from_be_bytes([packet[2], packet[3]]) + 1 } else { 1 }
}

#[tokio::test]
async fn a_file_comes_by_the_address_of_its_vrf_and_by_a_name_of_the_switch() {
    let (url, first) = tftp(|packet| match next(packet) {
        1 => vec![block(1, &[7; 512])],
        2 => vec![block(2, b"end")],
        _ => Vec::new(),
    })
    .await;
    let contact = contact(20);
    let bytes = read(&contact, &url).await.unwrap();
    assert_eq!((bytes.len(), contact.progress.bytes()), (515, 515));
    assert_eq!(first.await.unwrap().ip().to_string(), "127.0.0.5");
}

#[tokio::test]
async fn what_a_server_says_is_printable_and_short() {
    let text = format!("\0\u{5}\0\u{1}\u{1b}[2J\u{7}no {} \u{e9}", "x".repeat(300));
    let (url, _) = tftp(move |_| vec![text.clone().into_bytes()]).await;
    let told = read(&contact(20), &url).await.unwrap_err();
    assert!(told.starts_with("[2Jno xxx") && told.len() == 200, "{told}");
}

#[tokio::test]
async fn an_endless_file_ends_at_the_limit() {
    let (url, _) = tftp(|packet| vec![block(next(packet), &[7; 512])]).await;
    let told = read(&contact(60), &url).await.unwrap_err();
    assert_eq!(told, "The file is larger than 1 MB");
}

#[tokio::test]
async fn what_does_not_fit_lengthens_no_wait() {
    let (url, first) = tftp(|_| Vec::new()).await;
    tokio::spawn(async move {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let peer = first.await.unwrap();
        loop {
            socket.send_to(b"no answer at all", peer).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let began = Instant::now();
    let told = read(&contact(3), &url).await.unwrap_err();
    assert_eq!(told, "Connection timed out");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

/// A server of one answer.
async fn web(answer: Vec<u8>, endless: Option<&'static [u8]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4_096];
        let _read = stream.read(&mut head).await.unwrap();
        stream.write_all(&answer).await.unwrap();
        while let Some(piece) = endless {
            if stream.write_all(piece).await.is_err() {
                break;
            }
        }
    });
    format!("http://files:{port}/a")
}

#[tokio::test]
async fn http_gets_a_file_and_nothing_but_a_file() {
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext".to_vec();
    assert_eq!(read(&contact(20), &web(whole, None).await).await.unwrap(), b"text");
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone".to_vec();
    let told = read(&contact(20), &web(missing, None).await).await.unwrap_err();
    assert_eq!(told, "File not found (HTTP status 404)");
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\ntext".to_vec();
    let told = read(&contact(20), &web(half, None).await).await.unwrap_err();
    assert_eq!(told, "Received empty response from server");
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let url = web(endless, Some(b"8\r\nabcdefgh\r\n")).await;
    let told = read(&contact(60), &url).await.unwrap_err();
    assert_eq!(told, "The file is larger than 1 MB");
}

#[tokio::test]
async fn http_puts_a_file() {
    let url = web(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_vec(), None).await;
    let contact = contact(20);
    let copy = Copy { contact: &contact, url: &url, access: None };
    copy.write(b"text").await.unwrap();
}
