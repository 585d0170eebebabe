"""Read when Exchange is slow, throttled or ill: in time, for everybody, and only those who are ill suffer."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from calendar_backends import registry
from calendar_backends.base import Deadline, Interval
from calendar_backends.simulator import Fault, Simulator
from calendar_backends.simulator.server import Seen
from orgs.models import Org, Person
from scheduler_api import availability
from scheduler_api.availability import AskedFor
from tests.conftest import PEOPLE, Salesforce, busy, options_for, token_for, utc

ANNA = "attendee1@contoso.com"
ORGANIZER = "organizer@contoso.com"
ANNAS = [{"timeMin": "2020-10-16T10:00:00Z", "timeMax": "2020-10-16T11:00:00Z"}]
ORGANIZERS = [{"timeMin": "2020-10-16T12:00:00Z", "timeMax": "2020-10-16T13:00:00Z"}]
RIGHT = [("NoError", ANNAS), ("NoError", ORGANIZERS)]
YEAR = {"start": "2020-01-01T00:00:00Z", "end": "2020-12-31T00:00:00Z"}
READ = {"ews": "ews.GetUserAvailability", "graph": "graph.getSchedule"}
#: Beyond the deadline, in seconds: the machine that runs the tests may have other things to do.
GRACE = 2.0

ews_only = pytest.mark.parametrize("backend", ["ews"])
graph_only = pytest.mark.parametrize("backend", ["graph"])


@pytest.fixture(autouse=True)
def _busy(exchange: Simulator) -> None:
    busy(exchange, ANNA, "2020-10-16 10:00", "2020-10-16 11:00")
    busy(exchange, ORGANIZER, "2020-10-16 12:00", "2020-10-16 13:00")


def read(salesforce: Salesforce, *emails: str, **window: str) -> list[tuple[str, Any]]:
    """(errorCode, unavailableTimeslots) of each row."""
    rows = salesforce.read(*(emails or (ANNA, ORGANIZER)), **window)
    return [(row["errorCode"], row["unavailableTimeslots"]) for row in rows]


def codes(salesforce: Salesforce, *emails: str, **window: str) -> list[str]:
    return [code for code, _ in read(salesforce, *emails, **window)]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def deadline_of(org: Org, seconds: float) -> None:
    Org.objects.filter(pk=org.pk).update(read_deadline=seconds)


def reads(exchange: Simulator) -> list[Seen]:
    return [seen for seen in exchange.requests if seen.operation in READ.values()]


def asked_about(seen: Seen, address: str) -> bool:
    """The body, not the path: an anchor mailbox is not asked about."""
    return address.encode() in seen.body


def hire(exchange: Simulator, number: int) -> list[str]:
    """New people with a mailbox, each with an entry on another minute."""
    people = [f"person{n}@contoso.com" for n in range(number)]
    for n, address in enumerate(people):
        exchange.world.tenants["contoso"].add_mailbox(address)
        busy(exchange, address, f"2020-10-16 08:{n % 60:02}", "2020-10-16 09:00")
    return people


# --- one deadline


@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        ("ews", Fault("drip", operation=READ["ews"], seconds=0.02)),
        ("graph", Fault("drip", operation=READ["graph"], seconds=0.02)),
        ("graph", Fault("hang", operation="token", seconds=30)),
        ("graph", Fault("drip", operation="token", seconds=0.05)),
    ],
    ids=["ews-drip", "graph-drip", "token-hang", "token-drip"],
)
def test_the_answer_is_out_at_the_deadline_whatever_exchange_does(
    org: Org, exchange: Simulator, salesforce: Salesforce, fault: Fault
) -> None:
    deadline_of(org, 1)
    exchange.faults.add(fault)
    with within(1 + GRACE):
        assert codes(salesforce) == ["ErrorTimeoutExpired"] * 2


# --- splitting


def _crowd(exchange: Simulator) -> list[dict[str, str]]:
    """More entries than Exchange answers for at once, and the answer that is right for them."""
    slots = []
    for n in range(1002):
        start = utc("2020-10-15 00:00") + timedelta(minutes=3 * n)
        end = start + timedelta(minutes=1)
        busy(exchange, PEOPLE[3], start.isoformat(" ")[:16], end.isoformat(" ")[:16])
        slots.append({"timeMin": f"{start:%Y-%m-%dT%H:%M:%SZ}", "timeMax": f"{end:%Y-%m-%dT%H:%M:%SZ}"})
    return slots


def test_too_many_entries_are_asked_for_in_halves(exchange: Simulator, salesforce: Salesforce) -> None:
    slots = _crowd(exchange)
    assert read(salesforce, PEOPLE[3], ANNA) == [("NoError", slots), RIGHT[0]]


@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        ("ews", Fault("availability_code", code="ErrorResultSetTooBig", mailbox=ANNA)),
        ("graph", Fault("schedule_error", response_code="5006", mailbox=ANNA)),
    ],
)
def test_too_many_entries_in_every_window_is_that_persons_error(
    exchange: Simulator, salesforce: Salesforce, fault: Fault
) -> None:
    exchange.faults.add(fault)
    anna, organizer = read(salesforce)
    assert (anna[0], organizer) == ("ErrorResultSetTooBig", RIGHT[1])


@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        ("ews", Fault("a_fault", code="ErrorTimeIntervalTooBig", number=5005, times=3)),
        ("graph", Fault("error", status=400, code="ErrorTimeIntervalTooBig", times=3)),
    ],
)
def test_a_window_too_long_for_the_server_is_asked_for_in_halves(
    exchange: Simulator, salesforce: Salesforce, fault: Fault
) -> None:
    exchange.faults.add(fault)
    assert read(salesforce) == RIGHT
    assert len(reads(exchange)) > 4


def test_a_piece_of_the_window_that_does_not_come_back_is_an_error_and_no_shorter_list(
    exchange: Simulator, salesforce: Salesforce, backend: str
) -> None:
    exchange.faults.add(Fault("drop", operation=READ[backend], after=3))
    assert codes(salesforce, **YEAR) == ["ErrorConnectionFailed"] * 2


SICK = [
    ("ews", Fault("soap_fault", code="ErrorProxyRequestProcessingFailed")),
    ("ews", Fault("a_fault", code="ErrorFreeBusyDLLimitReached", number=5013)),
    ("ews", Fault("entry_missing")),
    ("ews", Fault("truncate", bytes=100)),
    ("graph", Fault("error", status=500, code="ErrorInternalServerError")),
    ("graph", Fault("error", status=504, code="UnknownError")),
    ("graph", Fault("drop")),
]


@pytest.mark.parametrize(("backend", "fault"), SICK, ids=lambda value: getattr(value, "kind", value))
def test_a_fault_of_the_whole_request_is_pinned_on_the_mailbox_that_causes_it(
    exchange: Simulator, salesforce: Salesforce, fault: Fault
) -> None:
    people = hire(exchange, 30)
    exchange.faults.add(Fault(fault.kind, mailbox=ANNA, **fault.parameters))
    answers = codes(salesforce, *people[:7], ANNA, *people[7:])
    assert [code for code in answers if code != "NoError"] == [answers[7]]


def test_a_mailbox_that_hangs_does_not_take_the_others_with_it_and_is_then_asked_apart(
    org: Org, exchange: Simulator, salesforce: Salesforce, backend: str
) -> None:
    deadline_of(org, 2)
    exchange.faults.add(Fault("hang", operation=READ[backend], mailbox=ANNA, seconds=30))
    for _ in range(2):
        exchange.requests.clear()
        with within(2 + GRACE):
            anna, organizer = read(salesforce)
        assert (anna[0], organizer) == ("ErrorTimeoutExpired", RIGHT[1])
    together = [seen for seen in reads(exchange) if asked_about(seen, ANNA) and asked_about(seen, ORGANIZER)]
    assert together == []


def test_a_third_of_sixty_mailboxes_hangs_and_the_others_are_right(
    org: Org, exchange: Simulator, salesforce: Salesforce, backend: str
) -> None:
    deadline_of(org, 3)
    people = hire(exchange, 60)
    right = read(salesforce, *people)
    for address in people[::3]:
        exchange.faults.add(Fault("hang", operation=READ[backend], mailbox=address, seconds=30))
    with within(3 + GRACE):
        answers = read(salesforce, *people)
    # Graph counts the calls that hang, and may refuse further ones through the same anchor mailbox.
    assert {code for code, _ in answers[::3]} <= {"ErrorTimeoutExpired", "ErrorServerBusy"}
    for n in (1, 2):
        assert answers[n::3] == right[n::3]


@graph_only
def test_a_configured_anchor_mailbox_that_hangs_is_replaced(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    org.options = {**org.options, "anchor_mailbox": PEOPLE[3]}
    org.save()
    deadline_of(org, 3)
    exchange.faults.add(Fault("hang", operation=READ["graph"], mailbox=PEOPLE[3], seconds=30))
    for _ in range(2):
        with within(3 + GRACE):
            assert read(salesforce) == RIGHT
    assert PEOPLE[3] in {seen.mailbox for seen in reads(exchange)}


@graph_only
def test_an_anchor_mailbox_that_hangs_is_replaced(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    deadline_of(org, 2)
    assert read(salesforce, ANNA) == RIGHT[:1]  # from now on it is known to work
    exchange.faults.add(Fault("hang", operation=READ["graph"], mailbox=ANNA, seconds=30))
    assert read(salesforce, ORGANIZER) == RIGHT[1:]


# --- throttling


@pytest.mark.parametrize(
    ("backend", "fault", "pause"),
    [
        ("ews", Fault("status", code=503, headers={"Retry-After": "1"}, times=1), 1.0),
        ("ews", Fault("soap_fault", code="ErrorServerBusy", back_off_ms=600, times=1), 0.6),
        ("graph", Fault("throttle", retry_after=1, times=2), 1.0),
        ("graph", Fault("error", status=503, code="x", retry_after=1, times=2), 1.0),
    ],
)
def test_a_pause_that_fits_is_waited_for_and_not_cut_short(
    exchange: Simulator, salesforce: Salesforce, backend: str, fault: Fault, pause: float
) -> None:
    read(salesforce, "gone@contoso.com")  # so that the token is there
    exchange.requests.clear()
    exchange.faults.add(Fault(fault.kind, operation=READ[backend], times=fault.times, **fault.parameters))
    assert read(salesforce) == RIGHT
    *refused, answered = reads(exchange)
    assert [seen.status for seen in refused] != [200] * len(refused)
    assert answered.at - refused[-1].at >= pause


LONG = [
    ("ews", Fault("status", code=503, headers={"Retry-After": "60"})),
    ("ews", Fault("soap_fault", code="ErrorServerBusy", back_off_ms=60_000)),
    ("graph", Fault("throttle", retry_after=60)),
]


@pytest.mark.parametrize(("backend", "fault"), LONG)
def test_a_pause_that_does_not_fit_is_answered_for_at_once_and_remembered_by_all_processes(
    exchange: Simulator, salesforce: Salesforce, backend: str, fault: Fault
) -> None:
    exchange.faults.add(Fault(fault.kind, operation=READ[backend], **fault.parameters))
    with within(GRACE):
        assert codes(salesforce) == ["ErrorServerBusy"] * 2
    asked = len(reads(exchange))
    assert codes(salesforce) == ["ErrorServerBusy"] * 2
    registry.disconnect_all()  # from here on it is another process's driver
    assert codes(salesforce) == ["ErrorServerBusy"] * 2
    assert len(reads(exchange)) == asked <= 2


@ews_only
def test_a_mailbox_that_is_busy_alone_is_left_alone_by_all_processes_and_the_others_are_read(
    exchange: Simulator, salesforce: Salesforce
) -> None:
    exchange.faults.add(Fault("inner_busy", mailbox=ANNA, back_off_ms=60_000))
    for _ in range(2):
        anna, organizer = read(salesforce)
        assert (anna[0], organizer) == ("ErrorServerBusy", RIGHT[1])
        registry.disconnect_all()  # from here on it is another process's driver
    assert [asked_about(seen, ANNA) for seen in reads(exchange)] == [True, False]


@ews_only
def test_as_many_days_are_asked_for_at_once_as_the_org_chose(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    org.options = {**org.options, "longest_window": "62"}
    org.save()
    assert read(salesforce, **YEAR) == RIGHT
    assert len(reads(exchange)) == 6  # and 9 of 42 days


@pytest.mark.parametrize(
    ("backend", "fault"),
    [("ews", Fault("soap_fault", code="ErrorServerBusy")), ("graph", Fault("throttle", retry_after=1))],
)
def test_a_third_of_sixty_mailboxes_is_throttled_for_ever_and_the_others_are_right_in_every_call(
    org: Org, exchange: Simulator, salesforce: Salesforce, backend: str, fault: Fault
) -> None:
    deadline_of(org, 6)
    people = hire(exchange, 60)
    right = read(salesforce, *people)
    for address in people[::3]:
        exchange.faults.add(Fault(fault.kind, operation=READ[backend], mailbox=address, **fault.parameters))
    for _ in range(3):
        exchange.requests.clear()
        with within(6 + GRACE):
            answers = read(salesforce, *people)
        assert {code for code, _ in answers[::3]} <= {"ErrorServerBusy", "ErrorTimeoutExpired"}
        for n in (1, 2):
            assert answers[n::3] == right[n::3]
    # By then it is known whom to ask apart.
    answered = [seen for seen in reads(exchange) if seen.status == 200]
    assert len(answered) == {"ews": 1, "graph": 2}[backend]


@graph_only
def test_no_anchor_mailbox_is_used_before_its_pause_is_over(
    org: Org, exchange: Simulator, salesforce: Salesforce
) -> None:
    deadline_of(org, 4)
    people = hire(exchange, 60)
    for address in people[::3]:
        fault = Fault("throttle", operation=READ["graph"], mailbox=address, retry_after=1)
        exchange.faults.add(fault)
    codes(salesforce, *people)
    refused: dict[str | None, float] = {}
    for seen in reads(exchange):
        assert seen.at - refused.get(seen.mailbox, 0.0) >= 1
        if seen.status == 429:
            refused[seen.mailbox] = seen.at
    assert refused


@pytest.mark.parametrize(("processes", "most"), [(1, 10), (5, 2)])
@ews_only
def test_no_more_than_ten_requests_of_all_processes_are_in_flight(
    org: Org, exchange: Simulator, salesforce: Salesforce, settings: Any, processes: int, most: int
) -> None:
    settings.PROCESSES = processes
    exchange.latency = 0.1
    strangers = [f"nobody{n}@contoso.com" for n in range(101)]
    assert read(salesforce, ANNA, *strangers, **YEAR)[0] == RIGHT[0]
    assert 1 < exchange.peak["ews"] <= most


@graph_only
def test_where_there_are_many_processes_their_calls_do_not_all_go_through_one_anchor_mailbox(
    org: Org, exchange: Simulator, salesforce: Salesforce, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROCESSES = 8
    for process in range(100, 108):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        registry.disconnect_all()  # from here on it is another process's driver
        assert read(salesforce) == RIGHT
    used = [seen.mailbox for seen in reads(exchange)]
    assert sorted(map(str, used)) == [ANNA] * 4 + [ORGANIZER] * 4


@graph_only
def test_no_more_than_four_requests_are_in_flight_for_one_anchor_mailbox(
    org: Org, exchange: Simulator, salesforce: Salesforce, settings: Any
) -> None:
    settings.PROCESSES = 1
    exchange.latency = 0.1
    assert read(salesforce, ANNA, **YEAR) == RIGHT[:1]
    assert exchange.peak["app", ANNA] == 4


@graph_only
def test_many_requests_are_spread_over_several_anchor_mailboxes(
    org: Org, exchange: Simulator, salesforce: Salesforce, settings: Any
) -> None:
    settings.PROCESSES = 1
    exchange.latency = 0.1
    people = hire(exchange, 100)
    assert codes(salesforce, *people, **YEAR) == ["NoError"] * 100
    assert 4 < exchange.peak["graph"] <= 20
    assert {seen.status for seen in reads(exchange)} == {200}


# --- isolation


@pytest.fixture
def other(backend: str, exchange: Simulator) -> Salesforce:
    """Another Org, which happens to be connected to the same Exchange."""
    org = Org.objects.create(
        slug="other", name="Other", backend=backend, options=options_for(backend, exchange)
    )
    Person.objects.create(org=org, email="test@contoso.com")
    return Salesforce(token_for(org))


def test_an_org_that_has_its_share_of_the_threads_is_answered_at_once_and_another_is_served(
    org: Org, exchange: Simulator, salesforce: Salesforce, other: Salesforce, settings: Any
) -> None:
    settings.THREADS, settings.ORG_SHARE = 4, 0.5
    # The test's database is locked by the test itself: the threads need a cache elsewhere.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    exchange.faults.add(Fault("hang", mailbox=ORGANIZER, seconds=30))
    question = partial(
        availability.read,
        person=Person.objects.select_related("org").get(org=org, email=ANNA),
        rows=[AskedFor(ORGANIZER, None)],
        window=Interval(utc("2020-10-15"), utc("2020-10-17")),
    )
    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(question, deadline=Deadline.after(2)) for _ in range(2)]
        while len(reads(exchange)) < 2 and not all(call.done() for call in waiting):
            time.sleep(0.01)
        with within(1):
            assert codes(salesforce, ANNA) == ["ErrorServerBusy"]
        assert read(other, ANNA) == RIGHT[:1]
    assert read(salesforce, ANNA) == RIGHT[:1]
