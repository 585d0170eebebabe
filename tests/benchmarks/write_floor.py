"""The floor of a Create: its requests alone, made beforehand, sent side by side by urllib3.

No ledger, no authentication of the caller, nothing is kept and nothing is repeated: no service can be faster.
"""

import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import urllib3

from calendar_backends.core.appointments import STAMP_GUID, STAMP_NAME
from tests.benchmarks.creating import BODY, FINISH, LOCATION, START, SUBJECT
from tests.benchmarks.floor import graph_token
from tests.benchmarks.world import MAIN, SECRET, service_account

_IN_A_BATCH = 4
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>'
    '<t:RequestServerVersion Version="Exchange2016"/><t:ExchangeImpersonation><t:ConnectingSID>'
    "<t:PrimarySmtpAddress>{email}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
    '</s:Header><s:Body><m:CreateItem SendMeetingInvitations="SendToNone"><m:SavedItemFolderId>'
    '<t:DistinguishedFolderId Id="calendar"/></m:SavedItemFolderId><m:Items><t:CalendarItem>'
    f'<t:Subject>{SUBJECT}</t:Subject><t:Body BodyType="Text">{BODY}</t:Body>'
    "<t:ReminderIsSet>true</t:ReminderIsSet><t:ReminderMinutesBeforeStart>15</t:ReminderMinutesBeforeStart>"
    f'<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="{STAMP_GUID}" PropertyName="{STAMP_NAME}"'
    ' PropertyType="String"/><t:Value>floor</t:Value></t:ExtendedProperty>'
    f"<t:Start>{START:%Y-%m-%dT%H:%M:%SZ}</t:Start><t:End>{FINISH:%Y-%m-%dT%H:%M:%SZ}</t:End>"
    f"<t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>{LOCATION}</t:Location>"
    "</t:CalendarItem></m:Items></m:CreateItem></s:Body></s:Envelope>"
)


@dataclass(frozen=True)
class Posted:
    """A request, and what an answer says as often as there are mailboxes that have the Appointment."""

    path: str
    body: bytes
    success: bytes
    mailboxes: int = 1


class WriteFloor:
    """Sends all of its requests at the same time, each on a connection that is kept."""

    def __init__(self, exchange: str, emails: Sequence[str]) -> None:
        self.pool = urllib3.connection_from_url(exchange, maxsize=len(emails))
        self._headers = self.headers(exchange)
        self._requests = self.requests(emails)
        self._threads = ThreadPoolExecutor(len(self._requests))

    def headers(self, exchange: str) -> dict[str, str]:
        raise NotImplementedError

    def requests(self, emails: Sequence[str]) -> list[Posted]:
        raise NotImplementedError

    def __call__(self) -> None:
        """Raises RuntimeError unless every mailbox has the Appointment."""
        for _ in self._threads.map(self._send, self._requests):
            pass

    def close(self) -> None:
        self._threads.shutdown()
        self.pool.close()

    def _send(self, posted: Posted) -> None:
        answer = self.pool.urlopen("POST", posted.path, body=posted.body, headers=self._headers)
        if answer.data.count(posted.success) != posted.mailboxes:
            raise RuntimeError(f"HTTP {answer.status}: {answer.data[:500]!r}")


class EwsWriteFloor(WriteFloor):
    """An envelope per mailbox: it names one to be impersonated."""

    def headers(self, exchange: str) -> dict[str, str]:
        credentials = base64.b64encode(f"{service_account(MAIN)}:{SECRET}".encode()).decode()
        return {"Authorization": f"Basic {credentials}", "Content-Type": "text/xml; charset=utf-8"}

    def requests(self, emails: Sequence[str]) -> list[Posted]:
        bodies = (_ENVELOPE.format(email=email).encode() for email in emails)
        return [Posted("/EWS/Exchange.asmx", body, b'ResponseClass="Success"') for body in bodies]


class GraphWriteFloor(WriteFloor):
    """A POST per mailbox."""

    def headers(self, exchange: str) -> dict[str, str]:
        token = graph_token(self.pool, exchange)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def requests(self, emails: Sequence[str]) -> list[Posted]:
        body = json.dumps(_event()).encode()
        return [Posted(f"/v1.0/users/{email}/calendar/events", body, b'"@odata.etag"') for email in emails]


class GraphBatchFloor(GraphWriteFloor):
    """Batches of four, which is what Graph does at a time."""

    def requests(self, emails: Sequence[str]) -> list[Posted]:
        groups = [emails[i : i + _IN_A_BATCH] for i in range(0, len(emails), _IN_A_BATCH)]
        return [Posted("/v1.0/$batch", _batch(group), b'"@odata.etag"', len(group)) for group in groups]


def _batch(emails: Sequence[str]) -> bytes:
    inner = [
        {
            "id": str(number),
            "method": "POST",
            "url": f"/users/{email}/calendar/events",
            "headers": {"Content-Type": "application/json"},
            "body": _event(),
        }
        for number, email in enumerate(emails)
    ]
    return json.dumps({"requests": inner}).encode()


def _event() -> dict[str, Any]:
    stamp = {"id": f"String {{{STAMP_GUID}}} Name {STAMP_NAME}", "value": "floor"}
    return {
        "subject": SUBJECT,
        "body": {"contentType": "text", "content": BODY},
        "location": {"displayName": LOCATION},
        "start": {"dateTime": f"{START:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
        "end": {"dateTime": f"{FINISH:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
        "showAs": "busy",
        "isReminderOn": True,
        "reminderMinutesBeforeStart": 15,
        "singleValueExtendedProperties": [stamp],
    }
