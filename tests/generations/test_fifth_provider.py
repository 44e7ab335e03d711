"""A provider is its module, a line in the registry and a dialect: an invented fifth one goes all the way in this house.

Nothing else is told of it. What a person sees and does is drawn from its declaration.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from inspect import signature
from itertools import product
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from PIL import Image as Pillow
from pytest_django import Settings

from generations.models import AssetCopy, Credential, Generation, Standing, Status
from generations.providers.registry import PROVIDERS
from generations.services import readying
from klingweb.accounts.models import Team, User
from tests.accounts.conftest import Answer, words
from tests.cast import sign_in
from tests.providers import test_contract as contract
from tests.providers.fifth import PAINT
from tests.providers.fifth import PROVIDER as BRUSHWORK
from tests.road import Follow

ROOT = Path(__file__).resolve().parent.parent.parent
PASS = "studio-pass-0815"


# Its dialect ----------------------------------------------------------------------------------------------------------

paintings: list[dict[str, object]] = []
sketches: list[bytes] = []


def picture(colour: str) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (400, 300), colour).save(file, "PNG")
    return file.getvalue()


@csrf_exempt
def brushwork(request: HttpRequest, rest: str) -> HttpResponseBase:
    """All of Brushwork: sketches, paintings, which are wet when they are first looked at, their sheets, the purse."""
    name, _, number = rest.partition("/")
    if name == "sheets":
        return HttpResponse(picture("teal"), content_type="image/png")
    if request.headers.get("Authorization") != f"Bearer {PASS}":
        return JsonResponse({"error": "no_such_pass", "message": "Never seen it."}, status=401)
    if name == "purse":
        return JsonResponse({"drops": 120})
    if name == "sketches":
        sketches.append(request.body)
        return JsonResponse({"sketch": len(sketches)})
    if request.method == "POST":
        return order(json.loads(request.body))
    return look_at(request, int(number))


def order(wanted: dict[str, object]) -> JsonResponse:
    if "unseemly" in str(wanted["subject"]):
        return JsonResponse({"error": "unseemly", "message": "Not in this house."}, status=400)
    paintings.append(wanted | {"looks": 0})
    return JsonResponse({"painting": len(paintings)})


def look_at(request: HttpRequest, number: int) -> JsonResponse:
    painting = paintings[number - 1]
    painting["looks"] = int(str(painting["looks"])) + 1
    if painting["looks"] == 1:
        return JsonResponse({"painting": number, "stage": "wet"})
    if "torn" in str(painting["subject"]):
        return JsonResponse({"painting": number, "stage": "torn", "why": "The paper gave way."})
    copies = range(int(str(painting["copies"])))
    sheets = [request.build_absolute_uri(f"/sandbox/brushwork/v1/sheets/{number}-{copy}.png") for copy in copies]
    return JsonResponse({"painting": number, "stage": "dry", "sheets": sheets})


urlpatterns = [path("sandbox/brushwork/v1/<path:rest>", brushwork), path("", include("klingweb.urls"))]


# Registered -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[None]:
    """Brushwork's line in the registry, and its dialect."""
    monkeypatch.setitem(PROVIDERS, BRUSHWORK.slug, BRUSHWORK)
    settings.ROOT_URLCONF = __name__
    yield
    paintings.clear()
    sketches.clear()


@pytest.fixture
def signed_in(client: Client, alice: User, registered: None, sandbox: str) -> Client:
    return sign_in(client, alice)


@pytest.fixture
def key(signed_in: Client, halden: Team) -> Credential:
    """A pass that Alice has added on the page."""
    response = add(signed_in, PASS)
    assert "Added. Easel ••0815 works. 120 drops left." in words(response)
    return Credential.objects.get()


def add(client: Client, studio_pass: str) -> Answer:
    typed = {"team": str(Team.objects.get(name="Halden Studio").pk), "provider": "brushwork", "name": "Easel"}
    typed |= {"way": "studio_pass", "studio_pass": studio_pass, "base_url": "sandbox:", "slots": "2"}
    return client.post("/credentials/add/", typed, follow=True)


def form(**changed: object) -> dict[str, object]:
    """What a person sends from Create."""
    return {"provider": "brushwork", "operation": "paint", "subject": "A heron", "key": "one form"} | changed


def asked(response: Answer) -> Generation:
    made = Generation.objects.order_by("created").last()
    assert made, words(response)
    return made


def html(response: Answer) -> str:
    return response.content.decode()


# The road -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_its_key_is_added_tested_and_paused_on_the_page_for_keys(signed_in: Client, key: Credential) -> None:
    page = signed_in.get("/credentials/add/?provider=brushwork")
    assert 'name="studio_pass" type="password"' in html(page)
    assert "Brushwork counts requests, not pictures." in words(page)
    assert "api.brushwork.example/v1" in words(page)
    key.delete()
    assert "Brushwork does not know this pass. An admin has to check it." in words(add(signed_in, "forged-pass-1"))
    assert Credential.objects.get().standing == Standing.PAUSED
    assert "What Brushwork said no_such_pass Never seen it." in words(signed_in.get("/credentials/"))


@pytest.mark.django_db(transaction=True)
def test_create_draws_its_fields_and_refuses_what_it_would_refuse(signed_in: Client, key: Credential) -> None:
    page = signed_in.get("/")
    for shown in ('name="medium"', 'name="sketch"', 'name="sheet"', 'name="copies"', 'name="margin_note"'):
        assert shown in html(page)
    assert 'name="likeness"' not in html(page)  # nothing is there to be like
    assert 'name="order_number"' not in html(page)
    assert "ink · 1.5 drops" in words(page)
    assert "fresco" not in words(page)  # retired
    gouache = html(signed_in.post("/", form(medium="gouache", refresh="1")))
    assert 'name="margin_note"' not in gouache
    assert 'value="16:9"' not in gouache
    refused = signed_in.post("/", form(subject="", copies="5"))
    assert refused.status_code == 422
    assert "Fill in: subject." in words(refused)
    assert "Enter a whole number from 1 to 4." in words(refused)
    assert not Generation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_subject_becomes_a_stored_picture_that_every_page_shows(
    signed_in: Client, key: Credential, follow: Follow
) -> None:
    generation = asked(signed_in.post("/", form(copies="2", sheet="1:1", margin_note="for Ada")))
    assert (generation.prompt, generation.model_name, generation.shape) == ("A heron", "ink", "1:1")
    assert (generation.estimate, generation.estimate_unit, generation.asked) == (Decimal(3), "drop", 2)
    generation = follow(generation)
    assert generation.status == Status.SUCCEEDED
    assert (generation.cost, generation.cost_unit, generation.provider_task_id) == (Decimal(2), "drop", "1")
    assert [image.width for image in generation.images.all()] == [400, 400]
    assert [{**paintings[0], "looks": 0}] == [
        {
            "medium": "ink",
            "subject": "A heron",
            "sheet": "1:1",
            "copies": 2,
            "margin_note": "for Ada",
            "order_number": str(generation.pk),
            "looks": 0,
        }
    ]
    for address in ("/", "/history/", f"/g/{generation.pk}/"):
        page = words(signed_in.get(address))
        assert "A heron" in page
    assert "Brushwork is done" in page
    assert "Note in the margin for Ada" in page
    assert "2 drops, as Brushwork says" in page


@pytest.mark.django_db(transaction=True)
def test_a_sketch_is_uploaded_once_and_named_in_the_request(signed_in: Client, key: Credential, follow: Follow) -> None:
    file = SimpleUploadedFile("sketch.png", picture("navy"), "image/png")
    generation = asked(signed_in.post("/", form(sketch=file, likeness="70")))
    readying.make_ready(generation.pk)
    assert follow(generation).status == Status.SUCCEEDED
    assert len(sketches) == 1
    assert (paintings[0]["sketch"], paintings[0]["likeness"]) == ("1", 70)
    assert (AssetCopy.objects.get().address, AssetCopy.objects.get().expires_at) == ("1", None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("subject", "its_words"), [("Something unseemly", "Not in this house."), ("A torn letter", "The paper gave way.")]
)
def test_what_went_wrong_is_said_with_its_own_words(
    signed_in: Client, key: Credential, follow: Follow, subject: str, its_words: str
) -> None:
    generation = follow(asked(signed_in.post("/", form(subject=subject))))
    assert generation.status == Status.FAILED
    assert its_words in words(signed_in.get(f"/g/{generation.pk}/"))


@pytest.mark.django_db(transaction=True)
def test_what_was_typed_for_another_provider_comes_along_by_its_meaning(
    signed_in: Client, key: Credential, credential: Credential
) -> None:
    typed = {"provider": "brushwork", "was": "kling/text-to-image", "prompt": "A heron", "n": "3", "refresh": "1"}
    page = html(signed_in.post("/", typed))
    assert re.search(r'name="copies"[^>]* value="3"', page)
    assert ">A heron<" in page.replace("\n", "")


@pytest.mark.django_db
def test_an_admin_hides_and_shows_its_models(signed_in: Client, key: Credential) -> None:
    page = words(signed_in.get("/credentials/models/brushwork/"))
    assert "gouache" in page
    assert "fresco" in page


def test_the_table_of_fields_has_its_rows(registered: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("providers", format="json")
    mine = [each for each in json.loads(capsys.readouterr().out) if each["provider"] == "brushwork"]
    assert [each["field"] for each in mine] == [each.name for each in PAINT.fields]


# The contract ---------------------------------------------------------------------------------------------------------


KEPT_BY_ALL = [
    each
    for name, each in vars(contract).items()
    if name.startswith("test_") and {"provider"} <= {*signature(each).parameters} <= {"provider", "operation"}
]


@pytest.mark.parametrize("check", KEPT_BY_ALL, ids=lambda each: each.__name__)
def test_it_keeps_to_what_every_provider_keeps_to(registered: None, check: Callable[..., None]) -> None:
    known = {"provider": BRUSHWORK, "operation": PAINT}
    check(**{name: known[name] for name in signature(check).parameters})


def test_no_answer_whatever_raises_anything_but_a_provider_error() -> None:
    for body, status in product(contract.BODIES, contract.STATUSES):
        contract.test_no_answer_whatever_raises_anything_but_a_provider_error(BRUSHWORK, body, status)


# Nobody else knows a provider -----------------------------------------------------------------------------------------

OUR_WORDS = {"model_name"}  # a generation has one, whoever makes it


def test_no_page_and_no_verb_knows_a_provider_a_model_or_a_field_by_its_name() -> None:
    strangers = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, names_of_providers()))})(?![\w-])", re.IGNORECASE)
    found = [
        f"{file.relative_to(ROOT)}, line {number}: {match[0]}"
        for file in knows_no_provider()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        for match in strangers.finditer(line)
    ]
    assert found == []


def names_of_providers() -> set[str]:
    """The providers' names, and those of their models, fields and secrets that nobody would write by chance."""
    theirs = {
        name
        for provider in PROVIDERS.values()
        for operation in provider.operations
        for name in (
            operation.slug,
            *(each.name for each in operation.fields),
            *(each.model_name for each in operation.capabilities),
            *(each.name for way in provider.credential_ways for each in way.fields),
        )
        if re.search(r"[-_A-Z\d]", name)
    }
    return {*PROVIDERS, *(each.label for each in PROVIDERS.values()), *theirs} - OUR_WORDS


def knows_no_provider() -> Iterator[Path]:
    """Templates, the page's script, and all of generations but the providers themselves and past migrations."""
    yield from (ROOT / "templates").rglob("*.*")
    yield from (ROOT / "static" / "js").glob("*.js")
    apart = {"providers", "migrations"}
    yield from (file for file in (ROOT / "generations").rglob("*.py") if not apart & set(file.parts))
