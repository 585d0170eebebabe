"""Faults on demand: which requests go wrong, and how.

A fault whose kind is in TRANSPORT_KINDS is applied by the server to a whole HTTP request. All others are
applied by the face that the request belongs to, which asks for them with `FaultBook.take`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

TRANSPORT_KINDS = frozenset(
    {
        "latency",  # seconds: wait, then do it and answer
        "hang",  # seconds: wait, then close without having done anything
        "drip",  # seconds per byte of the body
        "truncate",  # bytes: send so many bytes of the body, then close
        "drop",  # close without doing anything
        "commit_then_drop",  # do it, then close without an answer
        "commit_then_hang",  # seconds: do it, then wait before answering
        "delayed_commit",  # seconds: close now, do it later
        "status",  # code, body, headers: answer with this without doing anything
        "html",  # answer 200 with an HTML page
        "not_json",  # answer 200 with a body that is neither JSON nor XML
    }
)
EWS_KINDS = frozenset(
    {
        "response_code",  # code, message: a ResponseMessage of class Error
        "soap_fault",  # code, message, back_off_ms: HTTP 500 with a ResponseCode in its detail
        "inner_busy",  # ErrorInternalServerError that carries ErrorServerBusy inside
        "a_fault",  # code, number: the availability service's own fault
        "version_fault",  # code: a fault about the schema version, with a ServerVersionInfo header
        "cas_error",  # code: an X-CasErrorCode header and no SOAP
        "ews_disabled",  # HTTP 403
        "no_data",  # one event of BusyType NoData over the whole window
        "availability_code",  # code, message: one mailbox's error in an availability answer
    }
)
BOTH_FACES_KINDS = frozenset(
    {
        "entry_missing",  # one mailbox is left out of an availability answer
        "unknown_status",  # value: a free/busy status that no client knows
        "view_none",  # nothing is shown, and no error (EWS: FreeBusyViewType None)
        "merged_only",  # digits and no events (EWS: FreeBusyViewType MergedOnly)
        "time_format",  # format of the times: naive, z, offset, fraction or garbage
    }
)
GRAPH_KINDS = frozenset(
    {
        "error",  # status, code, message, inner, retry_after
        "schedule_error",  # response_code, message: one schedule's error in a 200
        "reordered",  # schedules come back in another order
        "capital_status",  # Busy in place of busy
        "windows_zone",  # times in a Windows time zone
        "throttle",  # retry_after: 429 ApplicationThrottled
        "token_expired",  # 401 InvalidAuthenticationToken
        "inner_424",  # a request inside a batch fails as a dependency
    }
)
KINDS = TRANSPORT_KINDS | EWS_KINDS | BOTH_FACES_KINDS | GRAPH_KINDS


class Fault:
    """One thing that goes wrong.

    `operation` is a glob over counter names ("ews.*", "graph.getSchedule"). `mailbox` limits it to one
    address. It is skipped for the first `after` matches and then applies `times` times (None: until it
    is removed). Everything else is a parameter of the kind, found in `parameters`.
    """

    def __init__(
        self,
        kind: str,
        *,
        operation: str = "*",
        mailbox: str | None = None,
        times: int | None = None,
        after: int = 0,
        **parameters: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"There is no fault of kind {kind!r}; the kinds are {', '.join(sorted(KINDS))}.")
        self.kind = kind
        self.operation = operation
        self.mailbox = mailbox.lower() if mailbox else None
        self.times = times
        self.after = after
        self.parameters = parameters

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter of this fault."""
        return self.parameters.get(name, default)

    def matches(self, operation: str, mailboxes: Collection[str]) -> bool:
        """Whether this fault is meant for the operation and for one of the mailboxes (lower case)."""
        if self.mailbox is not None and self.mailbox not in mailboxes:
            return False
        return fnmatchcase(operation, self.operation)

    def to_dict(self) -> dict[str, Any]:
        named = ("kind", "operation", "mailbox", "times", "after")
        return {name: getattr(self, name) for name in named} | self.parameters


class FaultBook:
    """The faults that are switched on. Safe to use from all threads of the server."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = count(1)
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> int:
        """Switch a fault on and return the number by which it can be removed."""
        with self._lock:
            fault_id = next(self._ids)
            self._faults[fault_id] = fault
            return fault_id

    def remove(self, fault_id: int) -> bool:
        """Switch a fault off; False if there was none of that number."""
        with self._lock:
            return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def all(self) -> dict[int, Fault]:
        """A copy of what is switched on, by number, in the order of switching on."""
        with self._lock:
            return dict(self._faults)

    def take(
        self, operation: str, mailbox: str | None = None, kinds: Collection[str] | None = None
    ) -> Fault | None:
        """The first fault for this operation and mailbox that a face applies, counted down.

        Transport faults are never returned: the server has applied them. `kinds` narrows the choice to
        those that the caller can apply at this point, so that the others are kept for their own place.
        """
        return self.take_any(operation, [mailbox] if mailbox else [], kinds or KINDS - TRANSPORT_KINDS)

    def take_any(self, operation: str, mailboxes: Iterable[str], kinds: Collection[str]) -> Fault | None:
        """The first fault of these kinds for this operation that names no mailbox or one of these."""
        if not self._faults:
            return None
        addresses = {address.lower() for address in mailboxes}
        with self._lock:
            for fault_id, fault in self._faults.items():
                if fault.kind in kinds and fault.matches(operation, addresses) and _is_due(fault):
                    if fault.times == 0:
                        del self._faults[fault_id]
                    return fault
        return None


def _is_due(fault: Fault) -> bool:
    """Count one match of the fault; False while it is still to be skipped."""
    if fault.after > 0:
        fault.after -= 1
        return False
    if fault.times is not None:
        fault.times -= 1
    return True
