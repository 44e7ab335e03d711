"""A team that can make pictures, and the road from its form to the sandbox over real HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations import credentials, follower
from generations.catalogue import offers
from generations.lifecycle import TERMINAL
from generations.models import Credential, Generation, Status
from generations.services import asking, collecting
from klingweb.accounts.models import Membership, Team, User

Ask = Callable[..., Generation]
Follow = Callable[..., Generation]


@pytest.fixture
def credential(halden: Team) -> Credential:
    made, _ = credentials.ensure(
        team=halden, provider="kling", name="Sandbox", base_url="sandbox:", secrets={"api_key": "sandbox-key"}, slots=9
    )
    return made


@pytest.fixture
def ask(alice: User, bob: User, credential: Credential) -> Ask:
    """Write a generation as its form would: `ask("A vase", n=2)`."""
    count = iter(range(1000))

    def asked(prompt: str = "A vase", person: User = bob, key: str = "", **raw: Any) -> Generation:
        member = Membership.objects.select_related("team", "user").get(user=person)
        offer = offers(member.team)[0]
        chosen = next(
            (each for each in offer.credentials if each.pk == raw.pop("credential", None)), offer.credentials[0]
        )
        texts = {"prompt": prompt} | {name: str(value) for name, value in raw.items()}
        made = asking.ask(member, offer, offer.operations[0], chosen, texts, key or f"form {next(count)}")
        assert made.generation, made.errors
        return made.generation

    return asked


@pytest.fixture
def sandbox(live_server: LiveServer, settings: Settings) -> Iterator[str]:
    """The sandbox over real HTTP; the address of its root."""
    settings.SANDBOX_ADDRESS = f"{live_server.url}/sandbox"
    yield settings.SANDBOX_ADDRESS


@pytest.fixture
def follow(sandbox: str, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Follow one generation until it ends or waits for a person; its pictures are collected in between."""
    monkeypatch.setattr(follower, "TICK", 0.02)

    def followed(generation: Generation, to: frozenset[str] = TERMINAL | {Status.UNCONFIRMED}) -> Generation:
        def over() -> bool:
            generation.refresh_from_db()
            if generation.status in to:
                return True
            Generation.objects.filter(status=Status.RUNNING).update(due_at=timezone.now())
            for pk in collecting.due_images(timezone.now()):
                collecting.collect(pk)
            return False

        follower.Turn(30).run(until=over)
        return generation

    return followed
