"""Removing a generation for good, because a person may have to. That it was done is recorded; what it showed is not."""

from django.db import transaction

from generations import images
from generations.lifecycle import TERMINAL
from generations.models import Deletion, Generation
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
        gone = Generation.objects.filter(pk=generation.pk, status__in=TERMINAL)
        if not gone.exists():
            return False
        Deletion.objects.create(
            team=generation.team,
            by=person,
            generation_id=generation.pk,
            pictures=len([each for each in kept if each.file]),
        )
        gone.delete()
    for image in kept:
        images.forget(image)
    return True
