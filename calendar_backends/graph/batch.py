"""Several changes in one request: https://learn.microsoft.com/graph/json-batching.

The outer status says nothing: each change has an answer of its own, with its own error and Retry-After.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from calendar_backends.base import CalendarError, Change, Deadline, Throttles, fan_out
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


def budget(mailbox: str) -> str:
    """Whose budget pays for what is done in a mailbox: the app's in this very mailbox, as Outlook counts.

    https://learn.microsoft.com/graph/throttling-limits
    """
    return f"write {mailbox.lower()}"


class Batches:
    """The changes of one call of `write`."""

    def __init__(self, client: GraphClient, throttles: Throttles, deadline: Deadline) -> None:
        self._client = client
        self._throttles = throttles
        self._deadline = deadline
        self._requests: dict[Change, Request] = {}

    def write(self, changes: Sequence[Change], *, at_once: int) -> dict[Change, Outcome]:
        """As CalendarBackend.write: batches side by side; one change alone is sent as it is."""
        outcomes = self._prepare(changes)
        ready = list(self._requests)
        groups = [tuple(ready[i : i + IN_ONE]) for i in range(0, len(ready), IN_ONE)]
        for group, answer in fan_out(self._send, groups, self._deadline, at_once=at_once).items():
            outcomes |= dict.fromkeys(group, answer) if isinstance(answer, CalendarError) else answer
        for change, outcome in outcomes.items():
            if isinstance(outcome, CalendarError):
                self._throttles.heed(budget(change.mailbox), outcome)
        return outcomes

    def _prepare(self, changes: Sequence[Change]) -> dict[Change, Outcome]:
        """Fills in the requests. The outcomes of those changes that cannot be asked for, or not yet."""
        refused: dict[Change, Outcome] = {}
        for change in changes:
            try:
                with self._throttles.obeyed(budget(change.mailbox)):
                    self._requests[change] = events.request_of(change)
            except CalendarError as error:
                refused[change] = error
        return refused

    def _send(self, group: tuple[Change, ...]) -> dict[Change, Outcome]:
        if len(group) == 1:
            return {group[0]: self._alone(group[0])}
        answers = self._call([self._requests[change] for change in group])
        return {
            change: self._outcome(change, answers.get(str(number))) for number, change in enumerate(group)
        }

    def _call(self, requests: Sequence[Request]) -> dict[str, Answer]:
        """The inner answers by id. Raises CalendarError where there is none at all."""
        writes = any(request.writes for request in requests)
        body = {"requests": [_inner(number, request) for number, request in enumerate(requests)]}
        answer = self._client.call(Request("$batch", "POST", "$batch", body, writes=writes), self._deadline)
        if answer.status >= 300:
            raise error_of(answer, writes=writes)
        responses = answer.content.get("responses")
        if not isinstance(responses, list):
            raise unusable(answer, writes=writes)
        return {str(each.get("id")): _answer(each) for each in responses if isinstance(each, dict)}

    def _outcome(self, change: Change, answer: Answer | None) -> Outcome:
        if answer is None:
            return unusable(Answer(200, {}, None), writes=True)
        if answer.status >= 300:
            logger.info("graph $batch %s result=%s", change.verb, described(answer))
        if answer.status in _AGAIN_ALONE or "@odata.nextLink" in answer.content:
            return self._alone(change)
        try:
            return events.outcome(change, answer)
        except CalendarError as error:
            return error

    def _alone(self, change: Change) -> Outcome:
        try:
            return events.carry_out(self._client, change, self._deadline)
        except CalendarError as error:
            return error


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
