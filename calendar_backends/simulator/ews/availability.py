"""GetUserAvailability: free/busy of up to a hundred mailboxes.

Rules: "GetUserAvailability operation", TimeWindow, FreeBusyViewType and ResponseCode in the EWS reference.
The numbers in the faults of this service are attested for 5002 alone; a client reads the name.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from lxml import etree

from calendar_backends.simulator.ews.refusals import FAILURES, failure
from calendar_backends.simulator.ews.soap import (
    AvailabilityFault,
    ItemError,
    M,
    T,
    child,
    child_text,
    integer,
    invalid,
    parse_time,
)
from calendar_backends.simulator.ews.views import VIEWS, Query, error_response, view_response
from calendar_backends.simulator.faults import FaultBook
from calendar_backends.simulator.world import Item, Tenant

MAILBOXES_ALLOWED = 100
WINDOW_ALLOWED = timedelta(days=62)
ENTRIES_ALLOWED = 1000
OPERATION = "ews.GetUserAvailability"
MAILBOX_FAULTS = FAILURES | {
    "entry_missing",
    "view_none",
    "merged_only",
    "no_data",
    "time_format",
    "unknown_status",
}
# What asking for a mailbox in such a state is answered with.
_CLOSED = {
    "unlicensed": "ErrorMailRecipientNotFound",
    "disabled": "ErrorMailboxLogonFailed",
    "moving": "ErrorMailboxMoveInProgress",
    "no_calendar": "ErrorNoCalendar",
    "denied": "ErrorNoFreeBusyAccess",
    "store_unavailable": "ErrorMailboxStoreUnavailable",
}


def addresses_in(operation: etree._Element) -> list[str]:
    path = f"{M}MailboxDataArray/{T}MailboxData/{T}Email/{T}Address"
    return [(address.text or "").strip() for address in operation.iterfind(path)]


def get_user_availability(operation: etree._Element, tenant: Tenant, faults: FaultBook) -> str:
    """The answer as XML. Raises SoapFault or AvailabilityFault if the whole question is refused."""
    query = _read(operation)
    answers = [_answer(address, query, tenant, faults) for address in query.addresses]
    return (
        "<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>"
        f"{''.join(answers)}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"
    )


def _read(operation: etree._Element) -> Query:
    zone = _zone(operation)
    options = child(operation, T + "FreeBusyViewOptions")
    window = child(options, T + "TimeWindow")
    start = _window_time(child_text(window, T + "StartTime"), zone)
    end = _window_time(child_text(window, T + "EndTime"), zone)
    interval = timedelta(minutes=integer(child_text(options, T + "MergedFreeBusyIntervalInMinutes", "30")))
    view = child_text(options, T + "RequestedView", "FreeBusyMerged")
    query = Query(_mailbox_data(operation), start, end, view, interval, zone)
    _check(query)
    return query


def _mailbox_data(operation: etree._Element) -> list[str]:
    for entry in operation.iterfind(f"{M}MailboxDataArray/{T}MailboxData"):
        child(entry, T + "AttendeeType")
        child(child(entry, T + "Email"), T + "Address")
    return addresses_in(operation)


def _check(query: Query) -> None:
    length = query.end - query.start
    if not query.addresses:
        raise AvailabilityFault("ErrorMailboxDataArrayEmpty", 5000)
    if len(query.addresses) > MAILBOXES_ALLOWED:
        text = f"The number of mailboxes exceeds the allowed size of {MAILBOXES_ALLOWED}."
        raise AvailabilityFault("ErrorMailboxDataArrayTooBig", 5002, text)
    if query.view not in VIEWS:
        raise AvailabilityFault("ErrorInvalidFreeBusyViewType", 5003)
    if length <= timedelta(0):
        text = "The time duration specified for FreeBusyViewOptions.TimeWindow is invalid."
        raise AvailabilityFault("ErrorInvalidTimeInterval", 5004, text)
    if length > WINDOW_ALLOWED:
        text = f"The requested time duration is too long. Allowed limit = {WINDOW_ALLOWED.days} days."
        raise AvailabilityFault("ErrorTimeIntervalTooBig", 5005, text)
    if not timedelta(minutes=5) <= query.interval <= timedelta(days=1) or query.interval >= length:
        raise AvailabilityFault("ErrorInvalidMergedFreeBusyInterval", 5007)


def _zone(operation: etree._Element) -> timezone:
    """The zone of the request as a fixed offset; a zone with summer time is not imitated."""
    zone = operation.find(T + "TimeZone")
    if zone is None:
        return timezone(timedelta(0))
    biases = {child_text(child(zone, T + part), T + "Bias") for part in ("StandardTime", "DaylightTime")}
    if len(biases) > 1:
        raise invalid("The simulated Exchange knows no summer time: give both halves of TimeZone one Bias.")
    minutes = integer(child_text(zone, T + "Bias")) + integer(biases.pop())
    return timezone(timedelta(minutes=-minutes))


def _window_time(text: str, zone: timezone) -> datetime:
    value = parse_time(text)
    has_zone = text.endswith("Z") or "+" in text[10:] or "-" in text[10:]
    return value if has_zone else value - zone.utcoffset(None)


def _answer(address: str, query: Query, tenant: Tenant, faults: FaultBook) -> str:
    fault = faults.take(OPERATION, address, MAILBOX_FAULTS)
    if fault is not None and fault.kind == "entry_missing":
        return ""
    try:
        if fault is not None and fault.kind in FAILURES:
            raise failure(fault)
        return view_response(_items(address, query, tenant), query, fault)
    except ItemError as error:
        return error_response(error)


def _items(address: str, query: Query, tenant: Tenant) -> list[Item]:
    if "@" not in address:
        raise ItemError("ErrorInvalidSmtpAddress")
    mailbox = tenant.mailbox(address)
    if mailbox is None:
        text = f"Unable to resolve e-mail address {address} to an Active Directory object."
        raise ItemError("ErrorMailRecipientNotFound", text)
    if mailbox.state in _CLOSED:
        raise ItemError(_CLOSED[mailbox.state])
    items = mailbox.busy(query.start, query.end)
    if len(items) > ENTRIES_ALLOWED:
        raise ItemError("ErrorResultSetTooBig")
    return items
