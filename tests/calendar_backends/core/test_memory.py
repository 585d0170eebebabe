"""What a process remembers of an Exchange, and when it forgets."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from calendar_backends.core.errors import CalendarError
from calendar_backends.core.memory import MOST_REMEMBERED, Recent, Throttles

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The time of day stands still until it is shifted."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def test_a_pause_runs_out(clock: time_machine.Traveller) -> None:
    throttles = Throttles()
    throttles.hold("anna", 10)
    assert throttles.left("anna") == 10
    clock.shift(9)
    assert throttles.left("anna") == 1
    clock.shift(2)
    assert throttles.left("anna") == 0


def test_a_pause_is_its_owners_alone(clock: time_machine.Traveller) -> None:
    throttles = Throttles()
    throttles.hold("anna", 10)
    assert throttles.left("ben") == 0


def test_whoever_asked_for_a_pause_is_left_alone_until_it_is_over(clock: time_machine.Traveller) -> None:
    throttles = Throttles()
    busy = CalendarError("ErrorServerBusy", retry_after=10)
    with pytest.raises(CalendarError), throttles.obeyed("anna"):
        raise busy
    clock.shift(4)
    with pytest.raises(CalendarError) as caught, throttles.obeyed("anna"):
        raise AssertionError("nothing is asked")
    assert (caught.value.code, caught.value.retry_after, caught.value.asked) == ("ErrorServerBusy", 6, False)
    clock.shift(6)
    with throttles.obeyed("anna"), throttles.obeyed("ben"):
        pass


@pytest.mark.parametrize(
    "error",
    [
        CalendarError("ErrorServerBusy"),
        CalendarError("ErrorServerBusy", retry_after=10, asked=False),
        CalendarError("ErrorTimeoutExpired", retry_after=10),
    ],
    ids=["no pause", "not asked", "another error"],
)
def test_only_a_pause_that_exchange_asked_for_is_remembered(error: CalendarError) -> None:
    throttles = Throttles()
    throttles.heed("anna", error)
    assert throttles.pending() == {}


@pytest.mark.parametrize(("first", "second"), [(10, 3), (3, 10)])
def test_of_two_pauses_the_longer_one_counts(
    clock: time_machine.Traveller, first: float, second: float
) -> None:
    throttles = Throttles()
    throttles.hold("anna", first)
    throttles.hold("anna", second)
    assert throttles.left("anna") == 10


def test_what_one_process_was_told_another_obeys(clock: time_machine.Traveller) -> None:
    ours, theirs = Throttles(), Throttles()
    theirs.hold("anna", 10)
    theirs.hold("ben", 3)
    ours.hold("ben", 7)
    ours.merge(theirs.pending())
    assert (ours.left("anna"), ours.left("ben")) == (10, 7)


def test_what_is_over_is_not_told_and_not_kept(clock: time_machine.Traveller) -> None:
    throttles = Throttles()
    throttles.hold("anna", 10)
    throttles.hold("ben", 3)
    clock.shift(5)
    assert throttles.pending() == {"anna": NOON.timestamp() + 10}
    assert throttles._until.keys() == {"anna"}


def test_a_name_that_was_noted_is_remembered() -> None:
    slow = Recent(seconds=60)
    slow.note("anna")
    assert "anna" in slow
    assert "ben" not in slow


def test_a_name_that_was_noted_too_long_ago_is_not() -> None:
    slow = Recent(seconds=0)
    slow.note("anna")
    assert "anna" not in slow


def test_a_name_can_be_forgotten_even_if_it_is_not_known() -> None:
    slow = Recent(seconds=60)
    slow.note("anna")
    slow.forget("anna")
    slow.forget("ben")
    assert "anna" not in slow


def test_of_too_many_names_the_one_noted_longest_ago_is_forgotten() -> None:
    slow = Recent(seconds=60)
    names = [f"person{number}" for number in range(MOST_REMEMBERED)]
    for name in (*names, names[0], "one more"):
        slow.note(name)
    assert names[1] not in slow
    assert all(name in slow for name in ("one more", names[0], *names[2:]))
