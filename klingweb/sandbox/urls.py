"""Below /sandbox/. A further dialect is one more module with `urlpatterns` and one more line here."""

from django.urls import include, path

from klingweb.sandbox import apimodels_files, files, kkiai, views

app_name = "sandbox"
urlpatterns = [
    path("", views.home, name="home"),
    path("requests", views.requests, name="requests"),
    path("files/<str:token>-<int:index>.png", files.picture, name="picture"),
    path("files/<str:token>-<int:index>-marked.png", files.picture, {"marked": True}, name="marked-picture"),
    path("files/uploads/<str:name>", files.client_file, name="upload"),
    path("files/uploads/<str:token>/face-<int:number>.jpg", files.face, name="face"),
    path("files/presigned/<str:token>", apimodels_files.presigned, name="presigned"),
    path("kling/", include("klingweb.sandbox.kling")),
    *(path(f"{dialect}/", include(addresses)) for dialect, addresses in kkiai.RELAYS.items()),
    path("useapi/v1/kling/", include("klingweb.sandbox.useapi")),
    path("apimodels/api/v1/", include("klingweb.sandbox.apimodels")),
    path("<path:rest>", views.nowhere),
]
