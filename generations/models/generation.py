"""One request of a person, and the record of what became of it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from generations.models.credential import Credential
from klingweb.accounts.models import Team


class Status(models.TextChoices):
    """Where a generation is. Only `generations.lifecycle` moves it."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    UNCONFIRMED = "unconfirmed"
    RUNNING = "running"
    COLLECTING = "collecting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class Generation(models.Model):
    """One request of a person.

    It is `ready` once all its references are where its provider wants them; before that it is not sent.

    Its id is also our name for it at the provider (external id). `due_at` is when its next step may be taken: the POST
    while queued, the next poll while running. `changed` is written with every change that a page should show.
    `token` names the follower's turn that sent it, `doubts` counts how often nobody knew whether it had arrived.
    `values` are as cleaned, under the provider's own names. `account` is the one behind the credential that it goes
    through, where there are several. With `open_credential` a person left open which `credential` it is sent with, so
    that it may change until then. `renewed` says that its references have been uploaded anew once already.
    `retry_of` is the earlier attempt that a person tried again, `cancel_asked_at` when somebody asked the provider to
    let go of it. `delivered` counts the calls of its webhook, None where its provider was not asked to call, and
    `hinted_at` is when the last of them made it due.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="generations")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="generations", db_index=False
    )
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="generations")
    open_credential = models.BooleanField(default=False, editable=False)
    account = models.CharField(max_length=200, blank=True)
    retry_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="retries")
    key = models.CharField(max_length=100, editable=False)

    provider = models.SlugField(max_length=32)
    operation = models.SlugField(max_length=32)
    model_name = models.CharField(max_length=64, blank=True)
    prompt = models.TextField(blank=True)
    shape = models.CharField(max_length=8, blank=True)
    asked = models.PositiveSmallIntegerField()
    values = models.JSONField()

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    ready = models.BooleanField(default=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    changed = models.DateTimeField(default=timezone.now, editable=False)
    due_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    cancel_asked_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    token = models.CharField(max_length=36, blank=True, editable=False)
    provider_task_id = models.CharField(max_length=200, blank=True)
    doubts = models.PositiveSmallIntegerField(default=0, editable=False)
    renewed = models.BooleanField(default=False, editable=False)
    delivered = models.PositiveSmallIntegerField(null=True, editable=False)
    hinted_at = models.DateTimeField(null=True, editable=False)

    problem = models.CharField(max_length=300, blank=True)
    problem_code = models.CharField(max_length=60, blank=True)
    problem_details = models.CharField(max_length=400, blank=True)
    estimate = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    estimate_unit = models.CharField(max_length=16, blank=True)
    estimate_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    cost = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    cost_unit = models.CharField(max_length=16, blank=True)

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [models.UniqueConstraint(fields=["person", "key"], name="one_generation_per_form")]
        indexes = [
            models.Index(fields=["status", "due_at"], name="generation_due"),
            models.Index(fields=["team", "-created", "-id"], name="generation_history"),
            models.Index(fields=["team", "changed"], name="generation_changed"),
            models.Index(fields=["person", "changed"], name="generation_own_news"),
            models.Index(fields=["team", "created", "id"], condition=Q(finished_at=None), name="generation_unfinished"),
            models.Index(fields=["credential", "status"], name="generation_slots"),
            models.Index(fields=["credential", "submitted_at"], name="generation_sent"),
            models.Index(
                fields=["team", "provider"],
                condition=Q(status=Status.QUEUED, open_credential=True),
                name="generation_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.status}"


class Event(models.Model):
    """One transition of a generation. `answer` keeps what the provider said, redacted and capped.

    A `riddle` is an answer that nobody understood, or not wholly: it may be read again when that has been mended.
    An attempt that ended just like the one before it leaves no further events: that one counts `times`, `until` now.
    """

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    before = models.CharField(max_length=16, choices=Status.choices, blank=True)
    after = models.CharField(max_length=16, choices=Status.choices)
    reason = models.CharField(max_length=300, blank=True)
    answer = models.TextField(blank=True)
    riddle = models.BooleanField(default=False)
    times = models.PositiveIntegerField(default=1)
    until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


class Deletion(models.Model):
    """That a generation was deleted for good, by whom and when. Nothing of what it showed is kept.

    What it asked of which credential, and when, stays: it still counts for that day's limit.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="deletions")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    at = models.DateTimeField(default=timezone.now)
    generation_id = models.UUIDField()
    pictures = models.PositiveSmallIntegerField()
    references = models.PositiveSmallIntegerField(default=0)
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, null=True, related_name="+")
    asked = models.PositiveSmallIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["credential", "submitted_at"], name="deletion_sent")]

    def __str__(self) -> str:
        return f"{self.generation_id} at {self.at}"
