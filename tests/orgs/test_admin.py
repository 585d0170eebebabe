import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client as Http
from django.urls import reverse
from oauth2_provider.models import get_access_token_model

from orgs.models import Client, Org, Person
from orgs.tokens import issue_token
from tests.calendar_backends.graph.test_tokens import certificate
from tests.orgs.conftest import OPTIONS, SECRET

pytestmark = pytest.mark.usefixtures("everything")
AccessToken = get_access_token_model()


@pytest.fixture
def everything(org: Org, oauth_client: Client) -> str:
    """One row of each of our models; the token that was issued."""
    return issue_token(oauth_client.acts_as, lifetime=timedelta(hours=1))


def page_of(row: Any, page: str = "change") -> str:
    arguments = [row.pk] if page == "change" else []
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=arguments)


def fields(org: Org, **changes: Any) -> dict[str, Any]:
    """The Org's page as a browser sends it, with changes."""
    names = ("name", "backend", "on_unknown", "blocking_statuses", "read_deadline", "write_deadline")
    chosen = ("optional_show_as", "reminder_minutes")
    form = {name: getattr(org, name) for name in names + chosen} | {"active": "on", "repair_json": "on"}
    options = {f"options-{name}": value for name, value in org.options.items() if name != "password"}
    return {**form, "options-backend": org.backend, **options, **changes}


def every_page(admin_client: Http) -> dict[str, str]:
    """The HTML of the list, the add page and each row's page of everything in the admin, by address."""
    pages = {}
    for model in admin.site._registry:
        addresses = [page_of(model, "changelist"), *map(page_of, model._default_manager.all())]
        if admin.site._registry[model].has_add_permission(_request(admin_client)):
            addresses.append(page_of(model, "add"))
        for address in addresses:
            response = admin_client.get(address)
            assert response.status_code == 200, address
            pages[address] = response.content.decode()
    return pages


def _request(admin_client: Http) -> Any:
    return admin_client.get(reverse("admin:index")).wsgi_request


def test_every_page_opens(admin_client: Http) -> None:
    models = {model.__name__ for model in admin.site._registry}
    assert models == {"Org", "Person", "Client", "AccessToken", "User", "Group", "Event"}
    assert len(every_page(admin_client)) >= 17


def test_no_page_shows_a_secret(admin_client: Http, everything: str, oauth_client: Client) -> None:
    token = AccessToken.objects.get()
    Org.objects.update(previous={"backend": "other", "options": {"token": "of-before-the-switch"}})
    secrets = [OPTIONS["password"], SECRET, everything, oauth_client.client_secret, token.token_checksum]
    secrets.append("of-before-the-switch")
    for address, html in every_page(admin_client).items():
        assert not [secret for secret in secrets if secret in unescape(html)], address


def test_the_page_of_an_org_shows_its_options(admin_client: Http, org: Org) -> None:
    html = admin_client.get(page_of(org)).content.decode()
    assert 'value="https://paper.example/"' in html
    assert re.search(r'<input type="password" name="options-password"[^>]*>', html)
    assert "Leave empty to keep the stored one." in html


def test_an_empty_secret_keeps_the_stored_one(admin_client: Http, org: Org) -> None:
    sent = fields(org, name="Fabrikam Ltd", **{"options-username": "new", "options-password": ""})
    assert admin_client.post(page_of(org), sent).status_code == 302
    org.refresh_from_db()
    assert (org.name, org.options) == ("Fabrikam Ltd", {**OPTIONS, "username": "new"})


def test_a_new_secret_replaces_the_stored_one(admin_client: Http, org: Org) -> None:
    admin_client.post(page_of(org), fields(org, **{"options-password": "open"}))
    org.refresh_from_db()
    assert org.options["password"] == "open"


def test_wrong_options_are_shown_again_without_the_secret(admin_client: Http, org: Org) -> None:
    sent = fields(org, **{"options-endpoint": "paper", "options-password": "just-typed"})
    response = admin_client.post(page_of(org), sent)
    html = response.content.decode()
    assert "Enter a valid URL." in html
    assert "just-typed" not in html
    assert OPTIONS["password"] not in html
    assert Org.objects.get().options == OPTIONS


def test_another_backend_is_saved_with_its_own_options_only(admin_client: Http, org: Org) -> None:
    first = admin_client.post(page_of(org), fields(org, backend="other")).content.decode()
    assert "Fill in the options of this calendar backend below" in first
    assert 'name="options-token"' in first
    assert 'name="options-backend" value="other"' in first
    assert Org.objects.get().backend == "paper"
    second = fields(org, backend="other", **{"options-backend": "other", "options-token": "t"})
    assert admin_client.post(page_of(org), second).status_code == 302
    assert Org.objects.values_list("backend", "options").get() == ("other", {"token": "t", "private_key": ""})
    assert Org.objects.get().previous == org.connection


def test_a_secret_of_another_backend_is_not_kept(admin_client: Http, org: Org) -> None:
    org.options = {**OPTIONS, "token": "of the paper backend"}
    org.save()
    sent = fields(org, backend="other", **{"options-backend": "other", "options-token": ""})
    assert "This field is required." in admin_client.post(page_of(org), sent).content.decode()


def test_an_org_is_added_with_its_options(admin_client: Http, org: Org) -> None:
    sent = fields(org, slug="contoso", **{"options-password": "p"})
    first = admin_client.post(page_of(Org, "add"), {**sent, "options-backend": "graph"})
    assert 'name="options-password"' in first.content.decode()
    assert admin_client.post(page_of(Org, "add"), sent).status_code == 302
    assert Org.objects.get(slug="contoso").options == {**OPTIONS, "password": "p"}


def test_a_new_org_blocks_unless_somebody_says_otherwise(admin_client: Http) -> None:
    html = admin_client.get(page_of(Org, "add")).content.decode()
    checked = re.findall(r'name="blocking_statuses" value="(\w+)"[^>]* checked', html)
    assert sorted(checked) == ["busy", "oof", "tentative", "unknown"]
    assert re.search(r'name="repair_json"[^>]* checked', html)


def test_an_org_chooses_what_its_appointments_are_like(admin_client: Http, org: Org) -> None:
    html = admin_client.get(page_of(org)).content.decode()
    assert re.search(r"<h2[^>]*>\s*Appointments\s*</h2>", html)
    assert "Minutes before the start; empty: no reminder." in html
    choice = {"html_body": "on", "optional_show_as": "free", "reminder_minutes": ""}
    assert admin_client.post(page_of(org), fields(org, **choice)).status_code == 302
    org.refresh_from_db()
    assert (org.html_body, org.optional_show_as, org.reminder_minutes) == (True, "free", None)


def test_a_reminder_of_more_than_two_weeks_is_refused(admin_client: Http, org: Org) -> None:
    html = admin_client.post(page_of(org), fields(org, reminder_minutes=20161)).content.decode()
    assert "Ensure this value is less than or equal to 20160." in html
    assert Org.objects.get().reminder_minutes == 15


def test_a_slug_cannot_be_changed(admin_client: Http, org: Org) -> None:
    admin_client.post(page_of(org), fields(org, slug="renamed"))
    assert Org.objects.get().slug == "fabrikam"


def test_several_lines_of_a_secret_are_not_shown_and_can_be_forgotten(admin_client: Http, org: Org) -> None:
    org.options = {"token": "t", "private_key": "-----BEGIN\nstored-key"}
    org.backend = "other"
    org.save()
    html = admin_client.get(page_of(org)).content.decode()
    assert "stored-key" not in html
    assert "Forget: Private key" in html
    sent = fields(org, **{"options-token": "", "options-private_key": ""})
    admin_client.post(page_of(org), sent)
    assert Org.objects.get().options == org.options
    admin_client.post(page_of(org), {**sent, "options-forget_private_key": "on"})
    assert Org.objects.get().options == {"token": "t", "private_key": ""}


def test_a_graph_org_changes_from_a_secret_to_a_certificate(
    admin_client: Http, org: Org, settings: Any
) -> None:
    settings.CALENDAR_BACKENDS = {"graph": "calendar_backends.graph.GraphBackend"}
    options = {"tenant_id": "t", "client_id": "c", "client_secret": "s", "certificate": ""}
    Org.objects.update(backend="graph", options=options)
    pem = certificate()
    sent = fields(Org.objects.get(), **{"options-client_secret": "", "options-certificate": pem})
    html = admin_client.post(page_of(org), sent).content.decode()
    assert "not both" in html
    assert html.index("Forget: Client secret") < html.index("options-certificate")
    assert admin_client.post(page_of(org), {**sent, "options-forget_client_secret": "on"}).status_code == 302
    stored = Org.objects.get().options
    assert (stored["client_secret"], stored["certificate"]) == ("", pem.strip())


def test_the_history_names_the_options_without_values(admin_client: Http, org: Org) -> None:
    admin_client.post(page_of(org), fields(org, **{"options-password": "open", "options-username": "new"}))
    entry = LogEntry.objects.get()
    assert entry.get_change_message() == "Changed options.username and options.password."


def test_the_connection_of_an_org_is_tested(admin_client: Http, org: Org) -> None:
    Org.objects.create(slug="empty", name="Nobody", backend="paper")
    Person.objects.create(
        org=Org.objects.create(slug="b", name="B", backend="paper"), email="nobody@b.example"
    )
    chosen = list(Org.objects.values_list("pk", flat=True))
    sent = {"action": "test_connection", "_selected_action": chosen}
    html = admin_client.post(page_of(org, "changelist"), sent, follow=True).content.decode()
    assert "Fabrikam: sign-in: NoError" in html
    assert "B: free/busy: ErrorNonExistentMailbox Create nobody@b.example." in html
    assert "has no active person" in html


def test_a_secret_that_was_made_is_shown_once(admin_client: Http, person: Person) -> None:
    sent = {"client_id": "made", "acts_as": person.pk, "active": "on"}
    html = admin_client.post(page_of(Client, "add"), sent, follow=True).content.decode()
    found = re.search(r"The secret of made is <code>(\w{40,})</code>", html)
    assert found
    assert Client.objects.get(client_id="made").has_secret(found[1])
    assert found[1] not in admin_client.get(page_of(Client, "changelist")).content.decode()


def test_a_secret_of_a_client_is_kept_or_replaced(admin_client: Http, oauth_client: Client) -> None:
    sent = {"client_id": "salesforce-fabrikam", "acts_as": oauth_client.acts_as.pk, "active": "on"}
    admin_client.post(page_of(oauth_client), sent)
    assert Client.objects.get(client_id="salesforce-fabrikam").has_secret(SECRET)
    admin_client.post(page_of(oauth_client), {**sent, "new_secret": "another"})
    assert Client.objects.get(client_id="salesforce-fabrikam").has_secret("another")


def test_a_person_stays_in_the_org(admin_client: Http, person: Person) -> None:
    contoso = Org.objects.create(slug="contoso", name="Contoso")
    sent = {"org": contoso.pk, "email": person.email, "rights": ["updateOrganization"], "active": "on"}
    assert admin_client.post(page_of(person), sent).status_code == 302
    assert Person.objects.get().org.slug == "fabrikam"


def test_the_same_address_with_other_capitals_is_refused(admin_client: Http, person: Person) -> None:
    sent = {"org": person.org.pk, "email": person.email.upper(), "active": "on"}
    html = admin_client.post(page_of(Person, "add"), sent).content.decode()
    assert "This org already has a person with this address." in html


def test_tokens_are_revoked(admin_client: Http) -> None:
    sent = {"action": "revoke", "_selected_action": [AccessToken.objects.get().pk]}
    html = admin_client.post(page_of(AccessToken, "changelist"), sent, follow=True).content.decode()
    assert "1 revoked." in html
    assert not AccessToken.objects.exists()


def test_who_may_only_look_sees_no_options(client: Http, org: Org) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_org"))
    client.force_login(viewer)
    html = client.get(page_of(org)).content.decode()
    assert "Fabrikam" in html
    assert "paper.example" not in html
    assert client.post(page_of(org), fields(org, name="x")).status_code == 403
