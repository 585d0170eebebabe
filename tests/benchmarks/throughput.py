"""Many callers: calls per second of one worker against the stock libraries in one process."""

import time
from collections.abc import Callable
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import Caller
from tests.benchmarks.measure import Load, Report, crowd, milliseconds
from tests.benchmarks.service import Service
from tests.benchmarks.stock import StockExchangelib, StockO365
from tests.benchmarks.world import MAIN, addresses

_THREADS = (8, 16, 32)
_LEAST = 2.0
_BAR = f"≥ {_LEAST:.0f} times their calls/s"
SERVICE = "service"

Run = Callable[[int, float], Load]


def throughput(driver: str) -> Callable[[Bench], Report]:
    """The case of 10 mailboxes read by 8, 16 and 32 threads at a time."""

    def case(bench: Bench) -> Report:
        with bench.installation.serve() as service:
            runs = _contenders(bench, service, driver)
            for run in runs.values():
                run(_THREADS[-1], 0.1)  # connections are opened, code is loaded
            report = Report()
            for threads in _THREADS[-1:] if bench.quick else _THREADS:
                _compare(runs, threads, bench.quick, report)
            return report

    return case


def _contenders(bench: Bench, service: Service, driver: str) -> dict[str, Run]:
    """The stock libraries twice: as they come, and with what holds them up most widened."""
    emails = addresses(MAIN, 10)
    caller = Caller(service, f"{MAIN}-{driver}", emails)
    stock: dict[str, StockExchangelib | StockO365]
    if driver == "ews":
        stock = {
            "stock exchangelib": StockExchangelib(bench.exchange, emails),
            "stock exchangelib, max_connections=32": StockExchangelib(bench.exchange, emails, 32),
        }
    else:
        stock = {
            "stock O365": StockO365(bench.exchange, emails),
            "stock O365, requests_delay=0": StockO365(bench.exchange, emails, 0),
        }
    others: dict[str, Run] = {name: partial(_run_stock, library) for name, library in stock.items()}
    return {SERVICE: partial(_run_service, service, caller), **others}


def _run_service(service: Service, caller: Caller, threads: int, seconds: float) -> Load:
    return crowd([caller] * threads, seconds, service.cpu)


def _run_stock(library: StockExchangelib | StockO365, threads: int, seconds: float) -> Load:
    readers = [library.reader(thread) for thread in range(threads)]
    return crowd(readers, seconds, time.process_time)


def _compare(runs: dict[str, Run], threads: int, quick: bool, report: Report) -> None:
    loads = {name: Load() for name in runs}
    for _ in range(1 if quick else 3):
        for name, run in runs.items():
            loads[name].add(run(threads, 2.0))
    service, *others = (load.row(f"{name}, {threads} threads") for name, load in loads.items())
    assert service.per_second
    for row in others:
        assert row.per_second
        row.ratio = service.per_second / row.per_second
        row.bar, row.met = _BAR, row.ratio >= _LEAST
        row.remark = "ratio: the service's calls/s to theirs"
    report.rows += [service, *others]
    report.raw[f"{threads} threads"] = milliseconds({name: load.seconds for name, load in loads.items()})
