//! Messages packed with gzip on their way, in both directions: taken from whoever packs, given to whoever asks.

use std::io::{Read, Write};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::problem::Problem;

const GZIP: &str = "gzip";
/// What is shorter fits into a packet as it is.
const PACKED_FROM_BYTES: usize = 1400;

/// A message unpacks to at most so many times its size, or to this many bytes: whoever sends little costs little.
const RATIO_MAX: usize = 50;
const ALWAYS_BYTES: usize = 64 << 10;

/// A body as it was before it was packed, of at most so many bytes.
pub(crate) fn unpacked(
    headers: &HeaderMap,
    body: Bytes,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match coding {
        None | Some(b"identity") => return Ok(body),
        Some(coding) if coding.eq_ignore_ascii_case(GZIP.as_bytes()) => {}
        Some(_) => {
            let text = "the message is packed in a way that is not read here: use gzip or none";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
    }
    let bytes_max = bytes_max.min(body.len().saturating_mul(RATIO_MAX).max(ALWAYS_BYTES));
    let mut plain = Vec::new();
    // One byte more than allowed shows the excess.
    let read = MultiGzDecoder::new(&body[..]).take(bytes_max as u64 + 1).read_to_end(&mut plain);
    match read {
        Ok(count) if count > bytes_max => {
            let text = format!("the message unpacks to more than {bytes_max} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Ok(_) => Ok(plain.into()),
        Err(_) => {
            let text = "the message is damaged, or was cut off: it does not unpack";
            Err(Problem::new(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// Whether the sender takes gzip, and takes it gladly: a weight of 0 refuses it.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let told = headers.get_all(header::ACCEPT_ENCODING).iter();
    told.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|one| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight: String = weight.split_whitespace().collect();
        let refused = matches!(weight.as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        coding.trim().eq_ignore_ascii_case(GZIP) && !refused
    })
}

/// An answer in JSON.
pub(crate) fn json_answer(body: Vec<u8>, takes_gzip: bool) -> Response {
    answer_of("application/json", body, takes_gzip)
}

/// An answer of any type.
pub(crate) fn answer_of(kind: &'static str, body: Vec<u8>, takes_gzip: bool) -> Response {
    let packs = takes_gzip && body.len() >= PACKED_FROM_BYTES;
    let mut response = Response::new(if packs { pack(&body).into() } else { body.into() });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if packs {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(GZIP));
    }
    response
}

fn pack(body: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    out.write_all(body).and_then(|()| out.finish()).expect("memory takes all that is written")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &header::HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_was_packed_comes_out_as_it_was() {
        let plain = b"{\"message_version\":\"1.3\"}".repeat(100);
        let packed = Bytes::from(pack(&plain));
        assert!(packed.len() < plain.len());
        for coding in ["gzip", "GZIP"] {
            let headers = headers(&header::CONTENT_ENCODING, &[coding]);
            assert_eq!(unpacked(&headers, packed.clone(), 10_000).unwrap(), plain);
            // Exactly as many as are allowed, and one more.
            assert_eq!(unpacked(&headers, packed.clone(), plain.len()).unwrap(), plain);
            let large = unpacked(&headers, packed.clone(), plain.len() - 1).unwrap_err();
            assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
            let cut = packed.slice(..packed.len() - 9);
            let damaged = unpacked(&headers, cut, 10_000).unwrap_err();
            assert_eq!(damaged.status(), StatusCode::BAD_REQUEST);
        }
        let other = headers(&header::CONTENT_ENCODING, &["br"]);
        let refused = unpacked(&other, packed.clone(), 10_000).unwrap_err();
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let none = HeaderMap::new();
        assert_eq!(unpacked(&none, packed.clone(), 10_000).unwrap(), packed);
    }

    #[test]
    fn a_small_body_unpacks_to_little() {
        let headers = headers(&header::CONTENT_ENCODING, &["gzip"]);
        let spaces = |bytes: usize| Bytes::from(pack(&vec![b' '; bytes]));
        assert!(unpacked(&headers, spaces(ALWAYS_BYTES), 32 << 20).is_ok());
        let bomb = unpacked(&headers, spaces(4 << 20), 32 << 20).unwrap_err();
        assert_eq!(bomb.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn only_who_asks_gets_a_packed_answer_and_only_where_it_pays() {
        for (asks, values) in [
            (true, &["gzip"][..]),
            (true, &["br, GZip;q=0.5"]),
            (true, &["br", "gzip"]),
            (false, &["gzip;q=0"]),
            (false, &["gzip; q=0.0"]),
            (false, &["identity", "x-gzip-like"]),
            (false, &[]),
        ] {
            assert_eq!(takes_gzip(&headers(&header::ACCEPT_ENCODING, values)), asks, "{values:?}");
        }
        let coding = |bytes: usize, asks: bool| {
            let response = json_answer(vec![b' '; bytes], asks);
            response.headers().get(header::CONTENT_ENCODING).is_some()
        };
        assert!(coding(PACKED_FROM_BYTES, true));
        assert!(!coding(PACKED_FROM_BYTES - 1, true) && !coding(100_000, false));
    }
}
