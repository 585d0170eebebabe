"""Creating, changing, deleting and finding Appointments, one request each."""

import json
from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from calendar_backends.base import (
    STAMP_GUID,
    STAMP_NAME,
    CalendarError,
    Change,
    Deadline,
    Verb,
    correlation_id,
)
from calendar_backends.graph import GraphBackend, found
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox, Tenant
from tests.calendar_backends.graph.conftest import (
    ALIAS,
    ANNA,
    BEN,
    CONTENT,
    HOUR,
    NINE,
    NOBODY,
    STAMP,
    change,
    seen,
    soon,
)

CREATE = change(Verb.CREATE)
FIND = change(Verb.FIND)


def refused(graph: GraphBackend, wanted: Change, deadline: Deadline | None = None) -> CalendarError:
    with pytest.raises(CalendarError) as caught:
        graph.write_one(wanted, deadline or soon())
    return caught.value


def stamped(mailbox: Mailbox, stamp: str, hours: int = 0) -> str:
    made = mailbox.add_item("", NINE, NINE + HOUR, properties={(STAMP_GUID, STAMP_NAME): stamp})
    made.created += timedelta(hours=hours)
    return made.immutable_id


def test_create_puts_a_plain_appointment_into_the_calendar(graph: GraphBackend, anna: Mailbox) -> None:
    ref = graph.create(CREATE, soon())
    [item] = anna.calendar_items()
    assert (item.immutable_id, item.subject, item.body, item.body_type) == (
        ref,
        CONTENT.subject,
        CONTENT.body,
        "text",
    )
    assert (item.location, item.start, item.end) == (CONTENT.location, CONTENT.start, CONTENT.end)
    assert (item.show_as, item.reminder, item.reminder_minutes) == ("busy", True, 15)
    assert (item.attendees, item.properties) == ([], {(STAMP_GUID, STAMP_NAME): STAMP})


def test_create_says_nothing_of_attendees_or_online_meetings(
    graph: GraphBackend, exchange: Simulator
) -> None:
    graph.create(CREATE, soon())
    body = json.loads(exchange.requests[-1].body)
    assert not {"attendees", "isOnlineMeeting", "onlineMeetingProvider", "organizer"} & body.keys()


def test_a_create_that_is_sent_twice_makes_one_item(graph: GraphBackend, anna: Mailbox) -> None:
    assert graph.create(CREATE, soon()) == graph.create(CREATE, soon())
    assert len(anna.calendar_items()) == 1


def test_each_write_and_each_find_is_one_round_trip(graph: GraphBackend, exchange: Simulator) -> None:
    ref = graph.create(CREATE, soon())
    graph.update(change(Verb.UPDATE, ref=ref), soon())
    graph.find(FIND, soon())
    graph.delete(change(Verb.DELETE, ref=ref), soon())
    assert exchange.round_trips() == 4
    assert exchange.counters["token"] == 1


def test_times_of_another_zone_are_sent_as_utc(graph: GraphBackend, anna: Mailbox) -> None:
    oslo = timezone(HOUR)
    content = replace(CONTENT, start=NINE.astimezone(oslo), end=(NINE + HOUR).astimezone(oslo))
    graph.create(replace(CREATE, content=content), soon())
    assert [(item.start, item.end) for item in anna.calendar_items()] == [(NINE, NINE + HOUR)]


@pytest.mark.parametrize(("subject", "kept"), [("x" * 300, "x" * 255), ("😀" * 200, "😀" * 127)])
def test_a_subject_that_is_too_long_is_cut(
    graph: GraphBackend, anna: Mailbox, subject: str, kept: str
) -> None:
    graph.create(replace(CREATE, content=replace(CONTENT, subject=subject)), soon())
    assert anna.calendar_items()[0].subject == kept


def test_characters_that_xml_forbids_are_replaced(graph: GraphBackend, anna: Mailbox) -> None:
    content = replace(CONTENT, subject="a\x00b", body="c\x0bd\ud800\ne\tf", location="\ufffeg😀")
    graph.create(replace(CREATE, content=content), soon())
    [item] = anna.calendar_items()
    assert (item.subject, item.body, item.location) == ("a\ufffdb", "c\ufffdd\ufffd\ne\tf", "\ufffdg😀")


def test_update_touches_only_what_the_content_speaks_of(
    graph: GraphBackend, exchange: Simulator, anna: Mailbox
) -> None:
    ref = graph.create(CREATE, soon())
    [item] = anna.calendar_items()
    anna.update(item, categories=["Mine"], reminder=False)
    content = replace(CONTENT, subject="Moved", start=NINE + HOUR, end=NINE + 2 * HOUR)
    assert graph.update(change(Verb.UPDATE, ref=ref, content=content), soon()) == ref
    assert (item.subject, item.start, item.categories, item.reminder) == (
        "Moved",
        NINE + HOUR,
        ["Mine"],
        False,
    )
    assert item.properties == {(STAMP_GUID, STAMP_NAME): STAMP}
    names = {"subject", "body", "location", "start", "end", "isAllDay", "showAs"}
    assert json.loads(exchange.requests[-1].body).keys() == names


def test_an_update_of_the_times_leaves_what_the_person_did_alone(
    graph: GraphBackend, exchange: Simulator, anna: Mailbox
) -> None:
    ref = graph.create(CREATE, soon())
    [item] = anna.calendar_items()
    anna.update(item, subject="My own", body="notes", categories=["Mine"], reminder=False, show_as="oof")
    before = item.to_dict()
    content = replace(CONTENT, start=NINE + HOUR, end=NINE + 2 * HOUR)
    wanted = replace(change(Verb.UPDATE, ref=ref, content=content), fields=frozenset({"times"}))
    graph.update(wanted, soon())
    changed = {name for name, value in item.to_dict().items() if value != before[name]}
    assert changed == {"start", "end", "change_key", "modified"}
    assert json.loads(exchange.requests[-1].body).keys() == {"start", "end", "isAllDay"}


def test_an_update_of_the_times_ends_an_all_day_entry(graph: GraphBackend, anna: Mailbox) -> None:
    ref = graph.create(CREATE, soon())
    [item] = anna.calendar_items()
    anna.update(item, is_all_day=True)
    graph.update(replace(change(Verb.UPDATE, ref=ref), fields=frozenset({"times"})), soon())
    assert not item.is_all_day


def test_update_follows_an_item_that_was_moved_to_another_calendar(
    graph: GraphBackend, anna: Mailbox
) -> None:
    ref = graph.create(CREATE, soon())
    anna.move(anna.calendar_items()[0], "private")
    assert graph.update(change(Verb.UPDATE, ref=ref), soon()) == ref


def test_delete_moves_the_item_to_deleted_items(graph: GraphBackend, anna: Mailbox) -> None:
    ref = graph.create(CREATE, soon())
    graph.delete(change(Verb.DELETE, ref=ref), soon())
    assert [item.folder for item in anna.items] == ["deleteditems"]


@pytest.mark.parametrize("verb", [Verb.UPDATE, Verb.DELETE])
def test_an_item_that_is_gone_is_said_to_be_gone(graph: GraphBackend, anna: Mailbox, verb: Verb) -> None:
    ref = graph.create(CREATE, soon())
    anna.delete(anna.calendar_items()[0])
    error = refused(graph, change(verb, ref=ref))
    assert (error.code, error.uncertain) == ("ErrorItemNotFound", False)


@pytest.mark.parametrize("ref", ["AAMkAG+/not=of#Graph?", "../../users/ben@contoso.example/events/x"])
def test_the_id_of_another_driver_is_not_found(graph: GraphBackend, ref: str) -> None:
    for verb in (Verb.UPDATE, Verb.DELETE):
        assert refused(graph, change(verb, ref=ref)).code == "ErrorItemNotFound"


@pytest.mark.parametrize("mailbox", [NOBODY, ALIAS])
@pytest.mark.parametrize("verb", [Verb.CREATE, Verb.UPDATE, Verb.DELETE, Verb.FIND])
def test_a_mailbox_that_is_not_there_is_told_from_an_item_that_is_gone(
    graph: GraphBackend, mailbox: str, verb: Verb
) -> None:
    assert refused(graph, change(verb, mailbox, ref="AAAA")).code == "ErrorMailRecipientNotFound"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("unlicensed", "ErrorMailRecipientNotFound"),
        ("on_premises", "ErrorMailRecipientNotFound"),
        ("denied", "ErrorAccessDenied"),
        ("disabled", "ErrorAccountDisabled"),
        ("moving", "ErrorMailboxMoveInProgress"),
        ("store_unavailable", "ErrorMailboxStoreUnavailable"),
    ],
)
def test_a_mailbox_that_is_not_well_says_why(
    graph: GraphBackend, anna: Mailbox, state: str, code: str
) -> None:
    anna.state = state
    error = refused(graph, CREATE)
    assert (error.code, error.uncertain) == (code, False)


def test_find_compares_the_stamp_exactly_and_gives_the_oldest_first(
    graph: GraphBackend, anna: Mailbox
) -> None:
    stamped(anna, STAMP.upper())
    second, first = stamped(anna, STAMP, 2), stamped(anna, STAMP, 1)
    assert graph.find(FIND, soon()) == [first, second]


def test_find_does_not_look_into_deleted_items(graph: GraphBackend, anna: Mailbox) -> None:
    stamped(anna, STAMP)
    anna.delete(anna.items[0])
    assert graph.find(FIND, soon()) == []


@pytest.mark.parametrize("stamp", ["contoso/O'Brien", "contoso/a&b=c#d?e%20+f", "contoso/é"])
def test_find_quotes_the_stamp(graph: GraphBackend, anna: Mailbox, stamp: str) -> None:
    ref = stamped(anna, stamp)
    assert graph.find(replace(FIND, stamp=stamp), soon()) == [ref]


def test_find_reads_every_page(graph: GraphBackend, anna: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "PAGE_SIZE", 2)
    refs = [stamped(anna, STAMP, hours) for hours in (5, 4, 3, 2, 1)]
    assert graph.find(FIND, soon()) == refs[::-1]


@pytest.mark.parametrize("value", [None, 7, ["x"], [{"singleValueExtendedProperties": ["x"]}]], ids=repr)
def test_find_takes_no_other_answer_for_a_list_of_events(
    graph: GraphBackend, exchange: Simulator, value: object
) -> None:
    exchange.faults.add(Fault("status", operation="graph.GET events", code=200, body={"value": value}))
    assert refused(graph, FIND).code == "ErrorInternalServerError"


@pytest.mark.parametrize("link", ["https://elsewhere.example/v1.0/me/events", 7])
def test_find_follows_no_link_to_elsewhere(graph: GraphBackend, exchange: Simulator, link: object) -> None:
    body = {"value": [], "@odata.nextLink": link}
    exchange.faults.add(Fault("status", operation="graph.GET events", code=200, body=body))
    assert refused(graph, FIND).code == "ErrorInternalServerError"


@pytest.mark.parametrize("kind", ["commit_then_drop", "drop", "html", "not_json"])
@pytest.mark.parametrize("verb", [Verb.CREATE, Verb.UPDATE, Verb.DELETE])
def test_a_write_without_a_usable_answer_is_uncertain_and_not_sent_again(
    graph: GraphBackend, exchange: Simulator, verb: Verb, kind: str
) -> None:
    ref = graph.create(CREATE, soon())
    exchange.faults.add(Fault(kind, operation="graph.* event*"))
    assert refused(graph, change(verb, ref=ref)).uncertain
    assert len([each for each in exchange.requests if each.operation.startswith("graph.")]) == 2


def test_a_write_that_is_not_answered_in_time_is_uncertain(graph: GraphBackend, exchange: Simulator) -> None:
    graph.find(FIND, soon())
    exchange.faults.add(Fault("commit_then_hang", operation="graph.POST events", seconds=2))
    error = refused(graph, CREATE, Deadline.after(0.3))
    assert (error.code, error.uncertain) == ("ErrorTimeoutExpired", True)


def test_nothing_is_sent_after_the_deadline(graph: GraphBackend, exchange: Simulator) -> None:
    error = refused(graph, CREATE, Deadline.after(0))
    assert (error.code, error.uncertain, exchange.round_trips()) == ("ErrorTimeoutExpired", False, 0)


@pytest.mark.parametrize(
    ("status", "code", "uncertain"),
    [
        (500, "ErrorInternalServerError", True),
        (504, "UnknownError", True),
        (503, "ErrorServerBusy", False),
        (429, "ApplicationThrottled", False),
        (400, "ErrorInvalidRequest", False),
    ],
)
def test_a_write_is_uncertain_unless_exchange_refused_it(
    graph: GraphBackend, exchange: Simulator, status: int, code: str, uncertain: bool
) -> None:
    exchange.faults.add(Fault("error", operation="graph.POST events", status=status, code=code))
    assert refused(graph, CREATE).uncertain is uncertain


def test_the_correlation_id_goes_with_every_call(graph: GraphBackend, exchange: Simulator) -> None:
    reset = correlation_id.set("a b\r\né-1")
    graph.find(FIND, soon())
    correlation_id.reset(reset)
    headers = exchange.requests[-1].headers
    assert headers["client-request-id"] == "a%20b%0D%0A%C3%A9-1"
    assert headers["return-client-request-id"] == "true"
    assert headers["user-agent"] == "LightningSchedulerAdapter"


def test_nothing_private_is_logged(
    graph: GraphBackend, exchange: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in (None, "O365", "msal", "urllib3"):
        caplog.set_level("DEBUG", logger)
    graph.create(CREATE, soon())
    graph.write([change(Verb.CREATE, BEN), change(Verb.CREATE, NOBODY)], soon())
    token = exchange.requests[-1].headers["authorization"].split()[1]
    for private in (token, CONTENT.subject, CONTENT.location, "Mortgage", "graph-secret"):
        assert private not in caplog.text
    assert "graph POST events" in caplog.text


def test_two_orgs_never_share_a_token(exchange: Simulator, graph: GraphBackend, tenant: Tenant) -> None:
    other = exchange.world.add_tenant("fabrikam", domains=["fabrikam.example"])
    other.add_app("app", "graph-secret")
    other.add_mailbox(ANNA)
    elsewhere = GraphBackend({**graph.options, "tenant_id": other.tenant_id})
    graph.create(CREATE, soon())
    elsewhere.create(CREATE, soon())
    elsewhere.close()
    assert len(other.mailboxes[ANNA].calendar_items()) == len(tenant.mailboxes[ANNA].calendar_items()) == 1


def test_every_request_asks_for_immutable_ids(graph: GraphBackend, exchange: Simulator) -> None:
    ref = graph.create(CREATE, soon())
    graph.find(FIND, soon())
    graph.update(change(Verb.UPDATE, ref=ref), soon())
    graph.write([change(Verb.DELETE, ref=ref), change(Verb.CREATE, BEN)], soon())
    calls = [each for each in exchange.requests if each.face == "graph"]
    assert {each.headers["prefer"] for each in calls} == {'IdType="ImmutableId"'}
    assert len(seen(exchange, "POST events")) == 2
