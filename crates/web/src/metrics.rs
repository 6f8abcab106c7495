//! What a server measures of itself, for Prometheus: requests, the process, whether it can do its work, and what waits.

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rumline_net::{Doing, SpanKind, TRACEPARENT, TraceContext, Traces};
use rumline_server::Gauge;
use tokio::time::Instant;
use tracing::Instrument as _;

/// Bounds of what requests take, in seconds.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// The type of what is answered.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Taken {
    method: String,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// Requests since the start, and where each is told as part of a trace.
#[derive(Clone)]
pub struct Metrics {
    answered: Family<Answered, Counter>,
    seconds: Family<Taken, Histogram, fn() -> Histogram>,
    traces: Option<Traces>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        Self {
            answered: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            traces: None,
        }
    }
}

/// Counts a request by its route, of which there are as many as the table has: what somebody makes up is one.
pub(crate) async fn count(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = matched.unwrap_or("none").to_owned();
    // A method that nobody knows is one of a few.
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE") => known,
        _ => "other",
    };
    let method = method.to_owned();
    let response = match metrics.begun(&method, &route, request.headers()) {
        Some(doing) => {
            let trace_id = format!("{:032x}", doing.context().trace_id);
            let span = tracing::error_span!("request", trace_id);
            let response = next.run(request).instrument(span).await;
            doing.answered(response.status().as_u16());
            response
        }
        None => next.run(request).await,
    };
    let taken = Taken { method, route };
    metrics.seconds.get_or_create(&taken).observe(began.elapsed().as_secs_f64());
    let Taken { method, route } = taken;
    let status = response.status().as_u16();
    metrics.answered.get_or_create(&Answered { method, route, status }).inc();
    response
}

/// What the system says of this process.
struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    open_files: u64,
    threads: u64,
}

impl Process {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in brackets may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let number = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
        // Told in kilobytes there, whatever the size of a page.
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident_kib = resident.trim().strip_suffix(" kB")?.parse::<u64>().ok()?;
        let ticks = number(11)? + number(12)?;
        let open_files = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        #[expect(
            clippy::cast_precision_loss,
            reason = "fifty-two bits of ticks are a million years"
        )]
        let cpu_seconds = ticks as f64 / 100.0;
        Some(Self {
            cpu_seconds,
            resident_bytes: resident_kib * 1_024,
            open_files,
            threads: number(17)?,
        })
    }
}

impl Metrics {
    /// Those of a server that tells traces.
    #[must_use]
    pub fn with_traces(traces: Option<Traces>) -> Self {
        Self { traces, ..Self::default() }
    }

    /// A request as part of its trace, if traces are told and whoever began this one wants it.
    fn begun(&self, method: &str, route: &str, headers: &HeaderMap) -> Option<Doing> {
        let traces = self.traces.as_ref()?;
        let said = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        traces.begin(SpanKind::Server, said.and_then(TraceContext::read), method, route)
    }

    /// All of it, in the text of OpenMetrics.
    pub(crate) fn write(
        &self,
        is_ready: bool,
        gauges: Vec<Gauge>,
    ) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        let of_server = registry.sub_registry_with_prefix("rumline");
        of_server.register("http_requests", "Requests that were answered", self.answered.clone());
        of_server.register_with_unit(
            "http_request_duration",
            "What requests took until their answer began",
            Unit::Seconds,
            self.seconds.clone(),
        );
        let ready = ConstGauge::new(i64::from(is_ready));
        of_server.register("ready", "Whether the server can do its work: 1 or 0", ready);
        let version = Family::<Version, prometheus_client::metrics::gauge::Gauge>::default();
        version.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        of_server.register("build_info", "Which Rumline it is", version);
        for Gauge { name, help, value } in gauges {
            of_server.register(name, help, ConstGauge::new(value));
        }
        if let Some(process) = Process::read() {
            let of_process = registry.sub_registry_with_prefix("process");
            let cpu = prometheus_client::metrics::counter::ConstCounter::new(process.cpu_seconds);
            of_process.register_with_unit("cpu", "Time on the processor", Unit::Seconds, cpu);
            for (name, help, value) in [
                ("resident_memory_bytes", "Memory in use", process.resident_bytes),
                ("open_fds", "Open files and sockets", process.open_files),
                ("threads", "Threads", process.threads),
            ] {
                of_process.register(name, help, ConstGauge::new(value.cast_signed()));
            }
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn a_process_tells_what_it_takes() {
        let process = Process::read().unwrap();
        assert!((1 << 20..1 << 34).contains(&process.resident_bytes), "{}", process.resident_bytes);
        assert!(process.threads >= 1 && process.open_files >= 3 && process.cpu_seconds >= 0.0);
    }

    #[tokio::test]
    async fn a_request_is_told_as_part_of_its_trace_by_its_route() {
        let (traces, mut recorded) = Traces::new();
        let metrics = Metrics::with_traces(Some(traces));
        let fails = async || StatusCode::INTERNAL_SERVER_ERROR;
        let router = Router::new()
            .route("/a/{id}", get(async || "a").put(fails))
            .layer(from_fn_with_state(metrics, count));
        let of_trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (method, path, parent) in [
            ("GET", "/a/7?secret=1", Some(of_trace)),
            ("PUT", "/a/7", Some("no trace")),
            ("BREW", "/b", None),
            ("GET", "/a/7", Some(&of_trace.replace("-01", "-00"))),
        ] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(parent) = parent {
                request = request.header(TRACEPARENT, parent);
            }
            router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        }
        drop(router);
        let spans = recorded.next().await;
        let told: Vec<_> = spans.iter().map(|span| (&*span.name, span.status.unwrap())).collect();
        assert_eq!(told, [("GET /a/{id}", 200), ("PUT /a/{id}", 500), ("other none", 404)]);
        let trace = format!("{:032x}", spans[0].context.trace_id);
        assert!(of_trace.contains(&trace) && spans[0].parent == Some(0x00f0_67aa_0ba9_02b7));
        assert!(spans[1..].iter().all(|span| span.parent.is_none()));
        assert!(recorded.next().await.is_empty());
    }
}
