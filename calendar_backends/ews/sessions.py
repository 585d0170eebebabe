"""Connections to one Exchange: a few, each signed in and used by one thread at a time."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any

import requests

from calendar_backends.base import CalendarError, Deadline
from calendar_backends.core.errors import TIMEOUT_EXPIRED
from calendar_backends.ews.ntlm import NtlmAdapter, NtlmAuth
from calendar_backends.transport import DirectSession, open_session

Session = requests.Session | DirectSession
HEADERS = {
    "Accept": "text/xml",
    "Content-Type": "text/xml; charset=utf-8",
    "User-Agent": "LightningSchedulerAdapter",
}


class SessionPool:
    """At most ``size`` sessions of one connection each, opened when they are needed.

    One connection each, because NTLM signs in a connection and not a request. The one used last is used
    next, so that few stay open when there is little to do.
    """

    def __init__(self, options: Mapping[str, Any], size: int) -> None:
        self._options = options
        self._opened: list[Session] = []
        self._lock = Lock()
        self._free: LifoQueue[Session | None] = LifoQueue()
        for _ in range(size):
            self._free.put(None)

    @contextmanager
    def session(self, deadline: Deadline) -> Iterator[Session]:
        """A session for this thread alone. Raises ErrorTimeoutExpired if none becomes free in time."""
        try:
            session = self._free.get(timeout=deadline.left())
        except Empty:
            raise CalendarError(TIMEOUT_EXPIRED, "no connection became free") from None
        try:
            session = session or self._open()
            yield session
        finally:
            self._free.put(session)

    def close(self) -> None:
        with self._lock:
            for session in self._opened:
                session.close()

    def _open(self) -> Session:
        session = signed_in(self._options)
        with self._lock:
            self._opened.append(session)
        return session


def signed_in(options: Mapping[str, Any]) -> Session:
    """A new session with the credentials of ``options``, the cleaned data of EwsOptions."""
    ca_bundle = options.get("ca_bundle", "")
    session = open_session(connections=1, ca_bundle=ca_bundle)
    if options["auth_type"] == "basic":
        credentials = f"{options['username']}:{options['password']}".encode()
        direct = DirectSession(session, options["endpoint"])
        direct.headers |= {**HEADERS, "Authorization": f"Basic {b64encode(credentials).decode()}"}
        return direct
    adapter = NtlmAdapter(1, ca_bundle)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.update(HEADERS)
    session.auth = NtlmAuth(options["username"], options["password"])
    return session
