"""What Salesforce is going to do: the seed decides every call, and so what the calendars must hold.

Each call of an Event has a sequence of its own; the highest one wins, in whichever order they arrive.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from tests.chaos.world import ORGS, START, people

PER_EVENT = 5
#: Between two calls of an Event, so that others can be late.
_STRIDE = 10
#: What may happen next to an Event that is booked, and to one that is not; with its weight.
_BOOKED = {
    "content": 8,
    "people": 5,
    "organizer": 3,
    "delete": 4,
    "repeat": 3,
    "late": 3,
    "race": 4,
    "twins": 2,
}
_CANCELLED = {"create": 5, "repeat": 1, "late": 2, "race": 1}
_RACED = {"content": 4, "people": 3, "organizer": 1, "delete": 2}
_HURRIED_SECONDS, _PATIENT_SECONDS = 1.0, 15.0


@dataclass(frozen=True)
class Booking:
    """What was agreed. ``people`` are addresses, the organizer's first."""

    subject: str
    body: str
    location: str
    start: datetime
    end: datetime
    people: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """One Create, Update or Delete. ``booking`` None is a Delete; ``before`` None and a booking, a Create.

    ``door`` is the number of the gunicorn that is asked first, ``patience`` for how many seconds Salesforce
    waits. Without ``insist`` it may be given up if nobody answers.
    """

    org: str
    event: str
    sequence: int
    kind: str
    booking: Booking | None
    before: Booking | None
    door: int
    patience: float
    insist: bool


#: Calls that are made at the same time.
Step = tuple[Call, ...]


@dataclass(frozen=True)
class EventPlan:
    """The life of one Event, step by step."""

    org: str
    event: str
    steps: tuple[Step, ...]

    @property
    def calls(self) -> list[Call]:
        return [call for step in self.steps for call in step]

    @property
    def last(self) -> Call:
        """A call of the highest sequence: what it declared is what must be found in the end."""
        return max(self.calls, key=lambda call: call.sequence)


def plan_events(seed: int, count: int) -> list[EventPlan]:
    """``count`` Events, EWS and Graph by turns."""
    slugs = list(ORGS.values())
    return [_Story(Random(f"{seed}/{n}"), slugs[n % len(slugs)], n).tell() for n in range(count)]


class _Story:
    """Invents the calls of one Event."""

    def __init__(self, random: Random, org: str, number: int) -> None:
        self.random = random
        self.org = org
        self.event = f"event-{number:04}"
        self.staff = people(org)
        self.sequence = 0
        self.booking: Booking | None = None
        self.last: Call | None = None

    def tell(self) -> EventPlan:
        first = self.race() if self.random.random() < 0.1 else (self.advance("create"),)
        steps = [first, *(self.step() for _ in range(self.random.randint(2, 6)))]
        plan = EventPlan(self.org, self.event, tuple(steps))
        return replace(plan, steps=tuple(_insisting(step, plan.last.sequence) for step in steps))

    def step(self) -> Step:
        kind = self.pick(_BOOKED if self.booking else _CANCELLED)
        if kind == "race":
            return self.race()
        if kind == "late":
            return (self.late(),)
        if kind in ("repeat", "twins"):
            return self.again(kind)
        return (self.advance(kind),)

    def advance(self, kind: str) -> Call:
        """The next declaration."""
        self.sequence += _STRIDE
        booking = self.changed(kind, self.sequence)
        self.last = self.call(kind, self.sequence, booking)
        self.booking = booking
        return self.last

    def race(self) -> Step:
        """Declarations that all start from the same one, in any order."""
        before, racers = self.booking, []
        for _ in range(self.random.randint(2, 3)):
            self.booking = before
            racers.append(self.advance(self.pick(_RACED) if before else "create"))
        doors = self.random.sample(range(len(racers)), len(racers))
        racers = [replace(call, door=door) for call, door in zip(racers, doors, strict=True)]
        return tuple(self.random.sample(racers, len(racers)))

    def late(self) -> Call:
        """One that should have come before the last and was held up on its way."""
        kind = self.pick(_RACED) if self.booking else "content"
        sequence = self.sequence - self.random.randint(1, _STRIDE - 1)
        return replace(self.call(kind, sequence, self.changed(kind, sequence)), kind="late")

    def again(self, kind: str) -> Step:
        """The last declaration once more, or twice more at the same time."""
        assert self.last
        again = replace(self.last, kind=kind, door=self.random.randrange(2))
        return (again,) if kind == "repeat" else (again, replace(again, door=1 - again.door))

    def call(self, kind: str, sequence: int, booking: Booking | None) -> Call:
        hurried, insist = self.random.random() < 0.15, self.random.random() < 0.6
        return Call(
            org=self.org,
            event=self.event,
            sequence=sequence,
            kind=kind,
            booking=booking,
            before=None if kind == "create" else self.remembered(),
            door=self.random.randrange(2),
            patience=_HURRIED_SECONDS if hurried else _PATIENT_SECONDS,
            insist=insist,
        )

    def remembered(self) -> Booking | None:
        """What Salesforce believes the Event was; it need not be right about the people."""
        if self.booking and self.random.random() < 0.2:
            return replace(self.booking, people=self.booking.people[:2])
        return self.booking

    def changed(self, kind: str, sequence: int) -> Booking | None:
        if kind == "delete":
            return None
        if kind == "create" or self.booking is None:
            return self.new(sequence)
        if kind == "content":
            return self.reworded(self.booking, sequence)
        organizer, *attendees = self.booking.people
        if kind == "organizer":
            rest = self.random.choice([[organizer, *attendees][: PER_EVENT - 1], attendees])
            new = self.random.choice([address for address in self.staff if address != organizer])
            return replace(self.booking, people=_each_once([new, *rest]))
        stay = self.random.sample(attendees, self.random.randint(2, max(2, len(attendees) - 1)))
        come = self.random.sample(self.staff, PER_EVENT - 1 - len(stay))
        return replace(self.booking, people=_each_once([organizer, *stay, *come]))

    def new(self, sequence: int) -> Booking:
        chosen = tuple(self.random.sample(self.staff, PER_EVENT))
        text = self.texts(sequence)
        return Booking(text["subject"], text["body"], text["location"], *self.times(), chosen)

    def reworded(self, booking: Booking, sequence: int) -> Booking:
        """Some of the content is different, now and then none of it."""
        new = self.texts(sequence)
        old = {name: getattr(booking, name) for name in new}
        texts = {name: self.random.choice([old[name], new[name]]) for name in new}
        booking = replace(booking, subject=texts["subject"], body=texts["body"], location=texts["location"])
        if self.random.random() < 0.5:
            start, end = self.times()
            booking = replace(booking, start=start, end=end)
        return booking

    def texts(self, sequence: int) -> dict[str, str]:
        return {
            "subject": f"{self.event} as of {sequence}",
            "body": f"Agreed in call {sequence}: <bring> papers & ideas.\nÜber alles andere später.",
            "location": f"Room {sequence}",
        }

    def times(self) -> tuple[datetime, datetime]:
        start = START + timedelta(minutes=15 * self.random.randrange(4 * 24 * 20))
        return start, start + timedelta(minutes=self.random.choice([15, 30, 60]))

    def pick(self, weights: dict[str, int]) -> str:
        return self.random.choices(list(weights), list(weights.values()))[0]


def _insisting(step: Step, sequence: int) -> Step:
    """The winner is repeated until it is answered: only then is it certain what was declared."""
    return tuple(replace(call, insist=True) if call.sequence == sequence else call for call in step)


def _each_once(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))
