"""What an Appointment says: the Event's words, the Org's choices, and what the person made of it."""

from typing import Any

import pytest

from calendar_backends.simulator import Simulator
from orgs.models import Org
from scheduler_api.models import Appointment
from tests.conftest import Salesforce, event, held, utc
from tests.scheduler_api.calls import ANNA, CARL, OK, ORGANIZER, TEST, fault, resync, update


def change(salesforce: Salesforce, **changes: Any) -> dict[str, str]:
    return salesforce.write("PUT", update(event(ANNA), event(ANNA, **changes)))


def invited(*people: tuple[str, bool]) -> list[dict[str, Any]]:
    return [{"email": email, "isRequired": required} for email, required in people]


# --- what the Org chooses


@pytest.mark.parametrize(("html", "kind"), [(True, "html"), (False, "text")])
def test_the_body_is_what_the_org_says_it_is(
    exchange: Simulator, salesforce: Salesforce, html: bool, kind: str
) -> None:
    Org.objects.update(html_body=html)
    salesforce.write("POST", event(ANNA, body="<p>About &amp; more</p>"))
    [item] = held(exchange, ANNA)
    assert (item.body, item.body_type) == ("<p>About &amp; more</p>", kind)
    assert resync("--verify")[0] == 0
    change(salesforce, body="<p>Changed</p>")
    [item] = held(exchange, ANNA)
    assert (item.body, item.body_type) == ("<p>Changed</p>", kind)


@pytest.mark.parametrize("show_as", ["busy", "tentative", "free"])
def test_who_need_not_come_is_shown_as_the_org_chooses_and_everybody_else_as_busy(
    exchange: Simulator, salesforce: Salesforce, show_as: str
) -> None:
    Org.objects.update(optional_show_as=show_as)
    people = invited((ANNA, True), (CARL, False), (TEST, False))
    salesforce.write("POST", event(attendees=people))
    assert [held(exchange, address)[0].show_as for address in (TEST, ANNA, CARL)] == ["busy", "busy", show_as]
    assert resync("--verify")[1].count("verify: 0 to repair") == 1


def test_who_must_come_from_now_on_is_shown_as_busy_and_nothing_else_is_written(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    Org.objects.update(optional_show_as="free")
    salesforce.write("POST", event(attendees=invited((ANNA, True), (CARL, False))))
    for address in (ANNA, CARL):
        held(exchange, address)[0].subject = "Edited"
    salesforce.write("PUT", update(event(), event(attendees=invited((ANNA, False), (CARL, True)))))
    shown = [(item.subject, item.show_as) for a in (ANNA, CARL) for item in held(exchange, a)]
    assert shown == [("Edited", "free"), ("Edited", "busy")]


@pytest.mark.parametrize(("minutes", "expected"), [(None, (False,)), (0, (True, 0)), (30, (True, 30))])
def test_the_reminder_is_the_orgs(
    exchange: Simulator, salesforce: Salesforce, minutes: int | None, expected: tuple[Any, ...]
) -> None:
    Org.objects.update(reminder_minutes=minutes)
    salesforce.write("POST", event(ANNA))
    [item] = held(exchange, ANNA)
    assert (item.reminder, item.reminder_minutes)[: len(expected)] == expected


# --- what an update writes


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"startTime": "2020-10-16T09:00:00Z"}, {"subject", "body", "location"}),
        ({"subject": "Changed"}, {"body", "location", "start"}),
        ({"body": "Changed"}, {"subject", "location", "start"}),
        ({"location": "Changed"}, {"subject", "body", "start"}),
    ],
    ids=["times", "subject", "body", "location"],
)
def test_an_update_writes_what_differs_and_leaves_alone_what_the_person_made_of_the_rest(
    exchange: Simulator, salesforce: Salesforce, changes: dict[str, str], kept: set[str]
) -> None:
    salesforce.write("POST", event(ANNA))
    edited = {"subject": "Mine", "body": "My notes", "location": "My room", "start": utc("2020-10-16 10:30")}
    [item] = held(exchange, ANNA)
    for name, value in {**edited, "categories": ["Red"], "reminder_minutes": 45}.items():
        setattr(item, name, value)
    assert change(salesforce, **changes)[ANNA] == OK
    assert {name for name in edited if getattr(item, name) == edited[name]} == kept
    assert (item.categories, item.reminder_minutes) == (["Red"], 45)


def test_a_repetition_writes_everything_but_the_reminder(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    [item] = held(exchange, ANNA)
    item.subject, item.location, item.reminder_minutes, item.categories = "Mine", "My room", 45, ["Red"]
    assert salesforce.write("POST", event(ANNA))[ANNA] == OK
    assert (item.subject, item.location) == ("Advice", "Room 1")
    assert (item.reminder_minutes, item.categories) == (45, ["Red"])


def test_what_an_update_could_not_write_is_written_with_the_next_one(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    salesforce.write("POST", event(ANNA))
    [item] = held(exchange, ANNA)
    item.body = "My notes"
    exchange.world.mailbox(ANNA).state = "denied"  # type: ignore[union-attr]
    assert change(salesforce, subject="Second")[ANNA] != OK
    assert change(salesforce, subject="Second", location="Third")[ANNA] != OK
    exchange.world.mailbox(ANNA).state = "ok"  # type: ignore[union-attr]
    assert resync()[0] == 0
    assert (item.subject, item.location, item.body) == ("Second", "Third", "My notes")


def test_what_a_repetition_could_not_write_is_written_with_the_next_update(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    salesforce.write("POST", event(ANNA))
    [item] = held(exchange, ANNA)
    item.location = "My room"
    exchange.world.mailbox(ANNA).state = "denied"  # type: ignore[union-attr]
    assert salesforce.write("POST", event(ANNA))[ANNA] != OK
    exchange.world.mailbox(ANNA).state = "ok"  # type: ignore[union-attr]
    assert change(salesforce, subject="Changed")[ANNA] == OK
    assert (item.subject, item.location) == ("Changed", "Room 1")


def test_what_was_changed_and_changed_back_is_written(exchange: Simulator, salesforce: Salesforce) -> None:
    """The first change may have come through although it was reported as lost."""
    salesforce.write("POST", event(ANNA))
    Org.objects.update(write_deadline=1)
    fault(exchange, "commit_then_drop", "update", mailbox=ANNA)
    assert change(salesforce, subject="Second")[ANNA] != OK
    exchange.faults.clear()
    salesforce.write("PUT", update(event(ANNA, subject="Second"), event(ANNA)))
    assert [item.subject for item in held(exchange, ANNA)] == ["Advice"]


def test_a_newcomer_gets_everything(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    salesforce.write("PUT", update(event(ANNA), event(ANNA, CARL, subject="Changed")))
    [item] = held(exchange, CARL)
    assert (item.subject, item.body, item.location) == ("Changed", "About mortgages", "Room 1")


def test_who_left_and_comes_back_gets_everything(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA, CARL))
    salesforce.write("PUT", update(event(ANNA, CARL), event(ANNA, subject="Second")))
    salesforce.write("PUT", update(event(ANNA), event(ANNA, CARL, subject="Second", location="Third")))
    [item] = held(exchange, CARL)
    assert (item.subject, item.location) == ("Second", "Third")


def test_an_empty_text_is_written_too(exchange: Simulator, salesforce: Salesforce) -> None:
    salesforce.write("POST", event(ANNA))
    change(salesforce, body="", location=None)
    [item] = held(exchange, ANNA)
    assert (item.subject, item.body, item.location) == ("Advice", "", "")


def test_times_are_the_same_moments_whatever_the_zone_and_a_whole_day_is_no_all_day_entry(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    times = {"startTime": "2020-10-16T00:00:00Z", "endTime": "2020-10-17T00:00:00Z"}
    salesforce.write("POST", event(ANNA, ORGANIZER, **times))
    [item] = held(exchange, ANNA)
    assert (item.start, item.end, item.is_all_day) == (
        utc("2020-10-16 00:00"),
        utc("2020-10-17 00:00"),
        False,
    )
    item.is_all_day = True
    change(salesforce, startTime="2020-10-16T01:00:00Z", endTime="2020-10-16T02:00:00Z")
    assert (item.start, item.end, item.is_all_day) == (
        utc("2020-10-16 01:00"),
        utc("2020-10-16 02:00"),
        False,
    )


def test_a_newcomer_to_an_event_that_is_unfinished_is_not_confused_with_the_others(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    exchange.world.mailbox(ANNA).state = "denied"  # type: ignore[union-attr]
    salesforce.write("POST", event(ANNA))
    codes = salesforce.write("PUT", update(event(ANNA), event(ANNA, CARL)))
    assert (codes[TEST], codes[CARL]) == (OK, OK)
    assert codes[ANNA] != OK
    assert Appointment.objects.get(mailbox=ANNA).behind
