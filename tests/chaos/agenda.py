"""Carries the planned troubles out, while the calls are made."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from tests.chaos.database import Database
from tests.chaos.exchange import Exchange
from tests.chaos.processes import Crew
from tests.chaos.trouble import Trouble

_TICK = 0.05


class Agenda(threading.Thread):
    """``begun`` tells how many calls have begun. Once it has ended, everything works again."""

    def __init__(
        self,
        troubles: Sequence[Trouble],
        begun: Callable[[], int],
        exchange: Exchange,
        crew: Crew,
        database: Database,
    ) -> None:
        super().__init__(daemon=True, name="agenda")
        self.done: Counter[str] = Counter()
        self._ahead = deque(troubles)
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self._begun = begun
        self._exchange = exchange
        self._crew = crew
        self._database = database
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_TICK):
            self._crew.look_after()
            self._end(time.monotonic())
            while self._ahead and self._ahead[0].after <= self._begun():
                self._begin(self._ahead.popleft())

    def finish(self) -> None:
        """Nothing more goes wrong."""
        self._over.set()
        self.join()
        self._end(float("inf"))
        self._exchange.switch_all_off()

    def _begin(self, trouble: Trouble) -> None:
        self.done[trouble.what] += 1
        until = time.monotonic() + trouble.seconds
        if trouble.what == "kill":
            program = self._crew.programs[trouble.details["program"]]
            program.kill()
            self._undo.append((until, program.start))
        elif trouble.what == "cut":
            self._database.cut()
        else:
            number = self._exchange.switch_on(trouble.what, **trouble.details)
            self._undo.append((until, lambda: self._exchange.switch_off(number)))

    def _end(self, now: float) -> None:
        """Undo what has lasted long enough."""
        past = [undo for until, undo in self._undo if until <= now]
        self._undo = [(until, undo) for until, undo in self._undo if until > now]
        for undo in past:
            undo()
