"""The driver for Exchange Web Services."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from lxml import etree

from calendar_backends.base import (
    BusyTime,
    CalendarBackend,
    CalendarError,
    Change,
    Deadline,
    Interval,
    ProbeResult,
    Verb,
    share,
)
from calendar_backends.core.errors import SERVER_BUSY
from calendar_backends.ews import availability, items, probe
from calendar_backends.ews.envelope import VERSIONS, Impersonated, Message, Server, clean
from calendar_backends.ews.exchange import exchange
from calendar_backends.ews.options import DEFAULT_VERSION, EwsOptions
from calendar_backends.ews.sessions import SessionPool

Answer = TypeVar("Answer")
#: All reads share the budget of the service account:
#: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange
READS = "reads"
#: exchangelib refuses to write a longer one, or none.
LONGEST_ADDRESS = 255
NOBODYS_STAMP = "probe/nothing carries this"


class EwsBackend(CalendarBackend):
    """Exchange Server, with one service account.

    It reads free/busy as itself, and writes in the name of each mailbox (impersonation), so there is one
    request per mailbox. Each call of this class is one HTTP request per 100 mailboxes read or per change.
    """

    label = "Exchange Server (EWS)"
    Options = EwsOptions
    #: https://learn.microsoft.com/exchange/client-developer/web-service-reference/timewindow
    longest_window = timedelta(days=42)
    #: Exchange refuses more (ErrorMailboxDataArrayTooBig in the ResponseCode page of the EWS reference).
    most_mailboxes = 100
    #: Of the 27 that Exchange allows an account at once.
    at_once = 10

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._server = Server(VERSIONS[options.get("version") or DEFAULT_VERSION])
        # Apart, so that writes which hang do not hold up reads.
        self._reads = SessionPool(options, share(self.at_once))
        self._writes = SessionPool(options, share(self.at_once))

    def busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> dict[str, list[BusyTime] | CalendarError]:
        if pause := self.throttles.left(READS):
            raise CalendarError(SERVER_BUSY, "still throttled", retry_after=pause, asked=False)
        try:
            return self._busy_times(mailboxes, window, deadline)
        except CalendarError as error:
            if error.code == SERVER_BUSY and error.retry_after:
                self.throttles.hold(READS, error.retry_after)
            raise

    def create(self, change: Change, deadline: Deadline) -> str:
        return self._write(items.creation(self._as(change.mailbox), change), deadline, items.item_id)

    def update(self, change: Change, deadline: Deadline) -> str:
        return self._write(items.update(self._as(change.mailbox), change), deadline, items.item_id)

    def delete(self, change: Change, deadline: Deadline) -> None:
        self._write(items.deletion(self._as(change.mailbox), change), deadline, items.done)

    def find(self, change: Change, deadline: Deadline) -> list[str]:
        pages: list[etree._Element] = []
        offset: int | None = 0
        while offset is not None:
            request = items.search(self._as(change.mailbox), change.stamp, offset)
            pages.append(self._write(request, deadline, items.page))
            offset = items.next_offset(pages[-1])
        return items.found(pages, change.stamp)

    def probe(self, mailbox: str, deadline: Deadline) -> list[ProbeResult]:
        now = datetime.now(UTC)
        try:
            answer = self._busy_times([mailbox], Interval(now, now + timedelta(days=1)), deadline)[mailbox]
            free_busy = answer if isinstance(answer, CalendarError) else None
        except CalendarError as error:
            if not probe.signed_in(error):
                return probe.no_sign_in(error)
            free_busy = error
        return [
            probe.result(probe.SIGN_IN),
            probe.result(probe.FREE_BUSY, free_busy),
            probe.result(probe.WRITE_ACCESS, self._search_error(mailbox, deadline)),
        ]

    def close(self) -> None:
        self._reads.close()
        self._writes.close()

    def _busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> dict[str, availability.Answer]:
        """Routed by the service account's own mailbox: an attendee who does not exist must not decide."""
        username = self.options["username"]
        anchor = username if "@" in username else ""
        message = availability.question(self._server, mailboxes, window, anchor)
        read = partial(availability.answers, mailboxes=mailboxes)
        return exchange(self._reads, self.options["endpoint"], message, deadline, read)

    def _write(
        self, message: Message, deadline: Deadline, read: Callable[[etree._Element], Answer]
    ) -> Answer:
        return exchange(self._writes, self.options["endpoint"], message, deadline, read)

    def _search_error(self, mailbox: str, deadline: Deadline) -> CalendarError | None:
        try:
            self.find(Change(Verb.FIND, mailbox, NOBODYS_STAMP), deadline)
        except CalendarError as error:
            return error
        return None

    def _as(self, mailbox: str) -> Impersonated:
        if not 0 < len(mailbox) <= LONGEST_ADDRESS:
            raise CalendarError("ErrorInvalidSmtpAddress", f"{len(mailbox)} characters")
        return Impersonated(clean(mailbox), self._server)
