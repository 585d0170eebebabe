"""EWS faults that are not tied to one operation: from a Fault to the refusal that it stands for."""

from __future__ import annotations

from calendar_backends.simulator.ews.soap import (
    VERSION_HEADER,
    AvailabilityFault,
    ItemError,
    SoapFault,
    availability_fault_response,
    fault_response,
)
from calendar_backends.simulator.faults import Fault
from calendar_backends.simulator.wire import Response

# One item's or mailbox's own failure.
FAILURES = frozenset({"response_code", "inner_busy", "availability_code"})
# Failures of the whole request.
REFUSALS = frozenset({"soap_fault", "a_fault", "version_fault", "cas_error", "ews_disabled"})
_BACK_OFF_MS = 300_000


def failure(fault: Fault) -> ItemError:
    """The ItemError of a fault whose kind is in FAILURES."""
    if fault.kind == "inner_busy":
        return ItemError("ErrorInternalServerError", values=_busy_values(fault))
    return ItemError(fault.get("code", "ErrorInternalServerTransientError"), fault.get("message", ""))


def refusal(fault: Fault) -> Response:
    """The answer to a request that meets a fault whose kind is in REFUSALS."""
    if fault.kind == "soap_fault":
        return fault_response(_soap_fault(fault))
    if fault.kind == "version_fault":
        return fault_response(SoapFault(fault.get("code", "ErrorInvalidServerVersion")), VERSION_HEADER)
    if fault.kind == "a_fault":
        code = fault.get("code", "ErrorMailboxDataArrayTooBig")
        return availability_fault_response(AvailabilityFault(code, fault.get("number", 5002)))
    if fault.kind == "cas_error":
        return Response(fault.get("status", 500), b"", {"X-CasErrorCode": fault.get("code", "EmptyCasError")})
    return Response(403, b"", {"x-ms-diagnostics": "EWS is disabled for this organization."})


def _soap_fault(fault: Fault) -> SoapFault:
    values = {}
    if fault.get("back_off_ms") is not None:
        values["BackOffMilliseconds"] = str(fault.get("back_off_ms"))
    return SoapFault(fault.get("code", "ErrorServerBusy"), fault.get("message", ""), values=values)


def _busy_values(fault: Fault) -> dict[str, str]:
    return {
        "InnerErrorMessageText": "The server cannot service this request right now. Try again later.",
        "InnerErrorResponseCode": "ErrorServerBusy",
        "InnerErrorDescriptiveLinkKey": "0",
        "BackOffMilliseconds": str(fault.get("back_off_ms", _BACK_OFF_MS)),
    }
