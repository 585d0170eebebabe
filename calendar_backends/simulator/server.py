"""The simulated Exchange itself: one HTTP server, the world behind it, and what it remembers of its callers.

The server counts and records every request, applies the transport faults and only then lets a face answer.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from calendar_backends.simulator import control, ews, graph, mishaps
from calendar_backends.simulator.faults import TRANSPORT_KINDS, FaultBook
from calendar_backends.simulator.graph import token
from calendar_backends.simulator.httpd import HOST, HttpServer
from calendar_backends.simulator.tokens import TokenBook
from calendar_backends.simulator.wire import Call, Delivery, Request, Response
from calendar_backends.simulator.world import World

EWS_PATH = "/EWS/Exchange.asmx"
REQUESTS_KEPT = 20_000
# Signing in is not a request to Exchange, and the requests inside a batch wait each for themselves.
_WITHOUT_LATENCY = frozenset({"token", "graph.$batch"})


@dataclass
class Seen:
    """One request as it arrived. Header names are lower case; `status` is 0 if no answer was given.

    `at` is the moment of its arrival on the monotonic clock.
    """

    face: str
    operation: str
    path: str
    headers: dict[str, str]
    mailbox: str | None
    body: bytes
    status: int = 0
    at: float = field(default_factory=time.monotonic)


class Simulator:
    """A small Exchange on 127.0.0.1. Use it as a context manager, or call `start` and `stop`.

    `port` 0 takes any free one. `latency` in seconds is added to every request of the EWS and Graph faces,
    `token_lifetime` in seconds is how long an access token is good. `graph_concurrency` is how many
    requests of one app to one mailbox are served at a time before Graph throttles; None is no limit.
    """

    def __init__(self, world: World, *, port: int = 0, latency: float = 0.0) -> None:
        self.world = world
        self.port = port
        self.latency = latency
        self.token_lifetime: float = 3599
        self.graph_concurrency: int | None = 4
        self.faults = FaultBook()
        self.tokens = TokenBook()
        self.counters: Counter[str] = Counter()
        self.peak: Counter[Hashable] = Counter()
        self.requests: list[Seen] = []
        self._now_in_flight: Counter[Hashable] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: HttpServer | None = None

    def start(self) -> Simulator:
        """Bind and serve in a thread. Raises OSError if the port is taken."""
        self._stopping.clear()
        self._server = HttpServer(self.port, self._answer, self.wait)
        self.port = self._server.server_address[1]
        serve = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True, name="simulator"
        )
        serve.start()
        return self

    def stop(self) -> None:
        """Stop serving and cut every connection. `start` begins again on the same port."""
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The root of the Graph face and of the sign-in service, without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    @property
    def ews_url(self) -> str:
        return self.url + EWS_PATH

    def round_trips(self) -> int:
        """HTTP requests to the EWS and Graph faces; sign-in and control are not counted."""
        with self._lock:
            return sum(n for name, n in self.counters.items() if _is_round_trip(name))

    @contextmanager
    def in_flight(self, key: Hashable) -> Iterator[int]:
        """Hold one more request in flight under this key; gives how many there are now, this one included."""
        with self._lock:
            self._now_in_flight[key] += 1
            now = self._now_in_flight[key]
            self.peak[key] = max(self.peak[key], now)
        try:
            yield now
        finally:
            with self._lock:
                self._now_in_flight[key] -= 1

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the server stops."""
        self._stopping.wait(seconds)

    def reset(self) -> None:
        """Forget counters, peaks, requests and faults. The world and the issued tokens stay."""
        self.faults.clear()
        with self._lock:
            self.counters.clear()
            self.peak.clear()
            self.requests.clear()

    def serve(self, call: Call) -> Delivery:
        """Admit a call, hold it for the latency, and answer it as the transport faults would have it."""
        with call.admission() as refusal:
            if refusal is not None:
                return Delivery(refusal)
            if self.latency and call.operation not in _WITHOUT_LATENCY:
                self.wait(self.latency)
            fault = self.faults.take_any(call.operation, call.mailboxes, TRANSPORT_KINDS)
            return mishaps.deliver(call.respond, fault, self.wait)

    def record(self, call: Call, request: Request) -> Seen:
        """Count a call and remember its request."""
        mailbox = call.mailboxes[0] if call.mailboxes else None
        seen = Seen(call.face, call.operation, request.path, dict(request.headers), mailbox, request.body)
        with self._lock:
            self.counters[call.operation] += 1
            self.requests.append(seen)
            if len(self.requests) > REQUESTS_KEPT:
                del self.requests[: REQUESTS_KEPT // 2]
        return seen

    def _answer(self, request: Request) -> Delivery:
        if request.path.startswith("/simulator/"):
            return Delivery(control.handle(request, self))
        call = self._call(request)
        if call is None:
            return Delivery(Response(404))
        seen = self.record(call, request)
        with self.in_flight(call.face):
            delivery = self.serve(call)
        if delivery.response is not None:
            seen.status = delivery.response.status
        return delivery

    def _call(self, request: Request) -> Call | None:
        if request.path.lower() == EWS_PATH.lower():
            return ews.plan(request, self)
        if request.path.startswith("/v1.0/"):
            return graph.plan(request, self)
        if _is_sign_in(request.path):
            return Call("token", "token", (), lambda: token.handle(request, self))
        return None


def _is_round_trip(counter: str) -> bool:
    return counter.startswith(("ews.", "graph.")) and not counter.startswith("graph.batch.")


def _is_sign_in(path: str) -> bool:
    return (
        path.endswith("/oauth2/v2.0/token") or "/.well-known/" in path or path == "/common/discovery/instance"
    )
