"""calendar: getSchedule, https://learn.microsoft.com/graph/api/calendar-getschedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from calendar_backends.simulator.faults import Fault
from calendar_backends.simulator.graph import access
from calendar_backends.simulator.graph.answers import GraphError, json_response
from calendar_backends.simulator.graph.invocation import Invocation
from calendar_backends.simulator.graph.times import in_style, parse_date_time_time_zone, seven_digits, zone
from calendar_backends.simulator.wire import Response
from calendar_backends.simulator.world import Item, Mailbox

# https://learn.microsoft.com/graph/outlook-get-free-busy-schedule
MAX_SCHEDULES = 20
MAX_WINDOW = timedelta(days=62)
MAX_ITEMS = 1000
_INTERVALS = range(5, 1441)
_SCHEDULE_KINDS = frozenset(
    {
        "schedule_error",
        "entry_missing",
        "unknown_status",
        "capital_status",
        "windows_zone",
        "view_none",
        "merged_only",
        "time_format",
    }
)
_WINDOWS_ZONE = "W. Europe Standard Time"
_JSON = {False: "false", True: "true"}
# Working elsewhere counts as free in the view: see the note on the scheduleInformation page.
_DIGITS = {"tentative": 1, "busy": 2, "oof": 3}
_WORKING_HOURS = (
    '{"daysOfWeek":["monday","tuesday","wednesday","thursday","friday"],"startTime":"08:00:00.0000000",'
    '"endTime":"17:00:00.0000000","timeZone":{"name":"UTC"}}'
)
# Numbers as the service gives them: 5009 https://github.com/microsoftgraph/microsoft-graph-docs/issues/11225,
# 5006 the getSchedule page. States whose number is not known are reported by name.
_UNRESOLVED = ("5009", "Unable to resolve e-mail address {address} to an Active Directory object.")
_TOO_MANY = ("5006", "The result set contains too many calendar entries. The allowed size = 1000.")
_STATES = {
    "unlicensed": _UNRESOLVED,
    "disabled": ("ErrorMailboxLogonFailed", "The mailbox of {address} could not be opened."),
    "moving": ("ErrorMailboxMoveInProgress", "The mailbox of {address} is being moved."),
    "no_calendar": ("ErrorNoCalendar", "The mailbox of {address} has no calendar."),
    "denied": ("ErrorNoFreeBusyAccess", "The caller may not see the free/busy times of {address}."),
    "store_unavailable": ("ErrorMailboxStoreUnavailable", "The mailbox store of {address} is not available."),
    "on_premises": ("5021", "Service discovery failed for {address}."),
}


@dataclass(frozen=True)
class _Query:
    """A getSchedule that makes sense: start and end are aware UTC, the interval is in minutes."""

    schedules: list[str]
    start: datetime
    end: datetime
    interval: int


def get_schedule(invocation: Invocation) -> Response:
    """Free/busy of up to 20 schedules. A schedule that cannot be answered has an error inside the 200."""
    query = _query(invocation.json("getSchedule"))
    found = (_entry(schedule, query, invocation) for schedule in query.schedules)
    entries = [entry for entry in found if entry]
    faults, anchor = invocation.exchange.faults, invocation.mailbox.address
    if faults.take(invocation.operation, anchor, {"reordered"}):
        entries.reverse()
    context = f"{invocation.exchange.url}/v1.0/$metadata#Collection(microsoft.graph.scheduleInformation)"
    content = f'{{"@odata.context":{quoted(context)},"value":[{",".join(entries)}]}}'
    return json_response(200, content, invocation.applied_preferences)


def _query(body: Mapping[str, Any]) -> _Query:
    schedules, start, end = body.get("schedules"), body.get("startTime"), body.get("endTime")
    if not schedules or not start or not end:
        raise GraphError(400, "ErrorInvalidRequest", "Schedules, StartTime and EndTime are needed.")
    if len(schedules) > MAX_SCHEDULES:
        message = "There are too many target users in the EmailAddress array."
        message += f" The allowed size = {MAX_SCHEDULES}; the actual size = {len(schedules)}."
        raise GraphError(400, "ErrorMailboxDataArrayTooBig", message)
    interval = body.get("availabilityViewInterval", 30)
    if interval is None:
        # https://github.com/microsoftgraph/microsoft-graph-docs/issues/4494
        raise GraphError(500, "ErrorInternalServerError", "An internal server error occurred.")
    query = _Query(schedules, parse_date_time_time_zone(start), parse_date_time_time_zone(end), interval)
    _check_window(query.end - query.start, interval)
    return query


def _check_window(window: timedelta, interval: int) -> None:
    if window <= timedelta(0):
        message = "The time duration specified for FreeBusyViewOptions.TimeWindow is invalid."
        raise GraphError(400, "ErrorInvalidTimeInterval", message)
    if window >= MAX_WINDOW:
        message = "The requested time duration specified for FreeBusyViewOptions.TimeWindow is too long."
        message += f" The allowed limit = {MAX_WINDOW.days} days; the actual limit = {window.days} days."
        raise GraphError(400, "ErrorTimeIntervalTooBig", message)
    if interval not in _INTERVALS or timedelta(minutes=interval) > window:
        message = (
            "The specified merged free/busy interval is not valid. Specify an interval that is less than"
        )
        message += " the free/busy time window and between 5 and 1440 minutes."
        raise GraphError(400, "ErrorInvalidMergedFreeBusyInterval", message)


def _entry(schedule: str, query: _Query, invocation: Invocation) -> str:
    """One scheduleInformation in JSON; nothing if a fault leaves it out."""
    fault = invocation.exchange.faults.take(invocation.operation, schedule, _SCHEDULE_KINDS)
    if fault and fault.kind == "entry_missing":
        return ""
    if fault and fault.kind == "schedule_error":
        return _error(schedule, fault.get("response_code", "5009"), fault.get("message", _UNRESOLVED[1]))
    mailbox = invocation.grant.tenant.mailbox(schedule)
    if mailbox is None:
        return _error(schedule, *_UNRESOLVED)
    if mailbox.state != "ok":
        return _error(schedule, *_STATES[mailbox.state])
    return _information(schedule, mailbox, query, _Look.of(invocation, fault))


def _error(schedule: str, response_code: str, message: str) -> str:
    text = quoted(message.format(address=schedule))
    return (
        f'{{"scheduleId":{quoted(schedule)},"availabilityView":"","scheduleItems":[],'
        f'"error":{{"message":{text},"responseCode":{quoted(response_code)}}}}}'
    )


def _information(schedule: str, mailbox: Mailbox, query: _Query, look: _Look) -> str:
    items = mailbox.busy(query.start, query.end)
    if len(items) > MAX_ITEMS:
        return _error(schedule, *_TOO_MANY)
    view = "" if look.kind == "view_none" else _view(items, query)
    shown = [] if look.kind in ("view_none", "merged_only") else items
    return (
        f'{{"scheduleId":{quoted(schedule)},"availabilityView":"{view}",'
        f'"scheduleItems":[{",".join(look.item(item) for item in shown)}],"workingHours":{_WORKING_HOURS}}}'
    )


def _view(items: list[Item], query: _Query) -> str:
    step = timedelta(minutes=query.interval)
    slots = [0] * -((query.start - query.end) // step)
    for item in items:
        digit = _DIGITS.get(item.show_as, 0)
        first = max((item.start - query.start) // step, 0)
        last = min(-((query.start - item.end) // step), len(slots))
        for slot in range(first, last):
            if slots[slot] < digit:
                slots[slot] = digit
    return "".join(map(str, slots))


@dataclass(frozen=True)
class _Look:
    """How a schedule's items are printed: their zone, whether details are shown, what a fault changes."""

    zone: tzinfo
    zone_json: str
    details: bool
    fault: Fault | None

    @classmethod
    def of(cls, invocation: Invocation, fault: Fault | None) -> _Look:
        windows = fault is not None and fault.kind == "windows_zone"
        name = _WINDOWS_ZONE if windows else invocation.time_zone_name
        return cls(zone(name), quoted(name), access.may_see_details(invocation.grant), fault)

    @property
    def kind(self) -> str:
        return self.fault.kind if self.fault else ""

    def item(self, item: Item) -> str:
        details = ""
        if self.details and not item.is_private:
            details = f'"subject":{quoted(item.subject)},"location":{quoted(item.location)},'
        return (
            f'{{"isPrivate":{_JSON[item.is_private]},"status":{quoted(self._status(item))},{details}'
            f'"isMeeting":{_JSON[item.is_meeting]},"isRecurring":false,"isException":false,'
            f'"isReminderSet":{_JSON[item.reminder]},'
            f'"start":{{"dateTime":"{self._time(item.start)}","timeZone":{self.zone_json}}},'
            f'"end":{{"dateTime":"{self._time(item.end)}","timeZone":{self.zone_json}}}}}'
        )

    def _time(self, moment: datetime) -> str:
        if self.fault is None or self.fault.kind != "time_format":
            return seven_digits(moment, self.zone)
        return in_style(moment, self.fault.get("format", "z"))

    def _status(self, item: Item) -> str:
        if self.fault is None:
            return item.show_as
        if self.fault.kind == "unknown_status":
            return str(self.fault.get("value", "sleeping"))
        if self.fault.kind == "capital_status":
            return item.show_as[:1].upper() + item.show_as[1:]
        return item.show_as
