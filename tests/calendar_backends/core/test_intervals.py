"""The busy-time algebra, against the same thing worked out second by second."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from calendar_backends.core.intervals import (
    BusyTime,
    Interval,
    merge,
    split,
    unavailable,
    whole_seconds,
)

START = datetime(2030, 1, 1, tzinfo=UTC)
WINDOW = Interval(START + timedelta(seconds=20), START + timedelta(seconds=60))


def span(start: int, length: int) -> Interval:
    return Interval(START + timedelta(seconds=start), START + timedelta(seconds=start + length))


spans = st.lists(st.builds(span, st.integers(0, 80), st.integers(0, 30)), max_size=8)
entries = st.lists(
    st.builds(
        BusyTime, st.builds(span, st.integers(0, 80), st.integers(0, 30)), st.sampled_from(["busy", "free"])
    ),
    max_size=8,
)


def seconds(found: list[Interval]) -> set[int]:
    return {
        second for second in range(200) for s in found if s.start <= START + timedelta(seconds=second) < s.end
    }


@given(spans)
def test_merging_keeps_every_instant_and_leaves_gaps_between(given_spans: list[Interval]) -> None:
    merged = merge(given_spans, span(0, 200))
    assert seconds(merged) == seconds(given_spans)
    assert all(left.end < right.start for left, right in pairwise(merged))


@given(spans)
def test_clipping_keeps_what_is_inside(given_spans: list[Interval]) -> None:
    inside = set(range(20, 60))
    clipped = merge(given_spans, WINDOW)
    assert seconds(clipped) == seconds(given_spans) & inside
    assert all(WINDOW.start <= found.start < found.end <= WINDOW.end for found in clipped)


@given(entries)
def test_unavailable_is_what_blocks_and_nothing_else(found: list[BusyTime]) -> None:
    blocking = [entry.when for entry in found if entry.status == "busy"]
    assert seconds(unavailable(found, WINDOW, ["busy"])) == seconds(blocking) & set(range(20, 60))


@given(st.integers(1, 200), st.integers(1, 50))
def test_pieces_of_a_window_are_the_window(length: int, longest: int) -> None:
    pieces = split(span(0, length), timedelta(seconds=longest))
    assert (pieces[0].start, pieces[-1].end) == (span(0, length).start, span(0, length).end)
    assert all(left.end == right.start for left, right in pairwise(pieces))
    assert all(timedelta(0) < piece.end - piece.start <= timedelta(seconds=longest) for piece in pieces)


def test_a_fraction_of_a_second_is_rounded_away_from_freedom() -> None:
    half = timedelta(milliseconds=500)
    assert whole_seconds(Interval(START + half, START + 3 * half)) == span(0, 2)
