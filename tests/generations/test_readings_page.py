"""The page on which an admin says what has changed in a provider's answers."""

import httpx
import pytest
from django.test import Client

from generations.models import Credential, Generation, Reading, Status
from generations.services import submission
from klingweb.accounts import services
from klingweb.accounts.models import Role, Team, User
from tests.cast import sign_in
from tests.road import Ask

pytestmark = pytest.mark.django_db

ADDRESS = "/credentials/readings/kling/"


@pytest.fixture
def admin(client: Client, alice: User, credential: Credential) -> Client:
    return sign_in(client, alice)


def add(client: Client, team: Team, kind: str, found: str, means: str) -> tuple[int, str]:
    """The answer's status, and the page that follows."""
    entered = {"team": str(team.pk), "kind": kind, f"{kind}-found": found, f"{kind}-means": means}
    answer = client.post(ADDRESS, entered)
    page = client.get(ADDRESS) if answer.status_code == 302 else answer
    return answer.status_code, page.content.decode()


@pytest.mark.parametrize(
    ("kind", "found", "means", "sentence"),
    [
        ("word", "baked", "succeeded", "The status “baked” means: it is done."),
        (
            "path",
            "data.out[].href",
            "data.task_result.images[].url",
            "What stands at data.out[].href is read as if it stood at data.task_result.images[].url.",
        ),
        ("path", "response", "$", "What stands at response is read as if it stood at $."),
        ("error", "closed", "busy", "A refusal that says “closed” means: there is no room now"),
    ],
)
def test_a_rule_is_added_shown_as_a_sentence_and_removed(
    admin: Client, halden: Team, kind: str, found: str, means: str, sentence: str
) -> None:
    status, page = add(admin, halden, kind, found, means)
    assert status == 302
    assert "Saved. Answers of Kling official are read like this from now on." in page
    assert sentence in page
    assert "Alice" in page
    [rule] = Reading.objects.all()
    admin.post(ADDRESS, {"team": str(halden.pk), "remove": str(rule.pk)})
    assert "Removed. Answers are read as documented again." in admin.get(ADDRESS).content.decode()
    admin.post(ADDRESS, {"team": str(halden.pk), "remove": str(rule.pk)})
    assert not Reading.objects.exists()


@pytest.mark.parametrize(
    ("kind", "found", "means", "sentence"),
    [
        ("word", "Succeed", "failed", "Succeed is documented: it is done."),
        ("word", "", "failed", "This field is required."),
        ("word", "baked", "", "Choose one of these."),
        ("path", "a b", "$", "Write the names with dots between them"),
        ("path", "a", "nowhere", "Choose one of these."),
        ("error", "a", "busy", "at least 3 characters"),
    ],
)
def test_what_cannot_be_is_said_and_not_saved(
    admin: Client, halden: Team, kind: str, found: str, means: str, sentence: str
) -> None:
    status, page = add(admin, halden, kind, found, means)
    assert status == 422
    assert sentence in page
    assert "Nothing is saved yet." in page
    assert not Reading.objects.exists()


def test_it_shows_the_answers_that_nobody_understood_and_a_rule_sets_them_free(
    admin: Client, halden: Team, ask: Ask
) -> None:
    generation = ask()
    assert submission.begin(generation, "turn")
    submission.finish(generation.pk, "turn", httpx.Response(200, json={"code": 0, "job": {"number": "<77>"}}))
    page = admin.get(ADDRESS).content.decode()
    assert "&lt;77&gt;" in page
    assert f"/g/{generation.pk}/" in page
    _, page = add(admin, halden, "path", "job.number", "data.task_id")
    assert "1 waiting request went on by it." in page
    assert Generation.objects.get().status == Status.RUNNING
    assert "&lt;77&gt;" not in admin.get("/credentials/readings/useapi/").content.decode()


def test_what_was_opened_for_another_team_changes_nothing_in_this_one(admin: Client, alice: User, halden: Team) -> None:
    other = services.ensure_team("Atelier")
    services.ensure_membership(other, alice, Role.ADMIN)
    admin.post("/team/switch/", {"team": halden.pk})
    status, page = add(admin, other, "word", "baked", "succeeded")
    assert status == 422
    assert "opened in another team" in page
    assert not Reading.objects.exists()


def test_the_page_of_its_models_leads_to_it_and_a_strange_provider_has_none(admin: Client) -> None:
    assert f'href="{ADDRESS}"' in admin.get("/credentials/models/kling/").content.decode()
    assert admin.get("/credentials/readings/nobody/").status_code == 404
