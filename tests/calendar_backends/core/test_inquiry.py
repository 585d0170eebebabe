"""Asking in parts: nobody is lost, nobody's list is shorter than it should be, and the asking ends."""

import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from calendar_backends.core.deadline import Deadline
from calendar_backends.core.errors import CalendarError
from calendar_backends.core.inquiry import SHORTEST_WINDOW, Ask, Busy, Inquiry, Limits
from calendar_backends.core.intervals import BusyTime, Interval

START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = Interval(START, START + 7 * DAY)
#: What a mailbox of this condition makes of every request that names it.
POISON = {
    "crash": CalendarError("ErrorInternalServerError"),
    "proxy": CalendarError("ErrorProxyRequestProcessingFailed"),
    "throttle": CalendarError("ErrorServerBusy", retry_after=0.01),
}


def entries(mailbox: str, window: Interval) -> list[BusyTime]:
    """An hour every day, at an hour that is the mailbox's own."""
    first = START + timedelta(hours=int(mailbox.partition("-")[2]) % 23)
    times = (first + n * DAY for n in range(60))
    whens = (Interval(at, at + timedelta(hours=1)) for at in times)
    return [BusyTime(when, "busy") for when in whens if when.start < window.end and when.end > window.start]


class Exchange:
    """Answers as the mailboxes' names say: "well-3", "hang-4". Refuses what is more than the limits allow."""

    def __init__(self, mailboxes: int = 10, window: timedelta = 31 * DAY, slots: int = 4) -> None:
        waiting = threading.BoundedSemaphore(max(1, slots // 2))
        self.limits = Limits(mailboxes, window, threading.BoundedSemaphore(slots), waiting)
        self.slots = slots
        self.answer: Ask = self._answer
        self.asked: list[tuple[float, tuple[str, ...], Interval]] = []
        self.in_flight = self.peak = 0
        self._lock = threading.Lock()

    def ask(self, mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        assert 0 < len(mailboxes) <= self.limits.mailboxes
        assert timedelta(0) < window.end - window.start <= self.limits.window
        with self._lock:
            self.asked.append((time.monotonic(), tuple(mailboxes), window))
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
        try:
            return self.answer(mailboxes, window, deadline)
        finally:
            with self._lock:
                self.in_flight -= 1

    def _answer(self, mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        conditions = [mailbox.partition("-")[0] for mailbox in mailboxes]
        if "hang" in conditions:
            time.sleep(deadline.left())
            raise CalendarError("ErrorTimeoutExpired", uncertain=True)
        for condition in conditions:
            if condition in POISON:
                raise POISON[condition]
        found = {mailbox: self._busy(mailbox, window) for mailbox in mailboxes}
        return {mailbox: busy for mailbox, busy in found.items() if not mailbox.startswith("missing")}

    def _busy(self, mailbox: str, window: Interval) -> Busy:
        if mailbox.startswith("gone"):
            return CalendarError("ErrorMailRecipientNotFound")
        if mailbox.startswith("crowded") and window.end - window.start > 4 * DAY:
            return CalendarError("ErrorResultSetTooBig")
        return entries(mailbox, window)

    def inquire(
        self,
        mailboxes: Sequence[str],
        window: Interval = WEEK,
        seconds: float = 30,
        apart: Collection[str] = (),
    ) -> tuple[Inquiry, dict[str, Busy]]:
        inquiry = Inquiry(self.ask, self.limits, Deadline.after(seconds), apart=apart)
        answers = inquiry.run(mailboxes, window)
        assert list(answers) == list(mailboxes)
        return inquiry, answers

    def all_slots_are_back(self) -> bool:
        return all(self.limits.slots.acquire(timeout=5) for _ in range(self.slots))


def named(condition: str, count: int, first: int = 0) -> list[str]:
    return [f"{condition}-{n}" for n in range(first, first + count)]


def code(busy: Busy) -> str:
    return busy.code if isinstance(busy, CalendarError) else "NoError"


def is_right(mailbox: str, busy: Busy, window: Interval) -> bool:
    """Whether these are the entries of its calendar: overlapping parts may name one twice."""
    return not isinstance(busy, CalendarError) and set(busy) == set(entries(mailbox, window))


def people(*conditions: str, most: int) -> st.SearchStrategy[list[str]]:
    drawn = st.lists(st.sampled_from(conditions), min_size=1, max_size=most)
    return drawn.map(lambda found: [f"{condition}-{n}" for n, condition in enumerate(found)])


def raising(error: Exception) -> Ask:
    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        raise error

    return answer


exchanges = st.builds(
    Exchange,
    mailboxes=st.integers(1, 12),
    window=st.integers(3, 8).map(lambda days: days * DAY),
    slots=st.integers(1, 4),
)
windows = st.integers(1, 20 * 24).map(lambda hours: Interval(START, START + timedelta(hours=hours)))
CODES = {
    "gone": "ErrorMailRecipientNotFound",
    "missing": "ErrorFreeBusyGenerationFailed",
    "crash": "ErrorInternalServerError",
    "proxy": "ErrorProxyRequestProcessingFailed",
}


@examples(max_examples=150, deadline=None)
@given(exchanges, people("well", "well", "crowded", "gone", "missing", most=15), windows, st.data())
def test_everybody_gets_the_answer_that_is_theirs(
    exchange: Exchange, mailboxes: list[str], window: Interval, data: st.DataObject
) -> None:
    poison = data.draw(st.sampled_from([None, "crash", "proxy"]))
    if poison:
        mailboxes.insert(data.draw(st.integers(0, len(mailboxes))), f"{poison}-20")
    _, answers = exchange.inquire(mailboxes, window)
    for mailbox, busy in answers.items():
        expected = CODES.get(mailbox.partition("-")[0])
        assert code(busy) == expected if expected else is_right(mailbox, busy, window)
    assert exchange.all_slots_are_back()


@examples(max_examples=25, deadline=None)
@given(exchanges, people("well", "well", "crowded", "hang", "throttle", "crash", most=15), windows)
def test_whatever_fails_or_hangs_no_list_is_shorter_and_the_end_is_the_deadline(
    exchange: Exchange, mailboxes: list[str], window: Interval
) -> None:
    began = time.monotonic()
    _, answers = exchange.inquire(mailboxes, window, seconds=0.3)
    assert time.monotonic() - began < 3
    for mailbox, busy in answers.items():
        assert isinstance(busy, CalendarError) or is_right(mailbox, busy, window)
    assert exchange.all_slots_are_back()
    assert exchange.peak <= exchange.slots


def test_as_few_requests_as_the_limits_allow() -> None:
    exchange = Exchange(mailboxes=10, window=3 * DAY)
    exchange.inquire(named("well", 25), WEEK)
    assert Counter(len(mailboxes) for _, mailboxes, _ in exchange.asked) == {10: 6, 5: 3}


def test_a_server_that_fails_for_everybody_is_asked_a_bounded_number_of_times() -> None:
    exchange = Exchange(mailboxes=100)
    _, answers = exchange.inquire(named("crash", 1000))
    assert set(map(code, answers.values())) == {"ErrorInternalServerError"}
    assert len(exchange.asked) <= 50


def test_a_server_that_cannot_be_reached_is_asked_once_for_each_part() -> None:
    exchange = Exchange(mailboxes=100)
    exchange.answer = raising(CalendarError("ErrorConnectionFailed"))
    exchange.inquire(named("well", 1000))
    assert len(exchange.asked) == 10


def test_so_many_poisonous_mailboxes_that_the_requests_run_out_are_errors_and_not_a_storm() -> None:
    exchange = Exchange(mailboxes=100)
    mixed = [f"{condition}-{n}" for n in range(300) for condition in ("well", "proxy")]
    _, answers = exchange.inquire(mixed)
    assert len(exchange.asked) <= 120 + 3 * len(mixed)
    assert {code(answers[mailbox]) for mailbox in mixed if mailbox.startswith("proxy")} == {CODES["proxy"]}


def test_a_calendar_too_full_for_the_shortest_window_is_an_error() -> None:
    exchange = Exchange()
    too_big = CalendarError("ErrorResultSetTooBig")
    exchange.answer = lambda mailboxes, window, deadline: dict.fromkeys(mailboxes, too_big)
    _, answers = exchange.inquire(["well-1"], Interval(START, START + DAY))
    assert code(answers["well-1"]) == "ErrorResultSetTooBig"
    assert min(window.end - window.start for _, _, window in exchange.asked) <= SHORTEST_WINDOW


def test_nothing_is_asked_again_before_exchange_said() -> None:
    exchange = Exchange()
    busy = CalendarError("ErrorServerBusy", retry_after=0.3)
    exchange.answer = raising(busy)
    exchange.inquire(["well-1", "well-2"], seconds=1.5)
    times = [at for at, _, _ in exchange.asked]
    assert len(times) > 1
    assert all(at - times[0] >= 0.3 for at in times[1:])


def test_a_single_mailbox_is_asked_again_as_often_as_exchange_says_when() -> None:
    exchange = Exchange()
    pauses = iter([0.05] * 5)

    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        for pause in pauses:
            raise CalendarError("ErrorServerBusy", retry_after=pause)
        return {mailbox: entries(mailbox, window) for mailbox in mailboxes}

    exchange.answer = answer
    _, answers = exchange.inquire(["well-1"])
    assert is_right("well-1", answers["well-1"], WEEK)


def test_a_pause_that_does_not_fit_ends_it_at_once() -> None:
    exchange = Exchange()
    exchange.answer = raising(CalendarError("ErrorServerBusy", retry_after=60))
    _, answers = exchange.inquire(["well-1", "well-2"])
    assert set(map(code, answers.values())) == {"ErrorServerBusy"}
    assert len(exchange.asked) == 1


def test_one_that_hangs_is_isolated_and_remembered_as_slow() -> None:
    exchange = Exchange(mailboxes=20)
    inquiry, answers = exchange.inquire([*named("well", 15), "hang-15", *named("well", 4, 16)], seconds=2)
    assert [mailbox for mailbox, busy in answers.items() if code(busy) != "NoError"] == ["hang-15"]
    assert inquiry.slow == {"hang-15"}


def test_so_many_hang_that_the_slots_are_short_and_yet_all_get_their_turn() -> None:
    exchange = Exchange(mailboxes=60, slots=4)
    mixed = [f"{'well' if n % 3 else 'hang'}-{n}" for n in range(60)]
    inquiry, answers = exchange.inquire(mixed, seconds=3)
    assert inquiry.slow == {mailbox for mailbox in mixed if mailbox.startswith("hang")}
    assert all(code(busy) == "NoError" for mailbox, busy in answers.items() if mailbox.startswith("well"))


def test_who_was_slow_before_is_asked_apart_and_holds_up_nobody() -> None:
    exchange = Exchange(mailboxes=20)
    _, answers = exchange.inquire([*named("well", 5), "hang-9"], seconds=0.5, apart={"hang-9"})
    assert [code(busy) for busy in answers.values()] == ["NoError"] * 5 + ["ErrorTimeoutExpired"]
    assert {len(mailboxes) for _, mailboxes, _ in exchange.asked} == {5, 1}


def slowly(exchange: Exchange, seconds: float, of: int) -> None:
    """Requests about ``of`` mailboxes take so long, and all others for ever."""

    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        wait = seconds if len(mailboxes) == of else 60.0
        if wait > deadline.left():
            time.sleep(deadline.left())
            raise CalendarError("ErrorTimeoutExpired")
        time.sleep(wait)
        return {mailbox: entries(mailbox, window) for mailbox in mailboxes}

    exchange.answer = answer


def test_the_first_is_still_awaited_while_smaller_parts_are_asked() -> None:
    exchange = Exchange(mailboxes=20)
    slowly(exchange, 0.6, of=20)
    inquiry, answers = exchange.inquire(named("well", 20), seconds=2)
    assert set(map(code, answers.values())) == {"NoError"}
    assert len(exchange.asked) > 1
    assert inquiry.slow == set()


def test_a_part_that_fails_after_another_has_answered_takes_nothing_back() -> None:
    exchange = Exchange(mailboxes=2)
    seconds = {"well-1 well-2": 0.5, "well-3 well-4": 0.9}

    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        time.sleep(seconds.get(" ".join(mailboxes), 0.2))
        if len(mailboxes) == 1:
            raise CalendarError("ErrorInternalServerError")
        return {mailbox: entries(mailbox, window) for mailbox in mailboxes}

    exchange.answer = answer
    _, answers = exchange.inquire(named("well", 4, first=1), seconds=2)
    assert {1, 2} == {len(mailboxes) for _, mailboxes, _ in exchange.asked}
    assert set(map(code, answers.values())) == {"NoError"}


def test_one_that_answers_late_when_asked_alone_is_waited_for() -> None:
    exchange = Exchange()
    slowly(exchange, 0.6, of=1)
    _, answers = exchange.inquire(["well-1"], seconds=1.5, apart={"well-1"})
    assert is_right("well-1", answers["well-1"], WEEK)


def refusals(exchange: Exchange, of: str, until: float = float("inf")) -> None:
    """Requests that name ``of`` are refused, the first ``until`` times."""
    count = iter(range(10**6))
    usual = exchange.answer

    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        if any(mailbox.startswith(of) for mailbox in mailboxes) and next(count) < until:
            time.sleep(0.05)  # a round trip
            raise CalendarError("ErrorAccessDenied")
        return usual(mailboxes, window, deadline)

    exchange.answer = answer


def test_a_refusal_of_everybody_is_a_broken_connection_and_not_tried_for_each_part() -> None:
    exchange = Exchange(mailboxes=10, slots=4)
    refusals(exchange, of="well")
    inquiry, answers = exchange.inquire(named("well", 1000))
    assert set(map(code, answers.values())) == {"ErrorAccessDenied"}
    assert inquiry.broken is not None
    assert len(exchange.asked) <= 5  # what was in flight already, and one of them once more


def test_a_refusal_that_passes_is_none() -> None:
    exchange = Exchange(mailboxes=10, slots=4)
    refusals(exchange, of="well", until=4)
    inquiry, answers = exchange.inquire(named("well", 100))
    assert set(map(code, answers.values())) == {"NoError"}
    assert inquiry.broken is None


def test_a_refusal_of_some_is_theirs_alone() -> None:
    exchange = Exchange(mailboxes=1, slots=1)
    refusals(exchange, of="crowded")
    inquiry, answers = exchange.inquire(["well-1", "crowded-2", "well-3"])
    assert [code(busy) for busy in answers.values()] == ["NoError", "ErrorAccessDenied", "NoError"]
    assert inquiry.broken is None


def test_a_refusal_is_forgotten_when_another_part_is_answered_after_all() -> None:
    exchange = Exchange(mailboxes=1, slots=3)
    replies = iter([CalendarError("ErrorServerBusy", retry_after=0.01), CalendarError("ErrorAccessDenied")])

    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        if mailboxes == ("gone-1",):
            raise next(replies)
        time.sleep(0.3)
        return {mailbox: entries(mailbox, window) for mailbox in mailboxes}

    exchange.answer = answer
    inquiry, answers = exchange.inquire(["gone-1", "well-2", "well-3"])
    assert [code(busy) for busy in answers.values()] == ["ErrorAccessDenied", "NoError", "NoError"]
    assert inquiry.broken is None


def test_a_bug_is_raised_and_the_slots_are_given_back() -> None:
    exchange = Exchange(mailboxes=1)
    exchange.answer = raising(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        exchange.inquire(named("well", 10))
    assert exchange.all_slots_are_back()


def test_slots_that_others_hold_are_waited_for_and_no_longer_than_the_deadline() -> None:
    exchange = Exchange(slots=1)
    exchange.limits.slots.acquire()
    _, answers = exchange.inquire(["well-1"], seconds=0.2)
    assert code(answers["well-1"]) == "ErrorTimeoutExpired"
    threading.Timer(0.2, exchange.limits.slots.release).start()
    _, answers = exchange.inquire(["well-1"])
    assert code(answers["well-1"]) == "NoError"


def test_an_exchange_that_is_slow_for_everybody_is_waited_for() -> None:
    def slow(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> dict[str, Busy]:
        if deadline.left() < 0.7:
            raise CalendarError("ErrorTimeoutExpired", uncertain=True)
        time.sleep(0.7)
        return {mailbox: [] for mailbox in mailboxes}

    limits = Limits(20, timedelta(days=31), threading.BoundedSemaphore(10), threading.BoundedSemaphore(5))
    window = Interval(datetime(2030, 5, 6, tzinfo=UTC), datetime(2030, 5, 7, tzinfo=UTC))
    answers = Inquiry(slow, limits, Deadline.after(1)).run(["a@x.example", "b@x.example"], window)
    assert answers == {"a@x.example": [], "b@x.example": []}


def mixed(sick: str, count: int = 60) -> list[str]:
    """Every third is sick."""
    return [f"{'well' if n % 3 else sick}-{n}" for n in range(count)]


def throttled_for(exchange: Exchange, pause: float) -> None:
    """Requests that name one of these are throttled, and none is asked again before its pause is over."""
    usual, until = exchange.answer, dict[tuple[str, ...], float]()

    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        if not any(mailbox.startswith("throttle") for mailbox in mailboxes):
            return usual(mailboxes, window, deadline)
        assert until.get(tuple(mailboxes), 0.0) <= time.monotonic()
        until[tuple(mailboxes)] = time.monotonic() + pause
        raise CalendarError("ErrorServerBusy", retry_after=pause)

    exchange.answer = answer


def wrong(answers: Mapping[str, Busy]) -> list[str]:
    return [m for m, busy in answers.items() if m.startswith("well") and not is_right(m, busy, WEEK)]


@pytest.mark.parametrize(("pause", "seconds"), [(0.2, 2.0), (0.4, 1.4), (0.6, 1.1)])
def test_a_third_is_throttled_for_ever_and_the_others_are_right(pause: float, seconds: float) -> None:
    exchange = Exchange(mailboxes=20, slots=20)
    throttled_for(exchange, pause)
    inquiry, answers = exchange.inquire(mixed("throttle"), seconds=seconds)
    assert wrong(answers) == []
    assert inquiry.slow == {mailbox for mailbox in answers if mailbox.startswith("throttle")}


def test_who_was_throttled_before_is_asked_apart_and_stays_so_while_nothing_else_is_known() -> None:
    exchange = Exchange(mailboxes=20, slots=20)
    throttled_for(exchange, 0.1)
    people = mixed("throttle")
    sick = {mailbox for mailbox in people if mailbox.startswith("throttle")}
    inquiry, answers = exchange.inquire(people, seconds=0.5, apart=sick)
    assert wrong(answers) == []
    assert {len(mailboxes) for _, mailboxes, _ in exchange.asked} == {1, 20}
    assert inquiry.slow == sick


def test_where_everybody_is_throttled_nobody_is_held_to_be_the_cause() -> None:
    exchange = Exchange()
    exchange.answer = raising(CalendarError("ErrorServerBusy", retry_after=0.1))
    inquiry, _ = exchange.inquire(named("well", 3), seconds=0.5)
    assert inquiry.slow == set()
    inquiry, _ = exchange.inquire(named("well", 3), seconds=0.5, apart={"well-1"})
    assert inquiry.slow == {"well-1"}  # as before: nothing new is known of it


def test_an_account_that_is_throttled_for_a_moment_is_not_asked_in_smaller_parts() -> None:
    exchange = Exchange(mailboxes=20, slots=20)
    usual, replies = exchange.answer, iter([CalendarError("ErrorServerBusy", retry_after=0.1)] * 3)

    def answer(mailboxes: Sequence[str], window: Interval, deadline: Deadline) -> Mapping[str, Busy]:
        for busy in replies:
            raise busy
        return usual(mailboxes, window, deadline)

    exchange.answer = answer
    _, answers = exchange.inquire(named("well", 60))
    assert wrong(answers) == []
    assert [len(mailboxes) for _, mailboxes, _ in exchange.asked] == [20] * 6


@pytest.mark.parametrize(("calls", "apart"), [(8, {"hang-99"}), (4, set())], ids=["known", "news"])
def test_many_calls_at_once_about_one_that_hangs_leave_connections_for_the_others(
    calls: int, apart: set[str]
) -> None:
    exchange = Exchange(mailboxes=20, slots=4)
    questions = [[*named("well", 5, 5 * n), "hang-99"] for n in range(1, calls + 1)]

    def ask(question: list[str]) -> dict[str, Busy]:
        return exchange.inquire(question, seconds=3, apart=apart)[1]

    with ThreadPoolExecutor(len(questions)) as threads:
        answers = list(threads.map(ask, questions))
    assert [wrong(answer) for answer in answers] == [[]] * len(questions)
    assert exchange.all_slots_are_back()


def test_while_others_wait_for_one_that_hangs_a_call_about_somebody_else_is_not_held_up() -> None:
    exchange = Exchange(mailboxes=20, slots=4)
    with ThreadPoolExecutor(8) as threads:
        waiting = [
            threads.submit(exchange.inquire, ["hang-99"], WEEK, 2.0, apart={"hang-99"}) for _ in range(8)
        ]
        time.sleep(0.5)
        began = time.monotonic()
        _, answers = exchange.inquire(["well-1"])
        assert time.monotonic() - began < 0.5
        assert wrong(answers) == []
        assert {code(each.result()[1]["hang-99"]) for each in waiting} == {"ErrorTimeoutExpired"}
