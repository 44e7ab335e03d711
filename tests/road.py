"""A team that can make pictures, and the road from its form to the sandbox over real HTTP."""

import hashlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from PIL import Image as Pillow
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations import credentials, follower, images, queue
from generations.catalogue import offers
from generations.lifecycle import TERMINAL
from generations.models import Credential, Generation, Image, Status
from generations.services import asking, collecting, readying
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
        made = asking.ask(
            member, offer, offer.operation(texts.pop("operation", "")), chosen, texts, key or f"form {next(count)}"
        )
        assert made.generation, made.errors
        return made.generation

    return asked


@pytest.fixture
def sandbox(live_server: LiveServer, settings: Settings) -> str:
    """The sandbox over real HTTP; the address of its root."""
    settings.SANDBOX_ADDRESS = f"{live_server.url}/sandbox"
    return str(settings.SANDBOX_ADDRESS)


@pytest.fixture
def follow(sandbox: str, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Follow one generation until it ends or waits for a person; references and pictures are carried in between."""
    monkeypatch.setattr(follower, "TICK", 0.02)

    def followed(generation: Generation, to: frozenset[str] = TERMINAL | {Status.UNCONFIRMED}) -> Generation:
        def over() -> bool:
            generation.refresh_from_db()
            if generation.status in to:
                return True
            Generation.objects.filter(status=Status.RUNNING).update(due_at=timezone.now())
            for pk in readying.due_generations(timezone.now()):
                readying.make_ready(pk)
            for pk in collecting.due_images(timezone.now()):
                collecting.collect(pk)
            return False

        follower.Turn(30).run(until=over)
        return generation

    return followed


def finish(generation: Generation, count: int = 1, size: tuple[int, int] = (120, 160)) -> list[Image]:
    """End a generation with pictures that really are on disk, without a provider."""
    made = [
        Image(generation=generation, index=index, source_url="https://p1.example.com/a.png") for index in range(count)
    ]
    for image in made:
        path = images.incoming(image)
        Pillow.new("RGB", size, (40 * image.index % 256, 90, 160)).save(path, "PNG")
        verified = images.verify(path)
        image.sha256, image.size = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size
        image.file = images.store(image, path, verified)
        images.make_thumbnails(image)
        image.state = Image.State.KEPT
        image.media_type, image.width, image.height = verified.media_type, verified.width, verified.height
        image.save(force_insert=True)
    Generation.objects.filter(pk=generation.pk).update(status=Status.SUCCEEDED, finished_at=timezone.now())
    generation.refresh_from_db()
    return made


def hollow() -> bytes:
    """A PNG whose checksums are right and whose pixels cannot be decoded."""
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0)), (b"IDAT", b"no pixels"), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(each)) + name + each + struct.pack(">I", zlib.crc32(name + each)) for name, each in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def messages() -> list[str]:
    """The dotted names of the tasks that wait in the queue, whichever broker it has: first the fast cluster's."""
    if not django_settings.REDIS_URL:
        return [each.func() for each in OrmQ.objects.order_by("pk")]
    brokers = [get_broker(cluster) for cluster in (queue.FAST, queue.DEFAULT)]
    packed = [each for broker in brokers for each in broker.connection.lrange(broker.list_key, 0, -1)]
    return [SignedPackage.loads(each)["func"] for each in packed]


def forget_messages() -> None:
    """Empty the queue."""
    OrmQ.objects.all().delete()
    if django_settings.REDIS_URL:
        for cluster in (queue.FAST, queue.DEFAULT):
            get_broker(cluster).delete_queue()
