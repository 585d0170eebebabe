"""Twenty Orgs, one of them hanging: do the callers of the others notice?"""

import time
from collections.abc import Callable
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import Caller
from tests.benchmarks.measure import Report, Row, milliseconds, percentile, together
from tests.benchmarks.service import Service, driver_of
from tests.benchmarks.world import FLEET, addresses, service_account

_MOST = 1.2
#: Each of the 19 is called twice a second. The hanging one is called 5 times a second by 50 callers, who
#: would fill a worker's threads if it let them all wait.
_PERIOD, _CROWD_PERIOD, _CROWD = 0.5, 10.0, 50
#: Of one phase; healthy and hanging ones alternate.
_SECONDS = 5.0


def isolation(driver: str) -> Callable[[Bench], Report]:
    """The case where an Org of this driver hangs."""

    def case(bench: Bench) -> Report:
        hanging = next(org for org in FLEET if driver_of(org) == driver)
        healthy: list[float] = []
        troubled: list[float] = []
        with bench.installation.serve() as service:
            _phase(service, hanging, 2.0)
            for _ in range(2 if bench.quick else 4):
                healthy += _phase(service, hanging, _SECONDS)
                troubled += _with_one_hanging(bench, service, hanging)
        return _report(healthy, troubled)

    return case


def _with_one_hanging(bench: Bench, service: Service, hanging: str) -> list[float]:
    bench.switch_on("hang", [*addresses(hanging), service_account(hanging)], seconds=30)
    try:
        return _phase(service, hanging, _SECONDS)
    finally:
        bench.switch_off()


def _phase(service: Service, hanging: str, seconds: float) -> list[float]:
    """Call all for so long; the seconds that the calls of the 19 took. Ends when every call is answered."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    jobs: list[Callable[[], None]] = []
    others = [org for org in FLEET if org != hanging]
    for number, org in enumerate(others):
        caller = Caller(service, org, addresses(org))
        start = number * _PERIOD / len(others)
        jobs.append(partial(_paced, caller, start, _PERIOD, until, taken))
    unlucky = Caller(service, hanging, addresses(hanging))
    for number in range(_CROWD):
        start = number * _CROWD_PERIOD / _CROWD
        jobs.append(partial(_paced, unlucky, start, _CROWD_PERIOD, until, []))
    together(jobs)
    return taken


def _paced(caller: Caller, start: float, period: float, until: float, taken: list[float]) -> None:
    """Call every ``period`` seconds, the first time after ``start``; late answers delay the next call."""
    due = time.perf_counter() + start
    while due < until:
        time.sleep(max(due - time.perf_counter(), 0))
        began = time.perf_counter()
        caller()
        taken.append(time.perf_counter() - began)
        due = max(due + period, time.perf_counter())


def _report(healthy: list[float], troubled: list[float]) -> Report:
    samples = {"all healthy": healthy, "one hanging": troubled}
    rows = [
        Row(f"the other 19, {name}", p50=percentile(taken, 50) * 1000, p95=percentile(taken, 95) * 1000)
        for name, taken in samples.items()
    ]
    calm, trouble = rows
    assert calm.p95 and trouble.p95
    trouble.ratio = trouble.p95 / calm.p95
    trouble.bar, trouble.met = f"≤ {_MOST} times p95, all healthy", trouble.ratio <= _MOST
    return Report(rows, milliseconds(samples))
