"""Proves that the down-sync loses nothing and doubles nothing, whatever breaks: python -m tests.chaos.

Exit status 0 only if every calendar holds exactly what was declared last.
"""

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.chaos.report import REPORT, Result, page
from tests.chaos.run import run


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    results: list[Result] = []
    for seed in range(options.seed, options.seed + options.runs):
        result = _one(seed, options)
        if result is None:
            break
        results.append(result)
        options.report.write_text(page(results))
    _say(f"\n{page(results)}")
    return 0 if len(results) == options.runs and all(result.clean for result in results) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="decides everything")
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--runs", type=int, default=1, help="so many, with the seeds that follow")
    parser.add_argument("--report", type=Path, default=REPORT, help="file for the report")
    parser.add_argument("--keep", action="store_true", help="leave the logs of a clean run, too")
    return parser.parse_args(arguments)


def _one(seed: int, options: argparse.Namespace) -> Result | None:
    """None where the run came to no end."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    result = None
    try:
        result = run(seed, options.events, folder, _say)
    except KeyboardInterrupt:
        _say("interrupted")
    except Exception:
        traceback.print_exc()
    if result and result.clean and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _say(f"seed {seed}: the logs are in {folder}")
    return result


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
