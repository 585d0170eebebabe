"""What is sent to Graph and what comes back, alone or inside a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from calendar_backends.base import CalendarError


@dataclass(frozen=True)
class Request:
    """One call. ``path`` is below the version ("users/..."), percent-encoded, query included.

    ``operation`` is its name in the log, which never has an address. ``writes`` says that it may change
    a mailbox, so that an answer that got lost leaves the outcome uncertain.
    """

    operation: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    prefer: str = ""
    writes: bool = False


@dataclass(frozen=True)
class Answer:
    """One answer. Headers are asked for in lower case; ``body`` is None where there is none or no JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def content(self) -> Mapping[str, Any]:
        """The body if it is a JSON object, else nothing."""
        return self.body if isinstance(self.body, dict) else {}


def is_address(mailbox: str) -> bool:
    """Whether this can be the address of a mailbox at all: the rest is for Exchange to say."""
    return mailbox.isprintable() and " " not in mailbox and "@" in mailbox.strip("@")


def user_path(mailbox: str, *segments: str) -> str:
    """The path to something of a mailbox's. Addresses and ids may hold "/", "?", "#" and "'".

    Raises CalendarError ErrorInvalidSmtpAddress.
    """
    if not is_address(mailbox):
        raise CalendarError("ErrorInvalidSmtpAddress", "not an address")
    return "/".join(quote(segment, safe="") for segment in ("users", mailbox, *segments))
