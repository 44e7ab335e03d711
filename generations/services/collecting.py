"""Bringing the pictures home, each by itself: one that cannot be fetched does not lose its siblings."""

import contextlib
import hashlib
import logging
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import IO, Any

import httpx
from django.db import DatabaseError, transaction
from django.utils import timezone

from generations import credentials, images, ledger, queue
from generations.lifecycle import advance
from generations.models import Generation, Image, Status
from generations.providers import client, errors
from generations.providers.exchange import Output, Progress, Task
from generations.providers.registry import PROVIDERS, find
from generations.services.common import account_of, deadlines, fail, free_call, lane, paced
from klingweb.accounts.models import User
from klingweb.secrets import Undecryptable

log = logging.getLogger(__name__)

LEASE = 170  # seconds; one attempt to bring a picture home, with time for a slow one
GONE_AFTER_SECONDS = 120  # since it was sent: a storage that lags behind is not an empty one
GONE_AFTER = 3  # attempts that found nothing at the address, before it is believed


def collect(pk: uuid.UUID) -> None:
    """Take the next step with one picture, or with one that is more urgent.

    First it is fetched and stored, and seen from then on; what takes longer, decoding and thumbnails, is a step of its
    own, which lets pass those that nobody has seen yet.
    """
    due = Image.objects.filter(due_at__lte=timezone.now()).select_related("generation__credential")
    image = due.filter(pk=pk, state__in=Image.ON_ITS_WAY).first()
    if image and image.state == Image.State.ARRIVED:
        unseen = due.filter(state=Image.State.PENDING).order_by("due_at").first()
        if unseen:
            queue.enqueue_collects([pk])
            image = unseen
    if image:
        _attempt(image)


def _attempt(image: Image) -> None:
    """Each attempt holds a lease; only one at a time."""
    image.attempts += 1
    unclaimed = Image.objects.filter(pk=image.pk, state=image.state, due_at=image.due_at)
    if not unclaimed.update(due_at=timezone.now() + paced(LEASE), attempts=image.attempts):
        return
    try:
        if image.state == Image.State.PENDING:
            _bring_home(image)
        else:
            _look_through(image)
    except DatabaseError:
        raise
    except Exception:  # whatever it is, it is tried again, and ends with the provider's retention
        log.exception("%s: picture %s was not brought home", image.generation_id, image.number)
        _postpone(image, "The picture could not be kept here. The log says why.", to=Image.State(image.state))


def _bring_home(image: Image) -> None:
    fetched = client.shared().fetch(_result_call(image), images.incoming(image)).result()
    if isinstance(fetched, client.NotFetched):
        _postpone(image, fetched.reason, gone=fetched.gone)
        return
    try:
        verified = images.verify(fetched.path)
    except images.NotAPicture as error:
        _postpone(image, str(error))
        return
    _keep(image, images.store(image, fetched.path, verified), fetched, verified)


def _look_through(image: Image) -> None:
    try:
        images.make_thumbnails(image)
    except images.NotAPicture as error:
        _postpone(image, str(error))
        return
    except FileNotFoundError:
        _postpone(image, "Its file is gone.")
        return
    with transaction.atomic():
        arrived = Image.objects.filter(pk=image.pk, state=Image.State.ARRIVED)
        arrived.update(state=Image.State.KEPT, problem="")
        _touch(image)
    settle(image.generation)


def begin_collecting(generation: Generation, progress: Progress, answer: str) -> bool:
    """The provider is done: remember each output, and begin to bring them home. False where somebody else was first."""
    provider, operation = find(generation.provider, generation.operation)
    fields: dict[str, Any] = {"problem": "", "problem_details": ""}
    if progress.cost:
        fields |= {"cost": progress.cost.amount, "cost_unit": progress.cost.unit}
    if operation.counts_itself(generation.values):
        fields["asked"] = len(progress.outputs)
    with transaction.atomic():
        if advance(generation, Status.COLLECTING, reason=f"{provider.label} is done", answer=answer, **fields):
            if generation.doubts:  # it may have been collected before, and what was lost then be found again
                generation.images.filter(state=Image.State.LOST).delete()
            made = Image.objects.bulk_create(_pending(generation, output) for output in progress.outputs)
            transaction.on_commit(lambda: queue.enqueue_collects(image.pk for image in made))
            return True
    return False


def _pending(generation: Generation, output: Output) -> Image:
    return Image(generation=generation, index=output.index, source_url=output.url)


def brought(generation: Generation, files: Sequence[IO[bytes]]) -> list[Image]:
    """Pictures that a person has brought, checked and stored; empty where one of them is no picture."""
    made = [Image(generation=generation, index=index, state=Image.State.KEPT) for index in range(len(files))]
    for image, file in zip(made, files, strict=True):
        path = images.incoming(image)
        content = file.read(client.PICTURE_CAP + 1)
        path.write_bytes(content)
        try:
            verified = images.verify(path)
            image.file = images.store(image, path, verified)
            images.make_thumbnails(image)
        except images.NotAPicture:
            for each in made:
                images.forget(each)
            return []
        image.sha256, image.size = hashlib.sha256(content).hexdigest(), len(content)
        image.media_type, image.width, image.height = verified.media_type, verified.width, verified.height
    return made


def take(generation: Generation, made: list[Image], person: User) -> bool:
    """End a generation with pictures that a person brought. False where somebody else was first: they are dropped."""
    reason = f"{person.display_name} brought the pictures"
    with transaction.atomic():
        if taken := advance(generation, Status.COLLECTING, reason=reason, problem="", problem_details=""):
            Image.objects.bulk_create(made)
            ledger.write(generation.team, person, "it was made", generation, f"{len(made)} pictures brought")
    for image in () if taken else made:
        images.forget(image)
    settle(generation)
    return taken


def due_images(now: datetime) -> list[uuid.UUID]:
    """Pictures whose next step may be taken now: first those that nobody has seen yet."""
    due = Image.objects.filter(state__in=Image.ON_ITS_WAY, due_at__lte=now).order_by("-state", "due_at")
    return list(due.values_list("pk", flat=True)[:200])


def settle(generation: Generation) -> None:
    """End a collecting generation when none of its pictures is on its way any more."""
    states = list(generation.images.values_list("state", flat=True))
    waits = {Image.State.PENDING} if _is_over(generation) else set(Image.ON_ITS_WAY)  # thumbnails may come later still
    if generation.status != Status.COLLECTING or not waits.isdisjoint(states):
        return
    kept = sum(state in Image.HERE for state in states)
    cost = {} if generation.cost is not None else _cost_told(generation)
    if kept:
        advance(generation, Status.SUCCEEDED, reason=f"{kept} of {generation.asked} pictures kept", **cost)
    else:
        gone = "The pictures were made and charged, but none could be brought home before the provider removed them."
        fail(generation, gone, **cost)


def _is_over(generation: Generation) -> bool:
    """Whether its provider keeps nothing of it any more."""
    with contextlib.suppress(LookupError):  # neither its provider nor its operation need be there any more
        return generation.created + deadlines(generation).retention < timezone.now()
    return False


def _cost_told(generation: Generation) -> dict[str, Any]:
    """What the provider says that it charged, where it is asked for that apart."""
    provider = PROVIDERS.get(generation.provider)
    costs = provider.costs if provider else None
    if not costs or not generation.provider_task_id:
        return {}
    task = Task(generation.provider_task_id, str(generation.pk))
    try:
        request = costs.build(task, account_of(generation), timezone.now())
        reply = client.shared().send(free_call(generation.credential, request, deadlines(generation).query)).result()
        cost = costs.parse(reply) if isinstance(reply, httpx.Response) else None
    except (errors.ProviderError, Undecryptable, LookupError) as error:
        log.info("%s: the cost is not known yet (%s)", generation.pk, type(error).__name__)
        return {}
    return {"cost": cost.amount, "cost_unit": cost.unit} if cost else {}


def _result_call(image: Image) -> client.Call:
    generation = image.generation
    deadline = deadlines(generation).download
    request = httpx.Request("GET", image.source_url, headers={"Accept": "image/*"})
    policy = credentials.result_policy(generation.credential)
    return client.Call(request, deadline, policy, lane=f"{lane(generation)}/pictures")


def _keep(image: Image, name: str, fetched: client.Fetched, verified: images.Verified) -> None:
    with transaction.atomic():
        Image.objects.filter(pk=image.pk, state=Image.State.PENDING).update(
            state=Image.State.ARRIVED,
            due_at=timezone.now(),
            file=name,
            media_type=verified.media_type,
            sha256=fetched.sha256,
            size=fetched.size,
            width=verified.width,
            height=verified.height,
            problem="",
        )
        _touch(image)
        transaction.on_commit(lambda: queue.enqueue_collects([image.pk]))


def _postpone(image: Image, reason: str, *, gone: bool = False, to: Image.State = Image.State.PENDING) -> None:
    """Try again later, slower each time.

    What is not here is lost once the provider's retention ends, or once the provider says often enough that it is gone.
    """
    generation, now = image.generation, timezone.now()
    expired = _is_over(generation)
    late = (generation.submitted_at or generation.created) + paced(GONE_AFTER_SECONDS) < now
    lost = to == Image.State.PENDING and (expired or (gone and late and image.attempts >= GONE_AFTER))
    pause = paced(min(5 * 2**image.attempts, 3600))
    with transaction.atomic():
        Image.objects.filter(pk=image.pk, state=image.state).update(
            state=Image.State.LOST if lost else to, due_at=now + pause, problem=reason[:300]
        )
        _touch(image)
    log.warning("%s: picture %s was not brought home: %s", generation.pk, image.number, reason)
    settle(generation)


def _touch(image: Image) -> None:
    Generation.objects.filter(pk=image.generation_id).update(changed=timezone.now())
