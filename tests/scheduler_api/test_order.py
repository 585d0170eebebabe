"""Calls that arrive late: what was declared last stays, whatever comes after it."""

from typing import Any

import pytest

from calendar_backends.simulator import Simulator
from scheduler_api.models import Event
from tests.conftest import Salesforce, event, held, utc
from tests.scheduler_api.calls import ANNA, NEVER_SEEN, OK, STALE, TEST, delete, ledger, time_passes, update


def create(salesforce: Salesforce, sequence: int | None, **changes: Any) -> dict[str, str]:
    return salesforce.write("POST", event(ANNA, sequence=sequence, **changes))


def change(salesforce: Salesforce, sequence: int | None, **changes: Any) -> dict[str, str]:
    return salesforce.write("PUT", update(event(ANNA), event(ANNA, **changes), sequence=sequence))


def cancel(salesforce: Salesforce, sequence: int | None) -> dict[str, str]:
    return salesforce.write("DELETE", delete(ANNA, sequence=sequence))


def subjects(exchange: Simulator, address: str = ANNA) -> list[str]:
    return [item.subject for item in held(exchange, address)]


BOTH_OK = {TEST: OK, ANNA: OK}
BOTH_STALE = {TEST: STALE, ANNA: STALE}


@pytest.mark.parametrize("call", [create, change, cancel])
def test_what_was_overtaken_says_so_and_changes_nothing(
    exchange: Simulator, salesforce: Salesforce, call: Any
) -> None:
    create(salesforce, 10, subject="Right")
    before = ledger()
    exchange.reset()
    assert call(salesforce, 9) == BOTH_STALE
    assert exchange.round_trips() == 0
    assert ledger() == before
    assert subjects(exchange) == ["Right"]


def test_who_is_named_by_what_was_overtaken_gets_a_row_of_their_own_in_the_callers_order(
    salesforce: Salesforce,
) -> None:
    create(salesforce, 10)
    answer = salesforce.send("PUT", "postback", update(event("b@x.org"), event("a@x.org"), sequence=9))
    rows = [(row["email"], row["errorCode"]) for row in answer.json()]
    assert rows[:3] == [(TEST, STALE), ("a@x.org", STALE), ("b@x.org", STALE)]


def test_the_same_number_again_is_a_repetition(exchange: Simulator, salesforce: Salesforce) -> None:
    create(salesforce, 10)
    assert create(salesforce, 10, subject="Again") == BOTH_OK
    assert change(salesforce, 10, subject="And again") == BOTH_OK
    assert subjects(exchange) == ["And again"]
    assert cancel(salesforce, 11) == cancel(salesforce, 11) == BOTH_OK
    assert subjects(exchange) == []


@pytest.mark.parametrize("late", [create, change])
@pytest.mark.parametrize("number", [10, 11])
def test_up_to_the_number_of_the_delete_nothing_comes_back_ever(
    exchange: Simulator, salesforce: Salesforce, late: Any, number: int
) -> None:
    create(salesforce, 10)
    cancel(salesforce, 11)
    time_passes(86_400 * 365)
    assert late(salesforce, number) == BOTH_STALE
    assert subjects(exchange) == []


@pytest.mark.parametrize("again", [create, change])
def test_a_higher_number_after_a_delete_is_a_new_booking_at_once(
    exchange: Simulator, salesforce: Salesforce, again: Any
) -> None:
    create(salesforce, 10)
    cancel(salesforce, 11)
    assert again(salesforce, 12, subject="Anew") == BOTH_OK
    assert subjects(exchange) == subjects(exchange, TEST) == ["Anew"]


def test_numbers_may_be_below_zero_and_as_large_as_a_replay_id(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    assert create(salesforce, -(2**63)) == BOTH_OK
    assert change(salesforce, 2**63 - 1, subject="Last") == BOTH_OK
    assert change(salesforce, 0) == BOTH_STALE
    assert subjects(exchange) == ["Last"]


@pytest.mark.parametrize("late", [create, change])
def test_without_numbers_what_comes_shortly_after_a_delete_is_overtaken(
    exchange: Simulator, salesforce: Salesforce, late: Any, settings: Any
) -> None:
    settings.TOMBSTONE_WINDOW = 120
    create(salesforce, None)
    cancel(salesforce, None)
    time_passes(110)
    assert late(salesforce, None) == BOTH_STALE
    assert subjects(exchange) == []
    time_passes(20)
    assert late(salesforce, None) == BOTH_OK
    assert subjects(exchange) == ["Advice"]


@pytest.mark.parametrize(("first", "second"), [(7, None), (None, 7)])
def test_where_only_one_of_the_two_has_a_number_the_window_decides(
    exchange: Simulator, salesforce: Salesforce, first: int | None, second: int | None
) -> None:
    cancel(salesforce, first)
    assert create(salesforce, second) == BOTH_STALE
    time_passes(121)
    assert create(salesforce, second) == BOTH_OK
    assert subjects(exchange) == ["Advice"]


@pytest.mark.parametrize(("deleted", "created"), [(None, None), (8, 7), (8, 8)])
def test_a_create_that_its_delete_has_overtaken_on_the_way_books_nothing(
    exchange: Simulator, salesforce: Salesforce, deleted: int | None, created: int | None
) -> None:
    assert cancel(salesforce, deleted) == {TEST: NEVER_SEEN, ANNA: NEVER_SEEN}
    assert create(salesforce, created) == BOTH_STALE
    assert subjects(exchange) == []


def test_a_call_without_a_number_does_not_let_older_numbers_in(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    create(salesforce, 10)
    change(salesforce, None, subject="Unnumbered")
    assert change(salesforce, 9, subject="Old") == BOTH_STALE
    assert subjects(exchange) == ["Unnumbered"]


def test_what_was_overtaken_is_overtaken_for_its_event_only(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    create(salesforce, 10)
    assert create(salesforce, 1, id="event-2", startTime="2020-10-16T10:30:00Z") == BOTH_OK
    assert [item.start for item in held(exchange, ANNA)] == [
        utc("2020-10-16 10:00"),
        utc("2020-10-16 10:30"),
    ]


@pytest.mark.parametrize("value", ["one", "", 1.5, [1], {"a": 1}, 2**63, -(2**63) - 1])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_sequence_that_is_no_integer_is_refused_by_name(
    exchange: Simulator, salesforce: Salesforce, method: str, value: Any
) -> None:
    body = {"POST": event(), "PUT": update(event(), event()), "DELETE": delete()}[method]
    answer = salesforce.send(method, "postback", {**body, "sequence": value})
    assert answer.status_code == 400
    assert [error["attr"] for error in answer.json()["errors"]] == ["sequence"]
    assert not Event.objects.exists()


def test_a_delete_reads_its_sequence_from_the_query(exchange: Simulator, salesforce: Salesforce) -> None:
    create(salesforce, 10)
    answer = salesforce.send("DELETE", f"postback?id=event-1&organizerEmail={TEST}&sequence=9")
    assert {row["errorCode"] for row in answer.json()} == {STALE}
    assert salesforce.send("DELETE", "postback?id=event-1&sequence=nine").status_code == 400
    assert salesforce.send("POST", "postback/delete", {"id": "event-1", "sequence": 11}).status_code == 200
    assert subjects(exchange) == []
