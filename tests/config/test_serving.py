"""The service as it is deployed: gunicorn, its configuration and the body wrapper, over a real socket."""

import gzip
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings
from django.db import connection

from calendar_backends.simulator import Simulator
from config.body import LARGEST_BODY
from orgs.models import Org
from tests.conftest import event, held, token_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backend() -> str:
    return "graph"


@pytest.fixture(scope="module")
def service(django_db_setup: None) -> Iterator[str]:
    """A gunicorn with one worker on the test database; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {
        **os.environ,
        "TEST_DATABASE_URL": _database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "-c", "config/gunicorn.py", "--workers", "1"]
    process = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}"], env=environ, cwd=settings.BASE_DIR)
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    parts = urlsplit(os.environ["TEST_DATABASE_URL"])
    return parts._replace(path=f"/{database['NAME']}").geturl()


def _await(url: str) -> None:
    for _ in range(600):
        try:
            requests.get(f"{url}/api/", timeout=10)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("gunicorn did not start")


@pytest.fixture
def call(service: str, org: Org) -> Any:
    headers = {"Authorization": f"Bearer {token_for(org)}", "Content-Type": "application/json"}

    def call(method: str, data: Any, **extra: str) -> requests.Response:
        url = f"{service}/api/salesforce/scheduler/postback"
        return requests.request(method, url, data=data, headers={**headers, **extra}, timeout=30)

    return call


def pieces(body: bytes) -> Iterator[bytes]:
    """Without a length, so that it is sent chunked."""
    yield body[:10]
    yield body[10:]


def test_every_way_to_send_a_body_is_read(call: Any, exchange: Simulator) -> None:
    body = json.dumps(event("attendee1@contoso.com")).encode()
    assert call("POST", body).status_code == 200
    assert call("POST", pieces(body)).status_code == 200
    assert call("POST", gzip.compress(body), **{"Content-Encoding": "gzip"}).status_code == 200
    assert call("POST", pieces(gzip.compress(body)), **{"Content-Encoding": "gzip"}).status_code == 200
    assert len(held(exchange, "attendee1@contoso.com")) == 1
    deleted = call("DELETE", pieces(b'{"id": "event-1"}'))
    assert [row["errorCode"] for row in deleted.json()] == ["NoError", "NoError"]


def test_a_body_that_is_too_large_is_413_however_it_comes(call: Any) -> None:
    large = b'{"id": "' + b"x" * LARGEST_BODY + b'"}'
    packed = gzip.compress(large)
    answers = [
        call("POST", large),
        call("POST", pieces(large)),
        call("POST", packed, **{"Content-Encoding": "gzip"}),
    ]
    assert [answer.status_code for answer in answers] == [413] * 3
    assert answers[0].json()["errors"][0]["code"] == "request_too_large"


def test_a_body_of_exactly_the_largest_size_is_read(call: Any) -> None:
    text = json.dumps(event(body=""))
    padded = text.replace('"body": ""', '"body": "' + "x" * (LARGEST_BODY - len(text)) + '"').encode()
    assert len(padded) == LARGEST_BODY
    assert call("POST", padded).status_code == 200


def test_a_broken_coding_is_refused_and_not_guessed(call: Any) -> None:
    packed = gzip.compress(json.dumps(event()).encode())
    assert call("POST", b"{}", **{"Content-Encoding": "gzip"}).status_code == 400
    assert call("POST", packed[:-9], **{"Content-Encoding": "gzip"}).status_code == 400
    assert call("POST", b"{}", **{"Content-Encoding": "br"}).status_code == 415


def test_the_schema_its_page_and_the_pages_files_come_from_this_service(service: str) -> None:
    schema = requests.get(f"{service}/api/schema/?format=json", timeout=30).json()
    assert schema["openapi"].startswith("3.0")
    page = requests.get(f"{service}/api/docs/", timeout=30).text
    files = [part.split('"')[0] for part in page.replace('src="', 'href="').split('href="')[1:]]
    assert files
    assert all(name.startswith("/") for name in files)
    assert {requests.get(service + name, timeout=30).status_code for name in files if "static" in name} == {
        200
    }


def test_memory_that_is_free_again_is_kept_for_no_thread(service: str) -> None:
    """gunicorn has started itself again with what glibc reads at the start alone."""
    environs = list(environs_of(service.removeprefix("http://")))
    assert len(environs) == 2
    assert all("GLIBC_TUNABLES=glibc.malloc.tcache_count=0" in environ for environ in environs)


def environs_of(word: str) -> Iterator[list[str]]:
    """The environments of the processes that have this word in their command."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if word in (process / "cmdline").read_text().split("\0"):
                yield (process / "environ").read_text().split("\0")
