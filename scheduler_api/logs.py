"""Every log line carries the Org and the correlation id of its request."""

import logging
import time
from contextvars import ContextVar
from urllib.parse import quote

from calendar_backends.core.correlation import correlation_id

#: Slug of the Org whose request this is; "" outside one.
org_slug: ContextVar[str] = ContextVar("org_slug", default="")

_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))
_LONGEST = 255


def printable(value: object) -> str:
    """``value`` as it may stand in a header and in a log line: one line of ASCII, at most 255 characters."""
    return quote(str(value), safe=_PRINTABLE)[:_LONGEST].strip()


class RequestFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.org = org_slug.get() or "-"
        record.correlation = correlation_id.get() or "-"
        return True


class LineFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
