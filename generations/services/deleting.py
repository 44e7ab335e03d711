"""Removing a generation for good, because a person may have to.

Its pictures go with it, and references that nobody else uses. That it was done is recorded; what it showed is not.
"""

from django.db import transaction

from generations import assets, images, ledger
from generations.lifecycle import TERMINAL
from generations.models import Asset, Deletion, Generation
from klingweb.accounts.models import User


def obstacle(generation: Generation) -> str:
    """Why it cannot be deleted now, as a sentence; empty where it can."""
    if generation.status in TERMINAL:
        return ""
    return "It has not ended yet. Cancel it while it waits, decide about it, or wait until its pictures are here."


def delete(generation: Generation, person: User) -> bool:
    """Delete it with its pictures and its history. False where it has not ended, or is gone already."""
    if obstacle(generation):
        return False
    kept = list(generation.images.all())
    with transaction.atomic():
        ended = Generation.objects.filter(pk=generation.pk, status__in=TERMINAL)
        if not ended.exists():
            return False
        _remove(generation, person, pictures=sum(bool(each.file) for each in kept))
    for image in kept:
        images.forget(image)
    return True


def _remove(generation: Generation, person: User, pictures: int) -> None:
    used = list(Asset.objects.filter(references__generation=generation).distinct())
    Generation.objects.filter(pk=generation.pk).delete()
    unused = [each for each in used if not assets.is_used(each)]
    for asset in unused:
        assets.forget(asset)
    Deletion.objects.create(
        team=generation.team,
        by=person,
        generation_id=generation.pk,
        pictures=pictures,
        references=len(unused),
        credential=generation.credential,
        asked=generation.asked,
        submitted_at=generation.submitted_at,
    )
    ledger.write(generation.team, person, "delete", generation, f"{pictures} pictures, {len(unused)} references")
