"""What Graph answers: JSON with the usual headers, and the error object.

Shapes: https://learn.microsoft.com/graph/errors. On Outlook's paths `error.code` is Exchange's response code
(https://github.com/microsoftgraph/microsoft-graph-docs/issues/3935).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from calendar_backends.simulator.wire import Request, Response

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


class GraphError(Exception):
    """Graph refuses a request. `inner` becomes the code of the innerError, `headers` go on the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner
        self.headers = dict(headers or {})


def json_response(
    status: int, content: str | Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """An answer with a JSON body; a string is taken to be JSON already."""
    text = content if isinstance(content, str) else json.dumps(content)
    return Response(status, text.encode(), {"Content-Type": JSON, **(headers or {})})


def error_response(error: GraphError, request: Request) -> Response:
    """The error object, with the ids that support asks for."""
    request_id = str(uuid.uuid4())
    client_request_id = request.headers.get("client-request-id", request_id)
    inner: dict[str, str] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": client_request_id,
    }
    if error.inner:
        inner["code"] = error.inner
    content = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    return json_response(
        error.status,
        content,
        {"request-id": request_id, "client-request-id": client_request_id, **error.headers},
    )
