"""Random calls, faults, deaths and repairs; then the faults end, and every calendar is as declared last."""

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calendar_backends.core import convergence
from calendar_backends.simulator import Simulator
from orgs.models import Org
from scheduler_api import downsync, leases
from scheduler_api.models import Appointment, Event
from tests.conftest import PEOPLE, Salesforce, event, held
from tests.scheduler_api.calls import (
    ANNA,
    CARL,
    OPERATIONS,
    ORGANIZER,
    STALE,
    TEST,
    delete,
    fault,
    forget_throttles,
    resync,
    throttle,
    time_passes,
    update,
)

#: Seconds by which a request comes late.
LATE = 0.05


@dataclass(frozen=True)
class Call:
    """``ahead``: its sequence against the highest so far; below 1 it is late, or a repetition."""

    kind: str
    event: str
    people: tuple[str, ...]
    subject: str
    ahead: int


@dataclass(frozen=True)
class Trouble:
    kind: str
    verb: str
    mailbox: str
    times: int


@dataclass
class Model:
    """What was declared last: the Event's highest number, and who should hold what (None: cancelled)."""

    highest: int = -(2**40)
    said: tuple[str, frozenset[str]] | None = None
    cancelled: bool = False

    def number(self, call: Call) -> int:
        return max(self.highest, 10) + call.ahead

    def declare(self, call: Call) -> bool:
        """Whether it counts."""
        number = self.number(call)
        revives = self.cancelled and call.kind != "delete"
        if number < self.highest or (number == self.highest and revives):
            return False
        self.highest, self.cancelled = number, call.kind == "delete"
        self.said = None if self.cancelled else (call.subject, frozenset({TEST, *call.people}))
        return True


events = st.sampled_from(["event-1", "event-2"])
people = st.lists(st.sampled_from([ORGANIZER, ANNA, CARL]), unique=True, max_size=2).map(tuple)
kinds = st.sampled_from(["create", "update", "update", "delete"])
calls = st.builds(Call, kinds, events, people, st.sampled_from("abc"), st.sampled_from([-1, 0, 1, 1, 1, 2]))
troubles = st.builds(
    Trouble,
    st.sampled_from(["drop", "commit_then_drop", "delayed_commit", "status", "throttle", "truncate"]),
    st.sampled_from(sorted(OPERATIONS)),
    st.sampled_from([TEST, ANNA, CARL]),
    st.integers(1, 4),
)
steps = st.lists(calls | calls | troubles | st.sampled_from(["resync", "die"]), min_size=2, max_size=10)


@dataclass
class Run:
    exchange: Simulator
    salesforce: Salesforce
    monkeypatch: pytest.MonkeyPatch
    models: dict[str, Model] = field(default_factory=lambda: {"event-1": Model(), "event-2": Model()})
    dying: bool = False

    def begin(self) -> None:
        Appointment.objects.all().delete()
        Event.objects.all().delete()
        for mailbox in self.exchange.world.mailboxes():
            for item in list(mailbox.items):
                mailbox.delete(item, "HardDelete")
        self.exchange.reset()
        cache.clear()
        forget_throttles()

    def step(self, step: Any) -> None:
        if isinstance(step, Call):
            self.call(step)
        elif isinstance(step, Trouble):
            self.trouble(step)
        elif step == "resync":
            resync()
        else:
            self.dying = True

    def trouble(self, trouble: Trouble) -> None:
        common: dict[str, Any] = {"mailbox": trouble.mailbox, "times": trouble.times}
        if trouble.kind == "throttle":
            throttle(self.exchange, trouble.verb, 30, **common)
        else:
            fault(self.exchange, trouble.kind, trouble.verb, seconds=LATE, **common)

    def call(self, call: Call) -> None:
        model = self.models[call.event]
        number = model.number(call)
        counts = model.declare(call)
        if self.dying:
            self.die(call, number)
        else:
            codes = self.send(call, number)
            assert (set(codes.values()) == {STALE}) == (not counts)

    def send(self, call: Call, number: int) -> dict[str, str]:
        if call.kind == "delete":
            return self.salesforce.write("DELETE", delete(*call.people, id=call.event, sequence=number))
        new = event(*call.people, id=call.event, subject=call.subject)
        if call.kind == "create":
            return self.salesforce.write("POST", {**new, "sequence": number})
        return self.salesforce.write("PUT", update(event(id=call.event), new, sequence=number))

    def die(self, call: Call, number: int) -> None:
        """The process is killed after it called Exchange, before it wrote down what came of it."""
        self.dying = False
        with self.monkeypatch.context() as patch:
            patch.setattr(downsync, "finish", _killed)
            try:
                self.send(call, number)
            except _Killed:
                time.sleep(2 * LATE)  # here, time passes for Exchange too
                time_passes(2 + leases.MARGIN)

    def end(self) -> None:
        """No more faults; the repair works until nothing is due."""
        self.exchange.faults.clear()
        time.sleep(2 * LATE)
        for _ in range(4):
            forget_throttles()
            time_passes(100)
            resync()
        assert not Appointment.objects.unfinished().exists()
        assert not Appointment.objects.parked().exists()

    def check(self) -> None:
        for address in PEOPLE:
            found = sorted((_event_of(item), item.subject) for item in held(self.exchange, address))
            assert found == self.wanted_of(address)
        assert not any(mailbox.invitations_sent for mailbox in self.exchange.world.mailboxes())

    def wanted_of(self, address: str) -> list[tuple[str, str]]:
        said = [(name, model.said) for name, model in self.models.items() if model.said]
        return [(name, subject) for name, (subject, holders) in said if address in holders]


class _Killed(BaseException):
    """No handler catches it."""


def _killed(*arguments: Any) -> bool:
    raise _Killed


def _event_of(item: Any) -> str:
    return str(next(iter(item.properties.values()))).partition("/")[2]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a call, pauses are too short to notice."""
    monkeypatch.setattr(convergence, "STUMBLE_SECONDS", 0.005)
    monkeypatch.setattr(convergence, "BUSY_SECONDS", 0.005)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=steps)
def test_in_the_end_every_calendar_is_as_declared_last(
    org: Org,
    exchange: Simulator,
    salesforce: Salesforce,
    monkeypatch: pytest.MonkeyPatch,
    quick: None,
    steps: list[Any],
) -> None:
    Org.objects.update(write_deadline=1)
    run = Run(exchange, salesforce, monkeypatch)
    run.begin()
    for step in steps:
        run.step(step)
    run.end()
    run.check()
