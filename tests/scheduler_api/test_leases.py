"""One process at a time works on an Appointment; what fails is tried again later, and not for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from threading import Barrier, Lock
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from calendar_backends.base import NO_ERROR, Deadline
from calendar_backends.core.convergence import Run
from calendar_backends.simulator import Fault, Simulator
from orgs.models import Org
from scheduler_api import leases
from scheduler_api.downsync import run_of
from scheduler_api.leases import Task, release, take
from scheduler_api.models import Appointment, Event
from tests.conftest import Salesforce, event, held, options_for
from tests.scheduler_api.calls import (
    ANNA,
    BUSY,
    CARL,
    LEFT,
    OK,
    TEST,
    delete,
    forget_throttles,
    resync,
    take_down,
    throttle,
    time_passes,
    update,
)

ews_only = pytest.mark.parametrize("backend", ["ews"])
#: Seconds that a lease lasts where the deadline is 20 seconds away.
LEASE = 20 + leases.MARGIN


def change(salesforce: Salesforce, **changes: Any) -> dict[str, str]:
    return salesforce.write("PUT", update(event(ANNA), event(ANNA, **changes)))


def row_of(address: str = ANNA) -> Appointment:
    return Appointment.objects.get(mailbox=address)


def waits(address: str = ANNA) -> float:
    """Seconds until the row is due, by the clock of the database."""
    ahead = ExpressionWrapper(Now(), output_field=DateTimeField())
    found: Any = Appointment.objects.annotate(now=ahead).get(mailbox=address)
    return float((found.due_at - found.now).total_seconds())


@pytest.fixture
def rows(db: None) -> list[Appointment]:
    """Forty that are due, of four Events of an Org whose Exchange is not there."""
    org = Org.objects.create(slug="contoso", name="Contoso", backend="ews")
    events = [Event.objects.create(org=org, salesforce_id=str(n), version=1) for n in range(4)]
    return Appointment.objects.bulk_create(
        Appointment(event=of, version=1, mailbox=f"person{n}@contoso.com", wanted=False, due_at=of.created)
        for of in events
        for n in range(10)
    )


def taken(rows: Any = None, most: int | None = None) -> list[Task]:
    return take(Appointment.objects.due() if rows is None else rows, Deadline.after(20), most=most)


def finished(task: Task) -> tuple[Task, Run]:
    """As if its mailbox had been seen to be right."""
    run = run_of(task)
    run.take({change: [] for change in run.todo})
    assert run.code == NO_ERROR
    return task, run


# --- leases


def test_what_one_has_taken_nobody_else_gets(rows: list[Appointment]) -> None:
    mine, yours = taken(most=25), taken()
    assert (len(mine), len(yours), len(taken())) == (25, 15, 0)
    assert not {task.row.pk for task in mine} & {task.row.pk for task in yours}
    assert len({task.row.lease for task in mine}) == 1


def test_the_longest_due_are_taken_first(rows: list[Appointment]) -> None:
    late = rows[17]
    Appointment.objects.filter(pk=late.pk).update(due_at=late.event.created - timedelta(days=1))
    assert [task.row.pk for task in taken(most=2)] == [late.pk, rows[0].pk]


def test_a_lease_runs_out_and_leaves_a_doubt(rows: list[Appointment]) -> None:
    [dead] = taken(most=1)
    time_passes(LEASE - 2)
    assert dead.row.pk not in {task.row.pk for task in taken()}
    time_passes(4)
    [again] = [task for task in taken() if task.row.pk == dead.row.pk]
    assert again.row.lease != dead.row.lease
    assert again.row.doubtful_until and again.row.doubtful_until > again.taken
    assert dead.row.doubtful_until is None


def test_who_has_lost_the_lease_changes_nothing_any_more(rows: list[Appointment]) -> None:
    [slow] = taken(most=1)
    time_passes(LEASE + 1)
    [other] = [task for task in taken() if task.row.pk == slow.row.pk]
    before = Appointment.objects.values().get(pk=slow.row.pk)
    release([finished(slow)])
    assert Appointment.objects.values().get(pk=slow.row.pk) == before
    release([finished(other)])
    assert Appointment.objects.get(pk=slow.row.pk).applied_version == 1


def test_who_releases_late_what_nobody_else_took_is_heard(rows: list[Appointment]) -> None:
    [slow] = taken(most=1)
    time_passes(LEASE + 1)
    release([finished(slow)])
    row = Appointment.objects.get(pk=slow.row.pk)
    assert (row.applied_version, row.lease, row.due_at) == (1, None, None)


def test_what_is_declared_meanwhile_is_due_at_once(rows: list[Appointment]) -> None:
    [task] = taken(most=1)
    Event.objects.filter(pk=task.event.pk).update(version=2)
    Appointment.objects.filter(event=task.event).update(version=2, differing=["subject"])
    release([finished(task)])
    row = Appointment.objects.get(pk=task.row.pk)
    assert (row.applied_version, row.lease, row.differing) == (1, None, ["subject"])
    assert row in Appointment.objects.due()


def test_a_row_that_was_read_with_the_content_of_before_stays_due(rows: list[Appointment]) -> None:
    """PostgreSQL locks the newest row, but joins the Event as it was when the query began."""
    [task] = taken(most=1)
    Event.objects.filter(pk=task.event.pk).update(version=2)
    Appointment.objects.filter(event=task.event).update(version=2)
    task.row.version = 2
    release([finished(task)])
    row = Appointment.objects.get(pk=task.row.pk)
    assert (row.applied_version, row.version) == (1, 2)
    assert row in Appointment.objects.due()


def test_the_release_of_one_keeps_nobody_else_from_it(rows: list[Appointment]) -> None:
    """Two of one Event in different hands, one of them overtaken."""
    mine, yours = taken(rows=Appointment.objects.filter(pk=rows[0].pk)), taken(most=3)
    release([finished(task) for task in yours])
    assert Appointment.objects.get(pk=rows[0].pk).lease == mine[0].row.lease
    assert Appointment.objects.filter(applied_version=1).count() == 3


@pytest.mark.django_db(transaction=True)
def test_workers_that_take_at_the_same_moment_share_the_work(rows: list[Appointment]) -> None:
    start = Barrier(4)

    def work(_: int) -> list[int]:
        try:
            start.wait()
            return [task.row.pk for _ in range(4) for task in taken(most=5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(work, range(4)))
    got = [pk for part in parts for pk in part]
    assert len(got) == len(set(got))
    # What another one was just taking is passed over, so a little may be left for the next round.
    assert sorted([*got, *(task.row.pk for task in taken())]) == sorted(row.pk for row in rows)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_taking_does_not_wait_for_rows_that_somebody_has_locked(rows: list[Appointment]) -> None:
    def work() -> int:
        try:
            return len(taken())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        list(Appointment.objects.filter(event=rows[0].event).select_for_update())
        assert pool.submit(work).result(timeout=5) == 30


# --- while Exchange is called, nothing is locked


@contextmanager
def _watched(org: Org, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Notes each call to Exchange, and fails where another connection could not have the ledger to itself."""
    calls: list[str] = []
    driver: Any = type(org.calendar())
    one_at_a_time = Lock()

    def lock_everything() -> None:
        try:
            with one_at_a_time, transaction.atomic():
                list(Event.objects.select_for_update(nowait=True))
                list(Appointment.objects.select_for_update(nowait=True))
        finally:
            connection.close()

    def watch(name: str) -> None:
        method = getattr(driver, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            assert not connection.in_atomic_block
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lock_everything).result(timeout=5)
            return method(*arguments, **named)

        monkeypatch.setattr(driver, name, watched)

    watch("write")
    watch("held")
    yield calls
    monkeypatch.undo()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_and_no_row_is_locked_while_exchange_is_called(
    org: Org, exchange: Simulator, salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _watched(org, monkeypatch) as calls:
        assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}
        assert change(salesforce, subject="Changed") == {TEST: OK, ANNA: OK}
        Appointment.objects.update(due_at=Now())
        assert resync()[0] == 0
        held(exchange, ANNA)[0].subject = "Edited"
        assert resync("--verify")[0] == 0
        Appointment.objects.filter(mailbox=ANNA).delete()
        assert resync("--adopt")[0] == 0
        assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    assert len(calls) >= 8


# --- what fails is tried again, later and later


def test_the_pauses_grow_up_to_a_day_and_are_not_all_the_same(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    exchange.world.mailbox(ANNA).state = "denied"  # type: ignore[union-attr]
    code = salesforce.write("POST", event(ANNA))[ANNA]
    pauses = [waits()]
    for _ in range(3):
        time_passes(waits() + 1)
        assert resync()[0] == LEFT
        pauses.append(waits())
    assert [row_of().error_code, row_of().attempts] == [code, 4]
    assert all(0.4 < pause / nominal < 1.3 for pause, nominal in zip(pauses, (5, 10, 20, 40), strict=True))
    long = set()
    for _ in range(3):
        Appointment.objects.filter(mailbox=ANNA).update(attempts=14)
        resync()
        long.add(waits())
    assert len({round(pause) for pause in long}) > 1
    assert 86_400 * 0.7 * 0.95 < min(long) <= max(long) < 86_400 * 1.26


@ews_only
def test_the_pause_that_exchange_asks_for_is_the_least(exchange: Simulator, salesforce: Salesforce) -> None:
    throttle(exchange, "create", 3000)
    assert salesforce.write("POST", event(ANNA))[ANNA] == BUSY
    assert 2900 < waits() < 3001


def test_who_will_never_accept_is_parked_and_left_alone(
    exchange: Simulator, salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "MOST_ATTEMPTS", 3)
    exchange.world.mailbox(ANNA).state = "denied"  # type: ignore[union-attr]
    code = salesforce.write("POST", event(ANNA))[ANNA]
    resync()
    assert Appointment.objects.parked().count() == 0
    status, said = resync()
    assert (status, "1 parked" in said) == (LEFT, True)
    row = row_of()
    assert (row.due_at, row.lease, row.error_code) == (None, None, code)
    assert list(Appointment.objects.parked()) == [row]
    exchange.reset()
    assert resync()[0] == 0
    assert exchange.round_trips() == 0
    assert "parked" in resync("--parked", "--dry-run")[1]


@pytest.mark.parametrize("how", ["declaration", "resync"])
def test_what_was_parked_is_revived(
    exchange: Simulator, salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(leases, "MOST_ATTEMPTS", 1)
    exchange.world.mailbox(ANNA).state = "denied"  # type: ignore[union-attr]
    salesforce.write("POST", event(ANNA))
    assert Appointment.objects.parked().count() == 1
    exchange.world.mailbox(ANNA).state = "ok"  # type: ignore[union-attr]
    if how == "resync":
        assert resync("--parked")[0] == 0
    else:
        assert salesforce.write("POST", event(ANNA))[ANNA] == OK
    assert [item.subject for item in held(exchange, ANNA)] == ["Advice"]
    assert Appointment.objects.parked().count() == 0


@pytest.mark.parametrize("state", ["store_unavailable", "moving"])
def test_what_passes_by_itself_is_never_parked(
    exchange: Simulator, salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    Org.objects.update(write_deadline=1)
    monkeypatch.setattr(leases, "MOST_ATTEMPTS", 1)
    exchange.world.mailbox(ANNA).state = state  # type: ignore[union-attr]
    salesforce.write("POST", event(ANNA))
    resync()
    assert row_of().due_at
    exchange.world.mailbox(ANNA).state = "ok"  # type: ignore[union-attr]
    assert resync()[0] == 0
    assert len(held(exchange, ANNA)) == 1


@ews_only
def test_after_years_of_an_outage_it_is_still_tried(exchange: Simulator, salesforce: Salesforce) -> None:
    """A cron job that runs every minute makes more than a thousand tries a day."""
    take_down(exchange)
    Org.objects.update(write_deadline=1)
    salesforce.write("POST", event(ANNA))
    Appointment.objects.update(attempts=5000)
    assert resync()[0] == LEFT
    assert 86_400 * 0.7 < waits() < 86_400 * 1.3
    exchange.faults.clear()
    assert resync()[0] == 0
    assert row_of().attempts == 0


def test_a_success_forgets_the_failures(exchange: Simulator, salesforce: Salesforce) -> None:
    exchange.world.mailbox(ANNA).state = "denied"  # type: ignore[union-attr]
    salesforce.write("POST", event(ANNA))
    exchange.world.mailbox(ANNA).state = "ok"  # type: ignore[union-attr]
    assert resync()[0] == 0
    row = row_of()
    assert (row.attempts, row.error_code, row.due_at, row.lease) == (0, OK, None, None)


# --- a wrong password


def _wrong_password(org: Org, exchange: Simulator) -> None:
    secret = "password" if org.backend == "ews" else "client_secret"
    org.options = {**options_for(org.backend, exchange), secret: "changed"}
    org.save()


def _sign_ins(exchange: Simulator) -> int:
    return exchange.counters["token"] + sum(n for name, n in exchange.counters.items() if "ews." in name)


def test_with_a_wrong_password_nobody_is_tried_again_and_again(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    _wrong_password(org, exchange)
    assert set(salesforce.write("POST", event(ANNA, CARL)).values()) == {"ErrorAccessDenied"}
    asked = _sign_ins(exchange)
    attempts = [row.attempts for row in Appointment.objects.all()]
    for _ in range(3):
        time_passes(3600)
        assert resync()[0] == LEFT
    assert _sign_ins(exchange) == asked
    assert [row.attempts for row in Appointment.objects.all()] == attempts
    org.options = options_for(org.backend, exchange)
    org.save()
    assert resync()[0] == 0
    assert [len(held(exchange, address)) for address in (TEST, ANNA, CARL)] == [1, 1, 1]


def test_where_nobody_was_let_in_lately_one_goes_first(
    org: Org, exchange: Simulator, salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler_api.circuit.SHORTEST_PAUSE", 0)
    _wrong_password(org, exchange)
    salesforce.write("POST", event(ANNA, CARL))
    for _ in range(3):
        exchange.reset()
        assert resync()[0] == LEFT
        assert _sign_ins(exchange) == 1


def test_an_event_of_one_mailbox_does_not_hide_from_the_others_that_nobody_is_let_in(
    org: Org, exchange: Simulator, salesforce: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler_api.circuit.SHORTEST_PAUSE", 0)
    _wrong_password(org, exchange)
    salesforce.write("POST", event(ANNA, CARL))
    salesforce.write("POST", event(id="event-2"))
    exchange.reset()
    assert set(salesforce.write("POST", event(ANNA, CARL)).values()) == {"ErrorAccessDenied"}
    assert _sign_ins(exchange) == 1


# --- busy


def _times(exchange: Simulator, *words: str) -> list[float]:
    """When Anna's mailbox was asked to do this."""
    return [
        seen.at
        for seen in exchange.requests
        if seen.mailbox == ANNA and any(word in seen.operation for word in words)
    ]


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_a_pause_that_fits_is_waited_for_and_nobody_else_waits(
    exchange: Simulator, salesforce: Salesforce, verb: str
) -> None:
    if verb != "create":
        salesforce.write("POST", event(ANNA))
    exchange.requests.clear()
    throttle(exchange, verb, 1, times=2)
    if verb == "delete":
        assert salesforce.write("DELETE", delete(ANNA)) == {TEST: OK, ANNA: OK}
    else:
        assert change(salesforce, subject="Changed") == {TEST: OK, ANNA: OK}
    asked = _times(exchange, "CreateItem", "UpdateItem", "DeleteItem", "POST events", "PATCH", "DELETE")
    assert len(asked) == 3
    assert all(later - sooner >= 0.95 for sooner, later in pairwise(asked))
    others = [seen.at for seen in exchange.requests if seen.mailbox == TEST]
    assert max(others) < asked[1]


def test_a_pause_that_does_not_fit_is_reported_at_once_and_kept(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    throttle(exchange, "create", 60)
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: BUSY}
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: BUSY}
    assert len(_times(exchange, "CreateItem", "POST events")) == 1
    exchange.faults.clear()
    forget_throttles()
    assert salesforce.write("POST", event(ANNA)) == {TEST: OK, ANNA: OK}


@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        ("ews", Fault("soap_fault", operation="ews.CreateItem", code="ErrorServerBusy", back_off_ms=0)),
        ("ews", Fault("status", operation="ews.CreateItem", code=429, headers={"Retry-After": "0"})),
        ("ews", Fault("soap_fault", operation="ews.FindItem", code="ErrorTimeoutExpired")),
        ("graph", Fault("throttle", operation="graph.POST events", retry_after=0)),
        ("graph", Fault("error", operation="graph.GET events", status=504, code="UnknownError")),
    ],
    ids=["ews-back-off-0", "ews-retry-after-0", "ews-timeout", "graph-retry-after-0", "graph-504"],
)
def test_an_exchange_that_stumbles_for_long_is_not_hammered(
    exchange: Simulator, salesforce: Salesforce, fault: Fault
) -> None:
    """Some back-offs are 0 milliseconds: https://github.com/OfficeDev/ews-managed-api/issues/293."""
    Org.objects.update(write_deadline=2)
    exchange.faults.add(Fault(fault.kind, operation=fault.operation, **fault.parameters))
    searched = fault.operation.endswith(("FindItem", "GET events"))
    codes = salesforce.write("DELETE", delete()) if searched else salesforce.write("POST", event())
    assert OK not in codes.values()
    assert exchange.round_trips() < 10
