"""Reading back what a calendar holds: one FindItem per page, and GetItem for what the items say."""

from dataclasses import replace
from datetime import timedelta

import pytest

from calendar_backends.base import STAMP_GUID, STAMP_NAME, CalendarError, Verb, disagrees
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox

from .conftest import ANNA, CONTENT, HOUR, NINE, STAMP, change, soon

ANSWER = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
 xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>
 <m:GetItemResponse><m:ResponseMessages>{}</m:ResponseMessages></m:GetItemResponse></s:Body></s:Envelope>"""
MESSAGE = """<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>
 <m:Items><t:CalendarItem>{}</t:CalendarItem></m:Items></m:GetItemResponseMessage>"""


def put(anna: Mailbox, stamp: str = STAMP, hours: int = 0) -> None:
    created = NINE + timedelta(hours=hours)
    anna.add_item("copy", NINE, NINE + HOUR, properties={(STAMP_GUID, STAMP_NAME): stamp}, created=created)


def test_an_item_is_read_back_in_two_round_trips(ews: EwsBackend, exchange: Simulator) -> None:
    ref = ews.create(change(Verb.CREATE), soon())
    [item] = ews.held(ANNA, STAMP, soon())
    assert (item.ref, item.stamp) == (ref, STAMP)
    assert not disagrees(item, CONTENT)
    assert exchange.counters == {"ews.CreateItem": 1, "ews.FindItem": 1, "ews.GetItem": 1}


def test_nothing_held_costs_one_round_trip(ews: EwsBackend, exchange: Simulator) -> None:
    assert ews.held(ANNA, STAMP, soon()) == []
    assert exchange.counters == {"ews.FindItem": 1}


def test_every_page_is_read_and_a_hundred_items_at_a_time(
    ews: EwsBackend, exchange: Simulator, anna: Mailbox
) -> None:
    for number in range(251):
        put(anna, f"contoso/{number:03}", hours=-number)
    items = ews.held(ANNA, "contoso/", soon(), whole=False)
    assert [item.stamp for item in items] == [f"contoso/{250 - number:03}" for number in range(251)]
    assert exchange.counters == {"ews.FindItem": 2, "ews.GetItem": 3}


def test_a_prefix_is_looked_for_by_exchange_itself(ews: EwsBackend, exchange: Simulator) -> None:
    ews.held(ANNA, "contoso/", soon(), whole=False)
    assert b'ContainmentMode="Prefixed"' in exchange.requests[-1].body


def test_a_body_is_read_as_text_whatever_it_is(ews: EwsBackend, exchange: Simulator, anna: Mailbox) -> None:
    page = '<p>See <a href="https://contoso.example">us</a></p>'
    content = replace(CONTENT, body=page, html=True)
    ews.create(change(Verb.CREATE, content=content), soon())
    [item] = ews.held(ANNA, STAMP, soon())
    assert item.body.split() == ["See", "us<https://contoso.example>"]
    assert not disagrees(item, content)


def test_a_meeting_or_a_series_that_a_person_made_of_ours_is_read_back(
    ews: EwsBackend, anna: Mailbox
) -> None:
    for _ in range(2):
        ews.create(change(Verb.CREATE), soon())
    meeting, series = anna.calendar_items()
    anna.update(meeting, attendees=["friend@contoso.example"])
    anna.update(series, is_series=True)
    items = ews.held(ANNA, STAMP, soon())
    assert [item.ref for item in items] == [meeting.id, series.id]
    assert not any(disagrees(item, CONTENT) for item in items)


def test_an_item_that_goes_meanwhile_is_left_out(ews: EwsBackend, exchange: Simulator, anna: Mailbox) -> None:
    put(anna)
    exchange.faults.add(Fault("response_code", operation="ews.GetItem", code="ErrorItemNotFound"))
    assert ews.held(ANNA, STAMP, soon()) == []


def test_an_item_that_is_refused_is_no_answer(ews: EwsBackend, exchange: Simulator, anna: Mailbox) -> None:
    put(anna)
    exchange.faults.add(Fault("response_code", operation="ews.GetItem", code="ErrorCorruptData"))
    with pytest.raises(CalendarError, match="ErrorCorruptData"):
        ews.held(ANNA, STAMP, soon())


@pytest.mark.parametrize(
    "answer", ["", MESSAGE.format(""), MESSAGE.format('<t:ItemId Id="A"/><t:Start>soon</t:Start>')]
)
def test_an_answer_that_cannot_be_read_is_none(
    ews: EwsBackend, exchange: Simulator, anna: Mailbox, answer: str
) -> None:
    put(anna)
    exchange.faults.add(Fault("status", operation="ews.GetItem", code=200, body=ANSWER.format(answer)))
    with pytest.raises(CalendarError, match="ErrorInternalServerError"):
        ews.held(ANNA, STAMP, soon())


def test_a_character_that_xml_forbids_does_not_hide_the_item(ews: EwsBackend, anna: Mailbox) -> None:
    ews.create(change(Verb.CREATE), soon())
    anna.update(anna.calendar_items()[0], subject="pasted \x0b\x00 text", body="\x1f")
    [item] = ews.held(ANNA, STAMP, soon())
    assert (item.subject, item.body) == ("pasted \ufffd\ufffd text", "\ufffd")
