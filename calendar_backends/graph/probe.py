"""What works with an Org's options, tried without changing anything, and what an admin can do about it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from calendar_backends.base import NO_ERROR, CalendarError, Change, Deadline, Interval, ProbeResult, Verb
from calendar_backends.core.errors import (
    ACCESS_DENIED,
    CONNECTION_FAILED,
    ITEM_NOT_FOUND,
    MAIL_RECIPIENT_NOT_FOUND,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
)
from calendar_backends.graph import events
from calendar_backends.graph.availability import read_schedules, schedule_request
from calendar_backends.graph.client import GraphClient
from calendar_backends.graph.codes import error_of
from calendar_backends.graph.messages import Request, user_path

#: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_SIGN_IN_ADVICE = {
    "AADSTS7000215": "The client secret is wrong. Enter the secret's value, not its ID.",
    "AADSTS7000222": "The client secret has expired. Create a new one in the app registration.",
    "AADSTS700016": "The tenant does not know this application. Check the application ID and the tenant.",
    "AADSTS700027": "The certificate is not registered with the application, or the key is another one.",
    "AADSTS90002": "There is no such tenant. Check the tenant ID and the sign-in URL.",
    "AADSTS500011": "Sign-in does not know this Graph URL. Check that both URLs are of one cloud.",
}
_NETWORK_ADVICE = {
    CONNECTION_FAILED: "No connection. Check the URL, the firewall and the CA certificates.",
    TIMEOUT_EXPIRED: "No answer in time. Check the URL and the firewall, and try again.",
    SERVER_BUSY: "Exchange is busy or limits this application. Try again later.",
}
_NO_SCOPE = (
    "The application may not do this with {mailbox}. Assign it the Exchange Online role {role} with a scope "
    "that includes this mailbox (RBAC for Applications), or give admin consent to {permission} in Entra. "
    "Changes take up to two hours."
)
_NO_MAILBOX = (
    "{mailbox} is not a mailbox of this tenant in Exchange Online: the address is unknown or an alias, or "
    "the mailbox has no licence or is on premises."
)


def probe(client: GraphClient, anchor: str, mailbox: str, deadline: Deadline) -> list[ProbeResult]:
    """Sign-in, free/busy of ``mailbox`` through ``anchor``, write access to ``mailbox``."""
    sign_in = _tried("sign-in", lambda: client.tokens.get(deadline), _sign_in_advice)
    if not sign_in.ok:
        return [sign_in]
    return [
        sign_in,
        _tried(
            f"free/busy of {mailbox}",
            lambda: _read(client, anchor or mailbox, mailbox, deadline),
            lambda error: _advice(error, anchor or mailbox, "Calendars.ReadBasic.All", "Calendars.Read"),
        ),
        _tried(
            f"write access to {mailbox}",
            lambda: _write(client, mailbox, deadline),
            lambda error: _advice(error, mailbox, "Calendars.ReadWrite", "Calendars.ReadWrite"),
        ),
    ]


def _tried(check: str, attempt: Callable[[], object], advice: Callable[[CalendarError], str]) -> ProbeResult:
    try:
        attempt()
    except CalendarError as error:
        return ProbeResult(check, error.code, advice(error))
    return ProbeResult(check, NO_ERROR)


def _read(client: GraphClient, anchor: str, mailbox: str, deadline: Deadline) -> None:
    now = datetime.now(UTC)
    window = Interval(now, now + timedelta(days=1))
    answer = client.call(schedule_request(anchor, [mailbox], window), deadline)
    if answer.status != 200:
        raise error_of(answer)
    busy = read_schedules([mailbox], answer)[mailbox]
    if isinstance(busy, CalendarError):
        raise busy


def _write(client: GraphClient, mailbox: str, deadline: Deadline) -> None:
    """Changing needs more rights than finding, so a change of an event that is not there is tried too."""
    events.carry_out(client, Change(Verb.FIND, mailbox, "probe/nothing"), deadline)
    request = Request("PATCH event", "PATCH", user_path(mailbox, "events", "AAAA"), {"showAs": "busy"})
    error = error_of(client.call(request, deadline))
    if error.code != ITEM_NOT_FOUND:
        raise error


def _sign_in_advice(error: CalendarError) -> str:
    for number, advice in _SIGN_IN_ADVICE.items():
        if error.detail.endswith(number):
            return advice
    return _NETWORK_ADVICE.get(error.code, f"Sign-in does not work: {error.detail}.")


def _advice(error: CalendarError, mailbox: str, permission: str, role: str) -> str:
    if error.code == ACCESS_DENIED:
        return _NO_SCOPE.format(mailbox=mailbox, role=f'"Application {role}"', permission=permission)
    if error.code == MAIL_RECIPIENT_NOT_FOUND:
        return _NO_MAILBOX.format(mailbox=mailbox)
    return _NETWORK_ADVICE.get(error.code, f"Exchange answered {error}.")
