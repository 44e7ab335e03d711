"""How often Create asks the database, and how often it checks a form: both cost whoever waits for the page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations.models import Credential, Generation
from generations.providers.spec import Cleaned, Operation
from klingweb.accounts.models import User
from tests.cast import sign_in
from tests.road import Ask

pytestmark = pytest.mark.django_db(transaction=True)

CHOSEN = {"provider": "kling", "operation": "text-to-image", "was": "kling/text-to-image", "prompt": "A vase"}
SETTINGS = {"model_name": "kling-v3", "n": "4", "aspect_ratio": "1:1", "resolution": "2k", "negative_prompt": ""}
MEANT = {"kept.prompt": "A", "kept.shape": "1:1", "kept.count": "4", "kept.resolution": "2k"}
FORM = CHOSEN | SETTINGS | MEANT
CONTROL = ("BEGIN", "COMMIT")


def statements(answer: Callable[[], Any]) -> list[str]:
    """What the database is asked meanwhile."""
    with CaptureQueriesContext(connection) as captured:
        assert answer().status_code == 200
    return [each["sql"] for each in captured if not each["sql"].startswith(CONTROL)]


def send(client: Client, **more: str) -> Any:
    return client.post("/", FORM | more, headers={"hx-request": "true"})


@pytest.fixture
def bob_at_work(client: Client, bob: User, credential: Credential) -> Client:
    """His pages have been asked for before, so that nothing is done for the first time."""
    sign_in(client, bob)
    client.get("/")
    send(client, key="before")
    return client


def test_an_accepted_request_costs_few_statements(bob_at_work: Client) -> None:
    assert len(statements(lambda: send(bob_at_work, key="now"))) <= 15
    assert Generation.objects.count() == 2


def test_so_does_one_with_the_key_left_open(bob_at_work: Client, credential: Credential) -> None:
    Credential.objects.create(
        team=credential.team, provider="kling", name="Other", base_url="sandbox:", secrets={}, slots=1
    )
    assert len(statements(lambda: send(bob_at_work, key="now", credential=""))) <= 16
    assert Generation.objects.filter(open_credential=True).exists()


def test_so_does_create_however_much_there_is(bob_at_work: Client, ask: Ask) -> None:
    few = statements(lambda: bob_at_work.get("/"))
    for _ in range(5):
        ask(n=2)
    assert len(statements(lambda: bob_at_work.get("/"))) == len(few) <= 14


def test_a_form_is_checked_only_as_often_as_it_changes(bob_at_work: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    checked, clean = [], Operation.clean

    def counted(self: Operation, raw: dict[str, object]) -> Cleaned:
        checked.append(self.slug)
        return clean(self, raw)

    monkeypatch.setattr(Operation, "clean", counted)
    send(bob_at_work, key="now")
    assert len(checked) <= 20
