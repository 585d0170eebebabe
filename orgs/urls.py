from django.urls import path

from orgs.views import TokenView

urlpatterns = [
    path("oauth/token", TokenView.as_view(), name="token"),
    path("oauth/token/", TokenView.as_view()),
    path("<slug:org_slug>/oauth/token", TokenView.as_view(), name="org-token"),
    path("<slug:org_slug>/oauth/token/", TokenView.as_view()),
]
