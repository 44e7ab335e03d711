"""What every provider keeps to, whoever it is. Nothing here touches the network."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import httpx
import pytest

from generations.providers.errors import ProviderError
from generations.providers.exchange import Account, Order, Task, Upload
from generations.providers.fields import (
    AccountName,
    Choice,
    Clause,
    Field,
    Fixed,
    Integer,
    Number,
    Ours,
    Picture,
    Text,
    Value,
    When,
)
from generations.providers.registry import PROVIDERS, find
from generations.providers.spec import Operation, Provider
from tests.providers.fixtures import FOLDER, answer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "0b8f3f5e-8a06-4d7a-9b5d-5f0b8a3c1d2e"
ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
EACH = [(provider, operation) for provider in PROVIDERS.values() for operation in provider.operations]
ANSWERS = sorted(f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*__*.json"))
BODIES = (
    b"",
    b"null",
    b"[]",
    b"0",
    b'"text"',
    b"{}",
    b'{"code":0}',
    b'{"code":null,"data":{}}',
    b'{"code":0,"data":[[],null,1]}',
    b'{"error":{"message":["x"],"code":{}}}',
    b"\xff\xfe",
    b"<html>",
    b"[" * 100_000,
)
STATUSES = (200, 204, 301, 400, 404, 429, 500, 596)

each_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
each_operation = pytest.mark.parametrize(
    ("provider", "operation"), EACH, ids=[f"{provider.slug}-{operation.slug}" for provider, operation in EACH]
)


def account(provider: Provider) -> Account:
    fields = provider.credential_ways[0].fields
    secrets = {each.name: f"{'plain' if each.plain else 'canary'}-{each.name}" for each in fields}
    return Account(provider.base_urls[0], secrets, "studio@example.com" if provider.accounts else "")


def smallest(operation: Operation) -> dict[str, Value]:
    """The values of a form in which a person fills what is asked of them, and nothing else."""
    raw: dict[str, object] = {}
    fields = {each.name: each for each in operation.fields}
    for _ in range(20):
        cleaned = operation.clean(raw)
        if not cleaned.errors:
            return cleaned.values
        raw |= {name: filling(fields[name]) for name in cleaned.errors}
    raise AssertionError(cleaned.errors)


def filling(asked: Field) -> object:
    match asked:
        case Picture():
            return ASSET
        case Choice():
            return asked.options[0]
        case Integer():
            return asked.at_least
        case Number():
            return 1
        case Text():
            return "A vase"
        case _:
            raise AssertionError(f"{asked.name} cannot be filled")


@pytest.mark.parametrize("slug", ["kling", "kkiai", "apimodels"])
def test_a_canvas_that_does_not_grow_is_refused_beside_its_sides(slug: str) -> None:
    _, expand = find(slug, "expand")
    sides = [each.name for each in expand.fields if each.name.endswith("_expansion_ratio")]
    still = dict(smallest(expand)) | dict.fromkeys(sides, 0)
    assert list(expand.clean(still).errors) == ["up_expansion_ratio"]
    assert expand.clean(still | {"left_expansion_ratio": 0.05}).errors == {}


def order(provider: Provider, operation: Operation) -> Order:
    values = smallest(operation)
    pictures = {each.name: reference(provider, each) for each in operation.references if each.name in values}
    return Order(values, ID, pictures)


def reference(provider: Provider, picture: Picture) -> str:
    return f"https://files.example.com/{picture.name}.png" if provider.uploads else "aGVsbG8="


def helpers(provider: Provider) -> Iterator[tuple[str, httpx.Request]]:
    """Each request that the provider can write beside those of an operation, by the method that it must have."""
    whom, task = account(provider), Task("8672", ID)
    yield "GET", provider.build_checkup(whom, NOW)
    if provider.listing:
        yield from (("GET", provider.listing.build(each, whom, 1, NOW)) for each in provider.operations)
    if provider.uploads:
        yield "POST", provider.uploads.build(Upload(b"\x89PNG", "image/png", "a.png"), whom, NOW)
    if provider.accounts:
        yield "GET", provider.accounts.build(whom, NOW)
    if provider.faces:
        yield "POST", provider.faces.build("https://files.example.com/a.png", whom, NOW)
    if provider.costs:
        yield "GET", provider.costs.build(task, whom, NOW)
    if provider.build_cancel:
        yield "DELETE", provider.build_cancel(task, whom, NOW)


def parsers(provider: Provider) -> Iterator[Callable[[httpx.Response], object]]:
    yield from (provider.parse_create, provider.parse_query, provider.parse_checkup)
    extras = (provider.listing, provider.uploads, provider.accounts, provider.faces, provider.costs)
    yield from (each.parse for each in extras if each)


# Requests -------------------------------------------------------------------------------------------------------------


@each_operation
def test_create_is_one_post_to_the_base_url_as_the_credential(provider: Provider, operation: Operation) -> None:
    request = provider.build_create(operation, order(provider, operation), account(provider), NOW)
    assert request.method == "POST"
    assert str(request.url).startswith(provider.base_urls[0])
    assert request.headers["authorization"].startswith("Bearer ")


@each_operation
def test_create_carries_each_picture_and_each_constant(provider: Provider, operation: Operation) -> None:
    sent = order(provider, operation)
    content = provider.build_create(operation, sent, account(provider), NOW).content.decode()
    assert all(picture in content for picture in sent.pictures.values())
    assert all(each.value in content for each in operation.fields if isinstance(each, Fixed))
    assert ASSET not in content


@each_operation
def test_a_query_is_a_get_that_names_the_task(provider: Provider, operation: Operation) -> None:
    request = provider.build_query(operation, Task("8672", ID), account(provider), NOW)
    assert request.method == "GET"
    assert "8672" in str(request.url)


@each_operation
def test_a_provider_that_finds_tasks_by_our_name_is_told_it_and_asked_by_it(
    provider: Provider, operation: Operation
) -> None:
    if provider.finds_by_external_id:
        content = provider.build_create(operation, order(provider, operation), account(provider), NOW).content
        assert ID in content.decode()
        assert ID in unquote(str(provider.build_query(operation, Task("", ID), account(provider), NOW).url))


@each_operation
def test_a_base_url_with_a_path_keeps_it(provider: Provider, operation: Operation) -> None:
    elsewhere = dataclasses.replace(account(provider), base_url="http://127.0.0.1:9/some/prefix")
    request = provider.build_create(operation, order(provider, operation), elsewhere, NOW)
    assert str(request.url).startswith("http://127.0.0.1:9/some/prefix/")


@each_operation
def test_secrets_are_neither_in_the_address_nor_in_the_body_nor_in_a_repr(
    provider: Provider, operation: Operation
) -> None:
    whom = account(provider)
    sent = order(provider, operation)
    create = provider.build_create(operation, sent, whom, NOW)
    query = provider.build_query(operation, Task("8672", ID), whom, NOW)
    for request in (create, query, *(request for _, request in helpers(provider))):
        assert "canary" not in str(request.url)
        assert b"canary" not in request.read()
    assert "canary" not in repr(whom)
    assert not any(picture in repr(sent) for picture in sent.pictures.values())


@each_provider
def test_all_other_requests_go_to_the_base_url_as_the_credential(provider: Provider) -> None:
    for method, request in helpers(provider):
        assert request.method == method
        assert str(request.url).startswith(f"{provider.base_urls[0]}/")
        assert request.headers["authorization"].startswith("Bearer ")


@each_provider
def test_an_upload_carries_the_bytes_and_their_type(provider: Provider) -> None:
    if provider.uploads:
        request = provider.uploads.build(Upload(b"\xff\xd8 bytes", "image/jpeg", "a.jpg"), account(provider), NOW)
        content = request.read()
        assert b"\xff\xd8 bytes" in content
        assert b"image/jpeg" in content or request.headers["content-type"] == "image/jpeg"
        assert provider.uploads.keeps is None or provider.uploads.keeps > timedelta(0)


# Declarations ---------------------------------------------------------------------------------------------------------


@each_provider
def test_a_provider_says_how_much_it_takes_at_once_and_how_long(provider: Provider) -> None:
    assert PROVIDERS[provider.slug] is provider
    assert provider.default_slots > 0
    assert all(url.startswith("https://") and not url.endswith("/") for url in provider.base_urls)
    paid, deadlines = 600, provider.deadlines
    assert 0 < deadlines.query <= deadlines.create <= paid
    assert deadlines.retention >= timedelta(days=1)
    slugs = [each.slug for each in provider.operations]
    assert len(slugs) == len(set(slugs))


@each_provider
def test_each_way_to_sign_in_begins_with_a_secret_that_is_needed(provider: Provider) -> None:
    firsts = [way.fields[0] for way in provider.credential_ways]
    assert not any(each.optional or each.plain for each in firsts)
    assert len({each.name for each in firsts}) == len(firsts)
    assert all(each.label for way in provider.credential_ways for each in way.fields)


@each_operation
def test_every_field_capability_and_price_says_where_it_was_read(provider: Provider, operation: Operation) -> None:
    declared = (operation.fields, operation.capabilities, operation.prices)
    retired = [each.retired for each in operation.capabilities if each.retired]
    for source in [operation.source, *retired, *(each.source for kind in declared for each in kind)]:
        assert source.page
        assert datetime.fromisoformat(source.checked)


@each_operation
def test_fields_have_a_label_and_names_are_not_repeated(provider: Provider, operation: Operation) -> None:
    names = [each.name for each in operation.fields]
    assert len(names) == len(set(names))
    assert all(each.label for each in operation.fields)
    assert all(each.bounds for each in operation.fields)


@each_operation
def test_each_capability_names_a_declared_model_and_declared_options(provider: Provider, operation: Operation) -> None:
    fields = {each.name: each for each in operation.fields}
    models = getattr(fields.get(operation.named("model")), "options", ())
    assert {each.model_name for each in operation.capabilities} <= set(models)
    for each in operation.capabilities:
        for name, options in each.options.items():
            assert set(options) <= set(getattr(fields[name], "options", ()))
        assert each.lacks <= set(fields)


@each_operation
def test_a_condition_looks_only_at_earlier_fields(provider: Provider, operation: Operation) -> None:
    names = [each.name for each in operation.fields]
    for position, each in enumerate(operation.fields):
        narrowed = [when for when, _ in each.only] if isinstance(each, Choice) else []
        assert not looked_at(each.when, each.required, *narrowed) & set(names[position:]), each.name


def looked_at(*conditions: When) -> set[str]:
    clauses: list[Clause] = [clause for each in conditions for way in each.ways for clause in way]
    return {each.name for each in clauses}


@each_operation
def test_what_a_choice_is_narrowed_to_is_declared_and_never_nothing(provider: Provider, operation: Operation) -> None:
    for each in operation.fields:
        if isinstance(each, Choice):
            assert all(options and set(options) <= set(each.options) for _, options in each.only)
            assert each.default is None or each.default in each.options
            assert set(each.words) <= {*each.options, ""}


@each_operation
def test_rules_and_prices_speak_of_declared_fields(provider: Provider, operation: Operation) -> None:
    declared = {each.name for each in operation.fields}
    for rule in operation.rules:
        parts = [getattr(rule, name, "") for name in ("text", "elements", "up", "down", "left", "right")]
        assert {*getattr(rule, "names", ()), *filter(None, parts)} <= declared
        assert rule.words
    assert looked_at(operation.follows, *(each.when for each in operation.prices)) <= declared


@each_operation
def test_pictures_of_a_series_stand_side_by_side_and_are_of_one_kind(provider: Provider, operation: Operation) -> None:
    series = [each.series for each in operation.fields if isinstance(each, Picture) and each.series]
    for pattern in dict.fromkeys(series):
        row = [each for each in operation.references if each.series == pattern]
        assert [each.name for each in row] == [pattern.format(number) for number in range(1, len(row) + 1)]
        assert len({(each.parameter, each.key, each.limits) for each in row}) == 1
        first = operation.fields.index(row[0])
        assert operation.fields[first : first + len(row)] == tuple(row)


@each_operation
def test_an_account_is_asked_for_where_there_may_be_several(provider: Provider, operation: Operation) -> None:
    chosen = [each for each in operation.fields if isinstance(each, AccountName)]
    assert len(chosen) == (1 if provider.accounts else 0)


@each_operation
def test_our_own_fields_are_declared(provider: Provider, operation: Operation) -> None:
    assert any(isinstance(each, Ours) for each in operation.fields)


@each_operation
def test_the_smallest_form_asks_for_at_least_one_picture_to_be_made(provider: Provider, operation: Operation) -> None:
    assert operation.pictures(smallest(operation)) >= 1


# Answers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERS)
def test_every_kept_answer_is_either_understood_or_raises_a_provider_error(name: str) -> None:
    for parse in parsers(PROVIDERS[name.partition("/")[0]]):
        with contextlib.suppress(ProviderError):
            parse(answer(name))


@each_provider
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_no_answer_whatever_raises_anything_but_a_provider_error(provider: Provider, body: bytes, status: int) -> None:
    response = httpx.Response(status, content=body)
    for parse in parsers(provider):
        with contextlib.suppress(ProviderError):
            parse(response)
            assert parse not in (provider.parse_create, provider.parse_query)


@each_provider
@pytest.mark.parametrize("status", STATUSES)
def test_an_error_is_short_enough_to_be_kept(provider: Provider, status: int) -> None:
    for words in ("x" * 5000, "\x00\ud800", {"a": ["b"]}):
        body = json.dumps({"code": "unheard of", "message": words, "msg": words, "error": words})
        with pytest.raises(ProviderError) as caught:
            provider.parse_create(httpx.Response(status, text=body))
        assert len(caught.value.details) <= 300
        assert "\x00" not in caught.value.details + caught.value.code
        caught.value.details.encode()


@each_operation
def test_a_provider_and_its_operation_are_found_by_their_slugs(provider: Provider, operation: Operation) -> None:
    assert find(provider.slug, operation.slug) == (provider, operation)


def test_an_unknown_provider_or_operation_is_a_lookup_error() -> None:
    with pytest.raises(LookupError):
        find("nobody", "text-to-image")
    with pytest.raises(LookupError):
        find("kling", "sculpture")
