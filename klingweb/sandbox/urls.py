"""Below /sandbox/. A further dialect is one more module with `urlpatterns` and one more line here."""

from django.urls import include, path

from klingweb.sandbox import files, views

app_name = "sandbox"
urlpatterns = [
    path("", views.home, name="home"),
    path("requests", views.requests, name="requests"),
    path("files/<str:token>-<int:index>.png", files.picture, name="picture"),
    path("files/<str:token>-<int:index>-marked.png", files.picture, {"marked": True}, name="marked-picture"),
    path("kling/", include("klingweb.sandbox.kling")),
    path("<path:rest>", views.nowhere),
]
