"""The document's times, flags and attendees."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeGuard

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)(:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:?\d\d)", re.ASCII)


class UtcTimeField(serializers.DateTimeField):
    """YYYY-MM-DDThh:mm:ssZ in and out. Fractions and offsets are read too; a time without a zone is not."""

    default_error_messages = {"invalid": "Expected a time as YYYY-MM-DDThh:mm:ssZ, got {given}."}

    def to_internal_value(self, value: Any) -> datetime:
        # In a query string a "+" that was not escaped arrives as a space.
        match = _TIME.fullmatch(value.strip().upper().replace(" ", "+")) if isinstance(value, str) else None
        try:
            if match is not None:
                return _parse(match).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # a day or an hour that does not exist
        self.fail("invalid", given=f'"{value[:40]}"' if isinstance(value, str) else type(value).__name__)

    def to_representation(self, value: datetime) -> str:
        return utc_text(value.astimezone(UTC))


@lru_cache(maxsize=8192)
def utc_text(moment: datetime) -> str:
    """A time in UTC as YYYY-MM-DDThh:mm:ssZ; fractions are cut off.

    Kept, because people meet at the full and half hour: an answer says the same few times over and over.
    """
    return moment.isoformat()[:19] + "Z"


def _parse(match: re.Match[str]) -> datetime:
    day, hour, rest, zone = match.groups()
    # ISO 8601 allows 24:00:00 for the end of a day, and only that.
    midnight = hour == "24" and not rest.strip(":.0")
    time = datetime.fromisoformat(f"{day}T{'00' if midnight else hour}{rest}{zone}")
    return time + timedelta(days=1) if midnight else time


class FlagField(serializers.BooleanField):
    """A boolean, or "true" or "false" in any case, as the published samples have it."""

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, str) and data.lower() in ("true", "false"):
            return data.lower() == "true"
        if isinstance(data, bool):
            return data
        self.fail("invalid", input=data)


def is_plain(text: Any, longest: int) -> TypeGuard[str]:
    """Printable text without spaces around it, of 1 to ``longest`` characters."""
    return isinstance(text, str) and 0 < len(text) <= longest and text.isprintable() and text == text.strip()


#: isRequired as nearly every call has it; the rest is FlagField's.
_FLAGS = {"true": True, "false": False, "True": True, "False": False}


@dataclass(frozen=True)
class Attendee:
    """An address as the caller spelled it, and whether that person must come."""

    email: str
    is_required: bool = True


class AttendeeSerializer(serializers.Serializer[Attendee]):
    email = serializers.CharField(max_length=254)
    isRequired = FlagField(required=False, default=True)


@extend_schema_field(AttendeeSerializer)
class AttendeeField(serializers.Field[Attendee, Any, Any, Any]):
    """An object as in Create and Update, or a plain address as in Delete; any call takes both."""

    def to_internal_value(self, data: Any) -> Attendee:
        if isinstance(data, dict) and is_plain(email := data.get("email"), 254):
            required = _FLAGS.get(str(data.get("isRequired", True)))
            if required is not None:
                return Attendee(email, required)
        serializer = AttendeeSerializer(data={"email": data} if isinstance(data, str) else data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        return Attendee(values["email"], values["isRequired"])

    def to_representation(self, value: Attendee) -> dict[str, Any]:
        return {"email": value.email, "isRequired": value.is_required}


@extend_schema_field(OpenApiTypes.STR)
class AddressField(AttendeeField):
    """The same, documented as the plain address that Delete has."""
