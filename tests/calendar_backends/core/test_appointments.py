"""What an update has to write, and when an item says what it should."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calendar_backends.core.appointments import (
    FIELDS,
    Change,
    Content,
    Held,
    Verb,
    differing,
    disagrees,
)

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTENT = Content("Advice", "About <mortgages> & more", "Room 1", NOON, NOON + HOUR)
HELD = Held(
    "id", "org/1", CONTENT.subject, CONTENT.body, CONTENT.location, NOON, NOON + HOUR, "busy", modified=NOON
)


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({}, set()),
        ({"subject": "Other"}, {"subject"}),
        ({"html": True}, {"body"}),
        ({"body": "x", "location": "y"}, {"body", "location"}),
        ({"end": NOON + 2 * HOUR}, {"times"}),
        ({"show_as": "free"}, {"show_as"}),
        ({"reminder": None}, set()),
    ],
)
def test_an_update_names_what_differs(values: dict[str, Any], fields: set[str]) -> None:
    assert differing(CONTENT, replace(CONTENT, **values)) == fields


@pytest.mark.parametrize("fields", [frozenset(), frozenset({"reminder"}), FIELDS | {"start"}])
def test_an_update_of_nothing_or_of_something_unknown_is_a_programming_error(
    fields: frozenset[str],
) -> None:
    with pytest.raises(ValueError, match="FIELDS"):
        Change(Verb.UPDATE, "anna@x.example", "org/1", fields=fields)


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"subject": "Advice!"}, {"subject"}),
        ({"body": "About mortgages"}, {"body"}),
        ({"location": ""}, {"location"}),
        ({"start": NOON - HOUR}, {"times"}),
        ({"end": NOON + HOUR + timedelta(minutes=1)}, {"times"}),
        ({"show_as": "tentative"}, {"show_as"}),
    ],
)
def test_an_item_that_was_edited_disagrees(values: dict[str, Any], fields: set[str]) -> None:
    assert disagrees(replace(HELD, **values), CONTENT) == fields


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ("one\ntwo\n", "one\r\ntwo\r\n\r\n"),
        ("two  blanks ", "two\u00a0 blanks"),
        ("a\x00b", "a\ufffdb"),
        ("a\x00b", "a?b"),
        ("see https://a.example/x", "see https://a.example/x<https://a.example/x>"),
    ],
)
def test_what_exchange_makes_of_a_text_does_not_disagree(wanted: str, held: str) -> None:
    content = replace(CONTENT, subject=wanted, body=wanted, location=wanted)
    assert not disagrees(replace(HELD, subject=held, body=held, location=held), content)


@pytest.mark.parametrize("unit", ["x", "😀"])
def test_a_subject_that_was_cut_does_not_disagree(unit: str) -> None:
    kept = 255 if unit == "x" else 127
    assert not disagrees(replace(HELD, subject=unit * kept), replace(CONTENT, subject=unit * 300))
    assert disagrees(replace(HELD, subject=unit * (kept - 1)), replace(CONTENT, subject=unit * 300))


def test_fractions_of_a_minute_do_not_disagree() -> None:
    assert not disagrees(HELD, replace(CONTENT, start=NOON + timedelta(seconds=59)))


PAGE = (
    "<html><head><style>p { color: red }</style></head><body><p>Bring&nbsp;your <b>pass</b>port</p>"
    '<ul><li>&pound;&#49;0</li></ul><a href="https://a.example">Map</a><hr></body></html>'
)


def test_an_html_body_is_compared_by_what_it_shows() -> None:
    shown = "Bring your passport\r\n\r\n  *   \u00a310\r\n\r\nMap<https://a.example>\r\n________\r\n"
    wanted = replace(CONTENT, body=PAGE, html=True)
    assert not disagrees(replace(HELD, body=shown), wanted)
    assert disagrees(replace(HELD, body=shown.replace("10", "20")), wanted) == {"body"}
