"""From any state of a mailbox to the wanted one, whatever answers are lost on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calendar_backends.core import convergence
from calendar_backends.core import deadline as deadlines
from calendar_backends.core.appointments import Change, Content, Verb
from calendar_backends.core.convergence import (
    STUMBLE_SECONDS,
    Goal,
    Outcome,
    Run,
    Settled,
    carry_out,
    first_change,
    next_changes,
)
from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import (
    ITEM_NOT_FOUND,
    NO_ERROR,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
    CalendarError,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def content(subject: str) -> Content:
    return Content(subject, "", "", NOON, NOON + timedelta(hours=1))


class Mailbox:
    """What a calendar system does: carries a change out, and may lose the answer."""

    def __init__(self, subjects: list[str]) -> None:
        self.items = {f"old{n}": subject for n, subject in enumerate(subjects)}
        self.made = 0

    def answer(self, change: Change, *, lost: bool) -> Outcome:
        if change.ref is not None and change.ref not in self.items:
            return CalendarError(ITEM_NOT_FOUND)
        refs = self._carry_out(change)
        return CalendarError(TIMEOUT_EXPIRED, uncertain=True) if lost else refs

    def _carry_out(self, change: Change) -> list[str]:
        subject = change.content.subject if change.content else ""
        match change.verb:
            case Verb.FIND:
                return list(self.items)
            case Verb.DELETE:
                del self.items[str(change.ref)]
                return []
            case Verb.CREATE:
                self.made += 1
                self.items[f"new{self.made}"] = subject
                return [f"new{self.made}"]
            case Verb.UPDATE:
                self.items[str(change.ref)] = subject
                return [str(change.ref)]


def run(
    mailbox: Mailbox, goal: Goal, ref: str | None, losses: list[bool], *, attempted: bool
) -> list[Settled]:
    """One run of the service over one mailbox; every call in ``losses`` that is True has its answer lost."""
    todo, settled, looked = [first_change(goal, ref, attempted=attempted)], [], False
    while todo:
        change = todo.pop(0)
        lost = losses.pop(0) if losses else False
        following = next_changes(goal, change, mailbox.answer(change, lost=lost), looked=looked)
        if isinstance(following, Settled):
            settled.append(following)
        else:
            looked = True
            todo += following
    return settled


goals = st.sampled_from([None, content("wanted")])
losses = st.lists(st.booleans(), max_size=6)


@given(goals, losses, st.integers(0, 3), st.sampled_from([None, "old0", "stale"]))
def test_after_any_losses_the_next_run_makes_it_exact(
    wanted: Content | None, lost: list[bool], copies: int, ref: str | None
) -> None:
    mailbox = Mailbox(["before"] * copies)
    goal = Goal("anna@contoso.com", "org/1", 1, wanted)
    run(mailbox, goal, ref, lost, attempted=True)
    settled = run(mailbox, goal, None, [], attempted=True)
    assert list(mailbox.items.values()) == ([wanted.subject] if wanted else [])
    assert {end.code for end in settled} == {NO_ERROR}


@given(losses)
def test_a_first_create_never_makes_two(lost: list[bool]) -> None:
    mailbox = Mailbox([])
    run(mailbox, Goal("anna@contoso.com", "org/1", 1, content("wanted")), None, lost, attempted=False)
    assert len(mailbox.items) == 1


def test_a_first_create_is_one_call() -> None:
    goal = Goal("anna@contoso.com", "org/1", 1, content("wanted"))
    assert first_change(goal, None, attempted=False).verb is Verb.CREATE


def test_what_was_not_there_to_be_removed_is_said() -> None:
    goal = Goal("anna@contoso.com", "org/1", 1, None)
    assert run(Mailbox([]), goal, None, [], attempted=False) == [Settled(None, NO_ERROR, existed=False)]


def test_every_change_has_a_transaction_id_of_its_own_and_keeps_it() -> None:
    first = Change(Verb.CREATE, "Anna@contoso.com", "org/1", 1)
    assert first.transaction_id == Change(Verb.CREATE, "anna@contoso.com", "org/1", 1).transaction_id
    others = [
        ("ben@contoso.com", "org/1", 1),
        ("anna@contoso.com", "org/2", 1),
        ("anna@contoso.com", "org/1", 2),
    ]
    assert first.transaction_id not in {Change(Verb.CREATE, *other).transaction_id for other in others}


# --- a whole run, until the deadline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nobody really sleeps: the clock goes on instead."""

    class Clock:
        now = 1000.0

        def __init__(self) -> None:
            self.slept: list[float] = []

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(convergence, "time", clock)
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


@dataclass
class Exchange:
    """Mailboxes by address. ``answers``: what each call is to come to, in turn; then all is well.

    "ok", "lost" (done, no answer), "dropped" (not done, no answer), "refused" or a CalendarError.
    """

    clock: Any
    mailboxes: dict[str, Mailbox]
    answers: list[Any] = field(default_factory=list)
    asked: list[tuple[float, str, Verb]] = field(default_factory=list)

    def write(self, changes: Sequence[Change], deadline: Deadline) -> dict[Change, Outcome]:
        return {change: self._answer(change) for change in changes}

    def _answer(self, change: Change) -> Outcome:
        self.asked.append((self.clock.now, change.mailbox, change.verb))
        answer = self.answers.pop(0) if self.answers else "ok"
        mailbox = self.mailboxes[change.mailbox]
        if answer == "dropped":
            return CalendarError(TIMEOUT_EXPIRED, uncertain=True)
        if isinstance(answer, CalendarError):
            return answer
        return mailbox.answer(change, lost=answer == "lost")


ANNA, BEN = "anna@contoso.com", "ben@contoso.com"
WANTED = content("wanted")


def whole_run(
    exchange: Exchange, wanted: Content | None = WANTED, ref: str | None = None, *, attempted: bool = False
) -> Run:
    return runs(exchange, Run(Goal(ANNA, "org/1", 1, wanted), ref, attempted=attempted))[0]


def runs(exchange: Exchange, *each: Run, seconds: float = 20) -> list[Run]:
    carry_out(exchange.write, each, Deadline.after(seconds))
    return list(each)


def pauses(exchange: Exchange, mailbox: str = ANNA) -> list[float]:
    """Seconds between the calls to a mailbox."""
    times = [at for at, asked, _ in exchange.asked if asked == mailbox]
    return [round(later - sooner, 3) for sooner, later in pairwise(times)]


def verbs(exchange: Exchange) -> list[Verb]:
    return [verb for _, _, verb in exchange.asked]


refusals = st.builds(CalendarError, st.just(SERVER_BUSY), retry_after=st.sampled_from([None, 0.0, 1.0, 7.5]))
answers = st.lists(st.sampled_from(["ok", "lost", "dropped"]) | refusals, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers, st.integers(0, 3), st.sampled_from([None, WANTED]))
def test_whatever_is_lost_a_run_is_right_or_says_that_it_is_not(
    clock: Any, comes: list[Any], copies: int, wanted: Content | None
) -> None:
    """Where it says that all is well and nothing is doubtful, there is exactly what is wanted."""
    exchange = Exchange(clock, {ANNA: Mailbox(["before"] * copies)}, list(comes))
    ref = "old0" if copies == 1 else None
    run = whole_run(exchange, wanted, ref, attempted=copies > 1)
    if run.code == NO_ERROR:
        assert list(exchange.mailboxes[ANNA].items.values()) == ([wanted.subject] if wanted else [])
        assert run.ref in (None, *exchange.mailboxes[ANNA].items)
    else:
        assert run.error or not run.settled
    again = whole_run(Exchange(clock, exchange.mailboxes), wanted, attempted=True)
    assert (again.code, again.doubtful) == (NO_ERROR, False)
    assert list(exchange.mailboxes[ANNA].items.values()) == ([wanted.subject] if wanted else [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(refusals, min_size=1, max_size=12))
def test_nobody_is_asked_earlier_than_exchange_said_nor_again_at_once(clock: Any, comes: list[Any]) -> None:
    exchange = Exchange(clock, {ANNA: Mailbox([])}, list(comes))
    whole_run(exchange)
    asked_for = [max(error.retry_after or 0.0, STUMBLE_SECONDS) for error in comes]
    assert all(pause >= least for pause, least in zip(pauses(exchange), asked_for, strict=False))
    assert len(exchange.asked) < 10


def test_a_pause_that_does_not_fit_is_not_begun(clock: Any) -> None:
    busy = CalendarError(SERVER_BUSY, retry_after=60)
    exchange = Exchange(clock, {ANNA: Mailbox([])}, [busy])
    run = whole_run(exchange)
    assert (run.code, len(exchange.asked), clock.slept) == (SERVER_BUSY, 1, [0.0])
    assert run.error is busy
    assert not run.doubtful


def test_who_has_to_wait_holds_up_nobody(clock: Any) -> None:
    exchange = Exchange(
        clock, {ANNA: Mailbox([]), BEN: Mailbox([])}, [CalendarError(SERVER_BUSY, retry_after=5)]
    )
    anna, ben = (Run(Goal(address, "org/1", 1, WANTED), None, attempted=False) for address in (ANNA, BEN))
    runs(exchange, anna, ben)
    assert [(round(at - 1000), address) for at, address, _ in exchange.asked] == [
        (0, ANNA),
        (0, BEN),
        (5, ANNA),
    ]
    assert (anna.code, ben.code) == (NO_ERROR, NO_ERROR)


@pytest.mark.parametrize("code", [SERVER_BUSY, TIMEOUT_EXPIRED, "ErrorInternalServerTransientError"])
def test_what_stays_ill_is_asked_less_and_less(clock: Any, code: str) -> None:
    ill = [CalendarError(code, retry_after=0.0 if code == SERVER_BUSY else None) for _ in range(1000)]
    exchange = Exchange(clock, {ANNA: Mailbox([])}, list(ill))
    run = whole_run(exchange)
    assert run.code == code
    assert pauses(exchange) == sorted(pauses(exchange))
    assert len(exchange.asked) <= 8


def test_a_create_that_may_have_been_done_is_never_sent_again_before_the_mailbox_was_searched(
    clock: Any,
) -> None:
    exchange = Exchange(clock, {ANNA: Mailbox([])}, ["dropped", "lost", "ok"])
    run = whole_run(exchange)
    assert verbs(exchange) == [Verb.CREATE, Verb.FIND, Verb.FIND, Verb.CREATE]
    assert (run.code, run.doubtful) == (NO_ERROR, True)  # the first may still come


def test_where_the_search_finds_what_the_lost_create_made_nothing_is_doubtful(clock: Any) -> None:
    exchange = Exchange(clock, {ANNA: Mailbox([])}, ["lost"])
    run = whole_run(exchange)
    assert verbs(exchange) == [Verb.CREATE, Verb.FIND, Verb.UPDATE]
    assert (run.code, run.doubtful) == (NO_ERROR, False)


@pytest.mark.parametrize(("wanted", "verb"), [(WANTED, Verb.UPDATE), (None, Verb.DELETE)])
def test_an_update_or_a_delete_that_may_still_come_leaves_a_doubt(
    clock: Any, wanted: Content | None, verb: Verb
) -> None:
    exchange = Exchange(clock, {ANNA: Mailbox(["before"])}, ["dropped"])
    run = whole_run(exchange, wanted, "old0")
    assert verbs(exchange) == [verb, verb]
    assert (run.code, run.doubtful) == (NO_ERROR, True)


def test_a_search_that_was_lost_leaves_none(clock: Any) -> None:
    exchange = Exchange(clock, {ANNA: Mailbox(["before"])}, ["lost"])
    run = whole_run(exchange, attempted=True)
    assert verbs(exchange) == [Verb.FIND, Verb.FIND, Verb.UPDATE]
    assert not run.doubtful


def test_copies_that_are_left_have_to_be_looked_for_again(clock: Any) -> None:
    denied = CalendarError("ErrorAccessDenied")
    exchange = Exchange(clock, {ANNA: Mailbox(["before", "copy"])}, ["ok", "ok", denied])
    run = whole_run(exchange, attempted=True)
    assert (run.code, run.ref, run.doubtful) == ("ErrorAccessDenied", "old0", True)


def test_what_is_gone_is_made_again_and_not_asked_for_a_third_time(clock: Any) -> None:
    exchange = Exchange(clock, {ANNA: Mailbox([])})
    assert whole_run(exchange, ref="stale").code == NO_ERROR
    assert verbs(exchange) == [Verb.UPDATE, Verb.FIND, Verb.CREATE]


def test_what_had_no_turn_is_said_to_have_timed_out(clock: Any) -> None:
    run = Run(Goal(ANNA, "org/1", 1, WANTED), None, attempted=False)
    runs(Exchange(clock, {ANNA: Mailbox([])}), run, seconds=0)
    assert (run.code, run.error, run.doubtful) == (TIMEOUT_EXPIRED, None, False)


def test_a_run_that_is_given_up_is_doubtful() -> None:
    run = Run(Goal(ANNA, "org/1", 1, WANTED), "old0", attempted=False)
    run.give_up("ErrorInternalServerError")
    assert (run.code, run.doubtful, run.todo) == ("ErrorInternalServerError", True, [])


def test_one_mailbox_is_not_asked_for_everything_at_once(clock: Any) -> None:
    exchange = Exchange(clock, {ANNA: Mailbox([])})
    sizes: list[int] = []

    def write(changes: Sequence[Change], deadline: Deadline) -> dict[Change, Outcome]:
        sizes.append(len(changes))
        return exchange.write(changes, deadline)

    many = [Run(Goal(ANNA, f"org/{n}", 1, WANTED), None, attempted=False) for n in range(10)]
    carry_out(write, many, Deadline.after(20))
    assert sizes == [4, 4, 2]
    assert {run.code for run in many} == {NO_ERROR}
