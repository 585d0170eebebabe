"""Busy-time algebra over half-open spans [start, end) in UTC."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, order=True)
class Interval:
    """A half-open span [start, end). Both ends are aware; they are kept in UTC.

    Raises ValueError for a naive end and for an end before its start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("An interval needs aware times.")
        if self.end < self.start:
            raise ValueError("An interval ends after it starts.")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))


@dataclass(frozen=True)
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


def clip(spans: Iterable[Interval], window: Interval) -> Iterator[Interval]:
    """The parts of ``spans`` inside ``window``; what has no length there is left out."""
    for span in spans:
        start, end = max(span.start, window.start), min(span.end, window.end)
        if start < end:
            yield Interval(start, end)


def merge(spans: Iterable[Interval]) -> list[Interval]:
    """The same instants as sorted spans that neither overlap nor touch."""
    merged: list[Interval] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


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
    start = span.start.replace(microsecond=0)
    end = span.end.replace(microsecond=0)
    return Interval(start, end if end == span.end else end + timedelta(seconds=1))


def unavailable(busy: Iterable[BusyTime], window: Interval, blocking: Iterable[str]) -> list[Interval]:
    """When somebody cannot be booked: the blocking entries, clipped to the window, merged and sorted."""
    blocks = frozenset(blocking)
    taken = (whole_seconds(entry.when) for entry in busy if entry.status in blocks)
    return merge(clip(taken, window))
