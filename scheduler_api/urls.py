"""The documented paths, as they are and below an Org's slug; a TENANT_URL is either."""

from django.urls import URLPattern, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from scheduler_api.views import AvailabilityView, DeletePostbackView, NoSuchView, PostbackView

_scheduler: list[URLPattern] = [
    path("availability", AvailabilityView.as_view()),
    path("postback", PostbackView.as_view()),
    path("postback/delete", DeletePostbackView.as_view()),
]

urlpatterns = [
    path("api/salesforce/scheduler/", include(_scheduler)),
    path("<slug:org_slug>/api/salesforce/scheduler/", include(_scheduler)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    re_path(r"^(?:[-\w]+/)?api/", NoSuchView.as_view()),
]
