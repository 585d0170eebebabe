"""Transport faults: what goes wrong with a whole HTTP request, whatever it asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from calendar_backends.simulator.faults import Fault
from calendar_backends.simulator.wire import Delivery, Response

HTML_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please wait.</body></html>"
DEFAULT_SECONDS = 30.0

Respond = Callable[[], Response]
Wait = Callable[[float], object]


def deliver(respond: Respond, fault: Fault | None, wait: Wait) -> Delivery:
    """Answer a request as the fault would have it. `wait` sleeps, but ends when the server stops."""
    if fault is None:
        return Delivery(respond())
    return _APPLY[fault.kind](respond, fault, wait)


def _latency(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    wait(_seconds(fault))
    return Delivery(respond())


def _hang(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    wait(_seconds(fault))
    return Delivery(None)


def _drip(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    return Delivery(respond(), seconds_per_byte=fault.get("seconds", 0.5))


def _truncate(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    return Delivery(respond(), truncate_at=fault.get("bytes", 20))


def _drop(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    return Delivery(None)


def _commit_then_drop(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    respond()
    return Delivery(None)


def _commit_then_hang(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    response = respond()
    wait(_seconds(fault))
    return Delivery(response)


def _delayed_commit(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    def commit() -> None:
        wait(_seconds(fault))
        respond()

    threading.Thread(target=commit, daemon=True, name="delayed-commit").start()
    return Delivery(None)


def _status(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    body = fault.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    return Delivery(Response(fault.get("code", 503), text.encode(), dict(fault.get("headers", {}))))


def _html(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    return Delivery(Response(200, HTML_PAGE, {"Content-Type": "text/html; charset=utf-8"}))


def _not_json(respond: Respond, fault: Fault, wait: Wait) -> Delivery:
    return Delivery(Response(200, b'{"value": [', {"Content-Type": "application/json"}))


def _seconds(fault: Fault) -> float:
    return float(fault.get("seconds", DEFAULT_SECONDS))


_APPLY: dict[str, Callable[[Respond, Fault, Wait], Delivery]] = {
    "latency": _latency,
    "hang": _hang,
    "drip": _drip,
    "truncate": _truncate,
    "drop": _drop,
    "commit_then_drop": _commit_then_drop,
    "commit_then_hang": _commit_then_hang,
    "delayed_commit": _delayed_commit,
    "status": _status,
    "html": _html,
    "not_json": _not_json,
}
