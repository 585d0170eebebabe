"""Free/busy: what is asked, and how the answer is read."""

from datetime import timedelta

import pytest

from calendar_backends.base import BusyTime, CalendarError, Interval
from calendar_backends.ews import EwsBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox, Tenant

from .conftest import ALIAS, ANNA, BEN, CHLOE, HOUR, MORNING, NINE, NOBODY, SERVICE, refused, soon

UNKNOWN = "ErrorFreeBusyGenerationFailed"
NINE_TO_TEN = Interval(NINE, NINE + HOUR)


def code_of(ews: EwsBackend) -> str:
    answer = ews.busy_times([ANNA], MORNING, soon())[ANNA]
    assert isinstance(answer, CalendarError), answer
    return answer.code


@pytest.mark.parametrize("status", ["free", "tentative", "busy", "oof", "workingElsewhere"])
def test_every_status_is_reported_as_it_is(ews: EwsBackend, anna: Mailbox, status: str) -> None:
    anna.add_item("x", NINE, NINE + HOUR, show_as=status)
    assert ews.busy_times([ANNA], MORNING, soon()) == {ANNA: [BusyTime(NINE_TO_TEN, status)]}


def test_an_unheard_of_status_is_unknown(ews: EwsBackend, exchange: Simulator, anna: Mailbox) -> None:
    anna.add_item("x", NINE, NINE + HOUR)
    exchange.faults.add(Fault("unknown_status", value="Daydreaming"))
    assert ews.busy_times([ANNA], MORNING, soon()) == {ANNA: [BusyTime(NINE_TO_TEN, "unknown")]}


def test_an_empty_calendar_is_an_empty_list(ews: EwsBackend) -> None:
    assert ews.busy_times([ANNA, BEN], MORNING, soon()) == {ANNA: [], BEN: []}


def test_an_unknown_mailbox_leaves_the_others_their_answers(ews: EwsBackend, anna: Mailbox) -> None:
    anna.add_item("x", NINE, NINE + HOUR)
    answer = ews.busy_times([NOBODY, ANNA], MORNING, soon())
    assert str(answer[NOBODY]) == "ErrorMailRecipientNotFound"
    assert answer[ANNA] == [BusyTime(NINE_TO_TEN, "busy")]


@pytest.mark.parametrize("odd", ["x" * 300, "a\x00b@contoso.example"])
def test_an_odd_address_leaves_the_others_their_answers(ews: EwsBackend, odd: str) -> None:
    answer = ews.busy_times([odd, ANNA], MORNING, soon())
    assert isinstance(answer[odd], CalendarError)
    assert answer[ANNA] == []


def test_the_answer_has_the_spelling_of_the_question(ews: EwsBackend) -> None:
    assert list(ews.busy_times(["ANNA@Contoso.Example"], MORNING, soon())) == ["ANNA@Contoso.Example"]


@pytest.mark.parametrize("form", ["naive", "z", "offset", "fraction"])
def test_times_are_read_in_every_form(ews: EwsBackend, exchange: Simulator, anna: Mailbox, form: str) -> None:
    anna.add_item("x", NINE, NINE + HOUR)
    exchange.faults.add(Fault("time_format", format=form))
    assert ews.busy_times([ANNA], MORNING, soon()) == {ANNA: [BusyTime(NINE_TO_TEN, "busy")]}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("time_format", format="garbage"),
        Fault("no_data"),
        Fault("view_none"),
        Fault("merged_only"),
    ],
    ids=lambda fault: fault.kind,
)
def test_what_says_nothing_is_not_free(
    ews: EwsBackend, exchange: Simulator, anna: Mailbox, fault: Fault
) -> None:
    anna.add_item("x", NINE, NINE + HOUR)
    exchange.faults.add(fault)
    assert code_of(ews) == UNKNOWN


@pytest.mark.parametrize("mailboxes", [[BEN], [BEN, ANNA, CHLOE], [ANNA, BEN]])
def test_where_an_entry_is_missing_nobody_gets_anothers(
    ews: EwsBackend, exchange: Simulator, mailboxes: list[str]
) -> None:
    exchange.faults.add(Fault("entry_missing", mailbox=BEN))
    error = refused(ews, *mailboxes)
    assert (error.code, error.isolable) == (UNKNOWN, True)


def test_a_code_that_only_newer_servers_know_passes_through(ews: EwsBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("availability_code", code="ErrorNobodyEverHeardOfThis"))
    assert code_of(ews) == "ErrorNobodyEverHeardOfThis"


@pytest.mark.parametrize("minutes", [1, 5, 6, 15, 31])
def test_short_windows_are_answered(ews: EwsBackend, anna: Mailbox, minutes: int) -> None:
    anna.add_item("x", NINE, NINE + HOUR)
    window = Interval(NINE, NINE + timedelta(minutes=minutes))
    assert ews.busy_times([ANNA], window, soon()) == {ANNA: [BusyTime(NINE_TO_TEN, "busy")]}


def test_the_longest_window_is_answered(ews: EwsBackend) -> None:
    assert ews.busy_times([ANNA], Interval(NINE, NINE + ews.longest_window), soon()) == {ANNA: []}


def test_a_window_with_fractions_is_widened_to_whole_seconds(ews: EwsBackend, exchange: Simulator) -> None:
    ragged = Interval(NINE + timedelta(microseconds=500), NINE + HOUR + timedelta(microseconds=500))
    ews.busy_times([ANNA], ragged, soon())
    assert b"09:00:00Z</t:StartTime>" in exchange.requests[0].body
    assert b"10:00:01Z</t:EndTime>" in exchange.requests[0].body


def test_a_hundred_mailboxes_cost_one_round_trip(
    ews: EwsBackend, exchange: Simulator, tenant: Tenant
) -> None:
    people = [tenant.add_mailbox(f"p{number}@contoso.example").address for number in range(100)]
    assert ews.busy_times(people, MORNING, soon()) == {person: [] for person in people}
    assert exchange.counters == {"ews.GetUserAvailability": 1}


def test_more_than_the_server_takes_is_refused_as_a_whole(
    ews: EwsBackend, exchange: Simulator, tenant: Tenant
) -> None:
    people = [tenant.add_mailbox(f"p{number}@contoso.example").address for number in range(101)]
    assert refused(ews, *people).code == "ErrorMailboxDataArrayTooBig"
    assert exchange.round_trips() == 1


def test_a_window_beyond_the_servers_limit_is_named(ews: EwsBackend) -> None:
    too_long = Interval(NINE, NINE + timedelta(days=63))
    assert refused(ews, window=too_long).code == "ErrorTimeIntervalTooBig"


def test_the_service_account_asks_as_itself_and_for_no_details(ews: EwsBackend, exchange: Simulator) -> None:
    ews.busy_times([ANNA], MORNING, soon())
    (request,) = exchange.requests
    assert b"ExchangeImpersonation" not in request.body
    assert b"<t:RequestedView>FreeBusy</t:RequestedView>" in request.body
    assert request.headers["x-anchormailbox"] == SERVICE


def test_an_alias_may_be_asked_for(ews: EwsBackend) -> None:
    assert ews.busy_times([ALIAS], MORNING, soon()) == {ALIAS: []}
