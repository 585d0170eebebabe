"""Salesforce's part: a crowd of callers, each with one Event at a time, and what they were answered."""

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.chaos.plan import Booking, Call, EventPlan

CALLERS = 12
STALE = "ErrorStaleObject"
#: Seconds after which a call that nobody answers ends the run, and between two tries.
_LIMIT, _PAUSE = 120.0, 0.3
_PATH = "/api/salesforce/scheduler/postback"


@dataclass
class Account:
    """What happened, added up over all callers. ``wrong`` are answers that cannot be right."""

    begun: int = 0
    finished: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    raced: int = 0
    given_up: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, call: Call) -> None:
        with self.lock:
            self.begun += 1
            self.operations[call.kind] += 1

    def finish(self, *, answered: bool) -> None:
        with self.lock:
            self.finished += 1
            self.given_up += not answered

    def note(self, answer: str, codes: Sequence[str] = ()) -> None:
        with self.lock:
            self.answers[answer] += 1
            self.codes.update(codes)


@dataclass
class _Known:
    """The highest sequences of an Event that were sent, and that were answered."""

    sent: int = 0
    answered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


class Salesforce:
    """Carries the plans out. ``doors`` are the ports of the gunicorns, ``tokens`` an access token per Org."""

    def __init__(self, plans: Sequence[EventPlan], doors: Sequence[int], tokens: Mapping[str, str]) -> None:
        self.account = Account()
        self.failures: list[BaseException] = []
        self._doors = doors
        self._tokens = tokens
        self._plans: queue.SimpleQueue[EventPlan] = queue.SimpleQueue()
        for plan in plans:
            self._plans.put(plan)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CALLERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        try:
            while not self.failures:
                self._live(self._plans.get_nowait())
        except queue.Empty:
            pass
        except BaseException as error:
            self.failures.append(error)

    def _live(self, plan: EventPlan) -> None:
        """One Event, step by step."""
        known = _Known()
        for step in plan.steps:
            self.account.raced += len(step) if len(step) > 1 else 0
            others = [
                threading.Thread(target=self._guarded, args=(call, known), daemon=True) for call in step[1:]
            ]
            for thread in others:
                thread.start()
            self._make(step[0], known)
            for thread in others:
                thread.join()

    def _guarded(self, call: Call, known: _Known) -> None:
        try:
            self._make(call, known)
        except BaseException as error:
            self.failures.append(error)

    def _make(self, call: Call, known: _Known) -> None:
        """Try until there is an answer, or until it is given up. Raises RuntimeError after _LIMIT."""
        self.account.begin(call)
        until, door, answered = time.monotonic() + _LIMIT, call.door, False
        patience = call.patience
        while not (answered := self._try(call, known, door, patience)) and call.insist:
            if time.monotonic() > until:
                raise RuntimeError(f"{call.event}: nobody answered sequence {call.sequence}")
            time.sleep(_PAUSE)
            door, patience = door + 1, max(patience, 10.0)
        self.account.finish(answered=answered)

    def _try(self, call: Call, known: _Known, door: int, patience: float) -> bool:
        """Whether it was answered with what the mailboxes say."""
        with known.lock:
            known.sent = max(known.sent, call.sequence)
            overtaken = known.answered > call.sequence
        try:
            status, body = self._send(call, self._doors[door % len(self._doors)], patience)
        except (OSError, HTTPException) as error:
            self.account.note(_cut_off(error))
            return False
        if status >= 500:
            self.account.note(str(status))
            return False
        self._judge(call, known, status, body, overtaken=overtaken)
        return True

    def _send(self, call: Call, port: int, patience: float) -> tuple[int, bytes]:
        method, body = message(call)
        headers = {"Authorization": f"Bearer {self._tokens[call.org]}", "Content-Type": "application/json"}
        connection = HTTPConnection("127.0.0.1", port, timeout=patience)
        try:
            connection.request(method, _PATH, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _judge(self, call: Call, known: _Known, status: int, body: bytes, *, overtaken: bool) -> None:
        rows = json.loads(body) if status == 200 else []
        codes = [row["errorCode"] for row in rows]
        self.account.note(str(status), codes)
        with known.lock:
            known.answered = max(known.answered, call.sequence)
            newest = known.sent == call.sequence
        if complaint := _complaint(call, status, rows, overtaken=overtaken, newest=newest):
            told = body[:300].decode(errors="replace")
            with self.account.lock:
                self.account.wrong.append(f"{call.event}, sequence {call.sequence}: {complaint}: {told}")


def _complaint(call: Call, status: int, rows: list[Any], *, overtaken: bool, newest: bool) -> str:
    """What is wrong with an answer, if anything."""
    if status != 200:
        return f"answered {status}"
    stale = [row["errorCode"] == STALE for row in rows]
    if overtaken and not all(stale):
        return "overtaken, and not said to be stale"
    if newest and any(stale):
        return "the newest, and said to be stale"
    named = set(call.booking.people) if call.booking else set()
    if not named <= {row["email"] for row in rows}:
        return "not a row for everybody"
    return ""


def _cut_off(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else "connection refused or cut"


def message(call: Call) -> tuple[str, dict[str, Any]]:
    """The method and the body of a call."""
    told = {"sequence": call.sequence, "salesforceCorrelationId": f"{call.event}.{call.sequence}"}
    if call.booking is None:
        people = call.before.people if call.before else ()
        organizer = {"organizerEmail": people[0]} if people else {}
        return "DELETE", {"id": call.event, **organizer, "attendees": list(people[1:]), **told}
    if call.before is None:
        return "POST", {"id": call.event, **_event(call.booking), **told}
    return "PUT", {
        "original": {"id": call.event, **_event(call.before)},
        "new": _event(call.booking),
        **told,
    }


def _event(booking: Booking) -> dict[str, Any]:
    organizer, *attendees = booking.people
    return {
        "organizerEmail": organizer,
        "subject": booking.subject,
        "body": booking.body,
        "location": booking.location,
        "startTime": _text(booking.start),
        "endTime": _text(booking.end),
        "attendees": [
            {"email": address, "isRequired": str(number % 2 == 0).lower()}
            for number, address in enumerate(attendees)
        ],
    }


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
