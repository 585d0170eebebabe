"""An Org's driver options: the driver's own form, filled from what is stored."""

from collections.abc import Mapping
from typing import Any

from django import forms

from calendar_backends import registry
from calendar_backends.base import SecretField


def options_class(backend: str) -> type[forms.Form]:
    """The driver's form. Raises registry.UnknownBackend or ImportError for a driver that is not there."""
    return registry.load(backend).Options


def secret_names(options: type[forms.Form]) -> set[str]:
    return {name for name, field in options.base_fields.items() if isinstance(field, SecretField)}


def completed(options: type[forms.Form], *sources: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the form: its own initial values, then each source over those before it."""
    initial = {name: field.initial for name, field in options.base_fields.items()}
    values = {name: value for name, value in initial.items() if value is not None}
    for source in sources:
        values |= {name: value for name, value in source.items() if name in options.base_fields}
    return values
