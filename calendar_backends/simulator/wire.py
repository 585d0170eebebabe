"""What one HTTP exchange looks like inside the simulator: a Request in, a Response out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field


class Headers(Mapping[str, str]):
    """HTTP headers: the case of a name is ignored, the keys one iterates over are lower case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True)
class Request:
    """One HTTP request. The path is still percent-encoded, the query has no question mark."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: Headers({}))
    body: bytes = b""


@dataclass
class Response:
    """One HTTP answer. Content-Length is added when it is sent; Content-Type belongs in `headers`."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """What a request asks for, known before anything is done.

    `operation` is the counter's name. `mailboxes` are the addresses that the request is about; a fault that
    is meant for one of them hits it. `respond` does the work. `admission` is entered for as long as the
    request is served, and gives the refusal of one that is not to be served at all.
    """

    face: str  # ews | graph | token
    operation: str
    mailboxes: tuple[str, ...]
    respond: Callable[[], Response]
    admission: Callable[[], AbstractContextManager[Response | None]] = nullcontext


@dataclass
class Delivery:
    """How an answer goes out. No response means that the connection is closed without one."""

    response: Response | None
    seconds_per_byte: float = 0.0
    truncate_at: int | None = None
