"""Graph's dateTimeTimeZone: a local time in text and the name of its zone.

https://learn.microsoft.com/graph/api/resources/datetimetimezone
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from calendar_backends.simulator.graph.answers import GraphError

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?)?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE
)
# A few of Windows' names; Graph accepts them all, and IANA's as well.
_WINDOWS_ZONES = {
    "UTC": "UTC",
    "tzone://Microsoft/Utc": "UTC",
    "GMT Standard Time": "Europe/London",
    "W. Europe Standard Time": "Europe/Berlin",
    "Romance Standard Time": "Europe/Paris",
    "Central European Standard Time": "Europe/Warsaw",
    "Eastern Standard Time": "America/New_York",
    "Pacific Standard Time": "America/Los_Angeles",
    "India Standard Time": "Asia/Kolkata",
    "Tokyo Standard Time": "Asia/Tokyo",
}


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """The zone of a Windows or IANA name. Raises GraphError 400 for any other."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(_WINDOWS_ZONES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = (
            "A valid TimeZone value must be specified. "
            f"The following TimeZone value is not supported: '{name}'."
        )
        raise GraphError(400, "TimeZoneNotSupportedException", message) from None


def parse_time(text: str, default: tzinfo) -> datetime:
    """A time in text as aware UTC; an offset in the text wins over the default zone.

    Raises GraphError 400 for anything that is not an ISO date and time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise _not_a_time(text)
    day, minutes, seconds, fraction, offset = match.groups()
    micro = (fraction or "").ljust(6, "0")[:6]
    try:
        moment = datetime.fromisoformat(f"{day}T{minutes or '00:00'}:{seconds or '00'}.{micro}")
        if offset:
            return datetime.fromisoformat(moment.isoformat() + offset.upper()).astimezone(UTC)
        return moment.replace(tzinfo=default).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _not_a_time(text) from None


def parse_date_time_time_zone(value: Mapping[str, Any]) -> datetime:
    """The aware UTC datetime of {"dateTime": ..., "timeZone": ...}. Raises GraphError 400."""
    return parse_time(value["dateTime"], zone(value.get("timeZone") or ""))


def seven_digits(moment: datetime, local: tzinfo = UTC) -> str:
    """A time as Graph prints it: local to the zone, seven digits of a second, no Z and no offset."""
    text = moment.isoformat() if local is UTC else moment.astimezone(local).isoformat()
    seconds, dot, fraction = text[:19], text[19:20], text[20:26]
    return f"{seconds}.{fraction}0" if dot == "." else f"{seconds}.0000000"


def in_style(moment: datetime, style: str) -> str:
    """A UTC time as Graph does not print it, but another server in its place might."""
    styles = {
        "naive": moment.strftime("%Y-%m-%dT%H:%M:%S"),
        "z": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "offset": moment.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="seconds"),
        "fraction": moment.strftime("%Y-%m-%dT%H:%M:%S.123"),
        "garbage": "tomorrow-ish",
    }
    return styles[style]


def _not_a_time(text: str) -> GraphError:
    return GraphError(400, "RequestBodyRead", f"Cannot convert the literal '{text}' to a date and time.")
