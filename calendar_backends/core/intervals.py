"""Busy-time algebra over half-open spans [start, end) in UTC."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, order=True, slots=True)
class Interval:
    """A half-open span [start, end). Both ends are aware; they are kept in UTC.

    Raises ValueError for a naive end and for an end before its start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is not UTC or self.end.tzinfo is not UTC:
            self._to_utc()
        if self.end < self.start:
            raise ValueError("An interval ends after it starts.")

    def _to_utc(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("An interval needs aware times.")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class BusyTime:
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
    if not (span.start.microsecond or span.end.microsecond):
        return span
    start = span.start.replace(microsecond=0)
    end = span.end.replace(microsecond=0)
    return Interval(start, end if end == span.end else end + timedelta(seconds=1))


def merge(spans: Iterable[Interval], window: Interval) -> list[Interval]:
    """The instants of ``spans`` inside ``window``, as sorted spans that neither overlap nor touch.

    Works on pairs of times: a Read of 100 calendars has thousands of them.
    """
    first, last = window.start, window.end
    pairs = sorted((span.start, span.end) for span in spans if span.start < last and span.end > first)
    merged: list[Interval] = []
    start = end = first
    for next_start, next_end in pairs:
        if next_start > end:
            if start < end:
                merged.append(Interval(start, end))
            start = next_start
        end = max(end, next_end) if next_end < last else last
    return [*merged, Interval(start, end)] if start < end else merged


def unavailable(busy: Iterable[BusyTime], window: Interval, blocking: Iterable[str]) -> list[Interval]:
    """When somebody cannot be booked: the blocking entries, clipped to the window, merged and sorted."""
    blocks = frozenset(blocking)
    return merge((whole_seconds(entry.when) for entry in busy if entry.status in blocks), window)
