"""The driver for Microsoft 365 (Exchange Online) over Microsoft Graph."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from calendar_backends.base import (
    BusyTime,
    CalendarBackend,
    CalendarError,
    Change,
    Deadline,
    Held,
    Interval,
    ProbeResult,
    share,
)
from calendar_backends.graph import events, found
from calendar_backends.graph.anchors import Anchors
from calendar_backends.graph.availability import MOST_SCHEDULES, Availability
from calendar_backends.graph.batch import Batches, budget
from calendar_backends.graph.client import GraphClient
from calendar_backends.graph.options import GraphOptions
from calendar_backends.graph.probe import probe


class GraphBackend(CalendarBackend):
    """One Org's Microsoft 365 tenant. No call is made before the first method is."""

    label = "Microsoft 365 (Microsoft Graph)"
    Options = GraphOptions
    #: Graph wants less than 62 days: https://learn.microsoft.com/graph/outlook-get-free-busy-schedule.
    longest_window = timedelta(days=62, minutes=-1)
    most_mailboxes = MOST_SCHEDULES
    at_once = 20

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._anchor: str = options.get("anchor_mailbox", "")
        self._client = GraphClient(options)
        self._availability = Availability(self._client, Anchors(self._anchor, self.throttles))

    def busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> Mapping[str, list[BusyTime] | CalendarError]:
        return self._availability.busy_times(mailboxes, window, deadline)

    def create(self, change: Change, deadline: Deadline) -> str:
        return self._carry_out(change, deadline)[0]

    def update(self, change: Change, deadline: Deadline) -> str:
        return self._carry_out(change, deadline)[0]

    def delete(self, change: Change, deadline: Deadline) -> None:
        self._carry_out(change, deadline)

    def find(self, change: Change, deadline: Deadline) -> list[str]:
        return self._carry_out(change, deadline)

    def held(self, mailbox: str, stamp: str, deadline: Deadline, *, whole: bool = True) -> list[Held]:
        with self.throttles.obeyed(budget(mailbox)):
            return found.held(self._client, mailbox, stamp, deadline, whole=whole)

    def write(
        self, changes: Sequence[Change], deadline: Deadline
    ) -> Mapping[Change, Sequence[str] | CalendarError]:
        batches = Batches(self._client, self.throttles, deadline)
        return batches.write(changes, at_once=share(self.at_once))

    def probe(self, mailbox: str, deadline: Deadline) -> list[ProbeResult]:
        return probe(self._client, self._anchor, mailbox, deadline)

    def _carry_out(self, change: Change, deadline: Deadline) -> list[str]:
        with self.throttles.obeyed(budget(change.mailbox)):
            return events.carry_out(self._client, change, deadline)

    def close(self) -> None:
        self._client.close()
