"""Calendars as a line of text each: one cell for every half hour of a working day, UTC."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from calendar_backends.base import STAMP_NAME

FIRST_HOUR, LAST_HOUR = 7, 19
CELL = timedelta(minutes=30)
_MARKS = {"free": "·", "workingElsewhere": "w", "tentative": "▒", "oof": "o", "busy": "█"}
#: From the weakest to the strongest: what a cell shows where entries overlap.
_STRENGTH = "·w▒o█◆"
LEGEND = "· free   w working elsewhere   ▒ tentative   o out of office   █ busy   ◆ the Appointment"


def draw(day: date, calendars: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """``calendars``: address -> items as the simulated Exchange lists them."""
    width = max(len(address) for address in calendars)
    hours = "".join(f"{hour:02}  " for hour in range(FIRST_HOUR, LAST_HOUR))
    lines = [f"{'':{width}}  {hours}"]
    lines += [f"{address:{width}}  {_row(day, items)}" for address, items in calendars.items()]
    return "\n".join(lines)


def _row(day: date, items: Sequence[Mapping[str, Any]]) -> str:
    start = datetime.fromisoformat(f"{day}T{time(FIRST_HOUR)}+00:00")
    cells = [start + CELL * number for number in range((LAST_HOUR - FIRST_HOUR) * 2)]
    # Two characters a cell keep the hours above their cells.
    return "".join(_mark(cell, items) * 2 for cell in cells)


def _mark(cell: datetime, items: Sequence[Mapping[str, Any]]) -> str:
    marks = [_mark_of(item) for item in items if _covers(item, cell)]
    return max(marks, key=_STRENGTH.index, default="·")


def _covers(item: Mapping[str, Any], cell: datetime) -> bool:
    start, end = (datetime.fromisoformat(item[name]) for name in ("start", "end"))
    return start < cell + CELL and end > cell


def _mark_of(item: Mapping[str, Any]) -> str:
    if any(stamp["name"] == STAMP_NAME for stamp in item["properties"]):
        return "◆"
    return _MARKS.get(item["show_as"], "█")
