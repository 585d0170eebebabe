"""Reading back what a calendar holds: one GET per page, the bodies as text."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from calendar_backends.base import STAMP_GUID, STAMP_NAME, CalendarError, Held, Verb, disagrees
from calendar_backends.graph import GraphBackend, found
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox
from tests.calendar_backends.graph.conftest import ANNA, CONTENT, HOUR, NINE, NOBODY, STAMP, change, soon

TIME = {"dateTime": "2026-12-01T09:00:00.0000000", "timeZone": "UTC"}
EVENT = {
    "id": "AAAA",
    "createdDateTime": "2026-11-01T08:00:00.1234567Z",
    "lastModifiedDateTime": "2026-11-02T08:00:00Z",
    "subject": None,
    "body": None,
    "location": None,
    "start": TIME,
    "end": TIME,
    "showAs": "sleeping",
    "singleValueExtendedProperties": [
        {"id": f"String {{{STAMP_GUID.upper()}}} Name {STAMP_NAME}", "value": STAMP}
    ],
}


def put(anna: Mailbox, stamp: str, hours: int = 0) -> None:
    created = NINE + timedelta(hours=hours)
    anna.add_item("copy", NINE, NINE + HOUR, properties={(STAMP_GUID, STAMP_NAME): stamp}, created=created)


def answered(exchange: Simulator, graph: GraphBackend, *events: Mapping[str, object]) -> list[Held]:
    """What is held where Graph answers with these events."""
    body = {"value": list(events)}
    exchange.faults.add(Fault("status", operation="graph.GET events", code=200, body=body))
    return graph.held(ANNA, STAMP, soon())


def test_an_item_is_read_back_in_one_round_trip(graph: GraphBackend, exchange: Simulator) -> None:
    ref = graph.create(change(Verb.CREATE), soon())
    [item] = graph.held(ANNA, STAMP, soon())
    assert (item.ref, item.stamp) == (ref, STAMP)
    assert not disagrees(item, CONTENT)
    assert exchange.round_trips() == 2


def test_every_page_is_read_as_text(
    graph: GraphBackend, exchange: Simulator, anna: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "PAGE_SIZE", 2)
    for number in range(5):
        put(anna, f"contoso/{number}", hours=-number)
    items = graph.held(ANNA, "contoso/", soon(), whole=False)
    assert [item.stamp for item in items] == [f"contoso/{4 - number}" for number in range(5)]
    pages = [request.headers["prefer"] for request in exchange.requests if request.face == "graph"]
    assert len(pages) == 3
    assert all('outlook.body-content-type="text"' in prefer for prefer in pages)
    assert all('IdType="ImmutableId"' in prefer for prefer in pages)


def test_a_prefix_of_another_case_is_another(graph: GraphBackend, anna: Mailbox) -> None:
    put(anna, "CONTOSO/1")
    put(anna, "contoso/o'brien")
    items = graph.held(ANNA, "contoso/o'", soon(), whole=False)
    assert [item.stamp for item in items] == ["contoso/o'brien"]
    assert graph.held(ANNA, "contoso/1", soon()) == []


def test_a_body_is_read_as_text_whatever_it_is(graph: GraphBackend) -> None:
    page = '<p>See <a href="https://contoso.example">us</a></p>'
    content = replace(CONTENT, body=page, html=True)
    graph.create(change(Verb.CREATE, content=content), soon())
    [item] = graph.held(ANNA, STAMP, soon())
    assert item.body.split() == ["See", "us<https://contoso.example>"]
    assert not disagrees(item, content)


def test_a_meeting_or_a_series_that_a_person_made_of_ours_is_read_back(
    graph: GraphBackend, anna: Mailbox
) -> None:
    for version in range(2):
        graph.create(replace(change(Verb.CREATE), version=version), soon())
    meeting, series = anna.calendar_items()
    anna.update(meeting, attendees=["friend@contoso.example"])
    anna.update(series, is_series=True)
    items = graph.held(ANNA, STAMP, soon())
    assert [item.ref for item in items] == [meeting.immutable_id, series.immutable_id]
    assert not any(disagrees(item, CONTENT) for item in items)


def test_an_event_is_listed_once(graph: GraphBackend, exchange: Simulator) -> None:
    [item] = answered(exchange, graph, EVENT, EVENT)
    assert (item.subject, item.body, item.location, item.show_as) == ("", "", "", "unknown")


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"start": {**TIME, "timeZone": "Romance Standard Time"}},
        {"end": None},
        {"lastModifiedDateTime": "soon"},
        {"body": "text"},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_read_is_no_answer(
    graph: GraphBackend, exchange: Simulator, changes: dict[str, object]
) -> None:
    with pytest.raises(CalendarError, match="ErrorInternalServerError"):
        answered(exchange, graph, {**EVENT, **changes})


def test_a_mailbox_that_is_not_there_is_an_error(graph: GraphBackend) -> None:
    with pytest.raises(CalendarError, match="ErrorMailRecipientNotFound"):
        graph.held(NOBODY, STAMP, soon())
