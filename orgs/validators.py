"""What an Org and a Person may hold."""

import re
from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError

from calendar_backends.core.intervals import STATUSES

#: A right of a Person: Create, Update and Delete.
UPDATE_ORGANIZATION = "updateOrganization"
RIGHTS = (UPDATE_ORGANIZATION,)
#: First parts of this service's own URLs; an Org's slug stands in the same place.
RESERVED_SLUGS = frozenset({"accounts", "admin", "api", "health", "metrics", "oauth", "o", "static"})

_SLUG = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
_SALESFORCE_ID = re.compile(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?")


def validate_slug(value: str) -> None:
    if not _SLUG.fullmatch(value):
        raise ValidationError("Use lower-case letters and digits, with hyphens or underscores between.")
    if value in RESERVED_SLUGS:
        raise ValidationError(f'"{value}" is taken by an address of the service itself.')


def validate_salesforce_user_id(value: str) -> None:
    if not _SALESFORCE_ID.fullmatch(value):
        raise ValidationError("A Salesforce id has 15 or 18 letters and digits.")


def validate_statuses(value: Any) -> None:
    _only(value, STATUSES)


def validate_rights(value: Any) -> None:
    _only(value, RIGHTS)


def _only(value: Any, known: Collection[str]) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValidationError("Give a list of names.")
    if strange := [item for item in value if item not in known]:
        raise ValidationError(f'"{strange[0]}" is not one of {", ".join(known)}.')
    if len(set(value)) != len(value):
        raise ValidationError("A name stands there twice.")
