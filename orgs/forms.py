"""The admin's forms. What is secret is written here and never shown."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.utils import pretty_name
from oauth2_provider.generators import generate_client_secret

from calendar_backends.core.intervals import DEFAULT_BLOCKING, STATUSES
from calendar_backends.registry import UnknownBackend
from orgs.models import Client, Org, Person
from orgs.options import options_class, secret_names
from orgs.validators import RIGHTS

PREFIX = "options"
_NEW = {"autocomplete": "new-password"}
_KEEP = "Leave empty to keep the stored one."


class HiddenText(forms.Textarea):
    """Several lines that are never shown, neither what is stored nor what was just typed."""

    def format_value(self, value: Any) -> None:
        return None


class OptionsPage:
    """A driver's Options form on the page of an Org: bound to the page's data, or showing what is stored.

    A secret that is left empty keeps its stored value; one that may be missing has a box to forget it.
    """

    def __init__(self, options: type[forms.Form], stored: Mapping[str, Any], data: Any = None) -> None:
        self.stored = stored
        self.kept = {name: stored[name] for name in secret_names(options) if stored.get(name)}
        filled = None if data is None else self._filled(data)
        self.form = options(filled, prefix=PREFIX, initial=dict(stored))
        for name in secret_names(options):
            self._never_show(name)
        for field in self.form.fields.values():
            if isinstance(field.widget, forms.TextInput | forms.URLInput | forms.PasswordInput):
                field.widget.attrs.setdefault("class", "vTextField")

    def cleaned(self) -> dict[str, Any] | None:
        """The options to store, or None where the form has errors, which it then shows."""
        if not self.form.is_valid():
            return None
        return {name: v for name, v in self.form.cleaned_data.items() if not name.startswith("forget_")}

    def changed(self) -> list[str]:
        return [name for name, value in (self.cleaned() or {}).items() if self.stored.get(name, "") != value]

    def _filled(self, data: Any) -> Any:
        filled = data.copy()
        for name, value in self.kept.items():
            if not data.get(f"{PREFIX}-{name}") and not data.get(f"{PREFIX}-forget_{name}"):
                filled[f"{PREFIX}-{name}"] = value
        return filled

    def _never_show(self, name: str) -> None:
        field = self.form.fields[name]
        multiline = isinstance(field.widget, forms.Textarea)
        field.widget = HiddenText(field.widget.attrs) if multiline else forms.PasswordInput(_NEW)
        if name in self.kept:
            field.help_text = f"{field.help_text} {_KEEP}".strip()
            if not field.required:
                forget = forms.BooleanField(
                    label=f"Forget: {field.label or pretty_name(name)}", required=False
                )
                self.form.fields[f"forget_{name}"] = forget


class OrgForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    blocking_statuses = forms.MultipleChoiceField(
        choices=[(status, status) for status in STATUSES],
        initial=DEFAULT_BLOCKING,
        widget=forms.CheckboxSelectMultiple,
        help_text=Org._meta.get_field("blocking_statuses").help_text,
    )

    class Meta:
        model = Org
        fields = (
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored_backend = self.instance.backend
        self.chosen_backend = self.data.get("backend", stored_backend)
        #: Whether the page that was sent had the options of the driver that was chosen on it.
        self.options_were_shown = self.data.get(f"{PREFIX}-backend") == self.chosen_backend
        self.options_page = self._options_page(
            self.instance.options if self.chosen_backend == stored_backend else {}
        )

    def _options_page(self, stored: Mapping[str, Any]) -> OptionsPage | None:
        try:
            options = options_class(self.chosen_backend)
        except (UnknownBackend, ImportError):
            return None
        return OptionsPage(options, stored, self.data if self.options_were_shown else None)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.options_page is None:
            self.add_error("backend", "This calendar backend cannot be loaded.")
        elif not self.options_were_shown:
            self.add_error("backend", "Fill in the options of this calendar backend below, and save again.")
        elif self.options_page.cleaned() is None:
            self.add_error(None, "The options of the calendar backend are not right yet.")
        return cleaned

    def save(self, commit: bool = True) -> Org:
        if self.options_page is not None:
            self.instance.options = self.options_page.cleaned()
        org: Org = super().save(commit)
        return org

    @property
    def changed_data(self) -> list[str]:
        """What the admin's history names: the options one by one, without their values."""
        page = self.options_page if self.options_were_shown else None
        return [*super().changed_data, *(f"{PREFIX}.{name}" for name in (page.changed() if page else []))]


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    rights = forms.MultipleChoiceField(
        choices=[(right, right) for right in RIGHTS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Everybody may Read. updateOrganization: may Create, Update and Delete.",
    )

    class Meta:
        model = Person
        fields = ("org", "email", "salesforce_user_id", "rights", "active")


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    new_secret = forms.CharField(
        label="Client secret",
        required=False,
        widget=forms.PasswordInput({**_NEW, "class": "vTextField"}),
    )

    class Meta:
        model = Client
        fields = ("client_id", "name", "acts_as", "active")

    #: A secret that was made for a new client, to be shown once.
    generated = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        new = self.instance.pk is None
        self.fields["new_secret"].help_text = "Leave empty to have one made." if new else _KEEP

    def save(self, commit: bool = True) -> Client:
        secret = self.cleaned_data["new_secret"]
        if not secret and self.instance.pk is None:
            secret = self.generated = generate_client_secret()
        if secret:
            self.instance.set_secret(secret)
        client: Client = super().save(commit)
        return client
