"""From a person's form to a queued generation, and back out of the queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from django.db import IntegrityError, transaction

from generations import dispatch, ledger, pricing, queue
from generations.catalogue import Offer, offers
from generations.lifecycle import advance, begin
from generations.models import Asset, Credential, Generation, Reference, Status
from generations.providers.fields import Values
from generations.providers.spec import Cleaned, Operation
from generations.services import readying, weighing
from generations.services.common import fail
from klingweb.accounts.models import Membership, User

GONE = "This picture is not here any more. Choose another."


@dataclass(frozen=True)
class Requested:
    """What became of a form: a generation, or sentences by field name."""

    generation: Generation | None
    errors: Mapping[str, str]
    new: bool = False


def ask(
    member: Membership,
    offer: Offer,
    operation: Operation,
    credential: Credential | None,
    raw: Mapping[str, object],
    key: str,
    *,
    retry_of: Generation | None = None,
) -> Requested:
    """Check a person's form and write the generation. The same form sent twice makes one.

    Without a credential, that of the offer is taken which has a free slot; it may be another one until it is sent.
    """
    cleaned = operation.clean(raw)
    used = _references(member, operation, cleaned.values)
    missing = {name: GONE for name, asset in used.items() if not asset}
    if wrong := cleaned.errors | missing | _strange_account(operation, credential, cleaned):
        return Requested(None, wrong)
    generation = _new(member, offer, operation, credential, cleaned.values, key)
    generation.retry_of = retry_of
    if not credential:
        generation.credential = credential = dispatch.chosen(offer.credentials, generation, generation.created)
    generation.ready = not readying.needed(offer.provider, references=bool(used))
    try:
        with transaction.atomic():
            begin(generation, f"Asked {'again ' if retry_of else ''}by {member.user.display_name}")
            Reference.objects.bulk_create(
                Reference(generation=generation, field=name, asset=asset) for name, asset in used.items() if asset
            )
    except IntegrityError:
        return _sent_before(member, generation.key, used)
    weighing.ask_for_reading(credential)
    transaction.on_commit(queue.nudge_follower if generation.ready else partial(queue.enqueue_ready, [generation.pk]))
    return Requested(generation, {}, new=True)


def _strange_account(operation: Operation, credential: Credential | None, cleaned: Cleaned) -> dict[str, str]:
    chosen = cleaned.values.get(operation.account)
    if not chosen or (credential and credential.accounts.filter(name=chosen).exists()):
        return {}
    if not credential:
        return {operation.account: "An account belongs to one key. Choose that key too, or the free account."}
    return {operation.account: "This account is not one of the key's. Choose another, or the free one."}


def _sent_before(member: Membership, key: str, used: Mapping[str, Asset | None]) -> Requested:
    """The generation that this form made before; where there is none, a picture went while the form was sent."""
    earlier = Generation.objects.filter(person=member.user, key=key).first()
    return Requested(earlier, {}) if earlier else Requested(None, dict.fromkeys(used, GONE))


def _references(member: Membership, operation: Operation, values: Values) -> dict[str, Asset | None]:
    """The team's asset for each picture that is set; None where there is no such asset."""
    pictures = [each.name for each in operation.references if each.name in values]
    if not pictures:
        return {}
    found = {str(each.pk): each for each in Asset.objects.filter(team=member.team, pk__in=map(values.get, pictures))}
    return {name: found.get(str(values[name])) for name in pictures}


def _new(
    member: Membership, offer: Offer, operation: Operation, credential: Credential | None, values: Values, key: str
) -> Generation:
    estimate = pricing.estimate(operation, values)
    return Generation(
        team=member.team,
        person=member.user,
        credential=credential,
        open_credential=credential is None,
        key=_fingerprint(key, offer.provider.slug, operation.slug, sorted(values.items())),
        provider=offer.provider.slug,
        operation=operation.slug,
        account=str(values.get(operation.account) or ""),
        model_name=str(operation.meant(values, "model") or ""),
        prompt=str(operation.meant(values, "prompt") or ""),
        shape=str(operation.meant(values, "shape") or ""),
        asked=operation.pictures(values),
        values=dict(values),
        estimate=estimate.amount if estimate else None,
        estimate_unit=estimate.unit if estimate else "",
        estimate_usd=estimate.usd if estimate else None,
    )


def _fingerprint(key: str, *asked: object) -> str:
    """The form's key and what was asked: a form that was changed and sent again is a new request."""
    return sha256(repr((key, *asked)).encode()).hexdigest()


def retry(member: Membership, earlier: Generation, key: str) -> Requested:
    """Ask for the same again as a new attempt, linked to the old one."""
    offer = next((each for each in offers(member.team) if each.provider.slug == earlier.provider), None)
    operation = next((each for each in offer.operations if each.slug == earlier.operation), None) if offer else None
    if not offer or not operation:
        return Requested(None, {"provider": "This is not offered to your team any more."})
    same = next((each for each in offer.credentials if each.pk == earlier.credential_id), offer.credentials[0])
    credential = None if earlier.open_credential else same
    pictures = {each.field: str(each.asset_id) for each in earlier.references.all()}
    return ask(member, offer, operation, credential, earlier.values | pictures, key, retry_of=earlier)


@transaction.atomic
def cancel(generation: Generation, person: User) -> bool:
    """Take a generation back before it is sent. False where it has left already."""
    if generation.status != Status.QUEUED:
        return False
    name = person.display_name
    if generation.doubts:
        back = fail(generation, f"Canceled by {name}. Whether its first request was charged is not known.")
    else:
        back = advance(generation, Status.CANCELED, reason=f"Canceled by {name} before it was sent")
    if back:
        ledger.write(generation.team, person, "cancel", generation)
    return back
