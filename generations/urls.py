"""The pages about pictures."""

from django.urls import path

from generations import webhooks
from generations.views import (
    audit,
    create,
    credentials,
    decisions,
    detail,
    elements,
    faces,
    history,
    images,
    models_page,
    readings,
    references,
)

urlpatterns = [
    path("", create.create, name="create"),
    path("changes/", create.changes, name="changes"),
    path("history/", history.history, name="history"),
    path("g/<uuid:pk>/", detail.generation, name="generation"),
    path("g/<uuid:pk>/decide/", decisions.decide, name="decide"),
    path("g/<uuid:pk>/delete/", decisions.delete, name="delete"),
    path("g/<uuid:pk>/cancel/", detail.cancel, name="cancel"),
    path("g/<uuid:pk>/check/", detail.check, name="check"),
    path("g/<uuid:pk>/retry/", detail.retry, name="retry"),
    path("g/<uuid:pk>/pictures.zip", images.archive, name="archive"),
    path("images/<uuid:pk>/original", images.original, name="original"),
    path("images/<uuid:pk>/reference/", references.use, name="use_as_reference"),
    path("images/<uuid:pk>/<int:width>", images.thumbnail, name="thumbnail"),
    path("assets/<uuid:pk>/", images.asset, name="asset"),
    path("assets/<uuid:pk>/<int:width>", images.asset_thumbnail, name="asset_thumbnail"),
    path("assets/<uuid:pk>/faces/", faces.look, name="faces"),
    path("elements/", elements.page, name="elements"),
    path("elements/<int:pk>/", elements.change, name="element"),
    path("elements/<int:pk>/remove/", elements.remove, name="element_remove"),
    path("credentials/", credentials.page, name="credentials"),
    path("credentials/add/", credentials.add, name="credential_add"),
    path("credentials/models/<slug:provider>/", models_page.page, name="models"),
    path("credentials/readings/<slug:provider>/", readings.page, name="readings"),
    path("audit/", audit.log, name="audit"),
    path("credentials/sending/", credentials.sending, name="sending"),
    path("credentials/<int:pk>/", credentials.change, name="credential_change"),
    path("credentials/<int:pk>/replace/", credentials.replace, name="credential_replace"),
    path("credentials/<int:pk>/test/", credentials.test, name="credential_test"),
    path("credentials/<int:pk>/pause/", credentials.pause, name="credential_pause"),
    path("credentials/<int:pk>/resume/", credentials.resume, name="credential_resume"),
    path("credentials/<int:pk>/remove/", credentials.remove, name="credential_remove"),
    path("hooks/<slug:provider>/<str:token>/", webhooks.hear, name="webhook"),
]
