"""Measures Read and Create: python -m tests.benchmarks [--case NAME ...] [--quick]. Figures: results.md."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from scheduler_api.demo.processes import free_port, running
from tests.benchmarks import results
from tests.benchmarks.bench import Bench
from tests.benchmarks.isolation import isolation
from tests.benchmarks.latency import latency
from tests.benchmarks.ledger import ledger
from tests.benchmarks.measure import Report
from tests.benchmarks.memory import memory
from tests.benchmarks.service import install
from tests.benchmarks.thirds import third
from tests.benchmarks.throughput import throughput
from tests.benchmarks.writes import create

LATENCY = 0.05
CASES: dict[str, Callable[[Bench], Report]] = {
    "ews-10": latency("ews", 10, 150),
    "ews-100": latency("ews", 100, 120),
    "graph-10": latency("graph", 10, 150),
    "graph-100": latency("graph", 100, 120),
    "graph-400": latency("graph", 400, 80),
    "throughput-ews": throughput("ews"),
    "throughput-graph": throughput("graph"),
    "memory": memory,
    "third": third,
    "isolation-ews": isolation("ews"),
    "isolation-graph": isolation("graph"),
    "create-ews-10": create("ews", 10, 120),
    "create-ews-20": create("ews", 20, 120),
    "create-graph-10": create("graph", 10, 120),
    "create-graph-20": create("graph", 20, 120),
    "ledger": ledger,
}


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    command = f'make bench ARGS="{" ".join(arguments)}"' if arguments else "make bench"
    signal.signal(signal.SIGTERM, _interrupt)
    found: dict[str, Report] = {}
    try:
        with _bench(options.quick) as bench:
            for name in options.case or CASES:
                found[name] = _run(name, bench)
                if not options.quick:
                    results.store(name, found[name], command, list(CASES))
    except KeyboardInterrupt:
        _say("interrupted")
    results.print_table(found)
    met = [row.met for report in found.values() for row in report.rows if row.met is not None]
    return 0 if met and all(met) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer samples; nothing is written")
    return parser.parse_args(arguments)


@contextmanager
def _bench(quick: bool) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        port = free_port(0)
        exchange = f"http://127.0.0.1:{port}"
        simulate = ["-m", "tests.benchmarks.exchange", "--port", str(port), "--latency", str(LATENCY)]
        _say("starting the simulated Exchange")
        with running(simulate, os.environ, f"{exchange}/simulator/", folder / "exchange.log"):
            _say("making the service's database")
            yield Bench(exchange, install(folder, exchange), quick)


def _run(name: str, bench: Bench) -> Report:
    _say(f"{name} ...")
    began = time.monotonic()
    report = CASES[name](bench)
    _say(f"{name}: {time.monotonic() - began:.0f} s")
    return report


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
