"""What every EWS message has in common: the server it is for, in whose name it is sent, its SOAP envelope.

exchangelib writes the XML. It is given no Account and no Protocol of its own: those are cached for the whole
process by endpoint, open connections of their own and send requests that nobody asked for. Its services read
no more of them than `Server` and `Impersonated` have.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from exchangelib import UTC, EWSDateTime, Identity
from exchangelib.account import IMPERSONATION
from exchangelib.version import EXCHANGE_2010_SP2, EXCHANGE_2013_SP1, EXCHANGE_2016, Version

SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
M: Final = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
T: Final = "{http://schemas.microsoft.com/exchange/services/2006/types}"

#: The schema versions one can ask for. Newer servers (2019, Subscription Edition) speak Exchange2016.
VERSIONS: Final = {
    "Exchange2016": Version(EXCHANGE_2016, "Exchange2016"),
    "Exchange2013_SP1": Version(EXCHANGE_2013_SP1, "Exchange2013_SP1"),
    "Exchange2010_SP2": Version(EXCHANGE_2010_SP2, "Exchange2010_SP2"),
}


@dataclass(frozen=True)
class Server:
    """Stands where a service wants an exchangelib Protocol. The version is pinned: nothing is negotiated."""

    version: Version
    credentials: None = None


@dataclass(frozen=True)
class Impersonated:
    """Stands where a service wants an exchangelib Account: the mailbox in whose name it acts.

    It is named as PrimarySmtpAddress, so Exchange refuses an alias with ErrorNonPrimarySmtpAddress:
    https://learn.microsoft.com/exchange/client-developer/web-service-reference/connectingsid
    """

    primary_smtp_address: str
    protocol: Server
    access_type: ClassVar[str] = IMPERSONATION
    default_timezone: ClassVar[Any] = UTC

    @property
    def version(self) -> Version:
        return self.protocol.version

    @property
    def identity(self) -> Any:
        return Identity(primary_smtp_address=self.primary_smtp_address)


@dataclass(frozen=True)
class Message:
    """One request, ready to be sent. ``anchor`` is the address that routes it; "" leaves that to Exchange."""

    operation: str
    anchor: str
    body: bytes


def seal(service: Any, payload: Any, anchor: str) -> Message:
    """Put the payload of an exchangelib service into its SOAP envelope."""
    body: bytes = service.wrap(payload, service.protocol.version.api_version)
    return Message(service.SERVICE_NAME, anchor, body)


def ews_time(moment: Any) -> Any:
    """An aware UTC datetime as exchangelib's own type, which writes it with a Z."""
    return EWSDateTime.from_datetime(moment)
