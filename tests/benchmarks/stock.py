"""exchangelib and O365 as their documentation shows them, with their own defaults, and no service around.

https://ecederstrand.github.io/exchangelib/#non-account-services (get_free_busy_info) and
https://o365.github.io/python-o365/latest/usage/calendar.html.
"""

from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import urllib3
from exchangelib import BASIC, Account, Build, Configuration, Credentials, EWSDateTime, Version
from exchangelib import UTC as EWS_UTC
from O365 import Account as GraphAccount
from O365 import MSGraphProtocol
from O365.utils.token import MemoryTokenBackend

from tests.benchmarks.floor import graph_token
from tests.benchmarks.world import APP, END, MAIN, SECRET, START, service_account, tenant_id

#: Per call of getSchedule.
MOST_SCHEDULES = 20
_UTC = ZoneInfo("UTC")

Read = Callable[[], list[Any]]


class StockExchangelib:
    """One Account for all threads. ``connections`` is Configuration's max_connections; None: its default."""

    def __init__(self, exchange: str, emails: Sequence[str], connections: int | None = None) -> None:
        # exchangelib keeps its connections by endpoint and credentials: each size needs a user of its own.
        user = service_account(MAIN, "pooled" if connections else "service")
        config = Configuration(
            service_endpoint=f"{exchange}/EWS/Exchange.asmx",
            credentials=Credentials(user, SECRET),
            auth_type=BASIC,
            version=Version(build=Build(15, 2, 2562, 17)),
            max_connections=connections,
        )
        self._account = Account(user, config=config, autodiscover=False, default_timezone=EWS_UTC)
        self._asked = [(email, "Required", False) for email in emails]
        self._window = EWSDateTime.from_datetime(START), EWSDateTime.from_datetime(END)

    def reader(self, thread: int) -> Read:
        return self.read

    def read(self) -> list[Any]:
        """(start, end, status) of every entry, mailbox by mailbox."""
        views = self._account.protocol.get_free_busy_info(self._asked, *self._window)
        return [[(e.start, e.end, e.busy_type) for e in view.calendar_events or ()] for view in views]


class _LocalProtocol(MSGraphProtocol):
    """Graph at another address; the constructor takes none, but reads these two."""

    def __init__(self, exchange: str) -> None:
        self._protocol_url = self._oauth_scope_prefix = f"{exchange}/"
        super().__init__(timezone="UTC")


class StockO365:
    """One Account for all threads. ``delay`` in ms is the pause between its requests; None: its default."""

    def __init__(self, exchange: str, emails: Sequence[str], delay: int | None = None) -> None:
        self._emails = emails
        settings = {} if delay is None else {"requests_delay": delay}
        self._account = GraphAccount(
            (APP, SECRET),
            auth_flow_type="credentials",
            tenant_id=tenant_id(MAIN),
            protocol=_LocalProtocol(exchange),
            token_backend=MemoryTokenBackend(),
            **settings,
        )
        # msal signs in to https only; from here on it is O365 alone.
        session = self._account.con.get_session()
        token = graph_token(urllib3.connection_from_url(exchange), exchange)
        session.headers["Authorization"] = f"Bearer {token}"
        self._account.con.session = session

    def reader(self, thread: int) -> Read:
        """Through another mailbox for each thread: Graph serves four calls at a time through one."""
        anchor = self._emails[thread % len(self._emails)]
        return lambda: self._read(anchor)

    def read(self) -> list[Any]:
        """The schedules with their items; 20 schedules at a time, one call after the other."""
        return self._read(self._emails[0])

    def _read(self, anchor: str) -> list[Any]:
        schedule = self._account.schedule(resource=anchor)
        start, end = START.replace(tzinfo=_UTC), END.replace(tzinfo=_UTC)
        found: list[Any] = []
        for first in range(0, len(self._emails), MOST_SCHEDULES):
            chunk = list(self._emails[first : first + MOST_SCHEDULES])
            found += schedule.get_availability(chunk, start, end)
        return found
