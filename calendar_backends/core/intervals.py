"""Busy-time algebra over half-open spans [start, end) in UTC."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple


class Interval(NamedTuple):
    """A half-open span [start, end): aware times in UTC, the end not before the start.

    A plain tuple that checks nothing, because a Read of 100 calendars makes thousands: whoever makes one
    from somebody else's words has checked them.
    """

    start: datetime
    end: datetime


class BusyTime(NamedTuple):
    """One calendar entry as Exchange's free/busy service shows it: when, and with which status.

    ``status`` is one of STATUSES; a status the driver does not know is "unknown".
    """

    when: Interval
    status: str


#: Graph's spelling of Exchange's free/busy statuses (freeBusyStatus in the v1.0 metadata).
STATUSES = ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown")
#: What blocks a booking unless the Org chose otherwise.
DEFAULT_BLOCKING = ("busy", "oof", "tentative", "unknown")


def split(window: Interval, longest: timedelta) -> list[Interval]:
    """``window`` as consecutive pieces, none longer than ``longest``."""
    pieces = []
    start = window.start
    while window.end - start > longest:
        pieces.append(Interval(start, start + longest))
        start += longest
    return [*pieces, Interval(start, window.end)]


def whole_seconds(span: Interval) -> Interval:
    """``span`` widened to whole seconds, so that rounding never frees an instant that is taken."""
    start, end = span
    if not (start.microsecond or end.microsecond):
        return span
    whole = end.replace(microsecond=0)
    return Interval(start.replace(microsecond=0), whole if whole == end else whole + timedelta(seconds=1))


def merge(spans: Iterable[Interval], window: Interval) -> list[Interval]:
    """The instants of ``spans`` inside ``window``, as sorted spans that neither overlap nor touch."""
    first, last = window
    inside = [span for span in spans if span[0] < span[1] > first and span[0] < last]
    inside.sort()
    merged: list[Interval] = []
    end = first
    for span in inside:
        if not merged or span[0] > end:
            merged.append(span)
        elif span[1] > end:
            merged[-1] = Interval(merged[-1][0], span[1])
        else:
            continue
        end = span[1]
    return _clipped(merged, window)


def _clipped(merged: list[Interval], window: Interval) -> list[Interval]:
    """Only the first can begin before the window, and only the last can end after it."""
    if merged:
        merged[0] = Interval(max(merged[0][0], window.start), merged[0][1])
        merged[-1] = Interval(merged[-1][0], min(merged[-1][1], window.end))
    return merged


def unavailable(busy: Iterable[BusyTime], window: Interval, blocking: Iterable[str]) -> list[Interval]:
    """When somebody cannot be booked: the blocking entries, clipped to the window, merged and sorted."""
    blocks = frozenset(blocking)
    return merge((whole_seconds(when) for when, status in busy if status in blocks), window)
