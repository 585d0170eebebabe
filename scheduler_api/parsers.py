"""JSON as Salesforce sends it, and as people paste it from the published page."""

import json
import logging
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

logger = logging.getLogger(__name__)

#: The contract's own bodies are 4 levels deep.
DEEPEST = 32

# A whole string (an unclosed one reaches to the end, so that no text is scanned twice), a comma before a
# closing bracket, or a closing bracket with the next member right behind it.
_SLIP = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|,(?=\s*+[}\]])|[}\]](?=\s*+["\[{])',
    re.DOTALL,
)


class SalesforceJSONParser(BaseParser):
    """Strict JSON first; then, unless the Org switched it off, the slips of the published samples repaired.

    Raises ParseError (400) with the line and column of the first mistake.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        text = _decode(stream.read())
        try:
            data = _loads(text)
        except json.JSONDecodeError as error:
            data = self._repaired(text, error, (parser_context or {}).get("request"))
        return _not_too_deep(data)

    def _repaired(self, text: str, error: json.JSONDecodeError, request: Any) -> Any:
        org = getattr(getattr(request, "user", None), "org", None)
        if org is None or not org.repair_json:
            raise _refusal(error) from None
        try:
            data = _loads(repair(text))
        except json.JSONDecodeError:
            raise _refusal(error) from None
        logger.warning("repaired a body that is not JSON: %s", _place(error))
        return data


def repair(text: str) -> str:
    """``text`` without trailing commas and with the comma that is missing between two members."""
    return _SLIP.sub(_mend, text)


def _mend(match: re.Match[str]) -> str:
    found = match.group()
    if found[0] == '"':
        return found
    return "" if found == "," else found + ","


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 (byte {error.start}).") from None


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits
        raise ParseError("The body holds a number that is too long.") from None


def _refuse_constant(name: str) -> None:
    raise ParseError(f"The body is not JSON: {name} is no JSON value.")


def _refusal(error: json.JSONDecodeError) -> ParseError:
    return ParseError(f"The body is not JSON: {_place(error)}.")


def _place(error: json.JSONDecodeError) -> str:
    return f"{error.msg} at line {error.lineno}, column {error.colno}"


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested deeper than {DEEPEST} levels.")


def _not_too_deep(data: Any) -> Any:
    level = [data]
    for _ in range(DEEPEST):
        level = [child for node in level for child in _children(node)]
        if not level:
            return data
    raise _too_deep()


def _children(node: Any) -> list[Any]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in children if isinstance(child, dict | list)]
