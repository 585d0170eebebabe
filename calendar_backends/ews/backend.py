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
    Held,
    Interval,
    ProbeResult,
    Verb,
    clean,
    share,
)
from calendar_backends.core.errors import SERVER_BUSY
from calendar_backends.ews import availability, found, items, probe
from calendar_backends.ews.envelope import VERSIONS, Impersonated, Message, Server
from calendar_backends.ews.exchange import exchange
from calendar_backends.ews.options import DEFAULT_VERSION, DEFAULT_WINDOW, EwsOptions
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
    #: Exchange refuses more (ErrorMailboxDataArrayTooBig in the ResponseCode page of the EWS reference).
    most_mailboxes = 100
    #: Of the 27 that Exchange allows an account at once.
    at_once = 10

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.longest_window = timedelta(days=int(options.get("longest_window") or DEFAULT_WINDOW))
        self._server = Server(VERSIONS[options.get("version") or DEFAULT_VERSION])
        # Apart, so that writes which hang do not hold up reads.
        self._reads = SessionPool(options, share(self.at_once))
        self._writes = SessionPool(options, share(self.writes_at_once))

    def busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> dict[str, list[BusyTime] | CalendarError]:
        answers = self._paused(mailboxes)
        rest = [mailbox for mailbox in mailboxes if mailbox not in answers]
        if rest:
            with self.throttles.obeyed(READS):
                answers |= self._busy_times(rest, window, deadline)
        for mailbox, answer in answers.items():
            if isinstance(answer, CalendarError):
                self.throttles.heed(_reading(mailbox), answer)
        return answers

    def create(self, change: Change, deadline: Deadline) -> str:
        mailbox = self._as(change.mailbox)
        return self._ask(items.creation(mailbox, change), deadline, items.item_id)

    def update(self, change: Change, deadline: Deadline) -> str:
        mailbox = self._as(change.mailbox)
        return self._ask(items.update(mailbox, change), deadline, items.item_id)

    def delete(self, change: Change, deadline: Deadline) -> None:
        mailbox = self._as(change.mailbox)
        self._ask(items.deletion(mailbox, change), deadline, items.done)

    def find(self, change: Change, deadline: Deadline) -> list[str]:
        return self._find(self._as(change.mailbox), change.stamp, deadline, whole=True)

    def held(self, mailbox: str, stamp: str, deadline: Deadline, *, whole: bool = True) -> list[Held]:
        owner = self._as(mailbox)
        refs = self._find(owner, stamp, deadline, whole=whole)
        parts = [refs[i : i + found.FETCHED_AT_ONCE] for i in range(0, len(refs), found.FETCHED_AT_ONCE)]
        answers = [self._ask(found.details(owner, part), deadline, found.held) for part in parts]
        return [item for answer in answers for item in answer]

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

    def _paused(self, mailboxes: Sequence[str]) -> dict[str, availability.Answer]:
        """Those of whom alone Exchange said, inside an answer, that it is busy, and for how long."""
        pauses = {mailbox: self.throttles.left(_reading(mailbox)) for mailbox in mailboxes}
        return {
            mailbox: CalendarError(SERVER_BUSY, "still throttled", retry_after=pause, asked=False)
            for mailbox, pause in pauses.items()
            if pause
        }

    def _busy_times(
        self, mailboxes: Sequence[str], window: Interval, deadline: Deadline
    ) -> dict[str, availability.Answer]:
        """Routed by the service account's own mailbox: an attendee who does not exist must not decide."""
        username = self.options["username"]
        anchor = username if "@" in username else ""
        message = availability.question(self._server, mailboxes, window, anchor)
        read = partial(availability.answers, mailboxes=mailboxes)
        return exchange(self._reads, self.options["endpoint"], message, deadline, read)

    def _find(self, mailbox: Impersonated, stamp: str, deadline: Deadline, *, whole: bool) -> list[str]:
        pages: list[etree._Element] = []
        offset: int | None = 0
        while offset is not None:
            request = found.search(mailbox, stamp, offset, whole=whole)
            pages.append(self._ask(request, deadline, found.page))
            offset = found.next_offset(pages[-1])
        return found.refs(pages, stamp, whole=whole)

    def _ask(self, message: Message, deadline: Deadline, read: Callable[[etree._Element], Answer]) -> Answer:
        """One request in the name of a mailbox, which is also whose budget pays for it:
        https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange
        """
        with self.throttles.obeyed(f"write {message.anchor.lower()}"):
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


def _reading(mailbox: str) -> str:
    """Whose pause it is where Exchange is too busy to read this mailbox."""
    return f"read {mailbox.lower()}"
