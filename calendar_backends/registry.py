"""Driver names and where their classes live. A driver is imported on first use."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import entry_points
from threading import Lock
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from calendar_backends.base import CalendarBackend

#: Distributions that bring a driver announce it in this entry point group.
GROUP = "scheduler_calendar_backends"
#: Open drivers kept per process; the one unused for longest is closed first.
MOST_OPEN = 200

_open: OrderedDict[str, CalendarBackend] = OrderedDict()
_lock = Lock()


class UnknownBackend(LookupError):
    """No driver of that name."""


def names() -> list[str]:
    return sorted(paths())


def load(name: str) -> type[CalendarBackend]:
    """The driver class called ``name``.

    Raises UnknownBackend, ImportError where it does not import, TypeError where it is no driver.
    """
    try:
        path = paths()[name]
    except KeyError:
        known = ", ".join(names())
        raise UnknownBackend(f'No calendar backend is called "{name}". Known: {known}.') from None
    loaded = import_string(path)
    if not (isinstance(loaded, type) and issubclass(loaded, CalendarBackend)):
        raise TypeError(f"{path} is not a CalendarBackend.")
    return loaded


def connect(name: str, options: Mapping[str, Any]) -> CalendarBackend:
    """The driver for these options: the one this process already has, or a new one.

    Changed options are another key, so a saved Org is used with its new options at once.
    """
    key = sha256(f"{name} {json.dumps(options, sort_keys=True)}".encode()).hexdigest()
    with _lock:
        if key not in _open:
            _open[key] = load(name)(options)
            _open[key].fingerprint = key
            _forget_oldest()
        _open.move_to_end(key)
        return _open[key]


def disconnect_all() -> None:
    """Close every open driver of this process (tests, and before a fork)."""
    with _lock:
        while _open:
            _open.popitem()[1].close()


def _forget_oldest() -> None:
    while len(_open) > MOST_OPEN:
        _open.popitem(last=False)[1].close()


def paths() -> dict[str, str]:
    """Driver name -> dotted path of its class."""
    return {**_installed(), **settings.CALENDAR_BACKENDS}


@cache
def _installed() -> dict[str, str]:
    return {point.name: point.value.replace(":", ".") for point in entry_points(group=GROUP)}
