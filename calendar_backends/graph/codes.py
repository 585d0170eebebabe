"""From Graph's words for an error to Exchange's response codes.

Outlook's paths have Exchange's codes (https://github.com/microsoftgraph/microsoft-graph-docs/issues/3935),
the gateway in front of them with Graph's (https://learn.microsoft.com/graph/errors). The code decides: a 404
may mean the item, the mailbox or the user. Only where there is no code does the status.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from calendar_backends.base import CalendarError
from calendar_backends.core.errors import (
    ACCESS_DENIED,
    FREE_BUSY_GENERATION_FAILED,
    INTERNAL_SERVER_ERROR,
    INTERNAL_SERVER_TRANSIENT_ERROR,
    ITEM_NOT_FOUND,
    MAIL_RECIPIENT_NOT_FOUND,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
)
from calendar_backends.graph.messages import Answer

INVALID_REQUEST = "ErrorInvalidRequest"
CONFLICT = "ErrorIrresolvableConflict"
QUOTA_EXCEEDED = "ErrorQuotaExceeded"
MAILBOX_MOVE_IN_PROGRESS = "ErrorMailboxMoveInProgress"
MAILBOX_STORE_UNAVAILABLE = "ErrorMailboxStoreUnavailable"
PROXY_FAILED = "ErrorProxyRequestProcessingFailed"

_EXCHANGE_CODE = re.compile(r"Error[A-Z]\w{0,80}")
#: Codes that Exchange's list does not have, in lower case.
_NAMES = {
    "accessdenied": ACCESS_DENIED,
    "activitylimitreached": SERVER_BUSY,
    "applicationthrottled": SERVER_BUSY,
    "authorization_requestdenied": ACCESS_DENIED,
    "badrequest": INVALID_REQUEST,
    "errorexceededconnectioncount": SERVER_BUSY,
    "errorincorrectroutinghint": MAILBOX_MOVE_IN_PROGRESS,
    # The id of another driver, or of another mailbox: what we look for is not here under that name.
    "errorinvalididmalformed": ITEM_NOT_FOUND,
    "errorinvaliduser": MAIL_RECIPIENT_NOT_FOUND,
    "invalidauthenticationtoken": ACCESS_DENIED,
    "invalidrequest": INVALID_REQUEST,
    "itemnotfound": ITEM_NOT_FOUND,
    "mailboxinfostale": MAILBOX_MOVE_IN_PROGRESS,
    # No licence, soft-deleted or on premises: https://support.microsoft.com/kb/4462988.
    "mailboxnotenabledforrestapi": MAIL_RECIPIENT_NOT_FOUND,
    "mailboxnotsupportedforrestapi": MAIL_RECIPIENT_NOT_FOUND,
    "quotalimitreached": QUOTA_EXCEEDED,
    "request_resourcenotfound": MAIL_RECIPIENT_NOT_FOUND,
    "requestbodyread": INVALID_REQUEST,
    "resourcemodified": CONFLICT,
    "resourcenotfound": MAIL_RECIPIENT_NOT_FOUND,
    "servicenotavailable": SERVER_BUSY,
    "toomanyrequests": SERVER_BUSY,
}
_STATUSES = {
    400: INVALID_REQUEST,
    401: ACCESS_DENIED,
    403: ACCESS_DENIED,
    409: CONFLICT,
    412: CONFLICT,
    429: SERVER_BUSY,
    500: INTERNAL_SERVER_TRANSIENT_ERROR,
    502: INTERNAL_SERVER_TRANSIENT_ERROR,
    503: SERVER_BUSY,
    504: TIMEOUT_EXPIRED,
    507: QUOTA_EXCEEDED,
}
#: Said before anything is done, whatever the status: nothing was written.
_REFUSALS = frozenset({SERVER_BUSY, QUOTA_EXCEEDED, MAILBOX_MOVE_IN_PROGRESS, MAILBOX_STORE_UNAVAILABLE})
#: getSchedule's responseCode where it is a number. 5006: the reference page of getSchedule; 5009:
#: https://github.com/microsoftgraph/microsoft-graph-docs/issues/11225; the others are EWS's numbers.
_NUMBERS = {
    "5006": "ErrorResultSetTooBig",
    "5009": MAIL_RECIPIENT_NOT_FOUND,
    "5021": "ErrorServiceDiscoveryFailed",
    "5035": "ErrorInvalidSmtpAddress",
}


def error_of(answer: Answer, *, writes: bool = False) -> CalendarError:
    """What an answer that is no success means. ``writes``: the request may have changed the mailbox."""
    named = _named(answer)
    code = named or _STATUSES.get(answer.status, INTERNAL_SERVER_ERROR)
    refused = 400 <= answer.status < 500 or named in _REFUSALS
    return CalendarError(
        code, described(answer), uncertain=writes and not refused, retry_after=retry_after(answer)
    )


def unusable(answer: Answer, *, writes: bool = False) -> CalendarError:
    """What a success means whose body is not what was asked for: a page of a proxy, half an answer."""
    return CalendarError(INTERNAL_SERVER_ERROR, f"HTTP {answer.status}, unusable", uncertain=writes)


def schedule_error(error: Mapping[str, Any]) -> CalendarError:
    """What the error of one schedule inside a 200 means: freeBusyError {message, responseCode}."""
    response_code, message = str(error.get("responseCode") or ""), str(error.get("message") or "")
    return CalendarError(_schedule_code(response_code, message), f"schedule error {response_code[:80]!r}")


def described(answer: Answer) -> str:
    """For the log: the status, and the codes as Graph spelled them."""
    return f"HTTP {answer.status} {'/'.join(code[:80] for code in _raw_codes(answer))}".rstrip()


def retry_after(answer: Answer) -> float | None:
    """Seconds that Graph asked us to wait: HTTP has them as a number or as a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None


def _named(answer: Answer) -> str | None:
    """The most inner code that means something to us."""
    for raw in reversed(list(_raw_codes(answer))):
        if raw.lower() in _NAMES:
            return _NAMES[raw.lower()]
        if _EXCHANGE_CODE.fullmatch(raw):
            return raw
    return None


def _raw_codes(answer: Answer) -> Iterator[str]:
    """error.code, then that of each innerError, from the outside in."""
    error = answer.content.get("error")
    while isinstance(error, dict):
        if isinstance(error.get("code"), str) and error["code"].isprintable():
            yield error["code"]
        error = error.get("innerError") or error.get("innererror")


def _schedule_code(response_code: str, message: str) -> str:
    if response_code in _NUMBERS:
        return _NUMBERS[response_code]
    if "Unable to resolve" in message or "(404) Not Found" in message:
        return MAIL_RECIPIENT_NOT_FOUND
    if "Proxy web request failed" in message:
        return PROXY_FAILED
    # Seen for an unknown address as well, with a message of its own.
    if response_code == "5016":
        return MAIL_RECIPIENT_NOT_FOUND
    return response_code if _EXCHANGE_CODE.fullmatch(response_code) else FREE_BUSY_GENERATION_FAILED
