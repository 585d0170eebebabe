"""Many calls side by side, none of which can hold up the answer."""

import threading
import time

import pytest

from calendar_backends.core.correlation import correlation_id
from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import CalendarError
from calendar_backends.core.fanout import fan_out


def test_calls_run_side_by_side_and_no_more_than_allowed() -> None:
    together = threading.Barrier(3)
    assert fan_out(lambda n: together.wait(5) >= 0, [1, 2, 3], Deadline.after(5), at_once=3) == dict.fromkeys(
        [1, 2, 3], True
    )


def test_what_has_not_come_back_by_the_deadline_is_an_error() -> None:
    never = threading.Event()
    started = time.monotonic()
    answers = fan_out(lambda n: n == 1 or never.wait(30), [1, 2, 3], Deadline.after(0.3), at_once=2)
    assert time.monotonic() - started < 5
    never.set()
    assert answers[1] is True
    assert isinstance(answers[2], CalendarError)
    assert (answers[2].code, answers[2].uncertain) == ("ErrorTimeoutExpired", True)


def test_a_calendar_error_is_a_value_and_a_bug_is_raised() -> None:
    def call(code: str) -> None:
        raise CalendarError(code) if code.startswith("Error") else ZeroDivisionError

    answer = fan_out(call, ["ErrorServerBusy"], Deadline.after(5), at_once=1)["ErrorServerBusy"]
    assert isinstance(answer, CalendarError)
    with pytest.raises(ZeroDivisionError):
        fan_out(call, ["bug"], Deadline.after(5), at_once=1)


def test_calls_know_the_correlation_id_of_their_request() -> None:
    token = correlation_id.set("abc-1")
    try:
        assert fan_out(lambda n: correlation_id.get(), [1], Deadline.after(5), at_once=1) == {1: "abc-1"}
    finally:
        correlation_id.reset(token)
