"""The transport keeps to its Deadline and to verified TLS, whatever the server does."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.core.exceptions import ValidationError
from requests import Session

from calendar_backends import transport
from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import CalendarError
from calendar_backends.transport import DirectSession, open_session, require_tls, send

Talk = Callable[[socket.socket], None]
#: A POST to the URL until the deadline; the body of the answer.
Ask = Callable[[str, Deadline], bytes]
Way = Callable[[Session], Ask]


def through_requests(session: Session) -> Ask:
    return lambda url, deadline: bytes(send(session, "POST", url, deadline).content)


def directly(session: Session) -> Ask:
    def ask(url: str, deadline: Deadline) -> bytes:
        return DirectSession(session, url).request("post", url, timeout=deadline, headers={}, data="").content

    return ask


@pytest.fixture(params=[through_requests, directly])
def way(request: pytest.FixtureRequest) -> Way:
    """How a request is sent: everything holds for both."""
    found: Way = request.param
    return found


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


def fetch(way: Way, url: str, seconds: float) -> CalendarError:
    with open_session(connections=1) as session, pytest.raises(CalendarError) as caught:
        way(session)(url, Deadline.after(seconds))
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
def test_a_server_that_drips_does_not_outlast_the_deadline(text: bytes, way: Way) -> None:
    started = time.monotonic()
    with server(dripping(text)) as url:
        error = fetch(way, url, 0.5)
    assert time.monotonic() - started < 5
    assert (error.code, error.uncertain) == ("ErrorTimeoutExpired", True)


def test_a_connection_is_used_again_after_an_answer(way: Way) -> None:
    connections = []

    def talk(connection: socket.socket) -> None:
        connections.append(connection)
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with server(talk) as url, open_session(connections=1) as session:
        ask = way(session)
        answers = [ask(url, Deadline.after(5)) for _ in range(3)]
    assert answers == [b"ok"] * 3
    assert len(connections) == 1


def test_an_answer_without_end_is_cut_off(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
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
        error = fetch(way, url, 10)
    assert (error.code, error.uncertain) == ("ErrorTimeoutExpired", True), error


def test_nothing_is_sent_after_the_deadline(way: Way) -> None:
    seen = []
    with server(lambda connection: seen.append(connection.recv(65536))) as url:
        error = fetch(way, url, 0)
    assert (error.code, error.uncertain, seen) == ("ErrorTimeoutExpired", False, [])


def test_a_refused_connection_is_certain_and_a_cut_one_is_not(way: Way) -> None:
    def hear_and_hang_up(connection: socket.socket) -> None:
        connection.recv(65536)

    with server(hear_and_hang_up) as url:
        cut = fetch(way, url, 5)
    refused = fetch(way, url, 5)
    assert (cut.code, cut.uncertain) == ("ErrorConnectionFailed", True)
    assert (refused.code, refused.uncertain) == ("ErrorConnectionFailed", False)


def test_the_environment_names_no_proxy(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with server(talk) as url, open_session(connections=1) as session:
        assert way(session)(url, Deadline.after(5)) == b""


def test_an_answer_that_says_it_is_too_large_is_not_read(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 100)

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n")
        connection.recv(65536)

    with server(talk) as url:
        assert fetch(way, url, 5).code == "ErrorTimeoutExpired"


def test_half_an_answer_is_none(way: Way) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    with server(talk) as url:
        error = fetch(way, url, 5)
    assert (error.code, error.uncertain) == ("ErrorConnectionFailed", True)


def test_an_answer_may_be_compressed(way: Way) -> None:
    body = gzip.compress(b"plain")

    def talk(connection: socket.socket) -> None:
        asked = connection.recv(65536)
        assert b"accept-encoding: gzip" in asked.lower()
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    with server(talk) as url, open_session(connections=1) as session:
        assert way(session)(url, Deadline.after(5)) == b"plain"


def test_a_redirect_is_an_answer(way: Way) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 4\r\n\r\nhere")

    with server(talk) as url, open_session(connections=1) as session:
        assert way(session)(url, Deadline.after(5)) == b"here"


@pytest.mark.parametrize("url", ["http://exchange.example/", "ftp://127.0.0.1/", "https://", "exchange"])
def test_only_this_machine_is_reached_without_tls(url: str) -> None:
    with pytest.raises(ValidationError):
        require_tls(url)


@pytest.mark.parametrize(
    "url", ["https://exchange.example/EWS/", "http://127.0.0.1:8081", "http://localhost/"]
)
def test_tls_and_this_machine_are_fine(url: str) -> None:
    require_tls(url)


@pytest.fixture(scope="module")
def certificate() -> tuple[bytes, bytes]:
    """A key and a certificate for 127.0.0.1 that nobody has signed, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "exchange")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, certificate.public_bytes(Encoding.PEM)


@pytest.fixture
def tls_url(certificate: tuple[bytes, bytes], tmp_path: Path) -> Iterator[str]:
    """A TLS server with that certificate that answers "ok"."""
    (tmp_path / "both.pem").write_bytes(b"".join(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")

    def talk(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with server(talk) as url:
        yield url.replace("http://", "https://")


def test_a_certificate_of_unknown_origin_is_refused(way: Way, tls_url: str) -> None:
    error = fetch(way, tls_url, 5)
    assert (error.code, error.uncertain) == ("ErrorConnectionFailed", False)
    assert error.detail == "the certificate could not be verified"


def test_the_given_certificates_are_trusted(way: Way, tls_url: str, certificate: tuple[bytes, bytes]) -> None:
    with open_session(connections=1, ca_bundle=certificate[1].decode()) as session:
        assert way(session)(tls_url, Deadline.after(5)) == b"ok"


def test_a_certificate_for_another_name_is_refused(
    way: Way, tls_url: str, certificate: tuple[bytes, bytes]
) -> None:
    trusted = open_session(connections=1, ca_bundle=certificate[1].decode())
    with trusted as session, pytest.raises(CalendarError, match="could not be verified"):
        way(session)(tls_url.replace("127.0.0.1", "localhost"), Deadline.after(5))
