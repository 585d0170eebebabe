"""What a calendar holds under a stamp of ours: which events, and what they say.

https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get: a filter on a text property takes
eq and startswith, without regard to case, and the answer has the property only where it is expanded.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from calendar_backends.base import (
    STAMP_GUID,
    STAMP_NAME,
    STATUSES,
    Deadline,
    Held,
    clean,
    stamp_matches,
)
from calendar_backends.graph.availability import UTC_NAMES
from calendar_backends.graph.client import GraphClient
from calendar_backends.graph.codes import error_of, unusable
from calendar_backends.graph.messages import Answer, Request, user_path

#: https://learn.microsoft.com/graph/api/resources/singlevaluelegacyextendedproperty
STAMP_ID = f"String {{{STAMP_GUID}}} Name {STAMP_NAME}"
PAGE_SIZE = 50
_IDS = "id,createdDateTime"
_DETAILS = f"{_IDS},lastModifiedDateTime,subject,body,location,start,end,showAs"
_AS_TEXT = 'outlook.body-content-type="text", outlook.timezone="UTC"'


def search(mailbox: str, stamp: str) -> Request:
    """Which events carry the stamp. Raises CalendarError ErrorInvalidSmtpAddress."""
    return _search(mailbox, f"ep/value eq {_quoted(clean(stamp))}", _IDS)


def held(client: GraphClient, mailbox: str, stamp: str, deadline: Deadline, *, whole: bool) -> list[Held]:
    """As CalendarBackend.held."""
    value = _quoted(clean(stamp))
    condition = f"ep/value eq {value}" if whole else f"startswith(ep/value,{value})"
    answer = all_pages(client, _search(mailbox, condition, _DETAILS, prefer=_AS_TEXT), deadline)
    if answer.status >= 300:
        raise error_of(answer)
    try:
        return [_held(event) for event in _matching(answer, stamp, whole=whole)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unusable(answer) from error


def all_pages(client: GraphClient, request: Request, deadline: Deadline) -> Answer:
    """The answer; where it is a page of events, with the events of all pages after it."""
    answer = client.call(request, deadline)
    while following := _next_page(client, request, answer):
        answer = _joined(answer, client.call(following, deadline))
    return answer


def refs(answer: Answer, stamp: str) -> list[str]:
    """The ids of the events that carry exactly this stamp, the oldest first, each once.

    Raises ValueError, KeyError and the like where the answer is no list of events.
    """
    return [id_of(event) for event in _matching(answer, stamp, whole=True)]


def id_of(event: Mapping[str, Any]) -> str:
    if not isinstance(event["id"], str) or not event["id"]:
        raise ValueError("no id")
    return event["id"]


def _search(mailbox: str, condition: str, select: str, *, prefer: str = "") -> Request:
    name = _quoted(STAMP_ID)
    options = {
        "$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq {name} and {condition})",
        "$expand": f"singleValueExtendedProperties($filter=id eq {name})",
        "$select": select,
        "$top": str(PAGE_SIZE),
    }
    query = "&".join(f"{option}={quote(text, safe='')}" for option, text in options.items())
    path = f"{user_path(mailbox, 'calendar', 'events')}?{query}"
    return Request("GET events", "GET", path, prefer=prefer)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _next_page(client: GraphClient, request: Request, answer: Answer) -> Request | None:
    """The request for what did not fit into a page of events; None after the last."""
    link = answer.content.get("@odata.nextLink")
    if not link:
        return None
    if not str(link).startswith(client.root):
        raise unusable(answer)
    return Request("GET events", "GET", str(link).removeprefix(client.root), prefer=request.prefer)


def _joined(answer: Answer, page: Answer) -> Answer:
    """The page with the events of those before it."""
    before, events = answer.content.get("value"), page.content.get("value")
    if not isinstance(before, list) or not isinstance(events, list):
        raise error_of(page) if page.status >= 300 else unusable(page)
    return Answer(page.status, page.headers, {**page.content, "value": before + events})


def _matching(answer: Answer, stamp: str, *, whole: bool) -> list[Mapping[str, Any]]:
    """The events that are wanted by what their stamps really say, the oldest first, each once."""
    events = answer.content["value"]
    ours = [event for event in events if stamp_matches(_stamp(event), clean(stamp), whole=whole)]
    ours.sort(key=lambda event: datetime.fromisoformat(event["createdDateTime"]))
    return list({id_of(event): event for event in ours}.values())


def _stamp(event: Mapping[str, Any]) -> str:
    properties = event.get("singleValueExtendedProperties") or []
    # The GUID in the id may come back in another case.
    values = (str(each["value"]) for each in properties if each["id"].lower() == STAMP_ID.lower())
    return next(values, "")


def _held(event: Mapping[str, Any]) -> Held:
    """Raises KeyError and the like where the event is not as it was asked for."""
    return Held(
        ref=id_of(event),
        stamp=_stamp(event),
        subject=event["subject"] or "",
        body=(event["body"] or {}).get("content") or "",
        location=(event["location"] or {}).get("displayName") or "",
        start=_moment(event["start"]),
        end=_moment(event["end"]),
        show_as=event["showAs"] if event["showAs"] in STATUSES else "unknown",
        modified=datetime.fromisoformat(event["lastModifiedDateTime"]).astimezone(UTC),
    )


def _moment(value: Mapping[str, Any]) -> datetime:
    """A dateTimeTimeZone. UTC was asked for, so another zone is a misunderstanding and not converted."""
    if value["timeZone"].lower() not in UTC_NAMES:
        raise ValueError(f"the time zone is {value['timeZone'][:80]!r} and not UTC")
    moment = datetime.fromisoformat(value["dateTime"])
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
