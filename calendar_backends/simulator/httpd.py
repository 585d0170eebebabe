"""The HTTP/1.1 server under the simulator: sockets in, Request and Delivery out. Loopback only."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from calendar_backends.simulator.wire import Delivery, Headers, Request, Response

HOST = "127.0.0.1"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class HttpServer(ThreadingHTTPServer):
    """One thread per connection, connections kept alive, all of them cut when the server is closed."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, port: int, answer: Callable[[Request], Delivery], wait: Callable[[float], object]
    ) -> None:
        self.answer = answer
        self.wait = wait
        self._connections: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._connections):
            _cut(connection)

    def keep(self, connection: socket.socket) -> None:
        self._connections.add(connection)

    def forget(self, connection: socket.socket) -> None:
        self._connections.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that gives up in the middle of an answer is an everyday thing here.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpServer

    def setup(self) -> None:
        super().setup()
        self.server.keep(self.connection)

    def finish(self) -> None:
        self.server.forget(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are kept in Simulator.requests; nothing is printed."""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = Headers(dict(self.headers.items()))
        length = headers.get("content-length", "0")
        if not length.isdigit() or "transfer-encoding" in headers:
            self.close_connection = True
            return self._send(Response(411))
        body = self.rfile.read(int(length))
        self._deliver(self.server.answer(Request(self.command, path, query, headers, body)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.response is None:
            self.close_connection = True
        elif delivery.seconds_per_byte:
            self._drip(delivery.response, delivery.seconds_per_byte)
        elif delivery.truncate_at is not None:
            self.close_connection = True
            self._send(delivery.response, delivery.truncate_at)
        else:
            self._send(delivery.response)

    def _send(self, response: Response, limit: int | None = None) -> None:
        self.wfile.write(_head(response) + response.body[:limit])

    def _drip(self, response: Response, seconds: float) -> None:
        self.wfile.write(_head(response))
        for value in response.body:
            self.server.wait(seconds)
            self.wfile.write(bytes([value]))


def _head(response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        lines.append(f"Content-Length: {len(response.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client may have been faster
        connection.shutdown(socket.SHUT_RDWR)
