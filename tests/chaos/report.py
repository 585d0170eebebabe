"""What a run found, as Markdown: a line of the table, and the details below it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.compare import Difference
from tests.chaos.salesforce import Account

REPORT = Path(__file__).parent.parent / "benchmarks" / "chaos.md"
_INTRODUCTION = """# Down-sync: what a chaos run found

Two gunicorn processes and two repair workers on PostgreSQL, against the simulated Exchange; half of the
events go through EWS, half through Graph, each to about 5 of an Org's 12 mailboxes. Salesforce's calls are
repeated, late and raced. Faults are switched on and off, processes are killed with SIGKILL and started again,
the connections to the database are cut. Then the faults end, the repair workers run until nothing is due, and
every calendar is compared with what was declared last. `make chaos ARGS="--seed 7 --runs 10"` makes such a
page.
"""
_HEAD = (
    "| seed | events | calls | kills | faults | cuts | traffic s | converged in s | missing | extra | wrong "
    "| invitations | wrong answers | clean |\n"
    "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"
)


@dataclass
class Result:
    """One run. ``converged`` is None where something was still due in the end."""

    seed: int
    events: int
    account: Account
    troubles: Counter[str] = field(default_factory=Counter)
    traffic: float = 0.0
    converged: float | None = None
    parked: int = 0
    differences: list[Difference] = field(default_factory=list)
    invitations: int = 0
    ended_by_themselves: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        unsettled = self.converged is None or self.parked or self.ended_by_themselves
        return not (unsettled or self.differences or self.invitations or self.account.wrong)

    def count(self, kind: str) -> int:
        return sum(difference.kind == kind for difference in self.differences)

    def line(self) -> str:
        kills, cuts = self.troubles["kill"], self.troubles["cut"]
        faults = self.troubles.total() - kills - cuts
        converged = "**never**" if self.converged is None else f"{self.converged:.0f}"
        cells = [self.seed, self.events, self.account.finished, kills, faults, cuts, f"{self.traffic:.0f}"]
        compared = [self.count(kind) for kind in ("missing", "extra", "wrong")]
        rest = [self.invitations, len(self.account.wrong), "yes" if self.clean else "**no**"]
        return f"| {' | '.join(map(str, [*cells, converged, *compared, *rest]))} |"

    def details(self) -> str:
        account = self.account
        lines = [
            f"Seed {self.seed}:",
            "",
            f"- operations: {_listed(account.operations)}; {account.raced} of them raced each other, "
            f"{account.given_up} were given up without an answer",
            f"- answers to all tries: {_listed(account.answers)}",
            f"- rows: {_listed(account.codes)}",
            f"- troubles: {_listed(self.troubles)}",
        ]
        if self.parked:
            lines.append(f"- parked: {self.parked}")
        if self.ended_by_themselves:
            lines.append(f"- ended by themselves: {_listed(self.ended_by_themselves)}")
        lines += [f"- {text}" for text in [*map(str, self.differences), *account.wrong][:20]]
        return "\n".join(lines)


def page(results: Sequence[Result]) -> str:
    made = f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    table = [_HEAD, *(result.line() for result in results)]
    details = [part for result in results for part in ("", result.details())]
    return "\n".join([_INTRODUCTION, made, "", *table, *details, ""])


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())) or "none"
