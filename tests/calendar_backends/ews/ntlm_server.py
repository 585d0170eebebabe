"""An Exchange Server that knows nothing but NTLM: the real handshake, bound to the connection and to TLS."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

ANSWER = b"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Body>
 <m:FindItemResponse><m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success">
 <m:ResponseCode>NoError</m:ResponseCode>
 <m:RootFolder IncludesLastItemInRange="true"/></m:FindItemResponseMessage></m:ResponseMessages>
 </m:FindItemResponse></s:Body></s:Envelope>"""


class NtlmServer(ThreadingHTTPServer):
    """``challenge`` is what it asks for; ``statuses`` what it answered, in order."""

    daemon_threads = True
    challenge = "NTLM"

    def __init__(self, bindings: GssChannelBindings | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bindings = bindings
        self.statuses: list[int] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}/EWS/Exchange.asmx"


class Handler(BaseHTTPRequestHandler):
    """One object per connection, and so is the handshake."""

    server: NtlmServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        bindings = self.server.bindings
        self.context: Any = spnego.server(protocol="ntlm", channel_bindings=bindings)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers.get("Authorization", "").removeprefix("NTLM ")
        challenge = self._step(token) if token else self.server.challenge
        if self.context.complete:
            self._reply(200, ANSWER)
        else:
            self._reply(401, b"<html>Unauthorized</html>", challenge)

    def _step(self, token: str) -> str:
        try:
            answer = self.context.step(base64.b64decode(token)) or b""
        except SpnegoError:
            return "NTLM"
        return f"NTLM {base64.b64encode(answer).decode()}"

    def _reply(self, status: int, body: bytes, challenge: str = "") -> None:
        self.server.statuses.append(status)
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def serve(certificate: tuple[Path, bytes] | None = None) -> Iterator[NtlmServer]:
    """``certificate`` is what `self_signed` returns; with it the server speaks TLS and wants bindings."""
    server = NtlmServer(_bindings(certificate[1]) if certificate else None)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def self_signed(folder: Path) -> tuple[Path, bytes]:
    """A PEM file with key and certificate for 127.0.0.1, and the certificate as DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Contoso CA")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return pem, certificate.public_bytes(serialization.Encoding.DER)


def _bindings(der: bytes) -> GssChannelBindings:
    return GssChannelBindings(application_data=b"tls-server-end-point:" + sha256(der).digest())
