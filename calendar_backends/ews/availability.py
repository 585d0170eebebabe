"""GetUserAvailability: the question, and what the answer says about each mailbox.

https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseravailability-operation
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC as UTC_ZONE
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

from exchangelib import UTC
from exchangelib.properties import (
    DaylightTime,
    FreeBusyViewOptions,
    MailboxData,
    StandardTime,
    TimeWindow,
    TimeZone,
)
from exchangelib.services import GetUserAvailability
from lxml import etree

from calendar_backends.base import BusyTime, CalendarError, Interval, clean
from calendar_backends.core.errors import FREE_BUSY_GENERATION_FAILED
from calendar_backends.core.intervals import whole_seconds
from calendar_backends.ews.codes import message_error
from calendar_backends.ews.envelope import SOAP, M, Message, Server, T, ews_time, seal

Answer = list[BusyTime] | CalendarError

#: BusyType (types.xsd, LegacyFreeBusyType) in the spelling of the contract. NoData is not a status.
STATUS: Final = {
    "Free": "free",
    "Tentative": "tentative",
    "Busy": "busy",
    "OOF": "oof",
    "WorkingElsewhere": "workingElsewhere",
}
#: The views that list entries. Exchange gives less than was asked for where the caller may see less:
#: https://learn.microsoft.com/exchange/client-developer/web-service-reference/freebusyviewtype
_LISTED: Final = frozenset({"FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged"})
#: The merged interval has to be shorter than the window, also where no merged view is asked for, and is
#: at least 5 minutes (ErrorInvalidMergedFreeBusyInterval in the ResponseCode page of the EWS reference).
_SHORTEST_WINDOW: Final = timedelta(minutes=6)
_ANYBODY: Final = MailboxData(email="anybody", attendee_type="Required", exclude_conflicts=False)
_ENTRIES: Final = f"{SOAP}Body/{M}GetUserAvailabilityResponse/{M}FreeBusyResponseArray/{M}FreeBusyResponse"


def _of_events(path: str) -> Callable[[etree._Element], Any]:
    """A question to a FreeBusyView, answered by libxml2 at once: an object per field takes longer."""
    events = "t:CalendarEventArray/t:CalendarEvent"
    return etree.XPath(path.format(events), namespaces={"t": T.strip("{}")}, smart_strings=False)


_starts = _of_events("{}/t:StartTime/text()")
_ends = _of_events("{}/t:EndTime/text()")
_busy_types = _of_events("{}/t:BusyType/text()")
_count = _of_events("count({})")
_FIRST_SUNDAY: Final = {"bias": 0, "time": time(0), "occurrence": 1, "weekday": "Sunday"}
#: UTC. Some servers refuse a zone without both transitions (github.com/ecederstrand/exchangelib/issues/488).
_UTC_ZONE: Final = TimeZone(
    bias=0,
    standard_time=StandardTime(iso_month=11, **_FIRST_SUNDAY),
    daylight_time=DaylightTime(iso_month=3, **_FIRST_SUNDAY),
)


def question(server: Server, mailboxes: Sequence[str], window: Interval, anchor: str) -> Message:
    """Ask for times and statuses only: what everybody in an organization may see of each other."""
    service = GetUserAvailability(protocol=server)
    service.tzinfo = UTC
    payload = service.get_payload([_ANYBODY], _UTC_ZONE, _view_options(window))
    _ask_about(mailboxes, payload.find(f"{M}MailboxDataArray"))
    return seal(service, payload, anchor)


def answers(body: etree._Element, mailboxes: Sequence[str]) -> dict[str, Answer]:
    """What is known of each mailbox, in the order in which they were asked for.

    An entry does not say whose it is. So where one is missing, nothing is known of anybody: that raises
    CalendarError for the whole.
    """
    entries = body.findall(_ENTRIES)
    if len(entries) != len(mailboxes):
        detail = f"{len(entries)} entries in the answer about {len(mailboxes)} mailboxes"
        raise CalendarError(FREE_BUSY_GENERATION_FAILED, detail)
    return {mailbox: _answer(entry) for mailbox, entry in zip(mailboxes, entries, strict=True)}


def _ask_about(mailboxes: Sequence[str], array: Any) -> None:
    """Put a copy of the one entry for each mailbox in its place: exchangelib takes 0.2 ms to build one."""
    entry = array[0]
    array.remove(entry)
    for mailbox in mailboxes:
        entry.find(f"{T}Email/{T}Address").text = clean(mailbox)
        array.append(deepcopy(entry))


def _view_options(window: Interval) -> Any:
    asked = whole_seconds(window)
    end = max(asked.end, asked.start + _SHORTEST_WINDOW)
    minutes = (end - asked.start) // timedelta(minutes=1)
    return FreeBusyViewOptions(
        time_window=TimeWindow(start=ews_time(asked.start), end=ews_time(end)),
        merged_free_busy_interval=min(30, max(5, minutes - 1)),
        requested_view="FreeBusy",
    )


def _answer(entry: etree._Element) -> Answer:
    return message_error(entry.find(f"{M}ResponseMessage")) or _entries(entry.find(f"{M}FreeBusyView"))


def _entries(view: etree._Element | None) -> Answer:
    shown = None if view is None else view.findtext(f"{T}FreeBusyViewType")
    if view is None or shown not in _LISTED:
        return CalendarError(FREE_BUSY_GENERATION_FAILED, f"free/busy view: {shown}")
    starts, ends, statuses = _starts(view), _ends(view), _busy_types(view)
    if not len(starts) == len(ends) == len(statuses) == _count(view):
        return CalendarError(FREE_BUSY_GENERATION_FAILED, "an entry without start, end or status")
    if "NoData" in statuses:
        return CalendarError(FREE_BUSY_GENERATION_FAILED, "an entry that says nothing: BusyType NoData")
    try:
        whens = list(map(Interval, map(_moment, starts), map(_moment, ends)))
    except ValueError as error:
        return CalendarError(FREE_BUSY_GENERATION_FAILED, f"an entry that cannot be read: {error}")
    if any(end < start for start, end in whens):
        return CalendarError(FREE_BUSY_GENERATION_FAILED, "an entry that ends before it starts")
    return [BusyTime(when, STATUS.get(said, "unknown")) for when, said in zip(whens, statuses, strict=True)]


@lru_cache(maxsize=8192)
def _moment(text: str) -> datetime:
    """Servers answer with Z, with an offset, or with neither, which is the zone that was asked in: UTC.

    Kept, because people meet at the full and half hour: an answer says the same few times over and over.
    """
    if len(text) == 19:
        text += "+00:00"
    if text[10:11] != "T":
        raise ValueError("a time that cannot be read")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC_ZONE:
        return moment
    return moment.astimezone(UTC_ZONE) if moment.tzinfo else moment.replace(tzinfo=UTC_ZONE)
