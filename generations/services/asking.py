"""From a person's form to a queued generation, and back out of the queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from django.db import IntegrityError, transaction

from generations import pricing, queue
from generations.catalogue import Offer
from generations.lifecycle import advance, begin
from generations.models import Asset, Credential, Generation, Reference, Status
from generations.providers.fields import Picture, Values
from generations.providers.spec import Operation
from generations.services.common import fail
from klingweb.accounts.models import Membership

GONE = "This picture is not here any more. Choose another."


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
    used = _references(member, operation, cleaned.values)
    missing = {name: GONE for name, asset in used.items() if not asset}
    if wrong := cleaned.errors | missing:
        return Requested(None, wrong)
    generation = _new(member, offer, operation, credential, cleaned.values, key)
    generation.ready = not used
    try:
        with transaction.atomic():
            begin(generation, f"Asked by {member.user.display_name}")
            Reference.objects.bulk_create(
                Reference(generation=generation, field=name, asset=asset) for name, asset in used.items() if asset
            )
    except IntegrityError:
        return _sent_before(member, generation.key, used)
    transaction.on_commit(queue.nudge_follower if generation.ready else partial(queue.enqueue_ready, [generation.pk]))
    return Requested(generation, {}, new=True)


def _sent_before(member: Membership, key: str, used: Mapping[str, Asset | None]) -> Requested:
    """The generation that this form made before; where there is none, a picture went while the form was sent."""
    earlier = Generation.objects.filter(person=member.user, key=key).first()
    return Requested(earlier, {}) if earlier else Requested(None, dict.fromkeys(used, GONE))


def _references(member: Membership, operation: Operation, values: Values) -> dict[str, Asset | None]:
    """The team's asset for each picture that is set; None where there is no such asset."""
    pictures = [each.name for each in operation.fields if isinstance(each, Picture) and each.name in values]
    if not pictures:
        return {}
    found = {str(each.pk): each for each in Asset.objects.filter(team=member.team, pk__in=map(values.get, pictures))}
    return {name: found.get(str(values[name])) for name in pictures}


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
    return sha256(repr((key, *asked)).encode()).hexdigest()


def cancel(generation: Generation, person_name: str) -> bool:
    """Take a generation back before it is sent. False where it has left already."""
    if generation.status != Status.QUEUED:
        return False
    if generation.doubts:
        return fail(generation, f"Canceled by {person_name}. Whether its first request was charged is not known.")
    return advance(generation, Status.CANCELED, reason=f"Canceled by {person_name} before it was sent")
