"""Graph's words for an error, in Exchange's vocabulary."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from calendar_backends.graph.codes import error_of
from calendar_backends.graph.messages import Answer


def answer(status: int, code: str = "", inner: Any = None, retry_after: str | None = None) -> Answer:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Answer(status, headers, {"error": {"code": code, "message": "", "innerError": inner}})


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "ErrorInvalidUser", "ErrorMailRecipientNotFound"),
        (404, "Request_ResourceNotFound", "ErrorMailRecipientNotFound"),
        (404, "ResourceNotFound", "ErrorMailRecipientNotFound"),
        (404, "MailboxNotEnabledForRESTAPI", "ErrorMailRecipientNotFound"),
        (404, "MailboxNotSupportedForRESTAPI", "ErrorMailRecipientNotFound"),
        (404, "ErrorItemNotFound", "ErrorItemNotFound"),
        (404, "itemNotFound", "ErrorItemNotFound"),
        (400, "ErrorInvalidIdMalformed", "ErrorItemNotFound"),
        (404, "", "ErrorInternalServerError"),
        (403, "ErrorAccessDenied", "ErrorAccessDenied"),
        (403, "Authorization_RequestDenied", "ErrorAccessDenied"),
        (403, "accessDenied", "ErrorAccessDenied"),
        (403, "", "ErrorAccessDenied"),
        (401, "InvalidAuthenticationToken", "ErrorAccessDenied"),
        (429, "ApplicationThrottled", "ErrorServerBusy"),
        (429, "TooManyRequests", "ErrorServerBusy"),
        (429, "", "ErrorServerBusy"),
        (503, "activityLimitReached", "ErrorServerBusy"),
        (503, "", "ErrorServerBusy"),
        (500, "ErrorExceededConnectionCount", "ErrorServerBusy"),
        (500, "ErrorInternalServerTransientError", "ErrorInternalServerTransientError"),
        (502, "UnknownError", "ErrorInternalServerTransientError"),
        (504, "UnknownError", "ErrorTimeoutExpired"),
        (503, "MailboxInfoStale", "ErrorMailboxMoveInProgress"),
        (503, "ErrorIncorrectRoutingHint", "ErrorMailboxMoveInProgress"),
        (412, "ErrorIrresolvableConflict", "ErrorIrresolvableConflict"),
        (409, "resourceModified", "ErrorIrresolvableConflict"),
        (507, "", "ErrorQuotaExceeded"),
        (400, "RequestBodyRead", "ErrorInvalidRequest"),
        (400, "BadRequest", "ErrorInvalidRequest"),
        (400, "ErrorNeverHeardOf", "ErrorNeverHeardOf"),
        (302, "", "ErrorInternalServerError"),
        (418, "teapot", "ErrorInternalServerError"),
    ],
)
def test_a_code_of_graph_becomes_the_one_that_means_the_same(status: int, code: str, expected: str) -> None:
    assert error_of(answer(status, code)).code == expected


@pytest.mark.parametrize("name", ["innerError", "innererror"])
def test_the_most_inner_code_that_means_something_counts(name: str) -> None:
    inner = {"code": "ErrorServerBusy", name: {"code": "whatever", name: None}}
    body = {"error": {"code": "ErrorInternalServerError", name: {name: inner}}}
    assert error_of(Answer(500, {}, body)).code == "ErrorServerBusy"


@pytest.mark.parametrize(
    "body", [None, [], "text", {}, {"error": "text"}, {"error": None}, {"error": {"code": 7}}]
)
def test_an_error_body_of_another_shape_leaves_the_status(body: Any) -> None:
    assert error_of(Answer(503, {}, body)).code == "ErrorServerBusy"


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("1.5", 1.5), ("", None), ("soon", None), (None, None)]
)
def test_retry_after_is_read_in_seconds(text: str | None, seconds: float | None) -> None:
    assert error_of(answer(429, retry_after=text)).retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert error_of(answer(429, retry_after=then)).retry_after == pytest.approx(60, abs=3)
    assert error_of(answer(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")).retry_after == 0


def test_the_log_has_the_code_as_graph_spelled_it() -> None:
    error = error_of(answer(404, "MailboxNotEnabledForRESTAPI", {"code": "Inner"}))
    assert error.detail == "HTTP 404 MailboxNotEnabledForRESTAPI/Inner"


@pytest.mark.parametrize(
    ("status", "code", "uncertain"),
    [(500, "", True), (503, "", True), (302, "", True), (503, "MailboxInfoStale", False), (404, "", False)],
)
def test_a_write_is_uncertain_unless_it_was_refused(status: int, code: str, uncertain: bool) -> None:
    assert error_of(answer(status, code), writes=True).uncertain is uncertain
    assert error_of(answer(status, code)).uncertain is False
