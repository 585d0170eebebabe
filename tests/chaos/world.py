"""The two Orgs of a chaos run, one over EWS and one over Graph, and the simulated Exchange's side of them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from calendar_backends.simulator import World
from calendar_backends.simulator.world import Tenant

#: Driver -> slug of its Org.
ORGS = {"ews": "over-ews", "graph": "over-graph"}
PEOPLE = 12
START = datetime(2027, 3, 1, 8, tzinfo=UTC)
SECRET = "chaos-secret"
APP = "chaos-app"
#: Seconds within which a Create, Update or Delete answers: short, so that hanging requests outlast it.
WRITE_DEADLINE = 6
#: What the people had in their calendars before, and must still have afterwards.
PRIVATE = ("Dentist", "Choir", "School play")


def domain(slug: str) -> str:
    return f"{slug}.example"


def people(slug: str) -> list[str]:
    return [f"person{number:02}@{domain(slug)}" for number in range(1, PEOPLE + 1)]


def caller(slug: str) -> str:
    """The user that Salesforce acts as, who has no part in any Event."""
    return f"salesforce@{domain(slug)}"


def world() -> World:
    made = World()
    for slug in ORGS.values():
        _fill(made.add_tenant(slug, _tenant_id(slug), [domain(slug)]))
    return made


def tenants(exchange: str) -> str:
    """Both Orgs for the command provision; ``exchange`` is the URL of the simulated Exchange."""
    return "\n".join(_org(driver, slug, exchange) for driver, slug in ORGS.items())


def _tenant_id(slug: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, domain(slug)))


def _service_account(slug: str) -> str:
    return f"service@{domain(slug)}"


def _fill(tenant: Tenant) -> None:
    account = tenant.add_mailbox(_service_account(tenant.slug)).address
    tenant.add_service_account(account, SECRET, mailbox=account, may_impersonate=True)
    tenant.add_app(APP, SECRET)
    for address in [caller(tenant.slug), *people(tenant.slug)]:
        mailbox = tenant.add_mailbox(address)
        for day, subject in enumerate(PRIVATE):
            start = START + timedelta(days=day)
            mailbox.add_item(subject, start, start + timedelta(hours=1), is_private=True)


def _org(driver: str, slug: str, exchange: str) -> str:
    lines = ["[[org]]", f'slug = "{slug}"', f'name = "{slug}"', f'backend = "{driver}"']
    lines += [f"write_deadline = {WRITE_DEADLINE}", "[org.options]"]
    lines += [f'{name} = "{value}"' for name, value in _options(driver, slug, exchange).items()]
    lines += ["[[org.user]]", f'email = "{caller(slug)}"', 'rights = ["updateOrganization"]']
    for address in people(slug):
        lines += ["[[org.user]]", f'email = "{address}"']
    return "\n".join([*lines, ""])


def _options(driver: str, slug: str, exchange: str) -> dict[str, Any]:
    if driver == "ews":
        endpoint = f"{exchange}/EWS/Exchange.asmx"
        user = {"username": _service_account(slug), "password": SECRET}
        return {"endpoint": endpoint, "auth_type": "basic", **user}
    app = {"tenant_id": _tenant_id(slug), "client_id": APP, "client_secret": SECRET}
    return {**app, "graph_url": exchange, "authority_url": exchange}
