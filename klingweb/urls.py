"""The only place where the rooms are joined."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("klingweb.accounts.urls")),
    path("", include("generations.urls")),
]
handler500 = "klingweb.errors.server_error"
if settings.SANDBOX != "off":
    urlpatterns.append(path("sandbox/", include("klingweb.sandbox.urls")))
