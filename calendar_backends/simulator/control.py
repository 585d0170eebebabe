"""The control API under /simulator/: JSON for the demo, for chaos runs and for operators.

It looks into the world, adds items, switches faults on and off and shows the counters. It is no part of
Exchange.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from calendar_backends.simulator.faults import KINDS, Fault
from calendar_backends.simulator.wire import Request, Response
from calendar_backends.simulator.world import Item, Mailbox

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

ROUTES = {
    "GET /simulator/": "what this is",
    "GET /simulator/counters": "requests by operation, HTTP round trips, most requests at a time",
    "POST /simulator/reset": "forget counters, requests and faults; the mailboxes stay",
    "GET /simulator/faults": "the faults that are switched on, by number",
    "POST /simulator/faults": "switch one on: kind, operation, mailbox, times, after and its parameters",
    "DELETE /simulator/faults": "switch all off",
    "DELETE /simulator/faults/{number}": "switch one off",
    "GET /simulator/mailboxes": "every mailbox",
    "GET /simulator/mailboxes/{address}": "one mailbox with all its items, deleted ones included",
    "POST /simulator/mailboxes/{address}/items": "add an item: subject, start, end and what else an item has",
    "GET /simulator/invitations": "whatever would have mailed somebody",
}


class ControlError(Exception):
    """A request that cannot be fulfilled, with the status and the sentence to answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def handle(request: Request, exchange: Simulator) -> Response:
    segments = [unquote(part) for part in request.path.strip("/").split("/")[1:]]
    try:
        return _json(200, _route(request, segments)(request, segments, exchange))
    except ControlError as error:
        return _json(error.status, {"error": str(error)})


Action = Callable[[Request, list[str], "Simulator"], Any]


def _route(request: Request, segments: list[str]) -> Action:
    pattern = "/".join(segments[:1] + ["*"] * (len(segments) > 1) + segments[2:])
    methods = _ACTIONS.get(pattern)
    if methods is None:
        raise ControlError(404, f"There is nothing at {request.path}; GET /simulator/ lists what there is.")
    if request.method not in methods:
        raise ControlError(405, f"{request.path} takes {' and '.join(methods)} only.")
    return methods[request.method]


def _about(request: Request, segments: list[str], exchange: Simulator) -> Any:
    return {
        "what": "A simulated Exchange. It is no real Exchange and keeps nothing when it stops.",
        "ews": exchange.ews_url,
        "graph": exchange.url,
        "fault_kinds": sorted(KINDS),
        "routes": ROUTES,
    }


def _counters(request: Request, segments: list[str], exchange: Simulator) -> Any:
    return {
        "counters": dict(exchange.counters),
        "round_trips": exchange.round_trips(),
        "peak": {_key_text(key): value for key, value in list(exchange.peak.items())},
    }


def _key_text(key: Hashable) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _reset(request: Request, segments: list[str], exchange: Simulator) -> Any:
    exchange.reset()
    return {"reset": True}


def _faults(request: Request, segments: list[str], exchange: Simulator) -> Any:
    return {"faults": {str(number): fault.to_dict() for number, fault in exchange.faults.all().items()}}


def _add_fault(request: Request, segments: list[str], exchange: Simulator) -> Any:
    data = _body(request)
    try:
        return {"id": exchange.faults.add(Fault(**data))}
    except (TypeError, ValueError) as error:
        raise ControlError(400, f"That is no fault: {error}") from error


def _clear_faults(request: Request, segments: list[str], exchange: Simulator) -> Any:
    exchange.faults.clear()
    return {"faults": {}}


def _remove_fault(request: Request, segments: list[str], exchange: Simulator) -> Any:
    number = segments[1]
    if not number.isdigit() or not exchange.faults.remove(int(number)):
        raise ControlError(404, f"There is no fault of the number {number}.")
    return {"removed": int(number)}


def _mailboxes(request: Request, segments: list[str], exchange: Simulator) -> Any:
    boxes = exchange.world.mailboxes()
    return {"mailboxes": [{"address": b.address, "name": b.name, "state": b.state} for b in boxes]}


def _mailbox(request: Request, segments: list[str], exchange: Simulator) -> Any:
    return _found(segments[1], exchange).to_dict()


def _add_item(request: Request, segments: list[str], exchange: Simulator) -> Any:
    mailbox = _found(segments[1], exchange)
    try:
        item = Item.from_dict(_body(request))
    except (TypeError, KeyError, ValueError) as error:
        raise ControlError(400, f"That is no item: {error}") from error
    return mailbox.create(item).to_dict()


def _invitations(request: Request, segments: list[str], exchange: Simulator) -> Any:
    boxes = exchange.world.mailboxes()
    return {"invitations": [{"mailbox": b.address, **sent} for b in boxes for sent in b.invitations_sent]}


def _found(address: str, exchange: Simulator) -> Mailbox:
    mailbox = exchange.world.mailbox(address)
    if mailbox is None:
        raise ControlError(404, f"There is no mailbox {address}.")
    return mailbox


def _body(request: Request) -> dict[str, Any]:
    try:
        data = json.loads(request.body)
    except ValueError as error:
        raise ControlError(400, f"The body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ControlError(400, "The body must be a JSON object.")
    return data


def _json(status: int, content: Any) -> Response:
    return Response(
        status, json.dumps(content, indent=1).encode() + b"\n", {"Content-Type": "application/json"}
    )


_ACTIONS: dict[str, dict[str, Action]] = {
    "": {"GET": _about},
    "counters": {"GET": _counters},
    "reset": {"POST": _reset},
    "faults": {"GET": _faults, "POST": _add_fault, "DELETE": _clear_faults},
    "faults/*": {"DELETE": _remove_fault},
    "mailboxes": {"GET": _mailboxes},
    "mailboxes/*": {"GET": _mailbox},
    "mailboxes/*/items": {"POST": _add_item},
    "invitations": {"GET": _invitations},
}
