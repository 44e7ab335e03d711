"""What an admin taught klingweb about a provider's answers."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from klingweb.accounts.models import Team


class Reading(models.Model):
    """One rule for reading a provider's answers to a team. `Kind` tells what `found` and `means` are."""

    class Kind(models.TextChoices):
        """What differs from the provider's document."""

        WORD = "word"  # the status word `found` is one for our state `means`
        PATH = "path"  # what is read at the place `means` stands at the place `found` now
        ERROR = "error"  # a refusal with the text or code `found` is of the kind `means`

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="readings")
    provider = models.SlugField(max_length=32)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    found = models.CharField(max_length=200)
    means = models.CharField(max_length=200)
    since = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["team", "provider", "kind", "found"], name="one_reading_of_each_thing")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.found} → {self.means}"
