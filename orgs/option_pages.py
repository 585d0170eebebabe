"""A driver's options on the admin's pages. What is secret is written here and never shown."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.utils import pretty_name

from orgs.options import completed, given, secret_names, without_secrets

PREFIX = "options"
NEW_SECRET = {"autocomplete": "new-password"}
KEEP = "Leave empty to keep the stored one."


class HiddenText(forms.Textarea):
    """Several lines that are never shown, neither what is stored nor what was just typed."""

    def format_value(self, value: Any) -> None:
        return None


class OptionsPage:
    """A driver's Options form on the page of an Org: bound to the page's data, or showing what is stored.

    A secret that is left empty keeps its stored value; one that may be missing has a box to forget it.
    """

    title = "Options"
    note = ""

    def __init__(self, options: type[forms.Form], stored: Mapping[str, Any], data: Any = None) -> None:
        self.options = options
        self.stored = stored
        self.kept = {name: stored[name] for name in secret_names(options) if stored.get(name)}
        filled = None if data is None else self._filled(data)
        self.form = options(filled, prefix=PREFIX, initial=dict(stored))
        for name in secret_names(options):
            self._never_show(name)
        for name in self.kept:
            self._offer_to_forget(name)
        self.form.order_fields(part for name in options.base_fields for part in (name, f"forget_{name}"))
        for field in self.form.fields.values():
            if isinstance(field.widget, forms.TextInput | forms.URLInput | forms.PasswordInput):
                field.widget.attrs.setdefault("class", "vTextField")

    def cleaned(self) -> dict[str, Any] | None:
        """The options to store, or None where the form has errors, which it then shows."""
        if not self.form.is_valid():
            return None
        return {name: self.form.cleaned_data[name] for name in self.options.base_fields}

    def changed(self) -> list[str]:
        cleaned = self.cleaned() or {}
        names = dict.fromkeys([*cleaned, *self.stored])
        return [name for name in names if self.stored.get(name, "") != cleaned.get(name, "")]

    def _filled(self, data: Any) -> Any:
        """The page's data, with the secrets that are kept."""
        filled = data.copy()
        for name, value in self.kept.items():
            if not data.get(f"{PREFIX}-{name}") and not data.get(f"{PREFIX}-forget_{name}"):
                filled[f"{PREFIX}-{name}"] = value
        return filled

    def _may_be_missing(self, name: str) -> bool:
        return not self.options.base_fields[name].required

    def _never_show(self, name: str) -> None:
        field = self.form.fields[name]
        multiline = isinstance(field.widget, forms.Textarea)
        field.widget = HiddenText(field.widget.attrs) if multiline else forms.PasswordInput(NEW_SECRET)

    def _offer_to_forget(self, name: str) -> None:
        field = self.form.fields[name]
        field.help_text = f"{field.help_text} {KEEP}".strip()
        if self._may_be_missing(name):
            label = f"Forget: {field.label or pretty_name(name)}"
            self.form.fields[f"forget_{name}"] = forms.BooleanField(label=label, required=False)


class OwnOptionsPage(OptionsPage):
    """The same on the page of a Person: what is left empty is the Org's, which is not shown.

    What is given is judged by the driver's form on top of the Org's options, the Org's secrets aside.
    """

    title = "Own options"
    note = (
        "Exchange credentials of this person: Read uses them in the place of the org's, writes never do. "
        "What is left empty is the org's, but the org's secrets are never used with options of a person."
    )

    def __init__(
        self,
        options: type[forms.Form],
        stored: Mapping[str, Any],
        org_options: Mapping[str, Any],
        data: Any = None,
    ) -> None:
        self.org_options = completed(options, without_secrets(options, org_options))
        #: Names of the options that the page's data gives, the kept secrets included.
        self.own: list[str] = []
        super().__init__(options, stored, data)
        if self.form.is_bound:
            self.form.is_valid()  # while it holds the Org's values too; what is shown holds only the own ones
            self.form.data = data
        for field in self.form.fields.values():
            _may_be_left_empty(field)
        if former := sorted(stored.keys() - options.base_fields.keys()):
            self.note += f" Not known to this calendar backend, removed on saving: {', '.join(former)}."

    def cleaned(self) -> dict[str, Any] | None:
        cleaned = super().cleaned() if self.own else {}
        return cleaned and given(self.options, {name: cleaned[name] for name in self.own})

    def _filled(self, data: Any) -> Any:
        """What is given, over the Org's options; None where nothing is, so that there is nothing to judge."""
        filled = super()._filled(data)
        self.own = [name for name in self.options.base_fields if filled.get(f"{PREFIX}-{name}")]
        for name in self.options.base_fields.keys() - set(self.own):
            filled[f"{PREFIX}-{name}"] = self.org_options.get(name, "")
        return filled if self.own else None

    def _may_be_missing(self, name: str) -> bool:
        return True


def _may_be_left_empty(field: forms.Field) -> None:
    field.required = False
    field.initial = None
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        field.choices = [("", "the org's"), *choices]
