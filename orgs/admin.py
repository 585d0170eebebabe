"""Tenants, people, clients and tokens, for the operators (who are django.contrib.auth users)."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from calendar_backends import registry
from orgs.forms import APPOINTMENTS, ORG, ClientForm, OrgForm, PersonForm
from orgs.models import Client, Org, Person
from orgs.probing import NobodyToProbe, probe

AccessToken = get_access_token_model()

admin.site.site_header = "Lightning Scheduler Adapter"
admin.site.site_title = "Lightning Scheduler Adapter"
admin.site.index_title = "Administration"
# oauth2_provider's own pages: of grants that are not served here, and with fields that are not ours.
for model in (Client, AccessToken, get_grant_model(), get_id_token_model(), get_refresh_token_model()):
    admin.site.unregister(model)


class OptionsAdmin(admin.ModelAdmin):
    """Pages of rows that have driver options. The form is an OptionsForm."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is None or self.has_change_permission(request, obj):
            context["options_fieldsets"] = self._options_fieldsets(context["adminform"].form)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _options_fieldsets(self, form: Any) -> AdminForm | None:
        """The driver's own form, as one more group of fields below the row's."""
        page = form.options_page
        if page is None:
            return None
        title = f"{page.title}: {registry.load(form.chosen_backend).label}"
        fieldset = {"fields": [*page.form.fields], "description": page.note}
        return AdminForm(page.form, [(title, fieldset)], {}, model_admin=self)


@admin.register(Org)
class OrgAdmin(OptionsAdmin):
    form = OrgForm
    fieldsets = ((None, {"fields": ORG}), ("Appointments", {"fields": APPOINTMENTS}))
    list_display = ("name", "slug", "backend", "active", "people")
    list_filter = ("active", "backend")
    search_fields = ("name", "slug")
    actions = ("test_connection",)

    def get_readonly_fields(self, request: HttpRequest, obj: Org | None = None) -> tuple[str, ...]:
        return ("slug",) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Org]:
        orgs: QuerySet[Org] = super().get_queryset(request)
        return orgs.annotate(people_count=Count("people"))

    @admin.display(ordering="people_count")
    def people(self, org: Any) -> int:
        return int(org.people_count)

    @admin.action(description="Test the connection", permissions=["change"])
    def test_connection(self, request: HttpRequest, queryset: QuerySet[Org]) -> None:
        for org in queryset:
            try:
                results = probe(org)
            except (NobodyToProbe, registry.UnknownBackend, ImportError) as error:
                self.message_user(request, f"{org}: {error}", messages.ERROR)
                continue
            for result in results:
                level = messages.SUCCESS if result.ok else messages.ERROR
                self.message_user(request, f"{org}: {result.check}: {result.code} {result.advice}", level)


@admin.register(Person)
class PersonAdmin(OptionsAdmin):
    form = PersonForm
    list_display = ("email", "org", "salesforce_user_id", "rights", "active")
    list_filter = ("active", "org")
    list_select_related = ("org",)
    search_fields = ("email", "salesforce_user_id")

    def get_readonly_fields(self, request: HttpRequest, obj: Person | None = None) -> tuple[str, ...]:
        # Tokens that act as this person must not end up in another org.
        return ("org",) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Person]:
        return super().get_queryset(request).select_related("org")


@admin.register(Client)
class ClientAdmin(admin.ModelAdmin):
    form = ClientForm
    fields = ("client_id", "name", "acts_as", "active", "new_secret")
    list_display = ("client_id", "name", "acts_as", "active")
    list_filter = ("active", "acts_as__org")
    list_select_related = ("acts_as__org",)
    search_fields = ("client_id", "name", "acts_as__email")
    autocomplete_fields = ("acts_as",)

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.generated:
            text = "The secret of {} is <code>{}</code>. It is shown this once."
            self.message_user(request, format_html(text, obj.client_id, form.generated), messages.WARNING)


@admin.register(AccessToken)
class AccessTokenAdmin(admin.ModelAdmin):
    """Which tokens there are, without the tokens: only their hashes are stored."""

    fields = list_display = ("id", "person", "application", "created", "expires")
    list_filter = ("application__acts_as__org",)
    list_select_related = ("application__acts_as__org",)
    search_fields = ("application__client_id", "application__acts_as__email")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # revoke does the same under its right name
        return actions

    @admin.display(ordering="application__acts_as__email")
    def person(self, token: Any) -> Person | None:
        return token.application.acts_as if token.application else None

    @admin.action(description="Revoke the selected tokens", permissions=["delete"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count, _ = queryset.delete()
        self.message_user(request, f"{count} revoked.", messages.SUCCESS)
