"""What every provider keeps to, whoever it is. Nothing here touches the network."""

import contextlib
from datetime import UTC, datetime

import httpx
import pytest

from generations.providers.errors import ProviderError
from generations.providers.exchange import Account, Order, Task
from generations.providers.fields import Ours, Picture, Value
from generations.providers.registry import PROVIDERS, find
from generations.providers.spec import Operation, Provider
from tests.providers.fixtures import FOLDER, answer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "0b8f3f5e-8a06-4d7a-9b5d-5f0b8a3c1d2e"
ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
EACH = [(provider, operation) for provider in PROVIDERS.values() for operation in provider.operations]
ANSWERS = sorted(f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*-to-image__*.json"))

each_operation = pytest.mark.parametrize(
    ("provider", "operation"), EACH, ids=[f"{provider.slug}-{operation.slug}" for provider, operation in EACH]
)


def account(provider: Provider) -> Account:
    secrets = {each.name: f"canary-{each.name}" for each in provider.credential_ways[0].fields}
    return Account(provider.base_urls[0], secrets)


def smallest(operation: Operation) -> dict[str, Value]:
    required = {each.name: ASSET for each in operation.fields if isinstance(each, Picture) and each.required.holds({})}
    cleaned = operation.clean({"prompt": "A vase"} | required)
    assert not cleaned.errors
    return cleaned.values


def order(operation: Operation) -> Order:
    pictures = {each.name: "aGVsbG8=" for each in operation.fields if isinstance(each, Picture)}
    return Order(smallest(operation), ID, pictures)


@each_operation
def test_create_is_one_post_to_the_base_url_as_the_credential(provider: Provider, operation: Operation) -> None:
    request = provider.build_create(operation, order(operation), account(provider), NOW)
    assert request.method == "POST"
    assert str(request.url).startswith(provider.base_urls[0])
    assert request.headers["authorization"].startswith("Bearer ")


@each_operation
def test_a_query_is_a_get_that_names_the_task(provider: Provider, operation: Operation) -> None:
    request = provider.build_query(operation, Task("8672", ID), account(provider), NOW)
    assert request.method == "GET"
    assert "8672" in str(request.url)


@each_operation
def test_a_base_url_with_a_path_keeps_it(provider: Provider, operation: Operation) -> None:
    elsewhere = Account("http://127.0.0.1:9/some/prefix", account(provider).secrets)
    request = provider.build_create(operation, order(operation), elsewhere, NOW)
    assert str(request.url).startswith("http://127.0.0.1:9/some/prefix/")


@each_operation
def test_secrets_are_neither_in_the_address_nor_in_the_body_nor_in_a_repr(
    provider: Provider, operation: Operation
) -> None:
    whom = account(provider)
    request = provider.build_create(operation, order(operation), whom, NOW)
    assert "canary" not in str(request.url)
    assert b"canary" not in request.content
    assert "canary" not in repr(whom)


@each_operation
def test_every_field_capability_and_price_says_where_it_was_read(provider: Provider, operation: Operation) -> None:
    declared = (operation.fields, operation.capabilities, operation.prices)
    for source in [each.source for kind in declared for each in kind]:
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
    models = fields[operation.named("model")]
    for each in operation.capabilities:
        assert each.model_name in getattr(models, "options", ())
        for name, options in each.options.items():
            assert set(options) <= set(getattr(fields[name], "options", ()))
        assert each.lacks <= set(fields)


@each_operation
def test_our_own_fields_are_declared(provider: Provider, operation: Operation) -> None:
    assert any(isinstance(each, Ours) for each in operation.fields)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_kept_answer_is_either_understood_or_raises_a_provider_error(name: str) -> None:
    slug, _, rest = name.partition("/")
    provider, _operation = find(slug, rest.split("__")[0])
    for parse in (provider.parse_create, provider.parse_query):
        with contextlib.suppress(ProviderError):
            parse(answer(name))


def drifted() -> list[bytes]:
    return [
        b"",
        b"null",
        b"[]",
        b"0",
        b'"text"',
        b"{}",
        b'{"code":0}',
        b'{"code":null,"data":{}}',
        b"\xff\xfe",
        b"<html>",
    ]


@each_operation
@pytest.mark.parametrize("body", drifted())
@pytest.mark.parametrize("status", [200, 204, 301, 400, 404, 429, 500, 596])
def test_no_answer_whatever_raises_anything_but_a_provider_error(
    provider: Provider, operation: Operation, body: bytes, status: int
) -> None:
    for parse in (provider.parse_create, provider.parse_query):
        with pytest.raises(ProviderError):
            parse(httpx.Response(status, content=body))


def test_an_unknown_provider_or_operation_is_a_lookup_error() -> None:
    with pytest.raises(LookupError):
        find("nobody", "text-to-image")
    with pytest.raises(LookupError):
        find("kling", "sculpture")
