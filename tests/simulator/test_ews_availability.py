from datetime import timedelta

import pytest

from calendar_backends.simulator.world import Mailbox, Tenant
from tests.simulator.conftest import ANNA, BEN, NINE, TEN
from tests.simulator.ews_client import EwsClient

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def test_events_are_answered_whole_in_start_order_and_naive(reader: EwsClient, anna: Mailbox) -> None:
    anna.add_item("Second", NINE + 30 * MINUTE, TEN + DAY, show_as="oof")
    anna.add_item("First", NINE - DAY, NINE + MINUTE)

    answer = reader.availability([ANNA], NINE, TEN)

    assert answer.texts("t:StartTime") == ["2026-11-30T09:00:00", "2026-12-01T09:30:00"]
    assert answer.texts("t:EndTime") == ["2026-12-01T09:01:00", "2026-12-02T10:00:00"]
    assert answer.texts("t:BusyType") == ["Busy", "OOF"]


@pytest.mark.parametrize(
    ("status", "busy_type"),
    [
        ("free", "Free"),
        ("tentative", "Tentative"),
        ("workingElsewhere", "WorkingElsewhere"),
        ("unknown", "NoData"),
    ],
)
def test_every_status_has_its_ews_name(reader: EwsClient, anna: Mailbox, status: str, busy_type: str) -> None:
    anna.add_item("Item", NINE, TEN, show_as=status)
    assert reader.availability([ANNA], NINE, TEN).texts("t:BusyType") == [busy_type]


def test_what_touches_the_window_is_not_in_it(reader: EwsClient, anna: Mailbox) -> None:
    anna.add_item("Before", NINE - DAY, NINE)
    anna.add_item("After", TEN, TEN + DAY)
    assert reader.availability([ANNA], NINE, TEN).texts("t:StartTime") == []


def test_deleted_items_are_not_busy(reader: EwsClient, anna: Mailbox) -> None:
    anna.delete(anna.add_item("Gone", NINE, TEN))
    assert reader.availability([ANNA], NINE, TEN).texts("t:BusyType") == []


def test_mailboxes_are_answered_in_the_order_of_the_request(reader: EwsClient, anna: Mailbox) -> None:
    anna.add_item("Item", NINE, TEN)
    answer = reader.availability([BEN, ANNA, BEN], NINE, TEN)
    counts = answer.texts("m:FreeBusyResponse[count(.//t:CalendarEvent) = 1]/preceding-sibling::*")
    assert len(counts) == 1
    assert len(answer.codes) == 3


def test_an_unknown_address_spoils_no_other_row(reader: EwsClient, anna: Mailbox) -> None:
    answer = reader.availability(["nobody@contoso.example", ANNA], NINE, TEN)
    assert answer.status == 200
    assert answer.codes == ["ErrorMailRecipientNotFound", "NoError"]
    assert answer.texts("t:FreeBusyViewType") == ["None", "FreeBusy"]


def test_an_alias_has_free_busy(reader: EwsClient, anna: Mailbox) -> None:
    anna.add_item("Item", NINE, TEN)
    assert reader.availability(["a.holm@contoso.example"], NINE, TEN).texts("t:BusyType") == ["Busy"]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("unlicensed", "ErrorMailRecipientNotFound"),
        ("disabled", "ErrorMailboxLogonFailed"),
        ("moving", "ErrorMailboxMoveInProgress"),
        ("no_calendar", "ErrorNoCalendar"),
        ("denied", "ErrorNoFreeBusyAccess"),
        ("store_unavailable", "ErrorMailboxStoreUnavailable"),
        ("on_premises", "NoError"),
    ],
)
def test_a_mailbox_in_a_bad_state_has_its_own_code(
    reader: EwsClient, anna: Mailbox, state: str, code: str
) -> None:
    anna.state = state
    assert reader.availability([ANNA], NINE, TEN).codes == [code]


def test_an_address_without_at_sign_is_invalid(reader: EwsClient) -> None:
    assert reader.availability(["anna"], NINE, TEN).codes == ["ErrorInvalidSmtpAddress"]


def test_more_entries_than_allowed_are_an_error(reader: EwsClient, anna: Mailbox) -> None:
    for _ in range(1001):
        anna.add_item("Item", NINE, TEN)
    assert reader.availability([ANNA], NINE, TEN).codes == ["ErrorResultSetTooBig"]


def test_a_hundred_mailboxes_are_the_limit(reader: EwsClient) -> None:
    assert reader.availability([ANNA] * 100, NINE, TEN).status == 200
    refused = reader.availability([ANNA] * 101, NINE, TEN)
    assert refused.status == 500
    assert refused.texts("faultcode") == ["a:ErrorMailboxDataArrayTooBig"]
    assert refused.texts("e:ErrorCode") == ["5002"]
    assert refused.codes == []


@pytest.mark.parametrize(
    ("length", "interval", "code"),
    [
        (62 * DAY + MINUTE, 30, "ErrorTimeIntervalTooBig"),
        (-DAY, 30, "ErrorInvalidTimeInterval"),
        (0 * DAY, 5, "ErrorInvalidTimeInterval"),
        (15 * MINUTE, 30, "ErrorInvalidMergedFreeBusyInterval"),
        (15 * MINUTE, 15, "ErrorInvalidMergedFreeBusyInterval"),
        (DAY, 4, "ErrorInvalidMergedFreeBusyInterval"),
        (2 * DAY, 1441, "ErrorInvalidMergedFreeBusyInterval"),
    ],
)
def test_a_bad_window_is_an_availability_fault(
    reader: EwsClient, length: timedelta, interval: int, code: str
) -> None:
    refused = reader.availability([ANNA], NINE, NINE + length, interval=interval)
    assert (refused.status, refused.texts("faultcode")) == (500, [f"a:{code}"])


@pytest.mark.parametrize("length", [62 * DAY, 15 * MINUTE])
def test_a_window_within_the_limits_is_answered(reader: EwsClient, length: timedelta) -> None:
    assert reader.availability([ANNA], NINE, NINE + length, interval=5).codes == ["NoError"]


def test_the_merged_view_has_digits_and_no_events(reader: EwsClient, anna: Mailbox) -> None:
    anna.add_item("Item", NINE, NINE + 10 * MINUTE)
    anna.add_item("Out", NINE + 5 * MINUTE, NINE + 15 * MINUTE, show_as="oof")
    answer = reader.availability([ANNA], NINE, NINE + 20 * MINUTE, view="MergedOnly")
    assert answer.texts("t:MergedFreeBusy") == ["2330"]
    assert answer.texts("t:CalendarEvent") == []


def test_details_of_private_items_stay_private(reader: EwsClient, anna: Mailbox) -> None:
    anna.add_item("Dentist", NINE, TEN, is_private=True)
    anna.add_item("Loan <review>", NINE, TEN)
    answer = reader.availability([ANNA], NINE, TEN, view="Detailed")
    assert answer.texts("t:Subject") == ["Loan <review>"]
    assert answer.texts("t:IsPrivate") == ["true", "false"]


def test_subjects_are_not_in_the_free_busy_view(reader: EwsClient, anna: Mailbox) -> None:
    anna.add_item("Loan review", NINE, TEN)
    assert b"Loan review" not in reader.availability([ANNA], NINE, TEN).body


def test_an_unknown_view_is_refused(reader: EwsClient) -> None:
    reader.checks_schema = False
    refused = reader.availability([ANNA], NINE, TEN, view="Everything")
    assert refused.texts("faultcode") == ["a:ErrorInvalidFreeBusyViewType"]


DAY_OF_CHANGE = "<t:DayOrder>0</t:DayOrder><t:Month>0</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>"
ATTENDEE_TYPE = "<t:AttendeeType>Required</t:AttendeeType>"


def _in_zone(start: str, *, summer: int = 0, attendee_type: str = ATTENDEE_TYPE) -> str:
    """The next 24 hours of anna's, asked in a zone that is one hour east of UTC."""
    halves = "".join(
        f"<t:{half}><t:Bias>{bias}</t:Bias><t:Time>00:00:00</t:Time>{DAY_OF_CHANGE}</t:{half}>"
        for half, bias in {"StandardTime": 0, "DaylightTime": summer}.items()
    )
    return (
        f"<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>-60</t:Bias>{halves}</t:TimeZone>"
        f"<m:MailboxDataArray><t:MailboxData><t:Email><t:Address>{ANNA}</t:Address></t:Email>{attendee_type}"
        f"</t:MailboxData></m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow>"
        f"<t:StartTime>{start}</t:StartTime><t:EndTime>2026-12-02T12:00:00Z</t:EndTime></t:TimeWindow>"
        "<t:RequestedView>FreeBusy</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("2026-12-01T10:59:59", ["2026-12-01T10:00:00"]),
        ("2026-12-01T11:00:00", []),
        ("2026-12-01T09:59:59Z", ["2026-12-01T10:00:00"]),
        ("2026-12-01T10:00:00Z", []),
    ],
)
def test_naive_times_are_in_the_zone_of_the_request(
    reader: EwsClient, anna: Mailbox, start: str, found: list[str]
) -> None:
    anna.add_item("Item", NINE, TEN)
    assert reader.call(_in_zone(start)).texts("t:StartTime") == found


def test_a_zone_with_summer_time_is_refused_and_not_misread(reader: EwsClient) -> None:
    answer = reader.call(_in_zone("2026-12-01T10:00:00", summer=-60))
    assert answer.codes == ["ErrorSchemaValidation"]


def test_the_attendee_type_is_required(reader: EwsClient) -> None:
    reader.checks_schema = False
    answer = reader.call(_in_zone("2026-12-01T10:00:00", attendee_type=""))
    assert answer.codes == ["ErrorSchemaValidation"]


def test_a_question_about_nobody_is_refused(reader: EwsClient) -> None:
    refused = reader.availability([], NINE, TEN)
    assert refused.texts("faultcode") == ["a:ErrorMailboxDataArrayEmpty"]


def test_another_tenants_mailbox_is_not_found(reader: EwsClient, tenant: Tenant) -> None:
    assert reader.availability(["anna@fabrikam.example"], NINE, TEN).codes == ["ErrorMailRecipientNotFound"]
