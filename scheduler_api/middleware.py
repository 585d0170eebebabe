"""One line in the log, one id and one starting time for every request."""

import logging
import time
from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

from calendar_backends.core.correlation import correlation_id
from scheduler_api.logs import org_slug, printable

logger = logging.getLogger(__name__)

#: The answer carries the id of its request here.
HEADER = "X-Salesforce-Correlation-Id"


class RequestLogMiddleware:
    """Outermost, so that the deadline counts from the moment the request arrived."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.arrived = time.monotonic()  # type: ignore[attr-defined]
        given = printable(request.GET.get("salesforceCorrelationId", ""))
        tokens = org_slug.set(""), correlation_id.set(given or str(uuid4()))
        try:
            response = self.get_response(request)
            response[HEADER] = correlation_id.get()
            _log(request, response)
        finally:
            org_slug.reset(tokens[0])
            correlation_id.reset(tokens[1])
        return response


def _log(request: HttpRequest, response: HttpResponse) -> None:
    # The path only: the query of a DELETE holds addresses.
    milliseconds = (time.monotonic() - request.arrived) * 1000  # type: ignore[attr-defined]
    logger.info(
        "%s %s %s %.0fms", request.method, printable(request.path), response.status_code, milliseconds
    )
