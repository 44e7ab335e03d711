"""The page for what nobody has foreseen."""

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from klingweb.accounts.models import User
from tests.accounts.conftest import words
from tests.cast import sign_in

pytestmark = pytest.mark.django_db

AWAY = "Go back and send the same form again in a minute: if it did arrive, it is not made twice."
OURS = "The mistake is ours"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OperationalError("database is locked"), 503, AWAY),
        (InterfaceError("connection already closed"), 503, AWAY),
        (ValueError("a mistake"), 500, OURS),
    ],
)
def test_a_database_that_is_away_is_told_from_a_mistake_of_ours(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, said: str
) -> None:
    sign_in(client, alice)
    client.raise_request_exception = False

    def refuse(*_: object) -> None:
        raise error

    with monkeypatch.context() as trouble:
        trouble.setattr(connection, "cursor", refuse)
        response = client.get("/")
    assert response.status_code == status
    assert said in words(response)
    assert client.get("/").status_code == 200
