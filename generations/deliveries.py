"""Webhooks: whether and where a provider is asked to call, and whether its calls prove to arrive."""

import uuid
from datetime import datetime, timedelta

import httpx
from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from generations.models import Credential, Generation
from generations.providers.client import host_port, is_public
from generations.providers.spec import Operation

PROOF = 3  # generations in a row, within a day, whose end a call had told of
DAY = timedelta(days=1)
PRIVATE_NAMES = (".localhost", ".local", ".internal")


def reachable() -> bool:
    """Whether a provider can call us: KLINGWEB_PUBLIC_URL is a public https address, or one that is trusted."""
    url = httpx.URL(settings.PUBLIC_URL)
    return host_port(url) in settings.TRUSTED_PROVIDER_HOSTS or (url.scheme == "https" and _is_public(url.host))


def address(generation: Generation, operation: Operation) -> str:
    """Where its provider may call us about this generation; empty where it should not, or could not."""
    if not (operation.webhook and generation.credential.webhooks and reachable()):
        return ""
    named = {"provider": generation.provider, "token": token(generation.pk)}
    return f"{settings.PUBLIC_URL}{reverse('webhook', kwargs=named)}"


def token(pk: uuid.UUID) -> str:
    """What nobody can guess of that address. It is signed, not stored: a second request gets the same one."""
    return _signer().sign(pk.hex)


def read(given: str) -> uuid.UUID | None:
    """The generation that a token was made for; None for anything else. The comparison takes constant time."""
    try:
        return uuid.UUID(_signer().unsign(given))
    except BadSignature:
        return None


def secrets_of(generation: Generation) -> list[str]:
    """All that must not show in what is kept of an answer about it."""
    return [*generation.credential.secrets.values(), token(generation.pk)]


def arrive(generation: Generation, now: datetime) -> bool:
    """Whether calls about such requests have proved to arrive, so that one may be expected for this one."""
    moments = generation.credential.arrivals.get(generation.operation, [])
    return generation.delivered is not None and len(moments) == PROOF and moments[0] > (now - DAY).timestamp()


def note_end(generation: Generation, now: datetime) -> None:
    """Remember whether a call had told of its end before we saw it. One that came without breaks the row."""
    if generation.delivered is None:
        return
    before = generation.credential.arrivals
    known = before.get(generation.operation, [])
    moments = [*known, now.timestamp()][-PROOF:] if generation.delivered else []
    if moments != known:
        arrivals = {**before, generation.operation: moments}
        Credential.objects.filter(pk=generation.credential_id).update(arrivals=arrivals)


def _signer() -> Signer:
    return Signer(salt="generations.deliveries", sep=".")


def _is_public(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:
        return "." in host and not host.endswith(PRIVATE_NAMES)
