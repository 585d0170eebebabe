"""The OpenAPI document, as Salesforce's External Services import it."""

from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient


@pytest.fixture
def schema(db: None) -> Any:
    return APIClient().get("/api/schema/?format=json").json()


def test_the_document_is_made_without_warnings(tmp_path: Any) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))


def test_it_is_openapi_3_0_and_names_each_call_once(schema: Any) -> None:
    assert schema["openapi"].startswith("3.0")
    calls = [operation["operationId"] for path in schema["paths"].values() for operation in path.values()]
    assert sorted(calls) == [
        "createAppointment",
        "deleteAppointment",
        "deleteAppointmentByPost",
        "readAvailability",
        "updateAppointment",
    ]


def test_flags_have_one_type_and_nothing_is_a_choice_of_types(schema: Any) -> None:
    """External Services take no "not" and no choice of primitive types."""
    assert schema["components"]["schemas"]["Attendee"]["properties"]["isRequired"]["type"] == "boolean"
    assert not any(word in str(schema) for word in ("'oneOf'", "'anyOf'", "'not'"))
