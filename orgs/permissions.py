"""What a caller may do."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from orgs.models import Person
from orgs.validators import UPDATE_ORGANIZATION

__all__ = ["UPDATE_ORGANIZATION", "MayUpdate", "OfThisOrg"]


class OfThisOrg(BasePermission):
    """The URL's ``org_slug``, if it has one, is the caller's Org; one that does not exist is not."""

    message = "The token belongs to another org."

    def has_permission(self, request: Request, view: Any) -> bool:
        slug = view.kwargs.get("org_slug")
        return isinstance(request.user, Person) and slug in (None, request.user.org.slug)


class MayUpdate(BasePermission):
    """Create, Update and Delete need the right updateOrganization."""

    message = f'The user lacks the right "{UPDATE_ORGANIZATION}".'

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Person) and request.user.may(UPDATE_ORGANIZATION)
