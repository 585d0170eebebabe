"""Which operation a Graph URL names: users/{address}/events, .../calendar/getSchedule, $batch and so on."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from calendar_backends.simulator.graph.answers import GraphError

ROOT = "/v1.0/"
BATCH = "$batch"
_EVENTS = {"GET": "GET events", "POST": "POST events"}
_EVENT = {"GET": "GET event", "PATCH": "PATCH event", "DELETE": "DELETE event"}
_VIEW = {"GET": "GET calendarView"}
# The path after the user, without regard to case, and by method the operation it names.
_OPERATIONS: dict[tuple[str, ...], dict[str, str]] = {
    ("calendar",): {"GET": "GET calendar"},
    ("calendar", "getschedule"): {"POST": "getSchedule"},
    ("calendar", "calendarview"): _VIEW,
    ("calendarview",): _VIEW,
    ("calendar", "events"): _EVENTS,
    ("events",): _EVENTS,
    ("calendar", "events", "{id}"): _EVENT,
    ("events", "{id}"): _EVENT,
}


@dataclass(frozen=True)
class Route:
    """An operation, the address in the path ("" for $batch) and the event id where there is one."""

    operation: str
    address: str = ""
    event_id: str = ""


def route(method: str, path: str) -> Route:
    """Read a path that is still percent-encoded.

    Raises GraphError 400 for a path that Graph, or this part of it, does not have; 405 for a wrong method.
    """
    segments = _segments(path)
    if segments == [BATCH]:
        return Route(_by_method({"POST": BATCH}, method))
    if len(segments) < 3 or segments[0].lower() != "users":
        raise _unknown(segments[0] if segments else "")
    operations, event_id = _resource(segments[2:])
    return Route(_by_method(operations, method), segments[1], event_id)


def _segments(path: str) -> list[str]:
    return [unquote(part) for part in path.removeprefix(ROOT).strip("/").split("/")]


def _resource(rest: list[str]) -> tuple[dict[str, str], str]:
    names, event_id = [name.lower() for name in rest], ""
    if len(names) > 1 and names[-2] == "events":
        names[-1], event_id = "{id}", rest[-1]
    if tuple(names) not in _OPERATIONS:
        raise _unknown(rest[-1])
    return _OPERATIONS[tuple(names)], event_id


def _by_method(operations: dict[str, str], method: str) -> str:
    try:
        return operations[method]
    except KeyError:
        message = f"The HTTP method '{method}' is not supported for this resource."
        raise GraphError(405, "MethodNotAllowed", message) from None


def _unknown(segment: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{segment}'.")
