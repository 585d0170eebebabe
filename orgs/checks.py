"""Start-up checks. Each wrong setting has a number of its own."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from calendar_backends import registry


@register(Tags.database)
def check_backends_of_orgs(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """An Org whose driver is not installed. Runs with ``migrate`` and ``check --database default``."""
    return [message for alias in databases or [] for message in _check(alias)]


def _check(alias: str) -> list[CheckMessage]:
    from orgs.models import Org

    if Org._meta.db_table not in connections[alias].introspection.table_names():
        return []
    lost = Org.objects.using(alias).exclude(backend__in=registry.names())
    return [
        Error(
            f'The org "{slug}" uses the calendar backend "{backend}", which is not installed.',
            hint="Name it in CALENDAR_BACKENDS, or give the org another one.",
            id="orgs.E001",
        )
        for slug, backend in lost.values_list("slug", "backend")
    ]
