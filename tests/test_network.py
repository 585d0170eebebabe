"""No test reaches beyond this machine; the guard in conftest.py stands before every connection."""

import socket

import pytest


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "graph.example"]
)  # reserved for documentation, RFC 5737 and 2606
def test_an_address_elsewhere_is_refused_before_anything_is_sent(host: str) -> None:
    with pytest.raises(PermissionError, match="tried to reach"):
        socket.create_connection((host, 9), timeout=0.1)


def test_the_guard_is_there_for_code_without_names(tmp_path: object) -> None:
    with socket.socket() as client, pytest.raises(PermissionError, match="tried to reach"):
        client.connect(("192.0.2.1", 9))
