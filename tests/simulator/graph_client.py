"""A Graph client of nothing but http.client, which checks what it sends and what it gets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

from calendar_backends.simulator import Simulator, World
from calendar_backends.simulator.world import Tenant
from tests.simulator.graph_schema import validate_answer, validate_seen

ANNA = "anna@contoso.example"
BEN = "ben@contoso.example"
GUID = "66f5a359-4659-4830-9070-00047ec6ac6e"
STAMP = f"String {{{GUID}}} Name LsaEventId"
EVENT: dict[str, Any] = {
    "subject": "Loan review",
    "body": {"contentType": "text", "content": "Bring <papers> & pen"},
    "start": {"dateTime": "2026-11-23T09:00:00", "timeZone": "UTC"},
    "end": {"dateTime": "2026-11-23T10:00:00", "timeZone": "UTC"},
    "location": {"displayName": "Oslo"},
    "showAs": "busy",
    "isReminderOn": False,
    "transactionId": "one",
    "singleValueExtendedProperties": [{"id": STAMP, "value": "contoso/00U1"}],
}


@dataclass(frozen=True)
class Answer:
    """An answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class GraphClient:
    """Talks to a simulator as the app "lsa" of tenant contoso, with one connection per request."""

    def __init__(self, simulator: Simulator, tenant: Tenant) -> None:
        self.simulator = simulator
        self.tenant = tenant
        self.app = tenant.apps["lsa"]
        self.token = simulator.tokens.issue(tenant, self.app, simulator.url, 600)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request to a path below /v1.0, refused by the schema or not."""
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return http(self.simulator, method, f"/v1.0{path}", data, sent)

    def checked(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request that is right, and right according to the schema, as must be its answer."""
        answer = self.call(method, path, body, **headers)
        seen = self.simulator.requests[-1] if "$batch" not in path else self._outer()
        validate_seen(seen)
        if answer.raw:
            validate_answer(seen.operation.removeprefix("graph."), answer.status, answer.json)
        return answer

    def create(self, address: str = ANNA, **changes: Any) -> Any:
        """Create EVENT with changes and return what Graph answers."""
        answer = self.checked("POST", f"/users/{address}/events", EVENT | changes)
        assert answer.status == 201, answer.raw
        return answer.json

    def find(self, value: str, stamp: str = STAMP, **headers: str) -> list[Any]:
        """The events that carry this value of an extended property, with the property."""
        literal = value.replace("'", "''")
        condition = f"ep: ep/id eq '{stamp}' and ep/value eq '{literal}'"
        query = {
            "$filter": f"singleValueExtendedProperties/Any({condition})",
            "$expand": f"singleValueExtendedProperties($filter=id eq '{stamp}')",
        }
        answer = self.checked("GET", f"/users/{ANNA}/events?{urlencode(query, quote_via=quote)}", **headers)
        assert answer.status == 200, answer.raw
        return list(answer.json["value"])

    def schedule(self, *schedules: str, anchor: str = ANNA, **changes: Any) -> Answer:
        """getSchedule for 23 November 2026."""
        body = {
            "schedules": schedules or (ANNA,),
            "startTime": {"dateTime": "2026-11-23T00:00:00", "timeZone": "UTC"},
            "endTime": {"dateTime": "2026-11-24T00:00:00", "timeZone": "UTC"},
            "availabilityViewInterval": 60,
        }
        return self.call("POST", f"/users/{anchor}/calendar/getSchedule", body | changes)

    def batch(self, *requests: dict[str, Any]) -> dict[str, Any]:
        """The inner answers by id."""
        answer = self.checked("POST", "/$batch", {"requests": requests})
        assert answer.status == 200, answer.raw
        return {inner["id"]: inner for inner in answer.json["responses"]}

    def _outer(self) -> Any:
        return next(seen for seen in reversed(self.simulator.requests) if seen.operation == "graph.$batch")


def http(
    simulator: Simulator, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> Answer:
    """One HTTP request over a connection of its own."""
    connection = HTTPConnection("127.0.0.1", simulator.port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


@contextmanager
def contoso() -> Iterator[GraphClient]:
    """A running simulator with one tenant, two mailboxes and one app."""
    tenant = (world := World()).add_tenant("contoso")
    tenant.add_app("lsa", "graph-secret")
    tenant.add_mailbox(ANNA, name="Anna Holm", aliases={"a.holm@contoso.example"})
    tenant.add_mailbox(BEN)
    with Simulator(world) as simulator:
        yield GraphClient(simulator, tenant)
