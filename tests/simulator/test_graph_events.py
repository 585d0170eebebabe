"""Events: what is stored, what is answered, what is refused, and that nobody is mailed unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from urllib.parse import quote

import pytest

from calendar_backends.simulator.world import Item
from tests.simulator.graph_client import ANNA, EVENT, GUID, STAMP, Answer, GraphClient, contoso

EVENTS = f"/users/{ANNA}/events"
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
IMMUTABLE = 'IdType="ImmutableId"'


@pytest.fixture
def graph() -> Iterator[GraphClient]:
    with contoso() as client:
        yield client


def post(graph: GraphClient, **changes: Any) -> Answer:
    return graph.call("POST", EVENTS, EVENT | changes)


def patch(graph: GraphClient, event: dict[str, Any], changes: dict[str, Any], **headers: str) -> Answer:
    return graph.checked("PATCH", f"{EVENTS}/{quote(event['id'])}", changes, **headers)


def stored(graph: GraphClient) -> list[Item]:
    return graph.tenant.mailboxes[ANNA].calendar_items()


def test_a_created_event_is_stored_with_all_it_said(graph: GraphClient) -> None:
    graph.create(isAllDay=False, categories=["Blue"], reminderMinutesBeforeStart=5, sensitivity="private")
    [item] = stored(graph)
    assert (item.subject, item.location, item.show_as) == ("Loan review", "Oslo", "busy")
    assert (item.body, item.body_type) == ("Bring <papers> & pen", "text")
    assert (item.start, item.end) == (NINE, NINE + timedelta(hours=1))
    assert (item.reminder, item.reminder_minutes, item.categories) == (False, 5, ["Blue"])
    assert item.is_private
    assert item.properties == {(GUID, "LsaEventId"): "contoso/00U1"}


def test_the_calendars_own_collection_takes_events_too(graph: GraphClient) -> None:
    assert graph.checked("POST", f"/users/{ANNA}/calendar/events", EVENT).status == 201
    assert len(stored(graph)) == 1


def test_an_event_has_a_reminder_unless_it_says_no(graph: GraphClient) -> None:
    without = {name: value for name, value in EVENT.items() if name != "isReminderOn"}
    graph.checked("POST", EVENTS, without)
    assert stored(graph)[0].reminder


def test_the_answer_has_an_id_an_etag_and_a_location_but_no_extended_property(graph: GraphClient) -> None:
    answer = graph.checked("POST", EVENTS, EVENT)
    event = answer.json
    assert event["id"] == stored(graph)[0].rest_id
    assert event["@odata.etag"] == f'W/"{event["changeKey"]}"'
    assert answer.headers["location"].endswith(f"/events('{event['id']}')")
    assert "singleValueExtendedProperties" not in event


def test_a_text_body_comes_back_as_html_unless_text_is_preferred(graph: GraphClient) -> None:
    event = graph.create()
    assert "Bring &lt;papers&gt; &amp; pen" in event["body"]["content"]
    path = f"{EVENTS}/{event['id']}"
    text = graph.checked("GET", path, Prefer='outlook.body-content-type="text"').json["body"]
    assert text == {"contentType": "text", "content": "Bring <papers> & pen"}


def test_the_same_transaction_twice_makes_one_event(graph: GraphClient) -> None:
    first, second = post(graph), post(graph, subject="Other")
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] == second.json["id"]
    assert [item.subject for item in stored(graph)] == ["Loan review"]


def test_the_same_transaction_at_the_same_moment_makes_one_event(graph: GraphClient) -> None:
    graph.simulator.graph_concurrency = None
    start = Barrier(8)
    racers = [Thread(target=lambda: (start.wait(), post(graph))) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(stored(graph)) == 1


def test_events_without_a_transaction_are_all_created(graph: GraphClient) -> None:
    for _ in range(2):
        post(graph, transactionId=None)
    assert len(stored(graph)) == 2


def test_an_event_with_attendees_is_an_invitation_and_is_recorded(graph: GraphClient) -> None:
    event = graph.create(attendees=[{"emailAddress": {"address": "ben@contoso.example"}, "type": "required"}])
    [sent] = graph.tenant.mailboxes[ANNA].invitations_sent
    assert sent["attendees"] == ["ben@contoso.example"]
    patch(graph, event, {"attendees": []})
    graph.checked("DELETE", f"{EVENTS}/{event['id']}")
    assert [record["operation"] for record in graph.tenant.mailboxes[ANNA].invitations_sent] == [
        "graph.POST events",
        "graph.PATCH event",
    ]


def test_an_online_meeting_is_recorded_like_an_invitation(graph: GraphClient) -> None:
    graph.create(isOnlineMeeting=True)
    assert len(graph.tenant.mailboxes[ANNA].invitations_sent) == 1


def test_a_plain_event_mails_nobody_in_all_its_life(graph: GraphClient) -> None:
    event = graph.create(attendees=[], isOnlineMeeting=False)
    patch(graph, event, {"subject": "Changed"})
    graph.checked("DELETE", f"{EVENTS}/{event['id']}")
    assert graph.tenant.mailboxes[ANNA].invitations_sent == []


def test_python_o365s_way_of_writing_is_understood(graph: GraphClient) -> None:
    do_not_forward = {
        "id": "Boolean {00020329-0000-0000-C000-000000000046} Name DoNotForward",
        "value": "false",
    }
    body = {"contentType": "HTML", "content": "<p>x</p>"}
    answer = post(graph, isOnlineMeeting="false", body=body, singleValueExtendedProperties=[do_not_forward])
    assert answer.status == 201, answer.raw
    assert stored(graph)[0].body_type == "html"
    assert graph.tenant.mailboxes[ANNA].invitations_sent == []


@pytest.mark.parametrize(
    "changes",
    [
        {"isOnlineMeeting": "no"},
        {"isReminderOn": 1},
        {"showAs": "Busy"},
        {"subjct": "x"},
        {"subject": 5},
        {"categories": "Blue"},
        {"body": "text"},
        {"body": {"contentType": "rtf"}},
        {"location": {"name": "Oslo"}},
        {"reminderMinutesBeforeStart": 2**31},
        {"start": {"dateTime": "2026-11-23", "timezone": "UTC"}},
    ],
)
def test_a_body_of_the_wrong_type_is_refused(graph: GraphClient, changes: dict[str, Any]) -> None:
    refused = post(graph, **changes)
    assert (refused.status, refused.code) == (400, "RequestBodyRead")
    assert stored(graph) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "x" * 256},
        {"end": None},
        {"end": {"dateTime": "2026-11-23T08:00:00", "timeZone": "UTC"}},
        {"isAllDay": True},
        {"attendees": [{"emailAddress": {"name": "Ben"}}]},
        {"recurrence": {"pattern": {"type": "daily"}}},
    ],
)
def test_a_body_that_makes_no_sense_is_refused(graph: GraphClient, changes: dict[str, Any]) -> None:
    refused = post(graph, **changes)
    assert (refused.status, refused.code) == (400, "ErrorPropertyValidationFailure")
    assert stored(graph) == []


def test_a_whole_day_goes_from_midnight_to_midnight(graph: GraphClient) -> None:
    start, end = ({"dateTime": f"2026-11-{day}T00:00:00", "timeZone": "UTC"} for day in (23, 24))
    assert graph.create(isAllDay=True, start=start, end=end)["isAllDay"] is True
    assert post(graph, transactionId="two", isAllDay=True, start=start, end=start).status == 400


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [(b"{", {}, 400), (b"[]", {}, 400), (None, {}, 400), (b"{}", {"Content_Type": "text/plain"}, 415)],
)
def test_a_body_that_is_no_json_object_is_refused(
    graph: GraphClient, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    assert graph.call("POST", EVENTS, body, **headers).status == status


def test_a_patch_changes_what_it_names_and_nothing_else(graph: GraphClient) -> None:
    event = graph.create()
    changed = patch(graph, event, {"subject": "Moved", "showAs": "tentative"}).json
    [item] = stored(graph)
    assert (item.subject, item.show_as, item.location) == ("Moved", "tentative", "Oslo")
    assert item.properties == {(GUID, "LsaEventId"): "contoso/00U1"}
    assert changed["changeKey"] != event["changeKey"]
    assert changed["id"] == event["id"]


def test_a_patch_adds_an_extended_property_to_those_there(graph: GraphClient) -> None:
    other = STAMP.replace("LsaEventId", "Other")
    patch(graph, graph.create(), {"singleValueExtendedProperties": [{"id": other, "value": "x"}]})
    assert stored(graph)[0].properties == {(GUID, "LsaEventId"): "contoso/00U1", (GUID, "Other"): "x"}


def test_a_patch_cannot_end_an_event_before_it_starts(graph: GraphClient) -> None:
    end = {"dateTime": "2026-11-23T08:00:00", "timeZone": "UTC"}
    assert patch(graph, graph.create(), {"end": end}).code == "ErrorPropertyValidationFailure"


def test_a_transaction_id_cannot_be_changed(graph: GraphClient) -> None:
    event = graph.create()
    assert patch(graph, event, {"transactionId": "one"}).status == 200
    assert patch(graph, event, {"transactionId": "two"}).status == 400


def test_a_patch_with_an_old_etag_is_a_conflict(graph: GraphClient) -> None:
    event = graph.create()
    assert patch(graph, event, {"subject": "A"}, If_Match=event["@odata.etag"]).status == 200
    refused = patch(graph, event, {"subject": "B"}, If_Match=event["@odata.etag"])
    assert (refused.status, refused.code) == (412, "ErrorIrresolvableConflict")


@pytest.mark.parametrize("prefer", [IMMUTABLE, ""])
def test_a_deleted_event_is_gone_for_every_verb(graph: GraphClient, prefer: str) -> None:
    created = graph.checked("POST", EVENTS, EVENT, Prefer=prefer).json
    path = f"{EVENTS}/{created['id']}"
    assert graph.checked("DELETE", path).status == 204
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        refused = graph.checked(method, path, body)
        assert (refused.status, refused.code) == (404, "ErrorItemNotFound")
    assert graph.tenant.mailboxes[ANNA].items[0].folder == "deleteditems"


def test_an_id_of_another_mailbox_is_not_found(graph: GraphClient) -> None:
    event_id = graph.create("ben@contoso.example")["id"]
    assert graph.checked("GET", f"{EVENTS}/{event_id}").code == "ErrorItemNotFound"


def test_an_id_depends_on_case_and_must_look_like_one(graph: GraphClient) -> None:
    event_id = graph.create()["id"]
    assert graph.checked("GET", f"{EVENTS}/{event_id.swapcase()}").code == "ErrorItemNotFound"
    assert graph.checked("GET", f"{EVENTS}/not%20an%20id").code == "ErrorInvalidIdMalformed"


def test_only_an_immutable_id_survives_a_move(graph: GraphClient) -> None:
    ordinary, [immutable] = graph.create(), graph.find("contoso/00U1", Prefer=IMMUTABLE)
    assert ordinary["id"] != immutable["id"]
    graph.tenant.mailboxes[ANNA].move(stored(graph)[0], "Private calendar")
    assert graph.checked("GET", f"{EVENTS}/{ordinary['id']}").status == 404
    assert graph.checked("GET", f"{EVENTS}/{immutable['id']}", Prefer=IMMUTABLE).json["id"] == immutable["id"]


def test_an_event_is_found_by_its_extended_property(graph: GraphClient) -> None:
    graph.create()
    graph.create(transactionId="two", singleValueExtendedProperties=[{"id": STAMP, "value": "contoso/00U2"}])
    [found] = graph.find("contoso/00U2")
    assert found["singleValueExtendedProperties"] == [{"id": STAMP, "value": "contoso/00U2"}]


def test_the_filter_ignores_the_case_of_a_value_but_not_of_a_name(graph: GraphClient) -> None:
    graph.create()
    [found] = graph.find("CONTOSO/00u1", stamp=STAMP.replace(GUID, GUID.upper()))
    assert found["singleValueExtendedProperties"][0]["value"] == "contoso/00U1"
    assert (
        graph.find(
            "contoso/00U1", stamp=STAMP.lower().replace("string", "String").replace(" name ", " Name ")
        )
        == []
    )


def test_events_are_found_by_the_beginning_of_their_extended_property(graph: GraphClient) -> None:
    for number, value in enumerate(("contoso/1", "CONTOSO/2", "contoso2/1", "contoso/o'brien")):
        values = [{"id": STAMP, "value": value}]
        graph.create(subject=value, transactionId=str(number), singleValueExtendedProperties=values)
    for prefix, wanted in (("contoso/", 3), ("contoso/o''", 1), ("x", 0)):
        condition = f"ep/id eq '{STAMP}' and startswith(ep/value,'{prefix}')"
        query = quote(f"singleValueExtendedProperties/Any(ep: {condition})")
        assert len(graph.checked("GET", f"{EVENTS}?$filter={query}").json["value"]) == wanted


def test_a_series_says_so(graph: GraphClient) -> None:
    event = graph.create()
    stored(graph)[0].is_series = True
    answer = graph.checked("GET", f"{EVENTS}/{event['id']}").json
    assert (answer["type"], answer["recurrence"]["pattern"]["type"]) == ("seriesMaster", "daily")


def test_an_html_body_comes_back_as_text_where_that_is_preferred(graph: GraphClient) -> None:
    event = graph.create(body={"contentType": "html", "content": "<p>a</p><script>x</script>&lt;b"})
    path = f"{EVENTS}/{event['id']}"
    text = graph.checked("GET", path, Prefer='outlook.body-content-type="text"').json["body"]
    assert text["content"].split() == ["a", "<b"]


def test_a_subject_is_measured_in_utf_16(graph: GraphClient) -> None:
    assert post(graph, subject="😀" * 127).status == 201
    assert post(graph, subject="😀" * 128, transactionId="2").code == "ErrorPropertyValidationFailure"


def test_a_quote_in_a_value_is_doubled_in_the_filter(graph: GraphClient) -> None:
    graph.create(singleValueExtendedProperties=[{"id": STAMP, "value": "o'brien"}])
    assert len(graph.find("o'brien")) == 1


def test_an_item_stamped_through_ews_is_found_too(graph: GraphClient) -> None:
    stamp = {(GUID, "LsaEventId"): "contoso/00U9"}
    graph.tenant.mailboxes[ANNA].add_item("EWS", NINE, NINE + timedelta(hours=1), properties=stamp)
    assert [event["subject"] for event in graph.find("contoso/00U9")] == ["EWS"]


def test_a_deleted_or_moved_event_is_not_found_by_its_property(graph: GraphClient) -> None:
    graph.create()
    graph.tenant.mailboxes[ANNA].move(stored(graph)[0], "Private calendar")
    assert graph.find("contoso/00U1") == []


def test_an_extended_property_is_not_shown_unless_expanded(graph: GraphClient) -> None:
    path = f"{EVENTS}/{graph.create()['id']}"
    assert "singleValueExtendedProperties" not in graph.checked("GET", path).json
    expand = quote(f"singleValueExtendedProperties($filter=id eq '{STAMP}')")
    shown = graph.checked("GET", f"{path}?$expand={expand}&$select=subject").json
    assert shown["singleValueExtendedProperties"][0]["value"] == "contoso/00U1"
    assert "body" not in shown


def test_select_leaves_the_id_and_what_was_selected(graph: GraphClient) -> None:
    graph.create()
    [event] = graph.checked("GET", f"{EVENTS}?$select=subject").json["value"]
    assert event.keys() == {"@odata.etag", "id", "subject"}


def test_a_list_comes_in_pages(graph: GraphClient) -> None:
    for hour in range(12):
        start = NINE + timedelta(hours=hour)
        graph.tenant.mailboxes[ANNA].add_item(str(hour), start, start + timedelta(hours=1))
    first = graph.checked("GET", f"{EVENTS}?$select=subject").json
    assert [event["subject"] for event in first["value"]] == [str(n) for n in range(10)]
    following = first["@odata.nextLink"].removeprefix(f"{graph.simulator.url}/v1.0")
    second = graph.checked("GET", following).json
    assert [event["subject"] for event in second["value"]] == ["10", "11"]
    assert "@odata.nextLink" not in second


def test_a_calendar_view_shows_what_overlaps_its_window(graph: GraphClient) -> None:
    graph.create()
    view = f"/users/{ANNA}/calendarView?startDateTime=2026-11-23T10:30:00%2B01:00&endDateTime={{}}"
    assert len(graph.checked("GET", view.format("2026-11-23T12:00:00Z")).json["value"]) == 1
    assert graph.checked("GET", view.format("2026-11-23T09:00:00")).json["value"] == []


def test_a_calendar_view_needs_a_window_and_breaks_on_the_property_filter(graph: GraphClient) -> None:
    view = f"/users/{ANNA}/calendar/calendarView"
    assert graph.checked("GET", view).code == "ErrorInvalidParameter"
    condition = quote(f"singleValueExtendedProperties/any(p:p/id eq '{STAMP}' and p/value eq 'x')")
    assert graph.checked("GET", f"{view}?$filter={condition}").status == 500


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("$filter=id%20eq%20'x'", "ErrorInvalidProperty"),
        (
            "$filter="
            + quote("singleValueExtendedProperties/any(p:p/id eq 'Long {1} Name x' and p/value eq 'x')"),
            "ErrorInvalidExtendedProperty",
        ),
        ("$expand=attachments", "BadRequest"),
        ("$select=subjct", "BadRequest"),
        ("$top=0", "BadRequest"),
        ("$top=1001", "BadRequest"),
        ("$skip=-1", "BadRequest"),
        ("$orderby=subject", "BadRequest"),
        ("$search=x", "BadRequest"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(graph: GraphClient, query: str, code: str) -> None:
    refused = graph.checked("GET", f"{EVENTS}?{query}")
    assert (refused.status, refused.code) == (400, code)


def test_events_can_be_sorted_from_the_last(graph: GraphClient) -> None:
    graph.create()
    later = {"dateTime": "2026-11-24T09:00:00", "timeZone": "UTC"}
    graph.create(subject="Later", transactionId="two", start=later, end=later)
    events = graph.checked("GET", f"{EVENTS}?$orderby=start/dateTime%20desc&$top=1").json["value"]
    assert [event["subject"] for event in events] == ["Later"]


def test_the_default_calendar_shows_whose_it_is(graph: GraphClient) -> None:
    answer = graph.checked("GET", f"/users/{ANNA}/calendar")
    assert (answer.status, answer.json["owner"]["address"]) == (200, ANNA)
    assert graph.simulator.counters["graph.GET calendar"] == 1
