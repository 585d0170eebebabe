"""A worker's threads are shared fairly: one Org's hanging Exchange cannot take them all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from django.conf import settings

_taken: Counter[str] = Counter()
_lock = Lock()


@contextmanager
def seat(org: str) -> Iterator[bool]:
    """Whether one more of this worker's threads may wait for this Org; held until the block ends."""
    with _lock:
        free = _taken[org] < max(1, int(settings.THREADS * settings.ORG_SHARE))
        _taken[org] += free
    try:
        yield free
    finally:
        with _lock:
            _taken[org] -= free
            if not _taken[org]:
                del _taken[org]
