"""Every calendar of the simulated Exchange against what was declared last."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.chaos.plan import Booking, EventPlan
from tests.chaos.world import PRIVATE

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """``kind`` is missing, extra or wrong; ``event`` is empty where no Event is concerned."""

    kind: str
    mailbox: str
    event: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.mailbox}: {self.event or 'no event'}: {self.text}"


def compare(mailbox: str, items: Sequence[Item], plans: Iterable[EventPlan]) -> list[Difference]:
    """``items`` are what the calendar holds, ``plans`` those of the mailbox's Org."""
    held: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        held[_event_of(item)].append(item)
    found = _private(mailbox, held.pop("", []))
    for plan in plans:
        booking = plan.last.booking
        wanted = booking if booking and mailbox in booking.people else None
        found += _one(mailbox, plan.event, wanted, held.pop(plan.event, []))
    strangers = [Difference("extra", mailbox, event, str(held[event])) for event in held]
    return found + strangers


def _event_of(item: Item) -> str:
    """The Event that an item speaks of; its subject begins with it. "" for the person's own."""
    word = str(item["subject"]).partition(" ")[0]
    return word if word.startswith("event-") else ""


def _private(mailbox: str, items: Sequence[Item]) -> list[Difference]:
    subjects = [item["subject"] for item in items]
    lost = [Difference("missing", mailbox, "", name) for name in PRIVATE if name not in subjects]
    unknown = [Difference("extra", mailbox, "", str(name)) for name in subjects if name not in PRIVATE]
    return lost + unknown


def _one(mailbox: str, event: str, wanted: Booking | None, items: Sequence[Item]) -> list[Difference]:
    """What is the matter with one Event in one calendar."""
    if wanted is None:
        return [Difference("extra", mailbox, event, _told(item)) for item in items]
    if not items:
        return [Difference("missing", mailbox, event, f"expected {wanted}")]
    # Of several, one that is right may stay.
    first, *copies = sorted(items, key=lambda item: len(_wrong(item, wanted)))
    found = [Difference("extra", mailbox, event, f"a copy: {_told(item)}") for item in copies]
    if wrong := _wrong(first, wanted):
        found.append(Difference("wrong", mailbox, event, f"{'; '.join(wrong)}: {_told(first)}"))
    return found


def _wrong(item: Item, wanted: Booking) -> list[str]:
    """The fields that say something else."""
    expected = {
        "subject": wanted.subject,
        "body": wanted.body,
        "location": wanted.location,
        "start": wanted.start,
        "end": wanted.end,
        "show_as": "busy",
        "attendees": [],
    }
    says = {**item, "start": _moment(item["start"]), "end": _moment(item["end"])}
    says["body"] = str(item["body"]).replace("\r\n", "\n")
    return [
        f"{name} is {says[name]!s} and not {value!s}"
        for name, value in expected.items()
        if says[name] != value
    ]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _told(item: Item) -> str:
    return f"{item['subject']!r}, made {item['created']}, changed {item['modified']}, id {item['id']}"
