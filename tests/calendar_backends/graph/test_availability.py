"""Reading calendars: what getSchedule may answer, and what that means."""

from datetime import timedelta
from typing import Any

import pytest

from calendar_backends.base import BusyTime, CalendarError, Deadline, Interval
from calendar_backends.core.intervals import unavailable
from calendar_backends.graph import GraphBackend
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.world import Mailbox, Tenant
from tests.calendar_backends.graph.conftest import (
    ALIAS,
    ANNA,
    BEN,
    CHLOE,
    HOUR,
    MORNING,
    NINE,
    NOBODY,
    code_of,
    read,
    refused,
    seen,
    soon,
)

GENERATION_FAILED = "ErrorFreeBusyGenerationFailed"


def answer_with(exchange: Simulator, *entries: Any) -> None:
    """Let getSchedule answer with these entries."""
    exchange.faults.add(
        Fault("status", operation="graph.getSchedule", code=200, body={"value": list(entries)})
    )


def entry(schedule: str | None = ANNA, **changes: Any) -> dict[str, Any]:
    return {"scheduleId": schedule, "availabilityView": "00", "scheduleItems": [], **changes}


def item(
    status: str = "busy", start: str = "09:00:00", end: str = "10:00:00", zone: str = "UTC"
) -> dict[str, Any]:
    times = {
        name: {"dateTime": f"2026-12-01T{time}", "timeZone": zone}
        for name, time in (("start", start), ("end", end))
    }
    return {"status": status, **times}


@pytest.mark.parametrize("status", ["free", "tentative", "busy", "oof", "workingElsewhere"])
def test_read_reports_each_status_as_graph_spells_it(graph: GraphBackend, anna: Mailbox, status: str) -> None:
    anna.add_item("", NINE, NINE + HOUR, show_as=status)
    assert read(graph) == [BusyTime(Interval(NINE, NINE + HOUR), status)]


def test_read_reports_an_entry_that_began_before_the_window_whole(graph: GraphBackend, anna: Mailbox) -> None:
    anna.add_item("", NINE - HOUR, NINE + HOUR)
    assert read(graph) == [BusyTime(Interval(NINE - HOUR, NINE + HOUR), "busy")]


def test_read_answers_under_the_spelling_it_was_asked_with(graph: GraphBackend, exchange: Simulator) -> None:
    answer_with(exchange, entry(BEN.title()), entry(ANNA.title(), scheduleItems=[item()]))
    answer = graph.busy_times([ANNA.upper(), BEN], MORNING, soon())
    assert answer == {ANNA.upper(): [BusyTime(Interval(NINE, NINE + HOUR), "busy")], BEN: []}


def test_twenty_mailboxes_cost_one_call(graph: GraphBackend, exchange: Simulator, tenant: Tenant) -> None:
    people = [tenant.add_mailbox(f"person{n}@contoso.example").address for n in range(20)]
    assert graph.busy_times(people, MORNING, soon()) == {person: [] for person in people}
    assert exchange.round_trips() == exchange.counters["graph.getSchedule"] == 1


def test_read_asks_for_utc_and_immutable_ids(graph: GraphBackend, exchange: Simulator) -> None:
    read(graph)
    assert exchange.requests[-1].headers["prefer"] == 'outlook.timezone="UTC", IdType="ImmutableId"'


@pytest.mark.parametrize("minutes", [1, 5, 7, 60, 75, 1440, 4320, 62 * 1440 - 1])
def test_read_asks_with_an_interval_that_fits_the_window(graph: GraphBackend, minutes: int) -> None:
    assert read(graph, window=Interval(NINE, NINE + timedelta(minutes=minutes))) == []


def test_a_very_short_window_is_not_blocked_by_what_is_in_the_wider_one(
    graph: GraphBackend, anna: Mailbox
) -> None:
    anna.add_item("", NINE + timedelta(minutes=5), NINE + HOUR)
    window = Interval(NINE, NINE + timedelta(minutes=2))
    found = read(graph, window=window)
    assert not isinstance(found, CalendarError)
    assert unavailable(found, window, ["busy"]) == []


def test_the_longest_window_is_accepted(graph: GraphBackend) -> None:
    assert read(graph, window=Interval(NINE, NINE + GraphBackend.longest_window)) == []


def test_an_unknown_mailbox_is_an_error_and_the_others_are_read(graph: GraphBackend) -> None:
    answer = graph.busy_times([ANNA, NOBODY, BEN], MORNING, soon())
    assert (answer[ANNA], answer[BEN]) == ([], [])
    assert code_of(answer[NOBODY]) == "ErrorMailRecipientNotFound"


@pytest.mark.parametrize(
    ("response_code", "message", "code"),
    [
        ("5009", "", "ErrorMailRecipientNotFound"),
        ("5006", "", "ErrorResultSetTooBig"),
        ("5021", "", "ErrorServiceDiscoveryFailed"),
        ("5035", "", "ErrorInvalidSmtpAddress"),
        ("5016", "", "ErrorMailRecipientNotFound"),
        ("5016", "Proxy web request failed.", "ErrorProxyRequestProcessingFailed"),
        ("5016", "Proxy web request failed: (404) Not Found.", "ErrorMailRecipientNotFound"),
        ("5999", "Unable to resolve e-mail address.", "ErrorMailRecipientNotFound"),
        ("5999", "", GENERATION_FAILED),
        ("", "", GENERATION_FAILED),
        ("ErrorNoFreeBusyAccess", "", "ErrorNoFreeBusyAccess"),
        ("ErrorNeverHeardOf", "", "ErrorNeverHeardOf"),
    ],
)
def test_the_error_of_one_schedule_becomes_a_code(
    graph: GraphBackend, exchange: Simulator, response_code: str, message: str, code: str
) -> None:
    fault = Fault("schedule_error", mailbox=ANNA, response_code=response_code, message=message)
    exchange.faults.add(fault)
    answer = graph.busy_times([ANNA, BEN], MORNING, soon())
    assert (code_of(answer[ANNA]), answer[BEN]) == (code, [])


def test_an_entry_that_is_missing_is_unknown_and_not_free(graph: GraphBackend, exchange: Simulator) -> None:
    exchange.faults.add(Fault("entry_missing", mailbox=BEN))
    answer = graph.busy_times([ANNA, BEN, CHLOE], MORNING, soon())
    assert (answer[ANNA], code_of(answer[BEN]), answer[CHLOE]) == ([], GENERATION_FAILED, [])


def test_entries_in_another_order_are_given_to_the_right_people(
    graph: GraphBackend, exchange: Simulator, anna: Mailbox
) -> None:
    anna.add_item("", NINE, NINE + HOUR)
    exchange.faults.add(Fault("reordered"))
    answer = graph.busy_times([ANNA, BEN, NOBODY], MORNING, soon())
    assert answer[ANNA] == [BusyTime(Interval(NINE, NINE + HOUR), "busy")]
    assert (answer[BEN], code_of(answer[NOBODY])) == ([], "ErrorMailRecipientNotFound")


def test_an_entry_without_a_name_is_known_by_its_position(graph: GraphBackend, exchange: Simulator) -> None:
    answer_with(exchange, entry(ANNA), entry(None, scheduleItems=[item()]))
    answer = graph.busy_times([ANNA, BEN], MORNING, soon())
    assert answer == {ANNA: [], BEN: [BusyTime(Interval(NINE, NINE + HOUR), "busy")]}


def test_a_position_says_nothing_where_the_rest_is_out_of_order(
    graph: GraphBackend, exchange: Simulator
) -> None:
    answer_with(exchange, entry(None), entry(None), entry(ANNA))
    answer = graph.busy_times([ANNA, BEN, CHLOE], MORNING, soon())
    assert answer[ANNA] == []
    assert code_of(answer[BEN]) == code_of(answer[CHLOE]) == GENERATION_FAILED


@pytest.mark.parametrize(
    "changes",
    [
        {"availabilityView": ""},
        {"availabilityView": None},
        {"availabilityView": "0200"},
        {"scheduleItems": None},
        {"scheduleItems": {}},
        {"scheduleItems": ["x"]},
        {"scheduleItems": [item() | {"status": None}]},
        {"scheduleItems": [item(start="soon")]},
        {"scheduleItems": [item(start="11:00:00")]},
        {"scheduleItems": [{"status": "busy"}]},
        {"error": {}, "scheduleItems": None},
        {"error": "no"},
    ],
    ids=repr,
)
def test_an_entry_that_says_nothing_usable_is_unknown_and_not_free(
    graph: GraphBackend, exchange: Simulator, changes: dict[str, Any]
) -> None:
    answer_with(exchange, entry(**changes))
    assert code_of(read(graph)) == GENERATION_FAILED


@pytest.mark.parametrize("zone", ["W. Europe Standard Time", "Customized Time Zone", "", None])
def test_times_in_another_zone_are_refused(graph: GraphBackend, exchange: Simulator, zone: Any) -> None:
    answer_with(exchange, entry(scheduleItems=[item(zone=zone)]), entry(BEN))
    answer = graph.busy_times([ANNA, BEN], MORNING, soon())
    assert (code_of(answer[ANNA]), answer[BEN]) == (GENERATION_FAILED, [])


@pytest.mark.parametrize(
    ("start", "zone"),
    [
        ("09:00:00", "UTC"),
        ("09:00:00.0000000", "utc"),
        ("09:00:00Z", "UTC"),
        ("11:00:00+02:00", "UTC"),
        ("09:00:00.0000000", "tzone://Microsoft/Utc"),
    ],
)
def test_times_are_read_in_every_spelling_of_utc(
    graph: GraphBackend, exchange: Simulator, start: str, zone: str
) -> None:
    answer_with(exchange, entry(scheduleItems=[item(start=start, zone=zone)]))
    assert read(graph) == [BusyTime(Interval(NINE, NINE + HOUR), "busy")]


def test_a_status_in_capitals_is_understood(graph: GraphBackend, exchange: Simulator, anna: Mailbox) -> None:
    anna.add_item("", NINE, NINE + HOUR, show_as="workingElsewhere")
    exchange.faults.add(Fault("capital_status", mailbox=ANNA))
    assert read(graph) == [BusyTime(Interval(NINE, NINE + HOUR), "workingElsewhere")]


def test_a_status_nobody_knows_is_unknown(graph: GraphBackend, exchange: Simulator, anna: Mailbox) -> None:
    anna.add_item("", NINE, NINE + HOUR)
    exchange.faults.add(Fault("unknown_status", mailbox=ANNA, value="sleeping"))
    assert read(graph) == [BusyTime(Interval(NINE, NINE + HOUR), "unknown")]


def test_an_alias_is_read_as_the_mailbox_it_belongs_to(graph: GraphBackend, anna: Mailbox) -> None:
    anna.add_item("", NINE, NINE + HOUR)
    answer = graph.busy_times([BEN, ALIAS], MORNING, soon())
    assert answer[ALIAS] == [BusyTime(Interval(NINE, NINE + HOUR), "busy")]


@pytest.mark.parametrize(
    "address", ["no address", "anna\r\n@contoso.example", "@", "anna@contoso.example\x00"]
)
def test_what_cannot_be_an_address_is_not_sent(
    graph: GraphBackend, exchange: Simulator, address: str
) -> None:
    answer = graph.busy_times([address, ANNA], MORNING, soon())
    assert (code_of(answer[address]), answer[ANNA]) == ("ErrorInvalidSmtpAddress", [])
    assert b"no address" not in exchange.requests[-1].body


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("html", "ErrorInternalServerError"),
        ("not_json", "ErrorInternalServerError"),
        ("truncate", "ErrorConnectionFailed"),
        ("drop", "ErrorConnectionFailed"),
    ],
)
def test_an_answer_that_is_no_answer_is_an_error_and_not_asked_for_again(
    graph: GraphBackend, exchange: Simulator, kind: str, code: str
) -> None:
    exchange.faults.add(Fault(kind, operation="graph.getSchedule"))
    assert refused(graph, ANNA, BEN).code == code
    assert exchange.counters["graph.getSchedule"] == 1


@pytest.mark.parametrize("kind", ["hang", "drip", "commit_then_hang"])
def test_read_answers_for_a_tenant_that_hangs(graph: GraphBackend, exchange: Simulator, kind: str) -> None:
    exchange.faults.add(Fault(kind, operation="graph.getSchedule"))
    deadline = Deadline.after(0.5)
    assert refused(graph, ANNA, BEN, deadline=deadline).code == "ErrorTimeoutExpired"
    assert Deadline.after(0).at - deadline.at < 0.5


def test_the_address_in_the_path_is_percent_encoded(graph: GraphBackend, exchange: Simulator) -> None:
    odd = "a/b?c#d'e+f%@contoso.example"
    read(graph, odd)
    assert seen(exchange, "getSchedule")[-1].path == (
        "/v1.0/users/a%2Fb%3Fc%23d%27e%2Bf%25%40contoso.example/calendar/getSchedule"
    )
