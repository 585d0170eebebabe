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
    """An Account for each mailbox, made when it is written to: nobody knows before who that will be."""

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        super().__init__(exchange, emails)
        self._emails = emails

    def __call__(self) -> None:
        for email in self._emails:
            self._save(self._account_of(email))

    def _account_of(self, email: str) -> Account:
        return Account(
            email,
            config=self._account.protocol.config,
            autodiscover=False,
            default_timezone=EWS_UTC,
            access_type=IMPERSONATION,
        )

    def _save(self, account: Account) -> None:
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


class StockExchangelibKept(StockExchangelibSaves):
    """The same with Accounts that are kept, and so with folders that need not be looked up again."""

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        super().__init__(exchange, emails)
        self._accounts = [self._account_of(email) for email in emails]

    def __call__(self) -> None:
        for account in self._accounts:
            self._save(account)


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
