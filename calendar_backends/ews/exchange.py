"""One message to Exchange, one answer: nothing is tried again here."""

import logging
import re
import string
import time
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import quote

import requests
from lxml import etree

from calendar_backends.base import NO_ERROR, CalendarError, Deadline, clean, correlation_id
from calendar_backends.ews.codes import fault_error, http_error
from calendar_backends.ews.envelope import SOAP, Message
from calendar_backends.ews.sessions import SessionPool
from calendar_backends.transport import Reply, send

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
_HEADER_CHARACTERS: Final = string.punctuation + " "
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")


def exchange(
    pool: SessionPool,
    endpoint: str,
    message: Message,
    deadline: Deadline,
    read: Callable[[etree._Element], Answer],
) -> Answer:
    """What ``read`` makes of the envelope that Exchange answers with.

    Raises CalendarError for anything but a proper answer, and whatever ``read`` raises.
    """
    began, status, code = time.monotonic(), 0, "unexpected"
    try:
        with pool.session(deadline) as session:
            response = send(
                session, "POST", endpoint, deadline, data=message.body, headers=_headers(message.anchor)
            )
        status = response.status_code
        answer = read(_envelope_of(response))
        code = NO_ERROR
    except CalendarError as error:
        code = error.code
        raise
    else:
        return answer
    finally:
        log.info("%s %.3f s HTTP %d %s", message.operation, time.monotonic() - began, status, code)


def _headers(anchor: str) -> dict[str, str]:
    """Routing and tracing. Without X-AnchorMailbox an impersonated call may be sent to the wrong server:

    https://learn.microsoft.com/exchange/client-developer/exchange-web-services/impersonation-and-ews-in-exchange
    """
    headers = {"X-AnchorMailbox": _printable(anchor)} if anchor else {}
    if request_id := correlation_id.get():
        headers["client-request-id"] = _printable(request_id)
        headers["return-client-request-id"] = "true"
    return headers


def _printable(text: str) -> str:
    return quote(text, safe=_HEADER_CHARACTERS, errors="replace").strip()


def _envelope_of(response: requests.Response | Reply) -> etree._Element:
    body = _parse(response.content)
    if body is None:
        raise http_error(response)
    fault = body.find(f"{SOAP}Body/{SOAP}Fault")
    if fault is not None:
        raise fault_error(fault)
    return body


def _parse(content: bytes) -> etree._Element | None:
    """The SOAP envelope in ``content``, None for anything else: a page of HTML, XML that was cut off."""
    root = _root(content)
    if root is None:
        root = _root(_REFERENCE.sub(_allowed, content))
    return root if root is not None and root.find(f"{SOAP}Body") is not None else None


def _root(content: bytes) -> etree._Element | None:
    try:
        return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None


def _allowed(reference: re.Match[bytes]) -> bytes:
    """The reference, or U+FFFD for a character that XML forbids: Exchange passes on what people pasted.

    https://github.com/ecederstrand/exchangelib/issues/1200
    """
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    character = chr(code) if code < 0x110000 else "\ufffd"
    return reference[0] if clean(character) == character else b"\xef\xbf\xbd"
