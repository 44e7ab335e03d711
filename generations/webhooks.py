"""Where providers call when something has happened to a request.

A call is a hint and never believed: of its body nothing is read but the signature, where there has to be one. It makes
the generation that its address names due, so that klingweb asks.
"""

import hashlib
import logging
from datetime import datetime

from django.db import DatabaseError
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Least
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from generations import deliveries, queue
from generations.models import Delivery, Generation, Lease, Status
from generations.providers.registry import PROVIDERS
from generations.providers.signatures import is_signed
from generations.services.common import paced
from klingweb.secrets import Undecryptable

log = logging.getLogger(__name__)

MOST_BYTES = 2**18
MOST_DELIVERIES = 50  # of one generation; what comes after them is answered and changes nothing
EVERY = 2  # seconds, at least, between two looks at a generation that calls have caused
HEARD = (Status.SUBMITTING, Status.UNCONFIRMED, Status.RUNNING)


@csrf_exempt
def hear(request: HttpRequest, provider: str, token: str) -> HttpResponse:
    """POST of a provider. Strangers get 404, forgers 401, all others 200, whether it was news or not."""
    request.path = "/hooks/"  # Django logs the path of whatever is refused, and the token is a secret
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        return HttpResponse(status=_status(request, provider, token))
    except UnreadablePostError:
        return HttpResponse(status=400)
    except DatabaseError as error:
        log.warning("A delivery could not be noted (%s): polling goes on.", type(error).__name__)
        return HttpResponse(status=503)


def _status(request: HttpRequest, provider: str, token: str) -> int:
    pk = deliveries.read(token)
    if not pk or provider not in PROVIDERS:
        return 404
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        return 413
    now = timezone.now()
    digest, name = hashlib.sha256(body).hexdigest(), request.headers.get("webhook-id", "")[:100]
    same = Delivery.objects.filter(generation=OuterRef("pk"))
    followed = Lease.objects.filter(name=queue.FOLLOWER, expires_at__gt=now)
    asked = Generation.objects.filter(pk=pk, provider=provider, delivered__isnull=False).select_related("credential")
    generation = asked.annotate(
        same_name=Exists(same.filter(webhook_id=name)),
        same_body=Exists(same.filter(sha256=digest)),
        followed=Exists(followed),
    ).first()
    if not generation:
        return 404
    verified = _verified(generation, request, body, now)
    if verified is False:
        return 401
    if generation.same_name if verified else generation.same_body:
        return 200
    if _make_due(generation, now):
        delivery = Delivery(generation=generation, at=now, size=len(body), sha256=digest, verified=bool(verified))
        delivery.webhook_id = name if verified else ""
        Delivery.objects.bulk_create([delivery], ignore_conflicts=True)  # a repeat may arrive at the same moment
        if not generation.followed:
            queue.nudge_follower()
    return 200


def _verified(generation: Generation, request: HttpRequest, body: bytes, now: datetime) -> bool | None:
    """Whether the signature is right; None where the provider has no secret to sign with."""
    try:
        secret = generation.credential.secrets.get(PROVIDERS[generation.provider].signs_with)
    except Undecryptable:
        return False
    return is_signed(secret, request.headers, body, now) if secret else None


def _make_due(generation: Generation, now: datetime) -> bool:
    """Have it asked about at once, or soon where a call has just caused that. False where nobody waits for it."""
    waiting = Generation.objects.filter(pk=generation.pk, status__in=HEARD, delivered__lt=MOST_DELIVERIES)
    if generation.status == Status.SUBMITTING:  # nobody can ask yet, and the first look comes soon anyway
        return bool(waiting.update(delivered=F("delivered") + 1))
    due, last = now, generation.hinted_at
    if last:
        due = last if last > now else max(now, last + paced(EVERY))
    return bool(waiting.update(delivered=F("delivered") + 1, hinted_at=due, due_at=Least("due_at", due)))
