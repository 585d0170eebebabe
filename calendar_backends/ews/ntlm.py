"""NTLM over the transport of this package."""

import struct
from typing import Any

import requests
from requests_ntlm import HttpNtlmAuth
from spnego.exceptions import SpnegoError

from calendar_backends.transport import DeadlineAdapter


class NtlmAuth(HttpNtlmAuth):
    """requests_ntlm for answers that are read at once, and whose bad challenges are plain refusals."""

    def response_hook(self, r: requests.Response, **kwargs: Any) -> requests.Response:
        try:
            answer: requests.Response = super().response_hook(r, **kwargs)
        except (PermissionError, SpnegoError, KeyError, ValueError, struct.error):
            return r  # no challenge, or none that can be answered: the 401 stands
        return answer

    def _get_server_cert(self, response: requests.Response) -> bytes | None:
        hashed: bytes | None = getattr(response, "certificate_hash", None)
        return hashed


class NtlmAdapter(DeadlineAdapter):
    """Keeps the hash of the server's certificate, to which Extended Protection binds the sign-in:

    https://learn.microsoft.com/exchange/plan-and-deploy/post-installation-tasks/security-best-practices/exchange-extended-protection
    requests_ntlm takes it from the socket under the answer, which is gone when the answer has been read.
    """

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        if response.status_code == 401:
            hashed = HttpNtlmAuth("", "")._get_server_cert(response)
            response.certificate_hash = hashed  # type: ignore[attr-defined]
        return response
