"""What becomes of a text in a calendar, and whether two texts say the same.

Exchange gives a text back changed: lines end otherwise, and one that passed through HTML has the target of
every link behind it in angle brackets. So texts are compared by what a person reads in them.
"""

import re
from html.parser import HTMLParser

#: A longer subject is refused; Exchange counts UTF-16 code units.
SUBJECT_LENGTH = 255
#: All that XML 1.0 allows; lone surrogates, which JSON can carry, are not among it.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINK_TARGET = re.compile(r"<(?:https?|mailto|tel|file):[^<>]*>", re.IGNORECASE)
_NEVER_SHOWN = frozenset({"head", "script", "style", "title"})


def clean(text: str) -> str:
    """The text with U+FFFD for every character that Exchange does not store: those that XML 1.0 forbids."""
    return _FORBIDDEN.sub("\ufffd", text)


def subject_of(text: str) -> str:
    """The text as it can be a subject: clean, and not too long."""
    units = clean(text).encode("utf-16-le")
    return units[: 2 * SUBJECT_LENGTH].decode("utf-16-le", "ignore")


def same_text(one: str, other: str) -> bool:
    """Whether both have the same words; white space and link targets do not count."""
    return _words(one) == _words(other)


def same_as_html(text: str, html: str) -> bool:
    """Whether ``text`` is what ``html`` shows: the same letters and digits in the same order.

    Not more, because bullets, rules and the lines of a table can be put into text in many ways.
    """
    return _letters(text) == _letters(_shown(html))


def _words(text: str) -> list[str]:
    # Any replacement counts as any other: a calendar system may have its own.
    return _LINK_TARGET.sub("", clean(text).replace("\ufffd", "?")).split()


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, _LINK_TARGET.sub("", clean(text))))


def _shown(html: str) -> str:
    reader = _Shown()
    reader.feed(html)
    reader.close()
    return "".join(reader.pieces)


class _Shown(HTMLParser):
    """Collects the text that a page shows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _NEVER_SHOWN

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _NEVER_SHOWN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)
