"""What arrived at a generation's webhook."""

from django.db import models
from django.utils import timezone

from generations.models.generation import Generation


class Delivery(models.Model):
    """One call of a generation's webhook, repeats left out. What it said is not kept: nobody believes it.

    `verified` says that it bore a signature that was checked; only then `webhook_id` is the sender's name for it.
    """

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="deliveries")
    at = models.DateTimeField(default=timezone.now)
    webhook_id = models.CharField(max_length=100, blank=True)
    verified = models.BooleanField(default=False)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["at", "id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["generation", "webhook_id", "sha256"], name="one_delivery_of_each_call")
        ]

    def __str__(self) -> str:
        return f"{self.size} bytes at {self.at}"
