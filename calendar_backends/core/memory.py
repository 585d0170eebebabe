"""What a process remembers of an Exchange between calls. Safe to use from all threads."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

from calendar_backends.core.errors import SERVER_BUSY, CalendarError

#: An entry too many is forgotten, the oldest first.
MOST_REMEMBERED = 1000


class Throttles:
    """Until when Exchange wants to be left alone, by whose budget it is: an account, a mailbox, an app.

    Times are seconds since the epoch, so that processes can share them.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._lock = Lock()

    def hold(self, owner: str, seconds: float) -> None:
        """Exchange asked for a pause; a longer one that it asked for before stays."""
        self.merge({owner: time.time() + seconds})

    def left(self, owner: str) -> float:
        """Seconds until ``owner`` may be used again, 0 if it may be now."""
        return max(0.0, self._until.get(owner, 0.0) - time.time())

    @contextmanager
    def obeyed(self, owner: str) -> Iterator[None]:
        """Ask on the budget of ``owner``, who is left alone as long as Exchange said.

        Raises CalendarError ErrorServerBusy, without ``asked``, while that is not over.
        """
        if left := self.left(owner):
            raise CalendarError(SERVER_BUSY, "still throttled", retry_after=left, asked=False)
        try:
            yield
        except CalendarError as error:
            self.heed(owner, error)
            raise

    def heed(self, owner: str, error: CalendarError) -> None:
        """Remember the pause that Exchange asked for, if it did."""
        if error.code == SERVER_BUSY and error.asked and error.retry_after:
            self.hold(owner, error.retry_after)

    def merge(self, others: Mapping[str, float]) -> None:
        """Take over what another process was told."""
        with self._lock:
            for owner, until in others.items():
                self._until[owner] = max(until, self._until.get(owner, 0.0))

    def pending(self) -> dict[str, float]:
        """What is not over yet; the rest is forgotten."""
        with self._lock:
            now = time.time()
            self._until = {owner: until for owner, until in self._until.items() if until > now}
            return dict(self._until)


class Recent:
    """Names that were noted within the last ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._noted: dict[str, float] = {}
        self._lock = Lock()

    def note(self, name: str) -> None:
        with self._lock:
            self._noted.pop(name, None)
            self._noted[name] = time.monotonic()
            if len(self._noted) > MOST_REMEMBERED:
                del self._noted[next(iter(self._noted))]

    def forget(self, name: str) -> None:
        with self._lock:
            self._noted.pop(name, None)

    def __contains__(self, name: str) -> bool:
        noted = self._noted.get(name)
        return noted is not None and time.monotonic() - noted < self._seconds
