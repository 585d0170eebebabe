"""A model field that is encrypted in the database."""

import json
from typing import Any

from django.db import models

from orgs.crypto import decrypt, encrypt


class EncryptedJSONField(models.Field):
    """A JSON object or list (NULL for None), encrypted with the first of settings.ENCRYPTION_KEYS.

    Reading raises DecryptionError for a key that is missing and for text that was changed or came from
    another field. It cannot be searched: every lookup but ``isnull`` raises FieldError. A string is
    taken for encrypted text, as fixtures hold it. Never part of a generated form.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def get_internal_type(self) -> str:
        return "TextField"

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(decrypt(value, self.context)) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, dict | list):
            raise TypeError(f"{self.context} holds a JSON object or list, not {type(value).__name__}.")
        return encrypt(json.dumps(value, allow_nan=False).encode(), self.context)

    def value_to_string(self, obj: models.Model) -> Any:
        return self.get_prep_value(self.value_from_object(obj))

    @property
    def context(self) -> str:
        """What ciphertext is bound to, so that it cannot be moved to another column: app.Model.field."""
        return f"{self.model._meta.label}.{self.name}"
