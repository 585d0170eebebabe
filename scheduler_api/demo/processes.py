"""Child processes of the demo, on ports of this machine."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

START_SECONDS = 60


def free_port(wanted: int) -> int:
    """``wanted`` if nobody listens there, else any free port of 127.0.0.1."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


@contextmanager
def running(
    arguments: Sequence[str], environ: Mapping[str, str], ready_url: str, log: Path
) -> Iterator[None]:
    """``python ARGUMENTS`` until the block ends; its output goes to ``log``.

    Enters the block once ``ready_url`` answers. Raises RuntimeError where it ends or stays silent.
    """
    with log.open("wb") as output:
        # The arguments are our own and no shell is involved.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *arguments], env=dict(environ), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _await(process, ready_url, log)
            yield
        finally:
            _end(process)


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"It did not start; the end of {log}:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
