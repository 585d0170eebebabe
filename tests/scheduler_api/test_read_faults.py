"""Read when Exchange's answers are not what they should be: the right busy time, or the right errorCode."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from calendar_backends import registry
from calendar_backends.simulator import Fault, Simulator
from orgs.models import Org
from scheduler_api.circuit import SHORTEST_PAUSE
from tests.conftest import PEOPLE, Salesforce, busy

ANNA = "attendee1@contoso.com"
ORGANIZER = "organizer@contoso.com"
WHOLE_WINDOW = [{"timeMin": "2020-10-15T00:00:00Z", "timeMax": "2020-10-17T12:00:00Z"}]
ANNAS = [{"timeMin": "2020-10-16T10:00:00Z", "timeMax": "2020-10-16T11:00:00Z"}]
ORGANIZERS = [{"timeMin": "2020-10-16T12:00:00Z", "timeMax": "2020-10-16T13:00:00Z"}]
#: What GetUserAvailability and getSchedule are called in the simulator.
READ = {"ews": "ews.GetUserAvailability", "graph": "graph.getSchedule"}
NO_ACCESS = "ErrorNoFreeBusyAccess"
GENERATION_FAILED = "ErrorFreeBusyGenerationFailed"

pytestmark = pytest.mark.usefixtures("_busy")
ews_only = pytest.mark.parametrize("backend", ["ews"])
graph_only = pytest.mark.parametrize("backend", ["graph"])


@pytest.fixture
def _busy(exchange: Simulator) -> None:
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:00")
    busy(exchange, ORGANIZER, "2020-10-16 12:00", "2020-10-16 13:00")


def read(salesforce: Salesforce, *emails: str) -> list[tuple[str, Any]]:
    """(errorCode, unavailableTimeslots) of each row."""
    rows = salesforce.read(*(emails or (ANNA, ORGANIZER)))
    return [(row["errorCode"], row["unavailableTimeslots"]) for row in rows]


def everybody(code: str) -> list[tuple[str, Any]]:
    return [(code, WHOLE_WINDOW)] * 2


RIGHT = [("NoError", ANNAS), ("NoError", ORGANIZERS)]


def asked(exchange: Simulator) -> int:
    """Requests of any kind that reached Exchange or its sign-in."""
    return len(exchange.requests)


@pytest.mark.parametrize(
    ("backend", "fault", "code"),
    [
        ("ews", Fault("entry_missing"), GENERATION_FAILED),
        ("ews", Fault("no_data"), GENERATION_FAILED),
        ("ews", Fault("view_none"), GENERATION_FAILED),
        ("ews", Fault("merged_only"), GENERATION_FAILED),
        ("ews", Fault("time_format", format="garbage"), GENERATION_FAILED),
        ("ews", Fault("availability_code", code=NO_ACCESS), NO_ACCESS),
        ("ews", Fault("availability_code", code="ErrorNeverHeardOf"), "ErrorNeverHeardOf"),
        ("ews", Fault("inner_busy"), "ErrorServerBusy"),
        ("graph", Fault("entry_missing"), GENERATION_FAILED),
        ("graph", Fault("view_none"), GENERATION_FAILED),
        ("graph", Fault("merged_only"), GENERATION_FAILED),
        ("graph", Fault("time_format", format="garbage"), GENERATION_FAILED),
        ("graph", Fault("windows_zone"), GENERATION_FAILED),
        ("graph", Fault("schedule_error", response_code=NO_ACCESS, message=""), NO_ACCESS),
        ("graph", Fault("schedule_error", response_code="5009"), "ErrorMailRecipientNotFound"),
        ("graph", Fault("schedule_error", response_code="5021"), "ErrorServiceDiscoveryFailed"),
        ("graph", Fault("schedule_error", response_code="5999", message=""), GENERATION_FAILED),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_what_is_not_known_of_one_mailbox_is_an_error_in_its_row_alone(
    exchange: Simulator, salesforce: Salesforce, fault: Fault, code: str
) -> None:
    exchange.faults.add(Fault(fault.kind, mailbox=ANNA, **fault.parameters))
    assert read(salesforce) == [(code, WHOLE_WINDOW), RIGHT[1]]


@pytest.mark.parametrize("style", ["naive", "z", "offset", "fraction"])
def test_times_are_right_however_they_are_written(
    exchange: Simulator, salesforce: Salesforce, style: str
) -> None:
    exchange.faults.add(Fault("time_format", format=style))
    found = read(salesforce)
    # A fraction of a second makes the time longer, never shorter.
    assert json.loads(re.sub(r":01Z", ":00Z", json.dumps(found))) == [list(row) for row in RIGHT]


@graph_only
@pytest.mark.parametrize("kind", ["reordered", "capital_status"])
def test_entries_in_another_order_and_capitals_change_nothing(
    exchange: Simulator, salesforce: Salesforce, kind: str
) -> None:
    exchange.faults.add(Fault(kind))
    assert read(salesforce) == RIGHT


@pytest.mark.parametrize("mailbox", [None, ANNA])
def test_an_unknown_status_blocks(exchange: Simulator, salesforce: Salesforce, mailbox: str | None) -> None:
    busy(exchange, ANNA, "2020-10-16 14:00", "2020-10-16 15:00", "free")
    exchange.faults.add(Fault("unknown_status", mailbox=mailbox, value="Elsewhen"))
    anna, organizer = read(salesforce)
    assert [found["timeMin"] for found in anna[1]] == ["2020-10-16T10:00:00Z", "2020-10-16T14:00:00Z"]
    assert organizer == RIGHT[1]


BROKEN = [
    Fault("truncate", bytes=200),
    Fault("html"),
    Fault("not_json"),
    Fault("drop"),
    Fault("status", code=502, body="<html>"),
    Fault("status", code=401),
]


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault.kind)
def test_a_broken_answer_is_asked_for_again(
    exchange: Simulator, salesforce: Salesforce, backend: str, fault: Fault
) -> None:
    exchange.faults.add(Fault(fault.kind, operation=READ[backend], times=1, **fault.parameters))
    assert read(salesforce) == RIGHT
    assert exchange.counters[READ[backend]] == 2


@pytest.mark.parametrize(
    ("backend", "kind", "code"),
    [
        ("ews", "truncate", "ErrorConnectionFailed"),
        ("ews", "html", "ErrorConnectionFailed"),
        ("ews", "not_json", "ErrorConnectionFailed"),
        ("ews", "drop", "ErrorConnectionFailed"),
        ("graph", "truncate", "ErrorConnectionFailed"),
        ("graph", "html", "ErrorInternalServerError"),
        ("graph", "not_json", "ErrorInternalServerError"),
        ("graph", "drop", "ErrorConnectionFailed"),
    ],
)
def test_broken_answers_for_ever_are_everybodys_error_and_asked_for_a_few_times(
    exchange: Simulator, salesforce: Salesforce, backend: str, kind: str, code: str
) -> None:
    exchange.faults.add(Fault(kind, operation=READ[backend]))
    assert read(salesforce) == everybody(code)
    assert exchange.counters[READ[backend]] <= 6


@ews_only
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("soap_fault", code="ErrorProxyRequestProcessingFailed"), "ErrorProxyRequestProcessingFailed"),
        (Fault("a_fault", code="ErrorProxyRequestProcessingFailed", number=5012), None),
        (Fault("version_fault", code="ErrorInvalidServerVersion"), "ErrorInvalidServerVersion"),
        (Fault("cas_error", code="UserNotFound"), "ErrorInternalServerTransientError"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_a_fault_of_the_whole_request_keeps_its_name(
    exchange: Simulator, salesforce: Salesforce, fault: Fault, code: str | None
) -> None:
    exchange.faults.add(fault)
    assert read(salesforce) == everybody(code or "ErrorProxyRequestProcessingFailed")


@graph_only
@pytest.mark.parametrize(
    ("status", "code", "inner", "meant"),
    [
        (500, "UnknownError", "ErrorMailboxStoreUnavailable", "ErrorMailboxStoreUnavailable"),
        (400, "BadRequest", "ErrorInvalidFreeBusyViewType", "ErrorInvalidFreeBusyViewType"),
        (500, "generalException", None, "ErrorInternalServerTransientError"),
    ],
)
def test_the_most_inner_code_that_means_something_is_reported(
    exchange: Simulator, salesforce: Salesforce, status: int, code: str, inner: str | None, meant: str
) -> None:
    exchange.faults.add(Fault("error", operation=READ["graph"], status=status, code=code, inner=inner))
    assert read(salesforce) == everybody(meant)


@ews_only
def test_throttling_inside_another_error_is_throttling(exchange: Simulator, salesforce: Salesforce) -> None:
    exchange.faults.add(Fault("soap_fault", code="ErrorServerBusy", back_off_ms=60_000))
    assert read(salesforce) == everybody("ErrorServerBusy")


@graph_only
@pytest.mark.parametrize("state", ["moving", "denied", "unlicensed"])
def test_a_bad_anchor_mailbox_is_replaced_and_not_blamed_on_the_others(
    exchange: Simulator, salesforce: Salesforce, state: str
) -> None:
    exchange.world.tenants["contoso"].mailboxes[ANNA].state = state
    anna, organizer = read(salesforce)
    assert anna[0].startswith("Error")
    assert organizer == RIGHT[1]


def lock_out(exchange: Simulator) -> None:
    """Somebody changes the service account's password and the app's secret."""
    tenant = exchange.world.tenants["contoso"]
    tenant.accounts["service@contoso.com"].password = "changed"
    tenant.apps["app"].client_secret = "changed"


def test_a_wrong_password_is_tried_twice_and_then_answered_for_at_once(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    lock_out(exchange)
    assert read(salesforce) == everybody("ErrorAccessDenied")
    assert asked(exchange) <= 2
    before = asked(exchange)
    assert read(salesforce) == everybody("ErrorAccessDenied")
    registry.disconnect_all()  # as another process would
    assert read(salesforce) == everybody("ErrorAccessDenied")
    assert asked(exchange) == before


def test_a_wrong_password_is_not_tried_for_every_part_of_a_large_question(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    lock_out(exchange)
    many = [f"person{n}@contoso.com" for n in range(400)]
    rows = salesforce.read(*many, start="2020-01-01T00:00:00Z", end="2020-12-31T00:00:00Z")
    assert {row["errorCode"] for row in rows} == {"ErrorAccessDenied"}
    assert asked(exchange) <= 2 * org.calendar().at_once


def test_corrected_options_are_tried_at_once(org: Org, exchange: Simulator, salesforce: Salesforce) -> None:
    lock_out(exchange)
    read(salesforce)
    name = "password" if org.backend == "ews" else "client_secret"
    org.options = {**org.options, name: "changed"}
    org.save()
    assert read(salesforce) == RIGHT


def test_the_pause_doubles_while_it_stays_broken_and_ends_with_an_answer(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    lock_out(exchange)
    tried = []
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        for seconds in (0, SHORTEST_PAUSE - 1, 2, SHORTEST_PAUSE + 1, SHORTEST_PAUSE):
            clock.shift(seconds)
            before = asked(exchange)
            read(salesforce)
            tried.append(asked(exchange) > before)
    assert tried == [True, False, True, False, True]


def _switch_off(exchange: Simulator) -> None:
    exchange.world.tenants["contoso"].ews_enabled = False
    exchange.world.tenants["contoso"].apps["app"].permissions = set()


def test_ews_switched_off_or_no_permission_is_told_from_a_persons_error(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    _switch_off(exchange)
    for _ in range(2):
        before = asked(exchange)
        rows = salesforce.read(*PEOPLE)
        assert [row["errorCode"] for row in rows] == ["ErrorAccessDenied"] * len(PEOPLE)
    assert asked(exchange) == before


@pytest.mark.parametrize("backend", ["graph"])
@pytest.mark.parametrize("people", [[ANNA], [ANNA, ORGANIZER]])
def test_an_app_without_permission_is_found_out_by_calls_about_few(
    exchange: Simulator, salesforce: Salesforce, people: list[str]
) -> None:
    _switch_off(exchange)
    for _ in range(4):
        before = asked(exchange)
        rows = salesforce.read(*people)
        assert [row["errorCode"] for row in rows] == ["ErrorAccessDenied"] * len(people)
    assert asked(exchange) == before


@pytest.mark.parametrize("backend", ["graph"])
def test_an_app_that_may_read_some_is_not_held_to_be_without_permission(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    exchange.world.tenants["contoso"].apps["app"].scope = {ORGANIZER}
    salesforce.read(ORGANIZER)
    exchange.world.tenants["contoso"].mailboxes[ORGANIZER].state = "moving"
    for _ in range(4):
        salesforce.read(ANNA)
    exchange.world.tenants["contoso"].mailboxes[ORGANIZER].state = "ok"
    assert read(salesforce)[1] == RIGHT[1]


@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        ("ews", Fault("availability_code", code="ErrorAccessDenied")),
        ("graph", Fault("schedule_error", response_code="ErrorAccessDenied", message="")),
    ],
)
def test_a_persons_own_refusal_does_not_close_the_org(
    exchange: Simulator, salesforce: Salesforce, fault: Fault
) -> None:
    exchange.faults.add(Fault(fault.kind, mailbox=ANNA, **fault.parameters))
    for _ in range(2):
        assert read(salesforce) == [("ErrorAccessDenied", WHOLE_WINDOW), RIGHT[1]]


@ews_only
def test_a_part_that_is_refused_does_not_close_the_org_while_others_are_answered(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    strangers = [f"person{n}@contoso.com" for n in range(100)]
    exchange.faults.add(Fault("ews_disabled", mailbox=strangers[0]))
    for _ in range(2):
        assert read(salesforce, *strangers, ORGANIZER)[-1] == RIGHT[1]
