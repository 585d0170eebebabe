"""Several changes in one request: https://learn.microsoft.com/graph/json-batching.

The outer status says nothing: each change has an answer of its own, with its own error and Retry-After.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from calendar_backends.base import CalendarError, Change, Deadline, fan_out
from calendar_backends.graph import events
from calendar_backends.graph.client import GraphClient
from calendar_backends.graph.codes import described, error_of, unusable
from calendar_backends.graph.connection import IMMUTABLE_IDS
from calendar_backends.graph.messages import Answer, Request

logger = logging.getLogger(__name__)

#: Graph sends four inner requests to Outlook at a time, so larger batches (20 are allowed) take longer:
#: https://learn.microsoft.com/graph/throttling-limits.
IN_ONE = 4
#: Not carried out, for a reason that a request of its own does not have: the token, another change.
_AGAIN_ALONE = frozenset({401, 424})

Outcome = Sequence[str] | CalendarError


def write(
    client: GraphClient, changes: Sequence[Change], deadline: Deadline, *, at_once: int
) -> dict[Change, Outcome]:
    """As CalendarBackend.write: batches side by side; one change alone is sent as it is."""
    requests, outcomes = _prepared(changes)
    ready = list(requests)
    groups = [tuple(ready[i : i + IN_ONE]) for i in range(0, len(ready), IN_ONE)]
    send = partial(_send, client, requests=requests, deadline=deadline)
    for group, answer in fan_out(send, groups, deadline, at_once=at_once).items():
        outcomes |= dict.fromkeys(group, answer) if isinstance(answer, CalendarError) else answer
    return outcomes


def _prepared(changes: Sequence[Change]) -> tuple[dict[Change, Request], dict[Change, Outcome]]:
    """The requests, and the outcomes of those changes that cannot even be asked for."""
    requests: dict[Change, Request] = {}
    outcomes: dict[Change, Outcome] = {}
    for change in changes:
        try:
            requests[change] = events.request_of(change)
        except CalendarError as error:
            outcomes[change] = error
    return requests, outcomes


def _send(
    client: GraphClient, group: tuple[Change, ...], *, requests: Mapping[Change, Request], deadline: Deadline
) -> dict[Change, Outcome]:
    if len(group) == 1:
        return {group[0]: _alone(client, group[0], deadline)}
    answers = _call(client, [requests[change] for change in group], deadline)
    return {
        change: _outcome(client, change, answers.get(str(number)), deadline)
        for number, change in enumerate(group)
    }


def _call(client: GraphClient, requests: Sequence[Request], deadline: Deadline) -> dict[str, Answer]:
    """The inner answers by id. Raises CalendarError where there is none at all."""
    writes = any(request.writes for request in requests)
    body = {"requests": [_inner(number, request) for number, request in enumerate(requests)]}
    answer = client.call(Request("$batch", "POST", "$batch", body, writes=writes), deadline)
    if answer.status >= 300:
        raise error_of(answer, writes=writes)
    responses = answer.content.get("responses")
    if not isinstance(responses, list):
        raise unusable(answer, writes=writes)
    return {str(each.get("id")): _answer(each) for each in responses if isinstance(each, dict)}


def _inner(number: int, request: Request) -> dict[str, Any]:
    """Headers of the outer request do not count inside."""
    inner: dict[str, Any] = {"id": str(number), "method": request.method, "url": f"/{request.path}"}
    inner["headers"] = {"Prefer": IMMUTABLE_IDS}
    if request.body is not None:
        inner["headers"]["Content-Type"] = "application/json"
        inner["body"] = request.body
    return inner


def _answer(response: Mapping[str, Any]) -> Answer:
    status, headers = response.get("status"), response.get("headers")
    named = headers.items() if isinstance(headers, dict) else ()
    return Answer(
        status if isinstance(status, int) else 0,
        {str(name).lower(): str(value) for name, value in named},
        response.get("body"),
    )


def _outcome(client: GraphClient, change: Change, answer: Answer | None, deadline: Deadline) -> Outcome:
    if answer is None:
        return unusable(Answer(200, {}, None), writes=True)
    logger.info("graph $batch %s result=%s", change.verb, described(answer))
    if answer.status in _AGAIN_ALONE or "@odata.nextLink" in answer.content:
        return _alone(client, change, deadline)
    try:
        return events.outcome(change, answer)
    except CalendarError as error:
        return error


def _alone(client: GraphClient, change: Change, deadline: Deadline) -> Outcome:
    try:
        return events.carry_out(client, change, deadline)
    except CalendarError as error:
        return error
