"""How a mailbox's free/busy is written: the FreeBusyView of GetUserAvailability.

Shapes: FreeBusyView, FreeBusyViewType, MergedFreeBusy and CalendarEvent in the EWS reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from xml.sax.saxutils import escape

from calendar_backends.simulator.ews.soap import ItemError, error_xml, success_xml
from calendar_backends.simulator.faults import Fault
from calendar_backends.simulator.world import Item

VIEWS = frozenset({"MergedOnly", "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged"})
BUSY_TYPES = {
    "free": "Free",
    "tentative": "Tentative",
    "busy": "Busy",
    "oof": "OOF",
    "workingElsewhere": "WorkingElsewhere",
    "unknown": "NoData",
}
# In the order in which one outranks another when they overlap.
_DIGITS = {"free": 0, "workingElsewhere": 0, "tentative": 1, "busy": 2, "oof": 3, "unknown": 4}

FormatTime = Callable[[datetime], str]


@dataclass(frozen=True)
class Query:
    """What is asked: addresses in order, the window in UTC, the view, and the zone to answer in."""

    addresses: list[str]
    start: datetime
    end: datetime
    view: str
    interval: timedelta
    zone: timezone


def view_response(items: list[Item], query: Query, fault: Fault | None = None) -> str:
    """One FreeBusyResponse of class Success, distorted as the fault would have it. Events are not clipped."""
    kind = fault.kind if fault else ""
    if kind == "view_none":
        return _response("None")
    view = "MergedOnly" if kind == "merged_only" else query.view
    merged = _merged_xml(items, query) if "Merged" in view else ""
    return _response(view, merged + ("" if view == "MergedOnly" else _events_xml(items, query, fault)))


def error_response(error: ItemError) -> str:
    """One FreeBusyResponse of class Error; its view is of type None."""
    return _wrap(error_xml("ResponseMessage", error), "None")


def _response(view: str, content: str = "") -> str:
    return _wrap(success_xml("ResponseMessage"), view, content)


def _wrap(message: str, view: str, content: str = "") -> str:
    return (
        f"<m:FreeBusyResponse>{message}<m:FreeBusyView><t:FreeBusyViewType>{view}</t:FreeBusyViewType>"
        f"{content}</m:FreeBusyView></m:FreeBusyResponse>"
    )


def _events_xml(items: list[Item], query: Query, fault: Fault | None) -> str:
    kind = fault.kind if fault else ""
    style = fault.get("format", "z") if fault and kind == "time_format" else "naive"
    format_time = _format_in(query.zone, style)
    if kind == "no_data":
        events = _event_xml(format_time(query.start), format_time(query.end), "NoData")
    else:
        status = fault.get("value", "Sleeping") if fault and kind == "unknown_status" else None
        detailed = query.view.startswith("Detailed")
        events = "".join(
            _event_xml(
                format_time(item.start),
                format_time(item.end),
                escape(status) if status else BUSY_TYPES[item.show_as],
                _details_xml(item) if detailed else "",
            )
            for item in items
        )
    return f"<t:CalendarEventArray>{events}</t:CalendarEventArray>" if events else ""


def _event_xml(start: str, end: str, busy_type: str, details: str = "") -> str:
    return (
        f"<t:CalendarEvent><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime>"
        f"<t:BusyType>{busy_type}</t:BusyType>{details}</t:CalendarEvent>"
    )


def _details_xml(item: Item) -> str:
    """Who may see the details of a private item may still not see what it is about."""
    words = ""
    if not item.is_private:
        words = (
            f"<t:ID>{item.id}</t:ID><t:Subject>{escape(item.subject)}</t:Subject>"
            f"<t:Location>{escape(item.location)}</t:Location>"
        )
    flags = {
        "IsMeeting": item.is_meeting,
        "IsRecurring": False,
        "IsException": False,
        "IsReminderSet": item.reminder,
        "IsPrivate": item.is_private,
    }
    texts = "".join(f"<t:{name}>{str(value).lower()}</t:{name}>" for name, value in flags.items())
    return f"<t:CalendarEventDetails>{words}{texts}</t:CalendarEventDetails>"


def _merged_xml(items: list[Item], query: Query) -> str:
    digits = []
    start = query.start
    while start < query.end:
        end = start + query.interval
        ranks = [_DIGITS[item.show_as] for item in items if item.start < end and item.end > start]
        digits.append(str(max(ranks, default=0)))
        start = end
    return f"<t:MergedFreeBusy>{''.join(digits)}</t:MergedFreeBusy>"


def _format_in(zone: timezone, style: str) -> FormatTime:
    """Real servers differ by path and version in how they write a time; garbage is for the brave."""
    formats: dict[str, FormatTime] = {
        "naive": lambda value: value.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"),
        "z": lambda value: value.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "offset": lambda value: value.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="seconds"),
        "fraction": lambda value: value.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "garbage": lambda value: "tomorrow-ish",
    }
    return formats[style]
