"""What is wrong with what is kept and what is under way, and how each of it is mended where that is safe."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from generations import files, images, ledger, queue
from generations.lifecycle import TERMINAL
from generations.models import Charge, Credential, Event, Generation, Image, Status
from generations.services import collecting, readying, submission
from generations.services.common import deadlines, paced
from klingweb.secrets import Undecryptable

PATIENCE = 120  # seconds; the sweep looks each minute
LATE = 3600  # seconds that something runs; most take one minute
RECENT = timedelta(days=1)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be. `mend` does what can safely be done about it, if anything."""

    kind: str
    subject: str
    sentence: str
    mend: Callable[[], object] | None = None


def examine(now: datetime) -> Iterator[Finding]:
    """All findings. Asks no provider, and changes nothing."""
    late = now - paced(PATIENCE)
    yield from room()
    yield from unsent(now, late)
    yield from unfollowed(now, late)
    yield from uncollected(late)
    yield from unconfirmed()
    yield from unaccounted()
    yield from over_reserved()
    yield from astray(now)
    yield from secrets()
    yield from failing(now)


# On the way -----------------------------------------------------------------------------------------------------------


def room() -> Iterator[Finding]:
    """Nothing is sent where a picture could not be kept."""
    if obstacle := images.obstacle():
        yield Finding("no room", "data directory", f"{obstacle} Nothing is sent meanwhile.")


def unsent(now: datetime, late: datetime) -> Iterator[Finding]:
    """What waits although it could go, and what went without anybody waiting for the answer."""
    for generation in Generation.objects.filter(status=Status.SUBMITTING):
        if submission.is_over(generation, late):
            sentence = "Its paid request got no answer in time, and nobody has judged that."
            yield _stuck(generation, sentence, partial(submission.give_up_silent, "doctor"))
    if not queue.is_followed(now):
        awake = {"credential__paused_at": None, "credential__removed_at": None, "team__sending_pause": None}
        for generation in Generation.objects.filter(status=Status.QUEUED, ready=True, due_at__lte=late, **awake):
            yield _stuck(
                generation, "It could be sent, but nobody follows. Is `manage.py serve` running?", queue.nudge_follower
            )
    for pk in readying.due_generations(late):
        sentence = "Its references should be on their way to the provider. Is the default queue cluster running?"
        yield Finding("stuck", f"generation {pk}", sentence, partial(queue.enqueue_ready, [pk]))


def unfollowed(now: datetime, late: datetime) -> Iterator[Finding]:
    """What runs without anybody asking about it, and what runs for very long."""
    for generation in Generation.objects.filter(status=Status.RUNNING).order_by("submitted_at"):
        if generation.due_at < late:
            sentence = f"It runs, but nobody has asked about it since {_time(generation.due_at)}."
            yield _stuck(generation, sentence, queue.nudge_follower)
        elif (sent := generation.submitted_at or generation.created) < now - paced(LATE):
            yield Finding("late", _named(generation), f"The provider has been making it since {_time(sent)}.")


def uncollected(late: datetime) -> Iterator[Finding]:
    """What is collecting with nothing left to come, and pictures that nobody fetches."""
    collecting_now = Generation.objects.filter(status=Status.COLLECTING, changed__lt=late)
    for generation in collecting_now.exclude(images__state__in=Image.ON_ITS_WAY).select_related("credential"):
        sentence = "All its pictures are here or lost, and it has not ended."
        yield _stuck(generation, sentence, partial(collecting.settle, generation))
    for pk in collecting.due_images(late):
        sentence = "It should be on its way home. Is the default queue cluster running?"
        yield Finding("stuck", f"picture {pk}", sentence, partial(queue.enqueue_collects, [pk]))


def unconfirmed() -> Iterator[Finding]:
    """Requests of unknown fate."""
    for generation in Generation.objects.filter(status=Status.UNCONFIRMED).order_by("submitted_at"):
        sentence = f"Nobody knows whether it was sent and charged. {generation.problem_details}".strip()
        yield Finding("unconfirmed", _named(generation), f"{sentence} Somebody has to decide on its page.")


def unaccounted() -> Iterator[Finding]:
    """Generations whose money was never noted."""
    if number := _without_money().count():
        sentence = f"Nothing is noted about the money of {number} generations: they are older than the ledger."
        yield Finding("unaccounted", "ledger", sentence, _note_money)


def _without_money() -> QuerySet[Generation]:
    return Generation.objects.filter(~Exists(Charge.objects.filter(generation_id=OuterRef("pk"))))


def _note_money() -> None:
    for generation in _without_money().iterator():
        ledger.make_up(generation, _end_of(generation.pk) if generation.status in TERMINAL else None)


def over_reserved() -> Iterator[Finding]:
    """Money that is set aside for what has ended, or is gone."""
    open_ones = Generation.objects.exclude(status__in=TERMINAL).values("pk")
    for charge in Charge.objects.filter(state=Charge.State.RESERVED).exclude(generation_id__in=open_ones):
        end = _end_of(charge.generation_id)
        mend = partial(ledger.follow, charge.generation_id, end.before, end.after) if end else None
        sentence = f"{_amount(charge)} is still set aside for it, although it has ended."
        yield Finding("over-reserved", f"generation {charge.generation_id}", sentence, mend)


def _end_of(pk: UUID) -> Event | None:
    return Event.objects.filter(generation=pk, after__in=TERMINAL).last()


# What is kept ---------------------------------------------------------------------------------------------------------


def astray(now: datetime) -> Iterator[Finding]:
    """Rows without a file, and files without a row. Where that is most of them, something else is wrong: hands off."""
    here = files.present()
    relied_on, missing, stray = files.relied_on(), files.missing(here), files.stray(here, now)
    plausible = 2 * len(missing) <= len(relied_on)
    if not plausible:
        yield Finding("missing", "files", f"{len(missing)} of {len(relied_on)} files are missing. Is the disk there?")
    yield from _missing(missing, now, mendable=plausible)
    known = 2 * len(stray) <= len(here)
    if not known:
        sentence = f"{len(stray)} of {len(here)} files belong to nothing here. Is this the right database?"
        yield Finding("stray", "files", sentence)
    for name in sorted(stray):
        mend = partial(default_storage.delete, name) if known else None
        yield Finding("stray", name, "The file belongs to nothing that is kept here.", mend)
    yield from _unfinished(now)


def _missing(names: set[str], now: datetime, *, mendable: bool) -> Iterator[Finding]:
    kept = Image.objects.filter(state__in=Image.HERE) if names else Image.objects.none()
    told: set[str] = set()
    for image in kept.select_related("generation").iterator():
        if own := names.intersection(files.of_image(image)):
            told |= own
            mend, hint = _mend_of(image, now, whole=image.file not in own)
            sentence = f"Generation {image.generation_id} has no file {' and '.join(sorted(own))}. {hint}"
            yield Finding("missing", f"picture {image.pk}", sentence, mend if mendable else None)
    for name in sorted(names - told):
        yield Finding("missing", name, "The file of a reference picture is gone. Only a backup has it.")


def _mend_of(image: Image, now: datetime, *, whole: bool) -> tuple[Callable[[], object] | None, str]:
    if whole:
        return partial(images.make_thumbnails, image), "It is made from the picture again."
    try:
        at_provider = image.generation.created + deadlines(image.generation).retention > now
    except LookupError:  # neither its provider nor its operation need be there any more
        at_provider = False
    if at_provider:
        return partial(fetch_again, image), "Its provider should still have the picture."
    return None, "Only a backup has the picture."


def _unfinished(now: datetime) -> Iterator[Finding]:
    """What arrived in part and was given up."""
    for part in sorted(images.unfinished()):
        if datetime.fromtimestamp(part.stat().st_mtime, tz=UTC) < now - files.STRAY:
            mend = partial(part.unlink, missing_ok=True)
            yield Finding("stray", f"incoming/{part.name}", "Half a picture, which nobody fetches any more.", mend)


def fetch_again(image: Image) -> None:
    """Bring a picture home once more whose file is gone. Should that fail, it is lost."""
    now = timezone.now()
    again = {"state": Image.State.PENDING, "due_at": now, "attempts": 0, "problem": "Its file is gone."}
    if Image.objects.filter(pk=image.pk, state__in=Image.HERE).update(**again):
        Generation.objects.filter(pk=image.generation_id).update(changed=now)
        queue.enqueue_collects([image.pk])


# What should work -----------------------------------------------------------------------------------------------------


def secrets() -> Iterator[Finding]:
    """Keys that cannot be read."""
    for credential in Credential.objects.filter(erased_at=None).select_related("team"):
        try:
            len(credential.secrets)
        except Undecryptable:
            yield Finding(
                "unreadable",
                f"credential {credential.pk}",
                f"The key {credential} of {credential.team} opens with none of KLINGWEB_ENCRYPTION_KEYS. Add the "
                "encryption key it was stored with behind a comma, or enter the API key again.",
            )


def failing(now: datetime) -> Iterator[Finding]:
    """Tasks of the queue that failed of late."""
    for task, times in queue.failures(now - RECENT):
        yield Finding("failing", task, f"This task has failed {times} times within a day. The log says why.")


# Words ----------------------------------------------------------------------------------------------------------------


def _stuck(generation: Generation, sentence: str, mend: Callable[[], object]) -> Finding:
    return Finding("stuck", _named(generation), sentence, mend)


def _named(generation: Generation) -> str:
    return f"generation {generation.pk}"


def _amount(charge: Charge) -> str:
    return "An unknown amount" if charge.reserved is None else f"{charge.reserved.normalize():f} {charge.unit}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
