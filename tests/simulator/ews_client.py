"""A bare EWS client: envelopes written by hand, everything checked against the schemas."""

from __future__ import annotations

import base64
import http.client
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from lxml import etree

from tests.simulator.ews_schema import validate

NAMESPACES = {
    "s": "http://schemas.xmlsoap.org/soap/envelope/",
    "m": "http://schemas.microsoft.com/exchange/services/2006/messages",
    "t": "http://schemas.microsoft.com/exchange/services/2006/types",
    "e": "http://schemas.microsoft.com/exchange/services/2006/errors",
}
GUID = "c11ff724-aa03-4555-9952-8fa248a11c3e"
NAME = "SchedulerEventId"
_ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">'
    "<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
PATH = f'<t:ExtendedFieldURI PropertySetId="{GUID}" PropertyName="{NAME}" PropertyType="String"/>'
CALENDAR = '<t:DistinguishedFolderId Id="calendar"/>'


@dataclass
class Answer:
    """What came back. Texts are looked up by XPath with the usual prefixes."""

    status: int
    headers: dict[str, str]
    body: bytes
    xml: etree._Element | None = field(init=False)

    def __post_init__(self) -> None:
        self.xml = etree.fromstring(self.body) if self.body.startswith(b"<?xml") else None

    def texts(self, path: str) -> list[str]:
        assert self.xml is not None, self.body
        found = self.xml.xpath(f"//{path}", namespaces=NAMESPACES)
        assert isinstance(found, list)
        return [str(node.text if isinstance(node, etree._Element) else node) for node in found]

    @property
    def codes(self) -> list[str]:
        """The response code of each ResponseMessage, or that of the fault."""
        return self.texts("m:ResponseCode") or self.texts("e:ResponseCode")

    @property
    def item_id(self) -> str:
        return self.texts("t:ItemId/@Id")[0]

    @property
    def change_key(self) -> str:
        return self.texts("t:ItemId/@ChangeKey")[0]


@dataclass
class EwsClient:
    """Speaks to one endpoint as one account, in the name of `acts_for` if that is given."""

    url: str
    username: str
    password: str
    acts_for: str | None = None
    checks_schema: bool = True

    def call(self, body: str, header: str = "", **headers: str) -> Answer:
        """Post one operation. `body` is the operation's XML, `headers` replace HTTP headers."""
        impersonation = (
            "<t:ExchangeImpersonation><t:ConnectingSID>"
            f"<t:PrimarySmtpAddress>{self.acts_for}</t:PrimarySmtpAddress>"
            "</t:ConnectingSID></t:ExchangeImpersonation>"
        )
        header += impersonation if self.acts_for else ""
        return self.post(_ENVELOPE.format(header=header, body=body).encode(), **headers)

    def post(self, document: bytes, **headers: str) -> Answer:
        if self.checks_schema:
            validate(document)
        answer = self._send(document, headers)
        if answer.xml is not None:
            validate(answer.body)
        return answer

    def _send(self, document: bytes, headers: dict[str, str]) -> Answer:
        parts = urlsplit(self.url)
        assert parts.hostname
        credentials = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        usual = {"Content-Type": "text/xml; charset=utf-8", "Authorization": f"Basic {credentials}"}
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        try:
            connection.request("POST", parts.path, document, usual | headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def availability(
        self,
        addresses: list[str],
        start: datetime,
        end: datetime,
        *,
        view: str = "FreeBusy",
        interval: int = 5,
    ) -> Answer:
        boxes = "".join(
            f"<t:MailboxData><t:Email><t:Address>{address}</t:Address></t:Email>"
            "<t:AttendeeType>Required</t:AttendeeType></t:MailboxData>"
            for address in addresses
        )
        return self.call(
            f"<m:GetUserAvailabilityRequest><m:MailboxDataArray>{boxes}</m:MailboxDataArray>"
            f"<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{stamp(start)}</t:StartTime>"
            f"<t:EndTime>{stamp(end)}</t:EndTime></t:TimeWindow>"
            f"<t:MergedFreeBusyIntervalInMinutes>{interval}</t:MergedFreeBusyIntervalInMinutes>"
            f"<t:RequestedView>{view}</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
        )

    def create(
        self, properties: str, send: str = 'SendMeetingInvitations="SendToNone"', folder: str = CALENDAR
    ) -> Answer:
        return self.call(
            f"<m:CreateItem {send}><m:SavedItemFolderId>{folder}</m:SavedItemFolderId>"
            f"<m:Items><t:CalendarItem>{properties}</t:CalendarItem></m:Items></m:CreateItem>"
        )

    def update(
        self,
        item_id: str,
        updates: str,
        *,
        change_key: str | None = None,
        resolution: str = "AlwaysOverwrite",
        send: str = 'SendMeetingInvitationsOrCancellations="SendToNone"',
    ) -> Answer:
        key = f' ChangeKey="{change_key}"' if change_key else ""
        return self.call(
            f'<m:UpdateItem ConflictResolution="{resolution}" {send}><m:ItemChanges><t:ItemChange>'
            f'<t:ItemId Id="{item_id}"{key}/><t:Updates>{updates}</t:Updates>'
            "</t:ItemChange></m:ItemChanges></m:UpdateItem>"
        )

    def delete(
        self,
        item_id: str,
        how: str = "MoveToDeletedItems",
        send: str = 'SendMeetingCancellations="SendToNone"',
    ) -> Answer:
        ids = f'<m:ItemIds><t:ItemId Id="{item_id}"/></m:ItemIds>'
        return self.call(f'<m:DeleteItem DeleteType="{how}" {send}>{ids}</m:DeleteItem>')

    def find(self, value: str, *, view: str = "", shape: str = "", folder: str = CALENDAR) -> Answer:
        """FindItem on the stamped property."""
        return self.call(
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>'
            f"{shape}</m:ItemShape>"
            f"{view}<m:Restriction><t:IsEqualTo>{PATH}<t:FieldURIOrConstant>"
            f'<t:Constant Value="{value}"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>'
            f"<m:ParentFolderIds>{folder}</m:ParentFolderIds></m:FindItem>"
        )

    def find_containing(self, value: str, mode: str = "Prefixed", comparison: str = "Exact") -> Answer:
        """FindItem on what the stamped property contains."""
        modes = f'ContainmentMode="{mode}" ContainmentComparison="{comparison}"'
        return self.call(
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
            f'<m:Restriction><t:Contains {modes}>{PATH}<t:Constant Value="{value}"/></t:Contains>'
            f"</m:Restriction><m:ParentFolderIds>{CALENDAR}</m:ParentFolderIds></m:FindItem>"
        )

    def get(self, item_id: str, fields: tuple[str, ...] = ("item:Subject",), body_type: str = "") -> Answer:
        paths = "".join(f'<t:FieldURI FieldURI="{name}"/>' for name in fields) + PATH
        wanted = f"<t:BodyType>{body_type}</t:BodyType>" if body_type else ""
        return self.call(
            f"<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>{wanted}<t:AdditionalProperties>"
            f"{paths}</t:AdditionalProperties></m:ItemShape>"
            f'<m:ItemIds><t:ItemId Id="{item_id}"/></m:ItemIds></m:GetItem>'
        )


def stamp(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def set_field(uri: str, xml: str) -> str:
    """One SetItemField; `xml` is the property element."""
    path = PATH if uri == "extended" else f'<t:FieldURI FieldURI="{uri}"/>'
    return f"<t:SetItemField>{path}<t:CalendarItem>{xml}</t:CalendarItem></t:SetItemField>"


def appointment(subject: str, start: datetime, end: datetime, value: str = "event-1") -> str:
    """The properties of an appointment that carries the stamped property."""
    return (
        f'<t:Subject>{subject}</t:Subject><t:Body BodyType="Text">Body</t:Body>'
        f"<t:ReminderIsSet>false</t:ReminderIsSet><t:ExtendedProperty>{PATH}<t:Value>{value}</t:Value>"
        f"</t:ExtendedProperty><t:Start>{stamp(start)}</t:Start><t:End>{stamp(end)}</t:End>"
        "<t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>Oslo</t:Location>"
    )
