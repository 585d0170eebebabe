"""Exchange wants to be left alone for a while: it is, and Read does not ask to find that out again."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from calendar_backends.base import CalendarError, Verb
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Tenant
from tests.calendar_backends.conftest import inquire

from .conftest import ANNA, BEN, MORNING, change, refused, soon


def code_of(outcome: object) -> str:
    assert isinstance(outcome, CalendarError), outcome
    return outcome.code


def busy(back_off_ms: int = 60_000, times: int = 1) -> Fault:
    return Fault("soap_fault", code="ErrorServerBusy", back_off_ms=back_off_ms, times=times)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("soap_fault", code="ErrorServerBusy", back_off_ms=60_000),
        Fault("status", code=503, headers={"Retry-After": "60"}),
        Fault("status", code=429, headers={"Retry-After": "60"}),
    ],
    ids=["back_off", "503", "429"],
)
def test_exchange_is_not_asked_again_before_it_said(
    ews: EwsBackend, exchange: Simulator, fault: Fault
) -> None:
    exchange.faults.add(fault)
    assert refused(ews).retry_after == 60
    error = refused(ews)
    assert (error.code, error.uncertain) == ("ErrorServerBusy", False)
    assert error.retry_after == pytest.approx(60, abs=2)
    assert exchange.round_trips() == 1


def test_exchange_is_asked_again_when_the_pause_is_over(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(busy())
    with time_machine.travel(datetime.now(UTC)) as clock:
        refused(ews)
        clock.shift(60)
        assert ews.busy_times([ANNA], MORNING, soon()) == {ANNA: []}


@pytest.mark.parametrize("fault", [Fault("soap_fault", code="ErrorServerBusy"), Fault("status", code=503)])
def test_without_a_pause_nothing_is_remembered(ews: EwsBackend, exchange: Simulator, fault: Fault) -> None:
    exchange.faults.add(fault)
    assert [refused(ews).retry_after, refused(ews).retry_after] == [None, None]
    assert exchange.round_trips() == 2


def test_what_another_process_was_told_is_obeyed(
    connect: Callable[[dict[str, Any]], EwsBackend], options: dict[str, Any], exchange: Simulator
) -> None:
    exchange.faults.add(busy())
    ours, theirs = connect(options), connect(options)
    refused(theirs)
    ours.throttles.merge(theirs.throttles.pending())
    assert refused(ours).code == "ErrorServerBusy"
    assert exchange.round_trips() == 1


def test_a_throttled_read_does_not_hold_up_writes(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(busy())
    refused(ews)
    assert ews.find(change(Verb.FIND), soon()) == []


def test_a_mailbox_that_is_busy_alone_is_not_asked_about_before_its_pause_is_over(
    ews: EwsBackend, exchange: Simulator
) -> None:
    exchange.faults.add(Fault("inner_busy", mailbox=ANNA, back_off_ms=60_000))
    with time_machine.travel(datetime.now(UTC)) as clock:
        for seconds in (0, 50, 20):
            clock.shift(seconds)
            answers = ews.busy_times([ANNA, BEN], MORNING, soon())
            assert list(answers) == [ANNA, BEN]
            assert (code_of(answers[ANNA]), answers[BEN]) == ("ErrorServerBusy", [])
    assert [ANNA.encode() in seen.body for seen in exchange.requests] == [True, False, True]


def test_nothing_is_asked_about_one_that_is_busy(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("inner_busy", mailbox=ANNA, back_off_ms=60_000))
    for _ in range(2):
        assert code_of(ews.busy_times([ANNA], MORNING, soon())[ANNA]) == "ErrorServerBusy"
    assert exchange.round_trips() == 1


def test_a_part_waits_also_for_the_pause_that_another_part_was_given(
    ews: EwsBackend, exchange: Simulator, tenant: Tenant
) -> None:
    people = [tenant.add_mailbox(f"p{number}@contoso.example").address for number in range(101)]
    exchange.faults.add(Fault("latency", seconds=0.2, times=1))
    exchange.faults.add(busy(300, times=2))
    assert inquire(ews, people, MORNING, soon()) == {person: [] for person in people}
