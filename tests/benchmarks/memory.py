"""How a worker's memory grows while it serves many Orgs."""

from collections.abc import Sequence
from functools import partial
from itertools import count

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import Caller, check
from tests.benchmarks.measure import Report, Row, together
from tests.benchmarks.service import Service
from tests.benchmarks.world import FLEET, addresses

_AT_ONCE = 16
_MOST_MB = 150.0
#: What counts as flat: the allocator keeps a few pages more or less.
_MOST_GROWTH_MB = 3.0
#: The first calls come all at once. gunicorn starts a thread of its 64 when it has none free, which otherwise
#: goes on for thousands of calls, and each holds a connection to the database.
_BURST = 64
_CALLS = (500, 1000, 2000, 3000, 4000, 5000)


def memory(bench: Bench) -> Report:
    """RSS of the worker after so many calls, spread over 20 Orgs."""
    with bench.installation.serve() as service:
        callers = [Caller(service, org, addresses(org)) for org in FLEET]
        for caller, org in zip(callers, FLEET, strict=True):
            check(caller(), addresses(org))
        grown = _grow(service, callers, (500, 1000) if bench.quick else _CALLS)
    growth = max(resident for calls, resident in grown.items() if calls >= 1000) - grown[1000]
    found = Row(
        "service",
        bar=f"≤ {_MOST_MB:.0f} MB, from 1,000 on at most {_MOST_GROWTH_MB:.0f} MB more",
        met=max(grown.values()) <= _MOST_MB and growth <= _MOST_GROWTH_MB,
        remark=", ".join(f"{resident:.1f} MB after {calls:,}" for calls, resident in grown.items()),
    )
    return Report([found], {"resident_mb": grown})


def _grow(service: Service, callers: Sequence[Caller], stops: Sequence[int]) -> dict[int, float]:
    grown: dict[int, float] = {}
    turns = count()
    for stop in stops:
        _call(callers, stop - max(grown, default=0), turns, _AT_ONCE if grown else _BURST)
        grown[stop] = round(service.resident(), 1)
    return grown


def _call(callers: Sequence[Caller], calls: int, turns: "count[int]", at_once: int) -> None:
    """So many calls, Org after Org, by so many threads."""
    shares = [calls // at_once + (number < calls % at_once) for number in range(at_once)]

    def work(share: int) -> None:
        for _ in range(share):
            callers[next(turns) % len(callers)]()

    together([partial(work, share) for share in shares])
