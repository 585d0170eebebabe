"""The service as customers run it. TLS ends at the reverse proxy, which sets X-Forwarded-Proto."""

from config.env import encryption_keys, required
from config.settings.base import *  # noqa: F403

SECRET_KEY = required(
    "SECRET_KEY", "50 random characters; python -c 'import secrets; print(secrets.token_urlsafe(50))'."
)
ENCRYPTION_KEYS = encryption_keys(
    required(
        "ENCRYPTION_KEYS",
        "base64 of 32 random bytes; "
        "python -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())'.",
    )
)

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
# A redirect would not help an API client: its token has been sent already, and a POST becomes a GET.
SECURE_REDIRECT_EXEMPT = [r"^(?:[-\w]+/)?(?:api|oauth)/"]
SECURE_HSTS_SECONDS = 31536000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
