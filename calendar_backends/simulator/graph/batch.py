"""$batch: up to 20 requests in one, four of them at a time. https://learn.microsoft.com/graph/json-batching."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calendar_backends.simulator.graph.answers import GraphError, json_response
from calendar_backends.simulator.graph.invocation import parse_json
from calendar_backends.simulator.wire import Call, Headers, Request, Response

if TYPE_CHECKING:
    from calendar_backends.simulator.server import Simulator

MAX_REQUESTS = 20
# So many go to Outlook in parallel: https://learn.microsoft.com/graph/throttling-limits
PARALLEL = 4
_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})

Plan = Callable[[Request, "Simulator", str], Call]


@dataclass(frozen=True)
class _Step:
    """One request of a batch."""

    id: str
    depends_on: tuple[str, ...]
    request: Request


def run(request: Request, exchange: Simulator, plan: Plan) -> Response:
    """200 with an answer per inner request. Raises GraphError 400 if the batch is malformed."""
    steps = _steps(parse_json(request.body), request)
    futures: dict[str, Future[dict[str, Any]]] = {}
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="batch") as pool:
        for step in steps:
            before = [futures[name] for name in step.depends_on]
            futures[step.id.lower()] = pool.submit(_perform, step, before, exchange, plan)
    # The vendor promises no order, so that of the request is never given.
    answers = [future.result() for future in futures.values()]
    return json_response(200, {"responses": answers[::-1]})


def _perform(
    step: _Step, before: list[Future[dict[str, Any]]], exchange: Simulator, plan: Plan
) -> dict[str, Any]:
    wait(before)
    if any(future.result()["status"] >= 400 for future in before):
        error = {"code": "FailedDependency", "message": "A request that this one depends on has failed."}
        return {"id": step.id, "status": 424, "headers": {}, "body": {"error": error}}
    call = plan(step.request, exchange, "graph.batch.")
    seen = exchange.record(call, step.request)
    # A connection that would be cut is Graph's own to Outlook: to the caller it is a gateway's failure.
    response = exchange.serve(call).response or _gateway_timeout()
    seen.status = response.status
    return {
        "id": step.id,
        "status": response.status,
        "headers": response.headers,
        "body": _inner_body(response),
    }


def _gateway_timeout() -> Response:
    error = {"code": "UnknownError", "message": "", "innerError": {}}
    return json_response(504, {"error": error})


def _inner_body(response: Response) -> Any:
    if not response.body:
        return None
    try:
        return json.loads(response.body)
    except ValueError:
        return base64.b64encode(response.body).decode()


def _steps(document: Any, outer: Request) -> list[_Step]:
    entries = document.get("requests") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        raise _malformed("Invalid batch payload format.")
    if len(entries) > MAX_REQUESTS:
        raise _malformed(f"Number of batch request steps exceeds the maximum value of {MAX_REQUESTS}.")
    steps: list[_Step] = []
    known: set[str] = set()
    for entry in entries:
        step = _step(entry, outer)
        if step.id.lower() in known:
            raise _malformed(f"Request Id: {step.id} is not unique in the batch.")
        if not known.issuperset(step.depends_on):
            raise _malformed(f"Request {step.id} depends on a request that does not come before it.")
        known.add(step.id.lower())
        steps.append(step)
    return steps


def _step(entry: Any, outer: Request) -> _Step:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
        raise _malformed("Each request of a batch needs an id, a text.")
    url, method = entry.get("url"), str(entry.get("method", "")).upper()
    if not isinstance(url, str) or "://" in url or "$batch" in url or not url or method not in _METHODS:
        raise _malformed(f"Request {entry['id']} needs a method and a relative url, and not that of a batch.")
    depends_on = tuple(str(name).lower() for name in entry.get("dependsOn") or ())
    path, _, query = url.partition("?")
    headers, body = _payload(entry)
    inner = {**headers, "authorization": outer.headers["authorization"]}
    return _Step(
        entry["id"], depends_on, Request(method, "/v1.0/" + path.lstrip("/"), query, Headers(inner), body)
    )


def _payload(entry: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    headers = {str(name).lower(): str(value) for name, value in (entry.get("headers") or {}).items()}
    if entry.get("body") is None:
        return headers, b""
    if "content-type" not in headers:
        raise _malformed(f"Write request id : {entry['id']} does not contain Content-Type header or body.")
    return headers, json.dumps(entry["body"]).encode()


def _malformed(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)
