"""Several calls, workers and hosts at once: one Appointment per wanted mailbox, with what was said last."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
import requests
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from calendar_backends.simulator import Simulator
from orgs.models import Org
from scheduler_api import leases
from scheduler_api.models import Appointment, Event
from tests.conftest import PEOPLE, Salesforce, event, held, token_for
from tests.scheduler_api.calls import (
    ANNA,
    CARL,
    OK,
    ORGANIZER,
    STALE,
    TEST,
    delete,
    environ,
    fault,
    resync,
    time_passes,
    until,
    update,
)

pytestmark = pytest.mark.django_db(transaction=True)

Call = Callable[[Salesforce], dict[str, str]]


@pytest.fixture
def token(org: Org) -> str:
    return token_for(org)


def at_once(token: str, calls: Sequence[Call]) -> list[dict[str, str]]:
    """All calls at the same moment, each in a thread with a connection of its own."""
    start = Barrier(len(calls))

    def run(call: Call) -> dict[str, str]:
        try:
            start.wait()
            return call(Salesforce(token))
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def create(*attendees: str, **changes: Any) -> Call:
    return lambda salesforce: salesforce.write("POST", event(*attendees, **changes))


def change(*attendees: str, sequence: int | None = None, **changes: Any) -> Call:
    body = update(event(), event(*attendees, **changes), sequence=sequence)
    return lambda salesforce: salesforce.write("PUT", body)


def cancel(**changes: Any) -> Call:
    return lambda salesforce: salesforce.write("DELETE", delete(**changes))


def subjects(exchange: Simulator) -> dict[str, list[str]]:
    """What everybody's calendar says."""
    return {address: [item.subject for item in held(exchange, address)] for address in PEOPLE}


def everybody(exchange: Simulator, subject: str, *addresses: str) -> bool:
    """Whether these, and nobody else, have one that says so."""
    return subjects(exchange) == {address: [subject] if address in addresses else [] for address in PEOPLE}


def updates(exchange: Simulator) -> int:
    """How many have begun."""
    return exchange.counters["ews.UpdateItem"] + exchange.counters["graph.batch.PATCH event"]


# --- several calls at once


@pytest.mark.parametrize("seed", range(3))
def test_the_highest_number_wins_in_every_mailbox(
    org: Org, exchange: Simulator, token: str, seed: int
) -> None:
    people = [[], [ANNA], [CARL], [ANNA, CARL], [ORGANIZER]]
    calls = [create(*people[n % 5], sequence=n, subject=f"number {n}") for n in range(8)]
    calls[3], calls[6] = cancel(sequence=3), cancel(sequence=6)
    calls[5] = change(ANNA, sequence=5, subject="number 5")
    random.Random(seed).shuffle(calls)
    for codes in at_once(token, calls):
        assert set(codes.values()) <= {OK, STALE, "ErrorItemNotFound"}
    resync()
    assert everybody(exchange, "number 7", TEST, CARL)
    assert Event.objects.get().sequence == 7


def test_without_numbers_the_calendars_say_what_the_ledger_says(
    org: Org, exchange: Simulator, token: str
) -> None:
    calls = [create(ANNA, subject=f"created {n}") for n in range(3)]
    calls += [change(ANNA, CARL, subject=f"changed {n}") for n in range(3)]
    for codes in at_once(token, calls):
        assert set(codes.values()) == {OK}
    resync()
    last = Event.objects.get()
    wanted = last.appointments.filter(wanted=True).values_list("mailbox", flat=True)
    assert everybody(exchange, last.content["subject"], *wanted)


def test_a_first_create_that_is_sent_four_times_makes_one(org: Org, exchange: Simulator, token: str) -> None:
    assert at_once(token, [create(ANNA)] * 4) == [{TEST: OK, ANNA: OK}] * 4
    assert everybody(exchange, "Advice", TEST, ANNA)
    assert Event.objects.count() == 1


def test_events_do_not_wait_for_each_other(org: Org, exchange: Simulator, token: str) -> None:
    fault(exchange, "latency", "create", seconds=0.5)
    began = time.monotonic()
    at_once(token, [create(ANNA, id=f"event-{n}") for n in range(3)])
    assert time.monotonic() - began < 2.5
    assert len(held(exchange, ANNA)) == 3


def test_what_is_declared_while_exchange_is_called_is_not_lost(
    org: Org, exchange: Simulator, token: str
) -> None:
    """The second call waits for the lease of the first, and then does what is left to do."""
    Salesforce(token).write("POST", event(ANNA))
    fault(exchange, "latency", "update", seconds=1, times=2)

    def second(salesforce: Salesforce) -> dict[str, str]:
        until(lambda: updates(exchange))
        return change(ANNA, subject="second", location="Room 2")(salesforce)

    assert at_once(token, [change(ANNA, subject="first"), second]) == [{TEST: OK, ANNA: OK}] * 2
    assert everybody(exchange, "second", TEST, ANNA)
    assert [item.location for item in held(exchange, ANNA)] == ["Room 2"]
    assert not Appointment.objects.unfinished().exists()


def test_who_was_done_first_is_told_when_the_mailbox_has_what_was_declared_meanwhile(
    org: Org, exchange: Simulator, token: str
) -> None:
    """Not that it has timed out, and not before: a worker that has died is stood in for."""
    Salesforce(token).write("POST", event(ANNA))
    fault(exchange, "latency", "update", seconds=1, times=4)

    def second(salesforce: Salesforce) -> dict[str, str]:
        until(lambda: updates(exchange))
        return change(ANNA, subject="second")(salesforce)

    def first(salesforce: Salesforce) -> dict[str, str]:
        codes = change(ANNA, subject="first")(salesforce)
        assert everybody(exchange, "second", TEST, ANNA)
        return codes

    assert at_once(token, [first, second]) == [{TEST: OK, ANNA: OK}] * 2


def test_a_delete_while_the_create_is_under_way_leaves_nothing(
    org: Org, exchange: Simulator, token: str
) -> None:
    fault(exchange, "latency", "create", seconds=1)

    def second(salesforce: Salesforce) -> dict[str, str]:
        until(lambda: exchange.round_trips() > 0)
        return cancel(attendees=[ANNA])(salesforce)

    codes = at_once(token, [create(ANNA), second])
    assert codes[1] == {TEST: OK, ANNA: OK}
    resync()
    assert everybody(exchange, "")


def test_calls_and_repair_at_once_make_one(org: Org, exchange: Simulator, token: str) -> None:
    Salesforce(token).write("POST", event(ANNA))
    Appointment.objects.update(
        item_ref=None, applied_version=0, error_code="ErrorTimeoutExpired", due_at=Now()
    )

    def repair(_: Salesforce) -> dict[str, str]:
        resync()
        return {}

    at_once(token, [repair, repair, change(ANNA, subject="Changed"), repair])
    resync()
    assert everybody(exchange, "Changed", TEST, ANNA)


@pytest.mark.parametrize("verb", ["create", "update"])
def test_calls_at_once_whose_answers_are_lost_make_one(
    org: Org, exchange: Simulator, token: str, verb: str
) -> None:
    fault(exchange, "commit_then_drop", verb, times=3)
    at_once(token, [create(ANNA, subject=f"{n}", sequence=n) for n in range(4)])
    time_passes(settings.SETTLING_TIME + 1)
    assert resync()[0] == 0
    assert everybody(exchange, "3", TEST, ANNA)


# --- processes


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``python ARGUMENTS`` on the database of the tests, in a process group of its own."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=environ(),
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def gunicorn() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    command = ["-m", "gunicorn", "config.wsgi", "-c", "config/gunicorn.py", "--workers", "1", "--bind", bind]
    with program(*command) as process:
        until(lambda: _answers(f"http://{bind}/api/"), 60)
        yield process, f"http://{bind}/api/salesforce/scheduler/postback"


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 404
    except requests.RequestException:
        return False


def _die_in_the_middle(
    exchange: Simulator, verb: str, process: subprocess.Popen[str], done: Callable[[], bool]
) -> None:
    """Exchange has done it and does not answer; then the process is gone."""
    until(done, 60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    exchange.faults.clear()


def test_a_service_that_is_killed_in_the_middle_of_a_create_leaves_nothing_undone_and_nothing_twice(
    org: Org, exchange: Simulator, token: str
) -> None:
    fault(exchange, "commit_then_hang", "create", seconds=30)
    with gunicorn() as (process, url), ThreadPoolExecutor(1) as pool:
        headers = {"Authorization": f"Bearer {token}"}
        call = pool.submit(requests.post, url, json=event(ANNA), headers=headers, timeout=60)
        _die_in_the_middle(exchange, "create", process, lambda: everybody(exchange, "Advice", TEST, ANNA))
        with pytest.raises(requests.RequestException):
            call.result(timeout=10)
    assert Appointment.objects.in_work().count() == 2
    _repaired()
    assert everybody(exchange, "Advice", TEST, ANNA)


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_a_repair_worker_that_is_killed_in_the_middle_is_replaced_by_another(
    org: Org, exchange: Simulator, token: str, verb: str
) -> None:
    salesforce = Salesforce(token)
    if verb != "create":
        salesforce.write("POST", event(ANNA))
    Org.objects.update(write_deadline=1)
    fault(exchange, "drop", verb)
    fault(exchange, "drop", "find")
    last: dict[str, Call] = {
        "create": create(ANNA), "update": change(ANNA, subject="Changed"), "delete": cancel(attendees=[ANNA])
    }  # fmt: skip
    last[verb](salesforce)
    time_passes(settings.SETTLING_TIME + 1)
    Org.objects.update(write_deadline=20)
    exchange.faults.clear()
    fault(exchange, "commit_then_hang", verb, seconds=30)
    right = {"create": ("Advice", TEST, ANNA), "update": ("Changed", TEST, ANNA), "delete": ("",)}[verb]
    with program("manage.py", "resync") as process:
        _die_in_the_middle(exchange, verb, process, lambda: everybody(exchange, *right))
    _repaired()
    assert everybody(exchange, *right)


def _repaired() -> None:
    """By another process, after the lease; and by one that looks once more."""
    time_passes(20 + leases.MARGIN + 1)
    with program("manage.py", "resync") as process:
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, "2 done, 0 failed" in said) == (0, True), said
    time_passes(settings.SETTLING_TIME + 1)
    assert resync()[0] == 0
    assert not Appointment.objects.unfinished().exists()


def test_loops_do_each_appointment_once_between_them_and_end_on_sigterm(
    org: Org, exchange: Simulator, token: str
) -> None:
    Org.objects.update(write_deadline=1)
    fault(exchange, "drop", "create")
    for n in range(10):
        Salesforce(token).write("POST", event(ANNA, CARL, id=f"event-{n}"))
    time_passes(3600)
    exchange.reset()
    Org.objects.update(write_deadline=20)
    with program("manage.py", "resync", "--loop") as one, program("manage.py", "resync", "--loop") as two:
        until(lambda: not Appointment.objects.filter(applied_version=0).exists(), 60)
        until(lambda: not Appointment.objects.in_work().exists())
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=30)[0] for process in (one, two)]
    assert [process.returncode for process in (one, two)] == [0, 0], said
    done = [int(number) for text in said for number in re.findall(r"resync: (\d+) done, 0 failed", text)]
    assert (len(done), sum(done)) == (2, 30), said
    created = exchange.counters["ews.CreateItem"] + exchange.counters["graph.batch.POST events"]
    assert created + exchange.counters["graph.POST events"] == 30
    assert len(held(exchange, ANNA)) == len(held(exchange, TEST)) == 10
