"""A body as Exchange gives it to somebody who wants text, or HTML, whatever it was written as.

The shapes are those that people see: paragraphs by lines, a bullet per list entry, the target of a link in
angle brackets behind it, a line of underscores for a rule.
"""

from __future__ import annotations

import html
from html.parser import HTMLParser

from calendar_backends.simulator.world import Item

_PAGE = (
    '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
    "</head><body>{}</body></html>"
)
_HIDDEN = frozenset({"head", "script", "style"})
_BEFORE = {"li": "\r\n  *   ", "hr": "\r\n________________________________\r\n", "td": "\t"}
_AFTER = {"p": "\r\n\r\n", "div": "\r\n", "tr": "\r\n", "br": "\r\n", "ul": "\r\n", "ol": "\r\n"}


def as_text(item: Item) -> str:
    """The body as text."""
    if item.body_type == "text":
        return item.body
    writer = _Writer()
    writer.feed(item.body)
    writer.close()
    return writer.text


def as_html(item: Item) -> str:
    """The body as a page."""
    if item.body_type == "html":
        return item.body
    return _PAGE.format(html.escape(item.body, quote=False))


class _Writer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._hidden: list[str] = []
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        self.text += _BEFORE.get(tag, "") + (_AFTER["br"] if tag == "br" else "")
        if tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            self._hidden.remove(tag)
        if tag == "a" and self._links:
            target = self._links.pop()
            self.text += f"<{target}>" if target else ""
        self.text += _AFTER.get(tag, "")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data
