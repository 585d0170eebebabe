"""From a request under /v1.0 to its answer: route, admit, sign in, fail on demand, do it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from calendar_backends.simulator.faults import Fault
from calendar_backends.simulator.graph import access, batch, events, schedule
from calendar_backends.simulator.graph.answers import GraphError, error_response
from calendar_backends.simulator.graph.invocation import Invocation
from calendar_backends.simulator.graph.routing import BATCH, Route, route
from calendar_backends.simulator.wire import Call, Request, Response

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

_PERFORM: dict[str, Callable[[Invocation], Response]] = {
    "getSchedule": schedule.get_schedule,
    "GET calendar": events.calendar,
    "POST events": events.create,
    "GET event": events.read,
    "PATCH event": events.update,
    "DELETE event": events.delete,
    "GET events": events.list_events,
    "GET calendarView": events.calendar_view,
}
_CALL_KINDS = frozenset({"error", "throttle", "token_expired", "inner_424"})
_DEFAULT_RETRY_AFTER = 1


def plan(request: Request, exchange: Simulator, prefix: str = "graph.") -> Call:
    """What a request asks for, for the server to run. `prefix` tells requests inside a batch apart."""
    try:
        found = route(request.method, request.path)
    except GraphError as error:
        refusal = error_response(error, request)
        return Call("graph", prefix + "other", (), lambda: refusal)
    call = Call(
        face="graph",
        operation=prefix + found.operation,
        mailboxes=_mailboxes(found, request),
        respond=lambda: _respond(request, exchange, found, call),
        admission=lambda: _admission(request, exchange, found),
    )
    return call


def _mailboxes(found: Route, request: Request) -> tuple[str, ...]:
    """The mailbox in the path and the schedules asked about: a fault meant for one of them hits the call."""
    named = (found.address,) if found.address else ()
    return named + _schedules(request.body) if found.operation == "getSchedule" else named


def _schedules(body: bytes) -> tuple[str, ...]:
    try:
        document = json.loads(body)
    except ValueError:
        return ()
    named = document.get("schedules", document.get("Schedules")) if isinstance(document, dict) else None
    return tuple(address for address in named or () if isinstance(address, str))


@contextmanager
def _admission(request: Request, exchange: Simulator, found: Route) -> Iterator[Response | None]:
    """Hold one of the app's places at this mailbox, or give the refusal if there is none left.

    Four at a time: https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits. A batch holds
    none itself, the requests inside do. `Simulator.peak` has the most held by (client id, address).
    """
    try:
        grant = access.sign_in(request, exchange)
    except GraphError:
        yield None  # to be refused for that reason
        return
    if found.operation == BATCH:
        yield None
        return
    with exchange.in_flight((grant.app.client_id, found.address.lower())) as held:
        limit = exchange.graph_concurrency
        over = limit is not None and held > limit
        yield error_response(_throttled("MailboxConcurrency"), request) if over else None


def _respond(request: Request, exchange: Simulator, found: Route, call: Call) -> Response:
    try:
        grant = access.sign_in(request, exchange)
        fault = exchange.faults.take_any(call.operation, call.mailboxes, _CALL_KINDS)
        if fault is not None:
            raise _failure(fault)
        if found.operation == BATCH:
            return batch.run(request, exchange, plan)
        mailbox = access.open_mailbox(grant, found.address, found.operation)
        invocation = Invocation(exchange, request, call.operation, grant, mailbox, found.event_id)
        return _PERFORM[found.operation](invocation)
    except GraphError as error:
        return error_response(error, request)


def _failure(fault: Fault) -> GraphError:
    if fault.kind == "throttle":
        return _throttled("Request", fault.get("retry_after", _DEFAULT_RETRY_AFTER))
    if fault.kind == "token_expired":
        return access.unauthorized("Lifetime validation failed, the token is expired.")
    if fault.kind == "inner_424":
        return GraphError(424, "FailedDependency", "A request that this one depends on has failed.")
    retry_after = fault.get("retry_after")
    return GraphError(
        fault.get("status", 500),
        fault.get("code", "ErrorInternalServerError"),
        fault.get("message", "An error was asked for."),
        inner=fault.get("inner"),
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
    )


def _throttled(limit: str, retry_after: float | str = _DEFAULT_RETRY_AFTER) -> GraphError:
    message = f"Application is over its {limit} limit."
    return GraphError(429, "ApplicationThrottled", message, headers={"Retry-After": str(retry_after)})
