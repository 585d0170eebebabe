"""Samples, percentiles, and ways to take them so that the machine's noise hits all contenders alike."""

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

Clock = Callable[[], float]

_WARM_UP = 10


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank: the smallest value that ``percent`` of all do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


@dataclass
class Row:
    """One line of the table; times are in milliseconds. ``met`` is None where there is no bar."""

    who: str
    p50: float | None = None
    p95: float | None = None
    cpu: float | None = None
    per_second: float | None = None
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None
    remark: str = ""


@dataclass
class Report:
    """What a case found: lines of the table, and the figures behind them."""

    rows: list[Row] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Contender:
    """Something that answers a Read. ``cpu`` gives the seconds of CPU that its process has used so far."""

    name: str
    read: Callable[[], object]
    cpu: Clock
    every: int = 1
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def take(self) -> None:
        """One sample."""
        cpu, began = self.cpu(), time.perf_counter()
        self.read()
        self.seconds.append(time.perf_counter() - began)
        self.cpu_seconds += self.cpu() - cpu

    def row(self) -> Row:
        times = [seconds * 1000 for seconds in self.seconds]
        cpu = self.cpu_seconds * 1000 / len(times)
        alone = 1000 * len(times) / sum(times)
        return Row(self.name, percentile(times, 50), percentile(times, 95), cpu, alone)


def alternate(contenders: Sequence[Contender], rounds: int) -> None:
    """Sample them in turn, after a warm-up. One whose ``every`` is n takes part in each n-th round."""
    for contender in contenders:
        for _ in range(max(_WARM_UP // contender.every, 1)):
            contender.read()
    for number in range(rounds):
        for contender in contenders:
            if number % contender.every == 0:
                contender.take()


@dataclass
class Load:
    """What a crowd of threads got done."""

    seconds: list[float] = field(default_factory=list)
    lasted: float = 0.0
    cpu: float = 0.0

    def add(self, other: "Load") -> None:
        self.seconds += other.seconds
        self.lasted += other.lasted
        self.cpu += other.cpu

    def row(self, who: str) -> Row:
        times = [seconds * 1000 for seconds in self.seconds]
        cpu = self.cpu * 1000 / len(times)
        return Row(who, percentile(times, 50), percentile(times, 95), cpu, len(times) / self.lasted)


def crowd(readers: Sequence[Callable[[], object]], seconds: float, cpu: Clock) -> Load:
    """One thread for each reader, each calling again once it has its answer. Raises what a reader did."""
    load, until = Load(), time.perf_counter() + seconds

    def work(read: Callable[[], object]) -> None:
        while (began := time.perf_counter()) < until:
            read()
            load.seconds.append(time.perf_counter() - began)

    cpu_before, began = cpu(), time.perf_counter()
    together([partial(work, read) for read in readers])
    load.lasted, load.cpu = time.perf_counter() - began, cpu() - cpu_before
    return load


def together(jobs: Sequence[Callable[[], object]]) -> None:
    """Run each job in a thread of its own, wait for all, and raise what the first that failed raised.

    The threads end with the process, if that is interrupted.
    """
    failures: list[BaseException] = []

    def guarded(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def machine_load() -> float:
    """How busy the machine was in the last minute, in runnable processes."""
    return round(os.getloadavg()[0], 2)


def milliseconds(samples: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Samples for the raw figures, in milliseconds."""
    return {name: [round(value * 1000, 2) for value in values] for name, values in samples.items()}
