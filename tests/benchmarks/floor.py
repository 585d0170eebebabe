"""The floor: what Read costs with urllib3, lxml and json alone, in the same chunks and side by side.

No authentication of the caller, no database, no deadline, no error handling: no service can be faster.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from lxml import etree

from tests.benchmarks.world import (
    APP,
    BLOCKING,
    END,
    MAIN,
    SECRET,
    START,
    service_account,
    tenant_id,
)

M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">'
    '<s:Header><t:RequestServerVersion Version="Exchange2016"/></s:Header><s:Body>'
    "<m:GetUserAvailabilityRequest><m:MailboxDataArray>{mailboxes}</m:MailboxDataArray>"
    "<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime>"
    "</t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>30</t:MergedFreeBusyIntervalInMinutes>"
    "<t:RequestedView>FreeBusy</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    "</s:Body></s:Envelope>"
)
_MAILBOX = (
    "<t:MailboxData><t:Email><t:Address>{}</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType>"
    "<t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>"
)
_ENTRIES = f".//{M}FreeBusyResponse"
_EVENTS = f"{M}FreeBusyView/{T}CalendarEventArray/{T}CalendarEvent"
_EWS_BLOCKING = frozenset({"Busy", "OOF", "Tentative", "NoData"})

Busy = list[tuple[datetime, datetime]]


class Floor:
    """Calls with as many threads as there are chunks; connections are kept."""

    chunk = 0

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        self._exchange = exchange
        self._chunks = [emails[i : i + self.chunk] for i in range(0, len(emails), self.chunk)]
        self._emails = emails
        self._pool = urllib3.connection_from_url(exchange, maxsize=len(self._chunks))
        self._threads = ThreadPoolExecutor(len(self._chunks))

    def __call__(self) -> bytes:
        """The body that the service answers with."""
        if len(self._chunks) == 1:
            return _rows(self._emails, self._ask(self._chunks[0]))
        found = [busy for part in self._threads.map(self._ask, self._chunks) for busy in part]
        return _rows(self._emails, found)

    def close(self) -> None:
        self._threads.shutdown()
        self._pool.close()

    def _ask(self, emails: Sequence[str]) -> list[Busy]:
        raise NotImplementedError


class EwsFloor(Floor):
    chunk = 100

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        super().__init__(exchange, emails)
        credentials = base64.b64encode(f"{service_account(MAIN)}:{SECRET}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Content-Type": "text/xml; charset=utf-8"}

    def _ask(self, emails: Sequence[str]) -> list[Busy]:
        mailboxes = "".join(map(_MAILBOX.format, emails))
        body = _ENVELOPE.format(mailboxes=mailboxes, start=_text(START), end=_text(END))
        answer = self._pool.urlopen("POST", "/EWS/Exchange.asmx", body=body, headers=self._headers)
        root = etree.fromstring(answer.data)
        return [[*_ews_busy(entry.iterfind(_EVENTS))] for entry in root.iterfind(_ENTRIES)]


def _ews_busy(events: Iterable[etree._Element]) -> Iterable[tuple[datetime, datetime]]:
    for start, end, status in events:
        if status.text in _EWS_BLOCKING:
            yield datetime.fromisoformat(start.text or ""), datetime.fromisoformat(end.text or "")


class GraphFloor(Floor):
    chunk = 20

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        super().__init__(exchange, emails)
        token = graph_token(self._pool, exchange)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def _ask(self, emails: Sequence[str]) -> list[Busy]:
        question = {
            "schedules": list(emails),
            "startTime": {"dateTime": f"{START:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            "endTime": {"dateTime": f"{END:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            "availabilityViewInterval": 1440,
        }
        path = f"/v1.0/users/{emails[0]}/calendar/getSchedule"
        answer = self._pool.urlopen("POST", path, body=json.dumps(question), headers=self._headers)
        return [[*_graph_busy(entry["scheduleItems"])] for entry in json.loads(answer.data)["value"]]


def _graph_busy(items: Iterable[Any]) -> Iterable[tuple[datetime, datetime]]:
    for item in items:
        if item["status"] in BLOCKING:
            start, end = item["start"]["dateTime"], item["end"]["dateTime"]
            yield datetime.fromisoformat(start), datetime.fromisoformat(end)


def graph_token(pool: urllib3.HTTPConnectionPool, exchange: str) -> str:
    """An access token for the main tenant's app."""
    form = {
        "grant_type": "client_credentials",
        "client_id": APP,
        "client_secret": SECRET,
        "scope": f"{exchange}/.default",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"/{tenant_id(MAIN)}/oauth2/v2.0/token"
    answer = pool.urlopen("POST", path, body=urlencode(form), headers=headers)
    token: str = json.loads(answer.data)["access_token"]
    return token


def _rows(emails: Sequence[str], found: Sequence[Busy]) -> bytes:
    rows = [
        {
            "serviceResourceId": f"resource-{email}",
            "errorCode": "NoError",
            "unavailableTimeslots": [
                {"timeMin": start.isoformat() + "Z", "timeMax": end.isoformat() + "Z"}
                for start, end in _merged(busy)
            ],
        }
        for email, busy in zip(emails, found, strict=True)
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


def _merged(busy: Busy) -> list[list[datetime]]:
    merged: list[list[datetime]] = []
    for start, end in sorted(busy):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
