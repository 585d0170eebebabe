"""What Exchange said no with. The name of the error is read from the wire, where it has four shapes.

1. a ResponseMessage that is not a Success (HTTP 200),
2. a SOAP fault whose detail holds a ResponseCode,
3. a fault of the availability service: a faultcode like "a:ErrorTimeIntervalTooBig" and a number,
4. no SOAP at all: an HTTP status, perhaps with an X-CasErrorCode header.

exchangelib knows three in four of the names and the first two shapes; the names it lacks must pass through.
The texts beside the codes are left out on purpose: they quote addresses, and a schema error quotes content.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from lxml import etree
from requests import Response

from calendar_backends.base import NO_ERROR, CalendarError
from calendar_backends.core.errors import (
    ACCESS_DENIED,
    CONNECTION_FAILED,
    INTERNAL_SERVER_ERROR,
    INTERNAL_SERVER_TRANSIENT_ERROR,
    ITEM_NOT_FOUND,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
)
from calendar_backends.transport import Reply

SIGN_IN_REFUSED: Final = "the user name or the password is refused (HTTP 401)"
EWS_REFUSED: Final = "EWS is not allowed for this account or organization (HTTP 403)"
NOT_EWS: Final = "no Exchange Web Services at this address"
#: Codes after which a write may still have happened.
_UNKNOWN_OUTCOME: Final = frozenset(
    {TIMEOUT_EXPIRED, CONNECTION_FAILED, INTERNAL_SERVER_ERROR, "ErrorClientDisconnected"}
)
#: The id of another driver or another server (ErrorInvalidIdMalformed and its like): what we look for is not
#: here under that name.
_STRANGE_ID: Final = "ErrorInvalidId"
Kind = TypeVar("Kind", bound=CalendarError)
_CODE = re.compile(r"\bError[A-Z]\w*")


class SoapFault(CalendarError):
    """Exchange knew who was asking, and refused the request as a whole."""


def message_error(message: etree._Element | None) -> CalendarError | None:
    """The error of a ResponseMessage, None for a success and where there is no message."""
    if message is None:
        return None
    code = (message.findtext("{*}ResponseCode") or "").strip()
    if code in ("", NO_ERROR) and message.get("ResponseClass") == "Success":
        return None
    return _error(code, message, CalendarError)


def fault_error(fault: etree._Element) -> SoapFault:
    """The error of a SOAP fault."""
    said = [
        fault.findtext(path) or "" for path in ("{*}detail/{*}ResponseCode", "{*}faultcode", "{*}faultstring")
    ]
    codes = [match[0] for match in map(_CODE.search, said) if match]
    return _error(codes[0] if codes else "", fault, SoapFault)


def http_error(response: Response | Reply) -> CalendarError:
    """The error of an answer that holds no SOAP."""
    status = response.status_code
    if status == 401:
        return CalendarError(ACCESS_DENIED, SIGN_IN_REFUSED, signed_out=True)
    if status == 403:
        return CalendarError(ACCESS_DENIED, EWS_REFUSED, signed_out=True)
    if status in (429, 503):
        seconds = retry_after(response.headers.get("Retry-After"))
        return CalendarError(SERVER_BUSY, f"HTTP {status}", uncertain=status == 503, retry_after=seconds)
    if 300 <= status < 500:
        return CalendarError(CONNECTION_FAILED, f"{NOT_EWS} (HTTP {status})")
    return _broken_answer(response)


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a Retry-After header: a number or an HTTP date. None where it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _broken_answer(response: Response | Reply) -> CalendarError:
    status = response.status_code
    front_end = response.headers.get("X-CasErrorCode", "")
    detail = f"HTTP {status} without SOAP {front_end}".rstrip()
    if status < 300:
        return CalendarError(CONNECTION_FAILED, f"{NOT_EWS} (HTTP {status})", uncertain=True)
    if code := _CODE.search(front_end):
        return CalendarError(code[0], detail, uncertain=True)
    return CalendarError(INTERNAL_SERVER_TRANSIENT_ERROR, detail, uncertain=True)


def _error(code: str, said: etree._Element, kind: type[Kind]) -> Kind:
    """``code``, or the one that Exchange wrapped into an unspecific one, with the pause it asks for.

    https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange
    """
    values = {value.get("Name"): value.text or "" for value in said.iterfind(".//{*}MessageXml/{*}Value")}
    inner = _CODE.search(values.get("InnerErrorResponseCode", ""))
    meant = inner[0] if inner else code or INTERNAL_SERVER_ERROR
    if meant.startswith(_STRANGE_ID):
        meant = ITEM_NOT_FOUND
    pause = values.get("BackOffMilliseconds", "")
    return kind(
        meant,
        f"wrapped into {code}" if inner else "",
        uncertain=meant in _UNKNOWN_OUTCOME,
        retry_after=int(pause) / 1000 if pause.isdecimal() else None,
    )
