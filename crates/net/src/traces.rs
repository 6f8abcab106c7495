//! Traces: what a request took, here and at whom was asked for it, told to a collector of traces in OTLP (over HTTP, as JSON).
//! How requests belong together goes along with them (W3C Trace Context, `traceparent`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rumline_protocol::Random as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{HttpClient, HttpError, OsRandom};

/// Spans that wait to be told; more are lost, and counted.
const WAITING_MAX: usize = 4_096;
/// Spans in one message.
const AT_A_TIME: usize = 512;
/// How long the first span of a message waits for others.
const PAUSE: Duration = Duration::from_secs(1);
/// The header that says to which trace a request belongs.
pub const TRACEPARENT: &str = "traceparent";

/// What is done, as part of which trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, never 0.
    pub trace_id: u128,
    /// What is done, never 0.
    pub span_id: u64,
    /// Whether whoever began the trace wants it told.
    pub is_sampled: bool,
}

impl TraceContext {
    /// What a header says, if it says it as it should.
    #[must_use]
    pub fn read(header: &str) -> Option<Self> {
        let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut parts = header.trim().split('-');
        let [version, trace, span, flags] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let are_long = (version.len(), trace.len(), span.len(), flags.len()) == (2, 32, 16, 2);
        // Of a later version more may follow.
        let is_whole = parts.next().is_none() || version != "00";
        if !are_long
            || !is_whole
            || version == "ff"
            || ![version, trace, span, flags].into_iter().all(is_hex)
        {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        Some(Self { trace_id, span_id, is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1 })
    }

    /// The header for it.
    #[must_use]
    pub fn header(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// This server was asked.
    Server,
    /// This server asked.
    Client,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What, for people: `POST /licservice/license`.
    pub name: String,
    /// Who.
    pub kind: SpanKind,
    /// Its place.
    pub context: TraceContext,
    /// The span it was done for.
    pub parent: Option<u64>,
    /// When it began, in nanoseconds since 1970.
    pub began_at_nanos: u64,
    /// When it ended.
    pub ended_at_nanos: u64,
    /// The method of HTTP.
    pub method: String,
    /// The status it was answered with, if it was.
    pub status: Option<u16>,
    /// The route, or the address that was asked.
    pub at: String,
}

impl Span {
    fn to_json(&self) -> Value {
        let text =
            |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let (kind, at) = match self.kind {
            SpanKind::Server => (2, "http.route"),
            SpanKind::Client => (3, "url.full"),
        };
        let mut attributes = vec![text("http.request.method", &self.method), text(at, &self.at)];
        if let Some(status) = self.status {
            let value = json!({ "intValue": status.to_string() });
            attributes.push(json!({ "key": "http.response.status_code", "value": value }));
        }
        // A client's error is one for whoever asked, and none for who answered.
        let limit = if self.kind == SpanKind::Server { 500 } else { 400 };
        let failed = self.status.is_none_or(|status| status >= limit);
        json!({
            "traceId": format!("{:032x}", self.context.trace_id),
            "spanId": format!("{:016x}", self.context.span_id),
            "parentSpanId": self.parent.map_or_else(String::new, |id| format!("{id:016x}")),
            "name": self.name,
            "kind": kind,
            "startTimeUnixNano": self.began_at_nanos.to_string(),
            "endTimeUnixNano": self.ended_at_nanos.to_string(),
            "attributes": attributes,
            "status": { "code": if failed { 2 } else { 0 } },
        })
    }
}

/// A message of OTLP with what a server did.
#[must_use]
pub fn otlp(service: &str, version: &str, spans: &[Span]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let resource =
        json!({ "attributes": [text("service.name", service), text("service.version", version)] });
    let spans: Vec<Value> = spans.iter().map(Span::to_json).collect();
    json!({ "resourceSpans": [{
        "resource": resource,
        "scopeSpans": [{ "scope": { "name": "rumline" }, "spans": spans }],
    }] })
}

/// Where spans go. Nobody waits for what becomes of them.
#[derive(Clone, Debug)]
pub struct Traces {
    spans: mpsc::Sender<Span>,
    lost: Arc<AtomicU64>,
}

/// What a server did, on its way.
#[derive(Debug)]
pub struct Recorded {
    spans: mpsc::Receiver<Span>,
    lost: Arc<AtomicU64>,
}

/// Something that is being done.
#[derive(Debug)]
pub struct Doing {
    traces: Traces,
    span: Span,
}

#[expect(clippy::disallowed_methods, reason = "spans are of now, and this crate reads the clock")]
fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Traces {
    /// A place for spans, and what comes out of it.
    #[must_use]
    pub fn new() -> (Self, Recorded) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let lost: Arc<AtomicU64> = Arc::default();
        let recorded = Recorded { spans: receiver, lost: Arc::clone(&lost) };
        (Self { spans: sender, lost }, recorded)
    }

    /// Begins something: for a request that belongs to a trace as part of that, or as the first of another one. What nobody wants told
    /// is nothing.
    #[must_use]
    pub fn begin(
        &self,
        kind: SpanKind,
        parent: Option<TraceContext>,
        method: &str,
        at: &str,
    ) -> Option<Doing> {
        if parent.is_some_and(|parent| !parent.is_sampled) {
            return None;
        }
        let mut ids = [0; 24];
        OsRandom.fill(&mut ids);
        let [trace @ .., _, _, _, _, _, _, _, _] = ids;
        let trace_id = parent.map_or_else(|| u128::from_be_bytes(trace).max(1), |of| of.trace_id);
        let span_id = ids[16..].iter().fold(0_u64, |id, byte| id << 8 | u64::from(*byte)).max(1);
        let context = TraceContext { trace_id, span_id, is_sampled: true };
        let span = Span {
            name: format!("{method} {at}"),
            kind,
            context,
            parent: parent.map(|of| of.span_id),
            began_at_nanos: now_nanos(),
            ended_at_nanos: 0,
            method: method.to_owned(),
            status: None,
            at: at.to_owned(),
        };
        Some(Doing { traces: self.clone(), span })
    }
}

impl Doing {
    /// Its place, for whatever is done for it.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.span.context
    }

    /// It was answered.
    pub fn answered(mut self, status: u16) {
        self.span.status = Some(status);
    }
}

impl Drop for Doing {
    /// Whatever became of it, it is told: an answer that nobody waited for is none.
    fn drop(&mut self) {
        self.span.ended_at_nanos = now_nanos().max(self.span.began_at_nanos);
        if self.traces.spans.try_send(self.span.clone()).is_err() {
            self.traces.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Recorded {
    /// What was done since, up to so much; nothing once nobody records any more.
    pub async fn next(&mut self) -> Vec<Span> {
        let mut spans = Vec::new();
        let Some(first) = self.spans.recv().await else { return spans };
        spans.push(first);
        let more = async {
            while spans.len() < AT_A_TIME
                && let Some(span) = self.spans.recv().await
            {
                spans.push(span);
            }
        };
        let _whole = tokio::time::timeout(PAUSE, more).await;
        spans
    }

    /// Tells a collector of traces, until nobody records any more. One that does not answer costs spans and nothing else.
    pub async fn tell(mut self, client: HttpClient, url: String, service: &str, version: &str) {
        let (mut is_told, mut lost) = (true, 0);
        loop {
            let spans = self.next().await;
            if spans.is_empty() {
                return;
            }
            let body = otlp(service, version, &spans).to_string().into_bytes();
            let sent = client.send("POST", &url, None, "application/json", body).await;
            let problem = match sent {
                Ok(reply) if (200..300).contains(&reply.status) => None,
                Ok(reply) => Some(format!("it answered {}", reply.status)),
                Err(HttpError(why)) => Some(why),
            };
            lost += self.lost.swap(0, Ordering::Relaxed);
            match &problem {
                Some(why) => {
                    lost += spans.len() as u64;
                    if is_told {
                        tracing::warn!(why, "traces are not taken, and lost");
                    }
                }
                None if lost > 0 => {
                    tracing::warn!(lost, "traces are taken; some spans before these were lost");
                    lost = 0;
                }
                None => {}
            }
            is_told = problem.is_none();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_as_it_is_written_and_no_other_is() {
        let read = TraceContext::read(HEADER).unwrap();
        assert_eq!((read.header().as_str(), read.is_sampled), (HEADER, true));
        let not_told = TraceContext::read(&HEADER.replace("-01", "-00")).unwrap();
        assert!(!not_told.is_sampled && not_told.header().ends_with("-00"));
        assert!(TraceContext::read(&format!("01{}-more", &HEADER[2..])).is_some());
        for wrong in [
            "",
            "00",
            &HEADER[..54],
            &format!("{HEADER}0"),
            &format!("{HEADER}-more"),
            &HEADER.replace("00-4b", "ff-4b"),
            &HEADER.to_uppercase(),
            &HEADER.replace("4bf9", "+bf9"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(TraceContext::read(wrong), None, "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_is_told_with_its_place_and_no_more_than_there_is_room_for() {
        let (traces, mut recorded) = Traces::new();
        let parent = TraceContext::read(HEADER).unwrap();
        let doing = traces.begin(SpanKind::Server, Some(parent), "GET", "/ready").unwrap();
        let asked = traces.begin(SpanKind::Client, Some(doing.context()), "POST", "https://a/b");
        drop(asked);
        doing.answered(200);
        assert!(
            traces
                .begin(
                    SpanKind::Server,
                    Some(TraceContext { is_sampled: false, ..parent }),
                    "GET",
                    "/"
                )
                .is_none()
        );
        let own = traces.begin(SpanKind::Server, None, "GET", "/").unwrap().context();
        assert!(own.trace_id != parent.trace_id && own.span_id != 0 && own.is_sampled);
        let spans = recorded.next().await;
        let [client, server, _] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(
            (server.context.trace_id, server.parent),
            (parent.trace_id, Some(parent.span_id))
        );
        assert_eq!((client.parent, client.status), (Some(server.context.span_id), None));
        assert!(server.began_at_nanos <= server.ended_at_nanos);
        let told = otlp("rumline-cssm", "1", &spans);
        let of = |at: usize, field: &str| {
            told["resourceSpans"][0]["scopeSpans"][0]["spans"][at][field].clone()
        };
        assert_eq!(of(1, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((of(1, "kind"), of(0, "kind")), (2.into(), 3.into()));
        assert_eq!(
            (of(1, "status"), of(0, "status")),
            (json!({ "code": 0 }), json!({ "code": 2 }))
        );
        assert_eq!(
            (of(1, "parentSpanId"), of(2, "parentSpanId")),
            ("00f067aa0ba902b7".into(), "".into())
        );
        for _ in 0..WAITING_MAX + 7 {
            traces.begin(SpanKind::Server, None, "GET", "/").unwrap().answered(200);
        }
        assert_eq!(recorded.lost.load(Ordering::Relaxed), 7);
        assert_eq!(recorded.next().await.len(), AT_A_TIME);
        drop(traces);
        while !recorded.next().await.is_empty() {}
    }
}
