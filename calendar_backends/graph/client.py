"""Signed-in calls to Graph: one request, one answer, in time."""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from calendar_backends.base import CalendarError, Deadline, correlation_id
from calendar_backends.graph.codes import described
from calendar_backends.graph.connection import GraphAccount
from calendar_backends.graph.messages import Answer, Request
from calendar_backends.graph.options import key_and_certificate
from calendar_backends.graph.tokens import Tokens

logger = logging.getLogger(__name__)

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class GraphClient:
    """Safe to use from all threads of an Org. ``options`` is the cleaned data of GraphOptions."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._account = GraphAccount(
            options["client_id"],
            _credential(options),
            tenant_id=options["tenant_id"],
            graph_url=options["graph_url"],
            ca_bundle=options.get("ca_bundle", ""),
        )
        self.tokens = Tokens(self._account, options["authority_url"])
        #: Where every path begins, with a slash at its end.
        self.root: str = self._account.protocol.service_url

    def call(self, request: Request, deadline: Deadline) -> Answer:
        """The answer, whatever its status. A 401 is answered by one new token; it means nothing was done.

        Raises CalendarError where no answer came, or no token.
        """
        token = self.tokens.get(deadline)
        answer = self._send(request, token, deadline)
        if answer.status == 401:
            answer = self._send(request, self.tokens.replace(token, deadline), deadline)
        return answer

    def close(self) -> None:
        self._account.con.close()

    def _send(self, request: Request, token: str, deadline: Deadline) -> Answer:
        started = time.monotonic()
        try:
            reply = self._account.con.send(
                request.method,
                self.root + request.path,
                deadline,
                headers=_headers(request, token),
                data=request.body,
            )
        except CalendarError as error:
            _log(request, started, error)
            raise
        answer = Answer(reply.status_code, reply.headers, _json(reply.content))
        _log(request, started, described(answer))
        return answer


def _credential(options: Mapping[str, Any]) -> Any:
    if not options.get("certificate"):
        return options["client_secret"]
    key, certificate = key_and_certificate(options["certificate"])
    return {"private_key": key, "public_certificate": certificate}


def _headers(request: Request, token: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "LightningSchedulerAdapter"}
    if request.prefer:
        headers["Prefer"] = request.prefer
    if correlation := correlation_id.get():
        headers["client-request-id"] = quote(correlation, safe=_PRINTABLE)
        headers["return-client-request-id"] = "true"
    return headers


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _log(request: Request, started: float, result: object) -> None:
    logger.info("graph %s seconds=%.3f result=%s", request.operation, time.monotonic() - started, result)
