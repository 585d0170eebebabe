"""Appointments: what is written, changed, found and removed."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from calendar_backends.base import STAMP_GUID, STAMP_NAME, CalendarError, Content, Verb
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox, Tenant

from .conftest import ALIAS, ANNA, BEN, CONTENT, HOUR, NINE, NOBODY, STAMP, change, soon

FOUND = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
 xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>
 <m:FindItemResponse><m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success">
 <m:ResponseCode>NoError</m:ResponseCode>{}</m:FindItemResponseMessage></m:ResponseMessages></m:FindItemResponse></s:Body></s:Envelope>"""
ITEM = """<t:CalendarItem><t:ItemId Id="{}"/><t:DateTimeCreated>{}</t:DateTimeCreated><t:ExtendedProperty>
 <t:ExtendedFieldURI PropertySetId="x" PropertyName="y" PropertyType="String"/><t:Value>{}</t:Value>
 </t:ExtendedProperty></t:CalendarItem>"""


def found(*items: str) -> Fault:
    """FindItem answers with these items."""
    page = f'<m:RootFolder IncludesLastItemInRange="true"><t:Items>{"".join(items)}</t:Items></m:RootFolder>'
    return Fault("status", operation="ews.FindItem", code=200, body=FOUND.format(page))


def test_create_writes_a_plain_stamped_appointment(
    ews: EwsBackend, exchange: Simulator, anna: Mailbox
) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    (item,) = anna.calendar_items()
    assert item.id == ref
    assert b'SendMeetingInvitations="SendToNone"' in exchange.requests[0].body
    assert (item.subject, item.body, item.body_type) == (CONTENT.subject, CONTENT.body, "text")
    assert (item.location, item.start, item.end) == (CONTENT.location, CONTENT.start, CONTENT.end)
    assert (item.show_as, item.is_all_day, item.reminder, item.reminder_minutes) == ("busy", False, True, 15)
    assert item.properties == {(STAMP_GUID, STAMP_NAME): STAMP}
    assert not item.is_meeting


def test_update_touches_only_what_the_content_speaks_of(ews: EwsBackend, anna: Mailbox) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    (item,) = anna.calendar_items()
    anna.update(
        item, categories=["Mine"], reminder=False, show_as="oof", attendees=["friend@contoso.example"]
    )
    news = Content("Later", "", "", NINE + 2 * HOUR, NINE + 3 * HOUR)
    assert ews.update(change(Verb.UPDATE, ref=ref, content=news), soon()) == ref
    assert Content(item.subject, item.body, item.location, item.start, item.end, show_as=item.show_as) == news
    assert (item.categories, item.reminder) == (["Mine"], False)
    assert item.properties == {(STAMP_GUID, STAMP_NAME): STAMP}
    assert anna.invitations_sent == []


def test_an_update_of_the_times_leaves_what_the_person_did_alone(
    ews: EwsBackend, exchange: Simulator, anna: Mailbox
) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    (item,) = anna.calendar_items()
    anna.update(item, subject="My own", body="notes", categories=["Mine"], reminder=False, show_as="oof")
    before = item.to_dict()
    news = replace(CONTENT, start=NINE + HOUR, end=NINE + 2 * HOUR)
    ews.update(replace(change(Verb.UPDATE, ref=ref, content=news), fields=frozenset({"times"})), soon())
    changed = {name for name, value in item.to_dict().items() if value != before[name]}
    assert changed == {"start", "end", "change_key", "modified"}
    uris = re.findall(rb'FieldURI="(\S+)"', exchange.requests[-1].body)
    names = [b"Start", b"End", b"IsAllDayEvent", b"StartTimeZone", b"EndTimeZone"]
    assert sorted(uris) == sorted(b"calendar:" + name for name in names)


def test_an_update_of_the_times_ends_an_all_day_entry(ews: EwsBackend, anna: Mailbox) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    (item,) = anna.calendar_items()
    anna.update(item, is_all_day=True)
    ews.update(replace(change(Verb.UPDATE, ref=ref), fields=frozenset({"times"})), soon())
    assert not item.is_all_day


def test_delete_moves_to_deleted_items(ews: EwsBackend, anna: Mailbox) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    ews.delete(change(Verb.DELETE, ref=ref), soon())
    assert [item.folder for item in anna.items] == ["deleteditems"]
    assert anna.calendar_items() == []


def test_delete_sends_no_cancellation(ews: EwsBackend, anna: Mailbox) -> None:
    item = anna.add_item("made a meeting", NINE, NINE + HOUR, attendees=["friend@contoso.example"])
    ews.delete(change(Verb.DELETE, ref=item.id), soon())
    assert anna.invitations_sent == []


@pytest.mark.parametrize("verb", [Verb.UPDATE, Verb.DELETE])
def test_an_item_that_is_gone_is_not_found(ews: EwsBackend, anna: Mailbox, verb: Verb) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    anna.delete(anna.calendar_items()[0], "HardDelete")
    with pytest.raises(CalendarError) as caught:
        ews.write_one(change(verb, ref=ref), soon())
    assert (caught.value.code, caught.value.uncertain) == ("ErrorItemNotFound", False)


def test_find_knows_the_stamp_in_the_calendar_only(ews: EwsBackend, anna: Mailbox) -> None:
    assert ews.find(change(Verb.FIND), soon()) == []
    deleted = ews.create(change(Verb.CREATE), soon())
    ews.delete(change(Verb.DELETE, ref=deleted), soon())
    ref = ews.create(change(Verb.CREATE), soon())
    ews.create(replace(change(Verb.CREATE), stamp="contoso/another"), soon())
    assert ews.find(change(Verb.FIND), soon()) == [ref]


def test_find_lists_the_oldest_first(ews: EwsBackend, exchange: Simulator) -> None:
    days = {"B": "2026-11-02T08:00:00Z", "A": "2026-11-01T08:00:00Z", "C": "2026-11-03T08:00:00Z"}
    exchange.faults.add(found(*(ITEM.format(name, day, STAMP) for name, day in days.items())))
    assert ews.find(change(Verb.FIND), soon()) == ["A", "B", "C"]


def test_find_takes_no_stamp_of_another_case(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(found(ITEM.format("A", "", STAMP.upper()), ITEM.format("B", "", STAMP)))
    assert ews.find(change(Verb.FIND), soon()) == ["B"]


def test_find_lists_an_item_once(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(found(ITEM.format("A", "", STAMP), ITEM.format("A", "", STAMP)))
    assert ews.find(change(Verb.FIND), soon()) == ["A"]


def test_find_reads_all_pages(ews: EwsBackend, exchange: Simulator, anna: Mailbox) -> None:
    for _ in range(251):
        anna.add_item("copy", NINE, NINE + HOUR, properties={(STAMP_GUID, STAMP_NAME): STAMP})
    assert len(ews.find(change(Verb.FIND), soon())) == 251
    assert exchange.round_trips() == 2


def test_an_answer_without_a_page_is_not_an_empty_one(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("status", code=200, body=FOUND.format("")))
    with pytest.raises(CalendarError, match="ErrorInternalServerError"):
        ews.find(change(Verb.FIND), soon())


def test_ten_mailboxes_cost_ten_round_trips_side_by_side(
    ews: EwsBackend, exchange: Simulator, tenant: Tenant
) -> None:
    people = [tenant.add_mailbox(f"p{number}@contoso.example").address for number in range(10)]
    exchange.latency = 0.2
    outcome = ews.write([change(Verb.CREATE, mailbox) for mailbox in people], soon())
    assert [len(tenant.mailboxes[mailbox].calendar_items()) for mailbox in people] == [1] * 10
    assert not [error for error in outcome.values() if isinstance(error, CalendarError)]
    assert exchange.counters == {"ews.CreateItem": 10}
    assert exchange.peak["ews"] > 1


def test_each_verb_costs_one_round_trip(ews: EwsBackend, exchange: Simulator) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    ews.update(change(Verb.UPDATE, ref=ref), soon())
    ews.find(change(Verb.FIND), soon())
    ews.delete(change(Verb.DELETE, ref=ref), soon())
    operations = ["ews.CreateItem", "ews.UpdateItem", "ews.FindItem", "ews.DeleteItem"]
    assert [request.operation for request in exchange.requests] == operations


def test_a_write_names_its_mailbox_as_primary_and_as_anchor(ews: EwsBackend, exchange: Simulator) -> None:
    ews.create(change(Verb.CREATE), soon())
    (request,) = exchange.requests
    assert f"<t:PrimarySmtpAddress>{ANNA}</t:PrimarySmtpAddress>".encode() in request.body
    assert request.headers["x-anchormailbox"] == ANNA


@pytest.mark.parametrize(
    ("mailbox", "code"),
    [
        (ALIAS, "ErrorNonPrimarySmtpAddress"),
        (NOBODY, "ErrorNonExistentMailbox"),
        ("x" * 256, "ErrorInvalidSmtpAddress"),
        ("", "ErrorInvalidSmtpAddress"),
    ],
)
def test_a_write_to_no_mailbox_is_refused(ews: EwsBackend, mailbox: str, code: str) -> None:
    with pytest.raises(CalendarError) as caught:
        ews.create(change(Verb.CREATE, mailbox), soon())
    assert (caught.value.code, caught.value.uncertain) == (code, False)


def test_one_refused_mailbox_leaves_the_others_written(ews: EwsBackend, anna: Mailbox) -> None:
    refused, written = change(Verb.CREATE, NOBODY), change(Verb.CREATE)
    outcome = ews.write([refused, written], soon())
    assert str(outcome[refused]) == "ErrorNonExistentMailbox"
    assert outcome[written] == [anna.calendar_items()[0].id]


@pytest.mark.parametrize(("subject", "kept"), [("x" * 300, "x" * 255), ("😀" * 200, "😀" * 127)])
def test_a_long_subject_is_cut(ews: EwsBackend, anna: Mailbox, subject: str, kept: str) -> None:
    ews.create(change(Verb.CREATE, content=replace(CONTENT, subject=subject)), soon())
    assert anna.calendar_items()[0].subject == kept


def test_what_xml_forbids_is_replaced(ews: EwsBackend, anna: Mailbox) -> None:
    odd = replace(CONTENT, subject="a\x00b", body="\ud800<&>\x1b", location="]]>\uffff")
    ews.create(change(Verb.CREATE, content=odd), soon())
    (item,) = anna.calendar_items()
    assert (item.subject, item.body, item.location) == ("a\ufffdb", "\ufffd<&>\ufffd", "]]>\ufffd")


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("soap_fault", {"code": "ErrorServerBusy", "back_off_ms": 60_000}),
        ("inner_busy", {"back_off_ms": 60_000}),
        ("status", {"code": 503, "headers": {"Retry-After": "60"}}),
    ],
)
def test_a_mailbox_that_wants_to_be_left_alone_is_not_written_to_before_it_said(
    ews: EwsBackend, exchange: Simulator, kind: str, parameters: dict[str, Any]
) -> None:
    wanted = change(Verb.CREATE)
    exchange.faults.add(Fault(kind, times=1, **parameters))
    with time_machine.travel(datetime.now(UTC)) as clock:
        first, second = (ews.write([wanted], soon())[wanted] for _ in range(2))
        clock.shift(61)
        assert ews.create(wanted, soon())
    assert isinstance(first, CalendarError)
    assert isinstance(second, CalendarError)
    assert (first.code, first.retry_after, first.asked) == ("ErrorServerBusy", 60, True)
    assert (second.code, second.asked, second.uncertain) == ("ErrorServerBusy", False, False)
    assert second.retry_after == pytest.approx(60, abs=2)
    assert exchange.round_trips() == 2


def test_the_pause_of_one_mailbox_is_not_that_of_another(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("inner_busy", back_off_ms=60_000, mailbox=ANNA))
    outcomes = ews.write([change(Verb.CREATE), change(Verb.CREATE, BEN)], soon())
    assert str(outcomes[change(Verb.CREATE)]).startswith("ErrorServerBusy")
    assert not isinstance(outcomes[change(Verb.CREATE, BEN)], CalendarError)
    with pytest.raises(CalendarError, match="still throttled"):
        ews.held(ANNA.upper(), STAMP, soon())
