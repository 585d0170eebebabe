from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("orgs.urls")),
    path("", include("scheduler_api.urls")),
    path("", RedirectView.as_view(pattern_name="docs", permanent=False)),
]
