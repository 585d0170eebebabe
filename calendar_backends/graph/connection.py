"""python-o365 as far as it is used: accounts, addressing, headers, JSON. Raw calls, on a session of ours.

What is switched off, all found in O365 2.1.10: calls without a time limit, three retries that obey any
Retry-After, a pause of 200 ms between calls, tokens in a file of the working directory, and the renewal of
tokens (https://github.com/O365/python-o365/issues/1209). Its object layer costs 40 ms per 20 calendars.
"""

import logging
from threading import Lock
from typing import Any

from O365 import Account, Connection, MSGraphProtocol
from O365.utils.token import MemoryTokenBackend
from requests import Session

from calendar_backends.base import Deadline
from calendar_backends.transport import DirectSession, Reply, open_session

#: Opening a connection costs three round trips, so as many are kept as a busy worker's threads use.
MOST_CONNECTIONS = 64

IMMUTABLE_IDS = 'IdType="ImmutableId"'

# It logs bearer tokens and bodies at DEBUG, and every 404 as an error.
logging.getLogger("O365.connection").addFilter(lambda record: False)


class GraphProtocol(MSGraphProtocol):
    """Graph in whichever cloud. ``root`` is its URL without a path."""

    def __init__(self, root: str) -> None:
        # Its constructor takes no protocol_url and reads these.
        self._protocol_url = self._oauth_scope_prefix = f"{root}/"
        super().__init__(timezone="UTC")


class GraphConnection(Connection):
    """Sends one request on a pool that all threads of an Org share. Opened on first use, after any fork."""

    def __init__(self, credentials: tuple[str, Any], *, root: str, ca_bundle: str, **kwargs: Any) -> None:
        super().__init__(credentials, **kwargs)
        self._root = root
        self._ca_bundle = ca_bundle
        self._pool: Session | None = None
        self._direct: DirectSession | None = None
        self._opening = Lock()

    def open(self) -> Session:
        """The session, made by the first thread that needs it."""
        with self._opening:
            if self._pool is None:
                self._pool = open_session(connections=MOST_CONNECTIONS, ca_bundle=self._ca_bundle)
            return self._pool

    def send(self, method: str, url: str, deadline: Deadline, **kwargs: Any) -> Reply:
        """One request; any status is an answer. Raises CalendarError as transport.send does."""
        session = self._direct or self._open_direct()
        reply: Reply = self._internal_request(
            session, url, method, timeout=deadline, allow_redirects=False, **kwargs
        )
        return reply

    def close(self) -> None:
        """A thread that is still at work opens a new one."""
        with self._opening:
            session, self._pool, self._direct = self._pool, None, None
        if session is not None:
            session.close()

    def _open_direct(self) -> DirectSession:
        session = self.open()
        with self._opening:
            if self._direct is None:
                self._direct = DirectSession(session, self._root)
            return self._direct

    def _check_delay(self) -> None:
        """No pause: even with requests_delay=0 it sleeps when the wall clock is set back."""


class GraphAccount(Account):
    """An application's account. ``credential`` is a secret, or the dict that msal takes for a certificate."""

    connection_constructor = GraphConnection

    def __init__(
        self, client_id: str, credential: Any, *, tenant_id: str, graph_url: str, ca_bundle: str
    ) -> None:
        super().__init__(
            (client_id, credential),
            protocol=GraphProtocol(graph_url),
            auth_flow_type="credentials",
            tenant_id=tenant_id,
            token_backend=MemoryTokenBackend(),
            requests_delay=0,
            request_retries=0,
            raise_http_errors=False,
            timeout=None,  # it would replace the deadline of each call
            default_headers={"Prefer": IMMUTABLE_IDS},
            root=graph_url,
            ca_bundle=ca_bundle,
        )
