"""HTTP to one Org's Exchange with the library both vendor libraries use: pooled, verified, on time.

`open_session` makes the requests.Session; a Deadline is passed as the ``timeout`` of a request and bounds
it as a whole: connect, waiting for the answer, and reading it (requests' own timeout starts anew with
every read, https://requests.readthedocs.io/en/latest/user/advanced/#timeouts).
"""

import io
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, cast, overload
from urllib.parse import urlsplit

import requests
from django.core.exceptions import ValidationError
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, ReadTimeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout

from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import CONNECTION_FAILED, TIMEOUT_EXPIRED, CalendarError

#: An answer larger than this is cut off and counts as no answer. 1,000 entries for each of 100 mailboxes fit.
LARGEST_ANSWER = 64 * 1024 * 1024
CONNECT_SECONDS = 3.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


#: The deadline of the request that this thread is making.
_now = threading.local()


class _Reader(io.RawIOBase):
    """A socket read against a deadline: every single read waits only as long as is left in all.

    It reads through the socket's own file, which keeps the socket open until that file is closed.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline.left()
        if left == 0.0:
            raise TimeoutError("the deadline came before the end of the answer")
        self._sock.settimeout(left)
        return self._file.readinto(buffer) or 0

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(HTTPResponse):
    """An answer whose status line, headers and body all keep to the deadline, however slowly they drip."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock, _now.deadline))


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose ``timeout`` is a Deadline for the whole exchange."""

    def __init__(self, connections: int, ca_bundle: str) -> None:
        self._ssl_context = ssl.create_default_context(cadata=ca_bundle) if ca_bundle else None
        super().__init__(pool_connections=4, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._ssl_context is not None:
            kwargs["ssl_context"] = self._ssl_context
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # With a context of our own the CA bundle is loaded already; requests would add the public ones.
        if self._ssl_context is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def send(  # type: ignore[override]  # requests' own timeout types know no Deadline
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Deadline | None = None,
        **kwargs: Any,
    ) -> requests.Response:
        if timeout is None:
            raise ValueError("Every request to Exchange needs a Deadline.")
        left = timeout.left()
        if left == 0.0:
            raise ConnectTimeout("The deadline came before the request was sent.", request=request)
        _now.deadline = timeout
        response = super().send(request, stream=True, timeout=(min(left, CONNECT_SECONDS), left), **kwargs)
        response._content = _read(response.raw)
        response._content_consumed = True  # type: ignore[attr-defined]
        return response

    def pool(self, url: str) -> ConnectionPool:
        """The connections to the server of ``url``, set up as for a request that is sent through ``send``."""
        request = requests.Request("GET", url).prepare()
        pool = self.get_connection_with_tls_context(request, verify=True)
        self.cert_verify(pool, url, True, None)
        return pool


def _read(raw: Any) -> bytes:
    """The body. Raises ReadTimeout where it is larger than LARGEST_ANSWER."""
    try:
        return _whole(raw) if _is_plain(raw) else _piecemeal(raw)
    except BaseException:
        raw.close()
        raise
    finally:
        raw.release_conn()


def _is_plain(raw: Any) -> bool:
    """Whether it is as long as it says, and needs no decoding."""
    return raw.length_remaining is not None and "content-encoding" not in raw.headers


def _whole(raw: Any) -> bytes:
    if raw.length_remaining > LARGEST_ANSWER:
        raise _too_large()
    body: bytes = raw.read()
    return body


def _piecemeal(raw: Any) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read1(65536, decode_content=True):
        size += len(piece)
        pieces.append(piece)
        if size > LARGEST_ANSWER:
            raise _too_large()
    return b"".join(pieces)


def _too_large() -> ReadTimeout:
    return ReadTimeout("The answer is too large.")


@dataclass(frozen=True)
class Reply:
    """An answer, as far as python-o365 looks at a requests.Response. ``headers`` are found in any case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    def raise_for_status(self) -> None:
        """Any status is an answer."""


class DirectSession:
    """What python-o365 needs of a requests.Session, on the connections of one, in half the time.

    Left out is what an API without cookies, redirects, hooks and authentication of its own does not need.
    """

    def __init__(self, session: requests.Session, url: str) -> None:
        """For requests to the server of ``url``, on the connections of ``session``."""
        self._session = session
        self._pool: Any = cast(DeadlineAdapter, session.get_adapter(url)).pool(url)
        self.headers = {"Accept-Encoding": "gzip, deflate", "Accept": "*/*", "Connection": "keep-alive"}

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: Deadline,
        headers: Mapping[str, str],
        data: str | bytes | None = None,
        allow_redirects: bool = False,
    ) -> Reply:
        """As ``send``; ``url`` is absolute and percent-encoded."""
        left = timeout.left()
        if left == 0.0:
            raise CalendarError(TIMEOUT_EXPIRED, "the deadline came before the request was sent")
        _now.deadline = timeout
        try:
            raw = self._pool.urlopen(
                method.upper(),
                _target(url),
                body=data,
                headers={**self.headers, **headers},
                retries=False,
                redirect=allow_redirects,
                timeout=Timeout(min(left, CONNECT_SECONDS), left),
                preload_content=False,
                decode_content=False,
            )
            return Reply(raw.status, raw.headers, _read(raw), url)
        except Exception as error:
            raise connection_error(error) from error

    def close(self) -> None:
        """Together with the session."""
        self._session.close()


def _target(url: str) -> str:
    """The path and the query: what is said to a server that one is connected to."""
    return "/" + "".join(url.split("/", 3)[3:])


def open_session(*, connections: int, ca_bundle: str = "") -> requests.Session:
    """A session that keeps ``connections`` open, trusts the PEM text ``ca_bundle`` (default: the public CAs)
    and takes nothing from the environment: no proxy, no .netrc. Certificates are always verified."""
    session = requests.Session()
    session.trust_env = False
    adapter = DeadlineAdapter(connections, ca_bundle)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


@overload
def send(
    session: requests.Session, method: str, url: str, deadline: Deadline, **kwargs: Any
) -> requests.Response: ...


@overload
def send(session: DirectSession, method: str, url: str, deadline: Deadline, **kwargs: Any) -> Reply: ...


def send(
    session: requests.Session | DirectSession, method: str, url: str, deadline: Deadline, **kwargs: Any
) -> requests.Response | Reply:
    """One request, never repeated and never redirected; any status is an answer.

    Raises CalendarError: ErrorConnectionFailed where nothing was sent, else ErrorTimeoutExpired or
    ErrorConnectionFailed with ``uncertain``.
    """
    kwargs.setdefault("allow_redirects", False)
    try:
        return session.request(method, url, timeout=cast(Any, deadline), **kwargs)
    except Exception as error:
        raise connection_error(error) from error


def connection_error(error: Exception) -> CalendarError:
    """What a failed request means: was it sent, and did time run out?"""
    name = type(error).__name__
    if isinstance(error, NewConnectionError | ClosedPoolError):
        return CalendarError(CONNECTION_FAILED, name)
    if isinstance(error, ConnectTimeout | ConnectTimeoutError):
        return CalendarError(TIMEOUT_EXPIRED, name)
    if isinstance(error, ReadTimeout | ReadTimeoutError | TimeoutError):
        return CalendarError(TIMEOUT_EXPIRED, name, uncertain=True)
    if isinstance(error, requests.exceptions.SSLError | SSLError):
        return CalendarError(CONNECTION_FAILED, "the certificate could not be verified")
    if isinstance(error, requests.exceptions.ConnectionError) and _never_connected(error):
        return CalendarError(CONNECTION_FAILED, name)
    if isinstance(error, requests.RequestException | HTTPError | OSError):
        return CalendarError(CONNECTION_FAILED, name, uncertain=True)
    raise error


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    reason = error.args[0] if error.args else None
    return isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)


def require_certificates(pem: str) -> None:
    """For option forms: text that ``open_session`` takes as ``ca_bundle``. Raises ValidationError."""
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError) as error:
        raise ValidationError(
            "No certificates in PEM form (-----BEGIN CERTIFICATE-----) were found."
        ) from error


def require_tls(url: str) -> None:
    """For option forms: https, or http to this very machine. Raises ValidationError."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise ValidationError("Use an https:// address (http:// is accepted for this machine, 127.0.0.1, only).")
