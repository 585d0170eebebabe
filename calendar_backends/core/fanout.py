"""Many calls side by side, none of which can hold up the answer."""

import contextvars
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import TIMEOUT_EXPIRED, CalendarError

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

#: Kept between calls: to start a thread takes longer than to wake one. How many calls may be in flight is
#: decided by those who call, so this only has to be more than all of them.
THREADS = ThreadPoolExecutor(1000, thread_name_prefix="exchange")


def fan_out(
    call: Callable[[Item], Result], items: Iterable[Item], deadline: Deadline, *, at_once: int
) -> dict[Item, Result | CalendarError]:
    """``call(item)`` for every item, at most ``at_once`` at a time, until the deadline.

    A CalendarError becomes that item's value; what has not come back in time is ErrorTimeoutExpired
    (uncertain: it may have been sent). Anything else that ``call`` raises is a bug and is raised here.
    The calls run in threads, which must not touch the ORM, with a copy of the caller's context.
    """
    futures: dict[Item, Future[Result]] = {item: Future() for item in items}
    todo = deque(futures.items())
    for _ in range(min(at_once, len(futures))):
        THREADS.submit(contextvars.copy_context().run, _work_off, call, todo)
    wait(futures.values(), timeout=deadline.left())
    todo.clear()
    results: dict[Item, Result | CalendarError] = {}
    for item, future in futures.items():
        result = _result(future)
        results[item] = result
    return results


def _work_off(call: Callable[[Item], Result], todo: deque[tuple[Item, Future[Result]]]) -> None:
    """What one thread does: the next call, as long as there is one."""
    while todo:
        try:
            item, future = todo.popleft()
        except IndexError:  # another thread was faster
            return
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(call(item))
        except BaseException as error:
            future.set_exception(error)


def _result(future: Future[Result]) -> Result | CalendarError:
    if future.cancel():
        return CalendarError(TIMEOUT_EXPIRED, "the deadline came before its turn")
    if not future.done():
        return CalendarError(TIMEOUT_EXPIRED, "no answer before the deadline", uncertain=True)
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, CalendarError):
        return error
    raise error
