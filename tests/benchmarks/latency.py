"""One caller: the service against the floor, and against the stock libraries."""

import time
from collections.abc import Callable

from tests.benchmarks.bench import Bench
from tests.benchmarks.client import Caller, check
from tests.benchmarks.floor import EwsFloor, Floor, GraphFloor
from tests.benchmarks.measure import Contender, Report, alternate, milliseconds
from tests.benchmarks.service import Service
from tests.benchmarks.stock import StockExchangelib, StockO365
from tests.benchmarks.world import MAIN, addresses

_FLOORS: dict[str, type[Floor]] = {"ews": EwsFloor, "graph": GraphFloor}
_STOCK: dict[str, Callable[[str, list[str]], StockExchangelib | StockO365]] = {
    "ews": StockExchangelib,
    "graph": StockO365,
}
_STOCK_NAMES = {"ews": "stock exchangelib", "graph": "stock O365"}
_BARS = {"ews": 1.25, "graph": 1.3}
#: The stock libraries take seconds and need not be known as well: so many samples.
_STOCK_SAMPLES = 8


def latency(driver: str, mailboxes: int, rounds: int) -> Callable[[Bench], Report]:
    """The case of ``mailboxes`` read by one caller, so many times."""

    def case(bench: Bench) -> Report:
        with bench.installation.serve() as service:
            return _compare(bench, service, driver, mailboxes, rounds // 5 if bench.quick else rounds)

    return case


def _compare(bench: Bench, service: Service, driver: str, mailboxes: int, rounds: int) -> Report:
    emails = addresses(MAIN, mailboxes)
    caller, floor = Caller(service, f"{MAIN}-{driver}", emails), _FLOORS[driver](bench.exchange, emails)
    stock = _STOCK[driver](bench.exchange, emails)
    check(caller(), emails)
    check(floor(), emails)
    contenders = [
        Contender("service", caller, service.cpu),
        Contender("floor", floor, time.process_time),
        Contender(_STOCK_NAMES[driver], stock.read, time.process_time, rounds // _STOCK_SAMPLES),
    ]
    try:
        alternate(contenders, rounds)
    finally:
        floor.close()
    return _report(contenders, _BARS[driver])


def _report(contenders: list[Contender], most: float) -> Report:
    rows = [contender.row() for contender in contenders]
    service, floor, stock = rows
    assert service.p50 and floor.p50 and stock.p50
    service.ratio = service.p50 / floor.p50
    service.bar, service.met = f"≤ {most} times the floor's p50", service.ratio <= most
    stock.ratio = stock.p50 / floor.p50
    return Report(rows, milliseconds({contender.name: contender.seconds for contender in contenders}))
