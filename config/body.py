"""The request body, whole and bounded, before Django sees it.

Django reads no chunked body under gunicorn (https://code.djangoproject.com/ticket/35838) and no gzip body;
Salesforce may send both (HttpRequest.setCompressed in the Apex reference).
"""

import io
import json
import zlib
from collections.abc import Callable, Iterable
from typing import Any

LARGEST_BODY = 1024 * 1024
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class BodyRefused(Exception):
    """The body cannot be read; ``status`` is the HTTP status line to answer with."""

    def __init__(self, status: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class BoundedBody:
    """WSGI middleware: any transfer and content coding in, a plain body of at most 1 MiB out."""

    def __init__(self, app: WsgiApp) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            body = _decoded(environ, _read(environ))
        except BodyRefused as refused:
            return _refuse(refused, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return self.app(environ, start_response)


def _too_large() -> BodyRefused:
    return BodyRefused(
        "413 Content Too Large", "request_too_large", f"The body is over {LARGEST_BODY} bytes (1 MiB)."
    )


def _read(environ: dict[str, Any]) -> bytes:
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit():
        raise BodyRefused("400 Bad Request", "bad_length", "Content-Length is not a number.")
    if int(length) > LARGEST_BODY:
        raise _too_large()
    wanted = LARGEST_BODY + 1 if chunked else int(length)
    body: bytes = environ["wsgi.input"].read(wanted)
    if len(body) > LARGEST_BODY:
        raise _too_large()
    return body


def _decoded(environ: dict[str, Any], body: bytes) -> bytes:
    coding = environ.pop("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if coding in ("", "identity") or not body:
        return body
    if coding not in ("gzip", "x-gzip"):
        raise BodyRefused(
            "415 Unsupported Media Type",
            "unsupported_encoding",
            "Content-Encoding is neither gzip nor absent.",
        )
    return _gunzip(body)


def _gunzip(body: bytes) -> bytes:
    unzip = zlib.decompressobj(wbits=31)
    try:
        plain = unzip.decompress(body, LARGEST_BODY + 1)
    except zlib.error:
        raise BodyRefused("400 Bad Request", "bad_gzip", "The body is not gzip.") from None
    if len(plain) > LARGEST_BODY:
        raise _too_large()
    if not unzip.eof:
        raise BodyRefused("400 Bad Request", "bad_gzip", "The gzip body is cut short.")
    return plain


def _refuse(refused: BodyRefused, start_response: Callable[..., Any]) -> Iterable[bytes]:
    error = {"code": refused.code, "detail": refused.detail, "attr": None}
    answer = json.dumps({"type": "client_error", "errors": [error]}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(answer))),
        ("Connection", "close"),
    ]
    start_response(refused.status, headers)
    return [answer]
