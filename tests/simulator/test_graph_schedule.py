"""getSchedule: free/busy of up to twenty people, and what goes wrong for one of them or for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.simulator.graph_client import ANNA, BEN, GraphClient, contoso
from tests.simulator.graph_schema import SCHEDULES, validate


@pytest.fixture
def graph() -> Iterator[GraphClient]:
    with contoso() as client:
        yield client


def at(hour: int, minute: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def time(text: str, zone: str = "UTC") -> dict[str, str]:
    return {"dateTime": text, "timeZone": zone}


def entries(graph: GraphClient, *schedules: str, **changes: Any) -> list[dict[str, Any]]:
    answer = graph.schedule(*schedules, **changes)
    assert answer.status == 200, answer.raw
    validate(answer.json, SCHEDULES)
    return list(answer.json["value"])


def test_items_come_back_whole_in_utc_with_seven_digits(graph: GraphClient) -> None:
    anna = graph.tenant.mailboxes[ANNA]
    anna.add_item("Night shift", at(22, day=22), at(1), show_as="oof", location="Oslo")
    [entry] = entries(graph, "ANNA@contoso.example")
    [item] = entry["scheduleItems"]
    assert entry["scheduleId"] == "ANNA@contoso.example"
    assert item["start"] == time("2026-11-22T22:00:00.0000000")
    assert (item["status"], item["subject"], item["location"]) == ("oof", "Night shift", "Oslo")


def test_items_outside_the_window_are_left_out(graph: GraphClient) -> None:
    graph.tenant.mailboxes[ANNA].add_item("Yesterday", at(22, day=22), at(0))
    assert entries(graph)[0]["scheduleItems"] == []


def test_the_view_shows_the_busiest_status_and_working_elsewhere_as_free(graph: GraphClient) -> None:
    anna = graph.tenant.mailboxes[ANNA]
    for hour, status in enumerate(("free", "workingElsewhere", "tentative", "busy", "oof")):
        anna.add_item(status, at(hour), at(hour + 1), show_as=status)
    anna.add_item("overlap", at(3, 30), at(4, 30), show_as="tentative")
    assert entries(graph)[0]["availabilityView"] == "00123" + "0" * 19


def test_a_whole_day_is_one_digit_at_the_longest_interval(graph: GraphClient) -> None:
    graph.tenant.mailboxes[ANNA].add_item("x", at(9), at(10))
    assert entries(graph, availabilityViewInterval=1440)[0]["availabilityView"] == "2"


def test_a_private_item_keeps_its_subject_to_itself(graph: GraphClient) -> None:
    graph.tenant.mailboxes[ANNA].add_item("Doctor", at(9), at(10), is_private=True)
    [item] = entries(graph)[0]["scheduleItems"]
    assert item["isPrivate"] is True
    assert "subject" not in item


def test_free_busy_permission_shows_times_only(graph: GraphClient) -> None:
    graph.app.permissions = {"Calendars.ReadBasic.All"}
    graph.tenant.mailboxes[ANNA].add_item("Loan review", at(9), at(10))
    assert "subject" not in entries(graph)[0]["scheduleItems"][0]


def test_awkward_text_survives_the_way(graph: GraphClient) -> None:
    graph.tenant.mailboxes[ANNA].add_item('"Å\\ \n\u2028', at(9), at(10))
    assert entries(graph)[0]["scheduleItems"][0]["subject"] == '"Å\\ \n\u2028'


def test_a_preferred_time_zone_moves_the_answer(graph: GraphClient) -> None:
    graph.tenant.mailboxes[ANNA].add_item("x", at(9), at(10))
    body = {
        "schedules": [ANNA],
        "startTime": time("2026-11-23T00:00:00"),
        "endTime": time("2026-11-24T00:00:00"),
    }
    zone = "W. Europe Standard Time"
    path = f"/users/{ANNA}/calendar/getSchedule"
    answer = graph.checked("POST", path, body, Prefer=f'outlook.timezone="{zone}"')
    assert answer.json["value"][0]["scheduleItems"][0]["start"] == time("2026-11-23T10:00:00.0000000", zone)
    assert answer.headers["preference-applied"] == f'outlook.timezone="{zone}"'


def test_the_window_is_read_in_its_own_zone(graph: GraphClient) -> None:
    graph.tenant.mailboxes[ANNA].add_item("x", at(23, 30, day=22), at(23, 45, day=22))
    start, end = time("2026-11-23T00:00:00", "Europe/Oslo"), time("2026-11-23T01:00:00", "Europe/Oslo")
    assert len(entries(graph, startTime=start, endTime=end)[0]["scheduleItems"]) == 1


def test_parameters_may_begin_with_a_capital(graph: GraphClient) -> None:
    body = {
        "Schedules": [BEN],
        "StartTime": time("2026-11-23T00:00:00Z"),
        "EndTime": time("2026-11-23T12:00:00"),
        "AvailabilityViewInterval": "60",
    }
    answer = graph.call("POST", f"/users/{ANNA}/calendar/getschedule", body)
    assert answer.json["value"][0]["availabilityView"] == "0" * 12


def test_an_unknown_address_is_an_error_with_a_number_inside_a_200(graph: GraphClient) -> None:
    good, bad = entries(graph, BEN, "nobody@contoso.example")
    assert "error" not in good
    assert bad["error"]["responseCode"] == "5009"
    assert (bad["scheduleItems"], bad["availabilityView"]) == ([], "")


def test_an_alias_is_found_as_a_schedule(graph: GraphClient) -> None:
    [entry] = entries(graph, "a.holm@contoso.example")
    assert entry["scheduleId"] == "a.holm@contoso.example"
    assert "error" not in entry


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("unlicensed", "5009"),
        ("on_premises", "5021"),
        ("disabled", "ErrorMailboxLogonFailed"),
        ("moving", "ErrorMailboxMoveInProgress"),
        ("no_calendar", "ErrorNoCalendar"),
        ("denied", "ErrorNoFreeBusyAccess"),
        ("store_unavailable", "ErrorMailboxStoreUnavailable"),
    ],
)
def test_a_schedule_that_is_not_well_carries_an_error(graph: GraphClient, state: str, code: str) -> None:
    graph.tenant.mailboxes[BEN].state = state
    assert entries(graph, BEN)[0]["error"]["responseCode"] == code


def test_more_than_a_thousand_items_are_too_many(graph: GraphClient) -> None:
    for _ in range(1001):
        graph.tenant.mailboxes[ANNA].add_item("x", at(9), at(10))
    assert entries(graph)[0]["error"]["responseCode"] == "5006"


def test_more_than_twenty_schedules_are_refused(graph: GraphClient) -> None:
    assert graph.schedule(*[ANNA] * 20).status == 200
    refused = graph.schedule(*[ANNA] * 21)
    assert (refused.status, refused.code) == (400, "ErrorMailboxDataArrayTooBig")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"endTime": time("2026-11-23T00:00:00")}, 400, "ErrorInvalidTimeInterval"),
        ({"endTime": time("2027-01-24T00:00:00")}, 400, "ErrorTimeIntervalTooBig"),
        ({"availabilityViewInterval": 4}, 400, "ErrorInvalidMergedFreeBusyInterval"),
        ({"availabilityViewInterval": 1441}, 400, "ErrorInvalidMergedFreeBusyInterval"),
        ({"endTime": time("2026-11-23T00:30:00")}, 400, "ErrorInvalidMergedFreeBusyInterval"),
        ({"availabilityViewInterval": None}, 500, "ErrorInternalServerError"),
        ({"schedules": []}, 400, "ErrorInvalidRequest"),
        ({"schedules": ANNA}, 400, "RequestBodyRead"),
        ({"startTime": time("tomorrow")}, 400, "RequestBodyRead"),
        ({"startTime": time("2026-13-45T00:00:00")}, 400, "RequestBodyRead"),
        ({"startTime": time("2026-11-23T00:00:00", "Mars")}, 400, "TimeZoneNotSupportedException"),
        ({"startTime": time("2026-11-23T00:00:00", "")}, 400, "TimeZoneNotSupportedException"),
        ({"colour": "red"}, 400, "RequestBodyRead"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    graph: GraphClient, changes: dict[str, Any], status: int, code: str
) -> None:
    refused = graph.schedule(**changes)
    assert (refused.status, refused.code) == (status, code)


def test_sixty_two_days_less_a_minute_are_allowed(graph: GraphClient) -> None:
    assert len(entries(graph, endTime=time("2027-01-23T23:59:00"))) == 1


def test_a_bad_anchor_fails_the_whole_call(graph: GraphClient) -> None:
    refused = graph.schedule(ANNA, anchor="nobody@contoso.example")
    assert (refused.status, refused.code) == (404, "ErrorInvalidUser")
