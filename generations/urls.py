"""The pages about pictures."""

from django.urls import path

from generations.views import create, detail, history, images

urlpatterns = [
    path("", create.create, name="create"),
    path("changes/", create.changes, name="changes"),
    path("history/", history.history, name="history"),
    path("g/<uuid:pk>/", detail.generation, name="generation"),
    path("g/<uuid:pk>/cancel/", detail.cancel, name="cancel"),
    path("g/<uuid:pk>/pictures.zip", images.archive, name="archive"),
    path("images/<uuid:pk>/original", images.original, name="original"),
    path("images/<uuid:pk>/<int:width>", images.thumbnail, name="thumbnail"),
]
