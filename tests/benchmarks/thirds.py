"""A third of the mailboxes is throttled for ever, or hangs: is the answer in time, are the others right?"""

import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import Caller
from tests.benchmarks.measure import Report, Row, milliseconds, percentile, together
from tests.benchmarks.world import THIRDS, addresses, answer

#: Seconds: an Org's read_deadline unless it chose otherwise, and what the answer may take beyond it.
_DEADLINE, _GRACE = 8.0, 0.5


_FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ews-throttle": ("soap_fault", {"code": "ErrorServerBusy"}),
    "ews-busy": ("inner_busy", {}),
    "ews-hang": ("hang", {"seconds": 30}),
    "graph-throttle": ("throttle", {"retry_after": 1}),
    "graph-busy": ("schedule_error", {"response_code": "ErrorServerBusy", "message": "Busy."}),
    "graph-hang": ("hang", {"seconds": 30}),
}


@dataclass
class Outcome:
    """Each call's seconds, and how many rows of healthy mailboxes were wrong in it."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    #: Rows of unwell mailboxes that were said to be fine.
    hidden: list[int] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)


def third(bench: Bench) -> Report:
    """All the Orgs side by side; each is asked again as soon as it has answered."""
    outcomes = {org: Outcome() for org in THIRDS}
    for org in THIRDS:
        _trouble(bench, org)
    try:
        with bench.installation.serve() as service:
            callers = {org: Caller(service, org, addresses(org)) for org in THIRDS}
            calls = 3 if bench.quick else 16
            together([partial(_ask, callers[org], org, calls, outcomes[org]) for org in THIRDS])
    finally:
        bench.switch_off()
    return Report([_row(org, outcome) for org, outcome in outcomes.items()], _raw(outcomes))


def unwell(org: str) -> list[str]:
    """Every third mailbox, so that they are spread over all chunks."""
    return addresses(org)[::3]


def _trouble(bench: Bench, org: str) -> None:
    """hang, throttle: every request that touches an unwell mailbox; busy: that mailbox's own entry."""
    kind, parameters = _FAULTS[org.removeprefix("third-")]
    bench.switch_on(kind, unwell(org), **parameters)


def _ask(caller: Caller, org: str, calls: int, outcome: Outcome) -> None:
    right = answer(addresses(org))
    sick = [address in set(unwell(org)) for address in addresses(org)]
    for _ in range(calls):
        began = time.perf_counter()
        rows: list[Any] = json.loads(caller())
        outcome.seconds.append(time.perf_counter() - began)
        pairs = list(zip(rows, right, sick, strict=True))
        outcome.wrong.append(sum(row != expected for row, expected, ill in pairs if not ill))
        outcome.hidden.append(sum(row["errorCode"] == "NoError" for row, _, ill in pairs if ill))
        outcome.codes |= {row["errorCode"] for row in rows}


def _row(org: str, outcome: Outcome) -> Row:
    if not outcome.seconds:
        return Row(org, met=False, remark="no answer")
    p95 = percentile(outcome.seconds, 95)
    wrong, hidden = sum(outcome.wrong), sum(outcome.hidden)
    return Row(
        org,
        p50=percentile(outcome.seconds, 50) * 1000,
        p95=p95 * 1000,
        bar=f"p95 ≤ {_DEADLINE + _GRACE} s, other rows right",
        met=p95 <= _DEADLINE + _GRACE and not wrong and not hidden,
        remark=f"{len(outcome.seconds)} calls, {wrong} healthy rows wrong in {sum(map(bool, outcome.wrong))} "
        f"of them, {hidden} unwell rows called fine; codes: {', '.join(sorted(outcome.codes))}",
    )


def _raw(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    seconds = milliseconds({org: outcome.seconds for org, outcome in outcomes.items()})
    return {
        org: {"ms": seconds[org], "wrong_rows": outcome.wrong, "hidden_rows": outcome.hidden}
        for org, outcome in outcomes.items()
    }
