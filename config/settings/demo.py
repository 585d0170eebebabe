"""The demo: loopback only, plain http, throw-away data and keys that everybody knows."""

from config.env import ROOT, encryption_keys
from config.settings.base import *  # noqa: F403
from config.settings.base import database

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
SECRET_KEY = "for-the-demo-on-loopback-only-never-for-production"  # noqa: S105
ENCRYPTION_KEYS = encryption_keys("ZGVtby1rZXktb2YtMzItYnl0ZXMtbm90LXNlY3JldCE=")
DEMO_FOLDER = ROOT / ".demo"
DATABASES = {"default": database(f"sqlite:///{DEMO_FOLDER / 'demo.sqlite3'}")}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "scheduler_cache"}
}
