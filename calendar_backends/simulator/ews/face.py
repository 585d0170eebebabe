"""From an HTTP request to an EWS operation and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from calendar_backends.simulator.ews import find, items
from calendar_backends.simulator.ews.availability import addresses_in, get_user_availability
from calendar_backends.simulator.ews.context import Context
from calendar_backends.simulator.ews.refusals import FAILURES, REFUSALS, failure, refusal
from calendar_backends.simulator.ews.sign_in import Caller, acting_mailbox, impersonated_address, sign_in
from calendar_backends.simulator.ews.soap import (
    AvailabilityFault,
    Envelope,
    HttpRefusal,
    SoapFault,
    availability_fault_response,
    envelope_response,
    fault_response,
    parse,
)
from calendar_backends.simulator.ews.zones import get_server_time_zones
from calendar_backends.simulator.wire import Call, Request, Response

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

VERSIONS = frozenset(
    {
        "Exchange2007",
        "Exchange2007_SP1",
        "Exchange2010",
        "Exchange2010_SP1",
        "Exchange2010_SP2",
        "Exchange2013",
        "Exchange2013_SP1",
        "Exchange2015",
        "Exchange2016",
    }
)
AVAILABILITY = "GetUserAvailability"
_OPERATIONS: dict[str, Callable[[Context], str]] = {
    "CreateItem": items.create_item,
    "UpdateItem": items.update_item,
    "DeleteItem": items.delete_item,
    "FindItem": find.find_item,
    "GetItem": find.get_item,
    "GetFolder": find.get_folder,
    "GetServerTimeZones": get_server_time_zones,
}


def plan(request: Request, exchange: Simulator) -> Call:
    """What the request asks for; a request that cannot be read is the operation "ews.unreadable"."""
    try:
        envelope = _read(request)
    except (HttpRefusal, SoapFault) as refused:
        answer = _refusal(refused)
        return Call("ews", "ews.unreadable", (), lambda: answer)
    operation = f"ews.{envelope.name}"
    mailboxes = _mailboxes(envelope, request)
    return Call(
        "ews", operation, mailboxes, lambda: _respond(envelope, operation, mailboxes, request, exchange)
    )


def _read(request: Request) -> Envelope:
    if request.method != "POST":
        raise HttpRefusal(405, {"Allow": "POST"})
    if not request.headers.get("content-type", "").startswith("text/xml"):
        raise HttpRefusal(415)
    return parse(request.body)


def _mailboxes(envelope: Envelope, request: Request) -> tuple[str, ...]:
    acting = impersonated_address(envelope) or request.headers.get("x-anchormailbox")
    asked = addresses_in(envelope.operation) if envelope.name == AVAILABILITY else []
    return ((acting,) if acting else ()) + tuple(asked)


def _respond(
    envelope: Envelope, operation: str, mailboxes: tuple[str, ...], request: Request, exchange: Simulator
) -> Response:
    fault = exchange.faults.take_any(operation, mailboxes, REFUSALS)
    if fault is not None:
        return refusal(fault)
    try:
        caller = sign_in(request, exchange)
        _check_version(envelope)
        return envelope_response(_perform(envelope, operation, caller, exchange))
    except (HttpRefusal, SoapFault, AvailabilityFault) as refused:
        return _refusal(refused)


def _perform(envelope: Envelope, operation: str, caller: Caller, exchange: Simulator) -> str:
    mailbox = acting_mailbox(envelope, caller)
    if envelope.name == AVAILABILITY:
        return get_user_availability(envelope.operation, caller.tenant, exchange.faults)
    if envelope.name not in _OPERATIONS:
        raise SoapFault("ErrorInvalidRequest", f"The simulated Exchange does not know {envelope.name}.")
    fault = exchange.faults.take(operation, mailbox.address, FAILURES)
    failing = failure(fault) if fault else None
    context = Context(envelope.operation, mailbox, caller.tenant, failing)
    with mailbox.lock:
        return _OPERATIONS[envelope.name](context)


def _check_version(envelope: Envelope) -> None:
    block = envelope.header_block("RequestServerVersion")
    if block is not None and block.get("Version") not in VERSIONS:
        raise SoapFault("ErrorInvalidServerVersion")


def _refusal(refused: HttpRefusal | SoapFault | AvailabilityFault) -> Response:
    if isinstance(refused, HttpRefusal):
        return refused.response
    if isinstance(refused, AvailabilityFault):
        return availability_fault_response(refused)
    return fault_response(refused)
