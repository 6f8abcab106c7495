"""A relay on loopback that keeps what an HTTP client sends and what it gets: so a test sees the requests of a real client."""

import socket
import threading
from http.client import HTTPMessage, parse_headers
from io import BytesIO


class Message:
    """A request or an answer."""

    def __init__(self, first, headers: HTTPMessage, body):
        self.first, self.headers, self.body = first, headers, body


class Relay:
    """One connection in, one out; `requests` and `answers` are in the order in which they were complete."""

    def __init__(self, port):
        self.to, self.requests, self.answers = port, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.to))
            for source, sink, kept in ((client, server, self.requests), (server, client, self.answers)):
                threading.Thread(target=self.copy, args=(source, sink, kept), daemon=True).start()

    def copy(self, source, sink, kept):
        """A message is kept before its last bytes go on, so whoever has an answer finds it here."""
        pending = b""
        try:
            while chunk := source.recv(65536):
                pending += chunk
                while (message := parsed(pending)) is not None:
                    kept.append(message[0])
                    pending = pending[message[1]:]
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # Either end may leave as it likes.
            pass


def parsed(data):
    """The message at the beginning, if it is whole, and its length."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, _, lines = head.partition(b"\r\n")
    headers = parse_headers(BytesIO(lines + b"\r\n\r\n"))
    assert headers.get("transfer-encoding") is None, headers
    length = int(headers.get("content-length", 0))
    if len(rest) < length:
        return None
    return Message(first.decode(), headers, rest[:length]), len(head) + 4 + length
