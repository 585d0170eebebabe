"""Free/busy: https://learn.microsoft.com/graph/api/calendar-getschedule, 20 schedules at a time."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from calendar_backends.base import STATUSES, BusyTime, CalendarError, Deadline, Interval
from calendar_backends.core.errors import FREE_BUSY_GENERATION_FAILED, SERVER_BUSY, TIMEOUT_EXPIRED
from calendar_backends.core.intervals import whole_seconds
from calendar_backends.graph.anchors import Anchors
from calendar_backends.graph.client import GraphClient
from calendar_backends.graph.codes import (
    MAILBOX_MOVE_IN_PROGRESS,
    MAILBOX_STORE_UNAVAILABLE,
    error_of,
    schedule_error,
    unusable,
)
from calendar_backends.graph.messages import Answer, Request, is_address, user_path

logger = logging.getLogger(__name__)

#: Members of a distribution list count one by one: https://learn.microsoft.com/graph/outlook-get-free-busy-schedule.
MOST_SCHEDULES = 20
#: availabilityViewInterval in minutes. The view is one digit per interval and not used: the fewer the better.
SHORTEST_INTERVAL, LONGEST_INTERVAL = 5, 1440
#: "tzone://Microsoft/Utc" is how items made by some of Microsoft's own services spell it.
UTC_NAMES = frozenset({"utc", "tzone://microsoft/utc"})

_STATUSES = {status.lower(): status for status in STATUSES}

Busy = list[BusyTime] | CalendarError


class Availability:
    """Reads calendars through anchor mailboxes."""

    def __init__(self, client: GraphClient, anchors: Anchors) -> None:
        self._client = client
        self._anchors = anchors

    def busy_times(self, mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> dict[str, Busy]:
        """As CalendarBackend.busy_times."""
        valid = tuple(mailbox for mailbox in mailboxes if is_address(mailbox))
        answers: dict[str, Busy] = dict.fromkeys(mailboxes, CalendarError("ErrorInvalidSmtpAddress"))
        if valid:
            answers |= self._ask_noting_suspects(valid, window, deadline)
        return answers

    def _ask_noting_suspects(
        self, chunk: tuple[str, ...], window: Interval, deadline: Deadline
    ) -> dict[str, Busy]:
        try:
            return self._ask(chunk, window, deadline)
        except CalendarError as error:
            if error.code in (SERVER_BUSY, TIMEOUT_EXPIRED) and error.asked:
                self._anchors.suspect(chunk)
            raise

    def _ask(self, chunk: tuple[str, ...], window: Interval, deadline: Deadline) -> dict[str, Busy]:
        """One call; one more for each anchor that turns out to be bad, which is not blamed on the others."""
        failed: dict[str, CalendarError] = {}
        refusal: CalendarError | None = None
        while True:
            with self._anchors.hold(chunk, failed, deadline, refusal) as anchor:
                if anchor is None:
                    return self._nobody(chunk, failed)
                answer = self._client.call(schedule_request(anchor, chunk, window), deadline)
            if answer.status == 200:
                self._anchors.worked(anchor, chunk)
                return read_schedules(chunk, answer)
            error = error_of(answer)
            if error.code == SERVER_BUSY:
                self._throttled(anchor, chunk, error, again=refusal is not None)
                refusal = error
            elif _blames_anchor(answer, error):
                self._anchors.failed(anchor, error)
                failed[anchor.lower()] = error
            else:
                raise error
            if self._anchors.app_is_refused(failed):
                raise error

    def _throttled(self, anchor: str, chunk: Sequence[str], error: CalendarError, *, again: bool) -> None:
        """A mailbox has a budget of its own. Raises the error where a second one is throttled as well: then
        it is the app's, or somebody's who is asked about, and no third one is used up to find out."""
        self._anchors.throttled(anchor, error)
        several = len(chunk) > 1
        if again and not several:
            self._anchors.convict(chunk[0])
        if again or (several and self._anchors.any_suspect(chunk)):
            raise error

    def _nobody(self, chunk: Sequence[str], failed: Mapping[str, CalendarError]) -> dict[str, Busy]:
        """No anchor works: each mailbox has failed as one. Raises the error where it is the app's."""
        if self._anchors.app_is_refused_again(failed):
            raise next(iter(failed.values()))
        return {mailbox: failed[mailbox.lower()] for mailbox in chunk}


def schedule_request(anchor: str, chunk: Sequence[str], window: Interval) -> Request:
    """A getSchedule through ``anchor``. Raises CalendarError ErrorInvalidSmtpAddress."""
    window, interval = _fitting(window)
    body = {
        "schedules": list(chunk),
        "startTime": {"dateTime": _text(window.start), "timeZone": "UTC"},
        "endTime": {"dateTime": _text(window.end), "timeZone": "UTC"},
        "availabilityViewInterval": interval,
    }
    path = user_path(anchor, "calendar", "getSchedule")
    return Request("getSchedule", "POST", path, body, prefer='outlook.timezone="UTC"')


def read_schedules(chunk: Sequence[str], answer: Answer) -> dict[str, Busy]:
    """What a 200 says about each of ``chunk``. Raises CalendarError where it is no getSchedule answer."""
    entries = answer.content.get("value")
    if not isinstance(entries, list):
        raise unusable(answer)
    found = {mailbox: _busy(entry) for mailbox, entry in _matched(chunk, entries)}
    missing = CalendarError(FREE_BUSY_GENERATION_FAILED, "left out of the answer")
    return {mailbox: found.get(mailbox, missing) for mailbox in chunk}


def _blames_anchor(answer: Answer, error: CalendarError) -> bool:
    # 403 and 404 speak of the user in the path: those asked about are reported one by one inside a 200.
    return answer.status in (403, 404) or error.code in (MAILBOX_MOVE_IN_PROGRESS, MAILBOX_STORE_UNAVAILABLE)


def _fitting(window: Interval) -> tuple[Interval, int]:
    """The window in whole seconds, at least two intervals long, and the interval in minutes.

    An interval that does not fit the window is refused
    (https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2349).
    """
    start, end = (whole := whole_seconds(window)).start, whole.end
    end = max(end, start + timedelta(minutes=2 * SHORTEST_INTERVAL))
    return Interval(start, end), min(LONGEST_INTERVAL, int((end - start).total_seconds()) // 120)


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


def _matched(chunk: Sequence[str], entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Whose entry is which: by scheduleId in any case; by position without one, if the rest is in order."""
    spelled = {mailbox.lower(): mailbox for mailbox in chunk}
    named = [
        spelled.get(str(entry.get("scheduleId")).lower()) if isinstance(entry, dict) else None
        for entry in entries
    ]
    in_order = len(entries) == len(chunk) and all(
        mailbox in (None, asked) for mailbox, asked in zip(named, chunk, strict=True)
    )
    for position, (mailbox, entry) in enumerate(zip(named, entries, strict=True)):
        if mailbox is None and in_order and isinstance(entry, dict):
            mailbox = chunk[position]
        if mailbox is not None:
            yield mailbox, entry


def _busy(entry: Mapping[str, Any]) -> Busy:
    if error := entry.get("error"):
        return schedule_error(error if isinstance(error, dict) else {})
    items = entry.get("scheduleItems")
    # Without items the view decides whether this means free: it is empty where nothing is known, and has
    # digits other than 0 where we may not see more than the digits.
    if not isinstance(items, list) or not (items or _is_free(entry.get("availabilityView"))):
        return CalendarError(FREE_BUSY_GENERATION_FAILED, "no schedule items")
    try:
        return list(map(_entry, items))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("a schedule item cannot be read: %s", error)
        return CalendarError(FREE_BUSY_GENERATION_FAILED, "unreadable schedule item")


def _is_free(view: Any) -> bool:
    return isinstance(view, str) and view != "" and not view.strip("0")


def _entry(item: Mapping[str, Any]) -> BusyTime:
    """One scheduleItem. Raises ValueError and the like where its shape is another."""
    start, end = item["start"], item["end"]
    _require_utc(start["timeZone"])
    _require_utc(end["timeZone"])
    return _busy_time(start["dateTime"], end["dateTime"], item["status"])


def _require_utc(zone: str) -> None:
    """UTC was asked for, so another zone is a misunderstanding and not converted."""
    if zone != "UTC" and zone.lower() not in UTC_NAMES:
        raise ValueError(f"the time zone is {zone[:80]!r} and not UTC")


@lru_cache(maxsize=4096)
def _busy_time(start: str, end: str, status: str) -> BusyTime:
    """Kept: people meet at the full and half hour, so answers say the same few times again and again."""
    when = Interval(_utc(start), _utc(end))
    if when.end < when.start:
        raise ValueError("it ends before it starts")
    return BusyTime(when, _STATUSES.get(status.lower(), "unknown"))


@lru_cache(maxsize=4096)
def _utc(text: str) -> datetime:
    """Kept as well: equal times are one object, which is compared at a glance."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
