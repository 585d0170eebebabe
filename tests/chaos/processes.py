"""The programs of a run, each in a process group of its own that is killed as a whole."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.exchange import answers

#: A program that ends by itself as often as this is not started any more.
_MOST_RESTARTS = 5


@dataclass
class Program:
    """``python ARGUMENTS``; what it prints is appended to ``log``."""

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    #: How often it ended though nobody had killed it.
    ended_by_itself: int = 0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        if self.running:
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self.arguments],
                env=dict(self.environ),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL to the process and its children; does nothing to one that is not there."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def look_after(self) -> None:
        """Start it again if it ended by itself; a killed one is left to whoever killed it."""
        if self.process is None or self.running:
            return
        self.kill()  # whatever is left of its group
        self.ended_by_itself += 1
        if self.ended_by_itself < _MOST_RESTARTS:
            self.start()


@dataclass
class Crew:
    """Everything that a run started; as a context manager it ends all of it."""

    programs: dict[str, Program] = field(default_factory=dict)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *exc_info: object) -> None:
        for program in self.programs.values():
            program.kill()

    def add(self, name: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> Program:
        program = self.programs[name] = Program(name, arguments, environ, folder / f"{name}.log")
        program.start()
        return program

    def look_after(self) -> None:
        for program in self.programs.values():
            program.look_after()

    def ended_by_themselves(self) -> dict[str, int]:
        return {name: each.ended_by_itself for name, each in self.programs.items() if each.ended_by_itself}


def wait_until_ready(program: Program, url: str, seconds: float = 60) -> None:
    """Until ``url`` answers. Raises RuntimeError where the program ends or stays silent."""
    until = time.monotonic() + seconds
    while not answers(url):
        if not program.running or time.monotonic() > until:
            raise RuntimeError(f"{program.name} did not start:\n{program.log.read_text()[-2000:]}")
        time.sleep(0.1)
