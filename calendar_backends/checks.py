"""Start-up checks. Each wrong setting has a number of its own."""

from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from calendar_backends import registry


@register("calendar_backends")
def check_paths(**_: Any) -> list[CheckMessage]:
    """Every driver's module is there. It is not imported: most commands need none of them."""
    return [
        Error(
            f'The module of the calendar backend "{name}" was not found: {path}',
            hint="Set its dotted path in CALENDAR_BACKENDS.",
            id="calendar_backends.E001",
        )
        for name, path in registry.paths().items()
        if not _is_there(path.rpartition(".")[0])
    ]


@register("calendar_backends", deploy=True)
def check_classes(**_: Any) -> list[CheckMessage]:
    """Every driver imports, and is one."""
    messages: list[CheckMessage] = []
    for name in registry.names():
        try:
            registry.load(name)
        except (ImportError, TypeError) as error:
            text = f'The calendar backend "{name}" cannot be used: {error}'
            messages.append(Error(text, id="calendar_backends.E002"))
    return messages


@register("calendar_backends")
def check_time_zone(**_: Any) -> list[CheckMessage]:
    if settings.USE_TZ and settings.TIME_ZONE == "UTC":
        return []
    hint = 'Set TIME_ZONE = "UTC" and USE_TZ = True.'
    return [Error("The service runs in UTC.", hint=hint, id="calendar_backends.E003")]


def _is_there(module: str) -> bool:
    try:
        return bool(module) and find_spec(module) is not None
    except ImportError:
        return False
