"""Salesforce's four calls. A view validates, calls, serializes and returns."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from calendar_backends.base import Deadline
from calendar_backends.core.correlation import correlation_id
from orgs.models import Org, Person
from orgs.permissions import MayUpdate, OfThisOrg
from scheduler_api import downsync, openapi
from scheduler_api.availability import AskedFor, read
from scheduler_api.ledger import Declaration
from scheduler_api.logs import org_slug, printable
from scheduler_api.serializers import (
    AvailabilityQuerySerializer,
    AvailabilitySerializer,
    CreateSerializer,
    DeleteSerializer,
    RowsField,
    StatusSerializer,
    UpdateSerializer,
    addresses_of,
    content_of,
    optional_of,
)


class SchedulerView(APIView):
    """What the calls share: who is asking, for which Org, and how long they wait."""

    permission_classes = [IsAuthenticated, OfThisOrg]

    @property
    def person(self) -> Person:
        return self.request.user  # type: ignore[return-value]  # see TokenAuthentication

    @property
    def org(self) -> Org:
        return self.person.org

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        org_slug.set(self.org.slug)
        _correlate(request.data)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(answer, Response):
            answer.add_post_render_callback(_let_go)
        return answer

    def deadline(self, seconds: float) -> Deadline:
        """``seconds`` from the moment the request arrived."""
        return Deadline(self.request._request.arrived + float(seconds))  # type: ignore[attr-defined]


def _let_go(answer: Any) -> None:
    """View, request and answer refer to each other: without that, they are gone with the call."""
    view = answer.renderer_context.pop("view")
    answer.renderer_context = {}
    view.request.parser_context = {}
    del view.response


def _correlate(body: Any) -> None:
    """salesforceCorrelationId of a body: at its top level, or inside ``new`` as the text has it."""
    for place in (body, body.get("new")) if isinstance(body, dict) else ():
        if isinstance(place, dict) and (given := printable(place.get("salesforceCorrelationId") or "")):
            correlation_id.set(given)
            return


def _valid(serializer: BaseSerializer[Any]) -> Any:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


class AvailabilityView(SchedulerView):
    @openapi.read
    def post(self, request: Request, **_: Any) -> Response:
        window = _valid(AvailabilityQuerySerializer(data=request.query_params))["window"]
        asked = RowsField().run_validation(request.data)
        rows = [AskedFor(row["email"], row.get("serviceResourceId")) for row in asked]
        answers = read(
            person=self.person, rows=rows, window=window, deadline=self.deadline(self.org.read_deadline)
        )
        # With many=True rows and serializer would refer to each other, which only the collector undoes.
        return Response(list(map(AvailabilitySerializer().to_representation, answers)))


class PostbackView(SchedulerView):
    permission_classes = [*SchedulerView.permission_classes, MayUpdate]

    @openapi.create
    def post(self, request: Request, **_: Any) -> Response:
        event = _valid(CreateSerializer(data=request.data))
        return self._save(event["id"], event, [], event.get("sequence"))

    @openapi.update
    def put(self, request: Request, **_: Any) -> Response:
        event = _valid(UpdateSerializer(data=request.data))
        before = addresses_of(event["original"])
        return self._save(event["original"]["id"], event["new"], before, event.get("sequence"))

    @openapi.delete
    def delete(self, request: Request, **_: Any) -> Response:
        event = _valid(DeleteSerializer(data=request.data or _of_query(request)))
        statuses = downsync.cancel(
            org=self.org,
            event_id=event["id"],
            declaration=Declaration(
                content=None, unwanted=addresses_of(event), sequence=event.get("sequence")
            ),
            deadline=self.deadline(self.org.write_deadline),
        )
        return Response(StatusSerializer(statuses, many=True).data)

    def _save(self, event_id: str, event: dict[str, Any], before: list[str], number: int | None) -> Response:
        statuses = downsync.save(
            org=self.org,
            event_id=event_id,
            declaration=Declaration(
                content=content_of(event, html=self.org.html_body),
                wanted=addresses_of(event),
                unwanted=before,
                optional=optional_of(event),
                sequence=number,
            ),
            deadline=self.deadline(self.org.write_deadline),
        )
        return Response(StatusSerializer(statuses, many=True).data)


class DeletePostbackView(PostbackView):
    """Delete for callers whose DELETE loses its body on the way."""

    http_method_names = ["post", "options"]

    @openapi.delete_by_post
    def post(self, request: Request, **_: Any) -> Response:
        return self.delete(request)


class NoSuchView(APIView):
    """Anything else below /api/: 404 in the shape of every other error."""

    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("There is no such endpoint.")


def _of_query(request: Request) -> dict[str, Any]:
    """The fields of a Delete from the query: attendees repeated, or separated by commas."""
    fields: dict[str, Any] = {name: request.query_params[name] for name in request.query_params}
    if "attendees" in fields:
        given = ",".join(request.query_params.getlist("attendees"))
        fields["attendees"] = [address.strip() for address in given.split(",") if address.strip()]
    return fields
