"""Salesforce's Create, again and again: every time another Event, in the same mailboxes."""

import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

from tests.benchmarks.service import Service
from tests.benchmarks.world import END

_PATH = "/api/salesforce/scheduler/postback"
#: After what the calendars hold already.
START = END + timedelta(days=1)
FINISH = START + timedelta(minutes=45)
SUBJECT, BODY, LOCATION = "Mortgage advice", "First meeting, bring the papers.", "Branch office, room 1"


class Creator:
    """One Create per call, on a connection that is kept; the first of ``emails`` is the organizer."""

    def __init__(self, service: Service, org: str, emails: Sequence[str]) -> None:
        self._connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {service.tokens[org]}", "Content-Type": "application/json"}
        self._emails = emails

    def __call__(self) -> None:
        """Raises RuntimeError unless every mailbox has the Appointment."""
        body = json.dumps(event(str(uuid.uuid4()), self._emails))
        self._connection.request("POST", _PATH, body, self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200 or answer.count(b'"NoError"') != len(self._emails):
            raise RuntimeError(f"HTTP {response.status}: {answer[:500]!r}")

    def close(self) -> None:
        self._connection.close()


def event(name: str, emails: Sequence[str]) -> dict[str, Any]:
    """The body of a Create."""
    organizer, *attendees = emails
    return {
        "id": name,
        "organizerEmail": organizer,
        "subject": SUBJECT,
        "body": BODY,
        "location": LOCATION,
        "startTime": f"{START:%Y-%m-%dT%H:%M:%SZ}",
        "endTime": f"{FINISH:%Y-%m-%dT%H:%M:%SZ}",
        "attendees": [{"email": email, "isRequired": "true"} for email in attendees],
    }
