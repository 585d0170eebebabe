"""What provisioning did, in words that hold no secret."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_EMPTY: tuple[Any, ...] = (None, "", [])


@dataclass(frozen=True)
class Change:
    """One org, user or client that was created, changed, disabled or removed, and the fields concerned."""

    verb: str
    what: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n    ".join([f"{self.verb} {self.what}", *self.details])


def compare(old: Mapping[str, Any], new: Mapping[str, Any], secrets: Iterable[str] = ()) -> list[str]:
    """A line for each value of ``new`` that is not the one of ``old``; of a secret only that it changed.

    A name that is missing is the same as one without a value.
    """
    hidden = set(secrets)
    differ = [n for n, value in new.items() if old.get(n) != value and not _both_empty(old.get(n), value)]
    gone = [n for n, value in old.items() if n not in new and not _both_empty(value, None)]
    return [_line(name, old, new, name in hidden) for name in [*differ, *gone]]


def _both_empty(old: Any, new: Any) -> bool:
    return old in _EMPTY and new in _EMPTY


def _line(name: str, old: Mapping[str, Any], new: Mapping[str, Any], hidden: bool) -> str:
    if name not in new:
        return f"{name}: removed"
    if hidden:
        return f"{name}: changed" if old.get(name) else f"{name}: set"
    value = json.dumps(new[name], ensure_ascii=False)
    return (
        f"{name}: {json.dumps(old[name], ensure_ascii=False)} -> {value}"
        if name in old
        else f"{name}: {value}"
    )
