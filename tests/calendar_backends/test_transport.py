"""The transport keeps to its Deadline and to verified TLS, whatever the server does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.exceptions import ValidationError

from calendar_backends import transport
from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import CalendarError
from calendar_backends.transport import open_session, require_tls, send

Talk = Callable[[socket.socket], None]


@contextmanager
def server(talk: Talk) -> Iterator[str]:
    """A server that says what ``talk`` sends to every connection; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def dripping(text: bytes) -> Talk:
    """Sends a byte every 50 ms."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        for number in range(len(text)):
            try:
                connection.sendall(text[number : number + 1])
            except OSError:
                return
            time.sleep(0.05)

    return talk


def fetch(url: str, seconds: float) -> CalendarError:
    with open_session(connections=1) as session, pytest.raises(CalendarError) as caught:
        send(session, "POST", url, Deadline.after(seconds))
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 500,
    ],
    ids=["headers", "body", "chunks"],
)
def test_a_server_that_drips_does_not_outlast_the_deadline(text: bytes) -> None:
    started = time.monotonic()
    with server(dripping(text)) as url:
        error = fetch(url, 0.5)
    assert time.monotonic() - started < 5
    assert (error.code, error.uncertain) == ("ErrorTimeoutExpired", True)


def test_a_connection_is_used_again_after_an_answer() -> None:
    connections = []

    def talk(connection: socket.socket) -> None:
        connections.append(connection)
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with server(talk) as url, open_session(connections=1) as session:
        answers = [send(session, "POST", url, Deadline.after(5)).text for _ in range(3)]
    assert answers == ["ok"] * 3
    assert len(connections) == 1


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 100_000)

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 10_000)
        except OSError:
            return

    with server(talk) as url:
        error = fetch(url, 10)
    assert (error.code, error.uncertain) == ("ErrorTimeoutExpired", True), error


def test_nothing_is_sent_after_the_deadline() -> None:
    seen = []
    with server(lambda connection: seen.append(connection.recv(65536))) as url:
        error = fetch(url, 0)
    assert (error.code, error.uncertain, seen) == ("ErrorTimeoutExpired", False, [])


def test_a_refused_connection_is_certain_and_a_cut_one_is_not() -> None:
    def hear_and_hang_up(connection: socket.socket) -> None:
        connection.recv(65536)

    with server(hear_and_hang_up) as url:
        cut = fetch(url, 5)
    refused = fetch(url, 5)
    assert (cut.code, cut.uncertain) == ("ErrorConnectionFailed", True)
    assert (refused.code, refused.uncertain) == ("ErrorConnectionFailed", False)


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with server(talk) as url, open_session(connections=1) as session:
        assert send(session, "GET", url, Deadline.after(5)).status_code == 200


@pytest.mark.parametrize("url", ["http://exchange.example/", "ftp://127.0.0.1/", "https://", "exchange"])
def test_only_this_machine_is_reached_without_tls(url: str) -> None:
    with pytest.raises(ValidationError):
        require_tls(url)


@pytest.mark.parametrize(
    "url", ["https://exchange.example/EWS/", "http://127.0.0.1:8081", "http://localhost/"]
)
def test_tls_and_this_machine_are_fine(url: str) -> None:
    require_tls(url)
