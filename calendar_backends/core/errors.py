"""The error vocabulary of the API: NoError, or the name of an EWS response code.

The names and their meaning are Microsoft's: "ResponseCode" in the EWS reference,
https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode.
The vocabulary is open: a code from Exchange that is not listed here passes through as it came.
"""

NO_ERROR = "NoError"
ACCESS_DENIED = "ErrorAccessDenied"
CONNECTION_FAILED = "ErrorConnectionFailed"
FREE_BUSY_GENERATION_FAILED = "ErrorFreeBusyGenerationFailed"
INTERNAL_SERVER_ERROR = "ErrorInternalServerError"
INTERNAL_SERVER_TRANSIENT_ERROR = "ErrorInternalServerTransientError"
ITEM_NOT_FOUND = "ErrorItemNotFound"
MAIL_RECIPIENT_NOT_FOUND = "ErrorMailRecipientNotFound"
MAILBOX_CONFIGURATION = "ErrorMailboxConfiguration"
SERVER_BUSY = "ErrorServerBusy"
STALE_OBJECT = "ErrorStaleObject"
TIMEOUT_EXPIRED = "ErrorTimeoutExpired"

#: The window has more entries, or is longer, than Exchange answers for at once.
TOO_MUCH_AT_ONCE = frozenset({"ErrorResultSetTooBig", "ErrorTimeIntervalTooBig"})
#: Said of a whole request: not this or that mailbox is wrong, but how the Org is connected.
CONFIGURATION = frozenset(
    {
        ACCESS_DENIED,
        MAILBOX_CONFIGURATION,
        "ErrorAccountDisabled",
        "ErrorImpersonationDenied",
        "ErrorInvalidAuthorizationContext",
        "ErrorInvalidClientSecurityContext",
        "ErrorMissingEmailAddress",
        "ErrorPasswordChangeRequired",
        "ErrorPasswordExpired",
    }
)
#: It may be better at once.
_TRANSIENT = frozenset(
    {INTERNAL_SERVER_ERROR, INTERNAL_SERVER_TRANSIENT_ERROR, "ErrorMailboxStoreUnavailable"}
)
#: An outage, a pause, a move: it will be better, if not at once, without anybody doing anything about it.
_PASSING = _TRANSIENT | {
    CONNECTION_FAILED,
    SERVER_BUSY,
    TIMEOUT_EXPIRED,
    "ErrorADOperation",
    "ErrorADUnavailable",
    "ErrorBatchProcessingStopped",
    "ErrorClientDisconnected",
    "ErrorConnectionFailedTransientError",
    "ErrorExceededConnectionCount",
    "ErrorInsufficientResources",
    "ErrorIrresolvableConflict",
    "ErrorMailboxFailover",
    "ErrorMailboxMoveInProgress",
    "ErrorNotEnoughMemory",
    "ErrorTooManyObjectsOpened",
}
#: What different parts of Exchange call a mailbox that is not there, or an alias that is not its address.
_NOT_FOUND = frozenset(
    {
        "ErrorCannotFindUser",
        "ErrorInvalidSmtpAddress",
        "ErrorMissingExchangePrincipal",
        "ErrorNonExistentMailbox",
        "ErrorNonPrimarySmtpAddress",
    }
)


class CalendarError(Exception):
    """Exchange, or the way to it, said no.

    ``code`` is a response code and reaches the caller. ``detail`` is for the log: it never holds a
    subject, a body, an address list or a secret. ``uncertain`` says that the request had been sent
    and no answer came back, so it may have been carried out. ``retry_after`` is the number of
    seconds Exchange asked us to wait, if it did. ``asked`` is False where Exchange was left alone, because
    that time is not over. ``signed_out`` says that it is about no mailbox: nobody is let in with these
    credentials.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        uncertain: bool = False,
        retry_after: float | None = None,
        asked: bool = True,
        signed_out: bool = False,
    ) -> None:
        super().__init__(code, detail)
        self.asked = asked
        self.signed_out = signed_out
        self.code = code
        self.detail = detail
        self.uncertain = uncertain
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether asking once more at once may help: a connection was cut, or a server stumbled."""
        return self.uncertain or self.code in _TRANSIENT

    @property
    def isolable(self) -> bool:
        """Whether one mailbox may have made the whole request fail: the others are worth asking apart.

        Not where nobody was reached, or nobody is let in.
        """
        unreached = self.code == CONNECTION_FAILED and not self.uncertain
        return not unreached and self.code not in CONFIGURATION

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


def public_code(code: str) -> str:
    """The code as the API reports it: every way to say "no such mailbox" is ErrorMailRecipientNotFound."""
    return MAIL_RECIPIENT_NOT_FOUND if code in _NOT_FOUND else code


def passes_by_itself(code: str) -> bool:
    """Whether waiting helps; if not, somebody has to do something: a licence, a right, another address."""
    return code in _PASSING
