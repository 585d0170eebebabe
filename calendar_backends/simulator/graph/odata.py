"""The query options of event requests: $filter, $expand, $select, $top, $skip, $orderby.

https://learn.microsoft.com/graph/query-parameters and, for the filter on an extended property,
https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from calendar_backends.simulator.graph.answers import GraphError
from calendar_backends.simulator.graph.edm import TYPES
from calendar_backends.simulator.world import Item

PAGE_SIZE = 10
MAX_PAGE_SIZE = 1000
_KNOWN = {"$filter", "$expand", "$select", "$top", "$skip", "$orderby"}
_TEXT = r"'((?:[^']|'')*)'"
_ANY = re.compile(
    rf"singleValueExtendedProperties/any\(\s*(?P<ep>\w+)\s*:\s*(?P=ep)/id\s+eq\s+{_TEXT}\s+and\s+"
    rf"(?:(?P=ep)/value\s+eq\s+{_TEXT}|startswith\(\s*(?P=ep)/value\s*,\s*{_TEXT}\s*\))\s*\)",
    re.IGNORECASE,
)
_EXPAND = re.compile(
    rf"singleValueExtendedProperties\(\s*\$filter\s*=\s*(id\s+eq\s+{_TEXT}(?:\s+or\s+id\s+eq\s+{_TEXT})*)\s*\)",
    re.IGNORECASE,
)
_EACH_ID = re.compile(rf"id\s+eq\s+{_TEXT}", re.IGNORECASE)
_PROPERTY_ID = re.compile(
    r"String (\{?)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(\}?) Name (\S.*)", re.IGNORECASE
)


@dataclass(frozen=True)
class PropertyFilter:
    """Items whose extended property has a value, or one that begins with it.

    The name's case counts, the value's does not.
    """

    key: tuple[str, str]
    value: str
    prefix: bool

    def matches(self, item: Item) -> bool:
        if self.key not in item.properties:
            return False
        value, wanted = item.properties[self.key].lower(), self.value.lower()
        return value.startswith(wanted) if self.prefix else value == wanted


@dataclass(frozen=True)
class Options:
    """The query options of one request. `expand` are extended properties as (GUID in lower case, name)."""

    filter: PropertyFilter | None
    expand: tuple[tuple[str, str], ...]
    select: tuple[str, ...]
    top: int
    skip: int
    descending: bool
    raw: Mapping[str, str]

    def next_query(self) -> str:
        """The query string of the page after this one."""
        following = {**self.raw, "$skip": str(self.skip + self.top)}
        return urlencode(following, quote_via=quote, safe="$")


def options(query: str) -> Options:
    """Read a query string. Raises GraphError 400 for what Graph, or this small part of it, cannot read."""
    raw = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [name for name in raw if name.startswith("$") and name not in _KNOWN]
    if unknown:
        raise _bad(
            f"The query specified in the URI is not valid. The option '{unknown[0]}' is not supported."
        )
    return Options(
        filter=_filter(raw["$filter"]) if "$filter" in raw else None,
        expand=_expand(raw["$expand"]) if "$expand" in raw else (),
        select=_select(raw.get("$select", "")),
        top=_number(raw, "$top", PAGE_SIZE, range(1, MAX_PAGE_SIZE + 1)),
        skip=_number(raw, "$skip", 0, range(2**31)),
        descending=_descending(raw.get("$orderby", "start/dateTime")),
        raw=raw,
    )


def property_key(text: str) -> tuple[str, str] | None:
    """(GUID in lower case, name) of "String {GUID} Name NAME"; None for properties of other types.

    Raises GraphError 400 ErrorInvalidExtendedProperty if it is no property id at all.
    """
    match = _PROPERTY_ID.fullmatch(text)
    if match and bool(match[1]) == bool(match[3]):
        return match[2].lower(), match[4]
    if re.fullmatch(
        r"(Boolean|Integer|Double|String|SystemTime|Binary|CLSID)\s+(0x[0-9A-Fa-f]+|\S+ (Id|Name) .+)", text
    ):
        return None
    message = f"The extended property identifier '{text}' is not valid."
    raise GraphError(400, "ErrorInvalidExtendedProperty", message)


def _filter(text: str) -> PropertyFilter:
    match = _ANY.fullmatch(text.strip())
    key = property_key(_unquoted(match[2])) if match else None
    if match is None or key is None:
        # https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/6058
        raise GraphError(400, "ErrorInvalidProperty", "The property is not supported in a filter.")
    prefix = match[3] is None
    return PropertyFilter(key, _unquoted(match[4] if prefix else match[3]), prefix)


def _expand(text: str) -> tuple[tuple[str, str], ...]:
    match = _EXPAND.fullmatch(text.strip())
    if match is None:
        raise _bad(f"The query specified in the URI is not valid. '{text}' cannot be expanded.")
    keys = (property_key(_unquoted(found)) for found in _EACH_ID.findall(match[1]))
    return tuple(key for key in keys if key is not None)


def _select(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name.split("/")[0] not in TYPES["microsoft.graph.event"]:
            raise _bad(f"Could not find a property named '{name}' on type 'microsoft.graph.event'.")
    return names


def _number(raw: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = raw.get(name, str(default))
    if not text.isdecimal() or int(text) not in allowed:
        raise _bad(f"Invalid value '{text}' for {name} query option found.")
    return int(text)


def _descending(text: str) -> bool:
    match = re.fullmatch(r"start/dateTime(?:\s+(asc|desc))?", text.strip(), re.IGNORECASE)
    if match is None:
        raise _bad(f"The query specified in the URI is not valid. '{text}' cannot be sorted by.")
    return (match[1] or "").lower() == "desc"


def _unquoted(text: str) -> str:
    return text.replace("''", "'")


def _bad(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)
