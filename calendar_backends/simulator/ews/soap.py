"""The SOAP of Exchange Web Services: reading a request's envelope, writing answers and the kinds of refusal.

Shapes: "Exchange Web Services operations" and the ResponseCode page of the EWS reference,
https://learn.microsoft.com/en-us/exchange/client-developer/web-service-reference/responsecode.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from calendar_backends.simulator.wire import Response

SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
T: Final = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M: Final = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
_ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"

VERSION_HEADER: Final = (
    '<h:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="2562" MinorBuildNumber="17" '
    'Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>'
)
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">'
    "<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
# Texts that the vendor prints with these codes; for the others the code itself says enough.
_TEXTS = {
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorNonExistentMailbox": "The SMTP address has no mailbox associated with it.",
    "ErrorImpersonateUserDenied": "The account does not have permission to impersonate the requested user.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorInternalServerError": "An internal server error occurred. The operation failed.",
    "ErrorInvalidRequest": "The request is invalid.",
    "ErrorSchemaValidation": "The request failed schema validation.",
    "ErrorIrresolvableConflict": "The send or update operation could not be performed because the change key "
    "passed in the request does not match the current change key for the item.",
}


class SoapFault(Exception):
    """The whole request is refused: HTTP 500 with a SOAP fault whose detail names the ResponseCode."""

    def __init__(self, code: str, text: str = "", *, values: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or text_of(code)
        self.values = dict(values or {})


class AvailabilityFault(Exception):
    """The availability service refuses: HTTP 500, the name only in the faultcode, a number in the detail."""

    def __init__(self, code: str, number: int, text: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.number = number
        self.text = text or text_of(code)


class ItemError(Exception):
    """One item or mailbox is refused: a ResponseMessage of class Error in an HTTP 200."""

    def __init__(self, code: str, text: str = "", *, values: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text or text_of(code)
        self.values = dict(values or {})


class HttpRefusal(Exception):
    """The request is refused without SOAP."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None, body: str = "") -> None:
        super().__init__(status)
        self.response = Response(status, body.encode(), dict(headers or {}))


@dataclass(frozen=True)
class Envelope:
    """A parsed request: the header element, if there is one, and the operation inside the body."""

    header: etree._Element | None
    operation: etree._Element

    @property
    def name(self) -> str:
        """The operation without its suffix: "CreateItem", "GetUserAvailability"."""
        return local_name(self.operation).removesuffix("Request")

    def header_block(self, name: str) -> etree._Element | None:
        return None if self.header is None else self.header.find(T + name)


def parse(body: bytes) -> Envelope:
    """Read an envelope. Raises HttpRefusal(400) for what is not XML, SoapFault for what is not SOAP."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise HttpRefusal(400) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise HttpRefusal(400)
    soap_body = root.find(SOAP + "Body")
    if root.tag != SOAP + "Envelope" or soap_body is None or len(soap_body) != 1:
        raise SoapFault("ErrorInvalidRequest")
    return Envelope(root.find(SOAP + "Header"), soap_body[0])


def local_name(element: etree._Element) -> str:
    return etree.QName(element).localname


def text_of(code: str) -> str:
    return _TEXTS.get(code, f"{code}.")


def child(element: etree._Element, tag: str) -> etree._Element:
    """The child of this tag. Raises SoapFault(ErrorSchemaValidation) if it is missing."""
    found = element.find(tag)
    if found is None:
        raise invalid(f"The element '{local_name(element)}' has incomplete content: {tag} is expected.")
    return found


def child_text(element: etree._Element, tag: str, default: str = "") -> str:
    return (element.findtext(tag) or default).strip()


def integer(text: str) -> int:
    """Raises SoapFault(ErrorSchemaValidation) for what is no xs:int."""
    try:
        return int(text)
    except ValueError as error:
        raise invalid(f"The value '{text}' is not a valid integer.") from error


def attribute(element: etree._Element, name: str, allowed: frozenset[str]) -> str:
    """A required attribute out of an enumeration. Raises SoapFault(ErrorSchemaValidation)."""
    value = element.get(name)
    if value not in allowed:
        raise invalid(f"The '{name}' attribute of '{local_name(element)}' is missing or invalid.")
    return value


def invalid(violation: str) -> SoapFault:
    """The fault for a request that is not of the published schema."""
    values = {"LineNumber": "1", "LinePosition": "1", "Violation": violation}
    text = f"The request failed schema validation: {violation}"
    return SoapFault("ErrorSchemaValidation", text, values=values)


def success_xml(kind: str, content: str = "") -> str:
    """One ResponseMessage of class Success; `content` is XML."""
    return f'<m:{kind} ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{content}</m:{kind}>'


def error_xml(kind: str, error: ItemError, content: str = "") -> str:
    """One ResponseMessage of class Error."""
    values = _values_xml(error.values)
    return (
        f'<m:{kind} ResponseClass="Error"><m:MessageText>{escape(error.text)}</m:MessageText>'
        f"<m:ResponseCode>{escape(error.code)}</m:ResponseCode>"
        f"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        f"{f'<m:MessageXml>{values}</m:MessageXml>' if values else ''}{content}</m:{kind}>"
    )


def envelope_response(body: str, status: int = 200, header: str = VERSION_HEADER) -> Response:
    text = _ENVELOPE.format(header=header, body=body)
    headers = {"Content-Type": "text/xml; charset=utf-8", "request-id": str(uuid.uuid4())}
    return Response(status, text.encode(), headers)


def fault_response(fault: SoapFault, header: str = "") -> Response:
    """HTTP 500. Faults come without the server's version header unless one is given."""
    values = _values_xml(fault.values)
    message_xml = f"<t:MessageXml>{values}</t:MessageXml>" if values else ""
    detail = (
        f'<e:ResponseCode xmlns:e="{_ERRORS}">{escape(fault.code)}</e:ResponseCode>'
        f'<e:Message xmlns:e="{_ERRORS}">{escape(fault.text)}</e:Message>{message_xml}'
    )
    return envelope_response(_fault_xml(fault.code, fault.text, detail), 500, header)


def availability_fault_response(fault: AvailabilityFault) -> Response:
    detail = f'<m:ErrorCode xmlns:m="{_ERRORS}">{fault.number}</m:ErrorCode>'
    return envelope_response(_fault_xml(fault.code, fault.text, detail), 500, "")


def _fault_xml(code: str, text: str, detail: str) -> str:
    return (
        '<s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">'
        f'a:{escape(code)}</faultcode><faultstring xml:lang="en-US">{escape(text)}</faultstring>'
        f"<detail>{detail}</detail></s:Fault>"
    )


def _values_xml(values: Mapping[str, str]) -> str:
    pairs = values.items()
    return "".join(f"<t:Value Name={quoteattr(name)}>{escape(value)}</t:Value>" for name, value in pairs)


def parse_time(text: str) -> datetime:
    """An xs:dateTime as aware UTC; without a zone it is in UTC. Raises SoapFault for anything else."""
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise invalid(f"The value '{text}' is not a valid dateTime.") from error
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def format_time(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
