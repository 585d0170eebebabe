"""The table of results, printed and kept: results.md for people, results.json with the figures behind it."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import Report, Row, machine_load

_FOLDER = Path(__file__).parent
_TABLE, _FIGURES = _FOLDER / "results.md", _FOLDER / "results.json"
_PACKAGES = ("Django", "gunicorn", "exchangelib", "O365", "requests", "urllib3", "lxml")
_HEAD = (
    "| case | who | p50 ms | p95 ms | CPU ms/call | calls/s | ratio | bar | met | remark |\n"
    "|---|---|---:|---:|---:|---:|---:|---|---|---|"
)
_INTRODUCTION = """# What was measured

The service is gunicorn with one worker, called over HTTP with a token, on a SQLite database; for Create, and
for the ledger, on PostgreSQL. The floor is urllib3 with lxml or json in the same chunks, with no service
around it; for Create, prepared requests side by side, the answers hardly looked at. Stock is the vendor
library alone, as its documentation shows. All of them ask one simulated Exchange that takes 50 ms for a
request; each mailbox has 20 entries. CPU is that of the worker, or of the contender's own process. Ratios are
of one run, in which the contenders took turns. Absolute times depend on the machine and on what else it was
doing.
"""


def print_table(results: dict[str, Report]) -> None:
    print(_HEAD)  # noqa: T201
    for case, report in results.items():
        print("\n".join(_lines(case, report.rows)))  # noqa: T201


def store(case: str, report: Report, command: str, order: list[str]) -> None:
    """Put a case in the place of what was known of it; the others stay."""
    known: dict[str, Any] = json.loads(_FIGURES.read_text()) if _FIGURES.exists() else {}
    known[case] = {"command": command, **_circumstances(), **report.to_dict()}
    kept = {name: known[name] for name in order if name in known}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in kept.items())
    _FIGURES.write_text(f"{{\n{lines}\n}}\n")
    _TABLE.write_text(_page(kept))


def _circumstances() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "cores": os.cpu_count(),
        "load": machine_load(),
    }


def _page(known: dict[str, Any]) -> str:
    lines = [_INTRODUCTION, _HEAD]
    for case, entry in known.items():
        lines += _lines(case, [Row(**row) for row in entry["rows"]])
    lines += ["", "| case | made by | date (UTC) | cores, load | with |", "|---|---|---|---|---|"]
    lines += [_origin(case, entry) for case, entry in known.items()]
    return "\n".join([*lines, ""])


def _origin(case: str, entry: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in entry["packages"].items())
    load = f"{entry['cores']}, {entry['load']}"
    return (
        f"| {case} | `{entry['command']}` | {entry['date']} | {load} | Python {entry['python']}, {packages} |"
    )


def _lines(case: str, rows: list[Row]) -> list[str]:
    return [_line(case, row) for row in rows]


def _line(case: str, row: Row) -> str:
    met = {None: "", True: "yes", False: "**no**"}[row.met]
    numbers = [_number(value, 1) for value in (row.p50, row.p95, row.cpu, row.per_second)]
    cells = [case, row.who, *numbers, _number(row.ratio, 2), row.bar, met, row.remark]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
