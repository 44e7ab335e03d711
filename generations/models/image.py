"""A picture that a provider made: first its address, then the file that we keep."""

import uuid

from django.db import models
from django.utils import timezone

from generations.models.generation import Generation


class Image(models.Model):
    """One output of a generation. `index` counts from 0.

    Pending until its file is here and whole: then it has arrived, and people see it. Kept once every pixel has been
    looked at and its thumbnails are made; lost where it could not be brought home. `width` and `height` are measured
    from the file. `due_at` is when its next step may be taken, and so the lease of one attempt.
    """

    class State(models.TextChoices):
        """How far it is on its way home."""

        PENDING = "pending"
        ARRIVED = "arrived"
        KEPT = "kept"
        LOST = "lost"

    ON_ITS_WAY = (State.PENDING, State.ARRIVED)
    HERE = (State.ARRIVED, State.KEPT)

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
    def has_thumbnails(self) -> bool:
        """Whether there are small copies to show."""
        return self.state == self.State.KEPT

    @property
    def number(self) -> int:
        """As people count."""
        return self.index + 1

    @property
    def extension(self) -> str:
        """Of a file name, without the dot."""
        return {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}[self.media_type]
