"""What goes wrong: the seed decides which fault, kill or cut comes when, counted in calls begun."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.world import ORGS, people

#: Seconds that the simulated Exchange may still need for what it was asked before the faults ended.
LONGEST_DELAY = 3.0
_CALLS_PER_FAULT, _CALLS_PER_KILL, _CALLS_PER_CUT = 9, 30, 250


@dataclass(frozen=True)
class Trouble:
    """``what`` is a kind of fault, "kill" or "cut" (of the database); it begins with the call ``after``.

    A fault stays for ``seconds``, a killed process is dead for so long. ``details`` are the fault's, or the
    ``program`` to be killed.
    """

    after: int
    what: str
    seconds: float
    details: dict[str, Any] = field(default_factory=dict)


def plan_troubles(seed: int, calls: int, programs: list[str]) -> list[Trouble]:
    """In the order of their beginning. ``calls`` is how many there will be."""
    random = Random(f"{seed}/trouble")
    made = [_fault(random, random.randrange(calls)) for _ in range(calls // _CALLS_PER_FAULT)]
    made += [_kill(random, n, programs) for n in range(_CALLS_PER_KILL // 2, calls, _CALLS_PER_KILL)]
    made += [_cut(random, n) for n in range(_CALLS_PER_CUT // 2, calls, _CALLS_PER_CUT)]
    return sorted(made, key=lambda trouble: trouble.after)


def _kill(random: Random, about: int, programs: list[str]) -> Trouble:
    after = about + random.randrange(_CALLS_PER_KILL // 2)
    return Trouble(after, "kill", random.uniform(0.0, 1.5), {"program": random.choice(programs)})


def _cut(random: Random, about: int) -> Trouble:
    return Trouble(about + random.randrange(_CALLS_PER_CUT // 3), "cut", 0.0)


def _fault(random: Random, after: int) -> Trouble:
    driver = random.choice(list(ORGS))
    kind = random.choice([*_ANYWHERE, *_ONLY[driver]])
    details = {"operation": random.choice(_OPERATIONS[driver]), **_PARAMETERS[kind](random)}
    if random.random() < 0.4:
        details["mailbox"] = random.choice(people(ORGS[driver]))
    return Trouble(after, kind, random.uniform(0.3, 2.0), details)


#: Twice what loses or delays an answer: it is what makes copies and stale content.
_ANYWHERE = (
    *("commit_then_drop", "commit_then_hang", "delayed_commit") * 2,
    *("status", "hang", "truncate", "drop", "html", "latency"),
)
_ONLY = {"ews": ("soap_fault", "inner_busy"), "graph": ("throttle", "token_expired", "not_json")}
_OPERATIONS = {
    "ews": ("ews.*", "ews.CreateItem", "ews.UpdateItem", "ews.DeleteItem", "ews.*Item"),
    "graph": (
        "graph.*",
        "graph.$batch",
        "graph.*POST events",
        "graph.*PATCH event",
        "graph.*DELETE event",
        "graph.*GET events",
    ),
}


def _busy(random: Random) -> dict[str, Any]:
    """Exchange asks for up to five minutes, which is too long to wait for here."""
    return {"code": "ErrorServerBusy", "back_off_ms": random.choice([0, 500, 2000])}


def _status(random: Random) -> dict[str, Any]:
    headers = random.choice([{}, {"Retry-After": "1"}])
    return {"code": random.choice([500, 502, 503, 503, 504]), "headers": headers}


_PARAMETERS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "commit_then_drop": lambda random: {},
    "commit_then_hang": lambda random: {"seconds": round(random.uniform(1, 9), 1)},
    "delayed_commit": lambda random: {"seconds": round(random.uniform(0.3, LONGEST_DELAY), 1)},
    "status": _status,
    "hang": lambda random: {"seconds": round(random.uniform(1, 9), 1)},
    "truncate": lambda random: {"bytes": random.randint(0, 400)},
    "drop": lambda random: {},
    "html": lambda random: {},
    "not_json": lambda random: {},
    "latency": lambda random: {"seconds": round(random.uniform(0.2, LONGEST_DELAY), 1)},
    "soap_fault": _busy,
    "inner_busy": _busy,
    "throttle": lambda random: {"retry_after": 1},
    "token_expired": lambda random: {},
}
