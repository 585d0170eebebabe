"""gunicorn config.wsgi -c config/gunicorn.py; everything here can be overridden on the command line."""

import contextlib
import ctypes
import gc
import os
import sys
from typing import Any

from config.env import env

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = env.int("WEB_CONCURRENCY", default=os.cpu_count() or 1)
# A thread waits for Exchange most of its time.
threads = env.int("THREADS", default=64)
# Longer than the longest deadline of a write.
timeout = 120
graceful_timeout = 30
keepalive = 75

#: So many objects in use that were not after the last look for garbage are worth another.
WORTH_A_LOOK = 5_000

# Of malloc.h; where there is no glibc there is nothing to set.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8


def on_starting(server: Any) -> None:
    """Start again with a limit that glibc reads when a process starts, and never after.

    It keeps what a thread freed for that thread: with 64 threads 10 MB, that fill for thousands of calls
    (https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html).
    """
    if "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=0"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  the very command that we are


def post_worker_init(worker: Any) -> None:
    """Load the drivers that the Orgs use, so that no call has to wait for it; it takes half a second.

    What is loaded at the start stays for ever: no need to look for garbage in it at every call.
    """
    from orgs.warming import load_drivers

    load_drivers()
    gc.collect()
    gc.freeze()
    # In the midst of a call all its objects are in use: see post_request.
    gc.set_threshold(40 * WORTH_A_LOOK, 10, 5)
    _hold_less_memory()


def post_request(worker: Any, request: Any, environ: Any, response: Any) -> None:
    """Look for garbage once the answer is sent. Python by itself would do it while an answer is read, which
    is thousands of objects, and find nothing.

    At all of it: what was loaded at the start is not looked at, so there is little.
    """
    if gc.get_count()[0] > WORTH_A_LOOK:
        gc.collect()
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _hold_less_memory() -> None:
    """glibc gives every thread a heap and keeps what it once held: one heap, and large answers outside it."""
    with contextlib.suppress(AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, 64 * 1024)


# The query of a DELETE holds addresses; the service writes a request line of its own.
accesslog = None
errorlog = "-"
# Without it gunicorn makes a socket in the home folder.
control_socket_disable = True
