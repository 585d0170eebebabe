"""Salesforce's part: a lean HTTP client that keeps its connection."""

import json
import threading
from collections.abc import Sequence
from http.client import HTTPConnection

from tests.benchmarks.service import Service
from tests.benchmarks.world import END, START, answer, question

_PATH = f"/api/salesforce/scheduler/availability?from={START:%Y-%m-%dT%H:%M:%SZ}&to={END:%Y-%m-%dT%H:%M:%SZ}"


class Caller:
    """Reads the same mailboxes of one Org again and again; a connection for each thread."""

    def __init__(self, service: Service, org: str, emails: Sequence[str]) -> None:
        self._port = service.port
        self._body = question(emails)
        self._headers = {"Authorization": f"Bearer {service.tokens[org]}", "Content-Type": "application/json"}
        self._local = threading.local()

    def __call__(self) -> bytes:
        """The body of the answer. Raises RuntimeError unless it is a 200."""
        connection = self._connection()
        try:
            connection.request("POST", _PATH, self._body, self._headers)
            response = connection.getresponse()
            body = response.read()
        except BaseException:
            connection.close()
            raise
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {body[:300]!r}")
        return body

    def _connection(self) -> HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection: HTTPConnection = self._local.connection
        return connection


def check(body: bytes, emails: Sequence[str]) -> None:
    """Raises RuntimeError unless it is the right answer: one that is fast and wrong counts nothing."""
    if json.loads(body) != answer(emails):
        raise RuntimeError(f"not the right answer: {body[:500]!r}")
