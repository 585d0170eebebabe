"""The published bodies, in and out. camelCase stops here."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from calendar_backends.base import Content, Interval
from calendar_backends.core.intervals import whole_seconds
from scheduler_api.fields import (
    AddressField,
    Attendee,
    AttendeeField,
    FlagField,
    UtcTimeField,
    is_plain,
    utc_text,
)

MOST_ROWS = 1000
LONGEST_WINDOW = timedelta(days=366)


class AvailabilityQuerySerializer(serializers.Serializer[Any]):
    """The window of a Read; ``validated_data["window"]`` is an Interval of whole seconds."""

    salesforceCorrelationId = serializers.CharField(
        required=False, allow_blank=True, help_text="Ties the call to the log; echoed in a response header."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        window = {
            "from": UtcTimeField(source="start", help_text="Start of the window, YYYY-MM-DDThh:mm:ssZ."),
            "to": UtcTimeField(source="end", help_text="End of the window, at most 12 months later."),
        }
        return {**window, **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = attrs["start"], attrs["end"]
        if end <= start:
            raise serializers.ValidationError({"to": "Expected a time after from."})
        if end - start > LONGEST_WINDOW:
            raise serializers.ValidationError({"to": "Expected at most 12 months (366 days) after from."})
        return {**attrs, "window": whole_seconds(Interval(start, end))}


class AskedForSerializer(serializers.Serializer[Any]):
    """One row of a Read."""

    email = serializers.CharField(max_length=254)
    serviceResourceId = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=255, trim_whitespace=False
    )
    isOrganizer = FlagField(
        required=False, allow_null=True, help_text="Accepted; the document reserves it for the future."
    )


@extend_schema_field(AskedForSerializer)
class AskedForField(serializers.Field[Any, Any, Any, Any]):
    """One row; what it looks like nearly always is seen at a glance, the rest is the serializer's.

    The serializer takes 40 us for a row, and a Read may have 1,000.
    """

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and is_plain(data.get("email"), 254):
            resource, organizer = data.get("serviceResourceId"), data.get("isOrganizer")
            if (resource is None or is_plain(resource, 255)) and (organizer is None or organizer is True):
                return data
        serializer = AskedForSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def to_representation(self, value: Any) -> Any:
        return value


class RowsField(serializers.ListField):
    """The body of a Read; an error names its row: 0.email."""

    def __init__(self) -> None:
        super().__init__(child=AskedForField(), max_length=MOST_ROWS)

    def run_child_validation(self, data: Any) -> list[Any]:
        try:
            rows: list[Any] = super().run_child_validation(data)
        except serializers.ValidationError as error:
            # drf-standardized-errors drops a place that is the number 0.
            places: dict[Any, Any] = dict(error.detail)  # type: ignore[arg-type]  # a list field raises a dict
            raise serializers.ValidationError({str(row): places[row] for row in places}) from None
        return rows


class TimeslotSerializer(serializers.Serializer[Any]):
    timeMin = UtcTimeField()
    timeMax = UtcTimeField()


class AvailabilitySerializer(serializers.Serializer[Any]):
    """One row of a Read's answer: serviceResourceId where the request had one, else email."""

    serviceResourceId = serializers.CharField(required=False)
    email = serializers.CharField(required=False)
    errorCode = serializers.CharField()
    unavailableTimeslots = TimeslotSerializer(many=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Written out: field by field, thousands of slots take longer than asking Exchange."""
        named = {"email": instance.email}
        if instance.resource_id is not None:
            named = {"serviceResourceId": instance.resource_id}
        slots = [{"timeMin": utc_text(start), "timeMax": utc_text(end)} for start, end in instance.slots]
        return {**named, "errorCode": instance.code, "unavailableTimeslots": slots}


def _text(help_text: str = "") -> serializers.CharField:
    return serializers.CharField(
        required=False,
        allow_blank=True,
        allow_null=True,
        default="",
        trim_whitespace=False,
        help_text=help_text,
    )


def _event_id() -> serializers.CharField:
    return serializers.CharField(
        max_length=255, help_text="Any non-empty string that names the Event for ever."
    )


def _sequence() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=-(2**63),
        max_value=2**63 - 1,
        help_text="Orders the calls for one Event: a number that grows, such as a platform event's replay "
        "id. A call with a lower one than was seen changes nothing (ErrorStaleObject).",
    )


def _address(**kwargs: Any) -> serializers.CharField:
    return serializers.CharField(max_length=254, **kwargs)


def _attendees(child: AttendeeField) -> serializers.ListField:
    return serializers.ListField(
        child=child, required=False, allow_null=True, default=list, max_length=MOST_ROWS
    )


class EventSerializer(serializers.Serializer[Any]):
    """An Event's content and people: what Update calls ``new``."""

    organizerEmail = _address()
    subject = _text("Subject of the Appointment.")
    body = _text("Its description, plain text.")
    location = _text("Where it takes place.")
    startTime = UtcTimeField()
    endTime = UtcTimeField()
    attendees = _attendees(AttendeeField())
    salesforceCorrelationId = serializers.CharField(required=False, allow_blank=True, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["endTime"] <= attrs["startTime"]:
            raise serializers.ValidationError({"endTime": "Expected a time after startTime."})
        return attrs


class CreateSerializer(EventSerializer):
    id = _event_id()
    sequence = _sequence()


class OriginalSerializer(serializers.Serializer[Any]):
    """What the Event was; the id and the people of it are used, the rest is ignored."""

    id = _event_id()
    organizerEmail = _address(required=False, allow_null=True)
    attendees = _attendees(AttendeeField())


class UpdateSerializer(serializers.Serializer[Any]):
    original = OriginalSerializer()
    sequence = _sequence()
    salesforceCorrelationId = serializers.CharField(required=False, allow_blank=True, allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"new": EventSerializer(), **super().get_fields()}


class DeleteSerializer(serializers.Serializer[Any]):
    id = _event_id()
    organizerEmail = _address(required=False, allow_null=True)
    attendees = _attendees(AddressField())
    sequence = _sequence()
    salesforceCorrelationId = serializers.CharField(required=False, allow_blank=True, allow_null=True)


class StatusSerializer(serializers.Serializer[Any]):
    """One row of the answer to a Create, Update or Delete."""

    email = serializers.CharField()
    errorCode = serializers.CharField(source="code")


def content_of(event: dict[str, Any], *, html: bool) -> Content:
    """The content of a validated EventSerializer; fractions of a second are widened away."""
    when = whole_seconds(Interval(event["startTime"], event["endTime"]))
    subject, body, location = (event[name] or "" for name in ("subject", "body", "location"))
    return Content(subject, body, location, when.start, when.end, html)


def addresses_of(event: dict[str, Any]) -> list[str]:
    """The organizer's address, where there is one, and the attendees' in their order."""
    attendees: list[Attendee] = event["attendees"] or []
    organizer = event.get("organizerEmail")
    return [*([organizer] if organizer else []), *(attendee.email for attendee in attendees)]


def optional_of(event: dict[str, Any]) -> frozenset[str]:
    """The lower-cased addresses of those who need not come. The organizer must, and so must whoever is named
    twice and required once."""
    attendees: list[Attendee] = event["attendees"] or []
    required = {attendee.email.lower() for attendee in attendees if attendee.is_required}
    required.add((event.get("organizerEmail") or "").lower())
    return frozenset(attendee.email.lower() for attendee in attendees) - required
