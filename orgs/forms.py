"""The admin's forms. What is secret is written here and never shown."""

from typing import Any

from django import forms
from oauth2_provider.generators import generate_client_secret

from calendar_backends.core.intervals import DEFAULT_BLOCKING, STATUSES
from calendar_backends.registry import UnknownBackend
from orgs.models import Client, Org, Person
from orgs.option_pages import KEEP, NEW_SECRET, PREFIX, OptionsPage, OwnOptionsPage
from orgs.options import options_class
from orgs.validators import RIGHTS


class OptionsForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A row that has driver options, with the page of them that stands below its own fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.chosen_backend = self._backend()
        #: The driver whose options were on the page that was sent, if any were.
        self.shown_backend = self.data.get(f"{PREFIX}-backend")
        #: Whether the page that was sent had the options of the driver that was chosen on it.
        self.options_were_shown = self.shown_backend == self.chosen_backend
        self.options_page = self._options_page()

    def _backend(self) -> str:
        raise NotImplementedError

    def _page(self, options: type[forms.Form], data: Any) -> OptionsPage:
        raise NotImplementedError

    def _options_page(self) -> OptionsPage | None:
        try:
            options = options_class(self.chosen_backend)
        except (UnknownBackend, ImportError):
            return None
        return self._page(options, self.data if self.options_were_shown else None)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.options_page and self.options_were_shown and self.options_page.cleaned() is None:
            self.add_error(None, "The options of the calendar backend are not right yet.")
        return cleaned

    def save(self, commit: bool = True) -> Any:
        if self.options_page and self.options_were_shown:
            self.instance.options = self.options_page.cleaned()
        return super().save(commit)

    @property
    def changed_data(self) -> list[str]:
        """What the admin's history names: the options one by one, without their values."""
        page = self.options_page if self.options_were_shown else None
        return [*super().changed_data, *(f"{PREFIX}.{name}" for name in (page.changed() if page else []))]


#: The fields of an Org, in the groups that its page shows.
ORG = (
    "slug",
    "name",
    "active",
    "backend",
    "on_unknown",
    "blocking_statuses",
    "repair_json",
    "read_deadline",
    "write_deadline",
)
APPOINTMENTS = ("html_body", "optional_show_as", "reminder_minutes")


class OrgForm(OptionsForm):
    blocking_statuses = forms.MultipleChoiceField(
        choices=[(status, status) for status in STATUSES],
        initial=DEFAULT_BLOCKING,
        widget=forms.CheckboxSelectMultiple,
        help_text=Org._meta.get_field("blocking_statuses").help_text,
    )

    class Meta:
        model = Org
        fields = ORG + APPOINTMENTS

    def _backend(self) -> str:
        return str(self.data.get("backend", self.instance.backend))

    def _page(self, options: type[forms.Form], data: Any) -> OptionsPage:
        stored = self.instance.options if self.chosen_backend == self.instance.backend else {}
        return OptionsPage(options, stored, data)

    def clean(self) -> dict[str, Any]:
        if self.options_page is None:
            self.add_error("backend", "This calendar backend cannot be loaded.")
        elif not self.options_were_shown:
            self.add_error("backend", "Fill in the options of this calendar backend below, and save again.")
        return super().clean()

    def save(self, commit: bool = True) -> Any:
        if self.instance.pk and "backend" in self.changed_data:
            self.instance.previous = {"backend": self.initial["backend"], "options": self.instance.options}
        return super().save(commit)


class PersonForm(OptionsForm):
    rights = forms.MultipleChoiceField(
        choices=[(right, right) for right in RIGHTS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Everybody may Read. updateOrganization: may Create, Update and Delete.",
    )

    class Meta:
        model = Person
        fields = ("org", "email", "salesforce_user_id", "rights", "active")

    def _backend(self) -> str:
        """The org's; none on the page of a new person, whose org is not known yet."""
        return self.instance.org.backend if self.instance.pk else ""

    def _page(self, options: type[forms.Form], data: Any) -> OptionsPage:
        return OwnOptionsPage(options, self.instance.options, self.instance.org.options, data)

    def clean(self) -> dict[str, Any]:
        if self.shown_backend and not self.options_were_shown:
            self.add_error(None, "The org has another calendar backend now. Look below, and save again.")
        return super().clean()


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    new_secret = forms.CharField(
        label="Client secret",
        required=False,
        widget=forms.PasswordInput({**NEW_SECRET, "class": "vTextField"}),
    )

    class Meta:
        model = Client
        fields = ("client_id", "name", "acts_as", "active")

    #: A secret that was made for a new client, to be shown once.
    generated = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        new = self.instance.pk is None
        self.fields["new_secret"].help_text = "Leave empty to have one made." if new else KEEP

    def save(self, commit: bool = True) -> Client:
        secret = self.cleaned_data["new_secret"]
        if not secret and self.instance.pk is None:
            secret = self.generated = generate_client_secret()
        if secret:
            self.instance.set_secret(secret)
        client: Client = super().save(commit)
        return client
