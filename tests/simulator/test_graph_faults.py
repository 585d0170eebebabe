"""Faults on demand that belong to the Graph face."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import RemoteDisconnected
from typing import Any

import pytest

from calendar_backends.simulator import Fault
from tests.simulator.graph_client import ANNA, BEN, EVENT, GraphClient, contoso

NINE, TEN = (datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (9, 10))


@pytest.fixture
def graph() -> Iterator[GraphClient]:
    with contoso() as client:
        client.tenant.mailboxes[ANNA].add_item("x", NINE, TEN)
        client.tenant.mailboxes[BEN].add_item("x", NINE, TEN)
        yield client


def add(graph: GraphClient, kind: str, **parameters: Any) -> None:
    graph.simulator.faults.add(Fault(kind, **parameters))


def entries(graph: GraphClient) -> list[dict[str, Any]]:
    return list(graph.schedule(ANNA, BEN).json["value"])


def test_any_error_can_be_asked_for(graph: GraphClient) -> None:
    add(graph, "error", status=507, code="ErrorQuotaExceeded", inner="quota", retry_after=3, times=1)
    refused = graph.checked("POST", f"/users/{ANNA}/events", EVENT)
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (507, "ErrorQuotaExceeded", "3")
    assert refused.json["error"]["innerError"]["code"] == "quota"
    assert graph.checked("POST", f"/users/{ANNA}/events", EVENT).status == 201


def test_an_error_for_one_mailbox_hits_a_getschedule_that_asks_about_it(graph: GraphClient) -> None:
    add(graph, "error", operation="graph.getSchedule", mailbox=BEN, status=504, code="UnknownError")
    assert graph.schedule(ANNA, BEN).status == 504
    assert graph.schedule(ANNA).status == 200


def test_throttling_says_when_to_come_back(graph: GraphClient) -> None:
    add(graph, "throttle", operation="graph.getSchedule", retry_after=12)
    refused = graph.schedule()
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (
        429,
        "ApplicationThrottled",
        "12",
    )


def test_a_token_can_expire_before_its_time(graph: GraphClient) -> None:
    add(graph, "token_expired", times=1)
    assert graph.schedule().code == "InvalidAuthenticationToken"
    assert graph.schedule().status == 200


def test_one_schedule_can_be_given_an_error(graph: GraphClient) -> None:
    add(graph, "schedule_error", mailbox=BEN, response_code="5016", message="Proxy failed for {address}.")
    anna, ben = entries(graph)
    assert len(anna["scheduleItems"]) == 1
    assert ben["error"] == {"responseCode": "5016", "message": f"Proxy failed for {BEN}."}
    assert ben["scheduleItems"] == []


def test_an_entry_can_be_missing(graph: GraphClient) -> None:
    add(graph, "entry_missing", operation="graph.getSchedule", mailbox=ANNA)
    assert [entry["scheduleId"] for entry in entries(graph)] == [BEN]


def test_entries_can_come_in_another_order(graph: GraphClient) -> None:
    add(graph, "reordered")
    assert [entry["scheduleId"] for entry in entries(graph)] == [BEN, ANNA]


@pytest.mark.parametrize(
    ("kind", "parameters", "status"),
    [("capital_status", {}, "Busy"), ("unknown_status", {"value": "commuting"}, "commuting")],
)
def test_a_status_can_be_spelt_strangely(
    graph: GraphClient, kind: str, parameters: dict[str, str], status: str
) -> None:
    add(graph, kind, mailbox=ANNA, **parameters)
    assert [entry["scheduleItems"][0]["status"] for entry in entries(graph)] == [status, "busy"]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("naive", "2026-11-23T09:00:00"),
        ("z", "2026-11-23T09:00:00Z"),
        ("offset", "2026-11-23T11:00:00+02:00"),
        ("fraction", "2026-11-23T09:00:00.123"),
        ("garbage", "tomorrow-ish"),
    ],
)
def test_times_can_come_in_every_style(graph: GraphClient, style: str, text: str) -> None:
    add(graph, "time_format", mailbox=ANNA, format=style)
    anna, ben = (entry["scheduleItems"][0]["start"]["dateTime"] for entry in entries(graph))
    assert (anna, ben) == (text, "2026-11-23T09:00:00.0000000")


@pytest.mark.parametrize(("kind", "digits"), [("view_none", set()), ("merged_only", {"0", "2"})])
def test_a_view_can_be_less_than_asked(graph: GraphClient, kind: str, digits: set[str]) -> None:
    add(graph, kind, mailbox=ANNA)
    anna, ben = entries(graph)
    assert (anna["scheduleItems"], set(anna["availabilityView"])) == ([], digits)
    assert "error" not in anna
    assert len(ben["scheduleItems"]) == 1


def test_times_can_come_in_a_windows_zone(graph: GraphClient) -> None:
    add(graph, "windows_zone", mailbox=ANNA)
    start = entries(graph)[0]["scheduleItems"][0]["start"]
    assert start == {"dateTime": "2026-11-23T10:00:00.0000000", "timeZone": "W. Europe Standard Time"}


def test_a_lost_answer_leaves_the_event_behind(graph: GraphClient) -> None:
    add(graph, "commit_then_drop", operation="graph.POST events", times=1)
    with pytest.raises(RemoteDisconnected):
        graph.call("POST", f"/users/{BEN}/events", EVENT)
    assert graph.create(BEN)["subject"] == "Loan review"
    assert len(graph.tenant.mailboxes[BEN].items) == 2


def test_a_transport_fault_for_one_schedule_hits_the_whole_call(graph: GraphClient) -> None:
    add(graph, "drop", operation="graph.getSchedule", mailbox=BEN)
    with pytest.raises(RemoteDisconnected):
        graph.schedule(ANNA, BEN)
    assert graph.schedule(ANNA).status == 200
