"""Everything encrypted, encrypted again with the first of ENCRYPTION_KEYS."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.functions import Cast

from orgs.crypto import uses_old_key
from orgs.fields import EncryptedJSONField


@dataclass(frozen=True)
class Rotation:
    """For one field: how many rows hold something, and how many of them used an old key."""

    field: str
    rows: int
    old: int


def rotate(*, dry_run: bool = False) -> list[Rotation]:
    """Encrypt again what an old key encrypted. Raises DecryptionError for a row that no key opens."""
    return [_rotate(field, dry_run) for field in _encrypted_fields()]


def _encrypted_fields() -> Iterator[EncryptedJSONField]:
    for model in apps.get_models():
        yield from (field for field in model._meta.local_fields if isinstance(field, EncryptedJSONField))


def _rotate(field: EncryptedJSONField, dry_run: bool) -> Rotation:
    rows = old = 0
    for pk, text in _stored(field).values_list("pk", "stored_text").iterator():
        rows += 1
        if uses_old_key(text):
            old += 1
            if not dry_run:
                _encrypt_again(field, pk, text)
    return Rotation(field.context, rows, old)


def _encrypt_again(field: EncryptedJSONField, pk: int, text: str) -> None:
    # Only if the text is still there: what was saved meanwhile is newer, and has the first key already.
    _stored(field).filter(pk=pk, stored_text=text).update(**{field.name: field.to_python(text)})


def _stored(field: EncryptedJSONField) -> models.QuerySet[Any]:
    rows: Any = field.model._base_manager.filter(**{f"{field.name}__isnull": False})
    stored: models.QuerySet[Any] = rows.annotate(stored_text=Cast(field.name, models.TextField()))
    return stored
