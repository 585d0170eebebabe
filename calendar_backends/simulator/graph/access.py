"""Who may do what: bearer tokens, app permissions, the mailboxes in an app's scope, a mailbox's own state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calendar_backends.simulator.graph.answers import GraphError
from calendar_backends.simulator.tokens import Grant
from calendar_backends.simulator.wire import Request
from calendar_backends.simulator.world import Mailbox

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

_READ = frozenset({"Calendars.Read", "Calendars.ReadWrite"})
_FREE_BUSY = _READ | {"Calendars.ReadBasic.All"}
_WRITE = frozenset({"Calendars.ReadWrite"})
_NEEDED = {"getSchedule": _FREE_BUSY, "POST events": _WRITE, "PATCH event": _WRITE, "DELETE event": _WRITE}

# What a mailbox answers that is not well. Codes: https://learn.microsoft.com/exchange/client-developer/
# web-service-reference/responsecode; MailboxNotEnabledForRESTAPI: https://support.microsoft.com/kb/4462988.
_NOT_FOR_REST = (
    404,
    "MailboxNotEnabledForRESTAPI",
    "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
)
_STATES = {
    "unlicensed": _NOT_FOR_REST,
    "on_premises": _NOT_FOR_REST,
    "disabled": (403, "ErrorAccountDisabled", "The account is disabled."),
    "moving": (503, "ErrorMailboxMoveInProgress", "Mailbox move in progress. Try again later."),
    "no_calendar": (404, "ErrorFolderNotFound", "The specified folder could not be found in the store."),
    "denied": (403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    "store_unavailable": (
        503,
        "ErrorMailboxStoreUnavailable",
        "The mailbox database is temporarily unavailable.",
    ),
}


def sign_in(request: Request, exchange: Simulator) -> Grant:
    """The grant behind the request's bearer token. Raises GraphError 401 InvalidAuthenticationToken."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("Access token is empty.")
    grant = exchange.tokens.find(token.strip())
    if grant is None:
        raise unauthorized("IDX14100: JWT is not well formed, there are no dots (.).")
    if grant.expired:
        raise unauthorized("Lifetime validation failed, the token is expired.")
    return grant


def open_mailbox(grant: Grant, address: str, operation: str) -> Mailbox:
    """The mailbox of a path, if the caller may use it for this operation and it is well.

    An alias does not name a user in a path. Raises GraphError 403, 404 or 503.
    """
    if not grant.app.permissions & _NEEDED.get(operation, _READ):
        raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    mailbox = grant.tenant.mailbox(address, aliases=False)
    if mailbox is None:
        raise GraphError(404, "ErrorInvalidUser", f"The requested user '{address}' is invalid.")
    if not grant.app.may_touch(mailbox.address):
        raise GraphError(403, "ErrorAccessDenied", "Access to OData is disabled.")
    if mailbox.state != "ok":
        raise GraphError(*_STATES[mailbox.state])
    return mailbox


def may_see_details(grant: Grant) -> bool:
    """Whether the app is shown subjects and places; with Calendars.ReadBasic.All it is not."""
    return bool(grant.app.permissions & _READ)


def unauthorized(message: str) -> GraphError:
    """401 as Graph answers it: renewing the token is the remedy."""
    headers = {"WWW-Authenticate": 'Bearer realm="", error="invalid_token"'}
    return GraphError(401, "InvalidAuthenticationToken", message, headers=headers)
