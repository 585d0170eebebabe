"""Read: one honest row per requested row."""

import gc
from typing import Any

import pytest

from calendar_backends.simulator import Fault, Simulator
from orgs.models import Org
from scheduler_api.availability import Availability
from scheduler_api.views import AvailabilityView
from tests.conftest import Salesforce, busy

ANNA = "attendee1@contoso.com"
ORGANIZER = "organizer@contoso.com"
WHOLE_WINDOW = [{"timeMin": "2020-10-15T00:00:00Z", "timeMax": "2020-10-17T12:00:00Z"}]


def slot(start: str, end: str) -> dict[str, str]:
    return {"timeMin": start, "timeMax": end}


def test_rows_come_in_the_order_asked_duplicates_included(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:00")
    first, second, third = salesforce.read(ANNA, ORGANIZER, ANNA.upper())
    assert [first["serviceResourceId"], second["serviceResourceId"], third["serviceResourceId"]] == list(
        "012"
    )
    assert second["unavailableTimeslots"] == []
    assert first["unavailableTimeslots"] == third["unavailableTimeslots"] != []


def test_a_row_without_resource_id_is_named_by_its_address(salesforce: Salesforce) -> None:
    answer = salesforce.send(
        "POST", "availability?from=2020-10-15T00:00:00Z&to=2020-10-16T00:00:00Z", [{"email": ANNA}]
    )
    assert answer.json() == [{"email": ANNA, "errorCode": "NoError", "unavailableTimeslots": []}]


def test_nobody_asked_about_is_no_row(salesforce: Salesforce) -> None:
    assert salesforce.read() == []


def test_slots_are_clipped_merged_and_sorted(exchange: Simulator, salesforce: Salesforce) -> None:
    busy(exchange, ANNA, "2020-10-17 11:00", "2020-10-18 09:00")
    busy(exchange, ANNA, "2020-10-16 11:00", "2020-10-16 12:00", "oof")
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:30", "tentative")
    busy(exchange, ANNA, "2020-10-14 22:00", "2020-10-15 08:00")
    [row] = salesforce.read(ANNA)
    assert row["unavailableTimeslots"] == [
        slot("2020-10-15T00:00:00Z", "2020-10-15T08:00:00Z"),
        slot("2020-10-16T10:00:00Z", "2020-10-16T12:00:00Z"),
        slot("2020-10-17T11:00:00Z", "2020-10-17T12:00:00Z"),
    ]


@pytest.mark.parametrize("status", ["busy", "oof", "tentative", "unknown"])
def test_a_status_that_blocks(org: Org, exchange: Simulator, salesforce: Salesforce, status: str) -> None:
    if status == "unknown":  # the only way a server has to say it: a word nobody knows
        exchange.faults.add(Fault("unknown_status", value="Elsewhen"))
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:00", "busy" if status == "unknown" else status)
    [row] = salesforce.read(ANNA)
    assert row["unavailableTimeslots"] == [slot("2020-10-16T10:00:00Z", "2020-10-16T11:00:00Z")]


@pytest.mark.parametrize("status", ["free", "workingElsewhere"])
def test_a_status_that_does_not_block(exchange: Simulator, salesforce: Salesforce, status: str) -> None:
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:00", status)
    [row] = salesforce.read(ANNA)
    assert row == {"serviceResourceId": "0", "errorCode": "NoError", "unavailableTimeslots": []}


def test_which_statuses_block_is_the_orgs_choice(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    Org.objects.update(blocking_statuses=["workingElsewhere"])
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:00", "workingElsewhere")
    busy(exchange, ANNA, "2020-10-16 14:00", "2020-10-16 15:00", "busy")
    [row] = salesforce.read(ANNA)
    assert row["unavailableTimeslots"] == [slot("2020-10-16T10:00:00Z", "2020-10-16T11:00:00Z")]


@pytest.mark.parametrize("email", ["nobody@contoso.com", "nobody@elsewhere.example", "not an address"])
def test_an_address_without_a_mailbox_is_unknown_and_blocks(salesforce: Salesforce, email: str) -> None:
    known, unknown = salesforce.read(ANNA, email)
    assert known["errorCode"] == "NoError"
    assert unknown["errorCode"] == "ErrorMailRecipientNotFound"
    assert unknown["unavailableTimeslots"] == WHOLE_WINDOW


def test_an_org_may_choose_that_the_unknown_does_not_block(org: Org, salesforce: Salesforce) -> None:
    Org.objects.update(on_unknown="free")
    [row] = salesforce.read("nobody@contoso.com")
    assert row["errorCode"] == "ErrorMailRecipientNotFound"
    assert row["unavailableTimeslots"] == []


def test_a_mailbox_that_exchange_leaves_out_is_never_free(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    exchange.faults.add(Fault("entry_missing", mailbox=ANNA))
    assert salesforce.read(ANNA, ORGANIZER)[0] == {
        "serviceResourceId": "0",
        "errorCode": "ErrorFreeBusyGenerationFailed",
        "unavailableTimeslots": WHOLE_WINDOW,
    }


def test_an_exchange_that_is_down_gives_everybody_an_error_row(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    exchange.stop()
    rows = salesforce.read(ANNA, ORGANIZER)
    assert [row["errorCode"] for row in rows] == ["ErrorConnectionFailed"] * 2
    assert [row["unavailableTimeslots"] for row in rows] == [WHOLE_WINDOW] * 2


def test_a_hanging_exchange_is_answered_for_at_the_deadline(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    Org.objects.update(read_deadline=1)
    exchange.faults.add(Fault("hang", operation="ews.*", seconds=30))
    exchange.faults.add(Fault("hang", operation="graph.*", seconds=30))
    [row] = salesforce.read(ANNA)
    assert row["errorCode"] == "ErrorTimeoutExpired"
    assert row["unavailableTimeslots"] == WHOLE_WINDOW


def test_a_broken_driver_is_never_free(org: Org, salesforce: Salesforce, settings: Any) -> None:
    settings.CALENDAR_BACKENDS = {}
    [row] = salesforce.read(ANNA)
    assert (row["errorCode"], row["unavailableTimeslots"]) == ("ErrorInternalServerError", WHOLE_WINDOW)


def test_a_long_window_is_asked_for_in_pieces(exchange: Simulator, salesforce: Salesforce) -> None:
    busy(exchange, ANNA, "2020-02-01 10:00", "2020-02-01 11:00")
    busy(exchange, ANNA, "2020-12-01 10:00", "2020-12-01 11:00")
    [row] = salesforce.read(ANNA, start="2020-01-01T00:00:00Z", end="2021-01-01T00:00:00Z")
    assert row["errorCode"] == "NoError"
    assert [found["timeMin"][:10] for found in row["unavailableTimeslots"]] == ["2020-02-01", "2020-12-01"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("to=2020-10-16T00:00:00Z", "from"),
        ("from=2020-10-16T00:00:00Z", "to"),
        ("from=2020-10-16T00:00:00&to=2020-10-17T00:00:00Z", "from"),
        ("from=2020-10-16&to=2020-10-17T00:00:00Z", "from"),
        ("from=2020-10-16T00:00:00Z&to=2020-10-16T00:00:00Z", "to"),
        ("from=2020-10-16T00:00:00Z&to=2022-10-16T00:00:00Z", "to"),
        ("from=0001-01-01T00:00:00%2B10:00&to=2022-10-16T00:00:00Z", "from"),
    ],
)
def test_a_window_that_is_none_is_refused_by_name(salesforce: Salesforce, query: str, field: str) -> None:
    answer = salesforce.send("POST", f"availability?{query}", [{"email": ANNA}])
    assert answer.status_code == 400
    assert [error["attr"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "start",
    [
        "2020-10-16T10:00:00.999Z",
        "2020-10-16T12:00:00%2B02:00",
        "2020-10-16T12:00:00+02:00",
        "2020-10-16t10:00:00z",
        "2020-10-16T12:00:00%2B0200",
    ],
)
def test_fractions_and_offsets_are_read_and_utc_is_answered(salesforce: Salesforce, start: str) -> None:
    [row] = salesforce.read("nobody@contoso.com", start=start)
    assert row["unavailableTimeslots"] == [slot("2020-10-16T10:00:00Z", "2020-10-17T12:00:00Z")]


def test_midnight_may_be_written_as_the_end_of_a_day(salesforce: Salesforce) -> None:
    [row] = salesforce.read("nobody@contoso.com", end="2020-10-16T24:00:00Z")
    assert row["unavailableTimeslots"][0]["timeMax"] == "2020-10-17T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ([{}], "0.email"),
        ([{"email": ""}], "0.email"),
        ({"email": ANNA}, None),
        ([ANNA], "0.non_field_errors"),
    ],
)
def test_a_row_without_address_is_refused_by_its_place(
    salesforce: Salesforce, body: Any, attr: str | None
) -> None:
    answer = salesforce.send("POST", "availability?from=2020-10-15T00:00:00Z&to=2020-10-16T00:00:00Z", body)
    assert answer.status_code == 400
    if attr:
        assert answer.json()["errors"][0]["attr"] == attr


def test_more_than_1000_rows_are_refused_by_number(salesforce: Salesforce) -> None:
    rows = [{"email": ANNA}] * 1001
    answer = salesforce.send("POST", "availability?from=2020-10-15T00:00:00Z&to=2020-10-16T00:00:00Z", rows)
    assert answer.status_code == 400
    assert "1000" in answer.json()["errors"][0]["detail"]


def test_the_right_to_update_is_not_needed_to_read(org: Org) -> None:
    from tests.conftest import token_for

    [row] = Salesforce(token_for(org, ANNA)).read(ANNA)
    assert row["errorCode"] == "NoError"


def test_a_read_is_gone_with_its_answer(salesforce: Salesforce) -> None:
    """Thousands of rows that refer to each other would stay until Python's collector comes by."""
    salesforce.read("attendee1@contoso.com")
    gc.collect()
    gc.disable()
    try:
        salesforce.read("attendee1@contoso.com")
        left = [thing for thing in gc.get_objects() if isinstance(thing, Availability | AvailabilityView)]
    finally:
        gc.enable()
    assert left == []
