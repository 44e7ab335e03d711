"""A picture that a provider made: first its address, then the file that we keep."""

import uuid

from django.db import models
from django.utils import timezone

from generations.models.generation import Generation


class Image(models.Model):
    """One output of a generation. `index` counts from 0.

    Pending until its file is checked and stored, then kept; lost where it could not be brought home. `width` and
    `height` are measured from the file. `due_at` is when it may be fetched next, and so the lease of one attempt.
    """

    class State(models.TextChoices):
        """Whether the file is here."""

        PENDING = "pending"
        KEPT = "kept"
        LOST = "lost"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="images")
    index = models.PositiveSmallIntegerField()
    source_url = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)

    file = models.CharField(max_length=200, blank=True)
    media_type = models.CharField(max_length=32, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["index"]
        constraints = [models.UniqueConstraint(fields=["generation", "index"], name="one_image_per_index")]
        indexes = [models.Index(fields=["state", "due_at"], name="image_due")]

    def __str__(self) -> str:
        return f"{self.generation_id} {self.index}"

    @property
    def number(self) -> int:
        """As people count."""
        return self.index + 1

    @property
    def extension(self) -> str:
        """Of a file name, without the dot."""
        return {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}[self.media_type]
