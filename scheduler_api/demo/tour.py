"""The main job, once through, for one tenant: Read, Create, Update, Delete, Read; each answer checked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests

from calendar_backends.base import BusyTime, Interval
from calendar_backends.core.intervals import DEFAULT_BLOCKING, unavailable
from scheduler_api.demo.picture import LEGEND, draw

Say = Callable[[str], None]
SECONDS = 30
WIDTH = 110
NOBODY = "ErrorMailRecipientNotFound"


@dataclass
class Tour:
    """One tenant of the demo. ``wrong`` collects the answers that were not right."""

    service: str
    exchange: str
    slug: str
    client_secret: str
    day: date
    say: Say
    token: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def domain(self) -> str:
        return f"{self.slug}.example"

    def address(self, name: str) -> str:
        return f"{name}@{self.domain}"

    @property
    def window(self) -> Interval:
        start = datetime.fromisoformat(f"{self.day}T00:00:00+00:00")
        return Interval(start, start + timedelta(days=1))

    def at(self, hour: int) -> str:
        return f"{self.day}T{hour:02}:00:00Z"

    def run(self) -> None:
        self.sign_in()
        before = self.read("Read")
        self.check("Read", before, self.expected_read())
        self.picture("before")
        self.create()
        self.picture("after Create: 12:00 to 13:00 for admin, anna and ben")
        self.update()
        self.picture("after Update: moved to 13:00, ben left and chloe joined")
        self.delete()
        self.check("Read again", self.read("Read again"), before)
        self.picture("after Delete")
        self.check("invitations", self.ask_exchange("invitations")["invitations"], [])

    def sign_in(self) -> None:
        """As a Salesforce named credential does: client credentials, in the Authorization header."""
        answer = requests.post(
            f"{self.service}/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(f"salesforce-{self.slug}", self.client_secret),
            timeout=SECONDS,
        )
        self.token = answer.json().get("access_token", "")
        self.say(f"\nPOST /oauth/token  as salesforce-{self.slug}\n  {answer.status_code}  a token of 1 hour")
        self.check("token", bool(self.token), True)

    def read(self, name: str) -> Any:
        names = ("anna", "ben", "chloe", "nobody")
        rows = [
            {"email": self.address(name), "serviceResourceId": f"0Hn-{number}"}
            for number, name in enumerate(names, start=1)
        ]
        rows[0]["isOrganizer"] = True  # type: ignore[assignment]
        return self.call(name, "POST", self.read_path, rows)

    @property
    def read_path(self) -> str:
        window = self.window
        times = {"from": f"{window.start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{window.end:%Y-%m-%dT%H:%M:%SZ}"}
        return "availability?" + urlencode(
            {**times, "salesforceCorrelationId": f"demo-{self.slug}"}, safe=":"
        )

    def create(self) -> None:
        answer = self.call("Create", "POST", "postback", self.event(12, ["anna", "ben", "nobody"]))
        self.check("Create", answer, self.statuses(admin="", anna="", ben="", nobody=NOBODY))
        self.check_held("Create", 12, ["admin", "anna", "ben"])

    def update(self) -> None:
        new = self.event(13, ["anna", "chloe"])
        original = self.event(12, ["anna", "ben"])
        del new["id"]
        answer = self.call("Update", "PUT", "postback", {"original": original, "new": new})
        self.check("Update", answer, self.statuses(admin="", anna="", chloe="", ben=""))
        self.check_held("Update", 13, ["admin", "anna", "chloe"])

    def delete(self) -> None:
        body = {
            "id": self.event_id,
            "organizerEmail": self.address("admin"),
            "attendees": [self.address("anna"), self.address("chloe"), self.address("ben")],
        }
        answer = self.call("Delete", "DELETE", "postback", body)
        self.check("Delete", answer, self.statuses(admin="", anna="", chloe="", ben=""))
        self.check_held("Delete", 13, [])

    @property
    def event_id(self) -> str:
        return f"demo-event-of-{self.slug}"

    def event(self, hour: int, attendees: Sequence[str]) -> dict[str, Any]:
        return {
            "id": self.event_id,
            "organizerEmail": self.address("admin"),
            "subject": "Mortgage advice",
            "body": "First meeting, bring the papers.",
            "location": "Branch office, room 1",
            "startTime": self.at(hour),
            "endTime": self.at(hour + 1),
            "attendees": [{"email": self.address(name), "isRequired": "true"} for name in attendees],
        }

    def statuses(self, **codes: str) -> list[dict[str, str]]:
        return [{"email": self.address(name), "errorCode": code or "NoError"} for name, code in codes.items()]

    def call(self, name: str, method: str, path: str, body: Any) -> Any:
        answer = requests.request(
            method,
            f"{self.service}/api/salesforce/scheduler/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=SECONDS,
        )
        self.say(f"\n{name}: {method} /api/salesforce/scheduler/{path}\n    {readable(body)}")
        milliseconds = answer.elapsed.total_seconds() * 1000
        self.say(f"  {answer.status_code} in {milliseconds:.0f} ms\n    {readable(answer.json())}")
        return answer.json()

    def ask_exchange(self, path: str) -> Any:
        """What the simulated Exchange itself says, past the service."""
        return requests.get(f"{self.exchange}/simulator/{path}", timeout=SECONDS).json()

    def items(self, name: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.ask_exchange(f"mailboxes/{self.address(name)}")["items"]
        return [item for item in items if item["folder"] == "calendar"]

    def expected_read(self) -> list[dict[str, Any]]:
        """What the answer must be, worked out from the calendars themselves."""
        known = [
            (f"0Hn-{number}", "NoError", self.taken(name))
            for number, name in enumerate(("anna", "ben", "chloe"), start=1)
        ]
        rows = [*known, ("0Hn-4", NOBODY, [self.window])]
        return [
            {
                "serviceResourceId": resource,
                "errorCode": code,
                "unavailableTimeslots": [_slot(s) for s in slots],
            }
            for resource, code, slots in rows
        ]

    def taken(self, name: str) -> list[Interval]:
        busy = [BusyTime(_span(item), item["show_as"]) for item in self.items(name)]
        return unavailable(busy, self.window, DEFAULT_BLOCKING)

    def check_held(self, call: str, hour: int, names: Sequence[str]) -> None:
        """Exactly one Appointment in each of these calendars, at that hour, and none in the others."""
        for name in ("admin", "anna", "ben", "chloe"):
            held = [
                _span(item).start.hour for item in self.items(name) if item["subject"] == "Mortgage advice"
            ]
            self.check(f"{call} in the calendar of {name}", held, [hour] if name in names else [])

    def check(self, what: str, got: Any, expected: Any) -> None:
        if got != expected:
            self.wrong.append(f"{self.slug}: {what}: expected {expected}, got {got}")

    def picture(self, when: str) -> None:
        calendars = {self.address(name): self.items(name) for name in ("admin", "anna", "ben", "chloe")}
        self.say(f"\n{self.day} (UTC), {when}\n{draw(self.day, calendars)}\n{LEGEND}")

    def curl_lines(self) -> list[str]:
        """One line per endpoint that works when pasted."""
        read = [{"email": self.address("anna"), "serviceResourceId": "0Hn-1"}]
        new = self.event(14, ["anna", "chloe"])
        delete = {"id": self.event_id, "organizerEmail": self.address("admin"), "attendees": []}
        return [
            self.curl("POST", self.read_path, read),
            self.curl("POST", "postback", self.event(12, ["anna", "ben"])),
            self.curl("PUT", "postback", {"original": self.event(12, ["anna", "ben"]), "new": new}),
            self.curl("DELETE", "postback", delete),
        ]

    def curl(self, method: str, path: str, body: Any) -> str:
        return (
            f"curl -sS -X {method} '{self.service}/api/salesforce/scheduler/{path}' "
            f"-H 'Authorization: Bearer {self.token}' -H 'Content-Type: application/json' "
            f"-d '{json.dumps(body)}'"
        )


def _span(item: Mapping[str, Any]) -> Interval:
    return Interval(*(datetime.fromisoformat(item[name]) for name in ("start", "end")))


def _slot(span: Interval) -> dict[str, str]:
    return {"timeMin": f"{span.start:%Y-%m-%dT%H:%M:%SZ}", "timeMax": f"{span.end:%Y-%m-%dT%H:%M:%SZ}"}


def readable(value: Any, indent: int = 4) -> str:
    """JSON as a person would write it: what fits into a line stands on one."""
    line = json.dumps(value)
    if indent + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        parts = [readable(entry, indent + 2) for entry in value]
    else:
        parts = [f'"{name}": {readable(entry, indent + 2)}' for name, entry in value.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return opening + ",".join(f"\n{inner}{part}" for part in parts) + f"\n{' ' * indent}{closing}"
