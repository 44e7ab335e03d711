"""What an admin changed of what a provider is declared to offer."""

from django.db import models
from django.utils import timezone

from klingweb.accounts.models import Team


class Override(models.Model):
    """One difference between a provider's declaration and what a team is offered. `Kind` tells what it says.

    It holds for one operation, or for all of the provider's where `operation` is blank.
    """

    class Kind(models.TextChoices):
        """What is different, and what `name` and `value` are then."""

        SHOWN = "shown"  # the model `name`, which its maker has retired, is offered
        HIDDEN = "hidden"  # the model `name` is not offered
        ADDED = "added"  # there is a model `name`, which can do what the declared model `value` can
        DEFAULT = "default"  # the model `value` is chosen at first
        PRICE = "price"  # a picture costs `value` US dollars with the model, or under the condition, `name`
        UNVERIFIED = "unverified"  # the parameter `name`, of which nobody knows that it works, is offered

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="overrides")
    provider = models.SlugField(max_length=32)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    operation = models.SlugField(max_length=32, blank=True)
    name = models.CharField(max_length=100, blank=True)
    value = models.CharField(max_length=100, blank=True)
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "provider", "kind", "operation", "name"], name="one_override_of_each_kind"
            )
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.provider, *self.said)))

    @property
    def said(self) -> tuple[str, str, str, str]:
        """What it says, whoever said it, and when."""
        return self.kind, self.operation, self.name, self.value
