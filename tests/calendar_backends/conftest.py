"""Asking a driver as the service does."""

from collections.abc import Sequence

from calendar_backends.base import CalendarBackend, Deadline, Interval
from calendar_backends.core.inquiry import Busy, Inquiry, Limits


def inquire(
    calendar: CalendarBackend, mailboxes: Sequence[str], window: Interval, deadline: Deadline
) -> dict[str, Busy]:
    """When each is busy, in as many requests as it takes."""
    limits = Limits(calendar.most_mailboxes, calendar.longest_window, calendar.reading, calendar.waiting)
    return Inquiry(calendar.busy_times, limits, deadline).run(mailboxes, window)
