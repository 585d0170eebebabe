"""Many calls side by side, none of which can hold up the answer."""

import contextvars
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import TIMEOUT_EXPIRED, CalendarError

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


def fan_out(
    call: Callable[[Item], Result], items: Iterable[Item], deadline: Deadline, *, at_once: int
) -> dict[Item, Result | CalendarError]:
    """``call(item)`` for every item, at most ``at_once`` at a time, until the deadline.

    A CalendarError becomes that item's value; what has not come back in time is ErrorTimeoutExpired
    (uncertain: it may have been sent). Anything else that ``call`` raises is a bug and is raised here.
    The calls run in threads, which must not touch the ORM, with a copy of the caller's context.
    """
    todo = list(dict.fromkeys(items))
    if not todo:
        return {}
    pool = ThreadPoolExecutor(min(at_once, len(todo)), thread_name_prefix="exchange")
    futures: dict[Item, Future[Result]] = {
        item: pool.submit(contextvars.copy_context().run, call, item) for item in todo
    }
    wait(futures.values(), timeout=deadline.left())
    pool.shutdown(wait=False, cancel_futures=True)
    results: dict[Item, Result | CalendarError] = {}
    for item, future in futures.items():
        result = _result(future)
        results[item] = result
    return results


def _result(future: Future[Result]) -> Result | CalendarError:
    if future.cancelled():
        return CalendarError(TIMEOUT_EXPIRED, "the deadline came before its turn")
    if not future.done():
        return CalendarError(TIMEOUT_EXPIRED, "no answer before the deadline", uncertain=True)
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, CalendarError):
        return error
    raise error
