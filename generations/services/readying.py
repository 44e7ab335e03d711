"""Bringing references to the provider while a generation waits, so that `submitting` holds the paid call alone."""

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any

import httpx
from django.db.models import Count, Q
from django.utils import timezone

from generations import assets, credentials, queue
from generations.models import Asset, AssetCopy, Credential, Generation, Status
from generations.pictures import BadPicture
from generations.providers import client, errors
from generations.providers.exchange import Upload
from generations.providers.registry import PROVIDERS, find
from generations.providers.spec import Provider
from generations.services.common import deadlines, fail, free_call, load, paced
from klingweb.secrets import Undecryptable

log = logging.getLogger(__name__)

LEASE = 300  # seconds; one attempt; whoever comes meanwhile finds that it is not due
AGAIN = 15  # seconds until the next attempt, where the provider could not take a picture


class NotNow(Exception):
    """The provider cannot be prepared at the moment. The text says why."""


def due_generations(now: datetime) -> list[uuid.UUID]:
    """Generations whose references are still to be brought to their provider."""
    waiting = Generation.objects.filter(status=Status.QUEUED, ready=False, due_at__lte=now)
    awake = waiting.filter(credential__paused_at=None, credential__removed_at=None)
    return list(awake.values_list("pk", flat=True)[:200])


def needed(provider: Provider, *, references: bool) -> bool:
    """Whether anything has to be prepared before a request may be sent."""
    return references or provider.accounts is not None


def make_ready(pk: uuid.UUID) -> None:
    """Make each reference's copy for the provider, then let the generation be sent. Again and again does no harm."""
    now = timezone.now()
    waiting = Generation.objects.filter(pk=pk, status=Status.QUEUED, ready=False)
    if not waiting.filter(due_at__lte=now).update(due_at=now + paced(LEASE)):
        return
    generation = load(pk)
    if not generation:
        return
    waiting = waiting.filter(_still_for(generation))
    try:
        _prepare(generation)
    except (BadPicture, FileNotFoundError) as error:
        log.warning("%s: a reference cannot be used (%s)", pk, type(error).__name__)
        unusable = "A reference picture cannot be used any more. Choose it again. Nothing was charged."
        fail(generation, unusable, where=_still_for(generation))
    except (NotNow, Undecryptable) as error:
        log.info("%s: not ready yet: %s", pk, error)
        _wait(generation, str(error), paced(AGAIN))
    except errors.ProviderError as error:
        _heed(generation, error)
    else:
        if waiting.update(ready=True, problem="", due_at=timezone.now(), changed=timezone.now()):
            queue.nudge_follower()


def _prepare(generation: Generation) -> None:
    provider, operation = find(generation.provider, generation.operation)
    if provider.accounts and not generation.account:
        named = generation.credential.secrets.get(operation.account)
        generation.account = named or free_account(generation.credential, deadlines(generation).query)
        _note_account(generation)
    limits = {each.name: each.limits for each in operation.references}
    for reference in generation.references.select_related("asset"):
        assets.check(reference.asset, limits[reference.field])
        deadline = deadlines(generation).upload
        reference.copy = copy_of(reference.asset, generation.credential, generation.account, deadline)
        reference.save(update_fields=["copy"])


def _note_account(generation: Generation) -> None:
    """Remember the account, unless it waits for another credential by now. Raises NotNow."""
    same = Generation.objects.filter(pk=generation.pk, credential=generation.credential_id)
    if not same.update(account=generation.account):
        raise NotNow("It waits for another key by now.")


def copy_of(asset: Asset, credential: Credential, account: str, deadline: float) -> AssetCopy:
    """The asset as the provider takes it, brought there if it has to be. Raises NotNow or ProviderError."""
    provider, now = PROVIDERS[credential.provider], timezone.now()
    if not provider.uploads:
        return assets.copy_for(asset, credential)
    if lying := assets.copy_at(asset, credential, account, now):
        return lying
    with assets.open_original(asset) as file:
        upload = Upload(file.read(), asset.media_type, asset.file_name)
    request = provider.uploads.build(upload, credentials.account(credential, account), now)
    address = provider.uploads.parse(answer(credential, request, deadline)).address
    expires = now + provider.uploads.keeps if provider.uploads.keeps else None
    return assets.keep_copy(asset, credential, account, address, expires)


def free_account(credential: Credential, deadline: float) -> str:
    """The account that has most room, counting what we are going to send through it. Raises NotNow or ProviderError."""
    accounts = PROVIDERS[credential.provider].accounts
    if not accounts:
        return ""
    request = accounts.build(credentials.account(credential), timezone.now())
    try:
        told = accounts.parse(answer(credential, request, deadline))
    except errors.NotFound as error:  # it says nothing of the request that waits for it
        raise NotNow("The provider does not say which accounts there are.") from error
    credentials.note_accounts(credential, told)
    resting = set(credential.accounts.exclude(paused_at=None).values_list("name", flat=True))
    waiting = _waiting_through(credential)
    room = {each.name: each.free - waiting.get(each.name, 0) for each in told if each.name not in resting}
    if not room:
        raise NotNow("No account of the credential can be used.")
    return max(room, key=lambda name: room[name])


def _waiting_through(credential: Credential) -> dict[str, int]:
    """How many of ours are going to be sent through each account of the credential."""
    queued = Q(credential=credential, status__in=[Status.QUEUED, Status.SUBMITTING])
    counted = Generation.objects.filter(queued).exclude(account="").order_by().values_list("account")
    return dict(counted.annotate(Count("pk")))


def answer(credential: Credential, request: httpx.Request, deadline: float) -> httpx.Response:
    """What the provider answers to a free call. Raises NotNow where nothing whole came back."""
    reply = client.shared().send(free_call(credential, request, deadline, "/uploads")).result()
    if isinstance(reply, httpx.Response):
        return reply
    raise NotNow(reply.reason)


def _heed(generation: Generation, error: errors.ProviderError) -> None:
    """What is wrong with the key waits for an admin; what is wrong with the picture ends the request."""
    reason = error.sentence
    log.warning("%s: %s %s %s", generation.pk, generation.credential.last_four, type(error).__name__, error.code)
    if error.pauses_credential:
        rest(generation, error)
        reason = ""
    elif isinstance(error, errors.Refused | errors.NotFound):
        fail(generation, error.sentence, code=error.code, details=error.details, where=_still_for(generation))
        return
    pause = paced(AGAIN) if error.retry_after is None else paced(error.retry_after)
    _wait(generation, reason, pause)


def _wait(generation: Generation, reason: str, pause: timedelta) -> None:
    """It is tried again by itself; meanwhile its card says why it waits."""
    now = timezone.now()
    waiting = Generation.objects.filter(_still_for(generation), pk=generation.pk, status=Status.QUEUED)
    waiting.exclude(problem=reason[:300]).update(problem=reason[:300], changed=now)
    waiting.update(due_at=now + pause)


def _still_for(generation: Generation) -> Q:
    """That it has not begun to wait for another key meanwhile."""
    return Q(credential=generation.credential_id)


def pause_for(error: errors.ProviderError, credential: Credential, account: str) -> bool:
    """Send no more through the account that was refused, or with the whole credential. Whether another one is left."""
    one = isinstance(error, errors.AccountOut) and account
    if one and credentials.pause_account(credential, account, error.sentence):
        return True
    credentials.pause(credential, error.sentence)
    return False


def rest(generation: Generation, error: errors.ProviderError) -> dict[str, Any]:
    """Send no more through the account that the provider refused, or with the whole credential if it has no other.

    Returns the fields with which the generation goes through another account, unless a person chose this one.
    """
    credential, name = generation.credential, generation.account
    if not pause_for(error, credential, name):
        return {}
    _, operation = find(generation.provider, generation.operation)
    if generation.values.get(operation.account):
        return {}
    anew = {"account": "", "ready": False}
    through_it = Generation.objects.filter(credential=credential, account=name, status=Status.QUEUED)
    through_it.exclude(values__has_key=operation.account).update(**anew)
    return anew
