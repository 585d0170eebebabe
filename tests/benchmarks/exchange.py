"""The simulated Exchange of the benchmarks, as a process: python -m tests.benchmarks.exchange --port 9000.

It remembers what it has answered. So it costs next to nothing and is the bottleneck of nobody.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from calendar_backends.simulator import Simulator
from calendar_backends.simulator.server import Seen
from calendar_backends.simulator.wire import Call, Request, Response
from tests.benchmarks.world import world

_REMEMBERED = frozenset({"ews.GetUserAvailability", "ews.GetServerTimeZones", "graph.getSchedule"})
_TELLING_HEADERS = ("authorization", "content-type", "prefer", "x-anchormailbox")


class QuickSimulator(Simulator):
    """A simulator whose calendars never change: the same question gets the same answer, unless a fault is
    meant for it."""

    _plans: dict[tuple[str, tuple[str, ...], bytes], Call] = {}

    def record(self, call: Call, request: Request) -> Seen:
        """Count only: a benchmark's requests would fill the memory."""
        with self._lock:
            self.counters[call.operation] += 1
        return Seen(call.face, call.operation, request.path, {}, None, b"")

    def _call(self, request: Request) -> Call | None:
        told = tuple(request.headers.get(name, "") for name in _TELLING_HEADERS)
        key = (request.path, told, request.body)
        plan = self._plans.get(key)
        if plan is None:
            plan = super()._call(request)
            if plan is not None and plan.operation in _REMEMBERED:
                plan = self._plans[key] = replace(plan, respond=self._remembering(plan))
        return plan

    def _remembering(self, call: Call) -> Callable[[], Response]:
        kept: list[Response] = []
        mailboxes = {mailbox.lower() for mailbox in call.mailboxes}

        def respond() -> Response:
            if any(fault.matches(call.operation, mailboxes) for fault in self.faults.all().values()):
                return call.respond()
            if not kept:
                kept.append(call.respond())
            return kept[0]

        return respond


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, required=True, help="seconds added to each request")
    options = parser.parse_args()
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    # A $batch starts threads; with Python's 5 ms each of them would wait for its turn, 20 ms in all.
    sys.setswitchinterval(0.0005)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with QuickSimulator(world(), port=options.port, latency=options.latency):
        stop.wait()


if __name__ == "__main__":
    main()
