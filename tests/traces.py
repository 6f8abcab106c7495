"""Requests are told as traces, in OTLP as the public definition reads it: an SSM On-Prem that asks CSSM and the CSSM that answers are of
one trace; a trace that somebody began goes on; one that nobody wants told is not. A collector of traces that is away costs nothing."""

import base64
import http.server
import json
import socket
import threading
import time
import urllib.request

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lab import Lab, done

SECONDS = 20


class Receiver:
    """A collector of traces."""

    def __init__(self, port):
        self.spans = []
        spans = self.spans

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["content-type"] == "application/json"
                told = json.loads(body)
                # Numbers of traces are in hex there, which the definition's own reader does not know.
                for resource in told["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        for span in scope["spans"]:
                            for field in ("traceId", "spanId", "parentSpanId"):
                                span[field] = base64.b64encode(bytes.fromhex(span[field])).decode()
                message = json_format.ParseDict(told, ExportTraceServiceRequest())
                for resource in message.resource_spans:
                    named = {a.key: a.value.string_value for a in resource.resource.attributes}
                    assert named["service.version"], named
                    for span in (span for scope in resource.scope_spans for span in scope.spans):
                        assert len(span.trace_id) == 16 and len(span.span_id) == 8, span
                        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span
                        spans.append((named["service.name"], span))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, what, found):
        end = time.monotonic() + SECONDS
        while not (matching := [(who, span) for who, span in list(self.spans) if found(who, span)]):
            assert time.monotonic() < end, (what, self.spans)
            time.sleep(0.05)
        return matching[0][1]


def attributes(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
told_to = ["--traces-url", f"http://127.0.0.1:{port}/v1/traces"]
with Lab(*told_to) as lab:

    def ready(parent):
        request = urllib.request.Request(f"{lab.url}/readyz?secret=1", headers={"traceparent": parent})
        with urllib.request.urlopen(request, context=lab.ssl, timeout=20) as answer:
            assert answer.status == 200

    # Nobody listens yet, and all that was done so far went well.
    receiver = Receiver(port)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    ready(f"00-{'9' * 32}-00f067aa0ba902b7-00")
    ready(f"00-{trace}-00f067aa0ba902b7-01")
    span = receiver.wait("the trace that goes on", lambda who, span: span.trace_id.hex() == trace)
    assert (span.parent_span_id.hex(), span.kind, span.name) == ("00f067aa0ba902b7", 2, "GET /readyz"), span
    assert attributes(span) == {
        "http.request.method": "GET", "http.route": "/readyz", "http.response.status_code": 200}, span
    assert not any("9" * 32 in span.trace_id.hex() or "secret" in str(span) for _, span in receiver.spans)
    # What On-Prem asks of CSSM is of one trace at both.
    url, _, password = lab.start_collector("onprem", *told_to)
    lab.connect("onprem", url, password, {"name": "Example", "smart_account": "Example", "virtual_account": "Default"})
    asked = receiver.wait("what On-Prem asks", lambda who, span: who == "rumline-onprem" and span.kind == 3)
    assert attributes(asked)["url.full"].startswith(lab.url), asked
    answered = receiver.wait(
        "what CSSM answers", lambda who, span: who == "rumline-cssm" and span.parent_span_id == asked.span_id)
    assert answered.trace_id == asked.trace_id
    assert asked.start_time_unix_nano <= answered.start_time_unix_nano
    assert attributes(answered)["http.response.status_code"] == attributes(asked)["http.response.status_code"]
done("traces")
