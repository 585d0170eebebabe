"""The chaos run's own parts: what it plans follows from the seed, and what it compares it sees."""

from datetime import timedelta
from typing import Any

import pytest

from tests.chaos.compare import compare
from tests.chaos.plan import Booking, EventPlan, plan_events
from tests.chaos.salesforce import message
from tests.chaos.trouble import plan_troubles
from tests.chaos.world import PRIVATE, START


def test_a_seed_always_plans_the_same() -> None:
    assert plan_events(7, 40) == plan_events(7, 40) != plan_events(8, 40)
    assert plan_troubles(7, 300, ["one", "two"]) == plan_troubles(7, 300, ["one", "two"])


def test_a_longer_plan_begins_as_the_shorter_one() -> None:
    assert plan_events(7, 40)[:10] == plan_events(7, 10)


def test_the_plan_has_every_sort_of_call() -> None:
    kinds = {call.kind for plan in plan_events(7, 100) for call in plan.calls}
    assert kinds == {"create", "content", "people", "organizer", "delete", "repeat", "late", "twins"}


def test_a_call_that_decides_the_end_is_never_given_up() -> None:
    for plan in plan_events(7, 100):
        decisive = [call for call in plan.calls if call.sequence == plan.last.sequence]
        assert all(call.insist for call in decisive)
        assert len({call.booking for call in decisive}) == 1


def test_a_late_call_has_a_lower_sequence_than_one_before_it() -> None:
    for plan in plan_events(7, 100):
        for place, call in enumerate(plan.calls):
            if call.kind == "late":
                assert call.sequence < max(earlier.sequence for earlier in plan.calls[:place])


def test_every_body_carries_its_sequence() -> None:
    for plan in plan_events(7, 40):
        assert all(message(call)[1]["sequence"] == call.sequence for call in plan.calls)


@pytest.fixture
def plan() -> EventPlan:
    return next(plan for plan in plan_events(7, 40) if plan.last.booking)


def booking_of(plan: EventPlan) -> Booking:
    assert plan.last.booking
    return plan.last.booking


def right(plan: EventPlan, **changes: Any) -> dict[str, Any]:
    """The item that should be found."""
    booking = booking_of(plan)
    return {
        **{name: getattr(booking, name) for name in ("subject", "body", "location")},
        "start": booking.start.isoformat(),
        "end": booking.end.isoformat(),
        "show_as": "busy",
        "attendees": [],
        **dict.fromkeys(("created", "modified", "id"), ""),
        **changes,
    }


def found(plan: EventPlan, *items: dict[str, Any], stranger: bool = False) -> list[str]:
    """The kinds of differences in the organizer's calendar, or in that of one who is not invited."""
    mailbox = "stranger@over-ews.example" if stranger else booking_of(plan).people[0]
    private = [{"subject": subject} for subject in PRIVATE]
    return [difference.kind for difference in compare(mailbox, [*private, *items], [plan])]


def test_what_was_declared_last_is_right(plan: EventPlan) -> None:
    assert found(plan, right(plan)) == []
    assert found(plan, stranger=True) == []


def test_nothing_is_missing(plan: EventPlan) -> None:
    assert found(plan) == ["missing"]


def test_a_copy_is_extra(plan: EventPlan) -> None:
    assert found(plan, right(plan), right(plan)) == ["extra"]


def test_an_item_of_somebody_who_is_not_invited_is_extra(plan: EventPlan) -> None:
    assert found(plan, right(plan), stranger=True) == ["extra"]


def test_an_item_of_an_event_that_nobody_planned_is_extra(plan: EventPlan) -> None:
    assert found(plan, right(plan), right(plan, subject="event-9999 as of 10")) == ["extra"]


@pytest.mark.parametrize(
    "changes",
    [
        {"body": "Agreed before."},
        {"location": "Elsewhere"},
        {"start": (START - timedelta(days=1)).isoformat()},
        {"show_as": "free"},
        {"attendees": ["customer@example.com"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_item_that_says_something_else_is_wrong(plan: EventPlan, changes: dict[str, Any]) -> None:
    assert found(plan, right(plan, **changes)) == ["wrong"]


def test_a_persons_own_entries_must_stay(plan: EventPlan) -> None:
    differences = compare(booking_of(plan).people[0], [right(plan)], [plan])
    assert [difference.kind for difference in differences] == ["missing"] * len(PRIVATE)
