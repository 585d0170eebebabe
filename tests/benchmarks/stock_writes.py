"""exchangelib and O365 saving an appointment in one mailbox after the other, as their documentation shows.

https://ecederstrand.github.io/exchangelib/#creating-updating-deleting-sending-moving-archiving-marking-as-junk
and https://o365.github.io/python-o365/latest/usage/calendar.html.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from exchangelib import IMPERSONATION, Account, CalendarItem, EWSDateTime
from exchangelib import UTC as EWS_UTC
from exchangelib.items import SEND_TO_NONE

from tests.benchmarks.creating import BODY, FINISH, LOCATION, START, SUBJECT
from tests.benchmarks.stock import StockExchangelib, StockO365

_UTC = ZoneInfo("UTC")


class StockExchangelibSaves(StockExchangelib):
    """An Account per mailbox, made once."""

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        super().__init__(exchange, emails)
        config = self._account.protocol.config
        self._accounts = [
            Account(
                email,
                config=config,
                autodiscover=False,
                default_timezone=EWS_UTC,
                access_type=IMPERSONATION,
            )
            for email in emails
        ]

    def __call__(self) -> None:
        for account in self._accounts:
            item = CalendarItem(
                account=account,
                folder=account.calendar,
                subject=SUBJECT,
                body=BODY,
                location=LOCATION,
                start=EWSDateTime.from_datetime(START),
                end=EWSDateTime.from_datetime(FINISH),
            )
            item.save(send_meeting_invitations=SEND_TO_NONE)


class StockO365Saves(StockO365):
    """A schedule per mailbox, made once."""

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        super().__init__(exchange, emails)
        self._schedules = [self._account.schedule(resource=email) for email in emails]

    def __call__(self) -> None:
        for schedule in self._schedules:
            event = schedule.new_event(SUBJECT)
            event.body = BODY
            event.location = LOCATION
            event.start, event.end = START.replace(tzinfo=_UTC), FINISH.replace(tzinfo=_UTC)
            if not event.save():
                raise RuntimeError("O365 did not save the event")
