"""What the OpenAPI document says beyond what the serializers say themselves."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from scheduler_api.serializers import (
    AskedForSerializer,
    AvailabilityQuerySerializer,
    AvailabilitySerializer,
    CreateSerializer,
    DeleteSerializer,
    StatusSerializer,
    UpdateSerializer,
)


class ErrorSerializer(serializers.Serializer[Any]):
    """One mistake: ``attr`` names the field, attendees.0.email for example."""

    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class ErrorsSerializer(serializers.Serializer[Any]):
    """The shape of every answer that is no success: drf-standardized-errors'."""

    type = serializers.CharField(help_text="validation_error, client_error or server_error.")
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]  # DRF has an attribute of that name


def _answers(rows: Any) -> dict[int, Any]:
    return {200: rows, 400: ErrorsSerializer, 401: ErrorsSerializer, 403: ErrorsSerializer}


def documented(endpoints: list[Any]) -> list[Any]:
    """Each call once: below an Org's slug it is the same."""
    return [endpoint for endpoint in endpoints if "{org_slug}" not in endpoint[0]]


_STATUSES = _answers(StatusSerializer(many=True))

read = extend_schema(
    operation_id="readAvailability",
    summary="Read: when are these people busy?",
    description="One row per requested row, in order. A row with an errorCode is unknown, never free.",
    parameters=[AvailabilityQuerySerializer],
    request=AskedForSerializer(many=True),
    responses=_answers(AvailabilitySerializer(many=True)),
)
create = extend_schema(
    operation_id="createAppointment",
    summary="Create: put one Appointment into each person's own calendar",
    description="A row per mailbox, organizer first. Repeating the call changes the Appointments that exist.",
    request=CreateSerializer,
    responses=_STATUSES,
)
update = extend_schema(
    operation_id="updateAppointment",
    summary="Update: change the Appointments",
    description="Who is only in new gets one, who is only in original loses it, the others' are changed.",
    request=UpdateSerializer,
    responses=_STATUSES,
)
delete = extend_schema(
    operation_id="deleteAppointment",
    summary="Delete: take the Appointments away",
    description="The fields may also be sent as a JSON body, as the published document has it.",
    parameters=[
        OpenApiParameter("id", OpenApiTypes.STR, required=True, description="The Event's id."),
        OpenApiParameter("organizerEmail", OpenApiTypes.STR),
        OpenApiParameter("attendees", OpenApiTypes.STR, many=True),
        OpenApiParameter("salesforceCorrelationId", OpenApiTypes.STR),
    ],
    request=None,
    responses=_STATUSES,
)
delete_by_post = extend_schema(
    operation_id="deleteAppointmentByPost",
    summary="Delete, for callers whose DELETE loses its body",
    request=DeleteSerializer,
    responses=_STATUSES,
)
