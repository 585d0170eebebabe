"""One Deadline per request; every wait below it is bounded by what is left of it."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until the deadline, never below 0."""
        return max(0.0, self.at - time.monotonic())

    @property
    def over(self) -> bool:
        return self.left() == 0.0

    def within(self, seconds: float) -> "Deadline":
        """This deadline, or ``seconds`` from now if that is sooner."""
        return min(self, Deadline.after(seconds), key=lambda deadline: deadline.at)
