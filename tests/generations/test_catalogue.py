"""What an admin changes on the page of a provider, and what that makes of what is offered, sent and estimated."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from generations import pricing
from generations.catalogue import Offer, change, offered, offers
from generations.models import Credential, Override
from generations.providers import kling
from generations.providers.exchange import Account, Order
from generations.providers.fields import Choice, Source, filled
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Operation, Price
from generations.providers.useapi import KOLORS
from klingweb.accounts.models import Team, User
from tests.cast import sign_in
from tests.generations.models_page import entries, save

pytestmark = pytest.mark.django_db

Kind = Override.Kind
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ASSET = "0b0e0c54-6f0f-4c0e-9a55-3c8f1a4d0001"


@pytest.fixture
def admin(client: Client, alice: User, credential: Credential) -> Client:
    return sign_in(client, alice)


@pytest.fixture
def relay(halden: Team) -> Credential:
    return Credential.objects.create(
        team=halden, provider="apimodels", name="Relay", base_url="sandbox:", secrets={}, slots=1
    )


def offer_of(team: Team, provider: str = "kling") -> Offer:
    return next(each for each in offers(team) if each.provider.slug == provider)


def operation_of(team: Team, slug: str = "text-to-image", provider: str = "kling") -> Operation:
    return next(each for each in offer_of(team, provider).operations if each.slug == slug)


def models(operation: Operation) -> list[str]:
    return [each.model_name for each in operation.capabilities]


def body(provider: str, operation: Operation, **raw: Any) -> dict[str, Any]:
    """What is sent for these entries."""
    cleaned = operation.clean({"prompt": "A vase"} | raw)
    assert cleaned.errors == {}
    pictures = {each.name: f"https://a.example.com/{each.name}" for each in operation.references}
    order = Order(cleaned.values, ASSET, pictures)
    declared, account = PROVIDERS[provider], Account("https://a.example.com", {"api_key": "key"})
    found = declared.operation(operation.slug)
    assert found
    sent: dict[str, Any] = json.loads(declared.build_create(found, order, account, NOW).content)
    return sent


def cost(operation: Operation, **raw: Any) -> str:
    return str(pricing.estimate(operation, operation.clean({"prompt": "A vase"} | raw).values))


# Models ---------------------------------------------------------------------------------------------------------------


def test_an_admin_offers_a_retired_model_and_withdraws_it_again(admin: Client, halden: Team) -> None:
    assert models(operation_of(halden, "image-to-image")) == ["kling-v3", "kling-v2-1"]
    save(admin, {"image-to-image-offers:kling-v1-5": "on"})
    assert models(operation_of(halden, "image-to-image")) == ["kling-v3", "kling-v2-1", "kling-v1-5"]
    assert models(operation_of(halden)) == ["kling-v3", "kling-v2-1"]
    assert str(Override.objects.get()) == "kling shown image-to-image kling-v1-5"
    sent = body(
        "kling",
        operation_of(halden, "image-to-image"),
        model_name="kling-v1-5",
        image=ASSET,
        image_reference="face",
    )
    assert sent["model_name"] == "kling-v1-5"
    save(admin, {"image-to-image-offers:kling-v1-5": None})
    assert not Override.objects.exists()


def test_a_retired_model_asks_for_what_its_document_says(admin: Client, halden: Team, bob: User) -> None:
    save(admin, {"image-to-image-offers:kling-v1-5": "on"})
    asked = {"operation": "image-to-image", "model_name": "kling-v1-5", "prompt": "A vase"}
    page = sign_in(admin, bob).post("/", asked)
    assert page.status_code == 422
    assert "kling-v1-5" in page.content.decode()


def test_the_page_says_what_has_been_retired_and_where_that_was_announced(admin: Client) -> None:
    page = admin.get("/credentials/models/kling/").content.decode()
    assert "retired: Kling&#x27;s announcement for 15 September 2026" in page


def test_a_model_that_an_admin_hides_is_refused(admin: Client, halden: Team) -> None:
    save(admin, {"text-to-image-offers:kling-v2-1": None})
    assert models(operation_of(halden)) == ["kling-v3"]
    assert "kling-v2-1" in models(operation_of(halden, "image-to-image"))
    cleaned = operation_of(halden).clean({"prompt": "A vase", "model_name": "kling-v2-1"})
    assert cleaned.errors == {"model_name": "Choose kling-v3."}


def test_an_operation_that_has_lost_all_its_models_is_not_offered(
    admin: Client, halden: Team, relay: Credential
) -> None:
    assert "style-transfer" not in [each.slug for each in offer_of(halden, "apimodels").operations]
    save(admin, {"style-transfer-offers:kling-v2-new": "on", "omni-offers:kling-image-o1": None}, "apimodels")
    slugs = [each.slug for each in offer_of(halden, "apimodels").operations]
    assert "style-transfer" in slugs
    assert "omni" not in slugs
    assert "expand" in slugs  # it never had a model to choose


def test_a_provider_without_an_operation_is_not_offered(
    halden: Team, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tuple(each for each in kling.PROVIDER.operations if each.slug == "multi-image")
    monkeypatch.setitem(PROVIDERS, "kling", replace(kling.PROVIDER, operations=alone))
    assert offers(halden)
    Override.objects.create(team=halden, provider="kling", kind=Kind.HIDDEN, name="kling-v2-1")
    assert offers(halden) == ()


# Added models ---------------------------------------------------------------------------------------------------------


def test_an_added_model_can_do_what_the_other_can_and_is_sent_under_its_own_name(admin: Client, halden: Team) -> None:
    save(admin, {"new-name": "kling-v4", "new-like": "kling-v3"})
    for slug in ("text-to-image", "image-to-image"):
        assert models(operation_of(halden, slug)) == ["kling-v3", "kling-v2-1", "kling-v4"]
    assert models(operation_of(halden, "multi-image")) == ["kling-v2-1"]
    operation = operation_of(halden, "image-to-image")
    assert [each.field.name for each in operation.asked({"model_name": "kling-v4"})] == [
        each.field.name for each in operation.asked({"model_name": "kling-v3"})
    ]
    assert body("kling", operation, model_name="kling-v4", image=ASSET)["model_name"] == "kling-v4"
    assert cost(operation, model_name="kling-v4", n="4") == "$0.112"
    added = operation.capabilities[-1]
    assert (added.like, added.retired, added.source.page) == ("kling-v3", None, "An admin of the team")
    assert added.usual_seconds is None  # nobody has seen how long it takes
    page = admin.get("/credentials/models/kling/").content.decode()
    assert page.count("added, like kling-v3") == 2


def test_conditions_on_a_model_hold_for_one_that_is_added_like_it(halden: Team) -> None:
    added = [Override(kind=Kind.ADDED, name="kling-v1-6", value="kling-v1-5")]
    operation = offered(found("kling", "image-to-image"), added)
    raw = {"prompt": "A vase", "image": ASSET, "model_name": "kling-v1-6"}
    assert operation.clean(raw).errors == {"image_reference": "Fill in: use it as."}
    assert operation.clean(raw | {"resolution": "2k", "image_reference": "face"}).errors == {"resolution": "Choose 1k."}


def test_choices_that_a_model_narrows_are_narrow_for_one_that_is_added_like_it() -> None:
    added = [
        Override(kind=Kind.ADDED, name="kling-image-o2", value="kling-image-o1"),
        Override(kind=Kind.ADDED, name="kling-v4-omni", value="kling-v3-omni"),
    ]
    operation = offered(found("kling", "omni"), added)
    shape = next(each for each in operation.fields if each.name == "aspect_ratio")
    assert "auto" in operation.ask(shape, {"model_name": "kling-image-o2"}).options
    assert "auto" not in operation.ask(shape, {"model_name": "kling-v4-omni"}).options
    assert operation.clean({"prompt": "A vase", "model_name": "kling-image-o2", "resolution": "4k"}).errors
    assert body("kling", operation, model_name="kling-v4-omni", resolution="4k")["resolution"] == "4k"


def test_an_added_model_is_offered_beside_the_reference_types_of_the_one_it_is_like() -> None:
    added = [Override(kind=Kind.ADDED, name="kling-v2-2", value="kling-v2-1")]
    operation = offered(KOLORS, added)
    version = next(each for each in operation.fields if each.name == "version")
    assert "kling-v2-2" in operation.ask(version, {"reference": "restyle"}).options
    assert "kling-v2-2" not in operation.ask(version, {"reference": "none", "image_1": ASSET}).options


def test_a_model_may_be_added_where_only_another_operation_has_it(
    admin: Client, halden: Team, relay: Credential
) -> None:
    save(admin, {"new-name": "kling-v2-1", "new-like": "kling-v3-image"}, "apimodels")
    assert models(operation_of(halden, "image-to-image", "apimodels"))[-1] == "kling-v2-1"
    assert models(operation_of(halden, "text-to-image", "apimodels")).count("kling-v2-1") == 1
    save(admin, {"text-to-image-offers:kling-v2-1": None}, "apimodels")
    save(admin, {"new-remove": "kling-v2-1"}, "apimodels")
    assert "kling-v2-1" not in models(operation_of(halden, "image-to-image", "apimodels"))
    assert "kling-v2-1" not in models(operation_of(halden, "text-to-image", "apimodels"))


def test_with_an_added_model_goes_what_was_said_of_it(admin: Client, halden: Team) -> None:
    save(admin, {"new-name": "kling-v4", "new-like": "kling-v3"})
    save(admin, {"text-to-image-default": "kling-v4", "text-to-image-price:kling-v4": "0.5"})
    assert cost(operation_of(halden)) == "$0.50"
    save(admin, {"new-remove": "kling-v4"})
    assert not Override.objects.exists()
    assert cost(operation_of(halden)) == "$0.028"


def test_what_was_added_stays_when_the_declaration_learns_it_or_forgets_the_other() -> None:
    declared = found("kling", "text-to-image")
    learnt = Override(kind=Kind.ADDED, name="kling-v3", value="kling-v2-1")
    forgotten = Override(kind=Kind.ADDED, name="kling-v9", value="kling-v8")
    assert models(offered(declared, [learnt, forgotten])) == ["kling-v3", "kling-v2-1"]


# The first choice, prices, what is unverified -------------------------------------------------------------------------


def test_create_begins_with_the_model_that_an_admin_chose(admin: Client, halden: Team) -> None:
    save(admin, {"text-to-image-default": "kling-v2-1"})
    assert body("kling", operation_of(halden))["model_name"] == "kling-v2-1"
    assert body("kling", operation_of(halden, "image-to-image"), image=ASSET)["model_name"] == "kling-v3"
    assert entries(admin)["text-to-image-default"] == "kling-v2-1"
    save(admin, {"text-to-image-default": "kling-v3"})
    assert not Override.objects.exists()


def test_a_first_choice_that_is_not_offered_any_more_does_not_count() -> None:
    chosen = Override(kind=Kind.DEFAULT, operation="text-to-image", value="kling-v1")
    model = next(
        each for each in offered(found("kling", "text-to-image"), [chosen]).fields if each.name == "model_name"
    )
    assert isinstance(model, Choice)
    assert model.default == "kling-v3"


@pytest.mark.parametrize("entered", ["0.5", "$0.50", " 0,5 "])
def test_a_price_that_an_admin_entered_is_what_create_estimates_with(admin: Client, halden: Team, entered: str) -> None:
    save(admin, {"text-to-image-price:kling-v3": entered})
    assert cost(operation_of(halden), n="3") == "$1.50"
    assert cost(operation_of(halden), model_name="kling-v2-1") == "$0.014"
    assert cost(operation_of(halden, "image-to-image"), image=ASSET) == "$0.028"
    page = admin.get("/credentials/models/kling/").content.decode()
    assert "listed: $0.028" in page
    save(admin, {"text-to-image-price:kling-v3": ""})
    assert cost(operation_of(halden), n="3") == "$0.084"


def test_a_price_in_credits_becomes_one_in_dollars(admin: Client, halden: Team, relay: Credential) -> None:
    assert cost(operation_of(halden, "expand", "apimodels"), image_url=ASSET) == "0.151 credits"
    save(admin, {"expand-price:": "0.02", "text-to-image-price:kling-v2-1": "0"}, "apimodels")
    assert cost(operation_of(halden, "expand", "apimodels"), image_url=ASSET, n="2") == "$0.04"
    assert cost(operation_of(halden, "text-to-image", "apimodels"), model="kling-v2-1") == "$0.00"
    page = admin.get("/credentials/models/apimodels/").content.decode()
    assert "listed: 0.151 credits" in page


def test_a_price_in_dollars_keeps_the_provider_s_own_unit_where_that_is_known() -> None:
    price = Override(kind=Kind.PRICE, operation="text-to-image", name="kling-v3", value="0.02")
    unknown = Override(kind=Kind.PRICE, operation="text-to-image", name="kling-v1", value="0.01")
    shown = Override(kind=Kind.SHOWN, operation="text-to-image", name="kling-v1")
    operation = offered(found("kling", "text-to-image"), [price, unknown, shown])
    first, second = (operation.price({"model_name": each}) for each in ("kling-v3", "kling-v1"))
    assert first
    assert second
    assert (first.per_picture, first.unit, first.usd) == (Decimal(8), "unit", Decimal("0.02"))
    assert (second.per_picture, second.unit, second.usd) == (Decimal("0.01"), "USD", Decimal("0.01"))
    assert first.source.page == "An admin of the team"


def test_a_price_that_depends_on_the_resolution_has_a_line_of_its_own(admin: Client, halden: Team) -> None:
    asked = {"model_name": "kling-v3-omni", "resolution": "4k"}
    assert cost(operation_of(halden, "omni"), **asked) == "$0.056"
    save(admin, {"omni-price:kling-v3-omni": "0.02"})
    assert cost(operation_of(halden, "omni"), **asked) == "$0.056"
    assert cost(operation_of(halden, "omni"), model_name="kling-v3-omni") == "$0.02"
    assert "Any model with resolution 4k" in admin.get("/credentials/models/kling/").content.decode()
    save(admin, {"omni-price:resolution 4k": "0.04"})
    assert cost(operation_of(halden, "omni"), **asked) == "$0.04"


def test_a_model_s_own_price_comes_before_that_of_the_model_it_is_like() -> None:
    overrides = [
        Override(kind=Kind.PRICE, operation="omni", name="kling-v3-omni", value="0.02"),
        Override(kind=Kind.ADDED, name="kling-v4-omni", value="kling-v3-omni"),
        Override(kind=Kind.ADDED, name="kling-v5-omni", value="kling-v3-omni"),
        Override(kind=Kind.PRICE, operation="omni", name="kling-v5-omni", value="0.03"),
    ]
    operation = offered(found("kling", "omni"), overrides)
    names = ("kling-v3-omni", "kling-v4-omni", "kling-v5-omni")
    assert [cost(operation, model_name=each) for each in names] == ["$0.02", "$0.02", "$0.03"]


def test_what_is_unverified_is_off_until_an_admin_switches_it_on(
    admin: Client, halden: Team, relay: Credential
) -> None:
    assert not any(each.name.startswith("image_urls") for each in operation_of(halden, "omni", "apimodels").fields)
    page = admin.get("/credentials/models/apimodels/").content.decode()
    assert "Source: apimodels.app: image_urls of its other image models" in page
    save(admin, {"omni-unverified:image_urls": "on"}, "apimodels")
    operation = operation_of(halden, "omni", "apimodels")
    sent = body("apimodels", operation, **{"image_urls-1": ASSET, "image_urls-2": ASSET})
    assert sent["image_urls"] == ["https://a.example.com/image_urls-1", "https://a.example.com/image_urls-2"]
    save(admin, {"omni-unverified:image_urls": None}, "apimodels")
    assert not Override.objects.exists()


def test_what_klingweb_sets_itself_is_never_switched_off(admin: Client, halden: Team) -> None:
    names = [each.name for each in operation_of(halden, "expand").fields]
    assert "external_task_id" in names
    assert "watermark_info" not in names
    save(admin, {"expand-unverified:watermark_info": "on"})
    expand = operation_of(halden, "expand")
    assert body("kling", expand, image=ASSET, up_expansion_ratio="1", watermark_info="on")["watermark_info"]


# Rows -----------------------------------------------------------------------------------------------------------------


def test_what_is_offered_takes_a_query_each_for_credentials_accounts_and_overrides(
    admin: Client, halden: Team, relay: Credential, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    save(admin, {"new-name": "kling-v4", "new-like": "kling-v3", "text-to-image-price:kling-v3": "0.5"})
    save(admin, {"omni-unverified:image_urls": "on"}, "apimodels")
    with django_assert_max_num_queries(3):
        assert len(offers(halden)) == 2


def test_what_one_team_changes_is_not_another_s(admin: Client, halden: Team, charlie: User) -> None:
    save(admin, {"text-to-image-default": "kling-v2-1"})
    other = charlie.own_memberships[0].team
    Credential.objects.create(team=other, provider="kling", name="Own", base_url="sandbox:", secrets={}, slots=1)
    assert body("kling", operation_of(other))["model_name"] == "kling-v3"


def test_an_override_without_an_operation_holds_for_all_of_them(admin: Client, halden: Team) -> None:
    """As the models that were shown before there were other overrides."""
    Override.objects.create(team=halden, provider="kling", kind=Kind.SHOWN, name="kling-v1")
    assert "kling-v1" in models(operation_of(halden))
    assert "kling-v1" in models(operation_of(halden, "image-to-image"))
    save(admin)
    assert {each.operation for each in Override.objects.all()} == {"text-to-image", "image-to-image"}
    assert "kling-v1" in models(operation_of(halden, "image-to-image"))


def test_what_stays_the_same_keeps_its_day(halden: Team) -> None:
    first = [Override(kind=Kind.PRICE, operation="omni", name="kling-v3-omni", value="0.02")]
    change(halden, kling.PROVIDER, first)
    row = Override.objects.get()
    same = Override(kind=Kind.PRICE, operation="omni", name="kling-v3-omni", value="0.02")
    change(halden, kling.PROVIDER, [same, Override(kind=Kind.HIDDEN, operation="omni", name="kling-v3-omni")])
    assert Override.objects.get(kind=Kind.PRICE) == row
    change(halden, kling.PROVIDER, [Override(kind=Kind.PRICE, operation="omni", name="kling-v3-omni", value="0.03")])
    assert Override.objects.get().value == "0.03"


def test_a_price_for_which_a_reference_is_needed_is_named_after_it() -> None:
    declared = found("kling", "image-to-image")
    special = Price(
        per_picture=Decimal(1), unit="unit", usd=Decimal(1), when=filled("image"), source=Source("A page", "2026-11-20")
    )
    operation = offered(
        replace(declared, prices=(special,)),
        [Override(kind=Kind.PRICE, operation=declared.slug, name="image given", value="0.5")],
    )
    assert cost(operation, image=ASSET) == "$0.50"


def found(provider: str, slug: str) -> Operation:
    declared = PROVIDERS[provider].operation(slug)
    assert declared
    return declared
