"""Create by one caller: the service with its ledger on PostgreSQL, bare requests, and the stock libraries."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.benchmarks.bench import Bench
from tests.benchmarks.creating import Creator
from tests.benchmarks.measure import Contender, Report, Row, alternate, milliseconds
from tests.benchmarks.postgres import installed
from tests.benchmarks.service import Service
from tests.benchmarks.stock_writes import StockExchangelibKept, StockExchangelibSaves, StockO365Saves
from tests.benchmarks.world import MAIN, addresses
from tests.benchmarks.write_floor import EwsWriteFloor, GraphBatchFloor, GraphWriteFloor, WriteFloor

_FLOORS: dict[str, dict[str, type[WriteFloor]]] = {
    "ews": {"floor": EwsWriteFloor},
    "graph": {"floor, POSTs": GraphWriteFloor, "floor, batches of 4": GraphBatchFloor},
}
_STOCK: dict[str, dict[str, type[StockExchangelibSaves | StockO365Saves]]] = {
    "ews": {"stock exchangelib": StockExchangelibSaves, "exchangelib, Accounts kept": StockExchangelibKept},
    "graph": {"stock O365": StockO365Saves},
}
_MOST, _LEAST = 1.5, 8.0
#: The stock libraries take seconds, and are compared at so many mailboxes only.
_STOCK_EVERY, _STOCK_MAILBOXES = 8, 10


def create(driver: str, mailboxes: int, rounds: int) -> Callable[[Bench], Report]:
    """The case of a Create into ``mailboxes``, so many times."""

    def case(bench: Bench) -> Report:
        with installed(bench) as (installation, _), installation.serve() as service:
            return _compare(bench, service, driver, mailboxes, rounds // 5 if bench.quick else rounds)

    return case


def _compare(bench: Bench, service: Service, driver: str, mailboxes: int, rounds: int) -> Report:
    emails = addresses(MAIN, mailboxes)
    with ExitStack() as stack:
        creator = Creator(service, f"{MAIN}-{driver}", emails)
        stack.callback(creator.close)
        contenders = [Contender("service", creator, service.cpu)]
        for name, kind in _FLOORS[driver].items():
            floor = kind(bench.exchange, emails)
            stack.callback(floor.close)
            contenders.append(Contender(name, floor, time.process_time))
        if mailboxes == _STOCK_MAILBOXES:
            for name, library in _STOCK[driver].items():
                stock = library(bench.exchange, emails)
                contenders.append(Contender(name, stock, time.process_time, _STOCK_EVERY))
        alternate(contenders, rounds)
    return _report(contenders)


def _report(contenders: list[Contender]) -> Report:
    rows = [contender.row() for contender in contenders]
    service = rows[0]
    assert service.p50
    fastest = min(row.p50 for row in rows if row.who.startswith("floor") and row.p50)
    service.ratio = service.p50 / fastest
    service.bar, service.met = f"≤ {_MOST} times the fastest floor's p50", service.ratio <= _MOST
    for row in rows:
        if row.who.startswith("stock"):
            _judge_stock(row, service.p50)
        elif row.who.startswith("exchangelib") and row.p50:
            row.ratio = row.p50 / service.p50
            row.remark = "not as documented: Accounts and their folders looked up before; ratio as above"
    return Report(rows, milliseconds({contender.name: contender.seconds for contender in contenders}))


def _judge_stock(row: Row, service: float) -> None:
    assert row.p50
    row.ratio = row.p50 / service
    row.bar, row.met = f"≥ {_LEAST:.0f} times the service's p50", row.ratio >= _LEAST
    row.remark = "ratio: its p50 to the service's"
