"""Makes the service's database: python -m tests.benchmarks.prepare TENANTS.toml prints {slug: access token}.

A process of its own, since Django's settings come from the environment.
"""

import json
import sys
import tomllib
from io import StringIO
from pathlib import Path

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    tenants = Path(sys.argv[1])
    call_command("migrate", verbosity=0)
    call_command("provision", str(tenants), stdout=StringIO())
    orgs = tomllib.loads(tenants.read_text())["org"]
    print(json.dumps({org["slug"]: _token(org["slug"], org["user"][0]["email"]) for org in orgs}))  # noqa: T201


def _token(slug: str, email: str) -> str:
    out = StringIO()
    call_command("issue_token", slug, email, stdout=out)
    return out.getvalue().strip()


if __name__ == "__main__":
    main()
