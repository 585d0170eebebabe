"""What a probe tells the admin: which check failed, and what to do about it."""

from typing import Final

from calendar_backends.base import NO_ERROR, CalendarError, ProbeResult
from calendar_backends.core.errors import (
    CONNECTION_FAILED,
    MAIL_RECIPIENT_NOT_FOUND,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
    public_code,
)
from calendar_backends.ews.codes import EWS_REFUSED, NOT_EWS, SIGN_IN_REFUSED, SoapFault

SIGN_IN, FREE_BUSY, WRITE_ACCESS = "sign-in", "free/busy", "write access"
_NOT_TRIED: Final = "Not tried, because signing in does not work."
_ABOUT_THE_ACCOUNT: Final = frozenset({"ErrorPasswordExpired", "ErrorPasswordChangeRequired"})
_SIGN_IN_HELP: Final = (
    "Exchange does not accept the user name and password. Check both, whether the account is locked or its "
    "password has expired, and whether the EWS virtual directory offers the chosen kind of sign-in. NTLM "
    "fails behind a proxy that ends TLS while Extended Protection is on."
)
_EWS_OFF: Final = (
    "EWS is switched off for this account or organization. Exchange Online blocks it by default since "
    "1 October 2026 and ends it on 1 April 2027: use the Microsoft Graph driver for Microsoft 365. On "
    "Exchange Server, set EwsEnabled for the organization and for the service account."
)
_NO_MAILBOX: Final = (
    "The service account has no mailbox. Give it one: Exchange answers free/busy questions for users only."
)
_NO_IMPERSONATION: Final = (
    "The service account may not act for this mailbox. Assign it the role ApplicationImpersonation with a "
    "management scope that holds the mailbox."
)
_NO_SUCH_MAILBOX: Final = "There is no mailbox with this primary address. Aliases are not accepted."
_BY_DETAIL: Final = {SIGN_IN_REFUSED: _SIGN_IN_HELP, EWS_REFUSED: _EWS_OFF}
_BY_CODE: Final = {
    CONNECTION_FAILED: "Exchange could not be reached. Check the endpoint, the firewall, the server's "
    "certificate and, for a CA of your own, the CA certificates.",
    TIMEOUT_EXPIRED: "Exchange did not answer in time. Check the endpoint and the firewall, then try again.",
    SERVER_BUSY: "Exchange is throttling or overloaded. Try again later; check the throttling policy of the "
    "service account.",
    MAIL_RECIPIENT_NOT_FOUND: _NO_SUCH_MAILBOX,
    "ErrorMissingEmailAddress": _NO_MAILBOX,
    "ErrorImpersonateUserDenied": _NO_IMPERSONATION,
    "ErrorImpersonationDenied": _NO_IMPERSONATION,
    "ErrorPasswordExpired": "The password of the service account has expired. Set a new one.",
    "ErrorPasswordChangeRequired": "The service account has to change its password first.",
    "ErrorNoFreeBusyAccess": "The service account may not see this calendar's free/busy times. Give it, or "
    "Default, at least that permission on the calendar.",
    "ErrorInvalidLicense": "The mailbox has no licence for EWS.",
    "ErrorInvalidServerVersion": "The server does not speak this EWS schema. Choose an older version.",
    "ErrorIncorrectSchemaVersion": "The server does not speak this EWS schema. Choose an older version.",
}


def signed_in(error: CalendarError) -> bool:
    """Whether the error shows that the service account was let in."""
    return isinstance(error, SoapFault) and error.code not in _ABOUT_THE_ACCOUNT


def no_sign_in(error: CalendarError) -> list[ProbeResult]:
    """All the results where signing in failed already."""
    others = [ProbeResult(check, error.code, _NOT_TRIED) for check in (FREE_BUSY, WRITE_ACCESS)]
    return [result(SIGN_IN, error), *others]


def result(check: str, error: CalendarError | None = None) -> ProbeResult:
    """The outcome of one check."""
    if error is None:
        return ProbeResult(check, NO_ERROR)
    return ProbeResult(check, error.code, advice(error))


def advice(error: CalendarError) -> str:
    if error.detail.startswith(NOT_EWS):
        return "Something answers at the endpoint, but not EWS. It normally ends in /EWS/Exchange.asmx."
    known = _BY_DETAIL.get(error.detail) or _BY_CODE.get(public_code(error.code))
    return known or f"Exchange answered {error.code}; look it up in the EWS reference, page ResponseCode."
