"""From a person's form to a queued generation, and back out of the queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from django.db import IntegrityError, transaction

from generations import pricing, queue
from generations.catalogue import Offer
from generations.lifecycle import advance, begin
from generations.models import Credential, Generation, Status
from generations.providers.fields import Values
from generations.providers.spec import Operation
from klingweb.accounts.models import Membership


@dataclass(frozen=True)
class Requested:
    """What became of a form: a generation, or sentences by field name."""

    generation: Generation | None
    errors: Mapping[str, str]
    new: bool = False


def ask(
    member: Membership, offer: Offer, operation: Operation, credential: Credential, raw: Mapping[str, object], key: str
) -> Requested:
    """Check a person's form and write the generation. The same form sent twice makes one."""
    cleaned = operation.clean(raw)
    if cleaned.errors:
        return Requested(None, cleaned.errors)
    generation = _new(member, offer, operation, credential, cleaned.values, key)
    try:
        begin(generation, f"Asked by {member.user.display_name}")
    except IntegrityError:
        return Requested(Generation.objects.get(person=member.user, key=generation.key), {})
    transaction.on_commit(queue.nudge_follower)
    return Requested(generation, {}, new=True)


def _new(
    member: Membership, offer: Offer, operation: Operation, credential: Credential, values: Values, key: str
) -> Generation:
    count = operation.meant(values, "count")
    return Generation(
        team=member.team,
        person=member.user,
        credential=credential,
        key=_fingerprint(key, offer.provider.slug, operation.slug, credential.pk, sorted(values.items())),
        provider=offer.provider.slug,
        operation=operation.slug,
        model_name=str(operation.meant(values, "model") or ""),
        prompt=str(operation.meant(values, "prompt") or ""),
        shape=str(operation.meant(values, "shape") or ""),
        asked=count if isinstance(count, int) else 1,
        values=dict(values),
        estimate_usd=pricing.estimate_usd(operation, values),
    )


def _fingerprint(key: str, *asked: object) -> str:
    """The form's key and what was asked: a form that was changed and sent again is a new request."""
    return f"{key[:36]}:{sha256(repr(asked).encode()).hexdigest()[:32]}"


def cancel(generation: Generation, person_name: str) -> bool:
    """Take a generation back before it is sent. False where it has left already."""
    if generation.status != Status.QUEUED:
        return False
    return advance(generation, Status.CANCELED, reason=f"Canceled by {person_name} before it was sent")
