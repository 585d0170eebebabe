"""Tables for people, in plain text."""

from collections.abc import Iterator, Sequence


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table with aligned columns and a rule below the heads."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *lines, strict=True)]
    yield _aligned(heads, widths)
    yield _aligned(["-" * width for width in widths], widths)
    for line in lines:
        yield _aligned(line, widths)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
