"""Driver options of an Org, and of a Person in their place: the driver's own form, and what is stored."""

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


def given(options: type[forms.Form], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that the form knows and that are not empty."""
    return {name: value for name, value in values.items() if name in options.base_fields and value != ""}


def without_secrets(options: type[forms.Form], values: Mapping[str, Any]) -> dict[str, Any]:
    """The Org's options as they stand beneath a Person's own: the Org's secrets are empty.

    So the service account's password is never sent for another user name, nor to another address.
    """
    return {**values, **dict.fromkeys(secret_names(options), "")}


def replaced(backend: str, org_options: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Org's options with a Person's own in the place of those of the same name.

    A Person may still have options of a driver that the Org had before; those that the present one does
    not know are left out. Raises as options_class does.
    """
    options = options_class(backend)
    known = given(options, own)
    return {**without_secrets(options, org_options), **known} if known else org_options
