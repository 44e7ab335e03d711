"""Evidence for a request of unknown fate: what was left on the account before it was sent, and after.

Balances are read where a provider tells them at once and cannot find a request for us. Reading costs nothing.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal

import httpx
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from generations import credentials, ledger, pricing, queue
from generations.lifecycle import UNFINISHED
from generations.models import BalanceReading, Credential, Generation, Status
from generations.providers import client, errors
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Provider
from generations.services.common import paced
from generations.services.restoring import is_restored, sent_since
from klingweb.secrets import Undecryptable

log = logging.getLogger(__name__)

EVERY = 50  # seconds between two readings of the same account
KEPT = timedelta(days=3)
SETTLES = 15  # seconds after which a provider has written down what it charged


def weighs(provider: Provider) -> bool:
    """Whether only its balance can tell what became of a request."""
    return not (provider.finds_by_external_id or provider.lookups)


def ask_for_reading(credential: Credential) -> None:
    """Have the balance read soon, where it may be needed as evidence."""
    if weighs(PROVIDERS[credential.provider]):
        queue.enqueue_reading(credential.pk)


def due_credentials(now: datetime) -> list[int]:
    """Credentials with something on its way, whose balance has not been read for a while."""
    slugs = [slug for slug, provider in PROVIDERS.items() if weighs(provider)]
    moving = Generation.objects.filter(credential=OuterRef("pk"), status__in=[*UNFINISHED, Status.UNCONFIRMED])
    fresh = BalanceReading.objects.filter(credential=OuterRef("pk"), at__gt=now - paced(EVERY))
    known = Credential.objects.filter(provider__in=slugs, erased_at=None, paused_at=None)
    return list(known.filter(Exists(moving), ~Exists(fresh)).values_list("pk", flat=True))


def read(pk: int) -> None:
    """Read the balance and remember it. No answer changes nothing."""
    credential = Credential.objects.filter(pk=pk, erased_at=None).first()
    if not credential or credential.provider not in PROVIDERS:
        return
    provider, now = PROVIDERS[credential.provider], timezone.now()
    try:
        request = provider.build_checkup(credentials.account(credential), now)
        call = client.Call(request, provider.deadlines.query, credentials.api_policy(credential), str(credential.pk))
        reply = client.shared().send(call).result()
        left = provider.parse_checkup(reply).left if isinstance(reply, httpx.Response) else None
    except (errors.ProviderError, Undecryptable) as error:
        log.info("%s: no balance (%s)", credential.last_four, type(error).__name__)
        return
    if left is not None:
        BalanceReading.objects.create(credential=credential, at=now, left=left)
        BalanceReading.objects.filter(credential=credential, at__lt=now - KEPT).delete()


def evidence(generation: Generation) -> str:
    """What the readings before and after say about a request of unknown fate; empty where they say nothing."""
    provider, sent = PROVIDERS.get(generation.provider), generation.submitted_at
    if not provider or not sent or not weighs(provider):
        return ""
    readings = BalanceReading.objects.filter(credential=generation.credential_id)
    before = readings.filter(at__lte=sent_since(generation)).last()
    after = readings.filter(at__gte=sent + paced(SETTLES)).first()
    return _verdict(generation, before, after, provider.balance_unit) if before and after else ""


def _verdict(generation: Generation, before: BalanceReading, after: BalanceReading, unit: str) -> str:
    fall, span = before.left - after.left, _span(before.at, after.at)
    if fall < 0:
        return f"The balance rose by {_amount(-fall, unit)} {span}, so it does not tell whether this was charged."
    if not fall:
        return f"The balance did not fall {span}, so it was probably not made."
    said, expected = f"The balance fell by {_amount(fall, unit)} {span}", _expected(generation, unit)
    if expected is not None and fall < expected / generation.asked / 2:
        return f"{said}, which is less than one of its pictures costs, so it was probably not made."
    if is_restored(generation):
        return f"{said}. What else was sent before the backup was restored is not known here."
    if others := _sent_between(generation, before.at, after.at):
        return f"{said}, but {others} other {'request was' if others == 1 else 'requests were'} charged or sent then."
    return f"{said}, and nothing else was sent from here then, so it was probably made."


def _expected(generation: Generation, unit: str) -> Decimal | None:
    """The estimate in the unit of the balance, where it is known in that."""
    if unit == generation.estimate_unit:
        return generation.estimate
    return generation.estimate_usd if unit == ledger.USD else None


def _sent_between(generation: Generation, start: datetime, end: datetime) -> int:
    """How many other requests may have been charged in that time."""
    others = Generation.objects.filter(credential=generation.credential_id).exclude(pk=generation.pk)
    open_then = Q(finished_at=None) | Q(finished_at__gte=start)
    return (
        others.filter(open_then, submitted_at__lte=end)
        .exclude(submitted_at=None)
        .exclude(Q(status=Status.CANCELED) | Q(finished_at__lt=F("submitted_at")))
        .count()
    )


def _amount(amount: Decimal, unit: str) -> str:
    return pricing.in_words(amount) if unit == ledger.USD else pricing.in_words(None, amount, unit)


def _span(start: datetime, end: datetime) -> str:
    form = "%H:%M:%S" if start.date() == end.date() else "%d %B %H:%M"
    return f"between {start:{form}} and {end:{form}} UTC"
