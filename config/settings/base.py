"""What all installations share. production, demo and test only override."""

import os
from typing import Any

from config.env import ROOT, env, seconds

BASE_DIR = ROOT
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "oauth2_provider",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "calendar_backends",
    "orgs",
    "scheduler_api",
]

MIDDLEWARE = [
    "scheduler_api.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

SQLITE_OPTIONS = {
    # Several processes write: a transaction takes the write lock at its start and others wait for it.
    "transaction_mode": "IMMEDIATE",
    "timeout": 10,
    # Every thread has a connection, and the operating system keeps the pages as well: 256 KiB are enough.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-256;",
}


def database(url: str) -> dict[str, Any]:
    """A DATABASES entry for a URL of django-environ."""
    config: dict[str, Any] = env.db_url_config(url)
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = {**SQLITE_OPTIONS, **config.get("OPTIONS", {})}
    else:
        config["CONN_HEALTH_CHECKS"] = True
    config.setdefault("CONN_MAX_AGE", 60)
    return config


DATABASES = {"default": database(env.str("DATABASE_URL", default=f"sqlite:///{ROOT / 'db.sqlite3'}"))}
# All worker processes must share the cache; a database table needs nothing else.
CACHES = {"default": env.cache_url("CACHE_URL", default="dbcache://scheduler_cache")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
# Served from the packages themselves: nothing to collect, and no CDN.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# Driver name -> dotted path. CALENDAR_BACKENDS="acme=acme_calendar.AcmeBackend" adds one.
CALENDAR_BACKENDS: dict[str, str] = {
    "ews": "calendar_backends.ews.EwsBackend",
    "graph": "calendar_backends.graph.GraphBackend",
    **env.dict("CALENDAR_BACKENDS", default={}),
}

# Worker processes over all hosts: they divide among them what one Exchange may be asked at once.
PROCESSES = env.int("PROCESSES", default=os.cpu_count() or 1)
# Threads of a worker, and how many of them may wait for one Org's Exchange at a time.
THREADS = env.int("THREADS", default=64)
ORG_SHARE = env.float("ORG_SHARE", default=0.5)

# Seconds after a Delete in which a Create or Update without a sequence counts as overtaken by it.
TOMBSTONE_WINDOW = seconds("TOMBSTONE_WINDOW", default=120)
# Seconds in which Exchange may still carry out a request whose outcome is unknown. Then a mailbox is looked
# at once more.
SETTLING_TIME = seconds("SETTLING_TIME", default=90)

OAUTH2_PROVIDER_APPLICATION_MODEL = "orgs.Client"
OAUTH2_PROVIDER = {
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "SCOPES": {"scheduler": "Read availability, and create, update and delete Appointments"},
    # Only the SHA-256 of a token is stored.
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    # Only client credentials are served. Strict everywhere else too, as RFC 9700 wants and 4.0 will be.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["orgs.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["scheduler_api.parsers.SalesforceJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "UNAUTHENTICATED_USER": None,
    # Reverse proxies in front, so that failed sign-ins are counted by the address of the caller.
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Lightning Scheduler Adapter",
    "DESCRIPTION": "Salesforce Scheduler's Read, Create, Update and Delete, answered from Outlook calendars.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.0.3",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["scheduler_api.openapi.documented"],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "scheduler_api.logs.RequestFilter"}},
    "formatters": {
        "line": {
            "()": "scheduler_api.logs.LineFormatter",
            "format": "{asctime} {levelname} {name} org={org} correlation={correlation} {message}",
            "style": "{",
        }
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request"]},
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # They write request bodies, headers with tokens and whole answers.
        "exchangelib": {"level": "CRITICAL"},
        "O365": {"level": "CRITICAL"},
        "msal": {"level": "CRITICAL"},
        "urllib3": {"level": "CRITICAL"},
        "oauthlib": {"level": "WARNING"},
        # Our own request line says it with the org and the correlation id.
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "WARNING"},
    },
}
