"""The smallest protected endpoint, so that these tests need no calendar."""

from typing import Any

from django.urls import include, path
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orgs.models import Person
from orgs.permissions import MayUpdate, OfThisOrg


class WhoAmI(APIView):
    permission_classes = (OfThisOrg,)
    parser_classes = (JSONParser,)

    def get(self, request: Request, **_: Any) -> Response:
        person = request.user
        assert isinstance(person, Person)
        return Response({"email": person.email, "org": person.org.slug})

    def post(self, request: Request, **_: Any) -> Response:
        return Response(request.data)


class Change(WhoAmI):
    permission_classes = (OfThisOrg, MayUpdate)  # type: ignore[assignment]  # the stubs want one length


urlpatterns = [
    path("whoami", WhoAmI.as_view()),
    path("change", Change.as_view()),
    path("<slug:org_slug>/whoami", WhoAmI.as_view()),
    path("", include("orgs.urls")),
]
